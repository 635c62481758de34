"""Batch normalization: the same small network on MNIST with it and without.

The article draws Keras's running accuracy, a mean over batches in training mode with weights that
change from batch to batch, as the training curve, beside a validation curve at the end of each
epoch. Here both curves belong to the same network at the same moment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np

from minnet.experiments import report
from minnet.experiments.experiment import Experiment, Results
from minnet.experiments.intervals import mean
from minnet.experiments.pictures import LEARNING
from minnet.experiments.setup import Setup
from minnet.experiments.trial import EVALUATED, Record, Trial
from minnet.validation import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WITHOUT = Setup(hidden=(128, 64), activation="relu", optimizer="adam", batch_size=128, epochs=20)
VARIANTS = {"without BatchNorm": WITHOUT, "with BatchNorm": WITHOUT.but(batchnorm=True)}
ARTICLE = {
    "without BatchNorm": WITHOUT,
    # With a bias that does nothing. Keras's momentum .99 and eps 1e-3 are .9 and 1e-5 here.
    "with BatchNorm": WITHOUT.but(batchnorm=True, bias=True),
}
TARGET = 0.97  # test accuracy at which a network counts as converged


def epochs_to(accuracies: Sequence[float], target: float = TARGET) -> int | None:
    """Return after how many epochs the accuracy is first at target or above; None if never.

    Examples
    --------
    >>> epochs_to([0.95, 0.968, 0.971, 0.969], target=0.97)
    3
    >>> epochs_to([0.95, 0.968], target=0.97) is None
    True
    """
    return next((epoch for epoch, value in enumerate(accuracies, 1) if value >= target), None)


def running(trial: Trial) -> SimpleNamespace:
    """Return the curves of the article: those of Keras's ``history``, for `learning_curves`.

    ``accuracy`` and ``loss`` are means over an epoch's batches, each with the weights of its
    moment and, under BatchNorm, with its own mean and variance; ``val_`` is the end of the epoch.
    """
    return SimpleNamespace(
        **{name: trial.curves[name] for name in ("accuracy", "loss", "val_accuracy", "val_loss")}
    )


def draw(results: Results) -> dict[str, Figure]:
    """Return the learning curves of all seeds, and of the first one its layers and gradients.

    As the article has it there is ``running_accuracy``, too: the four curves that it draws.
    """
    from minnet import plot
    from minnet.experiments import charts

    ended = {
        label: [trial for trial in runs if not trial.stopped]
        for label, runs in results.trials.items()
    }
    ended = {label: runs for label, runs in ended.items() if runs}
    figures = {}
    if results.as_article and ended:
        curves = {label: [running(trial) for trial in runs] for label, runs in ended.items()}
        figures["running_accuracy"] = plot.learning_curves(curves, metric="accuracy")
        figures["running_accuracy"].axes[0].set_ylabel("accuracy (training: running mean)")
    for metric in ("accuracy", "loss") if ended else ():
        curves = {label: [trial.history() for trial in runs] for label, runs in ended.items()}
        figures[metric] = plot.learning_curves(curves, metric=metric)
        figures[metric].axes[0].set_ylabel(f"{metric} at the end of the epoch")
    outputs = before_activation(results.records)
    if outputs:
        figures["before_activation"] = plot.histograms(outputs)
        figures["before_activation"].supxlabel("value before the activation", fontsize=15)
    figures["gradients"], panels = charts.side_by_side(list(results.records))
    for record, ax in zip(results.records.values(), panels, strict=True):
        plot.gradient_flow(record.statistics, lines=True, ax=ax)
    return figures


def before_activation(records: Mapping[str, Record]) -> dict[str, Array]:
    """Return what the first Dense of each network puts out after training, and its BatchNorm."""
    outputs = {}
    for label, record in records.items():
        if record.net is not None:
            seen = record.after().kind("y")
            for name in ("dense1", "batchnorm1"):
                if name in seen:
                    outputs[f"{name}, {label}"] = seen[name]
    return outputs


def units_table(outputs: Mapping[str, Array]) -> str:
    """Return of each array (n, units) its std, and how far the units' means and stds are apart."""
    rows = []
    for name, y in outputs.items():
        spread = (np.quantile(its, [0.05, 0.95]) for its in (y.mean(axis=0), y.std(axis=0)))
        rows.append([name, f"{y.std():.3g}", *(f"{low:.3g} to {high:.3g}" for low, high in spread)])
    return report.table(["", "std of all", "means of units", "stds of units"], rows)


def tell(results: Results) -> str:
    """Return how well and how fast each network learned, and the difference, paired by seed."""
    trials = results.trials
    parts = [
        report.outcome_table(trials),
        "Accuracies and losses are those of the network as it stood at the end of an epoch, on "
        f"all test rows and on the first {EVALUATED} training rows.",
        convergence_table(trials),
        "\n".join(f"- {sentence}" for sentence in differences(trials)),
    ]
    if results.as_article:
        parts.append("\n".join(f"- {sentence}" for sentence in gaps(trials)))
    parts += [
        "The first hidden layer before its activation, after training, of the first seed; of the "
        "units' own means and stds the 5% and 95% quantiles:",
        units_table(before_activation(results.records)),
    ]
    return "\n\n".join(parts)


def convergence_table(trials: Mapping[str, Sequence[Trial]]) -> str:
    """Return for each label the epochs to TARGET, and the best test accuracy."""
    rows = [
        [
            label,
            _epochs([epochs_to(trial.curves["val_accuracy"]) for trial in runs]),
            str(mean(best(trial) for trial in runs)),
        ]
        for label, runs in trials.items()
    ]
    return report.table(["", f"epochs to {TARGET:.0%} test accuracy", "best test accuracy"], rows)


def final(trial: Trial) -> float:
    """Return the test accuracy after the last epoch; nan if there is none."""
    return trial.last("val_accuracy")


def best(trial: Trial) -> float:
    """Return the best test accuracy of all epochs; nan if there is none."""
    return max(trial.curves["val_accuracy"], default=float("nan"))


def differences(trials: Mapping[str, Sequence[Trial]]) -> list[str]:
    """Return in a sentence each how the final and the best test accuracy differ, by seed."""
    (one, without), (other, normalized) = trials.items()
    told = []
    for what, accuracy in (("Final", final), ("Best", best)):
        points = [
            100 * (accuracy(second) - accuracy(first))
            for first, second in zip(without, normalized, strict=True)
        ]
        seeds = f"{len(points)} pairs of seeds" if len(points) > 1 else "one seed, no interval"
        told.append(f"{what} test accuracy, {other} less {one}: {mean(points)} points ({seeds}).")
    return told


def gaps(trials: Mapping[str, Sequence[Trial]]) -> list[str]:
    """Return in a sentence for each label how far Keras's running accuracy is from the network's.

    Only the first epoch is told, where the weights change most.
    """
    told = []
    for label, runs in trials.items():
        curves = [trial.curves for trial in runs if trial.curves["val_accuracy"]]
        if not curves:
            continue
        batches, rows, test = (
            mean(curve[name][0] for curve in curves).value
            for name in ("accuracy", "train_accuracy", "val_accuracy")
        )
        told.append(
            f"First epoch {label}: the article draws {batches:.4f} as training accuracy, "
            f"{100 * (batches - test):+.2f} points from that of the test rows. The network at the "
            f"end of the epoch has {rows:.4f} on training rows, {100 * (rows - test):+.2f} points."
        )
    return told


def _epochs(reached: Sequence[int | None]) -> str:
    epochs = [epoch for epoch in reached if epoch is not None]
    if not epochs:
        return "never"
    never = len(reached) - len(epochs)
    return f"{mean(epochs)}" + (f"; {never} of {len(reached)} never" if never else "")


CAPTIONS = {
    **LEARNING,
    "running_accuracy": "What the article drew: as training accuracy, dashed, the mean over an "
    "epoch's batches, each with the weights of its moment; solid is the end of the epoch.",
    "before_activation": "What the first layer puts out before its activation, after training: "
    "without BatchNorm, and before and after BatchNorm where there is one.",
    "gradients": "The size of each weight's gradient over the steps: lines that lie close together "
    "are layers that learn at one pace.",
}
EXPERIMENT = Experiment(
    name="batchnorm",
    summary="A small ReLU network with BatchNorm before each activation and without.",
    variants=VARIANTS,
    article=ARTICLE,
    quick={"epochs": 10},
    draw=draw,
    captions=CAPTIONS,
    tell=tell,
)

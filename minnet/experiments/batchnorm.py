"""Batch normalization: a small network on MNIST with BatchNorm and without.

The article draws Keras's running accuracy as the training curve: a mean over batches in training
mode, with weights that change from batch to batch. Its validation curve is from the end of each
epoch. Here both curves belong to the same network at the same time.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from types import SimpleNamespace

from minnet import plot
from minnet.experiments import report
from minnet.experiments.experiment import Experiment, Results
from minnet.experiments.intervals import mean
from minnet.experiments.readings import AFTER, gradient_ratio
from minnet.experiments.setup import Setup
from minnet.experiments.trial import EVALUATED, Record, Trial, Trials
from minnet.validation import Array

WITHOUT = Setup(hidden=(128, 64), activation="relu", optimizer="adam", batch_size=128, epochs=20)
VARIANTS = {"without BatchNorm": WITHOUT, "with BatchNorm": WITHOUT.but(batchnorm=True)}
ARTICLE = {
    "without BatchNorm": WITHOUT,
    # The bias has no effect. The article has Keras's momentum .99 and eps 1e-3 instead of .9 and
    # 1e-5.
    "with BatchNorm": WITHOUT.but(batchnorm=True, bias=True),
}
TARGET = 0.97  # test accuracy at which a network counts as converged


def epochs_to_target(accuracies: Sequence[float]) -> int | None:
    """Return the first epoch with an accuracy of at least TARGET; None if there is none.

    >>> epochs_to_target([0.95, 0.968, 0.971, 0.969])
    3
    """
    return next((epoch for epoch, value in enumerate(accuracies, 1) if value >= TARGET), None)


def draw(results: Results) -> report.Figures:
    """Return figures of the first layer and of the gradients, for the first seed.

    With the article's settings, add its four curves, which are those of Keras's ``history``.
    """
    probes = {label: record.statistics for label, record in results.records.items()}
    ratios = {label: gradient_ratio(AFTER, runs).value for label, runs in results.trials.items()}
    figures: report.Figures = {
        "gradients": (
            report.panels(
                probes, lambda label, ax: plot.gradient_flow(probes[label], lines=True, ax=ax)
            ),
            "RMS of each layer's weight gradient over training steps. The closer the lines, the "
            "more similar are the gradients of the layers. After training the ratio of the last "
            f"layer to the first is {report.span(ratios)}.",
        )
    }
    if outputs := before_activation(results.records):
        figure = plot.histograms(outputs)
        figure.supxlabel("value before the activation", fontsize=15)
        std = {name: float(y.std()) for name, y in outputs.items()}
        figures["before_activation"] = (
            figure,
            "Values of the first hidden layer before its activation, after training: the output of "
            "the Dense layer, and of the BatchNorm layer if there is one. Their std is "
            f"{report.span(std)}.",
        )
    curves = {
        label: [SimpleNamespace(**trial.curves) for trial in runs if not trial.stopped]
        for label, runs in results.trials.items()
        if not all(trial.stopped for trial in runs)
    }
    if results.as_article and curves:
        figure = plot.learning_curves(curves, metric="accuracy")
        figure.axes[0].set_ylabel("accuracy (training: running mean)")
        figures["running_accuracy"] = (
            figure,
            "Accuracy as the article draws it: on training rows the mean over the batches of an "
            "epoch (dashed), on test rows the end of the epoch (solid).",
        )
    return figures


def before_activation(records: Mapping[str, Record]) -> dict[str, Array]:
    """Return the outputs of the first Dense and BatchNorm of each network after training."""
    outputs = {}
    for label, record in records.items():
        captured = record.after().kind("y") if record.net is not None else {}
        for name in ("dense1", "batchnorm1"):
            if name in captured:
                outputs[f"{name}, {label}"] = captured[name]
    return outputs


def summarize(results: Results) -> list[str]:
    """Return the convergence of each network, and the differences paired by seed."""
    parts = [
        "Accuracies and losses are those of the network at the end of an epoch, on all test rows "
        f"and on the first {EVALUATED} training rows.",
        convergence_table(results.trials),
        "\n".join(f"- {sentence}" for sentence in differences(results.trials)),
    ]
    if results.as_article:
        parts += [
            "Accuracies of the first epoch, in which the weights change most. The article draws "
            "the first as training accuracy; the others belong to the network at the end of the "
            "epoch:",
            first_epoch_table(results.trials),
        ]
    return parts


def convergence_table(trials: Trials) -> str:
    """Return for each label the epochs to TARGET and the best test accuracy."""

    def epochs(runs: Sequence[Trial]) -> str:
        reached = [epochs_to_target(trial.curves["val_accuracy"]) for trial in runs]
        counts = [epoch for epoch in reached if epoch is not None]
        never = f"; never in {len(runs) - len(counts)} of {len(runs)}"
        return f"{mean(counts)}{never if len(counts) < len(runs) else ''}" if counts else "never"

    columns: report.Columns = {
        f"epochs to {TARGET:.0%} test accuracy": epochs,
        "best test accuracy": lambda runs: mean(map(best, runs)),
    }
    return report.label_table(trials, columns)


def best(trial: Trial) -> float:
    """Return the best test accuracy of all epochs; nan if there is none."""
    return max(trial.curves["val_accuracy"], default=float("nan"))


def differences(trials: Trials) -> list[str]:
    """Return sentences on the differences of final and best test accuracy, paired by seed."""
    (one, without), (other, normalized) = trials.items()
    pairs = list(zip(without, normalized, strict=True))
    seeds = f"{len(pairs)} pairs of seeds" if len(pairs) > 1 else "one seed, no interval"
    sentences = []
    for name, accuracy in (("Final", lambda trial: trial.last("val_accuracy")), ("Best", best)):
        points = mean(100 * (accuracy(second) - accuracy(first)) for first, second in pairs)
        sentences.append(f"{name} test accuracy, {other} minus {one}: {points} points ({seeds}).")
    return sentences


def first_epoch_table(trials: Trials) -> str:
    """Return Keras's running accuracy of the first epoch and the accuracies at the end of it."""

    def accuracy(curve: str, runs: Sequence[Trial]) -> str:
        values = [trial.curves[curve][0] for trial in runs if trial.curves[curve]]
        return f"{mean(values).value:.4f}" if values else "–"

    curves = {"drawn by the article": "", "training rows": "train_", "test rows": "val_"}
    columns = {name: partial(accuracy, f"{rows}accuracy") for name, rows in curves.items()}
    return report.label_table(trials, columns)


EXPERIMENT = Experiment(
    name="batchnorm",
    summary="A small ReLU network with BatchNorm before each activation and without.",
    variants=VARIANTS,
    article=ARTICLE,
    quick={"epochs": 10},
    draw=draw,
    summarize=summarize,
)

"""The exploding gradient: a deep ReLU network on MNIST whose first weights are too large.

The articles name clipping as the cure and have no code for it. Each weight of this network is
drawn as He's rule has it and multiplied by 1.4, so that after eleven layers the outputs are
1.4^11 = 40 times too large, and the gradients with them. Scale and learning rate were chosen by
small runs: large enough that training breaks off, and not so large that the loss begins too high
for a clipped gradient to bring it down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from minnet.experiments import report
from minnet.experiments.experiment import Experiment, Results
from minnet.experiments.intervals import geometric_mean, mean
from minnet.experiments.pictures import LEARNING, decades, learning_curves
from minnet.experiments.readings import attenuation, by_layer, stages, start
from minnet.experiments.setup import Setup
from minnet.experiments.trial import Trial, train
from minnet.recording import StatisticsProbe

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PLAIN = Setup(
    hidden=(128,) * 10, activation="relu", init="he_normal", weight_scale=1.4,
    optimizer="sgd", lr=0.05, batch_size=100, epochs=5,
)  # fmt: skip
VARIANTS = {
    "too large": PLAIN,
    "too large, clipped": PLAIN.but(clip_norm=1.0),
    "He": PLAIN.but(weight_scale=1.0),
}
FIRST = 30  # steps that are looked at one by one
SLOPE = float(np.sqrt(0.5))  # RMS of a ReLU's slope where half of the inputs are positive


def draw(results: Results) -> dict[str, Figure]:
    """Return the gradients in the first steps and by layer before them, and how networks learned.

    The first steps are those of a training of its own, for a long one's record passes over them.
    """
    from minnet import plot
    from minnet.experiments import charts

    figures = {}
    begun = [first_steps(label, runs[0].setup) for label, runs in results.trials.items()]
    limits = decades(probe for _, probe in begun)
    figures["first_steps"], panels = charts.side_by_side([title for title, _ in begun])
    for (_, probe), ax in zip(begun, panels, strict=True):
        plot.gradient_flow(probe, lines=True, limits=limits, ax=ax)
        ax.set_xlim(-0.03 * FIRST, 1.03 * FIRST)
    values, theory = {}, {}
    for label, runs in results.trials.items():
        if runs[0].setup.clip_norm is None:  # clipped or not, it begins with the same gradients
            values[label] = by_layer(stages(runs)["before training"], "dense", "dy_rms")
            theory[label] = predicted(runs[0], geometric_mean(values[label][-1]).value)
    figures["by_layer"] = charts.by_layer(
        values, ylabel="RMS of gradient dy\nbefore training", log=True, theory=theory
    )
    return figures | learning_curves(results.trials)


def first_steps(label: str, setup: Setup) -> tuple[str, StatisticsProbe]:
    """Return a panel's title, and what is seen of every one of the first steps.

    Gradients are seen as the optimizer gets them, after clipping.
    """
    rows = FIRST * setup.batch_size
    trial, record = train(setup.but(rows=min(setup.rows or rows, rows), epochs=1), record=True)
    assert record is not None  # it was asked for
    return label + (", broke off" if trial.stopped else ""), record.statistics


def predicted(trial: Trial, last: float) -> list[float]:
    """Return RMS(dy) of each layer as theory has it, given that of the last."""
    found = [last]
    for factor in reversed(attenuation(start(trial), SLOPE)):
        found.insert(0, found[0] * factor)
    return found


def tell(results: Results) -> str:
    """Return how each network ended, where trainings broke off, and how large gradients were."""
    return "\n\n".join(
        [
            report.outcome_table(results.trials),
            gradient_table(results.trials),
            *(told_of(label, runs) for label, runs in results.trials.items()),
        ]
    )


def gradient_table(trials: Mapping[str, Sequence[Trial]]) -> str:
    """Return by network the gradients before training, and by how much dy grows from a layer down.

    The growth is measured from the last hidden layer to the first one, and told by layer.
    """
    rows = []
    for label, runs in trials.items():
        dw = by_layer(stages(runs)["before training"], "dense", "weight_grad_rms")
        dy = by_layer(stages(runs)["before training"], "dense", "dy_rms")[:-1]
        growth = [
            (first / last) ** (1 / (len(dy) - 1)) for first, last in zip(dy[0], dy[-1], strict=True)
        ]
        theory = geometric_mean(attenuation(start(runs[0]), SLOPE)[:-1]).value
        rows.append(
            [
                label,
                f"{geometric_mean(dw[0]).value:.2e}",
                f"{geometric_mean(dw[-1]).value:.2e}",
                f"{geometric_mean(growth).value:.4g}",
                f"{theory:.4g}",
            ]
        )
    header = ["", "RMS of dW, first layer", "last layer", "dy over dy above", "theory"]
    return report.table(header, rows)


def told_of(label: str, runs: Sequence[Trial]) -> str:
    """Return a sentence on how these trainings ended."""
    stopped = [trial.stopped for trial in runs if trial.stopped is not None]
    ended = [trial.last("val_accuracy") for trial in runs if trial.stopped is None]
    parts = []
    if stopped:
        why = stopped[0].split(";")[0]  # without the advice
        parts.append(f"{len(stopped)} of {len(runs)} broke off, the first at {why}")
    if ended:
        accuracy = 100 * mean(ended).value
        parts.append(
            f"{len(ended)} of {len(runs)} came to the end, with a test accuracy of {accuracy:.1f}%"
        )
    return f"{label}: {'; '.join(parts)}."


CAPTIONS = {
    "first_steps": "The size of each weight's gradient in the first steps, as the optimizer gets "
    "it: lines that leave the top of a panel explode.",
    "by_layer": "The gradient that arrives at each layer before training: it grows on its way from "
    "the last layer to the first. Dashes are theory.",
    **LEARNING,
}
EXPERIMENT = Experiment(
    name="exploding",
    summary="A deep ReLU network whose first weights are too large: "
    "plain, with its gradient clipped, and with weights of the right size.",
    variants=VARIANTS,
    article={},
    quick={"rows": 6000, "epochs": 3},
    draw=draw,
    captions=CAPTIONS,
    tell=tell,
)

"""Exploding gradients: a deep ReLU network on MNIST with initial weights that are too large.

The articles name clipping as the remedy, without code. Each weight of this network is He's times
1.4, so after eleven layers the outputs are 1.4^11 = 40 times too large, and so are the gradients.
Scale and learning rate were chosen in small runs: large enough that training diverges, and small
enough that a clipped gradient can reduce the initial loss.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from minnet.experiments import report
from minnet.experiments.experiment import Experiment, Results
from minnet.experiments.intervals import geometric_mean
from minnet.experiments.readings import (
    attenuation,
    by_layer,
    gradient_limits,
    predicted_gradients,
    stages,
    start,
)
from minnet.experiments.setup import Setup
from minnet.experiments.trial import Trial, train
from minnet.recording import StatisticsProbe

BASELINE = Setup(
    hidden=(128,) * 10, activation="relu", init="he_normal", weight_scale=1.4,
    optimizer="sgd", lr=0.05, batch_size=100, epochs=5,
)  # fmt: skip
VARIANTS = {
    "too large": BASELINE,
    "too large, clipped": BASELINE.but(clip_norm=1.0),
    "He": BASELINE.but(weight_scale=1.0),
}
FIRST = 30  # steps that are recorded one by one
SLOPE = float(np.sqrt(0.5))  # RMS of a ReLU's slope if half of its inputs are positive


def draw(results: Results) -> report.Figures:
    """Return the gradients in the first steps and by layer before training, and learning curves.

    The first steps are recorded in a separate short training, because a record of the whole
    training skips some of them.
    """
    from minnet import plot
    from minnet.experiments import charts

    recorded = [first_steps(label, runs[0].setup) for label, runs in results.trials.items()]
    limits = gradient_limits(probe for _, probe in recorded)
    first, panels = charts.side_by_side([title for title, _ in recorded])
    for (_, probe), ax in zip(recorded, panels, strict=True):
        plot.gradient_flow(probe, lines=True, limits=limits, ax=ax)
        ax.set_xlim(-0.03 * FIRST, 1.03 * FIRST)
    charts.share_legends(first)
    values, theory = {}, {}
    for label, runs in results.trials.items():
        if runs[0].setup.clip_norm is None:  # clipping does not change the first gradients
            values[label] = by_layer(stages(runs)["before training"], "dense", "dy_rms")
            last = geometric_mean(values[label][-1]).value
            theory[label] = predicted_gradients(runs[0], SLOPE, last)
    layers = charts.by_layer(
        values, ylabel="RMS of gradient dy\nbefore training", log=True, theory=theory
    )
    return {
        "first_steps": (
            first,
            "RMS of each layer's weight gradient in the first training steps, after clipping. "
            "Lines that leave the top of a panel explode.",
        ),
        "by_layer": (
            layers,
            "RMS of the gradient dy at each layer before training. Where weights are too large, it "
            "grows from the last layer to the first. Dashed lines are predictions.",
        ),
        **report.learning_curves(results.trials),
    }


def first_steps(label: str, setup: Setup) -> tuple[str, StatisticsProbe]:
    """Return the title of a panel, and a recording of each of the first steps after clipping."""
    rows = FIRST * setup.batch_size
    trial, record = train(setup.but(rows=min(setup.rows or rows, rows), epochs=1), record=True)
    assert record is not None  # requested above
    return label + (", diverged" if trial.stopped else ""), record.statistics


def summarize(results: Results) -> str:
    """Return the outcomes, the size of the gradients, and where trainings diverged."""
    stopped = {
        label: [trial.stopped.split(";")[0] for trial in runs if trial.stopped is not None]
        for label, runs in results.trials.items()
    }  # without the advice of the message
    return "\n\n".join(
        [
            report.outcome_table(results.trials),
            gradient_table(results.trials),
            *(
                f"{label}: {len(reasons)} of {len(results.trials[label])} diverged, the first at "
                f"{reasons[0]}."
                for label, reasons in stopped.items()
                if reasons
            ),
        ]
    )


def gradient_table(trials: report.Trials) -> str:
    """Return the gradients before training and the growth of dy from a layer to the one below.

    The growth is the geometric mean from the last hidden layer to the first.
    """

    def gradient(layer: int, runs: Sequence[Trial]) -> str:
        layers = by_layer(stages(runs)["before training"], "dense", "weight_grad_rms")
        return f"{geometric_mean(layers[layer]).value:.2e}"

    def growth(runs: Sequence[Trial]) -> str:
        dy = by_layer(stages(runs)["before training"], "dense", "dy_rms")[:-1]
        factors = [
            (first / last) ** (1 / (len(dy) - 1)) for first, last in zip(dy[0], dy[-1], strict=True)
        ]
        return f"{geometric_mean(factors).value:.4g}"

    def theory(runs: Sequence[Trial]) -> str:
        return f"{geometric_mean(attenuation(start(runs[0]), SLOPE)[:-1]).value:.4g}"

    columns: dict[str, Callable[[Sequence[Trial]], str]] = {
        "RMS of dW, first layer": partial(gradient, 0),
        "last layer": partial(gradient, -1),
        "dy over dy above": growth,
        "theory": theory,
    }
    return report.label_table(trials, columns)


EXPERIMENT = Experiment(
    name="exploding",
    summary="A deep ReLU network with initial weights that are too large: without a remedy, with "
    "clipped gradients, and with weights of the right size.",
    variants=VARIANTS,
    article={},
    quick={"rows": 6000, "epochs": 3},
    draw=draw,
    summarize=summarize,
)

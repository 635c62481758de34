"""Exploding gradients: a deep ReLU network on MNIST with initial weights that are too large.

The articles name clipping as the remedy, without code. Each weight of this network is He's times
1.4, so after eleven layers the outputs are 1.4^11 = 40 times too large, and so are the gradients.
Scale and learning rate were chosen in small runs: large enough that training diverges, and small
enough that a clipped gradient can reduce the initial loss.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from minnet import plot
from minnet.experiments import charts, readings, report
from minnet.experiments.experiment import Experiment, Results
from minnet.experiments.intervals import geometric_mean
from minnet.experiments.readings import BEFORE, by_layer, networks
from minnet.experiments.setup import Setup
from minnet.experiments.trial import Trial, Trials, train
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
    """Return figures of the gradients in the first steps, and by layer before training.

    The first steps are recorded in a separate short training, because a record of the whole
    training skips some of them.
    """
    recorded = dict(first_steps(label, runs[0].setup) for label, runs in results.trials.items())
    limits = readings.gradient_limits(recorded.values())

    def draw_steps(title: str, ax: Axes) -> None:
        plot.gradient_flow(recorded[title], lines=True, limits=limits, ax=ax)
        ax.set_xlim(-0.03 * FIRST, 1.03 * FIRST)

    values, theory = {}, {}
    for label, runs in results.trials.items():
        if runs[0].setup.clip_norm is None:  # clipping does not change the first gradients
            values[label] = by_layer(runs, BEFORE, "dense", "dy_rms")
            last = geometric_mean(values[label][-1]).value
            theory[label] = readings.predicted_gradients(networks(runs, BEFORE)[0], SLOPE, last)
    largest = {
        title: float(np.max(probe.series("dense1", "weight_grad", "rms")[1]))
        for title, probe in recorded.items()
    }
    grown = {label: growth(results.trials[label]) for label in values}
    return {
        "first_steps": (
            report.panels(recorded, draw_steps),
            "RMS of each layer's weight gradient in the first training steps, after clipping. "
            "Gradients whose lines leave the top of a panel explode. The first layer's largest RMS "
            f"is {report.span(largest)}.",
        ),
        "by_layer": (
            charts.by_layer(
                values, ylabel="RMS of gradient dy\nbefore training", log=True, theory=theory
            ),
            "RMS of the gradient dy at each layer before training. From the last hidden layer to "
            f"the first, the factor from layer to layer is {report.span(grown)}. Dashed lines are "
            "predictions.",
        ),
    }


def first_steps(label: str, setup: Setup) -> tuple[str, StatisticsProbe]:
    """Return the title of a panel, and a recording of the first steps after clipping."""
    rows = FIRST * setup.batch_size
    trial, record = train(setup.but(rows=min(setup.rows or rows, rows), epochs=1), record=True)
    assert record is not None  # requested above
    return label + (", diverged" if trial.stopped else ""), record.statistics


def summarize(results: Results) -> list[str]:
    """Return the size of the gradients, and where trainings diverged."""
    text = [gradient_table(results.trials)]
    for label, runs in results.trials.items():
        stopped = [trial.stopped for trial in runs if trial.stopped is not None]
        if stopped:
            first = stopped[0].split(";")[0]  # without the advice of the message
            text.append(f"{label}: {len(stopped)} of {len(runs)} diverged, the first at {first}.")
    return text


def gradient_table(trials: Trials) -> str:
    """Return a table of the gradients before training and the growth of dy between layers."""
    header = "RMS of dW, first layer", "RMS of dW, last layer"
    rows = []
    for label, runs in trials.items():
        first, *_, last = map(geometric_mean, by_layer(runs, BEFORE, "dense", "weight_grad_rms"))
        factors = readings.attenuation(networks(runs, BEFORE)[0], SLOPE)[:-1]
        rows.append([
            label, f"{first.value:.2e}", f"{last.value:.2e}", f"{growth(runs):.4g}",
            f"{geometric_mean(factors).value:.4g}",
        ])  # fmt: skip
    return report.table(["", *header, "RMS(dy) over that of the next layer", "theory"], rows)


def growth(trials: Sequence[Trial]) -> float:
    """Return the growth of dy from a layer to the one below, before training.

    It is the geometric mean over the layers, from the last hidden layer to the first, and over the
    seeds.
    """
    *hidden, _ = by_layer(trials, BEFORE, "dense", "dy_rms")
    ratios = zip(hidden[0], hidden[-1], strict=True)
    return geometric_mean((first / last) ** (1 / (len(hidden) - 1)) for first, last in ratios).value


EXPERIMENT = Experiment(
    name="exploding",
    summary="A deep ReLU network with initial weights that are too large: without a remedy, with "
    "clipped gradients, and with weights of the right size.",
    variants=VARIANTS,
    quick={"rows": 6000, "epochs": 3},
    draw=draw,
    summarize=summarize,
)

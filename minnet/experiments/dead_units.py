"""Dead units: ReLUs whose output is 0 for every input, and common remedies.

A large step can change a unit's weights so far that no input is above 0. Then its gradient is 0,
and it does not recover. The articles name Leaky ReLU, L1, L2 and dropout as remedies, without code.
Adam's learning rate is 30 times its default. It was chosen in small runs: large enough that many
units die, and small enough that the network still learns.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from minnet.experiments import report
from minnet.experiments.experiment import Experiment, Results
from minnet.experiments.intervals import mean
from minnet.experiments.readings import by_layer, stages
from minnet.experiments.setup import Setup
from minnet.experiments.trial import TEST_ROWS, Trial

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BASELINE = Setup(
    hidden=(128,) * 3, init="he_normal", optimizer="adam", lr=0.03, batch_size=100, epochs=5
)
VARIANTS = {
    "ReLU": BASELINE,
    "Leaky ReLU": BASELINE.but(activation="leaky_relu"),
    "PReLU": BASELINE.but(activation="prelu"),
    "L1": BASELINE.but(l1=1e-4),
    "L2": BASELINE.but(l2=1e-4),
    "dropout": BASELINE.but(dropout=0.2),
    "smaller lr": BASELINE.but(lr=1e-3),
}


def draw(results: Results) -> report.Figures:
    """Return the dead units over the steps and, by layer, at the end, and learning curves."""
    from minnet import plot
    from minnet.experiments import charts

    figure, panels = charts.side_by_side(list(results.records), share_y=False)
    figure.set_figwidth(5.6 * min(3, len(panels)))  # each panel has a colour bar
    for (label, record), ax in zip(results.records.items(), panels, strict=True):
        plot.dead_units(record.statistics, layers=activations(results.trials[label][0]), ax=ax)
        number_rows(ax)
    figures = {
        "dead_units": (
            figure,
            "Share of dead units in each layer over training steps. White means none. The number "
            "beside a row is the count at the end of training.",
        )
    }
    values = {label: shares(runs) for label, runs in results.trials.items()}
    values = {label: layers for label, layers in values.items() if layers}
    if values:
        figure = charts.by_layer(values, ylabel="share of units that are dead\nafter training")
        figure.axes[0].set_ylim(-0.03, 1.03)
        figures["dead_by_layer"] = (
            figure,
            "Share of dead units in each layer after training. With several seeds, bands are 95% "
            "intervals of the mean.",
        )
    return figures | report.learning_curves(results.trials)


def number_rows(ax: Axes) -> None:
    """Name the rows by the number of the layer and its count of dead units at the end."""
    counts = [name.get_text().split(": ")[1] for name in ax.get_yticklabels()]
    ax.set_yticks(ax.get_yticks(), [f"{row}: {dead}" for row, dead in enumerate(counts, 1)])
    ax.set_ylabel("layer: dead at the end", fontsize=ax.xaxis.label.get_fontsize())
    ax.locator_params(axis="x", nbins=3)


def activations(trial: Trial) -> list[str]:
    """Return the names of the hidden activations."""
    return [row["name"] for row in trial.start["hidden"]] if trial.start else []


def shares(trials: Sequence[Trial]) -> list[list[float]]:
    """Return the share of dead units after training: a list over layers of lists over seeds."""
    ends = [trial.end["hidden"] for trial in trials if trial.end is not None]
    return [[row["dead"] / row["units"] for row in layer] for layer in zip(*ends, strict=True)]


def summarize(results: Results) -> str:
    """Return the outcomes and the number of dead units before and after training."""
    return "\n\n".join(
        [
            report.outcome_table(results.trials),
            f"Units with the same output on all of up to {TEST_ROWS} test rows, before training → "
            "after training:",
            dead_table(results.trials),
            "The figure over training steps is computed from training batches. A unit counts as "
            "dead there after its output has been constant for a while. Units that die in the "
            "first steps therefore appear some steps later.",
        ]
    )


def dead_table(trials: report.Trials) -> str:
    """Return by network and layer the number of dead units before and after training."""

    def layer(place: int, runs: Sequence[Trial]) -> str:
        before, after = (by_layer(networks, "hidden", "dead") for networks in stages(runs).values())
        if not after:
            return "diverged"
        units = runs[0].setup.hidden[place]
        return f"{mean(before[place]).value:.3g} → {mean(after[place]).value:.3g} of {units}"

    def every(runs: Sequence[Trial]) -> str:
        dead = [dead_share(trial) for trial in runs if trial.end is not None]
        return f"{100 * mean(dead).value:.1f}%" if dead else "diverged"

    depth = max(len(runs[0].setup.hidden) for runs in trials.values())
    columns = {f"layer {place + 1}": partial(layer, place) for place in range(depth)}
    return report.label_table(trials, columns | {"all hidden units, after training": every})


def dead_share(trial: Trial) -> float:
    """Return the share of all hidden units that are dead after training; nan if it diverged."""
    hidden = trial.end["hidden"] if trial.end is not None else []
    units = sum(row["units"] for row in hidden)
    return sum(row["dead"] for row in hidden) / units if units else float("nan")


EXPERIMENT = Experiment(
    name="dead_units",
    summary="A ReLU network with a learning rate so large that units die, and common remedies.",
    variants=VARIANTS,
    article={},
    quick={"rows": 6000, "epochs": 3},
    draw=draw,
    summarize=summarize,
)

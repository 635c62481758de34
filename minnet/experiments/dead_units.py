"""Dead units: ReLUs that put out 0 whatever comes in, and what is said to keep them alive.

A unit whose weights one large step has driven so far that no input gets above 0 has no gradient any
more, and never comes back. The articles name Leaky ReLU, L1, L2 and dropout against it and have no
code for it. Here Adam's learning rate is 30 times its default, chosen by small runs: large enough
that many units die, and not so large that the network dies with them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from minnet.experiments import report
from minnet.experiments.experiment import Experiment, Results
from minnet.experiments.intervals import mean
from minnet.experiments.pictures import LEARNING, learning_curves
from minnet.experiments.setup import Setup
from minnet.experiments.trial import SEEN, Trial

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DYING = Setup(
    hidden=(128,) * 3, init="he_normal", optimizer="adam", lr=0.03, batch_size=100, epochs=5
)
VARIANTS = {
    "ReLU": DYING,
    "Leaky ReLU": DYING.but(activation="leaky_relu"),
    "PReLU": DYING.but(activation="prelu"),
    "L1": DYING.but(l1=1e-4),
    "L2": DYING.but(l2=1e-4),
    "dropout": DYING.but(dropout=0.2),
    "smaller lr": DYING.but(lr=1e-3),
}


def draw(results: Results) -> dict[str, Figure]:
    """Return the dead units over the steps and, by layer, at the end, and the learning curves."""
    from minnet import plot
    from minnet.experiments import charts

    figures = {}
    figures["dead_units"], panels = charts.side_by_side(list(results.records), share_y=False)
    for (label, record), ax in zip(results.records.items(), panels, strict=True):
        plot.dead_units(record.statistics, layers=activations(results.trials[label][0]), ax=ax)
        count_rows(ax)
    values = {label: shares(runs) for label, runs in results.trials.items()}
    values = {label: layers for label, layers in values.items() if layers}
    if values:
        figures["dead_by_layer"] = charts.by_layer(
            values, ylabel="share of units that are dead\nafter training"
        )
        figures["dead_by_layer"].axes[0].set_ylim(-0.03, 1.03)
    return figures | learning_curves(results.trials)


def count_rows(ax: Axes) -> None:
    """Name the rows of a barcode by the layer's number, and how many units are dead at the end."""
    names = [name.get_text().split(": ")[1] for name in ax.get_yticklabels()]
    ax.set_yticks(ax.get_yticks(), [f"{row}: {dead}" for row, dead in enumerate(names, 1)])
    ax.set_ylabel("layer: dead at the end", fontsize=ax.xaxis.label.get_fontsize())
    ax.locator_params(axis="x", nbins=3)


def activations(trial: Trial) -> list[str]:
    """Return the names of the layers whose units can die."""
    return [row["name"] for row in trial.start["hidden"]] if trial.start else []


def shares(trials: Sequence[Trial]) -> list[list[float]]:
    """Return the share of dead units after training, a list over layers of lists over seeds."""
    ends = [trial.end["hidden"] for trial in trials if trial.end is not None]
    return [[row["dead"] / row["units"] for row in layer] for layer in zip(*ends, strict=True)]


def tell(results: Results) -> str:
    """Return how each network ended, and how many of its units were dead before and after."""
    return "\n\n".join(
        [
            report.outcome_table(results.trials),
            f"Units that are the same on all of up to {SEEN} test rows, before training and after:",
            dead_table(results.trials),
            told_of_dead(results.trials),
            "The barcodes are of training batches: a unit counts as dead there once it has been "
            "the same for a while, so those that die in the first steps show some steps later.",
        ]
    )


def dead_table(trials: Mapping[str, Sequence[Trial]]) -> str:
    """Return by network and layer how many units are dead before training and after it."""
    layers = max(len(runs[0].setup.hidden) for runs in trials.values())
    rows = []
    for label, runs in trials.items():
        before = [trial.start["hidden"] for trial in runs if trial.start is not None]
        after = [trial.end["hidden"] for trial in runs if trial.end is not None]
        cells = [
            f"{mean(row['dead'] for row in first).value:.3g} → "
            f"{mean(row['dead'] for row in last).value:.3g} of {first[0]['units']}"
            for first, last in zip(
                zip(*before, strict=True), zip(*after, strict=True), strict=False
            )
        ]
        rows.append([label, *cells, *["broke off"] * (layers - len(cells))])
    return report.table(["", *(f"layer {layer}" for layer in range(1, layers + 1))], rows)


def told_of_dead(trials: Mapping[str, Sequence[Trial]]) -> str:
    """Return the share of all hidden units that are dead after training, and the accuracies."""
    told = []
    for label, runs in trials.items():
        ends = [trial for trial in runs if trial.end is not None]
        if not ends:
            told.append(f"{label} broke off")
            continue
        accuracy = mean(trial.last("val_accuracy") for trial in ends).value
        dead = mean(dead_share(trial) for trial in ends).value
        told.append(f"{label} {100 * dead:.1f}%, test accuracy {100 * accuracy:.1f}%")
    return f"Dead after training, of all hidden units: {'; '.join(told)}."


def dead_share(trial: Trial) -> float:
    """Return the share of all hidden units that are dead after training; nan if it broke off."""
    hidden = trial.end["hidden"] if trial.end is not None else []
    units = sum(row["units"] for row in hidden)
    return sum(row["dead"] for row in hidden) / units if units else float("nan")


CAPTIONS = {
    "dead_units": "How many units of each layer are dead, step by step: the darker, the more; a "
    "white row has none. Beside each layer stands how many were dead at the end.",
    "dead_by_layer": "The share of dead units of each layer after training. With several seeds "
    "bands are 95% intervals of the mean.",
    **LEARNING,
}
EXPERIMENT = Experiment(
    name="dead_units",
    summary="A ReLU network with a learning rate so large that units die, "
    "and what is said to keep them alive.",
    variants=VARIANTS,
    article={},
    quick={"rows": 6000, "epochs": 3},
    draw=draw,
    captions=CAPTIONS,
    tell=tell,
)

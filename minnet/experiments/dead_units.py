"""Dead units: ReLUs whose output is 0 for every input, and common remedies.

A large step can change a unit's weights so far that its value before the ReLU is never positive.
Then its gradient is 0, and it does not recover. The articles name Leaky ReLU, L1, L2 and dropout as
remedies, without code. Adam's learning rate is 30 times its default. It was chosen in small runs:
large enough that many units die, and small enough that the network still learns.
"""

from collections.abc import Sequence

from matplotlib.axes import Axes

from minnet import plot
from minnet.experiments import charts, report
from minnet.experiments.experiment import Experiment, Results
from minnet.experiments.intervals import mean
from minnet.experiments.readings import AFTER, by_layer, networks
from minnet.experiments.setup import Setup
from minnet.experiments.trial import TEST_ROWS, Trial

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
    """Return figures of the dead units over the steps and, by layer, at the end."""

    def draw_map(label: str, ax: Axes) -> None:
        start = results.trials[label][0].start
        layers = [row["name"] for row in start["hidden"]] if start else []
        plot.dead_units(results.records[label].statistics, layers=layers, ax=ax)
        report.number_rows(ax, "layer: dead at the end")

    figures = {
        "dead_units": (
            report.panels(results.records, draw_map, color_bars=True),
            "Share of dead units in each layer over training steps. White means none. The label of "
            "a row ends with the count at the end of training.",
        )
    }
    ended = {label: runs for label, runs in results.trials.items() if networks(runs, AFTER)}
    if ended:
        share = {
            label: by_layer(runs, AFTER, "hidden", lambda row: float(row["dead"] / row["units"]))
            for label, runs in ended.items()
        }
        figure = charts.by_layer(share, ylabel="share of units that are dead\nafter training")
        figure.axes[0].set_ylim(-0.03, 1.03)
        every = {label: dead_share(runs) for label, runs in results.trials.items()}
        figures["dead_by_layer"] = (
            figure,
            "Share of dead units in each layer after training. Of all hidden units the share is "
            f"{report.span(every, '.1%')}. With several seeds, bands are 95% intervals of the "
            "mean.",
        )
    return figures


def dead_share(trials: Sequence[Trial]) -> float:
    """Return the share of all hidden units that are dead after training, as a mean over seeds."""
    ends = networks(trials, AFTER)
    dead = mean(sum(row["dead"] for row in network["hidden"]) for network in ends)
    return dead.value / sum(trials[0].setup.hidden)


def summarize(results: Results) -> list[str]:
    """Return the number of dead units before and after training."""

    def every(runs: Sequence[Trial]) -> str:
        return f"{dead_share(runs):.1%}" if networks(runs, AFTER) else "–"

    columns = report.layer_columns(results.trials, "dead")
    columns = {**columns, "all hidden units, after training": every}
    return [
        f"Units with the same output on all of the first {TEST_ROWS} test rows (on all rows if "
        "there are fewer), before training → after training:",
        report.label_table(results.trials, columns),
        "The figure over training steps is computed from training batches. A unit counts as dead "
        "there after its output has been constant for a while. Units that die in the first steps "
        "therefore appear some steps later.",
    ]


EXPERIMENT = Experiment(
    name="dead_units",
    summary="A ReLU network with a learning rate so large that units die, and common remedies.",
    variants=VARIANTS,
    quick={"rows": 6000, "epochs": 3},
    draw=draw,
    summarize=summarize,
)

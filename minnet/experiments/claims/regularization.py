"""What regularization does to the hidden layers: dead units, and how even the layers are.

The article says that L1 and L2 help against dead neurons and that dropout evens activations out,
and tries none of them. Here each is tried on the article's small network and on one for images,
against the same network from the same first weights without it, and each is held to what is said
of it.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from minnet.experiments.claims.claim import Claim, Finding, Trials
from minnet.experiments.claims.verdicts import (
    accuracy,
    confined,
    paired,
    points,
    sided,
    unsettled,
)
from minnet.experiments.initializers import TAPERING
from minnet.experiments.intervals import Interval
from minnet.experiments.iris import NETWORK
from minnet.experiments.readings import after, evenness
from minnet.experiments.setup import Setup
from minnet.experiments.trial import Trial

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Strengths at which the penalty is about a tenth to a third of the loss that an untrained network
# has; MNIST's network has two hundred times the weights.
STRENGTHS = {
    "Iris": {"none": {}, "L1": {"l1": 1e-3}, "L2": {"l2": 1e-3}, "dropout": {"dropout": 0.2}},
    "MNIST": {"none": {}, "L1": {"l1": 1e-5}, "L2": {"l2": 1e-4}, "dropout": {"dropout": 0.2}},
}
NETWORKS = {
    "Iris": NETWORK.but(measures=("extractors",)),  # as in the claims on activations: trained once
    "MNIST": TAPERING.but(init="he_normal", epochs=2),
}
REGULARIZED: dict[str, Setup] = {
    f"{where}, {name}": NETWORKS[where].but(**what)
    for where, strengths in STRENGTHS.items()
    for name, what in strengths.items()
}
SEEDS = 30


class Criterion(NamedTuple):
    """What a remedy is said to change: which number, whether it falls, and by how much at least."""

    what: str
    number: Callable[[Trial], float]
    falls: bool
    least: float


def dead_share(trial: Trial) -> float:
    """Return the share of dead units in the hidden layers after the first; 1 if it broke off."""
    if trial.end is None:
        return 1.0
    rows = trial.end["hidden"][1:]
    return float(sum(row["dead"] for row in rows) / sum(row["units"] for row in rows))


# A fiftieth of the units is one of the 48 that Iris has after layer 1: less saves not even one.
DEAD = Criterion("dead units", dead_share, falls=True, least=0.02)
# Two histograms whose widths differ by less than a tenth can hardly be told apart by eye.
EVEN = Criterion("evenness", evenness, falls=False, least=0.1)
RIGHT = "test accuracy"  # told beside them
SAID = {"L1": DEAD, "L2": DEAD, "dropout": EVEN}
COMPARISONS = len(SAID) * len(NETWORKS)
BY_CHANCE = 0.025 * COMPARISONS  # a 95% interval lies wholly above the truth once in forty times


def judge_regularizers(trials: Trials) -> Finding:
    """Judge claim 19: L1 and L2 leave fewer dead units, and dropout more even layers."""
    numbers: dict[str, Interval] = {}
    helps: dict[str, dict[str, bool | None]] = {name: {} for name in SAID}
    for name, where in product(SAID, NETWORKS):
        pair, said = (trials[f"{where}, {name}"], trials[f"{where}, none"]), SAID[name]
        larger, smaller = (pair[1], pair[0]) if said.falls else pair
        gain = paired(larger, smaller, said.number)
        helps[name][f"on {where}"] = sided(gain, said.least)
        for what, number in ((DEAD.what, dead_share), (EVEN.what, evenness), (RIGHT, accuracy)):
            numbers[_key(what, where, name)] = paired(*pair, number)
    told = "; ".join(
        f"{name} on {where} changes the share of dead units by "
        f"{points(numbers[_key(DEAD.what, where, name)])} and evenness by "
        f"{numbers[_key(EVEN.what, where, name)]}"
        for name, where in product(SAID, NETWORKS)
    )
    parts = {f"{name} {where}": so for name, tried in helps.items() for where, so in tried.items()}
    return Finding(
        verdict=confined(helps),
        number=numbers[_key(DEAD.what, "MNIST", "L1")],
        what="share of dead units with L1 less that without, MNIST",
        because=f"Against the same network with no remedy, {told}.{unsettled(parts)}",
        numbers=numbers,
    )


def draw_regularizers(trials: Trials) -> Figure:
    """Draw dead units and evenness, a row a network and remedy."""
    from minnet.experiments import charts

    figure, axes = charts.side_by_side(["Dead units", "Evenness"])
    for ax, number, xlabel in (
        (axes[0], dead_share, "share of the units after layer 1"),
        (axes[1], evenness, "smaller over larger std,\nfirst and last hidden layer"),
    ):
        values = {label: [number(run) for run in runs] for label, runs in trials.items()}
        charts.by_label(values, xlabel=xlabel, ax=ax)
    return figure


def _key(what: str, where: str, name: str) -> str:
    return f"{what}, {where}, {name} less none"


def _strengths(where: str) -> str:
    return ", ".join(
        f"{name} {value:g}" for name, what in STRENGTHS[where].items() for value in what.values()
    )


def _described(where: str) -> str:
    setup = NETWORKS[where]
    layers = "-".join(map(str, setup.hidden))
    return f"{where} {after(setup)} (hidden layers {layers}) with {_strengths(where)}"


CLAIMS: tuple[Claim, ...] = (
    Claim(
        number=19,
        article="000/004",
        says="L1 and L2 reduce dead neurons, and dropout evens out the activations.",
        measured="Share of dead units in the hidden layers after the first, and evenness: of the "
        "std of the first and the last hidden layer the smaller over the larger. Each paired by "
        "seed with the same network without the remedy: "
        f"{' and '.join(_described(where) for where in NETWORKS)}.",
        rule="Each remedy by what is said of it: L1 and L2 help on a data set if the share of dead "
        f"units falls by more than {100 * DEAD.least:g} points, dropout if evenness rises by more "
        f"than {EVEN.least:g}, shown if the whole 95% interval of the paired difference lies "
        "beyond that; they do not if the whole interval falls short of it; else it is not settled. "
        "Holds if all three help on both data sets; holds only if confined to those that do, where "
        "they do; if none does, fails if all are shown not to, and else more seeds are needed. Of "
        f"{COMPARISONS} comparisons with just the least effect {BY_CHANCE:g} would be taken for "
        "help by chance; so what helps on one data set alone is weak evidence. A training that "
        "broke off counts as one with every unit dead and nothing even.",
        setups=REGULARIZED,
        judge=judge_regularizers,
        draw=draw_regularizers,
        seeds=SEEDS,
    ),
)

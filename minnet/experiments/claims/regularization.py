"""What regularization does to the hidden layers: dead units, and how even the layers are.

The article says that L1 and L2 help against dead neurons and that dropout evens activations out,
and tries none of them. Here each is tried on the article's small network and on one for images,
against the same network from the same first weights without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import TYPE_CHECKING

from minnet.experiments.claims.claim import FAILS, HOLDS, Claim, Finding, Trials
from minnet.experiments.claims.verdicts import above, accuracy, below, listed, paired
from minnet.experiments.initializers import TAPERING
from minnet.experiments.intervals import Interval
from minnet.experiments.iris import NETWORK
from minnet.experiments.setup import Setup
from minnet.experiments.trial import Trial

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Strengths at which the penalty is about a tenth to a third of the loss that an untrained network
# has; MNIST's network has two hundred times the weights.
IRIS_STRENGTHS = {"none": {}, "L1": {"l1": 1e-3}, "L2": {"l2": 1e-3}, "dropout": {"dropout": 0.2}}
MNIST_STRENGTHS = {"none": {}, "L1": {"l1": 1e-5}, "L2": {"l2": 1e-4}, "dropout": {"dropout": 0.2}}
# The same training as in the claims on activations, so that it is done once.
SMALL = NETWORK.but(measures=("extractors",))
WIDE = TAPERING.but(init="he_normal", epochs=2)
REMEDIES: dict[str, Setup] = {
    **{f"Iris, {name}": SMALL.but(**what) for name, what in IRIS_STRENGTHS.items()},
    **{f"MNIST, {name}": WIDE.but(**what) for name, what in MNIST_STRENGTHS.items()},
}
SEEDS = 30


def judge_remedies(trials: Trials) -> Finding:
    """Judge claim 19: L1, L2 and dropout leave fewer dead units, or more even layers."""
    numbers: dict[str, Interval] = {}
    helps: dict[str, dict[str, bool]] = {name: {} for name in IRIS_STRENGTHS if name != "none"}
    for name, where in product(helps, ("Iris", "MNIST")):
        pair = trials[f"{where}, {name}"], trials[f"{where}, none"]
        dead, even = paired(*pair, dead_share), paired(*pair, evenness)
        better = below(dead, 0) or above(even, 0)
        worse = above(dead, 0) or below(even, 0)
        helps[name][f"on {where}"] = better and not worse
        numbers[f"dead units, {where}, {name} less none"] = dead
        numbers[f"evenness, {where}, {name} less none"] = even
        numbers[f"test accuracy, {where}, {name} less none"] = paired(*pair, accuracy)
    told = "; ".join(
        f"{name} {where}: dead units {_change(numbers, 'dead units', where, name)}, evenness "
        f"{_change(numbers, 'evenness', where, name)}"
        for name, tried in helps.items()
        for where in tried
    )
    return Finding(
        verdict=confined(helps),
        number=numbers["dead units, MNIST, dropout less none"],
        what="share of dead units with dropout less that without, MNIST",
        because=f"Against the same network with no remedy, in hundredths: {told}.",
        numbers=numbers,
    )


def confined(parts: Mapping[str, Mapping[str, bool]]) -> str:
    """Return the verdict on a claim of several parts, each tried under several circumstances.

    >>> confined({"L1": {"on Iris": True, "on MNIST": False}, "dropout": {"on Iris": False}})
    'holds only if it is confined to L1 on Iris'
    """
    if all(all(tried.values()) for tried in parts.values()):
        return HOLDS
    kept = [
        part
        if all(tried.values())
        else f"{part} {listed([where for where, so in tried.items() if so])}"
        for part, tried in parts.items()
        if any(tried.values())
    ]
    return f"holds only if it is confined to {'; '.join(kept)}" if kept else FAILS


def dead_share(trial: Trial) -> float:
    """Return the share of dead units in the hidden layers after the first; 1 if it broke off."""
    if trial.end is None:
        return 1.0
    rows = trial.end["hidden"][1:]
    return float(sum(row["dead"] for row in rows) / sum(row["units"] for row in rows))


def evenness(trial: Trial, when: str = "end") -> float:
    """Return the std of the last hidden layer over the first's, or the inverse if that is above 1.

    1 is as even as can be; 0 is a layer that puts out the same always, or a training that broke
    off.
    """
    network = getattr(trial, when)
    if network is None:
        return 0.0
    low, high = sorted(network["hidden"][place]["std"] for place in (0, -1))
    return float(low / high) if high else 0.0


def draw_remedies(trials: Trials) -> Figure:
    """Draw dead units and evenness, a row a network and remedy."""
    from minnet import plot

    figure, axes = plot.side_by_side(["Dead units", "Evenness"])
    for ax, number, xlabel in (
        (axes[0], dead_share, "share of the units after layer 1"),
        (axes[1], evenness, "smaller over larger std,\nfirst and last hidden layer"),
    ):
        values = {label: [number(run) for run in runs] for label, runs in trials.items()}
        plot.by_label(values, xlabel=xlabel, ax=ax)
    return figure


def _change(numbers: Mapping[str, Interval], what: str, where: str, name: str) -> str:
    change = numbers[f"{what}, {where.removeprefix('on ')}, {name} less none"]
    return f"{100 * change.value:+.1f} ({100 * change.low:+.1f} to {100 * change.high:+.1f})"


CLAIMS: tuple[Claim, ...] = (
    Claim(
        number=19,
        article="000/004",
        says="L1, L2 and dropout reduce dead neurons or even out the activations.",
        measured="Share of dead units in the hidden layers after the first, and evenness: of the "
        "std of the first and the last hidden layer the smaller over the larger. Each paired by "
        "seed with the same network without the remedy; Iris with L1 .001, L2 .001, dropout .2, "
        "and the 784-512-256-128-64-10 network on MNIST, 2 epochs, with L1 .00001, L2 .0001, "
        "dropout .2.",
        rule="A remedy helps on a data set if one of the two is shown to be better and none to be "
        "worse; shown means that the whole 95% interval of the paired difference lies on that side "
        "of 0. Holds if all three help on both; fails if none does anywhere; else holds only if "
        "confined to those that do, where they do. A training that broke off counts as one with "
        "every unit dead.",
        setups=REMEDIES,
        judge=judge_remedies,
        draw=draw_remedies,
        seeds=SEEDS,
    ),
)

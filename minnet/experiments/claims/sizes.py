"""How wide activations are under each rule for first weights, and how even the layers.

In three places: the article's network, which narrows from layer to layer, before and after
training, and one that widens.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from operator import itemgetter
from typing import TYPE_CHECKING

from minnet.experiments.claims.claim import Finding, Trials
from minnet.experiments.claims.verdicts import confined, every, sided, unsettled
from minnet.experiments.initializers import VARIANTS, by_layer, measured_rms, predicted_rms
from minnet.experiments.intervals import Interval, mean
from minnet.experiments.readings import evenness

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SMALL = "random normal"
RULES = (SMALL, "Xavier", "He", "LeCun")
NARROWS = {rule: VARIANTS[rule] for rule in RULES}
WIDENING = (64, 128, 256, 512)
WIDENS = {f"{rule}, widening": NARROWS[rule].but(hidden=WIDENING, epochs=0) for rule in RULES}
BEFORE, AFTER = "before training", "after training"
# Where claim 13 is tried -> what the labels end in, and when the network is looked at.
PLACES = {
    f"in a narrowing network {BEFORE}": ("", "start"),
    f"in a narrowing network {AFTER}": ("", "end"),
    f"in a widening network {BEFORE}": (", widening", "start"),
}


def judge_sizes(trials: Trials) -> Finding:
    """Judge claim 13: Xavier above random normal, He the most even, LeCun below Xavier."""
    numbers: dict[str, Interval] = {}
    higher, evener, lower = {}, {}, {}
    for where, (suffix, when) in PLACES.items():
        runs = {rule: trials[rule + suffix] for rule in RULES}
        std = by_layer(runs, when, itemgetter("std"))
        even = {rule: [evenness(run, when) for run in runs[rule]] for rule in RULES}
        layers = zip(std["Xavier"], std[SMALL], strict=True)
        higher[where] = every(sided(less(*layer)) for layer in layers)
        leads = {rule: less(even["He"], even[rule]) for rule in RULES if rule != "He"}
        evener[where] = every(map(sided, leads.values()))
        gap = less(std["Xavier"][-1], std["LeCun"][-1])
        lower[where] = sided(gap)
        numbers[f"last std, Xavier less LeCun, {where}"] = gap
        numbers |= {f"evenness, He less {rule}, {where}": lead for rule, lead in leads.items()}
        for rule in RULES:
            numbers[f"first std, {rule}, {where}"] = finite_mean(std[rule][0])
            numbers[f"last std, {rule}, {where}"] = finite_mean(std[rule][-1])
            numbers[f"evenness, {rule}, {where}"] = finite_mean(even[rule])
    parts = {
        f"Xavier above {SMALL}": higher, "He as the most even": evener, "LeCun below Xavier": lower,
    }  # fmt: skip
    flat = {f"{part} {where}": side for part, its in parts.items() for where, side in its.items()}
    return Finding(
        verdict=confined(parts),
        number=numbers[f"evenness, He, {next(iter(PLACES))}"],
        what="evenness with He before training: of the std of the first and the last hidden layer "
        "the smaller over the larger",
        because="The std of the first and the last hidden layer is "
        f"{'; '.join(_told(numbers, where) for where in PLACES)}.{unsettled(flat)}",
        numbers=numbers,
    )


def _told(numbers: dict[str, Interval], where: str) -> str:
    ends = (
        [numbers[f"{which} std, {rule}, {where}"].value for which in ("first", "last")]
        for rule in RULES
    )
    pairs = (
        f"{first:.2g} and {last:.2g} ({rule})" if math.isfinite(last) else f"not to be had ({rule})"
        for (first, last), rule in zip(ends, RULES, strict=True)
    )
    return f"{where} {', '.join(pairs)}"


def draw_sizes(trials: Trials) -> Figure:
    """Draw the std by layer in each place, and below it the RMS, for which there is a theory."""
    from minnet.experiments import charts

    titles = ["Narrowing, before training", "Narrowing, after training"]
    titles.append("Widening, before training")
    figure, axes = charts.side_by_side(titles * 2)
    upper, lower = axes[: len(titles)], axes[len(titles) :]
    for above, below, (suffix, when) in zip(upper, lower, PLACES.values(), strict=True):
        runs = {rule: trials[rule + suffix] for rule in RULES}
        charts.by_layer(by_layer(runs, when, itemgetter("std")), ylabel="std", log=True, ax=above)
        draw_rms(runs, when, below)
    return figure


def draw_rms(trials: Trials, when: str, ax: Axes) -> None:
    """Draw the RMS by layer; theory is of weights as they are drawn, not of trained ones."""
    from minnet.experiments import charts

    theory = {label: predicted_rms(runs[0].setup) for label, runs in trials.items()}
    charts.by_layer(
        by_layer(trials, when, measured_rms), ylabel="RMS", log=True, ax=ax,
        theory=theory if when == "start" else None,
    )  # fmt: skip


def finite_mean(values: Iterable[float]) -> Interval:
    """Return the mean over the seeds whose training did not break off."""
    return mean(value for value in values if math.isfinite(value))


def less(ones: Iterable[float], others: Iterable[float]) -> Interval:
    """Return the mean of the differences, seed by seed, where neither training broke off."""
    return finite_mean(one - other for one, other in zip(ones, others, strict=True))

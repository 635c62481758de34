"""Claims 1 to 4, on a small network's activations: zeros, kurtosis and range (article 000/004).

The article reads its statements from one histogram of one training, drawn by code that leaves the
ReLUs out. Here the layers of each trained network are measured after the ReLUs and with the
article's extractor, over many seeds. Two networks decide: one with the loss that the article
promises and one with the loss in its code. A corrected network is reported beside them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import partial
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from minnet.experiments import charts
from minnet.experiments.claims.claim import Claim, Finding, Trials
from minnet.experiments.claims.quantities import named
from minnet.experiments.claims.text import listed
from minnet.experiments.claims.verdicts import Outcome, above, all_of, only_if, verdict
from minnet.experiments.intervals import Interval, mean, share
from minnet.experiments.iris import ARTICLE, NETWORK
from minnet.experiments.measures import BARS
from minnet.validation import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SOFTMAX, SQUARED, CORRECTED = "cross-entropy on softmax", "squared error", "corrected"
DECIDING = (SOFTMAX, SQUARED)  # they differ in the loss alone; the second is the article's code
CODE = ARTICLE["iris"].but(measures=("extractors",))
NETWORKS = {
    SOFTMAX: CODE.but(loss="cross_entropy"),
    SQUARED: CODE,
    CORRECTED: NETWORK.but(measures=("extractors",)),  # in loss, split and initial weights
}
RELUS, EXTRACTOR = "after the ReLUs", "with the article's extractor"
EXTRACTORS = {RELUS: "right", EXTRACTOR: "article"}  # -> name in the trials' measures
MAJORITY = 0.5


def judge_mode(trials: Trials) -> Finding:
    """Judge claim 1: 0 is the most frequent value in all three layers."""
    shares = {
        key: share((bars == 1).all(axis=1))
        for key, bars in by_seed_and_layer(trials, "tallest_bar_holds_0").items()
    }
    parts, zeros = majorities(shares), layer_means(trials, "zeros")
    return Finding(
        verdict=verdict(
            {name: all_of(parts[f"{label}, {name}"] for label in DECIDING) for name in EXTRACTORS},
            "the layers are observed {}",
        ),
        result=f"share of trainings with 0 in the tallest bar of every layer, {SQUARED}, {RELUS}",
        reason=f"The tallest of {BARS} bars contains 0 in all three layers in "
        f"{in_percent(shares, RELUS)} of the trainings after the ReLUs, and in "
        f"{in_percent(shares, EXTRACTOR)} with the article's extractor. After the ReLUs "
        f"{extremes(zeros, RELUS)} of a layer's values are exactly 0; with the article's extractor "
        f"{extremes(zeros, EXTRACTOR)}.",
        numbers=named("share of trainings with 0 in the tallest bar of every layer", shares)
        | named("share of exact zeros", zeros),
        parts=parts,
    )


def judge_rise(quantity: str, trials: Trials) -> Finding:
    """Judge claims 2 and 3: a quantity is larger in layer 3 than in layer 1."""
    shares = {
        key: share(layers[:, -1] > layers[:, 0])
        for key, layers in by_seed_and_layer(trials, quantity).items()
    }
    parts = majorities(shares)
    with_relus, without = ({of: parts[f"{of}, {name}"] for of in DECIDING} for name in EXTRACTORS)
    if all(without.values()) and not any(with_relus.values()):
        decided = only_if("the ReLUs are left out, as in the article's code")
    else:
        decided = verdict(with_relus, "the loss is {}")
    rising = f"share of trainings with a larger {quantity} in layer 3 than in layer 1"
    return Finding(
        verdict=decided,
        result=f"{rising}, {SQUARED}, {RELUS}",
        reason=f"After the ReLUs the {quantity} is larger in layer 3 than in layer 1 in "
        f"{in_percent(shares, RELUS)} of the trainings; with the article's extractor in "
        f"{in_percent(shares, EXTRACTOR)}.",
        numbers=named(rising, shares) | named(quantity, layer_means(trials, quantity)),
        parts=parts,
    )


def judge_inactive(trials: Trials) -> Finding:
    """Judge claim 4: if 0 is the most frequent value, most neurons are inactive."""
    numbers = {
        f"{kind}, {key}": number
        for kind, quantity in (
            ("share of inactive entries", "inactive"),
            ("share of dead units", "dead"),
        )
        for key, number in layer_means(trials, quantity, (RELUS,)).items()
    }
    parts = {key: above(n, MAJORITY) for key, n in numbers.items() if CORRECTED not in key}
    entries, units = (
        all_of(outcome for key, outcome in parts.items() if kind in key)
        for kind in ("inactive", "dead")
    )
    dead = by_seed_and_layer(trials, "dead", diverged=False)[f"{SQUARED}, {RELUS}"]
    sizes = np.array(trials[SQUARED][0].setup.hidden)
    result = f"share of dead units, {SQUARED}, all layers"
    return Finding(
        # Entries decide only if the units are shown not to be inactive.
        verdict=verdict(
            {"entries": entries if units is False else units, "units": units},
            "{} are counted instead of units",
        ),
        result=result,
        reason=f"{extremes(numbers, 'inactive')} of a layer's entries are 0, and "
        f"{extremes(numbers, 'dead')} of its units are 0 on every test row. An entry is one "
        "neuron on one row; the neuron may be active on another row.",
        numbers=numbers | {result: mean((dead @ sizes / sizes.sum()).tolist())},
        parts=parts,
    )


def extremes(numbers: Mapping[str, Interval], kind: str) -> str:
    """Return the smallest and the largest share of a kind, in percent."""
    values = [number.value for key, number in numbers.items() if kind in key]
    return f"{min(values):.0%} to {max(values):.0%}"


def draw_layers(
    panels: Mapping[str, tuple[str, str]], ylabel: str, trials: Trials, *, log: bool = False
) -> Figure:
    """Draw a quantity by layer: a panel for each title -> (extractor, quantity)."""
    figure, axes = charts.side_by_side(list(panels))
    for ax, (extractor, quantity) in zip(axes, panels.values(), strict=True):
        arrays = by_seed_and_layer(trials, quantity)
        values = {label: arrays[f"{label}, {extractor}"].T.tolist() for label in trials}
        charts.by_layer(values, ylabel=ylabel, log=log, ax=ax)
    return figure


def by_seed_and_layer(trials: Trials, quantity: str, *, diverged: bool = True) -> dict[str, Array]:
    """Return by network and extractor a quantity, (seeds, 3), with or without diverged as NaN."""
    arrays = {}
    for (extractor, name), (label, runs) in product(EXTRACTORS.items(), trials.items()):
        layers = [run.end and run.measures["end"]["extractors"][name] for run in runs]
        rows = [
            [layer[quantity] for layer in of] if of else [math.nan] * 3
            for of in layers
            if of or diverged
        ]
        arrays[f"{label}, {extractor}"] = np.array(rows).reshape(-1, 3)
    return arrays


def layer_means(
    trials: Trials, quantity: str, extractors: Iterable[str] = EXTRACTORS
) -> dict[str, Interval]:
    """Return the mean of a quantity over the seeds that did not diverge, for each layer."""
    limits = (-math.inf, math.inf) if quantity in ("kurtosis", "range") else (0.0, 1.0)
    return {
        f"{key}, layer {layer}": mean(column).within(*limits)
        for key, array in by_seed_and_layer(trials, quantity, diverged=False).items()
        if key.endswith(tuple(extractors))
        for layer, column in enumerate(array.T.tolist(), start=1)
    }


def majorities(shares: Mapping[str, Interval]) -> dict[str, Outcome]:
    """Return whether each share of the deciding networks is a majority."""
    return {key: above(shares[key], MAJORITY) for key in shares if key.startswith(DECIDING)}


def in_percent(shares: Mapping[str, Interval], extractor: str) -> str:
    """Return the shares of all networks with an extractor as in a sentence."""
    return listed([f"{shares[f'{label}, {extractor}'].value:.0%} ({label})" for label in NETWORKS])


def _panels(quantity: str) -> dict[str, tuple[str, str]]:
    return {"After the ReLUs": (RELUS, quantity), "The article's extractor": (EXTRACTOR, quantity)}


_SHARES = {
    "Entries that are 0": (RELUS, "inactive"), "Units that are 0 on every row": (RELUS, "dead"),
}  # fmt: skip
_claim = partial(Claim, article="000/004", setups=NETWORKS, seeds=30)  # a training takes a second
_RISES = (
    f"A part for each deciding network: after the ReLUs the quantity rises in more than "
    f"{MAJORITY:.0%} of the seeds. If neither part is shown, but both are with the article's "
    "extractor, the claim holds only if the ReLUs are left out. A diverged training does not rise."
)
CLAIMS = (
    _claim(
        number=1,
        statement="0 is the most frequent activation in all three hidden layers.",
        measured=f"Whether the tallest of {BARS} bars contains 0, and the share of exact zeros, by "
        "layer on the test rows: after the ReLUs, and with the article's extractor, which leaves "
        "the ReLUs out. Two networks that differ only in the loss decide, in this claim and the "
        "next three; a corrected network is reported.",
        rule="Two parts, after the ReLUs and with the article's extractor: in both deciding "
        f"networks the tallest bar of every layer contains 0 in more than {MAJORITY:.0%} of the "
        "seeds. A diverged training does not count towards them.",
        judge=judge_mode,
        draw=partial(draw_layers, _panels("zeros"), "share of exact zeros"),
    ),
    _claim(
        number=2,
        statement="The kurtosis rises from layer 1 to layer 3.",
        measured="Excess kurtosis on the test rows, after the ReLUs and with the article's "
        "extractor.",
        rule=_RISES,
        judge=partial(judge_rise, "kurtosis"),
        draw=partial(draw_layers, _panels("kurtosis"), "excess kurtosis"),
    ),
    _claim(
        number=3,
        statement="The range of the activations widens from layer 1 to layer 3.",
        measured="Maximum minus minimum activation on the test rows, after the ReLUs and with the "
        "article's extractor.",
        rule=_RISES,
        judge=partial(judge_rise, "range"),
        draw=partial(draw_layers, _panels("range"), "maximum minus minimum", log=True),
    ),
    _claim(
        number=4,
        statement="If 0 is the most frequent value, most neurons are inactive.",
        measured="After the ReLUs, on the test rows: the share of entries that are 0, and the "
        "share of units that are 0 on every row.",
        rule=f"In every layer of both deciding networks more than {MAJORITY:.0%} of the units are "
        "0 on all rows. If this is refuted, but more than half of the entries are 0 in every "
        "layer, the claim holds only if entries are counted. Diverged trainings are left out.",
        judge=judge_inactive,
        draw=partial(draw_layers, _SHARES, "share of the layer"),
    ),
)

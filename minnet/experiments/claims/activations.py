"""Claims 1 to 4 and 19, on a small network's activations and on regularization (000/004).

The article reads its statements from one histogram of one training, drawn by code that leaves the
ReLUs out. Here the layers of each trained network are measured after the ReLUs and with the
article's extractor, over many seeds. Two networks decide: one with the loss that the article's
text names, and one with the loss in its code. A corrected network is reported as well.

The article does not test L1, L2 and dropout. Here the small network and a network for images are
trained with each of them and, from the same initial weights, without.
"""

import math
from collections.abc import Mapping
from functools import partial
from itertools import product

import numpy as np

from minnet.experiments import charts, readings
from minnet.experiments.claims.claim import Claim, Finding, Panel, named, panel, rows
from minnet.experiments.claims.verdicts import Outcome, above, all_of, below, listed, points
from minnet.experiments.initializers import TAPERING
from minnet.experiments.intervals import Interval, share
from minnet.experiments.iris import ARTICLE, NETWORK
from minnet.experiments.measures import BARS
from minnet.experiments.readings import AFTER, accuracy, difference, evenness, finite_mean
from minnet.experiments.trial import Snapshot, Trials
from minnet.validation import Array

SOFTMAX, SQUARED, CORRECTED = "cross-entropy on softmax", "squared error", "corrected"
DECIDING = (SOFTMAX, SQUARED)  # they differ in the loss alone; the second is the article's code
CODE = ARTICLE["iris"].but(measures=("extractors",))
NETWORKS = {
    SOFTMAX: CODE.but(loss="cross_entropy"),
    SQUARED: CODE,
    CORRECTED: NETWORK.but(measures=("extractors",)),  # loss, split and initial weights
}
RELUS, EXTRACTOR = "after the ReLUs", "with the article's extractor"
EXTRACTORS = {RELUS: "right", EXTRACTOR: "article"}  # -> name in the trials' measures
MAJORITY = 0.5
_claim = partial(Claim, article="000/004", seeds=30)  # a training on Iris takes a second
_RISES = (
    "A part for each deciding network: after the ReLUs the quantity is larger in layer 3 than in "
    f"layer 1 in more than {MAJORITY:.0%} of the seeds. If neither part is shown, but both are "
    "with the article's extractor, the claim holds only if the ReLUs are left out. In a diverged "
    "training the quantity counts as not larger."
)


def by_seed_and_layer(trials: Trials, quantity: str) -> dict[str, Array]:
    """Return a quantity by network and extractor, (seeds, 3); NaN if the training diverged."""
    diverged = dict.fromkeys(EXTRACTORS.values(), [{quantity: math.nan}] * 3)
    measured = {
        label: [run.measures["end"]["extractors"] if run.end else diverged for run in runs]
        for label, runs in trials.items()
    }
    return {
        f"{label}, {extractor}": np.array([[row[quantity] for row in m[name]] for m in by_seed])
        for extractor, name in EXTRACTORS.items()
        for label, by_seed in measured.items()
    }


def layer_means(trials: Trials, quantity: str) -> dict[str, Interval]:
    """Return the mean of a quantity over the seeds that did not diverge, for each layer."""
    limits = (-math.inf, math.inf) if quantity in ("kurtosis", "range") else (0.0, 1.0)
    return {
        f"{key}, layer {layer}": finite_mean(column).within(*limits)
        for key, array in by_seed_and_layer(trials, quantity).items()
        for layer, column in enumerate(array.T.tolist(), start=1)
    }


def in_percent(shares: Mapping[str, Interval], extractor: str) -> str:
    """Return the shares of all networks with an extractor, listed as text."""
    return listed([f"{shares[f'{label}, {extractor}'].value:.0%} ({label})" for label in NETWORKS])


def extremes(numbers: Mapping[str, Interval], kind: str) -> str:
    """Return the smallest and the largest share of a kind, in percent."""
    values = [number.value for key, number in numbers.items() if kind in key]
    return f"{min(values):.0%} to {max(values):.0%}"


def layers(title: str, extractor: str, quantity: str, ylabel: str, *, log: bool = False) -> Panel:
    """Return a panel of a quantity by layer."""

    def values(trials: Trials) -> dict[str, list[list[float]]]:
        arrays = by_seed_and_layer(trials, quantity)
        return {label: arrays[f"{label}, {extractor}"].T.tolist() for label in trials}

    return panel(title, charts.by_layer, values, ylabel=ylabel, log=log)


def both_extractors(quantity: str, ylabel: str, *, log: bool = False) -> list[Panel]:
    """Return a panel for each extractor."""
    titles = {"After the ReLUs": RELUS, "The article's extractor": EXTRACTOR}
    return [layers(title, of, quantity, ylabel, log=log) for title, of in titles.items()]


@partial(
    _claim,
    number=1,
    statement="0 is the most frequent activation in all three hidden layers.",
    measured=f"Whether the tallest of {BARS} bars of a layer's histogram contains 0, and the share "
    "of exact zeros, on the test rows: after the ReLUs, and with the article's extractor, which "
    "leaves the ReLUs out. In claims 1 to 4, two networks that differ only in the loss decide; a "
    "corrected network is reported as well.",
    rule="Two parts, one after the ReLUs and one with the article's extractor: in both deciding "
    f"networks the tallest bar of every layer contains 0 in more than {MAJORITY:.0%} of the "
    "seeds. A diverged training counts as one whose tallest bars do not contain 0.",
    setups=NETWORKS,
    panels=both_extractors("zeros", "share of exact zeros"),
)
def zero_mode(trials: Trials) -> Finding:
    """Measure how often the tallest bar of every layer contains 0."""
    bars = by_seed_and_layer(trials, "tallest_bar_holds_0")
    shares = {key: share((array == 1).all(axis=1)) for key, array in bars.items()}
    zeros = layer_means(trials, "zeros")
    name = "share of trainings with 0 in the tallest bar of every layer"
    return Finding(
        result=f"{name}, {SQUARED}, {RELUS}",
        reason=f"The tallest of {BARS} bars contains 0 in all three layers in "
        f"{in_percent(shares, RELUS)} of the trainings after the ReLUs, and in "
        f"{in_percent(shares, EXTRACTOR)} with the article's extractor. After the ReLUs "
        f"{extremes(zeros, RELUS)} of a layer's values are exactly 0; with the article's extractor "
        f"{extremes(zeros, EXTRACTOR)}.",
        numbers=named(name, shares) | named("share of exact zeros", zeros),
        parts={
            extractor: all_of(above(shares[f"{of}, {extractor}"], MAJORITY) for of in DECIDING)
            for extractor in EXTRACTORS
        },
        condition="the layers are observed {}",
    )


def judge_rise(quantity: str, name: str, trials: Trials) -> Finding:
    """Measure how often a quantity is larger in layer 3 than in layer 1 (claims 2 and 3)."""
    arrays = by_seed_and_layer(trials, quantity)
    shares = {key: share(array[:, -1] > array[:, 0]) for key, array in arrays.items()}
    parts, without = (
        {of: above(shares[f"{of}, {extractor}"], MAJORITY) for of in DECIDING}
        for extractor in EXTRACTORS
    )
    condition = "the loss is {}"
    if all(without.values()) and not any(parts.values()):
        parts[EXTRACTOR] = True
        condition = "the ReLUs are left out, as in the article's code"
    rising = f"share of trainings with a larger {name} in layer 3 than in layer 1"
    return Finding(
        result=f"{rising}, {SQUARED}, {RELUS}",
        reason=f"After the ReLUs the {name} is larger in layer 3 than in layer 1 in "
        f"{in_percent(shares, RELUS)} of the trainings; with the article's extractor in "
        f"{in_percent(shares, EXTRACTOR)}.",
        numbers=named(rising, shares) | named(name, layer_means(trials, quantity)),
        parts=parts,
        condition=condition,
    )


kurtosis = _claim(
    number=2,
    statement="The kurtosis rises from layer 1 to layer 3.",
    measured="Excess kurtosis on the test rows, after the ReLUs and with the article's extractor.",
    rule=_RISES,
    setups=NETWORKS,
    judge=partial(judge_rise, "kurtosis", "excess kurtosis"),
    panels=both_extractors("kurtosis", "excess kurtosis"),
)
activation_range = _claim(
    number=3,
    statement="The range of the activations widens from layer 1 to layer 3.",
    measured="Maximum minus minimum activation on the test rows, after the ReLUs and with the "
    "article's extractor.",
    rule=_RISES,
    setups=NETWORKS,
    judge=partial(judge_rise, "range", "range"),
    panels=both_extractors("range", "maximum minus minimum", log=True),
)
ENTRIES, DEAD = "share of inactive entries", "share of dead units"


@partial(
    _claim,
    number=4,
    statement="If 0 is the most frequent value, most neurons are inactive.",
    measured="After the ReLUs, on the test rows: the share of entries that are 0, and the "
    "share of units that are 0 on every row.",
    rule=f"In every layer of both deciding networks more than {MAJORITY:.0%} of the units are "
    "0 on all rows. If this is refuted, but more than half of the entries are 0 in every "
    "layer, the claim holds only if entries are counted instead. Diverged trainings are left out.",
    setups=NETWORKS,
    panels=[
        layers("Entries that are 0", RELUS, "inactive", "share of the layer"),
        layers("Units that are 0 on every row", RELUS, "dead", "share of the layer"),
    ],
)
def inactive_neurons(trials: Trials) -> Finding:
    """Measure the shares of entries and of units that are 0."""
    numbers: dict[str, Interval] = {}
    outcomes = []
    for name, quantity in ((ENTRIES, "inactive"), (DEAD, "dead")):
        means = layer_means(trials, quantity)
        shares = {key: number for key, number in means.items() if RELUS in key}
        deciding = [number for key, number in shares.items() if CORRECTED not in key]
        outcomes.append(all_of(above(number, MAJORITY) for number in deciding))
        numbers |= named(name, shares)
    entries, units = outcomes
    dead = by_seed_and_layer(trials, "dead")[f"{SQUARED}, {RELUS}"]
    sizes = np.array(trials[SQUARED][0].setup.hidden)
    result = f"{DEAD}, {SQUARED}, all layers"
    return Finding(
        result=result,
        reason=f"{extremes(numbers, ENTRIES)} of a layer's entries are 0, and "
        f"{extremes(numbers, DEAD)} of its units are 0 on every test row. An entry is one "
        "neuron on one row; the neuron may be active on another row.",
        numbers=numbers | {result: finite_mean((dead @ sizes / sizes.sum()).tolist())},
        # Entries decide only if the units are shown not to be inactive.
        parts={"entries": entries if units is False else units, "units": units},
        condition="{} are counted instead of units",
    )


# The penalties are about a tenth to a third of the loss of an untrained network. The network for
# MNIST has two hundred times the weights.
STRENGTHS = {
    "Iris": {"none": {}, "L1": {"l1": 1e-3}, "L2": {"l2": 1e-3}, "dropout": {"dropout": 0.2}},
    "MNIST": {"none": {}, "L1": {"l1": 1e-5}, "L2": {"l2": 1e-4}, "dropout": {"dropout": 0.2}},
}
UNREGULARIZED = {"Iris": NETWORKS[CORRECTED], "MNIST": TAPERING.but(init="he_normal", epochs=2)}
REGULARIZED = {
    f"{data}, {name}": UNREGULARIZED[data].but(**strength)
    for data, strengths in STRENGTHS.items()
    for name, strength in strengths.items()
}
# 2% of the units is one of the 48 units of the Iris network after layer 1. Histograms whose widths
# differ by less than a tenth look the same.
FEWER, MORE = -0.02, 0.1
EFFECTS = {"L1": (DEAD, FEWER), "L2": (DEAD, FEWER), "dropout": ("evenness", MORE)}
COMPARISONS = len(EFFECTS) * len(STRENGTHS)
BY_CHANCE = 0.025 * COMPARISONS  # a 95% interval lies above the true value in 1 of 40 cases


def _dead_share(network: Snapshot) -> float:
    """Return the share of dead units after the first hidden layer."""
    later = network["hidden"][1:]
    return float(sum(row["dead"] for row in later) / sum(row["units"] for row in later))


dead_share = readings.of_network(AFTER, _dead_share, diverged=1.0)
QUANTITIES = {DEAD: dead_share, "evenness": evenness, "test accuracy": accuracy}


@partial(
    _claim,
    number=19,
    statement="L1 and L2 reduce dead neurons, and dropout evens out the activations.",
    measured="Share of dead units in the hidden layers after the first, and evenness: the "
    "smaller over the larger std of the first and the last hidden layer. Each minus that of "
    "the same network without regularization, on Iris and on MNIST.",
    rule="A part for each regularizer and data set: with L1 and L2 the share of dead units "
    f"falls by more than {-100 * FEWER:g} points; with dropout evenness rises by "
    f"more than {MORE:g}. If all effects were exactly at these thresholds, {BY_CHANCE:g} of the "
    f"{COMPARISONS} parts would be shown by chance, so an effect on one data set alone is weak "
    "evidence. A diverged training counts as all units dead and evenness 0.",
    setups=REGULARIZED,
    panels=[
        rows("Dead units", dead_share, "share of the units after layer 1"),
        rows("Evenness", evenness, "smaller over larger std,\nfirst and last hidden layer"),
    ],
)
def regularizers(trials: Trials) -> Finding:
    """Measure dead units and evenness with and without each regularizer."""
    numbers: dict[str, Interval] = {}
    parts: dict[tuple[str, str], Outcome] = {}
    changes = []
    for (name, (affected, least)), data in product(EFFECTS.items(), STRENGTHS):
        change = {
            label: difference(trials, f"{data}, {name}", f"{data}, none", quantity)
            for label, quantity in QUANTITIES.items()
        }
        numbers |= {f"{label}, {data}, {name} minus none": n for label, n in change.items()}
        beyond = above if least > 0 else below
        parts[name, f"on {data}"] = beyond(change[affected], least)
        changes.append(f"{name} on {data}, {points(change[DEAD])} and {change['evenness']}")
    return Finding(
        result=f"{DEAD}, MNIST, L1 minus none",
        reason=f"Changes in the {DEAD} and in evenness against the same network without "
        f"regularization: {'; '.join(changes)}.",
        numbers=numbers,
        parts=parts,
    )


CLAIMS = (zero_mode, kurtosis, activation_range, inactive_neurons, regularizers)

"""Claims 11 to 13, on zero, small, Xavier's, He's and LeCun's initial weights (article 002).

The article observes a network once, after training; it narrows from layer to layer and has no
output layer. Here an output layer follows, and the layers are measured before training, where the
initializer alone decides, and after it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from operator import itemgetter
from typing import TYPE_CHECKING

from minnet.experiments import charts
from minnet.experiments.claims.claim import Claim, Finding, Trials
from minnet.experiments.claims.quantities import accuracy, finite_mean, means, named
from minnet.experiments.claims.verdicts import Outcome, above, all_of, below, verdict
from minnet.experiments.initializers import (
    TAPERING,
    VARIANTS,
    by_layer,
    measured_rms,
    predicted_rms,
)
from minnet.experiments.intervals import Interval, share
from minnet.experiments.readings import after, evenness
from minnet.experiments.trial import Trial

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# 11. Zero weights.

CONSTANT = 0.01
ALIKE = TAPERING.but(epochs=1, measures=("likeness",))
SYMMETRIC = {
    f"{weights}, {name}": ALIKE.but(init=init, weight_scale=scale, activation=activation)
    for weights, init, scale in (
        ("zero", "zeros", 1.0),
        (f"constant {CONSTANT}", "constant", CONSTANT),
    )
    for name, activation in (("ReLU", "relu"), ("sigmoid", "sigmoid"))
}
ZERO = "zero, ReLU"
MAJORITY = 0.5
# Units that are equal in exact arithmetic differ by rounding: a matrix product may sum the terms
# of two columns in different orders, which for hundreds of terms in float32 changes about 1e-5 of
# their size. Units with random weights differ by about 1.
ROUNDING = 1e-4


def judge_zero(trials: Trials) -> Finding:
    """Judge claim 11: zero weights make all outputs 0, and all units of a layer identical."""
    zero = {label: share(map(all_zero, runs)) for label, runs in trials.items()}
    identical = {label: share(map(all_identical, runs)) for label, runs in trials.items()}
    parts = {
        "all activations being 0": above(zero[ZERO], MAJORITY),
        "identical units": above(identical[ZERO], MAJORITY),
    }
    by_network = "; ".join(
        f"{label}, {zero[label].value:.0%} and {identical[label].value:.0%}" for label in trials
    )
    return Finding(
        verdict=verdict(parts, "the statement is restricted to {}"),
        result=f"share of trainings with identical units, {ZERO}",
        reason=f"Shares of trainings with all activations 0 and with identical units "
        f"{after(trials[ZERO][0].setup)}: {by_network}. With zero weights only the order of the "
        "rows is random. A sigmoid of 0 is 1/2, so its units may be identical but are never 0.",
        numbers=named("share of trainings with all activations 0", zero)
        | named("share of trainings with identical units", identical)
        | named("test accuracy", means(trials, accuracy)),
        parts=parts,
    )


def all_zero(trial: Trial) -> bool:
    """Return whether all hidden outputs are 0; False if the training diverged."""
    return trial.end is not None and all(row["zeros"] == 1 for row in trial.end["hidden"])


def all_identical(trial: Trial) -> bool:
    """Return whether the units of each layer are identical but for rounding; False if diverged."""
    return all(spread < ROUNDING for spread in spreads(trial))


def spreads(trial: Trial) -> list[float]:
    """Return by hidden layer the RMS by which the units' weights differ over that of all."""
    count = len(trial.setup.hidden)
    return (
        trial.measures["end"]["likeness"][:count] if trial.end is not None else [math.nan] * count
    )


def draw_zero(trials: Trials) -> Figure:
    """Draw how much units differ, and the share of zeros, by network and layer."""
    zeros = by_layer(trials, "end", itemgetter("zeros"))
    spread = {label: list(zip(*map(spreads, runs), strict=True)) for label, runs in trials.items()}
    figure, axes = charts.side_by_side(["Spread of the units", "Exact zeros"])
    for ax, table, label in (
        (axes[0], spread, "share of the weights, 0 if identical"),
        (axes[1], zeros, "share of the outputs"),
    ):
        values = {
            network: {layer: finite_mean(seeds).value for layer, seeds in enumerate(layers, 1)}
            for network, layers in table.items()
        }
        charts.matrix(
            values, xlabel="hidden layer", ylabel="", label=label, text="{:.1g}", limits=(0, 1),
            ax=ax,
        )  # fmt: skip
    return figure


# 12. Random normal weights.

SMALL = "random normal"
RULES = (SMALL, "Xavier", "He", "LeCun")
NARROWING = {rule: VARIANTS[rule] for rule in RULES}
BEFORE, AFTER = "before training", "after training"
STAGES = {BEFORE: "start", AFTER: "end"}
# For values with RMS r, at most a share (r/t)² lies farther from 0 than t. An RMS below 0.1 thus
# puts more than half of them within 0.1 √2. The article's axis of activations extends to 1.
NEAR = 0.1


def judge_small(trials: Trials) -> Finding:
    """Judge claim 12: random normal weights give activations near 0."""
    numbers: dict[str, Interval] = {}
    parts: dict[str, Outcome] = {}
    texts = []
    for stage, when in STAGES.items():
        rms = by_layer(trials, when, measured_rms)
        outcomes = []
        for layer, (small, large) in enumerate(zip(rms[SMALL], rms["He"], strict=True), start=1):
            size, gap = finite_mean(small), difference(large, small)
            outcomes += [below(size, NEAR), above(gap)]
            numbers[f"RMS, {SMALL} {stage}, layer {layer}"] = size
            numbers[f"RMS, He {stage}, layer {layer}"] = finite_mean(large)
            numbers[f"RMS, He minus {SMALL} {stage}, layer {layer}"] = gap
        parts[stage] = all_of(outcomes)
        sizes = [finite_mean(small) for small in rms[SMALL]]
        if all(size.n for size in sizes):
            texts.append(f"{', '.join(f'{size.value:.2g}' for size in sizes)} {stage}")
    return Finding(
        verdict=verdict(parts, "the layers are observed {}"),
        result=f"RMS, {SMALL} {BEFORE}, layer {len(trials[SMALL][0].setup.hidden)}",
        reason=f"With {SMALL} weights the RMS from the first hidden layer on is "
        f"{' and '.join(texts)}.",
        numbers=numbers,
        parts=parts,
    )


def draw_small(trials: Trials) -> Figure:
    """Draw the RMS by layer, with theory before training, and after training."""
    figure, axes = charts.side_by_side(["Before training", "After training"])
    for ax, when in zip(axes, STAGES.values(), strict=True):
        draw_rms(trials, when, ax)
    return figure


def draw_rms(trials: Trials, when: str, ax: Axes) -> None:
    """Draw the RMS by layer; theory applies to initial weights only."""
    theory = {label: predicted_rms(runs[0].setup) for label, runs in trials.items()}
    charts.by_layer(
        by_layer(trials, when, measured_rms), ylabel="RMS", log=True, ax=ax,
        theory=theory if when == "start" else None,
    )  # fmt: skip


# 13. Xavier's, He's and LeCun's weights.

WIDENING = (64, 128, 256, 512)
WIDE = {f"{rule}, widening": NARROWING[rule].but(hidden=WIDENING, epochs=0) for rule in RULES}
PLACES = {  # -> end of the labels, and when the network is measured
    f"in a narrowing network {BEFORE}": ("", "start"),
    f"in a narrowing network {AFTER}": ("", "end"),
    f"in a widening network {BEFORE}": (", widening", "start"),
}


def judge_sizes(trials: Trials) -> Finding:
    """Judge claim 13: Xavier above random normal, He the most even, LeCun below Xavier."""
    numbers: dict[str, Interval] = {}
    parts: dict[tuple[str, str], Outcome] = {}
    for place, (suffix, when) in PLACES.items():
        runs = {rule: trials[rule + suffix] for rule in RULES}
        std = by_layer(runs, when, itemgetter("std"))
        even = {rule: [evenness(run, when) for run in runs[rule]] for rule in RULES}
        gap = difference(std["Xavier"][-1], std["LeCun"][-1])
        leads = {rule: difference(even["He"], even[rule]) for rule in RULES if rule != "He"}
        layers = zip(std["Xavier"], std[SMALL], strict=True)
        higher = all_of(above(difference(*layer)) for layer in layers)
        parts[f"Xavier above {SMALL}", place] = higher
        parts["He as the most even", place] = all_of(map(above, leads.values()))
        parts["LeCun below Xavier", place] = above(gap)
        numbers[f"last std, Xavier minus LeCun, {place}"] = gap
        numbers |= {f"evenness, He minus {rule}, {place}": lead for rule, lead in leads.items()}
        for rule in RULES:
            numbers[f"first std, {rule}, {place}"] = finite_mean(std[rule][0])
            numbers[f"last std, {rule}, {place}"] = finite_mean(std[rule][-1])
            numbers[f"evenness, {rule}, {place}"] = finite_mean(even[rule])
    by_place = "; ".join(
        ", ".join(f"{numbers[f'evenness, {rule}, {place}'].value:.2g} ({rule})" for rule in RULES)
        + f" {place}"
        for place in PLACES
    )
    return Finding(
        verdict=verdict(parts, "the statement is restricted to {}"),
        result=f"evenness, He, {next(iter(PLACES))}",
        reason="Evenness, the smaller over the larger std of the first and the last hidden layer, "
        f"is {by_place}.",
        numbers=numbers,
        parts=parts,
    )


def draw_sizes(trials: Trials) -> Figure:
    """Draw the std by layer in each place, and below it the RMS with theory."""
    titles = [f"{shape}, {BEFORE}" for shape in ("Narrowing", "Widening")]
    titles.insert(1, f"Narrowing, {AFTER}")
    figure, axes = charts.side_by_side(titles * 2)
    for upper, lower, (suffix, when) in zip(axes[:3], axes[3:], PLACES.values(), strict=True):
        runs = {rule: trials[rule + suffix] for rule in RULES}
        charts.by_layer(by_layer(runs, when, itemgetter("std")), ylabel="std", log=True, ax=upper)
        draw_rms(runs, when, lower)
    return figure


def difference(ones: Iterable[float], others: Iterable[float]) -> Interval:
    """Return the mean difference by seed where neither training diverged."""
    return finite_mean(one - other for one, other in zip(ones, others, strict=True))


CLAIMS = (
    Claim(
        number=11,
        article="002",
        statement="With zero weights all activations are 0, and the units of a layer stay "
        "identical.",
        measured=f"{after(ALIKE).capitalize()}: whether every hidden output on the test rows is "
        "exactly 0, and whether the units of every hidden layer are identical, that is, the RMS by "
        f"which their weights and biases differ is less than {ROUNDING:g} of the RMS of all. With "
        f"zero weights and the article's ReLU; for contrast with sigmoid, and with all weights "
        f"{CONSTANT}.",
        rule=f"Two parts: each is so in more than {MAJORITY:.0%} of the seeds with zero weights "
        "and ReLU. A diverged training does not count towards them.",
        setups=SYMMETRIC,
        judge=judge_zero,
        draw=draw_zero,
    ),
    Claim(
        number=12,
        article="002",
        statement="With random normal weights of std 0.01 most activations are near 0.",
        measured="RMS of the activations, √(mean² + std²), of each hidden layer on the test rows, "
        f"before training and {after(TAPERING)}; beside it He's, and before training theory: "
        "E[y²] = ½ n Var(W) E[x²].",
        rule="Two parts, before and after training: in every layer the RMS is below "
        f"{NEAR:g}, so that more than half of the activations lie within "
        f"{NEAR * math.sqrt(2):.2f}, and below He's. Diverged trainings are left out.",
        setups={rule: NARROWING[rule] for rule in (SMALL, "He")},
        judge=judge_small,
        draw=draw_small,
    ),
    Claim(
        number=13,
        article="002",
        statement="Xavier's std lies above random normal's, He is the most even, LeCun slightly "
        "below Xavier.",
        measured="Std of the hidden layers on the test rows, in the narrowing network before "
        f"training and {after(TAPERING)} and in a widening one ({'-'.join(map(str, WIDENING))}) "
        "before training. Evenness is the smaller over the larger std of the first and the last "
        "hidden layer. The figure compares the RMS with theory, E[y²] = ½ n Var(W) E[x²].",
        rule="Three parts in each of the three places: Xavier above random normal in every hidden "
        "layer; He more even than each of the others; LeCun below Xavier in the last hidden layer. "
        "Of a diverged training only the evenness counts, as 0.",
        setups={**NARROWING, **WIDE},
        judge=judge_sizes,
        draw=draw_sizes,
    ),
)

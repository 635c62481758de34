"""What the article on initial weights says of zeros, of small, Xavier's, He's and LeCun's weights.

It looks once, after training, at a network that narrows from layer to layer and has no output
layer. Here the layers are looked at before training, where the initializer alone decides, and
after it; in a network that narrows and in one that widens; and with an output layer and without.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from minnet.experiments.claims import guideline
from minnet.experiments.claims.claim import FAILS, HOLDS, Claim, Finding, Trials
from minnet.experiments.claims.regularization import confined, evenness
from minnet.experiments.claims.verdicts import above, accuracy, below, paired
from minnet.experiments.initializers import TAPERING, VARIANTS
from minnet.experiments.intervals import Interval, mean, share
from minnet.experiments.readings import by_layer, stages
from minnet.experiments.trial import Snapshot, Trial

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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

RULES = ("random normal", "Xavier", "He", "LeCun")
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

MOST = 0.5  # what is said of such networks must be so in more of them than not
NEAR = 0.1  # a tenth of the half axis, from 0 to 1, on which the article draws the activations
ONLY_RELU = "holds only if the activation is ReLU: sigmoid's units stay alike, but not at 0"
ONLY_BEFORE = "holds only if the network has not been trained"
ONLY_AFTER = "holds only if the network has been trained"


def judge_zero(trials: Trials) -> Finding:
    """Judge claim 11: zero weights put out 0 everywhere, and leave all units alike."""
    silent = {label: share(map(_silent, runs)) for label, runs in trials.items()}
    alike = {label: share(map(_alike, runs)) for label, runs in trials.items()}
    relu, sigmoid = (above(silent[f"zero, {name}"], MOST) for name in ("ReLU", "sigmoid"))
    if relu and all(above(alike[f"zero, {name}"], MOST) for name in ("ReLU", "sigmoid")):
        verdict = HOLDS if sigmoid else ONLY_RELU
    else:
        verdict = FAILS
    reached = {label: mean(map(accuracy, runs)) for label, runs in trials.items()}
    told = (
        f"{label}: all activations 0 in {silent[label].value:.0%} of the trainings, all units of a "
        f"layer alike in {alike[label].value:.0%}, test accuracy {reached[label].value:.1%}"
        for label in trials
    )
    return Finding(
        verdict=verdict,
        number=alike["zero, ReLU"],
        what="share of ReLU networks from zero whose hidden units are alike after an epoch",
        because=f"After an epoch, from {'; '.join(told)}.",
        numbers={f"all activations 0, {label}": number for label, number in silent.items()}
        | {f"units alike, {label}": number for label, number in alike.items()}
        | {f"test accuracy, {label}": number for label, number in reached.items()},
    )


def draw_zero(trials: Trials) -> Figure:
    """Draw the rank of each weight, and how many outputs are 0, by network and layer."""
    from minnet import plot

    figure, axes = plot.side_by_side(["Rank of the weight", "Share of exact zeros"])
    ranks, zeros = (
        {
            label: {
                layer + 1: mean(number(run, layer) for run in runs if run.end is not None).value
                for layer in range(_depth(runs))
            }
            for label, runs in trials.items()
        }
        for number in (_rank, _zeros)
    )
    for ax, values, label, text, limits in (
        (axes[0], ranks, "rank", "{:.0f}", (0, 64)),
        (axes[1], zeros, "share", "{:.2g}", (0, 1)),
    ):
        plot.matrix(
            values, xlabel="hidden layer", ylabel="", label=label, text=text, limits=limits, ax=ax
        )
    return figure


def judge_small(trials: Trials) -> Finding:
    """Judge claim 12: random normal weights leave activations near 0."""
    stds = {
        (label, when): [mean(seeds) for seeds in by_layer(networks, "hidden", "std")]
        for label, runs in trials.items()
        for when, networks in stages(runs).items()
    }
    before, after = (
        bool(stds["random normal", when])
        and all(below(std, NEAR) for std in stds["random normal", when])
        for when in (BEFORE, AFTER)
    )
    if before and after:
        verdict = HOLDS
    elif before or after:
        verdict = ONLY_BEFORE if before else ONLY_AFTER
    else:
        verdict = FAILS
    told = (
        f"{', '.join(f'{std.value:.2g}' for std in layers) or 'not to be had'} with {label} {when}"
        for (label, when), layers in stds.items()
    )
    return Finding(
        verdict=verdict,
        number=stds["random normal", BEFORE][-1],
        what="std of the last hidden layer before training, random normal",
        because=f"From the first hidden layer to the last the std is {'; '.join(told)}.",
        numbers={
            f"std, {label} {when}, layer {layer}": std
            for (label, when), layers in stds.items()
            for layer, std in enumerate(layers, start=1)
        },
    )


def draw_small(trials: Trials) -> Figure:
    """Draw the std by layer, before training beside after it."""
    from minnet import plot

    figure, axes = plot.side_by_side(["Before training", "After training"])
    for ax, when in zip(axes, ("start", "end"), strict=True):
        _draw_stds(trials, when, ax)
    return figure


def judge_sizes(trials: Trials) -> Finding:
    """Judge claim 13: Xavier above random normal, He the most even, LeCun below Xavier."""
    numbers: dict[str, Interval] = {}
    higher, evener, lower = {}, {}, {}
    for where, (suffix, when) in PLACES.items():
        runs = {rule: trials[rule + suffix] for rule in RULES}
        stds = [partial(_std, when, layer) for layer in range(_depth(runs["He"]))]
        even = partial(evenness, when=when)
        higher[where] = all(
            above(paired(runs["Xavier"], runs["random normal"], std), 0) for std in stds
        )
        leads = {rule: paired(runs["He"], runs[rule], even) for rule in RULES if rule != "He"}
        evener[where] = all(above(lead, 0) for lead in leads.values())
        gap = paired(runs["LeCun"], runs["Xavier"], stds[-1])
        lower[where] = below(gap, 0)
        numbers[f"last std, LeCun less Xavier, {where}"] = gap
        numbers |= {f"evenness, He less {rule}, {where}": lead for rule, lead in leads.items()}
        for what, number in (("first std", stds[0]), ("last std", stds[-1]), ("evenness", even)):
            numbers |= {f"{what}, {rule}, {where}": mean(map(number, runs[rule])) for rule in RULES}
    told = (
        f"{where} "
        + ", ".join(
            f"{numbers[f'first std, {rule}, {where}'].value:.2g} and "
            f"{numbers[f'last std, {rule}, {where}'].value:.2g} ({rule})"
            for rule in RULES
        )
        for where in PLACES
    )
    parts = {
        "Xavier above random normal": higher,
        "He as the most even": evener,
        "LeCun below Xavier": lower,
    }
    return Finding(
        verdict=confined(parts),
        number=numbers[f"evenness, He, {next(iter(PLACES))}"],
        what="evenness with He before training: of the std of the first and the last hidden layer "
        "the smaller over the larger",
        because=f"The std of the first and the last hidden layer is {'; '.join(told)}.",
        numbers=numbers,
    )


def draw_sizes(trials: Trials) -> Figure:
    """Draw the std by layer with every initializer, in the network that narrows and the other."""
    from minnet import plot

    titles = "Narrowing, before training", "Narrowing, after training", "Widening, before training"
    figure, axes = plot.side_by_side(titles)
    for ax, (suffix, when) in zip(axes, PLACES.values(), strict=True):
        _draw_stds({rule: trials[rule + suffix] for rule in RULES}, when, ax)
    return figure


def predicted(network: Snapshot) -> list[float]:
    """Return the std of each hidden ReLU layer as theory has it, from the first one's on.

    Random weights take the mean square of a ReLU's outputs from layer to layer times fan_in Var W,
    and the ReLU halves it; the std goes as its root: a factor √(fan_in Var W / 2). Var W is the
    weights' mean square as they are; trained ones are not random, and so the std differs.
    """
    stds = [float(network["hidden"][0]["std"])]
    for row in network["dense"][1 : len(network["hidden"])]:
        stds.append(stds[-1] * row["weight_rms"] * (row["fan_in"] / 2) ** 0.5)
    return stds


def _draw_stds(trials: Trials, when: str, ax: Axes) -> None:
    from minnet import plot

    layers = range(_depth(next(iter(trials.values()))))
    values = {
        label: [[_std(when, layer, run) for run in runs] for layer in layers]
        for label, runs in trials.items()
    }
    theory = {
        label: predicted(getattr(runs[0], when))
        for label, runs in trials.items()
        if all(std > 0 for seeds in values[label] for std in seeds)
    }
    plot.by_layer(values, ylabel="std", log=True, theory=theory, ax=ax)


def _silent(trial: Trial) -> bool:
    return trial.end is not None and all(row["zeros"] == 1 for row in trial.end["hidden"])


def _alike(trial: Trial) -> bool:
    """Tell whether the units of every hidden layer are alike, up to rounding.

    Equal columns make a rank of 1. They need not be equal to the last bit: a matrix product may
    add up the terms of one column in another order than those of the next.
    """
    if trial.end is None:
        return False
    return all(row["rank"] <= 1 for row in trial.measures["end"]["weights"][:-1])


def _std(when: str, layer: int, trial: Trial) -> float:
    network = getattr(trial, when)
    return float(network["hidden"][layer]["std"]) if network is not None else float("nan")


def _depth(runs: Sequence[Trial]) -> int:
    return len(runs[0].setup.hidden)


def _rank(trial: Trial, layer: int) -> float:
    return float(trial.measures["end"]["weights"][layer]["rank"])


def _zeros(trial: Trial, layer: int) -> float:
    return float(trial.end["hidden"][layer]["zeros"]) if trial.end is not None else float("nan")


CLAIMS: tuple[Claim, ...] = (
    Claim(
        number=11,
        article="002",
        says="With zero weights all activations are 0, and the units of a layer stay alike.",
        measured="After an epoch, whether every hidden output on the test rows is exactly 0, and "
        "whether the weight of each hidden layer has a rank of 1 at most, as it has if all units "
        f"are alike but for rounding; from zero weights and from weights of {CONSTANT} throughout, "
        "with ReLU and with sigmoid.",
        rule="Each is so if the whole 95% interval of the share of seeds lies above "
        f"{MOST:.0%}. From zero weights: holds if both are so with ReLU and with sigmoid; holds "
        "only if the activation is ReLU, if the units are alike with both but at 0 with ReLU "
        "alone; else fails. Constant weights are for comparison. A training that broke off counts "
        "against it.",
        setups=SYMMETRIC,
        judge=judge_zero,
        draw=draw_zero,
    ),
    Claim(
        number=12,
        article="002",
        says="With random normal weights of std 0.01 most activations are near 0.",
        measured="Std of each hidden layer on the test rows, before and after 5 epochs; He's "
        "beside it, and theory: a factor √(fan_in Var W / 2) a layer.",
        rule=f"A layer is near 0 if the whole 95% interval of its mean std lies below {NEAR:g}, "
        "a tenth of the half axis on which the article draws it. Holds if all layers are, before "
        "and after training; holds only if then, if at one of the two; else fails.",
        setups={rule: NARROWS[rule] for rule in ("random normal", "He")},
        judge=judge_small,
        draw=draw_small,
    ),
    Claim(
        number=13,
        article="002",
        says="Xavier's std lies above random normal's, He is the most even, LeCun slightly below "
        "Xavier.",
        measured="Std of the hidden layers on the test rows, in the narrowing network before and "
        "after 5 epochs and in a widening one (64-128-256-512) before training; evenness: of the "
        "std of the first and the last hidden layer the smaller over the larger.",
        rule="Paired by seed, with the whole 95% interval of the difference on its side of 0: "
        "Xavier above random normal in every hidden layer; He more even than each of the others; "
        "LeCun below Xavier in the last hidden layer. Holds if all three are so in all three "
        "places; fails if none is anywhere; else holds only if confined to where they are.",
        setups={**NARROWS, **WIDENS},
        judge=judge_sizes,
        draw=draw_sizes,
    ),
    *guideline.CLAIMS,
)

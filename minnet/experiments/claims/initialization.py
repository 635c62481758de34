"""What the article on initial weights says of zeros, of small, Xavier's, He's and LeCun's weights.

It looks once, after training, at a network that narrows from layer to layer and has no output
layer. Here an output layer follows, and the layers are looked at before training, where the
initializer alone decides, and after it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING

from minnet.experiments.claims.claim import FAILS, HOLDS, UNSETTLED, Claim, Finding, Trials
from minnet.experiments.claims.sizes import (
    AFTER,
    BEFORE,
    NARROWS,
    SMALL,
    WIDENING,
    WIDENS,
    draw_rms,
    draw_sizes,
    finite_mean,
    judge_sizes,
    less,
)
from minnet.experiments.claims.verdicts import (
    accuracy,
    every,
    opposite,
    sided,
    unsettled,
    verdict_of_parts,
)
from minnet.experiments.initializers import TAPERING, by_layer, measured_rms
from minnet.experiments.intervals import Interval, mean, share
from minnet.experiments.readings import after
from minnet.experiments.trial import Trial

if TYPE_CHECKING:
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

ZERO = "zero, ReLU"
STAGES = {BEFORE: "start", AFTER: "end"}

MOST = 0.5  # what is said of such networks must be so in more of them than not
# Units that are equal in exact arithmetic differ by rounding, for a matrix product may add up the
# terms of one column in another order than those of the next: with some hundreds of terms in
# float32 by about 1e-5 of their size at most. Units that were drawn apart differ by about 1.
ROUNDING = 1e-4
# Of values with the RMS r a share of (r/t)² at most lies farther from 0 than t; so an RMS below 0.1
# puts more than half of them within 0.1 √2. The article draws activations on an axis up to 1.
NEAR = 0.1
ONLY_BEFORE = "holds only if the network has not been trained"
ONLY_AFTER = "holds only if the network has been trained"


def judge_zero(trials: Trials) -> Finding:
    """Judge claim 11: zero weights put out 0 everywhere, and leave all units alike."""
    silent = {label: share(map(_silent, runs)) for label, runs in trials.items()}
    alike = {label: share(map(_alike, runs)) for label, runs in trials.items()}
    parts = {
        "all activations being 0": sided(silent[ZERO], MOST),
        "units staying alike": sided(alike[ZERO], MOST),
    }
    reached = {label: mean(map(accuracy, runs)) for label, runs in trials.items()}
    told = (
        f"{label}: all activations 0 in {silent[label].value:.0%} of the trainings, all units of a "
        f"layer alike in {alike[label].value:.0%}, test accuracy {reached[label].value:.1%}"
        for label in trials
    )
    trained = after(trials[ZERO][0].setup)
    return Finding(
        verdict=verdict_of_parts(parts, "it is confined to", "and"),
        number=alike[ZERO],
        what=f"share of ReLU networks from zero whose hidden units are alike {trained}",
        because=f"{trained.capitalize()}, from {'; '.join(told)}. From zero weights nothing is "
        "random but the order of the rows; a sigmoid of 0 is 1/2, so its units may be alike, but "
        f"never silent.{unsettled(parts)}",
        numbers={f"all activations 0, {label}": number for label, number in silent.items()}
        | {f"units alike, {label}": number for label, number in alike.items()}
        | {f"test accuracy, {label}": number for label, number in reached.items()},
    )


def draw_zero(trials: Trials) -> Figure:
    """Draw how far units are from alike, and how many outputs are 0, by network and layer."""
    from minnet.experiments import charts

    figure, axes = charts.side_by_side(["Spread of the units", "Exact zeros"])
    for ax, number, label in (
        (axes[0], _likeness, "share of the weights, 0 if alike"),
        (axes[1], _zeros, "share of the outputs"),
    ):
        values = {
            network: {
                layer + 1: mean(number(run, layer) for run in runs if run.end is not None).value
                for layer in range(_depth(runs))
            }
            for network, runs in trials.items()
        }
        charts.matrix(
            values, xlabel="hidden layer", ylabel="", label=label, text="{:.1g}", limits=(0, 1),
            ax=ax,
        )  # fmt: skip
    return figure


def judge_small(trials: Trials) -> Finding:
    """Judge claim 12: random normal weights leave activations near 0."""
    numbers: dict[str, Interval] = {}
    shown: dict[str, bool | None] = {}
    for text, when in STAGES.items():
        rms = by_layer(trials, when, measured_rms)
        sides = []
        for layer, (small, large) in enumerate(zip(rms[SMALL], rms["He"], strict=True), start=1):
            size, gap = finite_mean(small), less(large, small)
            sides += [opposite(sided(size, NEAR)), sided(gap)]
            numbers[f"RMS, {SMALL} {text}, layer {layer}"] = size
            numbers[f"RMS, He {text}, layer {layer}"] = finite_mean(large)
            numbers[f"RMS, He less {SMALL} {text}, layer {layer}"] = gap
        shown[text] = every(sides)
    before, trained = shown.values()
    if before and trained:
        verdict = HOLDS
    elif before or trained:
        verdict = ONLY_BEFORE if before else ONLY_AFTER
    else:
        verdict = UNSETTLED if None in shown.values() else FAILS
    told = (
        f"{_row(numbers, f'RMS, {label} {text}, layer ')} with {label} {text}"
        for label, text in product((SMALL, "He"), STAGES)
    )
    return Finding(
        verdict=verdict,
        number=numbers[f"RMS, {SMALL} {BEFORE}, layer {_depth(trials[SMALL])}"],
        what=f"RMS of the last hidden layer before training, {SMALL}",
        because=f"From the first hidden layer to the last the RMS is {'; '.join(told)}."
        f"{unsettled(shown)}",
        numbers=numbers,
    )


def draw_small(trials: Trials) -> Figure:
    """Draw the RMS by layer, before training with theory, and after it."""
    from minnet.experiments import charts

    figure, axes = charts.side_by_side(["Before training", "After training"])
    for ax, when in zip(axes, STAGES.values(), strict=True):
        draw_rms(trials, when, ax)
    return figure


def _row(numbers: Mapping[str, Interval], stem: str) -> str:
    values = [its.value for key, its in numbers.items() if key.startswith(stem)]
    if any(math.isnan(value) for value in values):
        return "not to be had"
    return ", ".join(f"{value:.2g}" for value in values)


def _silent(trial: Trial) -> bool:
    return trial.end is not None and all(row["zeros"] == 1 for row in trial.end["hidden"])


def _alike(trial: Trial) -> bool:
    """Tell whether the units of every hidden layer are alike, up to rounding."""
    if trial.end is None:
        return False
    return all(_likeness(trial, layer) < ROUNDING for layer in range(len(trial.setup.hidden)))


def _depth(runs: Sequence[Trial]) -> int:
    return len(runs[0].setup.hidden)


def _likeness(trial: Trial, layer: int) -> float:
    return float(trial.measures["end"]["likeness"][layer])


def _zeros(trial: Trial, layer: int) -> float:
    return float(trial.end["hidden"][layer]["zeros"]) if trial.end is not None else float("nan")


CLAIMS: tuple[Claim, ...] = (
    Claim(
        number=11,
        article="002",
        says="With zero weights all activations are 0, and the units of a layer stay alike.",
        measured=f"{after(ALIKE).capitalize()}, whether every hidden output on the test rows is "
        "exactly 0, and whether the units of every hidden layer are alike: of their weights and "
        f"biases what differs from unit to unit is less than {ROUNDING:g} of the whole, both as "
        "RMS. From zero weights with the article's ReLU; for contrast with sigmoid, and from "
        f"weights of {CONSTANT} throughout.",
        rule="Holds if with zero weights and ReLU both are so: if the whole 95% interval of the "
        f"share of seeds lies above {MOST:.0%}. Holds only if confined to one of the two, if that "
        "alone is so; fails if both lie below; else more seeds are needed. Sigmoid and constant "
        "weights have no part in it. A training that broke off counts against it.",
        setups=SYMMETRIC,
        judge=judge_zero,
        draw=draw_zero,
    ),
    Claim(
        number=12,
        article="002",
        says="With random normal weights of std 0.01 most activations are near 0.",
        measured="RMS of the activations, √(mean² + std²), of each hidden layer on the test rows, "
        f"before training and {after(TAPERING)}; He's beside it, and before training theory: "
        "E[y²] = ½ n Var(W) E[x²].",
        rule=f"A layer is near 0 if the whole 95% interval of its mean RMS lies below {NEAR:g}, "
        f"so that more than half of its activations lie within {NEAR * math.sqrt(2):.2f}, and that "
        "of He's less it, paired by seed, above 0. Holds if all layers are, before and after "
        "training; holds only if then, if at one of the two; fails if at both a layer is shown not "
        "to be; else more seeds are needed. Trainings that broke off are left out.",
        setups={rule: NARROWS[rule] for rule in (SMALL, "He")},
        judge=judge_small,
        draw=draw_small,
    ),
    Claim(
        number=13,
        article="002",
        says="Xavier's std lies above random normal's, He is the most even, LeCun slightly below "
        "Xavier.",
        measured="Std of the hidden layers on the test rows, in the narrowing network before "
        f"training and {after(TAPERING)} and in a widening one ({'-'.join(map(str, WIDENING))}) "
        "before training; evenness: of the std of the first and the last hidden layer the smaller "
        "over the larger. The RMS is drawn beside theory's, E[y²] = ½ n Var(W) E[x²].",
        rule="Paired by seed: Xavier above random normal in every hidden layer; He more even than "
        "each of the others; LeCun below Xavier in the last hidden layer. Each is so if the whole "
        "95% interval of every difference lies on its side of 0, is shown not to be if one lies on "
        "the other, and else is not settled. Holds if all three are so in all three places; holds "
        "only if confined to where they are; if none is anywhere, fails if none is left "
        "unsettled, and else more seeds are needed. Of a training that broke off only the "
        "evenness counts, as 0.",
        setups={**NARROWS, **WIDENS},
        judge=judge_sizes,
        draw=draw_sizes,
    ),
)

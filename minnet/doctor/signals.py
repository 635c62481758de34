"""Causes in the flow of signals and gradients, and in the initial weights."""

from __future__ import annotations

import math
from statistics import geometric_mean
from typing import Any

from minnet import initializers
from minnet.doctor.case import MILDER, Case, Suspicion
from minnet.doctor.findings import Remedy
from minnet.doctor.remedies import remedy
from minnet.doctor.symptoms import Block, Symptoms, measure

SMALL, LARGE = 0.45, 2.0  # scales of weights, relative to the usual rules, that are suspicious
EQUAL = 0.02  # deviation between columns, relative to the weights, below which units are equal
SAME = 1e-5  # below which the deviation is only rounding


def draw_weights(case: Case) -> Remedy:
    """Return the remedy that draws the weights by the rule for the most frequent activation."""
    kinds = [block.kind for block in case.first.hidden if block.kind]
    try:
        return remedy("set_init", initializers.recommend(max(kinds, key=kinds.count)).name)
    except ValueError:  # no activation, or one of the user's
        return remedy("set_init", "he_normal")


def of_weights(case: Case, strength: float, text: str, block: Block, **options: Any) -> Suspicion:
    """Return a suspicion against the initial weights of a block."""
    remedies = [draw_weights(case), remedy("add_batchnorm")]
    return Suspicion(strength, text, remedies, layer=block.name, **options)


def gradient_ratio(hidden: list[Block]) -> float:
    """Return RMS(dz) of the first hidden layer over that of the last one."""
    return max(hidden[0].dz / hidden[-1].dz, 1e-30) if hidden and hidden[-1].dz else 1.0


def attenuation(case: Case) -> Suspicion | None:
    """A gradient that shrinks from layer to layer until the first layers hardly learn.

    From layer to layer the RMS of the gradient is multiplied by √(n Var W) times the RMS of the
    slope, which is at most 1/4 for a sigmoid. Over L layers the factors multiply.
    Hochreiter (1991), diploma thesis, TU München; Glorot & Bengio (2010), AISTATS.
    """
    hidden, ratio = case.first.hidden, gradient_ratio(case.first.hidden)
    if len(hidden) < 3 or ratio > 0.25:
        return None
    strength = min(0.5 - 0.12 * math.log10(ratio), 0.85)
    small = [b for b in hidden if b.scale < SMALL and not b.normalized]
    if len(small) * 2 > len(hidden) or min(b.spread for b in hidden) < EQUAL:
        strength = 0.2  # it follows from the initial weights
    kinds, factor = {b.kind for b in hidden}, ratio ** (1 / (len(hidden) - 1))
    remedies = [remedy("add_batchnorm"), remedy("set_activation", "relu"), remedy("add_residual")]
    if "Sigmoid" in kinds:
        remedies = [remedies[1], remedies[0], remedy("set_activation", "tanh")]
    elif "ReLU" in kinds:
        remedies = [draw_weights(case), remedies[0], remedies[2]]
    return Suspicion(
        strength,
        f"From {hidden[-1].name} back to {hidden[0].name} the RMS of the gradient falls by a "
        f"factor of {1 / ratio:.3g}; each layer multiplies it by {factor:.2g}. The first layers "
        "receive too little gradient to learn in the time of this training.",
        remedies,
        {"gradient_ratio": ratio, "factor_per_layer": factor},
        hidden[0].name,
        needed=0.02,
    )


def explosion(case: Case) -> Suspicion | None:
    """Signals and gradients that grow from layer to layer.

    With a gain √(n Var W)·slope above 1 the RMS grows by the gain in every layer, and L layers
    multiply it by gain^L. Pascanu, Mikolov & Bengio (2013), ICML.
    """
    hidden = [b for b in case.first.hidden if not b.normalized]
    if len(hidden) < 4:
        return None
    ratio = gradient_ratio(case.first.hidden)
    gain = geometric_mean(max(b.gain, 1e-9) for b in hidden)
    growth = hidden[-1].h_std / hidden[0].h_std if hidden[0].h_std else 1.0
    largest = max(ratio, growth)
    if largest < (3 if case.diverged else 5) or gain < 1.15:
        return None
    return Suspicion(
        min(0.66 + 0.1 * math.log10(largest), 0.85) if gain < 3.5 else 0.6,
        f"The gain of each layer is {gain:.2f} times the one that keeps the scale. Over "
        f"{len(hidden)} hidden layers the signal grows by a factor of {growth:.3g}, and the "
        f"gradient, on the way back, by {ratio:.3g}. The first updates are too large.",
        [draw_weights(case), remedy("clip_norm", 1.0), remedy("add_batchnorm")],
        {"gain_per_layer": gain, "signal_growth": growth, "gradient_growth": ratio},
        max(case.first.blocks, key=lambda b: b.dw).name,
    )


def worst(symptoms: Symptoms, name: str, limit: float) -> tuple[Block, float] | None:
    """Return the hidden block with the largest share of saturated or dead outputs, if above limit.

    Blocks of equal units, which have a cause of their own, do not count.
    """
    shares = [(getattr(b, name), b) for b in symptoms.hidden if b.spread > EQUAL]
    share, block = max(shares, key=lambda pair: pair[0], default=(0.0, None))
    return None if block is None or share <= limit else (block, share)


def saturation(case: Case) -> Suspicion | None:
    """Sigmoid or tanh units at their limits, where the slope is almost 0.

    A unit whose input is far from 0 passes on less than an eighth of the largest slope, so neither
    its weights nor the layers before it learn. Glorot & Bengio (2010), AISTATS, section 3.
    """
    if (found := worst(case.first, "saturated", 0.3)) is None:
        return None
    block, share = found
    return Suspicion(
        0.6 + 0.25 * share,
        f"{share:.0%} of the outputs of the {block.kind} after {block.name} are at its limits "
        f"before the first step, because the RMS of its inputs is {block.z_rms:.3g}. There the "
        "slope is almost 0, so the gradient hardly passes.",
        [draw_weights(case), remedy("add_batchnorm"), remedy("set_activation", "relu")],
        {"saturated": share, "input_rms": block.z_rms},
        block.name,
    )


def dead_units(case: Case) -> Suspicion | None:
    """ReLU units whose output is 0 for nearly every row.

    Their gradient is 0 there, so they hardly recover. A negative bias, inputs of one sign or one
    large step can cause it. If the loss rises or stalls after large steps, lr_too_high is the cause
    and dead units are an effect. Lu, Shin, Su & Karniadakis (2020), Dying ReLU and initialization.
    """
    found, step, when = worst(case.first, "dead", 0.5), 0, "before the first step"
    if found:
        block, share = found
        strength = (0.65 if block.bias < -0.1 else 0.35) + 0.25 * share
        needed = 0.015 if share > 0.8 else 0.04  # the other units may suffice
        change = draw_weights(case)
    elif case.fits and case.roughness < 0.3 and (found := worst(case.last, "dead", 0.5)):
        block, share = found
        looks = (measure(case.training, *look) for look in case.looks)
        step = next(look.step for look in looks if worst(look, "dead", 0.5))
        strength, needed = 0.4 + 0.25 * share, 0.015
        start = next(b.dead for b in case.first.hidden if b.name == block.name)
        when = f"at the end, compared with {start:.0%} of the units before the first step"
        change = remedy("set_lr", case.lr / MILDER)
    else:
        return None
    return Suspicion(
        strength,
        f"{share:.0%} of the units of {block.name} output 0 after {block.kind} for at least 98% of "
        f"the measured rows {when}. There their gradient is 0, so training hardly changes them.",
        [change, remedy("set_activation", "leaky_relu"), remedy("add_batchnorm")],
        {"dead": share, "mean_bias": block.bias},
        block.name,
        step,
        needed,
    )


def symmetry(case: Case) -> Suspicion | None:
    """Units with equal weights, which receive equal gradients and stay equal.

    A layer of n such units computes what one unit can. Only random weights break the symmetry.
    Goodfellow, Bengio & Courville (2016), Deep Learning, section 8.4.
    """
    for block, later in zip(case.first.hidden, case.last.hidden, strict=True):
        if block.spread < EQUAL:
            text = (
                f"All units of {block.name} begin with equal weights: the standard deviation "
                f"between units is {block.spread:.2g} times the RMS of the weights, and "
                f"{later.spread:.2g} times after training. Equal units receive equal gradients."
            )
            evidence = {"spread_at_start": block.spread, "spread_at_end": later.spread}
            strength, equal = 0.88 if later.spread < 0.3 else 0.4, later.spread < SAME
            return of_weights(
                case, strength, text, block, evidence=evidence, needed=0.01, certain=equal
            )
    return None


def init_too_small(case: Case) -> Suspicion | None:
    """Initial weights so small that signal and gradient nearly vanish.

    The signal keeps its scale if n Var W = 1, or 2 before a ReLU. With a gain g per layer, L layers
    multiply the signal by g^L. LeCun et al. (1998), Efficient BackProp; He et al. (2015), ICCV.
    """
    hidden = [b for b in case.first.hidden if not b.normalized]
    blocks = [b for b in hidden if b.scale < SMALL and b.spread > 0.1]
    if len(blocks) * 2 <= len(hidden):
        return None
    scale, last = geometric_mean(max(b.scale, 1e-9) for b in blocks), hidden[-1]
    text = (
        f"The initial weights of {blocks[0].name} are {scale:.3g} times as large as those that "
        f"keep the scale of the signal. The outputs of {last.name} have a standard deviation of "
        f"{last.h_std:.2g} between rows, so all rows look alike and the gradient is small."
    )
    evidence = {"scale": scale, "output_std": last.h_std}
    strength = min(0.55 - 0.2 * math.log10(scale), 0.87)
    return of_weights(case, strength, text, blocks[0], evidence=evidence)


def init_too_large(case: Case) -> Suspicion | None:
    """Initial weights so large that the first outputs are far off or the units saturate.

    With n Var W above 1, or 2 before a ReLU, the outputs and the first loss are large: much more
    than ln C for C classes. Training then undoes the first weights. He et al. (2015), ICCV.
    """
    blocks = [b for b in case.first.blocks if b.scale > LARGE and not b.normalized]
    block = max(blocks, key=lambda b: b.scale, default=None)
    if block is None:
        return None
    saturated = max((b.saturated for b in case.first.hidden), default=0.0)
    text = (
        f"The initial weights of {block.name} are {block.scale:.3g} times as large as those that "
        f"keep the scale of the signal. The first loss is {case.first.loss:.3g}, and up to "
        f"{saturated:.0%} of the outputs of a hidden layer are saturated."
    )
    evidence = {"scale": block.scale, "first_loss": case.first.loss, "saturated": saturated}
    strength = min(0.5 + 0.35 * math.log10(block.scale), 0.87)
    if saturated > 0.3:  # a consequence with a name of its own
        strength = min(strength, 0.58)
    return of_weights(case, strength, text, block, evidence=evidence)


CAUSES = (
    symmetry, explosion, dead_units, saturation, attenuation, init_too_small, init_too_large,
)  # fmt: skip

"""Causes in the flow of signals and gradients, and in the initial weights."""

from __future__ import annotations

import math

from minnet import initializers
from minnet.doctor.case import Case, Suspicion, suspect
from minnet.doctor.remedies import Remedy
from minnet.doctor.symptoms import Block, Symptoms

SATURATING = ("Sigmoid", "Tanh")


def recommended(blocks: list[Block]) -> str:
    """Return the recommended initializer for the most frequent activation."""
    kinds = [block.kind for block in blocks if block.kind]
    try:
        return initializers.recommend(max(kinds, key=kinds.count)).name if kinds else "he_normal"
    except ValueError:  # an activation of the user's
        return "he_normal"


def init_remedy(case: Case) -> Remedy:
    """Return the remedy that draws the weights by the recommended rule."""
    name = recommended(case.first.hidden)
    return Remedy("set_init", {"value": name}, f"initialize with {name} and biases of 0")


def activation_remedy(value: str = "relu") -> Remedy:
    """Return the remedy that replaces the hidden activations."""
    rule = initializers.recommend(value).name
    return Remedy(
        "set_activation", {"value": value}, f"use {value} in the hidden layers, with {rule}"
    )


def batchnorm_remedy() -> Remedy:
    """Return the remedy that inserts batch normalization."""
    return Remedy("add_batchnorm", {}, "insert BatchNorm before each hidden activation")


def gradient_ratio(symptoms: Symptoms) -> float:
    """Return RMS(dz) of the first hidden layer over that of the last one."""
    hidden = symptoms.hidden
    if len(hidden) < 2 or symptoms.diverged or not hidden[-1].dz:
        return 1.0
    return max(hidden[0].dz, 1e-300) / hidden[-1].dz


def attenuation(case: Case) -> Suspicion | None:
    """A gradient that shrinks from layer to layer until the first layers hardly learn.

    From layer to layer the RMS of the gradient is multiplied by √(n Var W) times the RMS of the
    slope, which is at most 1/4 for a sigmoid. Over L layers the factors multiply.
    Hochreiter (1991); Glorot & Bengio (2010), AISTATS.
    """
    first, hidden = case.first, case.first.hidden
    if len(hidden) < 3:
        return None
    ratio = gradient_ratio(first)
    shrunk = case.middle.blocks[0].w < 0.3 * first.blocks[0].w  # by a penalty
    later = ratio if shrunk else gradient_ratio(case.middle)
    worst = min(ratio, later)
    if worst > 0.25:
        return None
    small = [b for b in hidden if b.gain < 0.45 and not b.normalized]
    strength = min(0.5 + 0.12 * -math.log10(worst), 0.85)
    if len(small) * 2 > len(hidden) or min(b.spread for b in hidden) < 0.02:
        strength = 0.2  # weights that are too small explain it
    factor = worst ** (1 / (len(hidden) - 1))
    kinds = {b.kind for b in hidden}
    remedies = [batchnorm_remedy(), activation_remedy()]
    if kinds & {"Sigmoid"}:
        remedies = [activation_remedy(), batchnorm_remedy()]
    elif "ReLU" in kinds:
        remedies = [init_remedy(case), batchnorm_remedy()]
    remedies.append(Remedy("add_residual", {}, "add skip connections around layers of equal width"))
    return suspect(
        "attenuation",
        f"From {hidden[-1].name} back to {hidden[0].name} the RMS of the gradient falls by a "
        f"factor of {1 / worst:.3g}, or by {1 / factor:.2g} per layer. The first layers receive too "
        "little gradient to learn in the time of this training.",
        remedies,
        strength=strength,
        needed=0.02,
        layer=hidden[0].name,
        step=first.step if ratio <= later else case.middle.step,
        gradient_ratio=worst,
        factor_per_layer=factor,
    )


def explosion(case: Case) -> Suspicion | None:
    """Signals and gradients that grow from layer to layer.

    With a gain √(n Var W)·slope above 1 the RMS grows by the gain in every layer, and L layers
    multiply it by gain^L. Pascanu, Mikolov & Bengio (2013), ICML.
    """
    hidden = case.first.hidden
    if len(hidden) < 4 or case.first.diverged:
        return None
    gains = [b.gain for b in hidden if not b.normalized]
    if len(gains) < 4:
        return None
    ratio = gradient_ratio(case.first)
    growth = hidden[-1].h_std / hidden[0].h_std if hidden[0].h_std else 1.0
    gain = math.exp(sum(math.log(max(g, 1e-9)) for g in gains) / len(gains))
    largest = max(ratio, growth)
    if largest < 8 or gain < 1.15:
        return None
    layer = max(case.first.blocks, key=lambda b: b.dw)
    return suspect(
        "explosion",
        f"The gain of each layer is {gain:.2f} times the one that keeps the scale, so over "
        f"{len(hidden)} hidden layers the signal grows by a factor of {growth:.3g} and the "
        f"gradient, on the way back, by {ratio:.3g}. The first updates are too large.",
        [
            init_remedy(case),
            Remedy("clip_norm", {"value": 1.0}, "clip the gradient to norm 1"),
            batchnorm_remedy(),
        ],
        strength=min(0.6 + 0.1 * math.log10(largest), 0.85) if gain < 3.5 else 0.6,
        needed=0.015,
        layer=layer.name,
        gain_per_layer=gain,
        signal_growth=growth,
        gradient_growth=ratio,
    )


def saturation(case: Case) -> Suspicion | None:
    """Sigmoid or tanh units at their limits, where the slope is almost 0.

    A unit whose input is far from 0 passes on less than an eighth of the largest slope, so neither
    its weights nor the layers before it learn. Glorot & Bengio (2010), AISTATS, section 3.
    """
    found = None
    for symptoms in (case.first, case.last):
        for block in symptoms.hidden:
            limit = 0.3 if symptoms is case.first else 0.5
            if block.saturated > limit and (found is None or block.saturated > found[1].saturated):
                found = symptoms, block
        if found:
            break
    if found is None:
        return None
    symptoms, block = found
    start = symptoms is case.first
    remedies = [init_remedy(case), batchnorm_remedy(), activation_remedy()]
    if not start:
        remedies = [batchnorm_remedy(), activation_remedy()]
    return suspect(
        "saturation",
        f"{block.saturated:.0%} of the outputs of {block.name}'s {block.kind} are at its limits at "
        f"step {symptoms.step}: the RMS of its inputs is {block.z_rms:.3g}. There the slope is "
        "almost 0, so the gradient hardly passes.",
        remedies, strength=0.6 + 0.25 * block.saturated if start else 0.2 + 0.1 * block.saturated, needed=0.015,
        layer=block.name, step=symptoms.step, saturated=block.saturated, input_rms=block.z_rms,
    )  # fmt: skip


def dead_units(case: Case) -> Suspicion | None:
    """ReLU units whose output is 0 for every row.

    Their gradient is 0, so they do not recover. A negative bias, inputs of one sign or one large
    step can cause it. Lu, Shin, Su & Karniadakis (2019), Dying ReLU and initialization.
    """
    for symptoms, limit in ((case.first, 0.3), (case.last, 0.5)):
        blocks = [b for b in symptoms.hidden if b.dead > limit and b.spread > 0.02]
        if not blocks:
            continue
        block = max(blocks, key=lambda b: b.dead)
        start = symptoms is case.first
        strength = 0.2 + 0.1 * block.dead  # units that die in training often follow from its lr
        if start:
            strength = (0.65 if block.bias < -0.1 else 0.35) + 0.25 * block.dead
        remedies = [init_remedy(case), activation_remedy("leaky_relu"), batchnorm_remedy()]
        if not start:
            remedies = [activation_remedy("leaky_relu"), batchnorm_remedy(), init_remedy(case)]
        return suspect(
            "dead_units",
            f"{block.dead:.0%} of the units of {block.name} have an output of 0 for every row at "
            f"step {symptoms.step}. Their gradient is 0, so training does not change them.",
            remedies,
            strength=strength,
            needed=0.015,
            layer=block.name,
            step=symptoms.step,
            dead=block.dead,
            mean_bias=block.bias,
        )
    return None


def symmetry(case: Case) -> Suspicion | None:
    """Units with equal weights, which receive equal gradients and stay equal.

    A layer of n such units computes what one unit can. Only random weights break the symmetry.
    Goodfellow, Bengio & Courville (2016), Deep Learning, section 8.4.
    """
    blocks = [b for b in case.first.hidden if b.spread < 0.02 and b.layer.out_features != 1]
    if not blocks:
        return None
    block = blocks[0]
    later = case.last.blocks[case.first.blocks.index(block)]
    return suspect(
        "symmetry",
        f"All units of {block.name} begin with equal weights: the deviation between columns is "
        f"{block.spread:.2g} of their RMS. They receive the same gradient, and after training it "
        f"is {later.spread:.2g}.",
        [init_remedy(case), batchnorm_remedy()],
        strength=0.88 if later.spread < 0.3 else 0.4, needed=0.01, layer=block.name,
        spread_at_start=block.spread, spread_at_end=later.spread,
    )  # fmt: skip


def init_too_small(case: Case) -> Suspicion | None:
    """Initial weights so small that signal and gradient nearly vanish.

    The signal keeps its scale if n Var W = 1, or 2 before a ReLU. With a gain g per layer, L layers
    multiply the signal by g^L. LeCun et al. (1998), Efficient BackProp; He et al. (2015), ICCV.
    """
    hidden = [b for b in case.first.hidden if not b.normalized]
    blocks = [b for b in hidden if b.gain < 0.45 and b.spread > 0.1]
    if len(blocks) * 2 <= len(hidden) or not blocks:
        return None
    gain = math.exp(sum(math.log(max(b.gain, 1e-9)) for b in blocks) / len(blocks))
    last = case.first.hidden[-1]
    return suspect(
        "init_too_small",
        f"The weights of {blocks[0].name} begin {1 / gain:.3g} times smaller than the scale that "
        f"keeps the signal. The outputs of {last.name} have a standard deviation of "
        f"{last.h_std:.2g} between rows, so all rows look alike and the gradient is small.",
        [init_remedy(case), batchnorm_remedy()],
        strength=min(0.55 - 0.2 * math.log10(gain), 0.87), needed=0.015,
        layer=blocks[0].name, gain=gain, output_std=last.h_std,
    )  # fmt: skip


def init_too_large(case: Case) -> Suspicion | None:
    """Initial weights so large that the first outputs are far off or the units saturate.

    With n Var W above 1, or 2 before a ReLU, the outputs and the first loss are large: much more
    than ln C for C classes. Training then spends its steps on undoing the first weights.
    He et al. (2015), ICCV.
    """
    blocks = [b for b in case.first.blocks if b.gain > 2.0 and not b.normalized]
    if not blocks:
        return None
    block = max(blocks, key=lambda b: b.gain)
    hidden = case.first.hidden
    saturated = max((b.saturated for b in hidden), default=0.0)
    return suspect(
        "init_too_large",
        f"The weights of {block.name} begin {block.gain:.3g} times larger than the scale that "
        f"keeps the signal. The first loss is {case.first.loss:.3g}"
        + (f", and {saturated:.0%} of the units saturate." if saturated > 0.1 else "."),
        [init_remedy(case), batchnorm_remedy()],
        strength=min(0.5 + 0.35 * math.log10(block.gain), 0.87) - 0.1 * (saturated > 0.3),
        needed=0.015,
        layer=block.name,
        gain=block.gain,
        first_loss=case.first.loss,
    )


CAUSES = (
    symmetry, explosion, dead_units, saturation, attenuation, init_too_small, init_too_large,
)  # fmt: skip

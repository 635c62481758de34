"""Claims on gradients: that they vanish, whether saturation is why, and what large weights do.

What vanishing does to a training stands in `consequences`, what heals it in `remedies`; ``CLAIMS``
here has the claims of all three.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from minnet.experiments.claims import consequences, remedies
from minnet.experiments.claims.claim import FAILS, HOLDS, Claim, Finding, Trials
from minnet.experiments.claims.verdicts import VANISHED, above, below, listed, percent
from minnet.experiments.intervals import Interval, geometric_mean, mean
from minnet.experiments.readings import (
    TINY,
    attenuation,
    by_layer,
    last_over_first,
    stages,
    weight_gradients,
)
from minnet.experiments.trial import Snapshot
from minnet.experiments.vanishing import SICK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NETWORK = {"sigmoid": SICK}

# 5. Gradients of early layers vanish.


def judge_vanishing(trials: Trials) -> Finding:
    """Judge claim 5: the first layer's gradient against the last one's, before and after."""
    seen = stages(trials["sigmoid"])
    factors = {when: geometric_mean(map(last_over_first, nets)) for when, nets in seen.items()}
    vanished = [when for when, factor in factors.items() if above(factor, VANISHED)]
    layers = {
        when: [geometric_mean(rms) for rms in zip(*map(weight_gradients, nets), strict=True)]
        for when, nets in seen.items()
    }
    told = ", ".join(f"{rms.value:.1e}" for rms in layers["before training"])
    before, after = (factors[when].value for when in seen)
    only = "holds only if gradients are looked at " + "".join(vanished)
    return Finding(
        verdict=HOLDS if len(vanished) == 2 else only if vanished else FAILS,
        number=factors["before training"],
        what="times that the last layer's gradient is as large as the first's, before training",
        because=f"Before training the RMS of dW is, from the first layer to the last, {told}: the "
        f"last is {before:.2g} times as large as the first."
        + (
            f" After training it is {after:.2g} times as large." if layers["after training"] else ""
        ),
        numbers={f"last over first, {when}": factor for when, factor in factors.items()}
        | {
            f"RMS of dW, layer {layer}, {when}": rms
            for when in seen
            for layer, rms in enumerate(layers[when], 1)
        },
    )


def draw_vanishing(trials: Trials) -> Figure:
    """Draw the RMS of the weight gradients by layer, before training and after."""
    from minnet import plot

    values = {
        when: [list(rms) for rms in zip(*map(weight_gradients, nets), strict=True)]
        for when, nets in stages(trials["sigmoid"]).items()
        if nets
    }
    return plot.by_layer(values, ylabel="RMS of the weight gradient", log=True)


# 6. The cause is saturation.

FEW, MOST = 0.05, 0.5  # of the units: too few to matter, and more than are not saturated
EXACT = 1.1  # the theory takes the slope for 1/4 where it is a little less: ten percent for that


def judge_saturation(trials: Trials) -> Finding:
    """Judge claim 6: saturated units, and what the gradient loses from layer to layer."""
    seen = stages(trials["sigmoid"])
    shares = {when: mean(map(_most_saturated, nets)) for when, nets in seen.items()}
    untrained = seen["before training"]
    measured, theory = (geometric_mean(map(_typical, map(of, untrained))) for of in (_passed, _due))
    ratio = geometric_mean(_typical(_passed(net)) / _typical(_due(net)) for net in untrained)
    looked_at = [share for share in shares.values() if share.n]
    told = " and ".join(f"{percent(share)} {when}" for when, share in shares.items() if share.n)
    explained = above(ratio, 1 / EXACT) and below(ratio, EXACT)
    if any(above(share, MOST) for share in looked_at):
        verdict = HOLDS
    elif explained and all(below(share, FEW) for share in looked_at):
        verdict = FAILS
    else:
        verdict = "holds only if saturation is one cause among others"
    return Finding(
        verdict=verdict,
        number=measured,
        what="times that a layer's gradient is as large as that of the layer after it",
        because=f"In the layer that has most of them, {told} of the outputs are saturated. From "
        f"one hidden layer to the one before it the gradient becomes {measured.value:.3f} times as "
        f"large; without any saturation it would be 1/4 √(n Var W) = {theory.value:.3f} times.",
        numbers={f"saturated share, {when}": share for when, share in shares.items()}
        | {"factor a layer, measured": measured, "factor a layer, theory": theory}
        | {"measured over theory": ratio},
    )


def draw_saturation(trials: Trials) -> Figure:
    """Draw the saturated shares, and the factors between layers beside the theory."""
    from minnet import plot

    seen = stages(trials["sigmoid"])
    untrained = seen["before training"]
    figure, (left, right) = plot.side_by_side(
        ["Saturated outputs", "Factor a layer"], share_y=False
    )
    shares = {when: by_layer(nets, "hidden", "saturated") for when, nets in seen.items() if nets}
    plot.by_layer(shares, ylabel="share of a layer's outputs", ax=left)
    left.set_ylim(-0.02, 1)
    factors, theory = (
        [list(factor) for factor in zip(*map(of, untrained), strict=True)] for of in (_passed, _due)
    )
    plot.by_layer(
        {"measured": factors},
        ylabel="dy of this layer / of the next",
        theory={"theory: 1/4 √(n Var W)": [geometric_mean(factor).value for factor in theory]},
        ax=right,
    )
    right.set_ylim(0, 1.25 * right.get_ylim()[1])
    return figure


def _most_saturated(net: Snapshot) -> float:
    return max(float(row["saturated"]) for row in net["hidden"])


def _passed(net: Snapshot) -> list[float]:
    """Return dy's RMS at each hidden layer over that at the hidden layer after it."""
    rms = [max(row["dy_rms"], TINY) for row in net["dense"][:-1]]
    return [this / after for this, after in pairwise(rms)]


def _due(net: Snapshot) -> list[float]:
    """Return what that is if the sigmoid's slope is 1/4 everywhere and weights are independent."""
    return attenuation(net, 0.25)[:-1]


def _typical(factors: list[float]) -> float:
    return geometric_mean(factors).value


# 7. Large initial weights make small gradients, depending on their sign.

SCALES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
LARGE = (10.0, 30.0, 100.0)  # no initializer in use draws such weights: He's are 2.4 times as large
SIGNS = {"both signs": "both", "all positive": "positive", "all negative": "negative"}
SMALL = 0.1  # of the gradient that ordinary weights give: far beyond what a seed does


def _label(sign: str, scale: float) -> str:
    return f"{sign}, {scale:g} times"


SWEEP = {
    _label(sign, scale): SICK.but(epochs=0, weight_scale=scale, weight_sign=value)
    for sign, value in SIGNS.items()
    for scale in SCALES
}


def judge_large_weights(trials: Trials) -> Finding:
    """Judge claim 7: the first layer's gradient at large weights against that at ordinary ones."""
    ordinary = _first(trials, "both signs", 1.0)
    ratios = {
        _label(sign, scale): geometric_mean(
            large / usual
            for large, usual in zip(_first(trials, sign, scale), ordinary, strict=True)
        )
        for sign in SIGNS
        for scale in SCALES
    }
    small = [sign for sign in SIGNS if all(below(ratios[_label(sign, s)], SMALL) for s in LARGE)]
    told = "; ".join(
        f"{sign}, {' and '.join(_times(trials, ratios, sign, at) for at in (LARGE[0], LARGE[-1]))}"
        for sign in SIGNS
    )
    saturated = {
        f"saturated share, {_label(sign, LARGE[-1])}": mean(_saturated(trials, sign, LARGE[-1]))
        for sign in SIGNS
    }
    return Finding(
        verdict=_verdict_on_signs(small),
        number=ratios[_label("both signs", LARGE[-1])],
        what=f"first layer's gradient with weights of both signs {LARGE[-1]:g} times as large, "
        "over that with ordinary ones",
        because=f"With weights {LARGE[0]:g} and {LARGE[-1]:g} times as large the first layer's "
        f"gradient is so many times the ordinary: {told}.",
        numbers={f"gradient, {label}": ratio for label, ratio in ratios.items()} | saturated,
    )


def _verdict_on_signs(small: list[str]) -> str:
    """Return the verdict, from the signs with which large weights make small gradients."""
    if "both signs" not in small:
        return f"holds only if the weights are {listed(small, 'or')}" if small else FAILS
    if len(small) == len(SIGNS):
        return "holds only if nothing is said of the sign: with any, gradients become small"
    return HOLDS


def draw_large_weights(trials: Trials) -> Figure:
    """Draw the first layer's gradient and the saturated share over the scale of the weights."""
    from minnet import plot

    figure, (left, right) = plot.side_by_side(
        ["First layer's gradient", "Saturated outputs"], share_y=False
    )
    xlabel = "weights, times the ordinary"
    for ax, of, ylabel in (
        (left, _first, f"RMS (0 shown as {TINY:g})"),
        (right, _saturated, "share of all hidden outputs"),
    ):
        values = {sign: {scale: of(trials, sign, scale) for scale in SCALES} for sign in SIGNS}
        plot.by_setting(values, xlabel=xlabel, ylabel=ylabel, log_y=ax is left, ax=ax)
    return figure


def _nets(trials: Trials, sign: str, scale: float) -> list[Snapshot]:
    return stages(trials[_label(sign, scale)])["before training"]


def _first(trials: Trials, sign: str, scale: float) -> list[float]:
    return [weight_gradients(net)[0] for net in _nets(trials, sign, scale)]


def _saturated(trials: Trials, sign: str, scale: float) -> list[float]:
    """Return what share of all hidden outputs is saturated, by seed."""
    shares = [[row["saturated"] for row in net["hidden"]] for net in _nets(trials, sign, scale)]
    return [sum(layers) / len(layers) for layers in shares]


def _times(trials: Trials, ratios: dict[str, Interval], sign: str, scale: float) -> str:
    vanished = max(_first(trials, sign, scale)) <= TINY
    return "0 (in float32)" if vanished else f"{ratios[_label(sign, scale)].value:.2g}"


CLAIMS: tuple[Claim, ...] = (
    Claim(
        number=5,
        article="001",
        says="The gradients of a deep sigmoid network's early layers nearly vanish.",
        measured="RMS of the gradient of each layer's weight on the first training batch, before "
        "and after 10 epochs; the last layer's over the first's.",
        rule=f"Holds if the last layer's gradient is more than {VANISHED:g} times the first's, "
        "with the whole 95% interval, both before and after training; fails if at neither time; "
        "holds only if looked at then, if at one.",
        setups=NETWORK,
        judge=judge_vanishing,
        draw=draw_vanishing,
    ),
    Claim(
        number=6,
        article="001",
        says="They vanish because the sigmoids saturate.",
        measured="Share of outputs where the sigmoid's slope is less than an eighth of its largest "
        "(outside of .03 to .97), in the layer with most; and the RMS of dy at each hidden layer "
        "over that at the next, beside 1/4 √(n Var W), which it is with no saturation at all.",
        rule=f"Holds if more than {MOST:.0%} of some layer is saturated, before or after training; "
        f"fails if less than {FEW:.0%} of every layer is and the factor a layer is within "
        f"{EXACT - 1:.0%} of the theory's, each with the whole 95% interval; otherwise saturation "
        "is one cause among others.",
        setups=NETWORK,
        judge=judge_saturation,
        draw=draw_saturation,
    ),
    Claim(
        number=7,
        article="001",
        says="Large initial weights make small gradients, depending on the sign of the weights.",
        measured="RMS of the first layer's gradient before training, with all weights 0.1 to 100 "
        "times as large as PyTorch's, and with hidden weights of both signs, all positive, or all "
        "negative; over what PyTorch's weights give.",
        rule=f"Gradients count as small if with weights {LARGE[0]:g} times as large, and more, the "
        f"first layer's is less than {SMALL:g} times the ordinary, with the whole 95% interval. "
        "Holds if they are small with both signs mixed, and not with some one sign; fails if they "
        "never are; holds only if the weights have the one sign with which they are, or, if they "
        "always are, only if nothing is said of the sign.",
        setups=SWEEP,
        judge=judge_large_weights,
        draw=draw_large_weights,
    ),
    *consequences.CLAIMS,
    *remedies.CLAIMS,
)

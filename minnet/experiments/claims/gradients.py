"""Claims 5 to 7, on vanishing gradients, saturation and large initial weights (article 001)."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from minnet.experiments import charts
from minnet.experiments.claims.claim import Claim, Finding, Trials
from minnet.experiments.claims.quantities import named
from minnet.experiments.claims.text import listed
from minnet.experiments.claims.verdicts import (
    FAILS,
    HOLDS,
    UNDECIDED,
    above,
    all_of,
    any_of,
    below,
    only_if,
    verdict,
)
from minnet.experiments.intervals import Interval, geometric_mean, mean
from minnet.experiments.readings import (
    TINY,
    attenuation,
    by_layer,
    last_over_first,
    over,
    stages,
    weight_gradients,
)
from minnet.experiments.trial import Snapshot
from minnet.experiments.vanishing import SICK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BASELINE = SICK
BEFORE, AFTER = "before training", "after training"

# 5. Gradients of early layers vanish.

# At one learning rate the first layer then needs a thousand steps to move as far as the last moves
# in one, and an epoch of MNIST in batches of 100 has 600.
VANISHED = 1000.0
RATIO = "last layer's gradient over the first's"


def judge_vanishing(trials: Trials) -> Finding:
    """Judge claim 5: the last layer's gradient over the first's, before and after training."""
    networks = stages(trials["sigmoid"])
    ratios = {when: geometric_mean(map(last_over_first, nets)) for when, nets in networks.items()}
    parts = {when: above(ratio, VANISHED) for when, ratio in ratios.items()}
    sizes = {
        f"RMS of dW, layer {layer}, {when}": geometric_mean(rms)
        for when, nets in networks.items()
        for layer, rms in enumerate(zip(*map(weight_gradients, nets), strict=True), 1)
    }
    before = ", ".join(f"{rms.value:.1e}" for key, rms in sizes.items() if BEFORE in key)
    return Finding(
        verdict=verdict(parts, "gradients are measured {}"),
        result=f"{RATIO}, {BEFORE}",
        reason=f"Before training the RMS of dW from the first layer to the last is {before}.",
        numbers=named(RATIO, ratios) | sizes,
        parts=parts,
    )


def draw_vanishing(trials: Trials) -> Figure:
    """Draw the RMS of the weight gradients by layer, before and after training."""
    values = {
        when: [list(rms) for rms in zip(*map(weight_gradients, nets), strict=True)]
        for when, nets in stages(trials["sigmoid"]).items()
        if nets
    }
    return charts.by_layer(values, ylabel="RMS of the weight gradient", log=True)


# 6. The cause is saturation.

FEW, MAJORITY = 0.05, 0.5  # shares of the units: negligible, and most
TOLERANCE = 1.1  # theory takes the slope as 1/4, where it is slightly less


def judge_saturation(trials: Trials) -> Finding:
    """Judge claim 6: the share of saturated units, and the factor by which gradients shrink."""
    networks = stages(trials["sigmoid"])
    shares = {
        when: mean(max(float(row["saturated"]) for row in net["hidden"]) for net in nets)
        for when, nets in networks.items()
    }
    pairs = [(_average(_measured(net)), _average(_predicted(net))) for net in networks[BEFORE]]
    measured, theory = (geometric_mean(factors) for factors in zip(*pairs, strict=True))
    ratio = geometric_mean(one / other for one, other in pairs)
    observed = [share for share in shares.values() if share.n]
    saturated = any_of(above(share, MAJORITY) for share in observed)
    explained = [above(ratio, 1 / TOLERANCE), below(ratio, TOLERANCE)]
    unsaturated = all_of([*(below(share, FEW) for share in observed), *explained])
    if saturated:
        decided = HOLDS
    elif None in (saturated, unsaturated):
        decided = UNDECIDED
    else:
        decided = FAILS if unsaturated else only_if("saturation is one cause among others")
    return Finding(
        verdict=decided,
        result="gradient of a layer over that of the next, measured",
        reason=f"From one hidden layer to the previous one the gradient is multiplied by "
        f"{measured.value:.3f}; without any saturation the factor would be 1/4 √(n Var W) = "
        f"{theory.value:.3f}. The article also names the product of many small factors, and these "
        "are the factors.",
        numbers=named("share of saturated outputs in the layer with most", shares)
        | {"gradient of a layer over that of the next, measured": measured}
        | {"gradient of a layer over that of the next, theory": theory}
        | {"measured over theory": ratio},
        parts={},
    )


def draw_saturation(trials: Trials) -> Figure:
    """Draw the saturated shares, and the measured factors with those of theory."""
    networks = stages(trials["sigmoid"])
    titles = ["Saturated outputs", "Factor a layer"]
    figure, (left, right) = charts.side_by_side(titles, share_y=False)
    shares = {
        when: by_layer(nets, "hidden", "saturated") for when, nets in networks.items() if nets
    }
    charts.by_layer(shares, ylabel="share of a layer's outputs", ax=left)
    left.set_ylim(-0.02, 1)
    measured, theory = (
        [list(layer) for layer in zip(*map(factors, networks[BEFORE]), strict=True)]
        for factors in (_measured, _predicted)
    )
    charts.by_layer(
        {"measured": measured},
        ylabel="dy of this layer / of the next",
        theory={"theory: 1/4 √(n Var W)": list(map(_average, theory))},
        ax=right,
    )
    right.set_ylim(0, 1.25 * right.get_ylim()[1])
    return figure


def _measured(net: Snapshot) -> list[float]:
    """Return the RMS of dy at each hidden layer over that at the next hidden layer."""
    return [over(this, after) for this, after in pairwise(r["dy_rms"] for r in net["dense"][:-1])]


def _predicted(net: Snapshot) -> list[float]:
    """Return these factors for a slope of 1/4 everywhere and independent weights."""
    return attenuation(net, 0.25)[:-1]


def _average(factors: list[float]) -> float:
    return geometric_mean(factors).value


# 7. Large initial weights.

SCALES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
LARGE = (10.0, 30.0, 100.0)
SIGNS = {"both signs": "both", "all positive": "positive", "all negative": "negative"}
SMALL = 0.1  # of the gradient for usual weights; the inverse is too large
SWEEP = {
    f"{sign}, {scale:g} times": BASELINE.but(epochs=0, weight_scale=scale, weight_sign=value)
    for sign, value in SIGNS.items()
    for scale in SCALES
}


def judge_large_weights(trials: Trials) -> Finding:
    """Judge claim 7: the first layer's gradient for large weights over that for usual weights."""
    first, saturated = _first_layer(trials), _saturated(trials)
    ratios = {label: _ratio(first[label], first["both signs, 1 times"]) for label in SWEEP}
    own = {
        label: _ratio(first[label], first[f"{label.partition(', ')[0]}, 1 times"])
        for label in SWEEP
    }
    at = {scale: [ratios[f"{sign}, {scale:g} times"] for sign in SIGNS] for scale in LARGE}
    small = {scale: any_of(below(ratio, SMALL) for ratio in at[scale]) for scale in LARGE}
    large = {scale: any_of(above(ratio, 1 / SMALL) for ratio in at[scale]) for scale in LARGE}
    parts = {"too small": any_of(small.values()), "too large": any_of(large.values())}
    if all_of([*small.values(), *large.values()]):
        decided = HOLDS  # one gradient cannot be both, so each scale has two signs
    elif all_of(parts.values()):
        decided = only_if("the size of the weights matters as well")
    else:
        decided = verdict(parts, "the statement is restricted to gradients that are {}")
    texts = {
        sign: [f"{ratios[f'{sign}, {scale:g} times'].value:.2g}" for scale in LARGE]
        for sign in SIGNS
    }
    by_sign = "; ".join(f"{sign}, {', '.join(values)}" for sign, values in texts.items())
    prefix = "first layer's gradient over that of the usual network"
    return Finding(
        verdict=decided,
        result=f"{prefix}, both signs, {LARGE[-1]:g} times",
        reason=f"For weights {listed([f'{scale:g}' for scale in LARGE])} times as large, the first "
        f"layer's gradient over that of the usual network is: {by_sign}.",
        numbers=named(prefix, ratios)
        | named("first layer's gradient over that for the same sign", own)
        | {
            f"share of saturated outputs, {label}": mean(saturated[label])
            for label in SWEEP
            if label.endswith(f" {LARGE[-1]:g} times")
        },
        parts=parts,
    )


def draw_large_weights(trials: Trials) -> Figure:
    """Draw the first layer's gradient and the saturated share against the scale of the weights."""
    titles = ["First layer's gradient", "Saturated outputs"]
    figure, (left, right) = charts.side_by_side(titles, share_y=False)
    visible = {
        k: [max(rms, TINY) for rms in by_seed] for k, by_seed in _first_layer(trials).items()
    }
    for ax, values, ylabel in (
        (left, visible, f"RMS (0 shown as {TINY:.1e})"),
        (right, _saturated(trials), "share of all hidden outputs"),
    ):
        by_scale = {
            sign: {scale: values[f"{sign}, {scale:g} times"] for scale in SCALES} for sign in SIGNS
        }
        log_y, xlabel = ax is left, "weights, times the usual"
        charts.by_setting(by_scale, xlabel=xlabel, ylabel=ylabel, log_y=log_y, ax=ax)
    return figure


def _first_layer(trials: Trials) -> dict[str, list[float]]:
    return {
        label: [weight_gradients(net)[0] for net in stages(runs)[BEFORE]]
        for label, runs in trials.items()
    }


def _saturated(trials: Trials) -> dict[str, list[float]]:
    return {
        label: [
            sum(row["saturated"] for row in net["hidden"]) / len(net["hidden"])
            for net in stages(runs)[BEFORE]
        ]
        for label, runs in trials.items()
    }


def _ratio(ones: list[float], others: list[float]) -> Interval:
    return geometric_mean(over(*pair) for pair in zip(ones, others, strict=True))


CLAIMS = (
    Claim(
        number=5,
        article="001",
        statement="The gradients of a deep sigmoid network's early layers nearly vanish.",
        measured="RMS of the gradient of each layer's weight on the first training batch, before "
        "and after training; the last layer's over the first's.",
        rule=f"Two parts: the ratio is above {VANISHED:g} before training, and after training.",
        setups={"sigmoid": BASELINE},
        judge=judge_vanishing,
        draw=draw_vanishing,
    ),
    Claim(
        number=6,
        article="001",
        statement="They vanish because the sigmoids saturate.",
        measured="Share of outputs at which the sigmoid's slope is less than an eighth of its "
        "maximum (outside 0.03 to 0.97), in the layer with the largest share; and the RMS of dy at "
        "each hidden layer over that at the next, beside its value without saturation, "
        "1/4 √(n Var W).",
        rule=f"Holds if more than {MAJORITY:.0%} of some layer is saturated before or after "
        f"training. Fails if less than {FEW:.0%} of every layer is, and the factor a layer is "
        f"within {TOLERANCE - 1:.0%} of theory. If one of these two is refuted, saturation is one "
        "cause among others.",
        setups={"sigmoid": BASELINE},
        judge=judge_saturation,
        draw=draw_saturation,
    ),
    Claim(
        number=7,
        article="001",
        statement="Large initial weights make gradients too small or too large, depending on the "
        "sign of the weights.",
        measured="RMS of the first layer's gradient before training, with all weights "
        f"{SCALES[0]:g} to {SCALES[-1]:g} times PyTorch's and hidden weights of both signs, all "
        "positive, or all negative; over that for PyTorch's weights, as they are and with the same "
        "sign.",
        rule=f"For weights {LARGE[0]:g} times as large or more, two parts: some sign makes the "
        f"gradient less than {SMALL:g} times that for PyTorch's weights as they are, and some sign "
        f"more than {1 / SMALL:g} times. Holds if both occur at each size; if only at some sizes, "
        "the size matters as well. The sizes and the factor were chosen after small trial runs.",
        setups=SWEEP,
        judge=judge_large_weights,
        draw=draw_large_weights,
    ),
)

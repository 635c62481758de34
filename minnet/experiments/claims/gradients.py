"""Claims 5 to 7, on vanishing gradients, saturation and large initial weights (article 001)."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from minnet.experiments import charts, readings
from minnet.experiments.claims.claim import Claim, Finding, Panel, panel
from minnet.experiments.claims.quantities import Trials, named, ratio
from minnet.experiments.claims.verdicts import above, all_of, any_of, below, listed, negated
from minnet.experiments.intervals import geometric_mean, mean
from minnet.experiments.trial import Trial
from minnet.experiments.vanishing import BASELINE

_claim = partial(Claim, article="001")
BEFORE = "before training"

# At the same learning rate, the first layer then needs a thousand steps to move as far as the last
# layer moves in one step. An epoch of MNIST in batches of 100 has 600 steps.
VANISHED = 1000.0
RATIO = "last layer's gradient over the first's"


def by_stage(title: str, kind: str, number: str, ylabel: str, **options: Any) -> Panel:
    """Return a panel of a number by layer, before and after training."""

    def values(trials: Trials) -> dict[str, list[list[float]]]:
        stages = readings.stages(trials["sigmoid"]).items()
        return {when: readings.by_layer(nets, kind, number) for when, nets in stages if nets}

    return panel(title, charts.by_layer, values, ylabel=ylabel, **options)


@partial(
    _claim,
    number=5,
    statement="The gradients of a deep sigmoid network's early layers nearly vanish.",
    measured="RMS of the gradient of each layer's weight on the first training batch, before "
    "and after training; the last layer's over the first's.",
    rule=f"Two parts: the ratio is above {VANISHED:g} before training, and after training.",
    setups={"sigmoid": BASELINE},
    panels=[
        by_stage(
            "Weight gradients", "dense", "weight_grad_rms", "RMS of the weight gradient", log=True
        )
    ],
)
def vanishing(trials: Trials) -> Finding:
    """Measure the last layer's gradient over the first's, before and after training."""
    networks = readings.stages(trials["sigmoid"])
    ratios = {
        when: geometric_mean(map(readings.last_over_first, nets)) for when, nets in networks.items()
    }
    sizes = {
        f"RMS of dW, layer {layer}, {when}": geometric_mean(rms)
        for when, nets in networks.items()
        for layer, rms in enumerate(readings.by_layer(nets, "dense", "weight_grad_rms"), 1)
    }
    before = ", ".join(f"{rms.value:.1e}" for key, rms in sizes.items() if BEFORE in key)
    return Finding(
        result=f"{RATIO}, {BEFORE}",
        reason=f"Before training the RMS of dW from the first layer to the last is {before}.",
        numbers=named(RATIO, ratios) | sizes,
        parts={when: above(ratio, VANISHED) for when, ratio in ratios.items()},
        condition="gradients are measured {}",
    )


FEW, MAJORITY = 0.05, 0.5  # shares of the units: negligible, and most
TOLERANCE = 1.1  # theory assumes a slope of 1/4; it is slightly less


@partial(
    _claim,
    number=6,
    statement="They vanish because the sigmoids saturate.",
    measured="Share of outputs at which the sigmoid's slope is less than an eighth of its "
    "maximum (outside 0.03 to 0.97), in the layer with the largest share; and the RMS of dy at "
    "each hidden layer over that at the next, compared with its value without saturation, "
    "1/4 √(n Var W).",
    rule=f"Two parts. Saturation is the main cause: more than {MAJORITY:.0%} of some layer is "
    "saturated before or after training. It is one cause among others, unless less than "
    f"{FEW:.0%} of every layer is saturated and the factor from layer to layer is within "
    f"{TOLERANCE - 1:.0%} of theory.",
    setups={"sigmoid": BASELINE},
    panels=[
        by_stage(
            "Saturated outputs",
            "hidden",
            "saturated",
            "share of a layer's outputs",
            ylim=(-0.02, 1),
        ),
        by_stage("Gradients", "dense", "dy_rms", "RMS of dy", log=True),
    ],
    share_y=False,
)
def saturation(trials: Trials) -> Finding:
    """Measure the share of saturated units, and the factor by which gradients shrink."""
    networks = readings.stages(trials["sigmoid"])
    shares = {
        when: mean(max(float(row["saturated"]) for row in net["hidden"]) for net in nets)
        for when, nets in networks.items()
    }
    by_net: list[tuple[float, float]] = []
    for net in networks[BEFORE]:
        dy = [row["dy_rms"] for row in net["dense"][:-1]]
        factors = map(readings.over, dy, dy[1:])
        # Theory assumes a slope of 1/4 everywhere, and independent weights.
        predicted = readings.attenuation(net, 0.25)[:-1]
        by_net.append((geometric_mean(factors).value, geometric_mean(predicted).value))
    measured, theory = map(geometric_mean, zip(*by_net, strict=True))
    deviation = geometric_mean(one / other for one, other in by_net)
    observed = [share for share in shares.values() if share.n]
    explained = [above(deviation, 1 / TOLERANCE), below(deviation, TOLERANCE)]
    return Finding(
        result="gradient of a layer over that of the next, measured",
        reason=f"From one hidden layer to the previous one the gradient is multiplied by "
        f"{measured.value:.3f}; without any saturation the factor would be 1/4 √(n Var W) = "
        f"{theory.value:.3f}. The article also names the product of many small factors, and these "
        "are the factors.",
        numbers=named("share of saturated outputs in the layer with most", shares)
        | {"gradient of a layer over that of the next, measured": measured}
        | {"gradient of a layer over that of the next, theory": theory}
        | {"measured over theory": deviation},
        parts={
            "the main cause": any_of(above(share, MAJORITY) for share in observed),
            "one cause among others": negated(
                all_of([*(below(share, FEW) for share in observed), *explained])
            ),
        },
        condition="saturation is {}",
    )


SCALES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
LARGE = (10.0, 30.0, 100.0)
SIGNS = {"both signs": "both", "all positive": "positive", "all negative": "negative"}
SMALL = 0.1  # below this multiple of the usual gradient it is too small; above 1 / SMALL, too large
SWEEP = {
    f"{sign}, {scale:g} times": BASELINE.but(epochs=0, weight_scale=scale, weight_sign=value)
    for sign, value in SIGNS.items()
    for scale in SCALES
}
USUAL = "both signs, 1 times"


def first_gradient(trial: Trial) -> float:
    """Return the RMS of the first layer's gradient before training; NaN if it is not finite."""
    return readings.weight_gradients(trial.start)[0] if trial.start is not None else math.nan


def by_scale(trials: Trials) -> dict[str, dict[float, list[float]]]:
    """Return the first layer's gradient by sign, scale and seed, with TINY in place of 0."""
    return {
        sign: {
            scale: [
                max(first_gradient(run), readings.TINY)
                for run in trials[f"{sign}, {scale:g} times"]
            ]
            for scale in SCALES
        }
        for sign in SIGNS
    }


@partial(
    _claim,
    number=7,
    statement="Large initial weights make gradients too small or too large, depending on the "
    "sign of the weights.",
    measured="RMS of the first layer's gradient before training, with all weights "
    f"{SCALES[0]:g} to {SCALES[-1]:g} times PyTorch's and hidden weights of both signs, all "
    "positive, or all negative; divided by that for PyTorch's weights.",
    rule=f"Two parts for weights {listed([f'{scale:g}' for scale in LARGE])} times as large: "
    f"one sign makes the gradient less than {SMALL:g} times that for PyTorch's weights, and "
    f"another more than {1 / SMALL:g} times. The sizes and the factor were chosen after small "
    "trial runs.",
    setups=SWEEP,
    panels=[
        panel(
            "First layer's gradient",
            charts.by_setting,
            by_scale,
            xlabel="weights, times the usual",
            ylabel=f"RMS (0 shown as {readings.TINY:.1e})",
            log_y=True,
        )
    ],
)
def large_weights(trials: Trials) -> Finding:
    """Measure the first layer's gradient for large weights over that for usual weights."""
    ratios = {label: ratio(trials, label, USUAL, first_gradient) for label in SWEEP}
    parts = {}
    for scale in LARGE:
        found = [ratios[f"{sign}, {scale:g} times"] for sign in SIGNS]
        case = f"for weights {scale:g} times as large"
        parts["too small", case] = any_of(below(ratio, SMALL) for ratio in found)
        parts["too large", case] = any_of(above(ratio, 1 / SMALL) for ratio in found)
    by_sign = "; ".join(
        f"{sign}, "
        + ", ".join(f"{ratios[f'{sign}, {scale:g} times'].value:.2g}" for scale in LARGE)
        for sign in SIGNS
    )
    prefix = "first layer's gradient over that of the usual network"
    return Finding(
        result=f"{prefix}, both signs, {LARGE[-1]:g} times",
        reason=f"For weights {listed([f'{scale:g}' for scale in LARGE])} times as large, the first "
        f"layer's gradient over that of the usual network is: {by_sign}.",
        numbers=named(prefix, ratios),
        parts=parts,
        condition="the statement is restricted to gradients that are {}",
    )


CLAIMS = (vanishing, saturation, large_weights)

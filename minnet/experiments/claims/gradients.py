"""Claims 5 to 7, on vanishing gradients, saturation and large initial weights (article 001)."""

from functools import partial
from typing import Any

from minnet.experiments import charts, readings
from minnet.experiments.claims.claim import Claim, Finding, Panel, lines, named, panel
from minnet.experiments.claims.verdicts import above, all_of, any_of, below, listed, negated
from minnet.experiments.intervals import geometric_mean, mean
from minnet.experiments.readings import BEFORE, STAGES, networks, of_network
from minnet.experiments.trial import Trials
from minnet.experiments.vanishing import BASELINE

_claim = partial(Claim, article="001")
# At the same learning rate, the first layer then needs a thousand steps to move as far as the last
# layer moves in one step. An epoch of MNIST in batches of 100 has 600 steps.
VANISHED = 1000.0
RATIO = "last layer's gradient over the first's"


def by_stage(title: str, kind: str, number: str, ylabel: str, **options: Any) -> Panel:
    """Return a panel of a number by layer, before and after training."""

    def values(trials: Trials) -> dict[str, list[list[float]]]:
        runs = trials["sigmoid"]
        return {stage: readings.by_layer(runs, stage, kind, number) for stage in STAGES}

    return panel(title, charts.by_layer, values, ylabel=ylabel, **options)


@partial(
    _claim,
    number=5,
    statement="The gradients of a deep sigmoid network's early layers nearly vanish.",
    measured="RMS of the gradient of each layer's weight on the first training batch, and the last "
    "layer's RMS over the first layer's, before and after training.",
    rule=f"Two parts: the ratio is above {VANISHED:g} before training, and after training.",
    setups={"sigmoid": BASELINE},
    panels=[by_stage("", "dense", "weight_grad_rms", "RMS of the weight gradient", log=True)],
)
def vanishing(trials: Trials) -> Finding:
    """Measure the last layer's gradient over the first's, before and after training."""
    runs = trials["sigmoid"]
    ratios = {stage: readings.gradient_ratio(stage, runs) for stage in STAGES}
    sizes = {
        f"RMS of dW, layer {layer}, {stage}": geometric_mean(rms)
        for stage in STAGES
        for layer, rms in enumerate(readings.by_layer(runs, stage, "dense", "weight_grad_rms"), 1)
    }
    before = ", ".join(f"{rms.value:.1e}" for name, rms in sizes.items() if BEFORE in name)
    return Finding(
        result=f"{RATIO}, {BEFORE}",
        reason=f"Before training the RMS of dW from the first layer to the last is {before}.",
        numbers=named(RATIO, ratios) | sizes,
        parts={stage: above(ratio, VANISHED) for stage, ratio in ratios.items()},
        condition="gradients are measured {}",
    )


FEW, MAJORITY = 0.05, 0.5  # shares of the units: negligible, and most
TOLERANCE = 1.1  # theory assumes a slope of 1/4; it is slightly less
FACTOR = "gradient of a layer over that of the next"


@partial(
    _claim,
    number=6,
    statement="They vanish because the sigmoids saturate.",
    measured="Share of saturated outputs in the layer with the largest share. An output outside "
    "0.03 to 0.97 is saturated: the sigmoid's slope is less than an eighth of its maximum. Factor "
    "from layer to layer: RMS of dy at each hidden layer over that at the next, compared with the "
    "factor without saturation, 1/4 √(n Var W).",
    rule=f"Two parts. Saturation is the main cause: more than {MAJORITY:.0%} of some layer is "
    "saturated before or after training. It is one cause among others, unless less than "
    f"{FEW:.0%} of every layer is saturated and the factor from layer to layer is within "
    f"{TOLERANCE - 1:.0%} of theory.",
    setups={"sigmoid": BASELINE},
    panels=[
        by_stage(
            "Saturated outputs", "hidden", "saturated", "share of a layer's outputs",
            limits={"ylim": (-0.02, 1)},
        ),
        by_stage("Gradients", "dense", "dy_rms", "RMS of dy", log=True),
    ],
    share_y=False,
)  # fmt: skip
def saturation(trials: Trials) -> Finding:
    """Measure the share of saturated units, and the factor by which gradients shrink."""
    shares = {
        stage: mean(
            max(float(row["saturated"]) for row in network["hidden"])
            for network in networks(trials["sigmoid"], stage)
        )
        for stage in STAGES
    }
    by_network = []
    for network in networks(trials["sigmoid"], BEFORE):
        dy = [row["dy_rms"] for row in network["dense"][:-1]]
        factors = map(readings.over, dy, dy[1:])
        # Theory assumes a slope of 1/4 everywhere, and independent weights.
        predicted = readings.attenuation(network, 0.25)[:-1]
        by_network.append((geometric_mean(factors).value, geometric_mean(predicted).value))
    measured, theory = map(geometric_mean, zip(*by_network, strict=True))
    deviation = geometric_mean(one / other for one, other in by_network)
    observed = [share for share in shares.values() if share.n]
    explained = [above(deviation, 1 / TOLERANCE), below(deviation, TOLERANCE)]
    return Finding(
        result=f"{FACTOR}, measured",
        reason="From one hidden layer to the previous one the gradient is multiplied by "
        f"{measured.value:.3f}. Without saturation the factor would be 1/4 √(n Var W) = "
        f"{theory.value:.3f}. The article also names the product of many small factors as a cause; "
        "these are the factors.",
        numbers=named("share of saturated outputs in the layer with most", shares)
        | named(FACTOR, {"measured": measured, "theory": theory})
        | {"measured over theory": deviation},
        parts={
            "the main cause": any_of(above(share, MAJORITY) for share in observed),
            "one cause among others": negated(
                all_of([*(below(share, FEW) for share in observed), *explained])
            ),
        },
        condition="saturation is {}",
    )


SCALES, LARGE = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0), (10.0, 30.0, 100.0)
LARGE_TEXT = f"weights {listed([f'{scale:g}' for scale in LARGE])} times as large"
SIGNS = {"both signs": "both", "all positive": "positive", "all negative": "negative"}
SMALL = 0.1  # below this multiple of the usual gradient it is too small; above 1 / SMALL, too large
BY_SCALE = {sign: {scale: f"{sign}, {scale:g} times" for scale in SCALES} for sign in SIGNS}
SWEEP = {
    label: BASELINE.but(epochs=0, weight_scale=scale, weight_sign=SIGNS[sign])
    for sign, labels in BY_SCALE.items()
    for scale, label in labels.items()
}
USUAL = BY_SCALE["both signs"][1.0]
first_gradient = of_network(BEFORE, lambda network: network["dense"][0]["weight_grad_rms"])


@partial(
    _claim,
    number=7,
    statement="Large initial weights make gradients too small or too large, depending on the "
    "sign of the weights.",
    measured="RMS of the first layer's gradient before training, over that for PyTorch's initial "
    f"weights. All weights are {SCALES[0]:g} to {SCALES[-1]:g} times PyTorch's. The hidden weights "
    "have both signs, are all positive, or are all negative.",
    rule=f"Two parts for {LARGE_TEXT}: one sign makes the gradient less than {SMALL:g} times that "
    f"for PyTorch's weights, and another sign makes it more than {1 / SMALL:g} times as large. The "
    "sizes and the factor were chosen after small trial runs.",
    setups=SWEEP,
    panels=[
        lines(
            "", lambda trial: max(first_gradient(trial), readings.TINY), BY_SCALE,
            xlabel="initial weights, times PyTorch's", log_y=True,
            ylabel=f"RMS of the first layer's gradient\n(0 shown as {readings.TINY:.1e})",
        )
    ],
)  # fmt: skip
def large_weights(trials: Trials) -> Finding:
    """Measure the first layer's gradient for large weights over that for usual weights."""
    ratios = {label: readings.ratio(trials, label, USUAL, first_gradient) for label in SWEEP}
    parts = {}
    for scale in LARGE:
        signs = [ratios[labels[scale]] for labels in BY_SCALE.values()]
        case = f"for weights {scale:g} times as large"
        parts["too small", case] = any_of(below(ratio, SMALL) for ratio in signs)
        parts["too large", case] = any_of(above(ratio, 1 / SMALL) for ratio in signs)
    by_sign = "; ".join(
        ", ".join([sign, *(f"{ratios[labels[scale]].value:.2g}" for scale in LARGE)])
        for sign, labels in BY_SCALE.items()
    )
    prefix = "first layer's gradient over that of the usual network"
    return Finding(
        result=f"{prefix}, both signs, {LARGE[-1]:g} times",
        reason=f"For {LARGE_TEXT}, the {prefix} is: {by_sign}.",
        numbers=named(prefix, ratios),
        parts=parts,
        condition="the statement is restricted to gradients that are {}",
    )


CLAIMS = (vanishing, saturation, large_weights)

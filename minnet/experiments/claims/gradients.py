"""Claims on gradients: that they vanish, and whether saturation is why (article 001).

What large weights do to them stands in `large_weights`, what vanishing does to a training in
`consequences`, what heals it in `remedies`.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from minnet.experiments.claims.claim import FAILS, HOLDS, UNSETTLED, Claim, Finding, Trials
from minnet.experiments.claims.verdicts import (
    VANISHED,
    every,
    opposite,
    percent,
    sided,
    some,
    unsettled,
    verdict_of_parts,
)
from minnet.experiments.intervals import geometric_mean, mean
from minnet.experiments.readings import (
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

NETWORK = {"sigmoid": SICK}

# 5. Gradients of early layers vanish.


def judge_vanishing(trials: Trials) -> Finding:
    """Judge claim 5: the first layer's gradient against the last one's, before and after."""
    seen = stages(trials["sigmoid"])
    factors = {when: geometric_mean(map(last_over_first, nets)) for when, nets in seen.items()}
    vanished = {when: sided(factor, VANISHED) for when, factor in factors.items()}
    layers = {
        when: [geometric_mean(rms) for rms in zip(*map(weight_gradients, nets), strict=True)]
        for when, nets in seen.items()
    }
    told = ", ".join(f"{rms.value:.1e}" for rms in layers["before training"])
    before, after = (factors[when].value for when in seen)
    return Finding(
        verdict=verdict_of_parts(vanished, "gradients are looked at", "and"),
        number=factors["before training"],
        what="times that the last layer's gradient is as large as the first's, before training",
        because=f"Before training the RMS of dW is, from the first layer to the last, {told}: the "
        f"last is {before:.2g} times as large as the first."
        + (f" After training it is {after:.2g} times as large." if layers["after training"] else "")
        + unsettled(vanished),
        numbers={f"last over first, {when}": factor for when, factor in factors.items()}
        | {
            f"RMS of dW, layer {layer}, {when}": rms
            for when in seen
            for layer, rms in enumerate(layers[when], 1)
        },
    )


def draw_vanishing(trials: Trials) -> Figure:
    """Draw the RMS of the weight gradients by layer, before training and after."""
    from minnet.experiments import charts

    values = {
        when: [list(rms) for rms in zip(*map(weight_gradients, nets), strict=True)]
        for when, nets in stages(trials["sigmoid"]).items()
        if nets
    }
    return charts.by_layer(values, ylabel="RMS of the weight gradient", log=True)


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
    most = some(sided(share, MOST) for share in looked_at)
    explained = every([sided(ratio, 1 / EXACT), opposite(sided(ratio, EXACT))])
    few = every(opposite(sided(share, FEW)) for share in looked_at)
    return Finding(
        verdict=_verdict_on_saturation(most, every([few, explained])),
        number=measured,
        what="times that a layer's gradient is as large as that of the layer after it",
        because=f"In the layer that has most of them, {told} of the outputs are saturated. From "
        f"one hidden layer to the one before it the gradient becomes {measured.value:.3f} times as "
        f"large; without any saturation it would be 1/4 √(n Var W) = {theory.value:.3f} times. The "
        "article names the product of many small factors as well, and these are the factors.",
        numbers={f"saturated share, {when}": share for when, share in shares.items()}
        | {"factor a layer, measured": measured, "factor a layer, theory": theory}
        | {"measured over theory": ratio},
    )


def _verdict_on_saturation(most: bool | None, none: bool | None) -> str:
    """Return the verdict, from whether most is saturated, and whether nothing is and matters."""
    if most:
        return HOLDS
    if None in (most, none):
        return UNSETTLED
    return FAILS if none else "holds only if saturation is one cause among others"


def draw_saturation(trials: Trials) -> Figure:
    """Draw the saturated shares, and the factors between layers beside the theory."""
    from minnet.experiments import charts

    seen = stages(trials["sigmoid"])
    untrained = seen["before training"]
    figure, (left, right) = charts.side_by_side(
        ["Saturated outputs", "Factor a layer"], share_y=False
    )
    shares = {when: by_layer(nets, "hidden", "saturated") for when, nets in seen.items() if nets}
    charts.by_layer(shares, ylabel="share of a layer's outputs", ax=left)
    left.set_ylim(-0.02, 1)
    factors, theory = (
        [list(factor) for factor in zip(*map(of, untrained), strict=True)] for of in (_passed, _due)
    )
    charts.by_layer(
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
    rms = [row["dy_rms"] for row in net["dense"][:-1]]
    return [over(this, after) for this, after in pairwise(rms)]


def _due(net: Snapshot) -> list[float]:
    """Return what that is if the sigmoid's slope is 1/4 everywhere and weights are independent."""
    return attenuation(net, 0.25)[:-1]


def _typical(factors: list[float]) -> float:
    return geometric_mean(factors).value


CLAIMS: tuple[Claim, ...] = (
    Claim(
        number=5,
        article="001",
        says="The gradients of a deep sigmoid network's early layers nearly vanish.",
        measured="RMS of the gradient of each layer's weight on the first training batch, before "
        "and after training; the last layer's over the first's.",
        rule=f"Holds if the last layer's gradient is more than {VANISHED:g} times the first's, "
        "with the whole 95% interval, both before and after training; holds only if looked at "
        "then, if at one of the two; fails if the whole interval is below at both; more seeds are "
        "needed otherwise.",
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
        f"{EXACT - 1:.0%} of the theory's, each with the whole 95% interval; if one of these is "
        "shown to be otherwise, saturation is one cause among others; else more seeds are needed.",
        setups=NETWORK,
        judge=judge_saturation,
        draw=draw_saturation,
    ),
)

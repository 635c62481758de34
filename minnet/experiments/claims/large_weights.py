"""The claim on what large initial weights do to gradients, and the sign of the weights (001)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minnet.experiments.claims.claim import HOLDS, Claim, Finding, Trials
from minnet.experiments.claims.verdicts import (
    every,
    listed,
    opposite,
    sided,
    some,
    unsettled,
    verdict_of_parts,
)
from minnet.experiments.intervals import Interval, geometric_mean, mean
from minnet.experiments.readings import TINY, over, stages, weight_gradients
from minnet.experiments.trial import Snapshot
from minnet.experiments.vanishing import SICK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCALES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
LARGE = (10.0, 30.0, 100.0)
SIGNS = {"both signs": "both", "all positive": "positive", "all negative": "negative"}
SMALL = 0.1  # of the gradient that ordinary weights give; so many times more is too large


def _at(sign: str, scale: float) -> str:
    return f"{sign}, {scale:g} times"


SWEEP = {
    _at(sign, scale): SICK.but(epochs=0, weight_scale=scale, weight_sign=value)
    for sign, value in SIGNS.items()
    for scale in SCALES
}


Ratios = dict[tuple[str, float], Interval]  # by sign and scale


def judge_large_weights(trials: Trials) -> Finding:
    """Judge claim 7: the first layer's gradient at large weights against that at ordinary ones."""
    ratios: Ratios = {
        (sign, scale): _against(trials, (sign, scale), ("both signs", 1.0))
        for sign in SIGNS
        for scale in SCALES
    }
    own = {(sign, scale): _against(trials, (sign, scale), (sign, 1.0)) for sign, scale in ratios}
    found = _found(ratios)
    told, told_own = (
        "; ".join(
            f"{sign}, {', '.join(f'{of[sign, scale].value:.2g}' for scale in LARGE)}"
            for sign in SIGNS
        )
        for of in (ratios, own)
    )
    saturated = {
        f"saturated share, {_at(sign, LARGE[-1])}": mean(_saturated(trials, sign, LARGE[-1]))
        for sign in SIGNS
    }
    usual = listed([f"{sign} {ratios[sign, 1.0].value:.2g}" for sign in list(SIGNS)[1:]])
    scales = listed([f"{scale:g}" for scale in LARGE])
    return Finding(
        verdict=_verdict_on_size(found),
        number=ratios["both signs", LARGE[-1]],
        what=f"first layer's gradient with weights of both signs {LARGE[-1]:g} times as large, "
        "over that with ordinary ones",
        because=f"With weights {scales} times as large the first layer's gradient is so many times "
        f"the ordinary network's: {told}. With weights of the ordinary size, but of one sign, it "
        f"is {usual}. Over that of ordinary weights of the same sign it is: "
        f"{told_own}." + unsettled(_somewhere(found)),
        numbers={f"gradient, {_at(*at)}": ratio for at, ratio in ratios.items()}
        | {f"gradient over that of its sign, {_at(*at)}": ratio for at, ratio in own.items()}
        | saturated,
    )


def _found(ratios: Ratios) -> dict[str, dict[float, bool | None]]:
    """Return at which scales gradients are shown to be too small, or too large, with some sign."""
    return {
        "too small": {
            scale: some(opposite(sided(ratios[sign, scale], SMALL)) for sign in SIGNS)
            for scale in LARGE
        },
        "too large": {
            scale: some(sided(ratios[sign, scale], 1 / SMALL) for sign in SIGNS) for scale in LARGE
        },
    }


def _verdict_on_size(found: dict[str, dict[float, bool | None]]) -> str:
    if every(shown for by_scale in found.values() for shown in by_scale.values()):
        return HOLDS  # no gradient is both, so it takes two signs at each scale
    somewhere = _somewhere(found)
    if every(somewhere.values()):
        return "holds only if the size of the weights is said to decide as well"
    return verdict_of_parts(somewhere, "gradients are said to become", "or")


def _somewhere(found: dict[str, dict[float, bool | None]]) -> dict[str, bool | None]:
    return {name: some(by_scale.values()) for name, by_scale in found.items()}


def draw_large_weights(trials: Trials) -> Figure:
    """Draw the first layer's gradient and the saturated share over the scale of the weights."""
    from minnet.experiments import charts

    figure, (left, right) = charts.side_by_side(
        ["First layer's gradient", "Saturated outputs"], share_y=False
    )
    xlabel = "weights, times the ordinary"
    for ax, of, ylabel in (
        (left, _drawable, f"RMS (0 shown as {TINY:.1e})"),
        (right, _saturated, "share of all hidden outputs"),
    ):
        values = {sign: {scale: of(trials, sign, scale) for scale in SCALES} for sign in SIGNS}
        charts.by_setting(values, xlabel=xlabel, ylabel=ylabel, log_y=ax is left, ax=ax)
    return figure


def _nets(trials: Trials, sign: str, scale: float) -> list[Snapshot]:
    return stages(trials[_at(sign, scale)])["before training"]


def _first(trials: Trials, sign: str, scale: float) -> list[float]:
    return [weight_gradients(net)[0] for net in _nets(trials, sign, scale)]


def _drawable(trials: Trials, sign: str, scale: float) -> list[float]:
    return [max(rms, TINY) for rms in _first(trials, sign, scale)]


def _against(trials: Trials, one: tuple[str, float], two: tuple[str, float]) -> Interval:
    """Return how many times as large the first layer's gradient is, seed by seed."""
    pairs = zip(_first(trials, *one), _first(trials, *two), strict=True)
    return geometric_mean(over(rms, usual) for rms, usual in pairs)


def _saturated(trials: Trials, sign: str, scale: float) -> list[float]:
    """Return what share of all hidden outputs is saturated, by seed."""
    shares = [[row["saturated"] for row in net["hidden"]] for net in _nets(trials, sign, scale)]
    return [sum(layers) / len(layers) for layers in shares]


CLAIMS: tuple[Claim, ...] = (
    Claim(
        number=7,
        article="001",
        says="Large initial weights make gradients too small or too large, depending on the sign "
        "of the weights.",
        measured="RMS of the first layer's gradient before training, with all weights "
        f"{SCALES[0]:g} to {SCALES[-1]:g} times as large as PyTorch's, and with hidden weights of "
        "both signs, all positive, or all negative; over what PyTorch's weights give, as they are "
        "and with the same sign.",
        rule=f"Looked at are weights {LARGE[0]:g} times as large, and more; a gradient is too "
        f"small if it is less than {SMALL:g} times that of PyTorch's weights as they are, too "
        f"large if it is more than {1 / SMALL:g} times, each with the whole 95% interval. Holds if "
        "at each of these sizes it is too small with some sign and too large with another; if so "
        "at some of them, or one at one size and one at another, only if the size decides as well; "
        "if just one of the two is found, only of that; fails if none is anywhere; if that is not "
        "shown, more seeds are needed. The sizes and the factor were chosen after small trial "
        "runs.",
        setups=SWEEP,
        judge=judge_large_weights,
        draw=draw_large_weights,
    ),
)

"""The claim that BatchNorm makes a network easier to set up (article 003), in four parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from minnet.experiments.batchnorm import WITHOUT
from minnet.experiments.claims.claim import Claim, Finding, Trials
from minnet.experiments.claims.verdicts import (
    above,
    accuracy,
    below,
    loss_gap,
    paired,
    points,
    verdict_of_parts,
)
from minnet.experiments.intervals import Interval, mean
from minnet.experiments.setup import Setup
from minnet.experiments.trial import Trial

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BARE, NORMED = "without BatchNorm", "with BatchNorm"
PAIR = {BARE: WITHOUT, NORMED: WITHOUT.but(batchnorm=True)}
RATES = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
SCALES = (0.1, 0.3, 1.0, 3.0, 10.0)
BATCHES = (32, 128, 512, 2048)
SWEEPS: dict[str, tuple[str, tuple[float, ...]]] = {
    "lr": ("lr", RATES),
    "first weights, times": ("weight_scale", SCALES),
    "batch size": ("batch_size", BATCHES),
}
LONG = "20 epochs"


def _label(sweep: str, value: float, which: str) -> str:
    return f"{sweep} {value:g}, {which}"


def _setups() -> dict[str, Setup]:
    """Return the sweeps and the long pair.

    Three epochs each; of batch sizes as many as make equally many steps, an epoch of the smallest.
    """
    setups = {
        _label(sweep, value, which): setup.but(
            epochs=int(value) // BATCHES[0] if field == "batch_size" else 3, **{field: value}
        )
        for sweep, (field, values) in SWEEPS.items()
        for value in values
        for which, setup in PAIR.items()
    }
    return setups | {f"{LONG}, {which}": setup for which, setup in PAIR.items()}


SETUPS = _setups()

COST = 0.02  # of accuracy; a learning rate that costs more against the best one is too high
FEW, MANY = 32, 2048  # rows in a batch: the ends of the sweep that have equally many epochs
HIGHER, STEADIER, REGULARIZES, MATTERS = PARTS = (
    "a higher learning rate", "sensitivity to the first weights", "regularization",
    "batch size",
)  # fmt: skip


def judge(trials: Trials) -> Finding:
    """Judge claim 18, part by part."""
    usable = {which: highest_rate(trials, which) for which in PAIR}
    spread = {which: mean(_spread(trials, which)) for which in PAIR}
    wider = mean(
        bare - normed
        for bare, normed in zip(_spread(trials, BARE), _spread(trials, NORMED), strict=True)
    )
    bare, normed = (trials[f"{LONG}, {which}"] for which in PAIR)
    gaps = {BARE: mean(map(loss_gap, bare)), NORMED: mean(map(loss_gap, normed))}
    smaller = paired(bare, normed, loss_gap)
    few, many = (_advantage(trials, size) for size in (FEW, MANY))
    change = mean(large - small for small, large in zip(few, many, strict=True))
    holds = {
        HIGHER: usable[NORMED] > usable[BARE],
        STEADIER: above(wider, 0),
        REGULARIZES: above(smaller, 0),
        MATTERS: above(change, 0) or below(change, 0),
    }
    sizes = {size: mean(_advantage(trials, size)) for size in BATCHES}
    return Finding(
        verdict=verdict_of_parts(
            [part for part in PARTS if holds[part]], PARTS, "it is said of", "and"
        ),
        number=wider,
        what="test accuracy between the best and the worst scale of the first weights, without "
        "BatchNorm minus with it",
        because=f"The highest learning rate that costs less than {100 * COST:g} points is "
        f"{usable[BARE]:g} without and {usable[NORMED]:g} with BatchNorm. Over first weights "
        f"{SCALES[0]:g} to {SCALES[-1]:g} times as large the accuracy differs by "
        f"{points(spread[BARE])} without and {points(spread[NORMED])} with it. After 20 epochs "
        f"test loss minus training loss is {gaps[BARE]} without and {gaps[NORMED]} with it. In "
        f"batches of {FEW} it adds {points(sizes[FEW])} to the accuracy after three epochs, of "
        f"{MANY} {points(sizes[MANY])}.",
        numbers={f"spread over first weights, {which}": number for which, number in spread.items()}
        | {"spread, without minus with": wider}
        | {f"gap in loss, {which}": gap for which, gap in gaps.items()}
        | {"gap in loss, without minus with": smaller}
        | {f"accuracy added at batch size {size}": gain for size, gain in sizes.items()}
        | {f"accuracy added at {MANY} minus at {FEW}": change}
        | {label: mean(map(accuracy, runs)) for label, runs in trials.items()},
    )


def draw(trials: Trials) -> Figure:
    """Draw the accuracies over the three settings, and the gaps in loss."""
    from minnet import plot

    titles = ["Learning rate", "First weights", "Batch size", "After 20 epochs"]
    figure, panels = plot.side_by_side(titles, share_y=False)
    for ax, (sweep, (_, numbers)) in zip(panels, SWEEPS.items(), strict=False):
        values = {
            which: {number: _accuracies(trials, sweep, number, which) for number in numbers}
            for which in PAIR
        }
        plot.by_setting(values, xlabel=sweep, ylabel="test accuracy", ax=ax)
        low, high = ax.get_ylim()
        ax.set_ylim(max(low, 0), min(high, 1))
    gaps = {which: [loss_gap(trial) for trial in trials[f"{LONG}, {which}"]] for which in PAIR}
    plot.by_label(gaps, xlabel="test loss minus training loss", ax=panels[-1])
    return figure


def highest_rate(trials: Trials, which: str) -> float:
    """Return the highest learning rate that costs little against the best, without or with it."""
    found = {rate: mean(_accuracies(trials, "lr", rate, which)) for rate in RATES}
    top = max(share.value for share in found.values())
    return max(
        rate for rate, share in found.items() if share.value == top or above(share, top - COST)
    )


def more(trials: Trials, number: Callable[[Trial], float]) -> Interval:
    """Return by how much a number is larger with BatchNorm than without, seed by seed."""
    return paired(trials[NORMED], trials[BARE], number)


def _accuracies(trials: Trials, sweep: str, value: float, which: str) -> list[float]:
    return [accuracy(trial) for trial in trials[_label(sweep, value, which)]]


def _spread(trials: Trials, which: str) -> list[float]:
    """Return by seed how far the accuracies at the scales of the first weights lie apart."""
    scales = [_accuracies(trials, "first weights, times", scale, which) for scale in SCALES]
    return [max(seed) - min(seed) for seed in zip(*scales, strict=True)]


def _advantage(trials: Trials, size: int) -> list[float]:
    """Return by seed how much BatchNorm adds to the accuracy with batches of that size."""
    bare, normed = (_accuracies(trials, "batch size", size, which) for which in (BARE, NORMED))
    return [two - one for one, two in zip(bare, normed, strict=True)]


CLAIM = Claim(
    number=18,
    article="003",
    says="BatchNorm allows a higher learning rate, is less sensitive to initialization, "
    "regularizes, and depends on the batch size.",
    measured=f"Test accuracy after 3 epochs over learning rates {RATES[0]:g} to {RATES[-1]:g}, "
    f"over first weights {SCALES[0]:g} to {SCALES[-1]:g} times as large, and over batch sizes "
    f"{BATCHES[0]} to {BATCHES[-1]} (with batches of 8 after 1 epoch); test loss minus training "
    "loss after 20 epochs; each with BatchNorm and without.",
    rule=f"Higher learning rate: the highest one whose accuracy stays within {100 * COST:g} points "
    "of the best one's is higher with BatchNorm. Sensitivity: accuracy differs less between the "
    "best and the worst scale. Regularization: test loss exceeds training loss by less. Batch "
    f"size: what BatchNorm adds to the accuracy with batches of {MANY} is not what it adds with "
    f"{FEW}. Differences are taken seed by seed, and the whole 95% interval must lie on one side. "
    "Holds if all four do, fails if none does, and otherwise holds only of those that do.",
    setups=SETUPS,
    judge=judge,
    draw=draw,
)

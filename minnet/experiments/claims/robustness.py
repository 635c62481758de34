"""The claim that BatchNorm makes a network easier to set up (article 003), in four parts."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from minnet.experiments.batchnorm import WITHOUT
from minnet.experiments.claims.claim import Claim, Finding, Trials
from minnet.experiments.claims.verdicts import (
    accuracy,
    below,
    loss_gap,
    paired,
    percent,
    points,
    sided,
    unsettled,
    verdict_of_parts,
)
from minnet.experiments.intervals import Interval, mean, share
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
WHOLE = "all epochs"


def _setting(sweep: str, value: float, which: str) -> str:
    return f"{sweep} {value:g}, {which}"


def _setups() -> dict[str, Setup]:
    """Return the sweeps and the long pair.

    Three epochs each; of batch sizes as many as make equally many steps, an epoch of the smallest.
    """
    setups = {
        _setting(sweep, value, which): setup.but(
            epochs=int(value) // BATCHES[0] if field == "batch_size" else 3, **{field: value}
        )
        for sweep, (field, values) in SWEEPS.items()
        for value in values
        for which, setup in PAIR.items()
    }
    return setups | {f"{WHOLE}, {which}": setup for which, setup in PAIR.items()}


SETUPS = _setups()

COST = 0.02  # of accuracy; a learning rate that costs more against the best one is too high
FEW, MANY = BATCHES[0], BATCHES[-1]  # rows in a batch
ALIKE = 0.005  # of accuracy; ten thousand other test rows alone make that
HIGHER, STEADIER, REGULARIZES, MATTERS = (
    "a higher learning rate", "sensitivity to the first weights", "regularization",
    "batch size",
)  # fmt: skip


def judge_robustness(trials: Trials) -> Finding:
    """Judge claim 18, part by part."""
    rates = {which: rates_in_use(trials, which) for which in PAIR}
    spread = {which: _spread(trials, which) for which in PAIR}
    narrower = share(map(operator.lt, spread[NORMED], spread[BARE]))
    middle = {which: float(np.median(its)) for which, its in spread.items()}
    bare, normed = (trials[f"{WHOLE}, {which}"] for which in PAIR)
    gaps = {BARE: mean(map(loss_gap, bare)), NORMED: mean(map(loss_gap, normed))}
    smaller = paired(bare, normed, loss_gap)
    few, many = (_advantage(trials, size) for size in (FEW, MANY))
    change = mean(large - small for small, large in zip(few, many, strict=True))
    parts = {
        HIGHER: _higher(rates),
        STEADIER: sided(narrower, 0.5),
        REGULARIZES: sided(smaller),
        MATTERS: _differs(change),
    }
    sizes = {size: mean(_advantage(trials, size)) for size in BATCHES}
    return Finding(
        verdict=verdict_of_parts(parts, "it is said of", "and"),
        number=narrower,
        what="share of seeds whose test accuracy differs less between the best and the worst scale "
        "of the first weights with BatchNorm than without",
        because=f"The highest learning rate that costs less than {100 * COST:g} points is "
        f"{rates[BARE][0]:g} without and {rates[NORMED][0]:g} with BatchNorm. Over first weights "
        f"{SCALES[0]:g} to {SCALES[-1]:g} times as large the accuracy differs by "
        f"{100 * middle[BARE]:.2f} points without and {100 * middle[NORMED]:.2f} with it (medians "
        f"of the seeds), and by less with it in {percent(narrower)} of the seeds. After "
        f"{bare[0].setup.epochs} epochs test loss minus training loss is {gaps[BARE]} without and "
        f"{gaps[NORMED]} with it. In batches of {FEW} BatchNorm adds {points(sizes[FEW])} to the "
        f"accuracy, of {MANY} {points(sizes[MANY])}." + unsettled(parts),
        numbers={f"spread over first weights, {which}": mean(its) for which, its in spread.items()}
        | {"share of seeds whose spread is smaller with BatchNorm": narrower}
        | {f"gap in loss, {which}": gap for which, gap in gaps.items()}
        | {"gap in loss, without minus with": smaller}
        | {f"accuracy added at batch size {size}": gain for size, gain in sizes.items()}
        | {f"accuracy added at {MANY} minus at {FEW}": change}
        | {label: mean(map(accuracy, runs)) for label, runs in trials.items()},
    )


def _higher(rates: dict[str, tuple[float, float]]) -> bool | None:
    """Tell whether the highest learning rate is higher with BatchNorm, from `rates_in_use`."""
    (bare, bare_at_most), (normed, normed_at_most) = rates[BARE], rates[NORMED]
    if normed > bare_at_most:
        return True
    return False if normed_at_most <= bare else None


def _differs(change: Interval) -> bool | None:
    """Tell whether a change of accuracy is shown to be there, or shown to be less than matters."""
    if sided(change) is not None:
        return True
    return False if sided(change, -ALIKE) and below(change, ALIKE) else None


def draw_robustness(trials: Trials) -> Figure:
    """Draw the accuracies over the three settings, and the gaps in loss."""
    from minnet.experiments import charts

    epochs = trials[f"{WHOLE}, {BARE}"][0].setup.epochs
    titles = ["Learning rate", "First weights", "Batch size", f"After {epochs} epochs"]
    figure, panels = charts.side_by_side(titles, share_y=False)
    for ax, (sweep, (_, numbers)) in zip(panels, SWEEPS.items(), strict=False):
        values = {
            which: {number: _accuracies(trials, sweep, number, which) for number in numbers}
            for which in PAIR
        }
        charts.by_setting(values, xlabel=sweep, ylabel="test accuracy", ax=ax)
        low, high = ax.get_ylim()
        ax.set_ylim(max(low, 0), min(high, 1))
    gaps = {which: [loss_gap(trial) for trial in trials[f"{WHOLE}, {which}"]] for which in PAIR}
    charts.by_label(gaps, xlabel="test loss minus training loss", ax=panels[-1])
    return figure


def rates_in_use(trials: Trials, which: str) -> tuple[float, float]:
    """Return the highest learning rate that is shown to cost little, and that may cost little.

    What one costs is the accuracy of the best one minus its own, seed by seed.
    """
    found = {rate: _accuracies(trials, "lr", rate, which) for rate in RATES}
    best = max(RATES, key=lambda rate: mean(found[rate]).value)
    costly = {
        rate: sided(
            mean(top - its for top, its in zip(found[best], found[rate], strict=True)), COST
        )
        for rate in RATES
    }
    shown, possible = (
        max(rate for rate in RATES if rate == best or costly[rate] in answers)
        for answers in ((False,), (False, None))
    )
    return shown, possible


def more(trials: Trials, number: Callable[[Trial], float]) -> Interval:
    """Return by how much a number is larger with BatchNorm than without, seed by seed."""
    return paired(trials[NORMED], trials[BARE], number)


def _accuracies(trials: Trials, sweep: str, value: float, which: str) -> list[float]:
    return [accuracy(trial) for trial in trials[_setting(sweep, value, which)]]


def _spread(trials: Trials, which: str) -> list[float]:
    """Return by seed how far the accuracies at the scales of the first weights lie apart."""
    scales = [_accuracies(trials, "first weights, times", scale, which) for scale in SCALES]
    return [max(seed) - min(seed) for seed in zip(*scales, strict=True)]


def _advantage(trials: Trials, size: int) -> list[float]:
    """Return by seed how much BatchNorm adds to the accuracy with batches of that size."""
    bare, normed = (_accuracies(trials, "batch size", size, which) for which in (BARE, NORMED))
    return [two - one for one, two in zip(bare, normed, strict=True)]


CLAIMS: tuple[Claim, ...] = (
    Claim(
        number=18,
        article="003",
        says="BatchNorm allows a higher learning rate, is less sensitive to initialization, "
        "regularizes, and depends on the batch size.",
        measured=f"Test accuracy over learning rates {RATES[0]:g} to {RATES[-1]:g}, over first "
        f"weights {SCALES[0]:g} to {SCALES[-1]:g} times as large, and over batch sizes {FEW} to "
        f"{MANY} (each for as many epochs as make equally many steps, so that large ones see each "
        "row more often and have less left to learn: what differs may be owed to that as well); "
        "test loss minus training loss after the article's epochs; each with BatchNorm and "
        "without.",
        rule="A learning rate is in use if its accuracy is less than "
        f"{100 * COST:g} points below that of the rate with the best mean, seed by seed. Higher "
        "learning rate: the highest rate shown to be in use with BatchNorm is higher than any that "
        "may be without. Sensitivity: of more than half of the seeds accuracy differs less between "
        "the best and the worst scale. Regularization: test loss exceeds training loss by less, "
        f"seed by seed. Batch size: what BatchNorm adds to the accuracy with batches of {MANY} is "
        f"not what it adds with {FEW}, seed by seed; it is the same if the difference lies within "
        f"{100 * ALIKE:g} points. Shown is what the whole 95% interval says. Holds if all four are "
        "shown; fails if the contrary of all is; otherwise holds only of those that are shown, and "
        "if none is, more seeds are needed.",
        setups=SETUPS,
        judge=judge_robustness,
        draw=draw_robustness,
    ),
)

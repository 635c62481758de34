"""Quantities of trainings, and their means, differences and ratios over seeds.

A training that diverged (NaN or infinity) counts as a network that guesses, so a rule has a number
for every seed. The ledger reports how many trainings diverged, and figures leave them out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from minnet.experiments.data import IMAGES
from minnet.experiments.intervals import Interval, geometric_mean, mean
from minnet.experiments.readings import over
from minnet.experiments.setup import Setup
from minnet.experiments.trial import Trial

Trials = Mapping[str, Sequence[Trial]]  # label -> trials by seed, the same seeds for all labels
Quantity = Callable[[Trial], float]


def guess(setup: Setup, quantity: str) -> float:
    """Return the "accuracy" or the "loss" of guessing among equally frequent classes.

    >>> guess(Setup(hidden=()), "accuracy"), round(guess(Setup(hidden=(), data="iris"), "loss"), 3)
    (0.1, 1.099)
    """
    classes = 10 if setup.data in IMAGES else 3  # of Iris
    return 1 / classes if quantity == "accuracy" else math.log(classes)


def last(trial: Trial, curve: str) -> float:
    """Return the last value of a curve, or that of guessing if the training diverged."""
    value = trial.last(curve)
    diverged = trial.stopped or not math.isfinite(value)
    return guess(trial.setup, curve.rpartition("_")[-1]) if diverged else value


accuracy: Quantity = partial(last, curve="val_accuracy")


def means(trials: Trials, quantity: Quantity) -> dict[str, Interval]:
    """Return the mean of a quantity over the seeds of each label."""
    return {label: mean(map(quantity, runs)) for label, runs in trials.items()}


def finite_mean(values: Iterable[float]) -> Interval:
    """Return the mean over the seeds that have a finite value."""
    return mean(value for value in values if math.isfinite(value))


def geometric_means(trials: Trials, quantity: Quantity) -> dict[str, Interval]:
    """Return the geometric mean over the seeds of each label where the quantity is not NaN."""
    return {
        label: geometric_mean(value for value in map(quantity, runs) if not math.isnan(value))
        for label, runs in trials.items()
    }


def difference(trials: Trials, one: str, other: str, quantity: Quantity) -> Interval:
    """Return the mean difference of a quantity between two labels, paired by seed."""
    pairs = zip(trials[one], trials[other], strict=True)
    return mean(quantity(a) - quantity(b) for a, b in pairs)


def ratio(trials: Trials, one: str, other: str, quantity: Quantity) -> Interval:
    """Return the ratio of a quantity between two labels, paired by seed, without NaN."""
    pairs = zip(trials[one], trials[other], strict=True)
    ratios = [over(quantity(a), quantity(b)) for a, b in pairs]
    return geometric_mean(value for value in ratios if not math.isnan(value))


def named(prefix: str, intervals: Mapping[str, Interval]) -> dict[str, Interval]:
    """Return the intervals by "prefix, label"."""
    return {f"{prefix}, {label}": interval for label, interval in intervals.items()}

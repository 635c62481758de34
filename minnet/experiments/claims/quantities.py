"""Quantities of trainings and their means over seeds.

A training that diverged (NaN or infinity) counts as a network that guesses, so a rule has a number
for every seed. The ledger reports how many trainings diverged, and figures leave them out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from minnet.experiments.claims.claim import Trials
from minnet.experiments.intervals import Interval, mean
from minnet.experiments.trial import Trial

GUESS = {"accuracy": 0.1, "loss": math.log(10)}  # ten digits, about equally frequent
Quantity = Callable[[Trial], float]


def last(trial: Trial, curve: str) -> float:
    """Return the last value of a curve, or that of guessing if the training diverged.

    >>> from minnet.experiments.setup import Setup
    >>> last(Trial(Setup(hidden=(8,)), stopped="NaN"), "val_accuracy")
    0.1
    """
    value = trial.last(curve)
    diverged = trial.stopped or not math.isfinite(value)
    return GUESS[curve.rpartition("_")[-1]] if diverged else value


accuracy: Quantity = partial(last, curve="val_accuracy")
training_accuracy: Quantity = partial(last, curve="train_accuracy")
training_loss: Quantity = partial(last, curve="train_loss")


def loss_gap(trial: Trial) -> float:
    """Return test loss minus training loss after training."""
    return last(trial, "val_loss") - last(trial, "train_loss")


def means(trials: Trials, quantity: Quantity) -> dict[str, Interval]:
    """Return the mean of a quantity over the seeds of each label."""
    return {label: mean(map(quantity, runs)) for label, runs in trials.items()}


def paired(ones: Sequence[Trial], others: Sequence[Trial], quantity: Quantity) -> Interval:
    """Return the mean difference of a quantity between trainings of the same seed."""
    return mean(quantity(one) - quantity(two) for one, two in zip(ones, others, strict=True))


def finite_mean(values: Iterable[float]) -> Interval:
    """Return the mean over the seeds that have a finite value."""
    return mean(value for value in values if math.isfinite(value))


def named(prefix: str, intervals: Mapping[str, Interval]) -> dict[str, Interval]:
    """Return the intervals by "prefix, label"."""
    return {f"{prefix}, {label}": interval for label, interval in intervals.items()}

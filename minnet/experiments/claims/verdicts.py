"""What judges read off trials, and how an interval decides.

A training that broke off, by NaN or infinity, counts as a network that guesses: so a rule has a
number for every seed, and a network that explodes is as bad as one that learned nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from minnet.experiments.claims.claim import FAILS, HOLDS, UNSETTLED
from minnet.experiments.intervals import Interval, mean
from minnet.experiments.trial import Trial

GUESS = {"accuracy": 0.1, "loss": math.log(10)}  # of ten digits, about equally many of each
# At one learning rate the first layer then takes a thousand steps to go as far as the last goes in
# one, and an epoch of MNIST in batches of 100 has 600.
VANISHED = 1000.0


def last(trial: Trial, curve: str) -> float:
    """Return a curve's last number, or what guessing gives if the training broke off.

    >>> from minnet.experiments.setup import Setup
    >>> last(Trial(Setup(hidden=(8,)), stopped="NaN"), "val_accuracy")
    0.1
    """
    value = trial.last(curve)
    return guess(curve) if trial.stopped or not math.isfinite(value) else value


def guess(curve: str) -> float:
    """Return what a network that guesses has of a curve."""
    return GUESS[curve.rpartition("_")[-1]]


def accuracy(trial: Trial) -> float:
    """Return the test accuracy at the end."""
    return last(trial, "val_accuracy")


def loss_gap(trial: Trial) -> float:
    """Return how much higher the loss is on test rows than on training rows, at the end."""
    return last(trial, "val_loss") - last(trial, "train_loss")


def paired(
    trials: Sequence[Trial], others: Sequence[Trial], number: Callable[[Trial], float]
) -> Interval:
    """Return by how much a number is larger in trials than in others, pair by pair of one seed."""
    return mean(number(one) - number(two) for one, two in zip(trials, others, strict=True))


def above(interval: Interval, threshold: float) -> bool:
    """Tell whether the whole interval lies above a threshold; of one seed, the number itself.

    >>> above(mean([2.0, 3.0, 4.0]), 0), above(mean([2.0, 3.0, 4.0]), 2)
    (True, False)
    """
    return (interval.low if interval.n > 1 else interval.value) > threshold


def below(interval: Interval, threshold: float) -> bool:
    """Tell whether the whole interval lies below a threshold; of one seed, the number itself."""
    return (interval.high if interval.n > 1 else interval.value) < threshold


def sided(interval: Interval, threshold: float = 0.0) -> bool | None:
    """Tell on which side of a threshold the whole interval lies; of one seed, the number itself.

    Returns
    -------
    bool or None
        True if above, False if below, None if the interval holds the threshold: nothing is shown.

    Examples
    --------
    >>> seen = mean([2.0, 3.0, 4.0])
    >>> [sided(seen, threshold) for threshold in (0, 3, 6)]
    [True, None, False]
    """
    if above(interval, threshold):
        return True
    return False if below(interval, threshold) else None


def opposite(shown: bool | None) -> bool | None:
    """Turn what `sided` tells around; nothing shown stays so."""
    return None if shown is None else not shown


def every(shown: Iterable[bool | None]) -> bool | None:
    """Tell whether all is shown: False if one is not so, else None if of one nothing is shown.

    >>> every([True, True]), every([True, None]), every([False, None])
    (True, None, False)
    """
    seen = set(shown)
    return False if False in seen else None if None in seen else True


def some(shown: Iterable[bool | None]) -> bool | None:
    """Tell whether one is shown: False if none is so, None if of one nothing is shown.

    >>> some([False, True, None]), some([False, None]), some([False])
    (True, None, False)
    """
    return opposite(every(map(opposite, shown)))


def percent(share: Interval) -> str:
    """Write a share in percent.

    >>> percent(mean([0.5, 0.52, 0.54]))
    '52.0% (47.0 to 57.0)'
    """
    return f"{100 * share.value:.1f}%{_between(share, 1)}"


def points(difference: Interval) -> str:
    """Write a difference of two shares in percentage points.

    >>> points(mean([0.01, 0.02, 0.03]))
    '2.00 points (-0.48 to 4.48)'
    """
    return f"{100 * difference.value:.2f} points{_between(difference, 2)}"


def _between(share: Interval, digits: int) -> str:
    if share.n < 2:
        return ""
    return f" ({100 * share.low:.{digits}f} to {100 * share.high:.{digits}f})"


def listed(names: Sequence[str], word: str = "and") -> str:
    """Return names as a sentence has them.

    >>> listed(["ReLU", "Swish", "Xavier"], "or")
    'ReLU, Swish or Xavier'
    """
    return f" {word} ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def settled(shown: bool | None) -> str:
    """Return the verdict on a claim of one part, from what `sided` tells of it.

    >>> settled(True), settled(None)
    ('holds', 'holds only if more seeds show it')
    """
    if shown is None:
        return UNSETTLED
    return HOLDS if shown else FAILS


def verdict_of_parts(parts: Mapping[str, bool | None], said: str, word: str) -> str:
    """Return the verdict on a claim of several parts, from what `sided` tells of each.

    >>> verdict_of_parts({"Adam": True, "RMSProp": False}, "the optimizer is", "or")
    'holds only if the optimizer is Adam'
    >>> verdict_of_parts({"Adam": True, "RMSProp": None}, "the optimizer is", "or")
    'holds only if the optimizer is Adam, or more seeds show the rest'
    >>> verdict_of_parts({"Adam": False, "RMSProp": None}, "the optimizer is", "or")
    'holds only if more seeds show it'
    """
    if all(parts.values()):
        return HOLDS
    if holding := [part for part, shown in parts.items() if shown]:
        rest = "" if False in parts.values() else ", or more seeds show the rest"
        return f"holds only if {said} {listed(holding, word)}{rest}"
    return UNSETTLED if None in parts.values() else FAILS


def confined(parts: Mapping[str, Mapping[str, bool | None]]) -> str:
    """Return the verdict on a claim of several parts, each tried under several circumstances.

    >>> confined({"L1": {"on Iris": True, "on MNIST": False}, "dropout": {"on Iris": None}})
    'holds only if it is confined to L1 on Iris'
    >>> confined({"L1": {"on Iris": True, "on MNIST": None}})
    'holds only if it is confined to L1 on Iris, or more seeds show the rest'
    >>> confined({"L1": {"on Iris": False, "on MNIST": None}})
    'holds only if more seeds show it'
    """
    shown = [so for tried in parts.values() for so in tried.values()]
    if all(shown):
        return HOLDS
    kept = [
        part
        if all(tried.values())
        else f"{part} {listed([where for where, so in tried.items() if so])}"
        for part, tried in parts.items()
        if any(tried.values())
    ]
    if kept:
        rest = "" if False in shown else ", or more seeds show the rest"
        return f"holds only if it is confined to {'; '.join(kept)}{rest}"
    return UNSETTLED if None in shown else FAILS


def unsettled(parts: Mapping[str, bool | None]) -> str:
    """Return a sentence that names the parts of which nothing is shown; empty if there are none.

    >>> unsettled({"Adam": True, "RMSProp": None})
    ' Not settled by these seeds: RMSProp.'
    """
    names = [part for part, shown in parts.items() if shown is None]
    return f" Not settled by these seeds: {listed(names)}." if names else ""

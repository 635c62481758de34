"""Verdicts: how the intervals of a measurement decide a claim, and numbers as text.

A comparison with a threshold has three outcomes: True if the whole 95% interval lies on the stated
side, False if it lies on the other side, and None, undecided, if it contains the threshold. The
outcomes of a claim's parts give its verdict.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from minnet.experiments.intervals import Interval

Outcome = bool | None
Parts = Mapping[str, Outcome] | Mapping[tuple[str, str], Outcome]  # by part, or by part and case


class Verdict(NamedTuple):
    """A verdict by name and, if it is conditional, the condition under which the claim holds."""

    name: str
    condition: str = ""

    def __str__(self) -> str:
        return f"holds only if {self.condition}" if self.condition else self.name


HOLDS, UNDECIDED, FAILS = Verdict("holds"), Verdict("undecided"), Verdict("fails")


def only_if(condition: str) -> Verdict:
    """Return the conditional verdict."""
    return Verdict("conditional", condition)


def outcome(*, shown: bool, refuted: bool) -> Outcome:
    """Return True if a part is shown, False if it is refuted, and None otherwise."""
    return True if shown else False if refuted else None


def above(interval: Interval, threshold: float = 0.0) -> Outcome:
    """Return whether the whole interval lies above a threshold; for one seed, the value itself.

    >>> from minnet.experiments.intervals import mean
    >>> values = mean([2.0, 3.0, 4.0])
    >>> [above(values, threshold) for threshold in (0, 3, 6)]
    [True, None, False]
    """
    low, high = (interval.value,) * 2 if interval.n == 1 else (interval.low, interval.high)
    return outcome(shown=low > threshold, refuted=high < threshold)


def below(interval: Interval, threshold: float = 0.0) -> Outcome:
    """Return whether the whole interval lies below a threshold; for one seed, the value itself."""
    return negated(above(interval, threshold))


def negated(outcome: Outcome) -> Outcome:
    """Return the opposite outcome; undecided stays undecided."""
    return None if outcome is None else not outcome


def all_of(outcomes: Iterable[Outcome]) -> Outcome:
    """Return True if all outcomes are True, False if one is False, and None otherwise."""
    found = set(outcomes)
    return False if False in found else None if None in found else True


def any_of(outcomes: Iterable[Outcome]) -> Outcome:
    """Return True if one outcome is True, False if all are False, and None otherwise."""
    return negated(all_of(map(negated, outcomes)))


def verdict(parts: Parts, condition: str) -> Verdict:
    """Return the verdict on a claim from the outcomes of its parts.

    The claim holds if all parts are True, and is conditional if only some parts are. If no part is
    True, it is undecided if a part is None or ``parts`` is empty, and fails otherwise.

    ``parts`` maps the name of a part, or of a part and a case in which it was tested, to its
    outcome. ``condition`` has ``{}`` for the parts that are True.

    Examples
    --------
    >>> str(verdict({"Adam": True, "RMSProp": False}, "the optimizer is {}"))
    'holds only if the optimizer is Adam'
    >>> str(verdict({"Adam": None, "RMSProp": False}, "the optimizer is {}"))
    'undecided'
    >>> parts = {("L1", "on Iris"): True, ("L1", "on MNIST"): False, ("L2", "on Iris"): True}
    >>> str(verdict(parts, "it is {}"))
    'holds only if it is L1 on Iris; L2'
    """
    shown = [name for name, outcome in parts.items() if outcome]
    if not shown:
        return UNDECIDED if None in parts.values() or not parts else FAILS
    if len(shown) == len(parts):
        return HOLDS
    names = [name for name in shown if isinstance(name, str)]
    return only_if(condition.format(listed(names) if names else _by_part(parts)))


def _by_part(parts: Parts) -> str:
    """Return the parts that are True, with their cases unless all cases are True."""
    texts = []
    for part in dict.fromkeys(name[0] for name in parts):
        cases = {name[1]: outcome for name, outcome in parts.items() if name[0] == part}
        shown = [case for case, outcome in cases.items() if outcome]
        if shown:
            texts.append(part if len(shown) == len(cases) else f"{part} {listed(shown)}")
    return "; ".join(texts)


def listed(names: Sequence[str]) -> str:
    """Join names as in a sentence: "ReLU, Swish and Xavier"."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: "1 epoch", "2 epochs"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def percent(share: Interval, digits: int = 1, unit: str = "%") -> str:
    """Return a share in percent.

    >>> from minnet.experiments.intervals import mean
    >>> percent(mean([0.5, 0.52, 0.54]))
    '52.0% (47.0 to 57.0)'
    """
    value, low, high = (f"{100 * x:.{digits}f}" for x in (share.value, share.low, share.high))
    return f"{value}{unit} ({low} to {high})" if share.n > 1 else f"{value}{unit}"


def points(difference: Interval) -> str:
    """Return a difference of two shares in percentage points.

    >>> from minnet.experiments.intervals import mean
    >>> points(mean([0.01, 0.02, 0.03]))
    '2.00 points (-0.48 to 4.48)'
    """
    return percent(difference, 2, " points")

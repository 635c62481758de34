"""Numbers and names as text."""

from __future__ import annotations

from collections.abc import Sequence

from minnet.experiments.intervals import Interval


def listed(names: Sequence[str], conjunction: str = "and") -> str:
    """Join names as in a sentence.

    >>> listed(["ReLU", "Swish", "Xavier"], "or")
    'ReLU, Swish or Xavier'
    """
    *others, last = names
    return f"{', '.join(others)} {conjunction} {last}" if others else last


def counted(number: int, noun: str) -> str:
    """Return a number with its noun.

    >>> counted(1, "epoch"), counted(2, "epoch")
    ('1 epoch', '2 epochs')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


def percent(share: Interval) -> str:
    """Return a share in percent.

    >>> from minnet.experiments.intervals import mean
    >>> percent(mean([0.5, 0.52, 0.54]))
    '52.0% (47.0 to 57.0)'
    """
    return f"{100 * share.value:.1f}%{_between(share, 1)}"


def points(difference: Interval) -> str:
    """Return a difference of two shares in percentage points.

    >>> from minnet.experiments.intervals import mean
    >>> points(mean([0.01, 0.02, 0.03]))
    '2.00 points (-0.48 to 4.48)'
    """
    return f"{100 * difference.value:.2f} points{_between(difference, 2)}"


def _between(share: Interval, digits: int) -> str:
    low, high = 100 * share.low, 100 * share.high
    return f" ({low:.{digits}f} to {high:.{digits}f})" if share.n > 1 else ""

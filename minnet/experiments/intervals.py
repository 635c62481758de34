"""Means and shares over seeds with their 95% intervals."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from minnet.recording.statistics import half_interval


@dataclass(frozen=True)
class Interval:
    """A value with its 95% interval.

    Attributes
    ----------
    value, low, high : float
        The value and the ends of its interval; both ends are nan for fewer than two seeds.
    n : int
        Number of seeds from which the value was computed.
    excluded : int
        Number of seeds that were excluded.
    """

    value: float
    low: float
    high: float
    n: int
    excluded: int = field(default=0, kw_only=True)

    def within(self, low: float, high: float) -> Self:
        """Return the value with its interval clipped, such as that of an accuracy to [0, 1]."""
        first, last = np.clip([self.low, self.high], low, high).tolist()
        return replace(self, low=first, high=last)

    def __str__(self) -> str:
        text = f"{self.value:.4g}" if self.n else "–"
        if self.n > 1:
            text += f" ({self.low:.4g} to {self.high:.4g})"
        if self.excluded:
            text += f"; {self.excluded} of {self.n + self.excluded} excluded"
        return text


def mean(values: Iterable[float]) -> Interval:
    """Return the mean with Student's t interval; all nan if a value is not finite.

    >>> print(mean([1.0, 2.0, 3.0]))
    2 (-0.4841 to 4.484)
    """
    numbers = np.array(list(values), dtype=np.float64)
    middle = float(numbers.mean()) if numbers.size else float("nan")
    if numbers.size < 2 or not np.isfinite(numbers).all():
        return Interval(middle, float("nan"), float("nan"), numbers.size)
    half = float(half_interval(numbers))
    return Interval(middle, middle - half, middle + half, numbers.size)


def geometric_mean(values: Iterable[float]) -> Interval:
    """Return the geometric mean with the interval of the mean of the logarithms.

    For values that differ by factors, such as gradients. Zeros and non-finite values have no
    usable logarithm: they are excluded, and ``excluded`` is their number. If all values are 0, the
    mean is 0; if all are infinite, it is infinite. The ends of the interval are limited to e^±350.

    >>> print(geometric_mean([1.0, 10.0, 100.0]))
    10 (0.0328 to 3049)
    >>> print(geometric_mean([0.0, 1.0, 10.0, 100.0]))
    10 (0.0328 to 3049); 1 of 4 excluded
    """
    numbers = np.array(list(values), dtype=np.float64)
    if (numbers < 0).any():
        raise ValueError(f"geometric_mean: expected no negative numbers, got {numbers.min()}")
    if numbers.size and (numbers == numbers[0]).all() and numbers[0] in (0, np.inf):
        end = float(numbers[0] if numbers.size > 1 else np.nan)
        return Interval(float(numbers[0]), end, end, numbers.size)
    usable = numbers[np.isfinite(numbers) & (numbers > 0)]
    logs = mean(np.log(usable))
    value, low, high = np.exp(np.clip([logs.value, logs.low, logs.high], -350, 350)).tolist()
    return Interval(value, low, high, usable.size, excluded=numbers.size - usable.size)


def share(outcomes: Iterable[bool]) -> Interval:
    """Return the share of true outcomes with Wilson's interval.

    >>> print(share([True] * 9 + [False]))
    0.9 (0.5958 to 0.9821)
    """
    from scipy.stats import binomtest

    results = [bool(outcome) for outcome in outcomes]
    if not results:
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    ends = binomtest(sum(results), len(results)).proportion_ci(method="wilson")
    return Interval(sum(results) / len(results), float(ends.low), float(ends.high), len(results))

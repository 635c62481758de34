"""A number over seeds with its uncertainty: the mean of what was measured, or a share of seeds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minnet.recording.statistics import half_interval


@dataclass(frozen=True)
class Interval:
    """A number with its 95% interval, from ``n`` seeds; the interval of one seed is nan."""

    value: float
    low: float
    high: float
    n: int

    def within(self, low: float, high: float) -> Interval:
        """Return it without what no such number can be, such as an accuracy above 1."""
        low, high = np.clip([self.low, self.high], low, high).tolist()
        return Interval(self.value, low, high, self.n)

    def __str__(self) -> str:
        if self.n < 2:
            return f"{self.value:.4g}"
        return f"{self.value:.4g} ({self.low:.4g} to {self.high:.4g})"


def mean(values: Iterable[float]) -> Interval:
    """Return the mean with Student's t interval; what is not finite makes all of it nan.

    >>> print(mean([1.0, 2.0, 3.0]))
    2 (-0.4841 to 4.484)
    """
    numbers = np.array(list(values), dtype=np.float64)
    n, middle = numbers.size, float(numbers.mean()) if numbers.size else float("nan")
    if n < 2 or not np.isfinite(numbers).all():
        return Interval(middle, float("nan"), float("nan"), n)
    half = float(half_interval(numbers))
    return Interval(middle, middle - half, middle + half, n)


def geometric_mean(values: Iterable[float]) -> Interval:
    """Return the geometric mean of positive numbers, with the interval of their logarithms' mean.

    For what differs by factors, such as gradients. With a 0 among them it is 0, and so is the lower
    end; the upper end is that of the others, which lie above. Likewise with an infinite number,
    which a ratio over 0 is.

    Raises
    ------
    ValueError
        If a number is negative.

    Examples
    --------
    >>> print(geometric_mean([1.0, 10.0, 100.0]))
    10 (0.0328 to 3049)
    >>> print(geometric_mean([0.0, 0.0, 0.0]))
    0 (0 to 0)
    """
    numbers = np.array(list(values), dtype=np.float64)
    if (numbers < 0).any():
        raise ValueError(f"geometric_mean: expected no negative numbers, got {numbers.min()}")
    beyond = np.unique(numbers[(numbers == 0) | np.isposinf(numbers)]).tolist()
    if len(beyond) == 1 and not np.isnan(numbers).any():
        return _with_extremes(numbers, beyond[0])
    logs = mean([float("nan")] if beyond else np.log(numbers))
    value, low, high = np.exp([logs.value, logs.low, logs.high]).tolist()
    return Interval(value, low, high, numbers.size)


def _with_extremes(numbers: NDArray[np.float64], extreme: float) -> Interval:
    """Return the interval of numbers some of which are the extreme: all 0, or all infinite."""
    others = geometric_mean(numbers[numbers != extreme])
    if numbers.size < 2:
        return Interval(extreme, float("nan"), float("nan"), numbers.size)
    if not others.n:
        return Interval(extreme, extreme, extreme, numbers.size)
    low, high = (extreme, others.high) if extreme == 0 else (others.low, extreme)
    return Interval(extreme, low, high, numbers.size)


def share(outcomes: Iterable[bool]) -> Interval:
    """Return the share that is true, with Wilson's interval.

    >>> print(share([True] * 9 + [False]))
    0.9 (0.5958 to 0.9821)
    """
    from scipy.stats import binomtest

    told = [bool(outcome) for outcome in outcomes]
    if not told:
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    result = binomtest(sum(told), len(told)).proportion_ci(method="wilson")
    return Interval(sum(told) / len(told), float(result.low), float(result.high), len(told))

"""Moments and extremes of an array, and detection of constant units.

Sums are accumulated in float64 in 64 lanes: neighbouring values go to different lanes, because a
single running total cannot be vectorized. Central moments need a second pass after the mean: one
pass over raw powers loses all digits if the mean is large compared with the spread.
"""

import math

import numpy as np

from minnet.kernels import Array
from minnet.kernels.jit import inline, kernel

LANES = 64


@inline
def add_value(
    v: float, k: int, total: Array, low: Array, high: Array, zeros: Array, bad: Array
) -> None:
    """Add a value to lane k of the sums, extremes and counts."""
    total[k] += v
    low[k] = v if v < low[k] else low[k]
    high[k] = v if v > high[k] else high[k]
    zeros[k] += v == 0
    bad[k] += v - v != 0


@inline
def add_powers(
    v: float,
    k: int,
    scale: float,
    rest: float,
    centre: float,
    second: Array,
    third: Array,
    fourth: Array,
) -> None:
    """Add the powers of a value's deviation from the mean to lane k of their sums."""
    d = np.float64(v) * scale * rest - centre
    square = d * d
    second[k] += square
    third[k] += square * d
    fourth[k] += square * square


@kernel("(const T[::1], float64[::1])")
def sums_and_extremes(x: Array, values: Array) -> None:
    """values = sum, minimum, maximum, count of zeros, count of non-finite entries of x (size,)."""
    total, zeros, bad = np.zeros(LANES), np.zeros(LANES, np.int32), np.zeros(LANES, np.int32)
    low, high = np.full(LANES, x[0]), np.full(LANES, x[0])
    whole = x.size - x.size % LANES
    for start in range(0, whole, LANES):
        for k in range(LANES):
            add_value(x[start + k], k, total, low, high, zeros, bad)
    for k in range(x.size - whole):
        add_value(x[whole + k], k, total, low, high, zeros, bad)
    values[0], values[1], values[2] = total.sum(), low.min(), high.max()
    values[3], values[4] = zeros.sum(), bad.sum()


@kernel("(const T[::1], float64, int64, float64[::1])", fastmath=("contract",))
def central_moments(x: Array, mean: float, exponent: int, moments: Array) -> None:
    """moments = means of d², d³ and d⁴ with d = (x - mean) / 2^exponent.

    With 2^exponent near the largest magnitude in x, no fourth power overflows.
    """
    second, third, fourth = np.zeros(LANES), np.zeros(LANES), np.zeros(LANES)
    # Two factors, because 2^1074, the factor for the smallest float64, exceeds float64.
    scale = math.ldexp(1.0, -(exponent // 2))
    rest = math.ldexp(1.0, exponent // 2 - exponent)
    centre = mean * scale * rest
    whole = x.size - x.size % LANES
    for start in range(0, whole, LANES):
        for k in range(LANES):
            add_powers(x[start + k], k, scale, rest, centre, second, third, fourth)
    for k in range(x.size - whole):
        add_powers(x[whole + k], k, scale, rest, centre, second, third, fourth)
    moments[0], moments[1] = second.sum() / x.size, third.sum() / x.size
    moments[2] = fourth.sum() / x.size


@kernel("(const T[::1], float64, float64)")
def count_outside(x: Array, low: float, high: float) -> int:
    """Return the number of entries of x (size,) that are below low or above high."""
    outside = 0
    for k in range(x.size):
        outside += (x[k] < low) | (x[k] > high)
    return outside


@kernel("(const T[:, ::1], int64[::1], T[::1])")
def follow_units(y: Array, unchanged: Array, last: Array) -> None:
    """Count the consecutive steps in which each column of y (n, units) was constant.

    unchanged (units,) is that count: 0 if the column changed within this step, 1 if it is constant
    but differs from the previous step. last (units,) is the last row of the previous step, and is
    replaced by the last row of y.
    """
    n, units = y.shape
    constant = np.ones(units, np.uint8)
    for i in range(1, n):
        any_constant = 0
        for j in range(units):
            constant[j] &= y[i, j] == y[0, j]
            any_constant |= constant[j]
        if any_constant == 0:
            break
    for j in range(units):
        if constant[j] == 0:
            unchanged[j] = 0
        elif y[0, j] == last[j]:
            unchanged[j] += 1
        else:
            unchanged[j] = 1
        last[j] = y[n - 1, j]

"""Kernels that summarize arrays: power sums, extremes, counts, and units that do not change.

Sums are float64 and have 32 lanes. Neighbouring values are added to different lanes, because the
additions of a single running total depend on each other and cannot be vectorized.
"""

import math

import numpy as np

from minnet.kernels import Array
from minnet.kernels.jit import inline, kernel

LANES = 32


@inline
def add_value(
    v: float,
    k: int,
    centre: float,
    first: Array,
    second: Array,
    third: Array,
    fourth: Array,
    low: Array,
    high: Array,
    zeros: Array,
) -> None:
    """Add one value to lane k of the power sums, the extremes and the number of zeros."""
    d = np.float64(v) - centre
    square = d * d
    first[k] += d
    second[k] += square
    third[k] += square * d
    fourth[k] += square * square
    low[k] = v if v < low[k] else low[k]
    high[k] = v if v > high[k] else high[k]
    zeros[k] += v == 0


@inline
def power_sums(x: Array, centre: float, sums: Array) -> None:
    """sums = Σd, Σd², Σd³, Σd⁴, min x, max x, number of zeros; d = x - centre."""
    first, second, third, fourth = (
        np.zeros(LANES),
        np.zeros(LANES),
        np.zeros(LANES),
        np.zeros(LANES),
    )
    low, high = np.full(LANES, x[0]), np.full(LANES, x[0])
    zeros = np.zeros(LANES, np.int32)
    whole = x.size - x.size % LANES
    for start in range(0, whole, LANES):
        for k in range(LANES):
            v = x[start + k]
            add_value(v, k, centre, first, second, third, fourth, low, high, zeros)
    for k in range(x.size - whole):
        v = x[whole + k]
        add_value(v, k, centre, first, second, third, fourth, low, high, zeros)
    sums[0], sums[1], sums[2], sums[3] = first.sum(), second.sum(), third.sum(), fourth.sum()
    sums[4], sums[5], sums[6] = low.min(), high.max(), zeros.sum()


@kernel("(const T[::1], float64[::1])", fastmath=("contract",))
def summarize_values(x: Array, out: Array) -> None:
    """out = mean, std, skewness, kurtosis, min, max, RMS, share of zeros and 0, for x (size,).

    The last number is 1, and the others are invalid, if a value is not finite or if powers of the
    values could overflow or underflow in float64. Skewness and kurtosis of a constant are NaN.
    """
    # Sums about the mean of the first values lose few digits: shift² is at most n / LANES times m2.
    n, sums, centre = x.size, np.zeros(7), 0.0
    for k in range(min(n, LANES)):
        centre += x[k] / min(n, LANES)
    power_sums(x, centre, sums)
    shift = sums[0] / n
    m2 = sums[1] / n - shift * shift
    m3 = sums[2] / n - shift * (3 * sums[1] / n - 2 * shift * shift)
    m4 = sums[3] / n - shift * (4 * sums[2] / n - 6 * shift * sums[1] / n + 3 * shift**3)
    low, high, mean = sums[4], sums[5], centre + shift
    out[0], out[1], out[2], out[3] = mean, math.sqrt(m2), m3 / m2**1.5, m4 / m2**2 - 3
    out[4], out[5], out[6] = low, high, math.sqrt(m2 + mean * mean)
    out[7], out[8] = sums[6] / n, 0.0
    if not math.isfinite(m4):
        out[8] = 1.0
    elif low == high:
        out[0], out[1], out[2], out[3], out[6] = low, 0.0, math.nan, math.nan, abs(low)
    elif not (1e-70 < high - low < 1e70 and abs(mean) < 1e140):
        out[8] = 1.0


@kernel("(const T[::1], float64, float64)")
def count_outside(x: Array, low: float, high: float) -> int:
    """Return the number of values of x (size,) below low or above high."""
    outside = 0
    for k in range(x.size):
        outside += (x[k] < low) | (x[k] > high)
    return outside


@kernel("(const T[:, ::1], int64[::1], T[::1], int64)")
def follow_units(y: Array, unchanged: Array, last: Array, window: int) -> int:
    """Update the number of successive steps for which each column of y (n, units) is constant.

    unchanged (units,) holds these numbers. It is 0 if the column changes within this step, and 1 if
    it is constant but differs from the previous step. last (units,) is filled with the last row of
    y. Return the number of columns in which unchanged is at least window.
    """
    n, units = y.shape
    constant = np.ones(units, np.uint8)
    for i in range(1, n):
        left = 0
        for j in range(units):
            constant[j] &= y[i, j] == y[0, j]
            left |= constant[j]
        if left == 0:
            break
    dead = 0
    for j in range(units):
        if constant[j] == 0:
            unchanged[j] = 0
        elif y[0, j] == last[j]:
            unchanged[j] += 1
        else:
            unchanged[j] = 1
        last[j] = y[n - 1, j]
        dead += unchanged[j] >= window
    return dead


@kernel("(const T[:, ::1], int64, int64, int64[::1])")
def count_positive(y: Array, start: int, stride: int, counts: Array) -> None:
    """Add the number of values above 0 in each column of y (n, units) to counts (units,).

    Every stride-th row is counted, beginning with row start.
    """
    positive = np.zeros(y.shape[1], np.int32)
    for i in range(start, y.shape[0], stride):
        for j in range(y.shape[1]):
            positive[j] += y[i, j] > 0
    for j in range(y.shape[1]):
        counts[j] += positive[j]

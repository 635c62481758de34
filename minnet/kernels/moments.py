"""The numbers told of an array while training goes on: moments, extremes, units that never change.

Sums are kept in float64 and in 64 places side by side, neighbours in different places: one running
sum would have to wait for each addition to end before the next, and could not be vectorised. The
mean comes first and the powers about it second, because one pass over raw powers loses all digits
where the mean is large beside the spread.
"""

import math

import numpy as np

from minnet.kernels import Array
from minnet.kernels.compiling import inline, kernel

LANES = 64


@inline
def note_value(
    v: float, k: int, total: Array, low: Array, high: Array, zeros: Array, bad: Array
) -> None:
    """Take one value into place k of the sums, extremes and counts."""
    total[k] += v
    low[k] = v if v < low[k] else low[k]
    high[k] = v if v > high[k] else high[k]
    zeros[k] += v == 0
    bad[k] += v - v != 0


@inline
def note_powers(
    v: float,
    k: int,
    scale: float,
    scale_too: float,
    centre: float,
    second: Array,
    third: Array,
    fourth: Array,
) -> None:
    """Take the powers of one value's distance from the centre into place k of their sums."""
    d = np.float64(v) * scale * scale_too - centre
    square = d * d
    second[k] += square
    third[k] += square * d
    fourth[k] += square * square


@kernel("(T[::1], float64[::1])")
def sums_and_extremes(x: Array, told: Array) -> None:
    """told = sum, minimum, maximum, number of zeros, number of NaN and infinities of x (size,)."""
    total, zeros, bad = np.zeros(LANES), np.zeros(LANES, np.int32), np.zeros(LANES, np.int32)
    low, high = np.full(LANES, x[0]), np.full(LANES, x[0])
    whole = x.size - x.size % LANES
    for start in range(0, whole, LANES):
        for k in range(LANES):
            note_value(x[start + k], k, total, low, high, zeros, bad)
    for k in range(x.size - whole):
        note_value(x[whole + k], k, total, low, high, zeros, bad)
    told[0], told[1], told[2] = total.sum(), low.min(), high.max()
    told[3], told[4] = zeros.sum(), bad.sum()


@kernel("(T[::1], float64, int64, float64[::1])", fastmath=("contract",))
def central_moments(x: Array, mean: float, exponent: int, moments: Array) -> None:
    """moments = means of d², d³ and d⁴ with d = (x - mean) / 2^exponent.

    2^exponent is about the largest magnitude in x, so that no fourth power leaves float64.
    """
    second, third, fourth = np.zeros(LANES), np.zeros(LANES), np.zeros(LANES)
    # Two factors, because 2^1074, which the smallest float64 would need, is no float64 itself.
    scale = math.ldexp(1.0, -(exponent // 2))
    scale_too = math.ldexp(1.0, exponent // 2 - exponent)
    centre = mean * scale * scale_too
    whole = x.size - x.size % LANES
    for start in range(0, whole, LANES):
        for k in range(LANES):
            note_powers(x[start + k], k, scale, scale_too, centre, second, third, fourth)
    for k in range(x.size - whole):
        note_powers(x[whole + k], k, scale, scale_too, centre, second, third, fourth)
    moments[0], moments[1] = second.sum() / x.size, third.sum() / x.size
    moments[2] = fourth.sum() / x.size


@kernel("(T[::1], float64, float64)")
def count_outside(x: Array, low: float, high: float) -> int:
    """Return how many values of x (size,) lie below low or above high."""
    outside = 0
    for k in range(x.size):
        outside += (x[k] < low) | (x[k] > high)
    return outside


@kernel("(T[:, ::1], int64[::1], T[::1])")
def follow_units(y: Array, unchanged: Array, last: Array) -> None:
    """Count for each column of y (n, units) the steps on end in which it held one value only.

    unchanged (units,) is that number, 0 where the value changed within this step, and 1 where it
    was constant but another one than before; last (units,) is the value in the last row.
    """
    n, units = y.shape
    alike = np.ones(units, np.uint8)
    for i in range(1, n):
        left = 0
        for j in range(units):
            alike[j] &= y[i, j] == y[0, j]
            left |= alike[j]
        if left == 0:
            break
    for j in range(units):
        if alike[j] == 0:
            unchanged[j] = 0
        elif y[0, j] == last[j]:
            unchanged[j] += 1
        else:
            unchanged[j] = 1
        last[j] = y[n - 1, j]

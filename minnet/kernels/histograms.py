"""Counting floats by their own bits: a histogram with no range to choose and nothing to lose.

A float32 begins with its sign, eight bits of exponent and the mantissa. The first eleven bits, as
a whole number, name one of 2048 bins: four to each power of two, none wider than a quarter of its
lower edge, from the smallest float to the largest, infinity and NaN included. No pass has to look
for the minimum and the maximum first, and histograms of different arrays add up exactly.
"""

import numpy as np

from minnet.kernels import Array
from minnet.kernels.compiling import inline, kernel

ARRAYS = 16  # counted in one call, because a call takes longer than counting a row
BINS = 2048
COPIES = 4
BLOCK = 16  # bins whose int32 counters share a cache line
# One more block than the bins need: it is for totals, and rows of 2^k bytes would put all copies of
# a counter into one set of the cache.
WIDTH = BINS + BLOCK
BLOCKS = WIDTH // BLOCK
# Totals, behind the bins: how many values the arrays had, and how many of them were counted.
PRESENT, COUNTED = BINS, BINS + 1
INFINITY = 1020  # its bin, and with the sign bit 1024 further on; the next three are NaN's
SIGN = 1024
SHIFT = np.uint32(21)
UNSIGNED_INFINITY = np.uint32(0x7F800000)
UNSIGNED = np.uint32(0x7FFFFFFF)


def _float32(x: Array) -> Array:
    return x.view(np.uint32)


def _float64(x: Array) -> Array:
    return x.astype(np.float32).view(np.uint32)


bits_of = inline(float32=_float32, float64=_float64)


@inline
def has_infinities(counts: Array) -> bool:
    """Tell whether anything was counted where infinities are."""
    total = 0
    for k in range(COPIES):
        total += counts[k, INFINITY] + counts[k, INFINITY + SIGN]
    return total > 0


@inline
def part_nan_from_infinity(bits: Array, counts: Array) -> None:
    """Move each NaN whose first payload bits are 0, as infinity's are, to the bin of NaN."""
    for j in range(bits.size):
        found = bits[j] >> SHIFT
        if bits[j] & UNSIGNED > UNSIGNED_INFINITY and (
            found == INFINITY or found == INFINITY + SIGN
        ):
            counts[0, found] -= 1
            counts[0, found + np.uint32(1)] += 1


@inline
def count_rows(bits: Array, start: int, stride: int, counts: Array) -> None:
    """Count every stride-th row, beginning with row start: neighbours in different copies."""
    if stride == 1:  # a single long row has a single remainder
        bits = bits.reshape(1, -1)
    n, width = bits.shape
    whole = width - width % COPIES
    for i in range(start, n, stride):
        for j in range(0, whole, COPIES):
            counts[0, bits[i, j] >> SHIFT] += 1
            counts[1, bits[i, j + 1] >> SHIFT] += 1
            counts[2, bits[i, j + 2] >> SHIFT] += 1
            counts[3, bits[i, j + 3] >> SHIFT] += 1
        for j in range(whole, width):
            counts[0, bits[i, j] >> SHIFT] += 1
    if has_infinities(counts):
        for i in range(start, n, stride):
            part_nan_from_infinity(bits[i], counts)


@kernel(f"(T[:, ::1], UniTuple(T[:, ::1], {ARRAYS - 1}), int64, int64[:, ::1], int32[:, :, ::1])")
def count_floats(
    first: Array, others: tuple[Array, ...], offset: int, table: Array, counts: Array
) -> None:
    """Count the values of sixteen arrays x_k (n, width), k = 0 ... 15; empty ones are skipped.

    Row k of table (16, 3) holds place, stride and size. The values of x_k are added to
    counts[place] (COPIES, WIDTH), every stride-th row of them, beginning with row offset % stride.
    The first eleven bits of a value as a float32 are the number of its bin. Neighbours are counted
    in different copies, whose sum is the histogram, because neighbours are often alike and a
    counter that was just written delays the next addition to it. How many values were counted is
    added to counts[place, 0, COUNTED], and size to counts[place, 0, PRESENT].
    """
    for k in range(ARRAYS):
        x = first if k == 0 else others[k - 1]
        if x.size:
            place, stride = table[k, 0], table[k, 1]
            start = offset % stride
            count_rows(bits_of(x), start, stride, counts[place])
            counts[place, 0, COUNTED] += len(range(start, x.shape[0], stride)) * x.shape[1]
            counts[place, 0, PRESENT] += table[k, 2]


@kernel("(int32[:, :, ::1], int64[::1], int64[::1])")
def move_counts(counts: Array, blocks: Array, row: Array) -> int:
    """Add the copies of some blocks of counters to a row, and set them to 0.

    Block b is the (b % BLOCKS)-th of counts[b // BLOCKS], and the i-th of blocks has its place at
    row[i * BLOCK]. The block of totals of each array is to be among them. Return how many of the
    values counted in these arrays were not moved.
    """
    left = 0
    for i in range(blocks.size):
        k, start = blocks[i] // BLOCKS, blocks[i] % BLOCKS * BLOCK
        if start == BINS:
            left += int(counts[k, 0, COUNTED])
        for c in range(COPIES):
            for j in range(BLOCK):
                row[i * BLOCK + j] += counts[k, c, start + j]
                if start < BINS:
                    left -= int(counts[k, c, start + j])
                counts[k, c, start + j] = 0
    return left

"""Histograms of float32 numbers, binned by their first eleven bits.

These bits are the sign, the exponent and two bits of the mantissa. Read as an integer, they are the
index of one of 2048 bins. There are four bins for each power of two. From 2^-126 on, the width of a
bin is at most a quarter of its edge nearer to 0. Smaller magnitudes, which are 0 and the subnormal
numbers, have four bins of width 2^-128 for each sign. The bins cover all floats including infinity
and NaN, so no range is needed, and histograms of different arrays can be added exactly.
"""

import numpy as np

from minnet.kernels import Array
from minnet.kernels.jit import inline, kernel

ARRAYS = 16  # arrays per call; the overhead of a call exceeds the time to count a row
BINS = 2048
COPIES = 4
BLOCK = 16  # int32 counters per cache line
# One block more than the bins need. It holds totals. Without it, a row would have 2^13 bytes, and
# all copies of a counter would map to the same cache set.
WIDTH = BINS + BLOCK
BLOCKS = WIDTH // BLOCK
# Positions of the totals, after the bins: number of values present, number of values counted, and
# float64 values that are rounded to zero, to infinity and to -infinity in float32.
PRESENT, COUNTED, TINY, HUGE, MINUS_HUGE = range(BINS, BINS + 5)
INFINITY = 1020  # bin of infinity; the next three are bins of NaN; negative values add SIGN
SIGN = 1024
SHIFT = np.uint32(21)
UNSIGNED_INFINITY = np.uint32(0x7F800000)
UNSIGNED = np.uint32(0x7FFFFFFF)


@inline
def count_rows(bits: Array, start: int, stride: int, counts: Array) -> None:
    """Count every stride-th row from row start. Neighbouring values go to different copies.

    A NaN whose first two mantissa bits are 0 is counted as infinity and then moved to a bin of NaN.
    """
    if stride == 1:  # a single long row has only one remainder
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
    if counts[:, INFINITY].sum() + counts[:, INFINITY + SIGN].sum() > 0:
        for i in range(start, n, stride):
            for j in range(width):
                place, magnitude = bits[i, j] >> SHIFT, bits[i, j] & UNSIGNED
                if magnitude >> SHIFT == INFINITY and magnitude > UNSIGNED_INFINITY:
                    counts[0, place] -= 1
                    counts[0, place + np.uint32(1)] += 1


@inline
def count_rounded(x: Array, bits: Array, start: int, stride: int, counts: Array) -> None:
    """Count the finite values of float64 x, not 0, that are 0 or infinite in float32.

    A magnitude below 2^-128 counts as 0, as it does in the bins.
    """
    small = np.uint32(1) << SHIFT
    for i in range(start, x.shape[0], stride):
        for j in range(x.shape[1]):
            magnitude = bits[i, j] & UNSIGNED
            if magnitude < small:
                counts[0, TINY] += x[i, j] != 0
            elif magnitude == UNSIGNED_INFINITY:
                counts[0, HUGE] += 0 < x[i, j] < np.inf
                counts[0, MINUS_HUGE] += -np.inf < x[i, j] < 0


@kernel(
    f"(const T[:, ::1], UniTuple(const T[:, ::1], {ARRAYS - 1}), int64, const int64[:, ::1], "
    f"int32[:, :, ::1])"
)
def count_floats(
    first: Array, others: tuple[Array, ...], offset: int, table: Array, counts: Array
) -> None:
    """Count the values of sixteen arrays x_k (n, width), k = 0 ... 15; empty ones are skipped.

    Row k of table (16, 3) holds place, stride and size. The values of x_k are added to
    counts[place] (COPIES, WIDTH), for every stride-th row, starting with row offset % stride.
    Neighbouring values are counted in different copies, and the sum of the copies is the histogram:
    neighbours are often equal, and successive additions to one counter are slow. The number of
    counted values is added to counts[place, 0, COUNTED], and size to counts[place, 0, PRESENT].
    For float64, the values that `count_rounded` finds are added to the other totals.
    """
    for k in range(ARRAYS):
        x = first if k == 0 else others[k - 1]
        if x.size:
            place, stride = table[k, 0], table[k, 1]
            start = offset % stride
            bits = np.asarray(x, np.float32).view(np.uint32)
            count_rows(bits, start, stride, counts[place])
            if x.itemsize == 8:
                count_rounded(x, bits, start, stride, counts[place])
            counts[place, 0, COUNTED] += len(range(start, x.shape[0], stride)) * x.shape[1]
            counts[place, 0, PRESENT] += table[k, 2]


@kernel("(int32[:, :, ::1], const int64[::1], int64[::1])")
def move_counts(counts: Array, blocks: Array, row: Array) -> int:
    """Add the copies of the counters in some blocks to a row, and set them to 0.

    Number b in blocks denotes block b % BLOCKS of counts[b // BLOCKS]. The block blocks[i] is added
    to row[i * BLOCK : (i + 1) * BLOCK]. blocks must contain the block of totals of each array.
    Return the number of values that were counted in these arrays but not moved.
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

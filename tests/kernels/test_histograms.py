"""Counting kernels against NumPy for arbitrary bits, dtypes, shapes and strides."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minnet.kernels.histograms import (
    ARRAYS,
    BINS,
    BLOCK,
    BLOCKS,
    COPIES,
    COUNTED,
    INFINITY,
    PRESENT,
    SIGN,
    WIDTH,
    count_floats,
    move_counts,
)

DTYPES = [np.float32, np.float64]


def empty():
    return np.zeros((COPIES, WIDTH), np.int32)


def table(strides, places=range(ARRAYS), sizes=(7,) * ARRAYS):
    return np.array([places, strides, sizes]).T.copy()


def count_one(x, turn, stride, counts):
    fill = (np.empty((0, 0), x.dtype),) * (ARRAYS - 1)
    count_floats(x, fill, turn, table([stride] * ARRAYS, places=[0] * ARRAYS), counts[None])


def counted(x, turn=0, stride=1):
    counts = empty()
    count_one(x, turn, stride, counts)
    assert counts[0, COUNTED] == counts[:, :BINS].sum()
    assert not counts[1:, BINS:].any()  # totals are in the first copy
    assert counts[0, PRESENT] == (7 if x.size else 0)
    return counts[:, :BINS].sum(axis=0)


def twin(x):
    """The first eleven bits, but every NaN in a bin above infinity's."""
    with np.errstate(all="ignore"):
        values = x.ravel().astype(np.float32)
    bins = values.view(np.uint32) >> 21
    bins[np.isnan(values) & (bins % SIGN == INFINITY)] += 1
    return np.bincount(bins, minlength=BINS)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (1, 8), (3, 9), (16, 33), (5, 0), (0, 5)])
def test_counts_of_random_bit_patterns_match_numpy(shape, dtype):
    rng = np.random.default_rng(3)
    for _ in range(20):
        bits = np.frombuffer(rng.bytes(int(np.prod(shape)) * np.dtype(dtype).itemsize), dtype)
        x = bits.reshape(shape).copy()
        np.testing.assert_array_equal(counted(x), twin(x))


@settings(deadline=None, max_examples=100, derandomize=True, database=None)
@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=40))
def test_counts_of_any_float32_match_numpy(patterns):
    x = np.array(patterns, np.uint32).view(np.float32).reshape(1, -1)
    np.testing.assert_array_equal(counted(x), twin(x))


def test_nan_with_any_payload_is_not_counted_as_infinity():
    payloads = np.array([1, 2**20, 2**21 - 1, 2**21, 2**22, 2**23 - 1], np.uint32)
    nan = np.concatenate([0x7F800000 + payloads, 0xFF800000 + payloads]).astype(np.uint32)
    x = np.concatenate([nan.view(np.float32), np.array([np.inf, -np.inf, np.inf], np.float32)])
    counts = counted(x.reshape(1, -1))
    assert counts[INFINITY] == 2
    assert counts[INFINITY + SIGN] == 1
    assert counts[INFINITY + 1 : SIGN].sum() == counts[INFINITY + SIGN + 1 :].sum() == len(payloads)


@pytest.mark.parametrize("dtype", DTYPES)
def test_zeros_and_smallest_floats_have_separate_bins(dtype):
    below, least = 2.0**-129, 2.0**-128
    counts = counted(np.array([[0.0, 0.0, -0.0, below, -below, least, -least]], dtype))
    assert (counts[0], counts[SIGN], counts[1], counts[SIGN + 1]) == (3, 2, 1, 1)


def test_float64_is_rounded_to_float32_and_may_overflow():
    x = np.array([[1e39, -1e300, 1e-60, np.nextafter(2.0, 0)]])
    counts = counted(x)
    assert (counts[INFINITY], counts[INFINITY + SIGN], counts[0]) == (1, 1, 1)
    assert counts[np.float32(2).view(np.uint32) >> 21] == 1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("turn", "stride"), [(0, 1), (5, 1), (0, 3), (2, 3), (9, 4), (9, 10)])
def test_only_every_stride_th_row_is_counted(turn, stride, dtype):
    x = np.random.default_rng(0).normal(size=(7, 13)).astype(dtype)
    np.testing.assert_array_equal(counted(x, turn, stride), twin(x[turn % stride :: stride]))


def test_counts_accumulate_and_x_is_unchanged():
    x = np.random.default_rng(0).normal(size=(4, 50)).astype(np.float32)
    x[1, 3], x[2, 9] = np.nan, np.inf
    before, counts = x.copy(), empty()
    for _ in range(3):
        count_one(x, 0, 1, counts)
    np.testing.assert_array_equal(counts[:, :BINS].sum(axis=0), 3 * twin(x))
    assert counts[:, COUNTED:].sum() == counts[0, COUNTED] == 3 * x.size
    assert counts[0, PRESENT] == 3 * 7
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("dtype", DTYPES)
def test_each_of_sixteen_arrays_has_separate_counts(dtype):
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(k, 5)).astype(dtype) for k in range(ARRAYS)]
    counts, strides = np.zeros((ARRAYS, COPIES, WIDTH), np.int32), 1 + np.arange(ARRAYS) % 3
    places, sizes = rng.permutation(ARRAYS), np.arange(ARRAYS)
    for turn in (0, 4):
        count_floats(arrays[-1], tuple(arrays[:-1]), turn, table(strides, places, sizes), counts)
    rows = [arrays[-1], *arrays[:-1]]
    for x, stride, place, size in zip(rows, strides, places, sizes, strict=True):
        expected = twin(x[0 % stride :: stride]) + twin(x[4 % stride :: stride])
        np.testing.assert_array_equal(counts[place, :, :BINS].sum(axis=0), expected)
        assert counts[place, 0, PRESENT] == (2 * size if x.size else 0)


def test_counters_of_absent_arrays_are_not_needed():
    x, nothing = np.ones((2, 3), np.float32), np.empty((0, 0), np.float32)
    counts = np.zeros((2, COPIES, WIDTH), np.int32)
    fill = [nothing] * (ARRAYS - 2)
    count_floats(x, (2 * x, *fill), 0, table([1] * ARRAYS), counts)
    assert counts[:, :, :BINS].sum(axis=(1, 2)).tolist() == [6, 6]


def test_nan_is_separated_from_infinities_of_this_and_earlier_calls():
    infinite = np.full((1, 3), np.inf, np.float32)
    mixed = np.array([[0x7F800001, 0x7F800000, 0xFF800000]], np.uint32).view(np.float32)
    counts = empty()
    for x in (infinite, mixed, infinite):
        count_one(x, 0, 1, counts)
    counts = counts.sum(axis=0)
    assert (counts[INFINITY], counts[INFINITY + SIGN], counts[INFINITY + 1]) == (7, 1, 1)


def test_only_the_given_blocks_are_moved():
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 1000, (3, COPIES, WIDTH)).astype(np.int32)
    counts[:, :, BINS:] = 0
    counts[:, 0, COUNTED] = counts[:, :, :BINS].sum(axis=(1, 2))
    given, row = counts.copy(), rng.integers(0, 9, 5 * BLOCK)
    last = BLOCKS - 1  # that of COUNTED
    blocks = np.array([last, BLOCKS + 7, BLOCKS + last, 3, 2 * BLOCKS + last])
    expected = given.sum(axis=1).reshape(-1, BLOCK)[blocks].ravel() + row
    left = move_counts(counts, blocks, row)
    np.testing.assert_array_equal(row, expected)
    given.reshape(3, COPIES, BLOCKS, BLOCK).transpose(0, 2, 1, 3)[np.divmod(blocks, BLOCKS)] = 0
    np.testing.assert_array_equal(counts, given)
    assert left == counts.sum()


def test_totals_beyond_int32_are_exact():
    counts, most = np.full((1, COPIES, WIDTH), 0, np.int32), 2**31 - 1
    counts[0, :, 5] = counts[0, 0, COUNTED] = most
    row = np.full(2 * BLOCK, 2**40)
    left = move_counts(counts, np.array([0, BLOCKS - 1]), row)
    assert row[5] == 2**40 + COPIES * most
    assert left == most - COPIES * most

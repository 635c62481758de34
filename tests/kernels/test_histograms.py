"""count_floats against NumPy: bit patterns of every sort, both dtypes, any shape and sampling."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minnet.kernels.histograms import BINS, COPIES, INFINITY, SIGN, WIDTH, count_floats

DTYPES = [np.float32, np.float64]


def empty():
    return np.zeros((COPIES, WIDTH), np.int32)


NOWHERE = np.empty(0, np.int64)


def counted(x, start=0, step=1):
    counts = empty()
    count_floats(x, start, step, counts, NOWHERE)
    assert (counts[:, BINS:] == 0).all()
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
def test_random_bit_patterns_are_counted_as_numpy_does(shape, dtype):
    rng = np.random.default_rng(3)
    for _ in range(20):
        bits = np.frombuffer(rng.bytes(int(np.prod(shape)) * np.dtype(dtype).itemsize), dtype)
        x = bits.reshape(shape).copy()
        np.testing.assert_array_equal(counted(x), twin(x))


@settings(deadline=None, max_examples=100, derandomize=True, database=None)
@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=40))
def test_any_float32_is_counted_as_numpy_does(patterns):
    x = np.array(patterns, np.uint32).view(np.float32).reshape(1, -1)
    np.testing.assert_array_equal(counted(x), twin(x))


def test_nan_is_never_taken_for_infinity_whatever_its_payload():
    payloads = np.array([1, 2**20, 2**21 - 1, 2**21, 2**22, 2**23 - 1], np.uint32)
    nan = np.concatenate([0x7F800000 + payloads, 0xFF800000 + payloads]).astype(np.uint32)
    x = np.concatenate([nan.view(np.float32), np.array([np.inf, -np.inf, np.inf], np.float32)])
    counts = counted(x.reshape(1, -1))
    assert counts[INFINITY] == 2
    assert counts[INFINITY + SIGN] == 1
    assert counts[INFINITY + 1 : SIGN].sum() == counts[INFINITY + SIGN + 1 :].sum() == len(payloads)


@pytest.mark.parametrize("dtype", DTYPES)
def test_zeros_of_both_signs_and_the_smallest_floats_have_bins_of_their_own(dtype):
    below, least = 2.0**-129, 2.0**-128
    counts = counted(np.array([[0.0, 0.0, -0.0, below, -below, least, -least]], dtype))
    assert (counts[0], counts[SIGN], counts[1], counts[SIGN + 1]) == (3, 2, 1, 1)


def test_float64_is_rounded_to_float32_and_too_large_is_infinite():
    x = np.array([[1e39, -1e300, 1e-60, np.nextafter(2.0, 0)]])
    counts = counted(x)
    assert (counts[INFINITY], counts[INFINITY + SIGN], counts[0]) == (1, 1, 1)
    assert counts[np.float32(2).view(np.uint32) >> 21] == 1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("start", "step"), [(0, 1), (0, 3), (2, 3), (6, 7), (9, 4)])
def test_only_the_rows_asked_for_are_counted(start, step, dtype):
    x = np.random.default_rng(0).normal(size=(7, 13)).astype(dtype)
    np.testing.assert_array_equal(counted(x, start, step), twin(x[start::step]))


def test_counts_are_added_to_what_is_there_and_x_is_left_alone():
    x = np.random.default_rng(0).normal(size=(4, 50)).astype(np.float32)
    x[1, 3], x[2, 9] = np.nan, np.inf
    before, counts = x.copy(), empty()
    for _ in range(3):
        count_floats(x, 0, 1, counts, NOWHERE)
    np.testing.assert_array_equal(counts[:, :BINS].sum(axis=0), 3 * twin(x))
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("dtype", DTYPES)
def test_all_that_was_counted_moves_to_the_total_where_there_is_one(dtype):
    x = np.random.default_rng(0).normal(size=(4, 50)).astype(dtype)
    x[1, 3], x[2, 9] = np.nan, np.inf
    counts, total = empty(), np.full(BINS + 1, 7)
    count_floats(x, 0, 1, counts, NOWHERE)
    count_floats(x, 1, 2, counts, total)
    np.testing.assert_array_equal(total[:BINS], 7 + twin(x) + twin(x[1::2]))
    assert total[BINS] == 7
    assert not counts.any()
    count_floats(x[:0], 0, 1, counts, total)
    assert total[:BINS].sum() == 7 * BINS + 300


def test_nan_is_parted_from_the_infinities_of_this_call_and_earlier_ones():
    infinite = np.full((1, 3), np.inf, np.float32)
    mixed = np.array([[0x7F800001, 0x7F800000, 0xFF800000]], np.uint32).view(np.float32)
    counts = empty()
    for x in (infinite, mixed, infinite):
        count_floats(x, 0, 1, counts, NOWHERE)
    counts = counts.sum(axis=0)
    assert (counts[INFINITY], counts[INFINITY + SIGN], counts[INFINITY + 1]) == (7, 1, 1)

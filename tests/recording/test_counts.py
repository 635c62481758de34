"""Rows of counts are the sums of NumPy's counts in each step, whichever bins are needed when."""

import numpy as np
import pytest

from minnet.kernels.histograms import BINS, COUNTED, PRESENT
from minnet.recording.counts import Counts
from minnet.recording.taps import Tap, View

KEYS = {("dense1", "y"): 1, ("dense1", "dy"): 2, ("relu1", "y"): 3}


def expected_counts(x):
    return np.bincount(x.astype(np.float32).ravel().view(np.uint32) >> 21, minlength=BINS)


def arrays(step, rng):
    """Numbers of varying size: each of the first thirteen steps needs bins that are new."""
    return [rng.normal(size=(4, 5)) * 10.0 ** (3 * (k - step % 13)) for k in range(3)]


class Fake:
    """A layer with arrays by the name of their key."""

    dtype = np.dtype(np.float64)


def record(counts, step, found, max_values=None):
    layer = Fake()
    vars(layer).update({"".join(key): x for key, x in zip(KEYS, found, strict=False)})
    keys = list(KEYS)[: len(found)]
    view = View([Tap(key, layer, layer, "".join(key)) for key in keys], KEYS, max_values)
    view.update()
    counts.begin(step)
    counts.count(view, step)


@pytest.mark.parametrize("capacity", [2, 5, 64])
@pytest.mark.parametrize(("max_values", "stride"), [(None, 1), (10, 2)])
def test_no_count_is_lost_when_more_bins_are_needed(max_values, stride, capacity):
    counts, rng = Counts(capacity), np.random.default_rng(0)
    counts.add_keys(4)
    expected = np.zeros((40, 3, BINS), np.int64)
    for step in range(40):
        found = arrays(step, rng)
        record(counts, step, found, max_values)
        expected[step] = [expected_counts(x[step % stride :: stride]) for x in found]
        if step == 17:
            assert counts.bins(2)[:, :BINS].sum() == expected[:, 1].sum()
    for k in range(3):
        for row, (first, last, _) in zip(counts.bins(k + 1), counts.steps(), strict=True):
            total = expected[first : last + 1, k].sum(axis=0)
            np.testing.assert_array_equal(row[:BINS], total)
            assert (row[PRESENT], row[COUNTED]) == (20 * (last + 1 - first), total.sum())


def test_a_key_that_is_missing_at_times_has_the_counts_of_its_own_steps():
    counts, rng = Counts(4), np.random.default_rng(0)
    counts.add_keys(4)
    expected = np.zeros((11, BINS), np.int64)
    for step in range(11):
        found = arrays(step, rng)
        if step in (2, 3, 7):
            expected[step] = expected_counts(found[2])
            record(counts, step, found)
        else:
            record(counts, step, found[:2])
    rows = counts.bins(3)
    assert counts.steps()[counts.observed(3), :2].tolist() == [[0, 3], [4, 7]]
    np.testing.assert_array_equal(rows[:, :BINS], [expected[:4].sum(axis=0), expected[7]])
    assert rows[:, PRESENT].tolist() == [40, 20]


def test_counts_take_memory_only_for_the_bins_that_are_needed():
    counts, rng = Counts(64), np.random.default_rng(0)
    counts.add_keys(4)
    for step in range(100):
        record(counts, step, [rng.normal(size=(100, 200)) for _ in KEYS])
    assert counts._memory.nbytes < 64 * 3 * BINS * 8 / 3

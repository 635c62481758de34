"""A tally's rows are the sums of what NumPy counts in each step, whichever bins are needed when."""

import numpy as np
import pytest

from minnet.kernels.histograms import BINS, COUNTED, PRESENT
from minnet.recording.tally import Tally

KEYS = [("dense1", "y"), ("dense1", "dy"), ("relu1", "y")]


def twin(x):
    return np.bincount(x.astype(np.float32).ravel().view(np.uint32) >> 21, minlength=BINS)


def arrays(step, rng):
    """Numbers whose size wanders: the first thirteen steps need bins that none before them did."""
    return [rng.normal(size=(4, 5)) * 10.0 ** (3 * (k - step % 13)) for k in range(3)]


@pytest.mark.parametrize("capacity", [2, 5, 64])
@pytest.mark.parametrize("stride", [1, 3])
def test_no_count_is_lost_when_more_bins_are_needed(stride, capacity):
    tally, rng = Tally(capacity, KEYS), np.random.default_rng(0)
    tally.prepare([20] * 3, [stride] * 3, np.dtype(np.float64))
    expected = np.zeros((40, 3, BINS), np.int64)
    for step in range(40):
        seen = arrays(step, rng)
        tally.count(step, seen, step)
        expected[step] = [twin(x[step % stride :: stride]) for x in seen]
        if step == 17:
            assert tally.dense(KEYS[1])[:, :BINS].sum() == expected[:, 1].sum()
    for k, key in enumerate(KEYS):
        rows = tally.dense(key)
        for row, (first, last) in zip(rows, tally.steps, strict=True):
            counts = expected[first : last + 1, k].sum(axis=0)
            np.testing.assert_array_equal(row[:BINS], counts)
            assert (row[PRESENT], row[COUNTED]) == (20 * (last + 1 - first), counts.sum())


def test_a_part_has_the_counts_of_its_keys_and_goes_on_alone():
    tally, rng = Tally(4, KEYS), np.random.default_rng(0)
    tally.prepare([20] * 3, [1] * 3, np.dtype(np.float64))
    for step in range(11):
        tally.count(step, arrays(step, rng), 0)
    part = Tally.of(dict.fromkeys(KEYS[::2], tally))
    assert part.keys == KEYS[::2]
    for key in part.keys:
        np.testing.assert_array_equal(part.dense(key), tally.dense(key))
    np.testing.assert_array_equal(part.steps, tally.steps)
    part.prepare([20] * 2, [1] * 2, np.dtype(np.float64))
    both = arrays(11, rng)[:2]
    part.count(11, both, 0)
    for key, x in zip(part.keys, both, strict=True):
        more = part.dense(key)[:, :BINS].sum(axis=0) - tally.dense(key)[:, :BINS].sum(axis=0)
        np.testing.assert_array_equal(more, twin(x))
    assert tally.steps[-1, -1] == 10


def test_a_tally_takes_memory_for_the_bins_that_are_needed_alone():
    tally, rng = Tally(64, KEYS), np.random.default_rng(0)
    tally.prepare([20000] * 3, [1] * 3, np.dtype(np.float32))
    for step in range(100):
        tally.count(step, [rng.normal(size=(100, 200)).astype(np.float32) for _ in KEYS], 0)
    assert tally._room.nbytes < 64 * 3 * BINS * 8 / 3

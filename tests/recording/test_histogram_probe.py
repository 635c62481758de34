"""Counts of a HistogramProbe equal NumPy's, add up exactly, and give quantiles within a bin."""

import numpy as np
import pytest

from minnet import Dense, HistogramProbe, Layer, ReLU, Sequential
from minnet.kernels.histograms import BINS
from minnet.recording import (
    EDGES,
    FINITE,
    MINUS_INFINITY,
    PLUS_INFINITY,
    ZERO,
)

DTYPES = [np.float32, np.float64]


def network(dtype=np.float32, width=4):
    return Sequential([("only", ReLU()), ("weights", Dense(width, width))], rng=0, dtype=dtype)


def set_output(net, values):
    """Set the output of the first layer to these values."""
    net["only"].y = np.array(values, net.dtype)


def recorded(*batches, dtype=np.float32, **options):
    net, probe = network(dtype), HistogramProbe(["y"], layers=["only"], **options)
    for step, values in enumerate(batches):
        set_output(net, values)
        probe.observe(step, net)
    return probe


def test_edges_ascend_and_are_those_of_the_first_eleven_bits():
    assert EDGES.shape == (2041,)
    assert EDGES.dtype == np.float64
    assert (np.diff(EDGES) > 0).all()
    np.testing.assert_array_equal(EDGES, -EDGES[::-1])
    keys = np.arange(1020, dtype=np.uint32) << 21
    np.testing.assert_array_equal(EDGES[1020:-1], keys.view(np.float32))
    assert EDGES[-1] == 2.0**128
    normal = EDGES[EDGES >= 2.0**-126]
    assert (normal[1:] / normal[:-1]).max() == 1.25
    assert not EDGES.flags.writeable


@pytest.mark.parametrize("dtype", DTYPES)
def test_counts_equal_those_of_numpy_on_the_same_edges(dtype):
    rng = np.random.default_rng(4)
    bits = rng.integers(0, 2**32, (50, 100), dtype=np.uint64).astype(np.uint32)
    values = bits.view(np.float32)
    values[0, :4] = 0.0, -0.0, 1.0, -1.0
    values[1, :6] = np.nan, np.inf, -np.inf, 1e-45, -1e-45, 3.4028235e38
    with np.errstate(invalid="ignore"):
        values = values.astype(dtype)
    probe = recorded(values, dtype=dtype)
    counts = probe.counts("only", "y")
    assert (counts.shape, counts.dtype) == ((1, 2048), np.int64)
    wide = values[np.isfinite(values)].astype(np.float64)
    # A bin includes its edge nearer to 0, so negative values are counted with their signs changed.
    expected = np.concatenate(
        [
            np.histogram(-wide[np.signbit(wide)], EDGES[1020:])[0][::-1],
            np.histogram(wide[~np.signbit(wide)], EDGES[1020:])[0],
        ]
    )
    np.testing.assert_array_equal(counts[0, FINITE], expected)
    assert counts[0, MINUS_INFINITY] == (values == -np.inf).sum()
    assert counts[0, PLUS_INFINITY] == (values == np.inf).sum()
    assert counts[0, ZERO].sum() == (abs(wide) < 2.0**-128).sum()
    assert counts.sum() == values.size
    share = np.isnan(values).mean()
    assert probe.nans("only", "y") == pytest.approx(share)


def test_shares_of_zeros_nan_and_infinities_are_those_of_each_slot():
    nan, inf = np.nan, np.inf
    probe = recorded([[0.0, -0.0, 0.0, 1.0]], [[nan, nan, inf, 2.0]], [[-inf, -inf, -inf, inf]])
    assert probe.zeros("only", "y").tolist() == [0.75, 0, 0]
    assert probe.nans("only", "y").tolist() == [0, 0.5, 0]
    minus, plus = probe.infinities("only", "y")
    assert (minus.tolist(), plus.tolist()) == ([0, 0, 0.75], [0, 0.25, 0.25])


def test_slots_are_merged_without_losing_a_count():
    rng = np.random.default_rng(0)
    batches = rng.normal(size=(37, 5, 4))
    few, many = recorded(*batches, slots=4), recorded(*batches)
    assert (len(few.counts("only", "y")), len(many.counts("only", "y"))) == (3, 37)
    ends = few.steps("only", "y")
    assert ends.tolist() == [[0, 15], [16, 31], [32, 36]]
    for slot, (first, last) in enumerate(ends):
        np.testing.assert_array_equal(
            few.counts("only", "y")[slot], many.counts("only", "y")[first : last + 1].sum(axis=0)
        )


def test_reading_in_between_changes_nothing():
    batches = np.random.default_rng(0).normal(size=(20, 5, 4))
    net, read = network(), HistogramProbe(["y"], layers=["only"], slots=4)
    for step, values in enumerate(batches):
        set_output(net, values)
        read.observe(step, net)
        read.counts("only", "y")
        read.quantile("only", "y", 0.5)
    unread = recorded(*batches, slots=4)
    np.testing.assert_array_equal(read.counts("only", "y"), unread.counts("only", "y"))


def test_counters_are_moved_before_an_int32_overflows(monkeypatch):
    monkeypatch.setattr("minnet.recording.counts.MOST_PENDING", 20)
    pending = []
    net, probe = network(), HistogramProbe(["y"], layers=["only"], slots=2)
    set_output(net, np.ones((4, 4)))
    for step in range(7):
        probe.observe(step, net)
        pending.append(int(probe._series._counters[:, :, :BINS].sum()))
    assert max(pending) == 16
    assert probe.counts("only", "y").sum(axis=1).tolist() == [64, 48]
    assert probe.coverage("only", "y").tolist() == [1, 1]


@pytest.mark.parametrize("late", [1, 2, 3, 5])
@pytest.mark.parametrize("slots", [2, 3, 4])
def test_an_array_that_appears_later_has_the_slots_since_then(late, slots, tmp_path):
    net, probe = network(), HistogramProbe(["y", "dx"], layers=["only"], slots=slots)
    for step in range(12):
        set_output(net, np.ones((2, 4)))
        if step >= late:
            net["only"].dx = np.ones((3, 4), np.float32)
        probe.observe(step, net)
    for kind, first, values in (("y", 0, 8), ("dx", late, 12)):
        steps = probe.steps("only", kind)
        assert steps[0, 0] <= first <= steps[0, 1]
        expected_sums = (steps[:, 1] - np.maximum(steps[:, 0], first) + 1) * values
        np.testing.assert_array_equal(probe.counts("only", kind).sum(axis=1), expected_sums)
        assert (probe.coverage("only", kind) == 1).all()
    probe.save(tmp_path / "run.npz")
    np.testing.assert_array_equal(
        HistogramProbe.load(tmp_path / "run.npz").counts("only", "dx"), probe.counts("only", "dx")
    )


def test_batches_of_other_sizes_share_a_slot():
    batches = [np.ones((rows, 4)) for rows in (5, 5, 5, 2, 5, 5, 3)]
    probe = recorded(*batches, slots=2)
    assert probe.counts("only", "y").sum(axis=1).tolist() == [68, 52]
    assert probe.coverage("only", "y").tolist() == [1, 1]


@pytest.mark.parametrize(("whole", "broken"), [("y", "dx"), ("dx", "y")])
def test_arrays_that_are_missing_at_times_keep_what_was_counted(whole, broken, tmp_path):
    net, probe = network(), HistogramProbe(["y", "dx"], layers=["only"], slots=4)
    there = [0, 1, 2, 5, 6, 9]
    for step in range(10):
        setattr(net["only"], whole, np.full((2, 4), 2.0**step, np.float32))
        found = np.full((3, 4), 2.0**-step, np.float32) if step in there else None
        setattr(net["only"], broken, found)
        probe.observe(step, net)
    for kind, values, steps in ((whole, 8, list(range(10))), (broken, 12, there)):
        for (first, last), counts in zip(
            probe.steps("only", kind), probe.counts("only", kind), strict=True
        ):
            assert counts.sum() == values * sum(first <= step <= last for step in steps)
        assert probe.counts("only", kind).sum() == values * len(steps)
        assert np.count_nonzero(probe.counts("only", kind).any(axis=0)) == len(steps)
    probe.save(tmp_path / "run.npz")
    again = HistogramProbe.load(tmp_path / "run.npz")
    np.testing.assert_array_equal(again.counts("only", broken), probe.counts("only", broken))


def test_the_update_is_what_the_step_did_to_the_weight():
    net, probe = network(), HistogramProbe(["weight", "update"])
    rng = np.random.default_rng(0)
    changes = [rng.normal(size=(4, 4)).astype(np.float32) for _ in range(3)]
    expected_sums = []
    for step, change in enumerate(changes):
        probe.observe(10 * step, net)
        before = net["weights"].weight.value.copy()
        net["weights"].weight.value += change
        expected_sums.append(net["weights"].weight.value - before)
    assert probe.steps("weights", "update").tolist() == [[0, 0], [10, 10]]
    probe.observe(30, net)
    assert probe.steps("weights", "update").tolist() == [[0, 0], [10, 10], [20, 20]]
    expected = recorded(*expected_sums).counts("only", "y")
    np.testing.assert_array_equal(probe.counts("weights", "update"), expected)


def test_large_arrays_are_sampled_by_whole_rows_in_turn():
    rows = np.repeat(2.0 ** np.arange(10), 4).reshape(10, 4)  # each row has a bin of its own
    probe = recorded(*[rows] * 5, max_values=10)
    counts = probe.counts("only", "y")
    used = counts[:, counts.any(axis=0)]
    assert used[0].tolist() == [4, 0, 0, 0, 0, 4, 0, 0, 0, 0]
    assert used[1].tolist() == [0, 4, 0, 0, 0, 0, 4, 0, 0, 0]
    assert (used.sum(axis=0) == 4).all()
    assert probe.coverage("only", "y").tolist() == [0.2] * 5
    one_row = recorded(rows, max_values=1).counts("only", "y")
    assert one_row.sum() == 4
    assert recorded(rows, max_values=14).counts("only", "y").sum() == 12  # never more than asked


def test_updates_of_a_sampled_weight_are_of_the_rows_that_were_copied():
    net, probe = network(width=6), HistogramProbe(["update"], max_values=12)
    change = np.repeat(2.0 ** np.arange(6), 6).reshape(6, 6)
    net["weights"].weight.value = 0.0
    for step in range(4):
        probe.observe(step, net)
        net["weights"].weight.value += change
    counts = probe.counts("weights", "update")
    used = counts[:, counts.any(axis=0)].tolist()
    assert used == [[6, 0, 0, 6, 0, 0], [0, 6, 0, 0, 6, 0], [0, 0, 6, 0, 0, 6]]
    np.testing.assert_allclose(probe.coverage("weights", "update"), 1 / 3)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [1e-30, 1e-3, 1.0, 1e20])
def test_quantiles_lie_in_the_bin_of_the_exact_one_and_within_a_quarter(scale, dtype):
    values = (np.random.default_rng(1).normal(size=(101, 7)) * scale).astype(dtype)
    probe = recorded(values, dtype=dtype)
    q = np.concatenate([[0.0, 1.0], np.random.default_rng(2).random(200)])
    found = probe.quantile("only", "y", q)
    exact = np.quantile(values.astype(np.float32), q, method="inverted_cdf").astype(np.float64)
    assert found.shape == q.shape
    assert abs(found / exact - 1).max() <= 0.25
    np.testing.assert_array_equal(np.searchsorted(EDGES, found), np.searchsorted(EDGES, exact))
    assert abs(found / exact - 1).mean() < 0.08
    assert (np.diff(found[np.argsort(q)]) >= 0).all()


def test_quantiles_include_zeros_and_infinities_and_leave_nan_out():
    nan, inf = np.nan, np.inf
    probe = recorded([[-inf, 0.0, 0.0, nan]], [[inf, inf, nan, nan]], [[nan] * 4])
    at = [0.0, 0.5, 1.0]
    assert probe.quantile("only", "y", at, step=0).tolist() == [-inf, 0, 0]
    assert probe.quantile("only", "y", at, step=1).tolist() == [inf] * 3
    assert np.isnan(probe.quantile("only", "y", at, step=-1)).all()
    assert probe.quantile("only", "y", at).tolist() == [-inf, 0, inf]
    with pytest.raises(ValueError, match=r"expected q to be in 0\.\.1, got 1\.5"):
        probe.quantile("only", "y", 1.5)


def test_a_step_between_observed_ones_is_found():
    net, probe = network(), HistogramProbe(["y"], layers=["only"], slots=4)
    for step in range(8):
        set_output(net, [[2.0 ** (step // 2)] * 4])
        probe.observe(3 * step, net)
    assert probe.steps("only", "y").tolist() == [[0, 3], [6, 9], [12, 15], [18, 21]]
    by_slot = probe.quantiles("only", "y", 0.5).tolist()
    assert len(set(by_slot)) == 4
    for step, slot in {0: 0, 3: 0, 5: 0, 6: 1, 20: 3, 21: 3, -1: 3}.items():
        assert probe.quantile("only", "y", 0.5, step=step) == by_slot[slot]


def test_a_step_outside_the_observed_ones_raises():
    probe = recorded([[1.0] * 4], [[5.0] * 4])
    with pytest.raises(ValueError, match=r"quantile: expected step from 0 to 1, .* got 2"):
        probe.quantile("only", "y", 0.5, step=2)
    with pytest.raises(TypeError, match="quantile: expected step to be a whole number"):
        probe.quantile("only", "y", 0.5, step="last")


def test_a_users_layer_in_plain_numpy_is_recorded():
    class Double(Layer):
        def compute(self, x, y, training):
            y[...] = 2 * x

        def differentiate(self, dy, dx):
            dx[...] = 2 * dy

    net, probe = Sequential([Dense(4, 4), Double()], rng=0), HistogramProbe(["y", "dy"])
    net.backward(net.forward(np.ones((3, 4)), training=True))
    probe.observe(0, net)
    assert probe.layers == ("dense1", "double1")
    assert probe.counts("double1", "dy").sum() == 12


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"slots": 0}, "expected slots to be at least 1, got 0"),
        ({"slots": 2**21}, "expected slots to be at most 1048576"),
        ({"max_values": 0}, "expected max_values to be"),
    ],
)
def test_arguments_out_of_range_raise(arguments, message):
    with pytest.raises(ValueError, match=f"HistogramProbe: {message}"):
        HistogramProbe(**arguments)

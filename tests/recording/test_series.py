"""A timeline keeps every step in at most its capacity of rows."""

import numpy as np
import pytest

from minnet.recording.timeline import Timeline


def filled(steps, capacity):
    timeline = Timeline(capacity, 2, np.int64, np.add)
    for step in range(steps):
        timeline.extend(3 * step)
        timeline.row[:] += 1, step
    return timeline


@pytest.mark.parametrize("capacity", [2, 3, 4, 7, 64])
@pytest.mark.parametrize("steps", [1, 2, 3, 8, 9, 65, 1000])
def test_no_step_is_lost_and_rows_are_alike(steps, capacity):
    timeline = filled(steps, capacity)
    rows, ends = timeline.rows, timeline.steps // 3
    assert len(rows) <= capacity
    assert (timeline.observed, rows[:, 0].sum()) == (steps, steps)
    assert (rows[:-1, 0] == timeline.span).all()
    assert (ends[0, 0], ends[-1, 1]) == (0, steps - 1)
    np.testing.assert_array_equal(ends[1:, 0], ends[:-1, 1] + 1)
    np.testing.assert_array_equal(rows[:, 0], ends[:, 1] - ends[:, 0] + 1)
    np.testing.assert_array_equal(rows[:, 1], [sum(range(a, b + 1)) for a, b in ends])
    assert steps <= capacity or len(rows) > capacity // 2


def test_a_step_is_found_between_the_observed_ones_too():
    timeline = filled(8, 4)
    assert timeline.steps.tolist() == [[0, 3], [6, 9], [12, 15], [18, 21]]
    assert [timeline.find(step) for step in (0, 3, 5, 6, 20, 21, -1)] == [0, 0, 0, 1, 3, 3, 3]
    with pytest.raises(ValueError, match="nothing was observed at step 22, only from step 0 to 21"):
        timeline.find(22)


@pytest.mark.parametrize("steps", [0, 1, 5, 40])
def test_a_wider_row_keeps_its_numbers_and_has_zeros_behind_them(steps):
    timeline = filled(steps, 16)
    before = timeline.rows.copy()
    for width in (3, 4, 40):
        timeline.widen(width)
        np.testing.assert_array_equal(timeline.rows[:, :2], before)
        assert timeline.rows.shape == (len(before), width)
        assert not timeline.rows[:, 2:].any()
    for step in range(steps, steps + 70):
        timeline.extend(3 * step)
        timeline.row[39] += 1
    assert timeline.rows[:, 39].sum() == 70


def test_a_restored_timeline_goes_on_like_the_first():
    for steps in (1, 3, 5, 10):
        first, second = filled(steps, 3), Timeline(3, 2, np.int64, np.add)
        second.restore(first.state())
        for timeline in (first, second):
            for step in range(steps, steps + 7):
                timeline.extend(3 * step)
                timeline.row[:] += 1, step
        np.testing.assert_array_equal(second.rows, first.rows)
        np.testing.assert_array_equal(second.steps, first.steps)


@pytest.mark.parametrize(
    "steps",
    [
        [[0, 1, 2], [1, 3, 2]], [[1, 0, 2]], [[0, 9, 2], [10, 19, 3]], [[0, 9, 0]], [[-1, 0, 1]],
        [[0, 1, 5]], [[0, 1, 1], [2, 3, 1], [4, 5, 1], [6, 7, 1]], [[0, 9, 2], [10, 19, 0]],
    ],
)  # fmt: skip
def test_what_cannot_be_is_not_restored(steps):
    timeline = Timeline(3, 2, np.int64, np.add)
    with pytest.raises(ValueError, match="out of order"):
        timeline.restore({"steps": np.array(steps), "rows": np.zeros((len(steps), 2), np.int64)})
    assert len(timeline.rows) == 0

"""A series keeps every step in at most its capacity of rows, for each key."""

import numpy as np
import pytest

from minnet.recording.series import RUN, Series

OTHER = ("dense1", "dx")


def start(capacity, width=2):
    series = Series(capacity, 1, np.add, 0)
    places = series.add_keys([RUN, OTHER])
    series.extend(width)
    return series, places


def record(series, places, steps):
    for step in steps:
        series.begin()
        series.note(3 * step, places)
        series.row[:2, 0] += 1, step


def filled(steps, capacity):
    series, places = start(capacity)
    record(series, places[:1], range(steps))
    return series


@pytest.mark.parametrize("capacity", [1, 2, 3, 4, 7, 64])
@pytest.mark.parametrize("steps", [1, 2, 3, 8, 9, 65, 1000])
def test_no_step_is_lost_and_rows_cover_equally_many(steps, capacity):
    series = filled(steps, capacity)
    rows, ends = series.rows[:, :, 0], series.steps(RUN) // 3
    assert len(rows) <= capacity
    assert (series.observed(RUN).sum(), rows[:, 0].sum()) == (steps, steps)
    assert (rows[:-1, 0] == series.span).all()
    assert (ends[0, 0], ends[-1, 1]) == (0, steps - 1)
    np.testing.assert_array_equal(ends[1:, 0], ends[:-1, 1] + 1)
    np.testing.assert_array_equal(rows[:, 0], ends[:, 1] - ends[:, 0] + 1)
    np.testing.assert_array_equal(rows[:, 1], [sum(range(a, b + 1)) for a, b in ends])
    assert steps <= capacity or len(rows) > capacity // 2


@pytest.mark.parametrize("read", [False, True])
def test_a_key_has_the_steps_at_which_it_was_observed(read):
    series, places = start(4)
    there = [5, 6, 9, 20, 21, 22, 29]
    for step in range(30):
        record(series, places if step in there else places[:1], [step])
        if read:
            series.steps(OTHER)
    assert series.steps(RUN).tolist() == [[0, 21], [24, 45], [48, 69], [72, 87]]
    assert series.span == 8
    assert series.steps(OTHER).tolist() == [[15, 18], [27, 27], [60, 66], [87, 87]]
    assert series.recorded() == [OTHER]
    few, places = start(4)
    record(few, places[:1], range(9))
    record(few, places, [9])
    assert few.observed(OTHER).tolist() == [0, 0, 1]
    assert few.steps(OTHER).tolist() == [[27, 27]]


def test_a_step_between_observed_ones_is_found():
    series = filled(8, 4)
    assert series.steps(RUN).tolist() == [[0, 3], [6, 9], [12, 15], [18, 21]]
    assert [series.find(RUN, step) for step in (0, 3, 5, 6, 20, 21, -1)] == [0, 0, 0, 1, 3, 3, 3]
    with pytest.raises(ValueError, match=r"expected 0 to 21, the observed steps, .* got 22"):
        series.find(RUN, 22)


@pytest.mark.parametrize("steps", [0, 1, 5, 40])
def test_an_extended_row_keeps_its_numbers_and_is_filled_with_zeros(steps):
    series, places = start(16)
    record(series, places[:1], range(steps))
    before = series.rows.copy()
    for width in (3, 4, 40):
        series.extend(width)
        np.testing.assert_array_equal(series.rows[:, :2], before)
        assert series.rows.shape == (len(before), width, 1)
        assert not series.rows[:, 2:].any()
    for step in range(steps, steps + 70):
        record(series, places[:1], [step])
        series.row[39] += 1
    assert series.rows[:, 39].sum() == 70


def test_a_restored_series_continues_like_the_first():
    for steps in (0, 1, 3, 5, 10):
        first, (second, places) = filled(steps, 3), start(3)
        second.restore(first.state())
        for series in (first, second):
            record(series, places, range(steps, steps + 7))
        np.testing.assert_array_equal(second.rows, first.rows)
        for key in (RUN, OTHER):
            np.testing.assert_array_equal(second.steps(key), first.steps(key))


def test_steps_of_another_shape_are_not_restored():
    series, _ = start(3)
    with pytest.raises(ValueError, match="could not broadcast"):
        series.restore({"steps": np.zeros((2, 2, 2)), "rows": np.zeros((2, 2, 1))})

"""A series keeps every step in at most its capacity of rows, for each key."""

import numpy as np
import pytest

from minnet.recording.series import Series

RUN, OTHER = range(2)


def merged(one, two):
    """Return sums of numbers, in which nan stands for a key that was not observed."""
    return np.where(np.isnan(one), two, one + np.nan_to_num(two))


def start(capacity):
    series = Series(capacity, 2, merged, np.nan)
    series.add_keys(2)
    return series


def record(series, steps, other=()):
    """Add 1 and the step to the numbers of a key, and 1 to those of another at some steps."""
    for step in steps:
        series.begin(3 * step)
        series.row[0] = merged(series.row[0], np.array([1, step]))
        if step in other:
            series.row[1] = merged(series.row[1], np.ones(2))
    return series


@pytest.mark.parametrize("capacity", [1, 2, 3, 4, 7, 64])
@pytest.mark.parametrize("steps", [1, 2, 3, 8, 9, 65, 1000])
def test_no_step_is_lost_and_rows_cover_equally_many(steps, capacity):
    series = record(start(capacity), range(steps))
    rows, ends = series.rows[:, 0], series.steps()[:, :2] // 3
    assert len(rows) <= capacity
    assert rows[:, 0].sum() == steps
    assert (rows[:-1, 0] == series.span).all()
    assert series.row_steps == rows[-1, 0]
    assert (ends[0, 0], ends[-1, 1]) == (0, steps - 1)
    np.testing.assert_array_equal(ends[1:, 0], ends[:-1, 1] + 1)
    np.testing.assert_array_equal(rows[:, 0], ends[:, 1] - ends[:, 0] + 1)
    np.testing.assert_array_equal(rows[:, 1], [sum(range(a, b + 1)) for a, b in ends])
    assert steps <= capacity or len(rows) > capacity // 2


def test_a_key_has_the_rows_in_which_it_was_observed():
    series = record(start(4), range(30), other=[5, 6, 20, 21, 22])
    assert series.steps().tolist() == [[0, 21, 8], [24, 45, 8], [48, 69, 8], [72, 87, 6]]
    assert series.span == 8
    assert series.observed(OTHER).tolist() == [True, False, True, False]
    assert series.of(OTHER)[:, 0, 0].tolist() == [2, 3]
    assert not record(start(4), range(30)).observed(OTHER).any()


@pytest.mark.parametrize("steps", [0, 1, 5, 40])
def test_an_extended_row_keeps_its_numbers_and_is_filled(steps):
    series = record(start(16), range(steps))
    before = series.rows.copy()
    for entries in (3, 4, 40):
        series.add_entries(np.full(entries - len(series.owners), 2))
        np.testing.assert_array_equal(series.rows[:, :2], before)
        assert series.rows.shape == (len(before), entries, 2)
        assert np.isnan(series.rows[:, 2:]).all()
    record(series, range(steps, steps + 70))
    assert series.rows[:, 0, 0].sum() == steps + 70
    assert np.isnan(series.rows[:, 1:]).all()


@pytest.mark.parametrize("capacity", [1, 2, 3, 100])
def test_a_restored_series_continues_like_the_first(capacity):
    for steps in (0, 1, 3, 5, 10):
        first, second = record(start(capacity), range(steps), other=[2]), start(capacity)
        state = {"steps": first.steps()[:, None], "rows": first.rows.copy()}
        second.restore(state, bounds=(-np.inf, np.inf))
        for series in (first, second):
            record(series, range(steps, steps + 7), other=[4])
        np.testing.assert_array_equal(second.rows, first.rows)
        assert second.steps().tolist() == first.steps().tolist()
        assert second.span == first.span

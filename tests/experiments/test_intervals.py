"""Intervals: against formulas written out, and that they hold the truth as often as they say."""

import math

import numpy as np
import pytest

from minnet.experiments.intervals import Interval, geometric_mean, mean, share

T_OF_4 = 2.7764451051977987  # Student's t, 97.5%, 4 degrees of freedom, from a table


def test_mean_is_students_interval():
    told = mean([1.0, 2.0, 3.0, 4.0, 5.0])
    half = T_OF_4 * math.sqrt(2.5 / 5)
    assert told.n == 5
    assert told.value == 3
    assert (told.low, told.high) == pytest.approx((3 - half, 3 + half), rel=1e-12)


def test_mean_takes_any_iterable_of_any_numbers():
    assert mean(value for value in (1, np.float32(2), True)).value == pytest.approx(4 / 3)


def test_equal_numbers_leave_no_doubt():
    assert mean([0.25] * 4) == Interval(0.25, 0.25, 0.25, 4)


def test_one_number_has_no_interval():
    told = mean([7.0])
    assert (told.value, told.n) == (7.0, 1)
    assert math.isnan(told.low)
    assert math.isnan(told.high)
    assert str(told) == "7"


def test_no_number_has_no_mean_either():
    for told in (mean([]), geometric_mean([]), share([])):
        assert told.n == 0
        assert math.isnan(told.value)
        assert math.isnan(told.low)


def test_nan_is_not_passed_over():
    told = mean([1.0, math.nan, 3.0])
    assert told.n == 3
    assert all(math.isnan(value) for value in (told.value, told.low, told.high))


def test_geometric_mean_is_the_mean_of_logarithms():
    values = [1e-7, 3e-6, 2e-5, 1e-7, 4e-6]
    logs = np.log(values)
    half = T_OF_4 * logs.std(ddof=1) / math.sqrt(5)
    told = geometric_mean(values)
    assert told.value == pytest.approx(np.prod(np.array(values)) ** 0.2, rel=1e-9)
    assert told.low == pytest.approx(math.exp(logs.mean() - half), rel=1e-9)
    assert told.high == pytest.approx(math.exp(logs.mean() + half), rel=1e-9)


def test_geometric_mean_of_what_died_is_0_and_of_negative_numbers_an_error():
    assert geometric_mean([0.0, 0.0]) == Interval(0.0, 0.0, 0.0, 2)
    told, others = geometric_mean([0.0, 1.0, 2.0]), geometric_mean([1.0, 2.0])
    assert (told.value, told.low, told.high, told.n) == (0, 0, others.high, 3)
    assert math.isnan(geometric_mean([0.0]).low)
    with pytest.raises(ValueError, match="no negative numbers, got -1"):
        geometric_mean([1.0, -1.0])


def test_geometric_mean_of_ratios_over_0_is_infinite_and_with_a_0_too_it_is_nan():
    told, others = geometric_mean([math.inf, 1.0, 2.0]), geometric_mean([1.0, 2.0])
    assert (told.value, told.low, told.high, told.n) == (math.inf, others.low, math.inf, 3)
    for values in ([0.0, math.inf, 1.0], [0.0, math.nan, 1.0], [1.0, math.nan, 2.0]):
        told = geometric_mean(values)
        assert told.n == 3
        assert all(math.isnan(value) for value in (told.value, told.low, told.high))


def test_share_is_wilsons_interval():
    told = share([True] * 7 + [False] * 3)
    z, p, n = 1.959963984540054, 0.7, 10
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert (told.value, told.n) == (0.7, 10)
    assert (told.low, told.high) == pytest.approx((middle - half, middle + half), rel=1e-9)


def test_a_share_of_all_or_none_is_not_beyond_doubt():
    every, none = share([True] * 10), share([np.False_] * 10)
    assert (every.value, every.high) == (1, pytest.approx(1))
    assert every.low == pytest.approx(0.7225, abs=1e-4)
    assert (none.low, none.high) == pytest.approx((0, 1 - every.low))


def test_the_interval_of_a_mean_holds_the_truth_in_95_of_100_samples():
    rng = np.random.default_rng(0)
    told = [mean(rng.normal(5, 2, size=6)) for _ in range(400)]
    held = np.mean([one.low <= 5 <= one.high for one in told])
    assert 0.92 <= held <= 0.98


def test_it_is_written_with_its_interval():
    assert str(Interval(0.97654321, 0.97, 0.983, 10)) == "0.9765 (0.97 to 0.983)"

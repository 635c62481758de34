"""Intervals: against their formulas, with the promised coverage."""

import math
from dataclasses import replace

import numpy as np
import pytest

from minnet.experiments.intervals import Interval, geometric_mean, mean, share

T_OF_4 = 2.7764451051977987  # Student's t, 97.5%, 4 degrees of freedom, from a table


def test_mean_is_students_interval():
    result = mean([1.0, 2.0, 3.0, 4.0, 5.0])
    half = T_OF_4 * math.sqrt(2.5 / 5)
    assert result.n == 5
    assert result.value == 3
    assert (result.low, result.high) == pytest.approx((3 - half, 3 + half), rel=1e-12)


def test_mean_takes_any_iterable_of_any_numbers():
    assert mean(value for value in (1, np.float32(2), True)).value == pytest.approx(4 / 3)


def test_equal_values_have_an_interval_of_width_0():
    assert mean([0.25] * 4) == Interval(0.25, 0.25, 0.25, 4)


def test_one_number_has_no_interval():
    result = mean([7.0])
    assert (result.value, result.n) == (7.0, 1)
    assert math.isnan(result.low)
    assert math.isnan(result.high)
    assert str(result) == "7"


def test_no_values_have_no_mean():
    for result in (mean([]), geometric_mean([]), share([])):
        assert result.n == 0
        assert math.isnan(result.value)
        assert math.isnan(result.low)


def test_mean_is_nan_if_a_value_is_nan():
    result = mean([1.0, math.nan, 3.0])
    assert result.n == 3
    assert all(math.isnan(value) for value in (result.value, result.low, result.high))


def test_geometric_mean_is_the_mean_of_logarithms():
    values = [1e-7, 3e-6, 2e-5, 1e-7, 4e-6]
    logs = np.log(values)
    half = T_OF_4 * logs.std(ddof=1) / math.sqrt(5)
    result = geometric_mean(values)
    assert result.value == pytest.approx(np.prod(np.array(values)) ** 0.2, rel=1e-9)
    assert result.low == pytest.approx(math.exp(logs.mean() - half), rel=1e-9)
    assert result.high == pytest.approx(math.exp(logs.mean() + half), rel=1e-9)


def test_geometric_mean_excludes_and_counts_zeros_and_non_finite_values():
    usable = geometric_mean([1.0, 10.0, 100.0])
    assert usable.excluded == 0
    for extra in ([0.0], [math.inf], [math.nan], [0.0, math.inf, math.nan]):
        result = geometric_mean([*extra, 1.0, 10.0, 100.0])
        assert result == replace(usable, excluded=len(extra))
    assert str(geometric_mean([0.0, 2.0, 2.0])) == "2 (2 to 2); 1 of 3 excluded"
    nothing = geometric_mean([0.0, math.nan])
    assert (nothing.n, nothing.excluded) == (0, 2)
    assert math.isnan(nothing.value)
    assert str(nothing) == "–; 2 of 2 excluded"


@pytest.mark.parametrize("value", [0.0, math.inf])
def test_geometric_mean_of_only_zeros_or_only_infinities_is_that_value(value):
    assert geometric_mean([value] * 2) == Interval(value, value, value, 2)
    assert geometric_mean([value]).value == value
    assert math.isnan(geometric_mean([value]).low)


def test_geometric_mean_of_negative_values_is_an_error():
    with pytest.raises(ValueError, match="no negative numbers, got -1"):
        geometric_mean([1.0, -1.0])


def test_share_is_wilsons_interval():
    result = share([True] * 7 + [False] * 3)
    z, p, n = 1.959963984540054, 0.7, 10
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert (result.value, result.n) == (0.7, 10)
    assert (result.low, result.high) == pytest.approx((middle - half, middle + half), rel=1e-9)


def test_a_share_of_all_or_none_has_a_wide_interval():
    every, none = share([True] * 10), share([np.False_] * 10)
    assert (every.value, every.high) == (1, pytest.approx(1))
    assert every.low == pytest.approx(0.7225, abs=1e-4)
    assert (none.low, none.high) == pytest.approx((0, 1 - every.low))


def test_the_interval_of_a_mean_covers_the_true_mean_in_95_of_100_samples():
    rng = np.random.default_rng(0)
    result = [mean(rng.normal(5, 2, size=6)) for _ in range(400)]
    held = np.mean([one.low <= 5 <= one.high for one in result])
    assert 0.92 <= held <= 0.98


def test_an_interval_is_written_with_its_ends():
    assert str(Interval(0.97654321, 0.97, 0.983, 10)) == "0.9765 (0.97 to 0.983)"

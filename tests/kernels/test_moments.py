"""Sums, moments and constant units against NumPy."""

import numpy as np
import pytest

from minnet.kernels.moments import (
    central_moments,
    count_outside,
    follow_units,
    sums_and_extremes,
)

DTYPES = [np.float32, np.float64]
SIZES = [1, 2, 63, 64, 65, 1000]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_sums_and_extremes_match_numpy(size, dtype):
    rng, told = np.random.default_rng(size), np.empty(5)
    x = np.maximum(rng.normal(size=size), -0.5).astype(dtype)
    x[rng.random(size) < 0.3] = 0
    sums_and_extremes(x, told)
    expected = [x.sum(dtype=np.float64), x.min(), x.max(), (x == 0).sum(), 0]
    np.testing.assert_allclose(told, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
def test_non_finite_values_are_counted(dtype):
    x, told = np.ones(100, dtype), np.empty(5)
    x[[0, 5, 99]] = np.nan, np.inf, -np.inf
    sums_and_extremes(x, told)
    assert told[4] == 3


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scale", [1.0, 1e-30, 1e30])
def test_central_moments_match_numpy_without_overflow(size, scale, dtype):
    x = (np.random.default_rng(size).exponential(size=size) * scale).astype(dtype)
    moments, wide = np.empty(3), x.astype(np.float64)
    exponent = int(np.frexp(wide.max())[1])
    central_moments(x, wide.mean(), exponent, moments)
    d = np.ldexp(wide, -exponent) - np.ldexp(wide.mean(), -exponent)
    np.testing.assert_allclose(
        moments, [(d**2).mean(), (d**3).mean(), (d**4).mean()], rtol=1e-11, atol=1e-17
    )


def test_the_smallest_and_the_largest_float64_have_moments():
    moments = np.empty(3)
    for x in (np.array([0.0, 5e-324]), np.array([0.0, 1.7e308])):
        central_moments(x, x.mean(), int(np.frexp(x.max())[1]), moments)
        assert 0.01 < moments[0] < 0.26


@pytest.mark.parametrize("dtype", DTYPES)
def test_bounds_are_inside(dtype):
    x = np.array([-3, -1, 0, 0.5, 1, 2, np.nan, np.inf], dtype)
    assert count_outside(x, -1.0, 1.0) == 3
    assert count_outside(x[:0], -1.0, 1.0) == 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_consecutive_constant_steps_are_counted_until_the_value_changes(dtype):
    unchanged, last = np.zeros(5, np.int64), np.full(5, np.nan, dtype)
    nan = np.nan
    steps = [
        [[0, 1, 2, 3, nan], [0, 1, 5, 3, nan]],
        [[0, 2, 5, 3, nan], [0, 2, 5, 3, nan]],
        [[0, 2, 5, 3, nan], [0, 2, 5, 4, nan]],
        [[0, 2, 5, 4, 1], [0, 2, 5, 4, 1]],
    ]
    seen = []
    for rows in steps:
        follow_units(np.array(rows, dtype), unchanged, last)
        seen.append(unchanged.tolist())
    assert seen == [[1, 1, 0, 1, 0], [2, 1, 1, 2, 0], [3, 2, 2, 0, 0], [4, 3, 3, 1, 1]]

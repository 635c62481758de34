"""Summaries and followed units against NumPy."""

import numpy as np
import pytest

from minnet.kernels.moments import count_outside, follow_units, summarize_values

DTYPES = [np.float32, np.float64]
SIZES = [1, 2, 63, 64, 65, 1000]


NAMES = ["mean", "std", "skewness", "kurtosis", "min", "max", "rms", "zeros", "invalid"]


def numpys(x):
    wide = x.astype(np.float64)
    d = wide - wide.mean()
    m2, m3, m4 = (d**2).mean(), (d**3).mean(), (d**4).mean()
    shape = [m3 / m2**1.5, m4 / m2**2 - 3] if x.min() < x.max() else [np.nan, np.nan]
    rms = np.sqrt((wide**2).mean())
    return [wide.mean(), np.sqrt(m2), *shape, x.min(), x.max(), rms, (x == 0).mean(), 0]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scale", [1.0, 1e-15, 1e15])
def test_summaries_are_numpys(size, scale, dtype):
    rng, out = np.random.default_rng(size), np.empty(9)
    x = (np.maximum(rng.normal(size=size), -0.5) * scale).astype(dtype)
    x[rng.random(size) < 0.3] = 0
    summarize_values(x, out)
    atol = 1e-12 * np.array([scale, scale, 1, 1, 0, 0, scale, 0, 0])
    for name, found, expected, least in zip(NAMES, out, numpys(x), atol, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=least, err_msg=name)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("far", [1e3, -1e6])
def test_first_values_far_from_the_mean_cost_no_digits(far, dtype):
    x, out = np.random.default_rng(0).normal(size=100_000).astype(dtype), np.empty(9)
    x[:32] = far
    summarize_values(x, out)
    np.testing.assert_allclose(out, numpys(x), rtol=1e-9)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 5, 99])
def test_a_value_that_is_not_finite_makes_the_summary_invalid(place, bad, dtype):
    x, out = np.ones(100, dtype), np.empty(9)
    x[place] = bad
    summarize_values(x, out)
    assert out[8] == 1


@pytest.mark.parametrize("x", [[0.0, 5e-324], [0.0, 1.7e308], [1e150, 1e150 * (1 + 1e-15)]])
def test_powers_that_leave_float64_make_the_summary_invalid(x):
    out = np.empty(9)
    summarize_values(np.array(x), out)
    assert out[8] == 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_bounds_themselves_are_not_outside(dtype):
    x = np.array([-3, -1, 0, 0.5, 1, 2, np.nan, np.inf], dtype)
    assert count_outside(x, -1.0, 1.0) == 3
    assert count_outside(x[:0], -1.0, 1.0) == 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_steps_without_a_change_are_counted_for_each_unit(dtype):
    unchanged, last = np.zeros(5, np.int64), np.full(5, np.nan, dtype)
    nan = np.nan
    steps = [
        [[0, 1, 2, 3, nan], [0, 1, 5, 3, nan]],
        [[0, 2, 5, 3, nan], [0, 2, 5, 3, nan]],
        [[0, 2, 5, 3, nan], [0, 2, 5, 4, nan]],
        [[0, 2, 5, 4, 1], [0, 2, 5, 4, 1]],
    ]
    found, dead = [], []
    for rows in steps:
        dead.append(follow_units(np.array(rows, dtype), unchanged, last, 2))
        found.append(unchanged.tolist())
    assert found == [[1, 1, 0, 1, 0], [2, 1, 1, 2, 0], [3, 2, 2, 0, 0], [4, 3, 3, 1, 1]]
    assert dead == [0, 2, 3, 3]


def test_an_offset_costs_no_digits():
    x, out = 1e6 + np.random.default_rng(0).normal(size=1000), np.empty(9)
    summarize_values(x, out)
    np.testing.assert_allclose(out, numpys(x), rtol=1e-9, atol=1e-9)

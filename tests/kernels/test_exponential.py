"""Accuracy of the polynomial exp inside, at the ends of and outside its range."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minnet.kernels.activations import softmax_forward
from minnet.kernels.exponential import HIGHEST, LOWEST, exp, exp_float32
from minnet.kernels.jit import kernel

TOP, BOTTOM = float(HIGHEST), float(LOWEST)


@kernel("(T[::1], T[::1])", fastmath=("contract", "nsz"))
def exp_of(x, y):
    for k in range(x.size):
        y[k] = exp(x[k])


def computed(x):
    x = np.ascontiguousarray(x)
    y = np.full_like(x, 77)
    exp_of(x, y)
    return y


def error(x):
    exact = np.exp(x.astype(np.float64))
    return (np.abs(computed(x) - exact) / exact).max()


def test_the_relative_error_is_below_2e_7_over_the_whole_range():
    assert error(np.linspace(BOTTOM, TOP, 2_000_003, dtype=np.float32)) < 2e-7


def test_the_relative_error_is_below_2e_7_where_the_power_of_two_changes():
    # Around k ln 2 and (k + 1/2) ln 2, where the rest r is 0 or turns over.
    centres = np.arange(-251, 254)[:, None] * (math.log(2) / 2)
    x = (centres + np.linspace(-1e-4, 1e-4, 801)).astype(np.float32)
    x = x[(x >= LOWEST) & (x <= HIGHEST)]
    assert x.size > 390_000
    assert error(x) < 2e-7


def test_exp_near_zero_is_one_plus_x():
    x = np.array([0, 1e-45, -1e-45, 1e-38, 1e-10, -1e-10, 6e-8, -3e-8], np.float32)
    assert error(x) < 6e-8
    assert computed(x)[:6].tolist() == [1] * 6


def test_exp_at_the_ends_of_its_range():
    inf, nan = math.inf, math.nan
    x = np.array([inf, -inf, nan, -nan, 0, -0.0, 3.4e38, -3.4e38, 89, -88], np.float32)
    y = computed(x)
    expected = [inf, 0, nan, nan, 1, 1, inf, 0, inf, 0]
    np.testing.assert_array_equal(y, expected)
    above, below = np.nextafter(HIGHEST, np.inf), np.nextafter(LOWEST, -np.inf)
    np.testing.assert_array_equal(computed(np.array([above, below], np.float32)), [inf, 0])
    assert error(np.array([HIGHEST, LOWEST], np.float32)) < 2e-7


def test_exp_is_monotonic_up_to_rounding():
    y = computed(np.linspace(-20, 20, 1_000_001, dtype=np.float32)).astype(np.float64)
    assert (np.diff(y) >= -2 * np.finfo(np.float32).eps * y[1:]).all()


def test_exp_gives_the_same_values_in_python():
    for x in np.array([-50, -1.5, 0, 0.1, 20, 100, -100], np.float32):
        assert exp_float32(x) == pytest.approx(float(computed(np.array([x]))[0]), rel=2e-7, abs=0)


def test_float64_exp_is_exact():
    x = np.linspace(-745, 709, 20001)
    np.testing.assert_allclose(computed(x), np.exp(x), rtol=4e-16, atol=5e-324)
    ends = np.array([math.inf, -math.inf, math.nan, 710.0, -750.0])
    np.testing.assert_array_equal(computed(ends), [math.inf, 0, math.nan, math.inf, 0])


def test_a_row_of_softmax_sums_to_one_at_any_width():
    for classes in (1, 2, 1000):
        x = np.random.default_rng(0).normal(0, 10, (3, classes)).astype(np.float32)
        y = np.empty_like(x)
        softmax_forward(x, y)
        np.testing.assert_allclose(y.sum(axis=1, dtype=np.float64), 1, rtol=2e-6)


@settings(deadline=None, max_examples=200, derandomize=True, database=None)
@given(st.floats(width=32))
def test_exp_of_any_float(x):
    y = float(computed(np.array([x], np.float32))[0])
    if math.isnan(x):
        assert math.isnan(y)
    elif x < BOTTOM or x > TOP:
        assert y == (0 if x < 0 else math.inf)
    else:
        assert y == pytest.approx(math.exp(x), rel=2e-7, abs=0)

"""Activation kernels against NumPy, including special values."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minnet.kernels import activations as kernels

erfc = np.vectorize(math.erfc, otypes=[float])
DTYPES = [np.float32, np.float64]
SHAPES = [(0, 3), (1, 1), (1, 3), (2, 7), (5, 17), (33, 8), (3, 0)]
BOTH = pytest.mark.parametrize("dtype", DTYPES)
AROUND = pytest.mark.parametrize("shape", SHAPES)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def phi(x):
    return np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def cumulative(x):
    return erfc(-x / math.sqrt(2)) / 2


FORWARD = {
    "sigmoid": (kernels.sigmoid_forward, sigmoid),
    "relu": (kernels.relu_forward, lambda x: np.where(x < 0, 0, x)),
    "leaky_relu": (
        lambda x, y: kernels.leaky_relu_forward(x, 0.3, y),
        lambda x: np.where(x > 0, x, 0.3 * x),
    ),
    "elu": (
        lambda x, y: kernels.elu_forward(x, 0.7, y),
        lambda x: np.where(x > 0, x, 0.7 * np.expm1(x)),
    ),
    "silu": (kernels.silu_forward, lambda x: x * sigmoid(x)),
    "gelu": (kernels.gelu_forward, lambda x: x * cumulative(x)),
}
# The third entry is the first argument of the kernel: the input x or the output y of forward.
BACKWARD = {
    "sigmoid": (kernels.sigmoid_backward, lambda y, dy: dy * y * (1 - y), "y"),
    "tanh": (kernels.tanh_backward, lambda y, dy: dy * (1 - y * y), "y"),
    "relu": (kernels.relu_backward, lambda y, dy: np.where(y > 0, dy, 0), "x"),
    "leaky_relu": (
        lambda x, dy, dx: kernels.leaky_relu_backward(x, dy, 0.3, dx),
        lambda x, dy: np.where(x > 0, dy, 0.3 * dy),
        "x",
    ),
    "elu": (
        lambda x, dy, dx: kernels.elu_backward(x, dy, 0.7, dx),
        lambda x, dy: np.where(x > 0, dy, dy * 0.7 * np.exp(x)),
        "x",
    ),
    "silu": (
        kernels.silu_backward,
        lambda x, dy: dy * sigmoid(x) * (1 + x * (1 - sigmoid(x))),
        "x",
    ),
    "gelu": (kernels.gelu_backward, lambda x, dy: dy * (cumulative(x) + x * phi(x)), "x"),
}
FORWARDS = pytest.mark.parametrize("name", FORWARD)
BACKWARDS = pytest.mark.parametrize("name", BACKWARD)


def numbers(dtype):
    """Every kind of number there is."""
    info = np.finfo(dtype)
    positive = [0, info.smallest_subnormal, info.tiny, 1e-20, 0.1, 0.5, 1, 3, 50, 87.3, 88.3, 89]
    positive += [700, 750, 1e10, info.max, np.inf]
    return np.array([*positive, *(-p for p in positive), np.nan], dtype)


def same(found, expected, dtype):
    """Equal to rounding; NaN where NaN is; what float32 cannot hold is infinite or 0."""
    eps = np.finfo(dtype).eps
    with np.errstate(over="ignore"):
        expected = np.asarray(expected).astype(dtype)
    np.testing.assert_allclose(found, expected, rtol=16 * eps, atol=4 * eps)


def run(kernel, *arrays):
    """What the kernel writes into an array that is full of something else; nothing else changes."""
    kept = [array.copy() for array in arrays]
    out = np.full_like(arrays[0], 77)
    kernel(*arrays, out)
    for array, before in zip(arrays, kept, strict=True):
        np.testing.assert_array_equal(array, before)
    return out


def twin(rule, *arrays):
    with np.errstate(all="ignore"):
        return rule(*(array.astype(np.float64) for array in arrays))


@FORWARDS
@BOTH
@AROUND
def test_forward_matches_numpy(name, shape, dtype):
    kernel, rule = FORWARD[name]
    x = np.random.default_rng(0).normal(0, 3, shape).astype(dtype)
    same(run(kernel, x), twin(rule, x), dtype)


@BACKWARDS
@BOTH
@AROUND
def test_backward_matches_numpy(name, shape, dtype):
    kernel, rule, kept = BACKWARD[name]
    x, dy = np.random.default_rng(1).normal(0, 3, (2, *shape)).astype(dtype)
    x = np.tanh(x) if kept == "y" else x
    same(run(kernel, x, dy), twin(rule, x, dy), dtype)


@FORWARDS
@BOTH
def test_forward_matches_numpy_for_special_values(name, dtype):
    kernel, rule = FORWARD[name]
    x = np.stack([numbers(dtype), np.roll(numbers(dtype), 3)])
    same(run(kernel, x), twin(rule, x), dtype)


@BACKWARDS
@BOTH
def test_backward_matches_numpy_for_special_values(name, dtype):
    kernel, rule, kept = BACKWARD[name]
    values = numbers(dtype)
    values = values[(np.abs(values) <= 1e10) | np.isnan(values)]
    few = values[(np.abs(values) <= 3) | np.isnan(values)]
    x, dy = (grid.copy() for grid in np.meshgrid(values, few))
    x = np.tanh(x) if kept == "y" else x
    same(run(kernel, x, dy), twin(rule, x, dy), dtype)


@FORWARDS
@BOTH
def test_nan_affects_only_its_own_entry(name, dtype):
    kernel, _ = FORWARD[name]
    for row, column in np.ndindex(3, 9):
        x = np.random.default_rng(2).normal(size=(3, 9)).astype(dtype)
        x[row, column] = np.nan
        np.testing.assert_array_equal(np.isnan(run(kernel, x)), np.isnan(x))


@BACKWARDS
@BOTH
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_gradient_affects_only_its_own_entry(name, bad, dtype):
    kernel, _, _ = BACKWARD[name]
    for row, column in np.ndindex(3, 9):
        x = np.random.default_rng(3).uniform(0.1, 0.9, (3, 9)).astype(dtype)
        dy = np.random.default_rng(4).normal(size=(3, 9)).astype(dtype)
        dy[row, column] = bad
        dx = run(kernel, x, dy)
        np.testing.assert_array_equal(np.isfinite(dx), np.isfinite(dy))
        np.testing.assert_array_equal(dx[row, column], bad)


@BOTH
def test_relu_and_its_gradient_are_zero_at_both_zeros(dtype):
    x = np.array([[0.0, -0.0]], dtype)
    assert run(kernels.relu_forward, x).tolist() == [[0, 0]]
    assert run(kernels.relu_backward, x, np.ones_like(x)).tolist() == [[0, 0]]


@BOTH
@AROUND
def test_negative_part_dot_matches_numpy(shape, dtype):
    x, dy = np.random.default_rng(5).normal(size=(2, *shape)).astype(dtype)
    x.flat[::5] = 0
    expected = (np.where(x > 0, 0, x).astype(np.float64) * dy).sum()
    assert kernels.negative_part_dot(x, dy) == pytest.approx(expected, rel=1e-13, abs=1e-14)


def test_negative_part_dot_accumulates_in_float64_and_propagates_nan():
    x = np.full((4096, 1), -1, np.float32)
    dy = np.ones_like(x)
    dy[0] = 2.0**24
    assert kernels.negative_part_dot(x, dy) == -(2.0**24) - 4095
    x[7] = np.nan
    assert np.isnan(kernels.negative_part_dot(x, dy))


def softmax(x):
    exp = np.exp(x - x.max(axis=1, keepdims=True, initial=-np.inf))
    return exp / exp.sum(axis=1, keepdims=True)


@BOTH
@pytest.mark.parametrize("shape", SHAPES[:-1])
@pytest.mark.parametrize("size", [1e-3, 1, 30, 1e4])
def test_softmax_matches_numpy(shape, size, dtype):
    x = np.random.default_rng(6).normal(0, size, shape).astype(dtype)
    y = run(kernels.softmax_forward, x)
    same(y, twin(softmax, x), dtype)
    np.testing.assert_allclose(y.sum(axis=1), 1, rtol=shape[1] * np.finfo(dtype).eps)


@BOTH
@pytest.mark.parametrize("shape", SHAPES[:-1])
def test_softmax_backward_is_the_product_with_the_jacobian(shape, dtype):
    y = softmax(np.random.default_rng(7).normal(0, 2, shape)).astype(dtype)
    dy = np.random.default_rng(8).normal(size=shape).astype(dtype)
    found = run(kernels.softmax_backward, y, dy)
    for row, p, g in zip(found, y.astype(float), dy.astype(float), strict=True):
        same(row, (np.diag(p) - np.outer(p, p)) @ g, dtype)


@BOTH
def test_softmax_of_infinities_follows_the_formula(dtype):
    inf, nan = np.inf, np.nan
    x = np.array(
        [[-inf, 0, 0], [inf, 0, 0], [nan, 0, 0], [0, 0, nan], [-inf] * 3, [1, 2, 3]], dtype
    )
    y = run(kernels.softmax_forward, x)
    assert y[0].tolist() == [0, 0.5, 0.5]
    assert np.isnan(y[1:5]).any(axis=1).all()
    same(y[5:], softmax(x[5:]), dtype)


@settings(deadline=None, max_examples=60, derandomize=True, database=None)
@given(st.data())
def test_any_floats_match_numpy(data):
    dtype = data.draw(st.sampled_from(DTYPES))
    shape = data.draw(hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=9))
    elements = hnp.from_dtype(np.dtype(dtype))
    x = data.draw(hnp.arrays(dtype, shape, elements=elements))
    for kernel, rule in FORWARD.values():
        same(run(kernel, x), twin(rule, x), dtype)


def test_elu_of_small_negative_numbers_has_full_precision():
    x = -np.logspace(-300, -3, 50).reshape(2, 25)
    y = np.empty_like(x)
    kernels.elu_forward(x, 1.0, y)
    np.testing.assert_allclose(y, np.expm1(x), rtol=1e-15)

"""Normalization kernels against NumPy in float64, including large offsets and odd sizes."""

import numpy as np
import pytest

from minnet.kernels import normalization as kernels

BOTH = pytest.mark.parametrize("dtype", [np.float32, np.float64])
SHAPES = [(2, 1), (2, 3), (3, 7), (8, 17), (33, 4)]
AROUND = pytest.mark.parametrize("shape", SHAPES)
EPS = 0.02


def problem(shape, dtype, offset=0.0):
    rng = np.random.default_rng(0)
    x = (offset + rng.normal(0, 2, shape)).astype(dtype)
    dy = rng.normal(0.3, 1, shape).astype(dtype)
    gamma, beta = rng.normal(size=(2, shape[1])).astype(dtype)
    return x, dy, gamma, beta


def near(found, expected, dtype, factor=50):
    eps = factor * float(np.finfo(dtype).eps)
    assert found.dtype == dtype
    np.testing.assert_allclose(
        found, expected, rtol=eps, atol=eps * np.abs(expected).max(initial=1)
    )


def normalized(x, axis, eps=EPS):
    x = x.astype(np.float64)
    mean, var = x.mean(axis=axis, keepdims=True), x.var(axis=axis, keepdims=True)
    return (x - mean) / np.sqrt(var + eps), mean, var


def gradient(x_hat, g, var, axis, eps=EPS):
    """dx of x̂ = (x - mean) / sqrt(var + eps) for the gradient g of x̂."""
    along = g.mean(axis=axis, keepdims=True)
    across = (g * x_hat).mean(axis=axis, keepdims=True)
    return (g - along - x_hat * across) / np.sqrt(var + eps)


def batchnorm_forward(x, gamma, beta, eps, mean, var, y):
    column = kernels.column_statistics(x, mean, var)
    kernels.normalize_columns(x, gamma, beta, eps, mean, var, y)
    return column


@BOTH
@AROUND
@pytest.mark.parametrize("offset", [0.0, 300.0])
def test_batchnorm_matches_numpy(shape, offset, dtype):
    x, dy, gamma, beta = problem(shape, dtype, offset)
    kept = [a.copy() for a in (x, dy, gamma, beta)]
    mean, var, y = np.full(shape[1], 77.0), np.full(shape[1], 77.0), np.full_like(x, 77)
    assert batchnorm_forward(x, gamma, beta, EPS, mean, var, y) == -1
    x_hat, exact_mean, exact_var = normalized(x, 0)
    np.testing.assert_allclose(mean, exact_mean[0], rtol=1e-13)
    np.testing.assert_allclose(var, exact_var[0], rtol=1e-12)
    factor = 50 if offset == 0 else 500
    near(y, gamma * x_hat + beta, dtype, factor)

    dgamma, dbeta, dx = np.full_like(gamma, 77), np.full_like(beta, 77), np.full_like(x, 77)
    kernels.batchnorm_backward(x, dy, gamma, EPS, mean, var, dgamma, dbeta, dx)
    near(dx, gradient(x_hat, dy.astype(float) * gamma, exact_var, 0), dtype, factor)
    near(dgamma, (dy * x_hat).sum(axis=0), dtype, factor)
    near(dbeta, dy.sum(axis=0, dtype=float), dtype)
    for array, before in zip((x, dy, gamma, beta), kept, strict=True):
        np.testing.assert_array_equal(array, before)


@BOTH
@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (1, 7), *SHAPES])
def test_normalize_columns_uses_the_given_statistics(shape, dtype):
    x, _, gamma, beta = problem(shape, dtype)
    mean, var = np.linspace(-1, 2, shape[1]), np.linspace(0, 3, shape[1])
    y = np.full_like(x, 77)
    kernels.normalize_columns(x, gamma, beta, EPS, mean, var, y)
    near(y, gamma * (x - mean) / np.sqrt(var + EPS) + beta, dtype)


def test_the_variance_in_float32_at_offset_10000_and_60000_rows_is_exact():
    x, _, gamma, beta = problem((60000, 3), np.float32, 1e4)
    mean, var, y = np.empty(3), np.empty(3), np.empty_like(x)
    batchnorm_forward(x, gamma, beta, EPS, mean, var, y)
    exact = x.astype(np.float64)
    np.testing.assert_allclose(var, exact.var(axis=0), rtol=1e-10)
    near(y, gamma * normalized(x, 0)[0] + beta, np.float32)


def test_rounding_error_of_the_mean_is_corrected():
    # Between 2**24 and 2**25 float32 has even numbers only, so the rounded mean is wrong by 1.
    x = np.array([[2.0**24], [2.0**24 + 2]], np.float32)
    one, zero = np.ones(1, np.float32), np.zeros(1, np.float32)
    mean, var, y, dx = np.empty(1), np.empty(1), np.empty_like(x), np.empty_like(x)
    batchnorm_forward(x, one, zero, 1e-12, mean, var, y)
    np.testing.assert_allclose(y, [[-1], [1]], rtol=1e-6)
    dgamma, dbeta = np.empty_like(one), np.empty_like(one)
    dy = np.array([[1.0], [0.0]], np.float32)
    kernels.batchnorm_backward(x, dy, one, 1.0, mean, var, dgamma, dbeta, dx)
    exact = gradient(normalized(x, 0, 1.0)[0], dy.astype(float), np.ones((1, 1)), 0, 1.0)
    np.testing.assert_allclose(dx, exact, rtol=1e-6)
    np.testing.assert_allclose(dgamma, -np.sqrt(0.5), rtol=1e-6)


def test_the_column_whose_unbiased_variance_is_infinite_in_float32_is_returned():
    x = np.array([[1, 1.5e19], [-1, -1.5e19]], np.float32)  # unbiased variance 4.5e38
    mean, var = np.empty(2), np.empty(2)
    assert kernels.column_statistics(x, mean, var) == 1
    assert kernels.column_statistics(x / 2, mean, var) == -1


@BOTH
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_the_first_column_without_a_finite_variance_is_returned_and_the_others_are_right(
    bad, dtype
):
    for column in range(5):
        x, _, gamma, beta = problem((4, 5), dtype)
        x[2, column] = x[0, 4] = bad
        mean, var, y = np.empty(5), np.empty(5), np.full_like(x, 77)
        assert batchnorm_forward(x, gamma, beta, EPS, mean, var, y) == column
        clean = [j for j in range(5) if j not in (column, 4)]
        expected = normalized(x[:, clean], 0)[0] * gamma[clean] + beta[clean]
        np.testing.assert_allclose(y[:, clean], expected, rtol=1e-5, atol=1e-6)
        assert not np.isfinite(y[:, [column, 4]]).any()


@BOTH
def test_running_statistics_are_weighted_by_momentum(dtype):
    running_mean, running_var = np.array([1.0, 2.0], dtype), np.array([3.0, 4.0], dtype)
    mean, var = np.array([10.0, 20.0]), np.array([30.0, 40.0])
    kernels.update_running_statistics(running_mean, running_var, mean, var, 0.75, 5)
    np.testing.assert_allclose(running_mean, [0.75 + 2.5, 1.5 + 5], rtol=1e-6)
    np.testing.assert_allclose(running_var, [2.25 + 7.5 * 5 / 4, 3 + 10 * 5 / 4], rtol=1e-6)
    assert mean.tolist() == [10, 20]
    assert var.tolist() == [30, 40]


GROUPS = [
    ((0, 6), 2),
    ((1, 1), 1),
    ((1, 7), 1),
    ((1, 6), 6),
    ((4, 6), 3),
    ((5, 17), 17),
    ((9, 8), 2),
]


@BOTH
@pytest.mark.parametrize(("shape", "groups"), GROUPS)
def test_groupnorm_matches_numpy(shape, groups, dtype):
    x, dy, gamma, beta = problem(shape, dtype)
    kept = [a.copy() for a in (x, dy, gamma, beta)]
    n, features = shape
    cut = (n, groups, features // groups)
    mean, rstd, y = np.full((n, groups), 77.0), np.full((n, groups), 77.0), np.full_like(x, 77)
    kernels.groupnorm_forward(x, gamma, beta, EPS, mean, rstd, y)
    x_hat, exact_mean, exact_var = normalized(x.reshape(cut), 2)
    np.testing.assert_allclose(mean, exact_mean[:, :, 0], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(rstd, 1 / np.sqrt(exact_var[:, :, 0] + EPS), rtol=1e-12)
    near(y, gamma * x_hat.reshape(shape) + beta, dtype)

    dgamma, dbeta, dx = np.full_like(gamma, 77), np.full_like(beta, 77), np.full_like(x, 77)
    kernels.groupnorm_backward(x, dy, gamma, mean, rstd, dgamma, dbeta, dx)
    g = (dy.astype(float) * gamma).reshape(cut)
    near(dx, gradient(x_hat, g, exact_var, 2).reshape(shape), dtype)
    near(dgamma, (dy * x_hat.reshape(shape)).sum(axis=0), dtype)
    near(dbeta, dy.sum(axis=0, dtype=float), dtype)
    for array, before in zip((x, dy, gamma, beta), kept, strict=True):
        np.testing.assert_array_equal(array, before)


def test_groupnorm_in_float32_at_a_large_offset_is_exact():
    x, _, gamma, beta = problem((5, 1000), np.float32, 1e4)
    mean, rstd, y = np.empty((5, 1)), np.empty((5, 1)), np.empty_like(x)
    kernels.groupnorm_forward(x, gamma, beta, EPS, mean, rstd, y)
    near(y, gamma * normalized(x, 1)[0] + beta, np.float32)


@BOTH
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_non_finite_value_affects_only_its_own_group(bad, dtype):
    x, _, gamma, beta = problem((3, 6), dtype)
    x[1, 4] = bad
    mean, rstd, y = np.empty((3, 3)), np.empty((3, 3)), np.empty_like(x)
    kernels.groupnorm_forward(x, gamma, beta, EPS, mean, rstd, y)
    spoilt = np.zeros((3, 6), bool)
    spoilt[1, 4:] = True
    np.testing.assert_array_equal(~np.isfinite(y), spoilt)

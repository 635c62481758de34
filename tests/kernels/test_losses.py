"""Loss kernels against NumPy in float64, and invalid labels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minnet.kernels import losses as kernels

BOTH = pytest.mark.parametrize("dtype", [np.float32, np.float64])
AROUND = pytest.mark.parametrize("shape", [(1, 1), (1, 7), (2, 3), (5, 17), (33, 8)])
SIZES = pytest.mark.parametrize("size", [1e-3, 3, 1e4])


def problem(shape, dtype, size=3):
    rng = np.random.default_rng(0)
    output = rng.normal(0, size, shape).astype(dtype)
    target = rng.dirichlet(np.ones(shape[1]), shape[0]).astype(dtype)
    target[0] = np.eye(shape[1])[0]
    return output, target


def near(found, expected, dtype):
    eps = 16 * float(np.finfo(dtype).eps)
    assert found.dtype == dtype
    np.testing.assert_allclose(
        found, expected, rtol=eps, atol=eps * np.abs(expected).max(initial=0)
    )


def sigmoid(z):
    return np.where(z > 0, 1, np.exp(-np.abs(z))) / (1 + np.exp(-np.abs(z)))


@BOTH
@AROUND
@SIZES
def test_softmax_cross_entropy_matches_numpy(shape, size, dtype):
    z, target = problem(shape, dtype, size)
    kept = z.copy(), target.copy()
    p, dx = np.full_like(z, 77), np.full_like(z, 77)
    value = kernels.softmax_cross_entropy_forward(z, target, np.ones(len(z)), p)
    high = z.astype(float) - z.max(axis=1, keepdims=True)
    log_p = high - np.log(np.exp(high).sum(axis=1, keepdims=True))
    near(p, np.exp(log_p), dtype)
    eps = 16 * float(np.finfo(dtype).eps)
    expected = -(target.astype(float) * log_p).sum() / shape[0]
    assert value == pytest.approx(expected, rel=eps, abs=eps)
    kernels.softmax_cross_entropy_backward(p, target, dx)
    near(dx, (np.exp(log_p) - target) / shape[0], dtype)
    np.testing.assert_array_equal(z, kept[0])
    np.testing.assert_array_equal(target, kept[1])


@BOTH
@AROUND
def test_cross_entropy_matches_numpy(shape, dtype):
    _, target = problem(shape, dtype)
    p = np.random.default_rng(1).dirichlet(np.ones(shape[1]), shape[0]).astype(dtype)
    p[-1, 0], lowest = 0, 1e-3
    clipped = np.maximum(p.astype(float), lowest)
    value = kernels.cross_entropy_forward(p, target, np.ones(len(p)), lowest)
    exact = target.astype(float)
    assert value == pytest.approx(-(exact * np.log(clipped)).sum() / shape[0], rel=1e-12, abs=1e-15)
    dx = np.full_like(p, 77)
    kernels.cross_entropy_backward(p, target, lowest, dx)
    near(dx, -exact / clipped / shape[0], dtype)


@BOTH
@AROUND
@SIZES
def test_sigmoid_binary_cross_entropy_matches_numpy(shape, size, dtype):
    z, target = problem(shape, dtype, size)
    exact = z.astype(float)
    value = kernels.sigmoid_binary_cross_entropy_forward(z, target, np.ones(len(z)))
    expected = np.logaddexp(0, exact) - exact * target
    # Where z (1 - t) cancels, the twin and the kernel lose the same few digits of z.
    assert value == pytest.approx(expected.mean(), rel=1e-12, abs=1e-15 * size)
    dx = np.full_like(z, 77)
    kernels.sigmoid_binary_cross_entropy_backward(z, target, dx)
    near(dx, (sigmoid(exact) - target) / z.size, dtype)


@BOTH
@AROUND
@SIZES
def test_mean_squared_error_matches_numpy(shape, size, dtype):
    output, target = problem(shape, dtype, size)
    exact = output.astype(float) - target
    value = kernels.mean_squared_error_forward(output, target, np.ones(len(output)))
    assert value == pytest.approx((exact**2).mean(), rel=1e-12, abs=0)
    dx = np.full_like(output, 77)
    kernels.mean_squared_error_backward(output, target, dx)
    near(dx, 2 * exact / output.size, dtype)


@BOTH
def test_nan_propagates_to_the_loss_and_to_its_own_gradient_entry(dtype):
    z, target = problem((4, 5), dtype)
    z[2, 3] = np.nan
    p, dx = np.empty_like(z), np.empty_like(z)
    assert np.isnan(kernels.softmax_cross_entropy_forward(z, target, np.ones(len(z)), p))
    np.testing.assert_array_equal(np.isnan(p).any(axis=1), [False, False, True, False])
    for forward, backward in (
        (kernels.mean_squared_error_forward, kernels.mean_squared_error_backward),
        (
            kernels.sigmoid_binary_cross_entropy_forward,
            kernels.sigmoid_binary_cross_entropy_backward,
        ),
    ):
        assert np.isnan(forward(z, target, np.ones(4)))
        backward(z, target, dx)
        np.testing.assert_array_equal(np.isnan(dx), np.isnan(z))
    p[...] = 0.2
    p[1, 1] = np.nan
    assert np.isnan(kernels.cross_entropy_forward(p, target, np.ones(len(p)), 1e-30))


@BOTH
def test_logits_of_minus_infinity_have_zero_probability_and_gradient(dtype):
    z = np.array([[-np.inf, 1, 1], [2, -np.inf, -np.inf]], dtype)
    target, p, dx = np.eye(3, dtype=dtype)[[1, 0]], np.empty_like(z), np.empty_like(z)
    value = kernels.softmax_cross_entropy_forward(z, target, np.ones(len(z)), p)
    assert value == pytest.approx(np.log(2) / 2, rel=1e-7)
    assert p.tolist() == [[0, 0.5, 0.5], [1, 0, 0]]
    kernels.softmax_cross_entropy_backward(p, target, dx)
    assert dx.tolist() == [[0, -0.25, 0.25], [0, 0, 0]]


@BOTH
@AROUND
def test_one_hot_is_a_row_of_the_identity(shape, dtype):
    labels = np.random.default_rng(2).integers(0, shape[1], shape[0])
    rows = np.full(shape, 77, dtype)
    kernels.one_hot(rows, labels)
    np.testing.assert_array_equal(rows, np.eye(shape[1])[labels])


@pytest.mark.parametrize("label", [3, -1, 2**62, -(2**63)])
def test_first_invalid_label_returns_its_row(label):
    for row in range(4):
        labels = np.array([0, 1, 2, 0])
        assert kernels.first_invalid_label(labels, 3) == -1
        labels[row:] = label
        assert kernels.first_invalid_label(labels, 3) == row


@BOTH
@pytest.mark.parametrize(
    "bad", [[0.5, 0.4, 0.05], [1.2, -0.2, 0], [np.nan, 0.5, 0.5], [np.inf, 0, 0], [1, 1, 0]]
)
def test_first_improper_row_returns_the_row_that_is_no_distribution(bad, dtype):
    rows = np.array([[1, 0, 0], [0.2, 0.3, 0.5], [0.3334, 0.3333, 0.3333]], dtype)
    assert kernels.first_improper_row(rows) == -1
    for row in range(3):
        wrong = rows.copy()
        wrong[row:] = bad
        assert kernels.first_improper_row(wrong) == row


@BOTH
def test_first_outside_unit_finds_invalid_probabilities(dtype):
    rows = np.array([[0, 1], [0.5, 0.5], [1, 0]], dtype)
    assert kernels.first_outside_unit(rows) == -1
    for bad in (-1e-6, 1 + 1e-6, np.nan, np.inf, -np.inf):
        for row, column in np.ndindex(3, 2):
            spoilt = rows.copy()
            spoilt[row, column] = spoilt[2, 1] = bad
            assert kernels.first_outside_unit(spoilt) == row
    assert kernels.first_outside_unit(np.empty((0, 2), dtype)) == -1


@BOTH
@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (5, 1), (40, 3), (7, 17)])
def test_count_correct_compares_the_first_argmax(shape, dtype):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        output, target = rng.integers(0, 4, (2, *shape)).astype(dtype)  # with many a tie
        expected = (output.argmax(axis=1) == target.argmax(axis=1)).sum()
        assert kernels.count_correct(output, target) == expected


@settings(deadline=None, max_examples=100, derandomize=True, database=None)
@given(st.data())
def test_any_finite_logits_have_a_finite_loss_and_a_gradient_within_one_nth(data):
    dtype = data.draw(st.sampled_from([np.float32, np.float64]))
    n, classes = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 6))
    finite = st.floats(-(2.0**100), 2.0**100, width=32)
    z = data.draw(hnp.arrays(dtype, (n, classes), elements=finite))
    labels = np.array(data.draw(st.lists(st.integers(0, classes - 1), min_size=n, max_size=n)))
    target, p, dx = np.empty_like(z), np.empty_like(z), np.empty_like(z)
    kernels.one_hot(target, labels)
    assert 0 <= kernels.softmax_cross_entropy_forward(z, target, np.ones(len(z)), p) < np.inf
    kernels.softmax_cross_entropy_backward(p, target, dx)
    assert np.abs(dx).max() <= (1 + 1e-6) / n
    np.testing.assert_allclose(dx.sum(axis=1), 0, atol=1e-6)

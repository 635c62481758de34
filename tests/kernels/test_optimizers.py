"""One step of each optimizer kernel against NumPy, from a state during training."""

import numpy as np
import pytest

from minnet.kernels import optimizers as kernels

BOTH = pytest.mark.parametrize("dtype", [np.float32, np.float64])
SIZES = pytest.mark.parametrize("size", [0, 1, 3, 17, 1000])


def plain_sgd(g, theta):
    return (theta - 0.1 * (g + 0.3 * theta),)


def sgd(g, v, theta):
    v = 0.7 * v + (g + 0.3 * theta)
    return v, theta - 0.1 * v


def nesterov(g, v, theta):
    g = g + 0.3 * theta
    v = 0.7 * v + g
    return v, theta - 0.1 * (g + 0.7 * v)


def rmsprop(g, s, theta):
    s = 0.7 * s + 0.3 * g**2
    return s, theta - 0.1 * g / (np.sqrt(s) + 0.05)


def adagrad(g, s, theta):
    s = s + g**2
    return s, theta - 0.1 * g / (np.sqrt(s) + 0.05)


def adam(g, m, s, theta):
    m, s = 0.7 * m + 0.3 * g, 0.8 * s + 0.2 * g**2
    m_hat, s_hat = m / (1 - 0.7**3), s / (1 - 0.8**3)
    return m, s, theta - 0.1 * 0.4 * theta - 0.1 * m_hat / (np.sqrt(s_hat) + 0.05)


KERNELS = {
    "plain_sgd": (lambda g, *rest: kernels.plain_sgd(g, 0.1, 0.3, *rest), plain_sgd),
    "sgd": (lambda g, *rest: kernels.sgd(g, 0.1, 0.7, False, 0.3, *rest), sgd),
    "nesterov": (lambda g, *rest: kernels.sgd(g, 0.1, 0.7, True, 0.3, *rest), nesterov),
    "rmsprop": (lambda g, *rest: kernels.rmsprop(g, 0.1, 0.7, 0.05, *rest), rmsprop),
    "adagrad": (lambda g, *rest: kernels.adagrad(g, 0.1, 0.05, *rest), adagrad),
    "adam": (lambda g, *rest: kernels.adam(g, 0.1, 0.7, 0.8, 0.05, 0.4, 3, *rest), adam),
}
ALL = pytest.mark.parametrize("name", KERNELS)


def arrays(name, size, dtype):
    """Gradient, state as squares and means of gradients are, and theta."""
    rng = np.random.default_rng(0)
    g, m, s, theta = rng.normal(size=(4, size)).astype(dtype)
    states = {"plain_sgd": [], "sgd": [m], "nesterov": [m], "adam": [m, s**2]}
    return [g, *states.get(name, [s**2]), theta]


@ALL
@BOTH
@SIZES
def test_step_matches_numpy_and_leaves_the_gradient_unchanged(name, size, dtype):
    step, twin = KERNELS[name]
    g, *moved = arrays(name, size, dtype)
    expected = twin(*(a.astype(float) for a in (g, *moved)))
    kept = g.copy()
    step(g, *moved)
    np.testing.assert_array_equal(g, kept)
    eps = 16 * float(np.finfo(dtype).eps)
    for found, exact in zip(moved, expected, strict=True):
        np.testing.assert_allclose(found, exact, rtol=eps, atol=eps)


@ALL
@BOTH
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_non_finite_gradient_affects_only_its_own_parameter(name, bad, dtype):
    step, _ = KERNELS[name]
    for k in range(9):
        g, *moved = arrays(name, 9, dtype)
        g[k] = bad
        step(g, *moved)
        for array in moved:
            assert np.isfinite(np.delete(array, k)).all()
        assert not np.isfinite([array[k] for array in moved]).all()


@BOTH
def test_first_adam_step_uses_the_whole_gradient(dtype):
    g, m, s, theta = np.array([[2.0], [0.0], [0.0], [1.0]], dtype)
    kernels.adam(g, 0.1, 0.9, 0.999, 1e-12, 0.0, 1, m, s, theta)
    np.testing.assert_allclose(theta, [0.9], rtol=1e-5)
    np.testing.assert_allclose(m, [0.2], rtol=1e-5)
    np.testing.assert_allclose(s, [0.004], rtol=1e-5)


@BOTH
def test_adam_bias_correction_vanishes_after_a_million_steps(dtype):
    g, m, s, theta = np.array([[2.0], [2.0], [4.0], [1.0]], dtype)
    kernels.adam(g, 0.1, 0.9, 0.999, 1e-12, 0.0, 10**6, m, s, theta)
    np.testing.assert_allclose(theta, [0.9], rtol=1e-5)


def test_zero_gradient_is_divided_by_eps():
    for name in ("rmsprop", "adagrad", "adam"):
        step, _ = KERNELS[name]
        g, *moved = (np.zeros_like(a) for a in arrays(name, 5, np.float32))
        step(g, *moved)
        assert all((array == 0).all() for array in moved)


@BOTH
@pytest.mark.parametrize("name", ["sgd", "nesterov", "rmsprop", "adam"])
def test_running_mean_does_not_become_subnormal(name, dtype):
    step, _ = KERNELS[name]
    g, *state, theta = arrays(name, 9, dtype)
    tiny = np.finfo(dtype).tiny
    for array in state:
        array[:] = tiny
        array[0], array[1], array[2] = tiny * 2, 1, 0
    step(np.zeros_like(g), *state, np.zeros_like(theta))
    squares = state[-1:] if name in ("rmsprop", "adam") else []
    for array in state:
        is_square = any(array is square for square in squares)
        assert (array[3:] == (tiny if is_square else 0)).all()
        assert array[2] == 0
        assert tiny <= array[0] < array[1]


@BOTH
def test_step_for_a_tiny_gradient_is_not_longer_than_the_formula(dtype):
    tiny = float(np.finfo(dtype).tiny)
    g = np.full(3, np.sqrt(tiny), dtype)  # its square is a normal number, a share of that is not
    for rho in (0.9, 0.999):
        s, theta, longest = np.zeros(3, dtype), np.zeros(3, dtype), 0.0
        for t in range(1, 6):
            kernels.rmsprop(g, 1e-3, rho, tiny, s, theta)
            longest += 1e-3 / np.sqrt(1 - rho**t)
            assert (theta < 0).all()
            assert (-theta <= 1.01 * longest).all()
        m, s, theta = np.zeros((3, 3), dtype)
        for t in range(1, 6):
            kernels.adam(g, 1e-3, 0.9, rho, tiny, 0.0, t, m, s, theta)
            assert (theta < 0).all()
            assert (-theta <= 1.01 * 1e-3 * t).all()


@BOTH
def test_negative_normal_means_are_kept(dtype):
    tiny = np.finfo(dtype).tiny
    velocity = np.array([-1, -2 * tiny, -tiny], dtype)
    kernels.sgd(np.zeros(3, dtype), 0.1, 0.7, False, 0.0, velocity, np.zeros(3, dtype))
    np.testing.assert_allclose(velocity, [-0.7, -1.4 * tiny, 0], rtol=1e-6, atol=0)

"""Penalties on weights and gradient clipping."""

import numpy as np
import pytest

from minnet import BatchNorm, Dense, PReLU, Sequential
from minnet.regularization import L1, L2, Regularizer, clip_grad_norm, clip_grad_value

BOTH = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def network(dtype=np.float64):
    net = Sequential(
        [Dense(3, 4), BatchNorm(4), PReLU(), Dense(4, 2, bias=False)], rng=0, dtype=dtype
    )
    net.theta = np.random.default_rng(1).normal(size=net.theta.size)
    return net


@pytest.mark.parametrize("make", [L1, L2])
def test_the_gradient_is_the_derivative_of_the_penalty(make, slopes):
    net, penalty = network(), make(0.3)
    penalty.add_gradient(net)
    expected = slopes(lambda: penalty.penalty(net), net.theta)
    np.testing.assert_allclose(net.grad, expected, rtol=1e-7, atol=1e-9)


@BOTH
def test_the_penalties_are_sums_over_weights_only(dtype):
    net = network(dtype)
    w = np.concatenate([net["dense1"].weight.value.ravel(), net["dense2"].weight.value.ravel()])
    exact = w.astype(np.float64)
    assert L1(0.3).penalty(net) == pytest.approx(0.3 * np.abs(exact).sum(), rel=1e-13)
    assert L2(0.3).penalty(net) == pytest.approx(0.3 * (exact**2).sum(), rel=1e-13)


@BOTH
def test_the_gradient_is_added_to_the_weight_gradients_only(dtype):
    net = network(dtype)
    net.grad = 5.0
    theta = net.theta.copy()
    L2(0.25).add_gradient(net)
    for name, param in net.params.items():
        expected = 5 + 0.5 * param.value if name.endswith("weight") else np.full_like(param.grad, 5)
        np.testing.assert_allclose(param.grad, expected, rtol=1e-6)
    np.testing.assert_array_equal(net.theta, theta)
    L1(2.0).add_gradient(net)
    np.testing.assert_allclose(net["dense1"].bias.grad, 5)
    weight = net["dense2"].weight
    np.testing.assert_allclose(
        weight.grad, 5 + 0.5 * weight.value + 2 * np.sign(weight.value), 1e-6
    )


def test_the_gradient_of_a_zero_weight_is_zero():
    assert L1(3).gradient(np.zeros((2, 2), np.float32)).tolist() == [[0, 0], [0, 0]]
    assert L2(3).gradient(np.zeros((2, 2), np.float32)).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("make", [L1, L2])
def test_a_gradient_has_the_dtype_of_the_weight(make):
    assert make(0.1).gradient(np.ones((2, 2), np.float32)).dtype == np.float32


def test_a_penalty_of_large_float32_weights_is_summed_in_float64():
    weight = np.full((1, 4), 1e25, np.float32)
    exact = 4 * float(np.float32(1e25)) ** 2
    assert L2(1).of(weight) == pytest.approx(exact, rel=1e-14)


def test_penalties_and_norms_are_python_floats():
    net = network(np.float32)
    net.grad = 1.0
    values = L1(1).penalty(net), L2(1).penalty(net), clip_grad_norm(net, 1.0)
    assert [type(value) for value in values] == [float] * 3


def test_strength_zero_gives_no_penalty():
    net = network()
    for penalty in (L1(0), L2(0)):
        penalty.add_gradient(net)
        assert penalty.penalty(net) == 0
    assert (net.grad == 0).all()


@pytest.mark.parametrize("make", [L1, L2])
@pytest.mark.parametrize("strength", [-0.1, np.nan, np.inf])
def test_a_strength_out_of_range_raises(make, strength):
    with pytest.raises(ValueError, match=f"{make.__name__}: expected strength to be non-negative"):
        make(strength)


def test_a_regularizer_without_formulas_raises():
    with pytest.raises(
        TypeError, match=r"Regularizer\(1\): expected it to define of\(self, weight\)"
    ):
        Regularizer(1).penalty(network())
    with pytest.raises(TypeError, match=r"Regularizer\(1\): expected it to define gradient"):
        Regularizer(1).add_gradient(network())


# Clipping.


@BOTH
def test_a_gradient_above_max_norm_is_scaled_and_keeps_its_direction(dtype):
    net = network(dtype)
    net.grad = np.random.default_rng(2).normal(size=net.grad.size)
    before = net.grad.astype(np.float64)
    length = np.linalg.norm(before)
    assert clip_grad_norm(net, 0.5) == pytest.approx(length, rel=1e-6)
    np.testing.assert_allclose(net.grad, before * 0.5 / length, rtol=1e-6)


@BOTH
def test_a_gradient_below_max_norm_is_unchanged(dtype):
    net = network(dtype)
    net.grad = np.random.default_rng(3).normal(size=net.grad.size)
    before = net.grad.copy()
    length = np.linalg.norm(before.astype(np.float64))
    assert clip_grad_norm(net, 1.01 * length) == pytest.approx(length, rel=1e-6)
    np.testing.assert_array_equal(net.grad, before)
    net.grad = 0
    assert clip_grad_norm(net, 1) == 0


@pytest.mark.parametrize("size", [1e30, 1e-30, 1e-44])
def test_the_norm_of_float32_gradients_neither_overflows_nor_underflows(size):
    net = network(np.float32)
    net.grad = np.full(net.grad.size, size)
    entry = float(net.grad[0])
    expected = entry * np.sqrt(net.grad.size)
    assert clip_grad_norm(net, 1.0) == pytest.approx(expected, rel=1e-6, abs=0)
    length = np.linalg.norm(net.grad.astype(np.float64))
    assert length == pytest.approx(min(1.0, expected), rel=1e-6, abs=0)


@pytest.mark.parametrize(
    ("dtype", "grad", "limit"),
    [
        (np.float32, [1e38, 1e38], 1e-8),
        (np.float32, [1e38, 0], 1e-3),
        (np.float32, [3e38, -3e38], 1e38),
        (np.float64, [1e308, 1e308], 1e-300),
        (np.float64, [1e308, -1.7e308], 1e-8),
        (np.float64, [1e-308, 1e300], 1e-3),
    ],
)
def test_a_factor_below_the_range_of_the_dtype_does_not_change_direction_or_norm(
    dtype, grad, limit
):
    net = Sequential([Dense(2, 1, bias=False)], rng=0, dtype=dtype)
    net.grad = grad
    clip_grad_norm(net, limit)
    scaled = np.array(grad) / np.abs(grad).max()
    expected = scaled / np.linalg.norm(scaled) * limit
    np.testing.assert_allclose(net.grad, expected, rtol=4 * np.finfo(dtype).eps)


def test_limits_of_small_number_types_are_converted_before_use():
    net = Sequential([Dense(3, 1, bias=False)], rng=0)
    net.grad = [-3.0, 0.5, 2.0]
    clip_grad_value(net, np.uint8(1))
    assert net.grad.tolist() == [-1, 0.5, 1]
    net.grad = [1.5e5, 0, 0]
    assert clip_grad_norm(net, np.float16(1)) == 1.5e5
    assert net.grad.tolist() == [1, 0, 0]
    clip_grad_value(net, 1e39)
    assert net.grad.tolist() == [1, 0, 0]


def test_clipping_by_value_refuses_nan_and_names_the_parameter():
    net = network()
    net.grad = 3.0
    net["dense2"].weight.grad[-1] = np.nan
    for clip in (clip_grad_value, clip_grad_norm):
        with pytest.raises(FloatingPointError, match=r"NaN.* in dense2\.weight; lower"):
            clip(net, 1.0)
    assert (net.grad[:12] == 3).all()


@pytest.mark.parametrize("wrong", [None, Dense(2, 2), Sequential, [1.0]])
def test_functions_of_a_network_refuse_other_objects(wrong):
    for call in (
        lambda net: clip_grad_norm(net, 1.0),
        lambda net: clip_grad_value(net, 1.0),
        L1(0.1).penalty,
        L2(0.1).add_gradient,
    ):
        with pytest.raises(TypeError, match=r": expected a Sequential, got"):
            call(wrong)


def test_values_are_clipped_to_the_limit_in_place():
    net = network(np.float32)
    net.grad = np.linspace(-3, 3, net.grad.size)
    before, grad = net.grad.copy(), net.grad
    clip_grad_value(net, 1.25)
    assert net.grad is grad
    np.testing.assert_array_equal(grad, np.minimum(np.maximum(before, -1.25), 1.25))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_clip_grad_norm_raises_for_a_gradient_that_is_not_finite(bad):
    net = network()
    net.grad = 1.0
    net.grad[7] = bad
    with pytest.raises(FloatingPointError, match="the gradient holds NaN or infinity"):
        clip_grad_norm(net, 0.1)
    assert (np.delete(net.grad, 7) == 1).all()


@pytest.mark.parametrize("limit", [0, -1, np.nan, np.inf])
def test_a_limit_out_of_range_raises(limit):
    with pytest.raises(ValueError, match="clip_grad_norm: expected max_norm to be positive"):
        clip_grad_norm(network(), limit)
    with pytest.raises(ValueError, match="clip_grad_value: expected limit to be positive"):
        clip_grad_value(network(), limit)


def test_clipping_leaves_frozen_parameters_out():
    net = network()
    frozen = [net["dense1"].bias, net["prelu1"].slope]
    for param in frozen:
        param.trainable = False
    net.grad = np.linspace(-3, 3, net.grad.size)
    kept = [param.grad.copy() for param in frozen]
    rest = [p.grad.copy() for p in net.params.values() if p.trainable]
    expected = np.sqrt(sum((grad**2).sum() for grad in rest))
    assert clip_grad_norm(net, 1.0) == pytest.approx(expected, rel=1e-14)
    for param, before in zip(frozen, kept, strict=True):
        np.testing.assert_array_equal(param.grad, before)
    trainable = [p.grad for p in net.params.values() if p.trainable]
    assert sum((grad**2).sum() for grad in trainable) == pytest.approx(1.0, rel=1e-14)
    frozen[0].grad[...] = np.nan
    clip_grad_norm(net, 0.5)
    clip_grad_value(net, 1e-3)
    np.testing.assert_array_equal(frozen[1].grad, kept[1])
    assert max(np.abs(grad).max() for grad in trainable) == 1e-3
    trainable[-1][...] = np.nan
    with pytest.raises(FloatingPointError, match="NaN or infinity"):
        clip_grad_norm(net, 0.5)
    for param in net.params.values():
        param.trainable = False
    assert clip_grad_norm(net, 0.5) == 0.0


@pytest.mark.parametrize("clip", [clip_grad_norm, clip_grad_value])
def test_a_limit_that_the_dtype_cannot_hold_is_refused(clip):
    net = Sequential([Dense(2, 1, bias=False)], rng=0)
    net.grad = [1.0, 1.0]
    with pytest.raises(ValueError, match=r"at least 1.2e-38, got 1e-50"):
        clip(net, 1e-50)
    assert net.grad.tolist() == [1.0, 1.0]


def test_a_gradient_beyond_the_dtype_is_infinite_without_a_warning():
    weight = np.ones((1, 1), np.float32)
    assert np.isinf(L2(3e38).gradient(weight)).all()

"""Dense: y = xW + b, three gradients, and errors that name the widths."""

import pickle

import numpy as np
import pytest

from minnet import Dense, Sequential
from minnet.initializers import constant

LAYERS = {
    "wider": lambda: Dense(3, 5),
    "narrower": lambda: Dense(4, 2),
    "without bias": lambda: Dense(3, 4, bias=False),
    "one to one": lambda: Dense(1, 1),
}


@pytest.mark.parametrize("n", [1, 2, 3, 8, 32])
@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_backward_is_the_derivative_of_forward(make, n, layer_errors):
    for seed in range(20):
        errors = layer_errors(make, n, make().in_features, seed)
        assert max(errors.values()) <= 1e-6


def test_the_formula_by_hand():
    dense = Dense(2, 3)
    dense.weight.value = [[1, 2, 3], [4, 5, 6]]
    dense.bias.value = [10, 20, 30]
    y = dense.forward([[1, 1], [2, 0]], training=True)
    np.testing.assert_array_equal(y, [[15, 27, 39], [12, 24, 36]])
    dx = dense.backward([[1, 0, 0], [0, 1, -1]])
    np.testing.assert_array_equal(dx, [[1, 4], [-1, -1]])
    np.testing.assert_array_equal(dense.weight.grad, [[1, 2, -2], [1, 0, 0]])
    np.testing.assert_array_equal(dense.bias.grad, [1, 1, -1])


def test_backward_overwrites_the_gradients_of_the_step_before():
    dense = Dense(3, 2).build(rng=0)
    x, dy = np.ones((4, 3), np.float32), np.ones((4, 2), np.float32)
    for _ in range(2):
        dense.forward(x, training=True)
        dense.backward(dy)
        np.testing.assert_array_equal(dense.weight.grad, np.full((3, 2), 4))
        np.testing.assert_array_equal(dense.bias.grad, [4, 4])


def test_the_bias_gradient_of_many_rows_keeps_float32_precision():
    # In float32, 2**24 + 1 rounds to 2**24, so that a float32 sum would lose the ones.
    dense = Dense(1, 1).build(rng=0)
    dy = np.ones((1001, 1), np.float32)
    dy[0] = 2.0**24
    dense.forward(dy, training=True)
    dense.backward(dy)
    assert dense.bias.grad[0] == 2.0**24 + 1000


def test_without_bias_the_layer_has_a_weight_only():
    dense = Dense(3, 2, bias=False).build(rng=0)
    assert dense.bias is None
    assert list(dense.params) == ["weight"]
    np.testing.assert_array_equal(dense.forward(np.zeros((2, 3)), training=False), np.zeros((2, 2)))


def test_initializers_are_taken_by_name_and_as_functions():
    dense = Dense(3, 2, init=constant, bias_init="constant").build(rng=0)
    np.testing.assert_array_equal(dense.weight.value, np.ones((3, 2)))
    np.testing.assert_array_equal(dense.bias.value, np.ones(2))
    limit = np.sqrt(6 / 500)
    weight = Dense(200, 300).build(rng=0).weight.value
    assert 0.99 * limit < np.abs(weight).max() <= limit


def test_no_gradient_for_the_input_has_no_rows_and_changes_no_parameter_gradient():
    rng = np.random.default_rng(0)
    dense = Dense(3, 2).build(rng=rng)
    x, dy = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    dense.forward(x, training=True)
    dense.backward(dy)
    grads, memory = [param.grad.copy() for param in dense.params.values()], dense.dx
    dense.forward(x, training=True)
    assert dense.backward(dy, input_gradient=False).shape == (0, 3)
    for param, grad in zip(dense.params.values(), grads, strict=True):
        np.testing.assert_array_equal(param.grad, grad)
    dense.forward(x, training=True)
    assert np.shares_memory(dense.backward(dy), memory)


@pytest.mark.parametrize("width", [0, -3])
def test_a_width_below_one_is_refused(width):
    with pytest.raises(
        ValueError, match=f"Dense: expected in_features to be at least 1, got {width}"
    ):
        Dense(width, 2)
    with pytest.raises(
        ValueError, match=f"Dense: expected out_features to be at least 1, got {width}"
    ):
        Dense(2, width)


@pytest.mark.parametrize("width", [2.0, "3", None, True, (3,)])
def test_a_width_that_is_not_an_integer_is_refused(width):
    with pytest.raises(TypeError, match="Dense: expected in_features to be a whole number"):
        Dense(width, 2)


def test_numpy_integers_are_widths():
    assert Sequential([Dense(np.int64(3), np.uint8(2))], rng=0).theta.size == 8


def test_the_description_shows_the_widths():
    assert repr(Dense(784, 100)) == str(Dense(784, 100)) == "Dense(784->100)"


@pytest.mark.parametrize("name", ["init", "bias_init"])
def test_a_network_with_a_local_initializer_can_be_pickled(name):
    net = Sequential([Dense(2, 3, **{name: lambda shape, *, rng, dtype: np.ones(shape, dtype)})])
    twin = pickle.loads(pickle.dumps(net))
    np.testing.assert_array_equal(twin.theta, net.theta)


@pytest.mark.parametrize(
    ("made", "error", "text"),
    [
        ("x", TypeError, "real numbers"),
        (1j, TypeError, "real numbers"),
        (1e39, FloatingPointError, "too large for float32"),
    ],
)
def test_an_initializer_must_return_real_numbers_of_the_dtype(made, error, text):
    with pytest.raises(error, match=text):
        Sequential([Dense(3, 2, init=lambda shape, **options: np.full(shape, made))])

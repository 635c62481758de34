"""Parameters: drawn once, assigned into the array that is there, numbers of their shape alone."""

import copy

import numpy as np
import pytest
from helpers.tried import X

from minnet import Dense, Param, ReLU, Residual, Sequential


def test_a_layer_alone_draws_its_parameters_once():
    dense = Dense(3, 2)
    weight = dense.weight.value
    assert dense.params["weight"] is dense.weight
    dense.forward(X, training=True)
    assert dense.weight.value is weight
    assert dense.build(rng=5).weight.value.tolist() == weight.tolist()


def test_build_settles_seed_and_dtype():
    first, again, other = (Dense(3, 2).build(rng=seed, dtype=np.float64) for seed in (0, 0, 1))
    assert first.weight.value.dtype == first.weight.grad.dtype == np.float64
    np.testing.assert_array_equal(first.weight.value, again.weight.value)
    assert (first.weight.value != other.weight.value).all()
    assert first.forward(X, training=False).dtype == np.float64


@pytest.mark.parametrize("dtype", [np.float16, np.int32, "complex64", "U1"])
def test_a_dtype_other_than_float32_and_float64_is_refused(dtype):
    with pytest.raises(ValueError, match="dtype must be float32 or float64, got"):
        Dense(3, 2).build(dtype=dtype)


def test_assigning_to_a_param_copies_into_the_array_that_is_there():
    param = Param(np.zeros((2, 2)))
    value, grad = param.value, param.grad
    param.value, param.grad = [[1, 2], [3, 4]], 7
    assert param.value is value
    assert param.grad is grad
    assert value.tolist() == [[1, 2], [3, 4]]
    assert grad.tolist() == [[7, 7], [7, 7]]
    with pytest.raises(ValueError, match=r"value has shape \(2, 2\), got \(3,\)"):
        param.value = np.zeros(3)


def test_a_param_of_integers_becomes_float32_with_a_gradient_of_zeros():
    param = Param([1, 2])
    assert param.value.dtype == param.grad.dtype == np.float32
    assert param.grad.tolist() == [0, 0]
    assert Param([1.0, 2.0], [3.0, 4.0]).grad.tolist() == [3, 4]
    assert repr(param) == "Param(shape=(2,), dtype=float32)"


@pytest.mark.parametrize("numbers", [None, "none", [None, 1.0], 1j])
@pytest.mark.parametrize("name", ["value", "grad"])
def test_a_parameter_takes_numbers_alone(name, numbers):
    param = Param([1.0, 2.0], grad=[3.0, 4.0])
    with pytest.raises(TypeError, match=f"a parameter: {name} must be real numbers, got"):
        setattr(param, name, numbers)
    assert (param.value.tolist(), param.grad.tolist()) == ([1, 2], [3, 4])


def test_a_parameter_says_whose_it_is_and_how_its_shape_is_mended():
    alone = Dense(2, 3)
    net = Sequential([Dense(2, 2), Residual(Dense(2, 2), ReLU())], rng=0)
    cases = [
        (alone.weight, np.ones((3, 2)), r"weight: value has shape \(2, 3\), got \(3, 2\); .* \.T$"),
        (alone.bias, [1.0, 2.0], r"bias: .* \(3,\), got \(2,\); give as many numbers, or one"),
        (
            net["dense1"].weight,
            np.ones(2),
            r"^dense1\.weight: value has shape \(2, 2\), got \(2,\)",
        ),
        (net.params["residual1.dense1.bias"], "x", r"^residual1\.dense1\.bias: value must be real"),
        (copy.deepcopy(net)["dense1"].bias, "x", r"^dense1\.bias: value must be real numbers"),
    ]
    for param, numbers, message in cases:
        before = param.value.copy()
        with pytest.raises((TypeError, ValueError), match=message):
            param.value = numbers
        np.testing.assert_array_equal(param.value, before)

"""Parameters: drawn once, assigned by copying into the existing array, of fixed shape."""

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


def test_build_sets_the_dtype_and_draws_from_the_seed():
    first, again, other = (Dense(3, 2).build(rng=seed, dtype=np.float64) for seed in (0, 0, 1))
    assert first.weight.value.dtype == first.weight.grad.dtype == np.float64
    np.testing.assert_array_equal(first.weight.value, again.weight.value)
    assert (first.weight.value != other.weight.value).all()
    assert first.forward(X, training=False).dtype == np.float64


@pytest.mark.parametrize("dtype", [np.float16, np.int32, "complex64", "U1"])
def test_a_dtype_other_than_float32_and_float64_is_refused(dtype):
    with pytest.raises(ValueError, match="dtype: expected float32 or float64, got"):
        Dense(3, 2).build(dtype=dtype)


def test_assigning_to_a_param_copies_into_the_existing_array():
    param = Param(np.zeros((2, 2)))
    value, grad = param.value, param.grad
    param.value, param.grad = [[1, 2], [3, 4]], 7
    assert param.value is value
    assert param.grad is grad
    assert value.tolist() == [[1, 2], [3, 4]]
    assert grad.tolist() == [[7, 7], [7, 7]]
    with pytest.raises(ValueError, match=r"expected value of shape \(2, 2\), got \(3,\)"):
        param.value = np.zeros(3)


def test_a_param_of_integers_becomes_float32_with_a_gradient_of_zeros():
    param = Param([1, 2])
    assert param.value.dtype == param.grad.dtype == np.float32
    assert param.grad.tolist() == [0, 0]
    assert repr(param) == "Param(shape=(2,), dtype=float32)"


@pytest.mark.parametrize("numbers", [None, "none", [None, 1.0], 1j])
@pytest.mark.parametrize("name", ["value", "grad"])
def test_a_parameter_accepts_only_real_numbers(name, numbers):
    param = Param([1.0, 2.0])
    param.grad = [3.0, 4.0]
    with pytest.raises(
        TypeError, match=f"a parameter: expected {name} as (real numbers|an array), got"
    ):
        setattr(param, name, numbers)
    assert (param.value.tolist(), param.grad.tolist()) == ([1, 2], [3, 4])


def test_an_assignment_of_a_wrong_shape_names_the_parameter_and_the_repair():
    alone = Dense(2, 3)
    net = Sequential([Dense(2, 2), Residual(Dense(2, 2), ReLU())], rng=0)
    cases = [
        (
            alone.weight,
            np.ones((3, 2)),
            r"weight: expected value of shape \(2, 3\), got \(3, 2\); .*value\.T$",
        ),
        (
            alone.bias,
            [1.0, 2.0],
            r"bias: .* \(3,\), got \(2,\); assign one number for each entry, or a",
        ),
        (
            net["dense1"].weight,
            np.ones(2),
            r"^dense1\.weight: expected value of shape \(2, 2\), got \(2,\)",
        ),
        (
            net.params["residual1.dense1.bias"],
            "x",
            r"^residual1\.dense1\.bias: expected value as real",
        ),
        (copy.deepcopy(net)["dense1"].bias, "x", r"^dense1\.bias: expected value as real numbers"),
    ]
    for param, numbers, message in cases:
        before = param.value.copy()
        with pytest.raises((TypeError, ValueError), match=message):
            param.value = numbers
        np.testing.assert_array_equal(param.value, before)


def test_reading_a_parameter_does_not_change_the_draws_of_a_seeded_network():
    read, unread = Dense(3, 2), Dense(3, 2)
    assert read.weight.value.shape == (3, 2)
    nets = [Sequential([dense, Dense(2, 2)], rng=0) for dense in (read, unread)]
    np.testing.assert_array_equal(nets[0].theta, nets[1].theta)
    built = Dense(3, 2)
    weight = built.weight
    assert built.build(rng=0).weight is weight
    np.testing.assert_array_equal(weight.value, Dense(3, 2).build(rng=0).weight.value)


def test_assigned_values_are_kept_and_do_not_change_the_other_draws():
    by_hand, in_place = Dense(3, 2), Dense(3, 2)
    by_hand.weight.value = np.arange(6).reshape(3, 2)
    in_place.weight.value[0, 0] = 7
    expected = in_place.weight.value.copy()
    nets = [Sequential([dense, Dense(2, 2)], rng=0) for dense in (by_hand, in_place, Dense(3, 2))]
    np.testing.assert_array_equal(nets[0]["dense1"].weight.value, np.arange(6).reshape(3, 2))
    np.testing.assert_array_equal(nets[1]["dense1"].weight.value, expected)
    for net in nets[:2]:
        np.testing.assert_array_equal(net["dense2"].weight.value, nets[2]["dense2"].weight.value)


@pytest.mark.parametrize(
    ("numbers", "error"),
    [
        (None, TypeError),
        ("0.1", TypeError),
        ([1j] * 8, TypeError),
        (np.ma.masked_array(np.ones(8), np.ones(8, bool)), TypeError),
        (np.zeros(8, "datetime64[s]"), TypeError),
        ([7.0], ValueError),
        (np.zeros((8, 1)), ValueError),
        ([np.nan] * 8, FloatingPointError),
        (np.inf, FloatingPointError),
        (3.5e38, FloatingPointError),
    ],
)
@pytest.mark.parametrize("name", ["theta", "grad"])
def test_what_is_assigned_to_theta_and_grad_is_validated(name, numbers, error):
    net = Sequential([Dense(3, 2)], rng=0)
    net.grad = 1.0
    before = getattr(net, name).copy()
    with pytest.raises(error, match=name):
        setattr(net, name, numbers)
    np.testing.assert_array_equal(getattr(net, name), before)


def test_a_parameter_does_not_share_memory_with_the_array_that_it_was_made_of():
    array = np.ones(3)
    Param(array).value = 2.0
    assert array.tolist() == [1, 1, 1]


def test_a_gradient_may_be_changed_in_place():
    param = Param(np.ones(2))
    param.grad += [1.0, 2.0]
    param.grad *= 2
    assert param.grad.tolist() == [2, 4]


def test_a_param_belongs_to_one_layer():
    gain, one, other = Param([1.0, 2.0]), ReLU(), ReLU()
    one.params["gain"] = gain
    one.params["gain"] = gain
    with pytest.raises(ValueError, match=r"expected a new Param, got that of 'gain'"):
        other.params["gain"] = gain
    with pytest.raises(ValueError, match="expected a new Param"):
        one.params["twin"] = gain
    assert list(one.params) == ["gain"]
    assert not other.params

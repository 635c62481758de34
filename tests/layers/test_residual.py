"""Residual: y = x + F(x), with the gradient of both terms, and a branch that keeps the width."""

import numpy as np
import pytest

from minnet import BatchNorm, Dense, Dropout, LayerNorm, ReLU, Residual, Sequential, Tanh

LAYERS = {
    "dense": lambda: Residual(Dense(3, 3)),
    "two dense": lambda: Residual(Dense(3, 5), Tanh(), Dense(5, 3)),
    "widthless": lambda: Residual(Tanh()),
    "nested": lambda: Residual(LayerNorm(3, eps=0.1), Residual(Dense(3, 3), Tanh())),
}


@pytest.mark.parametrize("n", [2, 3, 8, 32])
@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_backward_is_the_derivative_of_forward(make, n, layer_errors):
    for seed in range(20):
        assert max(layer_errors(make, n, 3, seed).values()) <= 1e-6


def test_forward_adds_x_and_backward_adds_dy():
    residual = Residual(Dense(2, 2)).build(rng=0, dtype=np.float64)
    dense = residual["dense1"]
    x, dy = np.array([[1.0, 2.0]]), np.array([[3.0, -4.0]])
    y = residual.forward(x, training=True)
    np.testing.assert_array_equal(y, x + dense.y)
    np.testing.assert_allclose(dense.y, x @ dense.weight.value, rtol=1e-15)
    dx = residual.backward(dy)
    np.testing.assert_array_equal(dx, dy + dense.dx)
    np.testing.assert_allclose(dense.dx, dy @ dense.weight.value.T, rtol=1e-15)


def test_a_branch_of_zeros_is_the_identity_in_both_directions():
    residual = Residual(Dense(3, 3, init="zeros"), ReLU())
    x, dy = np.random.default_rng(0).normal(size=(2, 4, 3)).astype(np.float32)
    np.testing.assert_array_equal(residual.forward(x, training=True), x)
    np.testing.assert_array_equal(residual.backward(dy), dy)


def test_a_branch_that_changes_the_width_is_refused():
    with pytest.raises(
        ValueError,
        match=r"expected a branch that keeps the width, got 3 in and 4 out; .*equal widths",
    ):
        Residual(Dense(3, 4))


def test_widths_within_the_branch_are_checked():
    message = r"'dense2' Dense\(5->3\): expected input \(n, 5\), got \(n, 4\); .*out_features=4"
    with pytest.raises(ValueError, match=message):
        Residual(Dense(3, 4), Dense(5, 3))


def test_an_input_that_is_not_as_wide_as_the_branch_is_refused():
    with pytest.raises(ValueError, match=r"expected x of shape \(n, 3\), got \(4, 2\)"):
        Residual(Tanh(), Dense(3, 3)).forward(np.ones((4, 2)), training=False)


def test_no_layers_are_refused():
    with pytest.raises(
        TypeError, match=r"Residual: expected a list of at least one layer, got \(\)"
    ):
        Residual()


def test_parameters_and_state_of_inner_layers_have_dotted_names():
    net = Sequential([Dense(2, 3), Residual(BatchNorm(3), Dense(3, 3), Residual(Dense(3, 3)))])
    assert list(net.params) == [
        "dense1.weight", "dense1.bias",
        "residual1.batchnorm1.gamma", "residual1.batchnorm1.beta",
        "residual1.dense1.weight", "residual1.dense1.bias",
        "residual1.residual1.dense1.weight", "residual1.residual1.dense1.bias",
    ]  # fmt: skip
    assert list(net.state) == [
        "residual1.batchnorm1.running_mean",
        "residual1.batchnorm1.running_var",
    ]
    assert net["residual1.dense1"] is net["residual1"]["dense1"]
    assert net["residual1.residual1.dense1"] is net["residual1"].layers[2].layers[0]
    assert np.shares_memory(net["residual1.dense1"].weight.value, net.theta)


def test_inner_layers_built_from_one_seed_have_different_weights():
    residual = Residual(Dense(3, 3), Dense(3, 3)).build(rng=0)
    first, second = residual.layers
    assert (first.weight.value != second.weight.value).all()
    again = Residual(Dense(3, 3), Dense(3, 3)).build(rng=0)
    np.testing.assert_array_equal(second.weight.value, again.layers[1].weight.value)


def test_training_and_prediction_differ_inside_the_branch():
    residual = Residual(Dropout(0.5)).build(rng=0)
    x = np.ones((8, 8), np.float32)
    np.testing.assert_array_equal(residual.forward(x, training=False), 2 * x)
    assert set(np.unique(residual.forward(x, training=True))) == {1, 3}


def test_the_description_lists_the_layers():
    assert repr(Residual(Dense(3, 3), ReLU())) == "Residual(Dense(3->3), ReLU())"


def test_a_list_of_layers_is_refused_with_the_right_call():
    with pytest.raises(
        TypeError, match=r"expected layers as arguments, got a list; write Residual\(Dense"
    ):
        Residual([Dense(3, 3), Tanh()])

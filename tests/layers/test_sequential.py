"""Sequential: gradients, names of layers, and errors at construction."""

import numpy as np
import pytest
from helpers.networks import everything, views_hold

from minnet import BatchNorm, Dense, Layer, Param, ReLU, Residual, Sequential, Tanh
from minnet.checks import check_layer

# Gradients.


@pytest.mark.parametrize("n", [2, 3, 8, 32])
def test_backward_is_the_derivative_of_the_whole_network(n, slopes):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        net = Sequential(
            [Dense(3, 4), BatchNorm(4, eps=0.1), Tanh(), Residual(Dense(4, 4)), Dense(4, 2)],
            rng=rng,
            dtype=np.float64,
        )
        x, dy = rng.normal(size=(n, 3)), rng.normal(size=(n, 2))

        def value(net=net, x=x, dy=dy):
            return np.sum(net.forward(x, training=True) * dy)

        value()
        dx = net.backward(dy).copy()
        expected = slopes(value, net.theta)
        assert np.abs(net.grad - expected).max() <= 1e-6 * np.abs(expected).max()
        expected = slopes(value, x)
        assert np.abs(dx - expected).max() <= (1e-4 if n == 2 else 1e-6) * np.abs(expected).max()


def test_a_network_of_every_kind_passes_the_public_check():
    errors = check_layer(everything(), (5, 4))
    assert {"dx", "prelu1.slope", "residual1.layernorm1.gamma", "groupnorm1.beta"} <= set(errors)


# Names.


def test_layers_are_named_by_kind_and_count_unless_by_hand():
    layers = [Dense(4, 4), ReLU(), ("mine", Dense(4, 4)), ReLU(), Dense(4, 4)]
    net = Sequential(layers)
    assert [layer.name for layer in net.layers] == ["dense1", "relu1", "mine", "relu2", "dense3"]
    assert [layer.position for layer in net.layers] == [1, 2, 3, 4, 5]
    assert net["mine"] is layers[2][1]
    assert str(net["mine"]) == "layer 3 'mine' Dense(4->4)"


def test_a_layer_within_a_residual_has_a_dotted_name_in_messages():
    net = Sequential([Dense(4, 3), Residual(Dense(3, 3))])
    assert str(net["residual1.dense1"]) == "layer 1 'residual1.dense1' Dense(3->3)"


def test_an_unknown_name_raises_an_error_that_lists_all_names():
    with pytest.raises(KeyError) as caught:
        everything()["dense9"]
    assert "no layer 'dense9'; expected one of dense1, batchnorm1, prelu1, residual1," in str(
        caught.value
    )
    assert "residual1.dense1" in str(caught.value)


@pytest.mark.parametrize("name", ["dense1", "a.b", "a\0b"])
def test_repeated_names_and_names_with_a_dot_are_refused(name):
    with pytest.raises(
        ValueError, match=r"Sequential: expected different names without a dot, got .*dense1"
    ):
        Sequential([Dense(2, 2), (name, Dense(2, 2))])


def test_the_description_lists_the_layers():
    net = Sequential([Dense(4, 3), Residual(Dense(3, 3)), ReLU()])
    assert repr(net) == "Sequential([Dense(4->3), Residual(Dense(3->3)), ReLU()])"


# Errors at construction.


def test_widths_that_do_not_fit_name_the_layer_and_the_one_before():
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        Sequential([Dense(784, 128), ReLU(), BatchNorm(64)])
    assert str(caught.value) == (
        "layer 3 'batchnorm1' BatchNorm(64): expected input (n, 64), got (n, 128); "
        "the Dense before it has out_features=128"
    )


def test_widths_are_those_of_the_first_and_last_layer_that_has_one():
    net = Sequential([ReLU(), Dense(3, 5), Tanh()])
    assert (net.in_features, net.out_features) == (3, 5)
    assert Sequential([ReLU()]).in_features is None


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([], r"expected a list of at least one layer, got \[\]"),
        (Dense(2, 2), r"expected a list of at least one layer, got Dense\(2->2\)"),
        (None, "expected a list of at least one layer, got None"),
        ([Dense(2, 2), "relu"], "item 2: expected a Layer, got 'relu'$"),
        ([Dense], r"item 1: expected a Layer.*; create one: Dense\(\.\.\.\)"),
        (
            [Sequential([Dense(2, 2)])],
            r"item 1: expected a layer, got the network .*; create its layers in one list",
        ),
    ],
)
def test_an_argument_that_is_not_a_list_of_layers_is_refused(layers, message):
    with pytest.raises(TypeError, match=f"Sequential: {message}"):
        Sequential(layers)


def test_a_layer_that_is_in_use_is_refused():
    dense = Dense(2, 2)
    net = Sequential([dense])
    theta = net.theta.copy()
    for again in ([dense], [Residual(dense)] if not dense._bound else [ReLU(), dense]):
        with pytest.raises(
            ValueError, match=r"Dense\(2->2\) is in use already; create a new layer"
        ):
            Sequential(again)
    with pytest.raises(ValueError, match=r"item 2: .* is in use already"):
        Sequential([shared := ReLU(), shared])
    np.testing.assert_array_equal(net.theta, theta)
    views_hold(net)


@pytest.mark.parametrize(
    "refused",
    [
        lambda layer: Sequential([layer, Dense(9, 9)]),
        lambda layer: Sequential([layer], dtype=int),
        lambda layer: Sequential([layer], rng="seed"),
        Residual,
        lambda layer: Sequential([layer, Sequential([Dense(8, 8)])]),
        lambda layer: Sequential([layer, ("dense1", Dense(8, 8))]),
    ],
)
def test_a_layer_of_a_refused_network_can_be_used_in_another(refused):
    layer = Dense(4, 8)
    with pytest.raises((TypeError, ValueError)):
        refused(layer)
    net = Sequential([Dense(4, 4), layer], rng=0)
    assert [layer.name for layer in net.layers] == ["dense1", "dense2"]


def test_a_parameter_that_would_not_be_trained_is_refused():
    class Forgetful(Layer):
        def __init__(self):
            self.gain = Param(np.ones(3))

    with pytest.raises(TypeError, match=r"self\.gain holds Param.*self\.params\['gain'\]"):
        Sequential([Dense(4, 3), Forgetful()])


@pytest.mark.parametrize("value", [np.zeros((4, 4)), np.full((4, 3), np.nan)])
def test_an_initializer_that_returns_a_wrong_array_is_refused(value):
    with pytest.raises(ValueError, match=r"Dense\(4->3\).*finite numbers of shape \(4, 3\)"):
        Sequential([Dense(4, 3, init=lambda shape, *, rng, dtype: value)])


# Mistakes that would otherwise go unnoticed.


def test_the_layers_of_a_network_cannot_be_replaced():
    net = Sequential([Dense(4, 3)], rng=0)
    with pytest.raises(TypeError):
        net.layers[0] = Dense(4, 3)


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        (lambda: Sequential(Dense(4, 3), ReLU()), TypeError, "one list"),
        (
            lambda: Sequential([(3, Dense(4, 3))]),
            TypeError,
            r"expected names as strings, got \[3\]",
        ),
        (lambda: Sequential([Dense(4, 3)])(np.zeros((1, 4))), TypeError, r"predict\(x\)"),
        (lambda: Sequential([Dense(4, 3)])[0], KeyError, r"net\.layers\[0\]"),
    ],
)
def test_calls_from_other_frameworks_are_refused_with_the_right_call(wrong, error, words):
    with pytest.raises(error, match=words):
        wrong()


@pytest.mark.parametrize("item", [(ReLU(),), (), ("a", ReLU(), 1)])
def test_an_item_that_is_no_pair_is_a_type_error(item):
    with pytest.raises(TypeError, match=r"Sequential: expected layers or pairs \(name, layer\)"):
        Sequential([item])

"""Recommendations: the rule for an activation and a depth, and the reason."""

import math
from functools import partial

import numpy as np
import pytest

from minnet.initializers import DEEP, get, orthogonal, recommend
from minnet.layers.dense import Dense


class LeakyReLU:
    """A class with the name of a layer, which is all that `recommend` uses."""


@pytest.mark.parametrize(
    ("activations", "name"),
    [
        (["relu", "ReLU", "leaky_relu", "prelu", "elu", "silu", "Swish", "gelu"], "he_normal"),
        ([LeakyReLU, LeakyReLU()], "he_normal"),
        (["sigmoid", "Tanh", "softmax", "linear"], "glorot_normal"),
    ],
)
def test_he_for_relu_and_its_variants_and_xavier_for_the_others(activations, name):
    for activation in activations:
        assert recommend(activation).name == name
        assert recommend(activation, depth=DEEP - 1).name == name


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_orthogonal_weights_are_recommended_for_deep_networks(activation):
    for depth in (DEEP, 10 * DEEP):
        assert recommend(activation, depth=depth).name == "orthogonal"


def test_a_network_of_ten_weight_layers_is_deep_and_one_of_nine_is_not():
    assert recommend("tanh", depth=10).name == "orthogonal"
    assert recommend("tanh", depth=9).name != "orthogonal"


def test_the_reason_contains_the_gain_for_deep_relu_networks():
    assert "partial(orthogonal, gain=2**0.5)" in recommend("relu", depth=DEEP).reason
    assert "gain" not in recommend("tanh", depth=DEEP).reason


def test_the_reason_states_how_far_the_signal_shrinks_at_any_depth():
    assert "factor of about 2^25;" in recommend("relu", 50).reason + ";"
    assert "2^1.07374e+09" in recommend("relu", 2**31).reason


def test_get_accepts_every_recommended_name():
    for activation in ("relu", "tanh"):
        for depth in (None, DEEP):
            assert callable(get(recommend(activation, depth).name))


def test_the_recommended_rule_keeps_the_signal_through_a_deep_network():
    depth, rows = 20, np.random.default_rng(0).standard_normal((64, 100))
    for init, low, high in [
        (get(recommend("relu").name), 0.3, 3.0),
        (partial(orthogonal, gain=2**0.5), 0.3, 3.0),
        (orthogonal, 0.0, 2e-3),  # without the gain the signal shrinks by 2^(-20/2)
    ]:
        rng, y = np.random.default_rng(1), rows
        for _ in range(depth):
            y = np.maximum(y @ init((100, 100), rng=rng, dtype=np.float64), 0)
        assert low < math.sqrt((y**2).mean() / (rows**2).mean()) < high


def test_an_unknown_activation_raises_with_the_known_ones():
    with pytest.raises(ValueError, match=r"recommend: expected one of relu, .*, got .maxout."):
        recommend("maxout")
    with pytest.raises(ValueError, match=r"recommend: .* got .Dense."):
        recommend(Dense)


@pytest.mark.parametrize(("depth", "error"), [(0, ValueError), (2.5, TypeError)])
def test_an_invalid_depth_raises(depth, error):
    with pytest.raises(error, match="recommend: expected depth"):
        recommend("relu", depth=depth)

"""Setups: validation, JSON, and the network, loss and optimizer they build."""

import json
import math

import numpy as np
import pytest

from minnet import check_layer, datasets, evaluate, initializers, train_step
from minnet.experiments.setup import (
    ACTIVATIONS,
    LOSSES,
    OPTIMIZERS,
    LogOfClipped,
    Setup,
    load,
)
from minnet.layers.dense import Dense
from minnet.layers.residual import Residual
from minnet.layers.sequential import Sequential
from minnet.losses import SoftmaxCrossEntropy

SMALL = Setup(data="digits", hidden=(8, 6), rows=40)


def kinds(net: Sequential) -> list[str]:
    return [type(layer).__name__ for layer in net.layers]


# Values


def test_a_setup_comes_back_from_json_equal_with_the_same_hash():
    setup = SMALL.but(measures=("likeness",), clip_norm=1.0, bias=False, init="torch", seed=3)
    again = Setup(**json.loads(json.dumps(setup.as_dict())))
    assert again == setup
    assert hash(again) == hash(setup)
    assert again.hidden == (8, 6)


def test_but_changes_only_the_given_values():
    changed = SMALL.but(seed=7, lr=0.5)
    differ = {name for name in vars(SMALL) if getattr(SMALL, name) != getattr(changed, name)}
    assert differ == {"seed", "lr"}
    assert (changed.seed, changed.lr) == (7, 0.5)


def test_equal_setups_give_equal_json():
    plain = Setup(hidden=(8,), lr=1.0, weight_scale=2.0, epochs=3, seed=1)
    given = Setup(hidden=[8], lr=1, weight_scale=2, epochs=3, seed=1)
    assert json.dumps(given.as_dict()) == json.dumps(plain.as_dict())


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"data": "cifar"}, ["data 'cifar'", "mnist, fashion_mnist, digits, iris, iris_article"]),
        ({"scaling": "none"}, ["scaling 'none'", "unit, centred, bytes"]),
        ({"activation": "relux"}, ["activation 'relux'", *ACTIVATIONS]),
        ({"weight_sign": "minus"}, ["weight_sign 'minus'", "both, positive, negative"]),
        ({"loss": "hinge"}, ["loss 'hinge'", *LOSSES]),
        ({"optimizer": "lion"}, ["optimizer 'lion'", *OPTIMIZERS]),
        ({"l1": 1e-3, "l2": 1e-3}, ["l1 and l2 cannot both be positive", "0.001 and 0.001"]),
        *(
            ({name: -1}, [f"expected {name} to be ", "got -1"])
            for name in (
                "rows",
                "weight_scale",
                "dropout",
                "lr",
                "momentum",
                "l1",
                "l2",
                "clip_norm",
                "batch_size",
                "epochs",
                "seed",
            )
        ),
        ({"hidden": (8, 0)}, ["expected hidden to be at least 1, got 0"]),
        ({"lr": math.nan}, ["expected lr to be non-negative and finite, got nan"]),
    ],
)
def test_invalid_values_are_errors(wrong, words):
    with pytest.raises(ValueError, match=r"^Setup: ") as error:
        Setup(**{"hidden": (8,), **wrong})
    for word in words:
        assert word in str(error.value)


def test_but_validates_the_new_values():
    with pytest.raises(ValueError, match="Setup: unknown activation"):
        SMALL.but(activation="step")


# The network.


def test_build_depends_on_the_seed_alone():
    setup = SMALL.but(init="torch", dropout=0.5)
    first, again, other = setup.build(), setup.build(), setup.but(seed=1).build()
    np.testing.assert_array_equal(first.theta, again.theta)
    assert not np.array_equal(first.theta, other.theta)
    x = load("digits").x[:10]
    dropped = first.forward(x, training=True)
    np.testing.assert_array_equal(dropped, again.forward(x, training=True))


def test_widths_follow_data_hidden_layers_and_classes():
    shapes = [
        (layer.in_features, layer.out_features)
        for _, layer in SMALL.but(data="iris", rows=None).build().walk()
        if isinstance(layer, Dense)
    ]
    assert shapes == [(4, 8), (8, 6), (6, 3)]


def test_the_output_has_all_classes_even_if_the_first_rows_lack_some():
    assert len(np.unique(load("digits", rows=3).labels)) <= 3
    assert SMALL.but(rows=3).build().out_features == 10


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_comes_after_each_hidden_layer(activation):
    net = SMALL.but(activation=activation).build()
    name = ACTIVATIONS[activation].__name__
    assert kinds(net) == ["Dense", name, "Dense", name, "Dense"]
    x = np.array([[-3.0, -2.0, -0.5, -1e-3, 0.0, 0.5, 1.0, 2.0]])
    expected = {
        "sigmoid": 1 / (1 + np.exp(-x)),
        "tanh": np.tanh(x),
        "relu": np.maximum(x, 0),
        "leaky_relu": np.where(x > 0, x, 0.01 * x),
        "prelu": np.where(x > 0, x, 0.25 * x),
        "elu": np.where(x > 0, x, np.expm1(x)),
        "swish": x / (1 + np.exp(-x)),
        "gelu": x * np.array([[math.erfc(-v / math.sqrt(2)) / 2 for v in x[0]]]),
    }
    y = net.layers[1].forward(x, training=False)
    np.testing.assert_allclose(y, expected[activation], atol=1e-3 if activation == "gelu" else 1e-6)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_lowers_the_loss_with_the_requested_lr(optimizer):
    setup = SMALL.but(optimizer=optimizer, lr=0.003, momentum=0.5)
    net, data, loss = setup.build(), load("digits", rows=40), setup.make_loss()
    made = setup.make_optimizer(net)
    assert type(made) is OPTIMIZERS[optimizer]
    assert made.lr == 0.003
    assert getattr(made, "momentum", 0.5) == 0.5
    before = evaluate(net, data.x, data.labels, loss)["loss"]
    for _ in range(20):
        train_step(net, data.x, data.labels, loss=loss, optimizer=made)
    assert evaluate(net, data.x, data.labels, loss)["loss"] < before


def test_every_loss_is_a_new_one_each_time():
    for name, kind in LOSSES.items():
        setup = SMALL.but(loss=name)
        assert type(setup.make_loss()) is kind
        assert setup.make_loss() is not setup.make_loss()


def test_the_penalty_is_the_requested_one():
    net = SMALL.build()
    weights = [layer.weight.value.astype(float) for layer in net.layers[::2]]
    assert SMALL.make_regularizer() is None
    absolute = SMALL.but(l1=0.1).make_regularizer().penalty(net)
    squared = SMALL.but(l2=0.1).make_regularizer()
    assert absolute == pytest.approx(0.1 * sum(abs(w).sum() for w in weights), rel=1e-5)
    assert squared.penalty(net) == pytest.approx(
        SMALL.but(l2=0.2).make_regularizer().penalty(net) / 2, rel=1e-6
    )
    assert type(squared).__name__ == "L2"


RULES = [
    f"{rule}_{kind}"
    for rule in ("glorot", "he", "lecun", "xavier", "kaiming")
    for kind in ("normal", "uniform")
]
INITS = ["zeros", "constant", "normal", "uniform", "orthogonal", *RULES]


@pytest.mark.parametrize("init", INITS)
def test_every_initializer_draws_the_same_weights_as_outside_a_setup(init):
    net = SMALL.but(init=init, seed=5).build()
    first = getattr(initializers, init)((64, 8), rng=np.random.default_rng(5), dtype=np.float32)
    np.testing.assert_array_equal(net.layers[0].weight.value, first)
    assert not any(layer.bias.value.any() for layer in net.layers[::2])


def test_torch_initializes_like_pytorch():
    """Weight and bias uniform within 1/√fan_in: kaiming_uniform_ with a = √5, and its bias."""
    net = Setup(data="digits", hidden=(400, 100), init="torch").build()
    for layer, fan_in in zip(net.layers[::2], (64, 400, 100), strict=True):
        limit = 1 / math.sqrt(fan_in)
        for values in (layer.weight.value, layer.bias.value):
            assert abs(values).max() <= np.float32(limit)
            assert values.max() > 0.5 * limit
            assert values.min() < -0.5 * limit
        assert layer.weight.value.std() == pytest.approx(limit / math.sqrt(3), rel=0.06)


def test_weight_scale_multiplies_weights_of_all_layers_and_no_bias():
    plain = SMALL.but(init="torch").build()
    scaled = SMALL.but(init="torch", weight_scale=3.0).build()
    for first, second in zip(plain.layers[::2], scaled.layers[::2], strict=True):
        np.testing.assert_allclose(second.weight.value, 3 * first.weight.value, rtol=1e-6)
        np.testing.assert_array_equal(second.bias.value, first.bias.value)


@pytest.mark.parametrize(("sign", "factor"), [("positive", 1), ("negative", -1)])
def test_weight_sign_changes_the_signs_of_hidden_layers_only(sign, factor):
    plain, signed = SMALL.build(), SMALL.but(weight_sign=sign).build()
    *hidden, output = zip(plain.layers[::2], signed.layers[::2], strict=True)
    for first, second in hidden:
        np.testing.assert_array_equal(second.weight.value, factor * abs(first.weight.value))
    np.testing.assert_array_equal(output[0].weight.value, output[1].weight.value)


def test_batchnorm_is_before_the_activation_and_replaces_the_bias():
    net = SMALL.but(batchnorm=True).build()
    assert kinds(net) == ["Dense", "BatchNorm", "ReLU", "Dense", "BatchNorm", "ReLU", "Dense"]
    assert [layer.bias is None for layer in net.layers[::3]] == [True, True, False]


def test_layernorm_is_before_the_activation_and_keeps_the_bias() -> None:
    net = SMALL.but(layernorm=True).build()
    assert kinds(net) == ["Dense", "LayerNorm", "ReLU", "Dense", "LayerNorm", "ReLU", "Dense"]
    assert [layer.in_features for layer in net.layers[1::3]] == [8, 6]
    assert all("bias" in layer.params for layer in net.layers[::3])


@pytest.mark.parametrize(("batchnorm", "bias"), [(True, True), (False, False)])
def test_bias_can_be_requested_or_left_out(batchnorm, bias):
    net = SMALL.but(batchnorm=batchnorm, bias=bias).build()
    found = [layer.bias is not None for layer in net.layers if isinstance(layer, Dense)]
    assert found == [bias, bias, True]


def test_skip_connections_are_only_around_layers_that_keep_the_width():
    net = SMALL.but(hidden=(8, 8, 6, 6), residual=True, batchnorm=True, dropout=0.1).build()
    assert [type(layer) is Residual for layer in net.layers].count(True) == 2
    block = ["Dense", "BatchNorm", "ReLU", "Dropout"]
    assert kinds(net) == [*block, "Residual", *block, "Residual", "Dense"]
    assert kinds(net.layers[4]) == block


def test_dropout_is_after_each_activation():
    net = SMALL.but(dropout=0.25).build()
    assert kinds(net) == ["Dense", "ReLU", "Dropout", "Dense", "ReLU", "Dropout", "Dense"]
    assert net.layers[2].p == 0.25


# A network without an output layer.


def test_without_an_output_layer_the_loss_is_that_of_keras():
    """-log(y_t / Σ y) of the last hidden units y, clipped to [1e-7, 1 - 1e-7]."""
    setup = SMALL.but(hidden=(12, 10), output=False)
    net, data = setup.build(), load("digits", rows=40)
    assert kinds(net) == ["Dense", "ReLU", "Dense", "ReLU", "LogOfClipped"]
    x, y = data.x.astype(np.float64), None
    for layer in net.layers[:4:2]:
        y = np.maximum(x @ layer.weight.value + layer.bias.value, 0)
        x = y
    y = np.clip(y, 1e-7, 1 - 1e-7)
    expected = -np.log(y[np.arange(40), data.labels] / y.sum(axis=1)).mean()
    found = setup.make_loss().forward(net.predict(data.x), data.labels)
    assert found == pytest.approx(expected, rel=1e-5)


def test_log_of_clipped_is_the_logarithm_inside_the_limits_and_constant_outside():
    layer = LogOfClipped()
    x = np.array([[-3.0, 0.0, 1e-6, 0.25, 1.0, 7.0]])
    y = layer.forward(x, training=True)
    low, high = math.log(1e-7), math.log(1 - 1e-7)
    np.testing.assert_allclose(y[0, :4], [low, low, math.log(1e-6), math.log(0.25)], rtol=1e-6)
    np.testing.assert_allclose(y[0, 4:], high, atol=5e-8)
    dx = layer.backward(np.full_like(x, 2.0))
    np.testing.assert_allclose(dx, [[0, 0, 2e6, 8, 0, 0]], rtol=1e-6)


def test_log_of_clipped_has_the_right_gradient(slopes):
    layer = LogOfClipped().build(dtype=np.float64)
    rng = np.random.default_rng(0)
    x = rng.uniform(0.05, 0.95, size=(5, 4))  # away from the edges, where there is no slope
    x[0], x[1] = -0.5, 1.5
    dy = rng.normal(size=x.shape)
    layer.forward(x, training=True)
    found = layer.backward(dy).copy()
    expected = slopes(lambda: np.sum(layer.forward(x, training=True) * dy), x)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)
    assert not found[:2].any()
    assert check_layer(LogOfClipped(), (4, 3), rng=2)["dx"] < 1e-6


def test_a_loss_of_logits_is_what_the_layer_is_for():
    assert isinstance(SMALL.but(hidden=(10,), output=False).make_loss(), SoftmaxCrossEntropy)


# The data.


def test_scalings_give_their_range_of_pixels():
    (x, labels), (x_test, labels_test) = datasets.digits()
    for scaling, expected in (("unit", x), ("centred", (x - 0.5) / 0.5), ("bytes", x * 255)):
        data = load("digits", scaling)
        np.testing.assert_allclose(data.x, expected, rtol=1e-6)
        assert data.x.dtype == np.float32
        np.testing.assert_array_equal(data.labels, labels)
        np.testing.assert_array_equal(data.labels_test, labels_test)
    assert load("digits", "centred").x_test.min() == -1
    assert load("digits", "centred").x_test.max() == 1
    np.testing.assert_array_equal(load("digits").x_test, x_test)


def test_rows_are_the_first_ones_and_the_test_rows_stay():
    everything, some = load("digits"), load("digits", rows=25)
    np.testing.assert_array_equal(some.x, everything.x[:25])
    np.testing.assert_array_equal(some.labels, everything.labels[:25])
    np.testing.assert_array_equal(some.x_test, everything.x_test)
    assert some.classes == everything.classes == 10


def test_iris_is_standardised_by_its_training_rows():
    (x, _), (x_test, _) = datasets.iris(rng=42)
    mean, std = x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64)
    data = load("iris")
    np.testing.assert_allclose(data.x, (x - mean) / std, atol=1e-5)
    np.testing.assert_allclose(data.x_test, (x_test - mean) / std, atol=1e-5)
    assert data.x.dtype == np.float32


def test_the_articles_iris_is_standardised_before_an_unstratified_split():
    data = load("iris_article")
    assert np.bincount(data.labels_test).tolist() == [10, 9, 11]
    together = np.vstack([data.x, data.x_test]).astype(np.float64)
    np.testing.assert_allclose(together.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(together.std(axis=0), 1, atol=1e-6)
    assert abs(data.x.mean(axis=0)).max() > 0.01


@pytest.mark.parametrize("name", ["digits", "iris", "iris_article"])
def test_loaded_data_are_read_only(name):
    data = load(name, rows=20)
    for array in (data.x, data.labels, data.x_test, data.labels_test):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1

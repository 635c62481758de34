"""Non-finite numbers in a network: the error names the layer where they arose."""

import numpy as np
import pytest
from helpers.networks import X, everything, step

from minnet import (
    SGD,
    BatchNorm,
    Dense,
    Dropout,
    Layer,
    MeanSquaredError,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
    SoftmaxCrossEntropy,
    Tanh,
    train_step,
)

# Outputs.


def test_float32_overflow_names_the_layer_where_it_arose():
    for training in (True, False):
        net = Sequential([Dense(4, 3), ("big", Dense(3, 3)), ReLU(), Dense(3, 2)], rng=0)
        net["dense1"].weight.value = net["big"].weight.value = 1e20
        with pytest.raises(FloatingPointError) as caught:
            net.forward(np.abs(X), training=training)
        assert str(caught.value).startswith(
            "layer 2 'big' Dense(3->3): the input is finite, but the output holds infinity (the "
            "largest float32 is 3.4e+38); lower the learning rate, or scale down the input"
        )


def test_an_overflow_before_a_batchnorm_names_the_layer_where_it_arose():
    net = Sequential([Dense(4, 3), BatchNorm(3)], rng=0)
    net["dense1"].weight.value = 3e38
    with pytest.raises(FloatingPointError, match=r"'dense1' .* the output holds infinity"):
        net.forward(np.abs(X), training=True)
    assert net["batchnorm1"].running_var.tolist() == [1, 1, 1]


@pytest.mark.parametrize("activation", [ReLU, Sigmoid, Tanh])
@pytest.mark.parametrize("training", [True, False])
def test_an_overflow_that_the_next_layer_would_hide_is_reported(activation, training):
    net = Sequential([Dense(4, 3), activation(), Dense(3, 2)], rng=0)
    net["dense1"].weight.value = -3e38
    with pytest.raises(FloatingPointError, match=r"layer 1 'dense1'.*output holds infinity"):
        net.forward(np.full((2, 4), 10.0), training=training)


def test_an_overflow_in_training_only_is_reported():
    net = Sequential([Dropout(0.9)], rng=0)
    x = np.full((6, 4), 3e38, np.float32)
    np.testing.assert_array_equal(net.predict(x), x)
    with pytest.raises(
        FloatingPointError, match=r"'dropout1' Dropout\(0\.9\): .* the output holds"
    ):
        net.forward(x, training=True)


def test_an_overflow_in_prediction_leaves_the_buffers_of_the_last_step_alone():
    net = step(everything())
    kept = {name: layer.y.copy() for name, layer in net.walk()}
    net["dense1"].weight.value = 3e38
    with pytest.raises(FloatingPointError, match="'dense1' "):
        net.predict(np.abs(X) * 1e5)
    for name, layer in net.walk():
        np.testing.assert_array_equal(layer.y, kept[name])


# Parameters and rows.


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_parameter_that_is_not_finite_is_named(bad):
    net = Sequential([Dense(4, 3), Tanh(), ("last", Dense(3, 2))], rng=0)
    net["last"].bias.value[1] = bad
    word = "NaN" if np.isnan(bad) else "infinity"
    with pytest.raises(FloatingPointError, match=rf"^last\.bias holds {word}: an update diverged"):
        net.predict(X)


def test_predict_counts_the_bad_row_from_the_beginning():
    x = np.zeros((3000, 4))
    x[1500, 2] = np.nan
    with pytest.raises(FloatingPointError, match="row 1500, column 2"):
        Sequential([Dense(4, 3)]).predict(x)


# Gradients.


def test_a_non_finite_gradient_names_its_layer_or_the_argument_dy():
    net = Sequential([Dense(4, 3), Tanh(), ("big", Dense(3, 3)), Dense(3, 2)], rng=0)
    for row in (0, 3):
        net.forward(X, training=True)
        dy = np.ones((6, 2), np.float32)
        dy[row, 1] = np.nan
        with pytest.raises(FloatingPointError, match="backward: the given gradient dy holds NaN"):
            net.backward(dy)
    net["big"].weight.value = 1e10
    net.forward(X * 0, training=True)
    with pytest.raises(
        FloatingPointError, match=r"'big' .*: the gradient dx holds infinity; scale down"
    ):
        net.backward(np.full((6, 2), 1e35))


def test_an_overflow_of_the_first_layers_gradient_gives_no_warning():
    net = Sequential([Dense(4, 3), Dense(3, 2)], rng=0)
    net.forward(X * 1e10, training=True)
    net.backward(np.full((6, 2), 1e30))
    assert not np.isfinite(net["dense1"].weight.grad).all()


# A pass that fails leaves the running statistics of all layers as they were.


class Counting(Layer):
    """A layer of a user's own that counts its training batches."""

    def __init__(self, limit=1e30):
        self.batches, self.limit = np.zeros(1), limit

    @property
    def state(self):
        return {"batches": self.batches}

    def compute(self, x, y, training):
        self.batches += training
        if abs(x).max() > self.limit:
            raise OverflowError("too large")
        y[...] = x

    def differentiate(self, dy, dx):
        dx[...] = dy


@pytest.mark.parametrize("wrap", [lambda *layers: Sequential(layers, rng=0), Residual])
def test_a_forward_that_a_later_layer_refuses_leaves_all_running_statistics_alone(wrap):
    net = wrap(Dense(4, 3), BatchNorm(3), Counting(), Residual(BatchNorm(3)), Dense(3, 4))
    net.forward(X, training=True)
    before = {name: array.copy() for name, array in net.state.items()}
    assert len(before) == 5
    kept = net["dense2"].weight.value.copy()
    for spoil, error in (
        (lambda: net["dense2"].weight.value.fill(3e38), FloatingPointError),
        (lambda: setattr(net["counting1"], "limit", 0), OverflowError),
    ):
        spoil()
        with pytest.raises(error):
            net.forward(np.abs(X), training=True)
        for name, array in net.state.items():
            np.testing.assert_array_equal(array, before[name], name)
        net["dense2"].weight.value = kept
    net["counting1"].limit = 1e30
    net.forward(X, training=True)
    assert net["counting1"].batches == 2
    assert (net["batchnorm1"].running_mean != before["batchnorm1.running_mean"]).all()


@pytest.mark.parametrize(
    ("loss", "target", "error"),
    [
        (SoftmaxCrossEntropy(), [0, 1, 2, 3, 0, 1], ValueError),
        (SoftmaxCrossEntropy(), [0, 1], ValueError),
        (MeanSquaredError(), np.full((6, 3), np.nan), FloatingPointError),
        (MeanSquaredError(), np.full((6, 3), 1e200), FloatingPointError),
        (MeanSquaredError(), None, TypeError),
    ],
)
def test_a_step_that_the_loss_refuses_leaves_all_running_statistics_alone(loss, target, error):
    net = Sequential([Dense(4, 3), BatchNorm(3), Residual(BatchNorm(3))], rng=0, dtype=np.float64)
    before = {name: array.copy() for name, array in net.state.items()}
    theta = net.theta.copy()
    with pytest.raises(error):
        train_step(net, X, target, loss=loss, optimizer=SGD(net))
    for name, array in net.state.items():
        np.testing.assert_array_equal(array, before[name], name)
    np.testing.assert_array_equal(net.theta, theta)
    with pytest.raises(RuntimeError, match="before this backward, got none"):
        net.backward(np.ones((6, 3)))


def test_an_output_that_a_users_subclass_of_a_bounded_activation_makes_infinite_is_reported():
    class Steep(Tanh):
        def compute(self, x, y, training):
            y[...] = np.tanh(x) * np.float32(3e38) * 10

    net = Sequential([Dense(4, 3), Steep(), Dense(3, 2)], rng=0)
    with pytest.raises(FloatingPointError, match=r"'steep1' .*output holds infinity"):
        net.predict(X)

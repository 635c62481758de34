"""Early stopping and callbacks."""

import math
import os
import signal

import numpy as np
import pytest

from minnet import (
    SGD,
    Adam,
    BatchNorm,
    Dense,
    EarlyStopping,
    History,
    MeanSquaredError,
    ReLU,
    Sequential,
    SoftmaxCrossEntropy,
    datasets,
    evaluate,
    fit,
)

(X, Y), TEST = datasets.digits()
X, Y = X[:200], Y[:200]


def network():
    return Sequential([Dense(64, 32), BatchNorm(32), ReLU(), Dense(32, 10)], rng=0)


def train(net, callbacks, epochs=30, y=Y, **options):
    options = {
        "loss": SoftmaxCrossEntropy(), "optimizer": Adam(net, lr=0.02), "batch_size": 40,
        "validation_data": TEST, "rng": 0,
    } | options  # fmt: skip
    return fit(net, X, y, epochs=epochs, callbacks=callbacks, **options)


class Weights:
    """A callback that keeps the weights and the state of every epoch."""

    def __init__(self):
        self.epochs = []

    def on_epoch(self, net, history):
        arrays = {"theta": net.theta, **net.state}
        self.epochs.append({name: array.copy() for name, array in arrays.items()})


def assert_at_epoch(net, weights, epoch):
    for name, array in {"theta": net.theta, **net.state}.items():
        np.testing.assert_array_equal(array, weights.epochs[epoch - 1][name])


def follow(values, monitor="val_loss", **options):
    """Return the epoch in which training stops, for these values, and the stopping."""
    stopping, history, net = EarlyStopping(monitor, **options), History(), Sequential([Dense(1, 1)])
    for value in values:
        history.append({monitor: value})
        if stopping.on_epoch(net, history):
            return len(history.val_loss or history.accuracy), stopping
    return None, stopping


@pytest.mark.parametrize("monitor", ["val_loss", "val_accuracy", "loss"])
def test_training_stops_after_patience_epochs_and_has_the_best_weights(monitor):
    net, weights, stopping = network(), Weights(), EarlyStopping(monitor, patience=3)
    history = train(net, [weights, stopping], epochs=300)
    values = getattr(history, monitor)
    assert len(values) < 300
    best = values.index((max if "accuracy" in monitor else min)(values)) + 1
    assert (stopping.best_epoch, stopping.best) == (best, values[best - 1])
    assert len(values) == best + 3
    assert_at_epoch(net, weights, best)
    if monitor == "val_loss":
        assert evaluate(net, *TEST, SoftmaxCrossEntropy())["loss"] == min(values)


def test_the_best_weights_are_restored_if_the_epochs_run_out():
    net, weights, stopping = network(), Weights(), EarlyStopping(patience=1000)
    history = train(net, [stopping, weights], epochs=60)
    assert len(history.loss) == 60
    assert stopping.best_epoch < 60
    assert_at_epoch(net, weights, stopping.best_epoch)


def test_without_restore_best_the_network_has_the_last_weights_until_restore():
    net, weights = network(), Weights()
    stopping = EarlyStopping(patience=2, restore_best=False)
    history = train(net, [stopping, weights])
    assert_at_epoch(net, weights, len(history.loss))
    stopping.restore(net)
    assert_at_epoch(net, weights, stopping.best_epoch)


def test_restored_weights_can_be_trained_further():
    net, stopping = network(), EarlyStopping(patience=2)
    optimizer = Adam(net, lr=0.02)
    history = train(net, [stopping], optimizer=optimizer)
    before = len(history.loss)
    assert train(net, [], optimizer=optimizer, epochs=2) is history
    assert len(history.loss) == before + 2


@pytest.mark.parametrize(
    ("values", "options", "stop", "best"),
    [
        ([3, 2, 1, 2, 2], {"patience": 2}, 5, 3),
        ([3, 2, 2, 2], {"patience": 2}, 4, 2),  # an equal value is no improvement
        ([3, 2.9, 2.8, 2.7], {"patience": 3, "min_delta": 0.25}, None, 4),  # 0.3 below 3
        (
            [3, 2.9, 2.8, 2.7],
            {"patience": 2, "min_delta": 0.5},
            3,
            3,
        ),  # the best is below min_delta
        ([0.5, 0.6, 0.6, 0.9, 0.1], {"monitor": "accuracy", "patience": 2}, None, 4),
        ([0.5, 0.4, 0.3], {"monitor": "accuracy", "patience": 2}, 3, 1),
        ([1], {"patience": 1}, None, 1),
    ],
)
def test_the_rule(values, options, stop, best):
    stopped, stopping = follow(values, **options)
    assert (stopped, stopping.best_epoch, stopping.best) == (stop, best, values[best - 1])


def test_the_count_goes_on_in_a_continued_training_and_begins_again_in_another():
    net, stopping = network(), EarlyStopping(patience=3, restore_best=False)
    whole = train(net, [stopping])
    stopping = EarlyStopping(patience=3, restore_best=False)
    for _ in range(2):
        net = network()
        optimizer = Adam(net, lr=0.02)
        history = train(net, [stopping], optimizer=optimizer, epochs=len(whole.loss) - 2)
        assert len(history.loss) == len(whole.loss) - 2
        train(net, [stopping], optimizer=optimizer)
        assert history.val_loss == whole.val_loss


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"monitor": "f1"}, ValueError, "expected monitor as one of val_loss, .*, got 'f1'"),
        ({"patience": 0}, ValueError, "EarlyStopping: expected patience to be at least 1"),
        ({"patience": 1.5}, TypeError, "EarlyStopping: expected patience to be a whole number"),
        ({"min_delta": -1}, ValueError, "EarlyStopping: expected min_delta to be non-negative"),
    ],
)
def test_a_setting_out_of_range_raises(settings, error, words):
    with pytest.raises(error, match=words):
        EarlyStopping(**settings)


def test_a_metric_that_is_not_measured_raises_before_the_training():
    net = network()
    theta = net.theta.copy()
    with pytest.raises(
        ValueError, match=r"fit: expected validation_data for EarlyStopping\('val_loss'"
    ):
        train(net, [EarlyStopping()], validation_data=None)
    np.testing.assert_array_equal(net.theta, theta)


def test_accuracy_of_a_loss_without_classes_raises_before_the_training():
    net = Sequential([Dense(64, 1)], rng=0)
    with pytest.raises(
        ValueError,
        match=r"fit: expected a loss with classes for EarlyStopping\('accuracy', patience=5\), got "
        r"MeanSquaredError\(\); monitor another metric",
    ):
        train(net, [EarlyStopping("accuracy")], y=X[:, :1], loss=MeanSquaredError())


def test_restore_into_a_network_of_other_shapes_raises_and_changes_nothing():
    net, stopping = Sequential([Dense(1, 1, bias=False)], rng=0), EarlyStopping("loss")
    fit(net, [[1.0]], [[2.0]], loss=MeanSquaredError(), optimizer=Adam(net), epochs=1,
        batch_size=1, callbacks=[stopping])  # fmt: skip
    for other in (network(), Sequential([Dense(1, 1, bias=False), BatchNorm(1)])):
        theta = other.theta.copy()
        with pytest.raises(ValueError, match=r"restore: expected .*the network that was tr"):
            stopping.restore(other)
        np.testing.assert_array_equal(other.theta, theta)


def test_restore_before_the_first_epoch_raises():
    with pytest.raises(RuntimeError, match="expected a completed epoch, got none"):
        EarlyStopping().restore(network())


# Callbacks.


def test_every_callback_is_called_after_every_epoch_until_one_returns_true():
    calls = []

    class Three:
        def on_epoch(self, net, history):
            calls.append((net, history, len(history.loss), len(history.val_loss)))
            return np.True_ if len(history.loss) == 3 else None

    net, weights = network(), Weights()
    history = train(net, [Three(), weights])
    assert calls == [(net, history, epoch, epoch) for epoch in (1, 2, 3)]
    assert len(history.loss) == len(weights.epochs) == 3


@pytest.mark.parametrize("callbacks", [EarlyStopping(), [EarlyStopping], [lambda net, h: True], 3])
def test_anything_else_than_a_list_of_callbacks_raises(callbacks):
    with pytest.raises(TypeError, match=r"fit: expected a list of callbacks such as \[EarlyStop"):
        train(network(), callbacks)


def test_a_single_callback_or_probe_raises_with_the_advice_to_use_a_list():
    with pytest.raises(TypeError, match=r"got .*EarlyStopping.*; put it into a list$"):
        train(network(), EarlyStopping())


def test_ctrl_c_takes_effect_after_the_callbacks_and_nothing_is_restored():
    class Press(Weights):
        def on_epoch(self, net, history):
            super().on_epoch(net, history)
            if len(history.loss) == 3:
                os.kill(os.getpid(), signal.SIGINT)

    net, press, stopping = network(), Press(), EarlyStopping("loss")
    optimizer = Adam(net, lr=1e-3)
    with pytest.raises(KeyboardInterrupt):
        train(net, [press, stopping], optimizer=optimizer)
    assert len(net.history.loss) == stopping.best_epoch == 3
    assert net.history.steps == optimizer.steps == 15
    assert_at_epoch(net, press, 3)
    assert train(net, [stopping], optimizer=optimizer, epochs=1) is net.history
    assert stopping.best_epoch == len(net.history.loss) == 4


def test_an_overflow_in_a_callback_names_the_epoch_that_it_follows():
    class Overflow:
        def on_epoch(self, net, history):
            raise FloatingPointError("overflow")

    with pytest.raises(FloatingPointError, match=r"step 5 \(epoch 1\): overflow"):
        train(network(), [Overflow()])


def test_an_error_in_a_callback_leaves_a_training_that_can_be_continued():
    class Fail:
        def on_epoch(self, net, history):
            raise RuntimeError("the callback failed")

    net = network()
    optimizer = Adam(net)
    with pytest.raises(RuntimeError, match="the callback failed"):
        train(net, [Fail()], optimizer=optimizer)
    history = train(net, [], optimizer=optimizer, epochs=1)
    assert (len(history.loss), history.steps, optimizer.steps) == (2, 10, 10)
    assert math.isfinite(history.loss[-1])


@pytest.mark.parametrize("returned", [np.zeros(3), "stop", 1])
def test_a_callback_returns_a_flag_or_nothing(returned):
    class Returns:
        def on_epoch(self, net, history):
            return returned

    net = Sequential([Dense(1, 1)], rng=0)
    optimizer = SGD(net)
    with pytest.raises(
        TypeError, match=r"fit: expected on_epoch of .* to return True, False or No"
    ):
        fit(
            net, [[1.0]], [[2.0]], loss=MeanSquaredError(), optimizer=optimizer, epochs=3,
            batch_size=1, callbacks=[Returns()],
        )  # fmt: skip
    assert (len(net.history.loss), net.history.steps, optimizer.steps) == (1, 1, 1)

"""A capture has copies of the numbers of the pass, and does not change the network."""

import copy
import pickle

import numpy as np
import pytest

import minnet
from minnet import (
    BatchNorm,
    Dense,
    Dropout,
    Layer,
    PReLU,
    ReLU,
    Residual,
    Sequential,
    SoftmaxCrossEntropy,
)
from minnet.recording import Capture, capture
from minnet.recording.statistics import describe

X = np.random.default_rng(1).normal(size=(20, 4)).astype(np.float32)
LABELS = np.arange(20) % 3


class Double(Layer):
    """A user's layer, in plain NumPy."""

    def compute(self, x, y, training):
        y[...] = 2 * x

    def differentiate(self, dy, dx):
        dx[...] = 2 * dy


def make(rng=0):
    return Sequential(
        [
            Dense(4, 8),
            BatchNorm(8),
            ReLU(),
            Residual(Dense(8, 8), PReLU(), Residual(Dense(8, 8), ReLU())),
            Double(),
            Dropout(0.5),
            ("logits", Dense(8, 3)),
        ],
        rng=rng,
    )


NAMES = [
    "dense1", "batchnorm1", "relu1", "residual1.dense1", "residual1.prelu1",
    "residual1.residual1.dense1", "residual1.residual1.relu1", "residual1.residual1", "residual1",
    "double1", "dropout1", "logits",
]  # fmt: skip


def step(net, loss):
    value = loss.forward(net.forward(X, training=True), LABELS)
    net.backward(loss.backward())
    return value


def test_evaluation_has_the_output_of_every_layer_in_the_order_of_computation():
    net = make()
    step(net, SoftmaxCrossEntropy())  # so that the running statistics are not the initial ones
    captured = capture(net, X)
    assert list(captured) == NAMES
    x = X
    for name in NAMES[:3]:
        x = net[name].forward(x, training=False)
        np.testing.assert_array_equal(captured[name]["y"], x)
    x = net["residual1.dense1"].forward(x, training=False)
    np.testing.assert_array_equal(captured["residual1.dense1"]["y"], x)
    np.testing.assert_array_equal(
        captured["residual1"]["y"], captured["relu1"]["y"] + captured["residual1.residual1"]["y"]
    )
    np.testing.assert_array_equal(captured["double1"]["y"], 2 * captured["residual1"]["y"])
    np.testing.assert_array_equal(captured["logits"]["y"], net.predict(X))
    np.testing.assert_array_equal(captured.x, X)
    assert captured.loss is None


def test_evaluation_has_parameters_but_no_gradients():
    captured = capture(make(), X)
    kinds = {kind for name in captured for kind in captured[name]}
    assert kinds == {"y", "weight", "bias", "gamma", "beta", "slope"}, kinds


def test_a_training_capture_equals_the_step():
    net, loss = make(), SoftmaxCrossEntropy()
    captured = capture(net, X, LABELS, SoftmaxCrossEntropy())
    assert captured.loss == step(net, loss)
    assert list(captured) == NAMES
    for name in NAMES:
        layer = net[name]
        for kind in ("y", "dy", "dx"):
            np.testing.assert_array_equal(
                captured[name][kind], getattr(layer, kind), f"{name} {kind}"
            )
        for key, param in layer.params.items():
            if "." not in key:
                np.testing.assert_array_equal(captured[name][key], param.value)
                np.testing.assert_array_equal(captured[name][f"{key}_grad"], param.grad)
    assert (captured["dropout1"]["y"] == 0).any()
    assert list(captured["residual1"]) == ["y", "dy", "dx"]


@pytest.mark.parametrize("arguments", [(X,), (X, LABELS, SoftmaxCrossEntropy())])
def test_the_network_is_not_changed_by_a_capture(arguments):
    net, alone, loss = make(), make(), SoftmaxCrossEntropy()
    step(net, loss), step(alone, SoftmaxCrossEntropy())
    before = {name: copy.copy(vars(layer)) for name, layer in net.walk()}
    buffers = {name: {k: getattr(net[name], k).copy() for k in ("y", "dy", "dx")} for name in NAMES}
    state = {name: array.copy() for name, array in net.state.items()}
    theta, grad = net.theta.copy(), net.grad.copy()
    capture(net, *arguments)
    np.testing.assert_array_equal(net.theta, theta)
    np.testing.assert_array_equal(net.grad, grad)
    for name, array in state.items():
        np.testing.assert_array_equal(net.state[name], array)
    for name, layer in net.walk():
        assert vars(layer).keys() == before[name].keys()
        assert all(vars(layer)[key] is value for key, value in before[name].items())
    for name, kinds in buffers.items():
        for kind, array in kinds.items():
            np.testing.assert_array_equal(getattr(net[name], kind), array)
    step(net, loss), step(alone, SoftmaxCrossEntropy())  # with the same dropout mask
    np.testing.assert_array_equal(net.grad, alone.grad)


def test_a_capture_between_forward_and_backward_changes_neither():
    net, loss = make(), SoftmaxCrossEntropy()
    loss.forward(net.forward(X, training=True), LABELS)
    capture(net, X[:5], LABELS[:5], loss)
    net.backward(loss.backward())
    alone = make()
    step(alone, SoftmaxCrossEntropy())
    np.testing.assert_array_equal(net.grad, alone.grad)


def test_a_capture_is_unchanged_when_the_network_and_x_change():
    net, x = make(), X.copy()
    captured = capture(net, x, LABELS, SoftmaxCrossEntropy())
    kept = pickle.loads(pickle.dumps(captured))
    net.theta, net.grad, x[...] = 0.0, 0.0, 0.0
    step(net, SoftmaxCrossEntropy())
    for name in NAMES:
        for kind, array in kept[name].items():
            np.testing.assert_array_equal(captured[name][kind], array)
            assert not any(
                np.shares_memory(array, captured[other][key])
                for other in captured for key in captured[other]
            )  # fmt: skip
    np.testing.assert_array_equal(captured.x, X)


def test_the_arrays_of_a_capture_are_read_only():
    captured = capture(make(), X)
    with pytest.raises(ValueError, match="read-only"):
        captured["relu1"]["y"][0] = 1
    assert X.flags.writeable


def test_kind_gives_the_layers_that_have_it():
    captured = capture(make(), X)
    assert list(captured.kind("y")) == NAMES
    assert list(captured.kind("gamma")) == ["batchnorm1"]
    np.testing.assert_array_equal(captured.kind("weight")["logits"], make()["logits"].weight.value)


def test_the_error_for_an_unknown_layer_or_kind_lists_the_known_ones():
    captured = capture(make(), X)
    with pytest.raises(KeyError, match=r"expected a layer among dense1, .*, got 'relu7'"):
        captured["relu7"]
    with pytest.raises(
        ValueError, match=r"among y, weight, .*, got 'dy'; for gradients, use capture\(net, x, y"
    ):
        captured.kind("dy")


def test_statistics_describe_each_layer():
    captured = capture(make(), X)
    found = captured.statistics()
    assert list(found) == NAMES
    assert found["relu1"] == describe(captured["relu1"]["y"])
    assert list(captured.statistics("weight")) == [n for n in NAMES if "weight" in captured[n]]


def test_repr_has_layers_and_shapes():
    text = repr(capture(make(), X, LABELS, SoftmaxCrossEntropy()))
    assert text.startswith("Capture of 20 rows, loss ")
    assert "dense1 " in text
    assert "weight_grad (4, 8)" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((X, LABELS), "together, got only y"),
        ((X, None, SoftmaxCrossEntropy()), "together, got only the loss"),
    ],
)
def test_targets_and_loss_require_each_other(arguments, message):
    with pytest.raises(ValueError, match=message):
        capture(make(), *arguments)


@pytest.mark.parametrize("arguments", [(), (LABELS[:0], SoftmaxCrossEntropy())])
def test_no_rows_raise(arguments):
    with pytest.raises(ValueError, match="at least one row"):
        capture(make(), X[:0], *arguments)


def test_capture_of_a_layer_raises():
    with pytest.raises(TypeError, match="expected a Sequential, got Dense"):
        capture(Dense(4, 3), X)


def test_nan_in_x_raises():
    x = X.copy()
    x[3, 2] = np.nan
    with pytest.raises(FloatingPointError, match="row 3, column 2"):
        capture(make(), x)


def test_a_capture_is_a_dict_that_can_be_made_by_hand():
    captured = Capture({"relu1": {"y": [[1.0, 2.0]]}}, X)
    assert (len(captured), "relu1" in captured, "relu2" in captured) == (1, True, False)
    assert captured["relu1"]["y"].tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize(
    ("layers", "loss", "error", "message"),
    [
        ([Dense(4, 2), minnet.Softmax()], minnet.SoftmaxCrossEntropy(), ValueError, "twice"),
        ([Dense(4, 2)], minnet.SoftmaxCrossEntropy, TypeError, "expected a Loss"),
    ],
)
def test_a_loss_that_does_not_fit_is_refused(layers, loss, error, message):
    net = minnet.Sequential(layers, rng=0)
    with pytest.raises(error, match=f"^capture: .*{message}"):
        minnet.capture(net, np.ones((3, 4)), [0, 1, 0], loss)


def test_a_layer_that_is_no_name_is_a_key_error():
    captured = minnet.capture(minnet.Sequential([minnet.Dense(2, 1)], rng=0), np.ones((1, 2)))
    with pytest.raises(KeyError, match=r"expected a layer among dense1, got \[\]"):
        captured[[]]

"""Steps of a network: order of calls, prediction in batches, and layers of a user's own."""

import numpy as np
import pytest
from helpers.networks import X, everything, step

from minnet import BatchNorm, Dense, Layer, ReLU, Sequential, Tanh

# Steps.


def test_backward_needs_a_training_forward_of_its_own():
    net, dy = everything(), np.ones((6, 3))
    message = r"expected forward\(x, training=True\) before this backward, got none"
    with pytest.raises(RuntimeError, match=message):
        net.backward(dy)
    net.forward(X, training=False)
    with pytest.raises(RuntimeError, match=message):
        net.backward(dy)
    net.forward(X, training=True)
    net.predict(X)
    net.backward(dy)
    with pytest.raises(RuntimeError, match=message):
        net.backward(dy)


@pytest.mark.parametrize("layers", [[Dense(4, 3)], [Dense(4, 4), ReLU(), Dense(4, 3)]])
def test_dy_of_another_shape_is_refused_and_the_right_one_still_taken(layers):
    net = Sequential(layers, rng=0)
    net.forward(X, training=True)
    for shape in ((5, 3), (6, 2), (6, 4)):
        with pytest.raises(ValueError, match=r"expected dy of y's shape \(6, 3\)"):
            net.backward(np.ones(shape))
    with pytest.raises(TypeError, match=r"Sequential\(.*: expected dy as an array, got None"):
        net.backward(None)
    assert net.backward(np.ones((6, 3))).shape == (6, 4)


def test_after_a_forward_that_failed_midway_backward_is_refused():
    net = Sequential([Dense(4, 3), BatchNorm(3), Dense(3, 2)], rng=0)
    weight = net["dense2"].weight
    kept = weight.value.copy()
    net.forward(X, training=True)
    weight.value = 3e38
    with pytest.raises(FloatingPointError, match=r"'dense2' .*the output holds infinity"):
        net.forward(np.abs(X), training=True)
    weight.value = kept
    with pytest.raises(RuntimeError, match="before this backward, got none"):
        net.backward(np.ones((6, 2)))
    step(net)


def test_after_a_forward_refused_at_the_boundary_the_step_before_is_still_pending():
    net, twin = (Sequential([Dense(4, 3), BatchNorm(3), Dense(3, 2)], rng=0) for _ in range(2))
    for each in (net, twin):
        each.forward(X, training=True)
    refused = [
        (X[:1], ValueError, "'batchnorm1' .*expected a training batch of at least 2 rows, got 1"),
        (X[:, :3], ValueError, r"expected x of shape \(n, 4\), got \(6, 3\)"),
        (X * np.nan, FloatingPointError, "the input x: expected finite values"),
        (None, TypeError, "expected x as an array"),
    ]
    for x, error, message in refused:
        with pytest.raises(error, match=message):
            net.forward(x, training=True)
    dy = np.ones((6, 2))
    np.testing.assert_array_equal(net.backward(dy), twin.backward(dy))
    np.testing.assert_array_equal(net.grad, twin.grad)
    for name, array in net.state.items():
        np.testing.assert_array_equal(array, twin.state[name])


def test_without_an_input_gradient_only_the_first_dense_omits_dx():
    whole, part = everything(), everything()
    for net in (whole, part):
        net.forward(X, training=True)
    dy = np.ones((6, 3))
    assert whole.backward(dy).shape == (6, 4)
    assert part.backward(dy, input_gradient=False).shape == (0, 4)
    np.testing.assert_array_equal(whole.grad, part.grad)
    np.testing.assert_array_equal(whole["batchnorm1"].dx, part["batchnorm1"].dx)
    net = Sequential([Tanh(), Dense(4, 3)], rng=0)
    net.forward(X, training=True)
    assert net.backward(dy, input_gradient=False).shape == (6, 4)


# Predictions.


def test_predicting_in_batches_is_predicting_at_once():
    net, x = everything(), np.random.default_rng(1).normal(size=(37, 4))
    expected = net.forward(x, training=False)
    for batch_size in (1, 5, 37, 1000):
        y = net.predict(x, batch_size=batch_size)
        np.testing.assert_allclose(y, expected, rtol=1e-6)
    with pytest.raises(ValueError, match="predict: expected batch_size to be at least 1, got 0"):
        net.predict(x, batch_size=0)


def test_predict_converts_the_input_once_for_all_batches():
    net, x = everything(), np.arange(20, dtype=np.uint8).reshape(5, 4)
    expected = net.predict(x.astype(np.float32), batch_size=2)
    np.testing.assert_array_equal(net.predict(x.tolist(), batch_size=2), expected)
    with pytest.warns(UserWarning, match=r"uint8.*x / 255") as caught:
        np.testing.assert_array_equal(net.predict(x, batch_size=2), expected)
    assert len(caught) == 1
    with pytest.raises(TypeError, match=r"'dense1' .*: expected x as an array, got None"):
        net.predict(None)


# Layers of a user's own.


def test_a_users_layer_is_named_and_passes_buffers_on_like_any_other():
    class Half(Layer):
        def compute(self, x, y, training):
            y[...] = x / 2

        def differentiate(self, dy, dx):
            dx[...] = dy / 2

    net = Sequential([Dense(4, 3), Half(), Half(), Dense(3, 2)], rng=0)
    assert net["half2"].position == 3
    step(net)
    np.testing.assert_array_equal(net["half2"].y, net["dense1"].y / 4)
    np.testing.assert_array_equal(net["dense1"].dy, net["dense2"].dx / 4)


def test_a_prediction_that_fails_in_a_users_layer_leaves_the_pending_step_alone():
    class Exponential(Layer):
        def compute(self, x, y, training):
            self.y = np.full(x.shape, 9.0)
            if not training:
                raise RuntimeError("failed")
            y[...] = np.exp(x)

        def differentiate(self, dy, dx):
            dx[...] = dy * self.y

    net = Sequential([Exponential()])
    y = net.forward(X, training=True)
    with pytest.raises(RuntimeError, match="failed"):
        net.predict(X)
    np.testing.assert_array_equal(net.backward(np.ones_like(X)), y)

"""What forward, backward and predict of the network promise: steps in order, batches that agree."""

import numpy as np
import pytest
from helpers.networks import X, everything, step

from minnet import BatchNorm, Dense, Layer, ReLU, Sequential, Tanh

# Steps.


def test_backward_needs_a_training_forward_of_its_own():
    net, dy = everything(), np.ones((6, 3))
    message = r"no forward that waits for this backward; call forward\(x, training=True\)"
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
    with pytest.raises(TypeError, match="the gradient dy of the network: expected an array"):
        net.backward(None)
    assert net.backward(np.ones((6, 3))).shape == (6, 4)


def test_after_a_forward_that_failed_midway_there_is_no_backward():
    net = Sequential([Dense(4, 3), BatchNorm(3), Dense(3, 2)], rng=0)
    net.forward(X, training=True)
    with pytest.raises(ValueError, match=r"'batchnorm1' .*at least 2 rows"):
        net.forward(X[:1], training=True)
    with pytest.raises(RuntimeError, match="no forward that waits"):
        net.backward(np.ones((6, 2)))
    step(net)


def test_without_an_input_gradient_the_first_dense_alone_leaves_it_out():
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
    with pytest.raises(ValueError, match="predict: batch_size must be at least 1, got 0"):
        net.predict(x, batch_size=0)


def test_predict_converts_what_it_is_given_once_for_all_batches():
    net, x = everything(), np.arange(20, dtype=np.uint8).reshape(5, 4)
    expected = net.predict(x.astype(np.float32), batch_size=2)
    np.testing.assert_array_equal(net.predict(x.tolist(), batch_size=2), expected)
    with pytest.warns(UserWarning, match=r"uint8.*x / 255") as caught:
        np.testing.assert_array_equal(net.predict(x, batch_size=2), expected)
    assert len(caught) == 1
    with pytest.raises(TypeError, match="expected an array, got None"):
        net.predict(None)


# Layers of a student's own.


def test_a_students_layer_counts_as_any_other():
    class Half(Layer):
        def forward(self, x, *, training):
            return x / 2

        def backward(self, dy):
            return dy / 2

    net = Sequential([Dense(4, 3), Half(), Half(), Dense(3, 2)], rng=0)
    assert net["half2"].position == 3
    step(net)
    np.testing.assert_array_equal(net["half2"].y, net["dense1"].y / 4)
    np.testing.assert_array_equal(net["dense1"].dy, net["dense2"].dx / 4)


def test_a_layer_that_once_passed_its_input_through_never_writes_into_it():
    class Switch(Layer):
        on = False

        def forward(self, x, *, training):
            if not self.on:
                return x
            x, y = self.begin_forward(x, training)
            y[...] = 0
            return y

    switch = Switch()
    net = Sequential([switch])
    x = np.ones((3, 2), np.float32)
    net.forward(x, training=True)
    switch.on = True
    net.forward(np.ones((3, 2), np.float32), training=True)
    assert (x == 1).all()

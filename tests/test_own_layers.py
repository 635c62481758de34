"""Layers of one's own: what they return or do wrongly is told by name, and nothing is changed."""

import numpy as np
import pytest
from helpers.tried import Square, X, network, trained

from minnet import Dense, Layer, Residual, Sequential, Tanh


def test_a_layer_without_forward_or_backward_says_so():
    class Empty(Layer):
        pass

    with pytest.raises(TypeError, match=r"Empty\(\): a layer must define forward"):
        Empty().forward(X, training=True)
    with pytest.raises(TypeError, match=r"Empty\(\): a layer must define backward"):
        Empty().backward(X)


@pytest.mark.parametrize(
    ("forward", "backward", "error", "message"),
    [
        (lambda x: None, None, TypeError, "forward returned None; end it with a return"),
        (lambda x: x[:2], None, ValueError, r"forward must return \(8, 3\), got \(2, 3\)$"),
        (lambda x: x[0], None, ValueError, "forward returned: expected rows"),
        (lambda x: x * 1j, None, TypeError, "forward returned: expected real numbers"),
        (lambda x: x * 2, lambda dy: None, TypeError, "backward returned None"),
        (lambda x: x * 2, lambda dy: dy[1:], ValueError, r"backward must return \(8, 3\)"),
    ],
)
def test_what_a_students_layer_returns_wrongly_is_told_by_its_name(
    forward, backward, error, message
):
    class Student(Layer):
        def forward(self, x, *, training):
            return forward(x)

        def backward(self, dy):
            return backward(dy)

    net = network(Student)

    def step():
        net.forward(X, training=True)
        net.backward(np.ones((8, 2)))

    with pytest.raises(error, match=f"layer 2 'tried' Student..:? {message}"):
        step()


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("wrap", [lambda layer: layer, Residual])
@pytest.mark.parametrize("keep", [False, True])
def test_a_students_layer_that_does_not_keep_the_width_is_told_to_say_so(training, wrap, keep):
    class Total(Layer):
        def forward(self, x, *, training):
            y = x.sum(axis=1, keepdims=True)
            if keep:
                self.y = y
            return y

    net = Sequential([wrap(Total()), Dense(3, 2)])
    message = r"total1' Total\(\): forward must return \(8, 3\), got \(8, 1\); a layer that"
    with pytest.raises(ValueError, match=message):
        net.forward(X, training=training)


@pytest.mark.parametrize("wrap", [lambda layer: layer, Residual])
@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("keep", [False, True])
def test_a_students_gradient_of_another_width_is_told(wrap, place, keep):
    class Total(Square):
        def backward(self, dy):
            dx = super().backward(dy).sum(axis=1, keepdims=True)
            if keep:
                self.dx = dx
            return dx

    layers = [wrap(Total()), Tanh()]
    net = Sequential([*(layers if place == 0 else layers[::-1]), Dense(3, 2)])
    net.forward(X, training=True)
    with pytest.raises(ValueError, match=r"Total\(\): backward must return \(8, 3\), got \(8, 1\)"):
        net.backward(np.ones((8, 2)))


def test_a_students_result_of_another_width_than_declared_is_told():
    class Student(Square):
        in_features = out_features = 3

        def forward(self, x, *, training):
            return super().forward(x, training=training)[:, :2]

    with pytest.raises(ValueError, match=r"'tried' .*forward must return \(8, 3\), got \(8, 2\)"):
        network(Student).forward(X, training=True)


@pytest.mark.parametrize("wrap", [lambda layer: layer, Residual])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("method", ["forward", "backward"])
def test_a_student_who_writes_into_what_a_layer_is_given_is_told_and_nothing_is_changed(
    wrap, first, method
):
    class Student(Square):
        def forward(self, x, *, training):
            if method == "forward":
                x[x < 0.5] = 0
            return super().forward(x, training=training)

        def backward(self, dy):
            dy *= self.x
            return super().backward(dy)

    layers = [wrap(Student()), Tanh()]
    net = Sequential([*(layers if first else layers[::-1]), Dense(3, 2)], rng=0)
    x = X.astype(np.float32)
    message = rf"'(residual1\.)?student1' Student\(\): {method} wrote into its argument"

    def backward():
        net.forward(x, training=True)
        kept.append(net["dense1"].backward(np.ones((8, 2), np.float32)).copy())
        net.forward(x, training=True)
        net.backward(np.ones((8, 2), np.float32))

    kept = []
    calls = [backward]
    if method == "forward":
        calls = [lambda: net.predict(x), lambda: net.forward(x, training=True)]
    for call in calls:
        with pytest.raises(ValueError, match=message):
            call()
        np.testing.assert_array_equal(x, X.astype(np.float32))
    if kept and not first:
        np.testing.assert_array_equal(net["dense1"].dx, kept[0])


def test_a_student_whose_numbers_are_not_finite_is_not_told_of_learning_rates():
    class Student(Square):
        def forward(self, x, *, training):
            with np.errstate(invalid="ignore"):
                return super().forward(np.log(x), training=training)

    with pytest.raises(FloatingPointError, match=r"Student\(\): its output holds NaN.*the log"):
        network(Student).forward(X, training=True)


def test_a_students_float64_result_becomes_the_networks_dtype():
    class Student(Square):
        def forward(self, x, *, training):
            return super().forward(x, training=training).astype(np.float64)

    net, _ = trained(Student)
    assert net["tried"].y.dtype == net["tried"].dx.dtype == np.float32
    assert net["after"].x is net["tried"].y

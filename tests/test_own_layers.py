"""Layers of a user's own: mistakes raise an error that names the layer, and change nothing."""

import numpy as np
import pytest
from helpers.tried import Square, X, network, trained

from minnet import Dense, Layer, Loss, Param, Residual, Sequential, Tanh, check_layer, check_loss


def test_a_layer_without_its_methods_raises():
    class Empty(Layer):
        pass

    with pytest.raises(TypeError, match=r"Empty\(\): a layer must define compute\(self, x, y"):
        Empty().forward(X, training=True)

    class ForwardOnly(Layer):
        def compute(self, x, y, training):
            y[...] = x

    layer = ForwardOnly()
    y = layer.forward(X, training=True)
    with pytest.raises(TypeError, match=r"ForwardOnly\(\): a layer must define differentiate"):
        layer.backward(y)


@pytest.mark.parametrize("method", ["forward", "backward"])
@pytest.mark.parametrize("base", [Layer, Dense, Sequential, Loss])
def test_a_class_that_overrides_forward_or_backward_is_refused(method, base):
    message = f"Old: {method} is defined by .* define compute and differentiate"
    with pytest.raises(TypeError, match=message):
        type("Old", (base,), {method: lambda self, x: x, "__module__": __name__})


def faulty(method, action):
    """A layer whose method does ``action`` instead of filling its array."""

    class Student(Square):
        def compute(self, x, y, training):
            if method == "compute":
                return action(x, y)
            return super().compute(x, y, training)

        def differentiate(self, dy, dx):
            if method == "differentiate":
                return action(dy, dx)
            return super().differentiate(dy, dx)

    return Student


def returns(source, target):
    return source * 2


def fills_and_returns(source, target):
    target[...] = source
    return target


def rebinds(source, target):
    target = source * 2  # noqa: F841


def adds(source, target):
    target += source


def leaves_out_the_last_row(source, target):
    target[:-1] = source[:-1]


@pytest.mark.parametrize("method", ["compute", "differentiate"])
@pytest.mark.parametrize("wrap", [lambda layer: layer, Residual])
@pytest.mark.parametrize(
    ("action", "got"),
    [
        (returns, "entries without a value"),
        (fills_and_returns, "a returned ndarray"),
        (rebinds, "entries without a value"),
        (adds, "entries without a value"),
        (leaves_out_the_last_row, "entries without a value"),
    ],
)
def test_an_array_that_is_not_filled_is_an_error(method, wrap, action, got):
    def step(net):
        net.forward(X, training=True)
        net.backward(np.ones((8, 2)))

    name = {"compute": "y", "differentiate": "dx"}[method]
    message = rf"student1' Student\(\): expected {method} to fill {name} .*, got {got}"
    with pytest.raises(TypeError, match=message):
        step(Sequential([Dense(3, 3), wrap(faulty(method, action)()), Dense(3, 2)]))
    if method == "compute":
        net = Sequential([Dense(3, 3), wrap(faulty(method, action)()), Dense(3, 2)])
        with pytest.raises(TypeError, match=message):
            net.predict(X)


@pytest.mark.parametrize("mistake", ["forgotten", "accumulated"])
def test_a_parameter_gradient_that_is_not_overwritten_is_an_error(mistake):
    class Scale(Layer):
        def __init__(self):
            self.params["gain"] = Param(np.ones(3))

        def compute(self, x, y, training):
            y[...] = x * self.params["gain"].value

        def differentiate(self, dy, dx):
            dx[...] = dy * self.params["gain"].value
            if mistake == "accumulated":
                self.params["gain"].grad += (dy * self.x).sum(axis=0)

    with pytest.raises(
        TypeError, match=r"Scale\(\): .*differentiate to fill params\['gain'\].grad"
    ):
        check_layer(Scale(), (4, 3))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("wrap", [lambda layer: layer, Residual])
def test_a_result_of_another_width_is_refused_by_numpy(training, wrap):
    class Narrow(Layer):
        def compute(self, x, y, training):
            y[...] = x[:, :2]

    net = Sequential([wrap(Narrow()), Dense(3, 2)])
    with pytest.raises(ValueError, match=r"could not broadcast input array from shape \(8,2\)"):
        net.forward(X, training=training)


def test_a_layer_that_changes_the_width_declares_it():
    class Total(Layer):
        in_features, out_features = 3, 1

        def compute(self, x, y, training):
            y[...] = x.sum(axis=1, keepdims=True)

        def differentiate(self, dy, dx):
            dx[...] = dy

    assert max(check_layer(Total(), (8, 3)).values()) < 1e-9
    net = Sequential([Total(), Dense(1, 2)])
    assert net.forward(X, training=True).shape == (8, 2)


def writes(array):
    array[array < 0.5] = 0


def scales(array):
    array *= 2


@pytest.mark.parametrize("action", [writes, scales])
@pytest.mark.parametrize("wrap", [lambda layer: layer, Residual])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("what", ["x", "dy", "self.x", "self.dy"])
def test_writing_into_an_input_raises_in_that_line_and_changes_nothing(wrap, first, what, action):
    class Student(Square):
        def compute(self, x, y, training):
            if what == "x":
                action(x)
            super().compute(x, y, training)

        def differentiate(self, dy, dx):
            super().differentiate(dy, dx)
            if what != "x":
                action({"dy": dy, "self.x": self.x, "self.dy": self.dy}[what])

    layers = [wrap(Student()), Tanh()]
    net = Sequential([*(layers if first else layers[::-1]), Dense(3, 2)], rng=0)
    x, dy = X.astype(np.float32), np.ones((8, 2), np.float32)

    def step():
        net.forward(x, training=True)
        kept.extend(layer.y.copy() for layer in net.layers)
        net.backward(dy)

    kept = []
    calls = [step, *([lambda: net.predict(x)] if what == "x" else [])]
    for call in calls:
        with pytest.raises(ValueError, match="read-only"):
            call()
        np.testing.assert_array_equal(x, X.astype(np.float32))
        np.testing.assert_array_equal(dy, 1)
    for layer, y in zip(net.layers, kept, strict=False):
        np.testing.assert_array_equal(layer.y, y)


@pytest.mark.parametrize("name", ["y", "x", "dy", "dx"])
def test_a_layer_may_keep_arrays_under_the_names_of_buffers(name):
    class Sigmoid(Layer):
        def compute(self, x, y, training):
            values = 1 / (1 + np.exp(-x))
            setattr(self, name, values)
            self.values = values
            y[...] = values

        def differentiate(self, dy, dx):
            dx[...] = dy * self.values * (1 - self.values)

    assert max(check_layer(Sigmoid(), (4, 3)).values()) < 1e-8
    net, _ = trained(Sigmoid)
    before, tried, after = net.layers
    buffers = {key: getattr(tried, key).copy() for key in ("x", "y", "dy", "dx")}
    net.predict(1 - X)
    for key, array in buffers.items():
        np.testing.assert_array_equal(getattr(tried, key), array)
    assert np.shares_memory(tried.x, before.y)
    assert np.shares_memory(tried.dx, before.dy)
    assert tried.y is after.x


def test_non_finite_results_of_a_users_layer_name_their_likely_causes():
    class Student(Square):
        def compute(self, x, y, training):
            with np.errstate(invalid="ignore"):
                super().compute(np.log(x), y, training)

    message = r"Student\(\): the output holds NaN although the input is finite; .*the logarithm"
    with pytest.raises(FloatingPointError, match=message):
        network(Student).forward(X, training=True)


def test_a_float64_result_becomes_the_dtype_of_the_network():
    class Student(Square):
        def compute(self, x, y, training):
            super().compute(x.astype(np.float64), y, training)

    net, _ = trained(Student)
    assert net["tried"].y.dtype == net["tried"].dx.dtype == np.float32
    assert net["after"].x is net["tried"].y


# Losses.


class Squares(Loss):
    """Mean of the squared differences."""

    def compute(self, output, target):
        return np.square(output - target).mean()

    def differentiate(self, output, target, dx):
        dx[...] = 2 * (output - target) / output.size


def test_a_users_loss_in_plain_numpy_passes_the_check():
    output, target = np.random.default_rng(0).normal(size=(2, 4, 3))
    assert check_loss(Squares(), output, target)["dx"] < 1e-8
    assert isinstance(Squares().forward(output, target), float)


def test_mistakes_of_a_users_loss_name_it():
    class ReturnsNothing(Squares):
        def compute(self, output, target):
            super().compute(output, target)

    class ReturnsRows(Squares):
        def compute(self, output, target):
            return np.square(output - target).mean(axis=1)

    class ReturnsDx(Squares):
        def differentiate(self, output, target, dx):
            return 2 * (output - target) / output.size

    class WritesIntoOutput(Squares):
        def compute(self, output, target):
            output -= target
            return np.square(output).mean()

    one, zero = np.ones((2, 3)), np.zeros((2, 3))
    for kind in (ReturnsNothing, ReturnsRows):
        with pytest.raises(
            TypeError, match=f"{kind.__name__}.*expected compute to return a number"
        ):
            kind().forward(one, zero)
    with pytest.raises(TypeError, match=r"ReturnsDx\(\): expected differentiate to fill dx"):
        check_loss(ReturnsDx(), one, zero)
    with pytest.raises(ValueError, match="read-only"):
        WritesIntoOutput().forward(one, zero)
    np.testing.assert_array_equal(one, 1)

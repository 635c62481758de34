"""Layers of a user's own: mistakes raise an error that names the layer, and change nothing."""

import copy
import pickle

import numpy as np
import pytest
from helpers.tried import Square, X, network, trained

from minnet import (
    SGD,
    Dense,
    Layer,
    Loss,
    MeanSquaredError,
    Param,
    ReLU,
    Residual,
    Sequential,
    Tanh,
    check_layer,
    check_loss,
    train_step,
)


def test_a_layer_without_its_methods_raises():
    class Empty(Layer):
        pass

    with pytest.raises(TypeError, match=r"Empty\(\): expected the layer to define compute"):
        Empty().forward(X, training=True)

    class ForwardOnly(Layer):
        def compute(self, x, y, training):
            y[...] = x

    layer = ForwardOnly()
    y = layer.forward(X, training=True)
    with pytest.raises(TypeError, match=r"ForwardOnly\(\): expected the layer to define d"):
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
        (returns, "an array that is not or only partly filled"),
        (fills_and_returns, "a returned ndarray"),
        (rebinds, "an array that is not or only partly filled"),
        (adds, "an array that is not or only partly filled"),
        (leaves_out_the_last_row, "an array that is not or only partly filled"),
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


def test_a_layer_may_assign_its_output_to_self_y():
    class Sigmoid(Layer):
        def compute(self, x, y, training):
            self.y = 1 / (1 + np.exp(-x))
            y[...] = self.y

        def differentiate(self, dy, dx):
            dx[...] = dy * self.y * (1 - self.y)

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


@pytest.mark.parametrize("name", ["x", "dy", "dx"])
def test_assigning_the_name_of_another_buffer_in_compute_is_refused(name):
    class Student(Square):
        def compute(self, x, y, training):
            setattr(self, name, np.tanh(x))
            super().compute(x, y, training)

    with pytest.raises(TypeError, match=rf"compute assigned self\.{name}, .*use another name"):
        network(Student).forward(X, training=True)


@pytest.mark.parametrize("name", ["x", "y", "dy", "dx"])
def test_an_attribute_with_the_name_of_a_buffer_is_refused(name):
    class Student(Square):
        def __init__(self):
            setattr(self, name, 0.5)

    with pytest.raises(TypeError, match=rf"self\.{name} is a buffer of the layer; use another"):
        network(Student)


def test_an_attribute_named_bound_is_a_users_own():
    class Clip(Layer):
        def __init__(self, bound):
            self.bound = bound

        def compute(self, x, y, training):
            np.clip(x, -self.bound, self.bound, out=y)

        def differentiate(self, dy, dx):
            dx[...] = dy * (abs(self.x) < self.bound)

    assert check_layer(Sequential([Dense(4, 5), Clip(0.5), Dense(5, 3)]), (8, 4))["dx"] < 1e-6


def test_a_gradient_summed_over_all_axes_is_refused():
    class Scale(Square):
        def __init__(self):
            self.params["gain"] = Param(np.ones(3))

        def differentiate(self, dy, dx):
            super().differentiate(dy, dx)
            self.params["gain"].grad = (dy * self.x).sum()

    with pytest.raises(
        ValueError, match=r"expected grad of shape \(3,\), got one number; .*axis=0"
    ):
        check_layer(Scale(), (4, 3))


def test_non_finite_results_of_a_users_layer_name_their_likely_causes():
    class Student(Square):
        def compute(self, x, y, training):
            with np.errstate(invalid="ignore"):
                super().compute(np.log(x), y, training)

    message = r"Student\(\): the input is finite, but the output holds NaN .*and the log or root"
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

    class WritesIntoItsOutput(Squares):
        def differentiate(self, output, target, dx):
            self.output -= self.target
            super().differentiate(output, target, dx)

    one, zero = np.ones((2, 3)), np.zeros((2, 3))
    for kind in (ReturnsNothing, ReturnsRows):
        with pytest.raises(
            TypeError, match=f"{kind.__name__}.*expected compute to return a number"
        ):
            kind().forward(one, zero)
    with pytest.raises(TypeError, match=r"ReturnsDx\(\): expected differentiate to fill dx"):
        check_loss(ReturnsDx(), one, zero)
    for kind in (WritesIntoOutput, WritesIntoItsOutput):
        with pytest.raises(ValueError, match="read-only"):
            check_loss(kind(), one, zero)
    np.testing.assert_array_equal(one, 1)


# Parameters that a network would not train.


class Scale(Layer):
    """y = a x for one number a."""

    def __init__(self, a=None):
        self.params["a"] = Param(0.25) if a is None else a

    def compute(self, x, y, training):
        y[...] = x * self.params["a"].value

    def differentiate(self, dy, dx):
        self.params["a"].grad = (dy * self.x).sum()
        dx[...] = dy * self.params["a"].value


def test_a_parameter_may_be_a_single_number():
    assert max(check_layer(Scale(), (4, 3)).values()) < 1e-9


def test_a_parameter_that_is_added_while_training_is_refused():
    class Late(Square):
        def compute(self, x, y, training):
            if "gain" not in self.params:
                self.params["gain"] = Param(np.ones(3))
            super().compute(x, y, training)

    for net in (network(Late), copy.deepcopy(network(Late))):
        with pytest.raises(ValueError, match=r"params\['gain'\]: .* add parameters in __init__"):
            net.forward(X, training=True)


def test_a_parameter_of_two_layers_is_refused():
    shared = Param(0.5)
    with pytest.raises(ValueError, match=r"expected a new Param, .*; create one for each layer"):
        Sequential([Scale(shared), Dense(3, 3), Scale(shared)])


@pytest.mark.parametrize(
    ("value", "repair"),
    [
        (lambda: Dense(3, 3), "use the layers one by one"),
        (lambda: [ReLU(), Dense(3, 3)], "use the layers one by one"),
        (lambda: {"gain": Param(np.ones(3))}, r"assign it to self.params\['held'\]"),
        (lambda: Param(np.ones(3)), r"assign it to self.params\['held'\]"),
    ],
)
def test_a_layer_or_parameter_in_an_attribute_is_refused(value, repair):
    class Holder(Square):
        def __init__(self):
            self.held = value()

    with pytest.raises(
        TypeError, match=rf"Holder\(\): self.held holds .* not be trained; {repair}"
    ):
        Sequential([Dense(3, 3), Holder()])


def test_parameters_of_networks_and_residuals_are_not_replaced_or_added():
    net = Sequential([Dense(3, 3), Residual(Dense(3, 3))], rng=0)
    with pytest.raises(ValueError, match=r"params\['dense1.weight'\] exists already; assign"):
        net.params["dense1.weight"] = Param(np.zeros((3, 3)))
    for container in (net, net["residual1"]):
        with pytest.raises(
            ValueError, match=r"add parameters in __init__ of a layer that contains no layers"
        ):
            container.params["alpha"] = Param(0.0)


def test_a_dense_with_a_users_gradient_trains_as_the_first_layer():
    class Own(Dense):
        def differentiate(self, dy, dx):
            self.weight.grad, self.bias.grad = self.x.T @ dy, dy.sum(axis=0)
            dx[...] = dy @ self.weight.value.T

    grads = []
    for kind in (Dense, Own):
        net = Sequential([kind(3, 2)], rng=0)
        net.forward(X, training=True)
        net.backward(np.ones((8, 2)), input_gradient=False)
        grads.append(net.grad)
    np.testing.assert_allclose(*grads, rtol=1e-6)


def test_y_is_read_only_in_differentiate_because_it_is_the_next_layers_input():
    class Student(Square):
        def differentiate(self, dy, dx):
            super().differentiate(dy, dx)
            self.y *= 2

    net = network(Student)
    net.forward(X, training=True)
    y = net["tried"].y.copy()
    with pytest.raises(ValueError, match="read-only"):
        net.backward(np.ones((8, 2)))
    np.testing.assert_array_equal(net["tried"].y, y)
    net["tried"].y[0, 0] = y[0, 0]  # writeable again


@pytest.mark.parametrize("base", [Sequential, Residual, Dense])
def test_a_subclass_of_a_layer_of_minnet_is_used_like_it(base):
    class Own(base):
        pass

    make = {
        Sequential: lambda: Own([Dense(3, 3)], rng=0),
        Residual: lambda: Sequential([Own(Dense(3, 3))], rng=0),
        Dense: lambda: Sequential([Own(3, 3)], rng=0),
    }[base]
    net = make()
    y = net.forward(X, training=True)
    assert net.backward(y).shape == X.shape
    assert net.theta.size == 12


# Widths.


def test_a_width_of_the_output_alone_makes_the_input_width_unknown():
    class Pairs(Layer):
        out_features = 5

        def compute(self, x, y, training):
            y[...] = x[:, ::2] + x[:, 1::2]

    net = Sequential([Pairs(), Dense(5, 2)])
    assert net.in_features is None
    assert net.predict(np.ones((4, 10))).shape == (4, 2)


@pytest.mark.parametrize(("width", "error"), [(5.0, TypeError), (0, ValueError), ("5", TypeError)])
def test_a_width_that_is_not_a_positive_integer_is_refused(width, error):
    layer = Square()
    layer.in_features = width
    with pytest.raises(error, match=r"layer 1 'square1' .*expected a width to be"):
        Sequential([layer])


# Pairing and copies.


def test_after_a_backward_that_failed_a_new_forward_is_needed():
    for layers in ([Dense(3, 2)], [Dense(3, 3), Tanh(), Dense(3, 2)]):
        net = Sequential(layers, rng=0)
        net.forward(X, training=True)
        with pytest.raises(FloatingPointError):
            net.backward(np.full((8, 2), np.nan))
        with pytest.raises(RuntimeError, match="expected forward"):
            net.backward(np.ones((8, 2)))


@pytest.mark.parametrize(
    "twin", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_a_copy_of_a_layer_has_the_parameters_of_the_original(twin):
    dense = Dense(3, 2)
    np.testing.assert_array_equal(twin(dense).weight.value, dense.weight.value)
    residual = twin(Residual(Dense(3, 3)))
    with pytest.raises(ValueError, match="is in use already"):
        Sequential([residual.layers[0]])


def test_layers_of_a_network_that_could_not_be_built_can_be_used_again():
    dense, wrong = Dense(3, 3), Dense(3, 3, init=lambda shape, rng, dtype: np.ones(1))
    with pytest.raises(ValueError, match="expected the initializer to return"):
        Sequential([dense, wrong])
    assert Sequential([dense, Tanh()]).predict(X).shape == (8, 3)


def test_train_step_refuses_the_optimizer_of_another_network():
    net, other = network(Square), network(Square)
    with pytest.raises(ValueError, match="train_step: the optimizer belongs to another network"):
        train_step(net, X, X[:, :2], loss=MeanSquaredError(), optimizer=SGD(other))


def test_a_layer_that_was_used_alone_can_become_part_of_a_network():
    layer = Square()
    layer.forward(X, training=True)
    layer.backward(np.ones_like(X))
    assert Sequential([layer, Dense(3, 2)]).predict(X).shape == (8, 2)


def test_layers_in_an_attribute_named_layers_are_refused():
    class Block(Square):
        def __init__(self):
            self.layers = [Dense(3, 3)]

    with pytest.raises(TypeError, match=r"self\.layers holds .* would not be trained"):
        Sequential([Block()])

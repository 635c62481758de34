"""The contract of a layer: which buffers a step exposes, and which arrays are never written to.

Each layer is tested in the middle of a small network, a user's own layers too.
"""

import itertools

import numpy as np
import pytest
from helpers.tried import Square, X, network, trained

from minnet import (
    ELU,
    GELU,
    BatchNorm,
    Dense,
    Dropout,
    GroupNorm,
    Layer,
    LayerNorm,
    LeakyReLU,
    Param,
    PReLU,
    ReLU,
    Residual,
    Sigmoid,
    SiLU,
    Softmax,
    Tanh,
)


class Scale(Layer):
    """A layer of a user's own with a parameter."""

    in_features = out_features = 3

    def __init__(self):
        self.params["scale"] = Param(np.full(3, 2.0))

    def compute(self, x, y, training):
        np.multiply(x, self.params["scale"].value, out=y)

    def differentiate(self, dy, dx):
        self.params["scale"].grad = (dy * self.x).sum(axis=0)
        np.multiply(dy, self.params["scale"].value, out=dx)


LAYERS = {
    "Dense": lambda: Dense(3, 5),
    "Dense without bias": lambda: Dense(3, 3, bias=False),
    "Sigmoid": Sigmoid,
    "Tanh": Tanh,
    "ReLU": ReLU,
    "LeakyReLU": LeakyReLU,
    "PReLU": PReLU,
    "ELU": ELU,
    "SiLU": SiLU,
    "GELU": GELU,
    "Softmax": Softmax,
    "BatchNorm": lambda: BatchNorm(3),
    "LayerNorm": lambda: LayerNorm(3),
    "GroupNorm": lambda: GroupNorm(1, 3),
    "Dropout": Dropout,
    "Residual": lambda: Residual(Dense(3, 4), BatchNorm(4), Tanh(), Dense(4, 3)),
    "Residual nested": lambda: Residual(Residual(ReLU()), Dense(3, 3)),
    "user's Scale": Scale,
    "user's Square": Square,
}
ALL = pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)


def arrays_of(net):
    """Every array of a network: buffers, gradients, parameters, state, masks and statistics."""
    found = {"theta": net.theta, "grad": net.grad, **net.state}
    for name, layer in net.walk():
        found |= {f"{name}.{key}": a for key, a in vars(layer).items() if isinstance(a, np.ndarray)}
    return found


def copied(arrays):
    return {name: array.copy() for name, array in arrays.items()}


def unchanged(arrays, before):
    assert arrays.keys() == before.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)


# Buffers.


@ALL
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_after_a_step_every_buffer_is_in_sight_and_handed_on_without_a_copy(make, dtype):
    net, dy = trained(make, dtype=dtype)
    before, tried, after = net.layers
    for ours, theirs in ((tried.x, before.y), (tried.dy, after.dx)):
        assert ours is theirs or (not tried.own and ours.base is theirs.base)
        assert ours.ctypes.data == theirs.ctypes.data
        assert ours.flags.writeable == tried.own
    assert tried.y is after.x
    assert tried.dx is before.dy
    assert after.dy is dy
    assert net.y is after.y
    assert net.dx is before.dx
    for layer in net.layers:
        assert layer.x.shape == layer.dx.shape
        assert layer.y.shape == layer.dy.shape
        assert {a.dtype for a in (layer.x, layer.y, layer.dy, layer.dx)} == {np.dtype(dtype)}


@ALL
def test_no_two_buffers_share_memory(make):
    net, dy = trained(make)
    buffers = [("x", net.x), ("dy", dy), ("theta", net.theta), ("grad", net.grad)]
    for name, layer in net.walk():
        buffers += [(f"{name}.y", layer.y), (f"{name}.dx", layer.dx)]
    for (one, a), (other, b) in itertools.combinations(buffers, 2):
        assert not np.shares_memory(a, b), f"{one} and {other}"


@ALL
def test_x_and_dy_are_read_and_never_written(make):
    x, net = X.copy(), network(make)
    net.forward(x, training=True)
    inputs = {layer: layer.x.copy() for layer in net.layers}
    outputs = {layer: layer.y.copy() for layer in net.layers}
    theta = net.theta.copy()
    dy = np.random.default_rng(3).normal(size=(8, 2)).astype(np.float32)
    kept = dy.copy()
    net.backward(dy)
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(dy, kept)
    np.testing.assert_array_equal(net.theta, theta)
    for layer in net.layers:
        np.testing.assert_array_equal(layer.x, inputs[layer])
        np.testing.assert_array_equal(layer.y, outputs[layer])
    arrived = net["tried"].dy.copy()
    net["tried"].forward(net["before"].y, training=True)
    net["tried"].backward(arrived)
    np.testing.assert_array_equal(net["after"].dx, arrived)


@ALL
def test_prediction_leaves_every_array_of_the_last_step_alone(make):
    net, _ = trained(make)
    arrays = arrays_of(net)
    before = copied(arrays)
    other = 1 - X[::-1]
    y = net.forward(other, training=False)
    net.predict(other[:5], batch_size=2)
    net["tried"].forward(other, training=False)
    unchanged(arrays_of(net), before)
    for name, array in arrays_of(net).items():
        assert array is arrays[name], name
        assert not np.shares_memory(array, y), name


@ALL
def test_prediction_returns_a_new_array_each_time(make):
    layer = network(make)["tried"]
    first = layer.forward(X, training=False)
    second = layer.forward(X, training=False)
    assert not np.shares_memory(first, second)
    assert not np.shares_memory(first, X)
    np.testing.assert_array_equal(first, second)


@ALL
def test_buffers_only_grow_and_a_short_batch_is_a_slice_of_them(make):
    net, _ = trained(make, 8)
    memory = {name: (layer.y, layer.dx) for name, layer in net.walk()}
    for n in (3, 8, 2, 7):
        net.forward(X[:n], training=True)
        net.backward(np.ones((n, 2), np.float32))
        for name, layer in net.walk():
            for buffer, first in zip((layer.y, layer.dx), memory[name], strict=True):
                assert len(buffer) == n
                assert buffer.flags.c_contiguous
                assert buffer.ctypes.data == first.ctypes.data


@ALL
def test_a_short_batch_gives_what_a_fresh_network_gives(make):
    used, _ = trained(make, 8)
    fresh = network(make)
    fresh.theta = used.theta
    dy = np.ones((3, 2), np.float32)
    results = []
    for net in (used, fresh):
        for _, layer in net.walk():
            if isinstance(layer, Dropout):
                layer.rng = np.random.default_rng(0)
        results.append([net.forward(X[:3], training=True), net.backward(dy), net.grad])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@ALL
def test_backward_overwrites_the_gradients_of_the_step_before(make):
    net = network(make)
    net.grad[...] = np.nan
    net.forward(X, training=True)
    net.backward(np.ones((8, 2)))
    assert np.isfinite(net.grad).all()


# Order of calls.


@ALL
def test_backward_needs_a_training_forward_of_its_own(make):
    layer = network(make)["tried"]
    dy = np.ones((8, layer.out_features or 3), np.float32)
    message = r"expected forward\(x, training=True\) before this backward, got none"
    with pytest.raises(RuntimeError, match=message):
        layer.backward(dy)
    layer.forward(X, training=False)
    with pytest.raises(RuntimeError, match=message):
        layer.backward(dy)
    layer.forward(X, training=True)
    layer.forward(X, training=False)
    layer.backward(dy)
    with pytest.raises(RuntimeError, match=f"'tried' .*{message}"):
        layer.backward(dy)


@ALL
def test_dy_of_another_shape_is_refused_and_the_right_one_still_taken(make):
    layer = network(make)["tried"]
    y = layer.forward(X, training=True)
    n, width = y.shape
    for shape in ((n - 1, width), (n, width + 1), (width, n)):
        with pytest.raises(ValueError, match="expected dy of y's shape"):
            layer.backward(np.ones(shape, np.float32))
    assert layer.backward(np.ones_like(y)).shape == X.shape


@ALL
def test_a_step_on_the_arrays_of_the_step_before_gives_what_a_first_step_gives(make):
    x, dy = np.array(X), np.ones((8, 2), np.float32)
    used = network(make)
    for _ in range(3):
        used.forward(x, training=True)
        used.backward(dy)
    x[:], dy[:] = x[::-1] + 0.5, [[2, -1]]  # other numbers in the same arrays
    fresh = network(make)
    results = []
    for net in (used, fresh):
        for _, layer in net.walk():
            if isinstance(layer, Dropout):
                layer.rng = np.random.default_rng(0)
        results.append([net.forward(x, training=True), net.backward(dy), net.grad])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@ALL
def test_a_layer_fed_its_own_buffers_computes_what_it_computes_from_copies(make):
    """``d.forward(d.forward(x))``, and gradients that lie in buffers."""
    layer, twin = (network(make)["tried"] for _ in range(2))
    if layer.out_features not in (None, 3):
        pytest.skip("the output is not as wide as the input")
    for one in (layer, twin):
        for inner in [one, *getattr(one, "layers", ())]:
            if isinstance(inner, Dropout):
                inner.rng = np.random.default_rng(0)
    y, copied_y = layer.forward(X / 4, training=True), twin.forward(X / 4, training=True).copy()
    for _ in range(2):
        kept = y.copy()
        again = layer.forward(y, training=True)
        np.testing.assert_array_equal(again, twin.forward(copied_y, training=True))
        np.testing.assert_array_equal(layer.x, kept)
        dx = layer.backward(again)  # a gradient that is the output
        np.testing.assert_array_equal(dx, twin.backward(again.copy()))
        again = layer.forward(dx, training=True)
        np.testing.assert_array_equal(again, twin.forward(dx.copy(), training=True))
        dx = layer.backward(layer.dx)  # a gradient that lies in the buffer to be filled
        np.testing.assert_array_equal(dx, twin.backward(twin.dx.copy()))
        y, copied_y = layer.y, twin.y.copy()


@ALL
def test_a_network_fed_its_own_buffers_computes_what_it_computes_from_copies(make):
    nets = [network(make) for _ in range(2)]
    for net in nets:
        for _, layer in net.walk():
            if isinstance(layer, Dropout):
                layer.rng = np.random.default_rng(0)
    net, twin = nets
    net.forward(X, training=True)
    twin.forward(X, training=True)
    dy = np.ones((8, 2), np.float32)
    net.backward(dy)
    twin.backward(dy)
    for buffer in ("y", "dx"):
        x = getattr(net["before"], buffer)
        expected = twin.forward(x.copy(), training=True).copy()
        np.testing.assert_array_equal(net.forward(x, training=True), expected)
        net.backward(dy)
        twin.backward(dy)
        np.testing.assert_array_equal(net.grad, twin.grad)


@ALL
def test_training_has_no_default(make):
    for layer in (make(), network(make)):
        with pytest.raises(TypeError, match="training"):
            layer.forward(X)
        with pytest.raises(TypeError, match="positional"):
            layer.forward(X, True)
        for flag in ("no", 1, None):
            with pytest.raises(TypeError, match="expected training as True or False, got"):
                layer.forward(X, training=flag)


# Settings.


@pytest.mark.parametrize(
    ("make", "name", "refused", "accepted"),
    [
        (lambda: BatchNorm(2), "momentum", [1.5, 1, -0.1, np.nan, 10**400], np.float16(0.5)),
        (lambda: BatchNorm(2), "eps", [0, -1e-5, np.inf], 1),
        (lambda: LayerNorm(2), "eps", [0, np.nan], 1e-3),
        (lambda: Dropout(0.5), "p", [1, 1.0, -0.5, np.nan], 0),
        (LeakyReLU, "negative_slope", [-0.1, 1e39, np.inf], np.uint8(1)),
        (ELU, "alpha", [0, 1e300], 2),
        (PReLU, "init", [-1, 1e300], 0.5),
    ],
)
def test_settings_are_validated_whenever_they_are_assigned(make, name, refused, accepted):
    layer = make()
    before = getattr(layer, name)
    for value in refused:
        with pytest.raises(ValueError, match=f"{type(layer).__name__}: expected {name}"):
            setattr(layer, name, value)
    with pytest.raises(TypeError, match=f"{type(layer).__name__}: expected {name}"):
        setattr(layer, name, "0.5")
    assert getattr(layer, name) == before
    setattr(layer, name, accepted)
    assert type(getattr(layer, name)) is float
    assert getattr(layer, name) == float(accepted)


def test_an_input_that_was_reshaped_in_place_has_an_output_of_the_new_shape():
    relu, x = ReLU(), np.ones((4, 6), np.float32)
    relu.forward(x, training=True)
    x.resize((8, 3), refcheck=False)
    np.testing.assert_array_equal(relu.forward(x, training=True), x)
    np.testing.assert_array_equal(relu.backward(x), x)

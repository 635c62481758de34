"""LSUV: every Dense layer gets an output of variance one, or the network stays unchanged."""

import math

import numpy as np
import pytest

from minnet.initializers import lsuv, orthogonal
from minnet.layer import Layer, Param
from minnet.layers.activations import ReLU
from minnet.layers.dense import Dense
from minnet.layers.residual import Residual
from minnet.layers.sequential import Sequential

DTYPES = [np.float32, np.float64]


def network(*layers, dtype=np.float64):
    return Sequential(layers, rng=0, dtype=dtype)


def dense_outputs(layers, x):
    """Return the output of each Dense layer, in order, and that of the last layer."""
    outputs = []
    for layer in layers:
        if isinstance(layer, Residual):
            outputs += dense_outputs(layer.layers, x)[0]
        x = layer.forward(x, training=False)
        if isinstance(layer, Dense):
            outputs.append(x)
    return outputs, x


def rows(n=200, width=30, seed=0):
    return 5.0 + 3.0 * np.random.default_rng(seed).standard_normal((n, width))


@pytest.mark.parametrize("dtype", DTYPES)
def test_lsuv_gives_every_dense_an_output_of_variance_one(dtype):
    net = network(
        Dense(30, 40), ReLU(), Dense(40, 20, bias=False), ReLU(), Dense(20, 5), dtype=dtype
    )
    x = rows().astype(dtype)
    given = x.copy()
    tolerance = 1e3 * float(np.finfo(dtype).eps)
    assert lsuv(net, x, tolerance=tolerance, rng=0) is None
    for y in dense_outputs(net.layers, x)[0]:
        assert y.var() == pytest.approx(1.0, abs=tolerance)
    np.testing.assert_array_equal(x, given)


def test_lsuv_sets_scaled_orthogonal_weights_and_zero_biases():
    net = network(Dense(30, 40, bias_init="constant"), ReLU(), Dense(40, 20, bias_init="constant"))
    lsuv(net, rows(), rng=0)
    wide, tall = (net.layers[i].weight.value for i in (0, 2))
    for gram in (wide @ wide.T, tall.T @ tall):
        np.testing.assert_allclose(gram, gram[0, 0] * np.eye(len(gram)), atol=1e-12 * gram[0, 0])
    assert not any(net.layers[i].bias.value.any() for i in (0, 2))


def test_lsuv_reaches_the_dense_layers_inside_a_residual():
    net = network(
        Dense(30, 12), Residual(ReLU(), Dense(12, 12), Residual(Dense(12, 12))), Dense(12, 4)
    )
    lsuv(net, rows(), tolerance=1e-12, rng=0)
    outputs = dense_outputs(net.layers, rows())[0]
    assert len(outputs) == 4
    np.testing.assert_allclose([y.var() for y in outputs], 1.0, rtol=1e-12)


def test_lsuv_writes_into_theta_and_is_reproducible():
    first, second, other = (network(Dense(30, 40), ReLU(), Dense(40, 5)) for _ in range(3))
    for net, seed in [(first, 0), (second, 0), (other, 1)]:
        lsuv(net, rows(), rng=seed)
        assert all(np.shares_memory(net.layers[i].weight.value, net.theta) for i in (0, 2))
    np.testing.assert_array_equal(first.theta, second.theta)
    assert not np.array_equal(first.theta, other.theta)


def test_lsuv_does_not_scale_a_weight_whose_output_is_within_the_tolerance():
    net = network(Dense(30, 20))
    lsuv(net, rows(), tolerance=1e6, rng=0)
    np.testing.assert_array_equal(
        net.layers[0].weight.value, orthogonal((30, 20), rng=0, dtype=np.float64)
    )


class Own(Layer):
    """A student's own layer: y = x * weight, or x @ weight for a 2-d weight."""

    def __init__(self, weight):
        self.in_features, self.out_features = weight.shape[0], weight.shape[-1]
        self.params["weight"] = Param(weight)

    def compute(self, x, y, training):
        weight = self.params["weight"].value
        y[...] = x @ weight if weight.ndim == 2 else x * weight


def test_lsuv_initializes_an_own_layer_with_a_2d_weight():
    net = network(Own(np.full((30, 20), 7.0)), Dense(20, 5))
    lsuv(net, rows(), tolerance=1e-12, rng=0)
    assert net.layers[0].forward(rows(), training=False).var() == pytest.approx(1.0)
    assert net.predict(rows()).var() == pytest.approx(1.0)


def test_lsuv_leaves_a_weight_that_is_not_2d_unchanged():
    net = network(Dense(30, 20), Own(np.full(20, 7.0)), Dense(20, 5))
    lsuv(net, rows(), rng=0)
    np.testing.assert_array_equal(net.layers[1].params["weight"].value, 7.0)
    assert net.predict(rows()).var() == pytest.approx(1.0)


class Sluggish(Dense):
    """Dense layer whose output grows with the square root of the weight."""

    def compute(self, x, y, training):
        super().compute(x, y, training)
        y /= np.sqrt(np.linalg.norm(self.weight.value))


def test_lsuv_divides_at_most_max_iterations_times():
    def distance(iterations, tolerance=1e-9):
        net = network(Sluggish(30, 20))
        lsuv(net, rows(), tolerance=tolerance, max_iterations=iterations, rng=0)
        return abs(np.log(dense_outputs(net.layers, rows())[0][0].var()))

    untouched = distance(1, tolerance=1e6)
    assert distance(1) == pytest.approx(untouched / 2, rel=1e-6)
    assert distance(5) == pytest.approx(untouched / 32, rel=1e-6)
    assert distance(60) < 1e-9


class Dead(Layer):
    def compute(self, x, y, training):
        y[...] = 0.0


class Explosive(Layer):
    def compute(self, x, y, training):
        y[...] = np.inf


@pytest.mark.parametrize(
    ("middle", "error", "message"),
    [
        (
            Dead,
            ValueError,
            r"'dense2' Dense\(40->5\): lsuv: expected an output that varies, got 0 everywhere",
        ),
        (
            Explosive,
            FloatingPointError,
            r"'dense2' Dense\(40->5\): lsuv: expected a finite output, got variance",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_an_output_that_cannot_be_scaled_raises_with_the_layer_and_restores_the_network(
    middle, error, message
):
    net = network(Dense(30, 40, bias_init="constant"), middle(), Dense(40, 5))
    theta = net.theta.copy()
    with pytest.raises(error, match=message):
        lsuv(net, rows())
    np.testing.assert_array_equal(net.theta, theta)


class Rounded(Dense):
    """Dense layer that rounds every other row upwards, as a matrix product may."""

    def compute(self, x, y, training):
        super().compute(x, y, training)
        y[::2] = np.nextafter(y[::2], y.dtype.type(np.inf))


def test_rows_that_differ_only_by_rounding_have_no_variance():
    net = network(Rounded(30, 1), dtype=np.float32)
    theta = net.theta.copy()
    with pytest.raises(ValueError, match="expected an output that varies"):
        lsuv(net, np.full((999, 30), np.pi), rng=0)
    np.testing.assert_array_equal(net.theta, theta)


class Interrupted(Layer):
    def compute(self, x, y, training):
        raise KeyboardInterrupt


def test_an_interruption_restores_the_network():
    net = network(Dense(30, 40), Interrupted())
    theta = net.theta.copy()
    with pytest.raises(KeyboardInterrupt):
        lsuv(net, rows())
    np.testing.assert_array_equal(net.theta, theta)


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (rows()[0], ValueError, r"lsuv: expected x as rows .* got shape \(30,\); x\[None, :\]"),
        (rows()[:0], ValueError, r"lsuv: expected at least one row"),
        (
            rows(width=31),
            ValueError,
            r"Dense\(30->40\): expected x of shape \(n, 30\), got \(200, 31\)",
        ),
        (
            np.full((4, 30), np.nan),
            FloatingPointError,
            r"lsuv: expected finite values, got nan at row 0, column 0",
        ),
        (np.full((4, 30), "a"), TypeError, r"lsuv: expected x as real numbers, got dtype <U1"),
        (None, TypeError, r"lsuv: expected x as an array, got None"),
    ],
)
def test_lsuv_refuses_an_invalid_batch_and_leaves_the_net_alone(x, error, message):
    net = network(Dense(30, 40, bias_init="constant"))
    theta = net.theta.copy()
    with pytest.raises(error, match=message):
        lsuv(net, x)
    np.testing.assert_array_equal(net.theta, theta)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"tolerance": -0.1}, ValueError),
        ({"tolerance": math.nan}, ValueError),
        ({"max_iterations": 0}, ValueError),
        ({"max_iterations": 1.5}, TypeError),
    ],
)
def test_an_option_out_of_range_raises_and_leaves_the_network_unchanged(options, error):
    net = network(Dense(30, 40))
    theta = net.theta.copy()
    with pytest.raises(error, match=f"lsuv: expected {next(iter(options))}"):
        lsuv(net, rows(), **options)
    np.testing.assert_array_equal(net.theta, theta)

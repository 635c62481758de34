"""Activations: formulas, derivatives, and behaviour at limits, infinity and NaN."""

import math

import numpy as np
import pytest

from minnet import ELU, GELU, LeakyReLU, PReLU, ReLU, Sigmoid, SiLU, Softmax, Swish, Tanh

erf = np.vectorize(math.erf, otypes=[float])
LAYERS = {
    "Sigmoid": Sigmoid,
    "Tanh": Tanh,
    "ReLU": ReLU,
    "LeakyReLU": LeakyReLU,
    "LeakyReLU steep": lambda: LeakyReLU(0.6),
    "PReLU": PReLU,
    "ELU": ELU,
    "ELU 0.3": lambda: ELU(0.3),
    "SiLU": SiLU,
    "GELU": GELU,
    "Softmax": Softmax,
}
FORMULAS = {
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "Tanh": np.tanh,
    "ReLU": lambda x: np.where(x > 0, x, 0),
    "LeakyReLU": lambda x: np.where(x > 0, x, 0.01 * x),
    "LeakyReLU steep": lambda x: np.where(x > 0, x, 0.6 * x),
    "PReLU": lambda x: np.where(x > 0, x, 0.25 * x),
    "ELU": lambda x: np.where(x > 0, x, np.expm1(x)),
    "ELU 0.3": lambda x: np.where(x > 0, x, 0.3 * np.expm1(x)),
    "SiLU": lambda x: x / (1 + np.exp(-x)),
    "GELU": lambda x: x * (1 + erf(x / math.sqrt(2))) / 2,
    "Softmax": lambda x: np.exp(x) / np.exp(x).sum(axis=1, keepdims=True),
}
ALL = pytest.mark.parametrize("name", LAYERS)
BOTH = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@ALL
@pytest.mark.parametrize("n", [2, 3, 8, 32])
def test_backward_is_the_derivative_of_forward(name, n, layer_errors):
    for seed in range(20):
        assert max(layer_errors(LAYERS[name], n, 4, seed).values()) <= 1e-6


@ALL
@BOTH
def test_forward_is_the_formula(name, dtype):
    x = np.linspace(-8, 8, 6 * 33).reshape(33, 6).astype(dtype)
    layer = LAYERS[name]().build(dtype=dtype)
    expected = FORMULAS[name](x.astype(np.float64))
    tolerance = 16 * np.finfo(dtype).eps
    for training in (True, False):
        y = layer.forward(x, training=training)
        assert y.dtype == dtype
        np.testing.assert_allclose(y, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", ["Sigmoid", "SiLU", "GELU"])
def test_the_derivative_is_that_of_the_formula_along_the_imaginary_axis(name):
    # f(x + ih) = f(x) + ih f'(x) + ..., whose imaginary part has no difference to round off.
    x = np.linspace(-5, 5, 41)[None, :]
    if name == "GELU":
        density = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
        expected = (1 + erf(x / math.sqrt(2))) / 2 + x * density
    else:
        expected = FORMULAS[name](x + 1e-30j).imag / 1e-30
    layer = LAYERS[name]().build(dtype=np.float64)
    layer.forward(x, training=True)
    np.testing.assert_allclose(layer.backward(np.ones_like(x)), expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    ("make", "at_zero"),
    [(ReLU, 0), (lambda: LeakyReLU(0.2), 0.2), (PReLU, 0.25), (lambda: ELU(0.5), 0.5)],
)
def test_the_slope_at_a_kink_is_that_of_the_left_side(make, at_zero):
    layer = make().build(dtype=np.float64)
    assert layer.forward([[0.0, -0.0]], training=True).tolist() == [[0, 0]]
    assert layer.backward([[1.0, 1.0]]).tolist() == [[at_zero, at_zero]]


@BOTH
@pytest.mark.parametrize(
    ("make", "low", "high"),
    [
        (Sigmoid, 0, 1),
        (Tanh, -1, 1),
        (ReLU, 0, 1e4),
        (ELU, -1, 1e4),
        (SiLU, 0, 1e4),
        (GELU, 0, 1e4),
    ],
)
def test_large_inputs_give_the_limit_with_a_finite_gradient(make, low, high, dtype):
    layer = make().build(dtype=dtype)
    y = layer.forward([[-1e4, 1e4]], training=True)
    assert y.tolist() == [[low, high]]
    assert np.isfinite(layer.backward([[1.0, 1.0]])).all()


@BOTH
def test_the_largest_numbers_overflow_no_activation(dtype):
    top = np.finfo(dtype).max
    for name, make in LAYERS.items():
        layer = make().build(dtype=dtype)
        y = layer.forward(np.array([[-top, 0.0, top]]), training=True)
        assert np.isfinite(y).all(), name
        assert np.isfinite(layer.backward([[1.0, 1.0, 1.0]])).all(), name


@ALL
def test_nan_stays_in_the_entry_that_holds_it(name):
    x = np.zeros((3, 4), np.float32)
    x[1, 2] = np.nan
    bad = np.isnan(LAYERS[name]().forward(x, training=True))
    expected = np.isnan(x)
    if name == "Softmax":
        expected[1] = True  # a row is normalised as a whole
    np.testing.assert_array_equal(bad, expected)


@BOTH
def test_softmax_rows_are_probabilities_for_large_logits(dtype):
    x = np.array([[1e4, 1e4, -1e4], [-1e4, -1e4, -1e4], [0, -np.inf, 0]], dtype)
    expected = [[1 / 2, 1 / 2, 0], [1 / 3, 1 / 3, 1 / 3], [1 / 2, 0, 1 / 2]]
    y = Softmax().build(dtype=dtype).forward(x, training=True)
    np.testing.assert_allclose(y, expected, rtol=4 * np.finfo(dtype).eps)


def test_softmaxs_backward_is_its_jacobian():
    rng = np.random.default_rng(0)
    softmax = Softmax().build(dtype=np.float64)
    y = softmax.forward(rng.normal(size=(3, 5)), training=True)
    dy = rng.normal(size=(3, 5))
    expected = [(np.diag(p) - np.outer(p, p)) @ g for p, g in zip(y, dy, strict=True)]
    np.testing.assert_allclose(softmax.backward(dy), expected, atol=1e-15)


def test_prelu_learns_one_slope_for_all_features():
    prelu = PReLU(0.5).build(dtype=np.float64)
    prelu.forward([[-1.0, 2.0], [-3.0, -4.0]], training=True)
    prelu.backward([[10.0, 20.0], [30.0, 40.0]])
    assert prelu.slope.value.tolist() == [0.5]
    assert prelu.slope.grad.tolist() == [-10.0 - 90.0 - 160.0]
    prelu.forward([[1.0, 2.0]], training=True)
    prelu.backward([[1.0, 1.0]])
    assert prelu.slope.grad.tolist() == [0.0]


def test_swish_is_silu():
    assert Swish is SiLU


@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf])
def test_slopes_out_of_range_are_refused(value):
    with pytest.raises(ValueError, match="LeakyReLU: expected negative_slope to be non-negative"):
        LeakyReLU(value)
    with pytest.raises(ValueError, match="PReLU: expected init to be non-negative"):
        PReLU(value)
    with pytest.raises(ValueError, match="ELU: expected alpha to be positive"):
        ELU(value)


def test_an_argument_that_is_not_a_number_is_refused():
    with pytest.raises(TypeError, match="ELU: expected alpha to be a number, positive"):
        ELU("1")
    with pytest.raises(ValueError, match="ELU: expected alpha to be positive"):
        ELU(0)


def test_descriptions_show_the_arguments():
    assert [repr(layer) for layer in (ReLU(), LeakyReLU(0.2), ELU(2), PReLU())] == [
        "ReLU()",
        "LeakyReLU(0.2)",
        "ELU(2)",
        "PReLU()",
    ]

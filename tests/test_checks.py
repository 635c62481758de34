"""Gradient checks: correct gradients pass, wrong ones raise an error."""

import re

import numpy as np
import pytest
from helpers.tried import Square

from minnet import (
    ELU,
    GELU,
    BatchNorm,
    CrossEntropy,
    Dense,
    Dropout,
    GroupNorm,
    Huber,
    Layer,
    LayerNorm,
    LeakyReLU,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    Param,
    PReLU,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
    SigmoidBinaryCrossEntropy,
    SiLU,
    Softmax,
    SoftmaxCrossEntropy,
    Tanh,
)
from minnet.checks import GradientError, check_layer, check_loss, numerical_gradient

LAYERS = {
    "Dense": lambda: Dense(4, 3),
    "Sigmoid": Sigmoid,
    "Tanh": Tanh,
    "ReLU": ReLU,
    "LeakyReLU": LeakyReLU,
    "PReLU": PReLU,
    "ELU": ELU,
    "SiLU": SiLU,
    "GELU": GELU,
    "Softmax": Softmax,
    "BatchNorm": lambda: BatchNorm(4, eps=0.1),
    "LayerNorm": lambda: LayerNorm(4, eps=0.1),
    "GroupNorm": lambda: GroupNorm(2, 4, eps=0.1),
    "Dropout": Dropout,
    "Residual": lambda: Residual(Dense(4, 3), Dropout(), Dense(3, 4)),
    "Sequential": lambda: Sequential([Dense(4, 5), BatchNorm(5, eps=0.1), Tanh(), Dense(5, 2)]),
}


# Correct gradients pass.


@pytest.mark.parametrize("n", [3, 8])
@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_every_layer_passes(make, n):
    layer = make()
    for seed in range(5):
        errors = check_layer(layer, (n, 4), rng=seed)
        assert list(errors) == ["dx", *layer.params]
        assert 0 <= max(errors.values()) <= 1e-6


@pytest.mark.parametrize(
    ("loss", "target"),
    [
        (SoftmaxCrossEntropy(), [0, 2]),
        (CrossEntropy(), [[0.2, 0.3, 0.5], [1, 0, 0]]),
        (SigmoidBinaryCrossEntropy(), [[0, 1, 0.5], [1, 0, 0]]),
        (MeanSquaredError(), [[0, 1, 0.5], [1, 0, 0]]),
        (MeanAbsoluteError(), [[0, 0.6, 0.5], [0.2, 0, 0]]),  # at kinks as well
        (Huber(0.3), [[0, 0.6, 0.5], [0.5, 0, 0]]),
    ],
)
def test_every_loss_passes(loss, target):
    output = [[0.3, 0.6, 0.1], [0.2, 0.2, 0.6]]
    errors = check_loss(loss, output, target)
    assert list(errors) == ["dx"]
    assert errors["dx"] <= 1e-6


def test_the_checked_layer_is_left_alone():
    dense = Dense(3, 2).build(rng=0)
    dense.forward(np.ones((4, 3)), training=True)
    weight, y = dense.weight.value.copy(), dense.y.copy()
    check_layer(dense, (5, 3))
    np.testing.assert_array_equal(dense.weight.value, weight)
    np.testing.assert_array_equal(dense.y, y)
    assert dense.dtype == np.float32
    net = Sequential([Dense(3, 2)], rng=0)
    theta = net.theta.copy()
    check_layer(net, (5, 3))
    np.testing.assert_array_equal(net.theta, theta)
    assert np.shares_memory(net["dense1"].weight.value, net.theta)


def test_one_seed_gives_the_same_errors():
    assert check_layer(Dense(3, 2), (4, 3), rng=3) == check_layer(Dense(3, 2), (4, 3), rng=3)


class StoresY(Layer):
    """Sigmoid that stores its result itself."""

    def compute(self, x, y, training):
        self.y = 1 / (1 + np.exp(-x))
        y[...] = self.y

    def differentiate(self, dy, dx):
        dx[...] = dy * self.y * (1 - self.y)


class PlainSoftmax(Layer):
    def compute(self, x, y, training):
        y[...] = np.exp(x - x.max(axis=1, keepdims=True))
        y /= y.sum(axis=1, keepdims=True)

    def differentiate(self, dy, dx):
        dx[...] = self.y * (dy - (dy * self.y).sum(axis=1, keepdims=True))


@pytest.mark.parametrize("make", [StoresY, PlainSoftmax, Square])
def test_a_users_layer_in_plain_numpy_passes(make):
    for seed in range(5):
        assert check_layer(make(), (5, 4), rng=seed)["dx"] < 1e-8


def relu_network(relu=ReLU):
    return Sequential([Dense(4, 16), relu(), Dense(16, 16), relu(), Dense(16, 3)])


def test_a_network_with_kinks_passes_for_every_seed():
    for seed in range(40):
        assert max(check_layer(relu_network(), (8, 4), rng=seed).values()) <= 1e-6


class Zero(Layer):
    """y = 0 x, with a gradient of exactly 0."""

    def compute(self, x, y, training):
        y[...] = 0 * x

    def differentiate(self, dy, dx):
        dx[...] = 0


def test_gradients_of_exactly_zero_pass():
    assert check_layer(Zero(), (5, 3)) == {"dx": 0.0}
    # BatchNorm subtracts the mean, so that the bias before it has no effect.
    for seed in range(10):
        net = Sequential([Dense(3, 4), BatchNorm(4)])
        assert max(check_layer(net, (6, 3), rng=seed).values()) <= 1e-6


@pytest.mark.parametrize("labels", [[1, 0, 1, 2], [1, 0, 1, 0]])
def test_cross_entropy_passes_for_probabilities_at_the_limits(labels):
    p = [[1e-6, 1 - 2e-6, 1e-6], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.5, 0.0, 0.5]]
    assert check_loss(CrossEntropy(), p, labels)["dx"] <= 1e-6


# Wrong gradients raise an error. Each mistake occurred in an exercise.


class Affine(Layer):
    """y = a x + b, with correct gradients; each of the classes below contains one mistake."""

    def draw_params(self, rng):
        return {name: Param(np.ones(3, self.dtype)) for name in ("a", "b")}

    def compute(self, x, y, training):
        y[...] = x * self.params["a"].value + self.params["b"].value

    def differentiate(self, dy, dx):
        self.params["a"].grad = (dy * self.x).sum(axis=0)
        self.params["b"].grad = dy.sum(axis=0)
        dx[...] = dy * self.params["a"].value


class ForgottenFactor(Affine):
    def differentiate(self, dy, dx):
        super().differentiate(dy, dx)
        dx[...] = dy


class WrongSign(Affine):
    def differentiate(self, dy, dx):
        super().differentiate(dy, dx)
        dx *= -1


class HalfAPercentOff(Affine):
    def differentiate(self, dy, dx):
        super().differentiate(dy, dx)
        dx *= 1.005


class MeanForSum(Affine):
    def differentiate(self, dy, dx):
        super().differentiate(dy, dx)
        self.params["b"].grad = dy.mean(axis=0)


class ZeroForSum(Affine):
    def differentiate(self, dy, dx):
        super().differentiate(dy, dx)
        self.params["b"].grad = 0


class LastColumn(Affine):
    def differentiate(self, dy, dx):
        super().differentiate(dy, dx)
        dx[-1, -1] = 0


class Transposed(Dense):
    def differentiate(self, dy, dx):
        super().differentiate(dy, dx)
        np.dot(dy, self.weight.value, out=dx)


class NoMeanPath(BatchNorm):
    def differentiate(self, dy, dx):
        super().differentiate(dy, dx)
        x_hat = (self.x - self.mean) / np.sqrt(self.var + self.eps)
        g = dy * self.gamma.value / np.sqrt(self.var + self.eps)
        dx[...] = g - x_hat * (g * x_hat).mean(axis=0)


class NoVariancePath(BatchNorm):
    def differentiate(self, dy, dx):
        super().differentiate(dy, dx)
        g = dy * self.gamma.value / np.sqrt(self.var + self.eps)
        dx[...] = g - g.mean(axis=0)


class NoGamma(BatchNorm):
    def differentiate(self, dy, dx):
        super().differentiate(dy, dx)
        dx /= self.gamma.value


class UnbiasedVariance(BatchNorm):
    def differentiate(self, dy, dx):
        self.var *= len(dy) / (len(dy) - 1)
        super().differentiate(dy, dx)


class NoInnerProduct(Softmax):
    def differentiate(self, dy, dx):
        dx[...] = self.y * dy


class DifferentMask(Dropout):
    def differentiate(self, dy, dx):
        dx[...] = dy * (self.rng.random(dy.shape) > 0.5) * 2


WRONG = [
    (ForgottenFactor, "gradient dx with a relative error"),
    (WrongSign, "gradient dx with a relative error"),
    (HalfAPercentOff, r"gradient dx with a relative error up to 1e-06, got 5.*e-03"),
    (MeanForSum, "gradient b with a relative error"),
    (ZeroForSum, r"gradient b with .*, got 1.0e\+00"),
    (LastColumn, r"gradient dx with .*; at \(4, 2\) backward gives 0, finite differences give"),
    (lambda: Transposed(3, 3), "gradient dx with a relative error"),
    (lambda: NoMeanPath(3, eps=0.1), "gradient dx with a relative error"),
    (lambda: NoVariancePath(3, eps=0.1), "gradient dx with a relative error"),
    (lambda: NoGamma(3, eps=0.1), "gradient dx with a relative error"),
    (lambda: UnbiasedVariance(3, eps=0.1), "gradient (dx|gamma) with a relative error"),
    (NoInnerProduct, "gradient dx with a relative error"),
    (DifferentMask, "gradient dx with a relative error"),
]


@pytest.mark.parametrize(("make", "message"), WRONG)
def test_a_wrong_gradient_is_an_error_that_names_it(make, message):
    assert check_layer(Affine(), (5, 3)).keys() == {"dx", "a", "b"}
    layer = make()
    with pytest.raises(
        GradientError, match=rf"^{re.escape(layer.describe())}: expected the {message}"
    ):
        check_layer(layer, (5, 3))


def test_a_gradient_error_is_an_assertion_error_that_shows_the_worst_entry():
    assert issubclass(GradientError, AssertionError)
    with pytest.raises(
        AssertionError, match=r"at \(\d, \d\) backward gives .*, finite differences"
    ):
        check_layer(ForgottenFactor(), (5, 3))


class NanGradient(Affine):
    def differentiate(self, dy, dx):
        super().differentiate(dy, dx)
        dx[1, 1] = np.nan


def test_nan_in_a_gradient_is_an_error():
    with pytest.raises(GradientError, match=r"at \(1, 1\) backward gives nan"):
        check_layer(NanGradient(), (5, 3))


class SumForMean(MeanSquaredError):  # noqa: N818
    def differentiate(self, output, target, dx):
        super().differentiate(output, target, dx)
        dx *= output.size


def test_a_wrong_loss_is_an_error():
    with pytest.raises(
        GradientError, match="SumForMean: expected the gradient dx with a relative error"
    ):
        check_loss(SumForMean(), np.ones((2, 3)), np.zeros((2, 3)))


def test_the_tolerance_is_the_largest_error_that_passes():
    assert check_layer(HalfAPercentOff(), (5, 3), tolerance=0.01)["dx"] > 0.004
    with pytest.raises(GradientError, match="up to 4e-03"):
        check_layer(HalfAPercentOff(), (5, 3), tolerance=4e-3)


# Kinks.


class Integers(np.random.Generator):
    """Generator of whole numbers, so that inputs are exactly 0 often."""

    def standard_normal(self, size=None):
        return self.integers(-2, 3, size).astype(float)


class Kinked(Layer):
    """ReLU with the given slopes at 0 and below 0 in the backward pass."""

    def __init__(self, at_zero, below_zero=0.0):
        self.at_zero, self.below_zero = at_zero, below_zero

    def compute(self, x, y, training):
        y[...] = np.maximum(x, 0)

    def differentiate(self, dy, dx):
        slope = np.where(self.x > 0, 1.0, np.where(self.x < 0, self.below_zero, self.at_zero))
        dx[...] = dy * slope


def check_at_zero(layer):
    generator = Integers(np.random.PCG64(0))
    return check_layer(layer, (6, 5), rng=generator)["dx"]


@pytest.mark.parametrize("make", [ReLU, LeakyReLU, PReLU, ELU])
def test_activations_pass_at_their_kink(make):
    assert check_at_zero(make()) <= 1e-6


@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0])
def test_at_a_kink_the_one_sided_slopes_and_their_mean_pass(slope):
    assert check_at_zero(Kinked(slope)) <= 1e-6


@pytest.mark.parametrize("slope", [-0.2, -0.005, 1.005, 1.5])
def test_at_a_kink_a_value_outside_the_one_sided_slopes_is_an_error(slope):
    with pytest.raises(GradientError, match="gradient dx with a relative error"):
        check_at_zero(Kinked(slope))


@pytest.mark.parametrize("slope", [-0.005, 0.005, 0.5])
def test_beside_a_kink_a_wrong_value_is_an_error(slope):
    with pytest.raises(GradientError, match="gradient dx with a relative error"):
        check_at_zero(Kinked(0.5, below_zero=slope))


def test_an_error_of_half_a_percent_is_found_in_a_network_with_kinks():
    class SlightlyWrong(Layer):
        def compute(self, x, y, training):
            y[...] = np.maximum(x, 0)

        def differentiate(self, dy, dx):
            dx[...] = 1.005 * dy * (self.x > 0)

    for seed in range(10):
        with pytest.raises(GradientError, match="with a relative error"):
            check_layer(relu_network(SlightlyWrong), (8, 4), rng=seed)


class MeanAbsolute(Loss):
    """Mean absolute difference, with the given slope at 0."""

    def __init__(self, at_zero=0.0, factor=1.0):
        self.at_zero, self.factor = at_zero, factor

    def compute(self, output, target):
        return np.abs(output - target).mean()

    def differentiate(self, output, target, dx):
        difference = output - target
        slope = np.where(difference == 0, self.at_zero, self.factor * np.sign(difference))
        dx[...] = slope / output.size


def test_at_a_kink_of_a_loss_the_one_sided_slopes_and_their_mean_pass():
    output, target = np.array([[1.0, 2.0, -3.0]]), np.array([[1.0, 0.0, -3.0]])
    for slope in (-1.0, 0.0, 1.0):
        assert check_loss(MeanAbsolute(slope), output, target)["dx"] <= 1e-6
    for wrong in (MeanAbsolute(1.1), MeanAbsolute(-1.005), MeanAbsolute(factor=1.005)):
        with pytest.raises(
            GradientError, match="MeanAbsolute: expected the gradient dx with a relative error"
        ):
            check_loss(wrong, output, target)


def test_a_wrong_gradient_of_a_steep_smooth_function_is_an_error():
    class Steep(Loss):
        """Exponential function, whose one-sided slopes differ by its curvature alone."""

        def __init__(self, factor):
            self.factor = factor

        def compute(self, output, target):
            return np.exp(100 * output).sum()

        def differentiate(self, output, target, dx):
            dx[...] = self.factor * 100 * np.exp(100 * output)

    point = np.zeros((1, 1))
    assert check_loss(Steep(1.0), point, point)["dx"] <= 1e-6
    for factor in (0.99998, 1.00002):
        with pytest.raises(
            GradientError, match="Steep: expected the gradient dx with a relative error"
        ):
            check_loss(Steep(factor), point, point)


class PlainCrossEntropy(Loss):
    """Cross-entropy of probabilities in plain NumPy, with the gradient times a factor."""

    classifies = True

    def __init__(self, factor):
        self.factor = factor

    def compute(self, output, target):
        if (output < 0).any():
            raise ValueError("expected probabilities")
        return -(target * np.log(output.clip(1e-300))).sum() / len(output)

    def differentiate(self, output, target, dx):
        dx[...] = -self.factor * target / output.clip(1e-300) / len(output)


@pytest.mark.parametrize("p", [1e-3, 2e-5, 1e-6])
def test_an_error_of_half_a_percent_is_found_at_small_probabilities(p):
    output = np.array([[p, 1 - p]])
    assert check_loss(PlainCrossEntropy(1.0), output, [0])["dx"] <= 1e-6
    for factor in (0.995, 1.005, 2.0):
        with pytest.raises(
            GradientError, match="PlainCrossEntropy: expected the gradient dx with a relative"
        ):
            check_loss(PlainCrossEntropy(factor), output, [0])


@pytest.mark.parametrize("make", [CrossEntropy, lambda: PlainCrossEntropy(1.0)])
def test_a_probability_of_zero_for_the_label_is_skipped(make):
    assert check_loss(make(), [[0.0, 1.0]], [0])["dx"] == 0
    assert check_loss(make(), [[0.0, 1.0], [0.4, 0.6]], [0, 1])["dx"] <= 1e-6
    with pytest.raises(GradientError, match=r"got 9\.\de-03; at \(1, 1\) backward gives -"):
        check_loss(PlainCrossEntropy(1.01), [[0.0, 1.0], [0.4, 0.6]], [0, 1])


def test_an_error_at_the_border_of_the_domain_is_found_and_described_in_numbers():
    output, target = [[0.0, 1.0]], [1]
    assert check_loss(CrossEntropy(), output, target)["dx"] <= 1e-6

    class Shifted(CrossEntropy):
        def differentiate(self, output, target, dx):
            super().differentiate(output, target, dx)
            dx[0, 0] += 0.5

    message = r"up to 1e-06, got 5\.0e-01; at \(0, 0\) backward gives 0\.5, .* differences give 0$"
    with pytest.raises(GradientError, match=message):
        check_loss(Shifted(), output, target)


def test_rounding_errors_at_the_border_of_the_domain_are_no_infinite_slope():
    class Rounded(Loss):
        def compute(self, output, target):
            if output < 0:
                raise ValueError("expected an output >= 0")
            return np.nextafter(1e3, 2e3) if output > 0 else 1e3

        def differentiate(self, output, target, dx):
            dx[...] = 5

    with pytest.raises(GradientError, match=r"at \(0, 0\) backward gives 5, finite differences"):
        check_loss(Rounded(), [[0.0]], [[0.0]])


# numerical_gradient.


def test_the_numerical_gradient_of_known_functions():
    x = np.array([[0.3, -1.2], [2.0, 0.7]])
    for f, derivative in (
        (lambda x: np.sin(x).sum(), np.cos(x)),
        (lambda x: (x**3).sum(), 3 * x**2),
        (lambda x: x.prod(), x.prod() / x),
    ):
        np.testing.assert_allclose(numerical_gradient(f, x), derivative, rtol=1e-8)


def test_the_numerical_gradient_accepts_any_shape_and_leaves_x_alone():
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    kept = x.copy()
    gradient = numerical_gradient(lambda x: (x * x).sum(), x)
    np.testing.assert_allclose(gradient, 2 * kept, rtol=1e-6, atol=1e-8)
    assert gradient.dtype == np.float64
    np.testing.assert_array_equal(x, kept)
    assert numerical_gradient(lambda x: float(x) ** 2, 3.0).item() == pytest.approx(6.0)
    assert numerical_gradient(lambda x: 0.0, []).shape == (0,)


def test_a_function_that_writes_into_its_argument_gives_the_same_gradient():
    def f(x):
        value = (x**2).sum()
        x[...] = 99
        return value

    np.testing.assert_allclose(numerical_gradient(f, [1.0, 2.0]), [2, 4], rtol=1e-8)


@pytest.mark.parametrize("size", [1e-12, 1.0, 1e3, 1e12])
def test_the_step_is_relative_for_large_numbers(size):
    v = np.array([size, -2 * size])
    np.testing.assert_allclose(numerical_gradient(lambda v: 3 * v.sum(), v), 3, rtol=1e-9)
    np.testing.assert_allclose(numerical_gradient(lambda v: v @ v, v), 2 * v, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("step", [0, -1e-5, np.nan])
def test_a_step_out_of_range_is_refused(step):
    with pytest.raises(ValueError, match="numerical_gradient: expected step to be positive"):
        numerical_gradient(np.sum, [1.0], step=step)


def test_a_smaller_step_is_accurate_for_a_steeper_function():
    steep = numerical_gradient(lambda x: np.sin(1e3 * x).sum(), [0.0], step=1e-7)
    assert steep[0] == pytest.approx(1e3, rel=1e-8)
    coarse = numerical_gradient(lambda x: np.sin(1e3 * x).sum(), [0.0], step=1e-3)
    assert coarse[0] == pytest.approx(1e3 * np.sin(1.0), rel=1e-9)


def test_an_invalid_shape_is_refused():
    with pytest.raises(ValueError, match="check_layer: expected x_shape to be at least 1, got 0"):
        check_layer(ReLU(), (0, 3))
    with pytest.raises(TypeError, match="check_layer: expected x_shape to be a whole number"):
        check_layer(ReLU(), (2.5, 3))


def test_a_gradient_that_accumulates_over_passes_is_an_error():
    class Accumulating(Affine):
        total = 0.0

        def differentiate(self, dy, dx):
            super().differentiate(dy, dx)
            self.total = self.total + self.params["b"].grad
            self.params["b"].grad = self.total

    with pytest.raises(GradientError, match="expected the gradient b with a relative error"):
        check_layer(Accumulating(), (5, 3))


@pytest.mark.parametrize("x", [None, "x", [1j], np.ma.masked_array([1.0], [True])])
def test_a_point_that_does_not_hold_real_numbers_is_refused(x):
    with pytest.raises(TypeError, match="numerical_gradient: expected a point x as"):
        numerical_gradient(np.sum, x)


def test_a_function_that_does_not_return_a_number_is_refused():
    for f in (np.square, lambda x: None, lambda x: "1"):
        with pytest.raises(TypeError, match="numerical_gradient: expected f to return a number"):
            numerical_gradient(f, [1.0, 2.0])


@pytest.mark.parametrize("tolerance", [np.nan, 0, -1, np.inf])
def test_a_tolerance_that_is_not_positive_is_refused(tolerance):
    with pytest.raises(ValueError, match="check_layer: expected tolerance to be positive"):
        check_layer(ReLU(), (2, 3), tolerance=tolerance)
    with pytest.raises(ValueError, match="check_loss: expected tolerance to be positive"):
        check_loss(MeanSquaredError(), [[1.0]], [[2.0]], tolerance=tolerance)


@pytest.mark.parametrize("x", [1e6, 1e9, 1e12, -1e15])
def test_the_step_grows_with_the_point(x):
    gradient = numerical_gradient(lambda v: float(3 * v.sum()), [x])
    np.testing.assert_allclose(gradient, 3, rtol=1e-9)


@pytest.mark.parametrize(
    ("loss", "output", "target"),
    [
        (SigmoidBinaryCrossEntropy(), [[40.0]], [[1.0]]),
        (MeanSquaredError(), [[0.1 + 0.2]], [[0.3]]),
    ],
)
def test_check_loss_accepts_gradients_of_the_size_of_rounding_errors(loss, output, target):
    assert check_loss(loss, output, target)["dx"] < 1e-6

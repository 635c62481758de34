"""What the public gradient check promises: right layers pass, planted mistakes are caught."""

import numpy as np
import pytest

from minnet import (
    ELU,
    GELU,
    BatchNorm,
    CrossEntropy,
    Dense,
    Dropout,
    GroupNorm,
    Layer,
    LayerNorm,
    LeakyReLU,
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


# What is right passes.


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
    ],
)
def test_every_loss_passes(loss, target):
    output = [[0.3, 0.6, 0.1], [0.2, 0.2, 0.6]]
    errors = check_loss(loss, output, target)
    assert list(errors) == ["dx"]
    assert errors["dx"] <= 1e-6


def test_the_layer_itself_is_left_alone():
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


def test_one_seed_gives_one_answer():
    assert check_layer(Dense(3, 2), (4, 3), rng=3) == check_layer(Dense(3, 2), (4, 3), rng=3)


# What is wrong is caught. Each is a mistake that an exercise has seen.


class Affine(Layer):
    """y = a x + b, right as it stands; each of the layers below breaks one thing."""

    def draw_params(self, rng):
        return {name: Param(np.ones(3, self.dtype)) for name in ("a", "b")}

    def forward(self, x, *, training):
        x, y = self.begin_forward(x, training)
        y[...] = x * self.params["a"].value + self.params["b"].value
        return y

    def backward(self, dy):
        dy, dx = self.begin_backward(dy)
        self.params["a"].grad = (dy * self.x).sum(axis=0)
        self.params["b"].grad = dy.sum(axis=0)
        dx[...] = dy * self.params["a"].value
        return dx


class ForgottenFactor(Affine):
    def backward(self, dy):
        super().backward(dy)
        self.dx[...] = dy
        return self.dx


class WrongSign(Affine):
    def backward(self, dy):
        return np.negative(super().backward(dy))


class HalfAPercentOff(Affine):
    def backward(self, dy):
        dx = super().backward(dy)
        dx *= 1.005
        return dx


class ForgottenParameter(Affine):
    def backward(self, dy):
        dy, dx = self.begin_backward(dy)
        self.params["a"].grad = (dy * self.x).sum(axis=0)
        dx[...] = dy * self.params["a"].value
        return dx


class MeanForSum(Affine):
    def backward(self, dy):
        dx = super().backward(dy)
        self.params["b"].grad = dy.mean(axis=0)
        return dx


class AddsUp(Affine):
    def backward(self, dy):
        kept = self.params["a"].grad.copy()
        dx = super().backward(dy)
        self.params["a"].grad += kept
        return dx


class LastColumn(Affine):
    def backward(self, dy):
        dx = super().backward(dy)
        dx[-1, -1] = 0
        return dx


class Transposed(Dense):
    def backward(self, dy):
        super().backward(dy)
        return np.dot(dy, self.weight.value, out=self.dx)


class NoMeanPath(BatchNorm):
    def backward(self, dy):
        super().backward(dy)
        x_hat = (self.x - self.mean) / np.sqrt(self.var + self.eps)
        g = dy * self.gamma.value / np.sqrt(self.var + self.eps)
        self.dx[...] = g - x_hat * (g * x_hat).mean(axis=0)
        return self.dx


class NoVariancePath(BatchNorm):
    def backward(self, dy):
        super().backward(dy)
        g = dy * self.gamma.value / np.sqrt(self.var + self.eps)
        self.dx[...] = g - g.mean(axis=0)
        return self.dx


class NoGamma(BatchNorm):
    def backward(self, dy):
        dx = super().backward(dy)
        dx /= self.gamma.value
        return dx


class UnbiasedVariance(BatchNorm):
    def backward(self, dy):
        self.var *= len(dy) / (len(dy) - 1)
        return super().backward(dy)


class NoInnerProduct(Softmax):
    def backward(self, dy):
        super().backward(dy)
        self.dx[...] = self.y * dy
        return self.dx


class WritesIntoX(Affine):
    def forward(self, x, *, training):
        y = super().forward(x, training=training)
        x *= 2
        return y


class WritesIntoDy(Affine):
    def backward(self, dy):
        dx = super().backward(dy)
        dy[0, 0] = 0
        return dx


class WritesIntoXLater(Affine):
    def backward(self, dy):
        dx = super().backward(dy)
        self.x[...] = 0
        return dx


class NewMaskEveryTime(Dropout):
    def backward(self, dy):
        return super().backward(dy) * 0 + dy * (self.rng.random(dy.shape) > 0.5) * 2


class ReturnsDy(Layer):
    def forward(self, x, *, training):
        return x + 1

    def backward(self, dy):
        return dy


class ReturnsX(Layer):
    def forward(self, x, *, training):
        return x

    def backward(self, dy):
        return dy.copy()


class ReturnsNoDx(Affine):
    def backward(self, dy):
        super().backward(dy)


class ReturnsNoY(Affine):
    def forward(self, x, *, training):
        super().forward(x, training=training)


class ReturnsAColumn(Affine):
    def forward(self, x, *, training):
        return super().forward(x, training=training)[:, 0]


class WrongShape(Affine):
    def backward(self, dy):
        return super().backward(dy)[:-1]


class PredictsIntoItsBuffer(Affine):
    def forward(self, x, *, training):
        return super().forward(x, training=True)


WRONG = [
    (ForgottenFactor, "gradient dx has relative error"),
    (WrongSign, "gradient dx has relative error"),
    (HalfAPercentOff, r"gradient dx has relative error 5.*e-03, above 1e-06"),
    (ForgottenParameter, "gradient b "),
    (MeanForSum, "gradient b has relative error"),
    (AddsUp, "gradient a "),
    (LastColumn, r"gradient dx has .*; at \(4, 2\) backward says 0, finite differences say"),
    (lambda: Transposed(3, 3), "gradient dx has relative error"),
    (lambda: NoMeanPath(3, eps=0.1), "gradient dx has relative error"),
    (lambda: NoVariancePath(3, eps=0.1), "gradient dx has relative error"),
    (lambda: NoGamma(3, eps=0.1), "gradient dx has relative error"),
    (lambda: UnbiasedVariance(3, eps=0.1), "gradient (dx|gamma) has relative error"),
    (NoInnerProduct, "gradient dx has relative error"),
    (NewMaskEveryTime, "gradient dx has relative error"),
    (WritesIntoX, "forward wrote into its argument"),
    (WritesIntoDy, "backward wrote into its argument"),
    (WritesIntoXLater, "gradient a has relative error"),
    (ReturnsDy, "must not share memory"),
    (ReturnsX, "must not share memory"),
    (ReturnsNoDx, "expected dx as an array .*got NoneType"),
    (ReturnsNoY, "expected y as an array .*got NoneType"),
    (ReturnsAColumn, r"expected y as an array .*got \(5,\)"),
    (WrongShape, r"expected dx as an array \(5, 3\), got \(4, 3\)"),
    (PredictsIntoItsBuffer, r"forward\(training=False\) must leave the buffer y alone"),
]


@pytest.mark.parametrize(("make", "message"), WRONG)
def test_a_planted_mistake_is_caught_and_named(make, message):
    assert check_layer(Affine(), (5, 3)).keys() == {"dx", "a", "b"}
    with pytest.raises(GradientError, match=message):
        check_layer(make(), (5, 3))


def test_a_gradient_error_is_an_assertion_error_that_shows_the_worst_entry():
    assert issubclass(GradientError, AssertionError)
    with pytest.raises(AssertionError, match=r"at \(\d, \d\) backward says .*, finite differences"):
        check_layer(ForgottenFactor(), (5, 3))


class NanGradient(Affine):
    def backward(self, dy):
        dx = super().backward(dy)
        dx[1, 1] = np.nan
        return dx


def test_nan_in_a_gradient_is_an_error():
    with pytest.raises(GradientError, match=r"at \(1, 1\) backward says nan"):
        check_layer(NanGradient(), (5, 3))


class SumForMean(MeanSquaredError):  # noqa: N818
    def backward(self):
        return super().backward() * self.output.size


class WritesIntoOutput(MeanSquaredError):  # noqa: N818
    def forward(self, output, target):
        value = super().forward(output, target)
        output[0, 0] = 7
        return value


def test_a_wrong_loss_is_caught():
    with pytest.raises(GradientError, match="SumForMean: the gradient dx has relative error"):
        check_loss(SumForMean(), np.ones((2, 3)), np.zeros((2, 3)))
    with pytest.raises(GradientError, match="forward wrote into its argument"):
        check_loss(WritesIntoOutput(), np.ones((2, 3)), np.zeros((2, 3)))


def test_a_tolerance_is_kept_to():
    assert check_layer(HalfAPercentOff(), (5, 3), tolerance=0.01)["dx"] > 0.004
    with pytest.raises(GradientError, match="above 4e-03"):
        check_layer(HalfAPercentOff(), (5, 3), tolerance=4e-3)


# numerical_gradient.


def test_the_numerical_gradient_of_known_functions():
    x = np.array([[0.3, -1.2], [2.0, 0.7]])
    for f, derivative in (
        (lambda x: np.sin(x).sum(), np.cos(x)),
        (lambda x: (x**3).sum(), 3 * x**2),
        (lambda x: x.prod(), x.prod() / x),
    ):
        np.testing.assert_allclose(numerical_gradient(f, x), derivative, rtol=1e-8)


def test_the_numerical_gradient_takes_any_shape_and_changes_nothing():
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    kept = x.copy()
    gradient = numerical_gradient(lambda x: (x * x).sum(), x)
    np.testing.assert_allclose(gradient, 2 * kept, rtol=1e-6, atol=1e-8)
    assert gradient.dtype == np.float64
    np.testing.assert_array_equal(x, kept)
    assert numerical_gradient(lambda x: float(x) ** 2, 3.0).item() == pytest.approx(6.0)
    assert numerical_gradient(lambda x: 0.0, []).shape == (0,)


def test_a_function_that_keeps_or_changes_its_argument_does_no_harm():
    def f(x):
        value = (x**2).sum()
        x[...] = 99
        return value

    np.testing.assert_allclose(numerical_gradient(f, [1.0, 2.0]), [2, 4], rtol=1e-8)


@pytest.mark.parametrize("step", [0, -1e-5, np.nan])
def test_a_step_out_of_range_is_refused(step):
    with pytest.raises(ValueError, match="numerical_gradient: step must be positive"):
        numerical_gradient(np.sum, [1.0], step=step)


def test_a_smaller_step_follows_a_sharper_curve():
    steep = numerical_gradient(lambda x: np.sin(1e3 * x).sum(), [0.0], step=1e-7)
    assert steep[0] == pytest.approx(1e3, rel=1e-8)
    coarse = numerical_gradient(lambda x: np.sin(1e3 * x).sum(), [0.0], step=1e-3)
    assert coarse[0] == pytest.approx(1e3 * np.sin(1.0), rel=1e-9)


def test_a_shape_that_is_no_shape_is_refused():
    with pytest.raises(ValueError, match="check_layer: x_shape must be at least 1, got 0"):
        check_layer(ReLU(), (0, 3))
    with pytest.raises(TypeError, match="check_layer: x_shape must be a whole number"):
        check_layer(ReLU(), (2.5, 3))

"""Activations: elementwise functions of the input, and softmax over each row.

An activation is a layer of its own, so that ``dense1.y`` is the value before the activation and
``relu1.y`` the value after it.
"""

import numpy as np

from minnet.kernels import activations as kernels
from minnet.layer import Layer, Param, parameter
from minnet.validation import Array, non_negative, positive, setting


class Sigmoid(Layer):
    """Logistic function, y = σ(x) = 1 / (1 + exp(-x)), with dx = dy y (1 - y).

    σ' is at most 1/4, so the slopes of five sigmoid layers multiply a gradient by at most 1/1024.

    Examples
    --------
    >>> Sigmoid().forward([[-1e4, 0.0, 1e4]], training=True)
    array([[0. , 0.5, 1. ]], dtype=float32)
    """

    finite = True

    def compute(self, x: Array, y: Array, training: bool) -> None:
        kernels.sigmoid_forward(x, y)

    def differentiate(self, dy: Array, dx: Array) -> None:
        kernels.sigmoid_backward(self.y, dy, dx)


class Tanh(Layer):
    """Hyperbolic tangent, y = tanh(x), with dx = dy (1 - y²).

    Examples
    --------
    >>> Tanh().forward([[-1e4, 0.0, 1e4]], training=True)
    array([[-1.,  0.,  1.]], dtype=float32)
    """

    finite = True

    def compute(self, x: Array, y: Array, training: bool) -> None:
        np.tanh(x, out=y)

    def differentiate(self, dy: Array, dx: Array) -> None:
        kernels.tanh_backward(self.y, dy, dx)


class ReLU(Layer):
    """Rectified linear unit, y = max(x, 0), with dx = dy where x > 0, else 0.

    The derivative at 0 is taken as 0.

    References
    ----------
    Nair & Hinton (2010), Rectified linear units improve restricted Boltzmann machines, ICML.

    Examples
    --------
    >>> relu = ReLU()
    >>> relu.forward([[-2.0, 0.0, 3.0]], training=True)
    array([[0., 0., 3.]], dtype=float32)
    >>> relu.backward([[1.0, 1.0, 1.0]])
    array([[0., 0., 1.]], dtype=float32)
    """

    finite = True

    def compute(self, x: Array, y: Array, training: bool) -> None:
        kernels.relu_forward(x, y)

    def differentiate(self, dy: Array, dx: Array) -> None:
        kernels.relu_backward(self.y, dy, dx)


class LeakyReLU(Layer):
    """ReLU with slope a below 0: y = x where x > 0, else a x; dx = dy or a dy.

    Parameters
    ----------
    negative_slope : float, default 0.01
        The slope a, not negative.

    References
    ----------
    Maas, Hannun & Ng (2013), Rectifier nonlinearities improve neural network acoustic models.
    """

    negative_slope: float = setting(non_negative)

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope

    def compute(self, x: Array, y: Array, training: bool) -> None:
        kernels.leaky_relu_forward(x, self.negative_slope, y)

    def differentiate(self, dy: Array, dx: Array) -> None:
        kernels.leaky_relu_backward(self.x, dy, self.negative_slope, dx)

    def describe(self) -> str:
        return f"LeakyReLU({self.negative_slope:g})"


class PReLU(Layer):
    """LeakyReLU with a learned slope a, one for the whole layer: da = Σ dy x where x <= 0.

    Parameters
    ----------
    init : float, default 0.25
        Initial slope.

    Attributes
    ----------
    slope : Param
        a, of shape (1,).

    References
    ----------
    He, Zhang, Ren & Sun (2015), Delving deep into rectifiers, ICCV.
    """

    init: float = setting(non_negative)
    slope = parameter("slope")

    def __init__(self, init: float = 0.25) -> None:
        self.init = init

    def draw_params(self, rng: np.random.Generator) -> dict[str, Param]:
        return {"slope": Param(np.full(1, self.init, self.dtype))}

    def compute(self, x: Array, y: Array, training: bool) -> None:
        kernels.leaky_relu_forward(x, float(self.slope.value[0]), y)

    def differentiate(self, dy: Array, dx: Array) -> None:
        self.slope.grad[0] = kernels.negative_part_dot(self.x, dy)
        kernels.leaky_relu_backward(self.x, dy, float(self.slope.value[0]), dx)


class ELU(Layer):
    """Exponential linear unit: y = x where x > 0, else α (exp(x) - 1); dx = dy or dy α exp(x).

    Parameters
    ----------
    alpha : float, default 1.0
        α > 0; y approaches -α for large negative x.

    References
    ----------
    Clevert, Unterthiner & Hochreiter (2016), Fast and accurate deep network learning by
    exponential linear units, ICLR.
    """

    finite = True
    alpha: float = setting(positive)

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def compute(self, x: Array, y: Array, training: bool) -> None:
        kernels.elu_forward(x, self.alpha, y)

    def differentiate(self, dy: Array, dx: Array) -> None:
        kernels.elu_backward(self.x, dy, self.alpha, dx)

    def describe(self) -> str:
        return f"ELU({self.alpha:g})"


class SiLU(Layer):
    """Sigmoid linear unit or Swish, y = x σ(x), with dx = dy σ(x) (1 + x (1 - σ(x))).

    References
    ----------
    Ramachandran, Zoph & Le (2017), Searching for activation functions, arXiv:1710.05941.
    """

    finite = True

    def compute(self, x: Array, y: Array, training: bool) -> None:
        kernels.silu_forward(x, y)

    def differentiate(self, dy: Array, dx: Array) -> None:
        kernels.silu_backward(self.x, dy, dx)


Swish = SiLU


class GELU(Layer):
    """Gaussian error linear unit, y = x Φ(x), with dx = dy (Φ(x) + x φ(x)).

    Φ is the standard normal distribution function and φ its density. This is the exact form, not
    the tanh approximation.

    References
    ----------
    Hendrycks & Gimpel (2016), Gaussian error linear units, arXiv:1606.08415.
    """

    finite = True

    def compute(self, x: Array, y: Array, training: bool) -> None:
        kernels.gelu_forward(x, y)

    def differentiate(self, dy: Array, dx: Array) -> None:
        kernels.gelu_backward(self.x, dy, dx)


class Softmax(Layer):
    """Rows of probabilities, y_j = exp(x_j) / Σ_k exp(x_k), with dx = y (dy - Σ_k dy_k y_k).

    Backward multiplies by the full Jacobian, diag(y) - y yᵀ. For training, `SoftmaxCrossEntropy`
    on logits is simpler and more accurate than this layer followed by `CrossEntropy`.

    Examples
    --------
    >>> Softmax().forward([[1e4, 1e4, -1e4]], training=True)
    array([[0.5, 0.5, 0. ]], dtype=float32)
    """

    finite = True

    def compute(self, x: Array, y: Array, training: bool) -> None:
        kernels.softmax_forward(x, y)

    def differentiate(self, dy: Array, dx: Array) -> None:
        kernels.softmax_backward(self.y, dy, dx)

"""Forward and backward passes of the activation functions.

All arrays are (n, features). A forward pass fills y from x. A backward pass fills dx from x or y
and the upstream gradient dy. tanh has no forward kernel, because np.tanh is vectorized.
"""

import math

import numpy as np

from minnet.kernels import Array
from minnet.kernels.exponential import exp
from minnet.kernels.jit import kernel

INVERSE_ROOT_TWO = 1.0 / math.sqrt(2.0)
INVERSE_ROOT_TWO_PI = 1.0 / math.sqrt(2.0 * math.pi)
FAST = ("contract", "nsz")


@kernel("(const T[:, ::1], T[:, ::1])", fastmath=FAST)
def sigmoid_forward(x: Array, y: Array) -> None:
    """y = 1 / (1 + exp(-x)). If exp(-x) overflows to infinity, y is 0."""
    n, features = x.shape
    one = x.dtype.type(1)
    for i in range(n):
        for j in range(features):
            y[i, j] = one / (one + exp(-x[i, j]))


@kernel("(const T[:, ::1], const T[:, ::1], T[:, ::1])", fastmath=FAST)
def sigmoid_backward(y: Array, dy: Array, dx: Array) -> None:
    """dx = dy y (1 - y)."""
    n, features = y.shape
    one = y.dtype.type(1)
    for i in range(n):
        for j in range(features):
            dx[i, j] = dy[i, j] * y[i, j] * (one - y[i, j])


@kernel("(const T[:, ::1], const T[:, ::1], T[:, ::1])", fastmath=FAST)
def tanh_backward(y: Array, dy: Array, dx: Array) -> None:
    """dx = dy (1 - y²)."""
    n, features = y.shape
    one = y.dtype.type(1)
    for i in range(n):
        for j in range(features):
            dx[i, j] = dy[i, j] * (one - y[i, j] * y[i, j])


@kernel("(const T[:, ::1], T[:, ::1])", fastmath=FAST)
def relu_forward(x: Array, y: Array) -> None:
    """y = max(x, 0); NaN propagates."""
    n, features = x.shape
    zero = x.dtype.type(0)
    for i in range(n):
        for j in range(features):
            y[i, j] = zero if x[i, j] < zero else x[i, j]


@kernel("(const T[:, ::1], const T[:, ::1], T[:, ::1])", fastmath=FAST)
def relu_backward(y: Array, dy: Array, dx: Array) -> None:
    """dx = dy where y > 0, else 0, so that ReLU'(0) = 0."""
    n, features = y.shape
    zero = y.dtype.type(0)
    for i in range(n):
        for j in range(features):
            dx[i, j] = dy[i, j] if y[i, j] > zero else zero


@kernel("(const T[:, ::1], float64, T[:, ::1])", fastmath=FAST)
def leaky_relu_forward(x: Array, slope: float, y: Array) -> None:
    """y = x where x > 0, else slope x."""
    n, features = x.shape
    zero, a = x.dtype.type(0), x.dtype.type(slope)
    for i in range(n):
        for j in range(features):
            y[i, j] = x[i, j] if x[i, j] > zero else a * x[i, j]


@kernel("(const T[:, ::1], const T[:, ::1], float64, T[:, ::1])", fastmath=FAST)
def leaky_relu_backward(x: Array, dy: Array, slope: float, dx: Array) -> None:
    """dx = dy where x > 0, else slope dy."""
    n, features = x.shape
    zero, a = x.dtype.type(0), x.dtype.type(slope)
    for i in range(n):
        for j in range(features):
            dx[i, j] = dy[i, j] if x[i, j] > zero else a * dy[i, j]


@kernel("(const T[:, ::1], const T[:, ::1])")
def negative_part_dot(x: Array, dy: Array) -> float:
    """Return Σ x dy over the entries with x <= 0, the gradient of a shared slope."""
    n, features = x.shape
    total = np.float64(0.0)
    for i in range(n):
        for j in range(features):
            if not x[i, j] > 0:
                total += np.float64(x[i, j]) * dy[i, j]
    return total


@kernel("(const T[:, ::1], float64, T[:, ::1])")
def elu_forward(x: Array, alpha: float, y: Array) -> None:
    """y = x where x > 0, else alpha (exp(x) - 1). expm1 is accurate near 0."""
    n, features = x.shape
    zero, a = x.dtype.type(0), x.dtype.type(alpha)
    for i in range(n):
        for j in range(features):
            y[i, j] = x[i, j] if x[i, j] > zero else a * math.expm1(x[i, j])


@kernel("(const T[:, ::1], const T[:, ::1], float64, T[:, ::1])", fastmath=FAST)
def elu_backward(x: Array, dy: Array, alpha: float, dx: Array) -> None:
    """dx = dy where x > 0, else dy alpha exp(x)."""
    n, features = x.shape
    zero, a = x.dtype.type(0), x.dtype.type(alpha)
    for i in range(n):
        for j in range(features):
            dx[i, j] = dy[i, j] if x[i, j] > zero else dy[i, j] * a * exp(x[i, j])


@kernel("(const T[:, ::1], T[:, ::1])", fastmath=FAST)
def silu_forward(x: Array, y: Array) -> None:
    """y = x σ(x)."""
    n, features = x.shape
    one = x.dtype.type(1)
    for i in range(n):
        for j in range(features):
            y[i, j] = x[i, j] * (one / (one + exp(-x[i, j])))


@kernel("(const T[:, ::1], const T[:, ::1], T[:, ::1])", fastmath=FAST)
def silu_backward(x: Array, dy: Array, dx: Array) -> None:
    """dx = dy σ(x) (1 + x (1 - σ(x)))."""
    n, features = x.shape
    one = x.dtype.type(1)
    for i in range(n):
        for j in range(features):
            s = one / (one + exp(-x[i, j]))
            dx[i, j] = dy[i, j] * s * (one + x[i, j] * (one - s))


@kernel("(const T[:, ::1], T[:, ::1])")
def gelu_forward(x: Array, y: Array) -> None:
    """y = x Φ(x). The cumulative normal distribution Φ is computed with erfc."""
    n, features = x.shape
    for i in range(n):
        for j in range(features):
            y[i, j] = x[i, j] * 0.5 * math.erfc(-x[i, j] * INVERSE_ROOT_TWO)


@kernel("(const T[:, ::1], const T[:, ::1], T[:, ::1])")
def gelu_backward(x: Array, dy: Array, dx: Array) -> None:
    """dx = dy (Φ(x) + x φ(x)) with the normal density φ."""
    n, features = x.shape
    for i in range(n):
        for j in range(features):
            cumulative = 0.5 * math.erfc(-x[i, j] * INVERSE_ROOT_TWO)
            density = INVERSE_ROOT_TWO_PI * math.exp(-0.5 * x[i, j] * x[i, j])
            dx[i, j] = dy[i, j] * (cumulative + x[i, j] * density)


@kernel("(const T[:, ::1], T[:, ::1])", fastmath=FAST)
def softmax_forward(x: Array, y: Array) -> None:
    """y = exp(x - max x) / Σ exp(x - max x) in each row. The maximum prevents overflow."""
    n, classes = x.shape
    for i in range(n):
        highest = x[i, 0]
        for j in range(1, classes):
            highest = max(highest, x[i, j])
        total = x.dtype.type(0)
        for j in range(classes):
            y[i, j] = exp(x[i, j] - highest)
        for j in range(classes):
            total += y[i, j]
        for j in range(classes):
            y[i, j] /= total


@kernel("(const T[:, ::1], const T[:, ::1], T[:, ::1])", fastmath=FAST)
def softmax_backward(y: Array, dy: Array, dx: Array) -> None:
    """dx = y (dy - Σ dy y) in each row: the Jacobian diag(y) - y yᵀ times dy."""
    n, classes = y.shape
    for i in range(n):
        inner = y.dtype.type(0)
        for j in range(classes):
            inner += dy[i, j] * y[i, j]
        for j in range(classes):
            dx[i, j] = y[i, j] * (dy[i, j] - inner)

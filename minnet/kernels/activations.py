"""Forward and backward passes of the activation functions.

All arrays are (n, features). A forward pass fills y from x. A backward pass fills dx from x or y
and the upstream gradient dy. An elementwise function is one loop over all entries. tanh has no
forward kernel, because np.tanh is vectorized.
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
    x, y = x.reshape(-1), y.reshape(-1)
    one = x.dtype.type(1)
    for k in range(x.size):
        y[k] = one / (one + exp(-x[k]))


@kernel("(const T[:, ::1], const T[:, ::1], T[:, ::1])", fastmath=FAST)
def sigmoid_backward(y: Array, dy: Array, dx: Array) -> None:
    """dx = dy y (1 - y)."""
    y, dy, dx = y.reshape(-1), dy.reshape(-1), dx.reshape(-1)
    one = y.dtype.type(1)
    for k in range(y.size):
        dx[k] = dy[k] * y[k] * (one - y[k])


@kernel("(const T[:, ::1], const T[:, ::1], T[:, ::1])", fastmath=FAST)
def tanh_backward(y: Array, dy: Array, dx: Array) -> None:
    """dx = dy (1 - y²)."""
    y, dy, dx = y.reshape(-1), dy.reshape(-1), dx.reshape(-1)
    one = y.dtype.type(1)
    for k in range(y.size):
        dx[k] = dy[k] * (one - y[k] * y[k])


@kernel("(const T[:, ::1], T[:, ::1])", fastmath=FAST)
def relu_forward(x: Array, y: Array) -> None:
    """y = max(x, 0); NaN propagates."""
    x, y = x.reshape(-1), y.reshape(-1)
    zero = x.dtype.type(0)
    for k in range(x.size):
        y[k] = zero if x[k] < zero else x[k]


@kernel("(const T[:, ::1], const T[:, ::1], T[:, ::1])", fastmath=FAST)
def relu_backward(y: Array, dy: Array, dx: Array) -> None:
    """dx = dy where y > 0, else 0, so that ReLU'(0) = 0."""
    y, dy, dx = y.reshape(-1), dy.reshape(-1), dx.reshape(-1)
    zero = y.dtype.type(0)
    for k in range(y.size):
        dx[k] = dy[k] if y[k] > zero else zero


@kernel("(const T[:, ::1], float64, T[:, ::1])", fastmath=FAST)
def leaky_relu_forward(x: Array, slope: float, y: Array) -> None:
    """y = x where x > 0, else slope x."""
    x, y = x.reshape(-1), y.reshape(-1)
    zero, a = x.dtype.type(0), x.dtype.type(slope)
    for k in range(x.size):
        y[k] = x[k] if x[k] > zero else a * x[k]


@kernel("(const T[:, ::1], const T[:, ::1], float64, T[:, ::1])", fastmath=FAST)
def leaky_relu_backward(x: Array, dy: Array, slope: float, dx: Array) -> None:
    """dx = dy where x > 0, else slope dy."""
    x, dy, dx = x.reshape(-1), dy.reshape(-1), dx.reshape(-1)
    zero, a = x.dtype.type(0), x.dtype.type(slope)
    for k in range(x.size):
        dx[k] = dy[k] if x[k] > zero else a * dy[k]


@kernel("(const T[:, ::1], const T[:, ::1])")
def negative_part_dot(x: Array, dy: Array) -> float:
    """Return Σ x dy over the entries with x <= 0, the gradient of a shared slope."""
    x, dy = x.reshape(-1), dy.reshape(-1)
    total = np.float64(0.0)
    for k in range(x.size):
        if not x[k] > 0:
            total += np.float64(x[k]) * dy[k]
    return total


@kernel("(const T[:, ::1], float64, T[:, ::1])")
def elu_forward(x: Array, alpha: float, y: Array) -> None:
    """y = x where x > 0, else alpha (exp(x) - 1). expm1 is accurate near 0."""
    x, y = x.reshape(-1), y.reshape(-1)
    zero, a = x.dtype.type(0), x.dtype.type(alpha)
    for k in range(x.size):
        y[k] = x[k] if x[k] > zero else a * math.expm1(x[k])


@kernel("(const T[:, ::1], const T[:, ::1], float64, T[:, ::1])", fastmath=FAST)
def elu_backward(x: Array, dy: Array, alpha: float, dx: Array) -> None:
    """dx = dy where x > 0, else dy alpha exp(x)."""
    x, dy, dx = x.reshape(-1), dy.reshape(-1), dx.reshape(-1)
    zero, a = x.dtype.type(0), x.dtype.type(alpha)
    for k in range(x.size):
        dx[k] = dy[k] if x[k] > zero else dy[k] * a * exp(x[k])


@kernel("(const T[:, ::1], T[:, ::1])", fastmath=FAST)
def silu_forward(x: Array, y: Array) -> None:
    """y = x σ(x)."""
    x, y = x.reshape(-1), y.reshape(-1)
    one = x.dtype.type(1)
    for k in range(x.size):
        y[k] = x[k] * (one / (one + exp(-x[k])))


@kernel("(const T[:, ::1], const T[:, ::1], T[:, ::1])", fastmath=FAST)
def silu_backward(x: Array, dy: Array, dx: Array) -> None:
    """dx = dy σ(x) (1 + x (1 - σ(x)))."""
    x, dy, dx = x.reshape(-1), dy.reshape(-1), dx.reshape(-1)
    one = x.dtype.type(1)
    for k in range(x.size):
        s = one / (one + exp(-x[k]))
        dx[k] = dy[k] * s * (one + x[k] * (one - s))


@kernel("(const T[:, ::1], T[:, ::1])")
def gelu_forward(x: Array, y: Array) -> None:
    """y = x Φ(x). The cumulative normal distribution Φ is computed with erfc."""
    x, y = x.reshape(-1), y.reshape(-1)
    for k in range(x.size):
        y[k] = x[k] * 0.5 * math.erfc(-x[k] * INVERSE_ROOT_TWO)


@kernel("(const T[:, ::1], const T[:, ::1], T[:, ::1])")
def gelu_backward(x: Array, dy: Array, dx: Array) -> None:
    """dx = dy (Φ(x) + x φ(x)) with the normal density φ."""
    x, dy, dx = x.reshape(-1), dy.reshape(-1), dx.reshape(-1)
    for k in range(x.size):
        cumulative = 0.5 * math.erfc(-x[k] * INVERSE_ROOT_TWO)
        density = INVERSE_ROOT_TWO_PI * math.exp(-0.5 * x[k] * x[k])
        dx[k] = dy[k] * (cumulative + x[k] * density)


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

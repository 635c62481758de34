"""One pass over all parameters: the rule of each optimizer, entry by entry.

g is the gradient of an entry of theta; the arrays of state keep their meaning between steps. All
arrays are (parameters,), and scalars take the arrays' own type before the loop, so that float32
stays float32.
"""

import math
from typing import Any

import numpy as np

from minnet.kernels import Array
from minnet.kernels.compiling import inline, kernel

FAST = ("contract", "nsz")
TINY32, TINY64 = np.finfo(np.float32).tiny, np.finfo(np.float64).tiny


def _flush32(v: Any) -> Any:
    return np.float32(0) if abs(v) < TINY32 else v


def _flush64(v: Any) -> Any:
    return np.float64(0) if abs(v) < TINY64 else v


def _raise32(v: Any) -> Any:
    return TINY32 if 0 < v < TINY32 else v


def _raise64(v: Any) -> Any:
    return TINY64 if 0 < v < TINY64 else v


# A running mean of gradients that are 0, as a dead unit's are, dwindles to a subnormal number and
# stays one: too small to move anything, but some processors take a hundred cycles over each. So it
# becomes 0; a mean of squares that is not 0 becomes the smallest normal number, because steps are
# divided by its root, and 0 would make them longer.
flushed = inline(float32=_flush32, float64=_flush64)
raised = inline(float32=_raise32, float64=_raise64)


@kernel("(T[::1], float64, float64, boolean, float64, T[::1], T[::1])", fastmath=FAST)
def sgd(
    grad: Array,
    lr: float,
    momentum: float,
    nesterov: bool,
    weight_decay: float,
    velocity: Array,
    theta: Array,
) -> None:
    """v = momentum v + g; theta -= lr v, or lr (g + momentum v) with Nesterov's look ahead."""
    rate, mu, decay = (
        theta.dtype.type(lr),
        theta.dtype.type(momentum),
        theta.dtype.type(weight_decay),
    )
    if nesterov:
        for k in range(theta.size):
            g = grad[k] + decay * theta[k]
            velocity[k] = flushed(mu * velocity[k] + g)
            theta[k] -= rate * (g + mu * velocity[k])
    else:
        for k in range(theta.size):
            velocity[k] = flushed(mu * velocity[k] + (grad[k] + decay * theta[k]))
            theta[k] -= rate * velocity[k]


@kernel("(T[::1], float64, float64, T[::1])", fastmath=FAST)
def plain_sgd(grad: Array, lr: float, weight_decay: float, theta: Array) -> None:
    """theta -= lr g: without momentum there is no velocity to read and write."""
    rate, decay = theta.dtype.type(lr), theta.dtype.type(weight_decay)
    for k in range(theta.size):
        theta[k] -= rate * (grad[k] + decay * theta[k])


@kernel("(T[::1], float64, float64, float64, T[::1], T[::1])", fastmath=FAST)
def rmsprop(grad: Array, lr: float, rho: float, eps: float, square: Array, theta: Array) -> None:
    """s = rho s + (1 - rho) g²; theta -= lr g / (sqrt(s) + eps)."""
    dtype = theta.dtype.type
    rate, keep, fresh, floor = dtype(lr), dtype(rho), dtype(1.0 - rho), dtype(eps)
    for k in range(theta.size):
        g = grad[k]
        square[k] = raised(keep * square[k] + fresh * g * g)
        theta[k] -= rate * g / (math.sqrt(square[k]) + floor)


@kernel("(T[::1], float64, float64, T[::1], T[::1])", fastmath=FAST)
def adagrad(grad: Array, lr: float, eps: float, square: Array, theta: Array) -> None:
    """s = s + g²; theta -= lr g / (sqrt(s) + eps)."""
    rate, floor = theta.dtype.type(lr), theta.dtype.type(eps)
    for k in range(theta.size):
        g = grad[k]
        square[k] += g * g
        theta[k] -= rate * g / (math.sqrt(square[k]) + floor)


@kernel(
    "(T[::1], float64, float64, float64, float64, float64, int64, T[::1], T[::1], T[::1])",
    fastmath=FAST,
)
def adam(
    grad: Array,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    t: int,
    mean: Array,
    square: Array,
    theta: Array,
) -> None:
    """m = β₁m + (1-β₁)g; s = β₂s + (1-β₂)g²; theta -= lr m̂ / (sqrt(ŝ) + eps) at step t = 1, 2, ...

    m̂ = m / (1 - β₁ᵗ) and ŝ = s / (1 - β₂ᵗ) undo the pull of the zeros that m and s began with.
    weight_decay first shrinks theta by lr weight_decay of itself (AdamW; 0 for Adam).
    """
    dtype = theta.dtype.type
    keep1, fresh1 = dtype(beta1), dtype(1.0 - beta1)
    keep2, fresh2 = dtype(beta2), dtype(1.0 - beta2)
    rate = dtype(lr / (1.0 - beta1**t))
    unbias = dtype(1.0 / math.sqrt(1.0 - beta2**t))
    floor, shrink = dtype(eps), dtype(1.0 - lr * weight_decay)
    for k in range(theta.size):
        g = grad[k]
        mean[k] = flushed(keep1 * mean[k] + fresh1 * g)
        square[k] = raised(keep2 * square[k] + fresh2 * g * g)
        theta[k] = shrink * theta[k] - rate * mean[k] / (math.sqrt(square[k]) * unbias + floor)

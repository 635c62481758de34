"""Update rules of the optimizers.

Each kernel updates all parameters in one pass. grad, theta and the state arrays are (parameters,).
Scalars are converted to the dtype of theta before the loop, so float32 arithmetic stays float32.
"""

import math
from typing import Any

import numpy as np

from minnet.kernels import Array
from minnet.kernels.jit import inline, kernel

FAST = ("contract", "nsz")
TINY32, TINY64 = np.finfo(np.float32).tiny, np.finfo(np.float64).tiny


# The running mean of gradients that are 0 decays to a subnormal number and remains there. Some
# processors need a hundred cycles for each operation on such a number, so it is replaced by 0. A
# running mean of squares is replaced by the smallest normal number instead, because the update
# is divided by its square root.
@inline
def flush_subnormal(v: Any) -> Any:
    """Replace a subnormal number by 0."""
    if isinstance(v, np.float32):
        return np.float32(0) if abs(v) < TINY32 else v
    return np.float64(0) if abs(v) < TINY64 else v


@inline
def raise_subnormal(v: Any) -> Any:
    """Replace a positive subnormal number by the smallest normal number."""
    if isinstance(v, np.float32):
        return TINY32 if 0 < v < TINY32 else v
    return TINY64 if 0 < v < TINY64 else v


@inline
def require_entries(state: Any, theta: Any) -> None:
    """Raise ValueError unless state has an entry for each parameter; a kernel checks no index."""
    if state.size != theta.size:
        raise ValueError(
            "optimizer: expected state arrays of theta's size, got another size; assign to the "
            "entries, as in optimizer.square[...] = 0"
        )


@kernel("(const T[::1], float64, float64, boolean, float64, T[::1], T[::1])", fastmath=FAST)
def sgd(
    grad: Array,
    lr: float,
    momentum: float,
    nesterov: bool,
    weight_decay: float,
    velocity: Array,
    theta: Array,
) -> None:
    """v = momentum v + g; theta -= lr v, or theta -= lr (g + momentum v) with Nesterov momentum.

    g is grad + weight_decay theta.
    """
    require_entries(velocity, theta)
    dtype = theta.dtype.type
    rate, mu, decay = dtype(lr), dtype(momentum), dtype(weight_decay)
    if nesterov:
        for k in range(theta.size):
            g = grad[k] + decay * theta[k]
            velocity[k] = flush_subnormal(mu * velocity[k] + g)
            theta[k] -= rate * (g + mu * velocity[k])
    else:
        for k in range(theta.size):
            velocity[k] = flush_subnormal(mu * velocity[k] + (grad[k] + decay * theta[k]))
            theta[k] -= rate * velocity[k]


@kernel("(const T[::1], float64, float64, T[::1])", fastmath=FAST)
def plain_sgd(grad: Array, lr: float, weight_decay: float, theta: Array) -> None:
    """theta -= lr g with g = grad + weight_decay theta: SGD without momentum."""
    rate, decay = theta.dtype.type(lr), theta.dtype.type(weight_decay)
    for k in range(theta.size):
        theta[k] -= rate * (grad[k] + decay * theta[k])


@kernel("(const T[::1], float64, float64, float64, T[::1], T[::1])", fastmath=FAST)
def rmsprop(grad: Array, lr: float, rho: float, eps: float, square: Array, theta: Array) -> None:
    """s = rho s + (1 - rho) g²; theta -= lr g / (sqrt(s) + eps)."""
    require_entries(square, theta)
    dtype = theta.dtype.type
    rate, keep, fresh, floor = dtype(lr), dtype(rho), dtype(1.0 - rho), dtype(eps)
    for k in range(theta.size):
        g = grad[k]
        square[k] = raise_subnormal(keep * square[k] + fresh * g * g)
        theta[k] -= rate * g / (math.sqrt(square[k]) + floor)


@kernel("(const T[::1], float64, float64, T[::1], T[::1])", fastmath=FAST)
def adagrad(grad: Array, lr: float, eps: float, square: Array, theta: Array) -> None:
    """s = s + g²; theta -= lr g / (sqrt(s) + eps)."""
    require_entries(square, theta)
    rate, floor = theta.dtype.type(lr), theta.dtype.type(eps)
    for k in range(theta.size):
        g = grad[k]
        square[k] += g * g
        theta[k] -= rate * g / (math.sqrt(square[k]) + floor)


@kernel(
    "(const T[::1], float64, float64, float64, float64, float64, int64, T[::1], T[::1], T[::1])",
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

    m̂ = m / (1 - β₁ᵗ) and ŝ = s / (1 - β₂ᵗ) correct the bias of m and s, which start at 0. With
    AdamW, theta is first multiplied by 1 - lr weight_decay; Adam uses weight_decay = 0.
    """
    require_entries(mean, theta)
    require_entries(square, theta)
    dtype = theta.dtype.type
    keep1, fresh1 = dtype(beta1), dtype(1.0 - beta1)
    keep2, fresh2 = dtype(beta2), dtype(1.0 - beta2)
    rate = dtype(lr / (1.0 - beta1**t))
    unbias = dtype(1.0 / math.sqrt(1.0 - beta2**t))
    floor, shrink = dtype(eps), dtype(1.0 - lr * weight_decay)
    for k in range(theta.size):
        g = grad[k]
        mean[k] = flush_subnormal(keep1 * mean[k] + fresh1 * g)
        square[k] = raise_subnormal(keep2 * square[k] + fresh2 * g * g)
        theta[k] = shrink * theta[k] - rate * mean[k] / (math.sqrt(square[k]) * unbias + floor)

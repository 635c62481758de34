"""L1 and L2 penalties, and gradient clipping.

Penalties apply to weights, the parameters with two dimensions, and not to biases, γ and β. Clipping
applies to ``net.grad``, between backward and the optimizer's step. Frozen parameters, those with
``trainable`` False, contribute nothing to the norm, and their gradients are not changed.
"""

import math

import numpy as np

from minnet.layers.sequential import Sequential
from minnet.param import parts
from minnet.validation import Array, non_negative, positive


class Regularizer:
    """Base class of the penalties: a number added to the loss, and its gradient.

    Parameters
    ----------
    strength : float
        λ, not negative.
    """

    def __init__(self, strength: float) -> None:
        self.strength = non_negative(strength, type(self).__name__, "strength")

    def of(self, weight: Array) -> float:
        """Return the penalty of one weight."""
        raise TypeError(f"{type(self).__name__}: expected it to define of(self, weight)")

    def gradient(self, weight: Array) -> Array:
        """Return the gradient of the penalty with respect to one weight, in the weight's shape."""
        raise TypeError(f"{type(self).__name__}: expected it to define gradient(self, weight)")

    def penalty(self, net: Sequential) -> float:
        """Return the penalty of all weights of net."""
        return sum(self.of(p.value) for p in net.params.values() if p.value.ndim == 2)

    def add_gradient(self, net: Sequential) -> None:
        """Add the gradient of the penalty to the gradient of every weight of net."""
        for param in net.params.values():
            if param.value.ndim == 2:
                param.grad += self.gradient(param.value)


class L1(Regularizer):
    """Penalty λ Σ |w|, with gradient λ sign(w) and sign(0) = 0. It drives weights to exactly 0.

    Examples
    --------
    >>> L1(0.1).of(np.array([[1.0, -2.0]])), L1(0.1).gradient(np.array([[0.0, -2.0]]))
    (0.30000000000000004, array([[ 0. , -0.1]]))
    """

    def of(self, weight: Array) -> float:
        return self.strength * float(np.abs(weight).sum(dtype=np.float64))

    def gradient(self, weight: Array) -> Array:
        gradient: Array = np.sign(weight) * weight.dtype.type(self.strength)
        return gradient


class L2(Regularizer):
    """Penalty λ Σ w², with gradient 2 λ w. It shrinks every weight in proportion to its size.

    Examples
    --------
    >>> L2(0.1).of(np.array([[1.0, -2.0]])), L2(0.1).gradient(np.array([[1.0, -2.0]]))
    (0.5, array([[ 0.2, -0.4]]))
    """

    def of(self, weight: Array) -> float:
        return self.strength * float(np.square(weight, dtype=np.float64).sum())

    def gradient(self, weight: Array) -> Array:
        gradient: Array = weight * weight.dtype.type(2.0 * self.strength)
        return gradient


def clip_grad_norm(net: Sequential, max_norm: float) -> float:
    """Scale the gradient of net so that its norm is at most max_norm; return the original norm.

    The norm is over all trainable parameters: g ← g max_norm / ‖g‖ where ‖g‖ > max_norm. The
    direction of the gradient does not change.

    Raises
    ------
    FloatingPointError
        If the gradient holds NaN or infinity; it is not changed.

    References
    ----------
    Pascanu, Mikolov & Bengio (2013), On the difficulty of training recurrent neural networks, ICML.

    Examples
    --------
    >>> from minnet import Dense, Sequential
    >>> net = Sequential([Dense(2, 1)], rng=0)
    >>> net.grad = [3.0, 4.0, 0.0]
    >>> clip_grad_norm(net, 1.0), net.grad
    (5.0, array([0.6, 0.8, 0. ], dtype=float32))
    """
    positive(max_norm, "clip_grad_norm", "max_norm")
    grads = _trainable(net)
    largest = float(np.max([np.abs(grad).max(initial=0.0) for grad in grads], initial=0.0))
    if not math.isfinite(largest):
        raise FloatingPointError("clip_grad_norm: the gradient holds NaN or infinity")
    if largest == 0:
        return 0.0
    # Dividing by the largest entry first prevents an overflow of squares in float32.
    norm = largest * math.hypot(*(float(np.linalg.norm(g / g.dtype.type(largest))) for g in grads))
    if norm > max_norm:
        for grad in grads:
            np.multiply(grad, max_norm / norm, out=grad)
    return norm


def clip_grad_value(net: Sequential, limit: float) -> None:
    """Clip each entry of the gradient of net to [-limit, limit]; its direction can change.

    Examples
    --------
    >>> from minnet import Dense, Sequential
    >>> net = Sequential([Dense(2, 1)], rng=0)
    >>> net.grad = [3.0, -4.0, 0.5]
    >>> clip_grad_value(net, 1.0)
    >>> net.grad
    array([ 1. , -1. ,  0.5], dtype=float32)
    """
    positive(limit, "clip_grad_value", "limit")
    for grad in _trainable(net):
        np.clip(grad, -limit, limit, out=grad)


def _trainable(net: Sequential) -> list[Array]:
    """Return the parts of ``net.grad`` that belong to trainable parameters, as views."""
    found = parts(net.params.values(), lambda param: param.trainable)
    return [net.grad[part] for part, trainable in found if trainable]

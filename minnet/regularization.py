"""L1 and L2 penalties, and gradient clipping.

Penalties apply to weights, the parameters with two dimensions, and not to biases, γ and β. Clipping
applies to ``net.grad``, between backward and the optimizer's step. Frozen parameters, those with
``trainable`` False, contribute nothing to the norm, and their gradients are not changed.
"""

import math

import numpy as np

from minnet.layers.sequential import Sequential
from minnet.param import Param, parts
from minnet.validation import (
    SMALLEST,
    Array,
    check_instance,
    in_range,
    non_negative,
    positive,
    setting,
)


class Regularizer:
    """Base class of the penalties: a number added to the loss, and its gradient.

    Parameters
    ----------
    strength : float
        λ, not negative.
    """

    strength: float = setting(non_negative)

    def __init__(self, strength: float) -> None:
        self.strength = strength

    def of(self, weight: Array) -> float:
        """Return the penalty of one weight."""
        raise TypeError(f"{self}: expected it to define of(self, weight)")

    def gradient(self, weight: Array) -> Array:
        """Return the gradient of the penalty with respect to one weight, in the weight's shape."""
        raise TypeError(f"{self}: expected it to define gradient(self, weight)")

    def penalty(self, net: Sequential) -> float:
        """Return the penalty of all weights of net."""
        return sum(self.of(weight.value) for weight in self._weights(net))

    def add_gradient(self, net: Sequential) -> None:
        """Add the gradient of the penalty to the gradient of every weight of net."""
        with np.errstate(under="ignore"):
            for weight in self._weights(net):
                weight.grad[...] += self.gradient(weight.value)

    def _weights(self, net: Sequential) -> list[Param]:
        check_instance(net, Sequential, self)
        return [param for param in net.params.values() if param.value.ndim == 2]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.strength:g})"


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
        with np.errstate(under="ignore"):
            return self.strength * float(np.square(weight, dtype=np.float64).sum())

    def gradient(self, weight: Array) -> Array:
        with np.errstate(over="ignore"):  # an optimizer refuses infinite gradients
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
    grads = _trainable(net, "clip_grad_norm")
    max_norm = as_limit(max_norm, net, "clip_grad_norm", "max_norm")
    sizes = [_largest(grad) for grad in grads]
    largest = float(np.max(sizes, initial=0.0))  # NaN if one is NaN
    if not math.isfinite(largest):
        raise FloatingPointError(
            "clip_grad_norm: expected a finite gradient, but the gradient holds NaN or infinity in "
            f"{largest_gradient(net)[0]}; lower the learning rate, or scale the data"
        )
    if largest == 0:
        return 0.0
    with np.errstate(under="ignore"):
        # Dividing by the largest entry first prevents an overflow of squares in float32.
        relative = math.hypot(*(float(np.linalg.norm(g / g.dtype.type(largest))) for g in grads))
        norm = largest * relative
        if norm > max_norm:
            factor = max_norm / norm
            lost = factor < np.finfo(net.dtype).tiny
            for grad in grads:
                if lost:  # the dtype rounds the factor to 0 or to a subnormal number
                    np.divide(grad, largest, out=grad)
                np.multiply(grad, max_norm / relative if lost else factor, out=grad)
    return norm


def clip_grad_value(net: Sequential, limit: float) -> None:
    """Clip each entry of the gradient of net to [-limit, limit]; its direction can change.

    Raises
    ------
    FloatingPointError
        If the gradient holds NaN; it is not changed.

    Examples
    --------
    >>> from minnet import Dense, Sequential
    >>> net = Sequential([Dense(2, 1)], rng=0)
    >>> net.grad = [3.0, -4.0, 0.5]
    >>> clip_grad_value(net, 1.0)
    >>> net.grad
    array([ 1. , -1. ,  0.5], dtype=float32)
    """
    grads = _trainable(net, "clip_grad_value")
    limit = as_limit(limit, net, "clip_grad_value", "limit")
    largest = [_largest(grad) for grad in grads]
    if any(map(math.isnan, largest)):
        raise FloatingPointError(
            "clip_grad_value: expected a gradient without NaN, but it holds NaN in "
            f"{largest_gradient(net)[0]}; lower the learning rate, or scale the data"
        )
    for grad, most in zip(grads, largest, strict=True):
        if most > limit:
            np.clip(grad, -limit, limit, out=grad)


def as_limit(limit: float, net: Sequential, where: str, name: str) -> float:
    """Return a limit of gradients as a float; raise unless the dtype of net can hold it."""
    positive(limit, where, name)
    least = SMALLEST[net.dtype]
    return in_range(limit, where, name, lambda v: v >= least, f"at least {least:.1e}")


def largest_gradient(net: Sequential) -> tuple[str, float]:
    """Return the trainable parameter with the largest entry of the gradient, and its magnitude.

    NaN counts as larger than any number.
    """
    sizes = [(name, _largest(param.grad)) for name, param in net.params.items() if param.trainable]
    return max(sizes, key=lambda size: (math.isnan(size[1]), size[1]))


def _largest(grad: Array) -> float:
    return float(np.abs(grad).max(initial=0.0))


def _trainable(net: Sequential, where: str) -> list[Array]:
    """Return the parts of ``net.grad`` that belong to trainable parameters, as views."""
    check_instance(net, Sequential, where)
    found = parts(net.params.values(), lambda param: param.trainable)
    return [net.grad[part] for part, trainable in found if trainable]

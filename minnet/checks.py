"""Gradient checks: compare a backward pass with finite differences of its forward pass.

`check_layer` and `check_loss` accept any layer or loss. They work in float64, with random
parameters and a random upstream gradient, return the relative errors, and raise a `GradientError`
that names the worst entry.
"""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from minnet.layer import Layer, Rng
from minnet.losses import Loss
from minnet.validation import (
    FLOAT64,
    Array,
    as_array,
    as_rng,
    check_finite,
    check_instance,
    count,
    is_number,
    positive,
    shown,
)

STEP = 1e-5
SMALLER_STEPS = (1e-1, 1e-2, 1e-3, 1e-4)
EPS = float(np.finfo(np.float64).eps)

Function = Callable[[Array], float]


class GradientError(AssertionError):
    """Error raised if a backward pass is not the derivative of the forward pass."""


def numerical_gradient(f: Function, x: Any, *, step: float = STEP) -> Array:
    """Return df/dx by central differences, (f(x + h) - f(x - h)) / 2h, one entry at a time.

    Parameters
    ----------
    f : callable
        Takes an array of the shape of x and returns a number.
    x : array_like
        Point of any shape. It is copied to float64 and not changed.
    step : float, default 1e-5
        h = step · max(1, |x_i|). The truncation error grows as h², the rounding error as 1 / h.

    Returns
    -------
    ndarray
        Shape of x, float64.

    Raises
    ------
    TypeError
        If x does not hold real numbers, or f does not return a number.

    Examples
    --------
    >>> numerical_gradient(lambda x: (x**2).sum(), [1.0, -2.0]).round(6)
    array([ 2., -4.])
    """
    step = positive(step, "numerical_gradient", "step")
    if not callable(f):
        raise TypeError(f"numerical_gradient: expected a function f(x), got {shown(f)}")
    point = as_array(x, FLOAT64, "numerical_gradient", "a point x").copy()
    check_finite(point, "numerical_gradient: x")
    gradient = _central(f, point, step)
    for index in map(tuple, np.argwhere(~np.isfinite(gradient))):
        raise FloatingPointError(
            "numerical_gradient: expected f to return a finite number, got NaN, infinity or a "
            f"difference that overflows near x = {point[index]:g}; choose a point x, or a step, at "
            "which f does not overflow"
        )
    return gradient


def _central(f: Function, point: Array, step: float = STEP) -> Array:
    """Return the central differences of f; not finite where f is not."""
    gradient = np.empty_like(point)
    for index in np.ndindex(point.shape):
        value = float(point[index])
        h = step * max(1.0, abs(value))
        if not value - h < value < value + h < np.inf:
            raise ValueError(
                f"numerical_gradient: expected a step that changes x = {value:g} and keeps it "
                f"finite, got step={step:g}; use about {STEP:g}"
            )
        gradient[index] = _slope(f, point, index, -h, h)
    return gradient


def _slope(f: Function, point: Array, index: tuple[int, ...], low: float, high: float) -> float:
    """Return the slope of f between point[index] + low and point[index] + high."""
    ends, values = [], []
    for offset in (low, high):
        moved = point.copy()
        moved[index] += offset
        ends.append(moved[index])
        values.append(f(moved))
        if not is_number(values[-1]):
            raise TypeError(
                "numerical_gradient: expected f to return a number, got "
                f"{shown(values[-1])}; return a sum over the entries"
            )
    with np.errstate(all="ignore"):
        return float((values[1] - values[0]) / (ends[1] - ends[0]))


def check_layer(
    layer: Layer, x_shape: tuple[int, int], *, tolerance: float = 1e-6, rng: Rng = 0
) -> dict[str, float]:
    """Compare the gradients of a layer with finite differences.

    A copy of the layer is used. At a kink, such as that of ReLU at 0, the one-sided derivatives and
    their mean are accepted.

    Parameters
    ----------
    layer : Layer
        A layer or a whole `Sequential`.
    x_shape : (int, int)
        Rows and features of the random input.
    tolerance : float, default 1e-6
        Largest relative error that passes.
    rng : int, numpy.random.Generator or None
        Seed or generator of the random parameters, rows and upstream gradient.

    Returns
    -------
    dict of str to float
        Relative error of ``dx`` and of the gradient of every parameter:
        max |analytic - numerical| / max(max |analytic|, max |numerical|).

    Raises
    ------
    GradientError
        If a relative error is above the tolerance.
    TypeError, ValueError
        If the layer leaves an array unfilled or writes into its input.

    Examples
    --------
    >>> from minnet import Dense
    >>> errors = check_layer(Dense(3, 2), (4, 3))
    >>> sorted(errors), max(errors.values()) < 1e-6
    (['bias', 'dx', 'weight'], True)
    """
    check_instance(layer, Layer, "check_layer", "a layer such as Dense(3, 2)")
    if not isinstance(x_shape, tuple | list) or len(x_shape) != 2:
        raise TypeError(f"check_layer: expected x_shape as (rows, features), got {shown(x_shape)}")
    tolerance = positive(tolerance, "check_layer", "tolerance")
    generator = as_rng(rng, "check_layer")
    n, features = (count(size, "check_layer", "x_shape") for size in x_shape)
    layer = copy.deepcopy(layer).build(rng=generator, dtype=np.float64)
    for param in layer.params.values():
        param.value = param.value + 0.5 * generator.standard_normal(param.value.shape)
    x = generator.standard_normal((n, features))

    used, trial = copy.deepcopy(layer), copy.deepcopy(layer)
    first = trial.forward(x, training=True).copy()
    draws = not np.array_equal(first, trial.forward(x, training=True))
    trial.forward(x, training=False)

    y = used.forward(x, training=True)
    dy = generator.standard_normal(y.shape)
    dx = used.backward(dy)
    if not draws:  # a second pass detects gradients that accumulate over passes
        used.forward(x, training=True)
        dx = used.backward(dy)
    found = {"dx": dx} | {name: param.grad for name, param in used.params.items()}

    def value_at(name: str, point: Array) -> float:
        # A layer that draws random numbers, such as Dropout, must draw the same mask each time.
        network = copy.deepcopy(layer) if draws else trial
        if name == "dx":
            return float((network.forward(point, training=True) * dy).sum())
        param = network.params[name]
        kept = param.value.copy()
        param.value = point
        value = float((network.forward(x, training=True) * dy).sum())
        param.value = kept
        return value

    points = {"dx": x} | {name: param.value.copy() for name, param in layer.params.items()}
    rounding = EPS * float(np.abs(y * dy).sum())
    return {
        name: _compare(
            f"{layer.describe()}: expected the gradient {name}",
            found[name],
            partial(value_at, name),
            points[name],
            rounding=rounding,
            tolerance=tolerance,
        )
        for name in points
    }


def check_loss(
    loss: Loss, output: Any, target: Any, *, tolerance: float = 1e-6
) -> dict[str, float]:
    """Compare the gradient of a loss with finite differences at output, in float64.

    Points at which the loss is undefined, such as probabilities below 0, are skipped. So are
    entries at the border of such points at which the slope is infinite, or too steep for finite
    differences, such as a probability of 0 for the label.

    Parameters
    ----------
    loss : Loss
        The loss; a copy is used.
    output, target, tolerance
        Arguments of ``loss.forward``, and as in `check_layer`.

    Returns
    -------
    dict of str to float
        ``{"dx": relative error}``, as in `check_layer`, whose errors are raised too.

    Examples
    --------
    >>> from minnet import SoftmaxCrossEntropy
    >>> check_loss(SoftmaxCrossEntropy(), [[0.1, 0.7], [2.0, -1.0]], [0, 1])["dx"] < 1e-6
    True
    """
    check_instance(loss, Loss, "check_loss", "a loss such as MeanSquaredError()")
    tolerance = positive(tolerance, "check_loss", "tolerance")
    loss, output = copy.deepcopy(loss), as_array(output, FLOAT64, "check_loss", "output").copy()
    value = loss.forward(output, target)
    found = np.array(loss.backward())

    def value_at(point: Array) -> float:
        try:
            with np.errstate(all="ignore"):
                return loss.forward(point, target)
        except (ValueError, FloatingPointError):  # outside the domain of the loss
            return float("nan")

    owner, rounding = f"{type(loss).__name__}: expected the gradient dx", EPS * abs(value)
    # Outputs near their targets and saturated ones have gradients of this size by rounding alone.
    rounding = max(rounding, EPS * STEP / 10 * max(1.0, float(np.abs(output).max(initial=0.0))))
    return {"dx": _compare(owner, found, value_at, output, rounding=rounding, tolerance=tolerance)}


def _compare(
    owner: str, found: Array, f: Function, point: Array, *, rounding: float, tolerance: float
) -> float:
    """Return the relative error of a gradient; raise GradientError if it is above the tolerance.

    Differences within the rounding error of f are accepted, so that a gradient of exactly 0 passes,
    such as that of a bias before BatchNorm.
    """
    expected, found, noise = _central(f, point), found.copy(), 10 * rounding / STEP
    for border in map(tuple, np.argwhere(np.isnan(expected))):
        slopes = _slopes(f, point, border)
        least, most = np.abs(slopes).min(initial=np.inf), np.abs(slopes).max(initial=0.0)
        if most > 10 * least > 10 * noise:  # the slope grows as the step becomes smaller
            found[border] = expected[border] = 0
        elif slopes.size:
            expected[border] = slopes[np.abs(slopes - found[border]).argmin()]
    sizes = [float(np.nan_to_num(np.abs(g)).max(initial=0.0)) for g in (found, expected)]
    scale = max(*sizes, noise / tolerance, float(np.finfo(np.float64).tiny))
    difference = np.abs(found - expected)
    allowed = tolerance * scale
    while difference.size:
        worst = np.unravel_index(np.nan_to_num(difference, nan=np.inf).argmax(), point.shape)
        index = tuple(int(i) for i in worst)
        if difference[index] <= allowed:
            break
        refined = np.abs(_slopes(f, point, index) - found[index]).min(initial=np.inf)
        if not refined <= allowed:
            raise GradientError(
                f"{owner} with a relative error up to {tolerance:.0e}, got "
                f"{difference[index] / scale:.1e}; at {index} backward gives {found[index]:.6g}, "
                f"finite differences give {expected[index]:.6g}"
            )
        difference[index] = refined
    return float(difference.max(initial=0.0) / scale)


def _slopes(f: Function, point: Array, index: tuple[int, ...]) -> Array:
    """Return the finite slopes among central and one-sided ones for several step sizes.

    If there is a kink within a step of the point, a smaller step avoids it. At a kink itself, and
    at the edge of the domain of f, where f is nan on one side, a one-sided slope is accepted.
    """
    h = STEP * max(1.0, abs(point[index]))
    ends = [(-1.0, 1.0), (-1.0, 0.0), (0.0, 1.0)]
    slopes = [_slope(f, point, index, s * h * a, s * h * b) for s in SMALLER_STEPS for a, b in ends]
    return np.array(slopes)[np.isfinite(slopes)]

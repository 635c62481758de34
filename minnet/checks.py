"""Is this backward the derivative of that forward? Ask the forward itself, by finite differences.

`check_layer` and `check_loss` hold anybody's layer or loss against its own forward, in float64 with
random parameters and a random gradient from above, and a layer against the contract besides. They
return what they measured, and raise a `GradientError` that names the worst entry.
"""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from minnet.layer import Layer, Rng
from minnet.losses import Loss
from minnet.validation import Array, count, positive, unchanged


class GradientError(AssertionError):
    """A backward that is not the derivative of its forward, or a broken contract."""


def numerical_gradient(f: Callable[[Array], float], x: Any, *, step: float = 1e-5) -> Array:
    """Return df/dx by central differences, (f(x + h) - f(x - h)) / 2h, one entry at a time.

    Parameters
    ----------
    f : callable
        Takes an array of x's shape and returns a number.
    x : array_like
        Where to differentiate, of any shape; it is copied to float64 and not changed.
    step : float, default 1e-5
        h. The error is about h² from the curve and 1e-16 / h from rounding.

    Returns
    -------
    ndarray
        Of x's shape, float64.

    Examples
    --------
    >>> numerical_gradient(lambda x: (x**2).sum(), [1.0, -2.0]).round(6)
    array([ 2., -4.])
    """
    positive(step, "numerical_gradient", "step")
    point = np.array(x, dtype=np.float64)
    gradient = np.empty_like(point)
    for index in np.ndindex(point.shape):
        kept = point[index]
        point[index] = kept + step
        above = f(point.copy())
        point[index] = kept - step
        below = f(point.copy())
        point[index] = kept
        gradient[index] = (above - below) / (2.0 * step)
    return gradient


def check_layer(
    layer: Layer, x_shape: tuple[int, int], *, tolerance: float = 1e-6, rng: Rng = 0
) -> dict[str, float]:
    """Hold a layer to the contract and its gradients to finite differences.

    A copy of the layer works in float64 with random parameters, on random rows, under a random
    upstream gradient; the layer itself is not changed.

    Parameters
    ----------
    layer : Layer
        Anybody's layer, or a whole `Sequential`.
    x_shape : (int, int)
        Rows and features of the input to try.
    tolerance : float, default 1e-6
        The largest relative error that passes.
    rng : int, numpy.random.Generator or None
        Where the random numbers come from.

    Returns
    -------
    dict of str to float
        The relative error of ``dx`` and of every parameter's gradient:
        max |analytic - numerical| / max(max |analytic|, max |numerical|).

    Raises
    ------
    GradientError
        If a gradient is off, also where a prediction came between forward and backward; if an
        input is written to, a shape is wrong, or arrays share memory that must not.

    Examples
    --------
    >>> from minnet import Dense
    >>> errors = check_layer(Dense(3, 2), (4, 3))
    >>> sorted(errors), max(errors.values()) < 1e-6
    (['bias', 'dx', 'weight'], True)
    """
    generator = np.random.default_rng(rng)
    n, features = (count(size, "check_layer", "x_shape") for size in x_shape)
    layer = copy.deepcopy(layer).build(rng=generator, dtype=np.float64)
    for param in layer.params.values():
        param.value = param.value + 0.5 * generator.standard_normal(param.value.shape)
        param.grad = np.nan  # a backward that adds to it, or leaves it out, will show
    x = generator.standard_normal((n, features))

    used = copy.deepcopy(layer)
    y = unchanged(used, "forward", x, lambda: used.forward(x, training=True), GradientError)
    if np.ndim(y) != 2:
        got = getattr(y, "shape", type(y).__name__)
        raise GradientError(f"{used}: expected y as an array (n, out_features), got {got}")
    shown = y.copy()
    used.forward(x[::-1].copy(), training=False)  # shall disturb neither y nor the backward to come
    if not np.array_equal(shown, y):
        raise GradientError(f"{used}: forward(training=False) must leave the buffer y alone")
    dy = generator.standard_normal(y.shape)
    dx = unchanged(used, "backward", dy, lambda: used.backward(dy), GradientError)
    _check_contract(used, x, y, dy, dx)

    trial, twice = copy.deepcopy(layer), copy.deepcopy(layer)
    first = twice.forward(x, training=True).copy()
    draws = not np.array_equal(first, twice.forward(x, training=True))

    def loss_at(changed_x: Array) -> float:
        # A layer that draws, such as dropout, must draw the same mask every time.
        fresh = copy.deepcopy(trial) if draws else trial
        return float((fresh.forward(changed_x, training=True) * dy).sum())

    analytic, numerical = {"dx": dx}, {"dx": numerical_gradient(loss_at, x)}
    for name, param in used.params.items():
        analytic[name] = param.grad
        numerical[name] = _parameter_gradient(trial, name, lambda: loss_at(x))
    return _compare(layer.describe(), analytic, numerical, tolerance)


def check_loss(
    loss: Loss, output: Any, target: Any, *, tolerance: float = 1e-6
) -> dict[str, float]:
    """Hold a loss's gradient to finite differences at output, in float64.

    Parameters
    ----------
    loss : Loss
        Anybody's loss.
    output, target : array_like
        Rows (n, features) and what they should be, as ``loss.forward`` takes them.
    tolerance : float, default 1e-6
        The largest relative error that passes.

    Returns
    -------
    dict of str to float
        ``{"dx": relative error}``.

    Raises
    ------
    GradientError
        If the gradient is off, or output is written to.

    Examples
    --------
    >>> from minnet import SoftmaxCrossEntropy
    >>> check_loss(SoftmaxCrossEntropy(), [[0.1, 0.7], [2.0, -1.0]], [0, 1])["dx"] < 1e-6
    True
    """
    loss = copy.deepcopy(loss)
    output = np.array(output, dtype=np.float64)
    unchanged(loss, "forward", output, lambda: loss.forward(output, target), GradientError)
    dx = np.array(loss.backward())
    expected = numerical_gradient(lambda point: loss.forward(point, target), output)
    return _compare(type(loss).__name__, {"dx": dx}, {"dx": expected}, tolerance)


def _check_contract(layer: Layer, x: Array, y: Any, dy: Array, dx: Any) -> None:
    for name, array, shape in (("y", y, (len(x), y.shape[1])), ("dx", dx, x.shape)):
        if not isinstance(array, np.ndarray) or array.shape != shape:
            raise GradientError(
                f"{layer}: expected {name} as an array {shape}, got "
                f"{getattr(array, 'shape', type(array).__name__)}"
            )
    if np.shares_memory(x, y) or np.shares_memory(dy, dx) or np.shares_memory(y, dx):
        raise GradientError(f"{layer}: x, y, dy and dx must not share memory")


def _parameter_gradient(trial: Layer, name: str, loss: Callable[[], float]) -> Array:
    param = trial.params[name]
    kept = param.value.copy()

    def loss_at(value: Array) -> float:
        param.value = value
        return loss()

    gradient = numerical_gradient(loss_at, kept)
    param.value = kept
    return gradient


def _compare(
    owner: str, analytic: dict[str, Array], numerical: dict[str, Array], tolerance: float
) -> dict[str, float]:
    # A gradient that is truly 0, as of a bias before BatchNorm, is rounding noise in both: below
    # 1e-4 of the largest gradient there is nothing to divide by.
    floor = 1e-4 * max(float(np.abs(g).max(initial=0.0)) for g in numerical.values())
    errors = {}
    for name, expected in numerical.items():
        found = np.asarray(analytic[name])
        if found.shape != expected.shape:
            raise GradientError(
                f"{owner}: expected the gradient {name} as {expected.shape}, got {found.shape}"
            )
        difference = np.abs(found - expected)
        scale = max(np.abs(found).max(initial=0.0), np.abs(expected).max(initial=0.0), floor)
        errors[name] = float(difference.max(initial=0.0) / scale) if difference.any() else 0.0
        if not errors[name] <= tolerance:
            worst = np.nan_to_num(difference, nan=np.inf).argmax()
            index = tuple(int(i) for i in np.unravel_index(worst, expected.shape))
            raise GradientError(
                f"{owner}: the gradient {name} has relative error {errors[name]:.1e}, above "
                f"{tolerance:.0e}; at {index} backward says {found[index]:.6g}, finite "
                f"differences say {expected[index]:.6g}"
            )
    return errors

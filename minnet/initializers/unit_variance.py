"""Data-dependent initialization: each layer is scaled until its outputs have variance 1."""

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from minnet.initializers.rules import orthogonal
from minnet.layer import Layer, Rng
from minnet.validation import Array, as_rows, check_finite, count, non_negative


class Network(Protocol):
    """The attributes of `Sequential` that `lsuv` uses."""

    @property
    def layers(self) -> Sequence[Layer]: ...  # noqa: D102

    @property
    def theta(self) -> Array: ...  # noqa: D102


def lsuv(
    net: Network,
    x: ArrayLike,
    *,
    tolerance: float = 0.1,
    max_iterations: int = 10,
    rng: Rng = None,
) -> None:
    """Initialize `net` in place: orthogonal weights, scaled so that outputs on `x` have variance 1.

    Layer-sequential unit variance. For each Dense from the first to the last: draw an orthogonal
    weight, set the bias to zero, run `x` forward, and divide the weight by √Var(y), where Var is
    over all entries of the output y. Repeat until |Var(y) - 1| < tolerance, at most
    `max_iterations` times. All layers run with training=False: BatchNorm uses its running
    statistics and Dropout does nothing.

    Mishkin & Matas (2015), "All you need is a good init", arXiv:1511.06422.

    Parameters
    ----------
    net : Sequential
        Every `Dense`, and every layer of your own with a 2-d parameter ``weight``, is initialized,
        also inside a Residual. All other parameters are left as they are.
    x : array_like, shape (n, in_features)
        A batch of typical inputs, a few hundred rows. It is not changed.

    Raises
    ------
    ValueError
        If `x` is not a batch of rows, an option is out of range, or the output of a Dense has no
        variance on `x`; `net` is then unchanged.
    TypeError
        If `x` is not numeric.
    FloatingPointError
        If `x` or the output of a Dense is not finite; `net` is then unchanged.

    >>> from minnet import Dense, Sequential
    >>> x = np.random.default_rng(0).uniform(0, 9, (100, 4))
    >>> net = Sequential([Dense(4, 8), Dense(8, 3)], rng=0)
    >>> lsuv(net, x, tolerance=1e-3, rng=0)
    >>> f"{net.predict(x).var():.2f}"
    '1.00'
    """
    rng = np.random.default_rng(rng)
    tolerance = non_negative(tolerance, "lsuv", "tolerance")
    max_iterations = count(max_iterations, "lsuv", "max_iterations")
    rows = as_rows(x, net.theta.dtype, "lsuv")
    if len(rows) == 0:
        raise ValueError(f"lsuv: expected at least one row, got an empty batch {rows.shape}")
    check_finite(rows, "lsuv")
    theta = net.theta.copy()
    try:
        _initialize(net.layers, rows, tolerance, max_iterations, rng)
    except BaseException:
        net.theta[...] = theta
        raise


def _initialize(
    layers: Sequence[Layer], x: Array, tolerance: float, most: int, rng: np.random.Generator
) -> None:
    for layer in layers:
        if "weight" in layer.params and layer.params["weight"].value.ndim == 2:
            _initialize_dense(layer, x, tolerance, most, rng)
        else:
            # The input of a Residual is the input of its first layer.
            _initialize(getattr(layer, "layers", ()), x, tolerance, most, rng)
        x = layer.forward(x, training=False)


def _initialize_dense(
    layer: Layer, x: Array, tolerance: float, most: int, rng: np.random.Generator
) -> None:
    weight = layer.params["weight"].value
    weight[...] = orthogonal(weight.shape, rng=rng, dtype=weight.dtype)
    if "bias" in layer.params:
        layer.params["bias"].value[...] = 0.0
    for _ in range(most):
        y = layer.forward(x, training=False)
        with np.errstate(over="ignore", invalid="ignore"):
            variance = float(y.var(dtype=np.float64))
        if not math.isfinite(variance):
            raise FloatingPointError(
                f"{layer}: lsuv got an output that is not finite; scale x down"
            )
        rounding = len(weight) * float(np.finfo(y.dtype).eps * np.abs(y).max())  # of a dot product
        if variance <= rounding**2:
            raise ValueError(
                f"{layer}: lsuv got an output without variance, {y.flat[0]:.3g} everywhere; "
                f"give rows that differ, and look for dead units in the preceding layers"
            )
        if abs(variance - 1.0) < tolerance:
            return
        weight /= math.sqrt(variance)

"""Dense layer: one matrix product in the forward pass, two in the backward pass."""

from typing import Any

import numpy as np

from minnet import initializers
from minnet.kernels.dense import add_row, column_sum
from minnet.layer import Layer, Param, parameter
from minnet.validation import Array, as_array, as_flag, count, shown

Init = str | initializers.Initializer
dot = np.ndarray.dot  # np.dot without the overhead of its dispatch


class Dense(Layer):
    """Fully connected layer, y = x W + b.

    The gradients are dW = xᵀ dy, db = Σ dy over the rows, and dx = dy Wᵀ. The weight has shape
    (in_features, out_features), as in the formula; PyTorch stores the transpose.

    Parameters
    ----------
    in_features, out_features : int
        Widths of x (n, in_features) and y (n, out_features).
    bias : bool, default True
        Whether to add b. Before a BatchNorm layer, b has no effect, because BatchNorm subtracts the
        mean.
    init, bias_init : str or callable
        Initializers of W and b, by name or as ``f(shape, *, rng, dtype) -> array``; see
        `minnet.initializers`.

    Attributes
    ----------
    weight, bias : Param
        Shapes (in_features, out_features) and (out_features,). bias is None with ``bias=False``.

    Raises
    ------
    TypeError, ValueError
        If a width is not a positive integer, or an initializer is unknown.

    Examples
    --------
    >>> dense = Dense(3, 2, init="zeros", bias_init="zeros")
    >>> dense.bias.value = [1.0, -1.0]
    >>> dense.forward(np.ones((1, 3)), training=True)
    array([[ 1., -1.]], dtype=float32)
    """

    in_features: int
    out_features: int
    can_skip_dx = True
    # For unpickled copies whose own initializers could not be pickled.
    init = staticmethod(initializers.glorot_uniform)
    bias_init = staticmethod(initializers.zeros)

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        bias: bool = True,
        init: Init = "glorot_uniform",
        bias_init: Init = "zeros",
    ) -> None:
        self.in_features = count(in_features, "Dense", "in_features")
        self.out_features = count(out_features, "Dense", "out_features")
        self.has_bias = as_flag(bias, "Dense", "bias")
        self.init = initializers.get(init)
        self.bias_init = initializers.get(bias_init)

    weight, bias = parameter("weight"), parameter("bias")

    def draw_params(self, rng: np.random.Generator) -> dict[str, Param]:
        shape = (self.in_features, self.out_features)
        params = {"weight": self._draw(self.init, shape, rng)}
        if self.has_bias:
            params["bias"] = self._draw(self.bias_init, shape[1:], rng)
        return params

    def _draw(
        self, init: initializers.Initializer, shape: tuple[int, ...], rng: np.random.Generator
    ) -> Param:
        try:
            value = as_array(init(shape, rng=rng, dtype=self.dtype), self.dtype, self, "W or b")
        except TypeError as error:
            raise TypeError(
                f"{self}: expected an initializer f(shape, *, rng, dtype) that returns an array, "
                f"got {shown(init)}, which raises {error}"
            ) from error
        if value.shape != shape or not np.isfinite(value).all():
            raise ValueError(
                f"{self}: expected the initializer to return finite numbers of shape {shape}, got "
                f"shape {value.shape}{'' if value.shape != shape else ' with NaN or infinity'}"
            )
        return Param(value)

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        for name in ("init", "bias_init"):
            function = getattr(state[name], "func", state[name])  # of a functools.partial
            # Lambdas and local functions cannot be pickled. After build they are not needed.
            if "<" in getattr(function, "__qualname__", "") and self._drawn is None:
                del state[name]
        return state

    def compute(self, x: Array, y: Array, training: bool) -> None:
        dot(x, self.weight.value, out=y)
        self.finite = self.has_bias and add_row(y, self.bias.value)  # which returns if y is finite

    def differentiate(self, dy: Array, dx: Array) -> None:
        weight = self.weight
        dot(self.x.T, dy, out=weight.grad)
        if self.has_bias:
            column_sum(dy, self.bias.grad)
        if len(dx):  # dx has no rows where it is not needed
            dot(dy, weight.value.T, out=dx)

    def describe(self) -> str:
        return f"Dense({self.in_features}->{self.out_features})"

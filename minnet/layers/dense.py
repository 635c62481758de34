"""The dense layer: three matrix products and a bias, in the letters of the blackboard."""

from typing import Any

import numpy as np

from minnet import initializers
from minnet.kernels.dense import add_row, column_sum
from minnet.layer import Layer, Param, parameter
from minnet.validation import Array, count

Init = str | initializers.Initializer


class Dense(Layer):
    """A fully connected layer, y = xW + b.

    Backward computes dW = xᵀ dy, db = Σ dy over the rows, and dx = dy Wᵀ. The weight is stored
    as (in_features, out_features), so that the code reads as the formula; PyTorch stores its
    transpose.

    Parameters
    ----------
    in_features, out_features : int
        Widths of x (n, in_features) and y (n, out_features).
    bias : bool, default True
        Whether b is added. Before a BatchNorm it does nothing: beta takes its place.
    init, bias_init : str or callable
        Initializers by name or as ``f(shape, *, rng, dtype) -> array``; see
        `minnet.initializers`.

    Attributes
    ----------
    weight, bias : Param
        Of shapes (in_features, out_features) and (out_features,); bias is None without one.

    Raises
    ------
    TypeError, ValueError
        If a width is no whole number of at least 1, or an initializer is unknown.

    Examples
    --------
    >>> dense = Dense(3, 2, init="zeros", bias_init="zeros")
    >>> dense.bias.value = [1.0, -1.0]
    >>> dense.forward(np.ones((1, 3)), training=True)
    array([[ 1., -1.]], dtype=float32)
    """

    in_features: int
    out_features: int

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
        self.has_bias = bool(bias)
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
        value = np.asarray(init(shape, rng=rng, dtype=self.dtype), dtype=self.dtype)
        if value.shape != shape or not np.isfinite(value).all():
            raise ValueError(
                f"{self}: an initializer must give finite numbers of shape {shape}, got shape "
                f"{value.shape}{'' if value.shape != shape else ' with NaN or infinity'}"
            )
        return Param(value)

    def forward(self, x: Any, *, training: bool) -> Array:
        x, y = self.begin_forward(x, training)
        weight, bias = self.weight, self.bias
        np.dot(x, weight.value, out=y)
        if bias is not None:
            add_row(y, bias.value)
        return y

    def backward(self, dy: Any, *, input_gradient: bool = True) -> Array:
        """Fill the gradients of weight and bias and return dx.

        The first layer of a network has nobody to pass dx on to: ``input_gradient=False`` leaves
        that product out, and dx then has no rows.
        """
        dy, dx = self.begin_backward(dy)
        weight, bias = self.weight, self.bias
        np.dot(self.x.T, dy, out=weight.grad)
        if bias is not None:
            column_sum(dy, bias.grad)
        if not input_gradient:
            self.dx = dx[:0]
            return self.dx
        np.dot(dy, weight.value.T, out=dx)
        return dx

    def describe(self) -> str:
        return f"Dense({self.in_features}→{self.out_features})"

"""The skip connection: a way around some layers, for the signal and for the gradient."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from minnet.layer import Layer
from minnet.layers.container import Container
from minnet.validation import Array


class Residual(Container):
    """A skip connection around layers F, y = x + F(x), with dx = dy + F's own dx.

    However small F's gradient is, dy itself reaches the layers below: that is why deep networks
    with skip connections train.

    Parameters
    ----------
    *layers : Layer
        The branch F, whose output must be as wide as its input.

    Raises
    ------
    ValueError
        If the widths of input and output of the branch differ.

    References
    ----------
    He, Zhang, Ren & Sun (2016), Deep residual learning for image recognition, CVPR.

    Examples
    --------
    >>> from minnet.layers.dense import Dense
    >>> Residual(Dense(2, 2, init="zeros")).forward([[1.0, 2.0]], training=True)
    array([[1., 2.]], dtype=float32)
    """

    def __init__(self, *layers: Layer) -> None:
        if len(layers) == 1 and isinstance(layers[0], list | tuple):
            raise TypeError(
                "Residual: give the layers one by one, Residual(Dense(3, 3), ReLU()), not as a list"
            )
        super().__init__(layers)
        for layer in self.layers:
            layer.bound = True

    def check_widths(self, names: Sequence[str]) -> None:
        super().check_widths(names)
        if self.in_features != self.out_features:
            raise ValueError(
                f"Residual: the branch must keep the width, got {self.in_features} in and "
                f"{self.out_features} out; x + F(x) needs both alike"
            )

    def forward(self, x: Any, *, training: bool) -> Array:
        x, y = self.begin_forward(x, training)
        np.add(x, self.forward_layers(x, training), out=y)
        return y

    def backward(self, dy: Any) -> Array:
        dy, dx = self.begin_backward(dy)
        np.add(dy, self.backward_layers(dy, self.layers), out=dx)
        return dx

    def describe(self) -> str:
        return f"Residual({', '.join(layer.describe() for layer in self.layers)})"

"""Skip connection: the input of a branch of layers is added to its output."""

import numpy as np

from minnet.layer import Layer
from minnet.layers.container import Container
from minnet.validation import Array


class Residual(Container):
    """Skip connection around layers F: y = x + F(x), with dx = dy + F'(x)ᵀ dy.

    The term dy reaches the earlier layers unchanged, however small the gradient through F is. This
    is why deep networks with skip connections can be trained.

    Parameters
    ----------
    *layers : Layer
        The branch F. Its output must have the width of its input.

    Raises
    ------
    ValueError
        If the input and output of the branch differ in width.

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
                "Residual: expected layers as arguments, got a list; write "
                "Residual(Dense(3, 3), ReLU())"
            )
        super().__init__(layers)
        for layer in self.layers:
            layer._bound = True

    def check_widths(self) -> None:
        super().check_widths()
        if self.in_features != self.out_features:
            raise ValueError(
                f"Residual: expected a branch that keeps the width, got {self.in_features} in and "
                f"{self.out_features} out; x + F(x) needs equal widths"
            )

    def compute(self, x: Array, y: Array, training: bool) -> None:
        np.add(x, self.forward_layers(x, training), out=y)

    def differentiate(self, dy: Array, dx: Array) -> None:
        np.add(dy, self.backward_layers(dy), out=dx)

    def describe(self) -> str:
        return f"Residual({', '.join(layer.describe() for layer in self.layers)})"

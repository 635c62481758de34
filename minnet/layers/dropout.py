"""Dropout: in training, each entry is set to 0 with probability p."""

from typing import Any

import numpy as np

from minnet.layer import Layer
from minnet.memory import grown
from minnet.validation import Array, fraction, setting


class Dropout(Layer):
    """Inverted dropout: y = x m / (1 - p), where each entry of m is 0 with probability p, else 1.

    The gradient is multiplied by the same mask, dx = dy m / (1 - p). The factor 1 / (1 - p) makes
    the expected value of y equal to x. In evaluation, y = x.

    Parameters
    ----------
    p : float, default 0.5
        Probability of setting an entry to 0, 0 <= p < 1.

    Attributes
    ----------
    mask : ndarray
        m / (1 - p) of the last training batch, shape (n, features).

    References
    ----------
    Srivastava et al. (2014), Dropout: a simple way to prevent neural networks from overfitting,
    JMLR 15.

    Examples
    --------
    >>> dropout = Dropout(0.2).build(rng=0)
    >>> dropout.forward(np.ones((1, 4)), training=False)
    array([[1., 1., 1., 1.]], dtype=float32)
    >>> sorted(set(dropout.forward(np.ones((10, 10)), training=True).ravel().tolist()))
    [0.0, 1.25]
    """

    mask: Array = None  # type: ignore[assignment]  # before the first training step
    buffers = (*Layer.buffers, "mask")
    p: float = setting(fraction)

    def __init__(self, p: float = 0.5) -> None:
        self.p = p
        self.rng = np.random.default_rng()

    def build_parts(self, rng: np.random.Generator, dtype: np.dtype[Any]) -> None:
        super().build_parts(rng, dtype)
        self.rng = np.random.default_rng(rng.integers(2**63))

    def compute(self, x: Array, y: Array, training: bool) -> None:
        if not training:
            y[...] = x
            return
        self.mask = grown(self.mask, x.shape, self.dtype)
        self.rng.random(out=self.mask, dtype=self.dtype)
        np.greater_equal(self.mask, self.p, out=self.mask)
        self.mask /= 1.0 - self.p
        np.multiply(x, self.mask, out=y)

    def differentiate(self, dy: Array, dx: Array) -> None:
        np.multiply(dy, self.mask, out=dx)

    def describe(self) -> str:
        return f"Dropout({self.p:g})"

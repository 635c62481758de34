"""Dropout: while training, each entry is left out with probability p."""

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from minnet.layer import Layer, Rng
from minnet.memory import grown
from minnet.validation import Array, fraction


class Dropout(Layer):
    """Inverted dropout: y = x m / (1 - p), where each m is 0 with probability p, else 1.

    The same mask goes over the gradient, dx = dy m / (1 - p). Because the scale 1 / (1 - p) keeps
    the mean of y, prediction leaves x as it is.

    Parameters
    ----------
    p : float, default 0.5
        Probability of leaving an entry out, 0 <= p < 1.

    Attributes
    ----------
    mask : ndarray or None
        m / (1 - p) of the last training batch, (n, features).

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

    mask: Array | None = None

    def __init__(self, p: float = 0.5) -> None:
        self.p = fraction(p, "Dropout", "p")
        self.rng = np.random.default_rng()

    def build(self, *, rng: Rng = None, dtype: DTypeLike = np.float32) -> "Dropout":
        super().build(rng=rng, dtype=dtype)
        seed = np.random.default_rng(rng).integers(2**63)
        self.rng = np.random.default_rng(seed)
        return self

    def forward(self, x: Any, *, training: bool) -> Array:
        x, y = self.begin_forward(x, training)
        if not training:
            y[...] = x
            return y
        mask = self.mask = grown(self.mask, x.shape, self.dtype)
        self.rng.random(out=mask, dtype=self.dtype)
        np.greater_equal(mask, self.p, out=mask)
        mask /= 1.0 - self.p
        np.multiply(x, mask, out=y)
        return y

    def backward(self, dy: Any) -> Array:
        dy, dx = self.begin_backward(dy)
        np.multiply(dy, self.mask, out=dx)  # type: ignore[arg-type]  # forward left a mask
        return dx

    def describe(self) -> str:
        return f"Dropout({self.p:g})"

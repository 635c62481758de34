"""Kernels of the dense layer. BLAS computes its matrix products."""

import numpy as np

from minnet.kernels import Array
from minnet.kernels.jit import kernel


@kernel("(T[:, ::1], const T[::1])")
def add_row(y: Array, b: Array) -> bool:
    """y += b: add b (features,) to each row of y (n, features). Return whether y is now finite.

    v - v is 0 if v is finite, and NaN otherwise.
    """
    n, features = y.shape
    bad = False
    for i in range(n):
        for j in range(features):
            v = y[i, j] + b[j]
            bad |= v - v != 0
            y[i, j] = v
    return not bad


@kernel("(const T[:, ::1], T[::1])")
def column_sum(dy: Array, db: Array) -> None:
    """db = Σ_i dy_i: sum the rows of dy (n, features) in float64."""
    n, features = dy.shape
    total = np.zeros(features)
    for i in range(n):
        for j in range(features):
            total[j] += dy[i, j]
    for j in range(features):
        db[j] = total[j]

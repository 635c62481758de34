"""What a dense layer does beside its three matrix products, which are BLAS's."""

import numpy as np

from minnet.kernels import Array
from minnet.kernels.compiling import kernel


@kernel("(T[:, ::1], T[::1])")
def add_row(y: Array, b: Array) -> None:
    """Add the row b (features,) to every row of y (n, features), in place."""
    n, features = y.shape
    for i in range(n):
        for j in range(features):
            y[i, j] += b[j]


@kernel("(T[:, ::1], T[::1])")
def column_sum(dy: Array, db: Array) -> None:
    """db (features,) = sum of the rows of dy (n, features), accumulated in float64."""
    n, features = dy.shape
    total = np.zeros(features)
    for i in range(n):
        for j in range(features):
            total[j] += dy[i, j]
    for j in range(features):
        db[j] = total[j]


@kernel("(T[:, ::1], T[:, ::1], T[:, ::1])")
def add(a: Array, b: Array, total: Array) -> None:
    """total = a + b, entry by entry: what a skip connection needs in both directions."""
    n, features = a.shape
    for i in range(n):
        for j in range(features):
            total[i, j] = a[i, j] + b[i, j]

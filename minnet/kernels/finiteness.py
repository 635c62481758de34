"""Is every number finite? The question that the doors ask of data before it goes in."""

from minnet.kernels import Array
from minnet.kernels.compiling import kernel


@kernel("(T[:, ::1],)")
def first_nonfinite_row(x: Array) -> int:
    """Return the first row of x (n, features) that holds NaN or infinity, or -1.

    v - v is 0 for every finite v and NaN for the others; an or over a row vectorises.
    """
    n, features = x.shape
    for i in range(n):
        bad = False
        for j in range(features):
            bad |= x[i, j] - x[i, j] != 0
        if bad:
            return i
    return -1

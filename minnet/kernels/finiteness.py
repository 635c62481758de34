"""Detection of NaN, infinity and numbers that are too large."""

from minnet.kernels import Array
from minnet.kernels.jit import kernel


@kernel("(const T[:, ::1],)")
def first_nonfinite_row(x: Array) -> int:
    """Return the first row of x (n, features) that contains NaN or infinity, or -1.

    v - v is 0 if v is finite, and NaN otherwise. The loop over a row has no early exit, so
    that it is vectorized.
    """
    n, features = x.shape
    for i in range(n):
        bad = False
        for j in range(features):
            bad |= x[i, j] - x[i, j] != 0
        if bad:
            return i
    return -1


@kernel("(const T[::1], float64)")
def exceeds(x: Array, limit: float) -> bool:
    """Return whether an entry of x is NaN, infinite or of a magnitude above limit."""
    bound, bad = x.dtype.type(limit), False
    for k in range(x.size):
        bad |= not abs(x[k]) <= bound
    return bad

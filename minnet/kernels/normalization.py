"""Batch normalization, the hot path, and group normalization (layer normalization is one group).

Statistics take two passes, mean first and then the variance about it, with float64 accumulators:
in float32 one pass over E[x²] - m² can come out negative, and two passes at offset 1e4 had an
error larger than the variance itself. The passes that write (n, features) numbers stay in the
array's own type; what rounding the mean to that type leaves over goes into a constant of the
column, so that a large offset does no harm and costs nothing.
"""

import math

import numpy as np

from minnet.kernels import Array
from minnet.kernels.jit import inline, kernel

FAST = ("contract", "nsz")


@inline
def scale_and_shift(
    x: Array, gamma: Array, beta: Array, eps: float, mean: Array, var: Array, y: Array
) -> None:
    """Fill y = gamma (x - mean) / sqrt(var + eps) + beta, column by column."""
    n, features = x.shape
    centre, scale, shift = np.empty_like(gamma), np.empty_like(gamma), np.empty_like(gamma)
    for j in range(features):
        centre[j] = mean[j]
        scale[j] = gamma[j] / math.sqrt(var[j] + eps)
        shift[j] = beta[j] - (mean[j] - centre[j]) * scale[j]
    for i in range(n):
        for j in range(features):
            y[i, j] = (x[i, j] - centre[j]) * scale[j] + shift[j]


@kernel(
    "(const T[:, ::1], const T[::1], const T[::1], float64, const float64[::1], "
    "const float64[::1], T[:, ::1])",
    fastmath=FAST,
)
def normalize_columns(
    x: Array, gamma: Array, beta: Array, eps: float, mean: Array, var: Array, y: Array
) -> None:
    """y = gamma (x - mean) / sqrt(var + eps) + beta with statistics that are given.

    x and y are (n, features); gamma, beta, mean and var are (features,).
    """
    scale_and_shift(x, gamma, beta, eps, mean, var, y)


@kernel(
    "(const T[:, ::1], const T[::1], const T[::1], float64, float64[::1], float64[::1], T[:, ::1])",
    fastmath=FAST,
)
def batchnorm_forward(
    x: Array, gamma: Array, beta: Array, eps: float, mean: Array, var: Array, y: Array
) -> int:
    """Fill mean and (biased) var with this batch's statistics, and y with x normalized by them.

    Return the first column whose unbiased variance is not finite in the type of x, in which the
    running one is kept, or -1.
    """
    n, features = x.shape
    for j in range(features):
        mean[j] = 0.0
        var[j] = 0.0
    for i in range(n):
        for j in range(features):
            mean[j] += x[i, j]
    for j in range(features):
        mean[j] /= n
    for i in range(n):
        for j in range(features):
            distance = x[i, j] - mean[j]
            var[j] += distance * distance
    bad = -1
    for j in range(features):
        unbiased = x.dtype.type(var[j] / (n - 1))
        var[j] /= n
        if bad < 0 and not math.isfinite(unbiased):
            bad = j
    scale_and_shift(x, gamma, beta, eps, mean, var, y)
    return bad


@kernel("(T[::1], T[::1], const float64[::1], const float64[::1], float64, int64)", fastmath=FAST)
def update_running_statistics(
    running_mean: Array, running_var: Array, mean: Array, var: Array, momentum: float, n: int
) -> None:
    """running = momentum running + (1 - momentum) batch, with the unbiased variance, in place."""
    unbias = n / (n - 1)
    for j in range(mean.size):
        running_mean[j] = momentum * running_mean[j] + (1.0 - momentum) * mean[j]
        running_var[j] = momentum * running_var[j] + (1.0 - momentum) * var[j] * unbias


@kernel(
    "(const T[:, ::1], const T[:, ::1], const T[::1], float64, const float64[::1], "
    "const float64[::1], T[::1], T[::1], T[:, ::1])",
    fastmath=FAST,
)
def batchnorm_backward(
    x: Array,
    dy: Array,
    gamma: Array,
    eps: float,
    mean: Array,
    var: Array,
    dgamma: Array,
    dbeta: Array,
    dx: Array,
) -> None:
    """dx = gamma rstd (dy - mean(dy) - x̂ mean(dy x̂)), dgamma = Σ dy x̂, dbeta = Σ dy.

    rstd = 1 / sqrt(var + eps) and x̂ = (x - mean) rstd. One pass sums, one writes dx.
    """
    n, features = x.shape
    sum_dy, sum_dy_x = np.zeros(features), np.zeros(features)
    centre, shift = np.empty_like(gamma), np.empty_like(gamma)
    slope, scale = np.empty_like(gamma), np.empty_like(gamma)
    for j in range(features):
        centre[j] = mean[j]
    for i in range(n):
        for j in range(features):
            sum_dy[j] += dy[i, j]
            sum_dy_x[j] += dy[i, j] * (x[i, j] - centre[j])
    # x - mean = (x - centre) - rest: what the rest adds is the same in every row, so it goes into
    # the shift, and dx = scale (dy - shift - (x - centre) slope).
    for j in range(features):
        rest = mean[j] - centre[j]
        rstd = 1.0 / math.sqrt(var[j] + eps)
        sum_dy_x_hat = (sum_dy_x[j] - rest * sum_dy[j]) * rstd
        dgamma[j] = sum_dy_x_hat
        dbeta[j] = sum_dy[j]
        scale[j] = gamma[j] * rstd
        slope[j] = sum_dy_x_hat * rstd / n
        shift[j] = sum_dy[j] / n - rest * sum_dy_x_hat * rstd / n
    for i in range(n):
        for j in range(features):
            dx[i, j] = scale[j] * (dy[i, j] - shift[j] - (x[i, j] - centre[j]) * slope[j])


@kernel(
    "(const T[:, ::1], const T[::1], const T[::1], float64, float64[:, ::1], "
    "float64[:, ::1], T[:, ::1])",
    fastmath=FAST,
)
def groupnorm_forward(
    x: Array, gamma: Array, beta: Array, eps: float, mean: Array, rstd: Array, y: Array
) -> None:
    """Normalize each row of x (n, features) within groups of neighbouring features.

    mean and rstd (n, groups) are filled; their width says how many groups there are.
    """
    n, features = x.shape
    groups = mean.shape[1]
    width = features // groups
    for i in range(n):
        for g in range(groups):
            start, stop = g * width, (g + 1) * width
            total = np.float64(0.0)
            for j in range(start, stop):
                total += x[i, j]
            centre = total / width
            squares = np.float64(0.0)
            for j in range(start, stop):
                squares += (x[i, j] - centre) ** 2
            scale = 1.0 / math.sqrt(squares / width + eps)
            for j in range(start, stop):
                y[i, j] = (x[i, j] - centre) * scale * gamma[j] + beta[j]
            mean[i, g] = centre
            rstd[i, g] = scale


@kernel(
    "(const T[:, ::1], const T[:, ::1], const T[::1], const float64[:, ::1], "
    "const float64[:, ::1], T[::1], T[::1], T[:, ::1])",
    fastmath=FAST,
)
def groupnorm_backward(
    x: Array,
    dy: Array,
    gamma: Array,
    mean: Array,
    rstd: Array,
    dgamma: Array,
    dbeta: Array,
    dx: Array,
) -> None:
    """dx = rstd (g - mean(g) - x̂ mean(g x̂)) with g = gamma dy, the means taken over the group."""
    n, features = x.shape
    groups = mean.shape[1]
    width = features // groups
    sum_dy, sum_dy_x_hat = np.zeros(features), np.zeros(features)
    for i in range(n):
        for g in range(groups):
            start, stop = g * width, (g + 1) * width
            centre, scale = mean[i, g], rstd[i, g]
            sum_g = np.float64(0.0)
            sum_g_x_hat = np.float64(0.0)
            for j in range(start, stop):
                x_hat = (x[i, j] - centre) * scale
                sum_dy[j] += dy[i, j]
                sum_dy_x_hat[j] += dy[i, j] * x_hat
                sum_g += gamma[j] * dy[i, j]
                sum_g_x_hat += gamma[j] * dy[i, j] * x_hat
            for j in range(start, stop):
                x_hat = (x[i, j] - centre) * scale
                dx[i, j] = scale * (gamma[j] * dy[i, j] - (sum_g + x_hat * sum_g_x_hat) / width)
    for j in range(features):
        dgamma[j] = sum_dy_x_hat[j]
        dbeta[j] = sum_dy[j]

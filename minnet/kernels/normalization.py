"""Batch normalization and group normalization kernels. Layer normalization has one group.

Statistics need two passes, the mean and then the variance, with float64 accumulators. In float32,
E[x²] - μ² can be negative, and for x with an offset of 1e4 even two passes had an error larger than
the variance. The passes over (n, features) use the dtype of x. The rounding error of the mean in
that dtype is corrected by one constant for each column, so large offsets are accurate.

Four values are added before the sum of a column is updated, because each update loads and stores
the sum, and has to wait for the update before it.

References
----------
Ioffe & Szegedy (2015), Batch normalization, ICML. The example uses the notation of this paper.
Wu & He (2018), Group normalization, ECCV.

Examples
--------
Batch normalization, forward and backward, in NumPy:

>>> rng, ε = np.random.default_rng(0), 0.1
>>> (x, dy), (γ, β) = rng.normal(size=(2, 8, 3)), rng.normal(size=(2, 3))
>>> μ, σ2 = x.mean(axis=0), x.var(axis=0)
>>> x̂ = (x - μ) / np.sqrt(σ2 + ε)
>>> y = γ * x̂ + β
>>> dγ, dβ, dx̂ = (dy * x̂).sum(axis=0), dy.sum(axis=0), dy * γ
>>> dx = (dx̂ - dx̂.mean(axis=0) - x̂ * (dx̂ * x̂).mean(axis=0)) / np.sqrt(σ2 + ε)

The kernels fill their last arguments with the same values, up to rounding:

>>> for T in np.float32, np.float64:
...     xT, dyT, γT, βT = (array.astype(T) for array in (x, dy, γ, β))
...     mean, var = np.empty(3), np.empty(3)
...     yT, dxT, dγT, dβT = np.empty((8, 3), T), np.empty((8, 3), T), np.empty(3, T), np.empty(3, T)
...     _ = column_statistics(xT, mean, var)
...     normalize_columns(xT, γT, βT, ε, mean, var, yT)
...     batchnorm_backward(xT, dyT, γT, ε, mean, var, dγT, dβT, dxT)
...     for kernel_value, value in zip((yT, dxT, dγT, dβT), (y, dx, dγ, dβ), strict=True):
...         np.testing.assert_allclose(kernel_value, value, rtol=0, atol=50 * np.finfo(T).eps)
"""

import math

import numpy as np

from minnet.kernels import Array
from minnet.kernels.jit import inline, kernel

FAST = ("contract", "nsz")


@kernel("(const T[:, ::1], float64[::1], float64[::1])", fastmath=FAST)
def column_statistics(x: Array, mean: Array, var: Array) -> int:
    """Fill mean and (biased) var, both (features,), with the statistics of the columns of x.

    Return the first column whose unbiased variance is not finite in the dtype of x, or -1. This is
    the dtype of the running variance.
    """
    n, features = x.shape
    for j in range(features):
        mean[j] = 0.0
        var[j] = 0.0
    fours = n - n % 4
    for i in range(0, fours, 4):
        for j in range(features):
            first_two = np.float64(x[i, j]) + x[i + 1, j]
            mean[j] += first_two + (np.float64(x[i + 2, j]) + x[i + 3, j])
    for i in range(fours, n):
        for j in range(features):
            mean[j] += x[i, j]
    for j in range(features):
        mean[j] /= n
    for i in range(0, fours, 4):
        for j in range(features):
            a, b = x[i, j] - mean[j], x[i + 1, j] - mean[j]
            c, d = x[i + 2, j] - mean[j], x[i + 3, j] - mean[j]
            var[j] += (a * a + b * b) + (c * c + d * d)
    for i in range(fours, n):
        for j in range(features):
            d = x[i, j] - mean[j]
            var[j] += d * d
    bad = -1
    for j in range(features):
        unbiased = x.dtype.type(var[j] / (n - 1))
        var[j] /= n
        if bad < 0 and not math.isfinite(unbiased):
            bad = j
    return bad


@kernel(
    "(const T[:, ::1], const T[::1], const T[::1], float64, const float64[::1], "
    "const float64[::1], T[:, ::1])",
    fastmath=FAST,
)
def normalize_columns(
    x: Array, gamma: Array, beta: Array, eps: float, mean: Array, var: Array, y: Array
) -> None:
    """y = gamma (x - mean) / sqrt(var + eps) + beta in each column.

    x and y are (n, features); gamma, beta, mean and var are (features,).
    """
    n, features = x.shape
    centre, scale, shift = np.empty_like(gamma), np.empty_like(gamma), np.empty_like(gamma)
    for j in range(features):
        centre[j] = mean[j]
        scale[j] = gamma[j] / math.sqrt(var[j] + eps)
        shift[j] = beta[j] - (mean[j] - centre[j]) * scale[j]
    for i in range(n):
        for j in range(features):
            y[i, j] = (x[i, j] - centre[j]) * scale[j] + shift[j]


@kernel("(T[::1], T[::1], const float64[::1], const float64[::1], float64, int64)", fastmath=FAST)
def update_running_statistics(
    running_mean: Array, running_var: Array, mean: Array, var: Array, momentum: float, n: int
) -> None:
    """running = momentum running + (1 - momentum) batch, with the unbiased variance."""
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

    rstd = 1 / sqrt(var + eps) and x̂ = (x - mean) rstd.
    """
    n, features = x.shape
    sum_dy, sum_dy_x = np.zeros(features), np.zeros(features)
    centre, shift = np.empty_like(gamma), np.empty_like(gamma)
    slope, scale = np.empty_like(gamma), np.empty_like(gamma)
    for j in range(features):
        centre[j] = mean[j]
    fours = n - n % 4
    for i in range(0, fours, 4):
        for j in range(features):
            first_two = np.float64(dy[i, j]) + dy[i + 1, j]
            sum_dy[j] += first_two + (np.float64(dy[i + 2, j]) + dy[i + 3, j])
            m = centre[j]
            a, b = dy[i, j] * (x[i, j] - m), dy[i + 1, j] * (x[i + 1, j] - m)
            c, d = dy[i + 2, j] * (x[i + 2, j] - m), dy[i + 3, j] * (x[i + 3, j] - m)
            sum_dy_x[j] += (np.float64(a) + b) + (np.float64(c) + d)
    for i in range(fours, n):
        for j in range(features):
            sum_dy[j] += dy[i, j]
            sum_dy_x[j] += dy[i, j] * (x[i, j] - centre[j])
    # x - mean = (x - centre) - rest. The rest is the same in each row, so it is part of the shift,
    # and dx = scale (dy - shift - (x - centre) slope).
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


@inline
def rounded(x: Array, mean: float, rstd: float) -> tuple[float, float, float]:
    """Return centre, scale and rest, in the dtype of x, with x̂ = (x - centre) scale - rest."""
    centre = x.dtype.type(mean)
    return centre, x.dtype.type(rstd), x.dtype.type((mean - centre) * rstd)


@kernel(
    "(const T[:, ::1], const T[::1], const T[::1], float64, float64[:, ::1], "
    "float64[:, ::1], T[:, ::1])",
    fastmath=FAST,
)
def groupnorm_forward(
    x: Array, gamma: Array, beta: Array, eps: float, mean: Array, rstd: Array, y: Array
) -> int:
    """y = gamma (x - mean) rstd + beta, with mean and rstd of groups of consecutive features.

    x and y are (n, features). mean and rstd, (n, groups), are filled too. Return the first row with
    a variance that is not finite, or -1.
    """
    n, groups = mean.shape
    width = x.shape[1] // groups
    x, y = x.reshape(n, groups, width), y.reshape(n, groups, width)
    gamma, beta = gamma.reshape(groups, width), beta.reshape(groups, width)
    bad, fours = -1, width - width % 4
    for i in range(n):
        for g in range(groups):
            total, squares = np.float64(0.0), np.float64(0.0)
            for j in range(0, fours, 4):
                first_two = np.float64(x[i, g, j]) + x[i, g, j + 1]
                total += first_two + (np.float64(x[i, g, j + 2]) + x[i, g, j + 3])
            for j in range(fours, width):
                total += x[i, g, j]
            m = total / width
            for j in range(0, fours, 4):
                a, b = x[i, g, j] - m, x[i, g, j + 1] - m
                c, d = x[i, g, j + 2] - m, x[i, g, j + 3] - m
                squares += (a * a + b * b) + (c * c + d * d)
            for j in range(fours, width):
                d = x[i, g, j] - m
                squares += d * d
            mean[i, g] = m
            rstd[i, g] = 1.0 / math.sqrt(squares / width + eps)
            centre, scale, rest = rounded(x, mean[i, g], rstd[i, g])
            for j in range(width):
                x_hat = (x[i, g, j] - centre) * scale - rest
                y[i, g, j] = x_hat * gamma[g, j] + beta[g, j]
            if bad < 0 and not math.isfinite(squares):
                bad = i
    return bad


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
    """dx = rstd (g - mean(g) - x̂ mean(g x̂)) with g = gamma dy and means over each group.

    dgamma = Σ dy x̂ and dbeta = Σ dy, with sums over the rows.
    """
    n, groups = mean.shape
    width = x.shape[1] // groups
    shape = n, groups, width
    x, dy, dx = x.reshape(shape), dy.reshape(shape), dx.reshape(shape)
    gamma = gamma.reshape(groups, width)
    dgamma, dbeta = dgamma.reshape(groups, width), dbeta.reshape(groups, width)
    sum_dy, sum_dy_x_hat = np.zeros((groups, width)), np.zeros((groups, width))
    for i in range(n):
        for g in range(groups):
            centre, scale, rest = rounded(x, mean[i, g], rstd[i, g])
            for j in range(width):
                x_hat = (x[i, g, j] - centre) * scale - rest
                sum_dy[g, j] += dy[i, g, j]
                sum_dy_x_hat[g, j] += dy[i, g, j] * x_hat
            sum_g, sum_g_x_hat = np.float64(0.0), np.float64(0.0)
            for j in range(width):
                x_hat = (x[i, g, j] - centre) * scale - rest
                sum_g += gamma[g, j] * dy[i, g, j]
                sum_g_x_hat += gamma[g, j] * dy[i, g, j] * x_hat
            mean_g = x.dtype.type(sum_g / width)
            mean_g_x_hat = x.dtype.type(sum_g_x_hat / width)
            for j in range(width):
                x_hat = (x[i, g, j] - centre) * scale - rest
                dx[i, g, j] = scale * (gamma[g, j] * dy[i, g, j] - mean_g - x_hat * mean_g_x_hat)
    for g in range(groups):
        for j in range(width):
            dgamma[g, j] = sum_dy_x_hat[g, j]
            dbeta[g, j] = sum_dy[g, j]

"""Exercise 9: right answers in different styles, and known mistakes as students write them."""

from functools import partial

import numpy as np

import minnet


def batchnorm_backward(x, gamma, beta, eps, dy, mistake=None):
    """The closed form, with a switch for each mistake."""
    if mistake == "input_changed":
        dy *= gamma
        gamma = 1.0
    centred = x - x.mean(axis=0)
    root = np.sqrt(x.var(axis=0, ddof=mistake == "unbiased_variance") + eps)
    if mistake == "eps_forgotten":
        root = x.std(axis=0)
    if mistake == "eps_outside_root":
        root = x.std(axis=0) + eps
    xhat = centred / root
    into_gamma = {
        "x_for_xhat": x,
        "centred_for_xhat": centred,
        "y_for_xhat": gamma * xhat + beta,
    }.get(mistake, xhat)
    axis = 1 if mistake == "dgamma_over_axis_1" else 0
    collect = np.mean if mistake == "dgamma_averaged" else np.sum
    dgamma, dbeta = collect(dy * into_gamma, axis=axis), collect(dy, axis=axis)
    g = dy / root if mistake == "gamma_missing" else dy * gamma / root
    if mistake == "y_for_xhat":
        xhat = gamma * xhat + beta
    if mistake == "sum_for_mean":
        dx = g - g.sum(axis=0) - xhat * (g * xhat).sum(axis=0)
    elif mistake == "divided_by_features":
        dx = g - (g.sum(axis=0) + xhat * (g * xhat).sum(axis=0)) / x.shape[1]
    elif mistake == "means_over_axis_1":
        dx = g - g.mean(axis=1, keepdims=True) - xhat * (g * xhat).mean(axis=1, keepdims=True)
    else:
        dx = g - g.mean(axis=0) - xhat * (g * xhat).mean(axis=0)
    if mistake == "eps_forgotten_in_dx":
        dx = gamma / (len(x) * x.std(axis=0)) * (len(x) * dy - dbeta - xhat * dgamma)
    if mistake == "dgamma_and_dbeta_swapped":
        return dx, dbeta, dgamma
    return dx * root if mistake == "dx_not_divided" else dx, dgamma, dbeta


def in_steps(x, gamma, beta, eps, dy, mistake=None):
    """Back through the steps of the forward one by one, as in the paper."""
    n = len(x)
    centred = x - x.mean(axis=0)
    var = (centred**2).mean(axis=0) + eps
    xhat = centred / np.sqrt(var)
    if mistake == "eps_forgotten_in_every_path":
        var = x.var(axis=0)
    dxhat = dy * gamma
    power = -0.5 if mistake == "variance_exponent" else -1.5
    dvar = (dxhat * centred).sum(axis=0) * -0.5 * var**power
    dmean = -dxhat.sum(axis=0) / np.sqrt(var) - 2 * dvar * centred.mean(axis=0)
    if mistake in ("variance_path_missing", "both_paths_missing"):
        dvar = np.zeros_like(dvar)
    if mistake == "variance_path_sign":
        dvar = -dvar
    if mistake in ("mean_path_missing", "both_paths_missing"):
        dmean = np.zeros_like(dmean)
    two = 1 if mistake == "variance_path_halved" else 2
    of_mean = 1 if mistake == "sum_for_mean_by_mean" else n
    of_var = 1 if mistake == "sum_for_mean_by_variance" else n
    dx = dxhat / np.sqrt(var) + dvar * two * centred / of_var + dmean / of_mean
    return dx, (dy * xhat).sum(axis=0), dy.sum(axis=0)


def without_the_zero(x, gamma, beta, eps, dy):
    """In steps, without the derivative of the variance by the mean, which is zero."""
    centred = x - np.sum(x, axis=0) / len(x)
    inverse = 1 / np.sqrt(np.sum(centred * centred, axis=0) / len(x) + eps)
    dcentred = gamma * dy * inverse
    dinverse = np.sum(gamma * dy * centred, axis=0)
    dcentred = dcentred - dinverse * inverse**3 * centred / len(x)
    dx = dcentred - dcentred.mean(axis=0)
    return dx, np.sum(dy * centred * inverse, axis=0), np.sum(dy, axis=0)


def loops(x, gamma, beta, eps, dy):
    n, features = x.shape
    dx, dgamma, dbeta = np.empty_like(x), np.zeros_like(gamma), np.zeros_like(beta)
    for j in range(features):
        mean = sum(x[:, j]) / n
        var = sum((v - mean) ** 2 for v in x[:, j]) / n
        xhat = [(v - mean) / (var + eps) ** 0.5 for v in x[:, j]]
        for r in range(n):
            dgamma[j] += dy[r, j] * xhat[r]
            dbeta[j] += dy[r, j]
        for r in range(n):
            inner = n * dy[r, j] - dbeta[j] - xhat[r] * dgamma[j]
            dx[r, j] = gamma[j] / (n * (var + eps) ** 0.5) * inner
    return dx, dgamma, dbeta


def by_jacobian(x, gamma, beta, eps, dy):
    """The whole matrix ∂y/∂x of every column, in float64."""
    x, dy = np.asarray(x, np.float64), np.asarray(dy, np.float64)
    n = len(x)
    root = np.sqrt(x.var(axis=0) + eps)
    xhat = (x - x.mean(axis=0)) / root
    outer = np.einsum("rj,sj->jrs", xhat, xhat)
    jacobian = (np.eye(n) - (1 + outer) / n) * (gamma / root)[:, None, None]
    return (
        np.einsum("jrs,rj->sj", jacobian, dy),
        np.einsum("rj,rj->j", dy, xhat),
        np.einsum("rj->j", dy),
    )


def own_of_minnet(x, gamma, beta, eps, dy):
    layer = minnet.BatchNorm(x.shape[1], eps=eps).build(dtype=x.dtype)
    layer.gamma.value, layer.beta.value = gamma, beta
    layer.forward(x, training=True)
    return layer.backward(dy), layer.gamma.grad, layer.beta.grad


def constant(x, gamma, beta, eps, dy):
    """Return the example of the stub."""
    return np.array([[4.0], [-6.0], [2.0]]), np.array([-3.0]), np.array([9.0])


RIGHT = (batchnorm_backward, in_steps, without_the_zero, loops, by_jacobian, own_of_minnet)
HARD_CODED = (constant,)
WRONG = {
    mistake: partial(batchnorm_backward, mistake=mistake)
    for mistake in (
        "gamma_missing",
        "dx_not_divided",
        "sum_for_mean",
        "divided_by_features",
        "means_over_axis_1",
        "eps_forgotten",
        "eps_outside_root",
        "unbiased_variance",
        "y_for_xhat",
        "x_for_xhat",
        "centred_for_xhat",
        "dgamma_over_axis_1",
        "dgamma_averaged",
        "dgamma_and_dbeta_swapped",
        "eps_forgotten_in_dx",
        "input_changed",
    )
} | {
    mistake: partial(in_steps, mistake=mistake)
    for mistake in (
        "mean_path_missing",
        "variance_path_missing",
        "both_paths_missing",
        "variance_path_halved",
        "variance_path_sign",
        "variance_exponent",
        "sum_for_mean_by_mean",
        "sum_for_mean_by_variance",
        "eps_forgotten_in_every_path",
    )
}

"""Exercise 10: right answers in different styles, and known mistakes as students write them."""

from copy import copy
from functools import partial, wraps

import numpy as np

import minnet


def for_backward(forward):
    """Leave what backward needs as it is in evaluation."""

    @wraps(forward)
    def kept(self, x, training):
        return forward(self if training else copy(self), x, training)

    return kept


class LayerNorm:
    """The closed form, with a switch for each mistake."""

    def __init__(self, gamma, beta, eps, mistake=None):
        self.gamma, self.beta, self.eps, self.mistake = gamma, beta, eps, mistake
        self.dgamma = self.dbeta = 0.0

    @for_backward
    def forward(self, x, training):
        mistake, eps = self.mistake, self.eps
        if mistake == "input_changed":
            x -= x.mean(axis=1, keepdims=True)
        axis = {"batch_axis": 0, "whole_batch": None}.get(mistake, 1)
        var = x.var(axis=axis, ddof=mistake == "unbiased_variance", keepdims=True)
        self.root = {
            "eps_outside_root": np.sqrt(var) + eps,
            "eps_forgotten": np.sqrt(var),
            "root_forgotten": var + eps,
        }.get(mistake, np.sqrt(var + eps))
        self.xhat = (x - x.mean(axis=axis, keepdims=True)) / self.root
        return self.gamma * self.xhat + self.beta

    def backward(self, dy):
        mistake, xhat = self.mistake, self.xhat
        if mistake == "y_for_xhat":
            xhat = self.gamma * xhat + self.beta
        axis = 1 if mistake == "dgamma_over_axis_1" else 0
        collect = np.mean if mistake == "dgamma_averaged" else np.sum
        dgamma, dbeta = collect(dy * xhat, axis=axis), collect(dy, axis=axis)
        if mistake == "gradients_add_up":
            dgamma, dbeta = self.dgamma + dgamma, self.dbeta + dbeta
        self.dgamma, self.dbeta = dgamma, dbeta
        h = dy if mistake in ("gamma_missing", "gamma_outside_means") else dy * self.gamma
        axis = {"batch_axis": 0, "backward_of_batchnorm": 0, "whole_batch": None}.get(mistake, 1)
        average = np.sum if mistake == "sum_for_mean" else np.mean
        by_mean = average(h, axis=axis, keepdims=True)
        by_variance = xhat * average(h * xhat, axis=axis, keepdims=True)
        if mistake in ("mean_path_missing", "both_paths_missing"):
            by_mean = 0
        if mistake in ("variance_path_missing", "both_paths_missing"):
            by_variance = 0
        dx = (h - by_mean - by_variance) / self.root
        return dx * self.gamma if mistake == "gamma_outside_means" else dx


class InSteps(LayerNorm):
    """Through the steps of the forward one by one."""

    @for_backward
    def forward(self, x, training):
        self.x = x.copy()
        self.centred = x - x.mean(axis=-1)[:, None]
        self.var = (self.centred**2).mean(axis=-1)[:, None] + self.eps
        return self.centred * self.var**-0.5 * self.gamma + self.beta

    def backward(self, dy):
        self.dgamma = (dy * self.centred / np.sqrt(self.var)).sum(axis=0)
        self.dbeta = dy.sum(axis=0)
        h = dy * self.gamma
        dvar = (h * self.centred).sum(axis=1, keepdims=True) * -0.5 * self.var**-1.5
        dcentred = h / np.sqrt(self.var) + dvar * 2 * self.centred / h.shape[1]
        return dcentred - dcentred.mean(axis=1, keepdims=True)


class Loops(LayerNorm):
    @for_backward
    def forward(self, x, training):
        self.rows = []
        y = np.empty_like(x)
        for r, row in enumerate(x):
            mean = sum(row) / len(row)
            root = (sum((v - mean) ** 2 for v in row) / len(row) + self.eps) ** 0.5
            xhat = [(v - mean) / root for v in row]
            self.rows.append((xhat, root))
            for j, v in enumerate(xhat):
                y[r, j] = self.gamma[j] * v + self.beta[j]
        return y

    def backward(self, dy):
        self.dgamma, self.dbeta = np.zeros_like(self.gamma), np.zeros_like(self.beta)
        dx = np.empty_like(dy)
        for r, (xhat, root) in enumerate(self.rows):
            h = [d * g for d, g in zip(dy[r], self.gamma, strict=True)]
            first = sum(h) / len(h)
            second = sum(a * b for a, b in zip(h, xhat, strict=True)) / len(h)
            for j, v in enumerate(xhat):
                self.dgamma[j] += dy[r, j] * v
                self.dbeta[j] += dy[r, j]
                dx[r, j] = (h[j] - first - v * second) / root
        return dx


class Transposed(LayerNorm):
    """BatchNorm of the transposed batch, in float64, by einsum."""

    @for_backward
    def forward(self, x, training):
        columns = np.asarray(x, np.float64).T
        mean = columns.mean(axis=0)
        self.root = np.sqrt((columns**2).mean(axis=0) - mean**2 + self.eps)
        self.xhat = ((columns - mean) / self.root).T
        return np.einsum("j,rj->rj", self.gamma, self.xhat) + self.beta

    def backward(self, dy):
        self.dgamma, self.dbeta = np.einsum("rj,rj->j", dy, self.xhat), np.einsum("rj->j", dy)
        h = np.einsum("rj,j->rj", dy, self.gamma)
        width = h.shape[1]
        inner = np.einsum("rj,rj->r", h, self.xhat) / width
        dx = h - h.sum(axis=1)[:, None] / width - np.einsum("rj,r->rj", self.xhat, inner)
        return (dx.T / self.root).T


class OwnOfMinnet(LayerNorm):
    @for_backward
    def forward(self, x, training):
        self.layer = minnet.LayerNorm(x.shape[1], eps=self.eps).build(dtype=x.dtype)
        self.layer.gamma.value, self.layer.beta.value = self.gamma, self.beta
        return self.layer.forward(x, training=True)

    def backward(self, dy):
        dx = self.layer.backward(dy)
        self.dgamma, self.dbeta = self.layer.gamma.grad, self.layer.beta.grad
        return dx


class RunningStatistics(LayerNorm):
    """Statistics of each feature, kept as BatchNorm does, for evaluation alone."""

    running_mean, running_var = 0.0, 1.0

    def forward(self, x, training):
        if training:
            mean, var = x.mean(axis=0), x.var(axis=0)
            self.running_mean = 0.9 * self.running_mean + 0.1 * mean
            self.running_var = 0.9 * self.running_var + 0.1 * var
            return super().forward(x, training)
        xhat = (x - self.running_mean) / np.sqrt(self.running_var + self.eps)
        return self.gamma * xhat + self.beta


class StateOfEvaluation(LayerNorm):
    def forward(self, x, training):
        return super().forward(x, True)


class Constant(LayerNorm):
    """Return the example of the stub."""

    def forward(self, x, training):
        return np.array([[9.0, 10.0, 13.0]])


RIGHT = (LayerNorm, InSteps, Loops, Transposed, OwnOfMinnet)
HARD_CODED = (Constant,)
WRONG = {
    mistake: partial(LayerNorm, mistake=mistake)
    for mistake in (
        "batch_axis",
        "whole_batch",
        "unbiased_variance",
        "eps_outside_root",
        "eps_forgotten",
        "root_forgotten",
        "sum_for_mean",
        "y_for_xhat",
        "gamma_outside_means",
        "gamma_missing",
        "both_paths_missing",
        "mean_path_missing",
        "variance_path_missing",
        "backward_of_batchnorm",
        "dgamma_over_axis_1",
        "dgamma_averaged",
        "gradients_add_up",
        "input_changed",
    )
} | {"running_statistics": RunningStatistics, "state_of_evaluation": StateOfEvaluation}

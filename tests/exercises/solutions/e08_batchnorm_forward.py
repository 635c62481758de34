"""Exercise 8: right answers in different styles, and known mistakes as students write them."""

import math
from functools import partial

import numpy as np

import minnet


class BatchNorm:
    """Plain implementation."""

    def __init__(self, gamma, beta, eps, momentum):
        self.gamma, self.beta, self.eps, self.momentum = gamma, beta, eps, momentum
        self.running_mean, self.running_var = np.zeros_like(gamma), np.ones_like(gamma)

    def forward(self, x, training):
        if training:
            mean, var, m = x.mean(axis=0), x.var(axis=0), self.momentum
            self.running_mean = m * self.running_mean + (1 - m) * mean
            self.running_var = m * self.running_var + (1 - m) * x.var(axis=0, ddof=1)
        else:
            mean, var = self.running_mean, self.running_var
        return self.gamma * (x - mean) / np.sqrt(var + self.eps) + self.beta


class Loops(BatchNorm):
    """One column after the other; the running statistics change in place."""

    def forward(self, x, training):
        n, m, y = len(x), self.momentum, np.empty_like(x)
        for j in range(x.shape[1]):
            mean, var = self.running_mean[j], self.running_var[j]
            if training:
                mean = sum(x[:, j]) / n
                squares = sum((value - mean) ** 2 for value in x[:, j])
                var = squares / n
                self.running_mean[j] += (1 - m) * (mean - self.running_mean[j])
                self.running_var[j] += (1 - m) * (squares / (n - 1) - self.running_var[j])
            for i in range(n):
                x_hat = (x[i, j] - mean) / math.sqrt(var + self.eps)
                y[i, j] = self.gamma[j] * x_hat + self.beta[j]
        return y


class OneScale(BatchNorm):
    """Var = E[x²] - E[x]², and y = scale x + shift."""

    def forward(self, x, training):
        n, m = len(x), self.momentum
        mean, var = self.running_mean, self.running_var
        if training:
            mean = np.einsum("ij->j", x) / n
            var = np.einsum("ij,ij->j", x, x) / n - mean**2
            self.running_mean = self.running_mean - (1 - m) * (self.running_mean - mean)
            self.running_var = m * self.running_var + (1 - m) * var * n / (n - 1)
        scale = self.gamma * (var + self.eps) ** -0.5
        return x * scale + (self.beta - scale * mean)


class InFloat64(BatchNorm):
    def forward(self, x, training):
        return super().forward(x.astype(np.float64), training).astype(x.dtype)


class OwnOfMinnet(BatchNorm):
    """minnet's own layer."""

    def __init__(self, gamma, beta, eps, momentum):
        own = minnet.BatchNorm(len(gamma), eps=eps, momentum=momentum)
        self.own = own.build(dtype=gamma.dtype)
        self.own.gamma.value, self.own.beta.value = gamma, beta
        self.running_mean, self.running_var = self.own.running_mean, self.own.running_var

    def forward(self, x, training):
        return self.own.forward(x, training=training)


RIGHT = (BatchNorm, Loops, OneScale, InFloat64, OwnOfMinnet)


class Constant(BatchNorm):
    """Return the example of the stub."""

    def forward(self, x, training):
        self.running_mean, self.running_var = np.array([1.0]), np.array([1.5])
        return np.array([[-4.5], [5.5]]) if training else np.array([[0.5]])


HARD_CODED = (Constant,)


class WithMistake(BatchNorm):
    """Step by step, with a switch for each mistake."""

    def __init__(self, gamma, beta, eps, momentum, mistake):
        super().__init__(gamma, beta, eps, momentum)
        self.mistake = mistake
        if mistake == "running_var_begun_at_0":
            self.running_var = np.zeros_like(gamma)

    def forward(self, x, training):
        mean, var, kept = self.of_batch(x)
        if self.mistake == "begun_with_first_batch" and not self.running_mean.any():
            self.running_mean, self.running_var = mean, kept
        if self.mistake == "running_mean_begun_with_first_batch" and not self.running_mean.any():
            self.running_mean = mean
        if training or self.mistake == "updated_in_evaluation":
            m = self.momentum
            m = {"momentum_other_way_round": 1 - m, "last_batch_kept": 0}.get(self.mistake, m)
            self.running_mean = m * self.running_mean + (1 - m) * mean
            self.running_var = m * self.running_var + (1 - m) * kept
        batch_counts = training and self.mistake != "running_in_training"
        if not batch_counts and self.mistake != "batch_statistics_in_evaluation":
            mean, var = self.running_mean, self.running_var
        if self.mistake == "input_changed":
            x -= mean
            return self.gamma * x / np.sqrt(var + self.eps) + self.beta
        divisor = {
            "eps_beside_root": np.sqrt(var) + self.eps,
            "eps_left_out": np.sqrt(var),
            "root_left_out": var + self.eps,
        }.get(self.mistake, np.sqrt(var + self.eps))
        return self.gamma * (x - mean) / divisor + self.beta

    def of_batch(self, x):
        """The mean, the variance that normalises, and the one that is kept."""
        if self.mistake == "axis_1":
            return x.mean(axis=1), x.var(axis=1), x.var(axis=1, ddof=1)
        if self.mistake == "rows_normalised":
            mean, var = x.mean(axis=1, keepdims=True), x.var(axis=1, keepdims=True)
            return mean, var, var
        var = x.var(axis=0, ddof=1 if self.mistake == "n_minus_1" else 0)
        kept = {
            "deviation_averaged": x.std(axis=0, ddof=1),
            "running_var_biased": x.var(axis=0),
        }.get(self.mistake, x.var(axis=0, ddof=1))
        return x.mean(axis=0), var, kept


WRONG = {
    mistake: partial(WithMistake, mistake=mistake)
    for mistake in (
        "axis_1",
        "rows_normalised",
        "n_minus_1",
        "eps_beside_root",
        "eps_left_out",
        "root_left_out",
        "running_in_training",
        "deviation_averaged",
        "running_var_biased",
        "momentum_other_way_round",
        "begun_with_first_batch",
        "running_mean_begun_with_first_batch",
        "running_var_begun_at_0",
        "last_batch_kept",
        "batch_statistics_in_evaluation",
        "updated_in_evaluation",
        "input_changed",
    )
}

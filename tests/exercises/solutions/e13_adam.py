"""Exercise 13: right answers in different styles, and known mistakes as students write them."""

import math
from functools import partial

import numpy as np

import minnet


class Optimizer:
    """Plain implementation."""

    def __init__(self, rule, lr, beta1, beta2, eps):
        self.rule, self.lr, self.eps = rule, lr, eps
        self.beta1, self.beta2 = beta1, beta2
        self.t, self.m, self.s = 0, None, None

    def step(self, params, grads):
        if self.m is None:
            self.m = [np.zeros_like(p) for p in params]
            self.s = [np.zeros_like(p) for p in params]
        self.t += 1
        new = []
        for i, (p, g) in enumerate(zip(params, grads, strict=True)):
            self.s[i] = self.beta2 * self.s[i] + (1 - self.beta2) * g**2
            if self.rule == "rmsprop":
                new.append(p - self.lr * g / (np.sqrt(self.s[i]) + self.eps))
                continue
            self.m[i] = self.beta1 * self.m[i] + (1 - self.beta1) * g
            m_hat = self.m[i] / (1 - self.beta1**self.t)
            s_hat = self.s[i] / (1 - self.beta2**self.t)
            new.append(p - self.lr * m_hat / (np.sqrt(s_hat) + self.eps))
        return new


class Loops(Optimizer):
    """Entry by entry, with plain numbers; the state is a dictionary."""

    def step(self, params, grads):
        self.m = self.m or {}
        self.t += 1
        new = [np.empty_like(p) for p in params]
        for i, p in enumerate(params):
            for at in np.ndindex(p.shape):
                g = float(grads[i][at])
                m, s = self.m.get((i, at), (0.0, 0.0))
                m, s = m + (1 - self.beta1) * (g - m), s + (1 - self.beta2) * (g * g - s)
                self.m[i, at] = m, s
                if self.rule == "adam":
                    g = m / (1 - self.beta1**self.t)
                    s = s / (1 - self.beta2**self.t)
                new[i][at] = p[at] - self.lr * g / (math.sqrt(s) + self.eps)
        return new


class OneStep(Optimizer):
    """The corrections drawn into the learning rate and eps, and all parameters in one array."""

    def step(self, params, grads):
        p = np.concatenate([np.ravel(p) for p in params])
        g = np.concatenate([np.ravel(g) for g in grads])
        if self.s is None:
            self.m, self.s = 0 * g, 0 * g
        self.t += 1
        self.s += (1 - self.beta2) * (g * g - self.s)
        if self.rule == "rmsprop":
            new = p - self.lr * g / (self.s**0.5 + self.eps)
        else:
            self.m += (1 - self.beta1) * (g - self.m)
            root = (1 - self.beta2**self.t) ** 0.5
            lr = self.lr * root / (1 - self.beta1**self.t)
            new = p - lr * self.m / (self.s**0.5 + self.eps * root)
        ends = np.cumsum([np.size(p) for p in params])[:-1]
        return tuple(
            part.reshape(p.shape) for part, p in zip(np.split(new, ends), params, strict=True)
        )


class InFloat64(Optimizer):
    def step(self, params, grads):
        new = super().step(
            [p.astype(np.float64) for p in params], [g.astype(np.float64) for g in grads]
        )
        return [n.astype(p.dtype) for n, p in zip(new, params, strict=True)]


class OwnOfMinnet(Optimizer):
    """minnet's own optimizers, on a network that has no other use."""

    def step(self, params, grads):
        sizes = [p.size for p in params]
        if self.m is None:
            layers = [minnet.Dense(sum(sizes), 1, bias=False)]
            self.net = minnet.Sequential(layers, dtype=params[0].dtype)
            betas = (self.beta1, self.beta2)
            self.m = (
                minnet.RMSProp(self.net, self.lr, self.beta2, self.eps)
                if self.rule == "rmsprop"
                else minnet.Adam(self.net, self.lr, betas, self.eps)
            )
        self.net.theta = np.concatenate([p.ravel() for p in params])
        self.net.grad = np.concatenate([g.ravel() for g in grads])
        self.m.step()
        parts = np.split(self.net.theta.copy(), np.cumsum(sizes)[:-1])
        return [part.reshape(p.shape) for part, p in zip(parts, params, strict=True)]


RIGHT = (Optimizer, Loops, OneStep, InFloat64, OwnOfMinnet)


class Constant(Optimizer):
    """Return the example of the stub."""

    def step(self, params, grads):
        return [np.array([0.5, 2.5]), np.array([6.5])]


class FirstStepByHeart(Optimizer):
    """Moves as the example of the stub does."""

    def step(self, params, grads):
        return [p - self.lr * np.sign(g) for p, g in zip(params, grads, strict=True)]


HARD_CODED = (Constant, FirstStepByHeart)


class Wrong(Optimizer):
    """Plain implementation, with a switch for each mistake."""

    def __init__(self, *settings, mistake):
        super().__init__(*settings)
        self.mistake = mistake
        self.t = -1 if mistake == "divide_by_zero" else 0

    def step(self, params, grads):
        if self.m is None or self.mistake == "state_anew":
            self.m = [np.zeros_like(p) for p in params]
            self.s = [np.zeros_like(p) for p in params]
        if self.mistake == "own_parameters":
            params = self.__dict__.get("new", params)
        self.t = 1 if self.mistake == "t_stays_1" else self.t + 1
        new = []
        for i, (p, g) in enumerate(zip(params, grads, strict=True)):
            if self.mistake == "zero_gradient_skipped" and not g.any():
                new.append(p.copy())
                continue
            if self.mistake == "t_counts_parameters" and i > 0:
                self.t += 1
            shapes = [each.shape for each in params]
            own = {"state_shared": 0, "state_of_a_shape": shapes.index(p.shape)}
            step = self.lr * self.move(own.get(self.mistake, i), g)
            if self.mistake == "input_changed":
                params[i] -= step
            new.append(p + step if self.mistake == "uphill" else p - step)
        self.new = new
        return new

    def move(self, i, g):
        beta1, beta2 = self.beta1, self.beta2
        if self.mistake == "betas_swapped" and self.rule == "adam":
            beta1, beta2 = beta2, beta1
        if self.mistake == "rmsprop_by_beta1" and self.rule == "rmsprop":
            beta2 = beta1
        share1, share2 = 1 - beta1, 1 - beta2
        if self.mistake == "share_left_out":
            share1 = share2 = 1
        kept1, kept2 = beta1, beta2
        if self.mistake == "shares_swapped":
            kept1, kept2, share1, share2 = share1, share2, kept1, kept2
        self.m[i] = kept1 * self.m[i] + share1 * g
        square = g**2
        if self.mistake == "squares_averaged":
            square = np.mean(square)
        if self.mistake == "squares_added_up":
            square = np.sum(square)
        self.s[i] = kept2 * self.s[i] + share2 * square
        if self.rule == "rmsprop":
            correct = self.mistake == "rmsprop_corrected"
            return self.divide(g, self.s[i] / (1 - beta2**self.t) if correct else self.s[i])
        if self.mistake == "eps_before_the_correction":
            root = np.sqrt(1 - beta2**self.t)
            return root / (1 - beta1**self.t) * self.divide(self.m[i], self.s[i])
        if self.mistake == "no_correction":
            return self.divide(self.m[i], self.s[i])
        m_hat, s_hat = self.m[i] / (1 - beta1**self.t), self.s[i] / (1 - beta2**self.t)
        if self.mistake == "corrected_stored":
            self.m[i], self.s[i] = m_hat, s_hat
        if self.mistake == "g_for_m":
            m_hat = g
        return self.divide(m_hat, self.s[i] if self.mistake == "only_m_corrected" else s_hat)

    def divide(self, g, s):
        if self.mistake == "no_root":
            return g / (s + self.eps)
        if self.mistake == "eps_inside_the_root":
            return g / np.sqrt(s + self.eps)
        if self.mistake == "eps_left_out":
            return g / np.sqrt(s)
        return g / (np.sqrt(s) + self.eps)


WRONG = {
    mistake: partial(Wrong, mistake=mistake)
    for mistake in (
        "no_root",
        "eps_inside_the_root",
        "eps_left_out",
        "uphill",
        "shares_swapped",
        "share_left_out",
        "state_shared",
        "state_of_a_shape",
        "state_anew",
        "zero_gradient_skipped",
        "rmsprop_by_beta1",
        "rmsprop_corrected",
        "g_for_m",
        "no_correction",
        "only_m_corrected",
        "t_stays_1",
        "t_counts_parameters",
        "corrected_stored",
        "squares_averaged",
        "squares_added_up",
        "own_parameters",
        "eps_before_the_correction",
        "betas_swapped",
        "divide_by_zero",
        "input_changed",
    )
}

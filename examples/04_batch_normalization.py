# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 4. Batch normalization
#
# A BatchNorm layer normalizes every feature to mean zero and variance one within the batch, and
# then applies a scale and a shift. We write its formula in NumPy, look at its running statistics,
# and compare networks with it and without.
#
# **Goals**
#
# - Compute BatchNorm by hand, in training and in prediction.
# - Predict how much the running statistics fluctuate, from the momentum.
# - Measure what BatchNorm changes in a training, over several seeds.
#
# **Time:** one hour. **Prerequisites:** notebooks one to three; mean and variance of a sample.
#
# Make each prediction before you run the cell below it. The answers are folded.

# %%
import os

import numpy as np

import minnet
from minnet import SGD, Adam, BatchNorm, Dense, ReLU, Sequential, Sigmoid, plot

FULL = os.environ.get("MINNET_FULL") == "1"  # set it to True for MNIST, which is downloaded once

# %% [markdown]
# ## By hand
#
# For each column of the batch, with the mean $\mu$ and the variance $\sigma^2$ over its rows:
#
# $$\hat x = \frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}}, \qquad y = \gamma\,\hat x + \beta$$
#
# **Predict.** Which mean and standard deviation does each column of y have? What does a bias
# before the layer change?

# %%
rng = np.random.default_rng(0)
batch = rng.normal(loc=5.0, scale=[0.1, 1.0, 10.0], size=(32, 3))
gamma, beta, eps = np.array([1.0, 2.0, 3.0]), np.array([0.5, -1.0, 1.0]), 1e-5
x_hat = (batch - batch.mean(axis=0)) / np.sqrt(batch.var(axis=0) + eps)

layer = BatchNorm(3, eps=eps).build(dtype=np.float64)
layer.gamma.value, layer.beta.value = gamma, beta
out = layer.forward(batch, training=True).copy()
print(f"largest difference to the formula {np.abs(gamma * x_hat + beta - out).max():.0e}")
print("mean of each column:", out.mean(axis=0).round(4))
print("std of each column: ", out.std(axis=0).round(4))
shifted = layer.forward(batch + np.array([1.0, -2.0, 3.0]), training=True)
print(f"change of y by a bias before the layer {np.abs(shifted - out).max():.0e}")

# %% [markdown]
# <details><summary>Answer</summary>
#
# The means are β and the standard deviations γ. In the first column the std is 0.9996 instead of
# one, because the variance is so small that ε matters. A bias before the layer changes nothing but
# rounding errors. So use `bias=False` before BatchNorm.
#
# </details>
#
# ## Theory and measurement: running statistics
#
# In prediction the layer uses running statistics instead of those of the batch:
#
# $$r_t = m\, r_{t-1} + (1-m)\,\mu_t$$
#
# The means $\mu_t$ of batches of n rows have the standard deviation $\sigma/\sqrt n$. The running
# mean is a weighted sum of them, with the standard deviation
#
# $$\frac{\sigma}{\sqrt n}\,\sqrt{\frac{1-m}{1+m}}.$$
#
# The momentum m is the weight of the previous value, as in Keras. In PyTorch it is the weight of
# the new batch, one minus m.
#
# **Predict.** A user copies PyTorch's momentum of 0.1. How much more does the running mean
# fluctuate than with 0.9?

# %%
print("momentum   std of the running mean   theory")
for momentum in (0.99, 0.9, 0.1):
    layer, draw, values = BatchNorm(1, momentum=momentum), np.random.default_rng(1), []
    for _ in range(4000):
        layer.forward(draw.normal(5.0, 2.0, size=(32, 1)).astype(np.float32), training=True)
        values.append(layer.running_mean[0])
    theory = 2.0 / np.sqrt(32) * np.sqrt((1 - momentum) / (1 + momentum))
    print(f"{momentum:8}{np.std(values[1000:]):26.3f}{theory:9.3f}")

# %% [markdown]
# <details><summary>Answer</summary>
#
# Its standard deviation is 0.318 instead of 0.082; theory predicts 0.320 and 0.081. With a
# momentum of 0.1 predictions depend mostly on the last batch.
#
# </details>
#
# ## A network with it and without

# %%
(x, y), (x_test, y_test) = minnet.datasets.mnist() if FULL else minnet.datasets.digits()
loss, epochs, size, seeds = minnet.SoftmaxCrossEntropy(), 8, 128 if FULL else 32, range(4)
test = x_test, y_test


def build(norm, seed=0, hidden=(128, 64), activation=ReLU):
    """Return a network with BatchNorm before each activation if norm is True."""
    layers, n = [], x.shape[1]
    for units in hidden:
        block = [BatchNorm(units), activation()] if norm else [activation()]
        layers, n = [*layers, Dense(n, units, init="he_normal", bias=not norm), *block], units
    return Sequential([*layers, Dense(n, 10)], rng=seed)


print(build(norm=True).summary())

# %% [markdown]
# **Predict.** Which network has the higher accuracy on the test rows after the first epoch, and
# which after the last?

# %%
# Figure: Accuracy over epochs, means of four seeds with 95% bands. With BatchNorm the first epochs
# are better; at the end the lines are close.
kinds = {"without BatchNorm": False, "with BatchNorm": True}
options = {"loss": loss, "batch_size": size, "validation_data": test}
runs = {label: [] for label in kinds}
for label, norm in kinds.items():
    for seed in seeds:
        net = build(norm, seed)
        history = minnet.fit(net, x, y, optimizer=Adam(net), epochs=epochs, rng=seed, **options)
        runs[label].append(history)
    first, *_, last = np.mean([history.val_accuracy for history in runs[label]], axis=0)
    print(f"{label:18} test rows: {first:.1%} after the first epoch, {last:.1%} after the last")
gains = [b.val_accuracy[-1] - a.val_accuracy[-1] for a, b in zip(*runs.values(), strict=True)]
print("gain by BatchNorm at the end, for each seed:", ", ".join(f"{gain:.1%}" for gain in gains))
plot.learning_curves(runs, metric="accuracy")

# %% [markdown]
# <details><summary>Answer</summary>
#
# After the first epoch the network with BatchNorm, with 86.5% against 80.1%. After the last it has
# 98.1%, the other 96.9%. The gain at the end depends on the seed. On MNIST claim 17 of the ledger
# leaves this comparison undecided.
#
# </details>
#
# ## Replay of two trainings
#
# Play the first steps, and compare the outputs of `dense2` with those of `batchnorm2`.

# %%
pages = []
for label, norm in reversed(kinds.items()):
    net, probes = build(norm), (minnet.HistogramProbe(("y", "dy")), minnet.StatisticsProbe())
    history = minnet.fit(net, x, y, optimizer=Adam(net), epochs=2, probes=probes, rng=0, **options)
    other = pages[0] if pages else None
    pages.append(minnet.replay(*probes, history, other=other, title=label))
pages.pop()

# %% [markdown]
# ## Larger learning rates
#
# **Predict.** Both networks are trained for one epoch with SGD. Which one tolerates the larger
# learning rate, and why?

# %%
# Figure: Accuracy after one epoch over the learning rate. Both lines fall at large rates; the line
# with BatchNorm falls later.
from minnet.experiments import charts

RATES, reached = (0.01, 0.1, 1.0, 3.0), {label: {} for label in kinds}
for label, norm in kinds.items():
    for lr in RATES:
        reached[label][lr] = []
        for seed in seeds:
            net = build(norm, seed)
            try:
                minnet.fit(net, x, y, optimizer=SGD(net, lr=lr), epochs=1, rng=seed, **options)
            except FloatingPointError:  # it diverged, which counts as guessing
                net.theta[:] = 0
            reached[label][lr].append(minnet.evaluate(net, *test, loss)["accuracy"])
    print(f"{label:18}", ", ".join(f"{lr:g}: {np.mean(a):.0%}" for lr, a in reached[label].items()))
charts.by_setting(reached, xlabel="learning rate", ylabel="accuracy")

# %% [markdown]
# <details><summary>Answer</summary>
#
# The network with BatchNorm. At a learning rate of 3 it reaches 87%, the other network 10%, which
# is guessing. The output of BatchNorm does not depend on the scale of the weights before it.
# Weights that became too large in one step do not change its output, and their gradients become
# smaller.
#
# </details>
#
# ## A claim that fails
#
# Claim 9 of the ledger (`examples/claims/claims.md`) reads: "Vanishing gradients contribute to
# overfitting." A network overfits if it is better on its training rows than on test rows.
#
# **Predict.** Six sigmoid layers are trained without BatchNorm and with it. Where is the gap
# between training and test rows wider?

# %%
for label, norm in kinds.items():
    gaps = []
    for seed in seeds:
        net = build(norm, seed, hidden=(64,) * 6, activation=Sigmoid)
        minnet.fit(net, x, y, optimizer=SGD(net, lr=0.1), epochs=10, rng=seed, **options)
        scores = [minnet.evaluate(net, *data, loss)["accuracy"] for data in ((x, y), test)]
        gaps.append([*scores, scores[0] - scores[1]])
    print("{}: training rows {:.1%}, test rows {:.1%}, gap {:.1%}".format(label, *np.mean(gaps, 0)))

# %% [markdown]
# <details><summary>Answer</summary>
#
# With BatchNorm. Without it the gradients vanish, and the accuracy is 10.0% on training rows and
# 10.1% on test rows: the network underfits. With BatchNorm the gap is 2.0%. So vanishing gradients
# do not contribute to overfitting.
#
# </details>
#
# ## Exercises
#
# **Exercise.** Write `forward` of BatchNorm. In training, use mean and variance of the batch
# (divided by n), and update `running_mean` and `running_var` with the formula above; the variance
# that enters `running_var` is divided by `n - 1`. Otherwise use the running statistics and update
# nothing.


# %%
class Norm:
    """y = gamma x̂ + beta, with running statistics."""

    def __init__(self, gamma, beta, eps, momentum):
        self.gamma, self.beta, self.eps, self.momentum = gamma, beta, eps, momentum
        self.running_mean, self.running_var = np.zeros_like(gamma), np.ones_like(gamma)

    def forward(self, x, training):
        raise NotImplementedError


try:
    minnet.exercises.check("batchnorm_forward", Norm)
except minnet.exercises.WrongAnswer as message:
    print(message)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Compute mean and var first, by one of two branches. The formula for y follows once, after both.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# class Norm:
#     """y = gamma x̂ + beta, with running statistics."""
#
#     def __init__(self, gamma, beta, eps, momentum):
#         self.gamma, self.beta, self.eps, self.momentum = gamma, beta, eps, momentum
#         self.running_mean, self.running_var = np.zeros_like(gamma), np.ones_like(gamma)
#
#     def forward(self, x, training):
#         mean, var, m = self.running_mean, self.running_var, self.momentum
#         if training:
#             mean, var = x.mean(axis=0), x.var(axis=0)
#             self.running_mean = m * self.running_mean + (1 - m) * mean
#             self.running_var = m * self.running_var + (1 - m) * x.var(axis=0, ddof=1)
#         return self.gamma * (x - mean) / np.sqrt(var + self.eps) + self.beta
# ```
#
# </details>
#
# **Exercise.** Write the backward pass. Every entry of x acts on y by three paths: directly,
# through the mean, and through the variance.


# %%
def batchnorm_backward(x, gamma, beta, eps, dy):
    """Return (dx, dgamma, dbeta)."""
    raise NotImplementedError


try:
    minnet.exercises.check("batchnorm_backward", batchnorm_backward)
except minnet.exercises.WrongAnswer as message:
    print(message)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Let $g = \gamma\,dy$ be the gradient of x̂. The path through the mean subtracts the mean of g
# from each column. The path through the variance subtracts x̂ times the mean of g x̂.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def batchnorm_backward(x, gamma, beta, eps, dy):
#     """Return (dx, dgamma, dbeta)."""
#     root = np.sqrt(x.var(axis=0) + eps)
#     x_hat = (x - x.mean(axis=0)) / root
#     g = gamma * dy
#     dx = (g - g.mean(axis=0) - x_hat * (g * x_hat).mean(axis=0)) / root
#     return dx, (dy * x_hat).sum(axis=0), dy.sum(axis=0)
# ```
#
# </details>
#
# ## Summary
#
# - BatchNorm gives every feature the mean β and the standard deviation γ within the batch.
# - The momentum determines how much the running statistics fluctuate, as a formula predicts.
# - It makes the first epochs faster and tolerates larger learning rates; final accuracies are
#   close.
#
# **Further reading:** S. Ioffe, C. Szegedy (2015), *Batch normalization*, ICML; S. Santurkar and
# others (2018), *How does batch normalization help optimization?*, NeurIPS. Next:
# `05_read_a_training`.

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
# # 2. Vanishing gradients
#
# A deep sigmoid network does not learn, because its gradients vanish. We measure the gradients by
# layer, predict them by a short formula, and try remedies. At the end we look at the opposite
# problem: exploding gradients.
#
# **Goals**
#
# - Measure the gradient of each layer, and predict the factor from layer to layer.
# - Distinguish attenuation from saturation.
# - Choose a remedy, and explain which factor of the backward pass it changes.
#
# **Time:** one hour. **Prerequisites:** notebook one; the chain rule.
#
# Make each prediction before you run the cell below it. The answers are folded.

# %%
import os

import numpy as np

import minnet
from minnet import SGD, BatchNorm, Dense, ReLU, Sequential, Sigmoid, Tanh, initializers, plot

FULL = os.environ.get("MINNET_FULL") == "1"  # set it to True for MNIST, which is downloaded once

# %% [markdown]
# ## The data and the network
#
# The pixels are scaled to be symmetric about zero. The network has five hidden layers of equal
# width.

# %%
(x, y), (x_test, y_test) = minnet.datasets.mnist() if FULL else minnet.datasets.digits()
x, x_test, width, loss = 2 * x - 1, 2 * x_test - 1, 100, minnet.SoftmaxCrossEntropy()


def deep(activation, init="glorot_uniform", norm=False):
    """Return a network of five hidden layers, with BatchNorm if norm is True."""
    layers, n = [], x.shape[1]
    for _ in range(5):
        block = [BatchNorm(width), activation()] if norm else [activation()]
        layers, n = [*layers, Dense(n, width, init=init), *block], width
    return Sequential([*layers, Dense(n, 10)], rng=0)


print(deep(Sigmoid).summary())

# %% [markdown]
# ## One batch, before training
#
# `capture` with labels and a loss runs forward and backward on a copy of the network, and keeps
# all buffers. The size of a gradient is its root mean square (RMS).
#
# **Predict.** How many times larger is the gradient of the last hidden layer's weight than that of
# the first layer's?


# %%
# Figure: Histograms of log10 of the gradient's magnitude, one panel for each weight. From the first
# layer to the last the distribution moves to the right by several powers of ten.
def rms(values):
    """Return the root mean square."""
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


captured = minnet.capture(deep(Sigmoid), x[:500], y[:500], loss)
sizes = {name: rms(gradient) for name, gradient in captured.kind("weight_grad").items()}
print(", ".join(f"{name} {size:.1e}" for name, size in sizes.items()))
print(f"dense5 over dense1: {sizes['dense5'] / sizes['dense1']:.0f} times")
plot.histograms(captured, kind="weight_grad", log=True)

# %% [markdown]
# <details><summary>Answer</summary>
#
# About 179 times. The axis of the figure is logarithmic. On a linear axis the histograms of the
# first layers would be a single bar at zero.
#
# </details>
#
# ## Theory and measurement
#
# In backward each layer multiplies the gradient by its weights and by the slope of the sigmoid,
# which is at most $\tfrac14$:
#
# $$dy_{l} = (dy_{l+1}\,W_{l+1}^T)\;\sigma'(z_l)$$
#
# A sum over n terms with independent weights multiplies the RMS by $\sqrt{n\,\mathrm{Var}\,W}$. So
# each hidden layer multiplies the gradient by about $\tfrac14\sqrt{n\,\mathrm{Var}\,W}$.
#
# ## A claim that fails
#
# Claim 6 of the ledger (`examples/claims/claims.md`) reads: "They vanish because the sigmoids
# saturate." A saturated output is close to zero or one, where the sigmoid is flat.
#
# **Predict.** Which share of the outputs is saturated?

# %%
print("from    to      measured  theory  saturated outputs")
for number in range(5, 1, -1):
    later, earlier = f"dense{number}", f"dense{number - 1}"
    measured = rms(captured[earlier]["dy"]) / rms(captured[later]["dy"])
    theory = np.sqrt(width * captured[later]["weight"].var()) / 4
    output = captured[f"sigmoid{number - 1}"]["y"]
    flat = np.mean((output < 0.03) | (output > 0.97))
    print(f"{later:8}{earlier:8}{measured:8.3f}{theory:8.3f}{flat:19.0%}")

# %% [markdown]
# <details><summary>Answer</summary>
#
# 0% of them. The outputs are near one half, where the slope has its maximum, and that maximum is
# only one quarter. Theory predicts a factor of 0.249 from `dense5` to `dense4`; the measured
# factor is 0.236. The gradient vanishes by attenuation, not by saturation.
#
# </details>
#
# ## During training
#
# **Predict.** Which accuracy does the network reach on the test rows? Does it overfit?


# %%
# Figure: RMS of the weight gradient of each layer over the training steps. The rows of the first
# layers stay pale from beginning to end: their gradients do not grow.
def train(net, **options):
    """Train with SGD; return the recordings and the accuracies on training and test rows."""
    probes = minnet.HistogramProbe(), minnet.StatisticsProbe(("y", "dy", "weight_grad"))
    options = {"loss": loss, "epochs": 1 if FULL else 5, "batch_size": 32, "rng": 0} | options
    minnet.fit(net, x, y, optimizer=SGD(net, lr=0.01, momentum=0.9), probes=probes, **options)
    both = (x, y), (x_test, y_test)
    return probes, [minnet.evaluate(net, *data, loss)["accuracy"] for data in both]


flow, accuracy = train(deep(Sigmoid))
print("accuracy on training rows {:.0%}, on test rows {:.0%}".format(*accuracy))
plot.gradient_flow(flow[1])

# %% [markdown]
# <details><summary>Answer</summary>
#
# 10% on the test rows, which is guessing, and 10% on the training rows. This is not overfitting:
# the network does not fit its training rows.
#
# </details>
#
# ## Remedies
#
# - **ReLU with He's weights:** the slope of an active unit is one; larger weights compensate for
#   the inactive half.
# - **tanh with Xavier's weights:** the slope at zero is one.
# - **BatchNorm** before each sigmoid: it divides by the standard deviation of its inputs, which is
#   small, in forward and in backward.
#
# **Predict.** The slope of the sigmoid remains at most one quarter with BatchNorm. Does the
# network learn?

# %%
remedies = {
    "sigmoid": deep(Sigmoid), "ReLU, He": deep(ReLU, "he_uniform"),
    "tanh, Xavier": deep(Tanh), "BatchNorm": deep(Sigmoid, norm=True),
}  # fmt: skip
flows = {}
print(f"{'':14}dense5 / dense1   accuracy")
for label, net in remedies.items():
    gradients = minnet.capture(net, x[:500], y[:500], loss).kind("weight_grad")
    flows[label], (_, accuracy) = train(net)
    print(f"{label:14}{rms(gradients['dense5']) / rms(gradients['dense1']):15.2f}{accuracy:11.0%}")

# %% [markdown]
# <details><summary>Answer</summary>
#
# Yes. With BatchNorm the gradient of `dense5` is 0.79 times that of `dense1`, and the accuracy is
# 96%. All three remedies keep the ratio near one. Without a remedy it is 179.
#
# </details>
#
# ## Replay of two trainings
#
# The page shows the sigmoid network and the ReLU network with one colour scale. Compare the maps
# at the first step, and then the distributions of the gradient of `dense1`.

# %%
pages = [minnet.replay(*flows[label], title=label) for label in ("sigmoid", "ReLU, He")]
minnet.replay(*flows["sigmoid"], other=pages[1], title="sigmoid")

# %% [markdown]
# ## Exploding gradients, and clipping
#
# With weights three times as large as He's, every layer triples the activations in forward and the
# gradient in backward. `clip_norm` scales the gradient of a step down to a maximal norm, and keeps
# its direction.
#
# **Predict.** What happens without clipping, and what with it?


# %%
def too_large(shape, *, rng, dtype):
    """Return weights three times as large as He's."""
    return 3 * initializers.he_normal(shape, rng=rng, dtype=dtype)


for clip_norm in (None, 1.0):
    try:
        _, (_, accuracy) = train(deep(ReLU, too_large), clip_norm=clip_norm)
        print(f"clip_norm={clip_norm}: accuracy on test rows {accuracy:.0%}")
    except FloatingPointError as error:
        print(f"clip_norm={clip_norm}: {error}")

# %% [markdown]
# <details><summary>Answer</summary>
#
# Without clipping a gradient becomes too large for float32, and training stops with an error that
# names the layer. With clipping the accuracy is 82%. Clipping limits a step; it does not remove
# the cause.
#
# </details>
#
# ## Exercises
#
# **Exercise.** `log` is a list with one dictionary for each batch. `batch["gradients"]` is a list
# of arrays, one for each layer. For each layer, over all batches, compute the RMS of the gradients
# and their histogram with `bins` bins. Return the three as arrays with one row for each layer.


# %%
def vanishing_gradients(log, bins):
    """Return (rms, edges, counts)."""
    raise NotImplementedError


try:
    minnet.exercises.check("vanishing_gradients", vanishing_gradients)
except minnet.exercises.WrongAnswer as message:
    print(message)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Collect the flattened gradients of a layer from all batches with `np.concatenate` first.
# `np.histogram(values, bins)` returns counts and edges, in that order.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def vanishing_gradients(log, bins):
#     """Return (rms, edges, counts)."""
#     sizes, edges, counts = [], [], []
#     for layer in range(len(log[0]["gradients"])):
#         g = np.concatenate([batch["gradients"][layer].ravel() for batch in log])
#         sizes.append(np.sqrt(np.mean(g**2)))
#         histogram = np.histogram(g, bins)
#         counts.append(histogram[0])
#         edges.append(histogram[1])
#     return np.array(sizes), np.array(edges), np.array(counts)
# ```
#
# </details>
#
# **Exercise.** Clip the gradient: `grads` is a list of arrays, which together form one vector. If
# its norm is larger than `max_norm`, multiply every array by `max_norm / norm`. Do not change the
# arrays themselves.


# %%
def clipping(grads, max_norm):
    """Return (clipped, norm): a list of arrays, and the norm before clipping."""
    raise NotImplementedError


try:
    minnet.exercises.check("clipping", clipping)
except minnet.exercises.WrongAnswer as message:
    print(message)

# %% [markdown]
# <details><summary>Hint</summary>
#
# There is one norm and one factor for all arrays. The factor is one if the norm is small enough,
# so that a norm of zero is never a divisor.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def clipping(grads, max_norm):
#     """Return (clipped, norm): a list of arrays, and the norm before clipping."""
#     norm = np.sqrt(sum(np.sum(g**2) for g in grads))
#     factor = max_norm / norm if norm > max_norm else 1.0
#     return [g * factor for g in grads], norm
# ```
#
# </details>
#
# ## Summary
#
# - Each sigmoid layer multiplies the gradient by about one quarter, without any saturation.
# - The product of many such factors vanishes, and the first layers do not learn.
# - ReLU, tanh and BatchNorm bring the factor close to one; clipping limits steps that are too
#   large.
#
# **Further reading:** S. Hochreiter (1991), *Untersuchungen zu dynamischen neuronalen Netzen*; X.
# Glorot, Y. Bengio (2010), *Understanding the difficulty of training deep feedforward neural
# networks*, AISTATS. Next: `03_weight_initialization`.

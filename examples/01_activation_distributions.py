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
# # 1. Activation distributions
#
# A ReLU network learns to read handwritten digits. We look at the outputs of its hidden layers
# before and after training, and at two mistakes in reading such figures.
#
# **Goals**
#
# - Read activations and gradients from the buffers of a layer.
# - Explain why about half of the outputs of an untrained ReLU layer are exactly zero.
# - Distinguish an inactive entry from a dead unit.
#
# **Time:** one hour. **Prerequisites:** matrix products; what a dense layer and a ReLU compute.
#
# Make each prediction before you run the cell below it. The answers are folded.

# %%
import os

import numpy as np

import minnet
from minnet import Adam, Dense, ReLU, Sequential, SoftmaxCrossEntropy, plot

FULL = os.environ.get("MINNET_FULL") == "1"  # set it to True for MNIST, which is downloaded once

# %% [markdown]
# ## The data and the network
#
# The last layer has ten outputs, the logits. The softmax is part of the loss. This is more
# accurate than a separate softmax layer and gives the same probabilities.

# %%
(x, y), (x_test, y_test) = minnet.datasets.mnist() if FULL else minnet.datasets.digits()
epochs = 2 if FULL else 20


def build(seed):
    """Return the untrained network."""
    layers, n = [], x.shape[1]
    for units in (64, 32, 16):
        layers, n = [*layers, Dense(n, units, init="he_normal"), ReLU()], units
    return Sequential([*layers, Dense(n, 10)], rng=seed)


net, loss = build(seed=0), SoftmaxCrossEntropy()
print(net.summary())

# %% [markdown]
# ## The buffers of a training step
#
# After forward, loss and backward, each layer exposes its input and output and the gradients of
# both. `dense1.y` is the value before the activation, `relu1.y` the value after it.
#
# **Predict.** The network is untrained, and there are ten digits. How large is the loss?

# %%
value = loss.forward(net.forward(x, training=True), y)
net.backward(loss.backward())

print(f"loss {value:.2f}; with equal probabilities ln 10 = {np.log(10):.2f}")
for name in ("dense1", "relu1", "dense2", "relu2"):
    layer = net[name]
    print(f"{name}: x {layer.x.shape}, y {layer.y.shape}, dy {layer.dy.shape}, dx {layer.dx.shape}")
print("relu1.dy is dense2.dx:", net["relu1"].dy is net["dense2"].dx)

# %% [markdown]
# <details><summary>Answer</summary>
#
# It is 2.40, slightly above ln 10 = 2.30, the loss of equal probabilities. The last line shows
# that nothing is copied: the gradient at the output of one layer is the array that the next layer
# filled as the gradient at its input.
#
# </details>
#
# ## Before and after training
#
# Buffers change with the next step. `capture` returns copies of those of one batch, here of the
# test rows. We call it before and after training. Two probes record the training for the replay
# below.
#
# **Predict.** Does training make the share of exact zeros larger or smaller?

# %%
before = minnet.capture(net, x_test)
values = minnet.HistogramProbe(("y", "dy"), units=True)
numbers = minnet.StatisticsProbe(("y", "dy", "update"))
options = {"loss": loss, "epochs": epochs, "batch_size": 32, "rng": 0}
history = minnet.fit(net, x, y, optimizer=Adam(net), probes=[values, numbers], **options)
after = minnet.capture(net, x_test)

print(f"accuracy on the test rows {minnet.evaluate(net, x_test, y_test, loss)['accuracy']:.0%}")
hidden = ["relu1", "relu2", "relu3"]
for name in hidden:
    was, now = before[name]["y"], after[name]["y"]
    print(f"{name}: zeros {np.mean(was == 0):.0%}, after training {np.mean(now == 0):.0%};", end="")
    print(f" std {was.std():.2f}, after training {now.std():.2f}")

# %% [markdown]
# <details><summary>Answer</summary>
#
# Smaller. Before training 46% of the outputs of `relu2` are zero, after it 10%. The standard
# deviation of `relu3` grows from 0.38 to 4.06: larger activations separate the digits.
#
# </details>
#
# All panels of the next figure share one x axis, so that widths can be compared. Exact zeros are
# drawn as a black stem, because a single point has no density.

# %%
# Figure: Outputs of the three ReLU layers before training in the upper row, after it in the lower
# row. Training widens the distributions and shortens the stems of exact zeros.
plot.histograms({"before training": before, "after training": after}, layers=hidden)

# %% [markdown]
# ## Theory and measurement
#
# An output of the first dense layer is a sum of many products with independent random weights of
# mean zero. Its distribution over random networks is symmetric about zero, and close to a normal
# distribution with standard deviation $\sigma$. For $y = \max(z, 0)$ the theory predicts
#
# $$P(y = 0) = \tfrac12, \qquad E[y] = \frac{\sigma}{\sqrt{2\pi}}, \qquad E[y^2] =
# \tfrac12\,\sigma^2.$$
#
# **Predict.** In which of the three does a single network deviate most from theory?

# %%
rows = []
for seed in range(20):
    z = minnet.capture(build(seed), x_test)["dense1"]["y"]
    out, sigma = np.maximum(z, 0), np.sqrt(np.mean(z**2))
    rows.append((np.mean(out == 0), out.mean() / sigma, np.mean(out**2) / sigma**2))
print("20 untrained networks     theory   mean    std")
theory = (0.5, 1 / np.sqrt(2 * np.pi), 0.5)
names = ("share of zeros", "mean of y / sigma", "mean of y² / sigma²")
for name, prediction, measured in zip(names, theory, np.transpose(rows), strict=True):
    print(f"{name:24}{prediction:8.3f}{measured.mean():7.3f}{measured.std():7.3f}")

# %% [markdown]
# <details><summary>Answer</summary>
#
# In the mean of y²: its standard deviation over networks is 0.095, against 0.051 for the share of
# zeros. The means over networks agree with theory: the share of zeros is 0.512, where theory
# predicts 0.500. A single network deviates because all units receive the same images.
#
# </details>
#
# ## Values that the network never computes
#
# In a framework that hides activations, a common way to obtain them is to chain the dense layers
# and apply the chain to the data. If the ReLUs are function calls instead of layers, the chain
# leaves them out: it computes $((xW_1 + b_1)\,W_2 + b_2)\,W_3 + b_3$.
#
# **Predict.** What happens to the stems of exact zeros?

# %%
# Figure: Above, the chain of dense layers without ReLU: values of both signs, no exact zeros.
# Below, the outputs of the network: no negative values, and a stem of exact zeros in each layer.
chain, chained = x_test, {}
for number in (1, 2, 3):
    dense = net[f"dense{number}"]
    chain = chain @ dense.weight.value + dense.bias.value
    chained[f"relu{number}"] = chain
    zeros, right = np.mean(chain == 0), np.mean(after[f"relu{number}"]["y"] == 0)
    print(f"layer {number}: zeros without ReLU {zeros:.0%}, in the network {right:.0%}")
network = {name: after[name]["y"] for name in hidden}
plot.histograms({"without ReLU": chained, "the network": network})

# %% [markdown]
# <details><summary>Answer</summary>
#
# They vanish. A sum of products is almost never exactly zero: without ReLU 0% of the values of
# each layer are zero, in the network 32% in the first layer. Conclusions from the upper row are
# about a linear map that is not part of the network.
#
# </details>
#
# ## A claim that fails
#
# Claim 4 of the ledger (`examples/claims/claims.md`) reads: "If 0 is the most frequent value, most
# neurons are inactive." An entry is one unit on one row. A unit is *dead* if it is zero on every
# row.
#
# **Predict.** The tallest bar of a histogram contains zero. Which share of the units is dead?

# %%
print("five networks   tallest bar contains 0   zero entries   dead units")
caught = []
for seed in range(5):
    other = build(seed)
    minnet.fit(other, x, y, optimizer=Adam(other), **options | {"rng": seed})
    caught.append(minnet.capture(other, x_test))
for name in hidden:
    off = [each[name]["y"] == 0 for each in caught]
    dead = np.mean([entries.all(axis=0) for entries in off])
    bars = [np.histogram(each[name]["y"], bins=50)[0].argmax() == 0 for each in caught]
    print(f"{name:16}{f'{sum(bars)} of 5':>22}{np.mean(off):15.0%}{dead:13.0%}")

# %% [markdown]
# <details><summary>Answer</summary>
#
# 5% of the units of `relu1` and 18% of those of `relu3`, although in all five networks the tallest
# bar contains zero. The claim confuses entries with units. A unit that is zero for one image may
# be active for the next one, and such patterns are how a ReLU network distinguishes images.
#
# </details>
#
# ## Replay of the training
#
# The page plays the training of this notebook. Press the space key to play it, and `?` for the
# list of keys. Select a layer in the map, and look for units that are never on.

# %%
minnet.replay(values, numbers, history, title="ReLU network on handwritten digits")

# %% [markdown]
# ## Exercises
#
# **Exercise.** `batches` is a list of arrays (n, units), the outputs of one layer. A unit is dead
# if its maximum minus its minimum over all rows of all batches is at most `tolerance`. Return an
# array of True and False, (units,), and the share of dead units.


# %%
def dead_neurons(batches, tolerance):
    """Return (dead, share)."""
    raise NotImplementedError


try:
    minnet.exercises.check("dead_neurons", dead_neurons)
except minnet.exercises.WrongAnswer as message:
    print(message)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Stack the batches with `np.concatenate`. Each column is a unit, so use `axis=0`.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def dead_neurons(batches, tolerance):
#     """Return (dead, share)."""
#     outputs = np.concatenate(batches)
#     dead = outputs.max(axis=0) - outputs.min(axis=0) <= tolerance
#     return dead, dead.mean()
# ```
#
# </details>
#
# **Exercise.** Write four activations: `kind` is "relu", "leaky_relu" (with `slope` for negative
# x), "tanh" or "sigmoid". Return y and dx = dy f'(x). At zero the derivative of relu is zero, and
# that of leaky_relu is `slope`. No step may overflow for large positive or negative x.


# %%
def activation(kind, x, dy, slope):
    """Return (y, dx), both of the shape of x."""
    raise NotImplementedError


try:
    minnet.exercises.check("activations", activation)
except minnet.exercises.WrongAnswer as message:
    print(message)

# %% [markdown]
# <details><summary>Hint</summary>
#
# The derivatives of tanh and sigmoid follow from y: $1 - y^2$ and $y\,(1 - y)$. The sigmoid is a
# scaled and shifted tanh, which never overflows.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def activation(kind, x, dy, slope):
#     """Return (y, dx), both of the shape of x."""
#     if kind == "relu":
#         return np.maximum(x, 0), dy * (x > 0)
#     if kind == "leaky_relu":
#         return np.where(x > 0, x, slope * x), dy * np.where(x > 0, 1, slope)
#     if kind == "tanh":
#         y = np.tanh(x)
#         return y, dy * (1 - y**2)
#     y = (1 + np.tanh(x / 2)) / 2
#     return y, dy * y * (1 - y)
# ```
#
# </details>
#
# ## Summary
#
# - A histogram of a ReLU layer needs its exact zeros drawn apart from the density.
# - Theory predicts one half of zeros before training; training makes the share smaller.
# - Zero entries are not dead units: count the units that are zero on every row.
#
# **Further reading:** X. Glorot, A. Bordes, Y. Bengio (2011), *Deep sparse rectifier neural
# networks*, AISTATS; L. Lu and others (2020), *Dying ReLU and initialization*, CiCP 28. Next:
# `02_vanishing_gradients`.

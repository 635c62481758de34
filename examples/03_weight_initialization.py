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
# # 3. Weight initialization
#
# Initial weights are random. Their variance determines whether activations keep their size from
# layer to layer. We predict this size by a formula, measure it, and observe how it changes in
# training.
#
# **Goals**
#
# - State the variance of the rules of LeCun, Xavier and He, and derive the one of He.
# - Predict the size of the activations of an untrained network.
# - Explain why weights must differ from unit to unit.
#
# **Time:** one hour. **Prerequisites:** notebook one; mean and variance of sums.
#
# Make each prediction before you run the cell below it. The answers are folded.

# %%
import os

import numpy as np

import minnet
from minnet import Adam, Dense, ReLU, Sequential, SoftmaxCrossEntropy, initializers

FULL = os.environ.get("MINNET_FULL") == "1"  # set it to True for MNIST, which is downloaded once

# %% [markdown]
# ## The data and the network
#
# The network has four hidden layers, each narrower than the one before, and ten logits.

# %%
(x, y), (x_test, y_test) = minnet.datasets.mnist() if FULL else minnet.datasets.digits()
hidden = (512, 256, 128, 64) if FULL else (128, 96, 64, 48)
rows, loss, epochs = x_test[:1000], SoftmaxCrossEntropy(), 1 if FULL else 5


def build(init, seed=0, units=hidden, output=10):
    """Return a network with these initial weights; output=0 leaves the output layer out."""
    layers, n = [], x.shape[1]
    for count in units:
        layers, n = [*layers, Dense(n, count, init=init), ReLU()], count
    return Sequential([*layers, Dense(n, output, init=init)] if output else layers, rng=seed)


print(build("he_normal").summary())

# %% [markdown]
# ## The rules
#
# The rules draw weights with mean zero and differ in the variance. With $n_{in}$ inputs and
# $n_{out}$ outputs:
#
# | rule | variance of a weight | designed for |
# |---|---|---|
# | small | $0.01^2$ | |
# | LeCun | $1/n_{in}$ | no activation, tanh near zero |
# | Xavier (Glorot) | $2/(n_{in}+n_{out})$ | the same, and the gradient in backward |
# | He (Kaiming) | $2/n_{in}$ | ReLU, which halves the mean square |

# %%
from functools import partial

RULES = {
    "small": (partial(initializers.normal, std=0.01), lambda n, out: 0.01**2),
    "LeCun": (initializers.lecun_normal, lambda n, out: 1 / n),
    "Xavier": (initializers.glorot_normal, lambda n, out: 2 / (n + out)),
    "He": (initializers.he_normal, lambda n, out: 2 / n),
}
shape = x.shape[1], hidden[0]
for label, (rule, variance) in RULES.items():
    drawn, expected = rule(shape, rng=0).std(), np.sqrt(variance(*shape))
    print(f"{label:7} std of a weight {drawn:.4f}, by the formula {expected:.4f}")

# %% [markdown]
# ## Theory and measurement
#
# Let $q$ be the mean square of the inputs of a layer. A sum of n products with independent weights
# of mean zero has the mean square $n\,\mathrm{Var}(W)\,q$. A ReLU halves it:
#
# $$q_{l+1} = \tfrac12\; n\,\mathrm{Var}(W)\; q_l$$
#
# With He's variance the factor is one.
#
# **Predict.** By which factor does one layer change the size of the activations if the standard
# deviation of the weights is 0.01?

# %%
# Figure: Standard deviation before the ReLU by layer, on a logarithmic axis, with theory as dashed
# lines. He is level, Xavier and LeCun fall slowly, and the small weights fall steeply.
from minnet.experiments import charts

measured, theory = {}, {}
for label, (rule, variance) in RULES.items():
    nets = [minnet.capture(build(rule, seed), rows) for seed in range(5)]
    measured[label] = [[float(net[f"dense{n}"]["y"].std()) for net in nets] for n in (1, 2, 3, 4)]
    q, theory[label] = float(np.mean(rows**2)), []
    for n, units in zip((x.shape[1], *hidden), hidden, strict=False):
        theory[label].append(float(np.sqrt(n * variance(n, units) * q)))
        q = theory[label][-1] ** 2 / 2
    stds = zip([np.mean(seeds) for seeds in measured[label]], theory[label], strict=True)
    print(f"{label:7}" + ", ".join(f"{std:.2g} (theory {by:.2g})" for std, by in stds))
ylabel = "std before the ReLU"
charts.by_layer(measured, ylabel=ylabel, log=True, theory=theory)

# %% [markdown]
# <details><summary>Answer</summary>
#
# To about one tenth: the std falls from 0.038 in the first layer to 0.0031 in the second, and to
# 1.2e-05 in the fourth. With He it stays near 0.68. With LeCun and Xavier it falls to 0.17,
# because these rules do not account for the ReLU.
#
# </details>
#
# **Predict.** Does the share of zeros after a ReLU depend on the rule?

# %%
# Figure: Outputs of the four ReLU layers, a row for each rule, on one x axis. The distributions of
# the small weights are spikes at zero; those of He keep their width. The stems are equally high.
before = {label: minnet.capture(build(rule), rows) for label, (rule, _) in RULES.items()}
relus = ["relu1", "relu2", "relu3", "relu4"]
for label in RULES:
    shares = ", ".join(f"{np.mean(before[label][name]['y'] == 0):.1%}" for name in relus)
    print(f"{label:7} zeros {shares}")
minnet.plot.histograms(before, layers=relus)

# %% [markdown]
# <details><summary>Answer</summary>
#
# No. In `relu1` 48.4% of the outputs are zero with every rule. For one seed the rules scale the
# same random numbers, and scaling does not change a sign.
#
# </details>
#
# ## Training
#
# The same networks are trained with Adam.
#
# **Predict.** Which rule ends with the lowest accuracy, and is it far behind?

# %%
print(f"{'':9}test loss   accuracy   std of dense4 before, after training")
for label, (rule, _) in RULES.items():
    net = build(rule)
    minnet.fit(net, x, y, loss=loss, optimizer=Adam(net), epochs=epochs, batch_size=32, rng=0)
    result, trained = minnet.evaluate(net, x_test, y_test, loss), minnet.capture(net, rows)
    first, last = before[label]["dense4"]["y"].std(), trained["dense4"]["y"].std()
    print(f"{label:9}{result['loss']:9.2f}{result['accuracy']:11.0%}{first:19.2g}{last:8.2f}")

# %% [markdown]
# <details><summary>Answer</summary>
#
# The small weights are behind; the other rules reach 94% to 97%. Adam divides each step by the
# size of the gradients, so that even the smallest activations grow: with the small weights the std
# of `dense4` is 1.1e-05 before training, and above one after it. Figures of trained networks show
# little of an initializer. Look at the network before training.
#
# </details>
#
# ## Zeros: symmetry
#
# **Predict.** All weights are zero, or all are equal. How many different units does a layer have
# after training?


# %%
recordings, constant = {}, partial(initializers.constant, value=0.01)
options = {"loss": loss, "epochs": epochs, "batch_size": 32, "rng": 0}
for label, init in (("zeros", "zeros"), ("constant", constant), ("He", "he_normal")):
    net = build(init)
    recordings[label] = minnet.HistogramProbe(units=True), minnet.StatisticsProbe()
    minnet.fit(net, x, y, optimizer=Adam(net), probes=recordings[label], **options)
    units = np.unique(net["dense2"].weight.value.round(6), axis=1).shape[1]
    accuracy = minnet.evaluate(net, x_test, y_test, loss)["accuracy"]
    print(f"{label:9} {units:3} different units in dense2, accuracy {accuracy:.0%}")

# %% [markdown]
# <details><summary>Answer</summary>
#
# Equal weights leave 1 different unit in `dense2`; He's rule has 96. Units with equal weights have
# equal outputs and equal gradients, and stay equal. With zeros the ReLUs pass no gradient at all,
# and the accuracy stays at 10%, which is guessing.
#
# </details>
#
# ## Replay of two trainings
#
# The page compares zeros with He's rule. Select `dense2` in the map: with zeros its gradient is
# zero at every step.

# %%
page = minnet.replay(*recordings["He"], title="He")
minnet.replay(*recordings["zeros"], other=page, title="zeros")

# %% [markdown]
# ## A claim that fails
#
# Claim 14 of the ledger (`examples/claims/claims.md`) reads: "The last hidden layer is at 0; one
# factor may be the number of its nodes (64)." The article's network has no output layer: the units
# of its last ReLU are the scores of the classes.
#
# **Predict.** Which share of the outputs of the last ReLU is zero, with an output layer and
# without?

# %%
print("last ReLU            units   zeros   dead units")
for label, output in (("with output layer", 10), ("without", 0)):
    for units in (hidden[-1], 4 * hidden[-1]):
        net = build("he_normal", units=(*hidden[:-1], units), output=output)
        minnet.fit(net, x, y, optimizer=Adam(net), **options)
        last = minnet.capture(net, rows)["relu4"]["y"] == 0
        print(f"{label:20}{units:6}{last.mean():8.0%}{last.all(axis=0).mean():13.0%}")

# %% [markdown]
# <details><summary>Answer</summary>
#
# With an output layer 28% of the outputs of 48 units are zero, and 41% of those of 192 units.
# Without it they are 90% and 87%. So the missing output layer causes the zeros, not the number of
# units: a unit that stands for no digit increases the loss whenever it is active.
#
# </details>
#
# ## Exercises
#
# **Exercise.** Draw weights of the shape (fan_in, fan_out). `rule` is "xavier_normal",
# "xavier_uniform", "he_normal", "he_uniform" or "orthogonal". A uniform distribution from -a to a
# has the variance $a^2/3$. An orthogonal weight has orthonormal columns if it is tall, and
# orthonormal rows if it is wide. Use `rng.normal(mean, deviation, size)` and `rng.uniform(low,
# high, size)`.


# %%
def initialize(rule, shape, rng):
    """Return an array of that shape, drawn according to the rule."""
    raise NotImplementedError


try:
    minnet.exercises.check("initializers", initialize)
except minnet.exercises.WrongAnswer as message:
    print(message)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Compute the variance first, from the table above. `np.linalg.qr` of a tall random matrix returns
# orthonormal columns; for a wide weight transpose before and after.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def initialize(rule, shape, rng):
#     """Return an array of that shape, drawn according to the rule."""
#     if rule == "orthogonal":
#         tall = rng.normal(0.0, 1.0, (max(shape), min(shape)))
#         columns = np.linalg.qr(tall)[0]
#         return columns if shape[0] >= shape[1] else columns.T
#     variance = 2 / shape[0] if rule.startswith("he") else 2 / sum(shape)
#     if rule.endswith("normal"):
#         return rng.normal(0.0, np.sqrt(variance), shape)
#     limit = np.sqrt(3 * variance)
#     return rng.uniform(-limit, limit, shape)
# ```
#
# </details>
#
# **Exercise.** Predict and measure how variance travels. `weights` is a list of arrays (fan_in,
# fan_out), drawn with the standard deviations in `deviations`. Each layer computes z = h W and
# then h = z ("linear") or h = max(z, 0) ("relu"); h is x at first. Theory: Var(z) = fan_in s²
# E[h²].


# %%
def variance_propagation(x, weights, deviations, activation):
    """Return (predicted, measured): two arrays with the variance of z in each layer."""
    raise NotImplementedError


try:
    minnet.exercises.check("variance_propagation", variance_propagation)
except minnet.exercises.WrongAnswer as message:
    print(message)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Keep two things from layer to layer: the predicted mean square, which is mean(x²) at first, and
# the values h. After a ReLU the predicted mean square is half of the variance of z.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def variance_propagation(x, weights, deviations, activation):
#     """Return (predicted, measured): two arrays with the variance of z in each layer."""
#     predicted, measured, h, square = [], [], x, np.mean(x**2)
#     for weight, deviation in zip(weights, deviations, strict=True):
#         z = h @ weight
#         predicted.append(len(weight) * deviation**2 * square)
#         measured.append(z.var())
#         relu = activation == "relu"
#         h, square = np.maximum(z, 0) if relu else z, predicted[-1] / (2 if relu else 1)
#     return np.array(predicted), np.array(measured)
# ```
#
# </details>
#
# ## Summary
#
# - The variance of the weights times the number of inputs determines whether activations keep
#   their size.
# - He's variance is twice LeCun's, because a ReLU halves the mean square.
# - Equal weights make equal units; random numbers break the symmetry.
#
# **Further reading:** K. He, X. Zhang, S. Ren, J. Sun (2015), *Delving deep into rectifiers*,
# ICCV; D. Mishkin, J. Matas (2016), *All you need is a good init*, ICLR, which `initializers.lsuv`
# implements. Next: `04_batch_normalization`.

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
# What a network is before it has learnt anything decides whether it can learn at all. We compare
# the usual rules by what they do to the signal on its way through a ReLU network, against theory
# and without any training; then we train, and see what difference it makes.

# %%
"""Give --quick for a run of seconds, --out FOLDER for the pictures; in a notebook set them here."""

import sys
from functools import partial
from pathlib import Path

import numpy as np

import minnet
from minnet import Adam, Dense, ReLU, Sequential, SoftmaxCrossEntropy, Tanh, initializers, plot
from minnet.experiments import charts

QUICK = "--quick" in sys.argv
OUT = Path(sys.argv[sys.argv.index("--out") + 1] if "--out" in sys.argv else "runs/examples")


def show(figure, name):
    """Hand the figure to the notebook, or save it where there is none."""
    if "get_ipython" in globals():
        return figure
    OUT.mkdir(parents=True, exist_ok=True)
    figure.savefig(OUT / f"03_{name}.png")
    print("saved", OUT / f"03_{name}.png")
    return None


# %% [markdown]
# ## The data and the network
#
# Handwritten digits, pixels between 0 and 1, and four hidden layers, each narrower than the one
# before. Ten logits follow, one for each digit. (At the end we leave that output layer out, and see
# what happens.)

# %%
if QUICK:
    (x, y), (x_test, y_test) = minnet.datasets.digits()
    hidden, epochs = (60, 48, 36, 24), 5
else:
    (x, y), (x_test, y_test) = minnet.datasets.mnist()
    hidden, epochs = (512, 256, 128, 64), 2
rows = x_test[:1000]
loss = SoftmaxCrossEntropy()


def build(init, *, seed=0, output=10, activation=ReLU):
    """Return a network with these first weights; output=0 leaves the output layer out."""
    layers, n = [], x.shape[1]
    for units in hidden:
        layers += [Dense(n, units, init=init), activation()]
        n = units
    return Sequential([*layers, Dense(n, output, init=init)] if output else layers, rng=seed)


print(build("he_normal").summary())

# %% [markdown]
# ## The rules
#
# All of them draw weights at random with mean 0. They differ in the variance, which is to keep the
# signal at one size. With $n_{in}$ inputs and $n_{out}$ outputs:
#
# | rule | variance of a weight | made for |
# |---|---|---|
# | random | fixed: $0.01^2$ | |
# | LeCun | $1/n_{in}$ | no activation, tanh near 0 |
# | Xavier (Glorot) | $2/(n_{in}+n_{out})$ | the same, and the gradient on its way back |
# | He (Kaiming) | $2/n_{in}$ | ReLU, which drops half of the signal |
# | orthogonal | $1/\max(n_{in}, n_{out})$, times gain² | deep networks; gain √2 for ReLU |
#
# An initializer is a function of a shape. Let us see whether the weights are what the table says.

# %%
RULES = {
    "random, 0.01": partial(initializers.normal, std=0.01),
    "LeCun": initializers.lecun_normal,
    "Xavier": initializers.glorot_normal,
    "He": initializers.he_normal,
    "orthogonal": partial(initializers.orthogonal, gain=2**0.5),
}
VARIANCES = {
    "random, 0.01": lambda n, out: 0.01**2,
    "LeCun": lambda n, out: 1 / n,
    "Xavier": lambda n, out: 2 / (n + out),
    "He": lambda n, out: 2 / n,
    "orthogonal": lambda n, out: 2 / max(n, out),
}
shape = x.shape[1], hidden[0]
for label, rule in RULES.items():
    drawn, expected = rule(shape, rng=0).std(), np.sqrt(VARIANCES[label](*shape))
    print(f"{label:13} std of a {shape} weight {drawn:.4f}, by the formula {expected:.4f}")

# %% [markdown]
# ## Theory: how the signal goes through
#
# Let $q$ be the mean square of what comes into a layer. A sum of n products with independent
# weights of mean 0 has the mean square $n\,\mathrm{Var}(W)\,q$, and a ReLU lets half of it pass:
#
# $$q_{l+1} = \tfrac12\; n\,\mathrm{Var}(W)\; q_l$$
#
# With He the factor is 1. We compare the std of each layer before the ReLU, five seeds to a rule,
# with the prediction, which knows nothing of the network but its widths.


# %%
def predicted(variance):
    """Return the std of each hidden layer before its ReLU, by the formula above."""
    q, stds, n = float(np.mean(rows**2)), [], x.shape[1]
    for units in hidden:
        stds.append(np.sqrt(n * variance(n, units) * q))
        q, n = stds[-1] ** 2 / 2, units
    return stds


dense = [f"dense{number}" for number in range(1, len(hidden) + 1)]
measured, theory = {}, {}
print(f"{'std before the ReLU':21}" + "".join(f"{name:>26}" for name in dense))
for label, rule in RULES.items():
    seen = [minnet.capture(build(rule, seed=seed), rows) for seed in range(5)]
    measured[label] = [[float(its[name]["y"].std()) for its in seen] for name in dense]
    theory[label] = predicted(VARIANCES[label])
    cells = [
        f"{np.mean(stds):.2g} (theory {std:.2g})"
        for stds, std in zip(measured[label], theory[label], strict=True)
    ]
    print(f"{label:21}" + "".join(f"{cell:>26}" for cell in cells))
show(
    charts.by_layer(measured, ylabel="std before the ReLU", log=True, theory=theory), "std_by_layer"
)

# %% [markdown]
# He and the orthogonal rule keep the signal at its size. LeCun and Xavier lose a part in every
# layer, for they do not know of the ReLU. The small random weights lose nearly all of it.
#
# LeCun lies below Xavier here only because this network narrows: $2/(n_{in}+n_{out})$ is larger
# than $1/n_{in}$ where $n_{out} < n_{in}$. In a network that widens it is the other way round.
#
# Below is what each rule makes of the activations. All panels share the x axis. Look down a column
# to compare the rules, and along a row to see whether the signal lasts. The share of zeros tells
# nothing of the rule: one seed draws the same numbers for all of them, which the rules only scale,
# and a factor changes no sign.

# %%
relus = [f"relu{number}" for number in range(1, len(hidden) + 1)]
before = {label: minnet.capture(build(rule), rows) for label, rule in RULES.items()}
shown = ["random, 0.01", "LeCun", "Xavier", "He"]
show(plot.histograms({label: before[label] for label in shown}, layers=relus), "activations")

# %% [markdown]
# ## Training
#
# Now the same networks learn: Adam, batches of 32. The table tells how well they do it, and the
# picture what has become of the activations.

# %%
after = {}
print(f"{'':14}{'loss before':>12}{'test loss':>11}{'accuracy':>10}")
for label, rule in RULES.items():
    net = build(rule)
    start = minnet.evaluate(net, x_test, y_test, loss)["loss"]
    minnet.fit(net, x, y, loss=loss, optimizer=Adam(net), epochs=epochs, batch_size=32, rng=0)
    told = minnet.evaluate(net, x_test, y_test, loss)
    after[label] = minnet.capture(net, rows)
    print(f"{label:14}{start:12.3f}{told['loss']:11.3f}{told['accuracy']:10.1%}")

figure, panels = charts.side_by_side(["before training", "after training"])
for captures, panel in zip((before, after), panels, strict=True):
    stds = {
        label: [[float(seen[name]["y"].std())] for name in dense]
        for label, seen in captures.items()
    }
    charts.by_layer(stds, ylabel="std before the ReLU", log=True, ax=panel)
show(figure, "std_after_training")

# %% [markdown]
# After training the lines have come closer together. Adam scales each step to the size of its
# gradients, so that even the faded network wakes up: what is seen after training tells little about
# the rule. That is why one has to look before.
#
# ## Zeros: symmetry
#
# Why random at all? If all units of a layer have the same weights, they compute the same, receive
# the same gradient, and remain the same for ever. With zeros and ReLU it is worse than that: every
# activation is 0, so is every gradient of a weight, and nothing can ever move but the output's
# bias. We count how many units of each hidden layer still differ after training.

# %%
for label, init, activation in (
    ("zeros, ReLU", "zeros", ReLU),
    ("zeros, tanh", "zeros", Tanh),
    ("constant 0.01, tanh", partial(initializers.constant, value=0.01), Tanh),
    ("Xavier, tanh", "glorot_normal", Tanh),
):
    net = build(init, activation=activation)
    gradients = minnet.capture(net, x[:500], y[:500], loss).kind("weight_grad").values()
    largest = max(float(np.abs(gradient).max()) for gradient in gradients)
    minnet.fit(
        net, x[:5000], y[:5000], loss=loss, optimizer=Adam(net), epochs=1, batch_size=32, rng=0
    )
    accuracy = minnet.evaluate(net, x_test, y_test, loss)["accuracy"]
    different = [np.unique(net[name].weight.value.round(6), axis=1).shape[1] for name in dense]
    units = ", ".join(f"{some} of {n}" for some, n in zip(different, hidden, strict=True))
    print(
        f"{label:20} largest first gradient {largest:.1e}; different units {units}; "
        f"accuracy {accuracy:.1%}"
    )

# %% [markdown]
# ## Which rule for which activation
#
# `recommend` knows the guideline and its reasons. It is a place to begin, not a law.

# %%
for activation, depth in (("relu", None), ("tanh", None), ("sigmoid", None), ("relu", 50)):
    advice = initializers.recommend(activation, depth)
    print(f"{activation}, {depth or 'few'} layers: {advice.name}\n    {advice.reason}")

# %% [markdown]
# There is also a rule that looks at the data: LSUV takes orthogonal weights and scales each layer
# in turn until its outputs have variance 1. It needs no formula for the activation, and corrects
# for inputs of any scale.

# %%
net = build("orthogonal")
initializers.lsuv(net, x[:1000], rng=0)
seen = minnet.capture(net, rows)
print("LSUV, std before the ReLU:", ", ".join(f"{seen[name]['y'].std():.2f}" for name in dense))

# %% [markdown]
# ## The missing output layer
#
# One sometimes reads that the last hidden layer is concentrated at 0 because it has few units. Let
# us see. We train the network as it is, and once more without its output layer: the units of the
# last ReLU then have to serve as scores of the classes themselves, and there are more of them than
# digits. Dead is a unit that is 0 on all rows.

# %%
wide = hidden[-1]
for label, output in (("with output layer", 10), ("without output layer", 0)):
    net = build("he_normal", output=output)
    minnet.fit(net, x, y, loss=loss, optimizer=Adam(net), epochs=epochs, batch_size=32, rng=0)
    last = minnet.capture(net, rows)[relus[-1]]["y"]
    dead = int((last == 0).all(axis=0).sum())
    print(f"{label:22}{dead} of {wide} units dead, {np.mean(last == 0):.0%} of the entries are 0")

# %% [markdown]
# A unit that stands for no digit is wrong whenever it is on, so that its gradient always points
# down, until the ReLU is off for good. Not the width of the layer empties it, but the loss above
# it: with an output layer, many more of the same number of units stay alive.

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
# The initial weights determine whether a network can learn. We compare the usual initializers by
# the size of the activations in a ReLU network: with theory before training, and with each other
# after training.

# %%
"""Options: --quick for a run of seconds, --out FOLDER for figures. In a notebook, set them here."""

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
    """Return the figure in a notebook, or save it in a script."""
    if "get_ipython" in globals():
        return figure
    OUT.mkdir(parents=True, exist_ok=True)
    figure.savefig(OUT / f"03_{name}.png")
    print("saved", OUT / f"03_{name}.png")
    return None


# %% [markdown]
# ## The data and the network
#
# The data are handwritten digits with pixels in [0, 1]. The network has four hidden layers, each
# narrower than the one before, and ten logits, one for each digit. In the last section we leave
# that output layer out.

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
    """Return a network with these initial weights; output=0 leaves the output layer out."""
    layers, n = [], x.shape[1]
    for units in hidden:
        layers += [Dense(n, units, init=init), activation()]
        n = units
    return Sequential([*layers, Dense(n, output, init=init)] if output else layers, rng=seed)


print(build("he_normal").summary())

# %% [markdown]
# ## The rules
#
# All rules draw random weights with mean 0. They differ in the variance, which is chosen to keep
# the size of the activations. With $n_{in}$ inputs and $n_{out}$ outputs:
#
# | rule | variance of a weight | designed for |
# |---|---|---|
# | random | fixed: $0.01^2$ | |
# | LeCun | $1/n_{in}$ | no activation, tanh near 0 |
# | Xavier (Glorot) | $2/(n_{in}+n_{out})$ | the same, and the gradient in backward |
# | He (Kaiming) | $2/n_{in}$ | ReLU, which sets half of the values to 0 |
# | orthogonal | $1/\max(n_{in}, n_{out})$, times gain² | deep networks; gain √2 for ReLU |
#
# An initializer is a function of a shape. First we compare drawn weights with the table.

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
# ## Theory: the size of the activations
#
# Let $q$ be the mean square of the inputs of a layer. A sum of n products with independent weights
# of mean 0 has the mean square $n\,\mathrm{Var}(W)\,q$. A ReLU halves it:
#
# $$q_{l+1} = \tfrac12\; n\,\mathrm{Var}(W)\; q_l$$
#
# With He the factor is 1. We compare the std of each layer before the ReLU with this prediction,
# for five seeds of each rule. The prediction uses only the widths of the network.


# %%
def predicted(variance):
    """Return the std of each hidden layer before its ReLU by the formula above."""
    q, stds, n = float(np.mean(rows**2)), [], x.shape[1]
    for units in hidden:
        stds.append(np.sqrt(n * variance(n, units) * q))
        q, n = stds[-1] ** 2 / 2, units
    return stds


dense = [f"dense{number}" for number in range(1, len(hidden) + 1)]
measured, theory = {}, {}
print(f"{'std before the ReLU':21}" + "".join(f"{name:>26}" for name in dense))
for label, rule in RULES.items():
    captures = [minnet.capture(build(rule, seed=seed), rows) for seed in range(5)]
    measured[label] = [[float(net[name]["y"].std()) for net in captures] for name in dense]
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
# He and the orthogonal rule keep the size of the activations. With LeCun and Xavier it decreases in
# every layer, because these rules do not account for the ReLU. With the small random weights the
# activations nearly vanish.
#
# LeCun is below Xavier only because this network narrows: $2/(n_{in}+n_{out})$ is larger than
# $1/n_{in}$ if $n_{out} < n_{in}$. In a widening network the order is reversed.
#
# The figure below shows the activations for each rule. All panels share the x axis. Compare the
# rules down a column, and the layers along a row. The share of zeros does not depend on the rule:
# for one seed the rules scale the same random numbers, and scaling does not change signs.

# %%
relus = [f"relu{number}" for number in range(1, len(hidden) + 1)]
before = {label: minnet.capture(build(rule), rows) for label, rule in RULES.items()}
shown = ["random, 0.01", "LeCun", "Xavier", "He"]
show(plot.histograms({label: before[label] for label in shown}, layers=relus), "activations")

# %% [markdown]
# ## Training
#
# Now the same networks are trained with Adam and batches of 32. The table shows loss and accuracy,
# and the figure the activations before and after training.

# %%
after = {}
print(f"{'':14}{'loss before':>12}{'test loss':>11}{'accuracy':>10}")
for label, rule in RULES.items():
    net = build(rule)
    start = minnet.evaluate(net, x_test, y_test, loss)["loss"]
    minnet.fit(net, x, y, loss=loss, optimizer=Adam(net), epochs=epochs, batch_size=32, rng=0)
    result = minnet.evaluate(net, x_test, y_test, loss)
    after[label] = minnet.capture(net, rows)
    print(f"{label:14}{start:12.3f}{result['loss']:11.3f}{result['accuracy']:10.1%}")

figure, panels = charts.side_by_side(["before training", "after training"])
for captures, panel in zip((before, after), panels, strict=True):
    stds = {
        label: [[float(captured[name]["y"].std())] for name in dense]
        for label, captured in captures.items()
    }
    charts.by_layer(stds, ylabel="std before the ReLU", log=True, ax=panel)
show(figure, "std_after_training")

# %% [markdown]
# After training the lines are closer together. Adam scales each step by the size of the gradients,
# so that even the network with very small activations learns. Figures of trained networks therefore
# show little of the effect of an initializer. Look at the network before training.
#
# ## Zeros: symmetry
#
# Why are weights random? If all units of a layer have the same weights, they have the same outputs
# and the same gradients, and they stay equal. With zeros and ReLU all activations are 0, and so are
# all weight gradients. Then only the bias of the output layer changes. We count the different units
# of each hidden layer after training.

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
# `recommend` returns the usual guideline with its reason. It is a starting point.

# %%
for activation, depth in (("relu", None), ("tanh", None), ("sigmoid", None), ("relu", 50)):
    advice = initializers.recommend(activation, depth)
    print(f"{activation}, {depth or 'few'} layers: {advice.name}\n    {advice.reason}")

# %% [markdown]
# LSUV is a rule that uses the data. It takes orthogonal weights and scales one layer after another
# until its outputs have variance 1. It needs no formula for the activation and works for inputs of
# any scale.

# %%
net = build("orthogonal")
initializers.lsuv(net, x[:1000], rng=0)
captured = minnet.capture(net, rows)
print("LSUV, std before the ReLU:", ", ".join(f"{captured[name]['y'].std():.2f}" for name in dense))

# %% [markdown]
# ## The missing output layer
#
# An article claims that the last hidden layer is concentrated at 0 because it has few units. We
# train the network with its output layer and without it. Without it the units of the last ReLU are
# the scores of the classes, and there are more units than digits. A unit is dead if it is 0 on all
# rows.

# %%
wide = hidden[-1]
for label, output in (("with output layer", 10), ("without output layer", 0)):
    net = build("he_normal", output=output)
    minnet.fit(net, x, y, loss=loss, optimizer=Adam(net), epochs=epochs, batch_size=32, rng=0)
    last = minnet.capture(net, rows)[relus[-1]]["y"]
    dead = int((last == 0).all(axis=0).sum())
    print(f"{label:22}{dead} of {wide} units dead, {np.mean(last == 0):.0%} of the entries are 0")

# %% [markdown]
# A unit that stands for no digit increases the loss whenever it is active. Its gradient always
# decreases its output, until the unit is dead. The cause is the loss and not the width of the
# layer: with an output layer, many more of the same number of units stay active.

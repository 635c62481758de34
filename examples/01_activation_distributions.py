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
# A network of 4-64-32-16-3 units learns to tell three kinds of iris apart. We look at what its
# hidden layers put out: before training and after it, as histograms, densities and cumulative
# shares. On the way we meet a mistake that is easily made: drawing a network that never existed.

# %%
"""Give --quick for a run of seconds, --out FOLDER for the pictures; in a notebook set them here."""

import sys
from pathlib import Path

import numpy as np

import minnet
from minnet import (
    Adam,
    Dense,
    MeanSquaredError,
    ReLU,
    Sequential,
    SoftmaxCrossEntropy,
    StatisticsProbe,
    plot,
)

QUICK = "--quick" in sys.argv
OUT = Path(sys.argv[sys.argv.index("--out") + 1] if "--out" in sys.argv else "runs/examples")


def show(figure, name):
    """Hand the figure to the notebook, or save it where there is none."""
    if "get_ipython" in globals():
        return figure
    OUT.mkdir(parents=True, exist_ok=True)
    figure.savefig(OUT / f"01_{name}.png")
    print("saved", OUT / f"01_{name}.png")
    return None


# %% [markdown]
# ## The data and the network
#
# Each flower is four lengths. They are standardised with the mean and the deviation of the
# *training* rows: had the test rows taken part, something of them would have leaked into training.
#
# The last layer puts out three logits. The softmax is part of the loss, which is more accurate than
# a layer of its own and gives the same probabilities.

# %%
(x, y), (x_test, y_test) = minnet.datasets.iris()
x, x_test = minnet.datasets.standardize(x, x_test)


def build(seed):
    """Return the network, untrained."""
    return Sequential(
        [Dense(4, 64), ReLU(), Dense(64, 32), ReLU(), Dense(32, 16), ReLU(), Dense(16, 3)],
        rng=seed,
    )


net, loss = build(seed=0), SoftmaxCrossEntropy()
print(net.summary())

# %% [markdown]
# ## Every buffer is in plain sight
#
# Forward, loss, backward: after that, each layer shows what came in and went out, and the gradients
# of both. `dense1.y` is before the activation, `relu1.y` after it. Nothing is copied: the gradient
# that one layer passes on *is* the one that the layer before it receives.

# %%
logits = net.forward(x, training=True)
value = loss.forward(logits, y)
net.backward(loss.backward())

print("loss of a network that knows nothing:", round(value, 3), "- ln 3 is", round(np.log(3), 3))
for name in ("dense1", "relu1", "dense2", "relu2"):
    layer = net[name]
    print(f"{name}: x {layer.x.shape}, y {layer.y.shape}, dy {layer.dy.shape}, dx {layer.dx.shape}")
print("relu1.dy is dense2.dx:", net["relu1"].dy is net["dense2"].dx)
print("gradient of the first weight:", net["dense1"].weight.grad.shape)

# %% [markdown]
# ## Before and after training
#
# Buffers change with the next step. `capture` copies those of one batch, here of the test rows. We
# take one copy now, train, and take another. A probe looks on while the network trains; we shall
# ask it about dead units.

# %%
before = minnet.capture(net, x_test)
probe = StatisticsProbe(["y"], layers=["relu1", "relu2", "relu3"], window=20)
history = minnet.fit(
    net, x, y, loss=loss, optimizer=Adam(net, lr=1e-3), epochs=100 if QUICK else 500,
    batch_size=len(x), validation_data=(x_test, y_test), probes=[probe], rng=0,
)  # fmt: skip
after = minnet.capture(net, x_test)
print(history)
show(plot.learning_curves(history, metric="accuracy"), "learning_curves")

# %% [markdown]
# Look at the pictures below from left to right and from top to bottom. All panels share one x axis,
# so that widths can be compared. Exact zeros are drawn apart, as a black stem: they are a pile at
# one point and have no density. With everything in one histogram, its tallest bar would only say
# how wide the bins are.
#
# Training stretches the distributions: activations become larger, and more so the longer it goes
# on. The zeros were there from the start.

# %%
hidden = ["relu1", "relu2", "relu3"]
show(
    plot.histograms({"before training": before, "after training": after}, layers=hidden),
    "histograms",
)


# %%
def table(columns):
    """Print what is told of each layer's distribution."""
    print(f"{'layer':24}{'zeros':>8}{'std':>8}{'kurtosis':>10}{'range':>8}")
    for name, told in columns.items():
        spread = told.maximum - told.minimum
        print(f"{name:24}{told.zeros:8.0%}{told.std:8.2f}{told.kurtosis:10.2f}{spread:8.2f}")


for stage, seen in (("before", before), ("after", after)):
    told = seen.statistics()
    table({f"{name}, {stage}": told[name] for name in hidden})

# %% [markdown]
# ## A network that never existed
#
# How does one get at the activations in a framework that hides them? A common way is to chain the
# first layers of the network anew and to send the data through. But where the ReLUs are function
# calls and no layers, the chain leaves them out: it computes
# $((xW_1 + b_1)\,W_2 + b_2)\,W_3 + b_3$, a linear map that is nowhere in the network.
#
# Both extractors take a line or two by hand. The right one must give what `capture` has seen.

# %%
wrong, right = {}, {}
chained = passed = x_test
for number in (1, 2, 3):
    dense = net[f"dense{number}"]
    weight, bias = dense.weight.value, dense.bias.value
    chained = chained @ weight + bias
    passed = np.maximum(passed @ weight + bias, 0)
    wrong[f"layer {number}"], right[f"layer {number}"] = chained, passed

for number in (1, 2, 3):
    same = np.allclose(right[f"layer {number}"], after[f"relu{number}"]["y"], atol=1e-5)
    print(f"layer {number}: by hand with the ReLUs = what the network computed: {same}")
show(plot.histograms({"without ReLU": wrong, "the network": right}), "extractors")

# %% [markdown]
# In the upper row there is no stem at 0: a sum of products is hardly ever exactly 0. Whoever reads
# "0 is the most frequent value" off a picture of that kind reads it off the width of the bins. In
# the lower row it is so, and the reason is simple: a ReLU makes a 0 of whatever is negative.
#
# Two other conclusions are often drawn from such pictures: that the kurtosis rises from layer 1 to
# layer 3, and that the range widens. One network proves nothing, so we train some that differ in
# their seed only, and count: with both extractors, and with two losses, for the chained extractor
# is mostly seen together with squared errors.
#
# A conclusion that holds in the rows without ReLU only is one about the extractor. One that holds
# for one loss only is one about the loss.


# %%
def trained(seed, loss, targets):
    """Return the hidden activations of one more network: chained without ReLU, and right."""
    net = build(seed)
    minnet.fit(
        net, x, targets, loss=loss, optimizer=Adam(net, lr=1e-3), epochs=100 if QUICK else 500,
        batch_size=len(x), rng=seed,
    )  # fmt: skip
    without, with_relu, seen = [], [], minnet.capture(net, x_test)
    chained = x_test
    for number in (1, 2, 3):
        chained = chained @ seen[f"dense{number}"]["weight"] + seen[f"dense{number}"]["bias"]
        without.append(chained)
        with_relu.append(seen[f"relu{number}"]["y"])
    return without, with_relu


def kurtosis(values):
    """Excess kurtosis, 0 for a normal distribution."""
    centred = values - values.mean()
    return (centred**4).mean() / (centred**2).mean() ** 2 - 3


seeds = range(3 if QUICK else 20)
print(f"of {len(seeds)} networks each{'':21}kurtosis rises   range widens")
for name, loss, targets in (
    ("cross-entropy", SoftmaxCrossEntropy(), y),
    ("squared error", MeanSquaredError(), np.eye(3)[y]),
):
    runs = [trained(seed, loss, targets) for seed in seeds]
    for extractor, layers in zip(
        ("without ReLU", "the network"), zip(*runs, strict=True), strict=True
    ):
        sharper = np.mean([kurtosis(third) > kurtosis(first) for first, _, third in layers])
        wider = np.mean([np.ptp(third) > np.ptp(first) for first, _, third in layers])
        print(f"{name:15}{extractor:24}{sharper:14.0%}{wider:15.0%}")

# %% [markdown]
# ## Densities and cumulative shares
#
# A density is a smoothed histogram, and lets several layers share one picture. Again the zeros are
# no part of the curve; the legend tells their share, and the area below the curve is what remains.

# %%
show(plot.density(after, layers=hidden), "density")

# %% [markdown]
# The cumulative share smooths nothing and needs no bins. Read it so: at x, the curve is as high as
# the share of values that are at most x. The jump at 0 is the share of exact zeros; where a curve
# is steep there are many values, where it is flat there are few.

# %%
show(plot.cdf(after, layers=hidden), "cdf")

# %% [markdown]
# ## Inactive is not dead
#
# A 0 says that one unit was off for one flower. That is not yet a loss: the same unit may be on for
# the next flower, and a pattern of on and off is how a ReLU network tells its inputs apart. A unit
# is *dead* where it is off for every row: then it says nothing, and no gradient comes through it.
#
# Compare the two columns. Looking at more rows can only bring units back to life: what is dead on
# the test rows may be alive on the training rows.

# %%
seen_train = minnet.capture(net, x)
print(f"{'layer':8}{'inactive entries':>18}{'dead on test rows':>20}{'dead on training rows':>24}")
for name in hidden:
    off, off_train = after[name]["y"] == 0, seen_train[name]["y"] == 0
    dead, dead_train = off.all(axis=0), off_train.all(axis=0)
    print(
        f"{name:8}{off.mean():18.0%}{f'{dead.sum()} of {dead.size}':>20}"
        f"{f'{dead_train.sum()} of {dead.size}':>24}"
    )

# %% [markdown]
# The probe has followed the units through training. A row is a layer, and the darker it is, the
# more of its units put out one and the same value, for all rows and for the last 20 steps. White is
# none. Some units of the later layers are dead before anything is learnt: what comes out of a ReLU
# is never negative, so that a unit whose weights are mostly negative is off for every flower.
# Others die, or come back, because the layers before them go on changing.

# %%
show(plot.dead_units(probe), "dead_units")

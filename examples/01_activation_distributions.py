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
# A network of 4-64-32-16-3 units learns to classify three species of iris. We look at the outputs
# of its hidden layers before and after training, as histograms, densities and cumulative
# distributions. We also look at a common mistake: drawing values that the network never computes.

# %%
"""Options: --quick for a run of seconds, --out FOLDER for figures. In a notebook, set them here."""

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
    """Return the figure in a notebook, or save it in a script."""
    if "get_ipython" in globals():
        return figure
    OUT.mkdir(parents=True, exist_ok=True)
    figure.savefig(OUT / f"01_{name}.png")
    print("saved", OUT / f"01_{name}.png")
    return None


# %% [markdown]
# ## The data and the network
#
# Each flower has four measurements. They are standardized with the mean and standard deviation of
# the *training* rows. Using the test rows as well would leak information into training.
#
# The output of the last layer is three logits. The softmax is part of the loss. This is more
# accurate than a separate softmax layer and gives the same probabilities.

# %%
(x, y), (x_test, y_test) = minnet.datasets.iris()
x, x_test = minnet.datasets.standardize(x, x_test)


def build(seed):
    """Return the untrained network."""
    return Sequential(
        [Dense(4, 64), ReLU(), Dense(64, 32), ReLU(), Dense(32, 16), ReLU(), Dense(16, 3)],
        rng=seed,
    )


net, loss = build(seed=0), SoftmaxCrossEntropy()
print(net.summary())

# %% [markdown]
# ## The buffers of a training step
#
# After forward, loss and backward, each layer exposes its input and output and the gradients of
# both. `dense1.y` is the value before the activation, `relu1.y` the value after it. Nothing is
# copied: the `dx` of one layer and the `dy` of the layer before it are the same array.

# %%
logits = net.forward(x, training=True)
value = loss.forward(logits, y)
net.backward(loss.backward())

print("loss of the untrained network:", round(value, 3), "- ln 3 is", round(np.log(3), 3))
for name in ("dense1", "relu1", "dense2", "relu2"):
    layer = net[name]
    print(f"{name}: x {layer.x.shape}, y {layer.y.shape}, dy {layer.dy.shape}, dx {layer.dx.shape}")
print("relu1.dy is dense2.dx:", net["relu1"].dy is net["dense2"].dx)
print("gradient of the first weight:", net["dense1"].weight.grad.shape)

# %% [markdown]
# ## Before and after training
#
# Buffers change with the next step. `capture` copies those of one batch, here of the test rows. We
# make one copy now and another after training. A probe records the outputs during training; we use
# its recording for dead units below.

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
# All panels below share one x axis, so that widths can be compared. Exact zeros are drawn
# separately as a black stem, because a single point has no density. In one histogram with all
# values, the height of the tallest bar would depend mostly on the width of the bins.
#
# Training widens the distributions: activations become larger. The zeros are present before
# training.

# %%
hidden = ["relu1", "relu2", "relu3"]
show(
    plot.histograms({"before training": before, "after training": after}, layers=hidden),
    "histograms",
)


# %%
def table(columns):
    """Print summary statistics of each layer."""
    print(f"{'layer':24}{'zeros':>8}{'std':>8}{'kurtosis':>10}{'range':>8}")
    for name, row in columns.items():
        spread = row.maximum - row.minimum
        print(f"{name:24}{row.zeros:8.0%}{row.std:8.2f}{row.kurtosis:10.2f}{spread:8.2f}")


for stage, captured in (("before", before), ("after", after)):
    statistics = captured.statistics()
    table({f"{name}, {stage}": statistics[name] for name in hidden})

# %% [markdown]
# ## Values that the network never computes
#
# In a framework that hides activations, a common way to obtain them is to chain the first layers of
# the network and apply the chain to the data. If the ReLUs are function calls instead of layers,
# the chain leaves them out. It computes $((xW_1 + b_1)\,W_2 + b_2)\,W_3 + b_3$, a linear map that
# is not part of the network.
#
# We compute both by hand. The correct one must equal the result of `capture`.

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
# The upper row has no stem at 0, because a sum of products is almost never exactly 0. There, "0 is
# the most frequent value" depends on the width of the bins. In the lower row 0 is the most frequent
# value, because a ReLU replaces every negative value by 0.
#
# Two other conclusions are often drawn from such figures: the kurtosis rises from layer 1 to layer
# 3, and the range widens. One network is not enough to test them. We train several networks that
# differ only in their seed, and count. We use both extractors and two losses, because articles
# often combine the chained extractor with squared error.
#
# A conclusion that holds only in the rows without ReLU is a property of the extractor. A conclusion
# that holds for only one loss is a property of the loss.


# %%
def trained(seed, loss, targets):
    """Return hidden activations of another network: chained without ReLU, and correct ones."""
    net = build(seed)
    minnet.fit(
        net, x, targets, loss=loss, optimizer=Adam(net, lr=1e-3), epochs=100 if QUICK else 500,
        batch_size=len(x), rng=seed,
    )  # fmt: skip
    without, with_relu, captured = [], [], minnet.capture(net, x_test)
    chained = x_test
    for number in (1, 2, 3):
        layer = captured[f"dense{number}"]
        chained = chained @ layer["weight"] + layer["bias"]
        without.append(chained)
        with_relu.append(captured[f"relu{number}"]["y"])
    return without, with_relu


def kurtosis(values):
    """Return the excess kurtosis, 0 for a normal distribution."""
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
# ## Densities and cumulative distributions
#
# A density is a smoothed histogram, and several layers fit into one chart. Exact zeros are not part
# of the curve. The legend reports their share, and the area below the curve is the remaining share.

# %%
show(plot.density(after, layers=hidden), "density")

# %% [markdown]
# The cumulative distribution needs neither smoothing nor bins. The height of the curve at x is the
# share of values that are at most x. The jump at 0 is the share of exact zeros. A steep part has
# many values, a flat part few.

# %%
show(plot.cdf(after, layers=hidden), "cdf")

# %% [markdown]
# ## Inactive is not dead
#
# A 0 means that one unit is inactive for one flower. The same unit may be active for the next
# flower, and such patterns are how a ReLU network distinguishes its inputs. A unit is *dead* if it
# is inactive for every row. Then its output carries no information, and its gradient is 0.
#
# Compare the last two columns. A unit that is inactive for all test rows may be active for a
# training row, so whether a unit counts as dead depends on the rows.

# %%
train_rows = minnet.capture(net, x)
print(f"{'layer':8}{'inactive entries':>18}{'dead on test rows':>20}{'dead on training rows':>24}")
for name in hidden:
    off, off_train = after[name]["y"] == 0, train_rows[name]["y"] == 0
    dead, dead_train = off.all(axis=0), off_train.all(axis=0)
    print(
        f"{name:8}{off.mean():18.0%}{f'{dead.sum()} of {dead.size}':>20}"
        f"{f'{dead_train.sum()} of {dead.size}':>24}"
    )

# %% [markdown]
# The probe recorded the units during training. Each row is a layer. The colour is the share of
# units whose output was the same for all rows during the last 20 steps; white means none. Some
# units of the later layers are dead before training: the output of a ReLU is never negative, so a
# unit with mostly negative weights is inactive for every flower. Other units die or recover during
# training, because the layers before them change.

# %%
show(plot.dead_units(probe), "dead_units")

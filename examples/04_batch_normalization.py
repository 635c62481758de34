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
# A BatchNorm layer gives every feature mean 0 and variance 1 within the batch, and then a scale and
# a shift of its own. We write its formula in NumPy and hold it against the layer, see what it keeps
# for prediction, and compare a network with it and without, which takes some care.

# %%
"""Give --quick for a run of seconds, --out FOLDER for the pictures; in a notebook set them here."""

import sys
from pathlib import Path

import numpy as np

import minnet
from minnet import SGD, Adam, BatchNorm, Dense, History, ReLU, Sequential, SoftmaxCrossEntropy, plot
from minnet.experiments import charts

QUICK = "--quick" in sys.argv
OUT = Path(sys.argv[sys.argv.index("--out") + 1] if "--out" in sys.argv else "runs/examples")


def show(figure, name):
    """Hand the figure to the notebook, or save it where there is none."""
    if "get_ipython" in globals():
        return figure
    OUT.mkdir(parents=True, exist_ok=True)
    figure.savefig(OUT / f"04_{name}.png")
    print("saved", OUT / f"04_{name}.png")
    return None


# %% [markdown]
# ## By hand
#
# For each column of the batch, with the mean $\mu$ and the variance $\sigma^2$ over its rows:
#
# $$\hat x = \frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}}, \qquad y = \gamma\,\hat x + \beta$$
#
# $\gamma$ and $\beta$ are learnt; they begin at 1 and 0. Here they get other values, so that a
# mistake in them would show.

# %%
rng = np.random.default_rng(0)
batch = rng.normal(loc=5.0, scale=[0.1, 1.0, 10.0], size=(32, 3))
gamma, beta, eps = np.array([1.0, 2.0, 3.0]), np.array([0.0, -1.0, 1.0]), 1e-5

mean, var = batch.mean(axis=0), batch.var(axis=0)
x_hat = (batch - mean) / np.sqrt(var + eps)
by_hand = gamma * x_hat + beta

layer = BatchNorm(3, eps=eps).build(dtype=np.float64)
layer.gamma.value, layer.beta.value = gamma, beta
by_layer = layer.forward(batch, training=True)
print("largest difference between formula and layer:", f"{np.abs(by_hand - by_layer).max():.1e}")
print("mean of each column of y:", by_layer.mean(axis=0).round(4), "- beta:", beta)
print("std of each column of y: ", by_layer.std(axis=0).round(4), "- gamma:", gamma)

# %% [markdown]
# The first column's std falls short of its γ by a little: with a variance that small, ε counts.
#
# A bias before a BatchNorm does nothing, for the mean takes it out again; `bias=False` saves it.

# %%
bias = np.array([1.0, -2.0, 3.0])
shifted = layer.forward(batch + bias, training=True)
print(f"change of y by a bias before the layer: {np.abs(shifted - by_layer).max():.1e}")

# %% [markdown]
# ## What it keeps
#
# A prediction must not depend on the rows that happen to be predicted together. So in training the
# layer keeps running statistics, and uses them instead of the batch's when `training=False`:
#
# $$\text{running} \leftarrow m\cdot\text{running} + (1-m)\cdot\text{batch}$$
#
# The momentum $m$ is the share of the *past* that is kept, as in Keras. In PyTorch it is the share
# of the new batch: its 0.1 is 0.9 here. Take the value of one convention with the other's meaning,
# and the statistics follow little but the last batch. Compare the last column.

# %%
print(f"{'momentum':>9}{'running mean at the end':>25}{'its std over the last 100 steps':>33}")
for momentum in (0.99, 0.9, 0.1):
    layer = BatchNorm(1, momentum=momentum)
    draw, by_hand, seen = np.random.default_rng(1), 0.0, []
    for _ in range(500):
        column = draw.normal(5.0, 2.0, size=(32, 1)).astype(np.float32)
        layer.forward(column, training=True)
        by_hand = momentum * by_hand + (1 - momentum) * column.mean()
        seen.append(layer.running_mean[0])
    assert np.isclose(by_hand, seen[-1], rtol=1e-4)
    print(f"{momentum:9}{seen[-1]:25.3f}{np.std(seen[-100:]):33.4f}")

# %% [markdown]
# The true mean is 5. One more convention: the batch is normalised with its biased variance (1/n),
# while the running variance takes in the unbiased one (n/(n-1)), which estimates the population's.

# %%
layer = BatchNorm(1, momentum=0.0)
column = np.array([[1.0], [3.0]])
print("y in training:", layer.forward(column, training=True).ravel(), "from variance", column.var())
print("running variance:", layer.running_var, "- unbiased:", column.var(ddof=1))
print("y in prediction:", layer.forward(column, training=False).ravel())

# %% [markdown]
# ## A network with it and without
#
# Handwritten digits, two hidden layers, Adam. BatchNorm stands between the dense layer and the
# ReLU.

# %%
if QUICK:
    (x, y), (x_test, y_test) = minnet.datasets.digits()
    epochs, batch_size, seeds = 8, 32, range(4)
else:
    (x, y), (x_test, y_test) = minnet.datasets.mnist()
    epochs, batch_size, seeds = 8, 128, range(4)
loss = SoftmaxCrossEntropy()


def build(batchnorm, seed=0):
    """Return the network, with BatchNorm before each ReLU or without."""
    layers, n = [], x.shape[1]
    for units in (128, 64):
        layers += [Dense(n, units, init="he_normal", bias=not batchnorm)]
        layers += [BatchNorm(units), ReLU()] if batchnorm else [ReLU()]
        n = units
    return Sequential([*layers, Dense(n, 10)], rng=seed)


KINDS = {"without BatchNorm": False, "with BatchNorm": True}
print(build(batchnorm=True).summary())

# %% [markdown]
# The training accuracy that `fit` reports, like that of other libraries, is a mean over the
# batches of an epoch: in training mode, and with weights that were changing all the while. The
# validation accuracy is that of the network at the end of the epoch. To draw the two as one pair
# of curves compares the network with its own past. So after each epoch we ask `evaluate` about the
# training rows too.


# %%
def curves(batchnorm, seed):
    """Train, and return what `fit` reports and what is so at the end of each epoch."""
    net, order = build(batchnorm, seed), np.random.default_rng(seed)
    optimizer, reported, fair = Adam(net), History(), History()
    for _ in range(epochs):
        seen = minnet.fit(
            net, x, y, loss=loss, optimizer=optimizer, epochs=1, batch_size=batch_size,
            validation_data=(x_test, y_test), rng=order,
        )  # fmt: skip
        training = minnet.evaluate(net, x, y, loss)
        validation = {"val_loss": seen.val_loss[0], "val_accuracy": seen.val_accuracy[0]}
        reported.append({"loss": seen.loss[0], "accuracy": seen.accuracy[0], **validation})
        fair.append({**training, **validation})
    return reported, fair


runs = {label: [curves(kind, seed) for seed in seeds] for label, kind in KINDS.items()}
figure, panels = charts.side_by_side(["as fit reports it", "end of the epoch"])
for place, panel in enumerate(panels):
    chosen = {label: [run[place] for run in pairs] for label, pairs in runs.items()}
    plot.learning_curves(chosen, metric="accuracy", ax=panel)
show(figure, "accuracy")

# %% [markdown]
# Look at the dashed lines. On the left, the training accuracy of the first epochs lies below the
# validation accuracy, as if the network did better on rows it has never seen. On the right, both
# are of the same network at the same moment, and that is gone. The table has the same numbers,
# as means over the seeds.

# %%
print(f"{'':20}{'epoch':>6}{'reported':>10}{'training':>10}{'validation':>12}")
for label, pairs in runs.items():
    for epoch in (0, 1, epochs - 1):
        reported = np.mean([run.accuracy[epoch] for run, _ in pairs])
        training = np.mean([run.accuracy[epoch] for _, run in pairs])
        validation = np.mean([run.val_accuracy[epoch] for _, run in pairs])
        print(f"{label:20}{epoch + 1:6}{reported:10.2%}{training:10.2%}{validation:12.2%}")

# %% [markdown]
# With BatchNorm the network is ahead in the first epochs. At the end the two are close: whether a
# difference is more than chance, no single run can tell. Compare the bands in the picture, and take
# more seeds before you believe it.
#
# ## What the ReLU receives
#
# One batch of test rows goes through a network that is not trained yet, in training mode. We count
# for each unit on which share of the rows the input of its ReLU is positive.

# %%
seen = minnet.capture(build(batchnorm=True), x_test[:500], y_test[:500], loss)
for number in (1, 2):
    for name in (f"dense{number}", f"batchnorm{number}"):
        on = (seen[name]["y"] > 0).mean(axis=0)
        print(f"{name}: a unit is on for {on.min():.0%} to {on.max():.0%} of the rows")

# %% [markdown]
# The histograms are those of four units of the second layer, from the one that is hardly ever on to
# the one that nearly always is. The upper row is what the dense layer puts out, the lower row what
# BatchNorm makes of it: whatever mean and width a unit has above, below it straddles 0.

# %%
before, after = seen["dense2"]["y"], seen["batchnorm2"]["y"]
ranked = np.argsort((before > 0).mean(axis=0))
units = [int(ranked[place]) for place in (0, len(ranked) // 3, 2 * len(ranked) // 3, -1)]
stages = {
    "before": {f"unit {unit}": before[:, unit] for unit in units},
    "after": {f"unit {unit}": after[:, unit] for unit in units},
}
show(plot.histograms(stages), "inputs_of_relu")

# %% [markdown]
# ## Larger learning rates
#
# The same two networks, one epoch of plain SGD, learning rates over powers of ten. Where training
# breaks off because a number is no longer finite, the accuracy is that of guessing.

# %%
RATES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)


def accuracy(batchnorm, lr, seed):
    """Return the validation accuracy after one epoch of SGD."""
    net = build(batchnorm, seed)
    try:
        minnet.fit(
            net, x, y, loss=loss, optimizer=SGD(net, lr=lr), epochs=1, batch_size=batch_size,
            rng=seed,
        )  # fmt: skip
    except FloatingPointError:
        return 0.1
    return minnet.evaluate(net, x_test, y_test, loss)["accuracy"]


reached = {
    label: {lr: [accuracy(kind, lr, seed) for seed in seeds] for lr in RATES}
    for label, kind in KINDS.items()
}
print(f"{'learning rate':20}" + "".join(f"{lr:>8g}" for lr in RATES))
for label, numbers in reached.items():
    print(f"{label:20}" + "".join(f"{np.mean(found):8.1%}" for found in numbers.values()))
show(
    charts.by_setting(reached, xlabel="learning rate", ylabel="accuracy after one epoch"),
    "learning_rates",
)

# %% [markdown]
# Both lines fall off on the right, but not at the same place: there is a range of learning rates
# at which only the network with BatchNorm still learns. The reason is that a BatchNorm takes out
# the scale of the weights before it: weights that a long step has made too large change nothing in
# its output, and receive smaller gradients from then on.

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
# A BatchNorm layer normalizes every feature to mean 0 and variance 1 within the batch, and then
# applies a scale and a shift. We write its formula in NumPy and compare it with the layer, look at
# its running statistics, and compare a network with it and without.

# %%
"""Options: --quick for a run of seconds, --out FOLDER for figures. In a notebook, set them here."""

import sys
from pathlib import Path

import numpy as np

import minnet
from minnet import SGD, Adam, BatchNorm, Dense, History, ReLU, Sequential, SoftmaxCrossEntropy, plot
from minnet.experiments import charts

QUICK = "--quick" in sys.argv
OUT = Path(sys.argv[sys.argv.index("--out") + 1] if "--out" in sys.argv else "runs/examples")


def show(figure, name):
    """Return the figure in a notebook, or save it in a script."""
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
# $\gamma$ and $\beta$ are parameters with initial values 1 and 0. Here they have other values, so
# that an error in either would be visible.

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
# The std of the first column is slightly below its γ, because its variance is so small that ε
# matters.
#
# A bias before a BatchNorm has no effect, because the mean is subtracted. Use `bias=False`.

# %%
bias = np.array([1.0, -2.0, 3.0])
shifted = layer.forward(batch + bias, training=True)
print(f"change of y by a bias before the layer: {np.abs(shifted - by_layer).max():.1e}")

# %% [markdown]
# ## Running statistics
#
# A prediction must not depend on the other rows of the batch. So the layer updates running
# statistics during training, and uses them instead of the batch statistics if `training=False`:
#
# $$\text{running} \leftarrow m\cdot\text{running} + (1-m)\cdot\text{batch}$$
#
# The momentum $m$ is the weight of the previous value, as in Keras. In PyTorch it is the weight of
# the new batch: 0.1 in PyTorch corresponds to 0.9 here. With PyTorch's value and Keras's meaning,
# the statistics depend mostly on the last batch. Compare the last column.

# %%
print(f"{'momentum':>9}{'running mean at the end':>25}{'its std over the last 100 steps':>33}")
for momentum in (0.99, 0.9, 0.1):
    layer = BatchNorm(1, momentum=momentum)
    draw, by_hand, values = np.random.default_rng(1), 0.0, []
    for _ in range(500):
        column = draw.normal(5.0, 2.0, size=(32, 1)).astype(np.float32)
        layer.forward(column, training=True)
        by_hand = momentum * by_hand + (1 - momentum) * column.mean()
        values.append(layer.running_mean[0])
    assert np.isclose(by_hand, values[-1], rtol=1e-4)
    print(f"{momentum:9}{values[-1]:25.3f}{np.std(values[-100:]):33.4f}")

# %% [markdown]
# The true mean is 5. Another convention: the batch is normalized with its biased variance (1/n),
# and the running variance is updated with the unbiased one (n/(n-1)).

# %%
layer = BatchNorm(1, momentum=0.0)
column = np.array([[1.0], [3.0]])
print("y in training:", layer.forward(column, training=True).ravel(), "from variance", column.var())
print("running variance:", layer.running_var, "- unbiased:", column.var(ddof=1))
print("y in prediction:", layer.forward(column, training=False).ravel())

# %% [markdown]
# ## A network with it and without
#
# The network has two hidden layers and classifies handwritten digits. It is trained with Adam.
# BatchNorm is between the dense layer and the ReLU.

# %%
if QUICK:
    (x, y), (x_test, y_test) = minnet.datasets.digits()
    epochs, batch_size, seeds = 8, 32, range(4)
else:
    (x, y), (x_test, y_test) = minnet.datasets.mnist()
    epochs, batch_size, seeds = 8, 128, range(4)
loss = SoftmaxCrossEntropy()


def build(batchnorm, seed=0):
    """Return the network with BatchNorm before each ReLU, or without."""
    layers, n = [], x.shape[1]
    for units in (128, 64):
        layers += [Dense(n, units, init="he_normal", bias=not batchnorm)]
        layers += [BatchNorm(units), ReLU()] if batchnorm else [ReLU()]
        n = units
    return Sequential([*layers, Dense(n, 10)], rng=seed)


KINDS = {"without BatchNorm": False, "with BatchNorm": True}
print(build(batchnorm=True).summary())

# %% [markdown]
# As in other libraries, the training accuracy that `fit` reports is a mean over the batches of an
# epoch, in training mode and with weights that change from batch to batch. The validation accuracy
# belongs to the network at the end of the epoch. The two are not comparable. So we also call
# `evaluate` on the training rows after each epoch.


# %%
def curves(batchnorm, seed):
    """Train; return the history of `fit`, and the values at the end of each epoch."""
    net, order = build(batchnorm, seed), np.random.default_rng(seed)
    optimizer, fair = Adam(net), History()
    for _ in range(epochs):
        history = minnet.fit(
            net, x, y, loss=loss, optimizer=optimizer, epochs=1, batch_size=batch_size,
            validation_data=(x_test, y_test), rng=order,
        )  # fmt: skip
        training = minnet.evaluate(net, x, y, loss)
        validation = {"val_loss": history.val_loss[-1], "val_accuracy": history.val_accuracy[-1]}
        fair.append({**training, **validation})
    return history, fair


runs = {label: [curves(kind, seed) for seed in seeds] for label, kind in KINDS.items()}
figure, panels = charts.side_by_side(["as fit reports it", "end of the epoch"])
for place, panel in enumerate(panels):
    chosen = {label: [run[place] for run in pairs] for label, pairs in runs.items()}
    plot.learning_curves(chosen, metric="accuracy", ax=panel)
show(figure, "accuracy")

# %% [markdown]
# Compare the dashed lines. On the left, the training accuracy of the first epochs is
# below the validation accuracy, as if the network were better on new rows. On the right, both
# curves belong to the same network at the same time, and this effect disappears. The table has the
# same values, as means over the seeds.

# %%
print(f"{'':20}{'epoch':>6}{'reported':>10}{'training':>10}{'validation':>12}")
for label, pairs in runs.items():
    for epoch in (0, 1, epochs - 1):
        reported = np.mean([run.accuracy[epoch] for run, _ in pairs])
        training = np.mean([run.accuracy[epoch] for _, run in pairs])
        validation = np.mean([run.val_accuracy[epoch] for _, run in pairs])
        print(f"{label:20}{epoch + 1:6}{reported:10.2%}{training:10.2%}{validation:12.2%}")

# %% [markdown]
# In the first epochs the network with BatchNorm has the higher accuracy. At the end the two are
# close, and a single run does not show whether a difference is due to chance. Compare the bands in
# the figure, and use more seeds before drawing a conclusion.
#
# ## Inputs of the ReLU
#
# One batch of test rows passes through an untrained network in training mode. For each unit we
# compute the share of rows with a positive input of its ReLU.

# %%
captured = minnet.capture(build(batchnorm=True), x_test[:500], y_test[:500], loss)
for number in (1, 2):
    for name in (f"dense{number}", f"batchnorm{number}"):
        active = (captured[name]["y"] > 0).mean(axis=0)
        print(f"{name}: units are active for {active.min():.0%} to {active.max():.0%} of the rows")

# %% [markdown]
# The histograms show four units of the second layer, from the least active to the most active. The
# upper row is the output of the dense layer, the lower row the output of BatchNorm. The mean and
# width of the units differ in the upper row. In the lower row all distributions are around 0.

# %%
before, after = captured["dense2"]["y"], captured["batchnorm2"]["y"]
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
# The same two networks are trained for one epoch with SGD, with learning rates over several powers
# of ten. If training diverges, the accuracy is set to 0.1, that of random guesses.

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
# Both lines fall at large learning rates, but at different ones: in some range only the network
# with BatchNorm learns. The reason is that the output of BatchNorm does not depend on the scale of
# the weights before it. Weights that became too large in one step do not change its output, and
# their gradients become smaller.

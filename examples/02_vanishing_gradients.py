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
# layer, compare them with a short prediction, record them during training, and try common remedies.
# At the end we look at the opposite problem: exploding gradients.

# %%
"""Options: --quick for a run of seconds, --out FOLDER for figures. In a notebook, set them here."""

import sys
from functools import partial
from pathlib import Path

import numpy as np

import minnet
from minnet import (
    SGD,
    BatchNorm,
    Dense,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
    SoftmaxCrossEntropy,
    StatisticsProbe,
    Tanh,
    clip_grad_norm,
    initializers,
    plot,
)
from minnet.experiments import charts

QUICK = "--quick" in sys.argv
OUT = Path(sys.argv[sys.argv.index("--out") + 1] if "--out" in sys.argv else "runs/examples")


def show(figure, name):
    """Return the figure in a notebook, or save it in a script."""
    if "get_ipython" in globals():
        return figure
    OUT.mkdir(parents=True, exist_ok=True)
    figure.savefig(OUT / f"02_{name}.png")
    print("saved", OUT / f"02_{name}.png")
    return None


# %% [markdown]
# ## The data and the network
#
# The data are handwritten digits with pixels scaled to [-1, 1]. The network has five hidden layers
# of equal width with sigmoids. It uses PyTorch's default initialization: uniform within
# $\pm 1/\sqrt{n}$ for a layer with n inputs.

# %%
if QUICK:
    (x, y), (x_test, y_test) = minnet.datasets.digits()
    width = 100
else:
    (x, y), (x_test, y_test) = minnet.datasets.mnist()
    x, y = x[:20_000], y[:20_000]
    width = 1000
x, x_test = (x - 0.5) / 0.5, (x_test - 0.5) / 0.5


def dense(n, out, *, init=None, bias=True):
    """Return a dense layer with PyTorch's initial weights and biases, or with other weights."""
    as_torch = partial(initializers.uniform, limit=1 / np.sqrt(n))
    return Dense(n, out, init=init or as_torch, bias=bias, bias_init=as_torch)


def deep(block):
    """Return a network of five blocks and an output layer; block(n) returns one block."""
    blocks = [layer for n in (x.shape[1], *[width] * 4) for layer in block(n)]
    return Sequential([*blocks, dense(width, 10)], rng=0)


def sigmoid_block(n):
    """Return a dense layer and a sigmoid."""
    return dense(n, width), Sigmoid()


net, loss = deep(sigmoid_block), SoftmaxCrossEntropy()
print(net.summary())

# %% [markdown]
# ## One batch, before training
#
# `capture` with labels and a loss runs forward and backward on a copy of the network, without an
# update, and keeps all buffers. The size of each weight gradient is its root mean square (RMS).

# %%
batch = x[:500], y[:500]
captured = minnet.capture(net, *batch, loss)


def rms(values):
    """Return the root mean square, in float64 so that small squares do not underflow."""
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


sizes = {name: rms(gradient) for name, gradient in captured.kind("weight_grad").items()}
for name, size in sizes.items():
    print(f"{name}: RMS of the weight's gradient {size:.1e}")
print(f"last over first: {sizes['dense6'] / sizes['dense1']:,.0f} times")

# %% [markdown]
# The figure below has a histogram of each layer's gradients on a logarithmic axis: log10 of the
# magnitude. The distribution moves to the right from layer to layer. A logarithmic axis shows small
# and large gradients equally well.

# %%
show(plot.histograms(captured, kind="weight_grad", log=True), "gradients_by_layer")

# %% [markdown]
# A common figure is a single histogram of all gradients, with 100 bins from -1 to 1. The output
# below shows that nearly all values are in the two bins next to 0. Such a histogram distinguishes
# neither layers nor small gradients from vanishing ones. Further down we test whether it
# distinguishes this network from networks that learn.


# %%
def middle_bins(captured):
    """Return the share of all gradients of weights and biases in the two bins next to 0."""
    kinds = ("weight_grad", "bias_grad")
    arrays = [array.ravel() for kind in kinds for array in captured.kind(kind).values()]
    pooled = np.concatenate(arrays)
    counts, _ = np.histogram(pooled, bins=100, range=(-1, 1))
    return counts[49:51].sum() / pooled.size


print(f"the two middle bins, -0.02 to 0.02, hold {middle_bins(captured):.2%} of all gradients")

# %% [markdown]
# ## Why: attenuation
#
# In backward each layer multiplies the gradient by its weights and by the slope of the sigmoid,
# which is at most 1/4:
#
# $$dy_{l} = (dy_{l+1}\,W_{l+1}^T)\;\sigma'(z_l)$$
#
# A sum over n terms with independent weights multiplies the RMS by $\sqrt{n\,\mathrm{Var}\,W}$. So
# each hidden layer multiplies the gradient by about $\tfrac14\sqrt{n\,\mathrm{Var}\,W}$. The
# uniform rule has $\mathrm{Var}\,W = 1/(3n)$, so the factor does not depend on the width.
#
# Compare theory and measurement in the table. The last column is the share of saturated units,
# whose output is close to 0 or 1, where the sigmoid is flat. Saturation is the usual explanation.
# Here no unit is saturated: the outputs are near 1/2, where the slope has its maximum of only 1/4.

# %%
print(f"{'from':8}{'to':8}{'measured':>10}{'theory':>8}{'mean of y':>12}{'saturated':>11}")
for number in range(5, 1, -1):
    later, earlier = f"dense{number}", f"dense{number - 1}"
    measured = rms(captured[earlier]["dy"]) / rms(captured[later]["dy"])
    theory = np.sqrt(width * captured[later]["weight"].var()) / 4
    output = captured[f"sigmoid{number - 1}"]["y"]
    flat = np.mean((output < 0.03) | (output > 0.97))
    print(f"{later:8}{earlier:8}{measured:10.3f}{theory:8.3f}{output.mean():12.2f}{flat:11.0%}")

# %% [markdown]
# ## During training
#
# A probe records every second step. The map has a row for each layer, the first on top. Paler
# colours are smaller gradients. Do the gradients of the first layers grow during training?

# %%
EPOCHS = 5 if QUICK else 1
BATCH = 32 if QUICK else 100


def train(net, **options):
    """Train a network; return its probe, and its loss and accuracy on test rows."""
    probe = StatisticsProbe(["weight_grad"], every=2)
    minnet.fit(
        net, x, y, loss=loss, optimizer=SGD(net, lr=0.01, momentum=0.9), epochs=EPOCHS,
        batch_size=BATCH, probes=[probe], rng=0, **options,
    )  # fmt: skip
    return probe, minnet.evaluate(net, x_test, y_test, loss)


baseline_probe, baseline = train(net)
print(f"test loss {baseline['loss']:.3f} (ln 10 is {np.log(10):.3f})")
print(f"test accuracy {baseline['accuracy']:.1%}")
show(plot.gradient_flow(baseline_probe), "flow_sigmoid")

# %% [markdown]
# The loss is about ln 10, that of equal probabilities for all digits. Only the output layer learns,
# and it learns little more than the frequency of each digit, because its inputs hardly depend on
# the image. This is not overfitting: the network does not fit its training data.
#
# ## Remedies
#
# Each remedy changes one part of the network:
#
# - **ReLU + He**: the slope of an active unit is 1; larger weights compensate for inactive units.
# - **tanh + Xavier**: the slope at 0 is 1 instead of 1/4.
# - **BatchNorm**: before each sigmoid; its inputs then cover the steep part of the sigmoid.
# - **Residual**: a skip connection carries the gradient around each block.


# %%
def relu_block(n):
    """Return a dense layer with He's weights, and a ReLU."""
    return dense(n, width, init="he_uniform"), ReLU()


def tanh_block(n):
    """Return a dense layer with Xavier's weights, and a tanh."""
    return dense(n, width, init="glorot_uniform"), Tanh()


def batchnorm_block(n):
    """Return a dense layer without bias, a BatchNorm, which has a shift, and a sigmoid."""
    return dense(n, width, bias=False), BatchNorm(width), Sigmoid()


def residual_block(n):
    """Return the sigmoid block, with a skip connection if it keeps the width."""
    return (Residual(*sigmoid_block(n)),) if n == width else sigmoid_block(n)


REMEDIES = {
    "sigmoid": sigmoid_block,
    "ReLU + He": relu_block,
    "tanh + Xavier": tanh_block,
    "BatchNorm": batchnorm_block,
    "Residual": residual_block,
}
flows, outcomes = {"sigmoid": baseline_probe}, {"sigmoid": baseline}
gradients, middle = {}, {}
for label, block in REMEDIES.items():
    net = deep(block)
    captured = minnet.capture(net, *batch, loss)
    gradients[label] = [[rms(gradient)] for gradient in captured.kind("weight_grad").values()]
    middle[label] = middle_bins(captured)
    if label not in flows:
        flows[label], outcomes[label] = train(net)

print(f"{'':14}{'middle bins':>12}{'last / first gradient':>23}{'test loss':>11}{'accuracy':>10}")
for label, layers in gradients.items():
    ratio, result = layers[-1][0] / layers[0][0], outcomes[label]
    print(
        f"{label:14}{middle[label]:12.2%}{ratio:23,.1f}"
        f"{result['loss']:11.3f}{result['accuracy']:10.1%}"
    )

# %% [markdown]
# The pooled histogram hardly distinguishes these networks (first column). The ratio of the
# gradients does (second column), and so does the figure below. It shows the gradients by layer
# before training. The line of the sigmoid network rises by powers of ten from the first layer to
# the last. A horizontal line is ideal. The line with BatchNorm is nearly horizontal, although the
# slope of its sigmoids is at most 1/4, too.

# %%
show(
    charts.by_layer(gradients, ylabel="RMS of the weight's gradient\nbefore training", log=True),
    "remedies",
)

# %% [markdown]
# The gradients of the sigmoid network and of one remedy during training, with one colour scale.

# %%
pair = ["sigmoid", "ReLU + He"]
figure, panels = charts.side_by_side(pair)
for label, panel in zip(pair, panels, strict=True):
    plot.gradient_flow(flows[label], limits=(-7, -1), ax=panel)
show(figure, "flow_compared")

# %% [markdown]
# ## Exploding gradients, and clipping
#
# With weights three times as large as He's, every layer triples the activations in forward and the
# gradient in backward. `clip_grad_norm` scales a gradient down to a maximal norm and keeps its
# direction. It is called between backward and the optimizer's step:


# %%
def too_large(shape, *, rng, dtype):
    """Return weights three times as large as He's."""
    return 3 * initializers.he_normal(shape, rng=rng, dtype=dtype)


def explosive_block(n):
    """Return a dense layer with weights that are too large, and a ReLU."""
    return dense(n, width, init=too_large), ReLU()


net = deep(explosive_block)
logits = net.forward(batch[0], training=True)
value = loss.forward(logits, batch[1])
net.backward(loss.backward())
norm = clip_grad_norm(net, 1.0)
print(f"loss {value:,.1f}, norm of the gradient {norm:,.1f}, now {np.linalg.norm(net.grad):.3f}")

# %% [markdown]
# With `clip_norm`, `fit` does this at every step. Without it the first steps are so large that a
# value soon exceeds the range of float32. Then training stops with an error that names the layer.

# %%
for clip_norm in (None, 1.0):
    net = deep(explosive_block)
    try:
        _, result = train(net, clip_norm=clip_norm)
        print(
            f"clip_norm={clip_norm}: loss {result['loss']:.3f}, accuracy {result['accuracy']:.1%}"
        )
    except FloatingPointError as error:
        print(f"clip_norm={clip_norm}: {error}")

# %% [markdown]
# Clipping limits the size of a step, so that the network can be trained. It does not remove the
# cause, and the loss stays large. Weights of the right size do: see ReLU + He in the table above.
#
# All results are from one seed. Change `rng=0` in `deep` to test whether they hold for others.

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
# A deep network of sigmoids does not learn, and its gradients are the reason. We measure them layer
# by layer, compare them with a prediction that fits on one line, watch them during training, and
# try the usual remedies. At the end we look at the opposite illness: gradients that explode.

# %%
"""Give --quick for a run of seconds, --out FOLDER for the pictures; in a notebook set them here."""

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
    """Hand the figure to the notebook, or save it where there is none."""
    if "get_ipython" in globals():
        return figure
    OUT.mkdir(parents=True, exist_ok=True)
    figure.savefig(OUT / f"02_{name}.png")
    print("saved", OUT / f"02_{name}.png")
    return None


# %% [markdown]
# ## The data and the network
#
# Handwritten digits, pixels shifted to -1 to 1. The network has five hidden layers of equal width
# with sigmoids, and is initialised as PyTorch does it unless told otherwise: uniformly within
# $\pm 1/\sqrt{n}$, n being the number of inputs of the layer.

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
    """Return a dense layer with weights and biases as in PyTorch, or other weights."""
    as_torch = partial(initializers.uniform, limit=1 / np.sqrt(n))
    return Dense(n, out, init=init or as_torch, bias=bias, bias_init=as_torch)


def deep(block):
    """Return a network of five blocks and an output layer; block(n) makes the layers of one."""
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
# `capture` with labels and a loss runs forward and backward on a copy of the network, without any
# update, and keeps all buffers. Of each layer's weight gradient we take the root mean square (RMS):
# the size of a typical entry.

# %%
batch = x[:500], y[:500]
seen = minnet.capture(net, *batch, loss)


def rms(values):
    """Return the root mean square, computed in float64, where small squares do not underflow."""
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


sizes = {name: rms(gradient) for name, gradient in seen.kind("weight_grad").items()}
for name, size in sizes.items():
    print(f"{name}: RMS of the weight's gradient {size:.1e}")
print(f"last over first: {sizes['dense6'] / sizes['dense1']:,.0f} times")

# %% [markdown]
# Below, each layer has a histogram of its gradients on a logarithmic axis: log10 of the magnitude.
# Look at how the hill moves to the right from layer to layer. On such an axis nothing is lost, be
# it a millionth or a tenth.

# %%
show(plot.histograms(seen, kind="weight_grad", log=True), "gradients_by_layer")

# %% [markdown]
# The usual picture is another one: all gradients of the network in one histogram from -1 to 1, with
# 100 bins. The output below tells what such a picture can show: nearly everything is in the two
# bins next to 0. It can tell neither one layer from another nor a small gradient from a vanishing
# one. Whether it can tell sick from healthy we shall ask it further down.


# %%
def middle_bins(seen):
    """Return the share of all gradients of weights and biases in the two bins next to 0."""
    kinds = ("weight_grad", "bias_grad")
    pooled = np.concatenate([array.ravel() for kind in kinds for array in seen.kind(kind).values()])
    counts, _ = np.histogram(pooled, bins=100, range=(-1, 1))
    return counts[49:51].sum() / pooled.size


print(f"the two middle bins, -0.02 to 0.02, hold {middle_bins(seen):.2%} of all gradients")

# %% [markdown]
# ## Why: attenuation
#
# On its way back through one layer the gradient is multiplied by the weights and by the slope of
# the sigmoid, which is at most 1/4:
#
# $$dy_{l} = (dy_{l+1}\,W_{l+1}^T)\;\sigma'(z_l)$$
#
# A sum over n terms with independent weights multiplies the RMS by $\sqrt{n\,\mathrm{Var}\,W}$. So
# each hidden layer multiplies the gradient by about $\tfrac14\sqrt{n\,\mathrm{Var}\,W}$, and with
# $\mathrm{Var}\,W = 1/(3n)$, which is what the uniform rule gives, the width drops out.
#
# Compare theory and measurement in the table, and look at the share of saturated units: units whose
# sigmoid is close to 0 or 1, in its flat parts. Saturation is the explanation that is mostly given.
# Here there is none of it: the sigmoids work near 1/2, where their slope is largest, and even
# there it is only 1/4.

# %%
print(f"{'from':8}{'to':8}{'measured':>10}{'theory':>8}{'mean of y':>12}{'saturated':>11}")
for number in range(5, 1, -1):
    later, earlier = f"dense{number}", f"dense{number - 1}"
    measured = rms(seen[earlier]["dy"]) / rms(seen[later]["dy"])
    theory = np.sqrt(width * seen[later]["weight"].var()) / 4
    output = seen[f"sigmoid{number - 1}"]["y"]
    flat = np.mean((output < 0.03) | (output > 0.97))
    print(f"{later:8}{earlier:8}{measured:10.3f}{theory:8.3f}{output.mean():12.2f}{flat:11.0%}")

# %% [markdown]
# ## During training
#
# A probe looks on at every step. The map has a row for each layer, the first on top; the paler, the
# smaller the gradients. Does training help the early layers?

# %%
EPOCHS = 5 if QUICK else 1
BATCH = 32 if QUICK else 100


def train(net, **options):
    """Train as all networks here are trained, and return the probe and the test accuracy."""
    probe = StatisticsProbe(["weight_grad"], every=2)
    minnet.fit(
        net, x, y, loss=loss, optimizer=SGD(net, lr=0.01, momentum=0.9), epochs=EPOCHS,
        batch_size=BATCH, probes=[probe], rng=0, **options,
    )  # fmt: skip
    return probe, minnet.evaluate(net, x_test, y_test, loss)


sick_probe, sick = train(net)
print(f"test loss {sick['loss']:.3f} (ln 10 is {np.log(10):.3f}), accuracy {sick['accuracy']:.1%}")
show(plot.gradient_flow(sick_probe), "flow_sigmoid")

# %% [markdown]
# The loss is about that of a network which gives each digit the same probability, ln 10. Only the
# output layer learns, and all that it can learn is how often each digit occurs, for its inputs
# hardly depend on the picture. This is no overfitting: the network does not even fit.
#
# ## Remedies
#
# One change at a time, all else alike:
#
# - **ReLU + He**: the slope is 1 where a unit is on; larger weights make up for those that are off.
# - **tanh + Xavier**: the slope is 1 at 0 instead of 1/4.
# - **BatchNorm**: before each sigmoid; it makes the inputs as wide as the sigmoid's steep part.
# - **Residual**: the gradient passes each block on a way around it as well as through it.


# %%
def relu_block(n):
    """Return a dense layer and a ReLU, with He's weights."""
    return dense(n, width, init="he_uniform"), ReLU()


def tanh_block(n):
    """Return a dense layer and a tanh, with Xavier's weights."""
    return dense(n, width, init="glorot_uniform"), Tanh()


def batchnorm_block(n):
    """Return a sigmoid with a BatchNorm before it, which has a shift of its own: no bias."""
    return dense(n, width, bias=False), BatchNorm(width), Sigmoid()


def residual_block(n):
    """Return the sigmoid's block, with a way around it where the width stays the same."""
    return (Residual(*sigmoid_block(n)),) if n == width else sigmoid_block(n)


REMEDIES = {
    "sigmoid": sigmoid_block,
    "ReLU + He": relu_block,
    "tanh + Xavier": tanh_block,
    "BatchNorm": batchnorm_block,
    "Residual": residual_block,
}
flows, outcomes, gradients, middle = {"sigmoid": sick_probe}, {"sigmoid": sick}, {}, {}
for label, block in REMEDIES.items():
    healed = deep(block)
    captured = minnet.capture(healed, *batch, loss)
    gradients[label] = [[rms(gradient)] for gradient in captured.kind("weight_grad").values()]
    middle[label] = middle_bins(captured)
    if label not in flows:
        flows[label], outcomes[label] = train(healed)

print(f"{'':14}{'middle bins':>12}{'last / first gradient':>23}{'test loss':>11}{'accuracy':>10}")
for label, layers in gradients.items():
    ratio, told = layers[-1][0] / layers[0][0], outcomes[label]
    print(
        f"{label:14}{middle[label]:12.2%}{ratio:23,.1f}{told['loss']:11.3f}{told['accuracy']:10.1%}"
    )

# %% [markdown]
# The pooled histogram hardly tells these networks apart: see the column of its middle bins. The
# ratio does, and so does the picture below, layer by layer before training: the sick network's line
# climbs by powers of ten from the first layer to the last. Level is healthy. With BatchNorm the
# line is nearly so, though its sigmoids still have slopes of at most 1/4.

# %%
show(
    charts.by_layer(gradients, ylabel="RMS of the weight's gradient\nbefore training", log=True),
    "remedies",
)

# %% [markdown]
# During training: the sick network and a healed one on one scale of colours.

# %%
pair = ["sigmoid", "ReLU + He"]
figure, panels = charts.side_by_side(pair)
for label, panel in zip(pair, panels, strict=True):
    plot.gradient_flow(flows[label], limits=(-7, -1), ax=panel)
show(figure, "flow_compared")

# %% [markdown]
# ## Exploding gradients, and clipping
#
# With weights three times as large as He's, the signal triples in every layer, and the gradient
# triples on its way back. `clip_grad_norm` shortens a gradient that is longer than a limit and
# keeps its direction; its place is between backward and the optimizer's step. By hand:


# %%
def too_large(shape, *, rng, dtype):
    """Return weights of three times He's size."""
    return 3 * initializers.he_normal(shape, rng=rng, dtype=dtype)


def explosive_block(n):
    """Return a dense layer with weights that are too large, and a ReLU."""
    return dense(n, width, init=too_large), ReLU()


net = deep(explosive_block)
logits = net.forward(batch[0], training=True)
value = loss.forward(logits, batch[1])
net.backward(loss.backward())
norm = clip_grad_norm(net, 1.0)
print(f"loss {value:,.1f}, gradient of length {norm:,.1f}, now {np.linalg.norm(net.grad):.3f}")

# %% [markdown]
# `fit` does it at every step when given `clip_norm`. Without it the first steps are so long that
# soon a number is too large for float32; minnet stops there and says where.

# %%
for clip_norm in (None, 1.0):
    net = deep(explosive_block)
    try:
        _, told = train(net, clip_norm=clip_norm)
        print(f"clip_norm={clip_norm}: loss {told['loss']:.3f}, accuracy {told['accuracy']:.1%}")
    except FloatingPointError as error:
        print(f"clip_norm={clip_norm}: {error}")

# %% [markdown]
# Clipping bounds the length of a step, so that a network which would explode can be trained at all.
# It does not mend the cause, and the loss stays large. Weights of the right size do: see ReLU + He
# in the table above.
#
# All this was one network from one seed each. Change `rng=0` in `deep` and see what stays.

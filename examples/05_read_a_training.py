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
# # 5. Read a training
#
# Four networks do not learn, and each has another fault. You read the replays of the four
# trainings, name the faults, and then compare your answers with those of the doctor.
#
# **Goals**
#
# - Read gradients, activations and updates from a replay.
# - Name the fault of a training from these signs.
# - Judge an automatic diagnosis by its evidence.
#
# **Time:** ninety minutes. **Prerequisites:** notebooks one to four.
#
# Make each prediction before you open the answer below it.

# %%
import os

import numpy as np

import minnet
from minnet import SGD, Dense, ReLU, Sequential, Sigmoid, plot

FULL = os.environ.get("MINNET_FULL") == "1"  # set it to True for MNIST, which is downloaded once

# %% [markdown]
# ## Four faults
#
# All networks have four hidden layers of equal width and are trained with SGD. The faults are:
#
# - **attenuation**: sigmoids make the gradient smaller from layer to layer
# - **symmetry**: all units of a layer begin with equal weights
# - **lr_too_high**: the learning rate is too high
# - **lr_too_low**: the learning rate is too low
#
# The cell draws which letter has which fault, and does not print it.

# %%
(x, y), (x_test, y_test) = minnet.datasets.mnist() if FULL else minnet.datasets.digits()
loss, test, width = minnet.SoftmaxCrossEntropy(), (x_test, y_test), 32
faults = {"attenuation": 0.1, "symmetry": 0.1, "lr_too_high": 1.0, "lr_too_low": 1e-4}
fault = dict(zip("ABCD", np.random.default_rng(4).permutation(list(faults)), strict=True))


def build(letter):
    """Return the network with this letter."""
    activation = Sigmoid if fault[letter] == "attenuation" else ReLU
    init = "zeros" if fault[letter] == "symmetry" else "glorot_uniform"
    layers = []
    for n in (x.shape[1], width, width, width):
        layers += [Dense(n, width, init=init), activation()]
    return Sequential([*layers, Dense(width, 10, init=init)], rng=0)


# %% [markdown]
# The first function below trains a network, with two probes for the replay and with a doctor. The
# second one returns the replay, and prints numbers that the replay shows as well: gradients and
# updates at the first step, and the units of the last hidden layer at the end.

# %%
recorded = {}


def train(letter):
    """Train a network with probes; return the two for the replay, and the history."""
    net, values = build(letter), minnet.HistogramProbe(units=True)
    numbers, doctor = minnet.StatisticsProbe(("y", "dy", "update")), minnet.Doctor()
    recorded[letter] = numbers, doctor
    history = minnet.fit(
        net, x, y, loss=loss, optimizer=SGD(net, lr=faults[fault[letter]]), batch_size=32, rng=0,
        epochs=1 if FULL else 10, probes=[values, *recorded[letter]], validation_data=test,
    )  # fmt: skip
    return values, numbers, history


# %%
def read(letter):
    """Train a network; print what can be read from its replay, and return the replay."""
    values, numbers, history = train(letter)
    print(f"accuracy on the test rows {history.val_accuracy[-1]:.0%}")
    for name in ("dense1", "dense2", "dense3", "dense4"):
        size = numbers.series(name, "dy", "rms")[1][0]
        ratio = numbers.series(name, "update", "ratio")[1][0]
        print(f"{name}: RMS of dy {size:.1e}, update / weight {ratio:.1e}")
    last = numbers.layers_of("y")[-2]
    constant = numbers.series(last, "y", "dead")[1][-1]
    print(f"{last}: {constant:.0f} of {width} units constant at the end")
    return minnet.replay(values, numbers, history, title=f"Network {letter}")


# %% [markdown]
# ## Network A
#
# **Predict.** Which fault has this network? Which of its signs excludes the other three?

# %%
read("A")

# %% [markdown]
# <details><summary>Answer</summary>
#
# `lr_too_low`. The gradients of all layers have a similar size, but an update is only 3.5e-06 of
# the weight of `dense1`. That is far below the band of usual ratios that the replay draws.
# Attenuation is excluded: from `dense4` to `dense1` the RMS falls only from 4.7e-03 to 1.6e-03.
# Symmetry is excluded by gradients above zero.
#
# </details>

# %% [markdown]
# ## Network B
#
# **Predict.** Which fault has this network? Which of its signs excludes the other three?

# %%
read("B")

# %% [markdown]
# <details><summary>Answer</summary>
#
# `attenuation`. The RMS of dy falls in every layer, from 1.5e-03 in `dense4` to 1.7e-05 in
# `dense1`. The learning rate is no explanation: the update of `dense4` is 3.6e-03 of its weight, a
# usual ratio, while that of `dense1` is 4.6e-05.
#
# </details>

# %% [markdown]
# ## Network C
#
# **Predict.** Which fault has this network? Which of its signs excludes the other three?

# %%
read("C")

# %% [markdown]
# <details><summary>Answer</summary>
#
# `symmetry`, here with weights of zero. The gradients are exactly 0.0e+00 from the first step, and
# all 32 units of the last hidden layer are constant. No other fault in the list makes a gradient
# exactly zero at the first step.
#
# </details>

# %% [markdown]
# ## Network D
#
# **Predict.** Which fault has this network? Which of its signs excludes the other three?

# %%
read("D")

# %% [markdown]
# <details><summary>Answer</summary>
#
# `lr_too_high`. At the first step the gradients are those of network A, 1.6e-03 in `dense1`, but
# an update is 3.5e-02 of the weight. At the end 32 of 32 units of `relu4` are constant. The units
# died in training, whereas those of network C were never on.
#
# </details>
#
# ## Ask the doctor
#
# The doctor observed the same trainings. It names a cause only if it has found certain evidence,
# or if a remedy helped on a copy of the network.
#
# **Predict.** In which of the four networks is the doctor right?

# %%
right = 0
for letter in "ABCD":
    diagnosis = recorded[letter][1].diagnosis()
    finding = diagnosis.findings[0]
    right += finding.cause == fault[letter]
    print(f"{letter}: {fault[letter]}; the doctor: {finding.cause}. {finding.explanation}")
    print(f"   {finding.remedies[0].text}")
print(f"{right} of {len(fault)} right")

# %% [markdown]
# <details><summary>Answer</summary>
#
# In 4 of 4. Compare its evidence with yours, and look at the remedy that it tried. A cause without
# such evidence would be a guess.
#
# </details>
#
# ## Theory and measurement, and a claim that fails
#
# Claim 6 of the ledger (`examples/claims/claims.md`) reads: "They vanish because the sigmoids
# saturate." The doctor distinguishes attenuation from saturation. Without saturation each layer
# multiplies the gradient by $\tfrac14\sqrt{n\,\mathrm{Var}\,W}$, which is one quarter with
# Xavier's weights.
#
# **Predict.** Which share of the sigmoids is saturated, and which ratio of the gradients of
# `dense1` and `dense4` does theory predict?

# %%
# Figure: RMS of dy of each layer over the training steps, in the network with attenuation. The
# lines are far apart, and that of the first layer is the lowest from beginning to end.
affected = next(letter for letter in fault if fault[letter] == "attenuation")
numbers, net = recorded[affected][0], build(affected)
dy1, dy4 = (numbers.series(name, "dy", "rms")[1][0] for name in ("dense1", "dense4"))
factors = [np.sqrt(width * net[f"dense{n}"].weight.value.var()) / 4 for n in (2, 3, 4)]
flat = [numbers.series(f"sigmoid{n}", "y", "saturated")[1][0] for n in (1, 2, 3, 4)]
print(f"dense1 over dense4: measured {dy1 / dy4:.4f}, theory {np.prod(factors):.4f}")
print(f"saturated outputs at the first step: at most {max(flat):.0%}")
plot.gradient_flow(numbers, kind="dy", lines=True)

# %% [markdown]
# <details><summary>Answer</summary>
#
# 0%. Theory predicts a ratio of 0.0156, and the measured one is 0.0114, although no sigmoid is
# saturated. The claim fails here as well: the gradient vanishes by attenuation.
#
# </details>
#
# ## Exercises
#
# Some faults are not in the settings but in the code of a layer or a loss.
#
# **Exercise.** Write a dense layer. `forward` returns xW + b. `backward` takes dy, sets
# `self.dweight` and `self.dbias`, and returns dx.


# %%
class MyDense:
    """y = xW + b, with its gradients."""

    def __init__(self, weight, bias):
        self.weight, self.bias = weight, bias

    def forward(self, x):
        raise NotImplementedError


try:
    minnet.exercises.check("dense", MyDense)
except minnet.exercises.WrongAnswer as message:
    print(message)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Each gradient has the shape of the array that it belongs to. The gradients of weight and bias are
# sums over the rows.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# class MyDense:
#     """y = xW + b, with its gradients."""
#
#     def __init__(self, weight, bias):
#         self.weight, self.bias = weight, bias
#
#     def forward(self, x):
#         self.x = x
#         return x @ self.weight + self.bias
#
#     def backward(self, dy):
#         self.dweight, self.dbias = self.x.T @ dy, dy.sum(axis=0)
#         return dy @ self.weight.T
# ```
#
# </details>
#
# **Exercise.** Write softmax and cross-entropy. `logits` has shape (n, classes), `labels` (n,).
# Return the mean of the losses and the gradient of that mean. No logit may cause an overflow.


# %%
def softmax_cross_entropy(logits, labels):
    """Return (loss, dlogits)."""
    raise NotImplementedError


try:
    minnet.exercises.check("softmax_cross_entropy", softmax_cross_entropy)
except minnet.exercises.WrongAnswer as message:
    print(message)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Subtract the largest logit of each row first. Compute the logarithm of the probabilities
# directly, as logit minus log of the sum, so that the logarithm of zero cannot occur.
#
# </details>
# <details><summary>Solution</summary>
#
# ```python
# def softmax_cross_entropy(logits, labels):
#     """Return (loss, dlogits)."""
#     n = len(labels)
#     shifted = logits - logits.max(axis=1, keepdims=True)
#     log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
#     dlogits = np.exp(log_p)
#     dlogits[np.arange(n), labels] -= 1
#     return -log_p[np.arange(n), labels].mean(), dlogits / n
# ```
#
# </details>
#
# ## Summary
#
# - Gradients that fall from layer to layer mean attenuation; gradients of zero mean symmetry.
# - The ratio of update to weight shows a learning rate that is too low or too high.
# - A diagnosis is worth as much as its evidence: a number, and a remedy that was tried.
#
# **Further reading:** A. Karpathy (2019), *A recipe for training neural networks*; X. Zhang and
# others (2021), *AutoTrainer: an automatic DNN training problem detection and repair system*,
# ICSE.

"""Checks of TheDeepChecker, a property-based debugger of training programs.

Ben Braiek & Khomh (2023), Testing feedforward neural networks training programs, ACM TOSEM 32;
github.com/thedeepchecker/thedeepchecker, deep_checker/checkers.py, hooks.py and metrics.py.

The file settings.yaml with the default thresholds was not available. Those of the data, the initial
weights and loss, the weights, the activations and the loss curve are from RLDebugger, an adaptation
for reinforcement learning with the authors' code (github.com/rached1997/RLDebugger). Those of the
gradients, the updates and the penalty were not found. VANISHING, EXPLODING, LOW_UPDATE, HIGH_UPDATE
and OVERWHELMING are choices: the threshold of SageMaker Debugger, the threshold for weights, one
decade below and two above the usual update of 1e-3, and a penalty with a gradient as large as that
of the loss.

The published tool first trains on a single batch of 50 rows, and checks that training. Here the
checks apply to the whole training, so the loss curve is that between looks, and is not judged after
all training rows are right. The checks that train again (fitting a batch, corrupted labels,
augmentation) are left out, and that of balanced labels, for which there is no cause. The measure
of saturation is the mean of |2 h - 1| over the outputs h scaled to [0, 1], without its histogram.
"""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.doctor.observing import (
    LEAKY,
    NORMALIZE,
    RELU,
    Look,
    Observer,
    Unit,
    change_lr,
    finding,
    ranked,
    remedy,
)
from minnet.doctor import Finding
from minnet.layers.dropout import Dropout

ALMOST = 0.01  # absolute difference of numbers that are almost equal
F_INIT, F_ACTIVATION = 2.70554, 5.0239  # critical ratios of variances for alpha 0.1 and 0.025
LOSS_DEVIATION, GRADIENT_ERROR = 1.0, 0.01
DEAD, DEAD_PERCENTILE, DEAD_SHARE = 1e-5, 95, 0.5
SATURATION, SATURATED_SHARE = 0.85, 0.5
LOW_STD, HIGH_STD = 0.5, 2.0
NEGATIVE_SHARE, DEAD_WEIGHTS = 0.95, 0.95
WINDOW, DECREASE, INCREASE, LARGEST = 5, 0.05, 2.0, 1e8
SMOOTH, SMOOTH_WINDOW = 0.5, 50
VANISHING, EXPLODING, LOW_UPDATE, HIGH_UPDATE, OVERWHELMING = 1e-7, 1e8, -4.0, -1.0, 1.0
INIT = remedy("set_init", "he_normal")
RAISED = 10, 0.1  # factors of the learning rate
LOWERED = 0.1, 0.01


def deepchecker(observer: Observer) -> list[Finding]:
    """Return what the checks report, those before training first, then by step."""
    if not observer.looks:
        return []
    checks = data, initial, activations, weights, updates, curve
    return ranked(found for check in checks for found in check(observer))


def almost(a: float, b: float) -> bool:
    """Return whether two numbers differ by at most ALMOST."""
    return abs(a - b) <= ALMOST


def is_normalized(values: Any) -> bool:
    """Return whether values are in [0, 1] or [-1, 1], or have mean 0 and standard deviation 1."""
    low, high = values.min(), values.max()
    ranged = almost(high, 1) and (almost(low, 0) or almost(low, -1))
    return ranged or (almost(values.mean(), 0) and almost(values.std(), 1))


def data(observer: Observer) -> Iterator[Finding]:
    """Features and targets that are constant or not normalized, in all columns or in any."""
    x, y = observer.run.batches.x, observer.run.batches.y
    if not is_normalized(x):
        constant = x.std(axis=0) == 0
        if constant.any():
            drop = remedy("drop_constant_features")
            yield finding("constant features", "constant_features", 0, None, drop)
        if not all(map(is_normalized, x.T[~constant])):
            scale = remedy("scale_inputs")
            yield finding("unnormalized features", "unscaled_inputs", 0, None, scale)
    if not observer.run.loss.classifies and not is_normalized(y):
        scale = remedy("scale_targets")
        yield finding("unnormalized targets", "unscaled_targets", 0, None, scale)


def initial(observer: Observer) -> Iterator[Finding]:
    """Weights, biases and loss before training, and gradients after the first step."""
    classes = observer.classes()
    for unit in observer.looks[0].units():
        n, m = unit.weight.shape
        variance = float(unit.weight.var())
        if variance <= 1e-8:
            yield finding("poor initial weights", "symmetry", 0, unit.name, INIT)
            continue
        usual = {"relu": 2 / n, "tanh": 2 / (n + m), "sigmoid": 1 / n}
        kind = next((kind for kind in usual if unit.kind.endswith(kind)), "")
        ratios = [variance / value for key, value in usual.items() if kind in ("", key)]
        if all(max(ratio, 1 / ratio) > F_INIT for ratio in ratios):
            cause = "init_too_small" if ratios[0] < 1 else "init_too_large"
            yield finding("initial weights", cause, 0, unit.name, INIT, NORMALIZE)
        bias = unit.layer.params.get("bias")
        if classes and bias is not None and bias.value.sum() != 0:
            cause = "saturation" if unit.bounded else "dead_units"
            yield finding("nonzero biases", cause, 0, unit.name, INIT, NORMALIZE)
    loss, expected = observer.looks[0].loss, math.log(max(classes, 1))
    if expected and abs(loss - expected) >= LOSS_DEVIATION * expected:
        yield finding("initial loss", "init_too_large", 0, None, INIT, NORMALIZE)
    look = observer.looks[min(1, len(observer.looks) - 1)]
    for unit in look.units():
        if unit.layer.trainable and gradient_error(observer, look, unit.name) > GRADIENT_ERROR:
            yield finding("gradient", "wrong_gradient", 0, unit.name, remedy("fix_backward"))


def gradient_error(observer: Observer, look: Look, name: str) -> float:
    """Return the relative error of a weight's gradient in a random direction, for three rows."""
    if any(isinstance(layer, Dropout) for _, layer in look.net.walk()):
        return 0.0
    net, loss = copy.deepcopy(look.net).build(dtype=np.float64), copy.deepcopy(observer.run.loss)
    x, y, param = observer.x[:3].astype(np.float64), observer.y[:3], net[name].params["weight"]
    start = param.value.copy()
    direction = np.random.default_rng(0).standard_normal(start.shape)

    def value(h: float) -> float:
        param.value = start + h * direction
        return loss.forward(net.forward(x, training=True), y)

    try:
        slope = (value(1e-6) - value(-1e-6)) / 2e-6
        value(0.0)
        net.backward(loss.backward())
    except FloatingPointError:
        return 0.0
    analytic = float((param.grad * direction).sum())
    size = abs(analytic) + abs(slope)
    return abs(analytic - slope) / size if size > 1e-7 else 0.0


def activations(observer: Observer) -> Iterator[Finding]:
    """Dead and saturated units, outputs of a layer with a small or large scale, and the output."""
    for look in observer.looks[1:]:
        for unit in look.hidden():
            h = unit.outputs
            where = look.step, unit.name
            if not unit.bounded:
                largest = np.percentile(np.abs(h), DEAD_PERCENTILE, axis=0)
                if (largest < DEAD).mean() > DEAD_SHARE:
                    yield finding("dead layer", "dead_units", *where, LEAKY, INIT, NORMALIZE)
            elif saturated_share(unit) > SATURATED_SHARE:
                yield finding("saturated layer", "saturation", *where, INIT, NORMALIZE, RELU)
            if h.std() < LOW_STD / F_ACTIVATION**0.5:
                yield finding("unstable activations", "attenuation", *where, INIT, NORMALIZE)
            if h.std() > HIGH_STD * F_ACTIVATION**0.5:
                yield finding("unstable activations", "explosion", *where, INIT, NORMALIZE)
    outputs, y = [look.net.y for look in observer.looks], observer.run.batches.y
    last = observer.looks[-1].units()[-1].name
    if (classes := observer.classes()) and outputs[-1].shape[1] != max(classes, 2):
        add = remedy("add_output_layer")
        yield finding("invalid output", "no_output_layer", 0, last, add)
    elif not classes and y.ndim > 1 and len(outputs) >= WINDOW:
        small = max(np.abs(output).max() for output in outputs) <= 1 < np.abs(y).max()
        positive = min(output.min() for output in outputs) >= 0 > y.min()
        if small or positive:
            loss = remedy("set_loss", "MeanSquaredError")
            yield finding("output range", "output_loss_mismatch", 0, last, loss)


def saturated_share(unit: Unit) -> float:
    """Return the share of units of a sigmoid or tanh that are saturated."""
    h = unit.outputs
    scaled = h if unit.kind.endswith("tanh") else 2 * h - 1
    return float((np.abs(scaled).mean(axis=0) > SATURATION).mean())


def weights(observer: Observer) -> Iterator[Finding]:
    """Signs, zeros and size of the weights, and size of their gradients."""
    for look, unit in observer.tensors():
        where, weight = (look.step, unit.name), unit.weight
        if (weight < 0).mean() > NEGATIVE_SHARE:
            yield finding("negative weights", "dead_units", *where, INIT, LEAKY)
        if (np.abs(weight) < DEAD).mean() > DEAD_WEIGHTS:
            yield finding("dead weights", "init_too_small", *where, INIT)
        if np.abs(weight).mean() > LARGEST:
            yield finding(
                "diverging weights", "lr_too_high", *where, *change_lr(observer, *LOWERED)
            )
        size = np.abs(unit.grad).mean() if unit.layer.trainable else 1.0
        if size < VANISHING:
            yield finding("vanishing gradient", "attenuation", *where, RELU, NORMALIZE)
        if size > EXPLODING:
            clip = remedy("clip_norm", 1.0)
            yield finding("exploding gradient", "explosion", *where, clip, INIT)


def updates(observer: Observer) -> Iterator[Finding]:
    """Size of the updates relative to the weights, and of the penalty relative to the loss."""
    overwhelmed: Counter[str] = Counter()
    for look, unit in observer.tensors():
        where, ratio = (look.step, unit.name), look.updates.get(unit.name, 1e-3)
        if ratio == 0:
            yield finding("untrained weights", "frozen_layer", *where, remedy("unfreeze"))
        elif math.log10(ratio) > HIGH_UPDATE:
            yield finding("fast updates", "lr_too_high", *where, *change_lr(observer, *LOWERED))
        elif math.log10(ratio) < LOW_UPDATE:
            yield finding("slow updates", "lr_too_low", *where, *change_lr(observer, *RAISED))
        if (penalty := observer.run.regularizer) is not None and unit.layer.trainable:
            size = float(np.linalg.norm(penalty.gradient(unit.weight)))
            large = size >= OVERWHELMING * float(np.linalg.norm(unit.grad))
            overwhelmed[unit.name] = overwhelmed[unit.name] + 1 if large else 0
            if overwhelmed[unit.name] >= WINDOW:
                remedies = [remedy("set_regularization", v) for v in (penalty.strength / 10, 0.0)]
                yield finding("overwhelming penalty", "over_regularized", *where, *remedies)


def curve(observer: Observer) -> Iterator[Finding]:
    """A loss that is not finite, does not fall, diverges, or fluctuates."""
    lowered, end = change_lr(observer, *LOWERED), len(observer.losses)
    if observer.failed:
        yield finding("infinite loss", "lr_too_high", end, None, *lowered)
    history = observer.history
    perfect = [k for k, share in enumerate(history.accuracy) if share == 1]
    if perfect:
        end = history.epoch_steps[perfect[0]]
    steps = [look.step for look in observer.looks if look.step <= end]
    means = [float(np.mean(observer.losses[a:b])) for a, b in pairwise(steps) if a < b]
    for k in range(WINDOW, len(means) + 1):
        ratios = [b / a if a else 1.0 for a, b in pairwise(means[k - WINDOW : k])]
        if min(ratios) > 1 - DECREASE:
            raised = change_lr(observer, *RAISED)
            yield finding("stagnated loss", "lr_too_low", steps[k], None, *raised)
        if min(ratios) >= INCREASE:
            yield finding("diverging loss", "lr_too_high", steps[k], None, *lowered)
    losses = np.array(history.loss[: perfect[0] if perfect else None])[-SMOOTH_WINDOW:]
    turns = np.count_nonzero(np.diff(np.diff(losses) > 0)) if len(losses) > 2 else 0
    if len(losses) - turns < SMOOTH * len(losses):
        yield finding("fluctuating loss", "lr_too_high", len(observer.losses), None, *lowered)

"""Built-in rules of Amazon SageMaker Debugger, with their default parameters.

Source of rules and thresholds: "List of Debugger built-in rules" in the developer guide,
docs.aws.amazon.com/sagemaker/latest/dg/debugger-built-in-rules.html. The code is not published, so
what the guide leaves open is a choice stated here. TensorVariance never reports, because its
thresholds have no default. AllZero has no default tensors; it inspects weights here. In rules about
losses a step is an epoch, because they compare evaluations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.doctor.observing import (
    LEAKY,
    NORMALIZE,
    RELU,
    Observer,
    change_lr,
    finding,
    ranked,
    remedy,
)
from minnet.doctor import Finding

VANISHING, DEAD_PERCENT, LAYER_PERCENT = 1e-7, 1.0, 50.0
INIT_RATIO, INIT_RANGE, INIT_STEPS = 10.0, 0.001, 10
LIMITS = {"tanh": (-9.4999, 9.4999), "sigmoid": (-23.0, 16.99999)}
LARGE_UPDATE, SMALL_UPDATE = 10.0, 1e-8
OVERFIT_RATIO, DELTA, PATIENCE_TRAIN, PATIENCE_HELD = 0.1, 0.1, 5, 10
NOT_DECREASING = 10
IMBALANCE, MISPREDICTED = 10.0, 0.7


def sagemaker(observer: Observer) -> list[Finding]:
    """Return what all rules report, ordered by the step of the report."""
    return ranked([*sagemaker_tensors(observer), *loss_rules(observer), *class_rule(observer)])


def sagemaker_tensors(observer: Observer) -> list[Finding]:
    """Return what the rules about weights, gradients and activations report.

    Those about losses and classes are left out. With default parameters, Overfit reports most
    healthy trainings, since it accepts a validation loss of at most 1.1 times the training loss.
    """
    found = [*tensor_rules(observer), *initialization_rule(observer)]
    if observer.failed:
        remedies = [remedy("clip_norm", 1.0), *change_lr(observer, 0.1)]
        found.append(finding("ExplodingTensor", "explosion", len(observer.losses), None, *remedies))
    return ranked(found)


def tensor_rules(observer: Observer) -> Iterator[Finding]:
    """Rules about one tensor: the mean or share of its values, or its change."""
    before: dict[str, list[Any]] = {}
    for look, unit in observer.tensors():
        where = look.step, unit.name
        if unit.layer.trainable and np.abs(unit.grad).mean() < VANISHING:
            yield finding("VanishingGradient", "attenuation", *where, RELU, NORMALIZE)
        if unit.kind == "relu":
            active = (unit.outputs > 0).mean(axis=0) * 100
            if (active < DEAD_PERCENT).mean() * 100 > LAYER_PERCENT:
                yield finding("DeadRelu", "dead_units", *where, LEAKY, NORMALIZE)
        if unit.bounded:
            low, high = LIMITS["tanh" if unit.kind.endswith("tanh") else "sigmoid"]
            active = ((unit.inputs > low) & (unit.inputs < high)).mean(axis=0) * 100
            if (active < DEAD_PERCENT).mean() * 100 > LAYER_PERCENT:
                init = remedy("set_init", "glorot_normal")
                yield finding("SaturatedActivation", "saturation", *where, init, NORMALIZE, RELU)
        if not unit.weight.any():
            init = remedy("set_init", "he_normal")
            yield finding("AllZero", "symmetry", *where, init)
        ratio = look.updates.get(unit.name, 1.0)
        if ratio > LARGE_UPDATE:
            yield finding(
                "WeightUpdateRatio", "lr_too_high", *where, *change_lr(observer, 0.1, 0.01)
            )
        if ratio < SMALL_UPDATE:
            yield finding("WeightUpdateRatio", "lr_too_low", *where, *change_lr(observer, 10, 100))
        last = before.setdefault(unit.name, [])
        last.append(unit.weight)
        if len(last) > 2 and all(np.allclose(a, b) for a, b in pairwise(last[-3:])):
            remedies = [remedy("unfreeze"), *change_lr(observer, 10)]
            yield finding("UnchangedTensor", "frozen_layer", *where, *remedies)


def initialization_rule(observer: Observer) -> Iterator[Finding]:
    """PoorWeightInitialization: variances of ReLU inputs, and the range of gradients.

    The cause is init_too_large if the variance grows with depth. The loss of the first steps is not
    used, since the guide does not state how it is combined with the other two criteria.
    """
    init = remedy("set_init", "he_normal")
    for look in observer.looks:
        units = [unit for unit in look.units() if unit.kind == "relu"]
        if look.step >= INIT_STEPS or not units:
            continue
        variances = [float(unit.inputs.var()) for unit in units]
        ranges = [np.subtract(*np.percentile(unit.grad, (95, 5))) for unit in units]
        if max(variances) > INIT_RATIO * min(variances) or min(ranges) < INIT_RANGE:
            grows = variances[-1] > INIT_RATIO * variances[0]
            cause = "init_too_large" if grows else "init_too_small"
            name = units[int(np.argmin(ranges))].name
            yield finding("PoorWeightInitialization", cause, look.step, name, init, NORMALIZE)


def loss_rules(observer: Observer) -> Iterator[Finding]:
    """LossNotDecreasing, Overfit and Overtraining."""
    history = observer.history
    train, held = history.loss, history.val_loss
    step = dict(enumerate(history.epoch_steps))
    for k in range(NOT_DECREASING, len(held), NOT_DECREASING):
        if held[k] >= held[k - NOT_DECREASING]:
            remedies = change_lr(observer, 10, 0.1)
            yield finding("LossNotDecreasing", "lr_too_low", step[k], None, *remedies)
    l2, stop = remedy("set_regularization", 0.01), remedy("early_stopping")
    over = [v - t > OVERFIT_RATIO * t for v, t in zip(held, train, strict=False)]
    for k in np.flatnonzero([a and b for a, b in pairwise(over)]).tolist():
        yield finding("Overfit", "overfitting", step[k + 1], None, l2, stop)
    waits = [waited(values, DELTA) for values in (train, held)]
    for k, (a, b) in enumerate(zip(*waits, strict=False)):
        if a >= PATIENCE_TRAIN and b >= PATIENCE_HELD:
            yield finding("Overtraining", "overfitting", step[k], None, stop, l2)


def waited(values: Sequence[float], delta: float) -> list[int]:
    """Return, for each value, how many values ago the lowest one last fell by delta."""
    best, count, counts = np.inf, 0, []
    for value in values:
        improves = value < best - delta
        best, count = (value, 0) if improves else (best, count + 1)
        counts.append(count)
    return counts


def class_rule(observer: Observer) -> Iterator[Finding]:
    """ClassImbalance, which has no counterpart among the causes of minnet; label_noise is near."""
    if not (classes := observer.classes()) or not observer.looks:
        return
    counts = np.bincount(observer.run.batches.y, minlength=classes)
    look, labels = observer.looks[-1], observer.y
    wrong = look.net.y.argmax(axis=1) != labels
    missed = max(wrong[labels == c].mean() for c in np.unique(labels))
    if counts.max() > IMBALANCE * max(counts.min(), 1) or missed > MISPREDICTED:
        check = remedy("check_labels")
        yield finding("ClassImbalance", "label_noise", look.step, None, check)

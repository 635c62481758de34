"""Published symptom rules for trainings, with their published thresholds, as baselines.

A rule set is a function of an `Observer` that returns findings, most likely first. All rule sets
observe the training at the steps at which `minnet.Doctor` does. A finding's explanation is the name
of the published rule; its cause, layer and remedies are a mapping stated here, because the tools
have other names for causes or none.

Sources of the thresholds
-------------------------
AutoTrainer (Zhang, Zhai, Ma & Shen, ICSE 2021): github.com/shiningrain/AUTOTRAINER, default_param
in utils/utils.py, IssueMonitor in utils/monitor.py, strategy "balance" in utils/repair.py.
DeepDiagnosis (Wardat, Cruz, Le & Rajan, ICSE 2022): github.com/DeepDiagnosis/ICSE2022,
mapFaluireToFix in callback/callbacks.py.
SageMaker Debugger and TheDeepChecker: see `benchmarks.doctor.sagemaker` and
`benchmarks.doctor.deepchecker`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from benchmarks.doctor.deepchecker import deepchecker
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
from benchmarks.doctor.sagemaker import sagemaker, sagemaker_tensors
from minnet.doctor import Finding, Remedy

# AutoTrainer

VANISHING_RATIO, VANISHING_NORM, EXPLODING_RATIO = 1e-3, 1e-4, 70  # beta_1, beta_2, beta_3
DYING, SATISFIED, SLOW = 0.7, 0.7, 0.01  # gamma, Theta, delta
SWING, SWINGS = 0.03, 0.2  # zeta, eta
JUDGED = 0.3  # share of the epochs after which accuracies are judged


def autotrainer(observer: Observer) -> list[Finding]:
    """Return the first problem that AutoTrainer reports.

    The order of remedies is the published one, without changes of the optimizer, and with ELU for
    SELU. The published tool checks every third epoch, and only accepts classification.
    """
    elu, init = remedy("set_activation", "elu"), remedy("set_init", "he_normal")
    causes: dict[str, tuple[str, list[Remedy]]] = {
        "dying ReLU": ("dead_units", [elu, NORMALIZE, init, LEAKY]),
        "exploding gradient": ("explosion", [elu, RELU, remedy("clip_norm", 1.0)]),
        "vanishing gradient": ("attenuation", [elu, RELU, NORMALIZE]),
        "slow convergence": ("lr_too_low", change_lr(observer, 10, 100, 1000)),
        "oscillating loss": ("lr_too_high", change_lr(observer, 0.1, 0.01, 0.001)),
    }
    for step, problem in problems(observer):
        cause, remedies = causes[problem]
        by_layer = cause in ("dead_units", "explosion", "attenuation")
        layer = observer.looks[0].units()[0].name if by_layer else None
        return [finding(problem, cause, step, layer, *remedies)]
    return []


def problems(observer: Observer) -> Iterator[tuple[int, str]]:
    """Yield steps and names of problems. Gradients count if the accuracy is low or rises slowly."""
    accuracies, size = observer.accuracies(), observer.run.batches.per_epoch
    poor = slow = False
    counted: Counter[str] = Counter()
    for look in observer.looks[1:]:
        counted.update(gradient_problems(look))
        epochs = look.step // size
        train, held = (values[:epochs] for values in accuracies)
        judged = len(train) > 1 and epochs >= JUDGED * observer.run.epochs
        if judged:
            poor |= min(max(train), max(held)) < SATISFIED
            slow |= max(np.diff(train).max(), np.diff(held).max()) < SLOW
        if poor or slow:
            for name in ("dying ReLU", "exploding gradient", "vanishing gradient"):
                if counted[name]:
                    yield look.step, name
            if slow:
                yield look.step, "slow convergence"
        elif judged and oscillates(train):
            yield look.step, "oscillating loss"
    if observer.failed:
        yield len(observer.losses), "exploding gradient"


def gradient_problems(look: Look) -> Iterator[str]:
    """Yield the names of the problems that the gradients of a look have."""
    units = [unit for unit in look.units() if unit.layer.trainable]
    grads = [param.grad for unit in units for param in unit.layer.params.values()]
    if sum((g == 0).sum() for g in grads) >= DYING * sum(g.size for g in grads):
        yield "dying ReLU"
    first, last = (float(np.linalg.norm(unit.grad)) for unit in (units[0], units[-1]))
    if last and first / last > EXPLODING_RATIO:
        yield "exploding gradient"
    if last and first / last < VANISHING_RATIO and first < VANISHING_NORM:
        yield "vanishing gradient"


def oscillates(values: Sequence[float]) -> bool:
    """Return whether pairs of local maxima and minima differ by SWING in a share SWINGS."""
    inner = [(values[k - 1], values[k], values[k + 1]) for k in range(1, len(values) - 1)]
    highs = [b for a, b, c in inner if b >= a and b >= c]
    lows = [b for a, b, c in inner if b <= a and b <= c]
    wide = sum(high - low >= SWING for high, low in zip(highs, lows, strict=False))
    return wide >= SWINGS * len(values) and wide > 0


# DeepDiagnosis

INACTIVE, SATURATED, SATURATED_AT = 0.7, 0.5, 5.0
LOW_VARIANCE, HIGH_VARIANCE = 1e-5, 10.0
LOW_LR, HIGH_LR = 1e-5, 1e-1  # of lr ‖dW‖ / ‖W‖: the published 1e-3 / 100 and 1e-3 * 100
VANISHING = 1e-7
UNCHANGED, UNCHANGED_ACCURACY, WIDER = 5, 20, 10.0


def deepdiagnosis(observer: Observer) -> list[Finding]:
    """Return the first symptom that DeepDiagnosis reports, after the cause of the published fix.

    For most symptoms, the published fix depends on weights of too low or high variance, on inputs
    outside [-1, 1], and on the learning rate, in this order; otherwise it treats the symptom. The
    published code computes the variance of mean weights; here it is that of the weights, as in the
    paper. A mean of exactly 0 is a numerical error in the published code; here all values must be
    0, because the gradient of the weights before a softmax has mean 0. Published checks are at the
    end of each epoch, and those of unchanged values after five epochs.
    """
    for number, look in enumerate(observer.looks[1:] or observer.looks, start=1):
        for rule, cause, layer, order, remedies in symptoms(observer, look, number):
            symptom = finding(rule, cause, look.step, layer, *remedies)
            return ranked([*published_fix(observer, look, rule, order), symptom])
    if observer.failed:
        return [finding("Invalid Loss", "lr_too_high", len(observer.losses), None,
                        *change_lr(observer, 0.1, 0.01))]  # fmt: skip
    return []


Symptom = tuple[str, str, str | None, str, list[Remedy]]


def symptoms(observer: Observer, look: Look, number: int) -> Iterator[Symptom]:
    """Yield rule, cause, layer, order of the fixes (w, x, l), and remedies of each symptom."""
    looks = observer.looks[: number + 1]
    if number == 1 and out_of_range(observer, unit := look.units()[-1]):
        loss = "SoftmaxCrossEntropy" if observer.classes() else "MeanSquaredError"
        yield "Out of Range", "output_loss_mismatch", unit.name, "", [remedy("set_loss", loss)]
    yield from activation_symptoms(look, at_end=look is observer.looks[-1])
    raised = change_lr(observer, 10)
    if unchanged([other.loss for other in looks]):
        yield "Loss Not Decreasing", "lr_too_low", None, "wxl", raised
    accuracies = observer.history.accuracy if look is observer.looks[-1] else []
    if any(unchanged(accuracies[:k], UNCHANGED_ACCURACY) for k in range(1, len(accuracies) + 1)):
        yield "Accuracy Not Increasing", "lr_too_low", None, "wxl", raised
    if 0 in accuracies:
        yield "Invalid Accuracy", "lr_too_low", None, "l", raised
    yield from weight_symptoms(look)
    for index, unit in enumerate(look.units()):
        same = [other.units()[index] for other in looks]
        if unchanged([other.weight.mean() for other in same]):
            yield "Unchanged Weights", "frozen_layer", unit.name, "wl", [remedy("unfreeze")]
        if unchanged([other.outputs.mean() for other in same]):
            yield "Unchanged Outputs", "lr_too_low", unit.name, "wl", raised
        if unit.layer.trainable and unchanged([other.grad.mean() for other in same]):
            yield "Unchanged Gradients", "lr_too_low", unit.name, "wl", raised


def activation_symptoms(look: Look, *, at_end: bool) -> Iterator[Symptom]:
    """Yield the symptoms of activations, that of dead ReLUs only at the end."""
    for unit in look.units():
        h = unit.outputs
        if not h.any():
            yield "Numerical Error", "dead_units", unit.name, "wxl", [LEAKY]
        if at_end and unit.kind == "relu" and (h <= 0).mean() >= INACTIVE:
            yield "Dead Node", "dead_units", unit.name, "xwl", [LEAKY, NORMALIZE]
        if unit.bounded and (np.abs(unit.inputs) >= SATURATED_AT).mean() > SATURATED:
            yield "Saturated Activation", "saturation", unit.name, "xwl", [RELU, NORMALIZE]


def weight_symptoms(look: Look) -> Iterator[Symptom]:
    """Yield the symptoms of weights and their gradients, those of the last layer first."""
    for unit in reversed(look.units()):
        if unit.layer.trainable and not unit.grad.any():
            yield "Numerical Error in delta Weights", "attenuation", unit.name, "", [RELU]
        if unit.layer.trainable and np.abs(unit.grad).mean() < VANISHING:
            yield "Vanishing Gradient", "attenuation", unit.name, "l", [RELU, NORMALIZE]
        if not unit.weight.any():
            init = remedy("set_init", "he_normal")
            yield "Numerical Error in Weights", "symmetry", unit.name, "wxl", [init]


def out_of_range(observer: Observer, unit: Unit) -> bool:
    """Return whether the activation of the output cannot produce the targets.

    An output without activation is right for a loss on logits, as softmax is in Keras.
    """
    y, loss = observer.run.batches.y, observer.run.loss
    ranges = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "owntanh": (-1.0, 1.0)}
    ranges |= {"relu": (0.0, np.inf), "elu": (-1.0, np.inf)}
    if unit.activation is None:
        wide = np.ptp(unit.layer.y) > WIDER * np.ptp(y)
        return bool(wide) and not loss.takes_logits
    low, high = ranges.get(unit.kind, (-np.inf, np.inf))
    logits = loss.takes_logits and unit.kind != "softmax"
    return bool(y.min() < low or y.max() > high or logits)


def unchanged(values: Sequence[float], count: int = UNCHANGED) -> bool:
    """Return whether the last values are equal, and there are as many as this count."""
    return len(values) >= count and len(set(map(float, values[-count:]))) == 1


def published_fix(observer: Observer, look: Look, rule: str, order: str) -> list[Finding]:
    """Return what the published tree diagnoses before it treats the symptom, as a list."""
    units = look.units()
    for check in order:
        if check == "w":
            for unit in units:
                if not LOW_VARIANCE <= unit.weight.var() <= HIGH_VARIANCE:
                    small = unit.weight.var() < LOW_VARIANCE
                    cause = "init_too_small" if small else "init_too_large"
                    init = remedy("set_init", "he_normal")
                    return [finding(f"{rule}: weights", cause, look.step, unit.name, init)]
        elif check == "x" and np.abs(observer.run.batches.x).max() > 1:
            scale = remedy("scale_inputs")
            return [finding(f"{rule}: inputs", "unscaled_inputs", look.step, None, scale)]
        elif check == "l":
            for unit in units:
                size = np.linalg.norm(unit.weight) or 1.0
                ratio = float(observer.lr * np.linalg.norm(unit.grad) / size)
                if unit.layer.trainable and not LOW_LR <= ratio <= HIGH_LR:
                    high = ratio > HIGH_LR
                    cause = "lr_too_high" if high else "lr_too_low"
                    remedies = change_lr(observer, *((0.1, 0.01) if high else (10, 100)))
                    return [finding(f"{rule}: learning rate", cause, look.step, None, *remedies)]
    return []


RULES: dict[str, Callable[[Observer], list[Finding]]] = {
    "AutoTrainer": autotrainer,
    "SageMaker Debugger": sagemaker,
    "SageMaker, tensors": sagemaker_tensors,
    "DeepDiagnosis": deepdiagnosis,
    "TheDeepChecker": deepchecker,
}

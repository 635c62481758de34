"""Causes in the size and noise of the steps: learning rate and batch size."""

from __future__ import annotations

import math

import numpy as np

from minnet.doctor.case import Case, Suspicion, suspect
from minnet.doctor.remedies import Remedy
from minnet.doctor.signals import lower_lr

SMALL_BATCH = 8


def roughness(case: Case) -> float:
    """Return the mean rise between windows of the loss, relative to its range."""
    curve = case.curve[np.isfinite(case.curve)]
    if len(curve) < 3 or np.ptp(curve) == 0:
        return 0.0
    return float(np.maximum(np.diff(curve), 0).sum() / np.ptp(curve))


def lr_too_high(case: Case) -> Suspicion | None:
    """Steps that overshoot: the loss oscillates, stalls high, or diverges.

    Gradient descent on a quadratic of curvature λ converges only for lr < 2 / λ; beyond it every
    step increases the error. LeCun et al. (1998), Efficient BackProp, section 5.
    """
    curve, update = case.curve, case.update
    rough = roughness(case)
    rising = bool(curve[-1] > 1.02 * curve.min())
    strength = 0.25
    if case.diverged:
        strength = 0.7
    elif curve[-1] > 1.5 * case.first.loss:
        strength = 0.66
    elif case.overfits or case.train_end.points > 0.985:
        strength = 0.2
    elif update > 0.1 or rough > 0.5:
        strength = 0.5
    elif update > 0.03 or rising:
        strength = 0.35
    factor = 10.0
    if update > 0.3:
        factor = 10.0 ** round(math.log10(min(update, 1e30) / 0.003))
    end = "the training diverged" if case.diverged else f"it ends at {curve[-1]:.3g}"
    return suspect(
        "lr_too_high",
        f"With a learning rate of {case.lr:.3g} the first update changes the weights of a layer by "
        f"{update:.1%} of their size. The loss begins at {curve[0]:.3g}; {end}.",
        [lower_lr(case, factor), lower_lr(case, 10 * factor)],
        strength=strength, needed=0.01 if case.diverged else max(0.04, 1.3 * case.error_of_score),
        step=case.steps if case.diverged else 0, lr=case.lr, relative_update=update, roughness=rough,
    )  # fmt: skip


def lr_too_low(case: Case) -> Suspicion | None:
    """Steps so small that the training ends long before the loss is low.

    For small steps the loss falls in proportion to lr, so a rate ten times larger needs a tenth of
    the steps. Bengio (2012), Practical recommendations for gradient-based training.
    """
    if case.diverged or case.overfits or case.train_end.points > 0.985 or case.update > 0.05:
        return None
    curve = case.curve
    fall = float((curve[0] - curve[-1]) / max(abs(curve[0]), 1e-12))
    strength = 0.45 if case.update < 1e-3 else 0.3
    return suspect(
        "lr_too_low",
        f"With a learning rate of {case.lr:.3g} the first update changes the weights by only "
        f"{case.update:.2g} of their size, and the loss falls by {fall:.0%} from {curve[0]:.3g} to "
        f"{curve[-1]:.3g} in {case.steps} steps.",
        [Remedy("set_lr", {"value": 10 * case.lr}, f"set the learning rate to {10 * case.lr:.2g}"),
         Remedy("set_lr", {"value": 100 * case.lr}, f"set the learning rate to {100 * case.lr:.2g}")],
        strength=strength, needed=0.08, step=case.steps,
        lr=case.lr, relative_update=case.update, fall=fall,
    )  # fmt: skip


def batch_too_small(case: Case) -> Suspicion | None:
    """Batches of a few rows, whose gradients are mostly noise at this learning rate.

    The variance of the gradient is inversely proportional to the batch, and the noise of the
    parameters to lr / batch. Smith et al. (2018), Don't decay the learning rate, increase the batch
    size, ICLR.
    """
    training = case.training
    batch = training.batch_size
    n = len(training.x)
    if batch > SMALL_BATCH or n < 4 * batch:
        return None
    value = min(32, max(n // 4, batch))
    return suspect(
        "batch_too_small",
        f"Each step sees {batch} of {n} rows. The gradient of so few rows is mostly noise, and at a "
        f"learning rate of {case.lr:.3g} the parameters follow it; the loss ends at "
        f"{case.curve[-1]:.3g}.",
        [Remedy("set_batch_size", {"value": value}, f"use batches of {value} rows"), lower_lr(case)],
        strength=0.6 if batch <= 4 else 0.5, needed=max(0.03, 1.0 * case.error_of_score),
        batch=batch, rows=n,
    )  # fmt: skip


CAUSES = (batch_too_small, lr_too_high, lr_too_low)

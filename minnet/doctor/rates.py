"""Causes in the size and noise of the steps: learning rate and batch size."""

from __future__ import annotations

import math

import numpy as np

from minnet.doctor.case import Case, Suspicion
from minnet.doctor.remedies import Remedy

SMALL_BATCH = 8
USUAL = 0.01  # usual size of the first update of a matrix relative to the matrix


def change_lr(value: float) -> Remedy:
    """Return the remedy that sets the learning rate, rounded to three digits."""
    value = float(f"{value:.3g}")
    return Remedy("set_lr", {"value": value}, f"set the learning rate to {value:.2g}")


def lr_too_high(case: Case) -> Suspicion | None:
    """Steps that overshoot: the loss oscillates, stalls high, or diverges.

    Gradient descent on a quadratic of curvature λ converges only for lr < 2 / λ; beyond it every
    step increases the error. LeCun et al. (1998), Efficient BackProp, section 5.
    """
    curve, update = case.curve, case.update
    finite = curve[np.isfinite(curve)]
    rises = float(np.maximum(np.diff(finite), 0).sum())
    rough = rises / np.ptp(finite) if rises else 0.0
    strength = 0.35 if update > 0.03 or curve[-1] > 1.02 * curve.min() else 0.25
    if case.diverged:
        strength = 0.7
    elif curve[-1] > 1.5 * case.first.loss:
        strength = 0.66
    elif case.fitted:
        strength = 0.2
    elif update > 0.1 or rough > 0.5:
        strength = 0.5
    factor = 10.0
    if case.diverged or update > 1:
        factor = max(10.0 ** round(math.log10(min(max(update, 1e-9), 1e30) / USUAL)), 10.0)
    end = "the training diverged" if case.diverged else f"it ends at {curve[-1]:.3g}"
    return Suspicion(
        "lr_too_high",
        f"With a learning rate of {case.lr:.3g} the first update changes the weights of a layer by "
        f"{update:.2%} of their size. The loss begins at {curve[0]:.3g}; {end}.",
        [change_lr(case.lr / factor), change_lr(case.lr / factor / 10)],
        {"lr": case.lr, "relative_update": update, "roughness": rough},
        strength=strength,
        needed=0.01 if case.diverged else max(0.04, 1.3 * case.score_error),
        step=case.steps if case.diverged else 0,
    )


def lr_too_low(case: Case) -> Suspicion | None:
    """Steps so small that the training ends long before the loss is low.

    For small steps the loss falls in proportion to lr, so a rate ten times larger needs a tenth of
    the steps. Bengio (2012), Practical recommendations for gradient-based training.
    """
    if case.diverged or case.fitted or case.update > 0.05:
        return None
    curve = case.curve
    factor = 10.0 ** min(max(round(math.log10(USUAL / max(case.update, 1e-9))), 1), 4)
    fall = float((curve[0] - curve[-1]) / max(abs(curve[0]), 1e-12))
    return Suspicion(
        "lr_too_low",
        f"With a learning rate of {case.lr:.3g} the first update changes the weights by only "
        f"{case.update:.2g} of their size, and the loss falls by {fall:.0%} from {curve[0]:.3g} to "
        f"{curve[-1]:.3g} in {case.steps} steps.",
        [change_lr(factor * case.lr), change_lr((factor / 10 if factor > 10 else 100) * case.lr)],
        {"lr": case.lr, "relative_update": case.update, "fall": fall},
        strength=0.45 if case.update < 1e-3 else 0.3,
        needed=0.08,
        step=case.steps,
    )


def batch_too_small(case: Case) -> Suspicion | None:
    """Batches of a few rows, whose gradients are mostly noise at this learning rate.

    The variance of the gradient is inversely proportional to the batch, and the noise of the
    parameters to lr / batch. Smith et al. (2018), Don't decay the learning rate, increase the batch
    size, ICLR.
    """
    batch, n = case.training.batch_size, len(case.training.x)
    if batch > SMALL_BATCH or n < 4 * batch:
        return None
    value = min(32, max(n // 4, batch))
    return Suspicion(
        "batch_too_small",
        f"Each step uses {batch} of {n} rows. The gradient of so few rows is mostly noise, and at "
        f"a learning rate of {case.lr:.3g} the parameters follow it; the loss ends at "
        f"{case.curve[-1]:.3g}.",
        [
            Remedy("set_batch_size", {"value": value}, f"use batches of {value} rows"),
            change_lr(case.lr / 10),
        ],
        {"batch": batch, "rows": n},
        strength=0.75 if batch <= 4 else 0.68,
        needed=max(0.03, case.score_error),
    )


CAUSES = (batch_too_small, lr_too_high, lr_too_low)

"""Causes in the steps: learning rate, batch size, regularization, overfitting."""

from __future__ import annotations

import math

from minnet.doctor.case import MILDER, USUAL, Case, Suspicion
from minnet.doctor.remedies import remedy
from minnet.layers.dropout import Dropout

SMALL_BATCH = 8


def lr_too_high(case: Case) -> Suspicion | None:
    """Steps that overshoot: the loss oscillates, stalls high, or diverges.

    Gradient descent on a quadratic of curvature λ converges only for lr < 2 / λ; beyond it every
    step increases the error. LeCun et al. (1998), Efficient BackProp, section 5.
    """
    curve, update, rough = case.curve, case.update, case.roughness
    if update < 0.5 * USUAL and curve[-1] <= curve[0] and not case.diverged:
        return None
    strength = 0.35 if update > 0.03 or curve[-1] > 1.02 * curve.min() else 0.25
    if case.diverged:
        strength = 0.7
    elif curve[-1] > 1.5 * case.first.loss:
        strength = 0.66
    elif case.fitted:
        strength = 0.2
    elif update > 0.1 or rough > 0.5:
        strength = 0.5
    factor = 10.0 if case.failed or update > 1 else MILDER
    if case.failed and (case.diverged or update > 1):
        factor = 10.0 ** int(math.log10(min(max(update, 10 * USUAL), 1e30) / USUAL))
    larger = factor * min(factor, 10)
    end = "the training diverged" if case.diverged else f"it ends at {curve[-1]:.3g}"
    return Suspicion(
        strength,
        f"The steps are too large: with a learning rate of {case.lr:.3g} the first update of a "
        f"layer is {update:.2g} times as large as its weights. The loss begins at "
        f"{curve[0]:.3g}; {end}.",
        [remedy("set_lr", case.lr / f) for f in (factor, larger, factor / 10) if f > 1],
        {"lr": case.lr, "relative_update": update, "roughness": rough},
        step=len(case.losses) if case.diverged else 0,
        needed=0.01 if case.diverged else max(0.04, 1.3 * case.score_error),
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
        0.45 if case.update < 1e-3 else 0.3,
        f"The steps are too small: with a learning rate of {case.lr:.3g} the first update is only "
        f"{case.update:.2g} times as large as the weights, and the loss changes from "
        f"{curve[0]:.3g} to {curve[-1]:.3g} in {len(case.losses)} steps.",
        [remedy("set_lr", f * case.lr) for f in (factor, factor / 10 if factor > 10 else 100)],
        {"lr": case.lr, "relative_update": case.update, "fall": fall},
        step=len(case.losses),
        needed=0.08,
    )


def batch_too_small(case: Case) -> Suspicion | None:
    """Batches of a few rows, whose gradients are mostly noise at this learning rate.

    The variance of the gradient is inversely proportional to the batch. Smith et al. (2018), Don't
    decay the learning rate, increase the batch size, ICLR.
    """
    batch, n = case.training.batch_size, len(case.training.x)
    if batch > SMALL_BATCH or n < 4 * batch:
        return None
    return Suspicion(
        0.75 if batch <= 4 else 0.68,
        f"Each step uses {batch} of {n} rows. The gradient of so few rows is mostly noise, and at "
        f"a learning rate of {case.lr:.3g} the parameters follow it; the loss ends at "
        f"{case.curve[-1]:.3g}.",
        [remedy("set_batch_size", min(32, max(n // 4, batch))), remedy("set_lr", case.lr / 10)],
        {"batch": batch, "rows": n},
        needed=max(0.03, case.score_error),
    )


def over_regularized(case: Case) -> Suspicion | None:
    """A penalty, weight decay or dropout that keeps the network from fitting the rows.

    The penalty balances the gradient of the loss at weights that are too small. Krogh & Hertz
    (1992), A simple weight decay can improve generalization; Srivastava et al. (2014), JMLR 15.
    """
    training, points = case.training, case.train_end
    penalty = training.regularizer.strength if training.regularizer is not None else 0.0
    penalty = max(penalty, training.optimizer.weight_decay)
    dropout = max((la.p for _, la in training.net.walk() if isinstance(la, Dropout)), default=0.0)
    if (not penalty and dropout <= 0.5) or points > 0.985:  # 0.5 is the usual probability
        return None
    strong = penalty >= 3e-3 or dropout > 0.5
    sizes = [max(s.blocks[0].w if s.blocks else 1.0, 1e-30) for s in (case.first, case.last)]
    remedies = [remedy("set_regularization", value) for value in (0.0, penalty / 100) if penalty]
    if dropout > 0.5:
        remedies.insert(0, remedy("set_dropout", 0.0))
    return Suspicion(
        0.8 if dropout > 0.7 else 0.72 if penalty >= 0.03 else 0.62 if strong else 0.4,
        f"With a penalty of strength {penalty:.3g} and dropout of {dropout:.2g}, the network "
        f"reaches only {case.points_name} {points:.3f} on the training rows; the RMS of the first "
        f"layer's weights ends at {sizes[1] / sizes[0]:.2g} times the initial value.",
        remedies,
        {"penalty": penalty, "dropout": dropout, "training_points": points},
        step=len(case.losses),
        needed=0.015 if strong else max(0.03, 1.3 * case.score_error),
    )


def overfitting(case: Case) -> Suspicion | None:
    """A network that fits the training rows much better than others.

    Beyond some step the validation loss rises while the training loss still falls: the network
    learns what distinguishes single rows. Goodfellow, Bengio & Courville (2016), section 7.8.
    """
    if case.training.validation is None or not case.fits:
        return None
    lowest, best = min((score.loss, step) for step, score in case.scores)
    rise = case.end.loss / lowest if lowest > 0 else 1.0
    if case.gap < 0.04 or (rise < 1.15 and case.gap < 0.3):
        return None
    return Suspicion(
        min(0.3 + case.gap + 0.1 * (rise - 1), 0.6),
        f"The network reaches {case.points_name} {case.train_end:.3f} on the training rows, but "
        f"{case.end.points:.3f} on the validation rows. The validation loss was lowest at step "
        f"{best}, {lowest:.3g}, and is {case.end.loss:.3g} at the end.",
        [remedy("set_regularization", 1e-2), remedy("set_dropout", 0.5), remedy("early_stopping")],
        {"gap": case.gap, "rise_of_validation_loss": rise},
        step=best,
        needed=max(0.025, 2 * case.score_error),  # the best of three remedies is often ahead
    )


CAUSES = batch_too_small, lr_too_high, lr_too_low, over_regularized, overfitting

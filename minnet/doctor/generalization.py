"""Causes in the fit to training and validation rows: overfitting, too much regularization."""

from __future__ import annotations

from minnet.doctor.case import Case, Suspicion
from minnet.doctor.remedies import Remedy
from minnet.layers.dropout import Dropout


def overfitting(case: Case) -> Suspicion | None:
    """A network that fits the training rows much better than others.

    Beyond some step the validation loss rises while the training loss still falls: the network
    learns what distinguishes single rows. Goodfellow, Bengio & Courville (2016), section 7.8.
    """
    if case.training.validation is None or not case.fits:
        return None
    lowest, best = min((score.loss, step) for step, score in case.scores)
    rise = case.end.loss / lowest if lowest > 0 else 1.0
    if case.gap < 0.04 or (rise < 1.15 and case.gap < 0.08):
        return None
    return Suspicion(
        "overfitting",
        f"The network reaches {case.train_end.points:.1%} on the training rows, but "
        f"{case.end.points:.1%} on the validation rows. The validation loss was lowest at step "
        f"{best}, {lowest:.3g}, and is {case.end.loss:.3g} at the end.",
        [
            Remedy("set_regularization", {"value": 1e-2}, "add an L2 penalty of strength 0.01"),
            Remedy("set_dropout", {"value": 0.5}, "add Dropout(0.5) after each hidden activation"),
            Remedy("early_stopping", {}, "stop when the validation loss no longer falls"),
        ],
        {"gap": case.gap, "rise_of_validation_loss": rise},
        strength=min(0.3 + case.gap + 0.1 * (rise - 1), 0.6),
        needed=max(0.025, 1.3 * case.score_error),
        step=best,
    )


def over_regularized(case: Case) -> Suspicion | None:
    """A penalty, weight decay or dropout that keeps the network from fitting the rows.

    The penalty balances the gradient of the loss at weights that are too small. Krogh & Hertz
    (1992), A simple weight decay can improve generalization; Srivastava et al. (2014), JMLR 15.
    """
    training, points = case.training, case.train_end.points
    penalty = training.regularizer.strength if training.regularizer is not None else 0.0
    penalty = max(penalty, training.optimizer.weight_decay)
    dropout = max((la.p for _, la in training.net.walk() if isinstance(la, Dropout)), default=0.0)
    if (not penalty and dropout < 0.3) or points > 0.985:
        return None
    strong = penalty >= 3e-3 or dropout >= 0.6
    sizes = [max(s.blocks[0].w if s.blocks else 1.0, 1e-30) for s in (case.first, case.last)]
    shrunk = sizes[1] / sizes[0]
    remedies = []
    if penalty:
        remedies = [
            Remedy("set_regularization", {"value": 0.0}, "remove the penalty"),
            Remedy("set_regularization", {"value": penalty / 100}, "divide its strength by 100"),
        ]
    if dropout >= 0.3:
        rank = 0 if dropout >= 0.6 else len(remedies)
        remedies.insert(rank, Remedy("set_dropout", {"value": 0.0}, "remove dropout"))
    return Suspicion(
        "over_regularized",
        f"With a penalty of strength {penalty:.3g} and dropout of {dropout:.2g}, the network "
        f"reaches only {points:.1%} on the training rows; the weights of the first layer end at "
        f"{shrunk:.2g} of their first RMS.",
        remedies,
        {"penalty": penalty, "dropout": dropout, "training_points": points, "shrinkage": shrunk},
        strength=0.8 if dropout > 0.7 else 0.62 if strong else 0.4,
        needed=0.015 if strong else max(0.03, 1.3 * case.score_error),
        step=case.steps,
    )


CAUSES = (over_regularized, overfitting)

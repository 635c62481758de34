"""Causes in what the training penalizes: overfitting and too much regularization."""

from __future__ import annotations

from minnet.doctor.case import Case, Suspicion, suspect
from minnet.doctor.remedies import Remedy
from minnet.layers.dropout import Dropout


def overfitting(case: Case) -> Suspicion | None:
    """A network that fits the training rows much better than others.

    Beyond some step the validation loss rises while the training loss still falls: the network
    learns what distinguishes single rows. Goodfellow, Bengio & Courville (2016), section 7.8.
    """
    if case.training.validation is None or case.diverged:
        return None
    gap = case.train_end.points - case.end.points
    losses = [score.loss for _, score in case.scores]
    lowest = min(losses)
    rise = losses[-1] / lowest if lowest > 0 else 1.0
    if not case.fits or gap < 0.04 or (rise < 1.15 and gap < 0.08):
        return None
    best = min(range(len(losses)), key=losses.__getitem__)
    remedies = [
        Remedy("set_regularization", {"value": 1e-2}, "add L2(1e-2)"),
        Remedy("set_dropout", {"value": 0.5}, "add Dropout(0.5) after each hidden activation"),
        Remedy("early_stopping", {}, "stop when the validation loss no longer falls"),
    ]
    return suspect(
        "overfitting",
        f"The network reaches {case.train_end.points:.1%} on the training rows, but "
        f"{case.end.points:.1%} on the validation rows. The validation loss was lowest at step "
        f"{case.scores[best][0]}, {lowest:.3g}, and is {losses[-1]:.3g} at the end.",
        remedies,
        strength=min(0.3 + gap + 0.1 * (rise - 1), 0.6),
        needed=0.025,
        step=case.scores[best][0],
        gap=gap,
        rise_of_validation_loss=rise,
    )


def over_regularized(case: Case) -> Suspicion | None:
    """A penalty, weight decay or dropout that keeps the network from fitting the rows.

    The penalty balances the gradient of the loss at weights that are too small. Krogh & Hertz
    (1992), A simple weight decay can improve generalization; Srivastava et al. (2014), JMLR 15.
    """
    training = case.training
    penalty = training.regularizer.strength if training.regularizer is not None else 0.0
    penalty = max(penalty, training.optimizer.weight_decay)
    dropouts = [la for _, la in training.net.walk() if isinstance(la, Dropout)]
    dropout = max((la.p for la in dropouts), default=0.0)
    if (not penalty and dropout < 0.3) or case.train_end.points > 0.985:
        return None
    strong = penalty >= 3e-3 or dropout >= 0.6
    fall = case.last.blocks[0].w / case.first.blocks[0].w if case.first.blocks else 1.0
    remedies = []
    if penalty:
        remedies.append(Remedy("set_regularization", {"value": 0.0}, "remove the penalty"))
        remedies.append(Remedy("set_regularization", {"value": penalty / 100},
                               f"reduce its strength to {penalty / 100:.1g}"))  # fmt: skip
    if dropout >= 0.3:
        rank = 0 if dropout >= 0.6 or not penalty else len(remedies)
        remedies.insert(rank, Remedy("set_dropout", {"value": 0.0}, "remove dropout"))
    return suspect(
        "over_regularized",
        f"With a penalty of strength {penalty:.3g} and dropout of {dropout:.2g}, the network "
        f"reaches only {case.train_end.points:.1%} on the training rows; the weights of the first "
        f"layer end at {fall:.2g} of their first RMS.",
        remedies,
        strength=0.62 if strong else 0.4,
        needed=0.015 if strong else max(0.03, 1.3 * case.error_of_score),
        step=case.steps,
        penalty=penalty,
        dropout=dropout,
        training_points=case.train_end.points,
        weight_ratio=fall,
    )


CAUSES = (over_regularized, overfitting)

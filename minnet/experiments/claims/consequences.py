"""Claims 8 and 9, on the effects of vanishing gradients: slow, suboptimal, overfitting (001)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from minnet.experiments.claims.claim import Claim, Finding, Trials
from minnet.experiments.claims.figures import Panel, draw_rows
from minnet.experiments.claims.gradients import BASELINE
from minnet.experiments.claims.quantities import (
    GUESS,
    accuracy,
    loss_gap,
    means,
    named,
    paired,
    training_accuracy,
    training_loss,
)
from minnet.experiments.claims.remedies import ALL_REMEDIES
from minnet.experiments.claims.text import counted, percent, points
from minnet.experiments.claims.verdicts import above, verdict
from minnet.experiments.intervals import mean
from minnet.experiments.trial import EVALUATED, Trial

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PLAIN, REMEDIED = "baseline", "with remedies"
COMPARED = {PLAIN: BASELINE, REMEDIED: ALL_REMEDIES}

# 8. Slow convergence, suboptimal solution.


def judge_slowness(trials: Trials) -> Finding:
    """Judge claim 8: the baseline's training loss after few and after all epochs."""
    baseline, remedied = trials[PLAIN], trials[REMEDIED]
    pairs = zip(baseline, remedied, strict=True)
    excess = {
        "slow": mean(early_loss(one) - training_loss(two) for one, two in pairs),
        "suboptimal": paired(baseline, remedied, training_loss),
    }
    parts = {name: above(interval) for name, interval in excess.items()}
    early, losses = mean(map(early_loss, baseline)), means(trials, training_loss)
    accuracies = means(trials, accuracy)
    difference = "training loss, baseline minus with remedies"
    short, long = epochs(trials, REMEDIED), epochs(trials, PLAIN)
    return Finding(
        verdict=verdict(parts, "the statement is restricted to training being {}"),
        result=f"{difference}, after all epochs",
        reason=f"After {short} the training loss of the baseline is {early} and that with remedies "
        f"{losses[REMEDIED]}; guessing gives ln 10 = {GUESS['loss']:.4f}. After {long} the "
        f"baseline's is {losses[PLAIN]}. Its test accuracy is then {percent(accuracies[PLAIN])}, "
        f"that with remedies {percent(accuracies[REMEDIED])}.",
        numbers={f"{difference}, after equally many epochs": excess["slow"]}
        | {f"{difference}, after all epochs": excess["suboptimal"]}
        | {"training loss, baseline, after as many epochs as with remedies": early}
        | named("training loss", losses)
        | named("test accuracy", accuracies),
        parts=parts,
    )


def early_loss(trial: Trial) -> float:
    """Return the training loss after as many epochs as the network with remedies is trained."""
    early = trial.curves["train_loss"][: ALL_REMEDIES.epochs]
    diverged = len(early) < ALL_REMEDIES.epochs or not math.isfinite(early[-1])
    return GUESS["loss"] if diverged else early[-1]


def epochs(trials: Trials, label: str) -> str:
    """Return the number of epochs of a network in words."""
    return counted(trials[label][0].setup.epochs, "epoch")


def draw_slowness(trials: Trials) -> Figure:
    """Draw training losses and test accuracies, with those of guessing."""
    loss, share = ({"guessing": GUESS[kind]} for kind in ("loss", "accuracy"))
    panels = [
        Panel("Training loss", training_loss, "cross-entropy", loss, (0, None)),
        Panel("Test accuracy", accuracy, "share of correct digits", share, (0, None)),
    ]
    return draw_rows({f"{name}, {epochs(trials, name)}": trials[name] for name in trials}, panels)


# 9. Overfitting.


def judge_overfitting(trials: Trials) -> Finding:
    """Judge claim 9: whether the gap between training and test rows is wider in the baseline."""
    baseline, remedied = trials[PLAIN], trials[REMEDIED]
    wider, wider_in_loss = (paired(baseline, remedied, gap) for gap in (accuracy_gap, loss_gap))
    gaps, training = means(trials, accuracy_gap), means(trials, training_accuracy)
    reason = " ".join(
        f"Accuracy ({label}) after {epochs(trials, label)} is {percent(training[label])} on "
        f"training rows, {points(gaps[label])} above that on test rows."
        for label in COMPARED
    )
    if above(paired(remedied, baseline, training_accuracy)):
        reason += " The baseline underfits: its accuracy on its own training rows is lower."
    parts = {"the gap in accuracy": above(wider)}
    return Finding(
        verdict=verdict(parts, ""),
        result="gap in accuracy, training minus test, baseline minus with remedies",
        reason=reason,
        numbers={"gap in accuracy, training minus test, baseline minus with remedies": wider}
        | {"gap in loss, test minus training, baseline minus with remedies": wider_in_loss}
        | named("gap in accuracy", gaps)
        | named("gap in loss", means(trials, loss_gap))
        | named("training accuracy", training)
        | named("test accuracy", means(trials, accuracy)),
        parts=parts,
    )


def draw_overfitting(trials: Trials) -> Figure:
    """Draw the accuracies on training rows and on test rows, and the gaps between them."""
    guessing = {"guessing": GUESS["accuracy"]}
    panels = [
        Panel("Training rows", training_accuracy, "accuracy", guessing, (0, 1)),
        Panel("Test rows", accuracy, "accuracy", guessing, (0, 1)),
        Panel("Gap", accuracy_gap, "training minus test", {"none": 0.0}),
    ]
    return draw_rows(trials, panels)


def accuracy_gap(trial: Trial) -> float:
    """Return the accuracy on training rows minus that on test rows after training."""
    return training_accuracy(trial) - accuracy(trial)


CLAIMS = (
    Claim(
        number=8,
        article="001",
        statement="With vanishing gradients training is slow and ends at a suboptimal solution.",
        measured="Training loss of the baseline after as many epochs as the network with remedies "
        "(ReLU, He, BatchNorm, skip connections) is trained, and after all of its own, which are "
        "more; each minus that of the network with remedies. Test accuracies are reported.",
        rule="Two parts: the baseline's training loss is higher after equally many epochs (slow), "
        "and after all of its epochs (suboptimal).",
        setups=COMPARED,
        judge=judge_slowness,
        draw=draw_slowness,
    ),
    Claim(
        number=9,
        article="001",
        statement="Vanishing gradients contribute to overfitting.",
        measured=f"Accuracy on the first {EVALUATED} training rows minus that on the test rows, "
        "baseline minus network with remedies. The baseline is trained for more epochs, which "
        "widens its gap in favour of the claim. Test loss minus training loss is reported.",
        rule="The gap of the baseline is wider.",
        setups=COMPARED,
        judge=judge_overfitting,
        draw=draw_overfitting,
    ),
)

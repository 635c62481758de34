"""Claims on what vanishing gradients do to a training: slow, suboptimal, overfitting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minnet.experiments.claims.claim import FAILS, HOLDS, Claim, Finding, Trials
from minnet.experiments.claims.remedies import HEALED
from minnet.experiments.claims.verdicts import (
    GUESS,
    above,
    accuracy,
    below,
    guess,
    last,
    loss_gap,
    paired,
    percent,
)
from minnet.experiments.intervals import Interval, mean
from minnet.experiments.trial import Trial
from minnet.experiments.vanishing import SICK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LONG, SHORT = "sigmoid, 10 epochs", "healed, 1 epoch"
PAIR = {LONG: SICK, SHORT: HEALED}

# 8. Slow convergence, suboptimal solution.


def judge_slowness(trials: Trials) -> Finding:
    """Judge claim 8: ten epochs of the sick network against one of the healed."""
    sick, healed = trials[LONG], trials[SHORT]
    more_loss = paired(sick, healed, lambda trial: last(trial, "train_loss"))
    less_accuracy = paired(healed, sick, accuracy)
    slow, suboptimal = above(more_loss, 0), above(less_accuracy, 0)
    if slow and suboptimal:
        verdict = HOLDS
    elif slow or suboptimal:
        said = "training loss, not of test accuracy" if slow else "test accuracy, not of loss"
        verdict = f"holds only if it is said of {said}"
    else:
        verdict = FAILS
    losses, accuracies = _ends(trials, "train_loss"), _ends(trials, "val_accuracy")
    return Finding(
        verdict=verdict,
        number=losses[LONG],
        what=f"training loss after all epochs, where a guess has ln 10 = {GUESS['loss']:.4f}",
        because=f"The sick network ends at a training loss of {losses[LONG]} and a test accuracy "
        f"of {percent(accuracies[LONG])}; the healed one, after a single epoch, at {losses[SHORT]} "
        f"and {percent(accuracies[SHORT])}.",
        numbers={"more training loss": more_loss, "less test accuracy": less_accuracy}
        | {f"training loss, {label}": loss for label, loss in losses.items()}
        | {f"test accuracy, {label}": share for label, share in accuracies.items()},
    )


def draw_slowness(trials: Trials) -> Figure:
    """Draw training losses and test accuracies, beside those of a guess."""
    from minnet import plot

    curves = {"train_loss": "Training loss", "val_accuracy": "Test accuracy"}
    figure, panels = plot.side_by_side([*curves.values()])
    for ax, curve in zip(panels, curves, strict=True):
        values = {label: [last(trial, curve) for trial in trials[label]] for label in PAIR}
        kind = "cross-entropy" if ax is panels[0] else "share of digits that are right"
        plot.by_label(values, xlabel=kind, reference={"a guess": guess(curve)}, ax=ax)
        ax.set_xlim(left=0)
    return figure


# 9. Overfitting.

OVERFITS = 0.01  # ten thousand other rows alone make a gap of half a point, at most


def judge_overfitting(trials: Trials) -> Finding:
    """Judge claim 9: how much better the sick network is on rows that it was trained on."""
    sick, healed = trials[LONG], trials[SHORT]
    gap, gap_in_loss = mean(map(accuracy_gap, sick)), mean(map(loss_gap, sick))
    if above(gap, OVERFITS):
        verdict = HOLDS
    elif below(gap, OVERFITS):
        verdict = FAILS
    else:
        verdict = "holds only if the seed is an unlucky one"
    seen, other = _ends(trials, "train_accuracy"), _ends(trials, "val_accuracy")
    because = (
        f"Of rows that it was trained on it gets {percent(seen[LONG])} right, of test rows "
        f"{percent(other[LONG])}; test loss minus training loss is {gap_in_loss}."
    )
    if above(paired(healed, sick, lambda trial: last(trial, "train_accuracy")), 0):
        because += (
            " It underfits: the healed network, after one epoch, gets "
            f"{percent(seen[SHORT])} of the training rows right."
        )
    return Finding(
        verdict=verdict,
        number=gap,
        what="accuracy on training rows minus that on test rows",
        because=because,
        numbers={"gap in accuracy": gap, "gap in loss": gap_in_loss}
        | {f"training accuracy, {label}": share for label, share in seen.items()}
        | {f"test accuracy, {label}": share for label, share in other.items()},
    )


def draw_overfitting(trials: Trials) -> Figure:
    """Draw the accuracies on training rows and on test rows."""
    from minnet import plot

    values = {
        f"{label.partition(',')[0]}, {rows}": [last(trial, curve) for trial in trials[label]]
        for label in PAIR
        for rows, curve in (("training rows", "train_accuracy"), ("test rows", "val_accuracy"))
    }
    return plot.by_label(values, xlabel="accuracy", reference={"a guess": GUESS["accuracy"]})


def accuracy_gap(trial: Trial) -> float:
    """Return how much higher the accuracy is on training rows than on test rows, at the end."""
    return last(trial, "train_accuracy") - accuracy(trial)


def _ends(trials: Trials, curve: str) -> dict[str, Interval]:
    return {label: mean(last(trial, curve) for trial in trials[label]) for label in PAIR}


CLAIMS: tuple[Claim, ...] = (
    Claim(
        number=8,
        article="001",
        says="With vanishing gradients training is slow and ends at a suboptimal solution.",
        measured="Training loss and test accuracy after 10 epochs, against those of the healed "
        "network (ReLU, He, BatchNorm, skip connections) after 1.",
        rule="Holds if after ten times the epochs training loss is still higher and test accuracy "
        "still lower than the healed network's, seed by seed, with the whole 95% interval of the "
        "difference; fails if neither is; holds only of the one that is.",
        setups=PAIR,
        judge=judge_slowness,
        draw=draw_slowness,
    ),
    Claim(
        number=9,
        article="001",
        says="Vanishing gradients contribute to overfitting.",
        measured="Accuracy on the first 10000 training rows minus that on the test rows, after 10 "
        "epochs; the same of the loss, the other way round.",
        rule="Holds if accuracy on training rows is more than a point above that on test rows, "
        "with the whole 95% interval; fails if the whole interval lies below a point; otherwise "
        "the seed decides.",
        setups=PAIR,
        judge=judge_overfitting,
        draw=draw_overfitting,
    ),
)

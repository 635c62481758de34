"""Claims on what vanishing gradients do to a training: slow, suboptimal, overfitting."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from minnet.experiments.claims.claim import Claim, Finding, Trials
from minnet.experiments.claims.remedies import HEALED
from minnet.experiments.claims.verdicts import (
    GUESS,
    above,
    accuracy,
    guess,
    last,
    loss_gap,
    paired,
    percent,
    points,
    settled,
    sided,
    unsettled,
    verdict_of_parts,
)
from minnet.experiments.intervals import Interval, mean
from minnet.experiments.trial import EVALUATED, Trial
from minnet.experiments.vanishing import SICK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LONG, SHORT = "the sick network", "the healed network"
COMPARED = {LONG: SICK, SHORT: HEALED}

# 8. Slow convergence, suboptimal solution.


def judge_slowness(trials: Trials) -> Finding:
    """Judge claim 8: the sick network's loss after as many epochs as the healed has, and after all.

    The healed network was trained for the shorter time.
    """
    sick, healed = trials[LONG], trials[SHORT]
    excess = {
        when: mean(
            loss(one) - last(two, "train_loss") for one, two in zip(sick, healed, strict=True)
        )
        for when, loss in (("slow", _early_loss), ("suboptimal", _final_loss))
    }
    parts = {name: sided(more) for name, more in excess.items()}
    early, final = mean(map(_early_loss, sick)), mean(map(_final_loss, sick))
    reached = mean(map(_final_loss, healed))
    accuracies = _ends(trials, "val_accuracy")
    return Finding(
        verdict=verdict_of_parts(parts, "training is said to be", "and"),
        number=excess["suboptimal"],
        what="training loss of the sick network after all epochs, minus the healed one's after "
        f"{epochs(trials, SHORT)}",
        because=f"After {epochs(trials, SHORT)} the sick network's training loss is {early} and "
        f"the healed one's {reached}; a guess has ln 10 = {GUESS['loss']:.4f}. After "
        f"{epochs(trials, LONG)} the sick network's is {final}. Test accuracy is then "
        f"{percent(accuracies[LONG])}, the healed one's {percent(accuracies[SHORT])}."
        + unsettled(parts),
        numbers={f"more training loss, {name}": more for name, more in excess.items()}
        | {"training loss, sick, after as many epochs as the healed": early}
        | {"training loss, sick, at the end": final, "training loss, healed": reached}
        | {f"test accuracy, {label}": share for label, share in accuracies.items()},
    )


def _early_loss(trial: Trial) -> float:
    """Return the training loss after as many epochs as the healed network was trained for."""
    early = trial.curves["train_loss"][: HEALED.epochs]
    broke_off = len(early) < HEALED.epochs or not math.isfinite(early[-1])
    return guess("train_loss") if broke_off else early[-1]


def _final_loss(trial: Trial) -> float:
    return last(trial, "train_loss")


def epochs(trials: Trials, label: str) -> str:
    """Return how many epochs a network was trained for, in words.

    >>> epochs({"a": [Trial(SICK)], "b": [Trial(HEALED)]}, "b")
    '1 epoch'
    """
    count = trials[label][0].setup.epochs
    return f"{count} epoch{'' if count == 1 else 's'}"


def draw_slowness(trials: Trials) -> Figure:
    """Draw training losses and test accuracies, beside those of a guess."""
    from minnet.experiments import charts

    curves = {"train_loss": "Training loss", "val_accuracy": "Test accuracy"}
    figure, panels = charts.side_by_side([*curves.values()])
    for ax, curve in zip(panels, curves, strict=True):
        values = {
            f"{_short(label)}, {epochs(trials, label)}": [
                last(trial, curve) for trial in trials[label]
            ]
            for label in COMPARED
        }
        kind = "cross-entropy" if ax is panels[0] else "share of digits that are right"
        charts.by_label(values, xlabel=kind, reference={"a guess": guess(curve)}, ax=ax)
        ax.set_xlim(left=0)
    return figure


# 9. Overfitting.


def judge_overfitting(trials: Trials) -> Finding:
    """Judge claim 9: whether the sick network's gap between training and test rows is larger."""
    sick, healed = trials[LONG], trials[SHORT]
    wider, wider_in_loss = paired(sick, healed, accuracy_gap), paired(sick, healed, loss_gap)
    gaps = {label: mean(map(accuracy_gap, trials[label])) for label in COMPARED}
    loss_gaps = {label: mean(map(loss_gap, trials[label])) for label in COMPARED}
    seen, other = _ends(trials, "train_accuracy"), _ends(trials, "val_accuracy")
    because = " ".join(
        f"Of rows that it was trained on {label} gets {percent(seen[label])} right after "
        f"{epochs(trials, label)}, of test rows {percent(other[label])}, a gap of "
        f"{points(gaps[label])}; test loss minus training loss is {loss_gaps[label]}."
        for label in COMPARED
    )
    if above(paired(healed, sick, lambda trial: last(trial, "train_accuracy")), 0):
        because += " The sick network underfits: it gets fewer of its own training rows right."
    return Finding(
        verdict=settled(sided(wider)),
        number=wider,
        what="accuracy on training rows minus that on test rows, of the sick network minus the "
        "healed one",
        because=because,
        numbers={"gap in accuracy, sick minus healed": wider}
        | {"gap in loss, sick minus healed": wider_in_loss}
        | {f"gap in accuracy, {label}": gap for label, gap in gaps.items()}
        | {f"gap in loss, {label}": gap for label, gap in loss_gaps.items()}
        | {f"training accuracy, {label}": share for label, share in seen.items()}
        | {f"test accuracy, {label}": share for label, share in other.items()},
    )


def draw_overfitting(trials: Trials) -> Figure:
    """Draw the accuracies on training rows and on test rows, and the gaps between them."""
    from minnet.experiments import charts

    figure, (left, right) = charts.side_by_side(["Accuracy", "Gap"], share_y=False)
    values = {
        f"{_short(label)}, {rows}": [last(trial, curve) for trial in trials[label]]
        for label in COMPARED
        for rows, curve in (("training", "train_accuracy"), ("test", "val_accuracy"))
    }
    charts.by_label(values, xlabel="accuracy", reference={"a guess": GUESS["accuracy"]}, ax=left)
    left.set_xlim(0, 1)
    gaps = {_short(label): [accuracy_gap(trial) for trial in trials[label]] for label in COMPARED}
    charts.by_label(gaps, xlabel="training minus test", reference={"none": 0.0}, ax=right)
    return figure


def _short(label: str) -> str:
    return label.removeprefix("the ").removesuffix(" network")


def accuracy_gap(trial: Trial) -> float:
    """Return how much higher the accuracy is on training rows than on test rows, at the end."""
    return last(trial, "train_accuracy") - accuracy(trial)


def _ends(trials: Trials, curve: str) -> dict[str, Interval]:
    return {label: mean(last(trial, curve) for trial in trials[label]) for label in COMPARED}


CLAIMS: tuple[Claim, ...] = (
    Claim(
        number=8,
        article="001",
        says="With vanishing gradients training is slow and ends at a suboptimal solution.",
        measured="Training loss of the sick network, after as many epochs as the healed network "
        "(ReLU, He, BatchNorm, skip connections) was trained for, and after all of its own, which "
        "are more; each minus the healed network's. Test accuracies are told.",
        rule="Slow: after equally many epochs training loss is higher than the healed network's. "
        "Suboptimal: it is still higher after all epochs. Differences are taken seed by seed, and "
        "the whole 95% interval must lie above 0. Holds if both are so; holds only of the one that "
        "is; fails if both intervals lie below 0; more seeds are needed otherwise.",
        setups=COMPARED,
        judge=judge_slowness,
        draw=draw_slowness,
    ),
    Claim(
        number=9,
        article="001",
        says="Vanishing gradients contribute to overfitting.",
        measured=f"Accuracy on the first {EVALUATED} training rows minus that on the test rows, of "
        "the sick network minus the healed one. The sick one was trained for more epochs, which "
        "widens its gap and so speaks for the claim. The same of the loss, the other way round, is "
        "told.",
        rule="Holds if the sick network's gap is wider, seed by seed, with the whole 95% interval "
        "of the difference above 0; fails if the whole interval lies below 0; more seeds are "
        "needed otherwise.",
        setups=COMPARED,
        judge=judge_overfitting,
        draw=draw_overfitting,
    ),
)

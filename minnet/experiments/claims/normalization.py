"""Claims on batch normalization: faster, better, and easier to set up (article 003)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from minnet.experiments.claims.claim import Claim, Finding, Trials
from minnet.experiments.claims.robustness import PAIR, more
from minnet.experiments.claims.verdicts import (
    accuracy,
    guess,
    opposite,
    percent,
    points,
    settled,
    sided,
    unsettled,
    verdict_of_parts,
)
from minnet.experiments.intervals import Interval, mean
from minnet.experiments.trial import Trial

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# 16. BatchNorm converges faster.

GOAL = 0.97  # test accuracy, which the network surpasses by about one point in the end


def epochs_to_goal(trial: Trial) -> float:
    """Return after how many epochs the goal is reached; if never, one more than were trained."""
    curve = trial.curves["val_accuracy"]
    if not _reaches(trial):
        return 1.0 + max(len(curve), trial.setup.epochs)
    return 1.0 + next(epoch for epoch, share in enumerate(curve) if share >= GOAL)


def _reaches(trial: Trial) -> bool:
    return best(trial) >= GOAL


def seconds_per_epoch(runs: Sequence[Trial]) -> float:
    """Return what an epoch takes when least else is going on: the least of the trials' medians.

    0 if no epoch was trained.
    """
    medians = [float(np.median(its)) for trial in runs if (its := trial.curves["seconds"])]
    return min(medians, default=0.0)


def judge_speed(trials: Trials) -> Finding:
    """Judge claim 16: epochs until the goal is reached; and what seconds they make."""
    epochs, seconds = _each(trials, epochs_to_goal), _seconds(trials)
    fewer = more(trials, epochs_to_goal)
    an_epoch = {label: seconds_per_epoch(trials[label]) for label in PAIR}
    told = (f"{label} after {epochs[label]} epochs" for label in PAIR)
    took = (f"{label} {mean(seconds[label])}, of {an_epoch[label]:.3g} an epoch" for label in PAIR)
    never = {label: sum(not _reaches(trial) for trial in trials[label]) for label in PAIR}
    lacking = ", ".join(f"{count} {label}" for label, count in never.items() if count)
    return Finding(
        verdict=settled(opposite(sided(fewer))),
        number=fewer,
        what=f"epochs to {GOAL:.0%} test accuracy, with BatchNorm minus without",
        because=f"{GOAL:.0%} of the test rows are right {' and '.join(told)}."
        + (f" Trainings that never get there: {lacking}." if lacking else "")
        + f" In seconds that makes {' and '.join(took)}: the least median of all trainings, since "
        "what else the machine does would be measured otherwise.",
        numbers={"epochs, with minus without": fewer}
        | {f"epochs, {label}": number for label, number in epochs.items()}
        | {f"seconds, {label}": mean(its) for label, its in seconds.items()},
    )


def _seconds(trials: Trials) -> dict[str, list[float]]:
    """Return the epochs to the goal as seconds, each epoch at the same price."""
    return {
        label: [epochs_to_goal(trial) * seconds_per_epoch(trials[label]) for trial in trials[label]]
        for label in PAIR
    }


def draw_speed(trials: Trials) -> Figure:
    """Draw test accuracies epoch by epoch, and the epochs to the goal."""
    from minnet.experiments import charts

    figure, (left, right) = charts.side_by_side(
        ["Test accuracy", f"Epochs to {GOAL:.0%}"], share_y=False
    )
    charts.by_setting(
        {label: _by_epoch(trials[label]) for label in PAIR},
        xlabel="epoch", ylabel="test accuracy", log_x=False, ax=left,
    )  # fmt: skip
    epochs = {label: [epochs_to_goal(trial) for trial in trials[label]] for label in PAIR}
    charts.by_label(epochs, xlabel="epochs of training", ax=right)
    right.set_xlim(left=0)
    left.set_ylim(max(left.get_ylim()[0], 0), 1)
    return figure


def _by_epoch(runs: Sequence[Trial]) -> dict[float, list[float]]:
    """Return the test accuracies after each epoch; what broke off guesses from then on."""
    epochs = max(1, *(len(trial.curves["val_accuracy"]) for trial in runs))
    padded = [trial.curves["val_accuracy"] + [guess("accuracy")] * epochs for trial in runs]
    return {1.0 + epoch: [curve[epoch] for curve in padded] for epoch in range(epochs)}


# 17. And reaches a higher accuracy.


def best(trial: Trial) -> float:
    """Return the highest test accuracy of any epoch."""
    return max(trial.curves["val_accuracy"], default=guess("accuracy"))


def judge_accuracy(trials: Trials) -> Finding:
    """Judge claim 17: test accuracy at the end, and at its best, pair by pair."""
    gains = {"at the end": more(trials, accuracy), "in the best epoch": more(trials, best)}
    higher = {when: sided(gain) for when, gain in gains.items()}
    ends, bests = _each(trials, accuracy), _each(trials, best)
    jitter = _each(trials, _jitter)
    told = " and ".join(
        f"{label} {percent(ends[label])} at the end, {percent(bests[label])} in its best epoch"
        for label in PAIR
    )
    gain = gains["at the end"]
    return Finding(
        verdict=verdict_of_parts(higher, "accuracy is read", "and"),
        number=gain,
        what="test accuracy at the end, with BatchNorm minus without",
        because=f"Test accuracy is {told}. At the end the difference is {points(gain)}, while from "
        "epoch to epoch of one training accuracy goes up and down by "
        f"{100 * jitter['without BatchNorm'].value:.2f} points without and "
        f"{100 * jitter['with BatchNorm'].value:.2f} with it." + unsettled(higher),
        numbers={f"with minus without, {when}": number for when, number in gains.items()}
        | {f"accuracy at the end, {label}": share for label, share in ends.items()}
        | {f"accuracy in the best epoch, {label}": share for label, share in bests.items()}
        | {f"std over the last epochs, {label}": std for label, std in jitter.items()},
    )


def draw_accuracy(trials: Trials) -> Figure:
    """Draw test accuracies at the end and in the best epoch."""
    from minnet.experiments import charts

    figure, panels = charts.side_by_side(["After the last epoch", "In the best epoch"])
    for ax, number in zip(panels, (accuracy, best), strict=True):
        values = {label: [number(trial) for trial in trials[label]] for label in PAIR}
        charts.by_label(values, xlabel="test accuracy", ax=ax)
    low, high = (limit(ax.get_xlim()[i] for ax in panels) for i, limit in ((0, min), (1, max)))
    for ax in panels:
        ax.set_xlim(max(low, 0), min(high, 1))
    return figure


LAST = 5  # epochs, in which the accuracy hardly rises any more


def _jitter(trial: Trial) -> float:
    curve = trial.curves["val_accuracy"][-LAST:]
    return float(np.std(curve)) if curve else 0.0


def _each(trials: Trials, number: Callable[[Trial], float]) -> dict[str, Interval]:
    """Return the means of a number without and with BatchNorm."""
    return {label: mean(map(number, trials[label])) for label in PAIR}


CLAIMS: tuple[Claim, ...] = (
    Claim(
        number=16,
        article="003",
        says="With BatchNorm training converges faster.",
        measured=f"Epochs until {GOAL:.0%} of the test rows are right; where that is never "
        "reached, one epoch more than were trained. Seconds are told: those epochs at the median "
        "price of one in the training where that was least, since trainings of the same network "
        "differ in seconds by what else the machine does.",
        rule="Holds if with BatchNorm fewer epochs are needed, seed by seed, with the whole 95% "
        "interval of the difference; fails if more are; needs more seeds otherwise. Seconds do not "
        "decide.",
        setups=PAIR,
        judge=judge_speed,
        draw=draw_speed,
    ),
    Claim(
        number=17,
        article="003",
        says="With BatchNorm a higher validation accuracy is reached.",
        measured="Test accuracy after the last epoch, and in the best one (which was chosen by "
        "the same rows), with BatchNorm minus without.",
        rule="Holds if both are higher with BatchNorm, seed by seed, with the whole 95% interval "
        "of the difference; holds only where accuracy is read as the one that is, and says so if "
        "more seeds may show the other; fails if both are lower, with the whole interval; needs "
        "more seeds otherwise.",
        setups=PAIR,
        judge=judge_accuracy,
        draw=draw_accuracy,
    ),
)

"""Claims 16 to 18, on batch normalization: faster, better, easier to set up (article 003)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from minnet.experiments import charts
from minnet.experiments.batchnorm import WITHOUT
from minnet.experiments.claims.claim import Bound, Claim, Finding, Trials
from minnet.experiments.claims.figures import Panel, draw_panel, draw_rows, drawn
from minnet.experiments.claims.quantities import GUESS, accuracy, loss_gap, means, named, paired
from minnet.experiments.claims.text import counted, points
from minnet.experiments.claims.verdicts import above, below, outcome, verdict
from minnet.experiments.intervals import Interval, mean, share
from minnet.experiments.trial import Trial
from minnet.validation import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BARE, NORMED = "without BatchNorm", "with BatchNorm"
PAIR = {BARE: WITHOUT, NORMED: WITHOUT.but(batchnorm=True)}

# 16. BatchNorm converges faster.

GOAL = 0.97  # test accuracy; training ends about one point above it


def epochs_to_goal(trial: Trial) -> float:
    """Return the epochs until the goal; for a censored training, the least possible number.

    A training is censored if it does not reach the goal: it needs more epochs than it was trained.
    """
    curve = trial.curves["val_accuracy"]
    reached = [epoch for epoch, value in enumerate(curve, 1) if value >= GOAL]
    return float(min(reached, default=max(len(curve), trial.setup.epochs) + 1))


def censored(trial: Trial) -> bool:
    """Return whether the training does not reach the goal."""
    return best(trial) < GOAL


def judge_speed(trials: Trials) -> Finding:
    """Judge claim 16: the epochs until the goal."""
    fewer = paired(trials[NORMED], trials[BARE], epochs_to_goal)
    count = {label: sum(map(censored, trials[label])) for label in PAIR}
    relation = "" if all(count.values()) else "at least" if count[NORMED] else "at most"
    epochs, seconds, price = {}, {}, {}
    for label, runs in trials.items():
        medians = [float(np.median(run.curves["seconds"])) for run in runs if run.curves["seconds"]]
        price[label] = min(medians, default=math.nan)
        epochs[label] = mean(map(epochs_to_goal, runs))
        seconds[label] = mean(epochs_to_goal(run) * price[label] for run in runs)
    epochs, seconds = (_bounded(of, "at least", count) for of in (epochs, seconds))
    missed = ", ".join(f"{n} of {fewer.n} {label}" for label, n in count.items() if n)
    limit = counted(trials[BARE][0].setup.epochs, "epoch")
    parts = {"the number of epochs": below(fewer)}
    name = f"epochs to {GOAL:.0%} test accuracy"
    result = f"{name}, with minus without BatchNorm"
    difference = _bounded({result: fewer}, relation, {result: sum(count.values())})
    return Finding(
        verdict=verdict(parts, ""),
        result=result,
        reason=f"It takes {epochs[BARE]} epochs without and {epochs[NORMED]} with BatchNorm."
        + (f" Censored trainings, which need more than {limit}: {missed}." if missed else "")
        + f" An epoch takes {price[BARE]:.3g} s without and {price[NORMED]:.3g} s with BatchNorm, "
        "the least median of all trainings, since other processes slow some of them down.",
        numbers=difference | named(name, epochs) | named("seconds for these epochs", seconds),
        parts=parts,
    )


def _bounded(
    intervals: Mapping[str, Interval], relation: str, censored: Mapping[str, int]
) -> dict[str, Interval]:
    """Return means that include censored seeds as bounds; without a relation they are unknown."""
    nan = math.nan
    return {
        label: Bound(of.value if relation else nan, nan, nan, of.n, relation, censored[label])
        if censored[label]
        else of
        for label, of in intervals.items()
    }


def draw_speed(trials: Trials) -> Figure:
    """Draw test accuracies by epoch, and the epochs until the goal of uncensored trainings."""
    titles = ["Test accuracy", f"Epochs to {GOAL:.0%}"]
    figure, (left, right) = charts.side_by_side(titles, share_y=False)
    length = max(1, *(len(run.curves["val_accuracy"]) for runs in trials.values() for run in runs))
    curves: dict[str, dict[float, list[float]]] = {}
    epochs = {}
    for label, runs in trials.items():
        padded = [run.curves["val_accuracy"] + [math.nan] * length for run in runs]
        curves[label] = {epoch + 1.0: [curve[epoch] for curve in padded] for epoch in range(length)}
        count = sum(map(censored, runs))
        note = f" ({count} of {len(runs)} need more than {runs[0].setup.epochs})" if count else ""
        epochs[label + note] = [math.nan if censored(run) else epochs_to_goal(run) for run in runs]
    charts.by_setting(curves, xlabel="epoch", ylabel="test accuracy", log_x=False, ax=left)
    charts.by_label(epochs, xlabel="epochs of training", ax=right)
    right.set_xlim(left=0)
    left.set_ylim(max(left.get_ylim()[0], 0), 1)
    return figure


# 17. And reaches a higher accuracy.

LAST = 5  # epochs, in which the accuracy hardly rises


def best(trial: Trial) -> float:
    """Return the highest test accuracy of any epoch."""
    return max(trial.curves["val_accuracy"], default=GUESS["accuracy"])


def judge_accuracy(trials: Trials) -> Finding:
    """Judge claim 17: test accuracy at the end and in the best epoch."""
    bare, normed = (trials[label] for label in PAIR)
    at = {"at the end": accuracy, "in the best epoch": best}
    gains = {when: paired(normed, bare, quantity) for when, quantity in at.items()}
    parts = {when: above(gain) for when, gain in gains.items()}
    curves = {
        label: [run.curves["val_accuracy"][-LAST:] for run in trials[label]] for label in PAIR
    }
    jitter = {label: mean(float(np.std(c)) for c in curves[label] if c) for label in PAIR}
    return Finding(
        verdict=verdict(parts, "accuracy is measured {}"),
        result="test accuracy, with minus without BatchNorm, at the end",
        reason=f"BatchNorm adds {points(gains['at the end'])} at the end and "
        f"{points(gains['in the best epoch'])} in the best epoch. Within one training the accuracy "
        f"of the last {LAST} epochs has a std of {100 * jitter[BARE].value:.2f} points without and "
        f"{100 * jitter[NORMED].value:.2f} with BatchNorm.",
        numbers=named("test accuracy, with minus without BatchNorm", gains)
        | named("test accuracy at the end", means(trials, accuracy))
        | named("test accuracy in the best epoch", means(trials, best))
        | named("std over the last epochs", jitter),
        parts=parts,
    )


def draw_accuracy(trials: Trials) -> Figure:
    """Draw test accuracies at the end and in the best epoch."""
    panels = [
        Panel("After the last epoch", accuracy, "test accuracy"),
        Panel("In the best epoch", best, "test accuracy"),
    ]
    return draw_rows(trials, panels, share_x=True)


# 18. And is easier to set up, in four parts.

RATES = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
SCALES = (0.1, 0.3, 1.0, 3.0, 10.0)
BATCHES = (32, 128, 512, 2048)
FEW, MANY = BATCHES[0], BATCHES[-1]
LR, WEIGHTS, BATCH, WHOLE = "lr", "initial weights, times", "batch size", "all epochs"
SWEEPS: dict[str, tuple[str, tuple[float, ...]]] = {
    LR: ("lr", RATES), WEIGHTS: ("weight_scale", SCALES), BATCH: ("batch_size", BATCHES),
}  # fmt: skip
# Three epochs each. Batch sizes are trained for equally many steps, an epoch of the smallest.
SETUPS = {
    f"{sweep} {value:g}, {label}": setup.but(
        epochs=int(value) // FEW if sweep == BATCH else 3, **{field: value}
    )
    for sweep, (field, values) in SWEEPS.items()
    for value in values
    for label, setup in PAIR.items()
} | {f"{WHOLE}, {label}": setup for label, setup in PAIR.items()}
COST = 0.02  # of accuracy; a learning rate that costs more than this is too high
ALIKE = 0.005  # of accuracy; the sampling error of ten thousand test rows


def judge_robustness(trials: Trials) -> Finding:
    """Judge claim 18 by its four parts."""
    shown, possible = zip(*(rates_in_use(trials, label) for label in PAIR), strict=True)
    spread = {label: np.ptp(_accuracies(trials, WEIGHTS, label), axis=0) for label in PAIR}
    narrower = share(spread[NORMED] < spread[BARE])
    whole = {label: trials[f"{WHOLE}, {label}"] for label in PAIR}
    smaller = paired(whole[BARE], whole[NORMED], loss_gap)
    added = _accuracies(trials, BATCH, NORMED) - _accuracies(trials, BATCH, BARE)
    change = mean(added[-1] - added[0])
    alike = bool(above(change, -ALIKE) and below(change, ALIKE))
    parts = {
        "a higher learning rate": outcome(
            shown=shown[1] > possible[0], refuted=possible[1] <= shown[0]
        ),
        "sensitivity to the initial weights": above(narrower, 0.5),
        "regularization": above(smaller),
        "batch size": outcome(shown=above(change) is not None, refuted=alike),
    }
    result = "share of seeds whose accuracy depends less on the initial weights with BatchNorm"
    return Finding(
        verdict=verdict(parts, "the statement is restricted to {}"),
        result=result,
        reason=f"The highest learning rate that costs less than {100 * COST:g} points is "
        f"{shown[0]:g} without and {shown[1]:g} with BatchNorm. For initial weights "
        f"{SCALES[0]:g} to {SCALES[-1]:g} times as large the range of accuracies has a median of "
        f"{100 * float(np.median(spread[BARE])):.2f} points without and "
        f"{100 * float(np.median(spread[NORMED])):.2f} with BatchNorm.",
        numbers=named("range of accuracies", {k: mean(v) for k, v in spread.items()})
        | {result: narrower}
        | named("test loss minus training loss", means(whole, loss_gap))
        | {"test loss minus training loss, without minus with BatchNorm": smaller}
        | {
            f"accuracy added at batch size {size}": mean(gains)
            for size, gains in zip(BATCHES, added, strict=True)
        }
        | {f"accuracy added at batch size {MANY} minus at {FEW}": change}
        | named("test accuracy", means(trials, accuracy)),
        parts=parts,
    )


def rates_in_use(trials: Trials, label: str) -> tuple[float, float]:
    """Return the highest learning rate that is shown to cost little, and that may cost little.

    The cost of a rate is the accuracy of the best rate minus its own, paired by seed.
    """
    found = _accuracies(trials, LR, label)
    best_rate = max(range(len(RATES)), key=lambda place: mean(found[place]).value)
    costly = [above(mean(found[best_rate] - accuracies), COST) for accuracies in found]
    costly[best_rate] = False
    shown = max(rate for rate, cost in zip(RATES, costly, strict=True) if cost is False)
    return shown, max(rate for rate, cost in zip(RATES, costly, strict=True) if not cost)


def _accuracies(trials: Trials, sweep: str, label: str) -> Array:
    """Return the test accuracies of a sweep, (values, seeds)."""
    values = SWEEPS[sweep][1]
    runs = (trials[f"{sweep} {value:g}, {label}"] for value in values)
    return np.array([list(map(accuracy, by_seed)) for by_seed in runs])


def draw_robustness(trials: Trials) -> Figure:
    """Draw the accuracies over the three settings, and the gaps in loss."""
    epochs = trials[f"{WHOLE}, {BARE}"][0].setup.epochs
    titles = ["Learning rate", "Initial weights", "Batch size", f"After {epochs} epochs"]
    figure, panels = charts.side_by_side(titles, share_y=False)
    accuracies = drawn(trials, accuracy)
    for ax, (sweep, (_, settings)) in zip(panels, SWEEPS.items(), strict=False):
        values = {
            label: {value: accuracies[f"{sweep} {value:g}, {label}"] for value in settings}
            for label in PAIR
        }
        charts.by_setting(values, xlabel=sweep, ylabel="test accuracy", ax=ax)
        low, high = ax.get_ylim()
        ax.set_ylim(max(low, 0), min(high, 1))
    whole = {label: trials[f"{WHOLE}, {label}"] for label in PAIR}
    draw_panel(panels[-1], whole, Panel("", loss_gap, "test loss minus training loss"))
    return figure


CLAIMS = (
    Claim(
        number=16,
        article="003",
        statement="With BatchNorm training converges faster.",
        measured=f"Epochs until {GOAL:.0%} test accuracy. A training that does not reach it is "
        "censored: it counts as one epoch more than it was trained, the least possible, and means "
        "that include it are bounds. Seconds are reported as these epochs times the median seconds "
        "of an epoch in the fastest training.",
        rule="With BatchNorm fewer epochs are needed. Seconds do not count.",
        setups=PAIR,
        judge=judge_speed,
        draw=draw_speed,
    ),
    Claim(
        number=17,
        article="003",
        statement="With BatchNorm a higher validation accuracy is reached.",
        measured="Test accuracy after the last epoch, and in the best epoch (chosen by the same "
        "rows), with BatchNorm minus without.",
        rule="Two parts: with BatchNorm the accuracy is higher at the end, and in the best epoch.",
        setups=PAIR,
        judge=judge_accuracy,
        draw=draw_accuracy,
    ),
    Claim(
        number=18,
        article="003",
        statement="BatchNorm allows a higher learning rate, is less sensitive to initialization, "
        "regularizes, and depends on the batch size.",
        measured="With and without BatchNorm: test accuracy over learning rates "
        f"{RATES[0]:g} to {RATES[-1]:g}, initial weights {SCALES[0]:g} to {SCALES[-1]:g} times as "
        f"large, and batch sizes {FEW} to {MANY}, with equally many steps each (so large batches "
        "use each row more often, which may contribute to the difference); test loss minus "
        "training loss after the article's epochs.",
        rule="Four parts. Learning rate: a rate is in use if its accuracy is less than "
        f"{100 * COST:g} points below that of the best rate; the highest rate shown to be in use "
        "with BatchNorm is higher than any that may be without. Initialization: in more than half "
        "of the seeds accuracy differs less between the best and the worst scale. Regularization: "
        "test loss exceeds training loss by less. Batch size: BatchNorm adds more or less accuracy "
        f"in batches of {MANY} than of {FEW}; not so if the difference lies within {100 * ALIKE:g} "
        "points.",
        setups=SETUPS,
        judge=judge_robustness,
        draw=draw_robustness,
    ),
)

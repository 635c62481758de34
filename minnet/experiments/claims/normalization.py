"""Claims 16 to 18, on speed, accuracy and robustness with batch normalization (article 003)."""

import math
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest

import numpy as np

from minnet.experiments import charts
from minnet.experiments.batchnorm import TARGET, WITHOUT, epochs_to_target
from minnet.experiments.claims.claim import Claim, Finding, lines, named, panel, rows
from minnet.experiments.claims.verdicts import above, below, counted, outcome, points
from minnet.experiments.intervals import Interval, mean, share
from minnet.experiments.readings import accuracy, difference, last, means
from minnet.experiments.trial import Trial, Trials
from minnet.validation import Array

_claim = partial(Claim, article="003")
BARE, NORMED = "without BatchNorm", "with BatchNorm"
PAIR = {BARE: WITHOUT, NORMED: WITHOUT.but(batchnorm=True)}
# The accuracies of the last epochs are about one point above TARGET.


def epochs_needed(trial: Trial) -> float:
    """Return the epochs until TARGET; for a censored training, the smallest possible number.

    A training is censored if it does not reach TARGET: it needs more epochs than it was trained.
    """
    curve = trial.curves["val_accuracy"]
    return float(epochs_to_target(curve) or max(len(curve), trial.setup.epochs) + 1)


def best(trial: Trial) -> float:
    """Return the highest test accuracy of any epoch."""
    return max(trial.curves["val_accuracy"], default=accuracy(trial))


def censored(trial: Trial) -> bool:
    """Return whether the training does not reach TARGET."""
    return best(trial) < TARGET


@dataclass(frozen=True)
class Bound(Interval):
    """A bound of a mean over seeds, used if only bounds of the censored seeds are known.

    ``relation`` is "at least" or "at most", or empty if the mean is unknown (``value`` is NaN).
    """

    relation: str
    censored: int

    def __str__(self) -> str:
        return f"{self.relation} {self.value:.4g}" if self.relation else "not measured"


def bounded(interval: Interval, relation: str, count: int) -> Interval:
    """Return the mean, as a bound if seeds are censored; NaN without a relation."""
    if not count:
        return interval
    value = interval.value if relation else math.nan
    return Bound(value, math.nan, math.nan, interval.n, relation, count)


def curves(trials: Trials) -> dict[str, dict[float, list[float]]]:
    """Return the test accuracies by label, epoch and seed; NaN after a training diverged."""
    values = {}
    for label, runs in trials.items():
        by_seed = [run.curves["val_accuracy"] or [math.nan] for run in runs]
        by_epoch = zip_longest(*by_seed, fillvalue=math.nan)
        values[label] = {float(epoch): list(seeds) for epoch, seeds in enumerate(by_epoch, 1)}
    return values


def uncensored(trials: Trials) -> dict[str, list[float]]:
    """Return the epochs until TARGET, NaN if censored; labels include the number of NaN."""
    epochs = {}
    for label, runs in trials.items():
        count = sum(map(censored, runs))
        note = f" ({count} of {len(runs)} need more than {runs[0].setup.epochs})" if count else ""
        epochs[label + note] = [math.nan if censored(run) else epochs_needed(run) for run in runs]
    return epochs


@partial(
    _claim,
    number=16,
    statement="With BatchNorm training converges faster.",
    measured=f"Epochs until {TARGET:.0%} test accuracy. A training that does not reach it is "
    "censored: it counts as one epoch more than it was trained, which is the smallest possible "
    "number. A mean that includes it is a bound. The seconds of an epoch are reported.",
    rule="With BatchNorm fewer epochs are needed. Seconds do not count.",
    setups=PAIR,
    panels=[
        panel(
            "Test accuracy", charts.by_setting, curves, xlabel="epoch", ylabel="test accuracy",
            log_x=False, limits={"ylim": (None, 1)},
        ),
        panel(
            f"Epochs to {TARGET:.0%}", charts.by_label, uncensored, xlabel="epochs of training",
            limits={"xlim": (0, None)},
        ),
    ],
    share_y=False,
)  # fmt: skip
def speed(trials: Trials) -> Finding:
    """Measure the epochs until TARGET."""
    fewer = difference(trials, NORMED, BARE, epochs_needed)
    count = {label: sum(map(censored, trials[label])) for label in PAIR}
    relation = "" if all(count.values()) else "at least" if count[NORMED] else "at most"
    epochs, seconds = {}, {}
    for label, runs in trials.items():
        epochs[label] = bounded(mean(map(epochs_needed, runs)), "at least", count[label])
        medians = [float(np.median(run.curves["seconds"])) for run in runs if run.curves["seconds"]]
        seconds[label] = min(medians, default=math.nan)
    missed = ", ".join(f"{n} of {fewer.n} {label}" for label, n in count.items() if n)
    limit = counted(trials[BARE][0].setup.epochs, "epoch")
    name = f"epochs to {TARGET:.0%} test accuracy"
    result = f"{name}, with minus without BatchNorm"
    return Finding(
        result=result,
        reason=f"Training needs {epochs[BARE]} epochs without and {epochs[NORMED]} with BatchNorm."
        + (f" Censored trainings, which need more than {limit}: {missed}." if missed else "")
        + f" An epoch takes {seconds[BARE]:.3g} s without and {seconds[NORMED]:.3g} s with "
        "BatchNorm. This is the smallest of the trainings' medians, because other processes slow "
        "some trainings down.",
        numbers={result: bounded(fewer, relation, sum(count.values()))} | named(name, epochs),
        parts={"the number of epochs": below(fewer)},
    )


LAST = 5  # final epochs, in which the accuracy hardly rises
ENDS = {"at the end": accuracy, "in the best epoch": best}


@partial(
    _claim,
    number=17,
    statement="With BatchNorm a higher validation accuracy is reached.",
    measured="Test accuracy after the last epoch, and in the best epoch (chosen on the same "
    "rows), with BatchNorm minus without.",
    rule="Two parts: with BatchNorm the accuracy is higher at the end, and in the best epoch.",
    setups=PAIR,
    panels=[
        rows("After the last epoch", accuracy, "test accuracy"),
        rows("In the best epoch", best, "test accuracy"),
    ],
)
def higher_accuracy(trials: Trials) -> Finding:
    """Compare the test accuracy at the end and in the best epoch."""
    gains = {when: difference(trials, NORMED, BARE, quantity) for when, quantity in ENDS.items()}
    jitter = {}
    for label, runs in trials.items():
        ends = [run.curves["val_accuracy"][-LAST:] for run in runs]
        jitter[label] = mean(float(np.std(end)) for end in ends if end)
    return Finding(
        result="test accuracy, with minus without BatchNorm, at the end",
        reason=f"BatchNorm adds {points(gains['at the end'])} at the end and "
        f"{points(gains['in the best epoch'])} in the best epoch. Within one training the accuracy "
        f"of the last {LAST} epochs has a std of {100 * jitter[BARE].value:.2f} points without and "
        f"{100 * jitter[NORMED].value:.2f} with BatchNorm.",
        numbers=named("test accuracy, with minus without BatchNorm", gains)
        | named("test accuracy at the end", means(trials, accuracy))
        | named("test accuracy in the best epoch", means(trials, best))
        | named("std over the last epochs", jitter),
        parts={when: above(gain) for when, gain in gains.items()},
        condition="accuracy is measured {}",
    )


RATES = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
SCALES = (0.1, 0.3, 1.0, 3.0, 10.0)
BATCHES = (32, 128, 512, 2048)
FEW, MANY = BATCHES[0], BATCHES[-1]
LR, WEIGHTS, BATCH, WHOLE = "lr", "initial weights, factor", "batch size", "all epochs"
SWEEPS: dict[str, tuple[str, str, tuple[float, ...]]] = {  # -> title, setting and its values
    LR: ("Learning rate", "lr", RATES),
    WEIGHTS: ("Initial weights", "weight_scale", SCALES),
    BATCH: ("Batch size", "batch_size", BATCHES),
}
BY_VALUE = {
    sweep: {label: {value: f"{sweep} {value:g}, {label}" for value in values} for label in PAIR}
    for sweep, (_, _, values) in SWEEPS.items()
}
# Three epochs each. Batch sizes are trained for equally many steps, an epoch of the smallest.
SETUPS = {
    BY_VALUE[sweep][label][value]: setup.but(
        epochs=int(value) // FEW if sweep == BATCH else 3, **{setting: value}
    )
    for sweep, (_, setting, values) in SWEEPS.items()
    for value in values
    for label, setup in PAIR.items()
} | {f"{WHOLE}, {label}": setup for label, setup in PAIR.items()}
ENTIRE = f"{WHOLE}, {BARE}", f"{WHOLE}, {NORMED}"
COST = 0.02  # of accuracy; a learning rate that costs more than this is too high
ALIKE = 0.005  # of accuracy; the sampling error of ten thousand test rows


def loss_gap(trial: Trial) -> float:
    """Return test loss minus training loss after training."""
    return last(trial, "val_loss") - last(trial, "train_loss")


def usable_rates(trials: Trials, label: str) -> tuple[float, float]:
    """Return the highest rate that is shown to be usable, and the highest that may be usable.

    The cost of a learning rate is the accuracy of the best rate minus its accuracy, paired by seed.
    """
    by_rate = accuracies(trials, LR, label)
    highest = int(np.argmax([mean(by_seed).value for by_seed in by_rate]))
    costly = [above(mean(by_rate[highest] - by_seed), COST) for by_seed in by_rate]
    costly[highest] = False
    shown = max(rate for rate, cost in zip(RATES, costly, strict=True) if cost is False)
    return shown, max(rate for rate, cost in zip(RATES, costly, strict=True) if not cost)


def accuracies(trials: Trials, sweep: str, label: str) -> Array:
    """Return the test accuracies of a sweep, (values, seeds)."""
    labels = BY_VALUE[sweep][label].values()
    return np.array([list(map(accuracy, trials[label])) for label in labels])


@partial(
    _claim,
    number=18,
    statement="BatchNorm allows a higher learning rate, is less sensitive to initialization, "
    "regularizes, and depends on the batch size.",
    measured="Test accuracy with and without BatchNorm, for learning rates "
    f"{RATES[0]:g} to {RATES[-1]:g}, initial weights {SCALES[0]:g} to {SCALES[-1]:g} times as "
    f"large, and batch sizes {FEW} to {MANY}. All batch sizes are trained for equally many steps, "
    "so large batches use each row more often, which may contribute to the difference. Test loss "
    "minus training loss after the article's epochs.",
    rule="Four parts. Learning rate: a rate is usable if its accuracy is less than "
    f"{100 * COST:g} points below that of the best rate; the highest rate shown to be usable with "
    "BatchNorm is higher than every rate that may be usable without. Initialization: in more than "
    "half of the seeds the range of accuracies over the scales is smaller with BatchNorm. "
    "Regularization: test loss exceeds training loss by less with BatchNorm. Batch size: BatchNorm "
    f"adds more or less accuracy in batches of {MANY} than of {FEW}, unless the difference lies "
    f"within {100 * ALIKE:g} points.",
    setups=SETUPS,
    panels=[
        *(
            lines(
                title, accuracy, BY_VALUE[sweep], xlabel=sweep, ylabel="test accuracy",
                limits={"ylim": (None, 1)},
            )
            for sweep, (title, *_) in SWEEPS.items()
        ),
        rows("After all epochs", loss_gap, "test loss minus training loss", labels=ENTIRE),
    ],
    share_y=False,
)  # fmt: skip
def robustness(trials: Trials) -> Finding:
    """Compare learning rates, initial weights, losses and batch sizes."""
    shown, possible = zip(*(usable_rates(trials, label) for label in PAIR), strict=True)
    spread = {label: np.ptp(accuracies(trials, WEIGHTS, label), axis=0) for label in PAIR}
    narrower = share(spread[NORMED] < spread[BARE])
    smaller = difference(trials, *ENTIRE, loss_gap)
    added = accuracies(trials, BATCH, NORMED) - accuracies(trials, BATCH, BARE)
    change = mean(added[-1] - added[0])
    result = "share of seeds whose accuracy depends less on the initial weights with BatchNorm"
    return Finding(
        result=result,
        reason=f"The highest learning rate that costs less than {100 * COST:g} points is "
        f"{shown[0]:g} without and {shown[1]:g} with BatchNorm. For initial weights "
        f"{SCALES[0]:g} to {SCALES[-1]:g} times as large the range of accuracies has a median of "
        f"{100 * float(np.median(spread[BARE])):.2f} points without and "
        f"{100 * float(np.median(spread[NORMED])):.2f} with BatchNorm.",
        numbers={result: narrower}
        | {"test loss minus training loss, without minus with BatchNorm": smaller}
        | {f"accuracy added at batch size {MANY} minus at {FEW}": change}
        | named("test accuracy", means(trials, accuracy)),
        parts={
            "a higher learning rate": outcome(
                shown=shown[1] > possible[0], refuted=possible[1] <= shown[0]
            ),
            "sensitivity to the initial weights": above(narrower, 0.5),
            "regularization": above(smaller),
            "batch size": outcome(
                shown=above(change) is not None,
                refuted=bool(above(change, -ALIKE) and below(change, ALIKE)),
            ),
        },
    )


CLAIMS = (speed, higher_accuracy, robustness)

"""Quantities of trials, their means over seeds, and predictions of gradients.

A training that diverged (NaN or infinity) counts as a network that guesses, so that a mean accuracy
or loss has a number for every seed. Reports state how many trainings diverged.
"""

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import accumulate
from typing import Any

import numpy as np

from minnet.experiments.intervals import Interval, geometric_mean, mean
from minnet.experiments.setup import IMAGES, Setup
from minnet.experiments.trial import Snapshot, Trial, Trials
from minnet.recording import StatisticsProbe

Quantity = Callable[[Trial], float]
Number = str | Callable[[Mapping[str, Any]], float]  # of a layer: its name, or computed from all
STAGES = {"before training": "start", "after training": "end"}  # -> attribute of a trial
BEFORE, AFTER = STAGES
TINY = float(np.finfo(np.float32).tiny)  # 1.18e-38; smaller numbers lose digits


def networks(trials: Iterable[Trial], stage: str) -> list[Snapshot]:
    """Return the networks before training or, of trainings that did not diverge, after it."""
    snapshots = (getattr(trial, STAGES[stage]) for trial in trials)
    return [snapshot for snapshot in snapshots if snapshot is not None]


def by_layer(trials: Sequence[Trial], stage: str, kind: str, number: Number) -> list[list[float]]:
    """Return a number of the "hidden" or "dense" layers: for each layer, a list over seeds.

    The number is NaN after a training that diverged.
    """
    read = operator.itemgetter(number) if isinstance(number, str) else number
    setup = trials[0].setup
    layers = range(len(setup.hidden) + (kind == "dense" and setup.output))
    snapshots = [getattr(trial, STAGES[stage]) for trial in trials]
    return [
        [float(read(network[kind][layer])) if network else math.nan for network in snapshots]
        for layer in layers
    ]


def of_network(
    stage: str, number: Callable[[Snapshot], float], diverged: float = math.nan
) -> Quantity:
    """Return a quantity: a number of the network at a stage, or ``diverged`` without a network."""

    def quantity(trial: Trial) -> float:
        network = getattr(trial, STAGES[stage])
        return float(number(network)) if network is not None else diverged

    return quantity


def guess(setup: Setup, quantity: str) -> float:
    """Return the "accuracy" or the "loss" of guessing among equally frequent classes.

    >>> guess(Setup(hidden=()), "accuracy"), round(guess(Setup(hidden=(), data="iris"), "loss"), 3)
    (0.1, 1.099)
    """
    classes = 10 if setup.data in IMAGES else 3  # of Iris
    return 1 / classes if quantity == "accuracy" else math.log(classes)


def last(trial: Trial, curve: str) -> float:
    """Return the last value of a curve, or that of guessing if the training diverged."""
    value = trial.last(curve)
    diverged = trial.stopped or not math.isfinite(value)
    return guess(trial.setup, curve.rpartition("_")[-1]) if diverged else value


accuracy: Quantity = partial(last, curve="val_accuracy")


def evenness_of(network: Snapshot) -> float:
    """Return the smaller of the first and last hidden layer's std over the larger.

    The result is 1 for equal stds, and 0 for a layer with constant output.
    """
    low, high = sorted(network["hidden"][layer]["std"] for layer in (0, -1))
    return float(low / high) if high else 0.0


evenness = of_network(AFTER, evenness_of, diverged=0.0)


def after(setup: Setup) -> str:
    """Return the length of a training as text.

    >>> after(Setup(hidden=(), epochs=1)), after(Setup(hidden=(), epochs=5))
    ('after an epoch', 'after 5 epochs')
    """
    return "after an epoch" if setup.epochs == 1 else f"after {setup.epochs} epochs"


def means(trials: Trials, quantity: Quantity) -> dict[str, Interval]:
    """Return the mean of a quantity over the seeds of each label."""
    return {label: mean(map(quantity, runs)) for label, runs in trials.items()}


def finite_mean(values: Iterable[float]) -> Interval:
    """Return the mean over the seeds that have a finite value."""
    return mean(value for value in values if math.isfinite(value))


def geometric_means(trials: Trials, quantity: Quantity) -> dict[str, Interval]:
    """Return the geometric mean over the seeds of each label where the quantity is not NaN."""
    return {
        label: geometric_mean(value for value in map(quantity, runs) if not math.isnan(value))
        for label, runs in trials.items()
    }


def difference(trials: Trials, one: str, other: str, quantity: Quantity) -> Interval:
    """Return the mean difference of a quantity between two labels, paired by seed."""
    pairs = zip(trials[one], trials[other], strict=True)
    return mean(quantity(a) - quantity(b) for a, b in pairs)


def ratio(trials: Trials, one: str, other: str, quantity: Quantity) -> Interval:
    """Return the ratio of a quantity between two labels, paired by seed, without NaN."""
    pairs = zip(trials[one], trials[other], strict=True)
    ratios = [over(quantity(a), quantity(b)) for a, b in pairs]
    return geometric_mean(value for value in ratios if not math.isnan(value))


def last_over_first(network: Snapshot) -> float:
    """Return the RMS of the last layer's weight gradient over that of the first layer's."""
    rms = [float(row["weight_grad_rms"]) for row in network["dense"]]
    return over(rms[-1], rms[0])


def gradient_ratio(stage: str, trials: Iterable[Trial]) -> Interval:
    """Return the geometric mean of `last_over_first` over the networks before or after training."""
    return geometric_mean(map(last_over_first, networks(trials, stage)))


def over(one: float, two: float) -> float:
    """Return one / two; a positive number over 0 is infinite, and 0 over 0 is nan."""
    if two == 0:
        return math.inf if one > 0 else math.nan
    return one / two


def attenuation(network: Snapshot, slope: float) -> list[float]:
    """Return the predicted factor of the gradient from each layer to the layer below.

    dy of layer k is (W dy) σ'(z), with W and dy of the layer above, which has n units. This is a
    sum of n terms with independent signs. So RMS(dy) is multiplied by σ' √(n Var W). ``slope`` is
    the RMS of σ': 1/4 for a sigmoid that is not saturated, √½ for a ReLU. The first factor is that
    from layer 2 to layer 1.

    >>> rows = [{"fan_out": 1000, "weight_rms": (3 * fan_in) ** -0.5} for fan_in in (784, 1000)]
    >>> [round(factor, 3) for factor in attenuation({"dense": rows}, 0.25)]
    [0.144]
    """
    above = network["dense"][1:]
    return [float(slope * np.sqrt(row["fan_out"]) * row["weight_rms"]) for row in above]


def predicted_gradients(network: Snapshot, slope: float, last: float) -> list[float]:
    """Return the predicted RMS(dy) of each layer, given that of the last layer."""
    factors = reversed(attenuation(network, slope))
    return [*accumulate(factors, operator.mul, initial=last)][::-1]


def gradient_limits(probes: Iterable[StatisticsProbe]) -> tuple[float, float]:
    """Return the range of log10 of all weight gradients' RMS, rounded to whole decades."""
    rms = np.concatenate([
        probe.series(layer, "weight_grad", "rms")[1]
        for probe in probes
        for layer in probe.layers_of("weight_grad")
    ])  # fmt: skip
    logs = np.log10(rms[(rms > 0) & np.isfinite(rms)])
    return float(np.floor(logs.min())), float(np.ceil(logs.max())) + 0.0  # not -0

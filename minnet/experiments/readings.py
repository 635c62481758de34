"""Values derived from trials: by layer and seed, ratios of gradients, and predictions."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from itertools import accumulate

import numpy as np

from minnet.experiments.intervals import Interval, geometric_mean
from minnet.experiments.setup import Setup
from minnet.experiments.trial import Snapshot, Trial
from minnet.recording import StatisticsProbe

BEFORE, AFTER = "before training", "after training"
TINY = float(np.finfo(np.float32).tiny)  # 1.18e-38; smaller numbers lose digits


def stages(trials: Sequence[Trial]) -> dict[str, list[Snapshot]]:
    """Return the networks before training and, of trainings that did not diverge, after it."""
    return {
        BEFORE: [trial.start for trial in trials if trial.start is not None],
        AFTER: [trial.end for trial in trials if trial.end is not None],
    }


def after(setup: Setup) -> str:
    """Return the length of a training as text.

    >>> after(Setup(hidden=(), epochs=1)), after(Setup(hidden=(), epochs=5))
    ('after an epoch', 'after 5 epochs')
    """
    return "after an epoch" if setup.epochs == 1 else f"after {setup.epochs} epochs"


def evenness(trial: Trial, when: str = "end") -> float:
    """Return the smaller of the first and last hidden layer's std over the larger.

    The result is 1 for equal stds, and 0 for a layer with constant output or a diverged training.
    """
    network = getattr(trial, when)
    if network is None:
        return 0.0
    low, high = sorted(network["hidden"][place]["std"] for place in (0, -1))
    return float(low / high) if high else 0.0


def by_layer(networks: Iterable[Snapshot], kind: str, number: str) -> list[list[float]]:
    """Return a number of the "hidden" or "dense" layers: for each layer, a list over networks."""
    layers = zip(*(network[kind] for network in networks), strict=True)
    return [[float(row[number]) for row in rows] for rows in layers]


def weight_gradients(network: Snapshot) -> list[float]:
    """Return the RMS of each weight's gradient, from the first layer to the last."""
    return [float(row["weight_grad_rms"]) for row in network["dense"]]


def last_over_first(network: Snapshot) -> float:
    """Return the RMS of the last layer's weight gradient over that of the first layer's."""
    rms = weight_gradients(network)
    return over(rms[-1], rms[0])


def gradient_ratio(when: str, trials: Sequence[Trial]) -> Interval:
    """Return the geometric mean of `last_over_first` over the networks before or after training."""
    return geometric_mean(map(last_over_first, stages(trials)[when]))


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
    found = np.concatenate([
        probe.series(layer, "weight_grad", "rms")[1]
        for probe in probes
        for layer in probe.layers_of("weight_grad")
    ])  # fmt: skip
    logs = np.log10(found[(found > 0) & np.isfinite(found)])
    return float(np.floor(logs.min())), float(np.ceil(logs.max()))

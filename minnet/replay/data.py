"""Numbers of a recorded training that the replay page draws.

`read_run` returns nested dicts and lists with arrays in them, as `minnet.replay.packing.pack` takes
them. Series are shortened, so that the size of a page does not grow with the number of steps:
histograms of neighbouring steps are added, curves keep the smallest and the largest value of
neighbouring steps, and statistics keep every k-th step.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np

from minnet.history import History
from minnet.recording import (
    EDGES,
    FINITE,
    ZERO,
    Failure,
    HistogramProbe,
    StatisticsProbe,
)
from minnet.recording.recorder import Recorder
from minnet.validation import Array

SLOTS = 256  # histograms of a series
POINTS = 1024  # numbers of a curve
ACTIVITY = 15  # levels of the activity of a unit
UNITS = 256  # units of a layer whose activity is shown
LEVELS = 255  # largest height of a histogram on the page
KINDS = ("y", "dy")
# Layers whose output is shown as 'after the activation'.
AFTER = (
    "Sigmoid", "Tanh", "ReLU", "LeakyReLU", "PReLU", "ELU", "SiLU", "Swish", "GELU", "Softmax",
    "Dropout",
)  # fmt: skip
# Statistics by layer: the kind of array, and the name in a `StatisticsProbe`.
QUANTITIES = {
    "rms": ("dy", "rms"),
    "std": ("y", "std"),
    "zeros": ("y", "zeros"),
    "ratio": ("update", "ratio"),
    "dead": ("y", "dead"),
}
FROM_HISTOGRAMS = ("rms", "std", "zeros")
_LIMIT = float(np.finfo(np.float32).max)


def read_run(
    label: str,
    histograms: HistogramProbe | None,
    statistics: StatisticsProbe | None,
    history: History | None,
    findings: Iterable[Any],
) -> dict[str, Any]:
    """Return the numbers of one training."""
    probes = [probe for probe in (histograms, statistics) if probe is not None]
    layers = _layers(probes)
    names = [layer["name"] for layer in layers]
    rows = ridge_rows([layer["type"] for layer in layers])
    found = [_quantities(histograms, statistics)]
    if histograms is not None:
        after = [names[row[1]] for row in rows if row[1] >= 0]
        found += [_distributions(histograms), _activities(histograms, after)]
    series = [
        {"name": name, "layer": names.index(layer), **numbers}
        for name, layer, numbers in chain(*found)
    ]
    first = min((int(numbers["steps"][0]) for numbers in series), default=0)
    return {
        "label": label,
        "layers": layers,
        "rows": rows,
        "series": series,
        "curves": _curves(probes, history, first),
        "failure": next((_failure(p.failure) for p in probes if p.failure is not None), None),
        "findings": [_finding(finding) for finding in findings],
    }


def _layers(probes: Sequence[Recorder]) -> list[dict[str, Any]]:
    """Return name, type and number of units of each recorded layer, in the order of the network."""
    recorded = dict.fromkeys(name for probe in probes for name in probe.layers)
    known = {info.name: info for probe in probes for info in probe.network}
    ordered = [name for name in known if name in recorded]
    return [
        {
            "name": name,
            # A file of an older version has no types; a layer is named by its type and a number.
            "type": known[name].type if name in known else re.sub(r"^.*\.|\d+$", "", name),
            "units": known[name].out_features if name in known else None,
        }
        for name in [*ordered, *(name for name in recorded if name not in known)]
    ]


def ridge_rows(types: Sequence[str]) -> list[list[int]]:
    """Return the rows of the distributions: indices of three layers each, -1 for none.

    The first layer's output is shown before the activation, the second layer's output after it, and
    the gradient of the third.

    >>> ridge_rows(["Dense", "ReLU", "Dense"])
    [[0, 1, 1], [2, -1, 2]]
    """
    after = {known.lower() for known in AFTER}
    rows: list[list[int]] = []
    for index, kind in enumerate(types):
        if kind.lower() not in after:
            rows.append([index, -1, index])
        elif rows and rows[-1][1] == -1:
            rows[-1][1:] = index, index
        else:
            rows.append([-1, index, index])
    return rows


# Distributions.

Named = Iterator[tuple[str, str, dict[str, Any]]]  # name of the series, layer, numbers


def _distributions(histograms: HistogramProbe) -> Named:
    for kind in KINDS:
        for layer in histograms.layers_of(kind):
            yield kind, layer, _distribution(histograms, layer, kind)


def _distribution(histograms: HistogramProbe, layer: str, kind: str) -> dict[str, Any]:
    """Return the histograms of a layer and kind over the steps.

    ``bins`` are the indices of the bins of finite values other than 0 in which there is a value.
    The share of a bin is ``largest`` times (``heights`` / 255)^2, which differs from the recorded
    share by less than 0.004 times the largest share of the slot.
    """
    counts, zeros, nonfinite, steps = _counts(histograms, layer, kind)
    total = counts.sum(axis=1)
    finite = counts[:, FINITE].copy()
    finite[:, ZERO.start - FINITE.start : ZERO.stop - FINITE.start] = 0
    bins = np.flatnonzero(finite.any(axis=0))
    shares = finite[:, bins] / total[:, None]
    largest = shares.max(axis=1, initial=0.0)
    with np.errstate(invalid="ignore"):
        heights = np.nan_to_num(np.rint(LEVELS * np.sqrt(shares / largest[:, None])))
    low, high = _finite(histograms.quantile(layer, kind, [0.01, 0.99]))
    return {
        "steps": steps[:, 0].astype(np.int32),
        "ends": steps[:, 1].astype(np.int32),
        "bins": bins.astype(np.int32),
        "heights": heights.astype(np.uint8),
        "largest": largest.astype(np.float32),
        "zeros": (zeros / total).astype(np.float32),
        "nonfinite": (nonfinite / total).astype(np.float32),
        "low": low,
        "high": high,
        "small": _small(bins, finite[:, bins].sum(axis=0)),
    }


def _counts(histograms: HistogramProbe, layer: str, kind: str) -> tuple[Array, ...]:
    """Return counts (n, 2048), numbers of zeros and of non-finite values, and steps of n slots."""
    counts, steps = histograms.counts(layer, kind), histograms.steps(layer, kind)
    total = counts.sum(axis=1)
    nonfinite = histograms.nans(layer, kind) + sum(histograms.infinities(layer, kind))
    columns = [histograms.zeros(layer, kind) * total, nonfinite * total]
    merged, steps = merge(np.column_stack([counts, np.rint(columns).T.astype(int)]), steps, SLOTS)
    return merged[:, :-2], merged[:, -2], merged[:, -1], steps


def merge(counts: Array, steps: Array, most: int) -> tuple[Array, Array]:
    """Add the counts of neighbouring slots, so that at most this number of slots is left.

    >>> merge(np.array([[1], [2], [4]]), np.array([[0, 0], [1, 1], [2, 2]]), 2)
    (array([[3],
           [4]]), array([[0, 1],
           [2, 2]]))
    """
    starts = np.arange(0, len(counts), -(-len(counts) // most))
    ends = np.append(starts[1:], len(counts)) - 1
    merged = np.add.reduceat(counts, starts, axis=0)
    return merged, np.stack([steps[starts, 0], steps[ends, 1]], axis=1)


def _small(bins: Array, counts: Array) -> float:
    """Return the magnitude below which a quarter of the values lies."""
    if not bins.size:
        return 0.0
    magnitudes = np.minimum(np.abs(EDGES[bins]), np.abs(EDGES[bins + 1]))
    order = np.argsort(magnitudes)
    upto = np.cumsum(counts[order])
    return float(magnitudes[order][np.searchsorted(upto, upto[-1] / 4)])


def _finite(values: Any) -> list[float]:
    numbers: list[float] = np.clip(np.nan_to_num(values), -_LIMIT, _LIMIT).tolist()
    return numbers


def _activities(histograms: HistogramProbe, layers: Sequence[str]) -> Named:
    """Yield the share of rows in which each unit of these layers is on.

    The share of a unit is at most 1 / ``levels`` smaller than ``shares`` / ``levels``; 0 is exact.
    Of many units, every k-th is included. ``off`` counts all units that are off for all rows.
    """
    for layer in (name for name in histograms.layers_of("y") if name in layers):
        try:
            activity, steps = histograms.activity(layer), histograms.steps(layer, "y")
        except KeyError:  # units were not recorded
            return
        known = ~np.isnan(activity).any(axis=1)
        every = slice(None, None, -(-known.sum() // SLOTS) or 1)
        activity, steps = activity[known][every], steps[known][every]
        shown = activity[:, :: -(-activity.shape[1] // UNITS)]
        yield (
            "units",
            layer,
            {
                "steps": steps[:, 0].astype(np.int32),
                "ends": steps[:, 1].astype(np.int32),
                "shares": np.ceil(shown * ACTIVITY).astype(np.uint8),
                "levels": ACTIVITY,
                "units": activity.shape[1],
                "off": (activity == 0).sum(axis=1).astype(np.int32),
            },
        )


# Statistics.


def _quantities(histograms: HistogramProbe | None, statistics: StatisticsProbe | None) -> Named:
    """Yield the series of QUANTITIES, from statistics or else from histograms."""
    for name, (kind, statistic) in QUANTITIES.items():
        recorded: Sequence[str] = ()
        if statistics is not None:
            recorded = statistics.layers_of(kind)
            for layer in recorded:
                steps, values = statistics.series(layer, kind, statistic)
                _, nonfinite = statistics.series(layer, kind, "nonfinite")
                yield name, layer, _series(steps, values, nonfinite)
        if histograms is not None and name in FROM_HISTOGRAMS:
            others = [name for name in histograms.layers_of(kind) if name not in recorded]
            for layer in others:
                counts, zeros, nonfinite, steps = _counts(histograms, layer, kind)
                moments = histogram_moments(counts) | {"zeros": zeros / counts.sum(axis=1)}
                yield name, layer, _series(steps[:, 0], moments[name], nonfinite)


def _series(steps: Array, values: Array, nonfinite: Array) -> dict[str, Any]:
    """Return a series of at most POINTS steps; ``broken`` is 1 where an array was not finite."""
    every = slice(None, None, -(-len(steps) // POINTS))
    mask = np.nan_to_num(nonfinite) > 0
    return {
        "steps": steps[every].astype(np.int32),
        "values": values[every].astype(np.float32),
        "broken": mask[every].astype(np.uint8),
    }


def histogram_moments(counts: Array) -> dict[str, Array]:
    """Return RMS and standard deviation of the finite values of each slot.

    Values are taken to be distributed evenly within their bin.

    >>> counts = np.zeros((1, 2048), int)
    >>> counts[0, FINITE] = np.histogram(np.random.default_rng(0).normal(size=10**5), EDGES)[0]
    >>> {name: values.round(1) for name, values in histogram_moments(counts).items()}
    {'rms': array([1.]), 'std': array([1.])}
    """
    finite = counts[:, FINITE]
    number = finite.sum(axis=1)
    low, high = EDGES[:-1], EDGES[1:]
    with np.errstate(invalid="ignore"):
        mean = finite @ ((low + high) / 2) / number
        square = finite @ ((low**2 + low * high + high**2) / 3) / number
        return {"rms": np.sqrt(square), "std": np.sqrt(np.maximum(square - mean**2, 0.0))}


# Curves of the whole run.


def _curves(
    probes: Sequence[Recorder], history: History | None, first: int
) -> dict[str, dict[str, Array]]:
    """Return loss and accuracy from a step on, by step, and by epoch on the validation rows."""
    curves: dict[str, tuple[Array, Array]] = {}
    for probe in probes:
        curves |= {name: probe.epochs(name) for name in ("accuracy", "val_loss", "val_accuracy")}
        if isinstance(probe, StatisticsProbe):
            curves |= {name: probe.run(name) for name in ("loss", "accuracy")}
    if history is not None:
        if history.step_loss:
            values = np.array(history.step_loss)
            curves["loss"] = np.arange(history.steps - len(values), history.steps), values
        for name in ("val_loss", "val_accuracy"):
            values = np.array(getattr(history, name))
            ends = np.array(history.epoch_steps[len(history.epoch_steps) - len(values) :])
            curves[name] = ends[ends > 0] - 1, values[ends > 0]
    shown = {}
    for name, (all_steps, all_values) in curves.items():
        recorded = all_steps >= first
        steps, values = all_steps[recorded], all_values[recorded]
        if not np.isnan(values).all():  # which is true if there are none
            kept = thin(values, POINTS)
            columns = {"steps": steps[kept].astype(np.int32)}
            shown[name] = columns | {"values": values[kept].astype(np.float32)}
    return shown


def thin(values: Array, most: int) -> Array:
    """Return indices of at most this number of values, with all peaks and both ends among them.

    >>> thin(np.array([0.0, 1.0, 9.0, 2.0, 3.0, 1.0, 4.0, 5.0]), 6)
    array([0, 2, 5, 7])
    """
    if len(values) <= most:
        return np.arange(len(values))
    kept = {0, len(values) - 1}
    for part in np.array_split(np.arange(len(values)), most // 2 - 1):
        some = part[~np.isnan(values[part])]
        if some.size:
            kept |= {int(some[values[some].argmin()]), int(some[values[some].argmax()])}
        else:
            kept.add(int(part[0]))
    return np.array(sorted(kept))


def _failure(failure: Failure) -> dict[str, Any]:
    """Return step, layer and kind of the first value that was not finite."""
    return {"step": int(failure.step), "layer": failure.layer, "kind": failure.kind}


def _finding(finding: Any) -> dict[str, Any]:
    """Return the parts of a finding of a diagnosis that the page shows."""
    confidence = float(finding.confidence)
    return {
        "cause": str(finding.cause),
        "layer": None if finding.layer is None else str(finding.layer),
        "step": None if finding.step is None else int(finding.step),
        "confidence": confidence if math.isfinite(confidence) else 0.0,
        "explanation": str(finding.explanation),
    }

"""Probe that records summary statistics over the steps of a training run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from minnet.history import import_pandas
from minnet.kernels.moments import count_outside, follow_units
from minnet.layers.sequential import Sequential
from minnet.recording.recorder import DEFAULT_KINDS, RUN, Recorder
from minnet.recording.series import MOST, MOST_ROWS, Series, State, checked, require
from minnet.recording.statistics import summarize
from minnet.recording.taps import View
from minnet.validation import Array, count, one_of

NAMES = (
    "mean", "std", "skewness", "kurtosis", "minimum", "maximum", "rms", "zeros", "nonfinite",
    "saturated", "dead", "ratio",
)  # fmt: skip
INDEX = {name: index for index, name in enumerate(NAMES)}
SUMMARY = INDEX["saturated"]  # the names before this are those of `summarize`
RMS = INDEX["rms"]
RUN_NAMES = ("loss", "lr", "accuracy", "gradient_norm")  # in the first columns of `RUN`
# Outside these bounds the slope is less than an eighth of that at 0; tanh x = 2 σ(2x) - 1.
SATURATION = {"Sigmoid": (0.03, 0.97), "Tanh": (-0.94, 0.94)}
KIND_OF = {"saturated": "y", "dead": "y", "ratio": "update"}  # statistics of one kind only
# Bounds of the statistics in a file; the others are not bounded.
BOUNDS = dict.fromkeys(("std", "rms", "ratio"), (0.0, math.inf))
BOUNDS |= dict.fromkeys(("zeros", "saturated"), (0.0, 1.0))
BOUNDS |= dict.fromkeys(("nonfinite", "dead"), (0.0, MOST))


class StatisticsProbe(Recorder):
    """Record the statistics in ``NAMES`` for each layer and kind at each observed step.

    - ``mean``, ``std``, ``skewness``, ``kurtosis``, ``minimum`` and ``maximum`` are those of the
      finite values, as in `minnet.recording.describe`; ``rms`` is their root mean square.
    - ``zeros`` is the share of exact zeros, and ``nonfinite`` the number of NaN and infinities.
    - ``saturated``, for ``y`` only, is the share of entries outside the bounds that ``SATURATION``
      gives for the class of the layer.
    - ``dead``, for ``y`` only, is the number of units whose output was the same in all rows of the
      last ``window`` observed steps.
    - ``ratio``, for ``update`` only, is the rms of the update divided by the rms of the weight
      before the update.

    An undefined statistic is nan.

    Whenever all points are in use, every second point is dropped, and from then on only half as
    many of the observed steps are kept. A point has the statistics of its own step, except that
    ``minimum``, ``maximum``, ``nonfinite`` (the sum) and ``dead`` (the largest) cover all observed
    steps before the next point.

    Parameters
    ----------
    kinds, every, layers, budget
        As in `HistogramProbe`.
    points : int, default 1024
        Maximum number of steps to keep.
    window : int, default 100
        A unit is dead if it has not changed for this number of observed steps or, at the beginning
        of a run, in all of them.

    Examples
    --------
    >>> from minnet import SGD, Dense, MeanSquaredError, Sequential, Sigmoid, fit
    >>> net = Sequential([Dense(3, 8), Sigmoid(), Dense(8, 1)], rng=0)
    >>> x = np.random.default_rng(0).normal(size=(64, 3))
    >>> probe = StatisticsProbe(["y", "update"], every=2)
    >>> history = fit(net, x, x[:, :1], loss=MeanSquaredError(), optimizer=SGD(net, lr=0.1),
    ...               epochs=5, batch_size=32, probes=[probe], rng=0)
    >>> steps, ratio = probe.series("dense1", "update", "ratio")
    >>> steps
    array([0, 2, 4, 6, 8])
    >>> bool((ratio < 0.1).all())
    True
    >>> steps, loss = probe.run("loss")
    >>> bool(loss[-1] < loss[0])
    True
    """

    _format = "minnet statistics"

    def __init__(
        self,
        kinds: Sequence[str] = DEFAULT_KINDS,
        every: int = 1,
        *,
        layers: Sequence[str] | None = None,
        points: int = 1024,
        window: int = 100,
        budget: float | None = None,
    ) -> None:
        points = count(points, "StatisticsProbe", "points", most=MOST_ROWS)
        self.window = count(window, "StatisticsProbe", "window", most=MOST)
        settings = {"points": points, "window": self.window}
        series = Series(points, len(NAMES), _thin, math.nan)
        super().__init__(kinds, every, layers, budget, settings=settings, series=series)
        # By key: number of steps for which each unit has not changed, and its last value.
        self._units: dict[int, tuple[Array, Array]] = {}
        self._norm = any(kind.endswith("_grad") for kind in self.kinds)

    # Recording.

    def _record(self, step: int, net: Sequential, view: View) -> None:
        table = np.full((1 + len(view.taps), len(NAMES)), math.nan)
        table[0, :3] = [net.metrics.get(name, math.nan) for name in RUN_NAMES[:3]]
        if self._norm:
            table[0, 3] = _norm(net.grad)
        for k, out in enumerate(table[1:]):
            tap, values = view.taps[k], view.values[k]
            summarize(values, out[:SUMMARY])
            if tap.key[1] == "y":
                out[INDEX["dead"]] = self._count_dead(view.indices[k], view.rows[k])
                bounds = SATURATION.get(type(tap.layer).__name__)
                if bounds is not None:
                    out[INDEX["saturated"]] = count_outside(values, *bounds) / values.size
        self._write([0, *view.indices], table)

    def _record_updates(self, weights: View) -> None:
        table = np.full((len(weights.taps), len(NAMES)), math.nan)
        arrays = list(zip(weights.values, table[:, :SUMMARY], strict=True))
        before = [summarize(values, out)[RMS] for values, out in arrays]
        weights.subtract()
        for values, out in arrays:
            summarize(values, out)
        with np.errstate(divide="ignore", invalid="ignore"):
            table[:, INDEX["ratio"]] = table[:, RMS] / before
        self._write(weights.indices, table)

    def _count_dead(self, index: int, y: Array) -> float:
        """Return the number of units that are dead after this step."""
        unchanged, last = self._units.get(index, (None, None))
        if last is None or (last.shape, last.dtype) != (y.shape[1:], y.dtype):
            unchanged, last = np.zeros(y.shape[1], np.int64), np.full_like(y[0], np.nan)
            self._units[index] = unchanged, last
        dead = follow_units(y, unchanged, last, min(self.window, self.observed + 1))
        if self.observed == 0 and len(y) == 1:
            return math.nan  # one row does not show which units never change
        return float(dead)

    def _write(self, indices: list[int], table: Array) -> None:
        """Write table (keys, len(NAMES)) to the current row at these indices, or merge it."""
        row = self._series.row
        row[indices] = table if self._series.row_steps == 1 else _thin(row[indices], table)

    # Reading.

    def _table(self, layer: str, kind: str) -> Array:
        """Return the statistics of a layer and kind, (points, len(NAMES))."""
        table: Array = self._series.of(self._index(layer, kind))[:, 0]
        return table

    def series(self, layer: str, kind: str, name: str) -> tuple[Array, Array]:
        """Return the kept steps, and the statistic ``name`` at each of them, both (points,).

        A layer or kind that was not recorded raises KeyError. A name that is unknown, or does not
        exist for this kind, raises ValueError.
        """
        table = self._table(layer, kind)
        one_of(name, NAMES, "series", "")
        if KIND_OF.get(name, kind) != kind:
            raise ValueError(f"series: expected kind {KIND_OF[name]!r} for {name!r}, got {kind!r}")
        return self.steps(layer, kind)[:, 0], table[:, INDEX[name]]

    def run(self, name: str) -> tuple[Array, Array]:
        """Return the kept steps, and a quantity of the whole run at each of them, both (points,).

        "loss", "lr" and "accuracy" are read from ``net.metrics``, which `minnet.train_step` sets; a
        missing one is nan. "gradient_norm" is the norm of ``net.grad`` after clipping. It is nan
        unless the gradient of a parameter, such as ``weight_grad``, is among the kinds. Another
        name raises ValueError.
        """
        column = RUN_NAMES.index(one_of(name, RUN_NAMES, "run", ""))
        return self._series.steps()[:, 0], self._series.rows[:, self._keys[RUN], column]

    def dead_units(self, layer: str) -> Array:
        """Return a mask of the units that were dead at the last observed step, (units,)."""
        unchanged, _ = self._units[self._index(layer, "y")]
        return np.asarray(unchanged >= min(self.window, self.observed))

    def to_frame(self) -> Any:
        """Return a pandas.DataFrame with the columns layer, kind, step and those in ``NAMES``.

        ImportError is raised if pandas is not installed.
        """
        pandas = import_pandas("one statistic with series(layer, kind, name)")
        rows = [
            (*key, step, *numbers)
            for key in self._recorded()
            for step, numbers in zip(self.steps(*key)[:, 0], self._table(*key), strict=True)
        ]
        return pandas.DataFrame(rows, columns=["layer", "kind", "step", *NAMES])

    # Files.

    def _state(self) -> dict[str, Array]:
        state = super()._state()
        for index, (unchanged, last) in self._units.items():
            state |= {f"unchanged.{index}": unchanged, f"last.{index}": last}
        return state

    def _restore(self, state: State) -> None:
        shape = len(self._keys), len(NAMES)
        low, high = np.full(shape, -math.inf), np.full(shape, math.inf)
        for name, (smallest, largest) in BOUNDS.items():
            low[1:, INDEX[name]], high[1:, INDEX[name]] = smallest, largest
        self._series.restore(state, bounds=(low, high))
        columns = dict(zip(NAMES, np.moveaxis(self._series.rows[:, 1:], -1, 0), strict=True))
        for name in ("nonfinite", "dead"):
            fractions = columns[name] % 1
            require(not (fractions > 0).any(), f"whole numbers of {name}")
        inverted = columns["minimum"] > columns["maximum"]
        require(not inverted.any(), "a minimum that is not above the maximum")
        for layer in self.layers_of("y"):
            index = self._keys[layer, "y"]
            last, dtype = state[f"last.{index}"], state[f"last.{index}"].dtype.type
            require(dtype in (np.float32, np.float64), f"floats in last.{index}")
            last = checked(state, f"last.{index}", dtype, (None,), (-math.inf, math.inf))
            unchanged = checked(state, f"unchanged.{index}", np.int64, last.shape)
            self._units[index] = unchanged.copy(), last.copy()


def _thin(kept: Array, dropped: Array) -> Array:
    """Return the kept rows, with the extremes and counts of the dropped rows merged into them.

    A key without statistics in a kept row takes over those of the dropped row.
    """
    rows = np.where(np.isnan(kept).all(axis=-1, keepdims=True), dropped, kept)
    for name, rule in {"minimum": np.fmin, "maximum": np.fmax, "dead": np.fmax}.items():
        index = INDEX[name]
        rows[..., index] = rule(kept[..., index], dropped[..., index])
    index = INDEX["nonfinite"]
    sums = kept[..., index] + dropped[..., index]
    rows[..., index] = np.where(np.isnan(sums), rows[..., index], sums)
    return rows


def _norm(grad: Array) -> float:
    """Return the norm of an array, in float64; inf if it holds NaN or infinity."""
    out = summarize(grad, np.empty(SUMMARY)) if grad.size else np.zeros(SUMMARY)
    return math.inf if out[INDEX["nonfinite"]] else math.sqrt(grad.size) * float(out[RMS])

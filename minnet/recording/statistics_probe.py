"""Probe that records summary statistics over the steps of a training run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from minnet.kernels.moments import count_outside, follow_units
from minnet.layers.sequential import Sequential
from minnet.recording.recorder import DEFAULT_KINDS, Recorder
from minnet.recording.series import RUN, Key, Series
from minnet.recording.statistics import summarize
from minnet.recording.taps import View
from minnet.validation import Array, count

NAMES = (
    "mean", "std", "skewness", "kurtosis", "minimum", "maximum", "rms", "zeros", "nonfinite",
    "saturated", "dead", "ratio",
)  # fmt: skip
SUMMARY = NAMES.index("saturated")  # the names before this are those of `summarize`
PLACE = {name: place for place, name in enumerate(NAMES)}
RUN_NAMES = ("loss", "lr", "accuracy", "gradient_norm")  # in the first columns of `RUN`
# Outside these bounds the slope is less than an eighth of that at 0; tanh x = 2 σ(2x) - 1.
SATURATION = {"Sigmoid": (0.03, 0.97), "Tanh": (-0.94, 0.94)}
KIND_OF = {"saturated": "y", "dead": "y", "ratio": "update"}  # statistics of one kind only


@dataclass
class _Units:
    """State of the units of a layer after the last observed step."""

    unchanged: Array  # number of steps for which each unit has not changed, (units,)
    last: Array  # last value of each unit, (units,)
    observed: int = 0  # number of observed steps


class StatisticsProbe(Recorder):
    """Record the statistics in ``NAMES`` for each layer and kind at each observed step.

    - ``mean``, ``std``, ``skewness``, ``kurtosis`` (the excess), ``minimum``, ``maximum`` and
      ``rms`` are computed from the finite values, in float64. Definitions are those of
      `minnet.recording.describe`; ``rms`` is the root mean square.
    - ``zeros`` is the share of exact zeros, and ``nonfinite`` the number of NaN and infinities.
    - ``saturated``, for ``y`` only, is the share of entries outside the bounds that ``SATURATION``
      gives for the class of the layer.
    - ``dead``, for ``y`` only, is the number of units whose output was the same in all rows of the
      last ``window`` observed steps.
    - ``ratio``, for ``update`` only, is the rms of the update divided by the rms of the weight
      before the update.

    An undefined statistic is nan.

    At most ``points`` steps are kept. When more are observed, every second point is dropped, and
    from then on only every second observed step is kept. This is repeated whenever all points are
    in use. A point has the statistics of its own step, except that ``minimum``, ``maximum``,
    ``nonfinite`` (the sum) and ``dead`` (the largest) cover all observed steps before the next
    point.

    Parameters
    ----------
    kinds, every, layers, budget
        As in `HistogramProbe`.
    points : int, default 1024
        Maximum number of steps to keep.
    window : int, default 100
        A unit is dead if it has not changed for this number of observed steps. At the beginning of
        a run, the number is that of the steps observed so far.

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
        points = count(points, "StatisticsProbe", "points")
        self.window = count(window, "StatisticsProbe", "window")
        settings = {"points": points, "window": self.window}
        super().__init__(kinds, every, layers, budget, settings)
        self._series = Series(points, len(NAMES), _thin, math.nan)
        self._units: dict[str, _Units] = {}
        self._norm = any(kind.endswith("_grad") for kind in self.kinds)

    # Recording.

    def _record(self, net: Sequential, view: View) -> None:
        if view.plan is None:
            view.plan = [rows.ravel() for rows in view.rows]
        table = np.full((1 + len(view.rows), len(NAMES)), math.nan)
        table[0, :3] = [net.metrics.get(name, math.nan) for name in RUN_NAMES[:3]]
        if self._norm:
            table[0, 3] = _norm(net.grad)
        for tap, rows, values, out in zip(view.taps, view.rows, view.plan, table[1:], strict=True):
            summarize(values, out[:SUMMARY])
            if tap.key[1] == "y":
                out[PLACE["dead"]] = self._count_dead(tap.key[0], rows)
                bounds = SATURATION.get(type(tap.layer).__name__)
                if bounds is not None:
                    out[PLACE["saturated"]] = count_outside(values, *bounds) / values.size
        self._write(view.places, table)

    def _record_updates(self, weights: View) -> None:
        table = np.full((len(weights.rows), len(NAMES)), math.nan)
        for copied, out in zip(weights.copies or (), table, strict=True):
            out[PLACE["ratio"]] = summarize(copied.ravel(), out[:SUMMARY])[PLACE["rms"]]
        for change, out in zip(weights.changes(), table, strict=True):
            summarize(change.ravel(), out[:SUMMARY])
        with np.errstate(divide="ignore", invalid="ignore"):
            table[:, PLACE["ratio"]] = table[:, PLACE["rms"]] / table[:, PLACE["ratio"]]
        self._write(weights.places, table)

    def _count_dead(self, name: str, y: Array) -> float:
        """Return the number of units that are dead after this step."""
        units = self._units.get(name)
        if units is None or units.last.shape != y.shape[1:]:
            unchanged = np.zeros(y.shape[1], np.int64)
            self._units[name] = units = _Units(unchanged, np.full_like(y[0], np.nan))
        units.observed += 1
        dead = follow_units(y, units.unchanged, units.last, min(self.window, units.observed))
        if units.observed == 1 and len(y) == 1:
            return math.nan  # one row does not show which units never change
        return float(dead)

    def _write(self, places: Array, table: Array) -> None:
        """Write table (keys, len(NAMES)) to the current row at these places, or merge it."""
        self._series.extend(len(self._series.keys))
        row = self._series.row
        row[places] = table if self._series.taken == 1 else _thin(row[places], table)

    # Reading.

    def _table(self, key: Key) -> Array:
        """Return the statistics of a key, (points, len(NAMES))."""
        table: Array = self._series.rows[self._series.observed(key) > 0, self._series.keys[key]]
        return table

    def series(self, layer: str, kind: str, name: str) -> tuple[Array, Array]:
        """Return the kept steps, and the statistic ``name`` at each of them, both (points,).

        Raises
        ------
        KeyError
            If nothing was recorded for that layer and kind.
        ValueError
            If the statistic is unknown, or does not exist for this kind.
        """
        key = self._key(layer, kind)
        if name not in PLACE:
            raise ValueError(f"series: no number {name!r}; there are {', '.join(NAMES)}")
        if KIND_OF.get(name, kind) != kind:
            raise ValueError(f"series: {name!r} is a number of {KIND_OF[name]!r}, not of {kind!r}")
        return self.steps(layer, kind)[:, 0], self._table(key)[:, PLACE[name]]

    def run(self, name: str) -> tuple[Array, Array]:
        """Return the kept steps, and a quantity of the whole run at each of them, both (points,).

        Parameters
        ----------
        name : {"loss", "lr", "accuracy", "gradient_norm"}
            The first three are read from ``net.metrics``, which `minnet.train_step` sets; a missing
            one is nan. The last is the norm of ``net.grad`` after clipping. It is nan unless the
            gradient of a parameter, such as ``weight_grad``, is among the kinds.

        Raises
        ------
        ValueError
            If the name is unknown.
        """
        if name not in RUN_NAMES:
            raise ValueError(f"run: no number {name!r}; there are {', '.join(RUN_NAMES)}")
        return self._series.steps(RUN)[:, 0], self._table(RUN)[:, RUN_NAMES.index(name)]

    def dead_units(self, layer: str) -> Array:
        """Return a mask of the units that were dead at the last observed step, (units,)."""
        self._key(layer, "y")
        units = self._units[layer]
        return np.asarray(units.unchanged >= min(self.window, units.observed))

    def to_frame(self) -> Any:
        """Return all statistics as a pandas.DataFrame, with a row for each layer, kind and step.

        The columns are ``layer``, ``kind``, ``step`` and those in ``NAMES``.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        try:
            pandas = import_module("pandas")
        except ImportError as error:
            raise ImportError(
                "to_frame: expected pandas, which is not installed; pip install pandas, or read "
                "single numbers with series(layer, kind, name)"
            ) from error
        rows = [
            (*key, step, *numbers)
            for key in self._series.recorded()
            for step, numbers in zip(self.steps(*key)[:, 0], self._table(key), strict=True)
        ]
        return pandas.DataFrame(rows, columns=["layer", "kind", "step", *NAMES])

    # Files.

    def _state(self) -> dict[str, Array]:
        state = self._series.state()
        for name, units in self._units.items():
            place = self._series.keys[name, "y"]
            state |= {f"unchanged.{place}": units.unchanged, f"last.{place}": units.last}
        return state

    def _restore(self, state: dict[str, Array]) -> None:
        self._series.restore(state)
        for name in self.layers_of("y"):
            key = name, "y"
            place, observed = self._series.keys[key], self._series.observed(key).sum()
            unchanged, last = state[f"unchanged.{place}"], state[f"last.{place}"]
            self._units[name] = _Units(unchanged.copy(), last.copy(), int(observed))


def _thin(kept: Array, dropped: Array) -> Array:
    """Return the kept rows, with the extremes and counts of the dropped rows merged into them.

    A key without statistics in a kept row takes over those of the dropped row.
    """
    rows = np.where(np.isnan(kept).all(axis=-1, keepdims=True), dropped, kept)
    for name, rule in {"minimum": np.fmin, "maximum": np.fmax, "dead": np.fmax}.items():
        place = PLACE[name]
        rows[..., place] = rule(kept[..., place], dropped[..., place])
    place = PLACE["nonfinite"]
    sums = kept[..., place] + dropped[..., place]
    rows[..., place] = np.where(np.isnan(sums), rows[..., place], sums)
    return rows


def _norm(grad: Array) -> float:
    """Return the norm of an array, in float64; inf if it holds NaN or infinity."""
    out = summarize(grad, np.empty(SUMMARY)) if grad.size else np.zeros(SUMMARY)
    return math.inf if out[PLACE["nonfinite"]] else math.sqrt(grad.size) * float(out[PLACE["rms"]])

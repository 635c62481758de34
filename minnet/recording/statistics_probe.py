"""Summary statistics of every buffer while a network trains, as curves over the steps."""

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
SUMMARY = NAMES.index("saturated")  # the numbers before this are those of `summarize`
PLACE = {name: place for place, name in enumerate(NAMES)}
RUN_NAMES = ("loss", "lr", "accuracy", "gradient_norm")  # in the first columns of the run
# Outside these bounds the slope is less than an eighth of that at 0; tanh x = 2 σ(2x) - 1.
SATURATION = {"Sigmoid": (0.03, 0.97), "Tanh": (-0.94, 0.94)}
KIND_OF = {"saturated": "y", "dead": "y", "ratio": "update"}  # numbers of one kind only


@dataclass
class _Units:
    """The units of a layer."""

    unchanged: Array  # for how many steps each has not changed
    last: Array  # the last value of each
    observed: int = 0  # steps


class StatisticsProbe(Recorder):
    """Record the numbers in ``NAMES`` of each layer and kind at each observed step.

    ``mean``, ``std``, ``skewness``, ``kurtosis`` (the excess), ``minimum``, ``maximum`` and ``rms``
    are those of the finite values, in float64, as `describe` in `minnet.recording` defines them.
    ``zeros`` is the share of exact zeros, ``nonfinite`` the number of NaN and infinities. Two
    numbers are only of ``y``: ``saturated``, the share of entries outside the bounds of the layer's
    class in ``SATURATION``, and ``dead``, the number of units whose output was the same on all rows
    of the last ``window`` observed steps. ``ratio`` is only of ``update``: its rms divided by that
    of the weight that it changes. A number that is undefined is nan.

    At most ``points`` steps are kept. When that is not enough, every second one is dropped, and
    from then on only every second observed step is kept, and so on. A point has the numbers of its
    own step, except that ``minimum``, ``maximum``, ``nonfinite`` (a sum) and ``dead`` (the largest)
    cover all steps up to the next point.

    Parameters
    ----------
    kinds, every, layers, budget
        As in `HistogramProbe`.
    points : int, default 1024
        The largest number of steps that are kept.
    window : int, default 100
        The number of observed steps for which a dead unit has not changed; at the beginning of a
        run, as many steps as there are.

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
        """Return how many units are dead after this step."""
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
        """Write or merge these numbers into the columns of the keys at these places."""
        self._series.extend(len(self._series.keys))
        row = self._series.row
        row[places] = table if self._series.taken == 1 else _thin(row[places], table)

    # Reading.

    def _table(self, key: Key) -> Array:
        """Return the numbers of a key, (points, len(NAMES))."""
        table: Array = self._series.rows[self._series.observed(key) > 0, self._series.keys[key]]
        return table

    def series(self, layer: str, kind: str, name: str) -> tuple[Array, Array]:
        """Return the steps that were kept, (points,), and the number called ``name`` at each.

        Raises
        ------
        KeyError
            If nothing was recorded of that layer and kind.
        ValueError
            If there is no such number, or not for this kind.
        """
        key = self._key(layer, kind)
        if name not in PLACE:
            raise ValueError(f"series: no number {name!r}; there are {', '.join(NAMES)}")
        if KIND_OF.get(name, kind) != kind:
            raise ValueError(f"series: {name!r} is a number of {KIND_OF[name]!r}, not of {kind!r}")
        return self.steps(layer, kind)[:, 0], self._table(key)[:, PLACE[name]]

    def run(self, name: str) -> tuple[Array, Array]:
        """Return the steps that were kept, (points,), and a number of the whole run at each.

        Parameters
        ----------
        name : {"loss", "lr", "accuracy", "gradient_norm"}
            The first three are those in ``net.metrics``, as `minnet.train_step` sets them, nan
            where it has none. The last is the norm of ``net.grad`` after clipping, nan unless the
            gradient of a parameter, such as ``weight_grad``, is among the kinds.

        Raises
        ------
        ValueError
            If there is no such number.
        """
        if name not in RUN_NAMES:
            raise ValueError(f"run: no number {name!r}; there are {', '.join(RUN_NAMES)}")
        return self._series.steps(RUN)[:, 0], self._table(RUN)[:, RUN_NAMES.index(name)]

    def dead_units(self, layer: str) -> Array:
        """Return which units were dead at the last observed step: booleans, (units,)."""
        self._key(layer, "y")
        units = self._units[layer]
        return np.asarray(units.unchanged >= min(self.window, units.observed))

    def to_frame(self) -> Any:
        """Return all numbers as a pandas.DataFrame with one row a layer, kind and step.

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
    """Return the rows that are kept, with the numbers of the dropped ones that must not be lost.

    A key that has no numbers in a row that is kept takes those of the dropped one.
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

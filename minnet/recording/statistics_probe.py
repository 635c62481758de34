"""The numbers told of every buffer while a network trains, as curves over the steps.

Where `HistogramProbe` keeps distributions, this keeps what is read off them most often, exactly and
at every observed step: moments, extremes, zeros, what is not finite; for activations also what is
saturated and which units are dead, and for updates their size beside that of the weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minnet.kernels.moments import (
    central_moments,
    count_outside,
    follow_units,
    sums_and_extremes,
)
from minnet.recording.files import Key
from minnet.recording.recording import DEFAULT_KINDS, Recording
from minnet.recording.sources import Sight, Source, Weights
from minnet.recording.timeline import Timeline
from minnet.validation import Array, count

NAMES = (
    "mean", "std", "skewness", "kurtosis", "minimum", "maximum", "rms", "zeros", "nonfinite",
    "saturated", "dead", "ratio",
)  # fmt: skip
PLACE = {name: place for place, name in enumerate(NAMES)}
# Where the slope is less than an eighth of what it is at 0; tanh x is 2 σ(2x) - 1.
SATURATION = {"Sigmoid": (0.03, 0.97), "Tanh": (-0.94, 0.94)}
OF_ONE_KIND = {"saturated": "y", "dead": "y", "ratio": "update"}


class StatisticsProbe(Recording[Timeline]):
    """Tells of each layer and kind, at each observed step, the numbers in ``NAMES``.

    ``mean``, ``std``, ``skewness``, ``kurtosis`` (the excess), ``minimum``, ``maximum`` and ``rms``
    are those of the finite values, in float64, as `describe` in `minnet.recording` defines them;
    ``zeros`` is the share of exact zeros, and ``nonfinite`` the number of NaN and infinities. Of
    ``y`` also: ``saturated``, the share of entries in the flat parts of a Sigmoid or Tanh, and
    ``dead``, the number of units whose output was one and the same value on all rows of the last
    ``window`` observed steps. Of ``update`` also: ``ratio``, its rms over that of the weight it
    changes. What has no meaning is nan.

    At most ``points`` steps are kept. When that is not enough, every second one is dropped, and
    from then on only every second observed step is kept, and so on. A point that is kept has the
    numbers of its own step, but the ``minimum`` and ``maximum`` over, the ``nonfinite`` of, and the
    largest ``dead`` count in, all steps up to the next point: nothing that goes wrong is lost.

    Parameters
    ----------
    kinds, every, layers, budget
        As in `HistogramProbe`.
    points : int, default 1024
        At least 2.
    saturation : dict of str to (float, float), optional
        Kind of layer -> (low, high): entries of y outside are saturated. Added to, or in place of,
        ``SATURATION``: (.03, .97) for Sigmoid and (-.94, .94) for Tanh, the same inputs x doubled.
    window : int, default 100
        Over how many observed steps a unit must not change to be dead; at the beginning of a run,
        over as many as there are.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

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
    >>> probe.table()["sigmoid1"]["dead"]
    0
    """

    _format = "minnet statistics"

    def __init__(
        self,
        kinds: Sequence[str] = DEFAULT_KINDS,
        every: int = 1,
        *,
        layers: Sequence[str] | None = None,
        points: int = 1024,
        saturation: Mapping[str, tuple[float, float]] | None = None,
        window: int = 100,
        budget: float | None = None,
    ) -> None:
        super().__init__(kinds, every, layers, None, budget)
        self._points = count(points, "StatisticsProbe", "points")
        if self._points < 2:
            raise ValueError(f"StatisticsProbe: points must be at least 2, got {points}")
        self._window = count(window, "StatisticsProbe", "window")
        self._saturation = {
            kind: _bounds(kind, pair) for kind, pair in {**SATURATION, **(saturation or {})}.items()
        }
        # Of each layer's units: for how many steps each has not changed, and its last value.
        self._units: dict[str, tuple[Array, Array]] = {}

    def _settings(self) -> dict[str, Any]:
        bounds = {kind: list(pair) for kind, pair in self._saturation.items()}
        more = {"points": self._points, "saturation": bounds, "window": self._window}
        return super()._settings() | more

    def _timeline(self, key: Key) -> Timeline:
        return Timeline(self._points, len(NAMES), np.float64, _thin)

    def _look(self, step: int, seen: Sight) -> None:
        for source, rows in zip(seen.sources, seen.arrays, strict=True):
            self._tell(step, source, rows)

    def _look_at_updates(self, step: int, weights: Weights) -> None:
        moved = zip(weights.sources, weights.changes, weights.before, strict=True)
        for source, change, before in moved:
            self._tell(step, source, change, before)

    def _tell(self, step: int, source: Source, rows: Array, weight: Array | None = None) -> None:
        told = np.full(len(NAMES), np.nan)
        values = rows.ravel()
        told[: PLACE["saturated"]] = _describe(values)
        timeline = self._extend(source.key)
        timeline.extend(step)
        fresh = timeline.taken == 1
        name, kind = source.key
        if kind == "y":
            told[PLACE["dead"]] = self._follow(name, rows, timeline)
            bounds = self._saturation.get(type(source.layer).__name__)
            if bounds is not None:
                told[PLACE["saturated"]] = count_outside(values, *bounds) / values.size
        if weight is not None:
            with np.errstate(divide="ignore", invalid="ignore"):
                told[PLACE["ratio"]] = told[PLACE["rms"]] / _describe(weight.ravel())[PLACE["rms"]]
        timeline.row[:] = told if fresh else _thin(timeline.row, told)

    def _follow(self, name: str, y: Array, timeline: Timeline) -> float:
        """Return how many units are dead after this step."""
        if name not in self._units or self._units[name][1].shape != y.shape[1:]:
            self._units[name] = np.zeros(y.shape[1], np.int64), np.full_like(y[0], np.nan)
        unchanged, last = self._units[name]
        follow_units(y, unchanged, last)
        if timeline.observed == 1 and len(y) == 1:
            return math.nan  # one row cannot tell what never changes
        return float(self._dead(name, timeline).sum())

    def _dead(self, name: str, timeline: Timeline) -> Array:
        return np.asarray(self._units[name][0] >= min(self._window, timeline.observed))

    # Reading.

    @property
    def window(self) -> int:
        """Over how many observed steps a unit must not have changed to be dead."""
        return self._window

    def series(self, layer: str, kind: str, name: str) -> tuple[Array, Array]:
        """Return the steps that were kept, (points,), and the number called ``name`` at each.

        Raises
        ------
        KeyError
            If nothing was recorded of that layer and kind.
        ValueError
            If there is no such number, or not of this kind.
        """
        timeline = self._found(layer, kind)
        if name not in PLACE:
            raise ValueError(f"series: no number {name!r}; there are {', '.join(NAMES)}")
        if OF_ONE_KIND.get(name, kind) != kind:
            raise ValueError(f"series: {name!r} is told of {OF_ONE_KIND[name]!r}, not of {kind!r}")
        return timeline.steps[:, 0].copy(), timeline.rows[:, PLACE[name]].copy()

    def dead_units(self, layer: str) -> Array:
        """Tell which units were dead at the last observed step: booleans, (units,)."""
        return self._dead(layer, self._found(layer, "y"))

    def table(self, step: int = -1, *, kind: str = "y") -> dict[str, dict[str, float]]:
        """Return layer name -> name -> number, as kept for ``step``, or for the last point (-1).

        For ``y`` also ``units``, of which ``dead`` are dead.

        Raises
        ------
        KeyError
            If nothing was recorded of this kind.
        ValueError
            If the step lies outside of what was observed.
        """
        layers = self.layers_of(kind)
        if not layers:
            raise KeyError(f"StatisticsProbe: nothing recorded of {kind!r}")
        wanted = [name for name in NAMES if OF_ONE_KIND.get(name, kind) == kind]
        table: dict[str, dict[str, float]] = {}
        for layer in layers:
            timeline = self._timelines[layer, kind]
            row = timeline.rows[timeline.find(step)]
            told = {name: float(row[PLACE[name]]) for name in wanted}
            for name in ("dead", "nonfinite"):
                if not math.isnan(told.get(name, math.nan)):
                    told[name] = int(told[name])
            if kind == "y":
                told["units"] = len(self._units[layer][0])
            table[layer] = told
        return table

    # Files.

    def _state(self, key: Key) -> dict[str, Array]:
        state = self._timelines[key].state()
        if key[1] == "y":
            unchanged, last = self._units[key[0]]
            state |= {"unchanged": unchanged, "last": last}
        return state

    def _restore(self, key: Key, state: dict[str, Array]) -> None:
        self._timelines[key].restore(state)
        if key[1] == "y":
            unchanged, last = state["unchanged"], state["last"]
            if unchanged.ndim != 1 or unchanged.dtype != np.int64 or last.shape != unchanged.shape:
                raise ValueError(f"the units of {key[0]!r} are {unchanged.shape} and {last.shape}")
            self._units[key[0]] = unchanged.copy(), last.copy()


def _describe(values: Array) -> tuple[float, ...]:
    """Return the first nine of NAMES for values (size,)."""
    told, moments = np.empty(5), np.empty(3)
    sums_and_extremes(values, told)
    total, low, high, zeros, bad = told.tolist()
    share = zeros / values.size
    if bad:
        finite = values[np.isfinite(values)]
        inner = _describe(finite)[:7] if finite.size else (math.nan,) * 7
        return *inner, share, bad
    if low == high:
        return low, 0.0, math.nan, math.nan, low, high, abs(low), share, 0.0
    mean = total / values.size
    exponent = math.frexp(max(-low, high))[1]
    central_moments(values, mean, exponent, moments)
    m2, m3, m4 = moments.tolist()
    scaled = math.ldexp(mean, -exponent)
    return (
        mean,
        math.ldexp(math.sqrt(m2), exponent),
        m3 / m2**1.5,
        m4 / m2**2 - 3,
        low,
        high,
        math.ldexp(math.sqrt(m2 + scaled * scaled), exponent),
        share,
        0.0,
    )


def _thin(kept: Array, dropped: Array) -> Array:
    """Return the rows that are kept with what of the dropped ones must not be lost."""
    rows = kept.copy()
    for name, rule in {"minimum": np.fmin, "maximum": np.fmax, "dead": np.fmax}.items():
        rows[..., PLACE[name]] = rule(kept[..., PLACE[name]], dropped[..., PLACE[name]])
    rows[..., PLACE["nonfinite"]] += dropped[..., PLACE["nonfinite"]]
    return rows


def _bounds(kind: str, pair: Any) -> tuple[float, float]:
    try:
        low, high = (float(bound) for bound in pair)
    except (TypeError, ValueError):
        low = high = math.nan
    if not low < high:
        raise ValueError(
            f"StatisticsProbe: saturation of {kind!r} must be low < high, got {pair!r}"
        )
    return low, high

"""Histograms of every buffer at every step, in bounded memory.

The bins are those of the floats themselves, four to each power of two: see
`minnet.kernels.histograms`. They need no range in advance, no value falls outside, histograms of
steps, layers and seeds add up exactly, and a quantile is off by a quarter at most at any scale.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minnet.kernels.histograms import BINS, COUNTED, INFINITY, PRESENT, SIGN
from minnet.layers.sequential import Sequential
from minnet.recording.counts import Counts
from minnet.recording.recorder import DEFAULT_KINDS, Recorder
from minnet.recording.series import RUN
from minnet.recording.taps import View
from minnet.validation import Array, count

# From here on bins are in ascending order of value: three of NaN, -inf, 2040 of finite numbers,
# +inf, three of NaN. The first eleven bits of a negative number grow as the number falls.
_ORDER = np.concatenate([np.arange(BINS - 1, SIGN - 1, -1), np.arange(SIGN)])
FINITE = slice(BINS - SIGN - INFINITY, SIGN + INFINITY)
MINUS_INFINITY, PLUS_INFINITY = FINITE.start - 1, FINITE.stop
ZERO = slice(SIGN - 1, SIGN + 1)  # -0 and +0, and what is nearer to 0 than 2^-128, 2.9e-39


def _edges() -> Array:
    steps = np.arange(INFINITY + 1)
    exponent, quarter = np.maximum(steps // 4, 1), np.where(steps < 4, 0, 4) + steps % 4
    positive = np.ldexp(quarter / 4, exponent - 127)
    return np.concatenate([-positive[:0:-1], positive])


EDGES = _edges()  # of the bins in FINITE, 2041 in ascending order
EDGES.flags.writeable = False


class HistogramProbe(Recorder):
    """Count the values of buffers, gradients, weights and updates, layer by layer, step by step.

    Give it to `minnet.fit` or `minnet.train_step` as one of ``probes``. It keeps at most ``slots``
    histograms for each layer and kind: when they are full, neighbours are added up, and each slot
    then stands for twice as many observed steps. float64 numbers are rounded to float32 first; a
    number too large for float32 counts as infinite.

    Parameters
    ----------
    kinds : sequence of str
        The buffers ``y``, ``dy``, ``dx``; a parameter by name, such as ``weight`` or ``gamma``, or
        its gradient, such as ``weight_grad``; ``update``, what the optimizer's step added to
        ``weight``. A layer that lacks a kind is skipped, as is a dx that was not computed.
    every : int, default 1
        Steps whose number is a multiple of this are observed.
    layers : sequence of str, optional
        Dotted names of the layers; all by default.
    slots : int, default 64
        At least 2; each takes about 4 kB for each layer and kind.
    max_values : int, optional
        Of a larger array only this many values are counted, in whole rows (at least one): every
        r-th row, beginning with the next one at each observation. `coverage` returns the share
        that was counted. Where batches come in the same order in every epoch, the same rows may be
        counted each time; shuffle the rows to avoid it. All values by default.
    budget : float, optional
        The share of the time that recording may take, such as 0.05: after an observation steps are
        skipped until the share is no larger. Which steps are observed then depends on the machine
        and its load, so the recordings of two runs cannot be merged. No limit by default.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    Notes
    -----
    The bins do not distinguish zero from the smallest floats: numbers nearer to 0 than
    2^-128 = 2.9e-39 count as zero.

    Examples
    --------
    >>> from minnet import SGD, Dense, MeanSquaredError, ReLU, Sequential, fit
    >>> net = Sequential([Dense(3, 8), ReLU(), Dense(8, 1)], rng=0)
    >>> x = np.random.default_rng(0).normal(size=(64, 3))
    >>> probe = HistogramProbe(["y", "update"])
    >>> history = fit(net, x, x[:, :1], loss=MeanSquaredError(), optimizer=SGD(net, lr=0.1),
    ...               epochs=5, batch_size=32, probes=[probe], rng=0)
    >>> probe
    HistogramProbe(y, update; 10 steps of 3 layers)
    >>> probe.counts("relu1", "y").shape, probe.counts("relu1", "y").sum()
    ((10, 2048), np.int64(2560))
    >>> bool(probe.zeros("relu1", "y").mean() > 0.3)
    True
    >>> probe.histogram("relu1", "y", [0, 1e3], step=9)
    array([256.])
    >>> bool(probe.quantile("dense1", "update", 0.5) < 0.1)
    True
    """

    _format = "minnet histograms"
    _series: Counts

    def __init__(
        self,
        kinds: Sequence[str] = DEFAULT_KINDS,
        every: int = 1,
        *,
        layers: Sequence[str] | None = None,
        slots: int = 64,
        max_values: int | None = None,
        budget: float | None = None,
    ) -> None:
        super().__init__(kinds, every, layers, max_values, budget)
        slots = count(slots, "HistogramProbe", "slots")
        if slots < 2:
            raise ValueError(f"HistogramProbe: slots must be at least 2, got {slots}")
        self._series = Counts(slots)

    def _settings(self) -> dict[str, Any]:
        return super()._settings() | {
            "slots": self._series.capacity, "max_values": self._max_values
        }  # fmt: skip

    def _record(self, net: Sequential, view: View) -> None:
        if view.plan is None:
            plan = self._series.plan(view.places[1:], view.rows, view.strides)
            view.plan = plan, plan.batches(view.rows)
        plan, batches = view.plan
        self._series.count(plan, batches, self._observed)

    def _record_updates(self, weights: View) -> None:
        if weights.plan is None:  # the copies hold only the recorded rows
            strides = [1] * len(weights.rows)
            weights.plan = self._series.plan(weights.places, weights.rows, strides)
        self._series.count(weights.plan, weights.plan.batches(weights.changes()), 0)

    # Reading.

    def counts(self, layer: str, kind: str) -> Array:
        """Return how many values are in each bin in each slot, (slots, 2048), int64.

        Bins are in ascending order of value: ``counts[:, FINITE]`` lie between the 2041 ``EDGES``
        (a bin includes its edge nearer to 0 and not the other); before them are -inf and three bins
        of NaN, after them +inf and three bins of NaN.
        """
        counts: Array = self._series.bins(self._key(layer, kind))[:, _ORDER]
        return counts

    def coverage(self, layer: str, kind: str) -> Array:
        """Return the share of all values that was counted, (slots,): 1 without ``max_values``."""
        bins = self._series.bins(self._key(layer, kind))
        return np.asarray(bins[:, COUNTED] / bins[:, PRESENT])

    def zeros(self, layer: str, kind: str) -> Array:
        """Return the share of values that are 0 (or nearer to it than 2.9e-39), (slots,)."""
        return self._share(layer, kind, ZERO)

    def nans(self, layer: str, kind: str) -> Array:
        """Return the share of values that are NaN, (slots,)."""
        ends = slice(None, MINUS_INFINITY), slice(PLUS_INFINITY + 1, None)
        return self._share(layer, kind, ends[0]) + self._share(layer, kind, ends[1])

    def infinities(self, layer: str, kind: str) -> tuple[Array, Array]:
        """Return the shares of values that are -inf and that are +inf, each (slots,)."""
        return (
            self._share(layer, kind, slice(MINUS_INFINITY, MINUS_INFINITY + 1)),
            self._share(layer, kind, slice(PLUS_INFINITY, PLUS_INFINITY + 1)),
        )

    def _share(self, layer: str, kind: str, bins: slice) -> Array:
        counts = self.counts(layer, kind)
        return np.asarray(counts[:, bins].sum(axis=1) / counts.sum(axis=1))

    def _counts_at(self, layer: str, kind: str, step: int | None) -> Array:
        """Return the counts of the slot of step, (2048,), or the sum of all slots."""
        counts = self.counts(layer, kind)
        if step is None:
            return np.asarray(counts.sum(axis=0))
        return np.asarray(counts[self._series.find((layer, kind), step)])

    def histogram(
        self, layer: str, kind: str, edges: ArrayLike, *, step: int | None = None
    ) -> Array:
        """Return how many values lie between other edges, (edges - 1,), as float64.

        The values of a recorded bin are taken as spread evenly over it, and divided among the bins
        that it overlaps. The result is exact where all edges are among ``EDGES``; otherwise the
        bins that an edge cuts make it approximate. Zeros are counted in the bin that contains 0,
        or in the one to the right of an edge at 0 (except the last). Values beyond the edges are
        not counted.

        Parameters
        ----------
        edges : array_like
            Ascending, (bins + 1,).
        step : int, optional
            A step of the requested slot, or -1 for the last; the sum of all slots by default.
        """
        edges = np.asarray(edges, dtype=np.float64)
        if edges.ndim != 1 or edges.size < 2 or not (np.diff(edges) > 0).all():
            raise ValueError("histogram: edges must be ascending numbers, at least two")
        counts = self._counts_at(layer, kind, step)
        zeros = int(counts[ZERO].sum())
        counts[ZERO] = 0
        below = np.concatenate([[0], np.cumsum(counts[FINITE])])
        shared: Array = np.diff(np.interp(edges, EDGES, below))
        if edges[0] <= 0 <= edges[-1]:
            place = int(np.searchsorted(edges, 0.0, side="right")) - 1
            shared[min(place, shared.size - 1)] += zeros
        return shared

    def quantile(self, layer: str, kind: str, q: ArrayLike, *, step: int | None = None) -> Array:
        """Return the values below which the shares q of all values lie; NaN is left out.

        A result lies in the bin of the exact quantile (numpy.quantile with
        ``method="inverted_cdf"``), interpolated on a logarithmic scale. For
        |values| >= 2^-126 = 1.2e-38 it is therefore off by less than 25%, and mostly by much less.
        Smaller values are off by a factor of 2 at most down to 2^-128, below which all are 0.

        Parameters
        ----------
        q : array_like
            Shares in 0..1, of any shape; the result has the same.
        step : int, optional
            A step of the requested slot, or -1 for the last; the sum of all slots by default.
        """
        shares = np.asarray(q, dtype=np.float64)
        if not ((shares >= 0) & (shares <= 1)).all():
            raise ValueError(f"quantile: q must be in 0..1, got {q!r}")
        counts = self._counts_at(layer, kind, step)[MINUS_INFINITY : PLUS_INFINITY + 1]
        upto = np.cumsum(counts)
        if not upto[-1]:
            return np.full(shares.shape, np.nan)
        rank = np.clip(np.ceil(shares * upto[-1]), 1, upto[-1])
        place = np.searchsorted(upto, rank, side="left")
        within = (rank - (upto - counts)[place] - 0.5) / counts[place]
        return _interpolated(place, within)

    def merge(self, other: HistogramProbe) -> HistogramProbe:
        """Return a new recording of both: the same steps of the same layers, counts added exactly.

        For instance of runs that differ only in their seed. Neither probe is changed.

        Raises
        ------
        TypeError, ValueError
            If the other is not a HistogramProbe, or its settings, layers or steps differ.
        """
        if not isinstance(other, HistogramProbe):
            raise TypeError(f"merge: expected a HistogramProbe, got {type(other).__name__}")
        settings, others = self._settings(), other._settings()
        differ = [f"{name} {settings[name]} and {others[name]}"
                  for name in settings if settings[name] != others[name]]  # fmt: skip
        recorded = self._series.recorded()
        if (recorded, self._series.keys) != (other._series.recorded(), other._series.keys):
            differ.append(f"layers {self.layers} and {other.layers}, or their kinds")
        else:
            differ += [
                f"the steps of {' '.join(key)}"
                for key in [*recorded, RUN]
                if not np.array_equal(self._series.steps(key), other._series.steps(key))
            ]
        if differ:
            raise ValueError(f"merge: the recordings differ in {'; '.join(differ)}")
        merged = copy.deepcopy(self)
        merged._series.add(other._series)
        return merged


def _interpolated(place: Array, within: Array) -> Array:
    """Return the number at a share ``within`` of a bin; places are counted from that of -inf."""
    bins = np.clip(place - 1, 0, EDGES.size - 2)
    low, high = EDGES[bins], EDGES[bins + 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        values = low * (high / low) ** within
    zero = (low == 0) | (high == 0)
    values = np.where(zero, 0.0, values)
    values = np.where(place == 0, -np.inf, values)
    return np.where(place == EDGES.size, np.inf, values)

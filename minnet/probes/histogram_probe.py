"""The whole distribution of every buffer at every step, in bounded memory.

The bins are those that floats have of their own, four to each power of two: see
`minnet.kernels.histograms`. So nobody has to know in advance what a gradient's size will be, no
value falls outside, histograms of steps, layers and seeds add up exactly, and a quantile is off by
a quarter at most, be it 1e3 or 1e-30.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minnet.kernels.histograms import ARRAYS, BINS, COPIES, INFINITY, SIGN, WIDTH, count_floats
from minnet.probes.files import Key
from minnet.probes.recording import DEFAULT_KINDS, Recording
from minnet.probes.sources import Sight, Weights
from minnet.probes.timeline import LEAST, Timeline
from minnet.validation import Array, count

# From here on bins stand in ascending order of value: three of NaN, -inf, 2040 of finite numbers,
# +inf, three of NaN. The first eleven bits of a negative number grow as the number falls.
_ORDER = np.concatenate([np.arange(BINS - 1, SIGN - 1, -1), np.arange(SIGN)])
FINITE = slice(BINS - SIGN - INFINITY, SIGN + INFINITY)
MINUS_INFINITY, PLUS_INFINITY = FINITE.start - 1, FINITE.stop
MOST_PENDING = 2**31 - 1  # as many as an int32 can count
ZERO = slice(SIGN - 1, SIGN + 1)  # -0 and +0, and what is nearer to 0 than 2^-128, 2.9e-39


def _edges() -> Array:
    steps = np.arange(INFINITY + 1)
    exponent, quarter = np.maximum(steps // 4, 1), np.where(steps < 4, 0, 4) + steps % 4
    positive = np.ldexp(quarter / 4, exponent - 127)
    return np.concatenate([-positive[:0:-1], positive])


EDGES = _edges()  # of the bins in FINITE, 2041 in ascending order
EDGES.flags.writeable = False


class _Panel:
    """Arrays that are looked at together, and counts not yet added to their timelines.

    So a step takes few calls, and only every so many steps have to add up the copies of counters.
    """

    def __init__(self, keys: list[Key], timelines: list[Timeline]) -> None:
        self.keys, self._timelines = keys, timelines
        self._counts = np.zeros((len(keys), COPIES, WIDTH), np.int32)
        self._present = np.zeros(len(keys), np.int64)  # how many values there were
        self._most = 0  # no counter is above it
        # What follows belongs to the sight of this mark, and is set by `prepare`.
        self.mark: object = None
        self._sizes, self._largest = np.zeros(len(keys), np.int64), 0  # of the arrays, in values
        self._fill: list[Array] = []  # empty arrays, so that every call has ARRAYS of them
        self._calls: list[tuple[slice, Array, Array]] = []  # which arrays, strides, counters
        # Where some arrays were missed at times, rows of the timelines do not end together.
        seen = {(timeline.span, timeline.observed) for timeline in timelines}
        self._together = len(seen) == 1

    def prepare(self, seen: Sight, strides: list[int]) -> None:
        """Get ready for these arrays, of which every strides-th row is looked at."""
        self.mark = seen.mark
        sizes = [source.size for source in seen.sources]
        self._sizes, self._largest = np.array(sizes), max(sizes)
        rest = -len(sizes) % ARRAYS
        self._fill = [np.empty((0, 0), seen.arrays[0].dtype)] * rest
        every = np.array([*strides, *[1] * rest])
        places = [slice(k, k + ARRAYS) for k in range(0, len(every), ARRAYS)]
        self._calls = [(some, every[some], self._counts[some]) for some in places]

    def count(self, step: int, arrays: list[Array], offset: int) -> None:
        """Count these arrays as those of this step, from row ``offset % stride`` of each on."""
        if self._most + self._largest > MOST_PENDING:
            self.fold()
        for timeline in self._timelines:
            timeline.extend(step)
        places = [*arrays, *self._fill]
        for some, strides, counts in self._calls:
            first, *others = places[some]
            count_floats(first, tuple(others), offset, strides, counts)
        self._present += self._sizes
        self._most += self._largest
        if self._timelines[0].full or not self._together:
            self.fold()

    def fold(self) -> None:
        """Move all counts to the rows at hand of the timelines."""
        if not self._most:
            return
        # Together they are no more than MOST_PENDING, and a sum of int32 takes a third of the time.
        counts = self._counts[:, :, :BINS].sum(axis=1, dtype=np.int32)
        for timeline, present, its in zip(self._timelines, self._present, counts, strict=True):
            row = timeline.row
            row[:BINS] += its
            row[BINS] += present
        self._counts[...], self._present[...], self._most = 0, 0, 0


class HistogramProbe(Recording):
    """Counts the values of buffers, gradients, weights and updates, layer by layer, step by step.

    Give it to `minnet.fit` or `minnet.train_step` as one of ``probes``. It keeps at most ``slots``
    histograms for each layer and kind: when they are full, neighbours are added up, and each slot
    then stands for twice as many observed steps. float64 numbers are rounded to float32 first; what
    float32 cannot hold counts as infinite.

    Parameters
    ----------
    kinds : sequence of str
        The buffers ``y``, ``dy``, ``dx``; a parameter by name, such as ``weight`` or ``gamma``, or
        its gradient, such as ``weight_grad``; ``update``, what the optimizer's step added to
        ``weight``. A layer that lacks a kind is passed over, as is a dx that was not computed.
    every : int, default 1
        Steps whose number is a multiple of this are observed.
    layers : sequence of str, optional
        Dotted names of the layers; all by default.
    slots : int, default 64
        At least 2; each takes 16 kB.
    max_values : int, optional
        Of a larger array only as many values are counted, in whole rows (at least one): every r-th
        row, beginning with the next one at each observation. Counts are of what was looked at;
        `coverage` tells how much that was. Where batches come in the same order in every epoch, it
        can be the same rows of each that are looked at; shuffled rows have no such trouble. All
        values by default.
    budget : float, optional
        The share of the time that may go into looking, such as 0.05: after a look steps are passed
        over until it is no more than that. Which steps are observed then depends on the machine and
        its load, so the recordings of two runs cannot be merged. No limit by default.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

    Notes
    -----
    A zero is told from the smallest floats by more bits than the bins have: what is nearer to 0
    than 2^-128 = 2.9e-39 counts as zero.

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
        self._slots = count(slots, "HistogramProbe", "slots")
        if self._slots < 2:
            raise ValueError(f"HistogramProbe: slots must be at least 2, got {slots}")
        self._now: _Panel | None = None
        self._updates: _Panel | None = None

    def _settings(self) -> dict[str, Any]:
        return super()._settings() | {"slots": self._slots, "max_values": self._max_values}

    def _timeline(self, room: Array | None = None) -> Timeline:
        """Rows are counts by a float's first bits, and last how many values there were."""
        return Timeline(self._slots, BINS + 1, np.int64, np.add, room)

    def _look(self, step: int, seen: Sight) -> None:
        self._now = self._panel(self._now, seen, seen.strides)
        self._now.count(step, seen.arrays, self._observed)

    def _look_at_updates(self, step: int, weights: Weights) -> None:
        # Only the rows that are looked at were compared, so all of them are counted.
        self._updates = self._panel(self._updates, weights, [1] * len(weights.changes))
        self._updates.count(step, weights.changes, 0)

    def _panel(self, last: _Panel | None, seen: Sight, strides: list[int]) -> _Panel:
        """Return the panel for these arrays: the last one if it is of the same layers and kinds."""
        if last is not None and last.mark is seen.mark:
            return last
        keys = [source.key for source in seen.sources]
        if last is None or last.keys != keys:
            if last is not None:
                last.fold()
            self._make_room([key for key in keys if key not in self._timelines])
            last = _Panel(keys, [self._timelines[key] for key in keys])
        last.prepare(seen, strides)
        return last

    def _make_room(self, keys: list[Key]) -> None:
        """Begin timelines in one block of memory, which the system gives faster than many."""
        room = np.zeros((len(keys), min(self._slots, LEAST), BINS + 1), np.int64)
        self._timelines |= {key: self._timeline(its) for key, its in zip(keys, room, strict=True)}

    def _fold(self, key: Key) -> Timeline:
        """Return the timeline of this layer and kind with nothing left pending."""
        for panel in (self._now, self._updates):
            if panel is not None:
                panel.fold()
        return self._timelines[key]

    # Reading.

    def counts(self, layer: str, kind: str) -> Array:
        """Return how many values fell into each bin in each slot, (slots, 2048), int64.

        Bins are in ascending order of value: ``counts[:, FINITE]`` lie between the 2041 ``EDGES``
        (a bin holds its edge nearer to 0 and not the other); before them stand -inf and three bins
        of NaN, after them +inf and three bins of NaN.
        """
        self._found(layer, kind)
        counts: Array = self._fold((layer, kind)).rows[:, _ORDER]
        return counts

    def coverage(self, layer: str, kind: str) -> Array:
        """Return which share of all values was looked at, (slots,): 1 without ``max_values``."""
        present = self._found(layer, kind).rows
        return np.asarray(self.counts(layer, kind).sum(axis=1) / present[:, BINS])

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
        """Return the counts of the slot of step, (2048,), or those of all slots together."""
        counts = self.counts(layer, kind)
        if step is None:
            return np.asarray(counts.sum(axis=0))
        return np.asarray(counts[self._timelines[layer, kind].find(step)])

    def histogram(
        self, layer: str, kind: str, edges: ArrayLike, *, step: int | None = None
    ) -> Array:
        """Return how many values lie between any other edges, (edges - 1,), as float64.

        The values of a bin of floats are taken as spread evenly over it, and shared by the bins
        between the edges that it overlaps: exact where all edges are among ``EDGES``, else
        approximate by the bins that are cut. Zeros are a point: they all lie in the bin that holds
        0, in the one to its right where 0 is an edge (except the last). What lies beyond the edges
        is not counted.

        Parameters
        ----------
        edges : array_like
            Ascending, (bins + 1,).
        step : int, optional
            A step of the slot wanted, or -1 for the last; all slots together by default.
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
            holder = int(np.searchsorted(edges, 0.0, side="right")) - 1
            shared[min(holder, shared.size - 1)] += zeros
        return shared

    def quantile(self, layer: str, kind: str, q: ArrayLike, *, step: int | None = None) -> Array:
        """Return the values below which the shares q of all values lie; NaN is left out.

        It falls into the bin of the exact quantile (numpy.quantile with ``method="inverted_cdf"``)
        and is placed there on a logarithmic scale. For |values| >= 2^-126 = 1.2e-38 it is therefore
        off by less than 25%, and mostly by much less; smaller ones are off by a factor of 2 at most
        down to 2^-128, below which all is 0.

        Parameters
        ----------
        q : array_like
            Shares in 0..1, of any shape; the result has the same.
        step : int, optional
            A step of the slot wanted, or -1 for the last; all slots together by default.
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
        return _between(place, within)

    def merge(self, other: HistogramProbe) -> HistogramProbe:
        """Return a new recording of both: the same steps of the same layers, counts added exactly.

        For instance of runs that differ in nothing but their seed. Neither probe is changed.

        Raises
        ------
        TypeError, ValueError
            If the other is no HistogramProbe, or its settings, layers or steps differ.
        """
        if not isinstance(other, HistogramProbe):
            raise TypeError(f"merge: expected a HistogramProbe, got {type(other).__name__}")
        mine, its = self._settings(), other._settings()
        differ = [
            f"{name} {mine[name]} and {its[name]}" for name in mine if mine[name] != its[name]
        ]
        if self._timelines.keys() != other._timelines.keys():
            differ.append(f"layers {self.layers} and {other.layers}, or their kinds")
        else:
            differ += [
                f"the steps of {' '.join(key)}"
                for key, timeline in self._timelines.items()
                if not np.array_equal(timeline.steps, other._timelines[key].steps)
            ]
        if differ:
            raise ValueError(f"merge: the recordings differ in {'; '.join(differ)}")
        merged = copy.deepcopy(self)
        for key in merged._timelines:
            merged._fold(key).rows[...] += other._fold(key).rows
        return merged

    # Files.

    def _state(self, key: Key) -> dict[str, Array]:
        """Most bins are never used, so a file has only those that are."""
        state = self._fold(key).state()
        used = np.flatnonzero(state["rows"].any(axis=0))
        return {"steps": state["steps"], "bins": used, "counts": state["rows"][:, used]}

    def _restore(self, key: Key, state: dict[str, Array]) -> None:
        steps, bins, counts = state["steps"], state["bins"], state["counts"]
        if bins.ndim != 1 or counts.shape != (len(steps), len(bins)) or counts.dtype != np.int64:
            raise ValueError(f"counts of {' '.join(key)} are {counts.dtype} {counts.shape}")
        if ((bins < 0) | (bins > BINS)).any() or (np.diff(bins) < 1).any() or (counts < 0).any():
            raise ValueError(f"counts of {' '.join(key)} are out of range")
        if len(steps) > self._slots:
            raise ValueError(f"there are {len(steps)} slots of {' '.join(key)}, not {self._slots}")
        rows = np.zeros((len(steps), BINS + 1), np.int64)
        rows[:, bins] = counts
        if (rows[:, :BINS].sum(axis=1) > rows[:, BINS]).any() or (rows[:, BINS] < 1).any():
            raise ValueError(f"counts of {' '.join(key)} are more than there were values")
        self._timelines[key].restore({"steps": steps, "rows": rows})


def _between(place: Array, within: Array) -> Array:
    """Return the number at a share ``within`` of a bin, places counted from that of -inf."""
    bins = np.clip(place - 1, 0, EDGES.size - 2)
    low, high = EDGES[bins], EDGES[bins + 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        values = low * (high / low) ** within
    zero = (low == 0) | (high == 0)
    values = np.where(zero, 0.0, values)
    values = np.where(place == 0, -np.inf, values)
    return np.where(place == EDGES.size, np.inf, values)

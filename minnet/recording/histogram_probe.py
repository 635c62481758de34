"""Histograms of every buffer at every step, in bounded memory.

The bins are those of the floats themselves, four to each power of two: see
`minnet.kernels.histograms`. They need no range in advance and include all values. Histograms can be
added exactly, and the relative error of a quantile is at most a quarter at any scale.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from minnet.kernels import histograms
from minnet.kernels.histograms import BINS, BLOCK, BLOCKS, COUNTED, INFINITY, SIGN, WIDTH
from minnet.layers.sequential import Sequential
from minnet.recording.recorder import DEFAULT_KINDS, Recorder
from minnet.recording.series import Key, Series
from minnet.recording.taps import View
from minnet.validation import Array, count

MOST_PENDING = 2**31 - 1  # the largest int32

# From here on bins are in ascending order of value: three of NaN, -inf, 2040 of finite numbers,
# +inf, three of NaN. The first eleven bits of a negative number grow as the number falls.
_ORDER = np.concatenate([np.arange(BINS - 1, SIGN - 1, -1), np.arange(SIGN)])
FINITE = slice(BINS - SIGN - INFINITY, SIGN + INFINITY)
MINUS_INFINITY, PLUS_INFINITY = FINITE.start - 1, FINITE.stop
ZERO = slice(SIGN - 1, SIGN + 1)  # -0 and +0, and what is nearer to 0 than 2^-128, 2.9e-39

_magnitudes = np.append((np.arange(INFINITY, dtype=np.uint32) << 21).view(np.float32), 2.0**128)
EDGES = np.append(-_magnitudes[:0:-1], _magnitudes)  # of the bins in FINITE, 2041, ascending
EDGES.flags.writeable = False


class HistogramProbe(Recorder):
    """Count the values of buffers, gradients, weights and updates, layer by layer, step by step.

    Pass it to `minnet.fit` or `minnet.train_step` as one of ``probes``. It keeps at most ``slots``
    histograms for each layer and kind: when all are in use, neighbours are added, and each slot
    then stands for twice as many observed steps. float64 values are rounded to float32 first; a
    value too large for float32 counts as infinite, and values nearer to 0 than 2^-128 = 2.9e-39
    count as zero.

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
        Each takes about 4 kB for each layer and kind.
    max_values : int, optional
        Of a larger array only this many values are counted, in whole rows (at least one): every
        r-th row, beginning one row later at each observation. `coverage` returns the share that was
        counted. In batches without shuffling these may be the same rows in each epoch. All values
        by default.
    budget : float, optional
        The share of the time that recording may take, such as 0.05: after an observation steps are
        skipped until the share is no larger. The observed steps then depend on the machine and its
        load. No limit by default.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of range.

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
        slots = count(slots, "HistogramProbe", "slots")
        if max_values is not None:
            self._max_values = max_values = count(max_values, "HistogramProbe", "max_values")
        settings = {"slots": slots, "max_values": max_values}
        super().__init__(kinds, every, layers, budget, settings)
        self._series = Counts(slots)

    def _record(self, net: Sequential, view: View) -> None:
        if view.plan is None:
            plan = self._series.plan(view.places[1:], view.rows, view.strides)
            view.plan = plan, plan.batches(view.rows)
        plan, batches = view.plan
        self._series.count(plan, batches, self.observed)

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
        return np.asarray(bins[:, COUNTED] / bins[:, histograms.PRESENT])

    def zeros(self, layer: str, kind: str) -> Array:
        """Return the share of values that are 0 or nearer to it than 2.9e-39, (slots,)."""
        return self._share(layer, kind, ZERO)

    def nans(self, layer: str, kind: str) -> Array:
        """Return the share of values that are NaN, (slots,)."""
        return self._share(layer, kind, np.r_[:MINUS_INFINITY, PLUS_INFINITY + 1 : BINS])

    def infinities(self, layer: str, kind: str) -> tuple[Array, Array]:
        """Return the shares of values that are -inf and that are +inf, each (slots,)."""
        minus, plus = [MINUS_INFINITY], [PLUS_INFINITY]
        return self._share(layer, kind, minus), self._share(layer, kind, plus)

    def _share(self, layer: str, kind: str, bins: Any) -> Array:
        counts = self.counts(layer, kind)
        return np.asarray(counts[:, bins].sum(axis=1) / counts.sum(axis=1))

    def quantile(self, layer: str, kind: str, q: ArrayLike, *, step: int | None = None) -> Array:
        """Return the values below which the shares q of all values except NaN lie.

        A result lies in the bin of the exact quantile (numpy.quantile with
        ``method="inverted_cdf"``), interpolated on a logarithmic scale. For magnitudes from
        2^-126 = 1.2e-38 its error is therefore less than 25%, and mostly much less.

        Parameters
        ----------
        q : array_like
            Shares in 0..1, of any shape; the result has the same.
        step : int, optional
            A step of the requested slot, or -1 for the last; the sum of all slots by default.

        Raises
        ------
        ValueError
            If q is out of range, or the step lies outside the observed steps.
        """
        shares = np.asarray(q, dtype=np.float64)
        if not ((shares >= 0) & (shares <= 1)).all():
            raise ValueError(f"quantile: q must be in 0..1, got {q!r}")
        counts = self.counts(layer, kind)[:, MINUS_INFINITY : PLUS_INFINITY + 1]
        if step is not None:
            counts = counts[[self._series.find((layer, kind), step)]]
        counts = counts.sum(axis=0)
        upto = np.cumsum(counts)
        if not upto[-1]:
            return np.full(shares.shape, np.nan)
        rank = np.clip(np.ceil(shares * upto[-1]), 1, upto[-1])
        place = np.searchsorted(upto, rank, side="left")
        within = (rank - (upto - counts)[place] - 0.5) / counts[place]
        return _interpolated(place, within)


def _interpolated(place: Array, within: Array) -> Array:
    """Return the value at a share ``within`` of a bin; places are counted from that of -inf."""
    bins = np.clip(place - 1, 0, EDGES.size - 2)
    low, high = EDGES[bins], EDGES[bins + 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        values = low * (high / low) ** within
    cases = [place == 0, place == EDGES.size, (low == 0) | (high == 0)]
    return np.select(cases, [-np.inf, np.inf, 0.0], values)


class Plan(NamedTuple):
    """How the arrays of a step are counted, in calls of 16 arrays each."""

    tables: list[Array]  # (place, stride, size) of each array of a call
    padding: list[Array]  # empty arrays that complete the last call
    largest: int  # size of the largest array

    def batches(self, arrays: list[Array]) -> list[tuple[Array, tuple[Array, ...]]]:
        """Return the arrays of each call: the first one, and the others."""
        arrays = arrays + self.padding
        starts = range(0, len(arrays), histograms.ARRAYS)
        return [(arrays[k], tuple(arrays[k + 1 : k + histograms.ARRAYS])) for k in starts]


class Counts(Series):
    """A series of counts, and the counters of steps that are not in the last row yet.

    The values of an array lie in few of the 2048 bins. So the rows hold only those blocks of
    neighbouring bins that were needed in a step, and only their counters are moved and cleared.
    Counters are moved when the row is complete, when it is read, and before they overflow.
    """

    def __init__(self, capacity: int) -> None:
        super().__init__(capacity, BLOCK, np.add, 0)
        # The block of bins that each entry of the rows counts: place of the key * BLOCKS + block.
        self._blocks: Array = np.zeros(0, np.int64)
        self._counters: Array = np.zeros((0, histograms.COPIES, WIDTH), np.int32)
        self._pending = 0  # the largest possible count in a counter

    # Recording.

    def plan(self, places: Array, arrays: Sequence[Array], strides: list[int]) -> Plan:
        """Prepare to count every stride-th row of such arrays for the keys at these places."""
        sizes = [array.size for array in arrays]
        rest = -len(arrays) % histograms.ARRAYS
        table = np.zeros((len(arrays) + rest, 3), np.int64)
        table[: len(arrays)] = np.transpose([places, strides, sizes])
        padding = [np.empty((0, 0), arrays[0].dtype)] * rest if arrays else []
        return Plan(list(table.reshape(-1, histograms.ARRAYS, 3)), padding, max(sizes, default=0))

    def count(
        self, plan: Plan, batches: list[tuple[Array, tuple[Array, ...]]], offset: int
    ) -> None:
        """Count the arrays of a step, from row ``offset % stride`` of each on."""
        if self._pending + plan.largest > MOST_PENDING:
            self.fold()
        self._pending += plan.largest
        for (first, others), table in zip(batches, plan.tables, strict=True):
            histograms.count_floats(first, others, offset, table, self._counters)

    def _begin_row(self) -> None:
        self.fold()
        super()._begin_row()

    def add_keys(self, keys: Iterable[Key]) -> Array:
        """Return the places of the keys, (keys,); unknown keys are added, with counters."""
        self.fold()
        places = super().add_keys(keys)
        if len(self._counters) < len(self.keys):
            self._counters = np.zeros((len(self.keys), histograms.COPIES, WIDTH), np.int32)
            self._add_blocks(places * BLOCKS + BLOCKS - 1)  # the totals
        return places

    def fold(self) -> None:
        """Move all counts to the current row."""
        if not self._pending:
            return
        if histograms.move_counts(self._counters, self._blocks, self.row.reshape(-1)):
            blocks = self._counters.any(axis=1).reshape(-1, BLOCK)
            used = np.flatnonzero(blocks.any(axis=1))
            # The neighbours of the used blocks are likely to be needed next.
            self._add_blocks(np.concatenate([used - 1, used, used + 1]))
            histograms.move_counts(self._counters, self._blocks, self.row.reshape(-1))
        self._pending = 0

    def _add_blocks(self, blocks: Array) -> None:
        """Add entries for the blocks that have none."""
        new = np.zeros(len(self.keys) * BLOCKS, np.bool_)
        new[blocks] = True
        new[self._blocks] = False
        self._blocks = np.append(self._blocks, np.flatnonzero(new))
        self.extend(len(self._blocks))

    # Reading.

    def bins(self, key: Key) -> Array:
        """Return all bins and totals of a key, for each row that has it, (n, WIDTH)."""
        self.fold()
        owners, blocks = np.divmod(self._blocks, BLOCKS)
        own = np.flatnonzero(owners == self.keys[key])
        rows = np.zeros((len(self.rows), BLOCKS, BLOCK), np.int64)
        rows[:, blocks[own]] = self.rows[:, own]
        return rows.reshape(len(rows), WIDTH)[self.observed(key) > 0]

    # Files.

    def state(self) -> dict[str, Array]:
        """Return the arrays of `Series.state`, and the ``blocks`` that the rows count."""
        self.fold()
        return super().state() | {"blocks": self._blocks}

    def restore(self, state: dict[str, Array]) -> None:
        """Take over what `state` returned for the same keys; raise ValueError if it is invalid."""
        self._blocks = state["blocks"].copy()
        if not np.isin(self._blocks, np.arange(len(self.keys) * BLOCKS)).all():
            raise ValueError("the blocks of counts are out of range")
        super().restore(state)

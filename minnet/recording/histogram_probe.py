"""Probe that records histograms over the steps of a training run, in bounded memory.

All float32 numbers with the same first eleven bits form a bin, so that each power of two has four
bins; `minnet.kernels.histograms` describes them. The bins cover all values, so no range has to be
chosen in advance, and histograms can be added exactly. The relative error of a quantile is less
than 25% for magnitudes of at least 2^-126 = 1.2e-38.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minnet.kernels import histograms
from minnet.kernels.histograms import ARRAYS, BINS, BLOCK, BLOCKS, COUNTED, INFINITY, SIGN, WIDTH
from minnet.layers.sequential import Sequential
from minnet.recording.recorder import DEFAULT_KINDS, Recorder
from minnet.recording.series import Key, Series
from minnet.recording.taps import View
from minnet.validation import Array, count

MOST_PENDING = 2**31 - 1  # the largest int32
TOTALS = BLOCKS - 1  # the block after the bins

# Indices of the bins in ascending order of value: three bins of NaN, -inf, 2040 bins of finite
# numbers, +inf, three bins of NaN. The bins of negative numbers are reversed, because the index of
# such a bin increases with the magnitude.
_ORDER = np.concatenate([np.arange(BINS - 1, SIGN - 1, -1), np.arange(SIGN)])
FINITE = slice(BINS - SIGN - INFINITY, SIGN + INFINITY)
MINUS_INFINITY, PLUS_INFINITY = FINITE.start - 1, FINITE.stop
ZERO = slice(SIGN - 1, SIGN + 1)  # -0, +0 and all magnitudes below 2^-128 = 2.9e-39

_magnitudes = np.append((np.arange(INFINITY, dtype=np.uint32) << 21).view(np.float32), 2.0**128)
EDGES = np.append(-_magnitudes[:0:-1], _magnitudes)  # 2041 edges of FINITE, ascending
EDGES.flags.writeable = False


class HistogramProbe(Recorder):
    """Record histograms of buffers, parameters, gradients and updates during training.

    Pass it to `minnet.fit` or `minnet.train_step` as one of ``probes``. It keeps at most ``slots``
    histograms for each layer and kind. When all slots are in use, neighbouring histograms are
    added, and each slot then stands for twice as many observed steps. float64 values are rounded to
    float32 first. A value too large for float32 counts as infinite, and a magnitude below
    2^-128 = 2.9e-39 counts as zero.

    Parameters
    ----------
    kinds : sequence of str
        Arrays to record: the buffers ``y``, ``dy`` and ``dx``; parameters, such as ``weight`` or
        ``gamma``; gradients of parameters, such as ``weight_grad``; and ``update``, the change of
        ``weight`` in the optimizer's step. A kind is skipped for layers that do not have it, and dx
        is skipped where it was not computed.
    every : int, default 1
        Observe the steps whose number is a multiple of this.
    layers : sequence of str, optional
        Dotted names of the layers; all by default.
    slots : int, default 64
        Maximum number of histograms for each layer and kind. Each takes about 4 kB.
    max_values : int, optional
        Maximum number of values to count in an array. In a larger array only every r-th row is
        counted, but at least one row. The first counted row moves by one at each observation.
        Without shuffling, the counted rows may be the same in each epoch. `coverage` returns the
        share of the values that was counted. By default all values are counted.
    budget : float, optional
        Maximum share of the time that recording may take, such as 0.05. After an observation, steps
        are skipped until the share is no larger than this. The observed steps then depend on the
        machine and its load. By default there is no limit.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or is out of range.

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
        self._series.count(view, self.observed)

    def _record_updates(self, weights: View) -> None:
        weights.subtract()
        self._series.count(weights, weights.offset)

    # Reading.

    def counts(self, layer: str, kind: str) -> Array:
        """Return the number of values in each bin of each slot, (slots, 2048), int64.

        The bins are in ascending order of value: three bins of NaN, -inf, the bins of finite
        values, +inf, and three bins of NaN. ``counts[:, FINITE]`` are the bins of finite values,
        whose 2041 edges are ``EDGES``. A bin includes its edge nearer to 0, but not the other edge.
        """
        counts: Array = self._series.bins(self._key(layer, kind))[:, _ORDER]
        return counts

    def coverage(self, layer: str, kind: str) -> Array:
        """Return the share of all values that was counted, (slots,); 1 without ``max_values``."""
        bins = self._series.bins(self._key(layer, kind))
        return np.asarray(bins[:, COUNTED] / bins[:, histograms.PRESENT])

    def zeros(self, layer: str, kind: str) -> Array:
        """Return the share of values that are 0 or have a magnitude below 2.9e-39, (slots,)."""
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
        """Return the quantiles q of all recorded values except NaN.

        Each result lies in the same bin as the exact quantile, which is that of numpy.quantile with
        ``method="inverted_cdf"``. It is interpolated on a logarithmic scale within the bin. For
        magnitudes of at least 2^-126 = 1.2e-38 its relative error is therefore less than 25%. If
        all values are NaN, the quantiles are nan.

        Parameters
        ----------
        q : array_like
            Shares from 0 to 1, of any shape. The result has the same shape.
        step : int, optional
            Use only the slot that contains this step, or the last slot for -1. By default all slots
            are added.

        Raises
        ------
        ValueError
            If q is out of range, or the step lies outside the observed steps.
        """
        shares = np.asarray(q, dtype=np.float64)
        if not ((shares >= 0) & (shares <= 1)).all():
            raise ValueError(f"quantile: expected q to be in 0..1, got {q!r}")
        counts = self.counts(layer, kind)[:, MINUS_INFINITY : PLUS_INFINITY + 1]
        if step is not None:
            counts = counts[[self._series.find((layer, kind), step)]]
        counts = counts.sum(axis=0)
        upto = np.cumsum(counts)
        if not upto[-1]:
            return np.full(shares.shape, np.nan)
        rank = np.clip(np.ceil(shares * upto[-1]), 1, upto[-1])
        index = np.searchsorted(upto, rank, side="left")
        within = (rank - (upto - counts)[index] - 0.5) / counts[index]
        return _interpolated(index, within)


def _interpolated(index: Array, within: Array) -> Array:
    """Return the value at the fraction ``within`` of each bin; index 0 is the bin of -inf."""
    bins = np.clip(index - 1, 0, EDGES.size - 2)
    low, high = EDGES[bins], EDGES[bins + 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        values = low * (high / low) ** within
    cases = [index == 0, index == EDGES.size, (low == 0) | (high == 0)]
    return np.select(cases, [-np.inf, np.inf, 0.0], values)


def _batches(view: View) -> list[tuple[Array, tuple[Array, ...], Array]]:
    """Return the arguments of `count_floats` for the arrays, 16 arrays a call."""
    rest = -len(view.rows) % ARRAYS
    arrays = view.rows + [np.empty_like(rows[:0]) for rows in view.rows[:1]] * rest
    table = np.zeros((len(arrays), 3), np.int64)
    sizes = [rows.size for rows in view.rows]
    table[: len(sizes)] = np.transpose([view.indices, view.strides, sizes])
    starts = range(0, len(arrays), ARRAYS)
    return [(arrays[k], tuple(arrays[k + 1 : k + ARRAYS]), table[k : k + ARRAYS]) for k in starts]


class Counts(Series):
    """Series of histograms, with counters for the steps that are not in the last row yet.

    The values of an array usually lie in few of the 2048 bins. The rows therefore hold only the
    blocks of neighbouring bins that have been used, and the blocks next to them. Only the counters
    of these blocks are moved to the row and cleared. Counters are moved when the row is complete,
    when it is read, and before they overflow.
    """

    def __init__(self, capacity: int) -> None:
        # The block of bins in each entry of the rows, as index of the key * BLOCKS + block.
        self._blocks: Array = np.array([TOTALS])
        self._counters: Array = np.zeros((1, histograms.COPIES, WIDTH), np.int32)
        self._pending = 0  # an upper bound of the counts in a counter
        super().__init__(capacity, BLOCK, np.add, 0)

    # Recording.

    def count(self, view: View, offset: int) -> None:
        """Count every stride-th row of the arrays, from row ``offset % stride`` of each."""
        if self._pending + view.size > MOST_PENDING:
            self.fold()
        self._pending += view.size
        if view.arguments is None:
            view.arguments = _batches(view)
        for first, others, table in view.arguments:
            histograms.count_floats(first, others, offset, table, self._counters)

    def _begin_row(self, step: int) -> None:
        self.fold()
        super()._begin_row(step)

    def add_keys(self, keys: Iterable[Key]) -> None:
        """Add the keys that are unknown, with counters."""
        self.fold()
        super().add_keys(keys)
        if len(self._counters) < len(self.keys):
            self._counters = np.zeros((len(self.keys), histograms.COPIES, WIDTH), np.int32)
            self._add_blocks(np.arange(len(self.keys)) * BLOCKS + TOTALS)

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

    def observed(self, key: Key) -> Array:
        """Return a mask of the rows in which the key was observed, (rows,)."""
        self.fold()
        (totals,) = np.flatnonzero(self._blocks == self.keys[key] * BLOCKS + TOTALS)
        return np.asarray(self.rows[:, totals].any(axis=1))

    def bins(self, key: Key) -> Array:
        """Return the bins and totals of a key for each row in which it was observed, (n, WIDTH)."""
        rows = self.rows[self.observed(key)]
        owners, blocks = np.divmod(self._blocks, BLOCKS)
        own = np.flatnonzero(owners == self.keys[key])
        bins = np.zeros((len(rows), BLOCKS, BLOCK), np.int64)
        bins[:, blocks[own]] = rows[:, own]
        return bins.reshape(len(rows), WIDTH)

    # Files.

    def state(self) -> dict[str, Array]:
        """Return the arrays of `Series.state`, and the ``blocks`` in the entries of the rows."""
        self.fold()
        return super().state() | {"blocks": self._blocks}

    def restore(self, state: dict[str, Array]) -> None:
        """Restore what `state` returned for the same keys; raise ValueError if it is invalid."""
        self._blocks = state["blocks"].copy()
        if not np.isin(self._blocks, np.arange(len(self.keys) * BLOCKS)).all():
            raise ValueError("expected blocks of counts of the keys, got others")
        self.extend(len(self._blocks))
        super().restore(state)

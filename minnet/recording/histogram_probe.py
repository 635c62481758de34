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
from minnet.kernels.histograms import (
    ARRAYS,
    BINS,
    BLOCK,
    BLOCKS,
    COUNTED,
    HUGE,
    INFINITY,
    MINUS_HUGE,
    PRESENT,
    SIGN,
    TINY,
    WIDTH,
)
from minnet.kernels.moments import count_positive
from minnet.layers.sequential import Sequential
from minnet.recording.recorder import DEFAULT_KINDS, Recorder
from minnet.recording.series import MOST, Key, Series, require
from minnet.recording.taps import View
from minnet.validation import FLOAT64, Array, as_array, count

MOST_PENDING = 2**31 - 1  # the largest int32
TOTALS = BLOCKS - 1  # the block after the bins

# Indices of the bins in ascending order of value: three bins of NaN, -inf, 2040 bins of finite
# numbers, +inf, three bins of NaN. The bins of negative numbers are reversed, because the index of
# such a bin increases with the magnitude.
_ORDER = np.concatenate([np.arange(BINS - 1, SIGN - 1, -1), np.arange(SIGN)])
FINITE = slice(BINS - SIGN - INFINITY, SIGN + INFINITY)
MINUS_INFINITY, PLUS_INFINITY = FINITE.start - 1, FINITE.stop
ZERO = slice(SIGN - 1, SIGN + 1)  # -0, +0 and all magnitudes below 2^-128 = 2.9e-39
_ZERO_BINS = [0, SIGN]  # in the order of the kernel
_NAN_BINS = [*range(INFINITY + 1, SIGN), *range(INFINITY + SIGN + 1, BINS)]

_magnitudes = np.append((np.arange(INFINITY, dtype=np.uint32) << 21).view(np.float32), 2.0**128)
EDGES = np.append(-_magnitudes[:0:-1], _magnitudes)  # 2041 edges of FINITE, ascending
EDGES.flags.writeable = False


class HistogramProbe(Recorder):
    """Record histograms of buffers, parameters, gradients and updates during training.

    Pass it to `minnet.fit` or `minnet.train_step` as one of ``probes``. It keeps at most ``slots``
    histograms for each layer and kind. When all slots are in use, neighbouring histograms are
    added, and each slot then stands for twice as many observed steps. float64 values are rounded to
    float32 first. A float64 value too large for float32 lies in the bin of infinity, and a
    magnitude below 2^-128 = 2.9e-39 in the bins of zero; `zeros`, `tiny` and `infinities` tell them
    apart. In a float32 network such a small magnitude counts as zero.

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
    units : bool, default False
        Count for each unit of each recorded ``y`` the rows in which it is above 0; see `activity`.
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
        units: bool = False,
        budget: float | None = None,
    ) -> None:
        slots = count(slots, "HistogramProbe", "slots")
        if max_values is not None:
            self._max_values = max_values = count(max_values, "HistogramProbe", "max_values")
        if not isinstance(units, bool | np.bool_):
            raise TypeError(f"HistogramProbe: expected units to be True or False, got {units!r}")
        settings = {"slots": slots, "max_values": max_values, "units": bool(units)}
        super().__init__(kinds, every, layers, budget, settings)
        self._series = Counts(slots)
        self._units = UnitCounts(slots) if units else None

    def _record(self, net: Sequential, view: View) -> None:
        self._series.count(view, self.observed)
        if self._units is not None:
            self._units.begin(self._series.last_step)
            self._units.count(view, self.observed)

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
        return np.asarray(bins[:, COUNTED] / bins[:, PRESENT])

    def zeros(self, layer: str, kind: str) -> Array:
        """Return the share of values that are 0, (slots,)."""
        return self._share(layer, kind, _ZERO_BINS, minus=[TINY])

    def tiny(self, layer: str, kind: str) -> Array:
        """Return the share of values with a magnitude below 2.9e-39 but not 0, (slots,).

        They are counted apart from zeros in a float64 network only.
        """
        return self._share(layer, kind, [TINY])

    def nans(self, layer: str, kind: str) -> Array:
        """Return the share of values that are NaN, (slots,)."""
        return self._share(layer, kind, _NAN_BINS)

    def infinities(self, layer: str, kind: str) -> tuple[Array, Array]:
        """Return the shares of values that are -inf and that are +inf, each (slots,)."""
        return (
            self._share(layer, kind, [INFINITY + SIGN], minus=[MINUS_HUGE]),
            self._share(layer, kind, [INFINITY], minus=[HUGE]),
        )

    def _share(self, layer: str, kind: str, places: Any, minus: Sequence[int] = ()) -> Array:
        bins = self._series.bins(self._key(layer, kind))
        counts = bins[:, places].sum(axis=1) - bins[:, list(minus)].sum(axis=1)
        return np.asarray(counts / bins[:, COUNTED])

    def shares(self, layer: str, kind: str) -> tuple[Array, Array]:
        """Return bin edges (bins + 1,), and the share of values in each bin, (slots, bins).

        The bins are those from the lowest to the highest finite value of all slots, so that a chart
        of the whole run has one axis. The bins of zero, on both sides of the edge 0, are 0; `zeros`
        and `tiny` return their share. Divided by ``numpy.diff(edges)``, the shares are a density.
        `steps` returns the steps of the slots.
        """
        counts = self.counts(layer, kind)
        total = counts.sum(axis=1, keepdims=True)
        counts[:, ZERO] = 0
        counts = counts[:, FINITE]
        used = np.flatnonzero(counts.any(axis=0))
        low, high = (used[0], used[-1] + 1) if used.size else (0, 0)
        return EDGES[low : high + 1], counts[:, low:high] / total

    def activity(self, layer: str) -> Array:
        """Return the share of the counted rows in which each unit's y was above 0, (slots, units).

        `steps` of the layer's ``y`` returns the steps of the slots. A slot in which the layer had
        another number of units is nan.

        Raises
        ------
        KeyError
            If ``y`` of that layer was not recorded, or the probe was created without ``units``.
        """
        key = self._key(layer, "y")
        if self._units is None or layer not in self._units.places:
            raise KeyError(
                f"activity: expected units of {layer!r}, which were not recorded; create the probe "
                "with HistogramProbe(units=True)"
            )
        shares: Array = self._units.shares(layer)[self._series.observed(key)]
        return shares

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
        counts = self.counts(layer, kind)
        if step is None:
            counts = counts.sum(axis=0, keepdims=True)
        else:
            counts = counts[[self._series.find((layer, kind), step)]]
        quantiles: Array = _quantiles(counts, q)[0]
        return quantiles

    def quantiles(self, layer: str, kind: str, q: ArrayLike) -> Array:
        """Return the quantiles q in each slot, (slots, ...) with the shape of q; see `quantile`."""
        return _quantiles(self.counts(layer, kind), q)

    # Files.

    def _state(self) -> dict[str, Array]:
        state = super()._state()
        if self._units is not None:
            sizes = {layer: place.stop - place.start for layer, place in self._units.places.items()}
            layers = [[self._series.keys[layer, "y"], size] for layer, size in sizes.items()]
            state["unit_layers"] = np.array(layers, np.int64).reshape(-1, 2)
            state["unit_rows"] = self._units.rows
        return state

    def _restore(self, state: dict[str, Array]) -> None:
        super()._restore(state)
        if self._units is not None:
            rows, keys = state["unit_rows"], list(self._series.keys)
            require(rows.shape[1:2] == (state["unit_layers"][:, 1].sum(),), "counts of all units")
            for index, size in state["unit_layers"].tolist():
                require(keys[index][1] == "y" and size > 1, "units of y")
                self._units.add_layer(keys[index][0], size)
            self._units.restore({"steps": state["steps"], "rows": rows})
            for place in self._units.places.values():
                counts = self._units.rows[:, place, 0]
                valid = (counts >= 0).all() and (counts <= counts[:, :1]).all()
                require(valid and (counts < MOST).all(), "at most as many active rows as rows")


def _quantiles(counts: Array, q: ArrayLike) -> Array:
    """Return the quantiles q of each row of counts in ascending order of value, (rows, ...)."""
    shares = as_array(q, FLOAT64, "quantile", "q")
    if not ((shares >= 0) & (shares <= 1)).all():
        raise ValueError(f"quantile: expected q to be in 0..1, got {q!r}")
    counts = counts[:, MINUS_INFINITY : PLUS_INFINITY + 1]
    results = np.full((len(counts), *shares.shape), np.nan)
    for k, (row, upto) in enumerate(zip(counts, np.cumsum(counts, axis=1), strict=True)):
        if upto[-1]:
            rank = np.clip(np.ceil(shares * upto[-1]), 1, upto[-1])
            index = np.searchsorted(upto, rank, side="left")
            within = (rank - (upto - row)[index] - 0.5) / row[index]
            results[k] = _interpolated(index, within)
    return results


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
        blocks, rows = state["blocks"], state["rows"]
        require(
            blocks.dtype == np.int64
            and blocks.ndim == 1
            and len(np.unique(blocks)) == len(blocks)
            and np.isin(np.arange(len(self.keys)) * BLOCKS + TOTALS, blocks).all()
            and np.isin(blocks, np.arange(len(self.keys) * BLOCKS)).all(),
            "different blocks of counts of the keys",
        )
        require(rows.shape[1:] == (len(blocks), BLOCK), "a row with an entry for each block")
        require((rows >= 0).all() and (rows < MOST).all(), f"counts in 0..{MOST}")
        self._blocks = blocks.copy()
        self.extend(len(self._blocks))
        super().restore(state)
        for key in self.keys:
            bins = self.bins(key)
            require(
                (bins[:, :BINS].sum(axis=1) == bins[:, COUNTED]).all()
                and (bins[:, COUNTED] <= bins[:, PRESENT]).all()
                and (bins[:, TINY] <= bins[:, _ZERO_BINS].sum(axis=1)).all()
                and (bins[:, [HUGE, MINUS_HUGE]] <= bins[:, [INFINITY, INFINITY + SIGN]]).all(),
                f"counts of {key} that add up to their total",
            )


class UnitCounts(Series):
    """Series of the numbers of rows, and of rows with y above 0 for each unit of some layers."""

    def __init__(self, capacity: int) -> None:
        super().__init__(capacity, 1, np.add, 0)
        self.places: dict[str, slice] = {}  # entries of a layer: its rows, then its units
        self._end = 0

    def count(self, view: View, offset: int) -> None:
        """Count the recorded rows of every y in view."""
        for tap, rows, stride in zip(view.taps, view.rows, view.strides, strict=True):
            layer, kind = tap.key
            if kind == "y":
                self.add_layer(layer, 1 + rows.shape[1])
                place = self.places[layer]
                if place.stop - place.start == 1 + rows.shape[1]:
                    start, counts = offset % stride, self.row.reshape(-1)[place]
                    counts[0] += len(range(start, len(rows), stride))
                    count_positive(rows, start, stride, counts[1:])

    def add_layer(self, layer: str, size: int) -> None:
        """Add entries for a layer, if it has none."""
        if layer not in self.places:
            self.places[layer] = slice(self._end, self._end + size)
            self._end += size
            self.extend(self._end)

    def shares(self, layer: str) -> Array:
        """Return the share of rows in which each unit was above 0, (rows, units), or nan."""
        counts = self.rows[:, self.places[layer], 0]
        with np.errstate(invalid="ignore"):
            return np.asarray(counts[:, 1:] / counts[:, :1])

"""Probe that records histograms over the steps of a training run, in bounded memory.

All float32 numbers with the same first eleven bits form a bin; `minnet.kernels.histograms`
describes the bins. They cover all values, so no range has to be chosen in advance.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from minnet.kernels import histograms as kernel
from minnet.kernels.histograms import BINS, INFINITY, SIGN
from minnet.kernels.moments import count_positive
from minnet.layers.sequential import Sequential
from minnet.recording.counts import ZEROS, Counts
from minnet.recording.recorder import DEFAULT_KINDS, Recorder
from minnet.recording.series import MOST_ROWS, Series, State, checked, require
from minnet.recording.taps import View
from minnet.validation import FLOAT64, Array, as_array, as_flag, count, shown

# Indices of the bins in ascending order of value: three bins of NaN, -inf, 2040 bins of finite
# numbers, +inf, three bins of NaN. The bins of negative numbers are reversed, because the index of
# such a bin increases with the magnitude.
_ORDER = np.concatenate([np.arange(BINS - 1, SIGN - 1, -1), np.arange(SIGN)])
FINITE = slice(BINS - SIGN - INFINITY, SIGN + INFINITY)
MINUS_INFINITY, PLUS_INFINITY = FINITE.start - 1, FINITE.stop
ZERO = slice(SIGN - 1, SIGN + 1)  # -0, +0 and all magnitudes below 2^-128 = 2.9e-39
_NANS = [*range(INFINITY + 1, SIGN), *range(INFINITY + SIGN + 1, BINS)]  # as the kernel's bins

_magnitudes = np.append((np.arange(INFINITY, dtype=np.uint32) << 21).view(np.float32), 2.0**128)
EDGES = np.append(-_magnitudes[:0:-1], _magnitudes)  # 2041 edges of FINITE, ascending
EDGES.flags.writeable = False
_EDGES_OR_INFINITY = np.array([-np.inf, *EDGES, np.inf])  # of all bins except those of NaN


class HistogramProbe(Recorder):
    """Record histograms of buffers, parameters, gradients and updates during training.

    Pass it to `minnet.fit` or `minnet.train_step` as one of ``probes``. When all slots are in use,
    neighbouring histograms are added, and each slot then stands for twice as many observed steps.
    float64 values are rounded to float32 first. A value too large for float32 lies in the bin of
    infinity, and a magnitude below 2^-128 = 2.9e-39 in the bins of zero; `zeros`, `tiny` and
    `infinities` tell them apart. In a float32 network such a small magnitude counts as zero.

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
        Maximum number of values to count in an array; all by default. In a larger array only every
        r-th row is counted, but at least one row. The first counted row moves by one at each
        observation. Without shuffling, the counted rows may be the same in each epoch. `coverage`
        returns the share of the values that was counted.
    units : bool, default False
        Count for each unit of each recorded ``y`` the rows in which it is above 0; see `activity`.
    budget : float, optional
        Maximum share of the time that recording may take, such as 0.05; no limit by default. After
        an observation, steps are skipped until the share is no larger than this. The observed steps
        then depend on the machine and its load.

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
        slots = count(slots, "HistogramProbe", "slots", most=MOST_ROWS)
        if max_values is not None:
            self._max_values = max_values = count(max_values, "HistogramProbe", "max_values")
        units = as_flag(units, "HistogramProbe", "units")
        settings = {"slots": slots, "max_values": max_values, "units": units}
        super().__init__(kinds, every, layers, budget, settings=settings, series=Counts(slots))
        # Entries of a key: the number of rows, and of those in which each unit of y is above 0.
        self._units = Series(slots, 1, np.add, 0) if units else None

    # Recording.

    def _record(self, step: int, net: Sequential, view: View) -> None:
        self._series.count(view, self.observed)
        if self._units is not None:
            self._units.begin(step)
            arrays = zip(view.taps, view.indices, view.rows, view.strides, strict=True)
            for tap, index, rows, stride in arrays:
                if tap.key[1] == "y":
                    self._count_units(self._units, index, rows, self.observed % stride, stride)

    def _count_units(self, units: Series, index: int, y: Array, start: int, stride: int) -> None:
        size, own = 1 + y.shape[1], np.flatnonzero(units.owners == index)
        if not own.size:
            own = np.arange(size) + len(units.owners)
            units.add_entries(np.full(size, index))
        if own.size == size:
            counts = units.row[own[0] : own[-1] + 1, 0]
            counts[0] += len(range(start, len(y), stride))
            count_positive(y, start, stride, counts[1:])

    def _record_updates(self, weights: View) -> None:
        weights.subtract()
        self._series.count(weights, weights.offset)

    # Reading.

    def _bins(self, layer: str, kind: str) -> Array:
        return self._series.bins(self._index(layer, kind))

    def counts(self, layer: str, kind: str) -> Array:
        """Return the number of values in each bin of each slot, (slots, 2048), int64.

        The bins are in ascending order of value: three bins of NaN, -inf, the bins of finite
        values, +inf, and three bins of NaN. ``counts[:, FINITE]`` are the bins of finite values,
        whose 2041 edges are ``EDGES``. A bin includes its edge nearer to 0, but not the other edge.
        """
        counts: Array = self._bins(layer, kind)[:, _ORDER]
        return counts

    def coverage(self, layer: str, kind: str) -> Array:
        """Return the share of all values that was counted, (slots,); 1 without ``max_values``."""
        bins = self._bins(layer, kind)
        return np.asarray(bins[:, kernel.COUNTED] / bins[:, kernel.PRESENT])

    def zeros(self, layer: str, kind: str) -> Array:
        """Return the share of values that are 0, (slots,)."""
        return self._share(layer, kind, ZEROS, minus=[kernel.TINY])

    def tiny(self, layer: str, kind: str) -> Array:
        """Return the share of values with a magnitude below 2.9e-39 but not 0, (slots,).

        They are counted apart from zeros in a float64 network only.
        """
        return self._share(layer, kind, [kernel.TINY])

    def nans(self, layer: str, kind: str) -> Array:
        """Return the share of values that are NaN, (slots,)."""
        return self._share(layer, kind, _NANS)

    def infinities(self, layer: str, kind: str) -> tuple[Array, Array]:
        """Return the shares of values that are -inf and that are +inf, each (slots,)."""
        return (
            self._share(layer, kind, [INFINITY + SIGN], minus=[kernel.MINUS_HUGE]),
            self._share(layer, kind, [INFINITY], minus=[kernel.HUGE]),
        )

    def _share(self, layer: str, kind: str, places: Any, minus: Sequence[int] = ()) -> Array:
        bins = self._bins(layer, kind)
        counts = bins[:, places].sum(axis=1) - bins[:, list(minus)].sum(axis=1)
        return np.asarray(counts / bins[:, kernel.COUNTED])

    def shares(self, layer: str, kind: str) -> tuple[Array, Array]:
        """Return bin edges (bins + 1,), and the share of values in each bin, (slots, bins).

        The bins are those from the lowest to the highest finite value of all slots. The bins of
        zero, on both sides of the edge 0, are 0; `zeros` and `tiny` return their share. Divided by
        ``numpy.diff(edges)``, the shares are a density.
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

        The slots are those of ``y``. A slot in which the layer had another number of units is nan.
        A probe without ``units`` raises KeyError.
        """
        index = self._index(layer, "y")
        if self._units is None or index not in self._units.owners:
            raise KeyError(
                f"activity: expected units of {layer!r}, which were not recorded; create the probe "
                "with HistogramProbe(units=True)"
            )
        own = self._units.owners == index
        counts = self._units.rows[self._series.observed(index)][:, own, 0]
        with np.errstate(invalid="ignore"):
            return np.asarray(counts[:, 1:] / counts[:, :1])

    def quantile(self, layer: str, kind: str, q: ArrayLike, *, step: int | None = None) -> Array:
        """Return the quantiles q of all recorded values except NaN, in the shape of q.

        Each result lies in the same bin as the exact quantile, which is that of numpy.quantile with
        ``method="inverted_cdf"``. It is interpolated on a logarithmic scale within the bin. For
        magnitudes of at least 2^-126 = 1.2e-38 its relative error is therefore less than 25%. If
        all values are NaN, the quantiles are nan.

        With ``step``, only the slot that contains this step is used, or the last slot for -1. A q
        outside 0..1 or a step outside the observed ones raises ValueError.
        """
        counts, starts = self.counts(layer, kind), self.steps(layer, kind)[:, 0]
        if step is None:
            counts = counts.sum(axis=0, keepdims=True)
        elif (step := count(step, "quantile", "step", least=-1)) != -1:
            first, last = starts[0], self.steps(layer, kind)[-1, 1]
            if not first <= step <= last:
                raise ValueError(
                    f"quantile: expected step from {first} to {last}, the observed steps, or -1 "
                    f"for the last one, got {step}"
                )
            counts = counts[: np.searchsorted(starts, step, side="right")]
        quantiles: Array = _quantiles(counts[-1:], q)[0]
        return quantiles

    def quantiles(self, layer: str, kind: str, q: ArrayLike) -> Array:
        """Return the quantiles q in each slot, (slots, ...) with the shape of q; see `quantile`."""
        return _quantiles(self.counts(layer, kind), q)

    # Files.

    def _state(self) -> dict[str, Array]:
        state = super()._state() | {"blocks": self._series.blocks}
        if self._units is not None:
            owners = self._units.owners.tolist()
            layers = [[index, owners.count(index)] for index in dict.fromkeys(owners)]
            state["unit_layers"] = np.array(layers, np.int64).reshape(-1, 2)
            state["unit_rows"] = self._units.rows
        return state

    def _restore(self, state: State) -> None:
        self._series.restore_blocks(state)
        if self._units is not None:
            last = len(self._keys) - 1, state["unit_rows"].shape[1]
            layers = checked(state, "unit_layers", np.int64, (None, 2), ((0, 2), last))
            kinds = {index: kind for (_, kind), index in self._keys.items()}
            require(
                all(kinds[index] == "y" for index in layers[:, 0].tolist())
                and len(np.unique(layers[:, 0])) == len(layers)
                and layers[:, 1].sum() == last[1],
                "counts of all units of y",
            )
            self._units.add_entries(np.repeat(layers[:, 0], layers[:, 1]))
            self._units.restore(state, "unit_rows")
            for index in layers[:, 0].tolist():
                counts = self._units.rows[:, self._units.owners == index]
                require((counts <= counts[:, :1]).all(), "at most as many active rows as rows")


@np.errstate(divide="ignore", invalid="ignore")
def _quantiles(counts: Array, q: ArrayLike) -> Array:
    """Return the quantiles q of each row of counts in ascending order of value, (rows, ...)."""
    shares = as_array(q, FLOAT64, "quantile", "q")
    if not ((shares >= 0) & (shares <= 1)).all():
        raise ValueError(f"quantile: expected q to be in 0..1, got {shown(q)}")
    counts = counts[:, MINUS_INFINITY : PLUS_INFINITY + 1]
    results = np.full((len(counts), *shares.shape), np.nan)
    for k, (row, upto) in enumerate(zip(counts, np.cumsum(counts, axis=1), strict=True)):
        if upto[-1]:
            rank = np.clip(np.ceil(shares * upto[-1]), 1, upto[-1])
            index = np.searchsorted(upto, rank, side="left")
            within = (rank - (upto - row)[index] - 0.5) / row[index]
            low, high = _EDGES_OR_INFINITY[index], _EDGES_OR_INFINITY[index + 1]
            values = low * (high / low) ** within
            cases = [index == 0, index == EDGES.size, (low == 0) | (high == 0)]
            results[k] = np.select(cases, [-np.inf, np.inf, 0.0], values)
    return results

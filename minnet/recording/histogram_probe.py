"""The whole distribution of every buffer at every step, in bounded memory.

The bins are those that floats have of their own, four to each power of two: see
`minnet.kernels.histograms`. So nobody has to know in advance what a gradient's size will be, no
value falls outside, histograms of steps, layers and seeds add up exactly, and a quantile is off by
a quarter at most, be it 1e3 or 1e-30.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from minnet.kernels.histograms import BINS, COUNTED, INFINITY, PRESENT, SIGN, WIDTH
from minnet.recording.files import Key
from minnet.recording.recording import DEFAULT_KINDS, Recording
from minnet.recording.sources import Sight, Weights
from minnet.recording.tally import Tally
from minnet.validation import Array, count

# From here on bins stand in ascending order of value: three of NaN, -inf, 2040 of finite numbers,
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


class _Counting(NamedTuple):
    """Which tallies count the arrays of a sight, and which of the arrays each of them does."""

    mark: object  # of the sight
    shares: list[tuple[Tally, list[int]]]


class HistogramProbe(Recording[Tally]):
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
        At least 2; each takes 4 kB or so for each layer and kind.
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
        # How the arrays seen last are counted, and the updates of weights.
        self._now, self._updates = _Counting(None, []), _Counting(None, [])

    def _settings(self) -> dict[str, Any]:
        return super()._settings() | {"slots": self._slots, "max_values": self._max_values}

    def _timeline(self, key: Key) -> Tally:
        return Tally(self._slots, [key])

    def _look(self, step: int, seen: Sight) -> None:
        if self._now.mark is not seen.mark:
            self._now = self._counting(seen, seen.strides)
        for tally, places in self._now.shares:
            tally.count(step, [seen.arrays[k] for k in places], self._observed)

    def _look_at_updates(self, step: int, weights: Weights) -> None:
        # Only the rows that are looked at were compared, so all of them are counted.
        if self._updates.mark is not weights.mark:
            self._updates = self._counting(weights, [1] * len(weights.changes))
        for tally, places in self._updates.shares:
            tally.count(step, [weights.changes[k] for k in places], 0)

    def _counting(self, seen: Sight, strides: list[int]) -> _Counting:
        """Share out the arrays, of which every strides-th row is looked at, among tallies."""
        keys = [source.key for source in seen.sources]
        if new := [key for key in keys if key not in self._timelines]:
            self._timelines |= dict.fromkeys(new, Tally(self._slots, new))
        shares = []
        for tally in self._regrouped(keys):
            places = [keys.index(key) for key in tally.keys]
            sizes = [seen.sources[k].size for k in places]
            tally.prepare(sizes, [strides[k] for k in places], seen.arrays[0].dtype)
            shares.append((tally, places))
        return _Counting(seen.mark, shares)

    def _regrouped(self, keys: list[Key]) -> list[Tally]:
        """Return tallies of these keys and no others: as few as there are histories of steps.

        What is missing at this step is parted from them; what was loaded from a file is joined.
        """
        if self._timelines[keys[0]].keys == keys:
            return [self._timelines[keys[0]]]
        groups: dict[bytes, list[Key]] = {}
        for key in keys:
            steps = self._timelines[key].state()["steps"]
            groups.setdefault(steps.tobytes(), []).append(key)
        for group in groups.values():
            tallies = {self._timelines[key] for key in group}
            if {key for tally in tallies for key in tally.keys} - set(group) or len(tallies) > 1:
                self._regroup(group)
                for tally in tallies:
                    self._regroup([key for key in tally.keys if key not in group])
        return [self._timelines[group[0]] for group in groups.values()]

    def _regroup(self, keys: list[Key]) -> None:
        if keys:
            tally = Tally.of({key: self._timelines[key] for key in keys})
            self._timelines |= dict.fromkeys(keys, tally)

    # Reading.

    def counts(self, layer: str, kind: str) -> Array:
        """Return how many values fell into each bin in each slot, (slots, 2048), int64.

        Bins are in ascending order of value: ``counts[:, FINITE]`` lie between the 2041 ``EDGES``
        (a bin holds its edge nearer to 0 and not the other); before them stand -inf and three bins
        of NaN, after them +inf and three bins of NaN.
        """
        counts: Array = self._found(layer, kind).dense((layer, kind))[:, _ORDER]
        return counts

    def coverage(self, layer: str, kind: str) -> Array:
        """Return which share of all values was looked at, (slots,): 1 without ``max_values``."""
        rows = self._found(layer, kind).dense((layer, kind))
        return np.asarray(rows[:, COUNTED] / rows[:, PRESENT])

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
        merged = HistogramProbe(**mine)
        merged._last_step, merged._observed = self._last_step, self._observed
        for key, tally in self._timelines.items():
            counts = tally.dense(key) + other._timelines[key].dense(key)
            merged._timelines[key] = merged._timeline(key)
            merged._timelines[key].take_over(tally.state()["steps"], [counts])
        return merged

    # Files.

    def _state(self, key: Key) -> dict[str, Array]:
        """Most bins are never used: a file has those that are, and how many values there were."""
        tally = self._timelines[key]
        counts = tally.dense(key)[:, : PRESENT + 1]
        used = np.flatnonzero(counts.any(axis=0))
        return {"steps": tally.state()["steps"], "bins": used, "counts": counts[:, used]}

    def _restore(self, key: Key, state: dict[str, Array]) -> None:
        steps, bins, counts = state["steps"], state["bins"], state["counts"]
        if bins.ndim != 1 or counts.shape != (len(steps), len(bins)) or counts.dtype != np.int64:
            raise ValueError(f"counts of {' '.join(key)} are {counts.dtype} {counts.shape}")
        if ((bins < 0) | (bins > PRESENT)).any() or (np.diff(bins) < 1).any() or (counts < 0).any():
            raise ValueError(f"counts of {' '.join(key)} are out of range")
        if len(steps) > self._slots:
            raise ValueError(f"there are {len(steps)} slots of {' '.join(key)}, not {self._slots}")
        rows = np.zeros((len(steps), WIDTH), np.int64)
        rows[:, bins] = counts
        rows[:, COUNTED] = rows[:, :BINS].sum(axis=1)
        if (rows[:, COUNTED] > rows[:, PRESENT]).any() or (rows[:, PRESENT] < 1).any():
            raise ValueError(f"counts of {' '.join(key)} are more than there were values")
        self._timelines[key].take_over(steps, [rows])


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

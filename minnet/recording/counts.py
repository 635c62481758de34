"""Counts of values by bin over the steps of a run.

An array needs few of the 2048 bins of `minnet.kernels.histograms`. So the rows hold only those
blocks of neighbouring bins that were ever needed, and only their counters are moved and cleared.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from minnet.kernels.histograms import (
    ARRAYS,
    BINS,
    BLOCK,
    BLOCKS,
    COPIES,
    COUNTED,
    PRESENT,
    WIDTH,
    count_floats,
    move_counts,
)
from minnet.recording.series import Key, Series
from minnet.validation import Array

MOST_PENDING = 2**31 - 1  # the largest int32


class Plan(NamedTuple):
    """How the arrays of a step are counted, in calls of ``ARRAYS`` arrays each."""

    tables: list[Array]  # (place, stride, size) of each array of a call
    padding: list[Array]  # empty arrays that complete the last call
    largest: int  # size of the largest array

    def batches(self, arrays: list[Array]) -> list[tuple[Array, tuple[Array, ...]]]:
        """Return the arrays of each call: the first one, and the others."""
        arrays = arrays + self.padding
        starts = range(0, len(arrays), ARRAYS)
        return [(arrays[k], tuple(arrays[k + 1 : k + ARRAYS])) for k in starts]


class Counts(Series):
    """A series of counts, and the counters of steps that are not in the last row yet.

    The counters are moved when the row is complete, when it is read, and before they overflow.
    """

    def __init__(self, capacity: int) -> None:
        super().__init__(capacity, np.int64, np.add)
        # The block of each 16 columns, as place of the key * BLOCKS + block of its bins.
        self._blocks: Array = np.zeros(0, np.int64)
        self._counters: Array = np.zeros((0, COPIES, WIDTH), np.int32)
        self._pending = 0  # the largest possible count in a counter

    # Recording.

    def plan(self, places: Array, arrays: Sequence[Array], strides: list[int]) -> Plan:
        """Prepare to count every stride-th row of such arrays for the keys at these places."""
        sizes = [array.size for array in arrays]
        rest = -len(arrays) % ARRAYS
        table = np.zeros((len(arrays) + rest, 3), np.int64)
        table[: len(arrays)] = np.transpose([places, strides, sizes])
        padding = [np.empty((0, 0), arrays[0].dtype)] * rest if arrays else []
        return Plan(list(table.reshape(-1, ARRAYS, 3)), padding, max(sizes, default=0))

    def count(
        self, plan: Plan, batches: list[tuple[Array, tuple[Array, ...]]], offset: int
    ) -> None:
        """Count the arrays of a step, from row ``offset % stride`` of each on."""
        if self._pending + plan.largest > MOST_PENDING:
            self.fold()
        self._pending += plan.largest
        for (first, others), table in zip(batches, plan.tables, strict=True):
            count_floats(first, others, offset, table, self._counters)

    def _begin_row(self) -> None:
        self.fold()
        super()._begin_row()

    def add_keys(self, keys: Iterable[Key]) -> Array:
        """Return the places of the keys, (keys,); unknown keys are added, with counters."""
        self.fold()
        places = super().add_keys(keys)
        if len(self._counters) < len(self.keys):
            self._counters = np.zeros((len(self.keys), COPIES, WIDTH), np.int32)
            self._columns(places * BLOCKS + BLOCKS - 1)  # the totals
        return places

    def fold(self) -> None:
        """Move all counts to the current row."""
        if not self._pending:
            return
        if move_counts(self._counters, self._blocks, self.row):
            blocks = self._counters.any(axis=1).reshape(-1, BLOCK)
            used = np.flatnonzero(blocks.any(axis=1))
            # Neighbours of the used blocks are the next to be needed.
            self._columns(np.concatenate([used - 1, used, used + 1]))
            move_counts(self._counters, self._blocks, self.row)
        self._pending = 0

    def _columns(self, blocks: Array) -> Array:
        """Return the places of blocks among those of the columns; new ones are added."""
        new = np.zeros(len(self.keys) * BLOCKS, np.bool_)
        new[blocks] = True
        new[self._blocks] = False
        self._blocks = np.append(self._blocks, np.flatnonzero(new))
        self.widen(BLOCK * len(self._blocks))
        columns = np.zeros(new.size, np.int64)
        columns[self._blocks] = np.arange(len(self._blocks))
        return columns[blocks]

    def add(self, other: Counts) -> None:
        """Add the counts of another series of the same keys and steps."""
        self.fold()
        other.fold()
        at, shape = self._columns(other._blocks), (len(self.rows), -1, BLOCK)
        self.rows.reshape(shape)[:, at] += other.rows.reshape(shape)

    # Reading.

    def bins(self, key: Key) -> Array:
        """Return all bins and totals of a key, for each row that has it, (n, WIDTH)."""
        self.fold()
        return self._dense(self.keys[key])[self.has(key)]

    def _dense(self, place: int) -> Array:
        """Return all bins and totals of the key at this place, (rows, WIDTH)."""
        owners, blocks = np.divmod(self._blocks, BLOCKS)
        own = np.flatnonzero(owners == place)
        rows = np.zeros((len(self.rows), BLOCKS, BLOCK), np.int64)
        rows[:, blocks[own]] = self.rows.reshape(len(rows), len(owners), BLOCK)[:, own]
        return rows.reshape(len(rows), WIDTH)

    # Files.

    def state(self) -> dict[str, Array]:
        """Return ``steps``, ``rows`` and the ``blocks`` that their columns are."""
        self.fold()
        return super().state() | {"blocks": self._blocks}

    def restore(self, state: dict[str, Array]) -> None:
        """Take over what `state` returned for the same keys; raise ValueError if it is invalid."""
        blocks = state["blocks"]
        if blocks.shape != (np.unique(blocks).size,) or not (
            np.isin(self._blocks, blocks).all()
            and np.isin(blocks // BLOCKS, range(len(self.keys))).all()
        ):
            raise ValueError("its blocks of counts are out of range")
        self._blocks = blocks.copy()
        self.widen(BLOCK * len(blocks))
        super().restore(state)
        for key, place in self.keys.items():
            table = self._dense(place)
            counted, present = table[:, :BINS].sum(axis=1), table[:, PRESENT]
            if (
                (table < 0).any()
                or (counted != table[:, COUNTED]).any()
                or (counted > present).any()
                or ((present > 0) != (self.has(key) & (place > 0))).any()
                or table[:, COUNTED + 1 :].any()
            ):
                raise ValueError(f"its counts of {key} do not add up")

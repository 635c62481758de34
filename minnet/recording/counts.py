"""Histogram counts by step; only bins in use are stored.

The values of an array usually lie in few of the 2048 bins. An entry of a row is therefore a block
of 16 neighbouring bins, or of totals. The counters of `minnet.kernels.histograms` are added to the
row when the row is complete, when it is read, and before they overflow.
"""

from __future__ import annotations

import numpy as np

from minnet.kernels import histograms as kernel
from minnet.kernels.histograms import BLOCK, BLOCKS, INFINITY, SIGN
from minnet.recording.series import Series, State, checked, require
from minnet.recording.taps import View
from minnet.validation import Array

MOST_PENDING = 2**31 - 1  # the largest int32
TOTALS = BLOCKS - 1  # the block after the bins
ZEROS = [0, SIGN]  # bins of zeros


class Counts(Series):
    """Series of histograms, with counters for the steps that are not in the last row yet."""

    def __init__(self, capacity: int) -> None:
        super().__init__(capacity, BLOCK, np.add, 0)
        # The block of bins in each entry of the rows, as index of the key * BLOCKS + block.
        self.blocks: Array = np.zeros(0, np.int64)
        self._counters: Array = np.zeros((0, kernel.COPIES, kernel.WIDTH), np.int32)
        self._pending = 0  # an upper bound of the counts in a counter

    # Recording.

    def count(self, view: View, offset: int) -> None:
        """Count every stride-th row of the arrays, from row ``offset % stride`` of each."""
        if self._pending + view.size > MOST_PENDING:
            self.fold()
        if len(self._counters) < self.keys:  # after `add_keys`, which has moved all counts
            self._counters = np.zeros((self.keys, kernel.COPIES, kernel.WIDTH), np.int32)
        self._pending += view.size
        if view.arguments is None:
            view.arguments = _batches(view)
        for first, others, table in view.arguments:
            kernel.count_floats(first, others, offset, table, self._counters)

    def begin(self, step: int) -> None:
        """Begin an observed step; the counts of the steps before it are then in their row."""
        if self.row_steps == self.span:
            self.fold()
        super().begin(step)

    def add_keys(self, number: int) -> None:
        """Add the block of totals for each new key."""
        if number > self.keys:
            self.fold()
            self.add_blocks(np.arange(self.keys, number) * BLOCKS + TOTALS)
            self.keys = number

    def add_blocks(self, blocks: Array) -> None:
        """Add entries for the blocks that have none."""
        new = np.setdiff1d(blocks, self.blocks)
        self.blocks = np.append(self.blocks, new)
        self.add_entries(new // BLOCKS)

    def fold(self) -> None:
        """Move all counts to the current row."""
        if not self._pending:
            return
        if kernel.move_counts(self._counters, self.blocks, self.row.reshape(-1)):
            blocks = self._counters.any(axis=1).reshape(-1, BLOCK)
            used = np.flatnonzero(blocks.any(axis=1))
            # The neighbours of the used blocks are likely to be needed next.
            self.add_blocks(np.concatenate([used - 1, used, used + 1]))
            kernel.move_counts(self._counters, self.blocks, self.row.reshape(-1))
        self._pending = 0

    # Reading.

    @property
    def rows(self) -> Array:
        """The rows in use, (rows, entries, BLOCK), with all counts."""
        self.fold()
        return super().rows

    def bins(self, key: int) -> Array:
        """Return the bins and totals of a key for each row in which it was observed, (n, WIDTH)."""
        counts = self.of(key)
        bins = np.zeros((len(counts), BLOCKS, BLOCK), np.int64)
        bins[:, self.blocks[self.owners == key] % BLOCKS] = counts
        return bins.reshape(len(counts), kernel.WIDTH)

    # Files.

    def restore_blocks(self, state: State) -> None:
        """Restore ``steps``, ``blocks`` and ``rows`` of a file; raise ValueError if invalid."""
        last = self.keys * BLOCKS - 1
        self.blocks = checked(state, "blocks", np.int64, (None,), (0, last)).copy()
        require(
            len(np.unique(self.blocks)) == len(self.blocks)
            and np.isin(np.arange(self.keys) * BLOCKS + TOTALS, self.blocks).all(),
            "different blocks of counts, with the totals of all keys",
        )
        self.owners = np.zeros(0, np.int64)
        self.add_entries(self.blocks // BLOCKS)
        self.restore(state)
        for key in range(self.keys):
            bins = self.bins(key)
            require(
                (bins[:, : kernel.BINS].sum(axis=1) == bins[:, kernel.COUNTED]).all()
                and (bins[:, kernel.COUNTED] <= bins[:, kernel.PRESENT]).all()
                and (bins[:, kernel.TINY] <= bins[:, ZEROS].sum(axis=1)).all()
                and (
                    bins[:, [kernel.HUGE, kernel.MINUS_HUGE]]
                    <= bins[:, [INFINITY, INFINITY + SIGN]]
                ).all(),
                "counts that add up to their total",
            )


def _batches(view: View) -> list[tuple[Array, tuple[Array, ...], Array]]:
    """Return the arguments of `count_floats` for the arrays, 16 arrays a call."""
    rest = -len(view.rows) % kernel.ARRAYS
    arrays = view.rows + [np.empty_like(rows[:0]) for rows in view.rows[:1]] * rest
    table = np.zeros((len(arrays), 3), np.int64)
    sizes = [rows.size for rows in view.rows]
    table[: len(sizes)] = np.transpose([view.indices, view.strides, sizes])
    starts = range(0, len(arrays), kernel.ARRAYS)
    return [
        (arrays[k], tuple(arrays[k + 1 : k + kernel.ARRAYS]), table[k : k + kernel.ARRAYS])
        for k in starts
    ]

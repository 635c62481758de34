"""Counts of values by bin over time, of arrays that are always looked at together.

Of the 2048 bins of `minnet.kernels.histograms` an array needs few. So a tally keeps only those
blocks of neighbouring bins that were ever needed, and theirs are the only counters that have to be
moved and cleared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from minnet.kernels.histograms import (
    ARRAYS,
    BLOCK,
    BLOCKS,
    COPIES,
    WIDTH,
    count_floats,
    move_counts,
)
from minnet.recording.files import Key
from minnet.recording.timeline import Timeline
from minnet.validation import Array

MOST_PENDING = 2**31 - 1  # as many as an int32 can count


class Tally(Timeline):
    """A timeline of counts, and the counters of what was not yet moved to it.

    They are moved when a row has all its steps, when it is to be read, and before they overflow or
    belong to other arrays. To read, there is `dense`; ``rows`` have the blocks that are needed, and
    what was counted up to the last `fold`.

    Parameters
    ----------
    capacity : int
        Of the timeline.
    keys : sequence of (str, str)
        The layers and kinds whose arrays these are.

    Attributes
    ----------
    keys : list of (str, str)
    """

    def __init__(self, capacity: int, keys: Sequence[Key]) -> None:
        super().__init__(capacity, BLOCK * len(keys), np.int64, np.add)
        self.keys = list(keys)
        # Which blocks the columns are, of those of all arrays one after another: first the totals,
        # then what came to be needed.
        self._blocks = np.arange(1, len(keys) + 1) * BLOCKS - 1
        self._counts = np.zeros((0, COPIES, WIDTH), np.int32)  # none before something is counted
        self._pending = 0  # steps whose counts are not in a row yet
        # What follows is set by `prepare`.
        self._sizes, self._largest = np.zeros(len(keys), np.int64), 0  # of the arrays, in values
        self._fill: list[Array] = []  # empty arrays, so that every call has ARRAYS of them
        self._calls: list[tuple[slice, Array]] = []  # which arrays, and their strides

    # Counting.

    def prepare(self, sizes: Sequence[int], strides: Sequence[int], dtype: np.dtype) -> None:
        """Get ready for arrays of so many values, of which every strides-th row is looked at."""
        self.fold()
        if not len(self._counts):
            self._counts = np.zeros((len(self.keys), COPIES, WIDTH), np.int32)
        self._sizes, self._largest = np.array(sizes), max(sizes)
        rest = -len(strides) % ARRAYS
        self._fill = [np.empty((0, 0), dtype)] * rest
        every = np.array([*strides, *[1] * rest])
        places = [slice(k, k + ARRAYS) for k in range(0, len(every), ARRAYS)]
        self._calls = [(some, every[some]) for some in places]

    def count(self, step: int, arrays: list[Array], offset: int) -> None:
        """Count these arrays as those of this step, from row ``offset % stride`` of each on."""
        if (self._pending + 1) * self._largest > MOST_PENDING:
            self.fold()
        self.extend(step)
        self._pending += 1
        places = [*arrays, *self._fill]
        for some, strides in self._calls:
            first, *others = places[some]
            count_floats(first, tuple(others), offset, strides, self._counts[some])
        if self.full:
            self.fold()

    def fold(self) -> None:
        """Move all counts to the row at hand."""
        if not self._pending:
            return
        if move_counts(self._counts, self._blocks, self.row):
            used = self._counts.sum(axis=1, dtype=np.int32).reshape(-1, BLOCK).any(axis=1)
            # Their neighbours are the next to be needed.
            self._need(np.logical_or.reduce([used, np.roll(used, 1), np.roll(used, -1)]))
            move_counts(self._counts, self._blocks, self.row)
        present = self.row[: BLOCK * len(self.keys) : BLOCK]  # blocks of totals come first
        present += self._pending * self._sizes
        self._pending = 0

    def _need(self, blocks: Array) -> None:
        """See to it that there are columns for these blocks, marked in a mask of all."""
        lacking = blocks.copy()
        lacking[self._blocks] = False
        self._blocks = np.concatenate([self._blocks, np.flatnonzero(lacking)])
        self.widen(BLOCK * len(self._blocks))

    # Reading, and going on from what was read.

    def dense(self, key: Key) -> Array:
        """Return the rows of one key with every bin and total, (rows, WIDTH)."""
        self.fold()
        owners, blocks = np.divmod(self._blocks, BLOCKS)
        its = np.flatnonzero(owners == self.keys.index(key))
        rows = np.zeros((len(self.rows), BLOCKS, BLOCK), np.int64)
        rows[:, blocks[its]] = self.rows.reshape(len(rows), len(blocks), BLOCK)[:, its]
        return rows.reshape(len(rows), WIDTH)

    def take_over(self, steps: Array, dense: Sequence[Array]) -> None:
        """Go on from the steps of a timeline's state and rows of each key, as `dense` has them.

        Raises
        ------
        ValueError
            If these cannot be steps of a timeline.
        """
        blocks = np.concatenate(dense, axis=1).reshape(len(steps), len(dense) * BLOCKS, BLOCK)
        self._need(np.logical_or.reduce(blocks, axis=(0, 2)))
        rows = blocks[:, self._blocks].reshape(len(steps), BLOCK * len(self._blocks))
        self.restore({"steps": steps, "rows": rows})

    @classmethod
    def of(cls, tallies: Mapping[Key, Tally]) -> Tally:
        """Return one tally of these keys, each from one of tallies that have the same steps."""
        first = next(iter(tallies.values()))
        together = cls(first._capacity, list(tallies))
        counts = [tally.dense(key) for key, tally in tallies.items()]
        together.take_over(first.state()["steps"], counts)
        return together

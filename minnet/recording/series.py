"""Series of numbers over the steps of a run of any length, in bounded memory.

At first, each row of a series stands for one observed step. When all rows are in use, neighbouring
rows are merged, and from then on a row stands for twice as many observed steps. A short run is
therefore kept step by step, and the memory of a long run stops growing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from minnet.memory import writable
from minnet.validation import Array

FIRST, LAST, OBSERVED = range(3)
MOST = 2**53  # upper bound of the steps and counts in a file; sums of counts fit into int64
MERGED_AT_ONCE = 8192  # numbers, so that temporary arrays stay in the cache
ROWS, MOST_ROWS = 64, 2**20  # allocated at the first step, and the largest capacity
State: TypeAlias = Mapping[str, Array]  # arrays of a file
Bounds: TypeAlias = tuple[ArrayLike, ArrayLike]  # smallest and largest number in an array
COUNTS = 0, MOST


class Series:
    """Rows of numbers (entries, width), in which each key owns entries.

    Keys are numbered. They share the rows and their steps. A key was observed in a row if one of
    the numbers in the key's first entry differs from ``fill``.

    Parameters
    ----------
    capacity : int
        Maximum number of rows.
    width : int
        Number of values in an entry.
    merge : callable
        Function of (earlier rows, later rows) that returns merged rows, all (n, entries, width).
    fill : {0, nan}
        Value in new rows. It determines the dtype: int64 for 0, float64 for nan.
    """

    def __init__(
        self, capacity: int, width: int, merge: Callable[[Array, Array], Array], fill: float
    ) -> None:
        self._capacity, self._merge, self._fill = capacity, merge, fill
        self.owners: Array = np.zeros(0, np.int64)  # the key that owns each entry
        self.keys = 0  # number of keys with an entry of `add_keys`
        self.span = 1  # number of observed steps of each row but the last, a power of 2
        self._memory: Array = np.full((0, 0, width), fill)  # rows in use first
        self._steps: list[list[int]] = []  # FIRST, LAST and OBSERVED of each row in use

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(writable(state))

    # Recording.

    def add_keys(self, number: int) -> None:
        """Add an entry for each new key, so that there are at least this number of keys."""
        self.add_entries(np.arange(self.keys, number))
        self.keys = max(self.keys, number)

    def add_entries(self, owners: Array) -> None:
        """Add an entry to each row for each of these owners."""
        self.owners = np.append(self.owners, owners)
        self._reserve(len(self._memory), len(self.owners))

    def _reserve(self, rows: int, entries: int) -> None:
        """Enlarge the memory if it has fewer rows or entries."""
        old = self._memory
        if rows > len(old) or entries > old.shape[1]:
            # By half, because writing to new memory at every step takes several times as long.
            entries = entries + entries // 2 if entries > old.shape[1] else old.shape[1]
            self._memory = np.full((max(rows, len(old)), entries, old.shape[2]), self._fill)
            self._memory[: len(old), : old.shape[1]] = old

    def begin(self, step: int) -> None:
        """Begin an observed step, in a new row if the last one is complete."""
        if len(self._steps) == self._capacity and self.row_steps == self.span:
            self._halve()
        # After merging, a last row without a neighbour is not complete.
        if self.row_steps in (0, self.span):
            self._steps.append([step, step, 0])
            if len(self._steps) > len(self._memory):
                self._reserve(min(max(2 * len(self._memory), ROWS), self._capacity), 0)
        last = self._steps[-1]
        last[LAST] = step
        last[OBSERVED] += 1

    @property
    def row_steps(self) -> int:
        """Number of observed steps of the last row."""
        return self._steps[-1][OBSERVED] if self._steps else 0

    @property
    def row(self) -> Array:
        """The row of the current step, (entries, width)."""
        row: Array = self._memory[len(self._steps) - 1, : len(self.owners)]
        return row

    def _halve(self) -> None:
        """Merge neighbouring rows; a last row without a neighbour is unchanged."""
        pairs, odd = divmod(len(self._steps), 2)
        rows, steps = self.rows, self._steps
        some = max(1, MERGED_AT_ONCE // max(rows[0].size, 1))
        for k in range(0, pairs, some):
            both = rows[2 * k : 2 * min(k + some, pairs)]
            rows[k : k + len(both) // 2] = self._merge(both[::2], both[1::2])
        if odd:
            rows[pairs] = rows[-1]
        rows[pairs + odd :] = self._fill
        self._steps = [
            [one[FIRST], two[LAST], one[OBSERVED] + two[OBSERVED]]
            for one, two in zip(steps[::2], steps[1::2], strict=False)
        ] + steps[2 * pairs :]
        self.span *= 2

    # Reading.

    @property
    def rows(self) -> Array:
        """The rows in use, (rows, entries, width)."""
        return self._memory[: len(self._steps), : len(self.owners)]

    def observed(self, key: int) -> Array:
        """Return a mask of the rows in which the key was observed, (rows,)."""
        first = self.rows[:, int(np.argmax(self.owners == key))]
        return np.asarray((~np.isnan(first) & (first != self._fill)).any(axis=1))

    def of(self, key: int) -> Array:
        """Return the numbers of a key in the rows in which it was observed, (n, own, width)."""
        numbers: Array = self.rows[self.observed(key)][:, self.owners == key]
        return numbers

    def steps(self) -> Array:
        """Return the first, the last and the number of observed steps of each row, (rows, 3)."""
        return np.array(self._steps, np.int64).reshape(-1, 3)

    # Files.

    def restore(self, state: State, name: str = "rows", bounds: Bounds = COUNTS) -> None:
        """Restore ``steps`` and the rows of a file; raise ValueError if they are impossible."""
        # Version 3 stored steps for each key; the first entry is that of the run.
        steps = checked(state, "steps", np.int64, (None, None, 3))[:, 0]
        first, last, observed = steps.T
        # A single row may be incomplete.
        self.span = 1 << (int(observed[0]) - 1).bit_length() if len(steps) else 1
        require(
            len(steps) <= self._capacity
            and (first <= last).all()
            and (last[:-1] < first[1:]).all(),
            f"up to {self._capacity} rows of ascending steps",
        )
        require(
            (observed >= 1).all()
            and (observed <= np.minimum(last - first + 1, self.span)).all()
            and (observed[:-1] == self.span).all(),
            "the same number of observed steps, a power of 2, in all rows but the last",
        )
        shape = len(steps), len(self.owners), self._memory.shape[2]
        rows = checked(state, name, self._memory.dtype.type, shape, bounds)
        self._reserve(len(steps), 0)
        self._steps = steps.tolist()
        self.rows[...] = rows


def checked(
    state: State, name: str, dtype: type, shape: tuple[int | None, ...], bounds: Bounds = COUNTS
) -> Array:
    """Return an array of a file; raise ValueError unless it is as expected, None for any length."""
    array = state[name]
    require(
        array.dtype == dtype
        and array.ndim == len(shape)
        and all(length in (None, n) for length, n in zip(shape, array.shape, strict=True))
        and not ((array < bounds[0]) | (array > bounds[1])).any(),
        f"possible numbers of {name}, {dtype.__name__} of shape {shape}".replace("None", "n"),
    )
    return array


def require(condition: Any, expected: str) -> None:
    """Raise ValueError unless the content of a file is as expected."""
    if not condition:
        raise ValueError(f"expected {expected}")

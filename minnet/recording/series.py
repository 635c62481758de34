"""Series of numbers over the steps of a run of any length, in bounded memory.

At first, each row of a series stands for one observed step. When all rows are in use, neighbouring
rows are merged, and from then on a row stands for twice as many observed steps. A short run is
therefore kept step by step, and the memory of a long run stops growing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from minnet.validation import Array, count

FIRST, LAST, OBSERVED = range(3)
MOST = 2**53  # upper bound of the steps and counts in a file; sums of counts fit into int64
MERGED_AT_ONCE = 8192  # numbers, so that temporary arrays stay in the cache

Key = tuple[str, str]  # a layer's dotted name, and a kind
RUN: Key = ("", "run")  # numbers of the whole run


class Series:
    """Rows of numbers for several keys. All keys share the rows and their steps.

    A row is an array (entries, width). Here each key has one entry; a subclass may use several.

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

    Attributes
    ----------
    keys : dict of Key to int
        The index of each key, in order; `RUN` has index 0.
    span : int
        Number of observed steps of a complete row, a power of 2; the last row may have fewer.
    """

    def __init__(
        self, capacity: int, width: int, merge: Callable[[Array, Array], Array], fill: float
    ) -> None:
        self._capacity, self._merge, self._fill = capacity, merge, fill
        self.keys: dict[Key, int] = {RUN: 0}
        self.span, self._entries = 1, 1
        self._memory: Array = np.full((capacity, 1, width), fill)  # rows in use come first
        self._steps: list[list[int]] = []  # FIRST, LAST and OBSERVED of each row in use

    # Recording.

    def add_keys(self, keys: Iterable[Key]) -> None:
        """Add the keys that are unknown."""
        for key in keys:
            self.keys.setdefault(key, len(self.keys))
        self.extend(len(self.keys))

    def extend(self, entries: int) -> None:
        """Extend each row to at least this number of entries."""
        self._entries = max(self._entries, entries)
        old = self._memory
        if entries > old.shape[1]:
            # All at once, because writing to new memory row by row takes several times as long.
            shape = len(old), entries + entries // 2, old.shape[2]
            self._memory = np.full(shape, self._fill, old.dtype)
            self._memory[:, : old.shape[1]] = old

    def begin(self, step: int) -> None:
        """Begin an observed step, in a new row if the last one is complete."""
        if not self._steps or self._steps[-1][OBSERVED] == self.span:
            self._begin_row(step)
        last = self._steps[-1]
        last[LAST] = step
        last[OBSERVED] += 1

    @property
    def row_steps(self) -> int:
        """Number of observed steps of the last row."""
        return self._steps[-1][OBSERVED] if self._steps else 0

    @property
    def last_step(self) -> int:
        """The last observed step."""
        return self._steps[-1][LAST]

    @property
    def row(self) -> Array:
        """The row of the current step, (entries, width)."""
        row: Array = self._memory[len(self._steps) - 1, : self._entries]
        return row

    def _begin_row(self, step: int) -> None:
        if len(self._steps) == self._capacity:
            self._halve()
        # After merging, a last row without a neighbour is not complete.
        if self.row_steps in (0, self.span):
            self._steps.append([step, step, 0])

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
        return self._memory[: len(self._steps), : self._entries]

    def observed(self, key: Key) -> Array:
        """Return a mask of the rows that have numbers of this key, (rows,)."""
        return np.asarray(~np.isnan(self.rows[:, self.keys[key]]).all(axis=1))

    def recorded(self) -> list[Key]:
        """Return the keys that were observed, in order, without `RUN`."""
        return [key for key in self.keys if key != RUN and self.observed(key).any()]

    def steps(self, key: Key = RUN) -> Array:
        """Return the first and the last step of each row that has numbers of this key, (n, 2)."""
        steps = np.array(self._steps, np.int64).reshape(-1, 3)[:, :OBSERVED]
        return steps if key == RUN else steps[self.observed(key)]

    def find(self, key: Key, step: int) -> int:
        """Return the index in ``steps(key)`` of the row that contains step; -1 is the last row.

        A step before the first observed one or after the last one raises ValueError.
        """
        steps, step = self.steps(key), count(step, "series", "step", least=-1)
        if step == -1:
            return len(steps) - 1
        first, last = int(steps[0, FIRST]), int(steps[-1, LAST])
        if not first <= step <= last:
            raise ValueError(
                f"step: expected {first} to {last}, the observed steps, or -1 for the last one, "
                f"got {step}"
            )
        return int(np.searchsorted(steps[:, FIRST], step, side="right")) - 1

    # Files.

    def state(self) -> dict[str, Array]:
        """Return the arrays to write to a file: ``steps`` (rows, 1, 3) and ``rows``."""
        return {"steps": np.array(self._steps, np.int64).reshape(-1, 1, 3), "rows": self.rows}

    def restore(self, state: dict[str, Array]) -> None:
        """Restore what `state` returned for the same keys; raise ValueError if it is invalid.

        In older files, ``steps`` is (rows, keys, 3), with those of `RUN` first.
        """
        steps, rows = state["steps"], state["rows"]
        require(steps.dtype == np.int64 and rows.dtype == self._memory.dtype, "arrays of numbers")
        steps = steps[:, 0].reshape(len(steps), 3)
        require(
            len(rows) == len(steps) <= self._capacity
            and rows.shape[1] <= self._entries
            and rows.shape[2:] == self._memory.shape[2:],
            f"up to {self._capacity} rows of {self._entries} entries",
        )
        ends, observed = steps[:, :OBSERVED].ravel(), steps[:, OBSERVED]
        self.span = int(observed[0]) if len(steps) else 1
        require(
            (ends >= 0).all()
            and (ends < MOST).all()
            and (ends[1:] - ends[:-1] >= np.arange(max(ends.size - 1, 0)) % 2).all(),
            "ascending steps",
        )
        require(
            (observed >= 1).all()
            and (observed <= ends[1::2] - ends[::2] + 1).all()
            and (observed[:-1] == self.span).all()
            and (observed <= self.span).all()
            and self.span & (self.span - 1) == 0,
            "the same number of observed steps, a power of 2, in all rows but the last",
        )
        self._steps = steps.tolist()
        self.rows[:, : rows.shape[1]] = rows


def require(condition: Any, expected: str) -> None:
    """Raise ValueError unless the content of a file is as expected."""
    if not condition:
        raise ValueError(f"expected {expected}")

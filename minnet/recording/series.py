"""Series of numbers over the steps of a run of any length, in bounded memory.

At first, each row of a series stands for one observed step. When all rows are in use, neighbouring
rows are merged, and from then on a row stands for twice as many observed steps. A short run is
therefore kept step by step, and the memory of a long run stops growing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from minnet.validation import Array

FIRST, LAST, OBSERVED = range(3)
MERGED_AT_ONCE = 8192  # numbers, so that temporary arrays stay in the cache

Key = tuple[str, str]  # a layer's dotted name, and a kind
RUN: Key = ("", "run")  # the whole run, which includes every observed step


class Series:
    """Rows (entries, width) of several keys, and the steps at which each key was observed.

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
        The place of each key, in order; `RUN` has place 0.
    span : int
        Number of observed steps of a complete row, a power of 2; the last row may have fewer.
    taken : int
        Number of observed steps of the last row.
    """

    def __init__(
        self, capacity: int, width: int, merge: Callable[[Array, Array], Array], fill: float
    ) -> None:
        self._capacity, self._merge, self._fill = capacity, merge, fill
        self.keys: dict[Key, int] = {RUN: 0}
        self._memory: Array = np.full((capacity, 0, width), fill)  # rows in use come first
        self._steps: Array = np.zeros((capacity, 1, 3), np.int64)  # FIRST, LAST, OBSERVED
        self._used, self._entries, self.span = 0, 0, 1
        self.taken = 1  # equal to span, so that the first observed step begins a row
        # First, last and number of the steps that are not in _steps yet, by the places of the keys.
        self._noted: dict[bytes, list[int]] = {}

    # Recording.

    def add_keys(self, keys: Iterable[Key]) -> Array:
        """Return the places of the keys, (keys,); unknown keys are added."""
        places = [self.keys.setdefault(key, len(self.keys)) for key in keys]
        self._settle()
        self._steps = _extended(self._steps, len(self.keys), 0)
        return np.array(places, np.int64)

    def extend(self, entries: int) -> None:
        """Extend each row to this number of entries."""
        if entries > self._memory.shape[1]:
            self._memory = _extended(self._memory, entries + entries // 2, self._fill)
        self._entries = entries

    def begin(self) -> None:
        """Begin an observed step, and a new row if the last one is complete."""
        if self.taken == self.span:
            self._begin_row()
        self.taken += 1

    def note(self, step: int, places: Array) -> None:
        """Record that the keys at these places were observed at this step, in ``row``.

        The keys of the first call for each row must include `RUN`.
        """
        noted = self._noted.get(key := places.tobytes())
        if noted is None:
            self._noted[key] = [step, step, 1]
        else:
            noted[1] = step
            noted[2] += 1

    @property
    def row(self) -> Array:
        """The row of the current step, (entries, width)."""
        row: Array = self._memory[self._used - 1, : self._entries]
        return row

    def _settle(self) -> None:
        """Write the noted steps into the array."""
        for key, noted in self._noted.items():
            places, steps = np.frombuffer(key, np.int64), self._steps[self._used - 1]
            new = not steps[0, OBSERVED]  # no step of this row has been written
            steps[places] = noted if new else _merged(steps[places], np.array(noted))
        self._noted.clear()

    def _begin_row(self) -> None:
        self._settle()
        if self._used == self._capacity:
            self._halve()
        if self.taken == self.span:
            self._used += 1
            self.taken = 0

    def _halve(self) -> None:
        """Merge neighbouring rows; a last row without a neighbour is unchanged."""
        pairs, odd = divmod(self._used, 2)
        rows, steps = self.rows, self._steps
        some = max(1, MERGED_AT_ONCE // max(rows[0].size, 1))
        for k in range(0, pairs, some):
            both = rows[2 * k : 2 * min(k + some, pairs)]
            rows[k : k + len(both) // 2] = self._merge(both[::2], both[1::2])
        steps[:pairs] = _merged(steps[0 : 2 * pairs : 2], steps[1 : 2 * pairs : 2])
        self._used = pairs + odd
        if odd:
            rows[pairs], steps[pairs] = rows[-1], steps[2 * pairs]
        rows[self._used :], steps[self._used :] = self._fill, 0
        self.span *= 2
        self.taken = int(steps[self._used - 1, 0, OBSERVED])

    # Reading.

    @property
    def rows(self) -> Array:
        """The rows in use, (rows, entries, width)."""
        return self._memory[: self._used, : self._entries]

    def _settled(self) -> Array:
        self._settle()
        return self._steps[: self._used]

    def recorded(self) -> list[Key]:
        """Return the keys that were observed, in order, without `RUN`."""
        observed = self._settled()[:, :, OBSERVED].sum(axis=0)
        return [key for key, place in self.keys.items() if place and observed[place]]

    def observed(self, key: Key) -> Array:
        """Return the number of steps at which the key was observed in each row, (rows,)."""
        return self._settled()[:, self.keys[key], OBSERVED]

    def steps(self, key: Key) -> Array:
        """Return the first and the last step of each row in which the key was observed, (n, 2)."""
        return self._settled()[self.observed(key) > 0, self.keys[key], :OBSERVED]

    def find(self, key: Key, step: int) -> int:
        """Return the index in ``steps(key)`` of the row that contains step; -1 is the last row.

        A step before the first observed one or after the last one raises ValueError.
        """
        steps = self.steps(key)
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
        """Return the arrays to write to a file: ``steps`` (rows, keys, 3) and ``rows``."""
        return {"steps": self._settled(), "rows": self.rows}

    def restore(self, state: dict[str, Array]) -> None:
        """Restore what `state` returned for the same keys; raise ValueError if shapes differ."""
        steps, rows = state["steps"], state["rows"]
        self.extend(rows.shape[1])
        self._used = len(steps)
        self._steps[: self._used], self.rows[...] = steps, rows
        if self._used:
            self.span, self.taken = steps[[0, -1], 0, OBSERVED].tolist()


def _merged(earlier: Array, later: Array) -> Array:
    """Merge two arrays (..., 3) of first step, last step and number; number 0 means no steps."""
    merged = np.maximum(earlier, later)
    first = np.where(earlier[..., OBSERVED], earlier[..., FIRST], later[..., FIRST])
    merged[..., FIRST], merged[..., OBSERVED] = first, earlier[..., OBSERVED] + later[..., OBSERVED]
    return merged


def _extended(array: Array, entries: int, fill: float) -> Array:
    """Return a copy with this number of entries in each row, the new ones filled with ``fill``."""
    # All at once, because writing to new memory row by row takes several times as long.
    extended = np.full((len(array), entries, array.shape[2]), fill, array.dtype)
    extended[:, : array.shape[1]] = array
    return extended

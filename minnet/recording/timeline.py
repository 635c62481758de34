"""A record of any length in bounded memory.

A timeline has rows, each for one observed step at first. When all rows are in use, neighbours are
merged two by two, and from then on each row covers twice as many observed steps. So a run of ten
steps is kept step by step, a run of a million in as much memory, and the rows are always alike.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minnet.validation import Array

FIRST, LAST, OBSERVED = range(3)
LEAST = 64  # rows to begin with
AT_ONCE = 8192  # numbers that are merged together: more would need fresh memory, which is slow


class Timeline:
    """At most ``capacity`` rows, each for ``span`` observed steps; the last may have fewer yet.

    Parameters
    ----------
    capacity : int
        At least 2.
    width : int
        How many numbers make a row.
    dtype : {int64, float64}
        Of the rows.
    merge : callable
        (earlier rows, later rows) -> rows, each (..., width).

    Attributes
    ----------
    span : int
        How many observed steps a row covers, a power of 2.
    taken : int
        How many of them the row at hand has already.

    Examples
    --------
    >>> timeline = Timeline(2, 1, np.int64, np.add)
    >>> for step in range(5):
    ...     timeline.extend(step)
    ...     timeline.row[:] += 1
    >>> timeline.rows.ravel(), timeline.steps.tolist(), timeline.span
    (array([4, 1]), [[0, 3], [4, 4]], 4)
    """

    def __init__(
        self,
        capacity: int,
        width: int,
        dtype: type[np.int64] | type[np.float64],
        merge: Callable[[Array, Array], Array],
    ) -> None:
        self._capacity, self._merge = capacity, merge
        self._room: Array = np.zeros((0, width), dtype)  # rows and columns are its first ones
        self._width = width
        self._steps: Array = np.zeros((0, 3), np.int64)
        self._used, self.span = 0, 1
        # How many steps are in the row at hand, and the last of them. They go into the array when
        # it is read, because a step has to be cheap. The row before the first one is full.
        self.taken, self._last = 1, -1

    @property
    def rows(self) -> Array:
        """The rows in use, (rows, width)."""
        return self._room[: self._used, : self._width]

    @property
    def row(self) -> Array:
        """The row of the step at hand, (width,)."""
        row: Array = self._room[self._used - 1, : self._width]
        return row

    @property
    def steps(self) -> Array:
        """The first and the last observed step of each row, (rows, 2)."""
        return self._settled()[:, :OBSERVED]

    @property
    def observed(self) -> int:
        """How many steps were observed."""
        return (self._used - 1) * self.span + self.taken

    @property
    def full(self) -> bool:
        """Whether the row at hand has all its steps, so that the next one begins another."""
        return self.taken == self.span

    def extend(self, step: int) -> None:
        """Make ``row`` the one that this step belongs to; a new one is all zeros."""
        if self.taken == self.span:
            self._begin_row(step)
        self.taken += 1
        self._last = step

    def widen(self, width: int) -> None:
        """Make each row so wide, with zeros at its end."""
        if width > self._room.shape[1]:
            self._room = _larger(self._room, len(self._room), width + width // 2)
        self._width = width

    def find(self, step: int) -> int:
        """Return the place of the row that step belongs to, the last one for -1.

        Raises
        ------
        ValueError
            If step lies before the first observed step or after the last one.
        """
        if step == -1:
            return self._used - 1
        first, last = int(self._steps[0, FIRST]), self._last
        if not first <= step <= last:
            raise ValueError(
                f"nothing was observed at step {step}, only from step {first} to {last} "
                "(-1 is the last)"
            )
        return int(np.searchsorted(self.steps[:, FIRST], step, side="right")) - 1

    def state(self) -> dict[str, Array]:
        """Return all that a file must keep: ``steps`` (rows, 3) and ``rows`` (rows, width)."""
        return {"steps": self._settled(), "rows": self.rows}

    def restore(self, state: dict[str, Array]) -> None:
        """Take over what `state` returned, or raise ValueError where that cannot be."""
        steps, rows = state["steps"], state["rows"]
        used = len(steps)
        if (steps.dtype, rows.dtype) != (self._steps.dtype, self._room.dtype) or (
            (steps.shape, rows.shape) != ((used, 3), (used, self._width))
        ):
            raise ValueError(f"rows {rows.dtype} {rows.shape} and steps {steps.shape} do not fit")
        first, last, counts = steps.T
        if (
            not 1 <= used <= self._capacity
            or first[0] < 0
            or (first > last).any()
            or (first[1:] <= last[:-1]).any()
            or (counts[:-1] != counts[0]).any()
            or not 1 <= counts[-1] <= counts[0]
            or (counts - 1 > last - first).any()
        ):
            raise ValueError("its steps are out of order")
        self._room, self._steps = rows.copy(), steps.copy()
        self._used, self.span = used, int(counts[0])
        self.taken, self._last = int(counts[-1]), int(last[-1])

    def _settled(self) -> Array:
        """Return the first and last step of each row in use and how many it has, (rows, 3)."""
        if self._used:
            self._steps[self._used - 1, LAST:] = self._last, self.taken
        return self._steps[: self._used]

    def _begin_row(self, step: int) -> None:
        self._settled()
        if self._used == self._capacity:
            self._halve()
        if self.full:
            self._reserve(self._used + 1)
            self._steps[self._used, FIRST] = step
            self._used += 1
            self.taken = 0

    def _reserve(self, rows: int) -> None:
        if rows > len(self._room):
            size = min(max(rows, 2 * len(self._room), LEAST), self._capacity)
            self._room = _larger(self._room, size, self._room.shape[1])
            self._steps = _larger(self._steps, size, 3)

    def _halve(self) -> None:
        pairs, odd = divmod(self._used, 2)
        left, right = slice(0, 2 * pairs, 2), slice(1, 2 * pairs, 2)
        rows = self.rows
        some = max(1, AT_ONCE // self._width)
        for k in range(0, pairs, some):
            stop = min(k + some, pairs)
            both = rows[2 * k : 2 * stop]
            rows[k:stop] = self._merge(both[::2], both[1::2])
        earlier, later = self._steps[left].copy(), self._steps[right].copy()
        self._steps[:pairs, FIRST] = earlier[:, FIRST]
        self._steps[:pairs, LAST] = later[:, LAST]
        self._steps[:pairs, OBSERVED] = earlier[:, OBSERVED] + later[:, OBSERVED]
        if odd:
            rows[pairs] = rows[-1]
            self._steps[pairs] = self._steps[self._used - 1]
            self.taken = int(self._steps[pairs, OBSERVED])
        else:
            self.taken = 2 * self.span
        rows[pairs + odd :] = 0
        self._used = pairs + odd
        self.span *= 2


def _larger(array: Array, rows: int, columns: int) -> Array:
    # Filled at once, for memory costs several times as much where it is first used row by row.
    larger = np.full((rows, columns), 0, array.dtype)
    larger[: array.shape[0], : array.shape[1]] = array
    return larger

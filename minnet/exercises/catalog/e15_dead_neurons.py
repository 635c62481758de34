"""Exercise 15, dead neurons: units with the same output for every input.

The units of the three layers are made by hand: constant, nearly constant, constant in one batch or
within each batch, drifting slowly from row to row, 0 in some rows, negative, of two signs, or with
outputs that add up to 0. Their order is random.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minnet.exercises.exercise import Case, Exercise, ResultError, returned
from minnet.validation import Array

ENDS, ROWS = (6, 12), 16  # three batches, of which the last is shorter
TOLERANCES = {"relu": 0.0, "sigmoid": 1 / 64, "tanh": 1 / 32}


def inputs(rng: np.random.Generator) -> Case:
    """Draw the units of each layer, in random order."""
    units = {kind: [*_units(rng, kind, tolerance)] for kind, tolerance in TOLERANCES.items()}
    return Case(**{kind: rng.permutation(each).T.copy() for kind, each in units.items()})


def _units(rng: np.random.Generator, kind: str, tolerance: float) -> Iterator[Array]:
    """Yield the outputs of each unit of a layer, (rows,)."""
    row, batch = np.arange(ROWS), np.repeat([0, 1, 2], np.diff([0, *ENDS, ROWS]))
    low, high = {"relu": (0, 0), "sigmoid": (0.1, 0.4), "tanh": (-0.9, -0.4)}[kind]

    def alive() -> Array:
        return rng.uniform(0.1, 0.5, ROWS) * (row % 2 if kind == "relu" else 1)

    for changes in (
        *(0 * row, 0 * row, 0.2 * batch, 0.4 - 0.2 * batch),  # constant, or within each batch
        *(0.3 * (row == end - 1) for end in (*ENDS, ROWS)),  # the last row of a batch alone
        *(0.4 - 0.3 * (row == end - 1) for end in (*ENDS, ROWS)),
        *((batch != still) * alive() for still in range(3)),
        *((batch == lively) * alive() for lively in range(3)),
        tolerance * 0.4 * rng.random(ROWS),
        tolerance * 0.8 * rng.random(ROWS),
        *(tolerance * size * (row % 2) for size in (0.004, 1.5, 2.5, 5)),
        *(tolerance * size * (row == 8) for size in (0.8, 1.6, 3.5, 30)),
        *(tolerance * size * rng.random(ROWS) ** 4 for size in (1.2, 1.5, 2, 3)),
        tolerance * 0.7 * ((row + 1) % 3 - 1),  # the first row lies in the middle
        *(tolerance * 0.7 * np.array(each)[batch] for each in ((0, -1, 1), (0, 1, -1), (-1, 1, 0))),
        tolerance * 0.15 * row,  # less than the tolerance in each batch
        tolerance * 0.8 * np.minimum(row, 3),
    ):
        yield rng.uniform(low, high) + changes
    yield alive()
    yield 0.25 + tolerance * (row % 2)  # the span is exactly the tolerance
    yield tolerance * 0.8 * rng.random(ROWS)
    yield from (np.full(ROWS, tolerance * size) for size in (0.6, 1.6))
    if kind == "relu":
        yield 0.6 + 1e-7 * (row % 2)
        yield from (np.full(ROWS, value) for value in (0.25, 0.5))
    if kind == "tanh":
        yield tolerance * 0.7 * ((row + 1) % 3 - 1)
        yield tolerance * -0.7 * (row % 2)
        yield 0.5 * (-1.0) ** row
        size = rng.integers(2, 8, ROWS // 2) / 8
        yield np.concatenate([size, -size])
        yield -rng.uniform(0.2, 0.9, ROWS)


def run(answer: Any, case: Case) -> Iterator[tuple[str, Any]]:
    """Three batches of each layer."""
    for kind, tolerance in TOLERANCES.items():
        batches = np.split(getattr(case, kind), ENDS)
        dead, share = (value for _, value in returned(answer(batches, tolerance), "dead", "share"))
        if np.ndim(dead) < np.ndim(share):
            raise ResultError("dead is what share should be, and the other way round.")
        if isinstance(dead, np.ndarray) and dead.dtype != bool:
            raise ResultError(f"dead should hold True or False, but its dtype is {dead.dtype}.")
        yield f"dead units after {kind}", dead * 1.0 if isinstance(dead, np.ndarray) else dead
        yield f"share of dead units after {kind}", share


EXERCISE = Exercise(
    number=15,
    name="dead_neurons",
    title="Dead neurons",
    minutes=20,
    answer="dead_neurons",
    inputs=inputs,
    run=run,
    forward="dead units after relu",
)

"""Exercise 15, dead neurons: units that put out the same value whatever the input.

A count of dead units is only as good as the definition of a dead unit, so the columns of the three
layers are made by hand: units that are constant, nearly so, in one batch alone, or in each batch by
itself; units that are zero now and then, negative, or that add up to 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minnet.exercises.exercise import Case, Exercise, Mistake, ResultError, Results, returned
from minnet.recording import dead_units
from minnet.validation import Array

ENDS, ROWS = (6, 12), 16  # three batches, and the last one is smaller
TOLERANCES = {"relu": 0.0, "sigmoid": 0.01, "tanh": 0.01}


def inputs(rng: np.random.Generator) -> Case:
    """Make the units of each layer, in an order drawn at random."""
    columns = {kind: list(_columns(rng, kind, TOLERANCES[kind])) for kind in TOLERANCES}
    return Case(**{kind: rng.permutation(made).T.copy() for kind, made in columns.items()})


def _columns(rng: np.random.Generator, kind: str, tolerance: float) -> Iterator[Array]:
    """The outputs of every unit of a layer, one after the other, (rows,)."""
    batch = np.repeat([0, 1, 2], np.diff([0, *ENDS, ROWS]))
    row = np.arange(ROWS)
    for _ in range(2):
        yield _alive(rng, kind)
        yield np.full(ROWS, _level(rng, kind))
    for still in range(3):  # constant in one batch, and alive in the others
        yield np.where(batch == still, _level(rng, kind), _alive(rng, kind))
    yield _level(rng, kind) + 0.2 * batch
    for wobble in (
        0.4 * rng.random(ROWS),
        0.8 * rng.random(ROWS),
        1.5 * (row % 2),
        3.0 * (row == 8),
        0.7 * ((row + 1) % 3 - 1),  # the first row lies in the middle
    ):
        yield _level(rng, kind) + tolerance * wobble
    if kind == "tanh":
        size = rng.integers(2, 8, ROWS // 2) / 8
        yield np.concatenate([size, -size])
        yield -rng.uniform(0.2, 0.9, ROWS)


def _alive(rng: np.random.Generator, kind: str) -> Array:
    if kind == "relu":  # every other row lets nothing through
        return rng.uniform(0.1, 1.0, ROWS) * (np.arange(ROWS) % 2)
    return rng.uniform(-0.9 if kind == "tanh" else 0.1, 0.9, ROWS)


def _level(rng: np.random.Generator, kind: str) -> float:
    """What a dead unit puts out: the lower end of ReLU, or somewhere on a plateau."""
    levels = {"relu": 0.0, "sigmoid": rng.uniform(0.1, 0.4), "tanh": -rng.uniform(0.4, 0.9)}
    return levels[kind]


def run(answer: Any, case: Case) -> Iterator[tuple[str, Any]]:
    """Three layers, of each three batches."""
    for kind, tolerance in TOLERANCES.items():
        values = dict(returned(answer(_batches(case, kind), tolerance), "dead", "share"))
        yield f"dead units after {kind}", _as_numbers(values["dead"])
        yield f"share of dead units after {kind}", values["share"]


def _as_numbers(dead: Any) -> Any:
    if not isinstance(dead, np.ndarray):
        return dead
    if dead.dtype != bool:
        raise ResultError(
            f"dead should hold True or False for each unit, but it holds {dead.dtype}."
        )
    return dead.astype(np.float64)


def specification(case: Case) -> Results:
    """minnet's own `dead_units`, on the rows of all batches."""
    return _results(
        case, lambda batches, tolerance: dead_units(np.concatenate(batches), tolerance=tolerance)
    )


def _batches(case: Case, kind: str) -> list[Array]:
    return np.split(getattr(case, kind), ENDS)


def _results(case: Case, rule: Callable[[list[Array], float], Array]) -> Results:
    """Return all results for a rule that returns the dead units of a list of batches."""
    results: Results = {}
    for kind, tolerance in TOLERANCES.items():
        dead = rule(_batches(case, kind), tolerance)
        results[f"dead units after {kind}"] = dead.astype(np.float64)
        results[f"share of dead units after {kind}"] = dead.mean()
    return results


def _by_rows(case: Case, rule: Callable[[Array, float], Array]) -> Results:
    """All results, where rule looks at the rows of all batches, (n, units)."""
    return _results(case, lambda batches, tolerance: rule(np.concatenate(batches), tolerance))


def _shares(case: Case, right: Results, share: Callable[[Array, Array], Any]) -> Results:
    """The shares, made of the right units and the rows."""
    return {
        f"share of dead units after {kind}": share(
            right[f"dead units after {kind}"], getattr(case, kind)
        )
        for kind in TOLERANCES
    }


def _still(y: Array, tolerance: float, axis: int = 0) -> Array:
    still: Array = np.ptp(y, axis=axis) <= tolerance
    return still


MISTAKES = (
    Mistake(
        "zero_for_constant",
        "the dead units match those that are always 0; after sigmoid and tanh they stop elsewhere.",
        "Which value does a sigmoid unit put out when it never changes?",
        lambda case, right: _by_rows(case, lambda y, tolerance: (y == 0).all(axis=0)),
    ),
    Mistake(
        "never_positive",
        "the dead units match those that are never above 0; after tanh such a unit may well live.",
        "Can an output be negative, and change from row to row?",
        lambda case, right: _by_rows(case, lambda y, tolerance: y.max(axis=0) <= tolerance),
    ),
    Mistake(
        "adds_up_to_zero",
        "the dead units match those whose outputs add up to 0, which may cancel.",
        "What do 1 and -1 add up to, and is that unit dead?",
        lambda case, right: _by_rows(case, lambda y, tolerance: np.abs(y.sum(axis=0)) <= tolerance),
    ),
    Mistake(
        "any_zero",
        "the dead units match those that are 0 in some row: inactive once is not dead.",
        "Over which rows must a unit stay the same, some or all?",
        lambda case, right: _by_rows(case, lambda y, tolerance: (y == 0).any(axis=0)),
    ),
    Mistake(
        "wrong_axis",
        "the dead units are looked for along axis 1: an entry for each row, not each unit.",
        "y is (n, units). Over which axis do you take max and min?",
        lambda case, right: _by_rows(case, lambda y, tolerance: _still(y, tolerance, axis=1)),
    ),
    Mistake(
        "first_batch_only",
        "the dead units are those of the first batch alone.",
        "Does your loop come to the second batch before it returns?",
        lambda case, right: _results(
            case, lambda batches, tolerance: _still(batches[0], tolerance)
        ),
    ),
    Mistake(
        "last_batch_only",
        "the dead units are those of the last batch alone.",
        "What of the first batch is still there after the last one?",
        lambda case, right: _results(
            case, lambda batches, tolerance: _still(batches[-1], tolerance)
        ),
    ),
    Mistake(
        "dead_in_some_batch",
        "the dead units match those that are constant in at least one batch.",
        "If a unit lives in one batch, can it be dead?",
        lambda case, right: _results(
            case,
            lambda batches, tolerance: np.any([_still(y, tolerance) for y in batches], axis=0),
        ),
    ),
    Mistake(
        "each_batch_alone",
        "the dead units match those that are constant in each batch, even if the value differs "
        "from batch to batch.",
        "A unit gives 0 for every row of one batch and 1 for every row of the next. Is it dead?",
        lambda case, right: _results(
            case,
            lambda batches, tolerance: np.all([_still(y, tolerance) for y in batches], axis=0),
        ),
    ),
    Mistake(
        "no_tolerance",
        "the dead units match those that are exactly constant: the tolerance is not used.",
        "Is a unit alive that moves between 0.99999 and 1?",
        lambda case, right: _by_rows(case, lambda y, tolerance: _still(y, 0.0)),
    ),
    Mistake(
        "less_than",
        "with tolerance 0 no unit is found dead: the span may be equal to the tolerance.",
        "How large is max - min of a constant, and is that less than 0?",
        lambda case, right: _by_rows(case, lambda y, tolerance: np.ptp(y, axis=0) < tolerance),
    ),
    Mistake(
        "deviation_for_span",
        "the dead units match those whose deviation is within the tolerance, not max - min.",
        "Can one row out of many move a lot, and the standard deviation stay small?",
        lambda case, right: _by_rows(case, lambda y, tolerance: y.std(axis=0) <= tolerance),
    ),
    Mistake(
        "distance_from_mean",
        "the dead units match those that stay within the tolerance of their mean, not max - min.",
        "How far apart can two values be that are both within the tolerance of the mean?",
        lambda case, right: _by_rows(
            case, lambda y, tolerance: np.abs(y - y.mean(axis=0)).max(axis=0) <= tolerance
        ),
    ),
    Mistake(
        "distance_from_first_row",
        "the dead units match those that stay within the tolerance of their first row, not max - "
        "min.",
        "If the first row lies in the middle, how far apart can the others be?",
        lambda case, right: _by_rows(
            case, lambda y, tolerance: np.abs(y - y[0]).max(axis=0) <= tolerance
        ),
    ),
    Mistake(
        "alive_for_dead",
        "the units that are True are the living ones.",
        "Is dead[j] True where unit j never changes?",
        lambda case, right: _by_rows(case, lambda y, tolerance: np.ptp(y, axis=0) > tolerance),
    ),
    Mistake(
        "share_of_zero_entries",
        "the share of dead units is the share of outputs that are 0, those of living units too.",
        "It is the share of what: of units, or of entries of y?",
        lambda case, right: _shares(case, right, lambda dead, y: (y == 0).mean()),
    ),
    Mistake(
        "share_by_rows",
        "the share of dead units is divided by the number of rows.",
        "If all units are dead, the share should be 1. What is it with yours?",
        lambda case, right: _shares(case, right, lambda dead, y: dead.sum() / len(y)),
    ),
    Mistake(
        "count_for_share",
        "the share of dead units is their number; it should be divided by that of all units.",
        "Can a share be larger than 1?",
        lambda case, right: _shares(case, right, lambda dead, y: dead.sum()),
    ),
    Mistake(
        "input_changed",
        "it writes into the batches that it was given; work on copies.",
        "Which of your lines use -=, out= or [...] = on an array of batches?",
    ),
)

EXERCISE = Exercise(
    number=15,
    name="dead_neurons",
    title="Dead neurons",
    minutes=20,
    answer="dead_neurons",
    inputs=inputs,
    run=run,
    specification=specification,
    mistakes=MISTAKES,
    forward="dead units after relu",
)

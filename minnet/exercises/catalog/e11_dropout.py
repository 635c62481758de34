"""Exercise 11, dropout: a mask, its scale, and the same mask on the way back.

Right answers draw their masks in different ways, so that y itself cannot be compared. The results
are shares of dropped entries, which are known to about 1%, and sums over the rows in which dropped
entries are filled in with the factor of the others. Parts of x are exactly 0: there y does not show
the mask, but dx does. Invariants describe entries that are not dropped independently.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minnet.exercises import network
from minnet.exercises.exercise import Case, Exercise, Invariant, ResultError
from minnet.layers.activations import Tanh
from minnet.layers.dense import Dense
from minnet.validation import Array

ROWS, NEXT_ROWS, FEATURES, SMALL = 300, 200, 60, (60, 5, 6)
IDLE, SHARE = "share of x dropped in evaluation", "share of x dropped"
OTHER_SHARE = "share of x dropped by another layer"
MEAN, FOREIGN = "mean factor from x to y", "use of the generators of other layers"
ZERO = "share of dx dropped where x is 0"
WHEN = ("", " beside another layer", " after an evaluation")
UNLIKE = tuple(f"share of entries dropped in y or dx alone{when}" for when in WHEN)
SPREADS, LAYERS = "spread of the numbers of dropped entries", "likeness of two layers"


def inputs(rng: np.random.Generator) -> Case:
    """Draw two batches, the second with zeros in x, many small ones, a probability and a seed."""

    def batch(*shape: int) -> Array:
        numbers: Array = rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape)
        return numbers

    first = {"x": batch(ROWS, FEATURES), "dy": batch(ROWS, FEATURES)}
    second = {"next_x": batch(NEXT_ROWS, FEATURES), "next_dy": batch(NEXT_ROWS, FEATURES)}
    second["next_x"][rng.random((NEXT_ROWS, FEATURES)) < 1 / 2] = 0.0
    p, seed = float(rng.uniform(0.15, 0.2)), int(rng.integers(2**31))
    return Case(**first, **second, small=batch(*SMALL), p=p, seed=seed)


def run(answer: Any, case: Case) -> Iterator[tuple[str, Any]]:
    """Evaluation, a step of training, small batches, then steps with another forward between."""
    rngs = [np.random.default_rng(case.seed + i) for i in range(4)]
    p = (case.p, case.p, case.p, 2 * case.p)
    dropout, *others = (answer(*each) for each in zip(p, rngs, strict=True))
    unused = [rng.bit_generator.state for rng in rngs[1:]]
    y = _like(case.x, "y in evaluation", dropout.forward(case.x, False))
    yield IDLE, np.mean(y == 0)
    yield "kept entries of y in evaluation", _filled(case.x, y)
    y = _like(case.x, "y", dropout.forward(case.x, True)).copy()
    yield SHARE, np.mean(y == 0)
    yield "kept entries of y", _filled(case.x, y)
    yield MEAN, np.mean(y / case.x)
    yield FOREIGN, float([rng.bit_generator.state for rng in rngs[1:]] != unused)
    dx = _like(case.dy, "dx", dropout.backward(case.dy))
    yield UNLIKE[0], np.mean((y == 0) != (dx == 0))
    yield "kept entries of dx", _filled(case.dy, dx)
    small = [_like(x, "y", others[0].forward(x, True)) == 0 for x in case.small]
    yield SPREADS, _spreads(y == 0, np.reshape(small, (len(small), -1)))
    yield LAYERS, float(np.any(y == 0) and np.array_equal(y, others[1].forward(case.x, True)))
    yield OTHER_SHARE, np.mean(_like(case.x, "y", others[2].forward(case.x, True)) == 0)
    x, dy, some = case.next_x, case.next_dy, case.next_x != 0
    for i in (1, 2):
        y = _like(x, "y", dropout.forward(x, True)).copy()
        if i == 1:
            others[1].forward(x, True)
        else:
            idle = _like(x, "y in evaluation", dropout.forward(x[::-1], False))
            yield "kept entries of y in a later evaluation", _filled(x[::-1], idle)
        dx = _like(dy, "dx", dropout.backward(dy))
        yield UNLIKE[i], np.mean((y == 0)[some] != (dx == 0)[some])
        yield f"kept entries of dx{WHEN[i]}", _filled(dy, dx)
        if i == 1:
            yield ZERO, np.mean(dx[~some] == 0)


def _like(x: Array, name: str, value: Any) -> Array:
    """Return a value that has the shape and the dtype of x."""
    if value is None:
        raise ResultError(f"{name} is None; is a return missing?")
    if type(value) is not np.ndarray or value.shape != x.shape or value.dtype != x.dtype:
        kind = getattr(value, "dtype", type(value).__name__), getattr(value, "shape", ())
        raise ResultError(
            f"{name} should be {x.dtype} of shape {x.shape}, but is {kind[0]} of shape {kind[1]}."
        )
    return value


def _filled(x: Array, y: Array) -> Array:
    """Return the sums of y over the rows; dropped entries count with the factor of the first."""
    kept = np.flatnonzero((y != 0) & (x != 0))[:1]
    sums: Array = np.where(y != 0, y, x * (y.ravel()[kept] / x.ravel()[kept]).sum()).sum(axis=0)
    return sums


def _spreads(drops: Array, small: Array) -> Array:
    """Return the variances of counts per row, column, small batch, and position in small batches.

    They are relative to those of independent entries.
    """
    ratios = []
    for masks in (drops, drops.T, small, small.T):
        variance = masks.shape[1] * masks.mean() * (1 - masks.mean())
        ratios.append(masks.sum(axis=1).var() / variance if variance else 1.0)
    return np.array(ratios)


def train(answer: Any) -> Array:
    """Train a network with the student's dropout in the middle."""
    dropout = answer(0.2, np.random.default_rng(0))
    layer = network.Adapted(dropout.forward, dropout.backward)
    return network.train([Dense(64, 16), Tanh(), layer, Dense(16, 10)])


DRAWN = "How many random numbers do you draw, how often, and how many entries are there?"
INVARIANTS = (
    Invariant(
        "one_mask_for_all_rows",
        "the rows of a batch have the same mask; every entry should be dropped independently.",
        DRAWN, lambda case, results: results[SPREADS][1] < 3,
    ),
    Invariant(
        "one_mask_for_all_columns",
        "whole rows are dropped; every entry should be dropped independently.",
        DRAWN, lambda case, results: results[SPREADS][0] < 2,
    ),
    Invariant(
        "whole_batches",
        "whole batches are dropped or kept; every entry should be dropped independently.",
        DRAWN, lambda case, results: results[SPREADS][2] < 4,
    ),
    Invariant(
        "one_mask_for_all_batches",
        "batches of the same size have the same mask; every batch should have a new one.",
        DRAWN, lambda case, results: results[SPREADS][3] < 4,
    ),
    Invariant(
        "exact_count",
        "always the same number of entries is dropped; it should vary, as each entry is dropped "
        "or kept independently of all others.",
        "Does it depend on the other entries of your mask whether one is dropped?",
        lambda case, results: results[SPREADS][:3].min() > 0.3,
    ),
    Invariant(
        "scaled_by_share",
        "y is divided by the share of entries kept in this batch; it should be the probability.",
        "Which number is the same for all batches?",
        lambda case, results: results[SHARE] == 0 or abs(results[MEAN] - 1) > 1e-9,
    ),
    Invariant(
        "one_mask_for_all_layers",
        "two layers with different generators have the same mask: a generator is seeded inside.",
        "Where do your random numbers come from: from the rng that is given, or from another?",
        lambda case, results: results[LAYERS] == 0,
    ),
)  # fmt: skip

WIDE = {SPREADS: 2.0, MEAN: 2.0}  # judged by the invariants alone

EXERCISE = Exercise(
    number=11,
    name="dropout",
    title="Dropout",
    minutes=20,
    answer="Dropout",
    inputs=inputs,
    run=run,
    invariants=INVARIANTS,
    tolerances=dict.fromkeys((IDLE, SHARE, OTHER_SHARE, *UNLIKE), 0.12) | {ZERO: 0.3} | WIDE,
    train=train,
)

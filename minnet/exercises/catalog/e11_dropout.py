"""Exercise 11, dropout: a mask, its scale, and the same mask on the way back.

Every right answer draws its mask in its own way, so that the mask itself can't be compared, only
what it does: how much of x is left out (known to 1.4 %, 8 % are let pass), by which factor the rest
is scaled, whether dx has the same mask, and rows, columns, batches and layers have others. What is
left out is reported as a share of Σ|x|, which is a different number for every mask.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minnet.exercises import network
from minnet.exercises.exercise import Case, Exercise, Mistake, ResultError, Results
from minnet.layers.activations import Tanh
from minnet.layers.dense import Dense
from minnet.validation import Array

N, FEATURES = 300, 80
IDLE_SHARE = "share of x that is left out in evaluation"
IDLE_FACTOR = "smallest and largest factor from x to y in evaluation"
ROWS = "likeness of the masks of all rows"
COLUMNS = "likeness of the masks of all columns"
SHARE = "share of x that is left out in training"
FACTOR = "smallest and largest factor from x to y in training"
BATCHES = "likeness of the masks of both batches"
LAYERS = "likeness of the masks of two layers"
UNLIKE = "share of entries left out in y or in dx, but not in both"
DX_FACTOR = "smallest and largest factor from dy to dx"


def inputs(rng: np.random.Generator) -> Case:
    """Draw numbers that are not near 0, a probability that is not 1/2, and a seed."""

    def batch() -> Array:
        signs = rng.choice([-1.0, 1.0], (N, FEATURES))
        numbers: Array = rng.uniform(0.5, 1.5, (N, FEATURES)) * signs
        return numbers

    return Case(
        x=batch(), dy=batch(), p=float(rng.uniform(0.2, 0.3)), seed=int(rng.integers(2**31))
    )


def run(answer: Any, case: Case) -> Iterator[tuple[str, Any]]:
    """Evaluation, then two batches, then backward through the second."""
    dropout = answer(case.p, np.random.default_rng(case.seed))
    idle = _array("y in evaluation", dropout.forward(case.x, False))
    yield IDLE_SHARE, _share(case.x, idle)
    yield IDLE_FACTOR, _factors(case.x, idle)
    first = _array("y", dropout.forward(case.x, True)).copy()
    yield ROWS, _alike(first, first[:1])
    yield COLUMNS, _alike(first, first[:, :1])
    yield SHARE, _share(case.x, first)
    yield FACTOR, _factors(case.x, first)
    second = _array("y of the second batch", dropout.forward(case.x, True)).copy()
    yield BATCHES, _alike(first, second)
    other = answer(case.p, np.random.default_rng(case.seed + 1))
    yield LAYERS, _alike(first, _array("y of another layer", other.forward(case.x, True)))
    dx = _array("dx", dropout.backward(case.dy))
    yield UNLIKE, np.mean((second == 0) != (dx == 0))
    yield DX_FACTOR, _factors(case.dy, dx)


def _array(name: str, value: Any) -> Array:
    if value is None:
        raise ResultError(f"{name} is None; is a return missing?")
    if type(value) is not np.ndarray or value.shape != (N, FEATURES) or value.dtype != np.float64:
        kind = f"{getattr(value, 'dtype', '')} {getattr(value, 'shape', '')}".strip()
        raise ResultError(
            f"{name} should be an array of the shape {N, FEATURES} and of float64, as the input "
            f"is, but it is {type(value).__name__} {kind}".rstrip()
            + "."
        )
    return value


def _share(values: Array, kept: Array) -> float:
    return float(np.abs(values[kept == 0]).sum() / np.abs(values).sum())


def _factors(values: Array, kept: Array) -> Array:
    factors = kept[kept != 0] / values[kept != 0]
    return np.array([factors.min(), factors.max()] if factors.size else [0.0, 0.0])


def _alike(one: Array, other: Array) -> float:
    """Whether both leave out the same, and do leave out something."""
    return float((one == 0).any() and np.all((one == 0) == (other == 0)))


def specification(case: Case) -> Results:
    """What is left out is p, what is kept is scaled by 1 / (1 - p), and dx has the mask of y."""
    return {
        IDLE_SHARE: 0.0,
        IDLE_FACTOR: _both(1.0),
        ROWS: 0.0,
        COLUMNS: 0.0,
        SHARE: case.p,
        FACTOR: _both(1 / (1 - case.p)),
        BATCHES: 0.0,
        LAYERS: 0.0,
        UNLIKE: 0.0,
        DX_FACTOR: _both(1 / (1 - case.p)),
    }


def _both(factor: float) -> Array:
    return np.array([factor, factor])


def _never(case: Case, right: Results) -> Results:
    return {SHARE: 0.0, FACTOR: _both(1.0), DX_FACTOR: _both(1.0)}


MISTAKES = (
    Mistake(
        "not_scaled",
        "what is kept is not scaled: the factor 1 / (1 - p) is missing.",
        "With p = 0.2, how large is the mean of y if the mean of x is 1?",
        lambda case, right: {FACTOR: _both(1.0), DX_FACTOR: _both(1.0)},
    ),
    Mistake(
        "scaled_by_1_over_p",
        "what is kept is scaled by 1 / p, but p is the probability of leaving an entry out.",
        "Which share of the entries is kept? The scale has to make up for that.",
        lambda case, right: {FACTOR: _both(1 / case.p), DX_FACTOR: _both(1 / case.p)},
    ),
    Mistake(
        "scaled_by_1_minus_p",
        "what is kept is multiplied by 1 - p, but it should be divided by it.",
        "Must what is left grow or shrink, so that the mean stays?",
        lambda case, right: {FACTOR: _both(1 - case.p), DX_FACTOR: _both(1 - case.p)},
    ),
    Mistake(
        "scaled_in_evaluation",
        "y in evaluation is x (1 - p); here the scale belongs in training, and x stays as it is.",
        "There are two ways of keeping the mean. Which of them does the stub ask for?",
        lambda case, right: {
            IDLE_FACTOR: _both(1 - case.p),
            FACTOR: _both(1.0),
            DX_FACTOR: _both(1.0),
        },
    ),
    Mistake(
        "keep_for_drop",
        "p is used as the probability of keeping an entry, but it is that of leaving it out.",
        "rng.random() < p is true with probability p. What do you do with an entry where it is?",
        lambda case, right: {SHARE: 1 - case.p},
    ),
    Mistake(
        "active_in_evaluation",
        "entries are left out in evaluation too; there y should be x.",
        "Where does your forward look at training?",
        lambda case, right: {IDLE_SHARE: case.p, IDLE_FACTOR: right[FACTOR]},
    ),
    Mistake(
        "upside_down",
        "entries are left out in evaluation and not in training: it should be the other way round.",
        "What should your forward do if training is True?",
        # dx has the mask of evaluation, or none
        lambda case, right: {
            IDLE_SHARE: case.p,
            IDLE_FACTOR: right[FACTOR],
            SHARE: 0.0,
            FACTOR: _both(1.0),
        },
    ),
    Mistake(
        "never_active",
        "y is x in training: nothing is left out.",
        "Is the mask multiplied with x, and is the product what you return?",
        _never,
    ),
    Mistake(
        "one_mask_for_all_rows",
        "all rows have the same mask; every entry should have its own chance.",
        "How many random numbers do you draw, and how many entries are there?",
        lambda case, right: {ROWS: 1.0},
    ),
    Mistake(
        "one_mask_for_all_columns",
        "whole rows are left out: all columns have the same mask.",
        "How many random numbers do you draw, and how many entries are there?",
        lambda case, right: {COLUMNS: 1.0},
    ),
    Mistake(
        "one_mask_for_all_batches",
        "the second batch has the mask of the first; every batch should have a new one.",
        "When is the mask drawn, and how often?",
        lambda case, right: {BATCHES: 1.0},
    ),
    Mistake(
        "one_mask_for_all_layers",
        "two layers with different generators have the same mask: a generator is seeded inside.",
        "Where do your random numbers come from: from the rng that is given, or from another?",
        lambda case, right: {LAYERS: 1.0},
    ),
    Mistake(
        "new_mask_in_backward",
        "dx has another mask than y: backward draws a new one.",
        "Which entries of x had a part in y? Only these can have a gradient.",
        lambda case, right: {UNLIKE: 2 * case.p * (1 - case.p)},
    ),
    Mistake(
        "mask_forgotten_in_backward",
        "dx is dy as it came: the mask is forgotten in backward.",
        "If an entry of x was left out, does it change the loss?",
        lambda case, right: {UNLIKE: case.p, DX_FACTOR: _both(1.0)},
    ),
    Mistake(
        "dx_not_scaled",
        "dx has the mask of y, but not its scale 1 / (1 - p).",
        "y is x times a number. What is its derivative with respect to x?",
        lambda case, right: {DX_FACTOR: _both(1.0)},
    ),
    Mistake(
        "second_run_differs",
        "the same rng gives another mask in a second run: it is not drawn from rng alone.",
        "Which of your lines draw from np.random and not from self.rng?",
    ),
    Mistake(
        "input_changed",
        "it writes into x or dy, such as by x *= mask; work on a copy.",
        "Which of your lines assigns into an array that came in?",
    ),
)


def train(answer: Any) -> Array:
    """Train a network with the student's dropout in the middle."""
    dropout = answer(0.2, np.random.default_rng(0))
    layer = network.Adapted(dropout.forward, dropout.backward)
    return network.train([Dense(64, 16), Tanh(), layer, Dense(16, 10)])


EXERCISE = Exercise(
    number=11,
    name="dropout",
    title="Dropout",
    minutes=20,
    answer="Dropout",
    inputs=inputs,
    run=run,
    specification=specification,
    mistakes=MISTAKES,
    tolerances={IDLE_SHARE: 0.08, SHARE: 0.08, UNLIKE: 0.08},
    train=train,
)

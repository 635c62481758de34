"""Exercise 10, LayerNorm: each row by itself, in training and in evaluation alike.

What is easily copied from BatchNorm is wrong here: the axis, running statistics, and γ outside the
means of backward. The batches differ in their number of rows, and none has as many rows as
features. dγ and dβ are compared before dx: they have one form only, and a wrong x̂ shows there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minnet.exercises import network
from minnet.exercises.compare import close
from minnet.exercises.exercise import Case, Exercise, Invariant
from minnet.layers.activations import Tanh
from minnet.layers.dense import Dense
from minnet.validation import Array

ROWS, FEATURES = (6, 4, 4), 5
SECOND_Y, EVALUATED = "y of the second batch", "y of the second batch in evaluation"
BEFORE, AFTER = "dx before an evaluation", "dx after an evaluation"


def inputs(rng: np.random.Generator) -> Case:
    """Draw three batches whose rows have means and deviations of their own, and two layers."""

    def batch(rows: int) -> Array:
        mean = rng.uniform(1.2, 2.0, (rows, 1)) * rng.choice([-1, 1], (rows, 1))
        x: Array = rng.normal(mean, rng.uniform(0.6, 1.0, (rows, 1)), (rows, FEATURES))
        return x

    x, next_x, other_x = map(batch, ROWS)
    dy, next_dy, other_dy = (rng.normal(size=(rows, FEATURES)) for rows in ROWS)
    gamma, other_gamma = rng.uniform(0.5, 2.0, (2, FEATURES)) * rng.choice([-1, 1], (2, FEATURES))
    beta, other_beta = rng.normal(size=(2, FEATURES))
    eps, other_eps = rng.uniform(0.05, 0.1, 2).tolist()
    return Case(
        **{"x": x, "next_x": next_x, "other_x": other_x},
        **{"dy": dy, "next_dy": next_dy, "other_dy": other_dy},
        **{"gamma": gamma, "beta": beta, "eps": eps},
        **{"other_gamma": other_gamma, "other_beta": other_beta, "other_eps": other_eps},
    )


def run(answer: Any, case: Case) -> Iterator[tuple[str, Any]]:
    """Two steps of training, the second beside another layer; then evaluation."""
    layer = answer(case.gamma, case.beta, case.eps)
    yield "y", layer.forward(case.x, True)
    dx = layer.backward(case.dy)
    yield "dgamma", layer.dgamma
    yield "dbeta", layer.dbeta
    yield "dx", dx
    other = answer(case.other_gamma, case.other_beta, case.other_eps)
    yield "y of another layer", other.forward(case.other_x, True)
    yield SECOND_Y, layer.forward(case.next_x, True)
    dx = layer.backward(case.next_dy)
    yield "dgamma of the second batch", layer.dgamma
    yield "dbeta of the second batch", layer.dbeta
    yield "dx of the second batch", dx
    yield "dx of another layer", other.backward(case.other_dy)
    yield "dgamma of another layer", other.dgamma
    yield EVALUATED, layer.forward(case.next_x, False)
    yield "y of other rows in evaluation", layer.forward(case.other_x, False)
    layer.forward(case.x, True)
    yield BEFORE, layer.backward(case.dy)
    layer.forward(case.x, True)
    layer.forward(case.x[::-1].copy(), False)
    narrow = answer(case.gamma[1:], case.beta[1:], case.other_eps)
    yield "y of a single row", narrow.forward(case.x[:1, 1:], True)
    yield AFTER, layer.backward(case.dy)


def train(answer: Any) -> Array:
    """Train a network with the student's layer, whose γ and β stay as they are."""
    layer = answer(np.ones(16, np.float32), np.zeros(16, np.float32), 1e-5)
    adapted = network.Adapted(layer.forward, layer.backward)
    return network.train([Dense(64, 16), adapted, Tanh(), Dense(16, 10)])


SAME_IN_EVALUATION = Invariant(
    "running_statistics",
    "y in evaluation differs from y in training for the same x; LayerNorm does the same in both.",
    "BatchNorm needs running statistics in evaluation. Does the mean of a single row need them?",
    lambda case, results: close(results[EVALUATED], results[SECOND_Y]),
)

FROM_TRAINING = Invariant(
    "state_of_evaluation",
    "backward uses the rows of an evaluation; it belongs to the last forward in training.",
    "What does forward store, and should it do so in evaluation?",
    lambda case, results: close(results[AFTER], results[BEFORE]),
)

EXERCISE = Exercise(
    number=10,
    name="layernorm",
    title="LayerNorm",
    minutes=35,
    answer="LayerNorm",
    inputs=inputs,
    run=run,
    invariants=(SAME_IN_EVALUATION, FROM_TRAINING),
    clues=frozenset({BEFORE, AFTER}),
    derivatives={"dx": "x", "dgamma": "gamma", "dbeta": "beta"},
    train=train,
)

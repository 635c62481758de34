"""Exercise 1, the dense layer: y = xW + b and its three gradients.

The weight is square, so that a transposed one gives wrong numbers rather than an error of shapes;
a second, narrow layer shows the errors of shapes. It is used in turns with the first, which shows
what they share. Two batches have the same number of rows, so that what is kept from the first shows
in the second.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minnet.exercises import network
from minnet.exercises.compare import close
from minnet.exercises.exercise import Case, Exercise, Invariant
from minnet.layer import Layer, Param
from minnet.layers.activations import Tanh
from minnet.layers.dense import Dense
from minnet.validation import Array

N, FEATURES, NARROW, NARROW_ROWS = 6, 5, 3, 8
SECOND, AGAIN = "y of the second batch", "y of the second batch after backward"


def inputs(rng: np.random.Generator) -> Case:
    """Draw two batches, a square layer, and a narrow one with a batch of its own."""
    return Case(
        weight=rng.normal(size=(FEATURES, FEATURES)),
        bias=rng.normal(size=FEATURES),
        x=rng.normal(size=(N, FEATURES)),
        dy=rng.normal(size=(N, FEATURES)),
        next_x=rng.normal(size=(N, FEATURES)),
        next_dy=rng.normal(size=(N, FEATURES)),
        narrow_weight=rng.normal(size=(FEATURES, NARROW)),
        narrow_bias=rng.normal(size=NARROW),
        narrow_x=rng.normal(size=(NARROW_ROWS, FEATURES)),
        narrow_dy=rng.normal(size=(NARROW_ROWS, NARROW)),
    )


def run(answer: Any, case: Case) -> Iterator[tuple[str, Any]]:
    """Two steps of the square layer; the narrow one goes forward before and backward after them."""
    dense = answer(case.weight, case.bias)
    narrow = answer(case.narrow_weight, case.narrow_bias)
    yield "y", dense.forward(case.x)
    yield "y of a narrow layer", narrow.forward(case.narrow_x)
    yield "dx", dense.backward(case.dy)
    yield "dweight", dense.dweight
    yield "dbias", dense.dbias
    yield SECOND, dense.forward(case.next_x)
    yield "dx of the second batch", dense.backward(case.next_dy)
    yield "dweight of the second batch", dense.dweight
    yield "dbias of the second batch", dense.dbias
    yield AGAIN, dense.forward(case.next_x)
    yield "dx of a narrow layer", narrow.backward(case.narrow_dy)
    yield "dweight of a narrow layer", narrow.dweight
    yield "dbias of a narrow layer", narrow.dbias


class Adapted(Layer):
    """The student's layer as one of minnet's, with weights that an optimizer can move."""

    def __init__(self, answer: Any) -> None:
        self.in_features, self.out_features = 16, 10
        self.params["weight"] = Param(np.random.default_rng(0).normal(size=(16, 10)) / 4)
        self.params["bias"] = Param(np.zeros(10))
        self.answer = answer

    def compute(self, x: Array, y: Array, training: bool) -> None:
        """Run the forward of a layer with the current weight and bias."""
        self.dense = self.answer(self.params["weight"].value, self.params["bias"].value)
        y[...] = self.dense.forward(x)

    def differentiate(self, dy: Array, dx: Array) -> None:
        """Run the backward and copy the gradients."""
        dx[...] = self.dense.backward(dy)
        self.params["weight"].grad, self.params["bias"].grad = self.dense.dweight, self.dense.dbias


UNCHANGED = Invariant(
    "changed_by_backward",
    "backward changes the weight or the bias: the same x has another y after it.",
    "Is the step of gradient descent part of backward, or does an optimizer make it later?",
    lambda case, results: close(results[AGAIN], results[SECOND]),
)

EXERCISE = Exercise(
    number=1,
    name="dense",
    title="The dense layer",
    minutes=20,
    answer="Dense",
    inputs=inputs,
    run=run,
    invariants=(UNCHANGED,),
    derivatives={"dx": "x", "dweight": "weight", "dbias": "bias"},
    train=lambda answer: network.train([Dense(64, 16), Tanh(), Adapted(answer)]),
)

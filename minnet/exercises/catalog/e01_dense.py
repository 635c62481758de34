"""Exercise 1, the dense layer: y = xW + b and its three gradients.

The weight is square, so that a transposed one gives wrong numbers rather than an error of shapes;
a second, narrow layer shows the errors of shapes. Two batches have the same number of rows, so that
what is kept from the first shows in the second.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minnet.exercises import network
from minnet.exercises.exercise import Case, Exercise, Known
from minnet.exercises.reference import Method, Reference, Step
from minnet.layer import Layer, Param
from minnet.layers.activations import Tanh
from minnet.layers.dense import Dense
from minnet.validation import Array

N, FEATURES, NARROW = 6, 5, 3

REFERENCE = Reference(
    Method("Dense(weight, bias)"),
    Method(
        "forward(x)",
        "y",
        Step("stored", "the x stored for backward", "x"),
        Step("y", "the output", "x @ weight + bias"),
    ),
    Method(
        "backward(dy)",
        "dx",
        Step("n", "the number of rows", "len(dy)"),
        Step("features", "the number of features", "len(weight)"),
        Step("dx", "the gradient of x", "dy @ weight.T"),
        Step("dweight", "the gradient of the weight", "stored.T @ dy"),
        Step("dbias", "the gradient of the bias", "sum(dy, axis=0)"),
    ),
    words={"weight": "the weight", "bias": "the bias"},
)

KNOWN = (
    Known(
        "dbias_over_axis_1",
        "dbias is summed along axis 1, over the outputs of each row.",
        "Every row of the batch uses the same bias: over what must its gradient be summed?",
        {"dbias": "sum(dy, axis=1)"},
    ),
    Known(
        "divided_by_n",
        "dweight and dbias are both divided by the number of rows: one 1/N too many.",
        "Where did dy come from, and what did the loss divide by?",
        {"dweight": "stored.T @ dy / n", "dbias": "sum(dy, axis=0) / n"},
    ),
    Known(
        "gradients_add_up",
        "the gradients of the second batch contain those of the first: they add up between calls.",
        "Should backward add to the gradients, or set them?",
        {"dweight": "dweight + stored.T @ dy", "dbias": "dbias + sum(dy, axis=0)"},
    ),
    Known(
        "first_x_kept",
        "dweight of the second batch is computed from the x of the first.",
        "When is x stored, and is it stored every time?",
        {"stored": "x if first else stored"},
    ),
)


def inputs(rng: np.random.Generator) -> Case:
    """Draw two batches, a square layer, and a narrow one."""
    return Case(
        weight=rng.normal(size=(FEATURES, FEATURES)),
        bias=rng.normal(size=FEATURES),
        x=rng.normal(size=(N, FEATURES)),
        dy=rng.normal(size=(N, FEATURES)),
        next_x=rng.normal(size=(N, FEATURES)),
        next_dy=rng.normal(size=(N, FEATURES)),
        narrow_weight=rng.normal(size=(FEATURES, NARROW)),
        narrow_bias=rng.normal(size=NARROW),
        narrow_dy=rng.normal(size=(N, NARROW)),
    )


def run(answer: Any, case: Case) -> Iterator[tuple[str, Any]]:
    """Two steps of the square layer, then one of the narrow one."""
    dense = answer(case.weight, case.bias)
    yield "y", dense.forward(case.x)
    yield "dx", dense.backward(case.dy)
    yield "dweight", dense.dweight
    yield "dbias", dense.dbias
    yield "y of the second batch", dense.forward(case.next_x)
    yield "dx of the second batch", dense.backward(case.next_dy)
    yield "dweight of the second batch", dense.dweight
    yield "dbias of the second batch", dense.dbias
    narrow = answer(case.narrow_weight, case.narrow_bias)
    yield "y of a narrow layer", narrow.forward(case.x)
    yield "dx of a narrow layer", narrow.backward(case.narrow_dy)
    yield "dweight of a narrow layer", narrow.dweight


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


EXERCISE = Exercise(
    number=1,
    name="dense",
    title="The dense layer",
    minutes=20,
    answer="Dense",
    inputs=inputs,
    run=run,
    reference=REFERENCE,
    known=KNOWN,
    derivatives={"dx": "x", "dweight": "weight", "dbias": "bias"},
    train=lambda answer: network.train([Dense(64, 16), Tanh(), Adapted(answer)]),
)

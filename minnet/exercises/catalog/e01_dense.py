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
from minnet.exercises.exercise import Case, Exercise, Mistake, Results
from minnet.layer import Layer, Param
from minnet.layers.activations import Tanh
from minnet.layers.dense import Dense
from minnet.validation import Array

N, FEATURES, NARROW = 6, 5, 3


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


def specification(case: Case) -> Results:
    """minnet's own layer, a fresh one for each batch."""
    first = _step(case.weight, case.bias, case.x, case.dy)
    second = _step(case.weight, case.bias, case.next_x, case.next_dy)
    narrow = _step(case.narrow_weight, case.narrow_bias, case.x, case.narrow_dy)
    del narrow["dbias"]
    return (
        first
        | {f"{name} of the second batch": value for name, value in second.items()}
        | {f"{name} of a narrow layer": value for name, value in narrow.items()}
    )


def _step(weight: Array, bias: Array, x: Array, dy: Array) -> Results:
    dense = Dense(*weight.shape).build(dtype=np.float64)
    dense.weight.value, dense.params["bias"].value = weight, bias
    y, dx = dense.forward(x, training=True), dense.backward(dy)
    return {"y": y, "dx": dx, "dweight": dense.weight.grad, "dbias": dense.params["bias"].grad}


MISTAKES = (
    Mistake(
        "weight_transposed_in_forward",
        "y matches the answer with xWᵀ in place of xW.",
        "Which index of the weight runs over the input features?",
        lambda case, right: {"y": case.x @ case.weight.T + case.bias},
    ),
    Mistake(
        "bias_left_out",
        "y matches the answer without the bias.",
        "What is y where x is all zeros?",
        lambda case, right: {"y": right["y"] - case.bias},
    ),
    Mistake(
        "weight_not_transposed_in_backward",
        "dx matches dy W: the weight is not transposed on the way back.",
        "dy has a column for each output; which shape must the other factor have to give dx?",
        lambda case, right: {"dx": case.dy @ case.weight},
    ),
    Mistake(
        "dweight_transposed",
        "dweight matches dyᵀx, the transpose of what it should be.",
        "dweight[i, j] belongs to weight[i, j]: input i and output j.",
        lambda case, right: {"dweight": right["dweight"].T},
    ),
    Mistake(
        "dbias_over_axis_1",
        "dbias is summed along axis 1, over the outputs of each row.",
        "Every row of the batch uses the same bias: over what must its gradient be summed?",
        lambda case, right: {"dbias": case.dy.sum(axis=1)},
    ),
    Mistake(
        "dbias_averaged",
        "dbias is the mean over the rows, not the sum.",
        "dy holds the 1/N of the loss already.",
        lambda case, right: {"dbias": case.dy.mean(axis=0)},
    ),
    Mistake(
        "dweight_divided_by_n",
        "dweight is divided by the number of rows: one 1/N too many.",
        "Where did dy come from, and what did the loss divide by?",
        lambda case, right: {"dweight": right["dweight"] / N},
    ),
    Mistake(
        "divided_by_n",
        "dweight and dbias are both divided by the number of rows: one 1/N too many.",
        "Where did dy come from, and what did the loss divide by?",
        lambda case, right: {"dweight": right["dweight"] / N, "dbias": right["dbias"] / N},
    ),
    Mistake(
        "gradients_add_up",
        "the gradients of the second batch contain those of the first: they add up between calls.",
        "Should backward add to the gradients, or set them?",
        lambda case, right: {
            f"{name} of the second batch": right[name] + right[f"{name} of the second batch"]
            for name in ("dweight", "dbias")
        },
    ),
    Mistake(
        "first_x_kept",
        "dweight of the second batch is computed from the x of the first.",
        "When is x stored, and is it stored every time?",
        lambda case, right: {"dweight of the second batch": case.x.T @ case.next_dy},
    ),
    Mistake(
        "input_changed",
        "it writes into an array that it was given; += and out= change the caller's array.",
        "Which of your lines write into x, dy, weight or bias?",
    ),
)


class Adapted(Layer):
    """The student's layer as one of minnet's, with weights that an optimizer can move."""

    def __init__(self, answer: Any) -> None:
        self.in_features, self.out_features = 16, 10
        self.params["weight"] = Param(np.random.default_rng(0).normal(size=(16, 10)) / 4)
        self.params["bias"] = Param(np.zeros(10))
        self.answer = answer

    def forward(self, x: Any, *, training: bool) -> Array:
        """Make a layer of the current weights."""
        self.dense = self.answer(self.params["weight"].value, self.params["bias"].value)
        y: Array = self.dense.forward(x)
        return y

    def backward(self, dy: Any) -> Array:
        """Take the gradients over."""
        dx: Array = self.dense.backward(dy)
        self.params["weight"].grad, self.params["bias"].grad = self.dense.dweight, self.dense.dbias
        return dx


EXERCISE = Exercise(
    number=1,
    name="dense",
    title="The dense layer",
    minutes=20,
    answer="Dense",
    inputs=inputs,
    run=run,
    specification=specification,
    mistakes=MISTAKES,
    derivatives={"dx": "x", "dweight": "weight", "dbias": "bias"},
    train=lambda answer: network.train([Dense(64, 16), Tanh(), Adapted(answer)]),
)

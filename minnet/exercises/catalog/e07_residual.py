"""Exercise 7, a residual block: y = relu(x + F(x)), with a way around the branch F.

The branch is given, F(x) = tanh(xW), and shows by its own gradient what reached it on the way back.
A second branch works in place, as many a fast layer does: whoever hands it x itself finds x
changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minnet.exercises import network
from minnet.exercises.exercise import Case, Exercise, Mistake, Results
from minnet.layer import Layer, Param
from minnet.layers.activations import ReLU, Tanh
from minnet.layers.dense import Dense
from minnet.layers.residual import Residual
from minnet.validation import Array

N, FEATURES = 6, 5
DWEIGHT, X_AFTER = "dweight of the branch", "x after a branch that works in place"


class Branch:
    """F(x) = tanh(xW), what the block goes around."""

    def __init__(self, weight: Array) -> None:
        self.weight, self.dweight = weight, np.zeros_like(weight)

    def forward(self, x: Array) -> Array:
        """Return F(x)."""
        self.x = x.copy()
        self.y = y = np.tanh(x @ self.weight)
        return np.array(y)

    def backward(self, dy: Array) -> Array:
        """Set dweight and return the gradient with respect to x."""
        through_tanh = dy * (1 - self.y**2)
        self.dweight = self.x.T @ through_tanh
        dx: Array = through_tanh @ self.weight.T
        return dx


class BranchInPlace(Branch):
    """The same after a ReLU that writes into x."""

    def forward(self, x: Array) -> Array:
        """Return F(relu(x)); x is no longer what it was."""
        return super().forward(np.maximum(x, 0, out=x))


def inputs(rng: np.random.Generator) -> Case:
    """Draw a batch and the weight of the branch."""
    return Case(
        weight=rng.normal(size=(FEATURES, FEATURES)),
        x=rng.normal(size=(N, FEATURES)),
        dy=rng.normal(size=(N, FEATURES)),
    )


def run(answer: Any, case: Case) -> Iterator[tuple[str, Any]]:
    """Take one step, then a forward around the branch that works in place."""
    branch = Branch(case.weight)
    block = answer(branch)
    yield "y", block.forward(case.x)
    yield "dx", block.backward(case.dy)
    yield DWEIGHT, branch.dweight
    x = case.x.copy()
    answer(BranchInPlace(case.weight)).forward(x)
    yield X_AFTER, x


def specification(case: Case) -> Results:
    """minnet's own layers."""
    dense = Dense(FEATURES, FEATURES, bias=False)
    residual = Residual(dense, Tanh()).build(dtype=np.float64)
    relu = ReLU().build(dtype=np.float64)
    dense.weight.value = case.weight
    y = relu.forward(residual.forward(case.x, training=True), training=True)
    dx = residual.backward(relu.backward(case.dy))
    return {"y": y, "dx": dx, DWEIGHT: dense.weight.grad, X_AFTER: case.x}


def _around(case: Case, shortcut: Array, into_branch: Array) -> Results:
    """What backward gives when this goes around the branch and that into it."""
    branch = Branch(case.weight)
    branch.forward(case.x)
    return {"dx": shortcut + branch.backward(into_branch), DWEIGHT: branch.dweight}


def _dz(case: Case, right: Results) -> Array:
    """The gradient with respect to the sum x + F(x)."""
    dz: Array = case.dy * (right["y"] > 0)
    return dz


def _relu_before_sum(case: Case, right: Results) -> Results:
    f = np.tanh(case.x @ case.weight)
    return {"y": case.x + np.maximum(f, 0)} | _around(case, case.dy, case.dy * (f > 0))


def _shortcut_left_out(case: Case, right: Results) -> Results:
    f = np.tanh(case.x @ case.weight)
    return {"y": np.maximum(f, 0)} | _around(case, 0 * case.dy, case.dy * (f > 0))


def _mask_of_x(case: Case, right: Results) -> Results:
    masked = case.dy * (case.x > 0)
    return _around(case, masked, masked)


MISTAKES = (
    Mistake(
        "relu_before_sum",
        "y matches x + relu(F(x)): the ReLU comes after the sum, not before it.",
        "Can your y be negative?",
        _relu_before_sum,
    ),
    Mistake(
        "relu_left_out",
        "y matches x + F(x), without the ReLU at the end.",
        "Is any entry of y below 0?",
        lambda case, right: (
            {"y": case.x + np.tanh(case.x @ case.weight)} | _around(case, case.dy, case.dy)
        ),
    ),
    Mistake(
        "shortcut_left_out",
        "y matches relu(F(x)), without the x that goes around the branch.",
        "Which y should come out of a branch that gives only zeros?",
        _shortcut_left_out,
    ),
    Mistake(
        "shortcut_left_out_in_backward",
        "dx is what comes back through the branch alone; the gradient that goes around it is "
        "missing.",
        "x is used in two places. From how many does a gradient come back to it?",
        lambda case, right: {"dx": right["dx"] - _dz(case, right)},
    ),
    Mistake(
        "branch_left_out_in_backward",
        "dx is what goes around the branch alone; what comes back through the branch is missing.",
        "x is used in two places. From how many does a gradient come back to it?",
        lambda case, right: {"dx": _dz(case, right), DWEIGHT: np.zeros_like(case.weight)},
    ),
    Mistake(
        "shortcut_added_twice",
        "dx holds the gradient that goes around the branch twice.",
        "How often does x itself occur in x + F(x)?",
        lambda case, right: {"dx": right["dx"] + _dz(case, right)},
    ),
    Mistake(
        "relu_left_out_in_backward",
        "dx matches a backward without the ReLU: dy goes unchanged into the sum.",
        "What is the slope of relu where the sum is negative?",
        lambda case, right: _around(case, case.dy, case.dy),
    ),
    Mistake(
        "shortcut_around_relu",
        "dx adds dy itself for the way around the branch; that way, too, leads through the ReLU.",
        "The sum is inside the relu. Which gradient does each of its two terms get?",
        lambda case, right: _around(case, case.dy, _dz(case, right)),
    ),
    Mistake(
        "branch_gets_dy",
        "dx matches the answer in which the branch gets dy itself, not what came back through the "
        "ReLU.",
        "The sum is inside the relu. Which gradient does each of its two terms get?",
        lambda case, right: _around(case, _dz(case, right), case.dy),
    ),
    Mistake(
        "relu_slope_at_x",
        "dx matches a ReLU whose slope is taken where x > 0, but its input is the sum x + F(x).",
        "Which array went into the ReLU?",
        _mask_of_x,
    ),
    Mistake(
        "branch_changes_x",
        "x is changed by a branch that works in place: the branch was handed x itself.",
        "What could you hand to the branch, so that it may write into it?",
        lambda case, right: {X_AFTER: np.maximum(case.x, 0)},
    ),
    Mistake(
        "input_changed",
        "it writes into an array that it was given; += and *= change the caller's x or dy.",
        "Which of your lines write into x or dy, and which make a new array?",
    ),
)


class Adapted(Layer):
    """The student's block as one of minnet's layers, around a branch that an optimizer can move."""

    def __init__(self, answer: Any) -> None:
        self.in_features = self.out_features = 16
        self.params["weight"] = Param(np.random.default_rng(0).normal(size=(16, 16)) / 4)
        self.answer = answer

    def compute(self, x: Array, y: Array, training: bool) -> None:
        """Run the forward of a block with the current weight."""
        self.branch = Branch(self.params["weight"].value)
        self.block = self.answer(self.branch)
        y[...] = self.block.forward(x)

    def differentiate(self, dy: Array, dx: Array) -> None:
        """Run the backward and copy the gradient."""
        dx[...] = self.block.backward(dy)
        self.params["weight"].grad = self.branch.dweight


EXERCISE = Exercise(
    number=7,
    name="residual",
    title="The residual block",
    minutes=20,
    answer="Residual",
    inputs=inputs,
    run=run,
    specification=specification,
    mistakes=MISTAKES,
    derivatives={"dx": "x", DWEIGHT: "weight"},
    train=lambda answer: network.train([Dense(64, 16), Adapted(answer), Dense(16, 10)]),
)

"""Exercise 7, a residual block: y = relu(x + F(x)), where x bypasses the branch F.

The branch is given, F(x) = tanh(xW), and its own gradient shows which gradient it receives. Where
the sum is exactly 0, the slope of the ReLU shows. A second branch writes into its input, as many
fast layers do, which changes x unless it receives a copy.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minnet.exercises import network
from minnet.exercises.exercise import Case, Exercise, Invariant
from minnet.layers.dense import Dense
from minnet.validation import Array

ROWS, FEATURES = (6, 7, 7), 5
DWEIGHT, CALLS = "dweight of the branch", "calls of the branch"
WRITTEN = "writing into the output of the branch"


class Branch:
    """F(x) = tanh(xW)."""

    def __init__(self, weight: Array) -> None:
        self.weight, self.dweight = weight, np.zeros_like(weight)
        self.calls = [0, 0]  # of forward and backward
        self.written = False  # whether the block wrote into the output

    def forward(self, x: Array) -> Array:
        """Return F(x)."""
        self.calls[0] += 1
        self.x = x.copy()
        self.y = np.tanh(x @ self.weight)
        self.output = np.array(self.y)
        return self.output

    def backward(self, dy: Array) -> Array:
        """Set dweight and return the gradient with respect to x."""
        self.calls[1] += 1
        self.written |= not np.array_equal(self.output, self.y)
        through_tanh = dy * (1 - self.y**2)
        self.dweight = self.x.T @ through_tanh
        dx: Array = through_tanh @ self.weight.T
        return dx


class BranchInPlace(Branch):
    """The same after a ReLU that writes into its input."""

    def forward(self, x: Array) -> Array:
        """Return F(relu(x)), and write relu(x) into x."""
        return super().forward(np.maximum(x, 0, out=x))


def inputs(rng: np.random.Generator) -> Case:
    """Draw three batches and the weights of two branches; in a row of zeros the sum is 0."""
    x, next_x, other_x = (rng.normal(size=(rows, FEATURES)) for rows in ROWS)
    dy, next_dy, other_dy = (rng.normal(size=(rows, FEATURES)) for rows in ROWS)
    weight, other_weight = rng.normal(size=(2, FEATURES, FEATURES))
    x[2] = 0.0
    batches = {"x": x, "next_x": next_x, "other_x": other_x}
    gradients = {"dy": dy, "next_dy": next_dy, "other_dy": other_dy}
    return Case(weight=weight, other_weight=other_weight, **batches, **gradients)


def run(answer: Any, case: Case) -> Iterator[tuple[str, Any]]:
    """Three steps, around those of another block, then a branch that works in place."""
    branch = Branch(case.weight)
    block = answer(branch)
    yield "y", block.forward(case.x)
    yield "dx", block.backward(case.dy)
    yield DWEIGHT, branch.dweight
    yield "y of the second batch", block.forward(case.next_x)
    other = answer(Branch(case.other_weight))
    yield "y of another block", other.forward(case.other_x)
    yield "dx of the second batch", block.backward(case.next_dy)
    yield "dx of another block", other.backward(case.other_dy)
    yield "y of a batch with as many rows", block.forward(case.other_x)
    yield "dx of a batch with as many rows", block.backward(case.other_dy)
    yield CALLS, np.array(branch.calls)
    yield WRITTEN, float(branch.written)
    x = case.x.copy()
    block = answer(BranchInPlace(case.weight))
    yield "y around a branch that works in place", block.forward(x)
    yield "x after a branch that works in place", x
    yield "dx around a branch that works in place", block.backward(case.dy)


def train(answer: Any) -> Array:
    """Train a network with the student's block around a branch that stays as it is."""
    block = answer(Branch(np.random.default_rng(0).normal(size=(16, 16)) / 4))
    layer = network.Adapted(lambda x, training: block.forward(x), block.backward)
    return network.train([Dense(64, 16), layer, Dense(16, 10)])


CALLED_ONCE = Invariant(
    "branch_called_again",
    "the branch is called more than once in a pass, which changes a branch that has a state.",
    "What does your forward have to store, so that backward need not compute it again?",
    lambda case, results: (results[CALLS] <= len(ROWS)).all() or results[CALLS][1] < len(ROWS),
)

OUTPUT_KEPT = Invariant(
    "branch_output_changed",
    "it writes into the array that branch.forward returned, which the branch may still need.",
    "Which of your lines use += or [...] = on that array?",
    lambda case, results: results[WRITTEN] == 0,
)

EXERCISE = Exercise(
    number=7,
    name="residual",
    title="The residual block",
    minutes=20,
    answer="Residual",
    inputs=inputs,
    run=run,
    invariants=(CALLED_ONCE, OUTPUT_KEPT),
    clues=frozenset({CALLS, WRITTEN}),
    derivatives={"dx": "x", DWEIGHT: "weight"},
    train=train,
)

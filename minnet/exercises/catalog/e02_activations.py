"""Exercise 2, four activations and their slopes, entry by entry.

x holds exact zeros, where ReLU'(0) shows, and dy is random, so that a missing dy shows. Large
inputs come last: what overflows there is right elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minnet.exercises import network
from minnet.exercises.exercise import Case, Exercise, returned
from minnet.layer import Layer
from minnet.layers.dense import Dense
from minnet.validation import Array

N, FEATURES = 6, 5
KINDS = ("relu", "leaky_relu", "tanh", "sigmoid")


def inputs(rng: np.random.Generator) -> Case:
    """Draw x with two exact zeros, dy, two slopes, and x so large that exp(x) has no float.

    The mean of x is positive, that of the large x is negative.
    """
    x = rng.normal(size=(N, FEATURES))
    x *= np.sign(x.mean())
    x[1, 2] = x[4, 0] = 0.0
    large = rng.uniform(800, 1000, size=(2, FEATURES)) * np.array([[1.0], [-1.5]])
    return Case(
        x=x,
        dy=rng.normal(size=(N, FEATURES)),
        slope=float(rng.uniform(0.1, 0.3)),
        steep_slope=float(rng.uniform(1.2, 1.8)),
        large_x=large,
        large_dy=rng.normal(size=large.shape),
    )


def run(answer: Any, case: Case) -> Iterator[tuple[str, Any]]:
    """Each activation on x, leaky_relu with a slope above 1, then each on large inputs."""
    for kind in KINDS:
        values = answer(kind, case.x, case.dy, case.slope)
        yield from returned(values, f"y of {kind}", f"dx of {kind}")
    values = answer("leaky_relu", case.x, case.dy, case.steep_slope)
    yield from returned(values, "y of leaky_relu with a steep slope", "dx with a steep slope")
    for kind in KINDS:
        values = answer(kind, case.large_x, case.large_dy, case.slope)
        yield from returned(values, f"y of {kind} far out", f"dx of {kind} far out")


class Adapted(Layer):
    """One of the student's activations as a layer."""

    def __init__(self, answer: Any, kind: str) -> None:
        self.answer, self.kind = answer, kind

    def compute(self, x: Array, y: Array, training: bool) -> None:
        """Copy the student's y."""
        y[...] = self.answer(self.kind, x, np.zeros_like(x), 0.1)[0]

    def differentiate(self, dy: Array, dx: Array) -> None:
        """Copy the student's dx."""
        dx[...] = self.answer(self.kind, self.x, dy, 0.1)[1]


def train(answer: Any) -> Array:
    """Train a network with two of the activations."""
    return network.train(
        [
            *(Dense(64, 16), Adapted(answer, "leaky_relu")),
            *(Dense(16, 16), Adapted(answer, "tanh"), Dense(16, 10)),
        ]
    )


EXERCISE = Exercise(
    number=2,
    name="activations",
    title="Activations and their slopes",
    minutes=25,
    answer="activation",
    inputs=inputs,
    run=run,
    train=train,
)

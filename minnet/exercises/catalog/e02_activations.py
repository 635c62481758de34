"""Exercise 2, four activations and their slopes, entry by entry.

x holds exact zeros, where ReLU'(0) shows, and dy is random, so that a missing dy shows. Large
inputs come last: what overflows there is right elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minnet.exercises import network
from minnet.exercises.exercise import Case, Exercise, Known, returned
from minnet.exercises.reference import Method, Reference, Step
from minnet.layer import Layer
from minnet.layers.dense import Dense
from minnet.validation import Array

N, FEATURES = 6, 5
KINDS = ("relu", "leaky_relu", "tanh", "sigmoid")


def _when(kind: str, y: tuple[str, ...], dx: tuple[str, ...]) -> tuple[Step, ...]:
    """Return the two steps of one activation, each in several forms."""
    return tuple(
        Step(name, f"{name} of {kind}", forms[0], also=forms[1:], when=f"kind == '{kind}'")
        for name, forms in (("y", y), ("dx", dx))
    )


REFERENCE = Reference(
    Method(
        "activation(kind, x, dy, slope)",
        "y, dx",
        *_when(
            "relu",
            ("maximum(x, 0)", "where(x > 0, x, 0)", "x * (x > 0)"),
            ("dy * (x > 0)", "where(x > 0, dy, 0)", "dy * (y > 0)"),
        ),
        *_when(
            "leaky_relu",
            ("where(x > 0, x, slope * x)", "x * where(x > 0, 1, slope)"),
            ("dy * where(x > 0, 1, slope)", "where(x > 0, dy, slope * dy)"),
        ),
        *_when(
            "tanh",
            ("tanh(x)", "2 / (1 + exp(-2 * x)) - 1"),
            ("dy * (1 - y ** 2)", "dy * (1 - tanh(x) ** 2)"),
        ),
        *_when(
            "sigmoid",
            ("1 / (1 + exp(-x))", "sigmoid(x)"),
            ("dy * y * (1 - y)", "dy * sigmoid(x) * (1 - sigmoid(x))"),
        ),
    ),
    functions={"sigmoid": lambda x: 1 / (1 + np.exp(-x))},
)

KNOWN = (
    Known(
        "relu_slope_at_zero",
        "dx of relu is dy where x is exactly 0; by convention ReLU'(0) is 0.",
        "Look at the comparison: > or >=?",
        {"dx of relu": "dy * (x >= 0) if kind == 'relu' else dx"},
    ),
    Known(
        "leaky_slope_at_zero",
        "dx of leaky_relu is dy where x is exactly 0; by convention it is slope · dy there.",
        "Look at the comparison: > or >=?",
        {"dx of leaky_relu": "dy * where(x >= 0, 1, slope) if kind == 'leaky_relu' else dx"},
    ),
    Known(
        "leaky_slope_lost",
        "dx of leaky_relu is 0 where x is negative: the slope is lost on the way back.",
        "What is the derivative of slope · x?",
        {"dx of leaky_relu": "dy * (x > 0) if kind == 'leaky_relu' else dx"},
    ),
    Known(
        "maximum_with_a_steep_slope",
        "y of leaky_relu is the larger one of x and slope · x, which is not the formula if the "
        "slope is above 1.",
        "Which one of x and 2x is larger where x is positive?",
        {"y of leaky_relu": "maximum(x, slope * x) if kind == 'leaky_relu' else y"},
    ),
    Known(
        "tanh_slope_of_x",
        "dx of tanh matches dy (1 - x²), but the square is that of the output, y².",
        "tanh' = 1 - tanh². Is it x or y that holds the tanh?",
        {"dx of tanh": "dy * (1 - x ** 2) if kind == 'tanh' else dx"},
    ),
    Known(
        "sigmoid_twice",
        "dx of sigmoid matches dy σ'(σ(x)): the sigmoid is applied twice.",
        "y is σ(x) already; what has to be done to y to get the slope?",
        {"dx of sigmoid": "dy * sigmoid(y) * (1 - sigmoid(y)) if kind == 'sigmoid' else dx"},
    ),
    Known(
        "sigmoid_slope_of_x",
        "dx of sigmoid matches dy x (1 - x), but both factors are of the output, y (1 - y).",
        "σ' = σ (1 - σ). Is it x or y that holds σ?",
        {"dx of sigmoid": "dy * x * (1 - x) if kind == 'sigmoid' else dx"},
    ),
)


def inputs(rng: np.random.Generator) -> Case:
    """Draw x with two exact zeros, dy, two slopes, and x so large that exp(x) has no float."""
    x = rng.normal(size=(N, FEATURES))
    x[1, 2] = x[4, 0] = 0.0
    large = rng.uniform(800, 1200, size=(2, FEATURES)) * np.array([[1.0], [-1.0]])
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
    reference=REFERENCE,
    known=KNOWN,
    train=train,
)

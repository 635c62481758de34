"""Exercise 2, four activations and their slopes, entry by entry.

x holds exact zeros, where ReLU'(0) shows, and dy is random, so that a missing dy shows. Large
inputs come last: what overflows there is right elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minnet.exercises import network
from minnet.exercises.exercise import Case, Exercise, Mistake, Results, returned
from minnet.layer import Layer
from minnet.layers.activations import LeakyReLU, ReLU, Sigmoid, Tanh
from minnet.layers.dense import Dense
from minnet.validation import Array

N, FEATURES = 6, 5
KINDS = ("relu", "leaky_relu", "tanh", "sigmoid")


def inputs(rng: np.random.Generator) -> Case:
    """Draw x with two exact zeros, dy, a slope, and x so large that exp(x) has no float."""
    x = rng.normal(size=(N, FEATURES))
    x[1, 2] = x[4, 0] = 0.0
    large = rng.uniform(800, 1200, size=(2, FEATURES)) * np.array([[1.0], [-1.0]])
    return Case(
        x=x,
        dy=rng.normal(size=(N, FEATURES)),
        slope=float(rng.uniform(0.1, 0.3)),
        large_x=large,
        large_dy=rng.normal(size=large.shape),
    )


def run(answer: Any, case: Case) -> Iterator[tuple[str, Any]]:
    """Each activation on x, then each on large inputs."""
    for kind in KINDS:
        values = answer(kind, case.x, case.dy, case.slope)
        yield from returned(values, f"y of {kind}", f"dx of {kind}")
    for kind in KINDS:
        values = answer(kind, case.large_x, case.large_dy, case.slope)
        yield from returned(values, f"y of {kind} far out", f"dx of {kind} far out")


def specification(case: Case) -> Results:
    """minnet's own layers."""
    results = {}
    for where, x, dy in (("", case.x, case.dy), (" far out", case.large_x, case.large_dy)):
        layers: tuple[Layer, ...] = (ReLU(), LeakyReLU(case.slope), Tanh(), Sigmoid())
        for kind, layer in zip(KINDS, layers, strict=True):
            layer.build(dtype=np.float64)
            results[f"y of {kind}{where}"] = layer.forward(x, training=True)
            results[f"dx of {kind}{where}"] = layer.backward(dy)
    return results


def _without_dy(case: Case, right: Results) -> Results:
    dx = {name: value for name, value in right.items() if name.startswith("dx of")}
    return {
        name: value / (case.large_dy if name.endswith("far out") else case.dy)
        for name, value in dx.items()
    }


def _sigmoid_twice(case: Case, right: Results) -> Results:
    # σ'(y) = (1 - tanh²(y/2)) / 4
    flat = {"": case.dy, " far out": case.large_dy}
    return {
        f"dx of sigmoid{where}": dy * (1 - np.tanh(right[f"y of sigmoid{where}"] / 2) ** 2) / 4
        for where, dy in flat.items()
    }


MISTAKES = (
    Mistake(
        "relu_slope_at_zero",
        "dx of relu is dy where x is exactly 0; by convention ReLU'(0) is 0.",
        "Look at the comparison: > or >=?",
        lambda case, right: {
            "dx of relu": np.where(case.x == 0, case.dy, right["dx of relu"]),
        },
    ),
    Mistake(
        "leaky_slope_at_zero",
        "dx of leaky_relu is dy where x is exactly 0; by convention it is slope · dy there.",
        "Look at the comparison: > or >=?",
        lambda case, right: {
            "dx of leaky_relu": np.where(case.x == 0, case.dy, right["dx of leaky_relu"]),
        },
    ),
    Mistake(
        "leaky_slope_lost",
        "dx of leaky_relu is 0 where x is negative: the slope is lost on the way back.",
        "What is the derivative of slope · x?",
        lambda case, right: {
            "dx of leaky_relu": right["dx of relu"],
            "dx of leaky_relu far out": right["dx of relu far out"],
        },
    ),
    Mistake(
        "upstream_left_out",
        "dx is the slope of the activation alone: the gradient dy from above is left out.",
        "The chain rule multiplies two things. Which one is missing?",
        _without_dy,
    ),
    Mistake(
        "tanh_slope_of_x",
        "dx of tanh matches dy (1 - x²), but the square is that of the output, y².",
        "tanh' = 1 - tanh². Is it x or y that holds the tanh?",
        lambda case, right: {
            "dx of tanh": case.dy * (1 - case.x**2),
            "dx of tanh far out": case.large_dy * (1 - case.large_x**2),
        },
    ),
    Mistake(
        "tanh_not_squared",
        "dx of tanh matches dy (1 - y), without the square.",
        "Is the slope of tanh the same at x and at -x?",
        lambda case, right: {
            "dx of tanh": case.dy * (1 - right["y of tanh"]),
            "dx of tanh far out": case.large_dy * (1 - right["y of tanh far out"]),
        },
    ),
    Mistake(
        "sigmoid_twice",
        "dx of sigmoid matches dy σ'(σ(x)): the sigmoid is applied twice.",
        "y is σ(x) already; what has to be done to y to get the slope?",
        _sigmoid_twice,
    ),
    Mistake(
        "sigmoid_slope_of_x",
        "dx of sigmoid matches dy x (1 - x), but both factors are of the output, y (1 - y).",
        "σ' = σ (1 - σ). Is it x or y that holds σ?",
        lambda case, right: {
            "dx of sigmoid": case.dy * case.x * (1 - case.x),
            "dx of sigmoid far out": case.large_dy * case.large_x * (1 - case.large_x),
        },
    ),
    Mistake(
        "sigmoid_factor_lost",
        "dx of sigmoid matches dy (1 - y); the slope is y (1 - y), and one factor is missing.",
        "Where is the sigmoid steepest, and what is your slope there?",
        lambda case, right: {
            "dx of sigmoid": case.dy * (1 - right["y of sigmoid"]),
            "dx of sigmoid far out": case.large_dy * (1 - right["y of sigmoid far out"]),
        },
    ),
    Mistake(
        "overflow",
        "it overflows for large inputs such as x = -1000: exp(1000) is too large for a float.",
        "Of which sign must the argument of exp be, so that it cannot overflow?",
    ),
    Mistake(
        "input_changed",
        "it writes into x or dy, such as by x[x < 0] = 0; work on a copy.",
        "Which of your lines assigns into an array that came in?",
    ),
)


class Adapted(Layer):
    """One of the student's activations as a layer."""

    def __init__(self, answer: Any, kind: str) -> None:
        self.answer, self.kind = answer, kind

    def forward(self, x: Any, *, training: bool) -> Array:
        """Return y, and keep x."""
        self.last_x = x
        y: Array = self.answer(self.kind, x, np.zeros_like(x), 0.1)[0]
        return y

    def backward(self, dy: Any) -> Array:
        """Return dx."""
        dx: Array = self.answer(self.kind, self.last_x, dy, 0.1)[1]
        return dx


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
    specification=specification,
    mistakes=MISTAKES,
    train=train,
)

"""Exercise 14, clipping the gradient by its norm.

Some arrays of the long gradient are longer than max_norm and some are shorter; the longest is
neither the first nor the last. In the short gradient, the sum of the norms of the arrays is above
max_norm, but the norm and its square are below. The gradient just above max_norm has no array that
is longer than max_norm. The square of the norm of the gradient just below max_norm is above it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minnet.exercises import network
from minnet.exercises.exercise import Case, Exercise, ResultError, returned
from minnet.layers.activations import Tanh
from minnet.layers.dense import Dense
from minnet.layers.sequential import Sequential
from minnet.optimizers import SGD
from minnet.validation import Array

SHAPES = (3,), (4, 3), (3,)
# the approximate norm of each array, and a factor of max_norm
GRADIENTS = {
    "": ((1.3, 3.5, 0.4), 1),
    " of a short gradient": ((0.75, 0.8, 0.7), 3),
    " of a shorter gradient": ((0.3, 0.36, 0.28), 1),
    " of a gradient just above max_norm": ((1.65, 1.75), 3),
    " of a gradient just below max_norm": ((0.9, 1.3, 0.6), 3),
    " of a small gradient": ((0.3, 0.36, 0.28), 0.5),
    " of a gradient of zeros": ((0, 0, 0), 1),
}


def inputs(rng: np.random.Generator) -> Case:
    """Draw gradients in random directions."""
    case = Case(max_norm=float(rng.uniform(0.66, 0.72)))
    for ending, (lengths, _) in GRADIENTS.items():
        for i, (length, shape) in enumerate(zip(lengths, SHAPES, strict=False)):
            direction = rng.normal(size=shape)
            grad = direction * length * rng.uniform(0.97, 1.03) / np.sqrt(np.sum(direction**2))
            setattr(case, f"grads[{i}]{ending}", grad)
    return case


def run(answer: Any, case: Case) -> Iterator[tuple[str, Any]]:
    """Clip each gradient."""
    for ending, (lengths, factor) in GRADIENTS.items():
        grads = [getattr(case, f"grads[{i}]{ending}") for i in range(len(lengths))]
        values = returned(answer([*grads], factor * case.max_norm), "clipped", "norm")
        clipped, norm = (value for _, value in values)
        if isinstance(norm, list | tuple):
            raise ResultError(
                "norm should be a number, not a list; the list of arrays comes first."
            )
        if not isinstance(clipped, list | tuple) or len(clipped) != len(grads):
            raise ResultError("clipped should be a list of arrays, one for each in grads.")
        yield f"norm{ending}", norm
        for i, grad in enumerate(clipped):
            yield f"clipped[{i}]{ending}", grad


class Clipped(SGD):
    """Gradient descent with a gradient that is clipped by the answer."""

    def __init__(self, net: Sequential, answer: Any) -> None:
        super().__init__(net, lr=0.1, momentum=0.9)
        self.answer = answer

    def step(self) -> None:
        """Clip the gradients of all parameters together."""
        params = list(self.net.params.values())
        clipped, _ = self.answer([param.grad.copy() for param in params], 0.5)
        for param, grad in zip(params, clipped, strict=True):
            param.grad = grad
        super().step()


def train(answer: Any) -> Array:
    """Train a network with clipped gradients."""
    layers = [Dense(64, 16), Tanh(), Dense(16, 10)]
    return network.train(layers, optimizer=lambda net: Clipped(net, answer), epochs=3)


EXERCISE = Exercise(
    number=14,
    name="clipping",
    title="Clipping the gradient",
    minutes=15,
    answer="clipping",
    inputs=inputs,
    run=run,
    forward="norm",
    train=train,
)

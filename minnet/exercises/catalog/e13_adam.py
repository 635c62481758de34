"""Exercise 13, RMSProp and Adam: steps that are divided by the size of recent gradients.

The first gradients are positive, so that a missing square shows as a wrong number before a root of
a negative number does. The betas are small for the same reason: β · t stays below 1 in the second
step. Two weights of one shape show what the state of one adds to the other; those of another adam
have different shapes. The optimizers take turns, which shows what they share, and the parameters
change between the steps. The last gradient of the last weight is 0, where adam still moves on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minnet import optimizers
from minnet.exercises import network
from minnet.exercises.exercise import Case, Exercise, ResultError
from minnet.layers.activations import Tanh
from minnet.layers.dense import Dense
from minnet.layers.sequential import Sequential
from minnet.validation import Array

STEPS, SAME = 3, ((4, 5), (4, 5))
SHAPES = {"rmsprop": SAME, "adam": SAME, "another adam": ((5, 6), (8,), (1, 2))}
WEIGHTS = ("first weight", "second weight", "third weight")
TURNS = (*["rmsprop"] * 2, "adam", "rmsprop", "another adam", *["adam"] * 2, *["another adam"] * 2)
OTHER_SETTINGS = (0.1, 0.8, 0.95, 0.02)


def inputs(rng: np.random.Generator) -> Case:
    """Draw the parameters and gradients of each step."""
    case = Case(settings=np.append(0.3, rng.uniform((0.25, 0.4, 0.05), (0.35, 0.45, 0.08))))
    for optimizer, shapes in SHAPES.items():
        for i, shape in enumerate(shapes):
            params, grads = rng.normal(size=(2, STEPS, *shape))
            grads[0] = abs(grads[0]) + 0.1
            grads[1].flat[0] = 0.0
            grads[2] *= i < len(shapes) - 1
            setattr(case, f"params[{i}] of {optimizer}", params)
            setattr(case, f"grads[{i}] of {optimizer}", grads)
    return case


def run(answer: Any, case: Case) -> Iterator[tuple[str, Any]]:
    """Three steps of each optimizer, in turns, and another look at the first result."""
    settings = dict.fromkeys(SHAPES, case.settings.tolist()) | {"another adam": OTHER_SETTINGS}
    each = {name: answer(name.split()[-1], *settings[name]) for name in SHAPES}
    kept: dict[str, list[Any]] = {name: [] for name in SHAPES}
    for name in TURNS:
        t, indices = len(kept[name]), range(len(SHAPES[name]))
        params, grads = (
            [getattr(case, f"{kind}[{i}] of {name}")[t] for i in indices]
            for kind in ("params", "grads")
        )
        new = each[name].step(params, grads)
        if not isinstance(new, list | tuple) or len(new) != len(indices):
            raise ResultError("step should return a list of arrays, one for each in params.")
        for which, weight in zip(WEIGHTS, new, strict=False):
            yield f"{which} after step {t + 1} of {name}", weight
        kept[name].append(new[0])
        if t == STEPS - 1:
            yield f"first weight after step 1 of {name} at the end", kept[name][0]


class Adapted(optimizers.Optimizer):
    """The student's adam as one of minnet's optimizers."""

    def __init__(self, net: Sequential, answer: Any) -> None:
        super().__init__(net, 0.02)
        self.answer = answer("adam", self.lr, 0.9, 0.999, 1e-8)

    def step(self) -> None:
        """Replace the parameters by those that the answer returns."""
        params = [*self.net.params.values()]
        values, grads = (
            [each.value.copy() for each in params],
            [each.grad.copy() for each in params],
        )
        for param, value in zip(params, self.answer.step(values, grads), strict=True):
            param.value = value


def train(answer: Any) -> Array:
    """Train a network with the answer's adam."""
    layers = [Dense(64, 16), Tanh(), Dense(16, 10)]
    return network.train(layers, optimizer=lambda net: Adapted(net, answer), epochs=3)


EXERCISE = Exercise(
    number=13,
    name="adam",
    title="RMSProp and Adam",
    minutes=35,
    answer="Optimizer",
    inputs=inputs,
    run=run,
    train=train,
)

"""Exercise 13, RMSProp and Adam: steps that are divided by the size of recent gradients.

The first gradients are positive, so that a missing square shows as a wrong number before a root of
a negative number does. The betas are small for the same reason: β · t stays below 1 in the second
step. eps is large enough to be noticed. Two weights of one shape show what the state of one adds to
the other. The parameters of another adam have different shapes and change between the steps.
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

STEPS, SHAPE, SHAPES = 3, (4, 5), ((5, 6), (8,), (1, 2))
WEIGHTS = ("first weight", "second weight", "third weight")


def inputs(rng: np.random.Generator) -> Case:
    """Draw weights, and for each of them a gradient a step."""
    grads = rng.normal(size=(STEPS, 2, *SHAPE))
    grads[0] = rng.uniform(0.2, 2, size=grads[0].shape)
    case = Case(params=rng.normal(size=(2, *SHAPE)), grads=grads, lr=0.3)
    case.beta1, case.beta2, case.eps = rng.uniform((0.25, 0.4, 0.05), (0.35, 0.45, 0.08)).tolist()
    for i, shape in enumerate(SHAPES):
        params, grads = rng.normal(size=(2, STEPS, *shape))
        grads.flat[0] = 0.0
        vars(case).update(
            {f"params[{i}] of another adam": params, f"grads[{i}] of another adam": grads}
        )
    return case


def run(answer: Any, case: Case) -> Iterator[tuple[str, Any]]:
    """Three steps by each rule, and three of another adam from other parameters in each step."""
    for rule in ("rmsprop", "adam"):
        optimizer, params = answer(rule, case.lr, case.beta1, case.beta2, case.eps), [*case.params]
        for t, grads in enumerate(case.grads, start=1):
            before, new = np.array(params), _new(optimizer, params, [*grads])
            for name, weight in zip(WEIGHTS, new, strict=False):
                yield f"{name} after step {t} of {rule}", weight
            if not np.array_equal(before, params):
                raise ResultError("step writes into the arrays that the last step returned.")
            params = new
    optimizer = answer("adam", 0.1, 0.8, 0.95, 0.02)
    for t in range(STEPS):
        arrays = (
            [vars(case)[f"{kind}[{i}] of another adam"][t] for i in range(3)]
            for kind in ("params", "grads")
        )
        for name, weight in zip(WEIGHTS, _new(optimizer, *arrays), strict=True):
            yield f"{name} after step {t + 1} of another adam", weight


def _new(optimizer: Any, params: list[Array], grads: list[Array]) -> Any:
    new = optimizer.step([*params], grads)
    if not isinstance(new, list | tuple) or len(new) != len(params):
        raise ResultError(
            "step should return a list of the new parameters, one for each in params."
        )
    return new


class Adapted(optimizers.Optimizer):
    """The student's optimizer as one of minnet's."""

    def __init__(self, net: Sequential, answer: Any) -> None:
        super().__init__(net, 0.02)
        self.answer = answer("adam", self.lr, 0.9, 0.999, 1e-8)

    def step(self) -> None:
        """Pass the current parameters to the answer and store the new ones."""
        params = list(self.net.params.values())
        values, grads = zip(
            *((param.value.copy(), param.grad.copy()) for param in params), strict=True
        )
        for param, value in zip(params, self.answer.step([*values], [*grads]), strict=True):
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

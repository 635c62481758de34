"""Exercise 12, an optimizer with momentum and two penalties.

L1, L2 and momentum are used alone first, so that each mistake shows where it is made. The learning
rate changes from step to step: with a constant one, a velocity that contains it would move the
parameters in the same way. Some weights are exactly 0, where sign(0) shows, and one is tiny.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minnet.exercises import network
from minnet.exercises.exercise import Case, Exercise, returned
from minnet.layers.dense import Dense
from minnet.layers.sequential import Sequential
from minnet.optimizers import Optimizer

SHAPES, STEPS = ((5, 4), (3, 2)), 3


def inputs(rng: np.random.Generator) -> Case:
    """Draw two layers with parameters at 0, and the gradients and learning rates of some steps."""
    case = Case(
        lr=np.array([0.2, 0.4, 0.1]) * rng.uniform(0.9, 1.1, STEPS),
        momentum=float(rng.uniform(0.6, 0.9)),
        l1=float(rng.uniform(0.2, 0.4)),
        l2=float(rng.uniform(0.5, 0.8)),
    )
    for prefix, shape in zip(("", "other_"), SHAPES, strict=True):
        for name, sizes in ("weight", shape), ("bias", shape[1:]):
            value = rng.normal(size=sizes)
            value.flat[[0, -1]], value.flat[1] = 0.0, 1e-9
            setattr(case, f"{prefix}{name}", value)
            setattr(case, f"{prefix}d{name}", rng.normal(size=(STEPS, *sizes)))
    return case


def run(answer: Any, case: Case) -> Iterator[tuple[str, Any]]:
    """L1, L2 and momentum alone, then all together, beside another optimizer."""
    for what, steps, arguments in (
        ("L1", 1, (case.momentum, case.l1, 0.0)),
        ("L2", 1, (case.momentum, 0.0, case.l2)),
        ("momentum alone", STEPS, (case.momentum, 0.0, 0.0)),
        ("all three", STEPS, (case.momentum, case.l1, case.l2)),
    ):
        optimizer, other = answer(*arguments), answer(*(0.6 * value for value in arguments))
        weight, bias = case.weight, case.bias
        if what != "momentum alone":
            yield f"penalty with {what}", optimizer.penalty(weight)
            yield f"penalty of another weight with {what}", optimizer.penalty(case.other_weight)
        for step in range(steps):
            lr = float(case.lr[step])
            values = optimizer.step(weight, bias, case.dweight[step], case.dbias[step], lr)
            when = f"after step {step + 1} with {what}"
            (_, weight), (_, bias) = returned(values, "weight", "bias")
            yield f"weight {when}", weight
            yield f"bias {when}", bias
            if what == "all three" and step > 0:
                gradients = case.other_dweight[step], case.other_dbias[step]
                values = other.step(case.other_weight, case.other_bias, *gradients, lr)
                for name, value in returned(values, "weight", "bias"):
                    yield f"{name} of another optimizer after step {step}", value
        if what == "all three":
            yield "penalty of the last weight", optimizer.penalty(weight)


class Adapted(Optimizer):
    """The student's optimizer as one of minnet's, for a network of a single dense layer."""

    def __init__(self, net: Sequential, answer: Any) -> None:
        super().__init__(net, lr=0.1)
        self.optimizer = answer(0.9, 1e-4, 1e-4)

    def step(self) -> None:
        """Take the new weight and bias over."""
        weight, bias = self.net.params.values()
        weight.value, bias.value = self.optimizer.step(
            weight.value, bias.value, weight.grad, bias.grad, self.lr
        )


EXERCISE = Exercise(
    number=12,
    name="momentum",
    title="L1, L2 and momentum",
    minutes=30,
    answer="Momentum",
    inputs=inputs,
    run=run,
    train=lambda answer: network.train(
        [Dense(64, 10)], optimizer=lambda net: Adapted(net, answer), epochs=2
    ),
)

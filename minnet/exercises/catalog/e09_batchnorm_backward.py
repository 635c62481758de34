"""Exercise 9, the three gradients of BatchNorm.

γ, dy and a large eps are drawn at random: γ = 1 would hide a missing γ, the gradient of Σy² is
about 0, and a small eps would hide that it is left out. γ has both signs, and a second batch has
another number of rows. dγ is compared before dx, because dγ has
one form only: a wrong x̂ shows there, however dx is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minnet.exercises import network
from minnet.exercises.exercise import Case, Exercise, returned
from minnet.layers.activations import Tanh
from minnet.layers.dense import Dense
from minnet.layers.normalization import BatchNorm
from minnet.validation import Array

N, NEXT_ROWS, FEATURES = 7, 4, 5


def inputs(rng: np.random.Generator) -> Case:
    """Draw two batches whose columns have means and deviations of their own, and two gammas."""
    mean, deviation = rng.uniform(0.5, 1.5, FEATURES), rng.uniform(0.4, 0.8, FEATURES)
    return Case(
        x=rng.normal(mean, deviation, size=(N, FEATURES)),
        next_x=rng.normal(mean, deviation, size=(NEXT_ROWS, FEATURES)),
        gamma=rng.uniform(0.5, 2.0, FEATURES) * rng.permutation([1, 1, 1, -1, -1]),
        zero_gamma=rng.uniform(0.5, 2.0, FEATURES) * (np.arange(FEATURES) != 2),
        beta=rng.normal(size=FEATURES),
        eps=float(rng.uniform(0.05, 0.1)),
        dy=rng.normal(size=(N, FEATURES)),
        next_dy=rng.normal(size=(NEXT_ROWS, FEATURES)),
    )


def run(answer: Any, case: Case) -> Iterator[tuple[str, Any]]:
    """Two batches, the second once more with a gamma of 0; dx comes last in each."""
    for which, x, gamma, dy in (
        ("", case.x, case.gamma, case.dy),
        (" of the second batch", case.next_x, case.gamma, case.next_dy),
        (" with a gamma of 0", case.next_x, case.zero_gamma, case.next_dy),
    ):
        values = answer(x, gamma, case.beta, case.eps, dy)
        results = dict(returned(values, "dx", "dgamma", "dbeta"))
        for name in ("dgamma", "dbeta", "dx"):
            yield name + which, results[name]


class Adapted(BatchNorm):
    """minnet's forward with the student's backward."""

    def __init__(self, answer: Any) -> None:
        super().__init__(16)
        self.answer = answer

    def differentiate(self, dy: Array, dx: Array) -> None:
        """Copy the three gradients of the student's function."""
        gamma, beta = self.gamma, self.beta
        dx[...], gamma.grad, beta.grad = self.answer(self.x, gamma.value, beta.value, self.eps, dy)


EXERCISE = Exercise(
    number=9,
    name="batchnorm_backward",
    title="Backward through BatchNorm",
    minutes=45,
    answer="batchnorm_backward",
    inputs=inputs,
    run=run,
    train=lambda answer: network.train([Dense(64, 16), Adapted(answer), Tanh(), Dense(16, 10)]),
)

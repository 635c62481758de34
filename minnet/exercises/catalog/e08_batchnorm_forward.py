"""Exercise 8, the forward of BatchNorm: batch statistics in training, running ones afterwards.

Two batches are trained on, so that a running statistic is neither where it began nor the last
batch; then comes an evaluation on other rows, few of them, and another look at the running
statistics. Another layer is trained in between, which shows what the two share. A large eps shows
where it is added. There are as many rows as features at first, so that statistics along the wrong
axis give wrong numbers and no error of shapes; later batches have more rows, or fewer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minnet.exercises import network
from minnet.exercises.exercise import Case, Exercise
from minnet.layers.activations import ReLU
from minnet.layers.dense import Dense
from minnet.layers.normalization import BatchNorm
from minnet.validation import Array

N, NEXT_ROWS, NEW_ROWS, OTHER_ROWS, FEATURES = 5, 7, 4, 6, 5
Y = ("y", "y of the second batch", "y in evaluation")
MEAN = ("running_mean", "running_mean after the second batch", "running_mean after evaluation")
VAR = ("running_var", "running_var after the second batch", "running_var after evaluation")


def inputs(rng: np.random.Generator) -> Case:
    """Draw two batches and new rows, every column with a mean and a deviation of its own."""
    mean, deviation = rng.normal(2, 1, size=FEATURES), rng.uniform(0.5, 2, size=FEATURES)
    return Case(
        gamma=rng.normal(size=FEATURES),
        beta=rng.normal(size=FEATURES),
        eps=float(rng.uniform(0.05, 0.15)),
        momentum=float(rng.uniform(0.7, 0.9)),
        x=rng.normal(mean, deviation, size=(N, FEATURES)),
        next_x=rng.normal(mean, deviation, size=(NEXT_ROWS, FEATURES)),
        other_gamma=rng.normal(size=FEATURES),
        other_beta=rng.normal(size=FEATURES),
        other_x=rng.normal(mean, deviation, size=(OTHER_ROWS, FEATURES)),
        new_x=rng.normal(mean, deviation, size=(NEW_ROWS, FEATURES)),
    )


def run(answer: Any, case: Case) -> Iterator[tuple[str, Any]]:
    """Two batches in training, another layer in between, then new rows in evaluation."""
    batchnorm = answer(case.gamma, case.beta, case.eps, case.momentum)
    another = answer(case.other_gamma, case.other_beta, 2 * case.eps, case.momentum / 2)
    for step, x in enumerate((case.x, case.next_x, case.new_x)):
        yield Y[step], batchnorm.forward(x, training=step < 2)
        yield MEAN[step], batchnorm.running_mean
        yield VAR[step], batchnorm.running_var
        if step == 0:
            yield "y of another layer", another.forward(case.other_x, training=True)
    yield "running_mean of another layer", another.running_mean
    yield "running_var of another layer", another.running_var


def train(answer: Any) -> Array:
    """Train with the answer's forward and, as there is no backward to it yet, minnet's own."""
    batchnorm = answer(np.ones(16, np.float32), np.zeros(16, np.float32), 1e-5, 0.9)
    own = BatchNorm(16)

    def forward(x: Array, training: bool) -> Any:
        own.forward(x, training=training)
        return batchnorm.forward(x, training=training)

    middle = network.Adapted(forward, own.backward)
    return network.train([Dense(64, 16, bias=False), middle, ReLU(), Dense(16, 10)])


EXERCISE = Exercise(
    number=8,
    name="batchnorm_forward",
    title="Forward through BatchNorm",
    minutes=30,
    answer="BatchNorm",
    inputs=inputs,
    run=run,
    train=train,
)

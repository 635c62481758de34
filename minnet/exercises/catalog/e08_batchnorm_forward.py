"""Exercise 8, the forward of BatchNorm: batch statistics in training, running ones afterwards.

Two batches are trained on, so that a running statistic is neither where it began nor the last
batch; then comes an evaluation on other rows, few of them, and another look at the running
statistics. A large eps shows where it is added, and six rows tell N from N - 1. There are as many
rows as features, so that statistics along the wrong axis give wrong numbers and no error of shapes;
the new rows are fewer.
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

N, NEXT_ROWS, NEW_ROWS, FEATURES = 5, 7, 4, 5
Y = ("y", "y of the second batch", "y in evaluation")
MEAN = ("running_mean", "running_mean after the second batch", "running_mean after evaluation")
VAR = ("running_var", "running_var after the second batch", "running_var after evaluation")


def inputs(rng: np.random.Generator) -> Case:
    """Draw two batches and new rows, every column with a mean and a deviation of its own."""
    mean, deviation = rng.normal(2, 1, size=FEATURES), rng.uniform(0.5, 2, size=FEATURES)
    return Case(
        gamma=rng.normal(size=FEATURES),
        beta=rng.normal(size=FEATURES),
        eps=0.1,
        momentum=float(rng.uniform(0.7, 0.9)),
        x=rng.normal(mean, deviation, size=(N, FEATURES)),
        next_x=rng.normal(mean, deviation, size=(NEXT_ROWS, FEATURES)),
        new_x=rng.normal(mean, deviation, size=(NEW_ROWS, FEATURES)),
    )


def run(answer: Any, case: Case) -> Iterator[tuple[str, Any]]:
    """Two batches in training, then new rows in evaluation, then a new layer."""
    batchnorm = answer(case.gamma, case.beta, case.eps, case.momentum)
    for step, x in enumerate((case.x, case.next_x, case.new_x)):
        yield Y[step], batchnorm.forward(x, training=step < 2)
        yield MEAN[step], batchnorm.running_mean
        yield VAR[step], batchnorm.running_var
    another = answer(case.gamma, case.beta, case.eps, case.momentum)
    yield "running_mean of a new layer", another.running_mean


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

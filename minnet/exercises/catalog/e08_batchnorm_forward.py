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
from minnet.exercises.exercise import Case, Exercise, Known
from minnet.exercises.reference import Method, Reference, Step
from minnet.layers.activations import ReLU
from minnet.layers.dense import Dense
from minnet.layers.normalization import BatchNorm
from minnet.validation import Array

N, NEXT_ROWS, NEW_ROWS, FEATURES = 5, 7, 4, 5
Y = ("y", "y of the second batch", "y in evaluation")
MEAN = ("running_mean", "running_mean after the second batch", "running_mean after evaluation")
VAR = ("running_var", "running_var after the second batch", "running_var after evaluation")

REFERENCE = Reference(
    Method(
        "BatchNorm(gamma, beta, eps, momentum)",
        "",
        Step("running_mean", "the first running_mean", "zeros_like(gamma)"),
        Step("running_var", "the first running_var", "ones_like(gamma)"),
    ),
    Method(
        "forward(x, training)",
        "y",
        Step("n", "the number of rows", "len(x)"),
        Step("features", "the number of features", "len(gamma)"),
        Step("mu", "the mean of the batch", "mean(x, axis=0)"),
        Step(
            "variance",
            "the variance that normalizes the batch",
            "var(x, axis=0)",
            also=("mean((x - mu) ** 2, axis=0)", "mean(x ** 2, axis=0) - mu ** 2"),
        ),
        Step(
            "unbiased",
            "the variance taken into running_var",
            "var(x, axis=0, ddof=1)",
            also=("variance * n / (n - 1)", "sum((x - mu) ** 2, axis=0) / (n - 1)"),
        ),
        Step(
            "running_mean",
            "running_mean",
            "momentum * running_mean + (1 - momentum) * mu",
            also=("running_mean + (1 - momentum) * (mu - running_mean)",),
            when="training",
        ),
        Step(
            "running_var",
            "running_var",
            "momentum * running_var + (1 - momentum) * unbiased",
            also=("running_var + (1 - momentum) * (unbiased - running_var)",),
            when="training",
        ),
        Step("center", "the choice of the mean", "mu if training else running_mean"),
        Step("spread", "the choice of the variance", "variance if training else running_var"),
        Step("xhat", "x̂", "(x - center) / sqrt(spread + eps)"),
        Step("y", "y", "gamma * xhat + beta"),
    ),
)

KNOWN = (
    Known(
        "n_minus_1",
        "y is normalized with the variance that divides by n - 1; within the batch it is n.",
        "There are two variances in the exercise. Which of them makes x̂?",
        {"variance": "var(x, axis=0, ddof=1)"},
    ),
    Known(
        "running_in_training",
        "y in training is normalized with the running statistics; in training each batch uses its "
        "own.",
        "What are the mean and the deviation of your y in training?",
        {"center": "running_mean", "spread": "running_var"},
    ),
    Known(
        "momentum_other_way_round",
        "running_mean matches momentum the other way round: momentum is the share of the past that "
        "is kept.",
        "With a momentum of 1, should the running statistics ever change?",
        {
            "running_mean": "(1 - momentum) * running_mean + momentum * mu"
            " if training else running_mean",
            "running_var": "(1 - momentum) * running_var + momentum * unbiased"
            " if training else running_var",
        },
    ),
    Known(
        "last_batch_kept",
        "running_mean is that of the last batch alone: nothing of the past is kept.",
        "What is left of the first batch after the second?",
        {
            "running_mean": "mu if training else running_mean",
            "running_var": "unbiased if training else running_var",
        },
    ),
    Known(
        "batch_statistics_in_evaluation",
        "y in evaluation is normalized with the statistics of the batch that came in; in "
        "evaluation the running ones take their place.",
        "Should the answer for one picture depend on the other pictures beside it?",
        {"center": "mu", "spread": "variance"},
    ),
    Known(
        "updated_in_evaluation",
        "running_mean changes in evaluation: only training batches count.",
        "Which of your lines should run only while training?",
        {
            "running_mean": "momentum * running_mean + (1 - momentum) * mu",
            "running_var": "momentum * running_var + (1 - momentum) * unbiased",
        },
    ),
)


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
    reference=REFERENCE,
    known=KNOWN,
    train=train,
)

"""Exercise 3, softmax and cross-entropy together, from logits and labels.

The numbers of rows and classes differ, so that a wrong axis or factor changes the numbers. The last
class does not occur among the first labels, so that classes cannot be counted from the labels. In
one row another class has the same logit as the label.
Large logits come last. Their smallest probability is exactly 0, but its logarithm is finite. In one
row all of them are large and negative. They share a batch with ordinary rows, which shows whether
each row has a maximum of its own. They are then doubled, which shows whether the loss has a limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minnet.exercises import network
from minnet.exercises.exercise import Case, Exercise, returned
from minnet.layers.activations import Tanh
from minnet.layers.dense import Dense
from minnet.losses import Loss
from minnet.validation import Array

N, LARGE, CLASSES = 7, 3, 4
TOGETHER = "dlogits of common and large logits together"
ADDED = "loss added by twice as large logits"


def inputs(rng: np.random.Generator) -> Case:
    """Draw logits and labels, then logits of about ±1e4, and labels of unlikely classes."""
    signs = np.array([[1, 0, 0, -1], [-1, -1, -1, -1], [-1, 0, 0, 1]])
    logits, labels = (
        2 * rng.normal(size=(N, CLASSES)),
        rng.permutation(np.arange(N) % (CLASSES - 1)),
    )
    logits[0, labels[0]] = logits[0, labels[0] - 1]
    large = signs * rng.uniform(0.8e4, 1.2e4, size=(LARGE, 1))
    return Case(
        logits=logits,
        labels=labels,
        large_logits=large + rng.normal(size=large.shape),
        large_labels=np.array([1, 3, 2]),
    )


def run(answer: Any, case: Case) -> Iterator[tuple[str, Any]]:
    """Take the loss and its gradient, for common logits and for large ones."""
    yield from returned(answer(case.logits, case.labels), "loss", "dlogits")
    with np.errstate(divide="ignore", invalid="ignore"):  # non-finite values are reported as 0
        _, (_, dlogits) = returned(answer(*_together(case)), "loss", "dlogits")
    yield TOGETHER, np.nan_to_num(dlogits, posinf=0, neginf=0)
    values = answer(case.large_logits, case.large_labels)
    (_, loss), (_, dlogits) = returned(values, "loss", "dlogits")
    twice = answer(2 * case.large_logits, case.large_labels)
    yield ADDED, next(returned(twice, "loss", "dlogits"))[1] - loss
    yield "loss of large logits", loss
    yield "dlogits of large logits", dlogits


def _together(case: Case) -> tuple[Array, Array]:
    logits = np.concatenate([case.logits, case.large_logits])
    return logits, np.concatenate([case.labels, case.large_labels])


class Adapted(Loss):
    """The student's function as a loss of minnet."""

    classifies = True

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def compute(self, output: Array, target: Array) -> float:
        """Return the loss and keep the gradient."""
        value, self.gradient = self.answer(output, target.argmax(axis=1))
        return float(value)

    def differentiate(self, output: Array, target: Array, dx: Array) -> None:
        """Copy the gradient."""
        dx[...] = self.gradient


EXERCISE = Exercise(
    number=3,
    name="softmax_cross_entropy",
    title="Softmax and cross-entropy",
    minutes=30,
    answer="softmax_cross_entropy",
    inputs=inputs,
    run=run,
    forward="loss",
    derivatives={"dlogits": "logits"},
    train=lambda answer: network.train(
        [Dense(64, 16), Tanh(), Dense(16, 10)], loss=Adapted(answer)
    ),
)

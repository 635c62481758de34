"""Exercise 9, the three gradients of BatchNorm.

γ, dy and a large eps are drawn at random: γ = 1 would hide a missing γ, the gradient of Σy² is
about 0, and a small eps would hide that it is left out. dγ is compared before dx, because dγ has
one form only: a wrong x̂ shows there, however dx is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minnet.exercises import network
from minnet.exercises.exercise import Case, Exercise, Known, returned
from minnet.exercises.reference import Method, Reference, Step
from minnet.layers.activations import Tanh
from minnet.layers.dense import Dense
from minnet.layers.normalization import BatchNorm
from minnet.validation import Array

N, FEATURES = 7, 5

REFERENCE = Reference(
    Method(
        "batchnorm_backward(x, gamma, beta, eps, dy)",
        "dx, dgamma, dbeta",
        Step("n", "the number of rows", "len(x)"),
        Step("features", "the number of features", "len(gamma)"),
        Step("mu", "the mean of x", "mean(x, axis=0)"),
        Step("centred", "x minus the mean", "x - mu"),
        Step("variance", "the variance", "var(x, axis=0)", also=("mean(centred ** 2, axis=0)",)),
        Step("sigma", "the root without eps", "sqrt(variance)"),
        Step("root", "the root", "sqrt(variance + eps)"),
        Step("xhat", "xhat", "centred / root"),
        Step("y", "y", "gamma * xhat + beta"),
        Step("dgamma", "the gradient of gamma", "sum(dy * xhat, axis=0)"),
        Step("dbeta", "the gradient of beta", "sum(dy, axis=0)"),
        Step("dxhat", "the gradient of xhat", "dy * gamma"),
        Step("direct", "the direct path", "dxhat / root", also=("dxhat / sqrt(variance + eps)",)),
        Step(
            "by_mean",
            "the path through the mean",
            "mean(direct, axis=0)",
            also=("sum(direct, axis=0) / n", "gamma * dbeta / (n * root)"),
        ),
        Step(
            "dvariance",
            "the gradient of the variance",
            "sum(dxhat * centred, axis=0) * -0.5 * (variance + eps) ** -1.5",
        ),
        Step(
            "by_variance",
            "the path through the variance",
            "xhat * mean(direct * xhat, axis=0)",
            also=("dvariance * -2 * centred / n", "gamma * xhat * dgamma / (n * root)"),
        ),
        Step(
            "dx",
            "the gradient of x",
            "direct - by_mean - by_variance",
            also=(
                "direct - by_mean - by_variance",
                "gamma * (n * dy - dbeta - xhat * dgamma) / (n * root)",
            ),
        ),
    ),
)

KNOWN = (
    Known(
        "both_paths_missing",
        "dx is only dy gamma / sqrt(var + eps): mean and variance are treated as constants.",
        "Which numbers change if a single entry of x changes?",
        {"dx": "direct"},
    ),
    Known(
        "dgamma_averaged",
        "dgamma or dbeta is the mean over the rows, not the sum.",
        "dy holds the 1/n of the loss already.",
        {"dgamma": "mean(dy * xhat, axis=0)", "dbeta": "mean(dy, axis=0)"},
    ),
)


def inputs(rng: np.random.Generator) -> Case:
    """Draw a batch whose columns have means and deviations of their own."""
    return Case(
        x=rng.normal(size=(N, FEATURES)) * rng.uniform(0.4, 0.8, FEATURES)
        + rng.uniform(0.5, 1.5, FEATURES),
        gamma=rng.uniform(0.5, 2.0, FEATURES),
        beta=rng.normal(size=FEATURES),
        eps=float(rng.uniform(0.05, 0.1)),
        dy=rng.normal(size=(N, FEATURES)),
    )


def run(answer: Any, case: Case) -> Iterator[tuple[str, Any]]:
    """One call; dx comes last."""
    values = answer(case.x, case.gamma, case.beta, case.eps, case.dy)
    results = dict(returned(values, "dx", "dgamma", "dbeta"))
    for name in ("dgamma", "dbeta", "dx"):
        yield name, results[name]


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
    reference=REFERENCE,
    known=KNOWN,
    train=lambda answer: network.train([Dense(64, 16), Adapted(answer), Tanh(), Dense(16, 10)]),
)

"""Exercise 9, the three gradients of BatchNorm.

γ, dy and a large eps are drawn at random: γ = 1 would hide a missing γ, the gradient of Σy² is
about 0, and a small eps would hide that it is forgotten. dγ is looked at before dx, because dγ has
one form only: a wrong x̂ shows there, however dx is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minnet.exercises import network
from minnet.exercises.exercise import Case, Exercise, Mistake, Results, returned
from minnet.layers.activations import Tanh
from minnet.layers.dense import Dense
from minnet.layers.normalization import BatchNorm
from minnet.validation import Array

N, FEATURES = 6, 5


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


def specification(case: Case) -> Results:
    """minnet's own layer."""
    batchnorm = BatchNorm(FEATURES, eps=case.eps).build(dtype=np.float64)
    batchnorm.gamma.value, batchnorm.beta.value = case.gamma, case.beta
    batchnorm.forward(case.x, training=True)
    dx = batchnorm.backward(case.dy)
    return {"dgamma": batchnorm.gamma.grad, "dbeta": batchnorm.beta.grad, "dx": dx}


def _root(case: Case) -> Array:
    root: Array = np.sqrt(case.x.var(axis=0) + case.eps)
    return root


def _xhat(case: Case) -> Array:
    xhat: Array = (case.x - case.x.mean(axis=0)) / _root(case)
    return xhat


def _direct(case: Case) -> Array:
    """What reaches x if the mean and the variance are taken for constants."""
    direct: Array = case.dy * case.gamma / _root(case)
    return direct


def _by_variance(case: Case) -> Array:
    """What the variance takes off."""
    xhat = _xhat(case)
    share: Array = xhat * (_direct(case) * xhat).mean(axis=0)
    return share


def _divided_by(root: Array, case: Case, right: Results, n: int = N) -> Results:
    """The results when x̂ is divided by another root."""
    ratio, by_variance = _root(case) / root, _by_variance(case)
    return {
        "dgamma": right["dgamma"] * ratio,
        "dx": ratio * (right["dx"] + by_variance) - ratio**3 * by_variance * (N / n),
    }


def _y_for_xhat(case: Case, right: Results) -> Results:
    y, direct = case.gamma * _xhat(case) + case.beta, _direct(case)
    return {
        "dgamma": (case.dy * y).sum(axis=0),
        "dx": right["dx"] + _by_variance(case) - y * (direct * y).mean(axis=0),
    }


def _summed_over(case: Case, axis: int, divisor: int) -> Results:
    """dx with other means than those over the rows: sums along an axis over a divisor."""
    direct, xhat = _direct(case), _xhat(case)
    first, second = (
        values.sum(axis=axis, keepdims=True) / divisor for values in (direct, direct * xhat)
    )
    return {"dx": direct - first - xhat * second}


MISTAKES = (
    Mistake(
        "mean_path_missing",
        "dx matches the answer in which the gradient does not flow through the mean.",
        "If one entry of x grows, the mean of its column grows too. What does that do to y?",
        lambda case, right: {"dx": _direct(case) - _by_variance(case)},
    ),
    Mistake(
        "variance_path_missing",
        "dx matches the answer in which the gradient does not flow through the variance.",
        "If one entry of x moves away from the mean, the variance grows. What does that do to y?",
        lambda case, right: {"dx": right["dx"] + _by_variance(case)},
    ),
    Mistake(
        "both_paths_missing",
        "dx is only dy gamma / sqrt(var + eps): mean and variance are treated as constants.",
        "Which numbers change if a single entry of x changes?",
        lambda case, right: {"dx": _direct(case)},
    ),
    Mistake(
        "variance_path_halved",
        "dx matches the answer in which only half of the gradient flows through the variance.",
        "Which factor comes down if (x - mu)² is differentiated?",
        lambda case, right: {"dx": right["dx"] + _by_variance(case) / 2},
    ),
    Mistake(
        "variance_path_sign",
        "dx matches the answer in which the gradient through the variance has the wrong sign.",
        "If the variance grows, does xhat move away from 0 or towards it?",
        lambda case, right: {"dx": right["dx"] + 2 * _by_variance(case)},
    ),
    Mistake(
        "variance_exponent",
        "dx matches the answer with the exponent -1/2 in the gradient of var, where it is -3/2.",
        "What is the derivative of v^(-1/2)?",
        lambda case, right: {"dx": right["dx"] + _by_variance(case) * (1 - _root(case) ** 2)},
    ),
    Mistake(
        "gamma_missing",
        "dx is computed without gamma.",
        "y is gamma xhat + beta. By what is dy multiplied on its way from y to xhat?",
        lambda case, right: {"dx": right["dx"] / case.gamma},
    ),
    Mistake(
        "dx_not_divided",
        "dx is not divided by sqrt(var + eps).",
        "x - mu was divided by the root. What happens to the gradient there?",
        lambda case, right: {"dx": right["dx"] * _root(case)},
    ),
    Mistake(
        "sum_for_mean",
        "dx matches the answer with sums over the rows where means should be: a 1/n is missing.",
        "By how much does the mean of a column change if one of its n entries grows by 1?",
        lambda case, right: _summed_over(case, 0, 1),
    ),
    Mistake(
        "sum_for_mean_by_mean",
        "dx matches the answer in which the path through the mean lacks its 1/n.",
        "By how much does the mean of a column change if one of its n entries grows by 1?",
        lambda case, right: {"dx": right["dx"] - (N - 1) * _direct(case).mean(axis=0)},
    ),
    Mistake(
        "sum_for_mean_by_variance",
        "dx matches the answer in which the path through the variance lacks its 1/n.",
        "The variance is a mean of (x - mu)². What does one of its n terms count?",
        lambda case, right: {"dx": right["dx"] - (N - 1) * _by_variance(case)},
    ),
    Mistake(
        "divided_by_features",
        "dx divides by the number of features where it should divide by the number of rows.",
        "Which index of x.shape counts the rows?",
        lambda case, right: _summed_over(case, 0, FEATURES),
    ),
    Mistake(
        "means_over_axis_1",
        "dx takes its means along axis 1, over the features of a row.",
        "What shares one mean in BatchNorm: a row or a column?",
        lambda case, right: _summed_over(case, 1, FEATURES),
    ),
    Mistake(
        "eps_forgotten",
        "dgamma or dx is computed without eps in the root.",
        "The backward needs the very xhat of the forward. What is under the root?",
        lambda case, right: _divided_by(case.x.std(axis=0), case, right),
    ),
    Mistake(
        "eps_forgotten_in_dx",
        "dx is divided by a root without eps, but dgamma and xhat by one with it.",
        "How many roots are there in your code, and is eps in each of them?",
        lambda case, right: {"dx": right["dx"] * _root(case) / case.x.std(axis=0)},
    ),
    Mistake(
        "eps_forgotten_in_every_path",
        "dx is computed without eps in all of its paths; dgamma has it.",
        "How many roots are there in your code, and is eps in each of them?",
        lambda case, right: {"dx": _divided_by(case.x.std(axis=0), case, right)["dx"]},
    ),
    Mistake(
        "eps_outside_root",
        "dgamma or dx divides by sqrt(var) + eps, but eps belongs inside the root.",
        "Compare sqrt(var + eps) with your code, bracket by bracket.",
        lambda case, right: _divided_by(case.x.std(axis=0) + case.eps, case, right),
    ),
    Mistake(
        "unbiased_variance",
        "dgamma or dx uses the variance divided by n - 1; BatchNorm normalises with that of 1/n.",
        "What does ddof mean in np.var?",
        lambda case, right: _divided_by(
            np.sqrt(case.x.var(axis=0, ddof=1) + case.eps), case, right, N - 1
        ),
    ),
    Mistake(
        "y_for_xhat",
        "dgamma or dx uses y where xhat should be.",
        "gamma is multiplied by xhat. Are gamma and beta in your xhat already?",
        _y_for_xhat,
    ),
    Mistake(
        "x_for_xhat",
        "dgamma is the sum of dy x, but gamma is not multiplied by x.",
        "By what is gamma multiplied in the formula of y?",
        lambda case, right: {"dgamma": (case.dy * case.x).sum(axis=0)},
    ),
    Mistake(
        "centred_for_xhat",
        "dgamma is the sum of dy (x - mu): it is not divided by sqrt(var + eps).",
        "By what is gamma multiplied in the formula of y?",
        lambda case, right: {"dgamma": right["dgamma"] * _root(case)},
    ),
    Mistake(
        "dgamma_over_axis_1",
        "dgamma or dbeta is summed along axis 1, over the features of each row.",
        "How many gammas are there, and which entries of y does one of them reach?",
        lambda case, right: {
            "dgamma": (case.dy * _xhat(case)).sum(axis=1),
            "dbeta": case.dy.sum(axis=1),
        },
    ),
    Mistake(
        "dgamma_averaged",
        "dgamma or dbeta is the mean over the rows, not the sum.",
        "dy holds the 1/n of the loss already.",
        lambda case, right: {"dgamma": right["dgamma"] / N, "dbeta": right["dbeta"] / N},
    ),
    Mistake(
        "dgamma_and_dbeta_swapped",
        "dgamma is what dbeta should be, and the other way round.",
        "In which order does your last line return them?",
        lambda case, right: {"dgamma": right["dbeta"], "dbeta": right["dgamma"]},
    ),
    Mistake(
        "input_changed",
        "it writes into an array that it was given; -=, *= and out= change the caller's array.",
        "Which of your lines write into x, dy, gamma or beta?",
    ),
)


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
    specification=specification,
    mistakes=MISTAKES,
    train=lambda answer: network.train([Dense(64, 16), Adapted(answer), Tanh(), Dense(16, 10)]),
)

"""Exercise 10, LayerNorm: every row by itself, in training and in evaluation alike.

What is easily taken over from BatchNorm is wrong here: the axis, running statistics, and γ outside
the means of backward, which is right only where one mean belongs to one γ. Running statistics can
be kept in many ways, so they are known by what they do: y in evaluation is another.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minnet.exercises import network
from minnet.exercises.exercise import Case, Exercise, Mistake, Results
from minnet.layer import Layer, Param
from minnet.layers.activations import Tanh
from minnet.layers.dense import Dense
from minnet.layers.normalization import LayerNorm
from minnet.validation import Array

N, FEATURES = 6, 5
SECOND = " of the second batch"
CHANGE = "change of y from training to evaluation"


def inputs(rng: np.random.Generator) -> Case:
    """Draw two batches whose rows have means and deviations of their own."""

    def rows() -> Array:
        x: Array = rng.normal(size=(N, FEATURES)) * rng.uniform(0.4, 0.8, (N, 1))
        return x + rng.uniform(0.5, 1.5, (N, 1))

    return Case(
        x=rows(),
        gamma=rng.uniform(0.5, 2.0, FEATURES),
        beta=rng.normal(size=FEATURES),
        eps=float(rng.uniform(0.05, 0.1)),
        dy=rng.normal(size=(N, FEATURES)),
        next_x=rows(),
        next_dy=rng.normal(size=(N, FEATURES)),
    )


def run(answer: Any, case: Case) -> Iterator[tuple[str, Any]]:
    """Two steps of training, then evaluation of the last batch, then of one row."""
    layer = answer(case.gamma, case.beta, case.eps)
    for x, dy, which in ((case.x, case.dy, ""), (case.next_x, case.next_dy, SECOND)):
        yield f"y{which}", layer.forward(x, True)
        yield f"dx{which}", layer.backward(dy)
        yield f"dgamma{which}", layer.dgamma
        yield f"dbeta{which}", layer.dbeta
    trained, evaluated = (layer.forward(case.next_x, training) for training in (True, False))
    if isinstance(evaluated, np.ndarray):
        same = evaluated.shape == trained.shape and np.allclose(evaluated, trained)
        yield CHANGE, 0.0 if same else 1.0
    yield "y in evaluation", evaluated
    yield "y of a single row", layer.forward(case.x[:1], True)


def specification(case: Case) -> Results:
    """minnet's own layer."""
    layer = LayerNorm(FEATURES, eps=case.eps).build(dtype=np.float64)
    layer.gamma.value, layer.beta.value = case.gamma, case.beta
    results: Results = {}
    for x, dy, which in ((case.x, case.dy, ""), (case.next_x, case.next_dy, SECOND)):
        results[f"y{which}"] = layer.forward(x, training=True).copy()
        results[f"dx{which}"] = layer.backward(dy).copy()
        results[f"dgamma{which}"] = layer.gamma.grad.copy()
        results[f"dbeta{which}"] = layer.beta.grad.copy()
    evaluated = layer.forward(case.next_x, training=False)
    alone = layer.forward(case.x[:1], training=False)
    return results | {CHANGE: 0.0, "y in evaluation": evaluated, "y of a single row": alone}


def _mean(values: Array) -> Array:
    mean: Array = values.mean(axis=1, keepdims=True)
    return mean


def _var(x: Array, ddof: int = 0) -> Array:
    var: Array = x.var(axis=1, ddof=ddof, keepdims=True)
    return var


def _divided_by(root: Array, case: Case) -> Results:
    """y when the rows are divided by this root."""
    return {"y": case.gamma * (case.x - _mean(case.x)) / root + case.beta}


def _standardised_along(axis: int | None, case: Case) -> Results:
    """y when mean and variance are taken along another axis."""
    root = np.sqrt(case.x.var(axis=axis, keepdims=True) + case.eps)
    return {"y": case.gamma * (case.x - case.x.mean(axis=axis, keepdims=True)) / root + case.beta}


def _root(case: Case) -> Array:
    root: Array = np.sqrt(_var(case.x) + case.eps)
    return root


def _xhat(case: Case) -> Array:
    xhat: Array = (case.x - _mean(case.x)) / _root(case)
    return xhat


def _direct(case: Case) -> Array:
    """What reaches x if the mean and the variance are taken for constants."""
    direct: Array = case.dy * case.gamma / _root(case)
    return direct


def _by_variance(case: Case) -> Array:
    """What the variance takes off."""
    return _xhat(case) * _mean(_direct(case) * _xhat(case))


def _y_for_xhat(case: Case, right: Results) -> Results:
    y, direct = right["y"], _direct(case)
    return {
        "dx": right["dx"] + _by_variance(case) - y * _mean(direct * y),
        "dgamma": (case.dy * y).sum(axis=0),
    }


def _over_the_batch(case: Case) -> Array:
    h, xhat = case.dy * case.gamma, _xhat(case)
    dx: Array = (h - h.mean(axis=0) - xhat * (h * xhat).mean(axis=0)) / _root(case)
    return dx


def _without_gamma(case: Case) -> Any:
    """dx as if γ were 1, that of dy / γ."""
    return specification(Case(**vars(case) | {"dy": case.dy / case.gamma}))["dx"]


MISTAKES = (
    Mistake(
        "batch_axis",
        "y matches BatchNorm: mean and variance are taken over the rows of the batch.",
        "Along which axis do the features of one row lie?",
        lambda case, right: _standardised_along(0, case),
    ),
    Mistake(
        "whole_batch",
        "y is computed with one mean and one variance for the whole batch.",
        "What does x.mean() do without an axis?",
        lambda case, right: _standardised_along(None, case),
    ),
    Mistake(
        "unbiased_variance",
        "y uses the variance divided by the number of features minus 1; it should be all of them.",
        "What does ddof mean in np.var?",
        lambda case, right: _divided_by(np.sqrt(_var(case.x, ddof=1) + case.eps), case),
    ),
    Mistake(
        "eps_outside_root",
        "y divides by sqrt(var) + eps, but eps belongs inside the root.",
        "Compare sqrt(var + eps) with your code, bracket by bracket.",
        lambda case, right: _divided_by(np.sqrt(_var(case.x)) + case.eps, case),
    ),
    Mistake(
        "eps_forgotten",
        "y divides by sqrt(var): eps is left out.",
        "What becomes of a row in which all features are equal?",
        lambda case, right: _divided_by(np.sqrt(_var(case.x)), case),
    ),
    Mistake(
        "root_forgotten",
        "y divides by var + eps: the root is missing.",
        "If x is in metres, what is its variance in?",
        lambda case, right: _divided_by(_var(case.x) + case.eps, case),
    ),
    Mistake(
        "sum_for_mean",
        "dx matches the answer with sums over the features where means should be.",
        "By how much does the mean of a row change if one of its entries grows by 1?",
        lambda case, right: {
            "dx": FEATURES * right["dx"] - (FEATURES - 1) * _direct(case),
        },
    ),
    Mistake(
        "y_for_xhat",
        "dx or dgamma uses y where xhat should be.",
        "gamma is multiplied by xhat. Are gamma and beta in what you kept already?",
        _y_for_xhat,
    ),
    Mistake(
        "gamma_outside_means",
        "dx matches the answer in which gamma is multiplied in after the means were taken.",
        "Within a row every feature has its own gamma. Can it be taken out of a mean over the row?",
        lambda case, right: {"dx": case.gamma * _without_gamma(case)},
    ),
    Mistake(
        "gamma_missing",
        "dx is computed without gamma.",
        "y is gamma xhat + beta. By what is dy multiplied on its way from y to xhat?",
        lambda case, right: {"dx": _without_gamma(case)},
    ),
    Mistake(
        "both_paths_missing",
        "dx is only dy gamma / sqrt(var + eps): mean and variance are treated as constants.",
        "Which numbers change if a single entry of x changes?",
        lambda case, right: {"dx": _direct(case)},
    ),
    Mistake(
        "mean_path_missing",
        "dx matches the answer in which the gradient does not flow through the mean.",
        "If one entry of x grows, the mean of its row grows too. What does that do to y?",
        lambda case, right: {"dx": _direct(case) - _by_variance(case)},
    ),
    Mistake(
        "variance_path_missing",
        "dx matches the answer in which the gradient does not flow through the variance.",
        "If one entry of x moves away from the mean, the variance grows. What does that do to y?",
        lambda case, right: {"dx": right["dx"] + _by_variance(case)},
    ),
    Mistake(
        "backward_of_batchnorm",
        "dx takes its means over the rows of the batch, as BatchNorm does.",
        "Which entries of y does one entry of x reach?",
        lambda case, right: {"dx": _over_the_batch(case)},
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
        lambda case, right: {name: right[name] / N for name in ("dgamma", "dbeta")},
    ),
    Mistake(
        "gradients_add_up",
        "the gradients of the second batch contain those of the first: they add up between calls.",
        "Should backward add to the gradients, or set them?",
        lambda case, right: {
            f"{name}{SECOND}": right[name] + right[f"{name}{SECOND}"]
            for name in ("dgamma", "dbeta")
        },
    ),
    Mistake(
        "running_statistics",
        "y in evaluation is another than y in training for the same x: LayerNorm keeps no running "
        "statistics.",
        "Why does BatchNorm need other statistics in evaluation, and does a single row have them?",
        lambda case, right: {CHANGE: 1.0},
    ),
    Mistake(
        "input_changed",
        "it writes into an array that it was given; -=, *= and out= change the caller's array.",
        "Which of your lines write into x, dy, gamma or beta?",
    ),
)


class Adapted(Layer):
    """The student's layer as one of minnet's, with γ and β that an optimizer can move."""

    def __init__(self, answer: Any) -> None:
        self.in_features = self.out_features = 16
        self.params["gamma"], self.params["beta"] = Param(np.ones(16)), Param(np.zeros(16))
        self.answer = answer

    def forward(self, x: Any, *, training: bool) -> Array:
        """Make a layer of the current γ and β."""
        self.layer = self.answer(self.params["gamma"].value, self.params["beta"].value, 1e-5)
        y: Array = self.layer.forward(x, training)
        return y

    def backward(self, dy: Any) -> Array:
        """Take the gradients over."""
        dx: Array = self.layer.backward(dy)
        self.params["gamma"].grad, self.params["beta"].grad = self.layer.dgamma, self.layer.dbeta
        return dx


EXERCISE = Exercise(
    number=10,
    name="layernorm",
    title="LayerNorm",
    minutes=35,
    answer="LayerNorm",
    inputs=inputs,
    run=run,
    specification=specification,
    mistakes=MISTAKES,
    derivatives={"dx": "x", "dgamma": "gamma", "dbeta": "beta"},
    train=lambda answer: network.train([Dense(64, 16), Adapted(answer), Tanh(), Dense(16, 10)]),
)

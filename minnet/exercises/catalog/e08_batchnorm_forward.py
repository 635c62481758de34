"""Exercise 8, the forward of BatchNorm: batch statistics in training, running ones afterwards.

Two batches are trained on, so that a running statistic is neither where it began nor the last
batch; then comes an evaluation on other rows, few of them, and another look at the running
statistics. A large eps shows where it is added, and six rows tell N from N - 1. There are as many
rows as features, so that statistics along the wrong axis give wrong numbers and no error of shapes;
the new rows are fewer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minnet.exercises import network
from minnet.exercises.exercise import Case, Exercise, Mistake, Results
from minnet.layers.activations import ReLU
from minnet.layers.dense import Dense
from minnet.layers.normalization import BatchNorm
from minnet.validation import Array

N, NEW_ROWS, FEATURES = 6, 4, 6
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
        next_x=rng.normal(mean, deviation, size=(N, FEATURES)),
        new_x=rng.normal(mean, deviation, size=(NEW_ROWS, FEATURES)),
    )


def run(answer: Any, case: Case) -> Iterator[tuple[str, Any]]:
    """Two batches in training, then new rows in evaluation."""
    batchnorm = answer(case.gamma, case.beta, case.eps, case.momentum)
    yield from _steps(batchnorm, case)


def specification(case: Case) -> Results:
    """minnet's own layer."""
    batchnorm = BatchNorm(FEATURES, eps=case.eps, momentum=case.momentum).build(dtype=np.float64)
    batchnorm.gamma.value, batchnorm.beta.value = case.gamma, case.beta
    return {name: value.copy() for name, value in _steps(batchnorm, case)}


def _steps(batchnorm: Any, case: Case) -> Iterator[tuple[str, Any]]:
    for step, x in enumerate((case.x, case.next_x, case.new_x)):
        yield Y[step], batchnorm.forward(x, training=step < 2)
        yield MEAN[step], batchnorm.running_mean
        yield VAR[step], batchnorm.running_var


def _scaled(case: Case, centred: Array, divisor: Array) -> Array:
    y: Array = case.gamma * centred / divisor + case.beta
    return y


def _divided(case: Case, right: Results, divisor: Callable[[Array], Array]) -> Results:
    """All three y when another function of the variance takes the place of √(σ² + eps)."""
    batches = {
        Y[0]: (case.x, case.x.mean(axis=0), case.x.var(axis=0)),
        Y[1]: (case.next_x, case.next_x.mean(axis=0), case.next_x.var(axis=0)),
        Y[2]: (case.new_x, right[MEAN[1]], right[VAR[1]]),
    }
    return {name: _scaled(case, x - mean, divisor(var)) for name, (x, mean, var) in batches.items()}


def _n_minus_1(case: Case, right: Results) -> Results:
    wrong = _divided(case, right, lambda var: np.sqrt(var * N / (N - 1) + case.eps))
    return {name: wrong[name] for name in Y[:2]}


def _normalised(case: Case, x: Array, mean: Array, var: Array) -> Array:
    return _scaled(case, x - mean, np.sqrt(var + case.eps))


def _axis_1(case: Case, right: Results) -> Results:
    y = {
        name: _normalised(case, x, x.mean(axis=1), x.var(axis=1))
        for name, x in zip(Y[:2], (case.x, case.next_x), strict=True)
    }
    return y | _running(case, axis=1)


def _rows_normalised(case: Case, right: Results) -> Results:
    return {
        name: _normalised(case, x, x.mean(axis=1, keepdims=True), x.var(axis=1, keepdims=True))
        for name, x in zip(Y[:2], (case.x, case.next_x), strict=True)
    }


def _running(
    case: Case,
    *,
    share: float | None = None,
    axis: int = 0,
    ddof: int = 1,
    power: float = 1,
    begin: tuple[Any, Any] = (0.0, 1.0),
) -> Results:
    """What running statistics bring about that begin with, keep or take in something else."""
    share = case.momentum if share is None else share
    mean, var = begin
    results: Results = {}
    for step, x in enumerate((case.x, case.next_x)):
        mean = share * mean + (1 - share) * x.mean(axis=axis)
        var = share * var + (1 - share) * x.var(axis=axis, ddof=ddof) ** power
        results |= {MEAN[step]: mean, VAR[step]: var}
    return results | {Y[2]: _normalised(case, case.new_x, mean, var), MEAN[2]: mean, VAR[2]: var}


def _updated_in_evaluation(case: Case, right: Results) -> Results:
    m, x = case.momentum, case.new_x
    mean = m * right[MEAN[1]] + (1 - m) * x.mean(axis=0)
    var = m * right[VAR[1]] + (1 - m) * x.var(axis=0, ddof=1)
    return {Y[2]: _normalised(case, x, mean, var), MEAN[2]: mean, VAR[2]: var}


def _running_in_training(case: Case, right: Results) -> Results:
    return {
        name: _normalised(case, x, right[mean], right[var])
        for name, x, mean, var in zip(Y[:2], (case.x, case.next_x), MEAN[:2], VAR[:2], strict=True)
    }


MISTAKES = (
    Mistake(
        "axis_1",
        "y is normalised with statistics along axis 1, over the features of each row; those of "
        "BatchNorm run over the rows of the batch.",
        "Which shape should the mean have, (n,) or (features,)?",
        _axis_1,
    ),
    Mistake(
        "rows_normalised",
        "y has mean 0 and variance 1 in every row, as in LayerNorm; BatchNorm does that to every "
        "column.",
        "Which shape should the mean have, (n, 1) or (features,)?",
        _rows_normalised,
    ),
    Mistake(
        "n_minus_1",
        "y is normalised with the variance that divides by n - 1; within the batch it is n.",
        "There are two variances in the exercise. Which of them makes x̂?",
        _n_minus_1,
    ),
    Mistake(
        "eps_beside_root",
        "y matches (x - μ) / (σ + eps): eps belongs inside the root, beside the variance.",
        "What does the root run over in the formula?",
        lambda case, right: _divided(case, right, lambda var: np.sqrt(var) + case.eps),
    ),
    Mistake(
        "eps_left_out",
        "y matches the answer without eps.",
        "What happens in a column whose entries are all the same?",
        lambda case, right: _divided(case, right, np.sqrt),
    ),
    Mistake(
        "root_left_out",
        "y matches (x - μ) / (σ² + eps): the root is missing.",
        "Which variance should x̂ have, and which has yours?",
        lambda case, right: _divided(case, right, lambda var: var + case.eps),
    ),
    Mistake(
        "running_in_training",
        "y in training is normalised with the running statistics; in training each batch uses its "
        "own.",
        "What are the mean and the deviation of your y in training?",
        _running_in_training,
    ),
    Mistake(
        "deviation_averaged",
        "running_var takes in the standard deviation, not the variance.",
        "What comes out of .std, and what out of .var?",
        lambda case, right: _running(case, power=0.5),
    ),
    Mistake(
        "running_var_biased",
        "running_var takes in the variance that divides by n; here it takes in the one with n - 1.",
        "There are two variances in the exercise. Which of them is kept?",
        lambda case, right: _running(case, ddof=0),
    ),
    Mistake(
        "momentum_other_way_round",
        "running_mean matches momentum the other way round: momentum is the share of the past that "
        "is kept.",
        "With a momentum of 1, should the running statistics ever change?",
        lambda case, right: _running(case, share=1 - case.momentum),
    ),
    Mistake(
        "begun_with_first_batch",
        "running_mean and running_var begin with the statistics of the first batch; they should "
        "begin with 0 and 1.",
        "What is set in __init__, and does your first step still use it?",
        lambda case, right: _running(case, begin=(case.x.mean(axis=0), case.x.var(axis=0, ddof=1))),
    ),
    Mistake(
        "running_mean_begun_with_first_batch",
        "running_mean begins with the mean of the first batch, but should begin with 0.",
        "What is set in __init__, and does your first step still use it?",
        lambda case, right: _running(case, begin=(case.x.mean(axis=0), 1.0)),
    ),
    Mistake(
        "running_var_begun_at_0",
        "running_var begins with 0, but should begin with 1.",
        "Before the first batch, which variance leaves x as it is?",
        lambda case, right: _running(case, begin=(0.0, 0.0)),
    ),
    Mistake(
        "last_batch_kept",
        "running_mean is that of the last batch alone: nothing of the past is kept.",
        "What is left of the first batch after the second?",
        lambda case, right: _running(case, share=0.0),
    ),
    Mistake(
        "batch_statistics_in_evaluation",
        "y in evaluation is normalised with the statistics of the batch that came in; in "
        "evaluation the running ones take their place.",
        "Should the answer for one picture depend on the other pictures beside it?",
        lambda case, right: {
            Y[2]: _normalised(case, case.new_x, case.new_x.mean(axis=0), case.new_x.var(axis=0))
        },
    ),
    Mistake(
        "updated_in_evaluation",
        "running_mean changes in evaluation: only training batches count.",
        "Which of your lines should run only while training?",
        _updated_in_evaluation,
    ),
    Mistake(
        "input_changed",
        "it writes into an array that it was given; -= and /= change the caller's x.",
        "Which of your lines write into x, and which make a new array?",
    ),
)


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
    specification=specification,
    mistakes=MISTAKES,
    train=train,
)

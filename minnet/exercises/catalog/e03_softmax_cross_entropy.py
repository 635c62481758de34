"""Exercise 3, softmax and cross-entropy together, from logits and labels.

There are more rows than classes, N = 6 and C = 4, so that no axis and no factor is mistaken for
another. Large logits come last; there a probability is exactly 0 and its logarithm is not. Beside
them, in one batch, the common ones tell whether each row has a maximum of its own; and twice as
large they tell whether the loss stops growing, wherever a limit was set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minnet.exercises import network
from minnet.exercises.exercise import Case, Exercise, Mistake, Results, returned
from minnet.layers.activations import Tanh
from minnet.layers.dense import Dense
from minnet.losses import Loss, SoftmaxCrossEntropy
from minnet.validation import Array

N, LARGE, CLASSES = 6, 3, 4
TOGETHER = "dlogits of common and large logits together"
ADDED = "loss added by twice as large logits"


def inputs(rng: np.random.Generator) -> Case:
    """Draw logits and labels, then logits of ±1e4 whose labels are not the likeliest classes."""
    large = rng.normal(size=(LARGE, CLASSES))
    large[:, 0] += 1e4
    large[:, 3] -= 1e4
    return Case(
        logits=2 * rng.normal(size=(N, CLASSES)),
        labels=rng.integers(CLASSES, size=N),
        large_logits=large,
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


def specification(case: Case) -> Results:
    """minnet's own loss."""
    loss, together, large, twice = (SoftmaxCrossEntropy() for _ in range(4))
    together.forward(*_together(case))
    of_large = large.forward(case.large_logits, case.large_labels)
    return {
        "loss": loss.forward(case.logits, case.labels),
        "dlogits": loss.backward(),
        TOGETHER: together.backward(),
        ADDED: twice.forward(2 * case.large_logits, case.large_labels) - of_large,
        "loss of large logits": of_large,
        "dlogits of large logits": large.backward(),
    }


def _each(case: Case, right: Results, formula: Callable[..., Results]) -> Results:
    """What a formula of logits, one-hot labels, probabilities and N gives, in both parts."""
    results = {}
    for where, logits, labels in (
        ("", case.logits, case.labels),
        (" of large logits", case.large_logits, case.large_labels),
    ):
        one_hot, n = np.eye(CLASSES)[labels], len(labels)
        p = n * right[f"dlogits{where}"] + one_hot
        for name, value in formula(logits, one_hot, p, n).items():
            results[f"{name}{where}"] = value
    return results


def _scaled(right: Results, name: str, factor: Callable[[int], float]) -> Results:
    """The results when one of them is larger by a factor that depends on the number of rows."""
    rows = {key: LARGE if key.endswith("large logits") else N for key in right}
    rows[TOGETHER] = N + LARGE
    return {
        key: value * factor(rows[key]) for key, value in right.items() if key.split()[0] == name
    }


def _of_log(log_p: Array, one_hot: Array, n: int) -> Results:
    return {"loss": -(log_p * one_hot).sum() / n, "dlogits": (np.exp(log_p) - one_hot) / n}


def _axis_0(logits: Array, one_hot: Array, p: Array, n: int) -> Results:
    return _of_log(logits - np.logaddexp.reduce(logits, axis=0), one_hot, n)


def _twice(logits: Array, one_hot: Array, p: Array, n: int) -> Results:
    return _of_log(p - np.logaddexp.reduce(p, axis=1)[:, None], one_hot, n)


def _of_p(logits: Array, one_hot: Array, p: Array, n: int) -> Results:
    return {"dlogits": -one_hot / (n * p)}


MISTAKES = (
    Mistake(
        "softmax_over_axis_0",
        "loss matches a softmax along axis 0, over the rows of the batch.",
        "Whose probabilities sum to 1: those of one row, or those of one class?",
        lambda case, right: _each(case, right, _axis_0),
    ),
    Mistake(
        "softmax_twice",
        "loss matches a softmax that is applied twice.",
        "The function gets logits. How often is softmax applied between them and the loss?",
        lambda case, right: _each(case, right, _twice),
    ),
    Mistake(
        "everything_summed",
        "loss and dlogits are sums over the rows; the loss is their mean, and 1/N is in both.",
        "Would a batch twice as large give a loss twice as large?",
        lambda case, right: (
            _scaled(right, "loss", lambda n: n) | _scaled(right, "dlogits", lambda n: n)
        ),
    ),
    Mistake(
        "loss_summed",
        "loss is the sum over the rows, but should be their mean.",
        "Would a batch twice as large give a loss twice as large?",
        lambda case, right: _scaled(right, "loss", lambda n: n),
    ),
    Mistake(
        "gradient_not_divided",
        "dlogits lacks the factor 1/N of the mean.",
        "The loss is a mean over the rows. What does that do to its derivative?",
        lambda case, right: _scaled(right, "dlogits", lambda n: n),
    ),
    Mistake(
        "divided_by_nc",
        "dlogits is divided by N·C, the number of entries, but should be by N, the number of rows.",
        "Over how many terms is the mean taken: one for each row, or one for each entry?",
        lambda case, right: _scaled(right, "dlogits", lambda n: 1 / CLASSES),
    ),
    Mistake(
        "loss_over_all_entries",
        "loss is the mean over all N·C entries, but should be the mean over the N rows.",
        "What does .mean() without an axis divide by?",
        lambda case, right: _scaled(right, "loss", lambda n: 1 / CLASSES),
    ),
    Mistake(
        "stopped_at_dp",
        "dlogits matches the gradient with respect to p: the way back through softmax is missing.",
        "Which chain rule leads from p back to the logits?",
        # with large logits this divides by 0, which has a separate message
        lambda case, right: {"dlogits": _each(case, right, _of_p)["dlogits"]},
    ),
    Mistake(
        "one_maximum_for_all_rows",
        "one maximum is taken off all rows: beside a row of large logits all exp of an ordinary "
        "row are 0, and log 0 or 0 / 0 comes of it.",
        "What is exp(z - max) in a row whose logits are all 10000 below the maximum?",
        lambda case, right: {
            TOGETHER: right[TOGETHER] * np.repeat([[0.0], [1.0]], [N, LARGE], axis=0)
        },
    ),
    Mistake(
        "limited_logarithm",
        "loss stops growing for large logits: a small number, such as 1e-12, is added to p or is "
        "its lower limit.",
        "If p is e^-20000, what is -log p, and what does your code return?",
        lambda case, right: {ADDED: 0.0, "loss of large logits": -np.log(1e-12)},
    ),
    Mistake(
        "overflow",
        "it overflows for large logits: exp(10000) is too large for a float.",
        "Does softmax change if the same number is taken off all logits of a row?",
    ),
    Mistake(
        "divide_by_zero",
        "it takes the logarithm of 0: with large logits a probability can be exactly 0.",
        "Must the probability be computed before its logarithm? log(a / b) = log a - log b.",
    ),
    Mistake(
        "input_changed",
        "it writes into logits or labels, such as by logits -= ...; work on a copy.",
        "Which of your lines assigns into an array that came in?",
    ),
)


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
    specification=specification,
    mistakes=MISTAKES,
    forward="loss",
    derivatives={"dlogits": "logits"},
    train=lambda answer: network.train(
        [Dense(64, 16), Tanh(), Dense(16, 10)], loss=Adapted(answer)
    ),
)

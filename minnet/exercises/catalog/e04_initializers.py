"""Exercise 4, five rules for initial weights.

Weights are random, so that what is compared are statistics: the deviation of 57,000 weights is
known to 0.3 %, and 3 % are let pass. The shape (150, 380) tells fan_in, fan_out and their sum
apart, which (100, 400) does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from minnet import initializers
from minnet.exercises import network
from minnet.exercises.exercise import Case, Exercise, Mistake, Results
from minnet.layers.activations import ReLU
from minnet.layers.dense import Dense
from minnet.validation import Array

FAN_IN, FAN_OUT = 150, 380
NORMAL, UNIFORM = ("xavier_normal", "he_normal"), ("xavier_uniform", "he_uniform")
TALL, WIDE = (12, 5), (5, 12)
LIKENESS = {
    "likeness of two layers": "he_normal",
    "likeness of two orthogonal layers": "orthogonal",
}


def inputs(rng: np.random.Generator) -> Case:
    """Draw the seed of the generator that the answer gets."""
    return Case(seed=int(rng.integers(2**31)))


def run(answer: Any, case: Case) -> Iterator[tuple[str, Any]]:
    """Statistics of each rule; then whether two layers differ that draw from one generator."""
    yield from _statistics(answer, case.seed)
    rng = np.random.default_rng(case.seed)
    for name, rule in LIKENESS.items():
        first, second = (answer(rule, (30, 20), rng) for _ in range(2))
        yield name, float(np.array_equal(first, second))


def specification(case: Case) -> Results:
    """minnet's own initializers, drawn from a seed of their own."""
    return _own_statistics() | dict.fromkeys(LIKENESS, 0.0)


@cache
def _own_statistics() -> Results:
    def own(rule: str, shape: tuple[int, int], rng: np.random.Generator) -> Array:
        return initializers.get(rule)(shape, rng=rng, dtype=np.float64)

    return dict(_statistics(own, 0))


def _statistics(draw: Any, seed: int) -> Iterator[tuple[str, Any]]:
    for rule in (*NORMAL, *UNIFORM):
        weight = draw(rule, (FAN_IN, FAN_OUT), np.random.default_rng(seed))
        yield f"shape of {rule}", np.array(np.shape(weight))
        yield f"deviation of {rule}", np.std(weight)
        if rule in UNIFORM:
            yield f"largest weight of {rule}", np.abs(weight).max()
        else:
            yield f"share of {rule} beyond two deviations", _tails(weight)
    for name, shape in (("tall", TALL), ("wide", WIDE)):
        weight = draw("orthogonal", shape, np.random.default_rng(seed))
        yield f"shape of a {name} orthogonal weight", np.array(np.shape(weight))
        yield (
            f"inner products of a {name} orthogonal weight",
            weight.T @ weight if name == "tall" else weight @ weight.T,
        )


def _tails(weight: Array) -> Any:
    return (np.abs(weight) > 2 * np.std(weight)).mean()


def _scaled(right: Results, rules: str, factor: float) -> Results:
    """The results when all weights of the rules that begin so are larger by a factor."""
    return {
        name: value * factor
        for name, value in right.items()
        if name.startswith((f"deviation of {rules}", f"largest weight of {rules}"))
    }


def _variance_as_std(case: Case, right: Results) -> Results:
    return {f"deviation of {rule}": right[f"deviation of {rule}"] ** 2 for rule in NORMAL}


MISTAKES = (
    Mistake(
        "xavier_by_fan_in_alone",
        "the deviation of the xavier rules matches √(1 / fan_in); Xavier looks at both fans.",
        "Xavier is a compromise between what two directions ask for. Which two?",
        lambda case, right: _scaled(right, "xavier", ((FAN_IN + FAN_OUT) / 2 / FAN_IN) ** 0.5),
    ),
    Mistake(
        "xavier_grows_with_fan_in",
        "the deviation of the xavier rules matches √fan_in: it should fall with fan_in, not grow.",
        "If a unit has more inputs, should each weight be larger or smaller?",
        lambda case, right: _scaled(right, "xavier", (FAN_IN * (FAN_IN + FAN_OUT) / 2) ** 0.5),
    ),
    Mistake(
        "variance_as_std",
        "the deviation of the normal rules matches the variance: the square root is missing.",
        "Does rng.normal take a variance or a standard deviation?",
        _variance_as_std,
    ),
    Mistake(
        "he_by_fan_out",
        "the deviation of the he rules matches √(2 / fan_out), but He looks at fan_in.",
        "The shape is (fan_in, fan_out). Which of the two has index 0?",
        lambda case, right: _scaled(right, "he", (FAN_IN / FAN_OUT) ** 0.5),
    ),
    Mistake(
        "he_with_both_fans",
        "the deviation of the he rules matches √(2 / (fan_in + fan_out)), which is Xavier's.",
        "He follows the forward signal alone. Which fan does it need?",
        lambda case, right: _scaled(right, "he", (FAN_IN / (FAN_IN + FAN_OUT)) ** 0.5),
    ),
    Mistake(
        "he_without_2",
        "the deviation of the he rules matches √(1 / fan_in): the 2 for ReLU is missing.",
        "Which share of the signal does ReLU let through?",
        lambda case, right: _scaled(right, "he", 0.5**0.5),
    ),
    Mistake(
        "uniform_limit_is_std",
        "the largest weight of the uniform rules is what the deviation should be.",
        "What is the standard deviation of numbers that are uniform from -a to a?",
        lambda case, right: (
            _scaled(right, "xavier_uniform", 3**-0.5) | _scaled(right, "he_uniform", 3**-0.5)
        ),
    ),
    Mistake(
        "uniform_not_centred",
        "the uniform rules draw from 0 to the limit, and never a negative weight.",
        "What is the mean of your weights?",
        lambda case, right: {
            f"deviation of {rule}": right[f"deviation of {rule}"] / 2 for rule in UNIFORM
        },
    ),
    Mistake(
        "orthogonal_wide_is_square",
        "the shape of a wide orthogonal weight is (5, 5), but should be (5, 12).",
        "Which shape does np.linalg.qr return for a matrix that is wider than tall?",
        lambda case, right: {"shape of a wide orthogonal weight": np.array([5, 5])},
    ),
    Mistake(
        "reseeded",
        "two layers drawn one after the other are the same: a generator is seeded inside.",
        "Where do your random numbers come from, and do they go on from call to call?",
        lambda case, right: dict.fromkeys(LIKENESS, 1.0),
    ),
    Mistake(
        "orthogonal_not_random",
        "orthogonal gives the same weight every time: nothing of it is drawn from rng.",
        "There are many orthogonal matrices. What chooses one of them?",
        lambda case, right: {"likeness of two orthogonal layers": 1.0},
    ),
    Mistake(
        "second_run_differs",
        "the same rng gives other weights in a second run: they are not drawn from rng alone.",
        "Which of your lines draw from np.random and not from rng?",
    ),
)


def train(answer: Any) -> Array:
    """Train a network whose weights the answer draws."""

    def draw(shape: tuple[int, int], *, rng: Any, dtype: Any) -> Array:
        weight: Array = answer("he_normal", shape, np.random.default_rng(rng))
        return weight.astype(dtype)

    return network.train([Dense(64, 32, init=draw), ReLU(), Dense(32, 10, init=draw)])


EXERCISE = Exercise(
    number=4,
    name="initializers",
    title="Initial weights",
    minutes=25,
    answer="initialize",
    inputs=inputs,
    run=run,
    specification=specification,
    mistakes=MISTAKES,
    tolerances={
        **{f"deviation of {rule}": 0.03 for rule in (*NORMAL, *UNIFORM)},
        **{f"largest weight of {rule}": 0.03 for rule in UNIFORM},
        **{f"share of {rule} beyond two deviations": 0.2 for rule in NORMAL},
    },
    train=train,
)

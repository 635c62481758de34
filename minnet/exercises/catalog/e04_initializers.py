"""Exercise 4, five rules for initial weights.

Weights are random, so that statistics are compared: the deviation of 8,400 weights is known to
0.8 %, and 6 % are allowed. The shape (40, 210) distinguishes fan_in, fan_out and their sum, and a
tall one shows whether fan_in is only the smaller of both. What holds for all draws, such as the
mean 0 and rows that differ, is an invariant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np

from minnet.exercises import network
from minnet.exercises.exercise import Case, Exercise, Invariant, Results
from minnet.layers.activations import ReLU
from minnet.layers.dense import Dense
from minnet.validation import Array

SHAPE, MORE_INPUTS, PAIR = (40, 210), (210, 40), (9, 7)
NORMAL, UNIFORM = ("xavier_normal", "he_normal"), ("xavier_uniform", "he_uniform")
RULES = (*NORMAL, *UNIFORM)
ORTHOGONAL = {"square": (6, 6), "tall": (12, 5), "wide": (5, 11)}


def inputs(rng: np.random.Generator) -> Case:
    """Draw the seed of the generator that the answer gets."""
    return Case(seed=int(rng.integers(2**31)))


def run(answer: Any, case: Case) -> Iterator[tuple[str, Any]]:
    """Statistics of each rule, orthogonal weights, and two layers of each rule from one rng."""
    for rule in RULES:
        weight = answer(rule, SHAPE, np.random.default_rng(case.seed))
        is_matrix = isinstance(weight, np.ndarray) and weight.ndim == 2
        yield f"weight of {rule}", weight[:3, :4] if is_matrix else weight
        yield f"shape of {rule}", np.array(np.shape(weight))
        yield f"mean of {rule}", np.mean(weight)
        yield f"deviation of {rule}", np.std(weight)
        if rule in UNIFORM:
            yield f"largest weight of {rule}", np.max(weight)
        beyond = np.abs(weight) > 2 * np.std(weight)
        yield f"share of {rule} beyond two deviations", beyond.mean()
        yield f"number of different weights of {rule}", np.unique(weight).size
    for rule in ("he_normal", "he_uniform"):
        weight = answer(rule, MORE_INPUTS, np.random.default_rng(case.seed))
        yield f"deviation of {rule} with more inputs than outputs", np.std(weight)
    for name, shape in ORTHOGONAL.items():
        weight = answer("orthogonal", shape, np.random.default_rng(case.seed))
        yield f"weight of a {name} orthogonal layer", weight
        products = weight @ weight.T if name == "wide" else weight.T @ weight
        yield f"inner products of a {name} weight", products.astype(np.float64)
    rng = np.random.default_rng(case.seed)
    for rule in (*RULES, "orthogonal"):
        yield f"two layers of {rule}", np.array([answer(rule, PAIR, rng) for _ in range(2)])


def _each(
    names: Iterable[str], name: str, message: str, hint: str, holds: Callable[[str, Results], Any]
) -> list[Invariant]:
    """Return an invariant for each rule or shape, which the message contains as {}."""
    return [
        Invariant(name, message.format(each), hint, partial(_holds, holds, each)) for each in names
    ]


def _holds(holds: Callable[[str, Results], Any], each: str, case: Case, results: Results) -> Any:
    return holds(each, results)


def _is_centred(rule: str, results: Results) -> bool:
    error = results[f"deviation of {rule}"] / (SHAPE[0] * SHAPE[1]) ** 0.5
    return bool(abs(results[f"mean of {rule}"]) <= 6 * error)


def _is_perpendicular(name: str, results: Results) -> bool:
    """Return whether different columns are perpendicular, or their lengths are wrong as well."""
    products = results[f"inner products of a {name} weight"]
    lengths = np.diag(products)
    return np.allclose(products, np.diag(lengths), atol=1e-6) or not np.allclose(lengths, 1)


def _is_orthonormal_if_wide(case: Case, results: Results) -> bool:
    """Return whether a wide weight has orthonormal rows, or a tall one no such columns."""
    tall, wide = (results[f"inner products of a {name} weight"] for name in ("tall", "wide"))
    return np.allclose(wide, np.eye(len(wide)), atol=1e-6) or not np.allclose(
        tall, np.eye(len(tall)), atol=1e-6
    )


INVARIANTS = (
    *_each(
        RULES, "transposed",
        "the weight of {} has the shape (fan_out, fan_in), not (fan_in, fan_out).",
        "Which of the two numbers in shape counts the rows?",
        lambda rule, results: tuple(results[f"shape of {rule}"]) != SHAPE[::-1],
    ),
    *_each(
        RULES, "shape", "the weight of {} does not have the shape that is requested.",
        "What is the size of the array that you draw?",
        lambda rule, results: tuple(results[f"shape of {rule}"]) == SHAPE,
    ),
    *_each(
        ORTHOGONAL, "orthogonal_shape",
        "a {} orthogonal weight does not have the shape that is requested.",
        "Which shapes do the two factors of np.linalg.qr have, for a tall matrix and a wide one?",
        lambda name, results:
            results[f"weight of a {name} orthogonal layer"].shape == ORTHOGONAL[name],
    ),
    *_each(
        (*RULES, "orthogonal"), "zeros", "all weights of {} are 0.",
        "What does the formula give for the fans of a weight, such as 9 and 7?",
        lambda rule, results: np.any(results[f"two layers of {rule}"]),
    ),
    *_each(
        (*RULES, "orthogonal"), "repeated",
        "in the weight of {} rows or columns are equal to others, or multiples of them.",
        "How many numbers do you draw, and how many does the weight need?",
        lambda rule, results:
            np.linalg.matrix_rank(results[f"two layers of {rule}"][0]) == min(PAIR),
    ),
    *_each(
        (*RULES, "orthogonal"), "reseeded",
        "two layers of {} from one rng are equal: their numbers do not come from rng.",
        "Does a second call continue the random numbers of rng, or begin anew?",
        lambda rule, results: not np.array_equal(*results[f"two layers of {rule}"]),
    ),
    *_each(
        RULES, "equal_weights", "many weights of {} are equal, as after clipping or rounding.",
        "How likely is it that two random numbers are exactly equal?",
        lambda rule, results:
            results[f"number of different weights of {rule}"] > 0.99 * SHAPE[0] * SHAPE[1],
    ),
    *_each(
        RULES, "not_centred", "the weights of {} do not have the mean 0.",
        "Should there be as many negative weights as positive ones?", _is_centred,
    ),
    *_each(
        NORMAL, "not_normal", "the weights of {} are not from a normal distribution.",
        "Which share of normal numbers is more than two deviations away from the mean?",
        lambda rule, results: results[f"share of {rule} beyond two deviations"] > 0.02,
    ),
    *_each(
        UNIFORM, "not_uniform", "the weights of {} are not from a uniform distribution.",
        "Are all values between -a and a equally likely, and is none beyond?",
        lambda rule, results: results[f"share of {rule} beyond two deviations"] == 0,
    ),
    *_each(
        ORTHOGONAL, "not_perpendicular",
        "columns or rows of a {} orthogonal weight have the length 1, but are not perpendicular.",
        "Which decomposition of a random matrix gives columns that are perpendicular?",
        _is_perpendicular,
    ),
    *_each(
        ORTHOGONAL, "unit_vectors",
        "most numbers of a {} orthogonal weight are 0: its rows or columns are unit vectors.",
        "From which random matrix do you start, so that every direction is equally likely?",
        lambda name, results: np.mean(results[f"weight of a {name} orthogonal layer"] == 0) < 0.5,
    ),
    Invariant(
        "wide_not_orthonormal",
        "the columns of a tall orthogonal weight are orthonormal, but the rows of a wide one are "
        "not.",
        "How can a tall matrix with orthonormal columns become a wide one with orthonormal rows?",
        _is_orthonormal_if_wide,
    ),
)  # fmt: skip


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
    invariants=INVARIANTS,
    clues=frozenset(
        {f"{what} of {rule}" for what in ("weight", "mean", "two layers") for rule in RULES}
        | {f"number of different weights of {rule}" for rule in RULES}
        | {f"weight of a {name} orthogonal layer" for name in ORTHOGONAL}
        | {"two layers of orthogonal"}
    ),
    tolerances={
        **{f"deviation of {rule}": 0.06 for rule in RULES},
        **{f"deviation of {rule} with more inputs than outputs": 0.06 for rule in RULES},
        **{f"largest weight of {rule}": 0.01 for rule in UNIFORM},
        **{f"share of {rule} beyond two deviations": 0.35 for rule in RULES},
    },
    train=train,
)

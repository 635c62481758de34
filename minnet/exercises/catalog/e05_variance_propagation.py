"""Exercise 5, how variance travels through a network: predicted by theory, and measured.

The weights are given, so that all numbers are exact. The inputs have both signs, exact zeros and a
mean that is not 0, so that their variance is not the mean of their squares. Widths go down, up and
down again, so that fan_in is not fan_out. Without an activation in between there is less that can
go wrong, so that network comes first; a network of one layer comes last.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minnet.exercises.exercise import Case, Exercise, Invariant, returned

N, WIDTHS, SHORT = 40, (30, 24, 36, 20), 17
CHANGE = "change of the list of weights"


def inputs(rng: np.random.Generator) -> Case:
    """Draw the inputs and three weights, whose deviations are near √(2 / fan_in)."""
    deviations = rng.uniform(0.8, 1.2, size=3) * np.sqrt(2 / np.array(WIDTHS[:-1]))
    x = rng.normal(0.6, 1, size=(N, WIDTHS[0]))
    x[rng.random(x.shape) < 0.2] = 0.0
    return Case(
        x=x,
        deviations=deviations,
        weight1=rng.normal(0, deviations[0], size=WIDTHS[0:2]),
        weight2=rng.normal(0, deviations[1], size=WIDTHS[1:3]),
        weight3=rng.normal(0, deviations[2], size=WIDTHS[2:4]),
        short_x=rng.normal(-0.4, 2, size=(SHORT, WIDTHS[2])),
        short_deviations=deviations[2:],
    )


def run(answer: Any, case: Case) -> Iterator[tuple[str, Any]]:
    """Three layers without an activation in between, then with ReLU, then a single layer."""
    weights, changed = [case.weight1, case.weight2, case.weight3], False
    for network, x, arrays, deviations, activation in (
        ("linear", case.x, weights, case.deviations, "linear"),
        ("relu", case.x, weights, case.deviations, "relu"),
        ("relu in one layer", case.short_x, weights[2:], case.short_deviations, "relu"),
    ):
        given = [array.copy() for array in arrays]
        before = list(map(id, given))
        values = answer(x, given, deviations, activation)
        yield from returned(values, f"predicted with {network}", f"measured with {network}")
        changed |= list(map(id, given)) != before
        changed |= any(not np.array_equal(*pair) for pair in zip(given, arrays, strict=False))
    yield CHANGE, float(changed)


EXERCISE = Exercise(
    number=5,
    name="variance_propagation",
    title="How variance travels",
    minutes=25,
    answer="variance_propagation",
    inputs=inputs,
    run=run,
    invariants=(
        Invariant(
            "input_changed",
            "it changes weights: the list or an array in it; work on copies.",
            "Which of your lines use *=, .pop(), .clear() or [...] = on what came in?",
            lambda case, results: results[CHANGE] == 0,
        ),
    ),
)

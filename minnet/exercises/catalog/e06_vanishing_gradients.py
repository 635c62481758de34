"""Exercise 6, vanishing gradients measured: size and histogram, layer by layer.

The gradients are drawn as a deep sigmoid network has them: those of each layer are about a sixth of
those of the next one. Their mean is not 0 and batches differ in size, so that the root mean square
differs from every other average. Numbers of layers, batches and bins differ, and a second log is
shorter than the first; its gradients have one sign in each layer, so that 0 is outside of them.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np

from minnet.exercises.exercise import Case, Exercise, Invariant, returned
from minnet.validation import Array

SHAPES = ((7, 6), (6, 5), (5, 4), (4, 3))
BATCHES, BINS, MAX_NORM = 3, 8, 0.1
CHANGE = "change of the log"


def inputs(rng: np.random.Generator) -> Case:
    """Draw the gradients of each layer, (batches, fan_in, fan_out)."""
    sizes = np.cumprod(rng.uniform(0.12, 0.25, size=len(SHAPES)))[::-1]
    batches = np.array([1.0, 1.6, 0.4]).reshape(BATCHES, 1, 1)  # the ends are not in the last one
    return Case(
        **{
            f"dweight{layer}": size * batches * rng.normal(0.8, 1, size=(BATCHES, *shape))
            for layer, (size, shape) in enumerate(zip(sizes, SHAPES, strict=True), start=1)
        }
    )


def run(answer: Any, case: Case) -> Iterator[tuple[str, Any]]:
    """Two logs of a training; numbers may be counted in any dtype."""
    changed = False
    for where, batches, layers, bins in (("", BATCHES, 4, BINS), (" of a shorter log", 2, 2, 5)):
        log, unchanged = (_log(case, batches, layers) for _ in range(2))
        values = answer(log, bins)
        for name, value in returned(values, "rms", "edges", "counts"):
            is_array = isinstance(value, np.ndarray)
            yield name + where, value.astype(np.float64) if is_array else value
        changed |= pickle.dumps(log) != pickle.dumps(unchanged)
    yield CHANGE, float(changed)


def _log(case: Case, batches: int, layers: int) -> list[dict[str, Any]]:
    """Return gradients of each batch, their norm, and the gradients after clipping by it."""
    arrays: list[Array] = [getattr(case, f"dweight{layer}") for layer in range(1, layers + 1)]
    if layers == 2:
        arrays = [np.abs(arrays[0]), -np.abs(arrays[1])]
    log = []
    for batch in range(batches):
        gradients = [array[batch].copy() for array in arrays]
        norm = np.sqrt(sum(np.square(gradient).sum() for gradient in gradients))
        clipped = [gradient * min(1, MAX_NORM / norm) for gradient in gradients]
        log.append({"gradients": gradients, "norm": float(norm), "clipped": clipped})
    return log


EXERCISE = Exercise(
    number=6,
    name="vanishing_gradients",
    title="Vanishing gradients, measured",
    minutes=25,
    answer="vanishing_gradients",
    inputs=inputs,
    run=run,
    invariants=(
        Invariant(
            "input_changed",
            "it changes the log: a list, a dictionary or an array in it; work on copies.",
            "Which of your lines use *=, .pop(), .clear() or [...] = on something in the log?",
            lambda case, results: results[CHANGE] == 0,
        ),
    ),
    forward="rms",
)

"""Exercise 6, vanishing gradients measured: size and histogram, layer by layer.

The gradients are drawn as a deep sigmoid network has them, each layer's about a sixth of the next
one's. Their mean is not 0 and batches differ in size, so that the root mean square stands apart
from every other average. In every batch clipping has done something.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minnet.exercises.exercise import Case, Exercise, Mistake, Results, returned
from minnet.validation import Array

SHAPES = ((7, 6), (6, 5), (5, 4), (4, 3))
BATCHES, BINS, MAX_NORM = 3, 8, 0.1
CHANGE = "change of the log"


def inputs(rng: np.random.Generator) -> Case:
    """Draw the gradients of each layer, (batches, fan_in, fan_out)."""
    sizes = np.cumprod(rng.uniform(0.12, 0.25, size=len(SHAPES)))[::-1]
    batches = rng.permutation([0.4, 1.0, 1.6]).reshape(BATCHES, 1, 1)
    return Case(
        **{
            f"dweight{layer}": size * batches * rng.normal(0.8, 1, size=(BATCHES, *shape))
            for layer, (size, shape) in enumerate(zip(sizes, SHAPES, strict=True), start=1)
        }
    )


def run(answer: Any, case: Case) -> Iterator[tuple[str, Any]]:
    """Hand in the log of a training; whole numbers may be counted in any dtype."""
    log = _log(case)
    before = repr(log)
    values = answer(log, BINS)
    for name, value in returned(values, "rms", "edges", "counts"):
        yield name, value.astype(np.float64) if isinstance(value, np.ndarray) else value
    yield CHANGE, float(repr(log) != before)


def _log(case: Case) -> list[dict[str, Any]]:
    """What was noted in each batch: gradients as they came, and after clipping by their norm."""
    log = []
    for batch in range(BATCHES):
        gradients = [layer[batch] for layer in _layers(case)]
        norm = np.sqrt(sum(np.square(gradient).sum() for gradient in gradients))
        clipped = [gradient * min(1, MAX_NORM / norm) for gradient in gradients]
        log.append({"gradients": gradients, "norm": float(norm), "clipped": clipped})
    return log


def specification(case: Case) -> Results:
    """The formulas."""
    return _measured(_layers(case)) | {CHANGE: 0.0}


def _layers(case: Case) -> list[Array]:
    return [getattr(case, f"dweight{layer}") for layer in range(1, len(SHAPES) + 1)]


def _measured(layers: list[Array]) -> Results:
    return {"rms": np.array([np.sqrt(np.square(g).mean()) for g in layers])} | _histograms(
        layers, [(g.min(), g.max()) for g in layers]
    )


def _histograms(layers: list[Array], ranges: list[tuple[float, float]]) -> Results:
    pairs = [np.histogram(g, bins=BINS, range=ends) for g, ends in zip(layers, ranges, strict=True)]
    return {
        "edges": np.array([edges for _, edges in pairs]),
        "counts": np.array([counts for counts, _ in pairs], dtype=np.float64),
    }


def _pooled(case: Case, right: Results) -> Results:
    everything = _measured([np.concatenate([g.ravel() for g in _layers(case)])])
    return {name: value[0] for name, value in everything.items()}


def _clipped(case: Case, right: Results) -> Results:
    log = _log(case)
    layers = [np.array([batch["clipped"][i] for batch in log]) for i in range(len(SHAPES))]
    return _measured(layers)


def _one_range(case: Case, low: float, high: float) -> Results:
    return _histograms(_layers(case), [(low, high)] * len(SHAPES))


def _shared_range(case: Case, right: Results) -> Results:
    return _one_range(case, right["edges"].min(), right["edges"].max())


MISTAKES = (
    Mistake(
        "layers_pooled",
        "rms is one number for all layers together; pooled, the layers cannot be compared.",
        "Which layers learn, and which do not? Can one number show this?",
        _pooled,
    ),
    Mistake(
        "signed_mean",
        "rms is the plain mean, in which positive and negative gradients cancel each other.",
        "What is the mean of -5 and 5, and how large are these two?",
        lambda case, right: {"rms": np.array([g.mean() for g in _layers(case)])},
    ),
    Mistake(
        "mean_of_magnitudes",
        "rms is the mean of |g|; the root mean square squares first, and takes the root last.",
        "Read the three words backwards: square, mean, root.",
        lambda case, right: {"rms": np.array([np.abs(g).mean() for g in _layers(case)])},
    ),
    Mistake(
        "mean_taken_off",
        "rms matches the standard deviation, which takes off the mean; the root mean square does "
        "not.",
        "What does std do with gradients that are all 3?",
        lambda case, right: {"rms": np.array([g.std() for g in _layers(case)])},
    ),
    Mistake(
        "root_left_out",
        "rms is the mean of the squares: the root is missing.",
        "In which unit is the square of a gradient?",
        lambda case, right: {"rms": right["rms"] ** 2},
    ),
    Mistake(
        "norm_for_rms",
        "rms matches the norm, the root of the sum of squares, which grows with the size of a "
        "layer; take the mean in place of the sum.",
        "Can a layer of 10 weights and one of 10,000 be compared by a sum?",
        lambda case, right: {
            "rms": right["rms"] * np.sqrt(np.array([g.size for g in _layers(case)]))
        },
    ),
    Mistake(
        "rms_averaged",
        "rms is the mean of each batch's root mean square; square all, average all, and take the "
        "root once.",
        "Is the root of a mean the mean of the roots?",
        lambda case, right: {
            "rms": np.array([np.sqrt(np.square(g).mean(axis=(1, 2))).mean() for g in _layers(case)])
        },
    ),
    Mistake(
        "last_batch_only",
        "rms is that of the last batch alone; one batch is a matter of luck.",
        "What becomes of the first batch's gradients when your loop goes on?",
        lambda case, right: _measured([g[-1] for g in _layers(case)]),
    ),
    Mistake(
        "after_clipping",
        "rms is measured after clipping, which changes the very size that you want to see.",
        "The log holds two lists of gradients. Which one did backward give?",
        _clipped,
    ),
    Mistake(
        "last_layer_first",
        "rms begins with the last layer; begin with the first, as the log does.",
        "Does your loop run as backward does?",
        lambda case, right: {name: right[name][::-1] for name in ("rms", "edges", "counts")},
    ),
    Mistake(
        "edges_and_counts_swapped",
        "edges holds the counts, and counts the edges: np.histogram returns the counts first.",
        "In which order does np.histogram return its two arrays, and in which do you?",
        lambda case, right: {"edges": right["counts"], "counts": right["edges"]},
    ),
    Mistake(
        "fixed_range",
        "edges run from -1 to 1 in every layer; gradients are small, and nearly all of them fall "
        "into the two bins in the middle.",
        "How large is the largest gradient of layer 1?",
        lambda case, right: _one_range(case, -1, 1),
    ),
    Mistake(
        "shared_range",
        "edges are the same for all layers, so that the small gradients of the first layers share "
        "a bin or two; each layer has a range of its own.",
        "What would you see of an ant in a picture made for elephants?",
        _shared_range,
    ),
    Mistake(
        "counts_as_shares",
        "counts holds the share of each bin, but should hold how many g there are in it.",
        "What do the counts of a layer add up to, and what did you divide by?",
        lambda case, right: {
            "counts": right["counts"] / right["counts"].sum(axis=1, keepdims=True)
        },
    ),
    Mistake(
        "input_changed",
        "it changes the log that it was given: a list, a dictionary or an array in it.",
        "Which of your lines use *=, .pop(), .clear() or [...] = on something in the log?",
        lambda case, right: {CHANGE: 1.0},
    ),
)


EXERCISE = Exercise(
    number=6,
    name="vanishing_gradients",
    title="Vanishing gradients, measured",
    minutes=25,
    answer="vanishing_gradients",
    inputs=inputs,
    run=run,
    specification=specification,
    mistakes=MISTAKES,
    forward="rms",
)

"""Exercise 16, distributions of activations: captured values, histogram, density and CDF.

All values are multiples of a quarter, and so are most edges and points, so that there are many
ties. Bins differ in width; the highest values lie above them, and 0 lies below the first ones. The
batches come in the same buffers, as they do in a network. The wide bins are passed to density
first, and then to histogram.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minnet.exercises.exercise import Case, Exercise, returned

ROWS, UNITS = (6, 4, 3), 7  # rows of each batch


def inputs(rng: np.random.Generator) -> Case:
    """Draw the inputs of the activation: every quarter from -2 to 3, at least twice."""
    quarters = np.arange(-8, 13) / 4
    more = rng.choice(quarters, sum(ROWS) * UNITS - 2 * quarters.size)
    z = rng.permutation(np.concatenate([quarters, quarters, more]))
    return Case(
        z=z.reshape(-1, UNITS),
        edges=np.array([0.25, 0.75, 1.0, 1.5, 2.25, 2.75]),
        wide_edges=np.array([-0.5, 0.25, 0.75, 1.5, 1.75, 2.5]),
        points=np.array([0.25, -0.5, 2.0, 0.0, 3.0, 1.1, 3.5]),
    )


def run(answer: Any, case: Case) -> Iterator[tuple[str, Any]]:
    """Capture two batches, then another one; another object captures the last one alone."""
    buffers = {name: np.empty((max(ROWS), UNITS)) for name in ("dense", "relu")}
    batches = np.split(case.z, np.cumsum(ROWS)[:-1])

    def capture(into: Any, z: Any) -> None:
        buffers["dense"][: len(z)], buffers["relu"][: len(z)] = z, np.maximum(z, 0)
        into.capture({name: buffer[: len(z)] for name, buffer in buffers.items()})

    def histogram(edges: Any, ending: str = "") -> Iterator[tuple[str, Any]]:
        counts, outside = returned(distributions.histogram(edges), "counts", "outside")
        yield f"counts{ending}", _as_floats(counts[1])
        yield f"outside{ending}", outside[1]

    distributions, another = answer(), answer()
    for z in batches[:2]:
        capture(distributions, z)
    yield from histogram(case.edges)
    yield "density", distributions.density(case.edges)
    yield "density of wide bins", distributions.density(case.wide_edges)
    yield from histogram(case.wide_edges, " of wide bins")
    yield "cdf", distributions.cdf(case.points)
    capture(distributions, batches[2])
    yield from histogram(case.edges, " after another batch")
    yield "density after another batch", distributions.density(case.edges)
    yield "cdf after another batch", distributions.cdf(case.points)
    yield from histogram(case.edges[1:], " of fewer bins")
    capture(another, batches[2])
    yield "cdf of another object", another.cdf(case.points)


def _as_floats(counts: Any) -> Any:
    """Counts may be integers or floats."""
    integers = isinstance(counts, np.ndarray) and counts.dtype.kind in "iu"
    return counts.astype(np.float64) if integers else counts


EXERCISE = Exercise(
    number=16,
    name="distributions",
    title="Histogram, density and CDF of activations",
    minutes=35,
    answer="Distributions",
    inputs=inputs,
    run=run,
    forward="counts",
)

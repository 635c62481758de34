"""Exercise 16, what is drawn of activations: captured values, histogram, density and CDF.

All values are multiples of a quarter, and so are most edges and points: ties are everywhere. Bins
differ in width; the highest values lie beyond them, and the lowest too where the bins are narrow.
Two batches come in the same buffers, as they do in a network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minnet.exercises.exercise import Case, Exercise, Mistake, Results, returned
from minnet.recording import statistics
from minnet.validation import Array

SHAPE = (2, 6, 5)  # batches, rows, units
WIDE, NARROW = "", " of the narrow bins"


def inputs(rng: np.random.Generator) -> Case:
    """Draw what comes before the activation: every quarter from -2 to 3, at least twice."""
    quarters = np.arange(-8, 13) / 4
    more = rng.choice(quarters, int(np.prod(SHAPE)) - 2 * quarters.size)
    z = rng.permutation(np.concatenate([quarters, quarters, more]))
    return Case(
        z=z.reshape(SHAPE),
        edges=np.array([-1.0, 0.0, 0.5, 1.25, 2.0, 2.5]),
        narrow_edges=np.array([0.5, 0.75, 1.5, 2.0]),
        points=np.array([-0.5, 0.0, 0.25, 1.1, 2.0, 3.0]),
    )


def run(answer: Any, case: Case) -> Iterator[tuple[str, Any]]:
    """Capture two batches from the same buffers, then yield all results."""
    distributions = answer()
    buffers = {"dense": np.empty(SHAPE[1:]), "relu": np.empty(SHAPE[1:])}
    for z in case.z:
        buffers["dense"][...] = z
        buffers["relu"][...] = np.maximum(z, 0)
        distributions.capture(buffers)
    for ending, edges in _bins(case).items():
        values = dict(returned(distributions.histogram(edges), "counts", "outside"))
        yield f"counts{ending}", _as_floats(values["counts"])
        yield f"outside{ending}", values["outside"]
        yield f"density{ending}", _as_floats(distributions.density(edges))
    yield "cdf", _as_floats(distributions.cdf(case.points))


def _bins(case: Case) -> dict[str, Array]:
    """The edges, by how the names of their results end."""
    return {WIDE: case.edges, NARROW: case.narrow_edges}


def _as_floats(value: Any) -> Any:
    """Counts may come as whole numbers or not; both are right."""
    whole = isinstance(value, np.ndarray) and value.dtype.kind in "iu"
    return value.astype(np.float64) if whole else value


def specification(case: Case) -> Results:
    """minnet's own statistics of the values after the activation."""
    return _results(case, _captured(case))


def _captured(case: Case) -> Array:
    captured: Array = np.maximum(case.z, 0).ravel()
    return captured


def _results(case: Case, values: Array) -> Results:
    """All results of these values."""
    sample = statistics.Sample(values, values.size)
    results: Results = {}
    for ending, edges in _bins(case).items():
        density, outside = statistics.histogram(sample, edges)
        results[f"counts{ending}"] = np.rint(density * values.size * np.diff(edges))
        results[f"outside{ending}"] = outside
        results[f"density{ending}"] = density
    steps, shares = statistics.cumulative(sample)
    at = np.searchsorted(steps, case.points, side="right")
    return results | {"cdf": np.concatenate([[0.0], shares])[at]}


def _by_bins(case: Case, change: Callable[[Array, Array], Results]) -> Results:
    """The results that change makes of the sorted values and of the edges, narrow or not."""
    values = np.sort(_captured(case))
    return {
        f"{name}{ending}": value
        for ending, edges in _bins(case).items()
        for name, value in change(values, edges).items()
    }


def _below(case: Case, side: Any) -> Results:
    """The results where the values below an edge are counted without its ties, or with them."""

    def change(values: Array, edges: Array) -> Results:
        counts = np.diff(np.searchsorted(values, edges, side=side))
        return _binned(values, edges, counts)

    return _by_bins(case, change)


def _binned(values: Array, edges: Array, counts: Array) -> Results:
    """What follows from wrong counts."""
    return {
        "counts": counts.astype(np.float64),
        "outside": values.size - counts.sum(),
        "density": counts / values.size / np.diff(edges),
    }


def _counts(values: Array, edges: Array) -> Array:
    return np.histogram(values, edges)[0]


MISTAKES = (
    Mistake(
        "before_activation",
        "all is computed from what comes before the activation, not after it.",
        "Which of the two buffers can hold negative values?",
        lambda case, right: _results(case, case.z.ravel()),
    ),
    Mistake(
        "last_batch_only",
        "all is computed from the last batch: what was captured before is lost.",
        "Does capture add to what is there, or replace it?",
        lambda case, right: _results(case, np.maximum(case.z[-1], 0).ravel()),
    ),
    Mistake(
        "not_copied",
        "the last batch is there twice, and the first is lost: buffers are kept without a copy.",
        "The network writes the next batch into the same array. What does your list hold then?",
        lambda case, right: _results(case, np.tile(np.maximum(case.z[-1], 0).ravel(), 2)),
    ),
    Mistake(
        "zeros_left_out",
        "the values that are exactly 0 are left out.",
        "Is a unit that puts out 0 part of the distribution?",
        lambda case, right: _results(case, _captured(case)[_captured(case) > 0]),
    ),
    Mistake(
        "tie_in_lower_bin",
        "counts matches the answer in which a value that is equal to an edge falls below the edge.",
        "The bin is edges[k] <= v < edges[k+1]. To which bin does v = edges[k] belong?",
        lambda case, right: _below(case, "right"),
    ),
    Mistake(
        "last_edge_left_out",
        "counts lacks the values that are equal to the last edge; the last bin holds these too.",
        "Which bin takes the value edges[-1]?",
        lambda case, right: _below(case, "left"),
    ),
    Mistake(
        "into_end_bins",
        "counts has the values outside of the edges in the first and the last bin.",
        "Does a value of 100 belong to a bin that ends at 2?",
        lambda case, right: _by_bins(
            case,
            lambda v, edges: _binned(v, edges, _counts(np.clip(v, edges[0], edges[-1]), edges)),
        ),
    ),
    Mistake(
        "density_for_counts",
        "counts holds densities; they should be numbers of values.",
        "What does density=True do in np.histogram, or what did you divide by?",
        lambda case, right: {
            f"counts{ending}": right[f"density{ending}"] for ending in _bins(case)
        },
    ),
    Mistake(
        "outside_dropped",
        "outside is 0, but there are values beyond the edges: they are dropped in silence.",
        "Do your counts add up to the number of values that were captured?",
        lambda case, right: _by_bins(case, lambda v, edges: {"outside": 0}),
    ),
    Mistake(
        "only_above_counted",
        "outside counts the values above the last edge, but not those below the first.",
        "Can a value be outside on the other side as well?",
        lambda case, right: _by_bins(case, lambda v, edges: {"outside": (v > edges[-1]).sum()}),
    ),
    Mistake(
        "density_of_inside",
        "density is divided by the number of values inside; those outside are part of all, too.",
        "What should Σ density · width be if half of the values are outside?",
        lambda case, right: _by_bins(
            case,
            lambda v, edges: {"density": np.histogram(v, edges, density=True)[0]},
        ),
    ),
    Mistake(
        "counts_for_density",
        "density holds the counts themselves.",
        "What should Σ density · width come to?",
        lambda case, right: {
            f"density{ending}": right[f"counts{ending}"] for ending in _bins(case)
        },
    ),
    Mistake(
        "shares_for_density",
        "density holds the share of each bin; the width of the bin is missing.",
        "If you cut a bin in two, should the density there halve?",
        lambda case, right: _by_bins(
            case, lambda v, edges: {"density": _counts(v, edges) / v.size}
        ),
    ),
    Mistake(
        "one_width",
        "density is divided by the width of the first bin everywhere.",
        "Are all bins equally wide?",
        lambda case, right: _by_bins(
            case,
            lambda v, edges: {"density": _counts(v, edges) / v.size / (edges[1] - edges[0])},
        ),
    ),
    Mistake(
        "cdf_without_ties",
        "the cdf counts the values below the point, and not those equal to it.",
        "What is the share of values <= 0 if half of them are exactly 0?",
        lambda case, right: {
            "cdf": np.array([(_captured(case) < point).mean() for point in case.points])
        },
    ),
    Mistake(
        "cdf_below_1",
        "the cdf is one value short, and ends below 1.",
        "Which share of all values is <= the largest one?",
        lambda case, right: {"cdf": np.maximum(right["cdf"] - 1 / case.z.size, 0)},
    ),
    Mistake(
        "share_above",
        "the cdf falls from 1 to 0: it is the share of values above the point.",
        "Should it rise or fall as the point grows?",
        lambda case, right: {"cdf": 1 - right["cdf"]},
    ),
    Mistake(
        "cdf_not_divided",
        "the cdf is a number of values, not a share.",
        "What should it be at the largest value?",
        lambda case, right: {"cdf": right["cdf"] * case.z.size},
    ),
    Mistake(
        "input_changed",
        "it writes into the edges or points that it was given; work on copies.",
        "Which of your lines use +=, .sort() or [...] = on an argument?",
    ),
)

EXERCISE = Exercise(
    number=16,
    name="distributions",
    title="Histogram, density and CDF of activations",
    minutes=35,
    answer="Distributions",
    inputs=inputs,
    run=run,
    specification=specification,
    mistakes=MISTAKES,
    forward="counts",
)

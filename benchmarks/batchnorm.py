"""Batch normalization alone, forward and backward, from small batches to large ones.

minnet's kernel calls with nothing between them, and copies of as many bytes as five passes over the
batch read and write, tell what bounds it.
"""

from __future__ import annotations

from benchmarks.measuring import Candidate, Plan, find, measure, ratios, spread
from benchmarks.reports import Report
from benchmarks.tables import contest

MINE, TORCH, CALLS, FLOOR = "minnet", "torch BatchNorm1d", "minnet calls alone", "floor"
SHAPES = ((128, 128), (128, 1000), (1024, 512), (4096, 1024))


def candidates(rows: int, features: int) -> list[Candidate]:
    """Return all who normalise a batch of this shape."""

    def candidate(name: str, task: str, *needs: str, **options: object) -> Candidate:
        arguments = {"rows": rows, "features": features, **options}
        return Candidate(name, f"benchmarks.peers.{task}", arguments, needs)

    return [
        candidate(MINE, "minnet:batchnorm"),
        candidate(CALLS, "minnet:batchnorm_calls_alone"),
        candidate(FLOOR, "floor:batchnorm"),
        candidate(TORCH, "torch:batchnorm", "torch"),
        candidate("torch compile", "torch:batchnorm", "torch", compiled=True),
        candidate("jax jit", "jax:batchnorm", "jax"),
    ]


def run(plan: Plan) -> Report:
    """Measure one shape after another."""
    report = Report({}, "")
    parts = []
    for rows, features in SHAPES[:2] if plan.quick else SHAPES:
        name = f"({rows}, {features})"
        results = report.contests[name] = measure(plan.chosen(candidates(rows, features)), plan)
        parts.append(f"{name}\n{contest(results, to=MINE)}\n")
        for which, base in ((TORCH, MINE), (MINE, FLOOR), (CALLS, FLOOR)):
            one, other = find(results, which), find(results, base)
            if one and other:
                report.figures[f"{name}: {which} over {base}"] = spread(ratios(one, other))
    report.text = "\n".join(parts)
    return report

"""Benchmark of batch normalization alone, forward and backward, from small to large batches.

Two candidates show what limits the speed: the kernel calls of minnet without Python between them,
and copies of as many bytes as the five passes over the batch read and write.
"""

from __future__ import annotations

from benchmarks.candidates import Candidate, Plan
from benchmarks.measuring import Report
from benchmarks.tables import compare, contest

MINE, TORCH, CALLS, FLOOR = "minnet", "torch BatchNorm1d", "minnet calls alone", "floor"
SHAPES = ((128, 128), (128, 1000), (1024, 512), (4096, 1024))


def contests(quick: bool) -> dict[str, list[Candidate]]:
    """Return the candidates for each shape."""
    shapes = SHAPES[:2] if quick else SHAPES
    return {f"({rows}, {features})": candidates(rows, features) for rows, features in shapes}


def candidates(rows: int, features: int) -> list[Candidate]:
    """Return the candidates that normalize a batch of this shape."""

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
    """Measure each shape."""
    report = Report()
    for name, entrants in contests(plan.quick).items():
        results = report.measure(name, entrants, plan)
        report.text += f"{name}\n{contest(results, to=MINE)}\n"
        for one, other in ((TORCH, MINE), (MINE, FLOOR), (CALLS, FLOOR)):
            compare(report, name, f"{one} over {other}", one, other)
        report.text += "\n"
    return report

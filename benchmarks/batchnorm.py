"""Batch normalization alone, forward and backward, from small batches to large ones."""

from __future__ import annotations

from benchmarks.measuring import Candidate, Plan, find, measure, ratios, spread
from benchmarks.reports import Report
from benchmarks.tables import contest

SHAPES = ((128, 128), (128, 1000), (1024, 512), (4096, 1024))


def candidates(rows: int, features: int) -> list[Candidate]:
    """Return all who normalise a batch of this shape."""

    def candidate(name: str, peer: str, *needs: str, **options: object) -> Candidate:
        arguments = {"rows": rows, "features": features, **options}
        return Candidate(name, f"benchmarks.peers.{peer}:batchnorm", arguments, needs)

    return [
        candidate("minnet", "minnet"),
        candidate("torch BatchNorm1d", "torch", "torch"),
        candidate("torch compile", "torch", "torch", compiled=True),
        candidate("jax jit", "jax", "jax"),
    ]


def run(plan: Plan) -> Report:
    """Measure one shape after another."""
    report = Report({}, "")
    parts = []
    for rows, features in SHAPES[:2] if plan.quick else SHAPES:
        name = f"({rows}, {features})"
        results = report.contests[name] = measure(plan.chosen(candidates(rows, features)), plan)
        parts.append(f"{name}\n{contest(results, to='minnet')}\n")
        mine, torch = find(results, "minnet"), find(results, "torch BatchNorm1d")
        if mine and torch:
            report.figures[f"{name}: torch BatchNorm1d over minnet"] = spread(ratios(torch, mine))
    report.text = "\n".join(parts)
    return report

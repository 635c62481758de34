"""Benchmark of minnet's estimators and those of scikit-learn: scores over seeds, and times of fit.

Each seed determines the test rows, the initial weights and the shuffling. The initial weights are
the same in both libraries. Differences of scores are taken between networks with the same seed.
"""

from __future__ import annotations

import statistics
from dataclasses import replace
from typing import Any

from benchmarks.candidates import Candidate, Plan
from benchmarks.measuring import Report
from benchmarks.peers.estimators import CLASSIFICATION, DATA, fitted, split
from benchmarks.tables import compare, contest, table

TURN = {"warm": 0.0, "seconds": 0.0, "least": 1}  # one fit and no warm-up
MINE, SINGLE, OTHER = "minnet", "minnet float32", "scikit-learn"


def settings(quick: bool) -> dict[str, Any]:
    """Return settings of all estimators, in addition to the defaults."""
    return {"max_iter": 3} if quick else {}


def contests(quick: bool) -> dict[str, list[Candidate]]:
    """Return the candidates for each data set."""

    def candidate(name: str, data: str, library: str, **more: Any) -> Candidate:
        arguments = {"data": data, "library": library, **settings(quick), **more}
        needs = ("sklearn",) if library == OTHER else ()
        return Candidate(name, "benchmarks.peers.estimators:training", arguments, needs)

    return {
        data: [
            candidate(MINE, data, MINE),
            candidate(SINGLE, data, MINE, dtype="float32"),
            candidate(OTHER, data, OTHER),
        ]
        for data in DATA
    }


def run(plan: Plan) -> Report:
    """Compare scores over the seeds of the plan, then measure the times of fit in turns."""
    report = Report()
    report.text += f"{scores(report, plan)}\n\n"
    plan = replace(plan, **TURN)
    for data, entrants in contests(plan.quick).items():
        results = report.measure(data, entrants, plan)
        report.text += f"{data}: time of fit\n{contest(results, to=MINE)}\n"
        for name in (MINE, SINGLE):
            compare(report, data, f"{OTHER} over {name}", OTHER, name)
        report.text += "\n"
    return report


def scores(report: Report, plan: Plan) -> str:
    """Return a table of scores, and add the mean differences with their intervals to the report."""
    from minnet.experiments.intervals import mean

    variants = {MINE: (MINE, {}), SINGLE: (MINE, {"dtype": "float32"}), OTHER: (OTHER, {})}
    rows = []
    for data in DATA:
        measured: dict[str, list[float]] = {name: [] for name in variants}
        epochs: dict[str, list[int]] = {name: [] for name in variants}
        for seed in range(plan.seeds):
            parts = split(data, seed)
            for name, (library, more) in variants.items():
                model = fitted(data, library, parts, seed, **settings(plan.quick), **more)
                measured[name].append(model.score(parts.x_test, parts.y_test))
                epochs[name].append(model.n_iter_)
        measure = "accuracy" if data in CLASSIFICATION else "R²"
        for name, values in measured.items():
            row = [f"{data}, {name}", f"{statistics.mean(values):.4f}", measure]
            cell = ""
            if name != OTHER:
                pairs = zip(values, measured[OTHER], strict=True)
                difference = mean(a - b for a, b in pairs)
                label = f"{data}: {measure}, {name} minus {OTHER}"
                for part in ("value", "low", "high"):
                    report.figures[f"{label}, {part}"] = getattr(difference, part)
                cell = f"{difference.value:+.4f} ({difference.low:+.4f} to {difference.high:+.4f})"
            rows.append([*row, f"{statistics.mean(epochs[name]):.0f}", cell])
    header = ["mean", "score", "", "epochs", f"paired difference to {OTHER}, 95% interval"]
    return f"{plan.seeds} seeds\n{table(header, rows)}"

"""Benchmark of minnet in this source tree and in another one, timed in turns in one run."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.candidates import Candidate, Plan
from benchmarks.measuring import Report, measure, ratios, spread
from benchmarks.tables import duration, table, times

OTHER = " (other tree)"


def run(contests: Mapping[str, Sequence[Candidate]], plan: Plan, tree: Path) -> Report:
    """Time each candidate of minnet against the same candidate with minnet of another tree.

    The two are timed in turns, without other candidates. The ratio of medians is above 1 where this
    tree is slower.

    Raises
    ------
    ValueError
        If tree has no package minnet.
    """
    tree = tree.resolve()
    if not (tree / "minnet" / "__init__.py").is_file():
        raise ValueError(f"--against: expected a folder with the package minnet, got {tree}")
    report = Report()
    for name, candidates in contests.items():
        rows, results = [], report.contests.setdefault(name, [])
        for candidate in plan.chosen(candidates):
            if candidate.library != "minnet":
                continue
            twin = replace(candidate, name=f"{candidate.name}{OTHER}", tree=tree)
            pair = measure([candidate, twin], plan)
            results.extend(pair)
            medians = [statistics.median(r.seconds) for r in pair if r.seconds]
            cells = [duration(median) for median in medians]
            if len(medians) == len(pair):
                ratio = medians[0] / medians[1]
                report.figures[f"{name}: {candidate.name}, ratio of medians"] = ratio
                rounds = report.figures[f"{name}: {candidate.name}"] = spread(ratios(*pair))
                row = [*cells, f"{ratio:.3f}", times(rounds)]
            else:
                row = ["-", "-", "-", "; ".join(r.trouble for r in pair if r.trouble)]
            rows.append([candidate.name, *row])
        header = [name, "this tree", "other tree", "ratio of medians", "ratio by rounds"]
        report.text += f"{table(header, rows)}\n\n"
    return report

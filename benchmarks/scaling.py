"""Benchmark of the time and memory of a training step as width, depth and batch grow.

A power law is fitted to the larger half of the sizes, because the fixed cost of calls dominates in
the smaller half. Memory consists of parameters, gradients, Adam's moments and buffers.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.candidates import Candidate, Plan
from benchmarks.measuring import Report, Result
from benchmarks.networks import Network
from benchmarks.tables import duration, table

CLASSES = 10
SIZES = {
    "width": (64, 128, 256, 512, 1024, 2048, 4096),
    "depth": (2, 4, 8, 16, 32, 64),  # number of dense layers
    "batch": (1, 4, 16, 64, 256, 1024, 4096),
}
FIXED = {  # sizes that are constant along an axis
    "width": {"depth": 3, "batch": 128},
    "depth": {"width": 256, "batch": 128},
    "batch": {"depth": 4, "width": 256},
}
LIBRARIES = ("minnet", "floor")
TASKS = {"minnet": "minnet:MeasuredStep", "floor": "floor:step"}
MEGABYTE = 1e6
COLORS = {"time of minnet": "#0072B2", "time of floor": "#222222", "memory of minnet": "#D55E00"}


def networks(axis: str) -> dict[int, Network]:
    """Return the networks along an axis by size."""
    return {size: _network(**FIXED[axis], **{axis: size}) for size in SIZES[axis]}


def contests(quick: bool) -> dict[str, list[Candidate]]:
    """Return the candidates for each axis, of all sizes or of the three smallest."""
    return {
        axis: [
            _candidate(library, axis, size, network)
            for size, network in list(networks(axis).items())[: 3 if quick else None]
            for library in LIBRARIES
        ]
        for axis in SIZES
    }


def fixed(axis: str) -> str:
    """Return the constant sizes of an axis as text.

    >>> fixed("width")
    'depth 3, batch 128'
    """
    return ", ".join(f"{name} {size}" for name, size in FIXED[axis].items())


def run(plan: Plan) -> Report:
    """Measure each axis, all its sizes in turn."""
    report = Report()
    for axis, candidates in contests(plan.quick).items():
        results = report.measure(axis, candidates, plan)
        report.text += f"{axis}: {fixed(axis)}\n{_table(results)}\n"
        for name, sizes, values in _series(results):
            slope = report.figures[f"{axis}: {name}, exponent"] = exponent(sizes, values)
            if not math.isnan(slope):
                report.text += f"{name} grows as {axis}^{slope:.2f} in the larger half\n"
        report.text += "\n"
    return report


def save(report: Report, path: Path) -> Path:
    """Draw the report into a file and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draw(report).savefig(path, dpi=150)
    return path


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Return k of value = c sizeᵏ, by least squares of the logarithms over the larger half.

    Examples
    --------
    >>> round(exponent([1, 2, 4, 8], [5, 5, 16, 64]), 6)
    2.0
    """
    half = slice(len(sizes) // 2, None)
    if len(sizes[half]) < 2:
        return math.nan
    return float(np.polyfit(np.log(sizes[half]), np.log(values[half]), 1)[0])


def draw(report: Report) -> Any:
    """Return a figure with time above, memory below, and a column for each axis; log scales."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 7), layout="constrained")
    grid = figure.subplots(2, len(report.contests), sharey="row", sharex="col")
    for column, (axis, results) in zip(grid.T, report.contests.items(), strict=True):
        for name, sizes, values in _series(results):
            timed = name.startswith("time")
            slope = exponent(sizes, values)
            label = name if math.isnan(slope) else f"{name}: {axis}$^{{{slope:.2f}}}$"
            scaled = np.array(values) * 1e3 if timed else np.array(values) / MEGABYTE
            style = "--" if name == "time of floor" else "-"
            ax = column[0 if timed else 1]
            ax.loglog(sizes, scaled, style, marker="o", color=COLORS[name], label=label)
        column[0].set_title(fixed(axis), fontsize=13)
        for ax in column:
            ax.grid(alpha=0.3)
            ax.spines[["top", "right"]].set_visible(False)
            if ax.lines:
                ax.legend(frameon=False)
        column[1].set_xticks(SIZES[axis], [str(size) for size in SIZES[axis]])
        column[1].minorticks_off()
        column[1].set_xlabel(axis, fontsize=15)
    grid[0, 0].set_ylabel("ms a step", fontsize=15)
    grid[1, 0].set_ylabel("MB", fontsize=15)
    return figure


def _network(width: int, depth: int, batch: int) -> Network:
    return Network((*[width] * depth, CLASSES), batch=batch)


def _candidate(library: str, axis: str, size: int, network: Network) -> Candidate:
    task = f"benchmarks.peers.{TASKS[library]}"
    return Candidate(f"{library} {axis} {size}", task, {"network": asdict(network)})


def _table(results: list[Result]) -> str:
    rows = []
    for result in results:
        time = duration(statistics.median(result.seconds)) if result.seconds else "-"
        kept = result.facts.get("bytes")
        memory = f"{kept / MEGABYTE:.2f} MB" if kept else ""
        rows.append([result.candidate.name, time, result.trouble or memory])
    return table(["", "median", "memory"], rows)


def _series(results: list[Result]) -> list[tuple[str, list[int], list[float]]]:
    """Return name, sizes and values of each quantity that was measured along an axis."""
    series = []
    for name in COLORS:
        quantity, _, library = name.partition(" of ")
        measured = [r for r in results if r.candidate.library == library and r.seconds]
        sizes = [int(r.candidate.name.split()[-1]) for r in measured]
        values = [
            statistics.median(r.seconds) if quantity == "time" else float(r.facts["bytes"])
            for r in measured
        ]
        if measured:
            series.append((name, sizes, values))
    return series

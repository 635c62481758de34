"""How time and memory of a training step grow with width, depth and batch.

A power law is fitted to the larger half of the sizes: below that the fixed costs of a call show,
not how the work grows. Memory is what the step keeps: parameters, gradients, Adam's moments and
buffers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring import Candidate, Plan, Result, find, measure, spread
from benchmarks.networks import Network
from benchmarks.reports import Report
from benchmarks.tables import duration, table

CLASSES = 10
SIZES = {
    "width": (64, 128, 256, 512, 1024, 2048, 4096),
    "depth": (2, 4, 8, 16, 32, 64),  # in dense layers
    "batch": (1, 4, 16, 64, 256, 1024, 4096),
}
REST = {  # what does not grow along an axis
    "width": {"depth": 3, "batch": 128},
    "depth": {"width": 256, "batch": 128},
    "batch": {"depth": 4, "width": 256},
}
LIBRARIES = ("minnet", "floor")
MEGABYTE = 1e6


def networks(axis: str) -> dict[int, Network]:
    """Return the networks along an axis by size."""
    return {size: _network(**REST[axis], **{axis: size}) for size in SIZES[axis]}


def rest(axis: str) -> str:
    """Say what does not grow along an axis.

    >>> rest("width")
    'depth 3, batch 128'
    """
    return ", ".join(f"{name} {size}" for name, size in REST[axis].items())


def run(plan: Plan, picture: Path | None = None) -> Report:
    """Measure one axis after another, all its sizes in turn; draw them if a path is given."""
    report = Report({}, "")
    for axis in SIZES:
        chosen = networks(axis)
        if plan.quick:
            chosen = dict(list(chosen.items())[:3])
        candidates = [
            _candidate(who, axis, size, chosen[size]) for size in chosen for who in LIBRARIES
        ]
        results = report.contests[axis] = measure(plan.chosen(candidates), plan)
        report.text += f"{axis}: {rest(axis)}\n{_table(axis, list(chosen), results)}\n"
        for name, sizes, values in _series(axis, list(chosen), results):
            slope = report.figures[f"{axis}: {name}, exponent"] = exponent(sizes, values)
            if not math.isnan(slope):
                report.text += f"{name} grows as {axis}^{slope:.2f} in the larger half\n"
        report.text += "\n"
    if picture is not None:
        picture.parent.mkdir(parents=True, exist_ok=True)
        draw(report).savefig(picture, dpi=150)
        report.text += f"picture: {picture}\n"
    return report


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
    """Return a figure: time above, memory below, one column an axis, on logarithmic scales."""
    from matplotlib.figure import Figure

    colors = {
        "time of minnet": "#0072B2",
        "time of floor": "#222222",
        "memory of minnet": "#D55E00",
    }
    figure = Figure(figsize=(13, 7), layout="constrained")
    grid = figure.subplots(2, len(report.contests), sharey="row", sharex="col")
    for column, (axis, results) in zip(grid.T, report.contests.items(), strict=True):
        for name, sizes, values in _series(axis, list(networks(axis)), results):
            timed = name.startswith("time")
            slope = exponent(sizes, values)
            ax = column[0 if timed else 1]
            label = name if math.isnan(slope) else f"{name}: {axis}$^{{{slope:.2f}}}$"
            scaled = np.array(values) * 1e3 if timed else np.array(values) / MEGABYTE
            style = "--" if name == "time of floor" else "-"
            ax.loglog(sizes, scaled, style, marker="o", color=colors[name], label=label)
        column[0].set_title(rest(axis), fontsize=13)
        for ax in column:
            ax.grid(alpha=0.3)
            ax.spines[["top", "right"]].set_visible(False)
            if ax.lines:
                ax.legend(frameon=False)
        ticks = list(networks(axis))
        column[1].set_xticks(ticks, [str(size) for size in ticks])
        column[1].minorticks_off()
        column[1].set_xlabel(axis, fontsize=15)
    grid[0, 0].set_ylabel("ms a step", fontsize=15)
    grid[1, 0].set_ylabel("MB", fontsize=15)
    return figure


def _network(width: int, depth: int, batch: int) -> Network:
    return Network((*[width] * depth, CLASSES), batch=batch)


def _candidate(who: str, axis: str, size: int, network: Network) -> Candidate:
    task = {"minnet": "minnet:MeasuredStep", "floor": "floor:step"}[who]
    arguments = {"network": asdict(network)}
    return Candidate(f"{who} {axis} {size}", f"benchmarks.peers.{task}", arguments)


def _table(axis: str, sizes: list[int], results: list[Result]) -> str:
    rows = []
    for size in sizes:
        cells, troubles = [str(size)], []
        for who in LIBRARIES:
            found = find(results, f"{who} {axis} {size}")
            time = spread(found.seconds) if found else None
            cells.append(duration(time.median) if time else "-")
        mine = find(results, f"minnet {axis} {size}")
        cells.append(f"{mine.facts['bytes'] / MEGABYTE:.2f} MB" if mine else "-")
        for result in results:
            if result.trouble and result.candidate.name.endswith(f" {axis} {size}"):
                troubles.append(f"{result.candidate.library} {result.trouble}")
        rows.append([*cells, "; ".join(troubles)])
    return table([axis, *LIBRARIES, "memory of minnet", ""], rows)


def _series(
    axis: str, sizes: list[int], results: list[Result]
) -> list[tuple[str, list[int], list[float]]]:
    """Return what was measured along an axis: its name, the sizes that have it, its values."""
    series = []
    for name, who, memory in (
        ("time of minnet", "minnet", False),
        ("time of floor", "floor", False),
        ("memory of minnet", "minnet", True),
    ):
        points = []
        for size in sizes:
            found = find(results, f"{who} {axis} {size}")
            if found is not None and (time := spread(found.seconds)) is not None:
                points.append((size, float(found.facts["bytes"]) if memory else time.median))
        if points:
            series.append((name, [p[0] for p in points], [p[1] for p in points]))
    return series

"""What a subject hands back: its contests, its text, and the few figures that sum it up."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.measuring import Plan, Result, Spread, spread


@dataclass
class Report:
    """One subject, measured.

    Attributes
    ----------
    contests : dict
        Each contest's results by its name.
    text : str
        Tables to be printed.
    figures : dict
        What sums it up: a number, or a `Spread`, by name.
    """

    contests: dict[str, list[Result]]
    text: str
    figures: dict[str, float | Spread | None] = field(default_factory=dict)


def write(path: Path, report: Report, plan: Plan, machine: Mapping[str, Any]) -> None:
    """Write everything that was measured as JSON: all rounds of all candidates, and the figures."""
    told = {
        "surroundings": dict(machine),
        "plan": {**asdict(plan), "only": sorted(plan.only)},
        "contests": {
            name: [_told(result) for result in results] for name, results in report.contests.items()
        },
        "figures": {
            name: figure._asdict() if isinstance(figure, Spread) else figure
            for name, figure in report.figures.items()
        },
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def geometric_mean(rows: Sequence[Sequence[float]]) -> Spread | None:
    """Return the geometric mean over contests, taken round by round, with its spread.

    Examples
    --------
    >>> geometric_mean([[1.0, 4.0], [4.0, 4.0]])
    Spread(median=3.0, lowest=2.0, highest=4.0)
    """
    means = [math.prod(numbers) ** (1 / len(numbers)) for numbers in zip(*rows, strict=True)]
    return spread(means)


def _told(result: Result) -> dict[str, Any]:
    candidate = result.candidate
    return {
        "name": candidate.name,
        "library": candidate.library,
        "task": candidate.task,
        "arguments": dict(candidate.arguments),
        "seconds": result.seconds,
        "median": found.median if (found := spread(result.seconds)) else None,
        "facts": result.facts,
        "trouble": result.trouble or None,
    }

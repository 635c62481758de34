"""Reports of subjects, and their JSON files."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.candidates import Plan
from benchmarks.measuring import Result, Spread, spread


@dataclass
class Report:
    """Measurements of one subject.

    Attributes
    ----------
    contests : dict
        Results of each contest by its name.
    text : str
        Tables for printing.
    figures : dict
        Summary: numbers, or a `Spread`, by name.
    """

    contests: dict[str, list[Result]] = field(default_factory=dict)
    text: str = ""
    figures: dict[str, float | Spread | None] = field(default_factory=dict)


def write(path: Path, report: Report, plan: Plan, machine: Mapping[str, Any]) -> None:
    """Write all rounds of all candidates, and the figures, as JSON."""
    content = {
        "surroundings": dict(machine),
        "plan": {**asdict(plan), "only": sorted(plan.only)},
        "contests": {
            name: [_entry(result) for result in results]
            for name, results in report.contests.items()
        },
        "figures": {
            name: figure._asdict() if isinstance(figure, Spread) else figure
            for name, figure in report.figures.items()
        },
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def geometric_mean(rows: Sequence[Sequence[float]]) -> Spread | None:
    """Return the geometric mean over contests, taken round by round, with its spread.

    Examples
    --------
    >>> geometric_mean([[1.0, 4.0], [4.0, 4.0]])
    Spread(median=3.0, lowest=2.0, highest=4.0)
    """
    return spread([math.prod(values) ** (1 / len(values)) for values in zip(*rows, strict=True)])


def _entry(result: Result) -> dict[str, Any]:
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

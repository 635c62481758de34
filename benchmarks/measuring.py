"""Time candidates in turns, compute ratios, and write reports.

All candidates of a contest are started first. In each round, every candidate is then timed for a
short turn. A ratio is computed for each round, so the two turns are close together in time. The
median of these ratios is reported with the lowest and the highest.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.candidates import Candidate, Plan
from benchmarks.workers import Worker, WorkerError


@dataclass
class Result:
    """Median seconds of a call of a candidate in each round, or the reason why there are none."""

    candidate: Candidate
    seconds: list[float] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    trouble: str = ""

    def entry(self) -> dict[str, Any]:
        """Return the result as values that JSON can represent."""
        return {
            "name": self.candidate.name,
            "library": self.candidate.library,
            "task": self.candidate.task,
            "arguments": dict(self.candidate.arguments),
            "seconds": self.seconds,
            "median": statistics.median(self.seconds) if self.seconds else None,
            "facts": self.facts,
            "trouble": self.trouble or None,
        }


class Spread(NamedTuple):
    """Median, lowest and highest of the values of some rounds."""

    median: float
    lowest: float
    highest: float


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

    def measure(self, name: str, candidates: Sequence[Candidate], plan: Plan) -> list[Result]:
        """Time the selected candidates in turns, store the results and return them."""
        results = self.contests[name] = measure(plan.chosen(candidates), plan)
        return results


def measure(
    candidates: Sequence[Candidate], plan: Plan, start: Callable[[Candidate], Any] = Worker
) -> list[Result]:
    """Time the candidates in turns. The others continue if a candidate is missing or fails."""
    results = [Result(candidate, trouble=_missing(candidate)) for candidate in candidates]
    workers: dict[str, Any] = {}

    def prepare(result: Result) -> None:
        result.facts.update(workers[result.candidate.name].ready())

    def take_turn(result: Result) -> None:
        result.seconds.append(workers[result.candidate.name].turn(plan))

    with ExitStack() as stack:
        for result in results:
            if not result.trouble:
                worker = workers[result.candidate.name] = start(result.candidate)
                stack.callback(worker.close)
        for result in results:
            _attempt(result, prepare)
        for number in range(plan.rounds):
            first = number % max(len(results), 1)  # the order changes between rounds
            for result in results[first:] + results[:first]:
                _attempt(result, take_turn)
    return results


def spread(values: Sequence[float]) -> Spread | None:
    """Return the spread of values, or None if there are none."""
    return Spread(statistics.median(values), min(values), max(values)) if values else None


def ratios(result: Result | None, to: Result | None) -> list[float]:
    """Return the times divided by those of ``to`` for each round; empty if one has no times."""
    if not (result and to and result.seconds and to.seconds):
        return []
    return [mine / other for mine, other in zip(result.seconds, to.seconds, strict=True)]


def find(results: Sequence[Result], name: str) -> Result | None:
    """Return the result of the candidate with this name, or None if it has no times."""
    return next((r for r in results if r.candidate.name == name and r.seconds), None)


def write(path: Path, report: Report, plan: Plan, machine: Mapping[str, Any]) -> None:
    """Write all rounds of all candidates, and the figures, as JSON."""
    content = {
        "surroundings": dict(machine),
        "plan": {**asdict(replace(plan, out=None)), "only": sorted(plan.only)},
        "contests": {
            name: [result.entry() for result in results]
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
    """Return the spread over rounds of the geometric mean over contests, (contests, rounds).

    Examples
    --------
    >>> geometric_mean([[1.0, 4.0], [4.0, 4.0]])
    Spread(median=3.0, lowest=2.0, highest=4.0)
    """
    return spread([math.prod(values) ** (1 / len(values)) for values in zip(*rows, strict=True)])


def _missing(candidate: Candidate) -> str:
    absent = [package for package in candidate.needs if find_spec(package) is None]
    return f"missing: {', '.join(absent)} not installed" if absent else ""


def _attempt(result: Result, action: Callable[[Result], None]) -> None:
    if result.trouble:
        return
    try:
        action(result)
    except WorkerError as error:
        result.trouble = f"failed: {error}"
        result.seconds.clear()  # an incomplete series cannot be compared round by round

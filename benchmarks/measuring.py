"""Rounds in turn: who is timed when, and what is made of the times.

All candidates of a contest are started, then each is timed for a moment, one after another, round
after round. A ratio is taken within a round, between moments that lie close together, and the
median of the rounds' ratios is told with the lowest and the highest of them.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, NamedTuple, Protocol

from benchmarks.workers import Worker, WorkerError


@dataclass(frozen=True)
class Candidate:
    """Something to be timed.

    Attributes
    ----------
    name : str
        What tables call it, unique in its contest.
    task : str
        ``package.module:function``; called with arguments, it returns what is timed.
    arguments : mapping
        Anything that JSON can hold.
    needs : sequence of str
        The packages without which it can't run.
    """

    name: str
    task: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    needs: Sequence[str] = ()

    @property
    def library(self) -> str:
        """The library that it shows: that of its first need, or the name's first word."""
        return self.needs[0] if self.needs else self.name.split()[0]


@dataclass(frozen=True)
class Plan:
    """How long and whom to measure.

    Attributes
    ----------
    rounds : int
        How often each candidate has its turn.
    warm, seconds : float
        A turn begins with this long a run that is not timed, since the others' turns have emptied
        the caches and their threads may still be spinning, and then lasts that long.
    least : int
        Calls in a turn, however long they take.
    only : frozenset of str
        Libraries; all if empty.
    quick : bool
        Whether this is only to see that everything runs, on small sizes.
    """

    rounds: int = 7
    warm: float = 0.1
    seconds: float = 0.3
    least: int = 5
    only: frozenset[str] = frozenset()
    quick: bool = False

    def chosen(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Return those of the libraries that are wanted."""
        return [c for c in candidates if not self.only or c.library in self.only]


@dataclass
class Result:
    """What was seen of a candidate: seconds of a call, one median a round, or its trouble."""

    candidate: Candidate
    seconds: list[float] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    trouble: str = ""


class Spread(NamedTuple):
    """The median of some rounds' numbers, the lowest and the highest."""

    median: float
    lowest: float
    highest: float


class Timed(Protocol):
    """What stands for a candidate while it is measured; `Worker` is the real one."""

    def ready(self) -> dict[str, Any]:
        """Wait until everything is set up; return facts."""

    def turn(self, plan: Any) -> float:
        """Return the median seconds of a call in one turn."""

    def close(self) -> None:
        """End."""


def measure(
    candidates: Sequence[Candidate], plan: Plan, start: Callable[[Candidate], Timed] = Worker
) -> list[Result]:
    """Time the candidates in turn; one that is missing or fails is told, and the rest goes on."""
    results = [Result(candidate, trouble=_missing(candidate)) for candidate in candidates]
    with ExitStack() as stack:
        workers: dict[str, Timed] = {}
        for result in results:
            if not result.trouble:
                name = result.candidate.name
                workers[name] = start(result.candidate)
                stack.callback(workers[name].close)
        for result in results:
            if not result.trouble:
                _attempt(result, lambda r: r.facts.update(workers[r.candidate.name].ready()))
        for number in range(plan.rounds):
            begin = number % max(len(results), 1)  # nobody always comes after the same pause
            for result in results[begin:] + results[:begin]:
                if not result.trouble:
                    _attempt(
                        result, lambda r: r.seconds.append(workers[r.candidate.name].turn(plan))
                    )
    return results


def spread(numbers: Sequence[float]) -> Spread | None:
    """Return the spread, or None of nothing."""
    if not numbers:
        return None
    return Spread(statistics.median(numbers), min(numbers), max(numbers))


def ratios(result: Result, to: Result) -> list[float]:
    """Return how many times as long as ``to`` each round took; nothing if one has no times."""
    if not result.seconds or not to.seconds:
        return []
    return [mine / other for mine, other in zip(result.seconds, to.seconds, strict=True)]


def find(results: Sequence[Result], name: str) -> Result | None:
    """Return the candidate of this name if it has times."""
    return next((r for r in results if r.candidate.name == name and r.seconds), None)


def _missing(candidate: Candidate) -> str:
    absent = [package for package in candidate.needs if find_spec(package) is None]
    return f"missing: {', '.join(absent)} not installed" if absent else ""


def _attempt(result: Result, what: Callable[[Result], None]) -> None:
    try:
        what(result)
    except WorkerError as error:
        result.trouble = f"failed: {error}"
        result.seconds.clear()  # a round that is not whole has no place among those that are

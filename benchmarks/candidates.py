"""Candidates to measure, and the plan of a measurement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Candidate:
    """Task to time, and what it requires.

    Attributes
    ----------
    name : str
        Name in tables, unique in its contest.
    task : str
        ``package.module:function``. The function takes the arguments and returns the callable to
        time.
    arguments : mapping
        Arguments of the function, as values that JSON can represent.
    needs : sequence of str
        Required packages.
    tree : Path
        Source tree from which minnet is imported.
    """

    name: str
    task: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    needs: Sequence[str] = ()
    tree: Path = ROOT

    @property
    def library(self) -> str:
        """The first required package, or the first word of the name."""
        return self.needs[0] if self.needs else self.name.split()[0]


@dataclass(frozen=True)
class Plan:
    """Length and selection of the measurements.

    Attributes
    ----------
    rounds : int
        Number of turns of each candidate.
    warm, seconds : float
        Untimed and timed seconds of a turn. The untimed part refills the caches, and allows threads
        of the previous candidate to stop.
    least : int
        Minimum number of timed calls in a turn.
    only : frozenset of str
        Libraries to measure; all if empty.
    quick : bool
        Measure small sizes, to test that everything runs.
    seeds : int
        Number of seeds over which scores are compared.
    sample : int
        Number of configurations that the doctor diagnoses; 0 for the default.
    out : Path or None
        Folder in which a long measurement keeps its records, so that it can be continued.
    """

    rounds: int = 7
    warm: float = 0.1
    seconds: float = 0.3
    least: int = 5
    only: frozenset[str] = frozenset()
    quick: bool = False
    seeds: int = 10
    sample: int = 0
    out: Path | None = None

    def chosen(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Return the candidates of the selected libraries."""
        return [c for c in candidates if not self.only or c.library in self.only]

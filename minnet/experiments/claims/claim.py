"""A claim: a statement of an article, the trainings that test it, and the rule that judges it.

The rule is code that uses only the numbers of the trainings, so a reader can check how a verdict
follows from the measurement.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from minnet.experiments.claims.verdicts import Parts, Verdict
from minnet.experiments.intervals import Interval
from minnet.experiments.setup import Setup
from minnet.experiments.trial import Trial

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Trials = Mapping[str, Sequence[Trial]]  # label -> trials by seed, the same seeds for all labels


@dataclass(frozen=True)
class Bound(Interval):
    """A bound of a mean over seeds, some of which are censored: their value is only bounded.

    ``relation`` is "at least" or "at most", or empty if the mean is unknown (``value`` is NaN).
    """

    relation: str
    censored: int

    def __str__(self) -> str:
        return f"{self.relation} {self.value:.4g}" if self.relation else "not measured"


@dataclass(frozen=True)
class Finding:
    """The verdict on a claim and the measurement that led to it.

    Attributes
    ----------
    verdict : Verdict
        HOLDS, FAILS (the contrary was measured), UNDECIDED, or conditional.
    result : str
        The most important one of ``numbers``.
    reason : str
        The measurement in a few sentences.
    numbers : dict of str to Interval
        All measured numbers, over seeds.
    parts : dict of str, or of (str, str), to bool or None
        The outcomes that decided; the ledger names those that are None.
    """

    verdict: Verdict
    result: str
    reason: str
    numbers: Mapping[str, Interval]
    parts: Parts


@dataclass(frozen=True)
class Claim:
    """One claim of an article.

    Attributes
    ----------
    number : int
        Number in the ledger.
    article : str
        The article: "000/004", "001", "002" or "003".
    statement, measured, rule : str
        The claim in our own words, what is measured, and the rule of ``judge`` in words.
    setups : dict of str to Setup
        Label -> what is trained, for seed 0.
    judge : callable
        Trials -> Finding.
    draw : callable
        Trials -> the figure.
    seeds : int, default 10
        The number of seeds that the claim requires.
    """

    number: int
    article: str
    statement: str
    measured: str
    rule: str
    setups: Mapping[str, Setup]
    judge: Callable[[Trials], Finding]
    draw: Callable[[Trials], Figure]
    seeds: int = 10

"""What a claim is: a sentence of an article, trainings that test it, and the rule that judges it.

The rule is code that sees nothing but the trials' numbers. So a verdict follows from what was
measured, and a reader can check how.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from minnet.experiments.intervals import Interval
from minnet.experiments.setup import Setup
from minnet.experiments.trial import Trial

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HOLDS, FAILS = "holds", "fails"
UNSETTLED = "holds only if more seeds show it"  # neither it nor its contrary was shown
Trials = Mapping[str, Sequence[Trial]]  # label -> by seed, the same seeds under every label


@dataclass(frozen=True)
class Finding:
    """What was found of a claim.

    Attributes
    ----------
    verdict : str
        HOLDS; FAILS, if the contrary was measured; UNSETTLED, if the seeds show neither; or
        "holds only if ..." with the condition.
    number : Interval
        The number that says most, over seeds.
    what : str
        What that number is, with its unit.
    because : str
        The measurement in a sentence or two, with the numbers that decided.
    numbers : dict of str to Interval
        All that was looked at.
    """

    verdict: str
    number: Interval
    what: str
    because: str
    numbers: Mapping[str, Interval] = field(default_factory=dict)


@dataclass(frozen=True)
class Claim:
    """One claim of an article.

    Attributes
    ----------
    number : int
        Its place in the ledger.
    article : str
        Which article says so: "000/004", "001", "002" or "003".
    says : str
        The claim, in our words.
    measured : str
        What is measured to test it.
    rule : str
        In words, what `judge` does in code: when it holds, when it fails, when it holds only if,
        and when it stays UNSETTLED.
    setups : dict of str to Setup
        Label -> what is trained, for seed 0.
    judge : callable
        Trials -> Finding.
    draw : callable
        Trials -> the one figure that shows it.
    seeds : int, default 10
        How many seeds it takes at least.
    """

    number: int
    article: str
    says: str
    measured: str
    rule: str
    setups: Mapping[str, Setup]
    judge: Callable[[Trials], Finding]
    draw: Callable[[Trials], Figure]
    seeds: int = 10

"""A claim of an article, the finding on it, and the quantities and figures that claims share.

The rule that judges a claim is code that uses only the numbers of its trainings, so a reader can
check how a verdict follows from the measurement. A training that diverged (NaN or infinity) counts
as a network that guesses, so a rule has a number for every seed. The ledger reports how many
trainings diverged, and figures leave them out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from minnet.experiments import charts
from minnet.experiments.claims.verdicts import Parts, Verdict, verdict
from minnet.experiments.data import IMAGES
from minnet.experiments.intervals import Interval, geometric_mean, mean
from minnet.experiments.readings import over
from minnet.experiments.setup import Setup
from minnet.experiments.trial import Trial

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Trials = Mapping[str, Sequence[Trial]]  # label -> trials by seed, the same seeds for all labels
Quantity = Callable[[Trial], float]
Panel = tuple[str, Callable[[Trials, "Axes | None"], "Figure"]]
Limits = tuple[float | None, float | None]


@dataclass(frozen=True)
class Finding:
    """The verdict on a claim and the measurement that led to it.

    Attributes
    ----------
    result : str
        The most important one of ``numbers``.
    reason : str
        The measurement in a few sentences.
    numbers : dict of str to Interval
        All measured numbers, over seeds.
    parts : dict of str, or of (str, str), to bool or None
        The outcomes that decide; the ledger names those that are None.
    condition : str
        The condition if only some parts are True, with ``{}`` for them.
    """

    result: str
    reason: str
    numbers: Mapping[str, Interval]
    parts: Parts
    condition: str = "the statement is restricted to {}"

    @property
    def verdict(self) -> Verdict:
        """HOLDS, FAILS (the contrary was measured), UNDECIDED, or conditional."""
        return verdict(self.parts, self.condition)


@dataclass(frozen=True)
class Claim:
    """One claim of an article; ``@partial(Claim, number=1, ...)`` makes one of its judge.

    Attributes
    ----------
    judge : callable
        Trials -> Finding.
    number : int
        Number in the ledger.
    article : str
        The article: "000/004", "001", "002" or "003".
    statement, measured, rule : str
        The claim in our own words, what is measured, and the rule of ``judge`` in words.
    setups : dict of str to Setup
        Label -> what is trained, for seed 0.
    panels : sequence of (str, callable)
        Title and ``draw(trials, ax)`` of each panel of the figure, as `panel` returns.
    share_y : bool, default True
        Whether the panels have the same y axis.
    seeds : int, default 10
        The number of seeds that the claim requires.
    """

    judge: Callable[[Trials], Finding]
    number: int
    article: str
    statement: str
    measured: str
    rule: str
    setups: Mapping[str, Setup]
    panels: Sequence[Panel]
    share_y: bool = True
    seeds: int = 10

    def draw(self, trials: Trials) -> Figure:
        """Draw the panels of the figure side by side; a single one without its title."""
        if len(self.panels) == 1:
            return self.panels[0][1](trials, None)
        titles = [title for title, _ in self.panels]
        figure, axes = charts.side_by_side(titles, share_y=self.share_y)
        for ax, (_, draw) in zip(axes, self.panels, strict=True):
            draw(trials, ax)
        return figure


def panel(
    title: str,
    chart: Callable[..., Figure],
    values: Callable[[Trials], object],
    *,
    xlim: Limits = (None, None),
    ylim: Limits = (None, None),
    **options: Any,
) -> Panel:
    """Return a panel: its title, and a function that draws values of the trials.

    Parameters
    ----------
    chart, values : callable
        One of `minnet.experiments.charts`; trials -> what it draws.
    xlim, ylim : (float or None, float or None)
        Limits of the axes; None for those of the chart.
    **options
        Further arguments of the chart. A callable is called with the trials.
    """

    def draw(trials: Trials, ax: Axes | None) -> Figure:
        given = {name: of(trials) if callable(of) else of for name, of in options.items()}
        figure = chart(values(trials), ax=ax, **given)
        (ax or figure.axes[0]).set(xlim=xlim, ylim=ylim)
        return figure

    return title, draw


def rows(
    title: str, quantity: Quantity, xlabel: str, *, labels: Collection[str] = (), **options: Any
) -> Panel:
    """Return a panel of a quantity with a row for each label, or for some labels."""

    def values(trials: Trials) -> dict[str, list[float]]:
        return {label: drawn(trials[label], quantity) for label in labels or trials}

    return panel(title, charts.by_label, values, xlabel=xlabel, **options)


def drawn(runs: Sequence[Trial], quantity: Quantity) -> list[float]:
    """Return a quantity by seed: NaN, which a chart counts, if the training diverged."""
    return [math.nan if run.stopped else quantity(run) for run in runs]


def guess(setup: Setup, quantity: str) -> float:
    """Return the "accuracy" or the "loss" of guessing among equally frequent classes.

    >>> guess(Setup(hidden=()), "accuracy"), round(guess(Setup(hidden=(), data="iris"), "loss"), 3)
    (0.1, 1.099)
    """
    classes = 10 if setup.data in IMAGES else 3  # of Iris
    return 1 / classes if quantity == "accuracy" else math.log(classes)


def last(trial: Trial, curve: str) -> float:
    """Return the last value of a curve, or that of guessing if the training diverged.

    >>> last(Trial(Setup(hidden=(8,)), stopped="NaN"), "val_accuracy")
    0.1
    """
    value = trial.last(curve)
    diverged = trial.stopped or not math.isfinite(value)
    return guess(trial.setup, curve.rpartition("_")[-1]) if diverged else value


accuracy: Quantity = partial(last, curve="val_accuracy")


def means(trials: Trials, quantity: Quantity) -> dict[str, Interval]:
    """Return the mean of a quantity over the seeds of each label."""
    return {label: mean(map(quantity, runs)) for label, runs in trials.items()}


def finite_mean(values: Iterable[float]) -> Interval:
    """Return the mean over the seeds that have a finite value."""
    return mean(value for value in values if math.isfinite(value))


def difference(trials: Trials, one: str, other: str, quantity: Quantity) -> Interval:
    """Return the mean difference of a quantity between two labels, paired by seed."""
    pairs = zip(trials[one], trials[other], strict=True)
    return mean(quantity(a) - quantity(b) for a, b in pairs)


def ratio(trials: Trials, one: str, other: str, quantity: Quantity) -> Interval:
    """Return the ratio of a quantity between two labels, paired by seed, without NaN."""
    pairs = zip(trials[one], trials[other], strict=True)
    ratios = [over(quantity(a), quantity(b)) for a, b in pairs]
    return geometric_mean(value for value in ratios if not math.isnan(value))


def named(prefix: str, intervals: Mapping[str, Interval]) -> dict[str, Interval]:
    """Return the intervals by "prefix, label"."""
    return {f"{prefix}, {label}": interval for label, interval in intervals.items()}

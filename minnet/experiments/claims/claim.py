"""A claim of an article, the finding on it, and the panels of its figure.

The rule of a claim is code that uses only the numbers of its trainings, so that a reader can check
how the verdict follows from the measurement.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from minnet.experiments import charts
from minnet.experiments.claims.verdicts import Parts, Verdict, verdict
from minnet.experiments.intervals import Interval
from minnet.experiments.readings import Quantity
from minnet.experiments.setup import Setup
from minnet.experiments.trial import Trial, Trials

Panel = tuple[str, Callable[[Trials, Axes | None], Figure]]


@dataclass(frozen=True)
class Finding:
    """The measurement of a claim and the verdict that follows from it."""

    result: str  # the most important one of ``numbers``
    reason: str  # the measurement in a few sentences
    numbers: Mapping[str, Interval]  # all measured numbers, over seeds
    parts: Parts  # the outcomes that decide; the ledger names those that are None
    condition: str = "the statement is restricted to {}"  # {}: the parts that are True

    @property
    def verdict(self) -> Verdict:
        """Verdict from the parts: HOLDS, FAILS, UNDECIDED, or a conditional one."""
        return verdict(self.parts, self.condition)


@dataclass(frozen=True)
class Claim:
    """One claim of an article; ``@partial(Claim, number=1, ...)`` decorates its judge."""

    judge: Callable[[Trials], Finding]
    number: int  # in the ledger
    article: str  # "000/004", "001", "002" or "003"
    statement: str  # the claim in plain words
    measured: str  # what is measured
    rule: str  # the rule that ``judge`` applies, in words
    setups: Mapping[str, Setup]  # label -> setup with seed 0
    panels: Sequence[Panel]  # of the figure
    share_y: bool = True  # whether the panels have the same y axis
    seeds: int = 10  # the number of seeds that the claim requires

    def draw(self, trials: Trials) -> Figure:
        """Draw the panels of the figure side by side, or a single one without its title."""
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
    limits: Mapping[str, tuple[float | None, float | None]] | None = None,
    **options: Any,
) -> Panel:
    """Return a panel: its title, and a function that draws ``values(trials)`` with a chart.

    ``chart`` is one of `minnet.experiments.charts`, and ``options`` are its further arguments. An
    option that is callable is called with the trials. ``limits`` are "xlim" and "ylim" of the axes.
    """

    def draw(trials: Trials, ax: Axes | None) -> Figure:
        given = {name: of(trials) if callable(of) else of for name, of in options.items()}
        figure = chart(values(trials), ax=ax, **given)
        (ax or figure.axes[0]).set(**(limits or {}))
        return figure

    return title, draw


def rows(
    title: str, quantity: Quantity, xlabel: str, *, labels: Collection[str] = (), **options: Any
) -> Panel:
    """Return a panel of a quantity with a row for each label, or for some labels."""

    def values(trials: Trials) -> dict[str, list[float]]:
        return {label: drawn(trials[label], quantity) for label in labels or trials}

    return panel(title, charts.by_label, values, xlabel=xlabel, **options)


def lines(
    title: str, quantity: Quantity, labels: Mapping[str, Mapping[float, str]], **options: Any
) -> Panel:
    """Return a panel of a quantity against a setting: ``labels`` by line and setting."""

    def values(trials: Trials) -> dict[str, dict[float, list[float]]]:
        return {
            line: {setting: drawn(trials[label], quantity) for setting, label in column.items()}
            for line, column in labels.items()
        }

    return panel(title, charts.by_setting, values, **options)


def drawn(runs: Sequence[Trial], quantity: Quantity) -> list[float]:
    """Return a quantity by seed; NaN, which charts report as excluded, if training diverged."""
    return [math.nan if run.stopped else quantity(run) for run in runs]


def named(prefix: str, intervals: Mapping[str, Interval]) -> dict[str, Interval]:
    """Return the intervals by "prefix, label"."""
    return {f"{prefix}, {label}": interval for label, interval in intervals.items()}

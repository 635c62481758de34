"""Figures with a row for each label, which several claims share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from minnet.experiments import charts
from minnet.experiments.claims.claim import Trials
from minnet.experiments.claims.quantities import Quantity

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Panel(NamedTuple):
    """A panel with a row for each label: its title, what it shows, and the limits of its x axis."""

    title: str
    quantity: Quantity
    xlabel: str
    reference: Mapping[str, float] = {}  # text -> value of a vertical line
    limits: tuple[float | None, float | None] = (None, None)


def drawn(trials: Trials, quantity: Quantity) -> dict[str, list[float]]:
    """Return a quantity by label and seed: NaN, which a chart counts, if the training diverged."""
    return {
        label: [math.nan if run.stopped else quantity(run) for run in runs]
        for label, runs in trials.items()
    }


def draw_panel(ax: Axes, trials: Trials, panel: Panel) -> None:
    """Draw one panel."""
    values = drawn(trials, panel.quantity)
    charts.by_label(values, xlabel=panel.xlabel, reference=panel.reference, ax=ax)
    ax.set_xlim(*panel.limits)


def draw_rows(trials: Trials, panels: Sequence[Panel], *, share_x: bool = False) -> Figure:
    """Draw the panels side by side."""
    figure, axes = charts.side_by_side([panel.title for panel in panels])
    for ax, panel in zip(axes, panels, strict=True):
        draw_panel(ax, trials, panel)
    if share_x:
        limits = [limit for ax in axes for limit in ax.get_xlim()]
        for ax in axes:
            ax.set_xlim(min(limits), max(limits))
    return figure

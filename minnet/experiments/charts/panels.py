"""Panels side by side, and logarithmic axes."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from minnet.plot import style

_PANEL, _LEGEND = 4.4, 2.9  # inches


@style.styled
def side_by_side(titles: Sequence[str], *, share_y: bool = True) -> tuple[Figure, list[Axes]]:
    """Return a figure with one axes for each title, at most three in a row.

    With ``share_y`` all panels have the same y axis, labelled in the first column only. Panels
    with named rows then need the same rows.

    Examples
    --------
    >>> figure, (left, right) = side_by_side(["sigmoid", "ReLU"])
    >>> left.get_title(), right.get_title()
    ('sigmoid', 'ReLU')
    """
    columns = min(3, len(titles))
    rows = -(-len(titles) // columns)
    figure = style.new_figure((_PANEL * columns, _PANEL * rows))
    panels = figure.subplots(rows, columns, sharey=share_y, squeeze=False).ravel()
    for ax, title in zip(panels, titles, strict=False):
        ax.set_title(style.wrapped(title), pad=12)
        ax.yaxis.label.set_visible(not share_y or ax.get_subplotspec().is_first_col())
    for ax in panels[len(titles) :]:
        ax.remove()
    return figure, figure.axes


def share_legends(figure: Figure) -> None:
    """Draw a legend that several panels repeat once, in the last of their columns.

    The figure becomes wide enough for the legends that remain.
    """
    kept: dict[tuple[str, ...], Axes] = {}
    for ax in sorted(figure.axes, key=_column, reverse=True):
        if (legend := ax.get_legend()) is not None:
            entries = tuple(text.get_text() for text in legend.get_texts())
            if kept.setdefault(entries, ax) is not ax:
                legend.remove()
    columns = {_column(ax) for ax in figure.axes}
    legends = {_column(ax) for ax in kept.values()}
    if len(columns) > 1:
        needed = _PANEL * len(columns) + _LEGEND * len(legends)
        figure.set_figwidth(max(figure.get_figwidth(), needed))


def _column(ax: Axes) -> int:
    place = ax.get_subplotspec()
    return place.colspan.start if place is not None else 0


class _FewTicks(LogLocator):
    """Ticks of a logarithmic axis: powers of ten on a long one, round numbers on a short one."""

    def tick_values(self, vmin: float, vmax: float) -> Sequence[float]:
        decades = np.log10(vmax) - np.log10(vmin)
        if decades < 0.9:
            ticks = MaxNLocator(4, steps=[1, 2, 5, 10]).tick_values(vmin, vmax)
        else:
            subs = (1,) if decades >= 2.5 else (1, 3) if decades > 1.6 else (1, 2, 5)
            ticks = LogLocator(subs=subs, numticks=5).tick_values(vmin, vmax)
        return [float(tick) for tick in ticks if tick > 0]


def log_axis(ax: Axes, name: Literal["x", "y"]) -> None:
    """Make an axis logarithmic, with few ticks: 0.01 or, outside 0.001 to 1000, 10⁻⁴."""
    ax.set(**{f"{name}scale": "log"})
    axis = ax.xaxis if name == "x" else ax.yaxis
    axis.set_major_locator(_FewTicks())
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))


def _short(value: float) -> str:
    if 1e-3 <= value <= 1e3 or not np.isclose(np.log10(value) % 1, 0):
        return f"{value:g}"
    return style.power_of_ten(value)

"""Panels side by side, tables with coloured cells, and logarithmic axes."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from minnet.plot import parts, style
from minnet.plot.style import INK, SMALL

_PANEL, _LEGEND = 4.4, 2.9  # inches


@style.styled
def side_by_side(titles: Sequence[str], *, share_y: bool = True) -> tuple[Figure, list[Axes]]:
    """Return a figure with one axes for each title, at most three in a row.

    With ``share_y`` all panels have the same y axis, labelled in the first column only. Panels
    with named rows then need the same rows.
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


@style.styled
def matrix(
    values: Mapping[str, Mapping[Any, float]],
    *,
    xlabel: str,
    ylabel: str,
    label: str,
    limits: tuple[float, float],
    log: bool = False,
    text: str = "{:.2g}",
    ax: Axes | None = None,
) -> Figure:
    """Draw a table of numbers: a coloured cell for each row and column, with the number in it.

    Darker cells have larger numbers. Cells that are not finite, and with ``log`` cells that are
    not positive, are white with their number; nan is written as a dash.

    Parameters
    ----------
    values : dict of row -> dict of column -> number
        The first row is on top; a missing cell is nan.
    xlabel, ylabel, label : str
        Names of the columns, the rows and the numbers.
    limits : (float, float)
        Range of the colour scale.
    log : bool, default False
        Use a logarithmic colour scale.
    text : str, default "{:.2g}"
        Format of a number.
    """
    columns = list(dict.fromkeys(column for cells in values.values() for column in cells))
    numbers = np.array(
        [[cells.get(column, np.nan) for column in columns] for cells in values.values()], np.float64
    )
    written = [["–" if np.isnan(n) else text.format(n) for n in row] for row in numbers]
    ax = style.axes(ax)
    letters = len(columns) * max(len(cell) for row in written for cell in row)
    width = letters * 0.85 * SMALL / 72 + 2.7
    style.grow(ax, height=0.4 * len(values) + 2, width=width)
    shown = np.ma.masked_invalid(np.where((numbers > 0) | (not log), numbers, np.nan))
    norm = (LogNorm if log else Normalize)(*limits)
    edges = [np.arange(n + 1) - 0.5 for n in numbers.shape[::-1]]
    mesh = ax.pcolormesh(*edges, shown, cmap=parts.AMOUNTS, norm=norm, ec="white", lw=2)
    luminance = mesh.to_rgba(shown)[..., :3] ** 2.2 @ [0.2126, 0.7152, 0.0722]
    for row, column in np.ndindex(numbers.shape):
        color = "white" if luminance[row, column] < 0.2 else INK
        ax.text(column, row, written[row][column], ha="center", va="center", color=color)
    ax.set_ylim(len(values) - 0.5, -0.5)
    parts.name_rows(ax, [style.wrapped(row) for row in values])
    ax.set_xticks(range(len(columns)), [style.wrapped(str(name), 10) for name in columns])
    style.name_axes(ax, xlabel, ylabel)
    ax.tick_params(length=0)
    ax.spines["bottom"].set_visible(False)
    bar = parts.color_bar(ax, mesh, label)
    if log:
        log_axis(bar.ax, "y")
    return ax.figure.figure


def share_legends(figure: Figure) -> Figure:
    """Keep one of several equal legends, in the last column that has it; return the figure.

    The figure is widened for the remaining legends.
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
    return figure


def _column(ax: Axes) -> int:
    place = ax.get_subplotspec()
    return place.colspan.start if place is not None else 0


class _FewTicks(LogLocator):
    """Ticks of a logarithmic axis: powers of ten for many decades, round numbers for few."""

    def tick_values(self, vmin: float, vmax: float) -> Sequence[float]:
        decades = np.log10(vmax) - np.log10(vmin)
        if decades < 0.9:
            ticks = MaxNLocator(4, steps=[1, 2, 5, 10]).tick_values(vmin, vmax)
        else:
            subs = (1,) if decades >= 2.5 else (1, 3) if decades > 1.6 else (1, 2, 5)
            ticks = LogLocator(subs=subs, numticks=5).tick_values(vmin, vmax)
        return [float(tick) for tick in ticks if tick > 0]


def log_axis(ax: Axes, name: Literal["x", "y"]) -> None:
    """Make an axis logarithmic, with few ticks such as 0.01, and 10⁻⁴ outside 0.001 to 1000."""
    ax.set(**{f"{name}scale": "log"})
    axis = ax.xaxis if name == "x" else ax.yaxis
    axis.set_major_locator(_FewTicks())
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(lambda value, _: _short(value))


def _short(value: float) -> str:
    if 1e-3 <= value <= 1e3 or not np.isclose(value, 10.0 ** np.round(np.log10(value))):
        return f"{value:g}"
    return style.power_of_ten(value)

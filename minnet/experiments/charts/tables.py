"""Tables with coloured cells."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from minnet.experiments.charts.panels import log_axis
from minnet.plot import recordings, style
from minnet.plot.style import INK, SMALL


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

    Darker cells are larger. Cells that are not finite, and with ``log`` those that are not
    positive, stay white. Their number is written all the same; nan is written as a dash.

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

    Examples
    --------
    >>> table = {"tanh": {"He": 0.5, "LeCun": 1.0}, "ReLU": {"He": 1.0, "LeCun": 0.7}}
    >>> figure = matrix(table, xlabel="initializer", ylabel="", label="accuracy", limits=(0, 1))
    >>> [written.get_text() for written in figure.axes[0].texts]
    ['0.5', '1', '1', '0.7']
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
    mesh = ax.pcolormesh(*edges, shown, cmap=recordings.AMOUNTS, norm=norm, ec="white", lw=2)
    luminance = mesh.to_rgba(shown)[..., :3] ** 2.2 @ [0.2126, 0.7152, 0.0722]
    for row, column in np.ndindex(numbers.shape):
        color = "white" if luminance[row, column] < 0.2 else INK
        ax.text(column, row, written[row][column], ha="center", va="center", color=color)
    ax.set_ylim(len(values) - 0.5, -0.5)
    recordings.name_rows(ax, [style.wrapped(row) for row in values])
    ax.set_xticks(range(len(columns)), [style.wrapped(str(column)) for column in columns])
    style.name_axes(ax, xlabel, ylabel)
    ax.tick_params(length=0)
    ax.spines["bottom"].set_visible(False)
    bar = recordings.color_bar(ax, mesh, label)
    if log:
        log_axis(bar.ax, "y")
    return ax.figure.figure

"""Tables with coloured cells."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from minnet.experiments.charts.panels import grow, labelled, log_axis, name_rows
from minnet.plot.recordings import amounts, color_bar
from minnet.plot.style import INK, SMALL, axes, name_axes, styled, wrapped
from minnet.validation import Array


@styled
def matrix(
    values: Mapping[Any, Mapping[Any, float]],
    *,
    xlabel: str,
    ylabel: str,
    label: str,
    log: bool = False,
    text: str = "{:.2g}",
    limits: tuple[float, float] | None = None,
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
    log : bool, default False
        Use a logarithmic colour scale.
    text : str, default "{:.2g}"
        Format of a number.
    limits : (float, float), optional
        Range of the colour scale; that of the values by default.

    Examples
    --------
    >>> table = {"tanh": {"He": 0.5, "LeCun": 1.0}, "ReLU": {"He": 1.0, "LeCun": 0.7}}
    >>> figure = matrix(table, xlabel="initializer", ylabel="activation", label="accuracy")
    >>> [written.get_text() for written in figure.axes[0].texts]
    ['0.5', '1', '1', '0.7']
    """
    rows = {row: labelled(cells, "matrix") for row, cells in labelled(values, "matrix").items()}
    columns = list(dict.fromkeys(column for cells in rows.values() for column in cells))
    numbers = np.array(
        [[cells.get(column, np.nan) for column in columns] for cells in rows.values()], np.float64
    )
    written = [["–" if np.isnan(n) else text.format(n) for n in row] for row in numbers]
    names = [_name(column) for column in columns]
    ax = axes(ax, 2 * len(rows))
    letters = len(columns) * max(len(cell) for row in written for cell in row)
    grow(ax, width=letters * 0.85 * SMALL / 72 + 2.7, height=0.4 * len(rows) + 2)
    shown = np.ma.masked_invalid(np.where((numbers > 0) | (not log), numbers, np.nan))
    norm = _norm(shown.compressed(), log, limits)
    mesh = ax.pcolormesh(shown, cmap=amounts(), norm=norm, edgecolors="white", linewidth=2)
    luminance = mesh.to_rgba(shown)[..., :3] ** 2.2 @ [0.2126, 0.7152, 0.0722]
    for row, column in np.ndindex(numbers.shape):
        color = "white" if luminance[row, column] < 0.2 else INK
        place = column + 0.5, row + 0.5
        ax.text(*place, written[row][column], ha="center", va="center", color=color)
    ax.set_ylim(len(rows), 0)
    name_rows(ax, [row + 0.5 for row in range(len(rows))], [_name(row) for row in rows], "matrix")
    ax.set_xticks(np.arange(len(columns)) + 0.5, names)
    name_axes(ax, xlabel, ylabel)
    ax.tick_params(length=0)
    room = 0.7 * ax.get_window_extent().width / ax.figure.dpi * 72 / len(names)  # points
    if 0.62 * SMALL * max(map(len, names)) > room:
        ax.tick_params(axis="x", labelrotation=40)
        for name in ax.get_xticklabels():
            name.set(ha="right", va="top", rotation_mode="anchor")
    ax.spines["bottom"].set_visible(False)
    colors = ScalarMappable(norm, amounts())
    color_bar(ax, colors, label)
    if log and colors.colorbar is not None:
        log_axis(colors.colorbar.ax, "y")
    return ax.figure.figure


def _name(key: Any) -> str:
    return f"{key:g}" if isinstance(key, int | float) else wrapped(str(key))


def _norm(shown: Array, log: bool, limits: tuple[float, float] | None) -> Normalize:
    """Return the colour scale of these numbers; equal numbers are its middle."""
    if limits is None:
        low, high = (float(shown.min()), float(shown.max())) if shown.size else (1.0, 1.0)
        if low == high:
            low, high = (low / 2, high * 2) if log else (low - 0.5, high + 0.5)
    else:
        low, high = limits
        if not (0 if log else -np.inf) < low < high < np.inf:
            least = "0 < low < high" if log else "low < high"
            raise ValueError(f"matrix: limits must be {least}, got {limits!r}")
    return LogNorm(low, high) if log else Normalize(low, high)

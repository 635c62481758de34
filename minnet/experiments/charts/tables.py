"""Pictures of tables: numbers in coloured cells."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from minnet.experiments.charts.measured import labelled
from minnet.experiments.charts.scales import FewDecades, Powers, grow, row_axis
from minnet.plot.recordings import amounts, color_bar
from minnet.plot.style import (
    INK,
    SMALL,
    axes,
    name_axes,
    styled,
    wrapped,
)
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
    """Draw a table of numbers: a cell for each row and column, coloured, with the number in it.

    The darker, the more. What is not finite stays white, with ``log`` also what is not above 0; the
    number is written there all the same, and nan is a dash.

    Parameters
    ----------
    values : dict of row -> dict of column -> number
        The first row on top; a cell that is missing is as one of nan.
    xlabel, ylabel, label : str
        What the columns, the rows and the numbers are.
    log : bool, default False
        Make the scale of the colours logarithmic.
    text : str, default "{:.2g}"
        How a number is written.
    limits : (float, float), optional
        From where to where the colours go, so that one panel can be compared with another; what
        there is unless given.
    ax : matplotlib.axes.Axes, optional
        Axes that are there already.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError
        If values are no dict of dicts, there are none, limits are not low < high, or the axes is
        shared with other rows.

    Examples
    --------
    >>> table = {"tanh": {"He": 0.5, "LeCun": 1.0}, "ReLU": {"He": 1.0, "LeCun": 0.7}}
    >>> figure = matrix(table, xlabel="initializer", ylabel="activation", label="accuracy")
    >>> [written.get_text() for written in figure.axes[0].texts]
    ['0.5', '1', '1', '0.7']
    """
    rows = {row: labelled(its, "matrix") for row, its in labelled(values, "matrix").items()}
    columns = list(dict.fromkeys(column for its in rows.values() for column in its))
    numbers = np.array(
        [[its.get(column, np.nan) for column in columns] for its in rows.values()], dtype=np.float64
    )
    written = [["–" if np.isnan(n) else text.format(n) for n in its] for its in numbers]
    names = [_name(column) for column in columns]
    norm = _norm(numbers, log, limits)
    ax = axes(ax, 2 * len(rows))
    letters = len(columns) * max(len(cell) for its in written for cell in its)
    grow(ax, width=letters * 0.85 * SMALL / 72 + 2.7, height=0.4 * len(rows) + 2)
    shown = np.ma.masked_invalid(np.where((numbers > 0) | (not log), numbers, np.nan))
    mesh = ax.pcolormesh(shown, cmap=amounts(), norm=norm, edgecolors="white", linewidth=2)
    colors = mesh.to_rgba(shown)
    for row, column in np.ndindex(numbers.shape):
        color = _readable_on(colors[row, column])
        place = column + 0.5, row + 0.5
        ax.text(*place, written[row][column], ha="center", va="center", color=color)
    ax.set_ylim(len(rows), 0)
    row_axis(ax, [row + 0.5 for row in range(len(rows))], [_name(row) for row in rows], "matrix")
    ax.set_xticks(np.arange(len(columns)) + 0.5, names)
    name_axes(ax, xlabel, ylabel)
    ax.tick_params(length=0)
    if not _fit(ax, names):
        ax.tick_params(axis="x", labelrotation=40)
        for name in ax.get_xticklabels():
            name.set(ha="right", va="top", rotation_mode="anchor")
    ax.spines["bottom"].set_visible(False)
    _scale(ax, norm, label)
    return ax.figure.figure


def _scale(ax: Axes, norm: Normalize, label: str) -> None:
    """Draw the scale of the colours."""
    colors = ScalarMappable(norm, amounts())
    color_bar(ax, colors, label)
    bar = colors.colorbar
    if isinstance(norm, LogNorm) and bar is not None:
        bar.locator, bar.minorlocator, bar.formatter = FewDecades(), NullLocator(), Powers()
        bar.update_ticks()


def _name(key: Any) -> str:
    return f"{key:g}" if isinstance(key, int | float) else wrapped(str(key))


def _fit(ax: Axes, names: Sequence[str]) -> bool:
    """Tell whether the names have room below their columns."""
    room = 0.7 * ax.get_window_extent().width / ax.figure.dpi * 72 / len(names)
    return all(
        0.62 * SMALL * len(line) + SMALL / 2 < room for name in names for line in name.split("\n")
    )


def _norm(numbers: Array, log: bool, limits: tuple[float, float] | None) -> Normalize:
    """Return the scale of the colours; of equal numbers one around them."""
    if limits is not None:
        if not (0 if log else -np.inf) < limits[0] < limits[1] < np.inf:
            least = "0 < low < high" if log else "low < high"
            raise ValueError(f"matrix: limits must be {least}, got {limits!r}")
        return LogNorm(*limits) if log else Normalize(*limits)
    usable = numbers[np.isfinite(numbers) & ((numbers > 0) | (not log))]
    low, high = (float(usable.min()), float(usable.max())) if usable.size else (1.0, 1.0)
    if log:
        return LogNorm(low, high) if low < high else LogNorm(low / 2, high * 2)
    return Normalize(low, high) if low < high else Normalize(low - 0.5, high + 0.5)


def _readable_on(color: Any) -> str:
    """Return white or ink, whichever stands out more."""
    rgb = np.array([to_rgb(color), to_rgb(INK)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    cell, ink = linear @ [0.2126, 0.7152, 0.0722] + 0.05
    return "white" if 1.05 / cell > cell / ink else INK

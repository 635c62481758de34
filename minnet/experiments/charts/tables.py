"""Tables with coloured cells, and histograms of values that were counted elsewhere."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from minnet.experiments.charts.panels import grow, labelled, log_axis, name_rows
from minnet.plot.recordings import amounts, color_bar
from minnet.plot.style import INK, LINE_COLORS, SMALL, axes, name_axes, styled, wrapped
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
        Range of the colour scale, for panels that are to be compared; the range of the values by
        default.

    Raises
    ------
    TypeError, ValueError
        If values are no dict of dicts or empty, limits are not low < high, or the y axis is shared
        with other rows.

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
    if not _fit(ax, names):
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


def _fit(ax: Axes, names: Sequence[str]) -> bool:
    """Return whether the names have room below their columns."""
    room = 0.7 * ax.get_window_extent().width / ax.figure.dpi * 72 / len(names)
    longest = max(len(line) for name in names for line in name.split("\n"))
    return bool(0.62 * SMALL * longest + SMALL / 2 < room)


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


@styled
def pooled_histogram(
    counts: Sequence[float] | Array,
    edges: Sequence[float] | Array,
    *,
    xlabel: str,
    ax: Axes | None = None,
) -> Figure:
    """Draw a histogram on a logarithmic axis of counts, with the share of the bins at 0.

    On such an axis two bins can hold nearly all values and look hardly taller than the others. So
    the bins that touch 0 have their own colour, and the title reports their share.

    ``counts``, (bins,), and ascending ``edges``, (bins + 1,), are those of `numpy.histogram`.

    Raises
    ------
    ValueError
        If edges are not ascending, or counts are negative, all 0, or not one for each bin.

    Examples
    --------
    >>> figure = pooled_histogram([1, 90, 9, 0], [-2, -1, 0, 1, 2], xlabel="gradient")
    >>> figure.axes[0].get_title()
    '99.00% of 100 values lie in the 2 bins at 0'
    """
    heights, borders = np.array(counts, np.float64), np.array(edges, np.float64)
    if borders.ndim != 1 or borders.size < 2 or not (np.diff(borders) > 0).all():
        raise ValueError("pooled_histogram: edges must be ascending numbers, at least two")
    if heights.shape != (borders.size - 1,) or not (heights >= 0).all() or not heights.any():
        raise ValueError(
            f"pooled_histogram: expected {borders.size - 1} counts, one for each bin, none "
            f"negative and not all 0, got shape {heights.shape}"
        )
    at_zero = (borders[:-1] <= 0) & (borders[1:] >= 0)
    ax = axes(ax, 0)
    for shown, color in ((~at_zero, LINE_COLORS[0]), (at_zero, LINE_COLORS[1])):
        bars = np.where(shown, heights, np.nan)
        ax.stairs(bars, borders, fill=True, baseline=0.5, color=color)  # one value has a height
    ax.set_yscale("log")
    ax.set_ylim(0.5, 3 * heights.max())
    ax.set_xlim(borders[0], borders[-1])
    if at_zero.any():
        share, bins = heights[at_zero].sum() / heights.sum(), int(at_zero.sum())
        where = f"{bins} bins" if bins > 1 else "bin"
        title = f"{100 * share:.2f}% of {heights.sum():,.0f} values lie in the {where} at 0"
        ax.set_title(title, color=INK, fontsize=SMALL + 2)
    name_axes(ax, xlabel, "count")
    return ax.figure.figure

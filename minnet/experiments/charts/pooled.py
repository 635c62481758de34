"""A histogram that was counted already, on a logarithmic axis of counts."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from minnet.plot.style import INK, LINE_COLORS, SMALL, axes, name_axes, styled
from minnet.validation import Array


@styled
def pooled_histogram(
    counts: Sequence[float] | Array,
    edges: Sequence[float] | Array,
    *,
    xlabel: str,
    ax: Axes | None = None,
) -> Figure:
    """Draw how many values fell into each bin, and say which share of them lies in the bins at 0.

    On a logarithmic axis of counts two bins can hold nearly everything and look hardly taller than
    the rest; so those that touch 0 have a colour of their own, and their share is written above.

    Parameters
    ----------
    counts : array_like
        Of each bin, (bins,), at least one above 0.
    edges : array_like
        Of the bins, ascending, (bins + 1,).
    xlabel : str
        What was counted.
    ax : matplotlib.axes.Axes, optional
        Axes that are there already.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If edges are not ascending, or counts are not one a bin, negative, or all 0.

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
            f"pooled_histogram: expected {borders.size - 1} counts, one for each bin between the "
            f"edges, none negative and not all 0, got shape {heights.shape}"
        )
    at_zero = (borders[:-1] <= 0) & (borders[1:] >= 0)
    ax = axes(ax, 0)
    look: dict[str, Any] = {"fill": True, "baseline": 0.5}  # one value still has a height
    ax.stairs(np.where(at_zero, np.nan, heights), borders, color=LINE_COLORS[0], **look)
    ax.stairs(np.where(at_zero, heights, np.nan), borders, color=LINE_COLORS[1], **look)
    ax.set_yscale("log")
    ax.set_ylim(0.5, 3 * heights.max())
    ax.set_xlim(borders[0], borders[-1])
    if at_zero.any():
        share, bins = heights[at_zero].sum() / heights.sum(), int(at_zero.sum())
        where = f"{bins} bins" if bins > 1 else "bin"
        ax.set_title(
            f"{100 * share:.2f}% of {heights.sum():,.0f} values lie in the {where} at 0",
            color=INK, fontsize=SMALL + 2,
        )  # fmt: skip
    name_axes(ax, xlabel, "count")
    return ax.figure.figure

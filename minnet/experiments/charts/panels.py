"""Panels side by side, and what the axes of all charts share."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import (
    FixedFormatter,
    FixedLocator,
    FuncFormatter,
    Locator,
    LogLocator,
    MaxNLocator,
    NullLocator,
)

from minnet.plot.style import INK, LectureFigure, styled, wrapped

_PANEL, _LEGEND = 4.4, 2.9  # inches
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def side_by_side(titles: Sequence[str], *, share_y: bool = True) -> tuple[Figure, list[Axes]]:
    """Return a figure with one axes for each title, at most three in a row.

    With ``share_y`` all panels have the same y axis, labelled in the first column only. Panels
    with named rows then need the same rows.

    Raises
    ------
    ValueError
        If there is no title.

    Examples
    --------
    >>> figure, (left, right) = side_by_side(["sigmoid", "ReLU"])
    >>> left.get_title(), right.get_title()
    ('sigmoid', 'ReLU')
    """
    if isinstance(titles, str) or not titles:
        raise ValueError(f"side_by_side: expected a list of titles, at least one, got {titles!r}")
    figure = _panels(titles, share_y)
    return figure, figure.axes


@styled
def _panels(titles: Sequence[str], share_y: bool) -> Figure:
    columns = min(3, len(titles))
    rows = -(-len(titles) // columns)
    figure = LectureFigure(figsize=(_PANEL * columns, _PANEL * rows), layout="constrained")
    panels = figure.subplots(rows, columns, sharey=share_y, squeeze=False).ravel()
    for ax, title in zip(panels, titles, strict=False):
        ax.set_title(wrapped(title), color=INK, pad=12)
        ax.yaxis.label.set_visible(not share_y or ax.get_subplotspec().is_first_col())
    for ax in panels[len(titles) :]:
        ax.remove()
    return figure


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


class _FewTicks(Locator):
    """Ticks of a logarithmic axis: powers of ten on a long one, round numbers on a short one."""

    def __call__(self) -> Sequence[float]:
        low, high = self.axis.get_view_interval()  # type: ignore[union-attr]
        return self.tick_values(float(low), float(high))

    def tick_values(self, vmin: float, vmax: float) -> Sequence[float]:
        low, high = sorted((vmin, vmax))
        decades = np.log10(high / low)
        if decades >= 2.5:
            ticks = LogLocator(numticks=5).tick_values(low, high)
        elif decades >= 0.9:
            ticks = LogLocator(subs=(1, 3) if decades > 1.6 else (1, 2, 5)).tick_values(low, high)
        else:
            ticks = MaxNLocator(4, steps=[1, 2, 5, 10]).tick_values(low, high)
        return [float(tick) for tick in ticks if tick > 0]


def log_axis(ax: Axes, which: Literal["x", "y"]) -> None:
    """Make an axis logarithmic, with few ticks: 0.01 or, outside 0.001 to 1000, 10⁻⁴."""
    ax.set(**{f"{which}scale": "log"})
    axis = ax.xaxis if which == "x" else ax.yaxis
    axis.set_major_locator(_FewTicks())
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))


def _short(value: float) -> str:
    exponent = round(float(np.log10(value)))
    if 1e-3 <= value <= 1e3 or not np.isclose(value, 10.0**exponent):
        return f"{value:g}"
    return "10" + str(exponent).translate(_SUPERSCRIPTS)


def name_rows(ax: Axes, at: Sequence[float], names: Sequence[str], where: str) -> None:
    """Write the names of rows in place of the y axis.

    Raises
    ------
    ValueError
        If the y axis is shared with a panel that has other rows.
    """
    present = ax.yaxis.get_major_formatter()
    if isinstance(present, FixedFormatter) and list(present.seq) != list(names):
        raise ValueError(
            f"{where}: expected the rows {list(present.seq)} of the panel that shares the y axis, "
            f"got {list(names)}; use side_by_side(..., share_y=False)"
        )
    ax.yaxis.set_major_locator(FixedLocator(at))
    ax.yaxis.set_major_formatter(FixedFormatter(names))
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)


def grow(ax: Axes, *, width: float = 0.0, height: float = 0.0) -> None:
    """Enlarge a figure of ours until each axes has this many inches."""
    figure, place = ax.figure.figure, ax.get_subplotspec()
    if isinstance(figure, LectureFigure) and place is not None:
        rows, columns = place.get_gridspec().get_geometry()
        now = figure.get_size_inches()
        figure.set_size_inches(max(now[0], columns * width), max(now[1], rows * height))


def labelled(values: Any, where: str) -> Mapping[Any, Any]:
    """Return values, or raise if they are no dict or an empty one."""
    if not isinstance(values, Mapping):
        raise TypeError(f"{where}: expected a dict with labels, got {type(values).__name__}")
    if not values:
        raise ValueError(f"{where}: expected at least one label, got an empty dict")
    return values

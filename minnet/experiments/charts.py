"""Charts of values measured over seeds, with the 95% interval of their mean, and panels.

The intervals are those of `minnet.experiments.intervals`; with ``log`` the mean is geometric.
Values that are not finite, and with ``log`` values that are exactly 0, are excluded from the mean,
and the chart reports their number. Each chart draws on the axes ``ax``, or on a new figure, and
returns the figure. Values that are not a list over seeds raise ValueError.
"""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from minnet.experiments.intervals import Interval, geometric_mean, mean
from minnet.plot import parts, style
from minnet.plot.style import INK, wrapped
from minnet.validation import Array

_PANEL, _LEGEND = 4.4, 2.9  # inches
# 8 colours and 7 markers: up to 56 labels have different combinations.
_COLORS = (*style.LINE_COLORS, "#7A4A12")
_MARKERS = "osD^vXP"
_DOT: dict[str, Any] = {
    "color": _COLORS[0], "marker": "o", "markersize": 6, "alpha": 0.55, "markeredgewidth": 0,
    "linestyle": "none",
}  # fmt: skip
_MEAN: dict[str, Any] = {"color": INK, "marker": "D", "markersize": 11, "markeredgecolor": "white"}


@style.styled
def by_layer(
    values: Mapping[str, Sequence[Sequence[float]]],
    *,
    ylabel: str,
    log: bool = False,
    theory: Mapping[str, Sequence[float]] | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Draw the mean over seeds by layer: a line for each label, with a band for its 95% interval.

    Parameters
    ----------
    values : dict of label -> list over layers of list over seeds
        In the order of the layers; nan for a seed that diverged.
    ylabel : str
        Label of the y axis.
    log : bool, default False
        Use a logarithmic y axis and geometric means.
    theory : dict of label -> list over layers, optional
        Predictions, dashed: in the label's colour, or in black if the label has no values.

    Examples
    --------
    >>> figure = by_layer({"He": [[1.0, 3.0], [4.0, 6.0]]}, ylabel="std")
    >>> figure.axes[0].lines[0].get_ydata()
    array([2., 5.])
    """
    columns = {label: dict(enumerate(layers, start=1)) for label, layers in values.items()}
    theory = theory or {}
    ax = style.axes(ax)
    bands = _draw_lines(ax, columns, "by_layer", log)
    handles: list[Artist] = [*ax.get_legend_handles_labels()[0]]
    overlaid = not theory.keys().isdisjoint(values)
    if overlaid:
        handles.append(Line2D([], [], color=INK, linestyle="--", label="theory"))
    for label, numbers in theory.items():
        layers = range(1, len(numbers) + 1)
        if label in values:
            color = _COLORS[list(values).index(label) % len(_COLORS)]
            ax.plot(layers, numbers, "--", color=color, zorder=3)
        else:
            stroke = "-." if overlaid else "--"
            handles += ax.plot(layers, numbers, stroke, color=INK, label=wrapped(label))
    ax.xaxis.set_major_locator(MaxNLocator(10, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    deepest = max(map(len, [*values.values(), *theory.values()]))
    margin = max(0.25, 0.03 * deepest)
    ax.set_xlim(1 - margin, deepest + margin)
    return share_legends(style.finish(ax, "layer", ylabel, handles + bands))


@style.styled
def by_setting(
    values: Mapping[str, Mapping[float, Sequence[float]]],
    *,
    xlabel: str,
    ylabel: str,
    log_x: bool = True,
    log_y: bool = False,
    ax: Axes | None = None,
) -> Figure:
    """Draw the mean over seeds against a numeric setting, such as the learning rate.

    Parameters
    ----------
    values : dict of label -> dict of setting -> list over seeds
        In any order; labels may differ in their settings.
    xlabel, ylabel : str
        Labels of the axes.
    log_x, log_y : bool, default True and False
        Use logarithmic axes; with ``log_y`` the means are geometric.
    """
    ax = style.axes(ax)
    bands = _draw_lines(ax, values, "by_setting", log_y)
    if log_x:
        settings = sorted({setting for column in values.values() for setting in column})
        shown = settings[:: -(-len(settings) // 5)]
        ax.set_xscale("log")
        ax.set_xticks(shown, [f"{setting:g}" for setting in shown])
        ax.xaxis.set_minor_locator(NullLocator())
    handles = ax.get_legend_handles_labels()[0] + bands
    return share_legends(style.finish(ax, xlabel, ylabel, handles))


@style.styled
def by_label(
    values: Mapping[str, Sequence[float]],
    *,
    xlabel: str,
    log: bool = False,
    reference: Mapping[str, float] | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Draw a row for each label: a dot for each seed, and the mean with its interval.

    Parameters
    ----------
    values : dict of label -> list over seeds
        The first label is on top.
    xlabel : str
        Label of the x axis.
    log : bool, default False
        Use a logarithmic x axis and geometric means.
    reference : dict of text -> number, optional
        Numbers to compare with, such as a prediction: dashed vertical lines.
    """
    rows = [_measured(seeds, f"by_label: {label!r}", log) for label, seeds in values.items()]
    ax = style.axes(ax)
    style.grow(ax, height=0.5 * len(rows) + 1.2)
    if log:
        _log_axis(ax, "x")
    for row, (seeds, interval) in enumerate(rows):  # the seeds at slightly different heights
        ax.plot(np.sort(seeds), row + 0.09 * (np.arange(seeds.size) % 5 - 2), **_DOT)
        ax.hlines(row, interval.low, interval.high, color=INK, linewidth=3.5, zorder=3)
        ax.plot(interval.value, row, zorder=4, **_MEAN)
        text = _excluded([interval], log).replace("\n", " ")
        options = {"va": "center", "color": INK, "path_effects": style.OUTLINE}
        style.note(ax, text, (0, row + 0.44), (4, 0), ("axes fraction", "data"), **options)
    several = any(interval.n > 1 for _, interval in rows)
    text = ("geometric mean" if log else "mean") + (",\n95% interval" if several else "")
    handles: list[Artist] = [
        Line2D([], [], label="one run", **_DOT),
        Line2D([], [], label=text, linewidth=3.5 if several else 0, **_MEAN),
    ]
    for number, (text, at) in enumerate((reference or {}).items()):
        color = _COLORS[1 + number % (len(_COLORS) - 1)]
        handles.append(ax.axvline(at, linestyle="--", color=color, zorder=1, label=wrapped(text)))
    ax.set_ylim(len(rows) - 0.35, -0.6)
    parts.name_rows(ax, [wrapped(label) for label in values])
    return share_legends(style.finish(ax, xlabel, "", handles))


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
        ax.set_title(wrapped(title), pad=12)
        ax.yaxis.label.set_visible(not share_y or ax.get_subplotspec().is_first_col())
    for ax in panels[len(titles) :]:
        ax.remove()
    return figure, figure.axes


def share_legends(figure: Figure) -> Figure:
    """Draw each entry of the legends once, in the last column that has it; return the figure.

    The figure is enlarged for the remaining legends.
    """
    drawn: set[tuple[str, str]] = set()
    for ax in sorted(figure.axes, key=_column, reverse=True):
        if (legend := ax.get_legend()) is not None:
            entries: dict[tuple[str, str], Any] = {}
            handles: list[Any] = legend.legend_handles
            for text, handle in zip(legend.get_texts(), handles, strict=True):
                line = isinstance(handle, Line2D)
                color = handle.get_color() if line else handle.get_facecolor()
                handle.set_label(style.legend_label(text.get_text()))
                entries[text.get_text(), str(color)] = handle
            kept = [handle for entry, handle in entries.items() if entry not in drawn]
            drawn |= entries.keys()
            if not kept:
                legend.remove()
            elif len(kept) < len(entries):
                style.finish(ax, ax.get_xlabel(), ax.get_ylabel(), kept)
            lines = sum(handle.get_label().count("\n") + 1 for handle in kept)
            style.grow(ax, height=1.0 + 0.32 * lines)
    columns = {_column(ax) for ax in figure.axes}
    legends = {_column(ax) for ax in figure.axes if ax.get_legend() is not None}
    if len(columns) > 1:
        needed = _PANEL * len(columns) + _LEGEND * len(legends)
        figure.set_figwidth(max(figure.get_figwidth(), needed))
    return figure


def _measured(values: Any, where: str, log: bool) -> tuple[Array, Interval]:
    """Return the values that are not excluded, and the interval of their mean."""
    seeds = np.array(values, dtype=np.float64)
    if seeds.ndim != 1 or not seeds.size:
        raise ValueError(f"{where}: expected a list of numbers, one for each seed, got {values!r}")
    usable = seeds[np.isfinite(seeds) & ((seeds != 0) | (not log))]
    interval = (geometric_mean if log else mean)(usable)
    return usable, replace(interval, excluded=seeds.size - usable.size)


def _excluded(intervals: Sequence[Interval], log: bool) -> str:
    """Return a note on the number of excluded seeds, empty if there are none."""
    counts = [interval.excluded for interval in intervals if interval.excluded]
    if not counts:
        return ""
    most = max(interval.n + interval.excluded for interval in intervals)
    text = f"{style.span(counts)} of {most} excluded ({'0 or ' if log else ''}not finite)"
    return textwrap.fill(text, 24)


def _draw_lines(
    ax: Axes, values: Mapping[str, Mapping[Any, Sequence[float]]], where: str, log: bool
) -> list[Artist]:
    """Draw the means of each label as a line in a band; return the bands' entry of the legend."""
    lines = {
        label: [(x, _measured(column[x], f"{where}: {label!r} at {x:g}", log)[1]) for x in column]
        for label, column in values.items()
    }
    every = [interval for line in lines.values() for _, interval in line]
    if log:
        _log_axis(ax, "y")
        drawn = {interval.value for interval in every if np.isfinite(interval.value)}
        if len(drawn) == 1:  # Matplotlib finds no limits for a single value
            ax.set_ylim(min(drawn) / 10, 10 * min(drawn))
    for number, (label, line) in enumerate(lines.items()):
        color, marker = _COLORS[number % len(_COLORS)], _MARKERS[number % len(_MARKERS)]
        x, low, middle, high = np.transpose(sorted((x, i.low, i.value, i.high) for x, i in line))
        text = f"{wrapped(label)}\n{_excluded([i for _, i in line], log)}".strip()
        ax.fill_between(x, low, high, color=color, alpha=0.2, linewidth=0)
        ax.plot(x, middle, color=color, marker=marker, markersize=8, label=text)
    return style.interval_key(INK, [interval.n for interval in every], log)


def _column(ax: Axes) -> int:
    cell = ax.get_subplotspec()
    return cell.colspan.start if cell is not None else 0


class _FewTicks(LogLocator):
    """Ticks of a logarithmic axis: powers of ten for many decades, round numbers for few."""

    def nonsingular(self, vmin: float, vmax: float) -> tuple[float, float]:
        if 0 < vmin < np.inf and np.isclose(vmin, vmax, atol=0):  # equal but for rounding
            return vmin / 10, vmax * 10
        low, high = super().nonsingular(vmin, vmax)
        return low, high

    def tick_values(self, vmin: float, vmax: float) -> Sequence[float]:
        decades = np.log10(vmax) - np.log10(vmin)
        if decades < 0.9:
            ticks = MaxNLocator(4, steps=[1, 2, 5, 10]).tick_values(vmin, vmax)
        else:
            subs = (1,) if decades >= 2.5 else (1, 3) if decades > 1.6 else (1, 2, 5)
            ticks = LogLocator(subs=subs, numticks=5).tick_values(vmin, vmax)
        return [float(tick) for tick in ticks if tick > 0]


def _log_axis(ax: Axes, name: Literal["x", "y"]) -> None:
    """Make an axis logarithmic, with few ticks such as 0.01, and 10⁻⁴ outside 0.001 to 1000."""

    def short(value: float, _: object) -> str:
        power = np.isclose(value, 10.0 ** np.round(np.log10(value)), atol=0)
        return style.power_of_ten(value) if power and not 1e-3 <= value <= 1e3 else f"{value:g}"

    ax.set(**{f"{name}scale": "log"})
    axis = ax.xaxis if name == "x" else ax.yaxis
    axis.set_major_locator(_FewTicks())
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(short)

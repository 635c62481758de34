"""Charts of values measured over seeds, with the 95% interval of their mean.

The intervals are those of `minnet.experiments.intervals`; with ``log`` the mean is geometric. Seeds
that are not finite, and with ``log`` those that are exactly 0, are excluded from the mean. The
chart reports how many were excluded. Each function draws on the axes ``ax``, or on a new figure,
and returns the figure. Values that cannot be drawn raise ValueError or TypeError.
"""

import textwrap
from collections.abc import Mapping, Sequence
from itertools import cycle
from numbers import Real
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from minnet.experiments.charts.panels import grow, labelled, log_axis, name_rows, share_legends
from minnet.experiments.intervals import geometric_mean, mean
from minnet.plot.style import (
    INK,
    LINE_COLORS,
    OUTLINE,
    SMALL,
    axes,
    finish,
    interval_key,
    span,
    styled,
    wrapped,
)
from minnet.validation import Array

# 8 colours and 7 markers: 56 labels have different combinations.
_COLORS = (*LINE_COLORS, "#7A4A12")
_MARKERS = "osD^vXP"
_DOT: dict[str, Any] = {
    "color": LINE_COLORS[0], "marker": "o", "markersize": 6, "alpha": 0.55, "markeredgewidth": 0,
    "linestyle": "none",
}  # fmt: skip
_MEAN: dict[str, Any] = {"color": INK, "marker": "D", "markersize": 11, "markeredgecolor": "white"}


@styled
def by_layer(
    values: Mapping[str, Sequence[Sequence[float]]],
    *,
    ylabel: str,
    log: bool = False,
    theory: Mapping[str, Sequence[float]] | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Draw the mean over seeds at each layer, one line a label, with its 95% interval as a band.

    Parameters
    ----------
    values : dict of label -> list over layers of list over seeds
        The first layer first; nan for a seed that diverged.
    ylabel : str
        What was measured.
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
    lines = {
        label: _layers(layers, f"by_layer: {label!r}", log)
        for label, layers in labelled(values, "by_layer").items()
    }
    predicted = {label: np.array(its, dtype=np.float64) for label, its in (theory or {}).items()}
    for label, numbers in predicted.items():
        where, layers = f"by_layer: theory of {label!r}", len(lines.get(label, ())) or numbers.size
        if numbers.shape != (layers,) or not layers:
            raise ValueError(
                f"{where}: expected a list over {layers} layers, got {numbers.tolist()}"
            )
        _check_drawable(numbers[~np.isnan(numbers)], where, log)
    ax = axes(ax, 2 * len(lines) + len(predicted) + 3)
    bands = _draw_lines(ax, lines, log, "layer ")
    handles: list[Artist] = [*ax.get_legend_handles_labels()[0]]
    overlaid = not predicted.keys().isdisjoint(lines)
    if overlaid:
        handles.append(Line2D([], [], color=INK, linestyle="--", label="theory"))
    strokes = cycle(("-.", ":") if overlaid else ("--", "-.", ":"))
    for label, numbers in predicted.items():
        at = np.arange(1, numbers.size + 1)
        if label in lines:
            color = _COLORS[list(lines).index(label) % len(_COLORS)]
            ax.plot(at, numbers, "--", color=color, zorder=3)
        else:
            handles += ax.plot(at, numbers, next(strokes), color=INK, label=wrapped(label))
    ax.xaxis.set_major_locator(MaxNLocator(10, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    deepest = max([*map(len, lines.values()), *map(len, predicted.values())])
    margin = max(0.25, 0.03 * deepest)
    ax.set_xlim(1 - margin, deepest + margin)
    return _finish(ax, "layer", ylabel, handles + bands)


@styled
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
        What was set, and what was measured.
    log_x, log_y : bool, default True and False
        Use logarithmic axes; with ``log_y`` the means are geometric.

    Examples
    --------
    >>> losses = {0.1: [1.0, 3.0], 0.01: [4.0, 6.0]}
    >>> figure = by_setting({"SGD": losses}, xlabel="lr", ylabel="loss")
    >>> figure.axes[0].lines[0].get_xydata().tolist()
    [[0.01, 5.0], [0.1, 2.0]]
    """
    lines = {}
    for label, column in labelled(values, "by_setting").items():
        where = f"by_setting: {label!r}"
        if not (
            isinstance(column, Mapping) and column and all(isinstance(x, Real) for x in column)
        ):
            raise TypeError(f"{where}: expected a dict of number -> list over seeds, got {column}")
        _check_drawable(np.array([*column], dtype=np.float64), where, log_x)
        lines[label] = {x: _seeds(column[x], f"{where} at {x:g}", log_y) for x in sorted(column)}
    ax = axes(ax, 2 * len(lines) + 2)
    if log_x:
        ax.set_xscale("log")
    bands = _draw_lines(ax, lines, log_y, "")
    settings = sorted({setting for line in lines.values() for setting in line})
    ax.xaxis.set_major_locator(FixedLocator(_spaced(settings, log_x)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda setting, _: f"{setting:g}"))
    ax.xaxis.set_minor_locator(NullLocator())
    return _finish(ax, xlabel, ylabel, ax.get_legend_handles_labels()[0] + bands)


@styled
def by_label(
    values: Mapping[str, Sequence[float]],
    *,
    xlabel: str,
    log: bool = False,
    reference: Mapping[str, float] | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Draw one row a label, the first on top: each seed as a dot, their mean with its interval.

    Parameters
    ----------
    values : dict of label -> list over seeds
        What was measured.
    xlabel : str
        Name of the values.
    log : bool, default False
        Use a logarithmic x axis and geometric means.
    reference : dict of text -> number, optional
        Numbers to compare with, such as a prediction: dashed vertical lines.

    Examples
    --------
    >>> figure = by_label({"He": [1.0, 3.0], "LeCun": [2.0, 2.0]}, xlabel="std")
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['He', 'LeCun']
    """
    rows = {
        label: _seeds(seeds, f"by_label: {label!r}", log)
        for label, seeds in labelled(values, "by_label").items()
    }
    for text, number in (reference or {}).items():
        _check_drawable(np.array([number]), f"by_label: reference {text!r}", log)
    ax = axes(ax, 2 * len(rows) + 1)
    grow(ax, height=0.5 * len(rows) + 1.2)
    if log:
        log_axis(ax, "x")
    for place, seeds in enumerate(rows.values()):
        _draw_row(ax, place, seeds, log)
    several = any(_usable(seeds, log).size > 1 for seeds in rows.values())
    text = ("geometric mean" if log else "mean") + (",\n95% interval" if several else "")
    handles: list[Artist] = [
        Line2D([], [], label="one run", **_DOT),
        Line2D([], [], label=text, linewidth=3.5 if several else 0, **_MEAN),
    ]
    for number, (text, at) in enumerate((reference or {}).items()):
        color = _COLORS[1 + number % (len(_COLORS) - 1)]
        handles.append(ax.axvline(at, linestyle="--", color=color, zorder=1, label=wrapped(text)))
    ax.set_ylim(len(rows) - 0.35, -0.6)
    name_rows(ax, range(len(rows)), [wrapped(label) for label in rows], "by_label")
    return _finish(ax, xlabel, "", handles)


def _seeds(values: Any, where: str, log: bool) -> Array:
    """Return the values of all seeds, (seeds,), or raise."""
    try:
        column = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        column = np.array(np.nan)
    if column.ndim != 1 or not column.size:
        raise ValueError(f"{where}: expected a list of numbers, one for each seed, got {values!r}")
    if log and (column < 0).any():
        raise ValueError(
            f"{where}: expected no negative number on a logarithmic axis, got "
            f"{column[column < 0][0]:g}; use a linear axis, or its magnitude"
        )
    return column


def _layers(layers: Any, where: str, log: bool) -> dict[float, Array]:
    """Return the seeds of each layer by its number, or raise."""
    if not isinstance(layers, list | tuple | np.ndarray) or not len(layers):
        raise ValueError(f"{where}: expected a list over layers, got {layers!r}")
    columns = {
        float(number): _seeds(seeds, f"{where}, layer {number}", log)
        for number, seeds in enumerate(layers, start=1)
    }
    sizes = [column.size for column in columns.values()]
    if len(set(sizes)) > 1:
        raise ValueError(
            f"{where}: expected equally many seeds in all layers, got {sizes}; use nan for a seed "
            "that diverged"
        )
    return columns


def _check_drawable(numbers: Array, where: str, log: bool) -> None:
    """Raise if the axis has no place for one of the numbers."""
    if not np.isfinite(numbers).all() or (log and (numbers <= 0).any()):
        kind = "positive and finite numbers on a logarithmic axis" if log else "finite numbers"
        raise ValueError(f"{where}: expected {kind}, got {numbers.tolist()}")


def _usable(seeds: Array, log: bool) -> Array:
    """Return the seeds that have a place on the axis: finite, and with ``log`` not 0."""
    usable: Array = seeds[np.isfinite(seeds) & ((seeds != 0) | (not log))]
    return usable


def _interval(seeds: Array, log: bool) -> tuple[float, float, float]:
    """Return the mean of the usable seeds and the ends of its interval."""
    found = (geometric_mean if log else mean)(_usable(seeds, log))
    return found.value, found.low, found.high


def _excluded(columns: Mapping[float, Array], log: bool, place: str = "") -> str:
    """Return how many seeds are excluded, and at which places unless it is the same at all."""
    missing = {at: seeds.size - _usable(seeds, log).size for at, seeds in columns.items()}
    counts = [count for count in missing.values() if count]
    if not counts:
        return ""
    text = f"{span(counts)} of {max(seeds.size for seeds in columns.values())} excluded"
    if len(set(missing.values())) > 1:
        text += f" at {place}" + ", ".join(f"{at:g}" for at, count in missing.items() if count)
    return textwrap.fill(f"{text} ({'0 or ' if log else ''}not finite)", 24)


def _draw_lines(
    ax: Axes, lines: Mapping[str, Mapping[float, Array]], log: bool, place: str
) -> list[Artist]:
    """Draw the means of each label as a line in a band; return the legend's entry of the bands."""
    if log:
        log_axis(ax, "y")
    for number, (label, columns) in enumerate(lines.items()):
        color, marker = _COLORS[number % len(_COLORS)], _MARKERS[number % len(_MARKERS)]
        value, low, high = np.array([_interval(seeds, log) for seeds in columns.values()]).T
        text = f"{wrapped(label)}\n{_excluded(columns, log, place)}".strip()
        ax.fill_between(list(columns), low, high, color=color, alpha=0.2, linewidth=0)
        ax.plot(list(columns), value, color=color, marker=marker, markersize=8, label=text)
    sizes = [_usable(seeds, log).size for columns in lines.values() for seeds in columns.values()]
    return list(interval_key(INK, sizes, log))


def _draw_row(ax: Axes, place: int, seeds: Array, log: bool) -> None:
    """Draw one row: the seeds, spread a little in height, their mean and its interval."""
    drawn = np.sort(_usable(seeds, log))
    height = place + 0.09 * (np.arange(drawn.size) % 5 - 2)
    ax.plot(drawn, height, **_DOT)
    value, low, high = _interval(seeds, log)
    ax.hlines(place, low, high, color=INK, linewidth=3.5, zorder=3)
    ax.plot(value, place, zorder=4, **_MEAN)
    ax.annotate(
        _excluded({place: seeds}, log).replace("\n", " "),
        (0, place + 0.44), xycoords=("axes fraction", "data"),
        xytext=(4, 0), textcoords="offset points",
        va="center", color=INK, fontsize=SMALL, path_effects=OUTLINE,
    )  # fmt: skip


def _spaced(settings: Sequence[float], log: bool) -> list[float]:
    """Return settings at least a sixth of the axis apart; powers of ten if there are many."""
    at = np.log10(settings) if log else np.array(settings)
    chosen = list(zip(settings, at, strict=True))
    powers = [(setting, place) for setting, place in chosen if log and np.isclose(place % 1, 0)]
    if len(chosen) > 6 and len(powers) > 1:
        chosen = powers
    shown = chosen[:1]
    for setting, place in chosen[1:]:
        if place - shown[-1][1] >= 0.99 * np.ptp(at) / 6:
            shown.append((setting, place))
    return [setting for setting, _ in shown]


def _finish(ax: Axes, xlabel: str, ylabel: str, handles: list[Artist]) -> Figure:
    """Name the axes and draw the legend, once if other panels of the figure repeat it."""
    figure = finish(ax, xlabel, ylabel, handles)
    share_legends(figure)
    return figure

"""Pictures of comparisons over seeds: what was measured of several variants, with its uncertainty.

Whatever the picture, a mean stands in its 95% interval (Student's t), and with ``log`` both are
those of the logarithms: the mean is a geometric one, as it must be where seeds differ by factors.
A seed that has no place in a mean, because it is not finite or is exactly 0 on a log axis, is left
out of it and told in words.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from minnet.experiments.charts.measured import (
    checked,
    labelled,
    layers_of,
    references_of,
    settings_of,
    theory_of,
)
from minnet.experiments.charts.scales import grow, log_axis, row_axis, setting_axis
from minnet.experiments.charts.seeds import Means, entry, left_out, means, usable
from minnet.plot.style import (
    INK,
    LINE_COLORS,
    OUTLINE,
    SMALL,
    axes,
    finish,
    interval_key,
    styled,
    wrapped,
)
from minnet.validation import Array

# A colour more than LINE_COLORS, and a marker fewer: it takes 56 labels until both are the same.
_COLORS = (*LINE_COLORS, "#7A4A12")
_MARKERS = "osD^vXP"
_DASHES = ("--", "-.", ":")


@styled
def by_layer(
    values: Mapping[str, Sequence[Sequence[float]]],
    *,
    ylabel: str,
    log: bool = False,
    theory: Mapping[str, Sequence[float]] | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Draw what was measured at each layer: a line a label through the means over the seeds.

    The band is the 95% interval of the mean. Where no seed is left there is a gap.

    Parameters
    ----------
    values : dict of label -> list over layers of list over seeds
        The first layer first. Labels may differ in how many layers and seeds they have.
    ylabel : str
        What was measured.
    log : bool, default False
        Make the y axis logarithmic and the means geometric.
    theory : dict of label -> list over layers, optional
        What is predicted, dashed: in the label's colour, or in ink under a name of its own.
    ax : matplotlib.axes.Axes, optional
        Axes that are there already.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError
        If there is nothing to draw, a layer has other seeds than the first, a number is negative
        with ``log``, or theory has not as many layers as its label.

    Examples
    --------
    >>> figure = by_layer({"He": [[1.0, 3.0], [4.0, 6.0]]}, ylabel="std")
    >>> figure.axes[0].lines[0].get_ydata()
    array([2., 5.])
    """
    columns = {
        label: layers_of(its, label, log) for label, its in labelled(values, "by_layer").items()
    }
    predicted = theory_of(theory or {}, columns, log)
    texts = [entry(label, left_out(its, log, _at_layers)) for label, its in columns.items()]
    ax = axes(ax, _lines_of(texts) + len(predicted) + 3)
    if log:
        log_axis(ax, "y")
    for number, (label, its) in enumerate(columns.items()):
        at = np.arange(1, len(its) + 1)
        color = _line(ax, number, at, means(its, log), texts[number])
        if label in predicted:
            ax.plot(at, predicted[label], "--", color=color, zorder=3)
    handles: list[Artist] = [*ax.get_legend_handles_labels()[0]]
    overlaid = not predicted.keys().isdisjoint(columns)
    if overlaid:
        handles.append(Line2D([], [], color=INK, linestyle="--", label="theory"))
    others = [label for label in predicted if label not in columns]
    for number, label in enumerate(others, start=int(overlaid)):
        at, stroke = np.arange(1, len(predicted[label]) + 1), _DASHES[number % len(_DASHES)]
        handles += ax.plot(at, predicted[label], stroke, color=INK, label=wrapped(label))
    handles += interval_key(
        INK, [usable(c, log).size for its in columns.values() for c in its], log
    )
    ax.xaxis.set_major_locator(MaxNLocator(10, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    deepest = max([len(its) for its in columns.values()] + [its.size for its in predicted.values()])
    margin = max(0.25, 0.03 * deepest)
    ax.set_xlim(1 - margin, deepest + margin)
    return finish(ax, "layer", ylabel, handles)


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
    """Draw what was measured over a numeric setting, such as lr: a line a label through the means.

    The band is the 95% interval of the mean. Where no seed is left there is a gap.

    Parameters
    ----------
    values : dict of label -> dict of number -> list over seeds
        In whatever order, and not all labels need the same numbers.
    xlabel, ylabel : str
        What was set, and what was measured.
    log_x, log_y : bool, default True and False
        Which axes are logarithmic; with ``log_y`` the means are geometric.
    ax : matplotlib.axes.Axes, optional
        Axes that are there already.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError
        If there is nothing to draw, a setting is no number, or a number has no logarithm where one
        is needed.

    Examples
    --------
    >>> losses = {0.1: [1.0, 3.0], 0.01: [4.0, 6.0]}
    >>> figure = by_setting({"SGD": losses}, xlabel="lr", ylabel="loss")
    >>> figure.axes[0].lines[0].get_xydata().tolist()
    [[0.01, 5.0], [0.1, 2.0]]
    """
    table = {
        label: settings_of(its, label, log_x, log_y)
        for label, its in labelled(values, "by_setting").items()
    }
    texts = [
        entry(label, left_out(list(its.values()), log_y, partial(_at_settings, list(its))))
        for label, its in table.items()
    ]
    ax = axes(ax, _lines_of(texts) + 2)
    if log_y:
        log_axis(ax, "y")
    for number, its in enumerate(table.values()):
        _line(ax, number, np.array([*its]), means(list(its.values()), log_y), texts[number])
    runs = [usable(column, log_y).size for its in table.values() for column in its.values()]
    handles: list[Artist] = [*ax.get_legend_handles_labels()[0], *interval_key(INK, runs, log_y)]
    setting_axis(ax, sorted({number for its in table.values() for number in its}), log_x)
    return finish(ax, xlabel, ylabel, handles)


@styled
def by_label(
    values: Mapping[str, Sequence[float]],
    *,
    xlabel: str,
    log: bool = False,
    reference: Mapping[str, float] | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Draw a row a label, the first on top: each seed a dot, their mean in its 95% interval.

    Parameters
    ----------
    values : dict of label -> list over seeds
        What was measured.
    xlabel : str
        What that is.
    log : bool, default False
        Make the x axis logarithmic and the means geometric.
    reference : dict of text -> number, optional
        Numbers to compare with, such as a theory's: a dashed vertical line each.
    ax : matplotlib.axes.Axes, optional
        Axes that are there already.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError
        If there is nothing to draw, a number is negative with ``log``, or a reference has no place
        on the axis.

    Examples
    --------
    >>> figure = by_label({"He": [1.0, 3.0], "LeCun": [2.0, 2.0]}, xlabel="std")
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['He', 'LeCun']
    """
    rows = {
        label: checked(its, "by_label", repr(label), log)
        for label, its in labelled(values, "by_label").items()
    }
    marks = references_of(reference or {}, log)
    ax = axes(ax, 2 * len(rows) + 1)
    grow(ax, height=0.5 * len(rows) + 1.2)
    if log:
        log_axis(ax, "x")
    several = any(usable(seeds, log).size > 1 for seeds in rows.values())
    for place, seeds in enumerate(rows.values()):
        _row(ax, place, seeds, log)
    handles = _keys_of_rows(several, log)
    for number, (text, at) in enumerate(marks.items()):
        color = _COLORS[1 + number % (len(_COLORS) - 1)]
        handles.append(ax.axvline(at, linestyle="--", color=color, zorder=1, label=wrapped(text)))
    ax.set_ylim(len(rows) - 0.35, -0.6)
    row_axis(ax, range(len(rows)), [wrapped(label) for label in rows], "by_label")
    return finish(ax, xlabel, "", handles)


def _line(ax: Axes, number: int, at: Array, line: Means, label: str) -> str:
    """Draw one label's means and their band; return the colour."""
    color = _COLORS[number % len(_COLORS)]
    marker = _MARKERS[number % len(_MARKERS)]
    ax.fill_between(at, line.low, line.high, color=color, alpha=0.2, linewidth=0)
    ax.plot(at, line.value, color=color, marker=marker, markersize=8, label=label)
    return color


def _row(ax: Axes, place: int, seeds: Array, log: bool) -> None:
    """Draw the seeds of one row, spread a little in height so that equal ones can be counted."""
    drawn = np.sort(usable(seeds, log))
    height = place + 0.09 * (np.arange(drawn.size) % 5 - 2)
    ax.plot(drawn, height, "o", color=LINE_COLORS[0], markersize=6, alpha=0.55, markeredgewidth=0)
    line = means([seeds], log)
    ax.hlines(place, line.low, line.high, color=INK, linewidth=3.5, zorder=3)
    ax.plot(line.value, [place], "D", color=INK, markersize=11, markeredgecolor="white", zorder=4)
    note = left_out([seeds], log, lambda first, last: "")
    ax.annotate(
        note.replace("\n", ", "),
        (0, place + 0.44),
        xycoords=("axes fraction", "data"),
        xytext=(4, 0),
        textcoords="offset points",
        va="center",
        color=INK,
        fontsize=SMALL,
        path_effects=OUTLINE,
    )


def _keys_of_rows(several: bool, log: bool) -> list[Artist]:
    mean = "geometric mean" if log else "mean"
    dot: dict[str, Any] = {"marker": "o", "markersize": 6, "alpha": 0.55, "markeredgewidth": 0}
    big: dict[str, Any] = {"marker": "D", "markersize": 11, "markeredgecolor": "white"}
    text = f"{mean},\n95% interval" if several else mean
    return [
        Line2D([], [], color=LINE_COLORS[0], linestyle="none", label="one run", **dot),
        Line2D([], [], color=INK, linewidth=3.5 if several else 0, label=text, **big),
    ]


def _at_layers(first: int, last: int) -> str:
    return f"at layer {first + 1}" if first == last else f"at layers {first + 1} to {last + 1}"


def _at_settings(settings: Sequence[float], first: int, last: int) -> str:
    return f"at {settings[first]:g}" + (f" to {settings[last]:g}" if last > first else "")


def _lines_of(texts: Sequence[str]) -> int:
    return sum(1 + text.count("\n") for text in texts)

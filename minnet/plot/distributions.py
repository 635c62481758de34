"""Pictures of distributions: histograms, densities, and cumulative shares, a layer each."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from minnet import statistics
from minnet.plot.data import Data, arrays_of, has_labels, label_of, quantity, samples_of
from minnet.plot.style import (
    INK,
    SMALL,
    LectureFigure,
    axes,
    depth_colors,
    finish,
    limits,
    percent,
    styled,
    tick_params,
    wrapped,
)
from minnet.statistics import Sample, describe
from minnet.validation import Array


@styled
def histograms(
    data: Data | Mapping[str, Data],
    *,
    kind: str = "y",
    layers: Sequence[str] | None = None,
    bins: int = 50,
    log: bool = False,
) -> Figure:
    """Draw one histogram a layer, side by side on one x axis.

    The bars are a density. Exact zeros are no part of it: they are a stem at 0 that fills as much
    of the panel's height as they are of the values, 1 being the top. The axis follows the bulk of
    the values, `minnet.statistics.bulk_range`; how many lie beyond is written above the panel. So
    is the height of bars that would make all others too small to see: they are cut and marked ▲.

    Parameters
    ----------
    data : Capture, dict of layer name -> array, or dict of label -> one of these
        With labels, such as ``{"before": seen0, "after": seen1}``, each gets its row of panels,
        and a layer has the same y axis in each of them.
    kind : str, default "y"
        Which buffers of a `Capture`.
    layers : sequence of str, optional
        Which layers, in that order; all unless given.
    bins : int, default 50
        How many bins the whole axis has.
    log : bool, default False
        Draw log10 of the magnitudes, as gradients need whose layers differ by powers of ten.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError, FloatingPointError
        If there is nothing of that kind to draw, labels hold different layers, or an array is
        empty or not finite.

    Examples
    --------
    >>> figure = histograms({"relu1": [0.0, 0.0, 1.0, 2.0]}, bins=2)
    >>> figure.axes[0].patches[0].get_data().values
    array([0. , 0.5])
    """
    groups = data if has_labels(data) else {"": data}
    arrays = {label: arrays_of(group, kind, layers) for label, group in groups.items()}
    names = list(next(iter(arrays.values()), {}))
    for label, group in arrays.items():
        if list(group) != names:
            raise ValueError(f"{label!r} has layers {list(group)}, the first has {names}")
    samples = {label: samples_of(group, log) for label, group in arrays.items()}
    low, high = statistics.bulk_range(s for group in samples.values() for s in group.values())
    edges = statistics.bin_edges(low, high, bins)
    figure, panels = _panels(list(arrays), names, log)
    for name, color in zip(names, depth_colors(len(names)), strict=True):
        bars = {label: statistics.histogram(samples[label][name], edges) for label in arrays}
        ceiling = _ceiling([density for density, _ in bars.values()])
        for label, (density, beyond) in bars.items():
            ax, sample = panels[label, name], samples[label][name]
            ax.stairs(density, edges, fill=True, color=color)
            limits(ax, edges[0], edges[-1], ceiling)
            if sample.zeros and not log:
                _zero_stem(ax, sample.zeros)
            _cut_bars(ax, density, edges, ceiling, color)
            _header(ax, name, _notes(arrays[label][name], sample, beyond, density, ceiling))
    figure.supxlabel(quantity(next(iter(groups.values())), kind, log))
    return figure


@styled
def density(
    data: Data,
    *,
    kind: str = "y",
    layers: Sequence[str] | None = None,
    log: bool = False,
    ax: Axes | None = None,
) -> Figure:
    """Draw the estimated density of each layer, one curve a layer, from dark to light with depth.

    Exact zeros are no part of a curve; the legend tells their share, and the area below the curve
    is what remains of 1. A layer whose values are all the same is a vertical line. The flattest
    curve keeps a tenth of the height; the legend gives the peak of those that are cut for it.
    Parameters are those of `histograms`; ``ax`` draws on axes that are there already.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> figure = density({"relu1": [0.0, 0.0, 1.0, 2.0], "relu2": [0.3, 0.3]})
    >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    ['relu1 (50% zeros)', 'relu2 (constant 0.3)']
    """
    samples = samples_of(arrays_of(data, kind, layers), log)
    ax = axes(ax, len(samples))
    low, high = statistics.bulk_range(samples.values())
    curves = {}
    for name, sample in samples.items():
        if sample.point is None and sample.values.size:
            at = np.linspace(max(low, sample.values.min()), min(high, sample.values.max()), 401)
            curves[name] = at, statistics.kernel_density(sample, at)
    peaks = {name: float(curve.max()) for name, (_, curve) in curves.items()}
    ceiling = min(max(peaks.values(), default=1.0), 10 * min(peaks.values(), default=1.0))
    for (name, sample), color in zip(samples.items(), depth_colors(len(samples)), strict=True):
        peak = f"peak {peaks[name]:.2g}" if peaks.get(name, 0) > ceiling else ""
        label = label_of(name, sample, peak)
        if name in curves:
            ax.plot(*curves[name], color=color, label=label)
        elif sample.point is not None:
            ax.axvline(sample.point, color=color, label=label)
        else:
            ax.plot([], [], color=color, label=label)
    limits(ax, low, high, ceiling)
    return finish(ax, quantity(data, kind, log, list(samples)), "density")


@styled
def cdf(
    data: Data,
    *,
    kind: str = "y",
    layers: Sequence[str] | None = None,
    log: bool = False,
    ax: Axes | None = None,
) -> Figure:
    """Draw the share of values <= x, one curve a layer, from dark to light with depth.

    Nothing is estimated or smoothed: a step at each value, as high as its share, so that exact
    zeros are the jump at 0. With ``log``, where they have no place on the axis, the curve begins
    at their share. Parameters are those of `density`.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> figure = cdf({"relu1": [0.0, 0.0, 1.0, 2.0]})
    >>> figure.axes[0].lines[0].get_ydata()
    array([0.  , 0.5 , 0.75, 1.  , 1.  ])
    """
    samples = samples_of(arrays_of(data, kind, layers), log)
    ax = axes(ax, len(samples))
    low, high = statistics.bulk_range(samples.values())
    limits(ax, low, high, 1.0)
    for (name, sample), color in zip(samples.items(), depth_colors(len(samples)), strict=True):
        values, share = statistics.cumulative(sample)
        left, right = ax.get_xlim()
        start = sample.zeros if log else 0.0
        values = np.array([min([left, *values[:1]]), *values, max([right, *values[-1:]])])
        share = np.array([start, *share, 1.0])
        ax.plot(values, share, drawstyle="steps-post", color=color, label=label_of(name, sample))
    return finish(ax, quantity(data, kind, log, list(samples)), "share of values ≤ x")


def _panels(
    labels: list[str], names: list[str], log: bool
) -> tuple[Figure, dict[tuple[str, str], Axes]]:
    """Return a figure with a panel for each label and layer, at most four layers side by side.

    All share the x axis. The labels of one layer stand below each other.
    """
    columns = -(-len(names) // -(-len(names) // 4))
    rows = -(-len(names) // columns) * len(labels)
    figure = LectureFigure(
        figsize=(max(3.5 * columns, 6.0), 3.1 * rows + 0.5), layout="constrained"
    )
    grid = figure.add_gridspec(rows, columns)
    panels: dict[tuple[str, str], Axes] = {}
    first = None
    for place, name in enumerate(names):
        block, column = divmod(place, columns)
        for number, label in enumerate(labels):
            ax = figure.add_subplot(grid[block * len(labels) + number, column], sharex=first)
            first = first or ax
            panels[label, name] = ax
            lowest = place + columns >= len(names) and number == len(labels) - 1
            tick_params(ax, labelbottom=lowest)
            ax.xaxis.set_major_locator(MaxNLocator(4, integer=log))
            ax.yaxis.set_major_locator(MaxNLocator(3))
            ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            if column == 0:
                ax.set_ylabel(f"{wrapped(label)}\ndensity".strip())
    return figure, panels


def _ceiling(panels: list[Array]) -> float:
    """Return the height of the y axis that the panels of one layer share.

    It is that of the tallest bar, unless it would hide the others: within a panel where it dwarfs
    nearly all bars, between panels where another is much flatter throughout.
    """
    heights = []
    for density in panels:
        positive = density[density > 0]
        if positive.size:
            usual = 3 * float(np.quantile(positive, 0.9))
            tallest = float(positive.max())
            heights.append(usual if tallest > 2 * usual else tallest)
    if not heights:
        return 1.0
    limit = 5 * min(heights)
    return limit if max(heights) > 1.5 * limit else max(heights)


def _zero_stem(ax: Axes, zeros: float) -> None:
    across = ax.get_xaxis_transform()
    ax.vlines(0, 0, zeros, transform=across, color=INK, linewidth=3)
    ax.plot(0, zeros, "o", transform=across, color=INK, markersize=8, clip_on=False)
    left, right = ax.get_xlim()
    to_the_right = -left < 0.6 * (right - left)
    ax.annotate(
        f"{percent(zeros)} zeros",
        (0, min(max(zeros, 0.08), 0.92)),
        xycoords=across,
        xytext=(9 if to_the_right else -9, 0),
        textcoords="offset points",
        ha="left" if to_the_right else "right",
        va="center",
        color=INK,
        path_effects=[patheffects.withStroke(linewidth=4, foreground="white")],
    )


def _cut_bars(ax: Axes, density: Array, edges: Array, ceiling: float, color: Any) -> None:
    cut = density > ceiling
    if cut.any():
        middles = (edges[:-1] + edges[1:])[cut] / 2
        across = ax.get_xaxis_transform()
        ax.plot(middles, np.ones(len(middles)), "^", transform=across, color=color, clip_on=False)


def _notes(array: Any, sample: Sample, beyond: int, density: Array, ceiling: float) -> list[str]:
    told = describe(array)
    notes = [f"mean {told.mean:.2g}", f"std {told.std:.2g}", f"n = {told.count}"]
    if sample.log and sample.zeros:
        notes.append(f"{percent(sample.zeros)} zeros")
    if beyond:
        notes.append(f"{beyond} beyond the axis")
    if density.max() > ceiling:
        notes.append(f"▲ bars up to {density.max():.2g}")
    return notes


def _header(ax: Axes, name: str, notes: list[str]) -> None:
    unbroken = ", ".join(note.replace(" ", "\xa0") for note in notes)
    text = textwrap.fill(unbroken, 30).replace("\xa0", " ")
    height = 1.3 * SMALL * (1 + text.count("\n"))
    ax.set_title(wrapped(name), loc="left", pad=12 + height, color=INK)
    ax.annotate(
        text,
        (0, 1),
        xycoords="axes fraction",
        xytext=(0, 8),
        textcoords="offset points",
        va="bottom",
        color=INK,
    )

"""Charts of distributions: histograms, densities and cumulative shares, one for each layer."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from minnet.plot import parts, style
from minnet.recording import statistics
from minnet.recording.statistics import Sample
from minnet.validation import Array

_NARROW = 1e-100  # width of a distribution in units of the axis; its square is not 0
_MOST = 60  # panels of a figure, so that its layout takes only seconds


@style.styled
def histograms(
    data: parts.Data | Mapping[str, parts.Data],
    *,
    kind: str = "y",
    layers: Sequence[str] | None = None,
    bins: int = 50,
    log: bool = False,
    title: str | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Draw a histogram for each layer, side by side on one x axis.

    The bars show a density. Exact zeros are not part of it: they are drawn as a stem at 0. Its
    height is their share of the values, and the top of the panel is a share of 1. The axis covers
    the bulk of the values, as `minnet.recording.statistics.bulk_range` defines it. The number of
    values beyond the axis is written above the panel. Bars so tall that the others would be too
    small to read are cut and marked ▲.

    Parameters
    ----------
    data : Capture, dict of layer name -> array, or dict of label -> one of these
        With labels, such as ``{"before": first, "after": second}``, each label has a row of
        panels, and a layer has the same y axis in all rows.
    bins : int, default 50
        Number of bins over the whole axis.
    log : bool, default False
        Draw log10 of the magnitudes, for gradients that differ by powers of ten between layers.
    kind, layers, title, figsize
        As described in `minnet.plot`; ``kind`` applies to a `Capture`. A figure has at most
        60 panels. If there are more layers, and ``layers`` is not given, evenly spaced layers are
        drawn.

    Examples
    --------
    >>> figure = histograms({"relu1": [0.0, 0.0, 1.0, 2.0]}, bins=2)
    >>> figure.axes[0].patches[0].get_data().values
    array([0. , 0.5])
    """
    groups = data if parts.has_labels(data) else {"": data}
    arrays = {
        label: parts.arrays_of(group, kind, layers, "histograms") for label, group in groups.items()
    }
    every = list(next(iter(arrays.values())))
    for label, group in arrays.items():
        if list(group) != every:
            raise ValueError(
                f"histograms: expected layers {every} in {label!r}, as in the first label, got "
                f"{list(group)}; choose common ones with layers="
            )
    names = _drawn_layers(every, len(arrays), layers is not None)
    samples = {
        label: parts.samples_of({name: group[name] for name in names}, log, "histograms")
        for label, group in arrays.items()
    }
    flat, exponent = statistics.in_common_unit(
        {(label, name): s for label, group in samples.items() for name, s in group.items()}
    )
    low, high = statistics.bulk_range(flat.values())
    edges = statistics.bin_edges(low, high, bins)
    figure, grid = _make_panels(list(arrays), names, log, figsize, title)
    style.limits(figure.axes[0], edges[0], edges[-1], 1.0)
    for name, color in zip(names, style.depth_colors(len(names)), strict=True):
        bars = {label: statistics.histogram(flat[label, name], edges) for label in arrays}
        ceiling = _common_height([density for density, _ in bars.values()])
        for label in arrays:
            ax, values = grid[label, name], statistics.describe(arrays[label][name])
            notes = [f"mean {values.mean:.2g}", f"std {values.std:.2g}", f"n = {values.count}"]
            notes += _draw_bars(
                ax, flat[label, name], edges, bars[label], ceiling=ceiling, color=color
            )
            _draw_header(ax, name, notes)
    xlabel = parts.quantity(next(iter(groups.values())), kind, log, exponent)
    if len(names) < len(every):
        xlabel += f"\n{len(names)} of {len(every)} layers, evenly spaced; layers= chooses others"
    figure.supxlabel(xlabel)
    return figure


@style.styled
def density(
    data: parts.Data,
    *,
    kind: str = "y",
    layers: Sequence[str] | None = None,
    log: bool = False,
    ax: Axes | None = None,
    title: str | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Draw the estimated density of each layer as a curve, from dark to light with depth.

    Exact zeros are not part of a curve: the legend reports their share, and the area below the
    curve is 1 minus that share. A layer whose values are all equal is a vertical line. The
    y axis is limited to about ten times the peak of the flattest curve. Higher curves are cut, and
    the legend reports their peaks.

    Parameters
    ----------
    data, kind, layers, log
        As in `histograms`, but without labels in data.
    ax, title, figsize
        As described in `minnet.plot`.

    Examples
    --------
    >>> figure = density({"relu1": [0.0, 0.0, 1.0, 2.0], "relu2": [0.3, 0.3]})
    >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    ['relu1 (50% zeros)', 'relu2 (constant 0.3)']
    """
    samples = parts.samples_of(parts.arrays_of(data, kind, layers, "density"), log, "density")
    units, exponent = statistics.in_common_unit(samples)
    low, high = statistics.bulk_range(units.values())
    curves = {}
    for name, sample in units.items():
        if sample.values.size and sample.point is None and np.ptp(sample.values) > _NARROW:
            at = np.linspace(max(low, sample.values.min()), min(high, sample.values.max()), 401)
            curves[name] = at, statistics.kernel_density(sample, at)
    peaks = {name: float(curve.max()) for name, (_, curve) in curves.items()}
    ceiling = min(max(peaks.values(), default=1.0), 10 * min(peaks.values(), default=1.0))
    notes = {name: f"peak {peak:.2g}" for name, peak in peaks.items() if peak > ceiling}
    narrow = [name for name in samples if name not in curves and samples[name].point is None]
    notes |= {name: "too narrow for a curve" for name in narrow if samples[name].values.size}
    ax = style.axes(ax, figsize=figsize, where="density")
    for (name, sample), color in style.by_depth(samples):
        label = parts.label_of(name, sample, notes.get(name, ""))
        if name in curves:
            ax.plot(*curves[name], color=color, label=label)
        else:
            values = units[name].values
            zero = np.nan if log else 0.0  # a logarithmic axis has no 0
            middle = float(np.median(values)) if values.size else zero
            ax.axvline(middle, color=color, label=label)
    style.limits(ax, low, high, ceiling)
    xlabel = parts.quantity(data, kind, log, exponent, list(samples))
    return style.finish(ax, xlabel, "density", title=title)


@style.styled
def cdf(
    data: parts.Data,
    *,
    kind: str = "y",
    layers: Sequence[str] | None = None,
    log: bool = False,
    ax: Axes | None = None,
    title: str | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Draw the share of values <= x of each layer as a curve, from dark to light with depth.

    The curve is not estimated or smoothed. It has a step at each value, whose height is the share
    of that value, so exact zeros are a step at 0. More than about 2000 distinct values are thinned
    to 2000 points, each with its exact share. With ``log`` the axis has no 0, and the curve begins
    at the share of zeros. Parameters are those of `density`.

    Examples
    --------
    >>> figure = cdf({"relu1": [0.0, 0.0, 1.0, 2.0]})
    >>> figure.axes[0].lines[0].get_ydata()
    array([0.  , 0.5 , 0.75, 1.  , 1.  ])
    """
    samples = parts.samples_of(parts.arrays_of(data, kind, layers, "cdf"), log, "cdf")
    ax = style.axes(ax, figsize=figsize, where="cdf")
    units, exponent = statistics.in_common_unit(samples)
    low, high = statistics.bulk_range(units.values())
    style.limits(ax, low, high, 1.0)
    for (name, sample), color in style.by_depth(samples):
        label, (values, share) = parts.label_of(name, sample), statistics.cumulative(units[name])
        left, right = ax.get_xlim()
        start = sample.zeros if log else 0.0
        values = np.array([min([left, *values[:1]]), *values, max([right, *values[-1:]])])
        share = np.array([start, *share, 1.0])
        ax.plot(values, share, drawstyle="steps-post", color=color, label=label)
    xlabel = parts.quantity(data, kind, log, exponent, list(samples))
    return style.finish(ax, xlabel, "share of values ≤ x", title=title)


def _drawn_layers(names: Sequence[str], labels: int, chosen: bool) -> list[str]:
    """Return the layers that have panels: all, or evenly spaced ones if the user chose none."""
    most = _MOST // labels
    if len(names) <= most:
        return list(names)
    if chosen or not most:
        raise ValueError(
            f"histograms: expected at most {_MOST} panels, got {len(names)} layers x {labels} "
            "labels; choose fewer layers with layers=, or draw the labels in several figures"
        )
    return style.spread(names, most)


def _make_panels(
    labels: list[str], names: list[str], log: bool, figsize: style.Size, title: str | None
) -> tuple[Figure, dict[tuple[str, str], Axes]]:
    """Return a figure with a panel for each label and layer, at most four layers side by side.

    All panels share the x axis. The panels of one layer are in one column, one for each label.
    """
    columns = -(-len(names) // -(-len(names) // 4))
    rows = -(-len(names) // columns) * len(labels)
    figure = style.new_figure(figsize or (max(3.5 * columns, 6.0), 3.1 * rows + 0.5))
    if title is not None:
        figure.suptitle(style.fitted(title, figure.get_figwidth()))
    grid = figure.add_gridspec(rows, columns)
    panels: dict[tuple[str, str], Axes] = {}
    for index, name in enumerate(names):
        block, column = divmod(index, columns)
        for number, label in enumerate(labels):
            first = next(iter(panels.values()), None)
            ax = figure.add_subplot(grid[block * len(labels) + number, column], sharex=first)
            panels[label, name] = ax
            lowest = index + columns >= len(names) and number == len(labels) - 1
            style.tick_params(ax, labelbottom=lowest)
            ax.yaxis.set_major_locator(MaxNLocator(3))
            ax.yaxis.set_major_formatter("{x:g}")
            if column == 0:
                ax.set_ylabel(f"{style.wrapped(label)}\ndensity".strip())
    figure.axes[0].xaxis.set_major_locator(MaxNLocator(4, integer=log))
    return figure, panels


def _common_height(panels: list[Array]) -> float:
    """Return the height of the y axis that the panels of one layer share.

    It is the height of the tallest bar, unless that bar is much taller than most bars of its panel,
    or its panel is much taller than another one. Then it is lower, to keep the others readable.
    """
    heights = []
    for density in panels:
        if (positive := density[density > 0]).size:
            usual, tallest = 3 * float(np.quantile(positive, 0.9)), float(positive.max())
            heights.append(usual if tallest > 2 * usual else tallest)
    if not heights:
        return 1.0
    limit = 5 * min(heights)
    return limit if max(heights) > 1.5 * limit else max(heights)


def _draw_bars(
    ax: Axes, sample: Sample, edges: Array, bars: tuple[Array, int], *, ceiling: float, color: Any
) -> list[str]:
    """Draw the bars and the exact zeros of a panel; return notes on what they do not show."""
    density, beyond = bars
    ax.stairs(density, edges, fill=True, color=color)
    ax.set_ylim(0, 1.06 * ceiling)
    notes = []
    if sample.zeros and sample.log:
        notes.append(f"{style.percent(sample.zeros)} zeros")
    elif sample.zeros:
        _draw_zeros(ax, sample.zeros)
    if beyond:
        notes.append(f"{beyond} beyond the axis")
    cut = density > ceiling
    if cut.any():
        middles = (edges[:-1] + edges[1:])[cut] / 2
        ax.plot(middles, np.full(len(middles), 1.06 * ceiling), "^", color=color, clip_on=False)
        notes.append(f"▲ bars up to {density.max():.2g}")
    return notes


def _draw_zeros(ax: Axes, share: float) -> None:
    """Draw the exact zeros as a stem at 0, whose height is their share of the values."""
    across = ax.get_xaxis_transform()
    ax.vlines(0, 0, share, transform=across, color=style.INK, linewidth=3)
    ax.plot(0, share, "o", transform=across, color=style.INK, markersize=8, clip_on=False)
    left, right = ax.get_xlim()
    shift, side = (9, "left") if -left < 0.6 * (right - left) else (-9, "right")
    text, height = f"{style.percent(share)} zeros", min(max(share, 0.08), 0.92)
    options = {"ha": side, "va": "center", "path_effects": style.OUTLINE}
    style.note(ax, text, (0, height), (shift, 0), across, **options)


def _draw_header(ax: Axes, name: str, notes: list[str]) -> None:
    """Write the layer's name above a panel, and the notes below the name."""
    unbroken = ", ".join(note.replace(" ", "\xa0") for note in notes)
    text = textwrap.fill(unbroken, 26).replace("\xa0", " ")
    height = 1.3 * style.SMALL * (1 + text.count("\n"))
    ax.set_title(style.wrapped(name), loc="left", pad=12 + height)
    style.note(ax, text, (0, 1), (0, 8))

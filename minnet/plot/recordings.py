"""What the pictures of recordings share: who is drawn, at which steps, and in which colours.

Every one has the steps of the training run on its x axis. Where colour tells how much, it is one
scale in all of them, the paler the less: what vanishes fades into the page.
"""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, ListedColormap, Normalize
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from minnet.plot.style import INK, MEDIUM, OUTLINE, SMALL, depth_colors, tick_params, wrapped
from minnet.recording import HistogramProbe, StatisticsProbe
from minnet.validation import Array

GROUPS = 64  # as many points of a noisy curve as can be told apart


def amounts() -> Colormap:
    """Return the map of colours for how much: white for nothing, from pale orange to black."""
    colors = mpl.colormaps["magma"](np.linspace(0.93, 0.0, 256))
    return ListedColormap(colors, name="amounts").with_extremes(bad="white")


def recorded(
    probe: Any,
    expected: type[HistogramProbe] | type[StatisticsProbe],
    kind: str,
    layers: Sequence[str] | None,
    who: str,
) -> tuple[str, ...]:
    """Return the layers to draw, these or all of which the kind was recorded.

    Raises
    ------
    TypeError
        If probe is not of the class expected.
    ValueError
        If the kind, or one of the layers, is not in the recording.
    """
    if not isinstance(probe, expected):
        raise TypeError(
            f"{who}: expected a {expected.__name__}, as given to fit(..., probes=[probe]), got "
            f"{type(probe).__name__}"
        )
    found = probe.layers_of(kind)
    if not found:
        there = [name for name in probe.kinds if probe.layers_of(name)]
        raise ValueError(
            f"{who}: nothing was recorded of {kind!r}, only of {', '.join(there) or 'nothing'}; "
            f"ask for it before the run, {expected.__name__}([{kind!r}])"
        )
    wanted = found if layers is None else (layers,) if isinstance(layers, str) else tuple(layers)
    missing = [name for name in wanted if name not in found]
    if missing or not wanted:
        raise ValueError(
            f"{who}: no {kind!r} of layers {missing} was recorded; there are {', '.join(found)}"
        )
    return wanted


def step_edges(probe: HistogramProbe | StatisticsProbe, layer: str, kind: str) -> Array:
    """Return where each slot or point begins and the last one ends, (slots + 1,), in steps."""
    steps = probe.steps(layer, kind)
    return np.append(steps[:, 0], steps[-1, 1] + probe.every)


def step_axis(ax: Axes, edges: Sequence[Array], margin: float = 0.0) -> None:
    """Make the x axis that of the steps between the edges, those of each layer."""
    first, last = min(its[0] for its in edges), max(its[-1] for its in edges)
    ax.set_xlim(first - margin * (last - first), last + margin * (last - first))
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))


def rows(
    ax: Axes, series: Mapping[str, tuple[Array, Array]], norm: Normalize, label: str, **options: Any
) -> None:
    """Draw a row a layer, the first on top, coloured by its numbers; label is the colours'.

    ``series`` has of each layer the step edges, (points + 1,), and the numbers, (points,); what is
    not finite stays white, within a frame. Options are those of the colour bar.
    """
    colors = amounts()
    for place, (edges, numbers) in enumerate(series.values()):
        cells = np.ma.masked_invalid(numbers)[np.newaxis]
        heights = [place - 0.46, place + 0.46]
        ax.pcolormesh(edges, heights, cells, cmap=colors, norm=norm, rasterized=True)
        frame = (edges[0], heights[0]), edges[-1] - edges[0], heights[1] - heights[0]
        ax.add_patch(Rectangle(*frame, fill=False, edgecolor="0.75", linewidth=0.8))
    step_axis(ax, [edges for edges, _ in series.values()])
    ax.set_ylim(len(series) - 0.5, -0.5)
    color_bar(ax, ScalarMappable(norm, colors), label, **options)


def row_names(ax: Axes, names: Sequence[str]) -> None:
    """Write the layers at their rows, every n-th of them where there is no room for all."""
    room = ax.get_window_extent().height / ax.figure.dpi * 72
    lines = max(name.count("\n") + 1 for name in names)
    every = int(np.ceil(1.3 * SMALL * lines * len(names) / room))
    ax.set_yticks(range(0, len(names), every), names[::every])
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)


def color_bar(ax: Axes, colors: ScalarMappable, label: str, **options: Any) -> None:
    """Draw the scale of the colours to the right of the axes."""
    ticks = MaxNLocator(5, steps=[1, 2, 5, 10])
    bar = ax.figure.colorbar(colors, ax=ax, pad=0.03, aspect=16, ticks=ticks, **options)
    bar.set_label(textwrap.fill(label, 36), fontsize=MEDIUM)
    bar.outline.set_visible(False)
    tick_params(bar.ax)
    if hasattr(ax, "color_bar"):
        ax.color_bar(bar)


def log10(numbers: Array) -> Array:
    """Return log10 of what is positive and finite, else nan."""
    usable = (numbers > 0) & np.isfinite(numbers)
    return np.log10(numbers, out=np.full(len(numbers), np.nan), where=usable)


def curve(ax: Axes, steps: Array, numbers: Array, color: Any, label: str) -> None:
    """Draw log10 of the numbers over the steps; a long one as a median within a ribbon.

    Of more than twice ``GROUPS`` points as many groups are made: the line goes through their
    medians, and the ribbon is from their 10% to their 90% quantile. Where there is no logarithm,
    there is a gap.
    """
    logs = log10(numbers)
    if not np.isfinite(logs).any():
        label += " (no value above 0)"
    marker = "o" if np.isfinite(logs).sum() == 1 else ""
    if len(logs) <= 2 * GROUPS:
        ax.plot(steps, logs, color=color, label=label, marker=marker)
        return
    groups = np.array_split(logs, GROUPS)
    low, middle, high = np.array([_quantiles(group) for group in groups]).T
    at = np.array([group.mean() for group in np.array_split(steps, GROUPS)])
    ax.fill_between(at, low, high, color=color, alpha=0.18, linewidth=0)
    ax.plot(at, middle, color=color, label=label, marker=marker)


def _quantiles(values: Array) -> Array:
    finite = values[np.isfinite(values)]
    return np.quantile(finite, [0.1, 0.5, 0.9]) if finite.size else np.full(3, np.nan)


def curves(ax: Axes, series: Mapping[str, tuple[Array, Array]]) -> None:
    """Draw `curve` for each layer, from dark to light with depth: (steps, numbers) by its name."""
    for (name, (steps, numbers)), color in zip(
        series.items(), depth_colors(len(series)), strict=True
    ):
        curve(ax, steps, numbers, color, wrapped(name))
    ax.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))


def mark_bad(ax: Axes, steps: Array) -> None:
    """Draw a line where the first of these steps is, at which NaN or infinity was seen."""
    if not steps.size:
        return
    first = int(steps.min())
    ax.axvline(first, color=INK, linestyle=":", path_effects=OUTLINE)
    ax.annotate(
        f"NaN or ±∞ from step {first}",
        (first, 1),
        xycoords=("data", "axes fraction"),
        xytext=(0, 6),
        textcoords="offset points",
        ha="right" if first > sum(ax.get_xlim()) / 2 else "left",
        va="bottom",
        color=INK,
        fontsize=SMALL,
    )

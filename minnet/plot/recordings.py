"""Parts shared by the charts of recordings: input checks, step axes, rows, curves, colour bars.

The x axis of each of these charts is the step of training. A colour that stands for a number is
always on the same scale, from pale for little to black for much; nothing at all is white.
"""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from minnet.plot import inputs, style
from minnet.recording import HistogramProbe, StatisticsProbe
from minnet.validation import Array

Probe = HistogramProbe | StatisticsProbe
_GROUPS = 64  # points of a curve that summarizes a longer one
# The colours of numbers: from pale orange to black, and white for no number.
AMOUNTS = ListedColormap(mpl.colormaps["magma"](np.linspace(0.93, 0.0, 256))).with_extremes(
    bad="white"
)


def recorded(
    probe: Any, expected: type[Probe], kind: str, layers: Sequence[str] | None, where: str
) -> tuple[str, ...]:
    """Return the layers to draw: the requested ones, or all that have a recording of this kind."""
    if not isinstance(probe, expected):
        raise TypeError(
            f"{where}: expected a {expected.__name__}, as given to fit(..., probes=[probe]), got "
            f"{type(probe).__name__}"
        )
    found = probe.layers_of(kind)
    if not found:
        others = [name for name in probe.kinds if probe.layers_of(name)]
        raise ValueError(
            f"{where}: nothing was recorded of {kind!r}, only of {', '.join(others) or 'nothing'}; "
            f"request it before the run, {expected.__name__}([{kind!r}])"
        )
    return inputs.chosen_layers(found, layers, f"{where}: no {kind!r} of layers", "was recorded")


def step_edges(probe: Probe, layer: str, kind: str) -> Array:
    """Return the first step of each slot or point, and the end of the last one, (slots + 1,)."""
    steps = probe.steps(layer, kind)
    return np.append(steps[:, 0], steps[-1, 1] + probe.every)


def step_axis(ax: Axes, probe: Probe, names: Iterable[str], kind: str, margin: float = 0.0) -> None:
    """Set the x axis to the recorded steps of all layers."""
    edges = np.concatenate([step_edges(probe, name, kind) for name in names])
    room = margin * np.ptp(edges)
    ax.set_xlim(edges.min() - room, edges.max() + room)
    ax.xaxis.set_major_locator(style.whole_numbers())


def draw_rows(
    ax: Axes, probe: StatisticsProbe, kind: str, rows: Mapping[str, Array], norm: Normalize
) -> ScalarMappable:
    """Draw a row for each layer, the first on top, and return the scale of the colours.

    Numbers that are not finite are white.
    """
    colors = ScalarMappable(norm, AMOUNTS)
    width = min(0.8, 20 / len(rows))  # of the frames, which must not cover narrow rows
    for place, (layer, numbers) in enumerate(rows.items()):
        steps, heights = step_edges(probe, layer, kind), [place - 0.46, place + 0.46]
        cells = np.ma.masked_invalid(numbers)[np.newaxis]
        ax.pcolormesh(steps, heights, cells, cmap=colors.cmap, norm=norm, rasterized=True)
        frame = (steps[0], heights[0]), np.ptp(steps), np.ptp(heights)
        ax.add_patch(Rectangle(*frame, fill=False, edgecolor="0.75", linewidth=width))
    step_axis(ax, probe, rows, kind)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    return colors


def name_rows(ax: Axes, names: Sequence[str]) -> None:
    """Label the rows, or evenly spaced ones of them where there is no room for all."""
    lines = max(name.count("\n") + 1 for name in names)
    style.fit_lines(ax, lines * len(names))
    room = ax.get_window_extent().height / ax.figure.dpi * 72 / (1.3 * style.SMALL)
    places = style.spread(range(len(names)), max(2, int(room / lines)))
    ax.set_yticks(places, [names[place] for place in places], **style.literal(ax, style.SMALL))
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)


def color_bar(ax: Axes, colors: ScalarMappable, label: str, **options: Any) -> Colorbar:
    """Draw the scale of the colours to the right of the axes."""
    ticks = MaxNLocator(5, steps=[1, 2, 5, 10])
    bar = ax.figure.colorbar(colors, ax=ax, pad=0.03, aspect=16, ticks=ticks, **options)
    bar.set_label(textwrap.fill(label, 36), color=style.ink(ax))
    bar.outline.set_visible(False)
    style.tick_params(bar.ax)
    return bar


def log10(numbers: Array) -> Array:
    """Return log10 of the numbers that are positive and finite, else nan."""
    return np.log10(np.where((numbers > 0) & np.isfinite(numbers), numbers, np.nan))


def draw_curves(
    ax: Axes, probe: StatisticsProbe, kind: str, series: Mapping[str, tuple[Array, Array]]
) -> None:
    """Draw a curve for each layer, (steps, numbers) by name, from dark to light with depth."""
    for (name, (steps, numbers)), color in style.by_depth(series):
        _draw_curve(ax, steps, log10(numbers), color, style.legend_label(style.wrapped(name)))
    ax.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    step_axis(ax, probe, series, kind, margin=0.03)
    mark_nonfinite(ax, nonfinite_steps(probe, series, kind))


def _draw_curve(ax: Axes, steps: Array, logs: Array, color: Any, label: str) -> None:
    """Draw logarithms over the steps; nan is a gap.

    More than 128 points are split into 64 groups. The line is drawn through the medians of the
    groups, and the ribbon from their 10% to their 90% quantiles.
    """
    if not np.isfinite(logs).any():
        label += " (no value above 0)"
    marker = "o" if np.isfinite(logs).sum() == 1 else ""
    if len(logs) > 2 * _GROUPS:
        groups = [group[np.isfinite(group)] for group in np.array_split(logs, _GROUPS)]
        quantiles = [np.quantile(g, [0.1, 0.5, 0.9]) if g.size else [np.nan] * 3 for g in groups]
        low, logs, high = np.transpose(quantiles)
        steps = np.array([group.mean() for group in np.array_split(steps, _GROUPS)])
        ax.fill_between(steps, low, high, color=color, alpha=0.18, linewidth=0)
    ax.plot(steps, logs, color=color, label=label, marker=marker)


def nonfinite_steps(probe: StatisticsProbe, names: Iterable[str], kind: str) -> Array:
    """Return the steps at which one of the layers had NaN or infinity."""
    counts = [probe.series(name, kind, "nonfinite") for name in names]
    return np.concatenate([steps[count > 0] for steps, count in counts])


def mark_nonfinite(ax: Axes, steps: Array) -> None:
    """Draw a dotted line at the first of these steps, at which values were NaN or infinite."""
    if not steps.size:
        return
    first = int(steps.min())
    ax.axvline(first, color=style.INK, linestyle=":", path_effects=style.OUTLINE)
    side = "right" if first > sum(ax.get_xlim()) / 2 else "left"
    text, place = f"NaN or ±∞ from step {first}", ("data", "axes fraction")
    style.note(ax, text, (first, 1), (0, 6), place, ha=side)

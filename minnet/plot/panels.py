"""Panels of the histograms: their grid, and the marks and notes of each."""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from minnet.plot import style
from minnet.recording.statistics import Sample, describe
from minnet.validation import Array

_MOST = 60  # panels of a figure that can be laid out in seconds and saved


def drawn_layers(names: Sequence[str], labels: int, chosen: bool) -> list[str]:
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


def make_panels(
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
    for place, name in enumerate(names):
        block, column = divmod(place, columns)
        for number, label in enumerate(labels):
            first = next(iter(panels.values()), None)
            ax = figure.add_subplot(grid[block * len(labels) + number, column], sharex=first)
            panels[label, name] = ax
            lowest = place + columns >= len(names) and number == len(labels) - 1
            style.tick_params(ax, labelbottom=lowest)
            ax.yaxis.set_major_locator(MaxNLocator(3))
            ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            if column == 0:
                ax.set_ylabel(f"{style.wrapped(label)}\ndensity".strip())
    figure.axes[0].xaxis.set_major_locator(MaxNLocator(4, integer=log))
    return figure, panels


def common_height(panels: list[Array]) -> float:
    """Return the height of the y axis that the panels of one layer share.

    It is that of the tallest bar, except where that would flatten the others: in a panel where it
    is much taller than nearly all bars, and where another panel is much flatter throughout.
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


def zero_stem(ax: Axes, zeros: float) -> None:
    """Draw the exact zeros as a stem at 0, as high as their share of the panel."""
    across = ax.get_xaxis_transform()
    ax.vlines(0, 0, zeros, transform=across, color=style.INK, linewidth=3)
    ax.plot(0, zeros, "o", transform=across, color=style.INK, markersize=8, clip_on=False)
    left, right = ax.get_xlim()
    shift, side = (9, "left") if -left < 0.6 * (right - left) else (-9, "right")
    place = {"xycoords": across, "ha": side, "va": "center", "path_effects": style.OUTLINE}
    height = min(max(zeros, 0.08), 0.92)
    style.note(ax, f"{style.percent(zeros)} zeros", (0, height), (shift, 0), **place)


def mark_cut_bars(ax: Axes, density: Array, edges: Array, ceiling: float, color: Any) -> None:
    """Draw a triangle at the top of each bar that is taller than the panel."""
    cut = density > ceiling
    if cut.any():
        middles = (edges[:-1] + edges[1:])[cut] / 2
        across = ax.get_xaxis_transform()
        ax.plot(middles, np.ones(len(middles)), "^", transform=across, color=color, clip_on=False)


def notes_of(array: Any, sample: Sample, beyond: int, density: Array, ceiling: float) -> list[str]:
    """Return the summary statistics of a panel, and notes on values that it does not show."""
    values = describe(array)
    notes = [f"mean {values.mean:.2g}", f"std {values.std:.2g}", f"n = {values.count}"]
    if sample.log and sample.zeros:
        notes.append(f"{style.percent(sample.zeros)} zeros")
    if beyond:
        notes.append(f"{beyond} beyond the axis")
    if density.max() > ceiling:
        notes.append(f"▲ bars up to {density.max():.2g}")
    return notes


def mark_std(ax: Axes, array: Any, std: float, log: bool) -> None:
    """Draw dashed lines at the mean ± a predicted std, with ``log`` one at its log10."""
    mean = describe(array).mean
    places = [float(np.log10(std))] if log else [mean - std, mean + std]
    for place in places:
        ax.axvline(place, color=style.INK, ls="--", lw=1.8, path_effects=style.OUTLINE)


def draw_header(ax: Axes, name: str, notes: list[str]) -> None:
    """Write the layer's name above a panel, and the notes between."""
    unbroken = ", ".join(note.replace(" ", "\xa0") for note in notes)
    text = textwrap.fill(unbroken, 26).replace("\xa0", " ")
    height = 1.3 * style.SMALL * (1 + text.count("\n"))
    ax.set_title(style.wrapped(name), loc="left", pad=12 + height)
    style.note(ax, text, (0, 1), (0, 8))

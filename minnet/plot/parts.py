"""Parts shared by the charts: input checks, labels, step axes, rows, curves and colour scales.

All charts have the same colour scale, from pale orange for small numbers to black for large ones. A
cell without a number is white.
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

from minnet.plot import style
from minnet.recording import Capture, HistogramProbe, StatisticsProbe, statistics
from minnet.recording.statistics import Sample
from minnet.validation import Array, as_names, shown

Data = Capture | Mapping[str, Any]
Probe = HistogramProbe | StatisticsProbe
_KINDS = {
    "y": "activation y",
    "dy": "gradient dy",
    "dx": "gradient dx",
    "update": "update of weight",
}
_GROUPS = 64  # number of groups into which a long curve is split
AMOUNTS = ListedColormap(mpl.colormaps["magma"](np.linspace(0.93, 0.0, 256))).with_extremes(
    bad="white"
)
DARK = 102 / 256  # of AMOUNTS; from here on, white text has a higher contrast than black text


def has_labels(data: Any) -> bool:
    """Return whether data is a dict of label -> Capture or dict, not one of these itself."""
    labelled = isinstance(data, Mapping) and not isinstance(data, Capture) and bool(data)
    return labelled and all(isinstance(group, Mapping) for group in data.values())


def arrays_of(data: Any, kind: str, layers: Sequence[str] | None, where: str) -> dict[str, Any]:
    """Return layer name -> array of a Capture or a dict, for the requested layers or for all."""
    if not isinstance(data, Mapping):
        raise TypeError(
            f"{where}: expected a Capture, as of capture(net, x), or a dict of layer name -> "
            f"array, got {type(data).__name__}; for one array: {{'name': array}}"
        )
    found = data.kind(kind) if isinstance(data, Capture) else dict(data)
    names = chosen_layers(found, layers, f"{where}: expected layers")
    return {name: found[name] for name in names}


def chosen_layers(
    found: Iterable[str], layers: Iterable[str] | None, expected: str
) -> tuple[str, ...]:
    """Return the requested layers, or all; raise ValueError if one of them was not found."""
    found = tuple(found)
    names = found if layers is None else as_names(layers, expected.partition(":")[0], "layers")
    unknown = [name for name in names if name not in found]
    if unknown or not names:
        got = ", ".join(map(repr, unknown)) or "none"
        among = f" among {', '.join(found)}" if found else ""
        raise ValueError(f"{expected}{among}, got {got}")
    return names


def samples_of(arrays: Mapping[str, Any], log: bool, where: str) -> dict[str, Sample]:
    """Return layer name -> sample, in which exact zeros are separate from other values."""
    for name, array in arrays.items():
        if isinstance(array, Mapping):
            raise TypeError(
                f"{where}: expected an array for {name!r}, got a {type(array).__name__}; only "
                "histograms takes labels such as 'before', and then for every entry"
            )
    return {
        name: statistics.split_zeros(array, log=log, where=f"{where}: the values of {name!r}")
        for name, array in arrays.items()
    }


def name_of_kind(kind: str) -> str:
    """Return the name of a kind for the label of an axis."""
    if kind.endswith("_grad"):
        return f"gradient of {kind.removesuffix('_grad')}"
    return _KINDS.get(kind, kind)


def quantity(data: Data, kind: str, log: bool, exponent: int, names: Sequence[str] = ()) -> str:
    """Return the label of the axis of the values, which are in units of 10^exponent."""
    text = name_of_kind(kind) if isinstance(data, Capture) else "value"
    if log:
        text = f"log₁₀ |{text}|"
    if len(names) == 1:
        text = f"{text} of {style.wrapped(names[0], 48)}"
    return f"{text}, in units of {style.power_of_ten(10.0**exponent)}" if exponent else text


def label_of(name: str, sample: Sample, *more: str) -> str:
    """Return the legend's label of a layer: name, share of zeros, and the value of a constant."""
    notes = [f"{style.percent(sample.zeros)} zeros"] if sample.zeros else []
    if sample.point is not None and sample.values.size:
        notes.append(f"constant {sample.point:.3g}")
    notes += [note for note in more if note]
    return style.legend_label(style.wrapped(name) + (f" ({', '.join(notes)})" if notes else ""))


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
        kinds = [name for name in probe.kinds if probe.layers_of(name)]
        raise ValueError(
            f"{where}: expected a recording of {shown(kind)}, got one of "
            f"{', '.join(kinds) or 'nothing'}; request the kind before the run, "
            f"{expected.__name__}([{shown(kind)}])"
        )
    return chosen_layers(found, layers, f"{where}: expected layers with {kind!r}")


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
    """Draw a row for each layer, the first on top, and return the colour scale.

    Numbers that are not finite are white.
    """
    colors = ScalarMappable(norm, AMOUNTS)
    width = min(0.8, 20 / len(rows))  # of the frames, which must not cover narrow rows
    for row, (layer, numbers) in enumerate(rows.items()):
        steps, heights = step_edges(probe, layer, kind), [row - 0.46, row + 0.46]
        cells = np.ma.masked_invalid(numbers)[np.newaxis]
        ax.pcolormesh(steps, heights, cells, cmap=colors.cmap, norm=norm, rasterized=True)
        frame = (steps[0], heights[0]), np.ptp(steps), np.ptp(heights)
        ax.add_patch(Rectangle(*frame, fill=False, edgecolor="0.75", linewidth=width))
    step_axis(ax, probe, rows, kind)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    return colors


def name_rows(ax: Axes, names: Sequence[str]) -> None:
    """Label the rows, or evenly spaced rows if there is no room for all labels."""
    lines = max(name.count("\n") + 1 for name in names)
    style.fit_lines(ax, lines * len(names))
    room = ax.get_window_extent().height / ax.figure.dpi * 72 / (1.3 * style.SMALL)
    rows = range(0, len(names), -(-len(names) // max(2, int(room / lines))))
    ax.set_yticks(rows, [names[row] for row in rows], **style.literal(ax, style.SMALL))
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)


def color_bar(ax: Axes, colors: ScalarMappable, label: str, **options: Any) -> Colorbar:
    """Draw the colour scale to the right of the axes."""
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
    """Draw log10 of the numbers of each layer, (steps, numbers) by name, as a curve.

    More than 128 points are split into 64 groups. The line connects the medians of the groups, and
    a ribbon extends from their 10% to their 90% quantiles.
    """
    for (name, (steps, numbers)), color in style.by_depth(series):
        at, logs, label = steps, log10(numbers), style.legend_label(style.wrapped(name))
        finite = np.isfinite(logs).sum()
        if not finite:
            label += " (no value above 0)"
        if len(logs) > 2 * _GROUPS:
            groups = [group[np.isfinite(group)] for group in np.array_split(logs, _GROUPS)]
            low, logs, high = np.transpose(
                [np.quantile(g, [0.1, 0.5, 0.9]) if g.size else [np.nan] * 3 for g in groups]
            )
            at = np.array([group.mean() for group in np.array_split(steps, _GROUPS)])
            ax.fill_between(at, low, high, color=color, alpha=0.18, linewidth=0)
        ax.plot(at, logs, color=color, label=label, marker="o" if finite == 1 else "")
    ax.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    step_axis(ax, probe, series, kind, margin=0.03)
    mark_nonfinite(ax, nonfinite_steps(probe, series, kind))


def nonfinite_steps(probe: StatisticsProbe, names: Iterable[str], kind: str) -> Array:
    """Return the steps at which one of the layers had NaN or infinity."""
    counts = [probe.series(name, kind, "nonfinite") for name in names]
    return np.concatenate([steps[count > 0] for steps, count in counts])


def mark_nonfinite(ax: Axes, steps: Array) -> None:
    """Draw a dotted line at the first of these steps with NaN or infinity."""
    if not steps.size:
        return
    first = int(steps.min())
    ax.axvline(first, color=style.INK, linestyle=":", path_effects=style.OUTLINE)
    side = "right" if first > sum(ax.get_xlim()) / 2 else "left"
    text = f"NaN or ±∞ from step {first}"
    style.note(ax, text, (first, 1), (0, 6), ("data", "axes fraction"), ha=side)

"""Chart of the distribution of one layer's values over a training run."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator
from matplotlib.transforms import Bbox

from minnet.plot import parts, style
from minnet.recording import EDGES, FINITE, ZERO, HistogramProbe
from minnet.validation import Array

_INNER = 0.5  # height of the linear part on either side of 0, in decades
_GAP, _STRIP = 0.32, 0.6  # inches: distance from map to strip of zeros, height of the strip


@style.styled
def heatmap(
    probe: HistogramProbe,
    layer: str,
    *,
    kind: str = "y",
    ax: Axes | None = None,
    title: str | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Draw the distribution of a layer's values over the steps, as a heat map.

    The value axis covers all finite values. It is logarithmic on both sides of 0 and linear near 0.
    If the values span little more than a decade, the whole axis is linear. The colour is the
    density on that axis, which on a logarithmic axis is the share of a step's values per decade. A
    strip below the map shows the share of zeros in each step; it is omitted if there are none. A
    dotted line marks the first step with NaN or infinity.

    Parameters
    ----------
    probe : HistogramProbe
        Recording of a training run. Each slot of the probe is a column. The bins nearest to 0 are
        merged.
    layer : str
        Name of the layer.
    kind, ax, title, figsize
        As described in `minnet.plot`. A figure with ``layout="constrained"`` makes room for the
        strip and the colour bar.
    """
    parts.recorded(probe, HistogramProbe, kind, [layer], "heatmap")
    ax = style.axes(ax, figsize=figsize, where="heatmap")
    steps, counts = parts.step_edges(probe, layer, kind), probe.counts(layer, kind)
    edges, shares, inner = _bins(counts)
    heights = np.diff(_value_axis(ax, edges, inner))
    density = np.ma.masked_equal(shares / heights, 0).T
    norm = PowerNorm(0.5, 0.0, float(density.max()) if density.count() else 1.0)
    mesh = ax.pcolormesh(steps, edges, density, cmap=parts.AMOUNTS, norm=norm, rasterized=True)
    unit = "density" if ax.get_yscale() == "linear" else "share of values per decade"
    parts.color_bar(ax, mesh, unit)
    parts.step_axis(ax, probe, [layer], kind)
    nonfinite = probe.nans(layer, kind) + sum(probe.infinities(layer, kind))
    parts.mark_nonfinite(ax, steps[:-1][nonfinite > 0])
    zeros = probe.zeros(layer, kind)
    ylabel = f"{parts.name_of_kind(kind)} of {style.wrapped(layer, 30)}"
    style.name_axes(ax, "" if zeros.any() else "step", ylabel, title=title)
    if zeros.any():
        _draw_zeros(ax, steps, zeros)
    return ax.figure.figure


def _bins(counts: Array) -> tuple[Array, Array, float]:
    """Return edges (bins + 1,), the share of values in each bin (slots, bins), and the inner edge.

    The edges are 0 and the edges of the recorded bins, from the lowest value to the highest.
    Magnitudes below the inner edge share a bin on either side of 0. The inner edge is the largest
    one for which these are at most 1% of the values of each slot, zeros excluded.
    """
    total = counts.sum(axis=1, keepdims=True)
    counts = counts.copy()
    counts[:, ZERO] = 0
    counts = counts[:, FINITE]
    used = np.flatnonzero(counts.any(axis=0))
    if not used.size:
        return np.array([-1.0, 0.0, 1.0]), np.zeros((len(counts), 2)), 1.0
    middle = EDGES.size // 2
    magnitudes = np.cumsum(counts[:, middle:] + counts[:, middle - 1 :: -1], axis=1)
    magnitudes = magnitudes[magnitudes[:, -1] > 0]
    nearest = (magnitudes <= 0.01 * magnitudes[:, -1:]).sum(axis=1).min()
    inner = float(EDGES[middle + nearest])
    low, high = min(EDGES[used[0]], 0.0), max(EDGES[used[-1] + 1], 0.0)
    wanted = (np.abs(EDGES) >= inner) & (low <= EDGES) & (high >= EDGES)
    indices = np.flatnonzero(wanted | np.isin(EDGES, [low, 0.0, high]))
    return EDGES[indices], np.add.reduceat(counts, indices[:-1], axis=1) / total, inner


def _value_axis(ax: Axes, edges: Array, inner: float) -> Array:
    """Set the y axis, and return the heights of the edges on this axis, in decades.

    If the edges span little more than a decade, the axis is linear, and the heights are the edges.
    """
    top, threshold = max(-edges[0], edges[-1]), 10.0 ** np.ceil(np.log10(inner))
    if top < 3 * threshold:
        ax.set_yscale("linear")
        ax.set_ylim(edges[0], edges[-1])
        ax.yaxis.set_major_locator(MaxNLocator(5))
        return edges
    first, last = round(np.log10(threshold)), int(np.floor(np.log10(top)))
    ax.set_yscale("symlog", base=10, linthresh=threshold, linscale=_INNER)
    ax.set_ylim(edges[0], edges[-1])
    heights = ax.yaxis.get_transform().transform(np.append(edges, threshold)) / threshold
    ticks = 10.0 ** np.arange(last, first - 1, -max(1, (last - first) // 3))
    if heights[-1] < 0.07 * np.ptp(heights):  # too close to 0 for a label
        ticks = ticks[ticks > 2 * threshold]
    ax.set_yticks([*-ticks[ticks <= -edges[0]], 0.0, *ticks[ticks <= edges[-1]]])
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(lambda value, _: style.power_of_ten(value))
    return np.asarray(heights[:-1])


def _draw_zeros(ax: Axes, steps: Array, zeros: Array) -> None:
    """Draw the share of exact zeros below the map, on the same steps."""

    def below(*_: object) -> Bbox:
        """Return the box of the strip; its height and distance from the map are inches."""
        box, inch = ax.get_window_extent(), ax.figure.dpi
        strip = Bbox.from_bounds(box.x0, box.y0 - (_GAP + _STRIP) * inch, box.width, _STRIP * inch)
        return strip.transformed(ax.figure.transSubfigure.inverted())

    strip = ax.inset_axes((0.0, 0.0, 1.0, 1.0), sharex=ax)
    strip.set_axes_locator(below)
    strip.stairs(zeros, steps, fill=True, color=style.INK)
    strip.set_ylim(0, 1)
    strip.set_yticks([0, 1], ["0%", "100%"])
    style.tick_params(ax, labelbottom=False)
    style.name_axes(strip, "step", "zeros")
    style.note(strip, f"{style.percent(zeros[-1])} at the end", (1, 1), (0, 0), ha="right")

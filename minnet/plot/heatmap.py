"""The whole distribution of one layer over a training run, as a map.

Values run up the axis on a logarithmic scale in both directions, so that what shrinks by powers of
ten can be seen to do so, and exact zeros, which have no place there, get a strip of their own.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.scale import SymmetricalLogTransform
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator
from matplotlib.transforms import Bbox

from minnet.plot.data import name_of_kind
from minnet.plot.recordings import (
    amounts,
    color_bar,
    mark_bad,
    recorded,
    step_axis,
    step_edges,
)
from minnet.plot.style import INK, MEDIUM, axes, name_axes, percent, styled, tick_params
from minnet.recording import EDGES, FINITE, ZERO, HistogramProbe
from minnet.validation import Array

_INNER = 0.5  # decades of height that the linear part has on either side of 0
_GAP, _STRIP = 0.32, 0.6  # inches between the map and the strip of zeros, and of its height
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@styled
def heatmap(
    probe: HistogramProbe, layer: str, *, kind: str = "y", ax: Axes | None = None
) -> Figure:
    """Draw how the distribution of a layer's values changes over the steps.

    The value stands on a signed logarithmic axis, which is linear next to 0, and everywhere where
    the values span hardly more than a decade. The colour is the density on that axis: which share
    of a step's values lies in a decade. All that is finite is on the axis. Exact zeros are the
    strip below, filled as high as they are of all values; no strip means no zeros. A dotted line
    marks where NaN or infinity came in.

    Parameters
    ----------
    probe : HistogramProbe
        Its bins are drawn as they are, those nearest to 0 put together, and a column is a slot.
    layer : str
        Which layer, by its name.
    kind : str, default "y"
        Which of its buffers, parameters or gradients.
    ax : matplotlib.axes.Axes, optional
        Axes that are there already, best in a figure with ``layout="constrained"``, which makes
        room for the strip and the colour bar.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError
        If probe is no HistogramProbe.
    ValueError
        If nothing was recorded of that layer and kind.

    Examples
    --------
    >>> from minnet import Dense, MeanSquaredError, ReLU, SGD, Sequential, fit
    >>> net = Sequential([Dense(3, 8), ReLU(), Dense(8, 1)], rng=0)
    >>> x = np.random.default_rng(0).normal(size=(64, 3))
    >>> probe = HistogramProbe(["y"])
    >>> history = fit(net, x, x[:, :1], loss=MeanSquaredError(), optimizer=SGD(net, lr=0.1),
    ...               epochs=5, batch_size=32, probes=[probe], rng=0)
    >>> heatmap(probe, "relu1").axes[0].get_ylabel()
    'activation y of relu1'
    """
    recorded(probe, HistogramProbe, kind, [layer], "heatmap")
    ax = axes(ax, 0)
    steps, counts = step_edges(probe, layer, kind), probe.counts(layer, kind)
    edges, shares, inner = _bins(counts)
    heights = np.diff(_value_axis(ax, edges, inner))
    density = np.ma.masked_equal(shares / heights, 0).T
    norm = PowerNorm(0.5, 0.0, float(density.max()) if density.count() else 1.0)
    mesh = ax.pcolormesh(steps, edges, density, cmap=amounts(), norm=norm, rasterized=True)
    unit = "density" if ax.get_yscale() == "linear" else "share of values per decade"
    color_bar(ax, mesh, unit)
    step_axis(ax, [steps])
    zeros = probe.zeros(layer, kind)
    name_axes(ax, "" if zeros.any() else "step", f"{name_of_kind(kind)} of {layer}")
    if zeros.any():
        _zero_strip(ax, steps, zeros)
    bad = probe.nans(layer, kind) + sum(probe.infinities(layer, kind))
    mark_bad(ax, steps[:-1][bad > 0])
    return ax.figure.figure


def _bins(counts: Array) -> tuple[Array, Array, float]:
    """Return edges (bins + 1,), the share of values in each bin (slots, bins), and the inner edge.

    The edges are those of the floats, from the lowest value to the highest, and 0 itself; between 0
    and the inner edge there are none. At least 99% of each slot's values but the zeros lie beyond.
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
    places = np.flatnonzero(wanted | np.isin(EDGES, [low, 0.0, high]))
    return EDGES[places], np.add.reduceat(counts, places[:-1], axis=1) / total, inner


def _value_axis(ax: Axes, edges: Array, inner: float) -> Array:
    """Make the y axis, and return how high the edges stand on it, in decades.

    Where they span hardly more than a decade, the axis is linear, and so are the heights.
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
    ticks = 10.0 ** np.arange(last, first - 1, -max(1, (last - first) // 3))
    ax.set_yticks([*-ticks[ticks <= -edges[0]], 0.0, *ticks[ticks <= edges[-1]]])
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _power(value)))
    heights = SymmetricalLogTransform(10, threshold, _INNER).transform(edges) / threshold
    return np.asarray(heights)


def _power(value: float) -> str:
    if not value:
        return "0"
    power = str(round(np.log10(abs(value))))
    return ("−" if value < 0 else "") + "10" + power.translate(_SUPERSCRIPTS)


def _zero_strip(ax: Axes, steps: Array, zeros: Array) -> None:
    """Draw the share of exact zeros below the map, on the same steps."""
    strip = ax.inset_axes((0.0, 0.0, 1.0, 1.0), sharex=ax)
    strip.set_axes_locator(lambda *_: _below(ax))
    strip.stairs(zeros, steps, fill=True, color=INK)
    strip.set_ylim(0, 1)
    strip.set_yticks([0, 1], ["0%", "100%"])
    tick_params(ax, labelbottom=False)
    tick_params(strip)
    strip.spines[["top", "right"]].set_visible(False)
    strip.set_xlabel("step", fontsize=MEDIUM)
    strip.set_ylabel("zeros", fontsize=MEDIUM)
    strip.annotate(
        f"{percent(zeros[-1])} at the end",
        (1, 1),
        xycoords="axes fraction",
        ha="right",
        va="bottom",
        color=INK,
    )


def _below(ax: Axes) -> Bbox:
    """Return the place of the strip: in inches, so that a layout can reserve it for good."""
    box, inch = ax.get_window_extent(), ax.figure.dpi
    place = Bbox.from_bounds(box.x0, box.y0 - (_GAP + _STRIP) * inch, box.width, _STRIP * inch)
    return place.transformed(ax.figure.transSubfigure.inverted())

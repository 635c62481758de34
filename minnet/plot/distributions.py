"""Pictures of distributions: histograms, densities, and cumulative shares, a layer each."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from minnet.plot.data import (
    Data,
    arrays_of,
    has_labels,
    label_of,
    predictions,
    quantity,
    samples_of,
)
from minnet.plot.panels import (
    common_height,
    cut_bars,
    header,
    make_panels,
    mark_std,
    notes,
    zero_stem,
)
from minnet.plot.style import axes, depth_colors, finish, limits, styled
from minnet.recording import statistics


@styled
def histograms(
    data: Data | Mapping[str, Data],
    *,
    kind: str = "y",
    layers: Sequence[str] | None = None,
    bins: int = 50,
    log: bool = False,
    theory: Mapping[str, float] | None = None,
) -> Figure:
    """Draw one histogram a layer, side by side on one x axis.

    The bars are a density. Exact zeros are no part of it: they are a stem at 0 that fills as much
    of the panel's height as they are of the values, 1 being the top. The axis follows the bulk of
    the values, see `minnet.recording.statistics.bulk_range`; how many lie beyond is written above
    the panel. Bars that would make all others too small to see are cut and marked ▲.

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
    theory : dict of layer name -> float, optional
        The predicted std: dashed lines at mean ± std, or where a magnitude is that std.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError, FloatingPointError
        If there is nothing of that kind to draw, labels hold different layers, an array is empty or
        not finite, or theory tells of other layers or of a std that is not positive.

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
    predicted = predictions(theory, names, "histograms")
    samples = {label: samples_of(group, log) for label, group in arrays.items()}
    low, high = statistics.bulk_range(s for group in samples.values() for s in group.values())
    edges = statistics.bin_edges(low, high, bins)
    figure, panels = make_panels(list(arrays), names, log)
    for name, color in zip(names, depth_colors(len(names)), strict=True):
        bars = {label: statistics.histogram(samples[label][name], edges) for label in arrays}
        ceiling = common_height([density for density, _ in bars.values()])
        for label, (density, beyond) in bars.items():
            ax, sample = panels[label, name], samples[label][name]
            ax.stairs(density, edges, fill=True, color=color)
            limits(ax, edges[0], edges[-1], ceiling)
            if sample.zeros and not log:
                zero_stem(ax, sample.zeros)
            cut_bars(ax, density, edges, ceiling, color)
            told = notes(arrays[label][name], sample, beyond, density, ceiling)
            if name in predicted:
                mark_std(ax, arrays[label][name], predicted[name], log)
                told.append(f"theory: std {predicted[name]:.2g}")
            header(ax, name, told)
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
    Data, kind, layers and log are those of `histograms`; ``ax`` draws on axes that are there
    already.

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

"""Charts of distributions: histograms, densities and cumulative shares, one for each layer."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from minnet.plot import inputs, panels, style
from minnet.recording import statistics


@style.styled
def histograms(
    data: inputs.Data | Mapping[str, inputs.Data],
    *,
    kind: str = "y",
    layers: Sequence[str] | None = None,
    bins: int = 50,
    log: bool = False,
    theory: Mapping[str, float] | None = None,
    title: str | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Draw a histogram for each layer, side by side on one x axis.

    The bars are a density. Exact zeros are not part of it: they are a stem at 0, as high as their
    share of the values, where 1 is the top of the panel. The axis covers the bulk of the values,
    see `minnet.recording.statistics.bulk_range`; the number of values beyond is written above the
    panel. Bars that would make all others too small to read are cut and marked ▲.

    Parameters
    ----------
    data : Capture, dict of layer name -> array, or dict of label -> one of these
        With labels, such as ``{"before": first, "after": second}``, each label gets a row of
        panels, and a layer has the same y axis in all of them.
    kind : str, default "y"
        Kind of buffer of a `Capture`.
    layers : sequence of str, optional
        Layers to draw, in that order. By default all layers, or evenly spaced ones where that
        would be more than 60 panels.
    bins : int, default 50
        Number of bins over the whole axis.
    log : bool, default False
        Draw log10 of the magnitudes, for gradients that differ by powers of ten between layers.
    theory : dict of layer name -> float, optional
        Predicted std: dashed lines at mean ± std, or with ``log`` one at log10 of the std.
    title : str, optional
        Title of the figure.
    figsize : (float, float), optional
        Width and height of the figure in inches.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError, FloatingPointError
        If there is nothing of that kind to draw, labels hold different layers, ``layers`` needs
        more than 60 panels, an array is empty or not finite, or theory has a layer that is not
        drawn or a std that is not positive.

    Examples
    --------
    >>> figure = histograms({"relu1": [0.0, 0.0, 1.0, 2.0]}, bins=2)
    >>> figure.axes[0].patches[0].get_data().values
    array([0. , 0.5])
    """
    groups = data if inputs.has_labels(data) else {"": data}
    arrays = {
        label: inputs.arrays_of(group, kind, layers, "histograms")
        for label, group in groups.items()
    }
    every = list(next(iter(arrays.values())))
    for label, group in arrays.items():
        if list(group) != every:
            raise ValueError(
                f"histograms: {label!r} has layers {list(group)}, the first has {every}; "
                "choose common ones with layers="
            )
    names = panels.drawn_layers(every, len(arrays), layers is not None)
    predicted = inputs.predictions(theory, every, "histograms")
    samples = {
        label: inputs.samples_of({name: group[name] for name in names}, log, "histograms")
        for label, group in arrays.items()
    }
    low, high = statistics.bulk_range(s for group in samples.values() for s in group.values())
    edges = statistics.bin_edges(low, high, bins)
    figure, grid = panels.make_panels(list(arrays), names, log, figsize, title)
    style.limits(figure.axes[0], edges[0], edges[-1], 1.0)
    for name, color in zip(names, style.depth_colors(len(names)), strict=True):
        bars = {label: statistics.histogram(samples[label][name], edges) for label in arrays}
        ceiling = panels.common_height([density for density, _ in bars.values()])
        for label, (density, beyond) in bars.items():
            ax, sample = grid[label, name], samples[label][name]
            ax.stairs(density, edges, fill=True, color=color)
            ax.set_ylim(0, 1.06 * ceiling)
            if sample.zeros and not log:
                panels.zero_stem(ax, sample.zeros)
            panels.mark_cut_bars(ax, density, edges, ceiling, color)
            notes = panels.notes_of(arrays[label][name], sample, beyond, density, ceiling)
            if name in predicted:
                panels.mark_std(ax, arrays[label][name], predicted[name], log)
                notes.append(f"theory: std {predicted[name]:.2g}")
            panels.draw_header(ax, name, notes)
    xlabel = inputs.quantity(next(iter(groups.values())), kind, log)
    if len(names) < len(every):
        xlabel += f"\n{len(names)} of {len(every)} layers, evenly spaced; layers= chooses others"
    figure.supxlabel(xlabel)
    return figure


@style.styled
def density(
    data: inputs.Data,
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
    curve is the rest of 1. A layer whose values are all the same is a vertical line. The flattest
    curve keeps a tenth of the height; the legend reports the peak of each curve that is cut.

    Parameters
    ----------
    data, kind, layers, log
        As in `histograms`, but data has no labels.
    ax : matplotlib.axes.Axes, optional
        Axes to draw on; by default those of a new figure.
    title : str, optional
        Title of the axes.
    figsize : (float, float), optional
        Width and height of a new figure in inches; not together with ``ax``.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> figure = density({"relu1": [0.0, 0.0, 1.0, 2.0], "relu2": [0.3, 0.3]})
    >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    ['relu1 (50% zeros)', 'relu2 (constant 0.3)']
    """
    samples = inputs.samples_of(inputs.arrays_of(data, kind, layers, "density"), log, "density")
    low, high = statistics.bulk_range(samples.values())
    curves = {}
    for name, sample in samples.items():
        if sample.point is None and sample.values.size:
            at = np.linspace(max(low, sample.values.min()), min(high, sample.values.max()), 401)
            curves[name] = at, statistics.kernel_density(sample, at)
    peaks = {name: float(curve.max()) for name, (_, curve) in curves.items()}
    ceiling = min(max(peaks.values(), default=1.0), 10 * min(peaks.values(), default=1.0))
    cut = {name: f"peak {peak:.2g}" for name, peak in peaks.items() if peak > ceiling}
    ax = style.axes(ax, figsize=figsize, where="density")
    for (name, sample), color in style.by_depth(samples):
        label = inputs.label_of(name, sample, cut.get(name, ""))
        if name in curves:
            ax.plot(*curves[name], color=color, label=label)
        elif sample.point is not None:
            ax.axvline(sample.point, color=color, label=label)
        else:
            ax.plot([], [], color=color, label=label)
    style.limits(ax, low, high, ceiling)
    return style.finish(ax, inputs.quantity(data, kind, log, list(samples)), "density", title=title)


@style.styled
def cdf(
    data: inputs.Data,
    *,
    kind: str = "y",
    layers: Sequence[str] | None = None,
    log: bool = False,
    ax: Axes | None = None,
    title: str | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Draw the share of values <= x of each layer as a curve, from dark to light with depth.

    Nothing is estimated or smoothed: the curve has a step at each value, as high as its share, so
    that exact zeros are the jump at 0. With ``log``, where the axis has no 0, the curve begins at
    their share. Parameters are those of `density`.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> figure = cdf({"relu1": [0.0, 0.0, 1.0, 2.0]})
    >>> figure.axes[0].lines[0].get_ydata()
    array([0.  , 0.5 , 0.75, 1.  , 1.  ])
    """
    samples = inputs.samples_of(inputs.arrays_of(data, kind, layers, "cdf"), log, "cdf")
    ax = style.axes(ax, figsize=figsize, where="cdf")
    low, high = statistics.bulk_range(samples.values())
    style.limits(ax, low, high, 1.0)
    for (name, sample), color in style.by_depth(samples):
        label, (values, share) = inputs.label_of(name, sample), statistics.cumulative(sample)
        left, right = ax.get_xlim()
        start = sample.zeros if log else 0.0
        values = np.array([min([left, *values[:1]]), *values, max([right, *values[-1:]])])
        share = np.array([start, *share, 1.0])
        ax.plot(values, share, drawstyle="steps-post", color=color, label=label)
    xlabel = inputs.quantity(data, kind, log, list(samples))
    return style.finish(ax, xlabel, "share of values ≤ x", title=title)

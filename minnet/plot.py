"""Pictures of what a network holds: drawn here, computed in `minnet.statistics`.

They are made for the last row of a lecture hall: large letters, few ticks, axes that say what they
are and are shared where panels are compared, and colours that run from dark to light with depth and
can be told apart by the colour-blind. Exact zeros are drawn apart from the density, and what an
axis leaves out is counted in words. Nothing is shown and nothing global is touched: neither
pyplot's list of figures nor Matplotlib's settings. Every function returns the figure it drew on, to
be shown by a notebook or saved with ``figure.savefig("name.png")``.
"""

import io
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, Literal, ParamSpec

import matplotlib as mpl
import numpy as np
from matplotlib import patheffects
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from minnet import statistics
from minnet.probes import Capture
from minnet.statistics import Sample, describe
from minnet.validation import Array

Data = Capture | Mapping[str, Any]

_SMALL, _MEDIUM, _LARGE = 13, 15, 17  # points
_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": _SMALL,
    "axes.labelsize": _MEDIUM,
    "figure.labelsize": _MEDIUM,
    "axes.titlesize": _LARGE,
    "legend.fontsize": _SMALL,
    "legend.frameon": False,
    "lines.linewidth": 2.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "savefig.facecolor": "white",
    "text.usetex": False,
}
_INK = "#222222"
# Okabe & Ito's colours for the colour-blind, the ones that stand out on white.
_LABELS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#222222", "#56B4E9", "#E69F00")
_STROKES: tuple[tuple[str, Literal["--", "-"]], ...] = (("training", "--"), ("validation", "-"))
_KINDS = {"y": "activation y", "dy": "gradient dy", "dx": "gradient dx"}

P = ParamSpec("P")


class _Figure(Figure):
    """A figure that a notebook shows by itself, whether or not pyplot was ever imported."""

    def _repr_png_(self) -> bytes:
        png = io.BytesIO()
        self.savefig(png, format="png")
        return png.getvalue()


def _styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw in our style, and leave the user's as it was."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with mpl.rc_context(_STYLE):
            return draw(*args, **kwargs)

    return drawn


@_styled
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
    groups = data if _has_labels(data) else {"": data}
    arrays = {label: _arrays(group, kind, layers) for label, group in groups.items()}
    names = list(next(iter(arrays.values()), {}))
    for label, group in arrays.items():
        if list(group) != names:
            raise ValueError(f"{label!r} has layers {list(group)}, the first has {names}")
    samples = {label: _samples(group, log) for label, group in arrays.items()}
    low, high = statistics.bulk_range(s for group in samples.values() for s in group.values())
    edges = statistics.bin_edges(low, high, bins)
    figure, panels = _panels(list(arrays), names, log)
    for name, color in zip(names, depth_colors(len(names)), strict=True):
        bars = {label: statistics.histogram(samples[label][name], edges) for label in arrays}
        ceiling = _ceiling([density for density, _ in bars.values()])
        for label, (density, beyond) in bars.items():
            ax, sample = panels[label, name], samples[label][name]
            ax.stairs(density, edges, fill=True, color=color)
            _limits(ax, edges[0], edges[-1], ceiling)
            if sample.zeros and not log:
                _zero_stem(ax, sample.zeros)
            _cut_bars(ax, density, edges, ceiling, color)
            _header(ax, name, _notes(arrays[label][name], sample, beyond, density, ceiling))
    figure.supxlabel(_quantity(next(iter(groups.values())), kind, log))
    return figure


@_styled
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
    samples = _samples(_arrays(data, kind, layers), log)
    ax = _axes(ax, len(samples))
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
        label = _label(name, sample, peak)
        if name in curves:
            ax.plot(*curves[name], color=color, label=label)
        elif sample.point is not None:
            ax.axvline(sample.point, color=color, label=label)
        else:
            ax.plot([], [], color=color, label=label)
    _limits(ax, low, high, ceiling)
    return _finish(ax, _quantity(data, kind, log, list(samples)), "density")


@_styled
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
    samples = _samples(_arrays(data, kind, layers), log)
    ax = _axes(ax, len(samples))
    low, high = statistics.bulk_range(samples.values())
    _limits(ax, low, high, 1.0)
    for (name, sample), color in zip(samples.items(), depth_colors(len(samples)), strict=True):
        values, share = statistics.cumulative(sample)
        left, right = ax.get_xlim()
        start = sample.zeros if log else 0.0
        values = np.array([min([left, *values[:1]]), *values, max([right, *values[-1:]])])
        share = np.array([start, *share, 1.0])
        ax.plot(values, share, drawstyle="steps-post", color=color, label=_label(name, sample))
    return _finish(ax, _quantity(data, kind, log, list(samples)), "share of values ≤ x")


@_styled
def learning_curves(history: Any, *, metric: str = "loss", ax: Axes | None = None) -> Figure:
    """Draw a metric by epoch: training rows dashed, validation rows solid.

    Parameters
    ----------
    history : History, list of them, or dict of label -> either
        Anything with lists ``history.loss`` and ``history.val_loss``, one number an epoch. Several
        in a list are runs that differ in their seed: drawn is their mean, in a band that is the
        95% interval of that mean (Student's t).
    metric : str, default "loss"
        Or "accuracy", or any other that the history has.
    ax : matplotlib.axes.Axes, optional
        Axes that are there already.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError
        If a history has no such metric, or the runs of one label differ in length.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> figure = learning_curves(SimpleNamespace(loss=[2.0, 1.0], val_loss=[2.5, 1.5]))
    >>> [line.get_ydata().tolist() for line in figure.axes[0].lines]
    [[2.0, 1.0], [2.5, 1.5]]
    """
    histories = history if isinstance(history, Mapping) else {"": history}
    curves = {label: _curves(runs, metric, label) for label, runs in histories.items()}
    if not curves:
        raise ValueError("learning_curves: expected at least one history, got an empty dict")
    ax = _axes(ax, len(curves))
    for number, (label, rows) in enumerate(curves.items()):
        color = _LABELS[number % len(_LABELS)]
        for name, stroke in _STROKES:
            if name in rows:
                _draw_runs(ax, rows[name], stroke, color, f"{label} {name}".strip())
    epochs = max(runs.shape[1] for rows in curves.values() for runs in rows.values())
    margin = min(0.5, 0.03 * epochs)
    ax.set_xlim(1 - margin, epochs + margin)
    ax.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    return _finish(ax, "epoch", metric, _legend_of_curves(curves))


def depth_colors(layers: int) -> list[tuple[float, ...]]:
    """Return a colour for each layer, from dark to light, the lightest still 3 : 1 on white."""
    return [tuple(color) for color in mpl.colormaps["plasma"](np.linspace(0.0, 0.64, layers))]


# What is drawn, and what it is called.


def _has_labels(data: Any) -> bool:
    """Tell whether data is a dict of label -> captures or dicts rather than one of them."""
    if isinstance(data, Capture) or not isinstance(data, Mapping) or not data:
        return False
    return all(isinstance(group, Mapping) for group in data.values())


def _arrays(data: Any, kind: str, layers: Sequence[str] | None) -> dict[str, Any]:
    if not isinstance(data, Mapping):
        raise TypeError(
            "expected a Capture, as of capture(net, x), or a dict of layer name -> array, got "
            f"{type(data).__name__}; for one array: {{'name': array}}"
        )
    found = data.kind(kind) if isinstance(data, Capture) else dict(data)
    wanted = list(found) if layers is None else [layers] if isinstance(layers, str) else [*layers]
    missing = [name for name in wanted if name not in found]
    if missing or not wanted:
        raise ValueError(f"no layers {missing} to draw; there are {', '.join(found) or 'none'}")
    return {name: found[name] for name in wanted}


def _samples(arrays: Mapping[str, Any], log: bool) -> dict[str, Sample]:
    for name, array in arrays.items():
        if isinstance(array, Mapping):
            raise TypeError(
                f"{name!r} is a {type(array).__name__}, expected an array; labels such as 'before' "
                "and 'after' are for histograms, and then for everything it is given"
            )
    return {
        name: statistics.split_zeros(array, log=log, where=f"the values of {name!r}")
        for name, array in arrays.items()
    }


def _quantity(data: Data, kind: str, log: bool, names: Sequence[str] = ()) -> str:
    text = "value"
    if isinstance(data, Capture):
        text = _KINDS.get(kind, kind)
        if kind.endswith("_grad"):
            text = f"gradient of {kind.removesuffix('_grad')}"
    if log:
        text = f"log₁₀ |{text}|"
    return f"{text} of {names[0]}" if len(names) == 1 else text


def _percent(share: float) -> str:
    if 0 < share < 0.01:
        return "<1%"
    return ">99%" if 0.99 < share < 1 else f"{100 * share:.0f}%"


def _wrapped(name: str) -> str:
    """Break a long name where it is cut into words, by blanks, dots or underscores."""
    words = re.sub(r"([._])(?=.)", "\\1\0 ", name)
    return re.sub("\0 ?", "", textwrap.fill(words, 24))


def _label(name: str, sample: Sample, *more: str) -> str:
    notes = [f"{_percent(sample.zeros)} zeros"] if sample.zeros else []
    if sample.point is not None and sample.values.size:
        notes.append(f"constant {sample.point:.3g}")
    notes += [note for note in more if note]
    return _wrapped(name) + (f" ({', '.join(notes)})" if notes else "")


# How it is drawn.


def _axes(ax: Axes | None, entries: int) -> Axes:
    if ax is not None:
        if not isinstance(ax, Axes):
            raise TypeError(f"ax must be one Matplotlib Axes, got {type(ax).__name__}")
        return ax
    size = (9.5, max(5.2, 1.0 + 0.32 * entries))
    return _Figure(figsize=size, layout="constrained").add_subplot()


def _panels(
    labels: list[str], names: list[str], log: bool
) -> tuple[Figure, dict[tuple[str, str], Axes]]:
    """Return a figure with a panel for each label and layer, at most four layers side by side.

    All share the x axis. The labels of one layer stand below each other.
    """
    columns = -(-len(names) // -(-len(names) // 4))
    rows = -(-len(names) // columns) * len(labels)
    figure = _Figure(figsize=(max(3.5 * columns, 6.0), 3.1 * rows + 0.5), layout="constrained")
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
            _tick_params(ax, labelbottom=lowest)
            ax.xaxis.set_major_locator(MaxNLocator(4, integer=log))
            ax.yaxis.set_major_locator(MaxNLocator(3))
            ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            if column == 0:
                ax.set_ylabel(f"{_wrapped(label)}\ndensity".strip())
    return figure, panels


def _tick_params(ax: Axes, **options: Any) -> None:
    # Given outright: Matplotlib makes ticks when it draws, by the settings of that moment.
    ax.tick_params(labelsize=_SMALL, colors=_INK, pad=7, **options)


def _limits(ax: Axes, low: float, high: float, ceiling: float) -> None:
    margin = 0.03 * (high - low)
    ax.set_xlim(low - margin, high + margin)
    ax.set_ylim(0, 1.06 * ceiling)


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
    ax.vlines(0, 0, zeros, transform=across, color=_INK, linewidth=3)
    ax.plot(0, zeros, "o", transform=across, color=_INK, markersize=8, clip_on=False)
    left, right = ax.get_xlim()
    to_the_right = -left < 0.6 * (right - left)
    ax.annotate(
        f"{_percent(zeros)} zeros",
        (0, min(max(zeros, 0.08), 0.92)),
        xycoords=across,
        xytext=(9 if to_the_right else -9, 0),
        textcoords="offset points",
        ha="left" if to_the_right else "right",
        va="center",
        color=_INK,
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
        notes.append(f"{_percent(sample.zeros)} zeros")
    if beyond:
        notes.append(f"{beyond} beyond the axis")
    if density.max() > ceiling:
        notes.append(f"▲ up to {density.max():.2g}")
    return notes


def _header(ax: Axes, name: str, notes: list[str]) -> None:
    unbroken = ", ".join(note.replace(" ", "\xa0") for note in notes)
    text = textwrap.fill(unbroken, 30).replace("\xa0", " ")
    height = 1.3 * _SMALL * (1 + text.count("\n"))
    ax.set_title(_wrapped(name), loc="left", pad=12 + height, color=_INK)
    ax.annotate(
        text,
        (0, 1),
        xycoords="axes fraction",
        xytext=(0, 8),
        textcoords="offset points",
        va="bottom",
        color=_INK,
    )


def _finish(ax: Axes, xlabel: str, ylabel: str, handles: list[Artist] | None = None) -> Figure:
    """Name the axes, put the legend where no line can be, and return the figure."""
    _tick_params(ax)
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_xlabel(xlabel, fontsize=_MEDIUM)
    ax.set_ylabel(ylabel, fontsize=_MEDIUM)
    handles = ax.get_legend_handles_labels()[0] if handles is None else handles
    ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0)
    return ax.figure.figure


# Learning curves.


def _draw_runs(ax: Axes, runs: Array, stroke: Literal["--", "-"], color: str, label: str) -> None:
    epochs, mean, half = np.arange(1, runs.shape[1] + 1), runs.mean(axis=0), _band(runs)
    marker = "o" if len(epochs) == 1 else ""
    ax.plot(epochs, mean, stroke, color=color, marker=marker, label=label)
    if half is not None:
        ax.fill_between(epochs, mean - half, mean + half, color=color, alpha=0.2, linewidth=0)


def _legend_of_curves(curves: dict[str, dict[str, Array]]) -> list[Artist]:
    """Return a colour for each label, a stroke for training and validation, and the band."""
    handles: list[Artist] = [
        Line2D([], [], color=_LABELS[number % len(_LABELS)], label=_wrapped(label))
        for number, label in enumerate(curves)
        if label
    ]
    ink = _INK if handles else _LABELS[0]
    for name, stroke in _STROKES:
        if any(name in rows for rows in curves.values()):
            handles.append(Line2D([], [], color=ink, linestyle=stroke, label=name))
    runs = {len(found) for rows in curves.values() for found in rows.values()} - {1}
    if runs:
        number = "–".join(str(n) for n in sorted({min(runs), max(runs)}))
        text = f"95% interval of\nthe mean, {number} runs"
        handles.append(Patch(color=ink, alpha=0.2, linewidth=0, label=text))
    return handles


def _curves(runs: Any, metric: str, label: str) -> dict[str, Array]:
    """Return the metric in training and, where it was measured, validation: (runs, epochs)."""
    runs = list(runs) if isinstance(runs, list | tuple) else [runs]
    found = {}
    for name, attribute in (("training", metric), ("validation", f"val_{metric}")):
        rows = [getattr(run, attribute, None) for run in runs]
        if any(row is not None and len(row) for row in rows):
            lengths = [len(row) if row is not None else 0 for row in rows]
            if len(set(lengths)) > 1:
                raise ValueError(
                    f"learning_curves: the runs of {label!r} hold {attribute} of {lengths} epochs; "
                    "a mean needs equally many"
                )
            found[name] = np.array(rows, dtype=np.float64)
    if not found:
        raise ValueError(
            f"learning_curves: {label or 'the history'} has neither {metric!r} nor 'val_{metric}'; "
            "expected a History, with lists such as history.loss"
        )
    return found


def _band(runs: Array) -> Array | None:
    """Return half the width of the mean's 95% interval at each epoch, None for a single run."""
    if len(runs) < 2:
        return None
    from scipy.stats import t

    quantile = t.ppf(0.975, len(runs) - 1)
    return np.asarray(quantile * runs.std(axis=0, ddof=1) / np.sqrt(len(runs)))

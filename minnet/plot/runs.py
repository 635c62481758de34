"""Charts of a training run: learning curves, and gradients, updates and dead units of layers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from minnet.plot import parts, style
from minnet.recording import StatisticsProbe
from minnet.recording.statistics import half_interval
from minnet.validation import FLOAT64, Array, as_array, check_instance, positive

_DIAMOND: dict[str, Any] = {
    "marker": "D", "linestyle": "none", "markersize": 10, "markerfacecolor": "none",
    "markeredgewidth": 2, "clip_on": False,
}  # fmt: skip
_STROKES: dict[str, Any] = {"training": "--", "validation": "-"}
USUAL_RATIO = (10**-3.5, 10**-2.5)  # half a decade on either side of 1e-3


@style.styled
def learning_curves(
    history: Any,
    *,
    metric: str = "loss",
    ax: Axes | None = None,
    title: str | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Draw a metric over the epochs: dashed for training, solid for validation.

    NaN and infinity are not drawn. A magnitude above 1e100 is drawn as 1e100.

    Parameters
    ----------
    history : History, list of them, or dict of label -> either
        A history is any object with lists such as ``history.loss`` and ``history.val_loss`` that
        hold a number for each epoch. A list holds the histories of runs with different seeds. Their
        mean is drawn, with its 95% confidence interval (Student's t) as a band.
    metric : str, default "loss"
        "loss", "accuracy", or any other metric of the history.
    ax, title, figsize
        As described in `minnet.plot`.

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
    few = len(curves) <= len(style.LINE_COLORS)
    colors: Sequence[Any] = style.LINE_COLORS if few else style.depth_colors(len(curves))
    ax = style.axes(ax, figsize=figsize, where="learning_curves")
    handles: list[Artist] = []
    for (label, found), color in zip(curves.items(), colors, strict=False):
        for name, runs in found.items():
            at, mean, half = range(1, runs.shape[1] + 1), runs.mean(axis=0), half_interval(runs)
            marker = "o" if len(at) == 1 else ""
            ax.plot(at, mean, _STROKES[name], color=color, marker=marker, label=f"{label} {name}")
            if len(runs) > 1:
                ax.fill_between(at, mean - half, mean + half, color=color, alpha=0.2, linewidth=0)
        if label:
            entry = style.legend_label(style.wrapped(label))
            handles.append(Line2D([], [], color=color, label=entry))
    color = style.GREY if handles else colors[0]  # no curve is grey
    for name, stroke in _STROKES.items():
        if any(name in found for found in curves.values()):
            handles.append(Line2D([], [], color=color, linestyle=stroke, label=name))
    every = [runs for found in curves.values() for runs in found.values()]
    handles += style.interval_key(color, [len(runs) for runs in every])
    epochs = max(runs.shape[1] for runs in every)
    margin = min(0.5, 0.03 * epochs)
    ax.set_xlim(1 - margin, epochs + margin)
    ax.xaxis.set_major_locator(style.whole_numbers())
    return style.finish(ax, "epoch", metric, handles, title=title)


@style.styled
def gradient_flow(
    probe: StatisticsProbe,
    *,
    kind: str = "weight_grad",
    layers: Sequence[str] | None = None,
    lines: bool = False,
    theory: Mapping[str, float] | None = None,
    limits: tuple[float, float] | None = None,
    ax: Axes | None = None,
    title: str | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Draw log10 of the root mean square of each layer's gradient over the steps.

    The map has a row for each layer, the first on top; a gradient of exactly 0 is white. With
    ``lines`` there is a curve for each layer, from dark to light with depth. A curve of more than
    128 points is drawn as the medians of 64 groups of points, with a ribbon from the 10% to the 90%
    quantile of each group. A dotted line marks the first step with NaN or infinity.

    Parameters
    ----------
    probe : StatisticsProbe
        Recording of a training run.
    lines : bool, default False
        Draw curves instead of a map.
    theory : dict of layer name -> float, optional
        Predicted std of the gradient at the first step, drawn as a diamond; requires ``lines``.
    limits : (float, float), optional
        Range of the scale in log10. Pass the same limits to compare several runs. The default is
        the range of the values.
    kind, layers, ax, title, figsize
        As described in `minnet.plot`.
    """
    names = parts.recorded(probe, StatisticsProbe, kind, layers, "gradient_flow")
    theory = {} if theory is None else theory
    check_instance(theory, Mapping, "gradient_flow", "theory as a dict of layer -> std")
    parts.chosen_layers(names, theory or names, "gradient_flow: expected layers of theory")
    predicted = {
        name: positive(std, "gradient_flow", f"theory of {name!r}") for name, std in theory.items()
    }
    if predicted and not lines:
        raise ValueError(
            "gradient_flow: expected no theory for a map, got one; give lines=True to draw it"
        )
    if limits is not None:
        ends = as_array(limits, FLOAT64, "gradient_flow", "limits")
        if ends.shape != (2,) or not -np.inf < ends[0] < ends[1] < np.inf:
            raise ValueError(f"gradient_flow: expected limits to be low < high, got {limits!r}")
    ax = style.axes(ax, figsize=figsize, where="gradient_flow")
    series = {name: probe.series(name, kind, "rms") for name in names}
    text = f"log₁₀ RMS of {parts.name_of_kind(kind)}"
    if lines:
        parts.draw_curves(ax, probe, kind, series)
        for (name, (steps, _)), color in style.by_depth(series):
            if name in predicted:
                ax.plot(steps[0], np.log10(predicted[name]), color=color, **_DIAMOND)
        if predicted:
            ax.plot([], [], color=style.INK, label="theory, first step", **_DIAMOND)
        if limits is not None:
            ax.set_ylim(limits)
        return style.finish(ax, "step", text, title=title)
    rows = {name: parts.log10(numbers) for name, (_, numbers) in series.items()}
    norm = Normalize(*(limits or _range(rows)))
    colors = parts.draw_rows(ax, probe, kind, rows, norm)
    parts.name_rows(ax, [style.wrapped(name) for name in names])
    parts.color_bar(ax, colors, text)
    parts.mark_nonfinite(ax, parts.nonfinite_steps(probe, names, kind))
    style.name_axes(ax, "step", "", title=title)
    return ax.figure.figure


@style.styled
def update_ratio(
    probe: StatisticsProbe,
    *,
    layers: Sequence[str] | None = None,
    ax: Axes | None = None,
    title: str | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Draw the size of each layer's updates relative to its weights, over the steps.

    The curves show log10 of RMS(update) / RMS(weight), with ribbons as in `gradient_flow`. The
    shaded band around 1e-3 is the usual range of a network that trains well. Below the band,
    training is slow; above it, training may not converge. This is a rule of thumb, mainly for plain
    SGD.

    Parameters
    ----------
    probe : StatisticsProbe
        Recording with the kind "update".
    layers, ax, title, figsize
        As described in `minnet.plot`.

    References
    ----------
    Karpathy, notes of the course CS231n (Stanford), "Neural Networks Part 3: Learning and
    Evaluation", section "Ratio of weights:updates": 1e-3 as a rough heuristic. The width of the
    band, half a decade on either side, is a choice of this function.
    """
    names = parts.recorded(probe, StatisticsProbe, "update", layers, "update_ratio")
    low, high = USUAL_RATIO
    ax = style.axes(ax, figsize=figsize, where="update_ratio")
    text = f"usual ratio, {low:.1g} to {high:.1g}"
    ax.axhspan(np.log10(low), np.log10(high), color="#009E73", alpha=0.2, linewidth=0, label=text)
    series = {name: probe.series(name, "update", "ratio") for name in names}
    parts.draw_curves(ax, probe, "update", series)
    return style.finish(ax, "step", "log₁₀ (RMS of update / RMS of weight)", title=title)


@style.styled
def dead_units(
    probe: StatisticsProbe,
    *,
    layers: Sequence[str] | None = None,
    ax: Axes | None = None,
    title: str | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Draw the share of dead units over the steps, with a row for each layer.

    A unit is dead if its output was the same for every input during the last ``window`` observed
    steps of the probe. The first layer is the top row. Darker cells have more dead units; white
    cells have none. The label of a row ends with the number of dead units at the end of the run
    and the number of all units.

    Until ``window`` steps have been observed, a unit counts as dead only if its output has not
    changed since the run began. Units that die soon after the start therefore appear all at once
    when that number of steps is reached. Use a short window for a short run.

    Parameters
    ----------
    probe : StatisticsProbe
        Recording with the kind "y".
    layers, ax, title, figsize
        As described in `minnet.plot`.
    """
    names = parts.recorded(probe, StatisticsProbe, "y", layers, "dead_units")
    dead = {name: probe.dead_units(name) for name in names}
    ax = style.axes(ax, figsize=figsize, where="dead_units")
    shares = {name: probe.series(name, "y", "dead")[1] / dead[name].size for name in names}
    rows = {name: np.where(share > 0, share, np.nan) for name, share in shares.items()}
    colors = parts.draw_rows(ax, probe, "y", rows, Normalize(0, 1))
    labels = [
        f"{style.wrapped(name)}: {units.sum()} of {units.size}" for name, units in dead.items()
    ]
    parts.name_rows(ax, labels)
    window = min(probe.window, probe.observed)
    steps = "1 observed step" if window == 1 else f"{window} observed steps"
    text = f"share of units that are dead\n(unchanged for {steps})"
    parts.color_bar(ax, colors, text, format=PercentFormatter(1))
    style.name_axes(ax, "step", "", title=title)
    return ax.figure.figure


def _range(rows: Mapping[str, Array]) -> tuple[float, float]:
    """Return the range of the colour scale, which is at least half a decade."""
    finite = np.concatenate([row[np.isfinite(row)] for row in rows.values()])
    high = float(finite.max(initial=-np.inf)) if finite.size else 0.0
    return float(finite.min(initial=high - 0.5)), high


def _curves(runs: Any, metric: str, label: str) -> dict[str, Array]:
    """Return the metric in training and validation, each (runs, epochs), if it was measured."""
    check_instance(metric, str, "learning_curves", "metric as a str")
    owner = repr(label) if label else "the history"
    runs = list(runs) if isinstance(runs, list | tuple) else [runs]
    found = {}
    for name, attribute in (("training", metric), ("validation", f"val_{metric}")):
        rows = [getattr(run, attribute, ()) for run in runs]
        lengths = [len(row) for row in rows]
        if len(set(lengths)) > 1:
            raise ValueError(
                f"learning_curves: expected {attribute} of equally many epochs in each run of "
                f"{owner}, got {lengths}; give runs of different lengths different labels"
            )
        if any(lengths):
            values = np.array(rows, dtype=np.float64)
            found[name] = np.clip(np.where(np.isfinite(values), values, np.nan), -1e100, 1e100)
    if not found:
        raise ValueError(
            f"learning_curves: expected a History with {metric!r} or 'val_{metric}', got neither "
            f"in {owner}; choose another metric"
        )
    return found

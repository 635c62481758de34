"""Chart of a training history: a metric by epoch, of one run or of several seeds."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from minnet.plot import style
from minnet.recording.statistics import half_interval
from minnet.validation import Array

_STROKES: dict[str, Any] = {"training": "--", "validation": "-"}


@style.styled
def learning_curves(
    history: Any,
    *,
    metric: str = "loss",
    ax: Axes | None = None,
    title: str | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Draw a metric by epoch: training rows dashed, validation rows solid.

    Parameters
    ----------
    history : History, list of them, or dict of label -> either
        Any object with lists ``history.loss`` and ``history.val_loss``, one number an epoch. A
        list holds runs that differ in their seed: their mean is drawn in a band that is the 95%
        interval of that mean (Student's t).
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
            _draw_runs(ax, runs, color=color, linestyle=_STROKES[name], label=f"{label} {name}")
        if label:
            entry = style.legend_label(style.wrapped(label))
            handles.append(Line2D([], [], color=color, label=entry))
    color = style.GREY if handles else colors[0]  # no line is grey
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


def _draw_runs(ax: Axes, runs: Array, *, color: Any, **options: Any) -> None:
    epochs, mean, half = np.arange(1, runs.shape[1] + 1), runs.mean(axis=0), half_interval(runs)
    ax.plot(epochs, mean, color=color, marker="o" if len(epochs) == 1 else "", **options)
    if len(runs) > 1:
        ax.fill_between(epochs, mean - half, mean + half, color=color, alpha=0.2, linewidth=0)


def _curves(runs: Any, metric: str, label: str) -> dict[str, Array]:
    """Return the metric in training and, where it was measured, validation: (runs, epochs)."""
    runs = list(runs) if isinstance(runs, list | tuple) else [runs]
    found = {}
    for name, attribute in (("training", metric), ("validation", f"val_{metric}")):
        rows = [getattr(run, attribute, None) or [] for run in runs]
        lengths = [len(row) for row in rows]
        if len(set(lengths)) > 1:
            raise ValueError(
                f"learning_curves: the runs of {label!r} hold {attribute} of {lengths} epochs; "
                "a mean needs the same number in each run"
            )
        if any(lengths):
            found[name] = np.array(rows, dtype=np.float64)
    if not found:
        raise ValueError(
            f"learning_curves: {label or 'the history'} has neither {metric!r} nor 'val_{metric}'; "
            "expected a History, with lists such as history.loss"
        )
    return found

"""What becomes of every layer in a training run: its gradients, its updates, its dead units."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from minnet.plot.data import name_of_kind, predictions
from minnet.plot.recordings import (
    curves,
    log10,
    mark_bad,
    recorded,
    row_names,
    rows,
    step_axis,
    step_edges,
)
from minnet.plot.style import INK, axes, depth_colors, finish, name_axes, styled, wrapped
from minnet.recording import StatisticsProbe
from minnet.validation import Array

_DIAMOND: dict[str, Any] = {
    "marker": "D", "linestyle": "none", "markersize": 10, "markerfacecolor": "none",
    "markeredgewidth": 2, "clip_on": False,
}  # fmt: skip
HEALTHY = (10**-3.5, 10**-2.5)  # half a decade on either side of 1e-3


@styled
def gradient_flow(
    probe: StatisticsProbe,
    *,
    kind: str = "weight_grad",
    layers: Sequence[str] | None = None,
    lines: bool = False,
    theory: Mapping[str, float] | None = None,
    limits: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Draw the size of each layer's gradients over the steps: log10 of their root mean square.

    As a map it has a row a layer, the first on top, and what is exactly 0 is white. As lines it
    has one a layer, from dark to light with depth; more than 128 points are drawn as medians of 64
    groups of them in a ribbon from the 10% to the 90% quantile. A dotted line marks where NaN or
    infinity came in.

    Parameters
    ----------
    probe : StatisticsProbe
        What was recorded.
    kind : str, default "weight_grad"
        Or "dy", or any other kind.
    layers : sequence of str, optional
        Which layers, in that order; all of which there are such gradients unless given.
    lines : bool, default False
        Draw lines rather than a map.
    theory : dict of layer name -> float, optional
        The std that is predicted for the first step, drawn as a diamond there; needs ``lines``.
    limits : (float, float), optional
        From where to where the scale goes, in log10, so that one run's picture can be compared with
        another's; what there is unless given.
    ax : matplotlib.axes.Axes, optional
        Axes that are there already: a map on one and lines on another beside it, for instance.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError
        If probe is no StatisticsProbe.
    ValueError
        If nothing was recorded of that kind or those layers, theory cannot be drawn, or limits are
        not low < high.

    Examples
    --------
    >>> from minnet import Dense, MeanSquaredError, SGD, Sequential, Sigmoid, fit
    >>> net = Sequential([Dense(3, 8), Sigmoid(), Dense(8, 1)], rng=0)
    >>> x = np.random.default_rng(0).normal(size=(64, 3))
    >>> probe = StatisticsProbe(["weight_grad"])
    >>> history = fit(net, x, x[:, :1], loss=MeanSquaredError(), optimizer=SGD(net, lr=0.1),
    ...               epochs=5, batch_size=32, probes=[probe], rng=0)
    >>> figure = gradient_flow(probe, lines=True)
    >>> [line.get_label() for line in figure.axes[0].lines]
    ['dense1', 'dense2']
    """
    names = recorded(probe, StatisticsProbe, kind, layers, "gradient_flow")
    predicted = predictions(theory, names, "gradient_flow")
    if predicted and not lines:
        raise ValueError("gradient_flow: theory has no place on the map; give lines=True")
    if limits is not None and not -np.inf < limits[0] < limits[1] < np.inf:
        raise ValueError(f"gradient_flow: limits must be low < high, got {limits!r}")
    ax = axes(ax, len(names))
    series = {name: probe.series(name, kind, "rms") for name in names}
    text = f"log₁₀ RMS of {name_of_kind(kind)}"
    if lines:
        curves(ax, series)
        _draw_theory(ax, series, predicted)
        step_axis(ax, [step_edges(probe, name, kind) for name in names], margin=0.03)
        if limits is not None:
            ax.set_ylim(limits)
        finish(ax, "step", text)
    else:
        logs = {name: log10(numbers) for name, (_, numbers) in series.items()}
        cells = {name: (step_edges(probe, name, kind), its) for name, its in logs.items()}
        rows(ax, cells, Normalize(*(limits or _range(list(logs.values())))), text)
        name_axes(ax, "step", "")
        row_names(ax, [wrapped(name) for name in names])
    mark_bad(ax, _bad_steps(probe, names, kind))
    return ax.figure.figure


@styled
def update_ratio(
    probe: StatisticsProbe,
    *,
    layers: Sequence[str] | None = None,
    band: tuple[float, float] = HEALTHY,
    ax: Axes | None = None,
) -> Figure:
    """Draw how much of its weights' size an update changes, a line a layer over the steps.

    Drawn is log10 of RMS(update) / RMS(weight), in lines and ribbons as in `gradient_flow`. The
    shaded band is where the ratio of a network that learns well is expected: about 1e-3, below
    which learning is slow and above which it may not settle. That is a rule of thumb, first of all
    for plain SGD.

    Parameters
    ----------
    probe : StatisticsProbe
        With the kind "update".
    layers : sequence of str, optional
        Which layers, in that order; all that have a weight unless given.
    band : (float, float)
        From where to where the ratio is healthy.
    ax : matplotlib.axes.Axes, optional
        Axes that are there already.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError
        If probe is no StatisticsProbe.
    ValueError
        If no updates of those layers were recorded, or the band is not 0 < low < high.

    References
    ----------
    Karpathy, notes of the course CS231n (Stanford), "Neural Networks Part 3: Learning and
    Evaluation", section "Ratio of weights:updates": 1e-3 as a rough heuristic. How wide the band
    is, half a decade on either side, is our choice.

    Examples
    --------
    >>> from minnet import Dense, MeanSquaredError, ReLU, SGD, Sequential, fit
    >>> net = Sequential([Dense(3, 8), ReLU(), Dense(8, 1)], rng=0)
    >>> x = np.random.default_rng(0).normal(size=(64, 3))
    >>> probe = StatisticsProbe(["update"])
    >>> history = fit(net, x, x[:, :1], loss=MeanSquaredError(), optimizer=SGD(net, lr=0.1),
    ...               epochs=5, batch_size=32, probes=[probe], rng=0)
    >>> figure = update_ratio(probe)
    >>> [line.get_label() for line in figure.axes[0].lines]
    ['dense1', 'dense2']
    """
    names = recorded(probe, StatisticsProbe, "update", layers, "update_ratio")
    low, high = band
    if not 0 < low < high < np.inf:
        raise ValueError(f"update_ratio: band must be 0 < low < high, got {band!r}")
    ax = axes(ax, len(names) + 1)
    series = {name: probe.series(name, "update", "ratio") for name in names}
    text = f"healthy, {low:.1g} to {high:.1g}"
    ax.axhspan(np.log10(low), np.log10(high), color="#009E73", alpha=0.2, linewidth=0, label=text)
    curves(ax, series)
    step_axis(ax, [step_edges(probe, name, "update") for name in names], margin=0.03)
    mark_bad(ax, _bad_steps(probe, names, "update"))
    return finish(ax, "step", "log₁₀ (RMS of update / RMS of weight)")


@styled
def dead_units(
    probe: StatisticsProbe, *, layers: Sequence[str] | None = None, ax: Axes | None = None
) -> Figure:
    """Draw which share of each layer's units is dead, as a barcode over the steps.

    A row is a layer, the first on top, and the darker it is, the more of its units put out one and
    the same value whatever came in, for as many steps as the probe's ``window`` has. White is
    none. After a layer's name stands how many were dead at the end, and of how many.

    Until the window is full, a unit counts only if it has not changed since the run began, so that
    those which died soon after show all at once then: a short run needs a short window.

    Parameters
    ----------
    probe : StatisticsProbe
        With the kind "y".
    layers : sequence of str, optional
        Which layers, in that order; all unless given. Mostly those of the ReLUs are of interest.
    ax : matplotlib.axes.Axes, optional
        Axes that are there already.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError
        If probe is no StatisticsProbe.
    ValueError
        If no y of those layers was recorded.

    Examples
    --------
    >>> from minnet import Dense, MeanSquaredError, ReLU, SGD, Sequential, fit
    >>> net = Sequential([Dense(3, 8), ReLU(), Dense(8, 1)], rng=0)
    >>> x = np.random.default_rng(0).normal(size=(64, 3))
    >>> probe = StatisticsProbe(["y"])
    >>> history = fit(net, x, x[:, :1], loss=MeanSquaredError(), optimizer=SGD(net, lr=0.1),
    ...               epochs=5, batch_size=32, probes=[probe], rng=0)
    >>> figure = dead_units(probe, layers=["relu1"])
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['relu1: 0 of 8']
    """
    names = recorded(probe, StatisticsProbe, "y", layers, "dead_units")
    ax = axes(ax, len(names))
    units = {name: probe.dead_units(name) for name in names}
    cells = {}
    for name in names:
        share = probe.series(name, "y", "dead")[1] / units[name].size
        cells[name] = step_edges(probe, name, "y"), np.where(share > 0, share, np.nan)
    window = min(probe.window, probe.observed)
    steps = "1 observed step" if window == 1 else f"{window} observed steps"
    label = f"share of units that are dead\n(unchanged for {steps})"
    rows(ax, cells, Normalize(0, 1), label, format=PercentFormatter(1))
    name_axes(ax, "step", "")
    row_names(ax, [f"{wrapped(name)}: {its.sum()} of {its.size}" for name, its in units.items()])
    return ax.figure.figure


def _range(logs: list[Array]) -> tuple[float, float]:
    """Return the range of the colours, at least half a decade."""
    every = np.concatenate(logs)
    finite = every[np.isfinite(every)]
    if not finite.size:
        return -1.0, 0.0
    low, high = float(finite.min()), float(finite.max())
    return min(low, high - 0.5), high


def _draw_theory(
    ax: Axes, series: Mapping[str, tuple[Array, Array]], predicted: Mapping[str, float]
) -> None:
    for (name, (steps, _)), color in zip(series.items(), depth_colors(len(series)), strict=True):
        if name in predicted:
            ax.plot(steps[0], np.log10(predicted[name]), color=color, **_DIAMOND)
    if predicted:
        ax.plot([], [], color=INK, label="theory, first step", **_DIAMOND)


def _bad_steps(probe: StatisticsProbe, names: Sequence[str], kind: str) -> Array:
    """Return the steps at which one of the layers had NaN or infinity."""
    found = [probe.series(name, kind, "nonfinite") for name in names]
    return np.concatenate([steps[bad > 0] for steps, bad in found])

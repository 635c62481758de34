"""Charts of every layer over a training run: gradients, updates and dead units."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from minnet.plot import inputs, recordings, style
from minnet.recording import StatisticsProbe
from minnet.validation import Array

_DIAMOND: dict[str, Any] = {
    "marker": "D", "linestyle": "none", "markersize": 10, "markerfacecolor": "none",
    "markeredgewidth": 2, "clip_on": False,
}  # fmt: skip
HEALTHY = (10**-3.5, 10**-2.5)  # half a decade on either side of 1e-3


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
    128 points is drawn as medians of 64 groups, in a ribbon from the 10% to the 90% quantile. A
    dotted line marks the first step with NaN or infinity.

    Parameters
    ----------
    probe : StatisticsProbe
        Recording of a training run.
    lines : bool, default False
        Draw curves instead of a map.
    theory : dict of layer name -> float, optional
        Std predicted for the first step, drawn there as a diamond; needs ``lines``.
    limits : (float, float), optional
        Range of the scale in log10, for charts of several runs that are to be compared; by default
        the range of the values.
    kind, layers, ax, title, figsize
        As described in `minnet.plot`.
    """
    names = recordings.recorded(probe, StatisticsProbe, kind, layers, "gradient_flow")
    predicted = inputs.predictions(theory, names, "gradient_flow")
    if predicted and not lines:
        raise ValueError(
            "gradient_flow: expected no theory for a map, got one; give lines=True to draw it"
        )
    if limits is not None and not -np.inf < limits[0] < limits[1] < np.inf:
        raise ValueError(f"gradient_flow: limits must be low < high, got {limits!r}")
    ax = style.axes(ax, figsize=figsize, where="gradient_flow")
    series = {name: probe.series(name, kind, "rms") for name in names}
    text = f"log₁₀ RMS of {inputs.name_of_kind(kind)}"
    if lines:
        recordings.draw_curves(ax, probe, kind, series)
        for (name, (steps, _)), color in style.by_depth(series):
            if name in predicted:
                ax.plot(steps[0], np.log10(predicted[name]), color=color, **_DIAMOND)
        if predicted:
            ax.plot([], [], color=style.INK, label="theory, first step", **_DIAMOND)
        if limits is not None:
            ax.set_ylim(limits)
        return style.finish(ax, "step", text, title=title)
    rows = {name: recordings.log10(numbers) for name, (_, numbers) in series.items()}
    norm = Normalize(*(limits or _range(rows)))
    colors = recordings.draw_rows(ax, probe, kind, rows, norm)
    recordings.name_rows(ax, [style.wrapped(name) for name in names])
    recordings.color_bar(ax, colors, text)
    recordings.mark_nonfinite(ax, recordings.nonfinite_steps(probe, names, kind))
    style.name_axes(ax, "step", "", title=title)
    return ax.figure.figure


@style.styled
def update_ratio(
    probe: StatisticsProbe,
    *,
    layers: Sequence[str] | None = None,
    band: tuple[float, float] = HEALTHY,
    ax: Axes | None = None,
    title: str | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Draw the size of each layer's updates relative to its weights, over the steps.

    The curves show log10 of RMS(update) / RMS(weight), with ribbons as in `gradient_flow`. The
    shaded band is the range expected of a network that learns well, around 1e-3: below it learning
    is slow, and above it training may not settle. It is a rule of thumb, mainly for plain SGD.

    Parameters
    ----------
    probe : StatisticsProbe
        Recording with the kind "update".
    band : (float, float)
        Least and greatest ratio of the band.
    layers, ax, title, figsize
        As described in `minnet.plot`.

    References
    ----------
    Karpathy, notes of the course CS231n (Stanford), "Neural Networks Part 3: Learning and
    Evaluation", section "Ratio of weights:updates": 1e-3 as a rough heuristic. The width of the
    band, half a decade on either side, is a choice of this function.
    """
    names = recordings.recorded(probe, StatisticsProbe, "update", layers, "update_ratio")
    low, high = band
    if not 0 < low < high < np.inf:
        raise ValueError(f"update_ratio: band must be 0 < low < high, got {band!r}")
    ax = style.axes(ax, figsize=figsize, where="update_ratio")
    text = f"healthy, {low:.1g} to {high:.1g}"
    ax.axhspan(np.log10(low), np.log10(high), color="#009E73", alpha=0.2, linewidth=0, label=text)
    series = {name: probe.series(name, "update", "ratio") for name in names}
    recordings.draw_curves(ax, probe, "update", series)
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
    """Draw the share of dead units of each layer over the steps, a row for each layer.

    A unit is dead if its output was the same for every input during the last ``window`` observed
    steps of the probe. The first layer is the top row; the darker, the more units are dead, and
    white is none. The label of a row ends with the number of dead units at the end and of units.

    Before the window is full, a unit counts only if its output has not changed since the run
    began. Units that died soon after the start then appear all at once when the window is full; a
    short run needs a short window.

    Parameters
    ----------
    probe : StatisticsProbe
        Recording with the kind "y".
    layers, ax, title, figsize
        As described in `minnet.plot`.
    """
    names = recordings.recorded(probe, StatisticsProbe, "y", layers, "dead_units")
    dead = {name: probe.dead_units(name) for name in names}
    ax = style.axes(ax, figsize=figsize, where="dead_units")
    shares = {name: probe.series(name, "y", "dead")[1] / dead[name].size for name in names}
    rows = {name: np.where(share > 0, share, np.nan) for name, share in shares.items()}
    colors = recordings.draw_rows(ax, probe, "y", rows, Normalize(0, 1))
    labels = [
        f"{style.wrapped(name)}: {units.sum()} of {units.size}" for name, units in dead.items()
    ]
    recordings.name_rows(ax, labels)
    window = min(probe.window, probe.observed)
    steps = "1 observed step" if window == 1 else f"{window} observed steps"
    text = f"share of units that are dead\n(unchanged for {steps})"
    recordings.color_bar(ax, colors, text, format=PercentFormatter(1))
    style.name_axes(ax, "step", "", title=title)
    return ax.figure.figure


def _range(rows: Mapping[str, Array]) -> tuple[float, float]:
    """Return the range of the colours, at least half a decade."""
    finite = np.concatenate([row[np.isfinite(row)] for row in rows.values()])
    high = float(finite.max(initial=-np.inf)) if finite.size else 0.0
    return float(finite.min(initial=high - 0.5)), high

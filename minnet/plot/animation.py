"""Animated chart of the distribution of one layer's values over a training run."""

from typing import Any

import numpy as np
from matplotlib.animation import FuncAnimation
from matplotlib.axes import Axes

from minnet.plot import parts, style
from minnet.recording import HistogramProbe
from minnet.validation import Array, in_range

BARS = 60
HOUR = 3600


@style.styled
def animate(
    probe: HistogramProbe,
    layer: str,
    *,
    kind: str = "y",
    seconds: float = 12.0,
    ax: Axes | None = None,
    title: str | None = None,
    figsize: tuple[float, float] | None = None,
) -> FuncAnimation:
    """Draw the distribution of a layer's values as an animation with a frame for each slot.

    All frames have the same axes. The value axis covers the inner 98% of the values of the run. A
    dotted outline shows the first slot, and a stem at 0 the share of exact zeros as a fraction of
    the panel's height.

    Parameters
    ----------
    probe : HistogramProbe
        Recording of a training run.
    layer : str
        Name of the layer.
    seconds : float, default 12
        Duration of the animation, up to an hour.
    kind, ax, title, figsize
        As described in `minnet.plot`.

    Returns
    -------
    matplotlib.animation.FuncAnimation
        Keep it in a variable while it runs. ``animation.save("relu1.gif", writer="pillow")`` writes
        it to a file, and ``animation.to_jshtml()`` returns HTML for a notebook.

    Raises
    ------
    TypeError, ValueError
        If seconds is not a number in (0, 3600].
    """
    parts.recorded(probe, HistogramProbe, kind, [layer], "animate")
    seconds = in_range(
        seconds, "animate", "seconds", lambda value: 0 < value <= HOUR, "in (0, 3600]"
    )
    ax = style.axes(ax, figsize=figsize, where="animate")
    edges, densities = _densities(probe, layer, kind)
    zeros, steps = probe.zeros(layer, kind), probe.steps(layer, kind)
    color = style.LINE_COLORS[0]
    bars = ax.stairs(densities[0], edges, fill=True, color=color, alpha=0.7)
    ax.stairs(densities[0], edges, color=style.INK, linestyle=":", linewidth=1.5)
    (stem,) = ax.plot([0, 0], [0, 0], color=style.INK, transform=ax.get_xaxis_transform())
    ax.set_xlim(edges[0], edges[-1])
    ax.set_ylim(0, 1.05 * float(densities.max()) or 1.0)
    style.name_axes(ax, f"{parts.name_of_kind(kind)} of {layer}", "density", title=title)
    style.note(ax, "", (1, 1), (0, 0), ha="right")
    note = ax.texts[-1]

    def show(slot: int) -> list[Any]:
        bars.set_data(densities[slot])
        stem.set_ydata([0, zeros[slot]])
        note.set_text(f"step {steps[slot, 0]}, {style.percent(zeros[slot])} zeros")
        return [bars, stem, note]

    interval = 1000 * seconds / len(steps)
    return FuncAnimation(ax.figure.figure, show, frames=len(steps), interval=interval)


def _densities(probe: HistogramProbe, layer: str, kind: str) -> tuple[Array, Array]:
    """Return the edges of BARS bars (BARS + 1,), and the densities of each slot (slots, BARS).

    The values of a recorded bin are taken to be distributed evenly within it.
    """
    recorded, shares = probe.shares(layer, kind)
    low, high = np.nan_to_num(probe.quantile(layer, kind, [0.01, 0.99])).tolist()
    if not high > low:
        low, high = low - (abs(low) / 2 or 1.0), high + (abs(high) / 2 or 1.0)
    edges = np.linspace(low, high, BARS + 1)
    if not shares.shape[1]:
        return edges, np.zeros((len(shares), BARS))
    upto = np.cumsum(np.column_stack([np.zeros(len(shares)), shares]), axis=1)
    below = np.array([np.interp(edges, recorded, row) for row in upto])
    return edges, np.diff(below, axis=1) / np.diff(edges)

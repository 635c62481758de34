"""How the pictures look: letters, colours, figures, and what is done to every axes."""

import io
import re
import textwrap
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec

import matplotlib as mpl
import numpy as np
from matplotlib import patheffects
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

SMALL, MEDIUM, LARGE = 13, 15, 17  # points
_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": SMALL,
    "axes.labelsize": MEDIUM,
    "figure.labelsize": MEDIUM,
    "axes.titlesize": LARGE,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "lines.linewidth": 2.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "savefig.facecolor": "white",
    "text.usetex": False,
}
INK, GREY = "#222222", "#8A8A8A"
OUTLINE = [patheffects.withStroke(linewidth=4, foreground="white")]  # of ink on any colour
# Okabe & Ito's colours for the colour-blind, the ones that stand out on white.
LINE_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#222222", "#56B4E9", "#E69F00")
P = ParamSpec("P")


class LectureFigure(Figure):
    """A figure that a notebook shows by itself, whether or not pyplot was ever imported."""

    def savefig(self, fname: Any, **options: Any) -> None:
        """Save as Matplotlib does; the same picture gives the same SVG, without a date."""
        if str(fname).endswith(".svg"):
            options["metadata"] = {"Date": None} | options.get("metadata", {})
        with mpl.rc_context({"svg.hashsalt": "minnet"}):
            super().savefig(fname, **options)

    def _repr_png_(self) -> bytes:
        png = io.BytesIO()
        self.savefig(png, format="png")
        return png.getvalue()


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw in our style, and leave the user's as it was."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with mpl.rc_context(_STYLE):
            return draw(*args, **kwargs)

    return drawn


def depth_colors(layers: int) -> list[tuple[float, ...]]:
    """Return a colour for each layer, from dark to light, the lightest still 3 : 1 on white."""
    return [tuple(color) for color in mpl.colormaps["plasma"](np.linspace(0.0, 0.64, layers))]


def percent(share: float) -> str:
    """Write a share; one that is neither 0 nor 1 never looks like it."""
    if 0 < share < 0.01:
        return "<1%"
    return ">99%" if 0.99 < share < 1 else f"{100 * share:.0f}%"


def wrapped(name: str) -> str:
    """Break a long name where it is cut into words, by blanks, dots or underscores."""
    words = re.sub(r"([._])(?=\D)", "\\1\0 ", name)
    return re.sub("\0 ?", "", textwrap.fill(words, 24))


def axes(ax: Axes | None, entries: int) -> Axes:
    """Return ax, or the axes of a new figure high enough for a legend of that many entries."""
    if ax is not None:
        if not isinstance(ax, Axes):
            raise TypeError(f"ax must be one Matplotlib Axes, got {type(ax).__name__}")
        return ax
    size = (9.5, max(5.2, 1.0 + 0.32 * entries))
    return LectureFigure(figsize=size, layout="constrained").add_subplot()


def tick_params(ax: Axes, **options: Any) -> None:
    """Write the numbers at the axes large."""
    # Given outright: Matplotlib makes ticks when it draws, by the settings of that moment.
    ax.tick_params(labelsize=SMALL, colors=INK, pad=7, **options)


def limits(ax: Axes, low: float, high: float, ceiling: float) -> None:
    """Set the axes to low..high and 0..ceiling, with a little room."""
    margin = 0.03 * (high - low)
    ax.set_xlim(low - margin, high + margin)
    ax.set_ylim(0, 1.06 * ceiling)


def name_axes(ax: Axes, xlabel: str, ylabel: str) -> None:
    """Say what the axes are, and draw no more of them than is needed."""
    tick_params(ax)
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_xlabel(xlabel, fontsize=MEDIUM)
    ax.set_ylabel(ylabel, fontsize=MEDIUM)


def finish(ax: Axes, xlabel: str, ylabel: str, handles: list[Artist] | None = None) -> Figure:
    """Name the axes, put the legend where no line can be, and return the figure."""
    name_axes(ax, xlabel, ylabel)
    handles = ax.get_legend_handles_labels()[0] if handles is None else handles
    if isinstance(ax.figure, LectureFigure):
        ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0)
    else:  # somebody's own axes have room for it only inside
        ax.legend(handles=handles, loc="best")
    return ax.figure.figure


def span(numbers: Sequence[int]) -> str:
    """Return the smallest and the largest number, as in 3–5, or the one that all are."""
    return "–".join(str(number) for number in sorted({min(numbers), max(numbers)}))


def interval_key(color: str, runs: Sequence[int], log: bool = False) -> list[Patch]:
    """Return the legend's entry for the bands, none if no mean is of several runs."""
    several = [number for number in runs if number > 1]
    if not several:
        return []
    mean = "geometric mean" if log else "mean"
    text = f"95% interval of\nthe {mean}, {span(several)} runs"
    return [Patch(color=color, alpha=0.2, linewidth=0, label=text)]

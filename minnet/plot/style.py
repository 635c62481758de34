"""Style shared by all charts: text, colours, figures and axes.

The user's fonts and resolution are used. All other settings are Matplotlib's defaults or are set
here.
"""

import io
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
import numpy as np
from matplotlib import patheffects
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from minnet.files import as_path, replacing
from minnet.validation import as_flag, check_instance, count, in_range, shown

SMALL, MEDIUM, LARGE = 13, 15, 17  # points
INK, GREY, _PALE = "#222222", "#8A8A8A", "#EEEEEE"
OUTLINE = [patheffects.withStroke(linewidth=4, foreground="white")]  # for ink on a colour
# The colours of Okabe and Ito that are distinct to colour-blind readers and contrast with white.
LINE_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#222222", "#56B4E9", "#E69F00")
_STYLE: dict[Any, Any] = {
    "font.size": SMALL,
    "axes.labelsize": MEDIUM,
    "figure.labelsize": MEDIUM,
    "axes.titlesize": LARGE,
    "figure.titlesize": LARGE,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "lines.linewidth": 2.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "text.parse_math": False,  # a "$" in a layer's name is a dollar sign
}
_USERS: Any = ("font.family", "font.sans-serif", "font.serif", "font.monospace", "figure.dpi")
_FALLBACK = "DejaVu Sans"  # has every symbol that the charts use
_WITHOUT_WINDOWS = ("agg", "cairo", "pdf", "pgf", "ps", "svg", "template")
_LINE = 1.35 * SMALL  # points from one line of text to the next
_MOST_HEIGHT = 16.0  # inches, of axes whose figure grows
_FEW = 20  # entries; a legend with at most this many is complete
_HIDDEN = "\u200b"  # prefix of a label that Matplotlib would omit from a legend
Size = tuple[float, float] | None  # inches
Handles = list[Artist] | None  # entries of a legend
P = ParamSpec("P")
T = TypeVar("T")


class LectureFigure(Figure):
    """Figure that saves the same way under every style, and that notebooks display once."""

    grows = False  # whether its height follows the number of text lines beside its axes

    def savefig(self, fname: Any, **options: Any) -> None:
        """Save on white; an SVG file has no date, so that equal charts give equal files.

        A file is written completely or not at all, and "~" in a path is expanded.
        """
        if isinstance(fname, str | os.PathLike):
            path = as_path(fname, "savefig")
            if not (options.get("format") or path.suffix):
                path = path.with_name(f"{path.name}.{mpl.rcParams['savefig.format']}")
            options["format"] = options.get("format") or path.suffix[1:]
            with replacing(path, "savefig") as file:
                self.savefig(file, **options)
            return
        if options.get("format") == "svg":
            options["metadata"] = {"Date": None} | options.get("metadata", {})
        with mpl.rc_context({"svg.hashsalt": "minnet", "savefig.facecolor": "auto"}):
            super().savefig(fname, **options)

    def _repr_png_(self) -> bytes:
        png = io.BytesIO()
        self.savefig(png, format="png")
        return png.getvalue()

    def _ipython_display_(self) -> None:
        """Close the figure if the inline backend would repeat it, and let IPython display it."""
        plt = sys.modules.get("matplotlib.pyplot")
        if plt is not None and "inline" in plt.get_backend():
            plt.close(self)
        raise NotImplementedError  # IPython then displays the figure as usual


def styled(draw: Callable[P, T]) -> Callable[P, T]:
    """Make a function draw in the style of the charts, without changing the user's settings."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> T:
        if plt := sys.modules.get("matplotlib.pyplot"):
            plt.draw_if_interactive()  # loads the backend, which can change settings permanently
        kept = {name: mpl.rcParams[name] for name in _USERS}
        kept["font.family"] = [*kept["font.family"], _FALLBACK]
        options: dict[str, Any] = kwargs | _converted(draw.__name__, **kwargs)
        with mpl.rc_context():
            mpl.rcdefaults()
            mpl.rcParams.update(_STYLE | kept)
            return draw(*args, **options)

    return drawn


def _converted(
    where: str, /, *, title: Any = None, figsize: Any = None, **options: Any
) -> dict[str, Any]:
    """Return the options that most charts have, converted to bool and float."""
    found: dict[str, Any] = {
        name: as_flag(options[name], where, name) for name in ("log", "lines") if name in options
    }
    if title is not None:
        check_instance(title, str, where, "title as a str")
    if figsize is not None:
        expected = "figsize as (width, height) in inches"
        check_instance(figsize, tuple | list | np.ndarray, where, expected)
        if getattr(figsize, "ndim", 1) != 1 or len(figsize) != 2:
            raise ValueError(f"{where}: expected {expected}, got {shown(figsize)}")
        found["figsize"] = tuple(
            in_range(
                side, where, "each side of figsize", lambda v: 1 <= v <= 300, "1 to 300 inches"
            )
            for side in figsize
        )
    return found


def new_figure(figsize: tuple[float, float]) -> LectureFigure:
    """Return an empty figure, which pyplot manages if the program has imported pyplot.

    `plt.show` and `plt.savefig` then work. If the backend has no windows, the oldest
    `LectureFigure` is closed when pyplot holds as many figures as Matplotlib opens without a
    warning. A loop that saves figures therefore need not close them.
    """
    plt = sys.modules.get("matplotlib.pyplot")
    if plt is None:
        return LectureFigure(figsize=figsize, layout="constrained")
    numbers, most = plt.get_fignums(), mpl.rcParams["figure.max_open_warning"] or 20
    if len(numbers) >= most and mpl.get_backend().lower() in _WITHOUT_WINDOWS:
        ours = [number for number in numbers if isinstance(plt.figure(number), LectureFigure)]
        for number in ours[:1]:
            plt.close(number)
    options = {"figsize": figsize, "layout": "constrained"}
    figure: LectureFigure = plt.figure(FigureClass=LectureFigure, **options)
    return figure


def axes(ax: Axes | None, *, figsize: Size = None, where: str = "plot") -> Axes:
    """Return ax, or the axes of a new figure."""
    if ax is None:
        figure = new_figure(figsize or (9.5, 5.2))
        figure.grows = figsize is None
        return figure.add_subplot()
    if not isinstance(ax, Axes):
        raise TypeError(f"{where}: expected ax to be one Matplotlib Axes, got {type(ax).__name__}")
    if figsize is not None:
        raise ValueError(
            f"{where}: expected ax or figsize, got both; the size of a figure that exists is set "
            "with ax.figure.set_size_inches(width, height)"
        )
    ax.set_facecolor("white")
    return ax


def grow(ax: Axes, *, height: float, width: float = 0.0) -> None:
    """Enlarge a `LectureFigure` to this height and width in inches for each of its axes."""
    figure, position = ax.figure, ax.get_subplotspec()
    if isinstance(figure, LectureFigure) and position is not None:
        rows, columns = position.get_gridspec().get_geometry()
        needed = columns * width, rows * height
        figure.set_size_inches(np.maximum(figure.get_size_inches(), needed))


def fit_lines(ax: Axes, lines: int) -> None:
    """Enlarge a figure, if it grows, to fit this many lines of text beside its axes."""
    if isinstance(ax.figure, LectureFigure) and ax.figure.grows:
        grow(ax, height=min(1.0 + 0.32 * lines, _MOST_HEIGHT))


def ink(ax: Axes) -> str:
    """Return the colour of text beside the axes: dark, or light if the figure is dark."""
    light = 1.0  # the white page behind the figure and its subfigure
    for figure in (ax.figure.figure, ax.figure):
        red, green, blue, alpha = to_rgba(figure.get_facecolor())
        light = alpha * (0.3 * red + 0.59 * green + 0.11 * blue) + (1 - alpha) * light
    return INK if light > 0.5 else _PALE


def literal(ax: Axes, size: float) -> dict[str, Any]:
    """Return text properties for a label, because the axes may have another style."""
    text = {"color": ink(ax), "fontsize": size, "fontfamily": mpl.rcParams["font.family"]}
    return text | {"parse_math": False, "usetex": False}


def depth_colors(layers: int) -> list[tuple[float, ...]]:
    """Return a colour for each layer, from dark to light, with a contrast of 3 : 1 on white."""
    count(layers, "depth_colors", "layers", least=0)
    return [tuple(color) for color in mpl.colormaps["plasma"](np.linspace(0.0, 0.64, layers))]


def by_depth(layers: Mapping[str, T]) -> Iterator[tuple[tuple[str, T], tuple[float, ...]]]:
    """Return pairs of (layer name, value) and the colour of the layer."""
    return zip(layers.items(), depth_colors(len(layers)), strict=True)


def whole_numbers() -> MaxNLocator:
    """Return the tick locations of an axis of steps or epochs."""
    return MaxNLocator(6, integer=True, min_n_ticks=1, steps=[1, 2, 5, 10])


def percent(share: float) -> str:
    """Format a share; only 0 becomes 0%, and only 1 becomes 100%."""
    if 0 < share < 0.01:
        return "<1%"
    return ">99%" if 0.99 < share < 1 else f"{100 * share:.0f}%"


def power_of_ten(value: float) -> str:
    """Format 0, a power of ten, or its negative: 10⁻⁴.

    >>> power_of_ten(1e-4), power_of_ten(-10.0), power_of_ten(0)
    ('10⁻⁴', '−10¹', '0')
    """
    if not value:
        return "0"
    exponent = str(round(float(np.log10(abs(value)))))
    superscript = exponent.translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{'−' if value < 0 else ''}10{superscript}"


def wrapped(name: str, width: int = 24) -> str:
    """Break a long name at blanks, dots or underscores; omit the middle of a very long name."""
    name = _printable(name)
    if len(name) > 3 * width:
        name = f"{name[: 3 * width // 2]}…{name[-3 * width // 2 + 1 :]}"
    words = re.sub(r"([._])(?=\D)", "\\1\0 ", name)
    return re.sub("\0 ?", "", textwrap.fill(words, width))


def legend_label(text: str) -> str:
    """Return a label with this text that Matplotlib includes in a legend."""
    return text if text and not text.startswith("_") else _HIDDEN + text


def spread(items: Sequence[T], most: int) -> list[T]:
    """Return at most this many items, evenly spaced, with the first and the last."""
    indices = np.linspace(0, len(items) - 1, min(most, len(items))).round().astype(int)
    return [items[index] for index in indices]


def span(numbers: Sequence[int]) -> str:
    """Format the smallest and the largest number, as in 3–5, or one number if all are equal."""
    return "–".join(str(number) for number in sorted({min(numbers), max(numbers)}))


def limits(ax: Axes, low: float, high: float, ceiling: float) -> None:
    """Set the axes to low..high and 0..ceiling, with a small margin."""
    margin = 0.03 * (high - low)
    ax.set_xlim(low - margin, high + margin)
    ax.set_ylim(0, 1.06 * ceiling)


def tick_params(ax: Axes, **options: Any) -> None:
    """Set the size, font and colour of the tick labels, and the colour of the spines."""
    # Matplotlib creates ticks when it draws, with the settings of that moment as defaults.
    family = mpl.rcParams["font.family"]
    ax.tick_params(labelsize=SMALL, labelfontfamily=family, colors=ink(ax), pad=7, **options)
    ax.spines[:].set_color(ink(ax))


def name_axes(ax: Axes, xlabel: str, ylabel: str, *, title: str | None = None) -> None:
    """Set the labels and the title, and hide the spines at the top and on the right."""
    tick_params(ax)
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_xlabel(xlabel, **literal(ax, MEDIUM))
    ax.set_ylabel(ylabel, **literal(ax, MEDIUM))
    if title is not None:
        above = 18 if ax.texts else 0  # a note above the axes
        text = fitted(title, ax.get_window_extent().width / ax.figure.dpi)
        ax.set_title(text, pad=12 + above, **literal(ax, LARGE))


def fitted(title: str, inches: float) -> str:
    """Break the lines of a title that are longer than this width."""
    letters = max(20, int(inches * 72 / (0.6 * LARGE)))
    return "\n".join(textwrap.fill(_printable(line), letters) for line in title.split("\n"))


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)


def finish(
    ax: Axes, xlabel: str, ylabel: str, handles: Handles = None, *, title: str | None = None
) -> Figure:
    """Name the axes, draw the legend beside them, and return the figure."""
    name_axes(ax, xlabel, ylabel, title=title)
    handles = ax.get_legend_handles_labels()[0] if handles is None else handles
    lines = sum(str(handle.get_label()).count("\n") + 1 for handle in handles)
    fit_lines(ax, lines)
    room = ax.get_window_extent().height / ax.figure.dpi * 72 / _LINE
    shown = spread(handles, max(_FEW, int(room * len(handles) / max(lines, 1))))
    options: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.01, 1), "borderaxespad": 0}
    if not isinstance(ax.figure, LectureFigure):  # the user's axes have room only inside
        options = {"loc": "best" if len(handles) <= _FEW else "upper right", "frameon": True}
    legend = ax.legend(handles=shown, facecolor="white", edgecolor="none", **options)
    for text in legend.get_texts():
        text.set_text(text.get_text().removeprefix(_HIDDEN))
    if len(shown) < len(handles):
        legend.set_title(f"{len(shown)} of {len(handles)} entries,\nall are drawn")
    return ax.figure.figure


def note(
    ax: Axes, text: str, at: Any, points: Any, coordinates: Any = "axes fraction", **options: Any
) -> None:
    """Write text at an offset in points from a position in the given coordinates."""
    options = {"va": "bottom", "color": ink(ax)} | options
    ax.annotate(text, at, points, xycoords=coordinates, textcoords="offset points", **options)


def interval_key(color: Any, runs: Sequence[int], log: bool = False) -> list[Artist]:
    """Return the legend entry for the bands, or an empty list if every mean is of one run."""
    several = [number for number in runs if number > 1]
    if not several:
        return []
    mean = "geometric mean" if log else "mean"
    text = f"95% interval of\nthe {mean}, {span(several)} runs"
    return [Patch(color=color, alpha=0.2, linewidth=0, label=text)]

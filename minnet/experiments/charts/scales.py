"""The axes of comparisons: few numbers on a logarithmic one, the settings tried, named rows."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import (
    FixedFormatter,
    FixedLocator,
    Formatter,
    FuncFormatter,
    Locator,
    LogLocator,
    MaxNLocator,
    NullLocator,
)

from minnet.plot.style import SMALL, LectureFigure

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


class FewDecades(Locator):
    """Ticks of a log axis: powers of ten on a long one, round numbers on a short one."""

    def __call__(self) -> Sequence[float]:
        """Return where the ticks are."""
        low, high = self.axis.get_view_interval()  # type: ignore[union-attr]
        return self.tick_values(float(low), float(high))

    def tick_values(self, vmin: float, vmax: float) -> Sequence[float]:
        """Return where the ticks are between two numbers above 0."""
        low, high = sorted((vmin, vmax))
        decades = np.log10(high / low)
        room = self.axis.get_tick_space() if self.axis is not None else 9
        if decades >= 2.5:
            ticks = LogLocator(numticks=int(np.clip(2 * room // 3, 3, 6))).tick_values(low, high)
        elif decades >= 0.9:
            ticks = LogLocator(subs=(1, 3) if decades > 1.6 else (1, 2, 5)).tick_values(low, high)
        else:
            ticks = MaxNLocator(4, steps=[1, 2, 5, 10]).tick_values(low, high)
        return [float(tick) for tick in ticks if tick > 0]


class Powers(Formatter):
    """Numbers of a log axis: 10⁻⁴ where one of them is below 0.001 or above 1000, else 0.01."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        """Return the number of a single tick."""
        del pos
        return _power(x, 1e-3 <= x <= 1e3)

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        """Return the numbers of the ticks."""
        low, high = sorted(self.axis.get_view_interval())  # type: ignore[union-attr]
        plain = all(1e-3 <= value <= 1e3 for value in values if low <= value <= high)
        return [_power(value, plain) for value in values]


def _power(number: float, plain: bool) -> str:
    exponent = round(float(np.log10(number)))
    if plain or exponent == 0 or not np.isclose(number, 10.0**exponent):
        return f"{number:g}"
    return "10" + str(exponent).translate(_SUPERSCRIPTS)


def log_axis(ax: Axes, which: Literal["x", "y"]) -> None:
    """Make one of the axes logarithmic, with few and plain numbers."""
    ax.set(**{f"{which}scale": "log"})
    axis: Axis = getattr(ax, f"{which}axis")
    axis.set_major_locator(FewDecades())
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(Powers())


class Settings(Locator):
    """Ticks at the settings that were tried, as many of them as there is room for."""

    def __init__(self, settings: Sequence[float], log: bool) -> None:
        self.settings, self.log = list(settings), log

    def __call__(self) -> Sequence[float]:
        """Return where the ticks are: everywhere, or else at powers of ten, or else with room."""
        ax = self.axis.axes  # type: ignore[union-attr]
        at = ax.transData.transform([(setting, 1.0) for setting in self.settings])[:, 0]
        points = dict(zip(self.settings, at / ax.figure.dpi * 72, strict=True))
        whole = [s for s in points if self.log and np.isclose(np.log10(s) % 1, [0, 1]).any()]
        for chosen in (self.settings, whole):
            if len(chosen) > 1 and _with_room(chosen, points) == chosen:
                return chosen
        return _with_room(self.settings, points)


def setting_axis(ax: Axes, settings: Sequence[float], log: bool) -> None:
    """Make the x axis that of these settings."""
    if log:
        ax.set_xscale("log")
    ax.xaxis.set_major_locator(Settings(settings, log))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda setting, _: f"{setting:g}"))
    ax.xaxis.set_minor_locator(NullLocator())


def _with_room(settings: Sequence[float], points: Mapping[float, float]) -> list[float]:
    """Return the settings whose numbers can stand beside each other, the first first."""
    shown = list(settings[:1])
    for setting in settings[1:]:
        letters = (len(f"{setting:g}") + len(f"{shown[-1]:g}")) / 2
        if points[setting] - points[shown[-1]] > (0.66 * letters + 0.5) * SMALL:
            shown.append(setting)
    return shown


def row_axis(ax: Axes, at: Sequence[float], names: Sequence[str], who: str) -> None:
    """Write the rows' names at the y axis, in place of the axis itself.

    Raises
    ------
    ValueError
        If another panel has already given other rows to the axis that they share.
    """
    there = ax.yaxis.get_major_formatter()
    if isinstance(there, FixedFormatter) and list(there.seq) != list(names):
        raise ValueError(
            f"{who}: the y axis is shared with a panel of other rows, {list(there.seq)}, so that "
            f"{list(names)} would rename them; give side_by_side(..., share_y=False)"
        )
    ax.yaxis.set_major_locator(FixedLocator(at))
    ax.yaxis.set_major_formatter(FixedFormatter(names))
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)


def grow(ax: Axes, *, width: float = 0.0, height: float = 0.0) -> None:
    """Make a figure of ours large enough to give the axes this many inches."""
    figure, place = ax.figure.figure, ax.get_subplotspec()
    if isinstance(figure, LectureFigure) and place is not None:
        rows, columns = place.get_gridspec().get_geometry()
        now = figure.get_size_inches()
        figure.set_size_inches(max(now[0], columns * width), max(now[1], rows * height))

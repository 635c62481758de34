"""Panels side by side, for pictures that are to be compared."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.legend import Legend

from minnet.plot.style import INK, LectureFigure, styled, wrapped

_PANEL, _LEGEND = 4.4, 2.9  # inches


class Panel(Axes):
    """An axes that leaves unsaid what a neighbour says.

    That is the same legend, the same colour bar, the name of a shared y axis.
    """

    _bar: Colorbar | None = None

    def legend(self, *args: Any, **options: Any) -> Legend:
        """Draw the legend, or leave it to a panel further right that has the same."""
        legend = super().legend(*args, **options)
        for other in self._panels():
            if other is self:
                continue
            its = other.get_legend()
            if its is not None and _texts(its) == _texts(legend):
                (legend if other.column() >= self.column() else its).remove()
                break
        self._make_room()
        return legend

    def set_ylabel(self, ylabel: str, *args: Any, **options: Any) -> Any:
        """Name the y axis, unless it is one with that of the panel to the left."""
        shared = self.column() and self.get_shared_y_axes().get_siblings(self) != [self]
        return super().set_ylabel("" if shared else ylabel, *args, **options)

    def color_bar(self, bar: Colorbar) -> None:
        """Keep the bar, or leave it to a panel further right that has the same."""
        self._bar = bar
        same = [ax for ax in self._panels() if ax._bar and _scale(ax._bar) == _scale(bar)]
        last = max(ax.column() for ax in same)
        for ax in same:
            if ax._bar and ax.column() < last:
                ax._bar.remove()
                ax._bar = None

    def column(self) -> int:
        """Return how many panels are to the left."""
        place = self.get_subplotspec()
        return place.colspan.start if place is not None else 0

    def _panels(self) -> list["Panel"]:
        """Return all panels of the figure, row by row, from left to right."""
        return [ax for ax in self.figure.axes if isinstance(ax, Panel)]

    def _make_room(self) -> None:
        """Make the figure as wide as its panels and their legends."""
        panels = self._panels()
        columns = {ax.column() for ax in panels}
        legends = {ax.column() for ax in panels if ax.get_legend() is not None}
        figure = self.figure.figure
        needed = _PANEL * len(columns) + _LEGEND * len(legends)
        figure.set_figwidth(max(figure.get_figwidth(), needed))


def side_by_side(titles: Sequence[str], *, share_y: bool = True) -> tuple[Figure, list[Axes]]:
    """Return a figure with an axes for each title, to be given as ``ax`` to the other pictures.

    At most three stand side by side, the others below them. Panels whose legends are the same show
    it once, and where colours mean the same the last column alone has colour bars. The figure grows
    with what is drawn in it.

    Parameters
    ----------
    titles : sequence of str
        What each panel shows.
    share_y : bool, default True
        Give all panels one y axis, named once in each row. Panels with rows or a map then need the
        same ones.

    Returns
    -------
    matplotlib.figure.Figure, list of matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If there is no title.

    Examples
    --------
    >>> figure, (left, right) = side_by_side(["sigmoid", "ReLU"])
    >>> left.get_title(), right.get_title()
    ('sigmoid', 'ReLU')
    """
    if isinstance(titles, str) or not titles:
        raise ValueError(f"side_by_side: expected a list of titles, at least one, got {titles!r}")
    figure = _panels(titles, share_y)
    return figure, figure.axes


@styled
def _panels(titles: Sequence[str], share_y: bool) -> Figure:
    columns = min(3, len(titles))
    rows = -(-len(titles) // columns)
    figure = LectureFigure(figsize=(_PANEL * columns, _PANEL * rows), layout="constrained")
    grid = figure.add_gridspec(rows, columns)
    first: Axes | None = None
    for place, title in enumerate(titles):
        ax = figure.add_subplot(
            grid[divmod(place, columns)], axes_class=Panel, sharey=first if share_y else None
        )
        first = first or ax
        ax.set_title(wrapped(title), color=INK, pad=12)
        ax.tick_params(labelleft=not share_y or place % columns == 0)
    return figure


def _texts(legend: Legend) -> list[str]:
    return [text.get_text() for text in legend.get_texts()]


def _scale(bar: Colorbar) -> tuple[str, str, float | None, float | None]:
    """Return what the colours of a bar mean."""
    return bar.ax.get_ylabel(), bar.cmap.name, bar.norm.vmin, bar.norm.vmax

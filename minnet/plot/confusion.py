"""Chart of the confusion matrix of a classifier."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from minnet.plot import parts, style
from minnet.validation import Array, shown, to_numpy


@style.styled
def confusion(
    true: Any,
    predicted: Any,
    *,
    names: Sequence[str] | None = None,
    ax: Axes | None = None,
    title: str | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    r"""Draw the confusion matrix: a row for each true class, a column for each predicted class.

    A cell shows how many predictions it holds and their share of the true class, which is also its
    colour; an empty cell is white. Correct predictions are on the diagonal. Numbers are omitted if
    the cells are too small. A new figure grows with the number of classes, unless ``figsize`` is
    given.

    Parameters
    ----------
    true, predicted : array_like, shape (n,)
        Labels: integers or strings. ``net.predict(x).argmax(axis=1)`` returns predicted labels.
    names : sequence of str, optional
        Different names of the classes 0, 1, 2, ... All are drawn, also those without data. String
        labels are drawn in the order of ``names``. By default the labels that occur are drawn, in
        order.
    ax, title, figsize
        As described in `minnet.plot`. A figure with ``layout="constrained"`` makes room for the
        colour bar.

    Raises
    ------
    TypeError, ValueError
        If the labels do not have the same shape (n,), or each class does not have a name of its
        own.

    Examples
    --------
    >>> figure = confusion([0, 0, 0, 1], [0, 0, 1, 1], names=["cat", "dog"])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['2\n67%', '1\n33%', '0', '1\n100%']
    """
    counts, classes = _counts(
        to_numpy(true, "confusion", "true"), to_numpy(predicted, "confusion", "predicted"), names
    )
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax, k = style.axes(ax, figsize=figsize, where="confusion"), len(classes)
    digits = len(str(counts.max()))
    if getattr(ax.figure, "grows", False):
        cell = 0.16 * max(digits, 4), 0.62  # inches
        style.grow(ax, height=min(cell[1] * k + 2, 16), width=min(cell[0] * k + 3.5, 20))
    edges, cells = np.arange(k + 1) - 0.5, np.ma.masked_equal(shares, 0)
    colors: dict[str, Any] = {"cmap": parts.AMOUNTS, "vmin": 0, "vmax": 1, "edgecolor": "0.75"}
    mesh = ax.pcolormesh(edges, edges, cells, linewidth=0.8, **colors)
    ax.set_ylim(k - 0.5, -0.5)
    parts.color_bar(ax, mesh, "share of the true class", format=PercentFormatter(1))
    style.name_axes(ax, "predicted class", "true class", title=title)
    labels = [style.wrapped(str(name), 16) for name in classes]
    parts.name_rows(ax, labels)
    longest = max(len(line) for label in labels for line in label.split("\n"))
    upright = 0.6 * style.SMALL * longest > 0.95 * _cell(ax, k)[0]
    places = [int(place) for place in ax.get_yticks()]
    text = style.literal(ax, style.SMALL) | {"rotation": 90 if upright else 0}
    ax.set_xticks(places, [labels[place] for place in places], **text)
    ax.figure.figure.draw_without_rendering()  # the layout determines the size of the cells
    _write(ax, counts, shares, digits)
    return ax.figure.figure


def _cell(ax: Axes, classes: int) -> tuple[float, float]:
    """Return width and height of a cell in points."""
    box, point = ax.get_window_extent(), ax.figure.dpi / 72 * classes
    return box.width / point, box.height / point


def _write(ax: Axes, counts: Array, shares: Array, digits: int) -> None:
    """Write count and share into each cell, or the count alone, if there is room."""
    cell = _cell(ax, len(counts))
    for size, lines in ((style.MEDIUM, 2), (style.SMALL, 2), (style.SMALL, 1)):
        letters = digits if lines == 1 else max(digits, len("100%"))
        if cell[0] > 0.65 * size * letters and cell[1] > 1.3 * size * lines:
            break
    else:
        return
    for (row, column), count in np.ndenumerate(counts):
        share = float(shares[row, column])
        text = f"{count}\n{style.percent(share)}" if count and lines == 2 else f"{count}"
        color = "white" if share >= parts.DARK else "black"
        options = style.literal(ax, size) | {"color": color}
        ax.text(column, row, text, ha="center", va="center", **options)


def _counts(
    true: Array, predicted: Array, names: Sequence[str] | None
) -> tuple[Array, Sequence[Any]]:
    """Return the confusion matrix and the names of its classes."""
    from sklearn.utils.multiclass import unique_labels

    if true.ndim != 1 or true.shape != predicted.shape or not true.size:
        raise ValueError(
            f"confusion: expected true and predicted labels of the same shape (n,), got "
            f"{true.shape} and {predicted.shape}; outputs.argmax(axis=1) returns labels"
        )
    for labels in (true, predicted):
        if labels.dtype.kind in "mMcV":
            raise TypeError(f"confusion: expected labels as integers or text, got {labels.dtype}")
        if labels.dtype.kind == "u" and labels.max() >= 2**63:
            raise ValueError(f"confusion: expected labels below 2**63, got {labels.max()}")
    try:
        classes = found = unique_labels(true, predicted)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"confusion: expected labels of one kind in true and predicted; {error}"
        ) from error
    if names is not None:
        if isinstance(names, str | Mapping) or to_numpy(names, "confusion", "names").ndim != 1:
            raise TypeError(f"confusion: expected names as a list, got {shown(names)}")
        if len(set(names)) < len(names):
            raise ValueError(f"confusion: expected different names, got {names}; rename some")
        classes = np.asarray(names) if found.dtype.kind in "UO" else np.arange(len(names))
        if missing := sorted(set(found.tolist()) - set(classes.tolist())):
            raise ValueError(
                f"confusion: expected a name for each label, got none for {missing}; there are "
                f"{len(names)} names, for {classes.tolist()}"
            )
    places = {label: place for place, label in enumerate(classes.tolist())}
    pairs = [[places[label] for label in labels.tolist()] for labels in (true, predicted)]
    counts = np.zeros((len(places), len(places)), int)
    np.add.at(counts, tuple(pairs), 1)
    return counts, classes.tolist() if names is None else names

"""A network as a table: what its layers are called, what they put out, how much they learn."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from minnet.layers.sequential import Sequential

HEADINGS = ("name", "layer", "output", "parameters")


@dataclass(frozen=True)
class Summary:
    """The table of a network; it prints as text and shows as HTML in a notebook.

    Attributes
    ----------
    rows : tuple of (name, layer, output, parameters)
        One for each layer, in order; names of layers within a layer have a dot.
    total : int
        The number of parameters, the length of theta.
    dtype : str
        The type of parameters and buffers.
    """

    rows: tuple[tuple[str, str, str, int], ...]
    total: int
    dtype: str

    @property
    def foot(self) -> str:
        """The last line: how many parameters there are and what they weigh."""
        size = self.total * (4 if self.dtype == "float32" else 8)
        return f"{self.total:,} parameters, {size / 1024:,.1f} KiB of {self.dtype}"

    def __str__(self) -> str:
        # Not every console has an arrow.
        plain = ((name, kind.replace("→", "->"), out, f"{n:,}") for name, kind, out, n in self.rows)
        table = [HEADINGS, *plain]
        widths = [max(len(row[column]) for row in table) for column in range(len(HEADINGS))]
        lines = [
            "  ".join(
                cell.rjust(width) if column == len(HEADINGS) - 1 else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in table
        ]
        return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:], "", self.foot])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{heading}</th>" for heading in HEADINGS)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in (name, kind, out))
            + f"<td style='text-align:right'>{n:,}</td></tr>"
            for name, kind, out, n in self.rows
        )  # fmt: skip
        return f"<table><tr>{head}</tr>{body}</table><p>{html.escape(self.foot)}</p>"


def summarize(net: Sequential) -> Summary:
    """Return the table of net.

    Examples
    --------
    >>> from minnet import Dense, ReLU, Sequential
    >>> print(Sequential([Dense(4, 8), ReLU(), Dense(8, 3)], rng=0).summary())
    name    layer        output  parameters
    ---------------------------------------
    dense1  Dense(4->8)  (n, 8)          40
    relu1   ReLU()       (n, 8)           0
    dense2  Dense(8->3)  (n, 3)          27
    <BLANKLINE>
    67 parameters, 0.3 KiB of float32
    """
    rows, width = [], net.in_features
    for name, layer in net.walk():
        width = width if layer.out_features is None else layer.out_features
        learned = (
            0 if hasattr(layer, "layers") else sum(p.value.size for p in layer.params.values())
        )
        rows.append((name, layer.describe(), f"(n, {width})", learned))
    return Summary(tuple(rows), net.theta.size, str(net.dtype))

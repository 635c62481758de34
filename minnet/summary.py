"""Table of a network's layers, output shapes and parameter counts."""

import html
from dataclasses import dataclass
from typing import Any

import numpy as np

HEADINGS = ("name", "layer", "output", "parameters")


@dataclass(frozen=True)
class Summary:
    """Table of a network. It prints as text and is displayed as HTML in a notebook.

    Attributes
    ----------
    rows : tuple of (name, layer, output, parameters)
        One row for each layer, in order. Names of layers inside a layer contain a dot.
    total : int
        Number of parameters, the length of theta.
    dtype : str
        Dtype of parameters and buffers.
    """

    rows: tuple[tuple[str, str, str, int], ...]
    total: int
    dtype: str

    @property
    def footer(self) -> str:
        """Number of parameters and their size in memory."""
        size = self.total * np.dtype(self.dtype).itemsize
        return f"{self.total:,} parameters, {size / 1024:,.1f} KiB of {self.dtype}"

    def __str__(self) -> str:
        cells = ((name, kind, out, f"{n:,}") for name, kind, out, n in self.rows)
        rows = [HEADINGS, *cells]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(map(str.ljust, row[:3], widths)) for row in rows]
        lines = [f"{line}  {row[3]:>{widths[3]}}" for line, row in zip(lines, rows, strict=True)]
        return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:], "", self.footer])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = ["".join(f"<th>{heading}</th>" for heading in HEADINGS)]
        for *texts, size in self.rows:
            cells = "".join(f"<td>{html.escape(text)}</td>" for text in texts)
            rows.append(f"{cells}<td style='text-align:right'>{size:,}</td>")
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        return f"<table>{body}</table><p>{html.escape(self.footer)}</p>"


def summarize(net: Any) -> Summary:
    """Return the table of a Sequential network.

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
        # The parameters of a container are counted in the rows of its layers.
        params = {} if layer.layers else layer.params
        size = sum(param.value.size for param in params.values())
        rows.append((name, layer.describe(), f"(n, {width})", size))
    return Summary(tuple(rows), net.theta.size, str(net.dtype))

"""Table of a network's layers, output shapes and parameter counts."""

import html
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from minnet.layer import Layer, Param

HEADINGS = ("name", "layer", "output", "parameters")


class Network(Protocol):
    """The attributes of `Sequential` that `summarize` uses."""

    dtype: np.dtype[Any]
    in_features: int | None

    @property
    def params(self) -> dict[str, Param]: ...  # noqa: D102

    def walk(self) -> Iterator[tuple[str, Layer]]: ...  # noqa: D102


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
        # Some consoles cannot print an arrow.
        plain = ((name, kind.replace("→", "->"), out, f"{n:,}") for name, kind, out, n in self.rows)
        table = [HEADINGS, *plain]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [
            "  ".join([*map(str.ljust, row[:-1], widths), row[-1].rjust(widths[-1])])
            for row in table
        ]
        return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:], "", self.footer])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{heading}</th>" for heading in HEADINGS)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in (name, kind, out))
            + f"<td style='text-align:right'>{n:,}</td></tr>"
            for name, kind, out, n in self.rows
        )  # fmt: skip
        return f"<table><tr>{head}</tr>{body}</table><p>{html.escape(self.footer)}</p>"


def summarize(net: Network) -> Summary:
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
        # The parameters of a container are counted in the rows of its layers.
        params = {} if hasattr(layer, "layers") else layer.params
        size = sum(param.value.size for param in params.values())
        rows.append((name, layer.describe(), f"(n, {width})", size))
    total = sum(param.value.size for param in net.params.values())
    return Summary(tuple(rows), total, str(net.dtype))

"""What every experiment writes down: a table of distributions, figures, and the numbers as JSON."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import minnet
from minnet.probes import Capture
from minnet.statistics import dead_units, describe

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = ("mean", "std", "kurtosis", "minimum", "maximum", "zeros", "dead")


def distributions(captured: Capture) -> dict[str, dict[str, float]]:
    """Return for each layer the numbers of its output: those in COLUMNS, and how many units it has.

    kurtosis is the excess over a normal distribution's; zeros is the share of entries that are
    exactly 0; dead counts the units that put out the same value in every row.
    """
    table = {}
    for name, y in captured.kind("y").items():
        told = describe(y)
        table[name] = {
            **{column: float(getattr(told, column)) for column in COLUMNS[:-1]},
            "dead": int(dead_units(y).sum()),
            "units": y.shape[1],
        }
    return table


def distribution_table(table: Mapping[str, Mapping[str, float]]) -> str:
    """Return the numbers of `distributions` as lines of text, a layer a line.

    Examples
    --------
    >>> row = dict(mean=0.5, std=1, kurtosis=-1.2, minimum=0, maximum=3, zeros=0.48)
    >>> row |= dict(dead=2, units=16)
    >>> print(distribution_table({"relu1": row}))
    layer      mean     std  kurtosis     min     max  zeros     dead
    relu1     0.500   1.000    -1.200   0.000   3.000  48.0%  2 of 16
    """
    width = max(len("layer"), *(len(name) for name in table))
    lines = [f"{'layer':{width}}      mean     std  kurtosis     min     max  zeros     dead"]
    for name, row in table.items():
        dead = f"{row['dead']} of {row['units']}"
        lines.append(
            f"{name:{width}}  {row['mean']:8.3f}{row['std']:8.3f}{row['kurtosis']:10.3f}"
            f"{row['minimum']:8.3f}{row['maximum']:8.3f}{row['zeros']:7.1%}{dead:>9}"
        )
    return "\n".join(lines)


def write(out: Path, figures: Mapping[str, Figure], metrics: Mapping[str, Any]) -> list[Path]:
    """Write each figure as PNG and SVG, and the numbers as metrics.json; return the paths.

    Raises
    ------
    OSError
        If the folder cannot be made or written to.
    """
    out.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, figure in figures.items():
        for suffix in ("png", "svg"):
            paths.append(out / f"{name}.{suffix}")
            figure.savefig(paths[-1], dpi=150)
    paths.append(out / "metrics.json")
    paths[-1].write_text(json.dumps(_plain(metrics), indent=2) + "\n", encoding="utf-8")
    return paths


def versions() -> dict[str, str]:
    """Return what the numbers were made with."""
    return {
        "minnet": minnet.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": platform.machine(),
    }


def _plain(value: Any) -> Any:
    """Turn NaN into None all the way down, because JSON has no NaN."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value

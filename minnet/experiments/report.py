"""What every experiment writes down: a table of distributions, figures, and the numbers as JSON."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import minnet
from minnet.experiments.intervals import mean
from minnet.experiments.setup import Setup
from minnet.experiments.trial import Trial
from minnet.recording import Capture
from minnet.recording.statistics import dead_units, describe

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ALWAYS = (  # told of a setup, also where it is the default
    "data", "rows", "hidden", "activation", "init", "loss", "optimizer", "lr", "batch_size",
    "epochs",
)  # fmt: skip
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


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown, its columns aligned so that it reads as plain text, too.

    >>> print(table(["layer", "std"], [["relu1", "0.52"]]))
    | layer | std  |
    |-------|------|
    | relu1 | 0.52 |
    """
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in (header, *rows)]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def verbatim(text: str) -> str:
    """Return text as Markdown shows it line by line."""
    return f"```text\n{text}\n```"


def outcome_table(trials: Mapping[str, Sequence[Trial]]) -> str:
    """Return how each setup ended: losses, accuracies, and seconds an epoch, means over its seeds.

    With several seeds the accuracies have their 95% interval; seconds are the median of all epochs.
    How many trainings broke off is told; the means are over the others, and a dash says that there
    are none.
    """
    rows = []
    for label, runs in trials.items():
        ended = [run for run in runs if run.stopped is None]
        broke = len(runs) - len(ended)
        cells = [label + (f" ({broke} of {len(runs)} broke off)" if broke else "")]
        for name in ("train_loss", "val_loss", "train_accuracy", "val_accuracy"):
            number = mean(run.last(name) for run in ended)
            cells.append(str(number.within(0, 1)) if "accuracy" in name else f"{number.value:.4f}")
        seconds = [second for run in ended for second in run.curves["seconds"]]
        cells.append(f"{np.median(seconds):.3g}" if seconds else "")
        rows.append(cells if ended else [cells[0], *["-"] * 5])
    header = ["", "training loss", "test loss", "training accuracy", "test accuracy", "s an epoch"]
    return table(header, rows)


def write(
    out: Path,
    *,
    title: str,
    summary: str,
    text: str,
    figures: Mapping[str, Figure],
    captions: Mapping[str, str],
    trials: Mapping[str, Sequence[Trial]],
) -> None:
    """Write the figures as PNG and SVG, the numbers as metrics.json, and report.md with both.

    In the report each figure stands above its caption.

    Raises
    ------
    OSError
        If the folder cannot be made or written to.
    """
    out.mkdir(parents=True, exist_ok=True)
    told = {label: [trial.as_dict() for trial in runs] for label, runs in trials.items()}
    metrics = {"experiment": title, "versions": versions(), "trials": told}
    write_json(out / "metrics.json", metrics)
    parts = [f"# {title}", summary, text, settings_table(trials)]
    parts += [f"![{name.replace('_', ' ')}]({name}.png)\n\n*{captions[name]}*" for name in figures]
    (out / "report.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    for name, figure in figures.items():
        save(figure, out / name)


def save(figure: Figure, stem: Path, dpi: int = 150) -> list[Path]:
    """Write a figure as PNG and SVG; return the paths."""
    paths = [stem.with_name(f"{stem.name}.{suffix}") for suffix in ("png", "svg")]
    for path in paths:
        figure.savefig(path, dpi=dpi)
    return paths


def settings_table(trials: Mapping[str, Sequence[Trial]]) -> str:
    """Return what each label's networks are: what differs between them, and what they share."""
    setups = {label: runs[0].setup.as_dict() for label, runs in trials.items()}
    default = Setup(hidden=()).as_dict()
    names = [name for name in default if name != "seed"]
    values = {name: [setup[name] for setup in setups.values()] for name in names}
    values["rows"] = ["all" if rows is None else f"up to {rows}" for rows in values["rows"]]
    differ = [name for name in names if any(v != values[name][0] for v in values[name])]
    same = [
        f"{name} {_said(values[name][0])}"
        for name in names
        if name not in differ and (name in ALWAYS or values[name][0] != default[name])
    ]
    seeds = [trial.setup.seed for trial in next(iter(trials.values()))]
    told = f"Seed {seeds[0]}" if len(seeds) == 1 else f"Seeds {seeds[0]} to {seeds[-1]}"
    told += f"; {'all: ' if differ else ''}{', '.join(same)}" if same else ""
    rows = [
        [label, *(_said(values[name][place]) for name in differ)]
        for place, label in enumerate(setups)
    ]
    return "\n\n".join(
        ["## Settings", f"{told}.", *([table(["", *differ], rows)] if differ else [])]
    )


def write_json(path: Path, value: Any) -> None:
    """Write value into a file, NaN as null."""
    path.write_text(json.dumps(plain(value), indent=2) + "\n", encoding="utf-8")


def _said(value: Any) -> str:
    if isinstance(value, list):
        return "-".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)


def versions() -> dict[str, str]:
    """Return what the numbers were made with."""
    return {
        "minnet": minnet.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": metadata.version("numba"),
        "machine": platform.machine(),
    }


def plain(value: Any) -> Any:
    """Turn NaN into None all the way down, because JSON has no NaN."""
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(inner) for inner in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value

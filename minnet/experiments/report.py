"""Reports: tables in Markdown, learning curves, and the files of an experiment."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

import minnet
from minnet.experiments.intervals import mean
from minnet.experiments.measures import STATISTICS, distribution
from minnet.experiments.setup import Setup
from minnet.experiments.trial import Trial
from minnet.recording import Capture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Trials = Mapping[str, Sequence[Trial]]  # by label
Figures = dict[str, "tuple[Figure, str]"]  # by name, each with its caption
ALWAYS = (  # settings that are reported even if they have their default
    "data", "rows", "hidden", "activation", "init", "loss", "optimizer", "lr", "batch_size",
    "epochs",
)  # fmt: skip


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table with aligned columns.

    >>> print(table(["layer", "std"], [["relu1", "0.52"]]))
    | layer | std  |
    |-------|------|
    | relu1 | 0.52 |
    """
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in (header, *rows)]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def label_table(trials: Trials, columns: Mapping[str, Callable[[Sequence[Trial]], str]]) -> str:
    """Return a table with one row a label; each column is a function of the label's trials."""
    rows = [[label, *(cell(runs) for cell in columns.values())] for label, runs in trials.items()]
    return table(["", *columns], rows)


def distribution_table(captured: Capture) -> str:
    """Return summary statistics of each layer's output, one row a layer."""
    rows = []
    for name, y in captured.kind("y").items():
        found = distribution(y)
        numbers = [f"{found[statistic]:.3f}" for statistic in STATISTICS[:-1]]
        dead = f"{found['dead']} of {found['units']}"
        rows.append([name, *numbers, f"{found['zeros']:.1%}", dead])
    return table(["layer", *STATISTICS, "dead units"], rows)


def outcome_table(trials: Trials) -> str:
    """Return the final losses and accuracies of each label, and the seconds of an epoch.

    Losses and accuracies are means over the trainings that did not diverge, accuracies with their
    95% interval. Seconds are the median of all epochs. A dash means that all trainings diverged.
    """
    rows = []
    for label, runs in trials.items():
        ended = [run for run in runs if run.stopped is None]
        cells = [with_diverged(label, runs)]
        for name in ("train_loss", "val_loss", "train_accuracy", "val_accuracy"):
            number = mean(run.last(name) for run in ended)
            cells.append(str(number.within(0, 1)) if "accuracy" in name else f"{number.value:.4f}")
        seconds = [second for run in ended for second in run.curves["seconds"]]
        cells.append(f"{np.median(seconds):.3g}" if seconds else "")
        rows.append(cells if ended else [cells[0], *["-"] * 5])
    header = ["", "training loss", "test loss", "training accuracy", "test accuracy", "s an epoch"]
    return table(header, rows)


def with_diverged(label: str, runs: Sequence[Trial]) -> str:
    """Return the label, followed by the number of trainings that diverged if there are any."""
    diverged = sum(run.stopped is not None for run in runs)
    return label + (f" ({diverged} of {len(runs)} diverged)" if diverged else "")


def learning_curves(trials: Trials, *, omit: Collection[str] = ()) -> Figures:
    """Return accuracy and loss by epoch of the trainings that did not diverge.

    The legend reports how many diverged. Labels without any other training, and those in ``omit``,
    have an entry in the legend but no line.
    """
    from minnet import plot

    curves = {}
    for label, runs in trials.items():
        missing = [float("nan")] * max(runs[0].setup.epochs, 1)
        nothing = SimpleNamespace(loss=missing, accuracy=missing)
        ended = [trial.history() for trial in runs if trial.stopped is None]
        curves[with_diverged(label, runs)] = [nothing] if label in omit or not ended else ended
    captions = {
        "accuracy": "Accuracy at the end of each epoch, on training rows (dashed) and test rows "
        "(solid).",
        "loss": "Loss at the end of each epoch, on training rows (dashed) and test rows (solid).",
    }
    return {
        metric: (plot.learning_curves(curves, metric=metric), caption)
        for metric, caption in captions.items()
    }


def settings_table(trials: Trials) -> str:
    """Return the settings that all labels share, and a table of those that differ."""
    setups = {label: runs[0].setup.as_dict() for label, runs in trials.items()}
    default = Setup(hidden=()).as_dict()
    names = [name for name in default if name != "seed"]
    values = {name: [setup[name] for setup in setups.values()] for name in names}
    values["rows"] = ["all" if rows is None else f"up to {rows}" for rows in values["rows"]]
    differ = [name for name in names if any(v != values[name][0] for v in values[name])]
    same = [
        f"{name} {_written(values[name][0])}"
        for name in names
        if name not in differ and (name in ALWAYS or values[name][0] != default[name])
    ]
    seeds = [trial.setup.seed for trial in next(iter(trials.values()))]
    shared = f"Seed {seeds[0]}" if len(seeds) == 1 else f"Seeds {seeds[0]} to {seeds[-1]}"
    shared += f"; {'all: ' if differ else ''}{', '.join(same)}" if same else ""
    rows = [
        [label, *(_written(values[name][place]) for name in differ)]
        for place, label in enumerate(setups)
    ]
    tables = [table(["", *differ], rows)] if differ else []
    return "\n\n".join(["## Settings", f"{shared}.", *tables])


def _written(value: Any) -> str:
    if isinstance(value, list):
        return "-".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)


def write(
    out: Path,
    *,
    title: str,
    summary: str,
    text: str,
    figures: Figures,
    trials: Trials,
) -> None:
    """Write report.md, metrics.json, and the figures as PNG and SVG.

    Raises
    ------
    OSError
        If the folder cannot be created or written to.
    """
    out.mkdir(parents=True, exist_ok=True)
    results = {label: [trial.as_dict() for trial in runs] for label, runs in trials.items()}
    metrics = {"experiment": title, "versions": versions(), "trials": results}
    write_json(out / "metrics.json", metrics)
    parts = [f"# {title}", summary, "## Results", text, settings_table(trials), "## Figures"]
    for name, (figure, caption) in figures.items():
        save(figure, out / name)
        parts.append(f"![{name.replace('_', ' ')}]({name}.png)\n\n*{caption}*")
    (out / "report.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def save(figure: Figure, stem: Path, dpi: int = 150) -> list[Path]:
    """Write a figure as PNG and SVG, and close it where pyplot manages it; return the paths."""
    paths = [stem.with_name(f"{stem.name}.{suffix}") for suffix in ("png", "svg")]
    for path in paths:
        figure.savefig(path, dpi=dpi)
    if plt := sys.modules.get("matplotlib.pyplot"):
        plt.close(figure)
    return paths


def write_json(path: Path, value: Any) -> None:
    """Write value to a file, non-finite numbers as null."""
    path.write_text(json.dumps(plain(value), indent=2) + "\n", encoding="utf-8")


def plain(value: Any) -> Any:
    """Replace non-finite numbers by None at every level, because JSON has none."""
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(inner) for inner in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def versions() -> dict[str, str]:
    """Return the versions that produced the results."""
    return {
        "minnet": minnet.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": metadata.version("numba"),
        "machine": platform.machine(),
    }

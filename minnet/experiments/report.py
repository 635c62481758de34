"""Reports: tables in Markdown, learning curves, and the files of an experiment."""

import json
import math
import platform
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date
from functools import partial
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import minnet
from minnet import plot
from minnet.doctor import Diagnosis
from minnet.experiments import charts
from minnet.experiments.intervals import mean
from minnet.experiments.measures import STATISTICS, distribution
from minnet.experiments.readings import BEFORE, STAGES, Number, by_layer
from minnet.experiments.setup import Setup
from minnet.experiments.trial import Trial, Trials, plain
from minnet.files import write_text
from minnet.recording import Capture

Columns = Mapping[str, Callable[[Sequence[Trial]], object]]  # header -> cell of a label's trials
Figures = dict[str, tuple[Figure, str]]  # by name, each with its caption
REPORTED = {  # settings that are reported even if they have their default
    "data", "rows", "hidden", "activation", "init", "loss", "optimizer", "lr", "batch_size",
    "epochs",
}  # fmt: skip


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


def label_table(trials: Trials, columns: Columns) -> str:
    """Return a table with a row for each label; a column is a function of the label's trials."""
    rows = [
        [label, *(str(cell(runs)) for cell in columns.values())] for label, runs in trials.items()
    ]
    return table(["", *columns], rows)


def distribution_table(captured: Capture) -> str:
    """Return a table of summary statistics of the outputs, with a row for each layer."""
    names = {name: "excess kurtosis" if name == "kurtosis" else name for name in STATISTICS}
    rows = []
    for layer, y in captured.kind("y").items():
        values = distribution(y)
        numbers = [f"{values[name]:.3f}" for name in STATISTICS[:-1]]
        dead = f"{values['dead']} of {values['units']}"
        rows.append([layer, *numbers, f"{values['zeros']:.1%}", dead])
    return table(["layer", *names.values(), "dead units"], rows)


def outcome_table(trials: Trials) -> str:
    """Return a table of the final losses and accuracies of each label, and the seconds per epoch.

    Losses and accuracies are means over the trainings that did not diverge, accuracies with their
    95% interval. Seconds are the median of all epochs. A dash means that all trainings diverged.
    """
    columns = {
        "training loss": "train_loss", "test loss": "val_loss",
        "training accuracy": "train_accuracy", "test accuracy": "val_accuracy",
    }  # fmt: skip
    rows = []
    for label, runs in trials.items():
        ended = [run for run in runs if run.stopped is None]
        cells = [with_diverged(label, runs)]
        for curve in columns.values():
            last = mean(run.last(curve) for run in ended)
            cells.append(str(last.within(0, 1)) if "accuracy" in curve else f"{last.value:.4f}")
        seconds = [second for run in ended for second in run.curves["seconds"]]
        cells.append(f"{np.median(seconds):.3g}" if seconds else "")
        rows.append(cells if ended else [cells[0], *["-"] * 5])
    return table(["", *columns, "seconds per epoch"], rows)


def layer_columns(trials: Trials, name: str, form: str = ".3g") -> Columns:
    """Return a column for each hidden layer: a statistic before → after training.

    Both are means over the seeds whose training did not diverge; a dash if there is none.
    """

    def cell(layer: int, runs: Sequence[Trial]) -> str:
        stages = ([getattr(run, when) for run in runs] for when in ("start", "end"))
        numbers = (mean(n["hidden"][layer][name] for n in stage if n) for stage in stages)
        return " → ".join(f"{number.value:{form}}" if number.n else "–" for number in numbers)

    hidden = next(iter(trials.values()))[0].setup.hidden
    return {
        f"layer {layer + 1}, {units} units": partial(cell, layer)
        for layer, units in enumerate(hidden)
    }


def with_diverged(label: str, runs: Sequence[Trial]) -> str:
    """Return the label, followed by the number of trainings that diverged if there are any."""
    diverged = sum(run.stopped is not None for run in runs)
    return label + (f" ({diverged} of {len(runs)} diverged)" if diverged else "")


def span(values: Mapping[str, float], form: str = ".3g") -> str:
    """Return the smallest and the largest finite value with their labels.

    >>> span({"sigmoid": 70000.0, "He": 1.5, "Xavier": 2.0})
    'between 1.5 (He) and 7e+04 (sigmoid)'
    """
    finite = sorted((value, label) for label, value in values.items() if math.isfinite(value))
    if not finite:
        return "not finite"
    low, high = (f"{value:{form}} ({label})" for value, label in (finite[0], finite[-1]))
    return f"between {low} and {high}" if len(finite) > 1 else low


def learning_curves(trials: Trials, omitted: Collection[str] = ()) -> Figures:
    """Return figures of accuracy and loss by epoch for the trainings that did not diverge.

    The legend reports the number of diverged trainings. Labels whose trainings all diverged, and
    omitted labels, have an entry in the legend but no line.
    """
    curves, figures = {}, {}
    ended = {label: [run for run in runs if run.stopped is None] for label, runs in trials.items()}
    for label, runs in trials.items():
        missing = [math.nan] * max(runs[0].setup.epochs, 1)
        drawn = [run.history() for run in ended[label] if label not in omitted]
        nothing = SimpleNamespace(loss=missing, accuracy=missing)
        curves[with_diverged(label, runs)] = drawn or [nothing]
    note = f" Without a curve: {', '.join(omitted)}." if omitted else ""
    for metric in ("accuracy", "loss"):
        last = {
            label: mean(run.last(f"val_{metric}") for run in runs).value
            for label, runs in ended.items()
        }
        figures[metric] = (
            plot.learning_curves(curves, metric=metric),
            f"{metric.capitalize()} at the end of each epoch, on training rows (dashed) and on the "
            "test rows, which serve as validation rows (solid). At the end of training the test "
            f"{metric} is {span(last)}.{note}",
        )
    return figures


def panels(
    titles: Iterable[str], draw: Callable[[str, Axes], object], *, color_bars: bool = False
) -> Figure:
    """Return a figure whose panels are drawn by draw(title, ax).

    Panels with colour bars have separate y axes.
    """
    figure, axes = charts.side_by_side(list(titles), share_y=not color_bars)
    if color_bars:
        figure.set_figwidth(5.5 * min(3, len(axes)))
    for title, ax in zip(titles, axes, strict=True):
        draw(title, ax)
    charts.share_legends(figure)
    return figure


def stage_panels(
    trials: Trials, kind: str, number: Number, ylabel: str, theory: Mapping[str, Sequence[float]]
) -> Figure:
    """Return a figure of a number by layer: a panel for each stage, theory before training.

    ``kind`` and ``number`` are those of `minnet.experiments.readings.by_layer`.
    """

    def draw(stage: str, ax: Axes) -> None:
        values = {label: by_layer(runs, stage, kind, number) for label, runs in trials.items()}
        shown = theory if stage == BEFORE else None
        charts.by_layer(values, ylabel=ylabel, log=True, theory=shown, ax=ax)

    return panels(STAGES, draw)


def number_rows(ax: Axes, ylabel: str = "layer") -> None:
    """Replace the names of the layers, which differ between networks, by numbers."""
    names = [text.get_text().partition(":") for text in ax.get_yticklabels()]
    rows = [f"{row}{colon}{count}" for row, (_, colon, count) in enumerate(names, start=1)]
    ax.set_yticks(ax.get_yticks(), rows)
    ax.set_ylabel(ylabel, fontsize=ax.xaxis.label.get_fontsize())
    ax.locator_params(axis="x", nbins=3)


def settings_table(trials: Trials) -> str:
    """Return the settings that all labels share, and a table of those that differ."""
    setups = {label: runs[0].setup.as_dict() for label, runs in trials.items()}
    default = Setup(hidden=()).as_dict()
    del default["seed"]
    cells = {name: [_written(name, setup[name]) for setup in setups.values()] for name in default}
    differ = {name: texts for name, texts in cells.items() if len(set(texts)) > 1}
    shared = [
        f"{name} {texts[0]}"
        for name, texts in cells.items()
        if name not in differ and (name in REPORTED or texts[0] != _written(name, default[name]))
    ]
    seeds = [trial.setup.seed for trial in next(iter(trials.values()))]
    seed = f"Seed {seeds[0]}" if len(seeds) == 1 else f"Seeds {seeds[0]} to {seeds[-1]}"
    text = f"{seed}. {'Shared settings' if differ else 'Settings'}: {', '.join(shared)}."
    rows = [list(row) for row in zip(setups, *differ.values(), strict=True)]
    return f"{text}\n\n{table(['', *differ], rows)}" if differ else text


def _written(name: str, value: Any) -> str:
    if name == "rows":
        return "all" if value is None else f"up to {value}"
    if isinstance(value, list):
        return "-".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)


def listed(settings: Mapping[str, Any]) -> str:
    """Return settings as text.

    >>> listed({"rows": 6000, "epochs": 2})
    'rows up to 6000, epochs 2'
    """
    return ", ".join(f"{name} {_written(name, value)}" for name, value in settings.items())


def diagnosis_list(diagnoses: Mapping[str, Diagnosis]) -> str:
    """Return a list of the labels with their findings, each with its best remedy."""
    lines = []
    for label, diagnosis in diagnoses.items():
        lines.append(f"- {label}: {diagnosis.title.removeprefix('Diagnosis: ').rstrip('.')}.")
        for finding in diagnosis.findings:
            title, text, evidence, *remedies = finding.lines()
            best = f" Remedy: {remedies[0].removeprefix('- ')}." if remedies else ""
            lines.append(f"    - {title}: {text} {evidence}{best}")
    return "\n".join(lines)


def origin(command: str) -> str:
    """Return a sentence with the command, the date, and the versions that gave the results."""
    by = f"by `{command}` " if command else ""
    numbers = ", ".join(f"{name} {version}" for name, version in versions().items())
    return f"Computed {by}on {date.today().isoformat()} with {numbers}."


def save(figure: Figure, stem: Path, dpi: int = 150) -> list[Path]:
    """Write a figure as PNG and SVG, close it if pyplot manages it, and return the paths."""
    paths = [stem.with_name(f"{stem.name}.{suffix}") for suffix in ("png", "svg")]
    for path in paths:
        figure.savefig(path, dpi=dpi)
    if plt := sys.modules.get("matplotlib.pyplot"):
        plt.close(figure)
    return paths


def write_json(path: Path, value: Any) -> None:
    """Write value to a file, non-finite numbers as null."""
    write_text(path, json.dumps(plain(value), indent=2) + "\n", "report")


def versions() -> dict[str, str]:
    """Return the versions that produced the results."""
    return {
        "minnet": minnet.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": metadata.version("numba"),
        "machine": platform.machine(),
    }

"""A student's folder: create it, restore a stub, find answers, keep the last mistakes."""

import json
import shlex
from contextlib import suppress
from itertools import count
from pathlib import Path

from minnet.exercises import files
from minnet.exercises.catalog import catalog
from minnet.exercises.diagnosis import WrongAnswer
from minnet.exercises.exercise import Exercise
from minnet.exercises.files import answer_path

MISTAKES = ".minnet-exercises.json"
_KEPT = ("mistake", "message", "hint")

_CONFTEST = '''"""Makes pytest print one line per exercise."""

from minnet.exercises.reporting import (
    pytest_report_teststatus,
    pytest_runtest_makereport,
    pytest_terminal_summary,
)

__all__ = ["pytest_report_teststatus", "pytest_runtest_makereport", "pytest_terminal_summary"]
'''
_PYTEST_INI = """[pytest]
addopts = -q --tb=no -rN -p no:cacheprovider -p no:hypothesispytest
console_output_style = classic
"""
_TEST = """from minnet.exercises import check


def test_{exercise.file}():
    from {exercise.file} import {exercise.answer}

    check("{exercise.name}", {exercise.answer})
"""


def init(folder: Path) -> tuple[list[Path], list[Path]]:
    """Write stubs, tests and pytest settings; keep existing files.

    Returns
    -------
    (written, kept) : lists of Path
        The new files, and those that existed.
    """
    texts = {"conftest.py": _CONFTEST, "pytest.ini": _PYTEST_INI}
    for exercise in catalog():
        texts[f"{exercise.file}.py"] = files.stub(exercise)
        texts[f"test_{exercise.file}.py"] = _TEST.format(exercise=exercise)
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    kept: list[Path] = []
    for name, text in texts.items():
        path = folder / name
        if path.exists():
            kept.append(path)
        else:
            files.write_text(path, text)
            written.append(path)
    return written, kept


def reset(exercise: Exercise, folder: Path) -> Path | None:
    """Restore the stub of an exercise; return the backup of the existing file, if there was one."""
    exercises_in(folder)
    path = answer_path(exercise, folder)
    backup = None
    if path.exists():
        names = (path.with_name(f"{path.name}.bak{number}") for number in count(1))
        backup = path.rename(next(name for name in names if not name.exists()))
    try:
        files.write_text(path, files.stub(exercise))
    except OSError:
        if backup is not None:
            backup.rename(path)
        raise
    remember(folder, exercise, None)
    return backup


def exercises_in(folder: Path) -> list[Exercise]:
    """Return the exercises that have a file in the folder.

    Raises
    ------
    FileNotFoundError
        If there is none; the message names the command that leads to the exercises.
    """
    found = [exercise for exercise in catalog() if answer_path(exercise, folder).exists()]
    if not found:
        inner = sorted({path.parent for path in folder.glob("*/e[0-9][0-9]_*.py")})
        advice = f"`minnet exercises init {shlex.quote(str(folder))}` writes them"
        if inner:
            advice = f"go to their folder first: `cd {shlex.quote(str(inner[0]))}`"
        raise FileNotFoundError(f"no exercises in {folder.resolve()}; {advice}")
    return found


def remember(folder: Path, exercise: Exercise, wrong: WrongAnswer | None) -> None:
    """Keep the last mistake in an exercise if it has a hint of its own; otherwise remove it.

    A folder that cannot be written to is no error.
    """
    mistakes = _mistakes(folder)
    before = mistakes.pop(str(exercise), None)
    if wrong is not None and wrong.hint is not None:
        values = (str(wrong.mistake), str(wrong), wrong.hint)
        mistakes[str(exercise)] = dict(zip(_KEPT, values, strict=True))
    if mistakes.get(str(exercise)) != before:
        with suppress(OSError):
            files.write_text(folder / MISTAKES, json.dumps(mistakes, indent=2) + "\n")


def last_mistake(folder: Path, exercise: Exercise) -> dict[str, str] | None:
    """Return the mistake, its message and its hint, as strings by these names, or None."""
    return _mistakes(folder).get(str(exercise))


def _mistakes(folder: Path) -> dict[str, dict[str, str]]:
    """Return the kept mistakes by exercise; empty if the file is missing or damaged."""
    try:
        entries = json.loads(files.read_source(folder / MISTAKES)).items()
        return {name: {key: entry[key] for key in _KEPT} for name, entry in entries}
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return {}

"""A student's folder: create it, restore a stub, check an answer in it."""

from itertools import count
from pathlib import Path

from minnet.exercises import check, files
from minnet.exercises.catalog import catalog
from minnet.exercises.diagnosis import WrongAnswer
from minnet.exercises.exercise import Exercise
from minnet.exercises.files import answer_path
from minnet.exercises.observation import describe_error

_CONFTEST = '''"""Makes pytest print one line per exercise."""

from minnet.exercises.reporting import (
    pytest_report_teststatus,
    pytest_runtest_makereport,
    pytest_terminal_summary,
)

__all__ = ["pytest_report_teststatus", "pytest_runtest_makereport", "pytest_terminal_summary"]
'''
_PYTEST_INI = """[pytest]
addopts = -q --tb=no -rN -p no:cacheprovider
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
        try:
            with path.open("x", encoding="utf-8") as new:
                new.write(text)
            written.append(path)
        except FileExistsError:
            kept.append(path)
    return written, kept


def reset(exercise: Exercise, folder: Path) -> Path | None:
    """Restore the stub of an exercise; return the backup of the existing file, if there was one."""
    path = answer_path(exercise, folder)
    backup = None
    if path.exists():
        names = (path.with_name(f"{path.name}.bak{number}") for number in count(1))
        backup = path.rename(next(name for name in names if not name.exists()))
    path.write_text(files.stub(exercise), encoding="utf-8")
    return backup


def exercises_in(folder: Path) -> list[Exercise]:
    """Return the exercises that have a file in the folder.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    found = [exercise for exercise in catalog() if answer_path(exercise, folder).exists()]
    if not found:
        raise FileNotFoundError(
            f"no exercises in {folder.resolve()}; `minnet exercises init {folder}` writes them"
        )
    return found


def check_file(exercise: Exercise, folder: Path) -> WrongAnswer | None:
    """Check the answer in the folder; return the diagnosis, or None if it is right."""
    path = answer_path(exercise, folder)
    if not path.exists():
        command = f"`minnet exercises reset {exercise.number}` makes one"
        return WrongAnswer(f"{exercise}: there is no {path}; {command}", "import")
    try:
        answer = files.load_answer(exercise, path)
    except (Exception, SystemExit) as error:
        return WrongAnswer(f"{exercise}: {describe_error(error)}", "import")
    if not callable(answer):
        message = f"{exercise}: {exercise.answer} is no function or class, but {answer!r}."
        return WrongAnswer(message, "import")
    try:
        check(exercise, answer)
    except WrongAnswer as wrong:
        return wrong
    return None

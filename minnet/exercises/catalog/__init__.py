"""The exercises, one module each, named by number and name; every module defines ``EXERCISE``."""

from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from runpy import run_path

from minnet.exercises.exercise import Exercise
from minnet.validation import is_whole, shown


@cache
def names() -> tuple[str, ...]:
    """Return the names of all modules, such as ``e01_dense``, in order."""
    return tuple(sorted(module.name for module in iter_modules(__path__)))


@cache
def load(name: str) -> Exercise:
    """Return the exercise of a module, such as ``e01_dense``."""
    exercise: Exercise = import_module(f"{__name__}.{name}").EXERCISE
    return exercise


@cache
def _defined_in(path: Path) -> Exercise:
    exercise = run_path(str(path)).get("EXERCISE")
    if not isinstance(exercise, Exercise):
        raise ValueError(f"{path}: expected EXERCISE, got none; define it as an Exercise")
    return replace(exercise, path=str(path))


def catalog() -> tuple[Exercise, ...]:
    """Return all exercises in the order of their numbers."""
    return tuple(load(name) for name in names())


def find(exercise: int | str) -> Exercise:
    """Return the exercise with a number or name, or the one that a file defines as ``EXERCISE``.

    Parameters
    ----------
    exercise : int or str
        Such as 9, "9", "e09", "batchnorm_backward" or "my_exercise.py".

    Raises
    ------
    ValueError
        If there is none; the message lists all exercises.

    Examples
    --------
    >>> find("e01") is find(1) is find("dense")
    True
    """
    named = is_whole(exercise) or isinstance(exercise, str | Path)
    requested = str(exercise).strip().lower() if named else ""
    for file in names():
        label, name = file.split("_", 1)
        if requested in (file, label, name) or requested.removeprefix("e").zfill(2) == label[1:]:
            return load(file)
    if requested.endswith(".py") and Path(str(exercise)).is_file():
        return _defined_in(Path(str(exercise)).resolve())
    raise ValueError(f"there is no exercise {shown(exercise)}; there are {', '.join(names())}")

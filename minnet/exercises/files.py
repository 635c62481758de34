"""Files of the exercises: stubs and hints in the package, answers in a student's folder."""

import re
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from minnet.exercises.exercise import Exercise


def stub(exercise: Exercise) -> str:
    """Return the text of the file in which the answer is to be written."""
    return exercise.stub or _text(f"stubs/{exercise.file}.py.txt")


def hints(exercise: Exercise) -> list[str]:
    """Return the three hints, from general to detailed."""
    if exercise.stub is not None:
        return list(exercise.hints)
    parts = re.split(r"(?m)^## \d\n", _text(f"hints/{exercise.file}.md"))
    return [part.strip() for part in parts[1:]]


def _text(name: str) -> str:
    return files("minnet.exercises").joinpath(name).read_text(encoding="utf-8")


def answer_path(exercise: Exercise, folder: Path) -> Path:
    """Return the path of the answer to an exercise in a folder."""
    return folder / f"{exercise.file}.py"


def load_answer(exercise: Exercise, path: Path) -> Any:
    """Execute a student's file and return the function or class that the exercise requests.

    The file and the files that it imports from its folder are compiled again in each call, so that
    their latest versions are used.

    Raises
    ------
    AttributeError
        If the file does not define the answer.
    Exception
        Any exception that the file raises.
    """
    with _imports_from(path.resolve().parent, path.stem):
        return answer_in(exercise, path.read_text(encoding="utf-8-sig"), str(path))


@contextmanager
def _imports_from(folder: Path, name: str) -> Iterator[None]:
    """Allow imports from a folder, and unload these modules afterwards, except that of `name`."""
    path_before, modules_before = sys.path[:], {*sys.modules, name}
    sys.path.append(str(folder))
    try:
        yield
    finally:
        sys.path[:] = path_before
        for module in sys.modules.keys() - modules_before:
            file = getattr(sys.modules[module], "__file__", None)
            if file is not None and Path(file).is_relative_to(folder):
                del sys.modules[module]


def answer_in(exercise: Exercise, source: str, filename: str) -> Any:
    """Return the answer that the source code of a file defines."""
    module = execute(exercise.file, source, filename)
    if not hasattr(module, exercise.answer):
        raise AttributeError(f"{Path(filename).name} defines no {exercise.answer}")
    return getattr(module, exercise.answer)


def execute(name: str, source: str, filename: str) -> types.ModuleType:
    """Execute the source code of a file as a new module."""
    module = types.ModuleType(name)
    module.__file__ = filename
    sys.modules[name] = module  # required by pickle and dataclasses
    exec(compile(source, filename, "exec"), module.__dict__)
    return module

"""The files of the exercises: stubs and hints in the package, answers in a student's folder."""

from __future__ import annotations

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
    return _text(f"stubs/{exercise.file}.py.txt")


def hints(exercise: Exercise) -> list[str]:
    """Return the three hints, each of which says more than the one before."""
    return [
        part.strip() for part in re.split(r"(?m)^## \d\n", _text(f"hints/{exercise.file}.md"))[1:]
    ]


def load_answer(exercise: Exercise, path: Path) -> Any:
    """Run the student's file and return the function or class that the exercise asks for.

    The file is compiled anew each time, so that what was saved a moment ago counts; so are the
    files beside it that it imports.

    Raises
    ------
    AttributeError
        If the file does not define it.
    Exception
        Whatever the file itself raises.
    """
    with _beside(path):
        return answer_in(exercise, path.read_text(encoding="utf-8-sig"), str(path))


@contextmanager
def _beside(path: Path) -> Iterator[None]:
    """Let a file import those beside it, and forget these again: other folders have some too."""
    folder = path.resolve().parent
    searched, known = sys.path[:], {*sys.modules, path.stem}
    sys.path.append(str(folder))
    try:
        yield
    finally:
        sys.path[:] = searched
        for name in sys.modules.keys() - known:
            file = getattr(sys.modules[name], "__file__", None)
            if file is not None and Path(file).is_relative_to(folder):
                del sys.modules[name]


def answer_in(exercise: Exercise, source: str, filename: str) -> Any:
    """Run source as the file of that name and return the answer in it."""
    module = types.ModuleType(exercise.file)
    module.__file__ = filename
    sys.modules[exercise.file] = module  # pickles and dataclasses look for it there
    exec(compile(source, filename, "exec"), module.__dict__)
    if not hasattr(module, exercise.answer):
        raise AttributeError(f"{Path(filename).name} defines no {exercise.answer}")
    return getattr(module, exercise.answer)


def _text(name: str) -> str:
    return files("minnet.exercises").joinpath(name).read_text(encoding="utf-8")

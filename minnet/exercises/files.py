"""Files of the exercises: stubs and hints in the package, answers in a student's folder."""

import ast
import re
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from minnet.exercises.exercise import Exercise
from minnet.exercises.observation import is_own
from minnet.files import read_bytes
from minnet.files import write_text as write_text

LARGEST_SOURCE = 1_000_000  # bytes; the parser needs about 500 times as many
BANNED = {"torch", "tensorflow", "jax", "keras", "minnet"}


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


def read_source(path: Path) -> bytes:
    """Return the content of a source file, or raise OSError as `read_bytes` does."""
    return read_bytes(path, path.name, LARGEST_SOURCE)


def banned_imports(source: bytes, folder: Path, checked: frozenset[str] = frozenset()) -> list[str]:
    """Return the banned packages that a source, or a file of the folder that it imports, imports.

    An answer may import ``check`` from ``minnet.exercises``. The text "minnet" alone counts as an
    import, since it can be looked up in ``sys.modules``. A package can still be hidden: this is a
    deterrent. The result is empty if the source cannot be parsed; executing it raises the error.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return []
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            only_check = [alias.name for alias in node.names] == ["check"]
            if not (node.module == "minnet.exercises" and only_check):
                names.add(node.module)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names |= {node.value} & BANNED
    packages = {name.split(".")[0] for name in names}
    banned = packages & BANNED
    for name in packages - banned - checked:
        if (folder / f"{name}.py").is_file():
            helper = read_source(folder / f"{name}.py")
            banned |= {*banned_imports(helper, folder, checked | packages)}
    return sorted(banned)


@contextmanager
def imports_from(folder: Path, name: str) -> Iterator[None]:
    """Allow imports from a folder, and unload these modules afterwards, except that of `name`.

    The files that an answer imports are therefore read again with the next answer.
    """
    path_before, modules_before = sys.path[:], {*sys.modules, name}
    sys.path.append(str(folder))
    try:
        yield
    finally:
        sys.path[:] = path_before
        for module in sys.modules.keys() - modules_before:
            file = getattr(sys.modules[module], "__file__", None)
            # A virtual environment may be in the folder; its packages stay.
            if file is not None and is_own(file) and Path(file).is_relative_to(folder):
                del sys.modules[module]


def answer_in(exercise: Exercise, source: str | bytes, filename: str) -> Any:
    """Return the answer that the source code of a file defines."""
    module = execute(exercise.file, source, filename)
    if not hasattr(module, exercise.answer):
        raise AttributeError(f"{Path(filename).name} defines no {exercise.answer}")
    return getattr(module, exercise.answer)


def execute(name: str, source: str | bytes, filename: str) -> types.ModuleType:
    """Execute the source code of a file as a new module."""
    module = types.ModuleType(name)
    module.__file__ = filename
    sys.modules[name] = module  # required by pickle and dataclasses
    exec(compile(source, filename, "exec"), module.__dict__)
    return module

"""One answer in a process of its own: arrays come in and go out by files, and nothing is judged.

``python -m minnet.exercises.worker EXERCISE ANSWER INPUTS OUTPUTS [train]`` writes OUTPUTS where
nothing ends it before.
"""

from __future__ import annotations

import sys
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from minnet.exercises import files
from minnet.exercises.catalog import find
from minnet.exercises.exercise import Case
from minnet.exercises.observing import Fault, Observation, observe, told

LARGEST = 50_000_000  # bytes that a file of results may unpack to


def main() -> None:
    """Observe the answer and write what was seen."""
    exercise, path, inputs, outputs = find(sys.argv[1]), *map(Path, sys.argv[2:5])
    sys.path.append(str(path.parent))  # an answer may use the student's other files
    try:
        answer = files.load_answer(exercise, path)
    except (Exception, SystemExit) as error:
        observation = Observation(fault=Fault("import", f"{told(error)}."))
    else:
        observation = observe(exercise, answer, read_case(inputs), "train" in sys.argv[5:])
    write_observation(outputs, observation)


def write_case(path: Path, case: Case) -> None:
    """Write inputs as arrays, without pickle."""
    _save(path, vars(case))


def read_case(path: Path) -> Case:
    """Read what `write_case` wrote; numbers and strings are such again."""
    arrays = _load(path)
    return Case(**{name: value if value.ndim else value.item() for name, value in arrays.items()})


def write_observation(path: Path, seen: Observation) -> None:
    """Write what was seen as arrays, without pickle."""
    arrays = {f"result {name}": value for name, value in seen.results.items()}
    arrays |= {f"slope {name}": value for name, value in seen.slopes().items()}
    if seen.fault is not None:
        arrays["fault"] = np.array([seen.fault.id, seen.fault.message])
    if seen.logits is not None:
        arrays["logits"] = seen.logits
    _save(path, arrays)


def read_observation(path: Path) -> Observation:
    """Read what `write_observation` wrote, or whatever an answer put in its place.

    Raises
    ------
    OSError, ValueError
        If it is no such file.
    """
    arrays = _load(path)
    fault = arrays.get("fault")
    return Observation(
        results=_beginning(arrays, "result "),
        fault=None if fault is None else Fault(*(str(text) for text in fault.ravel()[:2])),
        slopes=partial(_beginning, arrays, "slope "),
        logits=arrays.get("logits"),
    )


def _beginning(arrays: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {
        name.removeprefix(prefix): value
        for name, value in arrays.items()
        if name.startswith(prefix)
    }


def _save(path: Path, arrays: dict[str, Any]) -> None:
    with path.open("wb") as file:
        np.savez(file, **arrays)


def _load(path: Path) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > LARGEST:
                raise ValueError("the results are too large")
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except (zipfile.BadZipFile, EOFError, MemoryError, TypeError) as error:
        raise ValueError(f"the results cannot be read: {error}") from error


if __name__ == "__main__":
    main()

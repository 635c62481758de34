"""Observation of one answer in a separate process, which writes the results to a file.

``python -m minnet.exercises.worker EXERCISE ANSWER SEED OUTPUTS [train]`` writes OUTPUTS. SEED is
a list of integers such as 5,9. The parent process is `minnet.exercises.isolation`.
"""

import sys
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from minnet.exercises.catalog import find
from minnet.exercises.observation import Fault, Observation, observe_file

LARGEST = 50_000_000  # uncompressed bytes of a file of results


def main() -> None:
    """Observe the answer and write the observation."""
    name, path, seed, outputs, *train = sys.argv[1:]
    sys.path.append(str(Path(path).parent))  # an answer may import the student's other files
    exercise = find(name)
    case = exercise.case([int(number) for number in seed.split(",")])
    observation = observe_file(exercise, Path(path), case, bool(train))
    write_observation(Path(outputs), observation)


def write_observation(path: Path, observation: Observation) -> None:
    """Write an observation as arrays, without pickle."""
    arrays = {f"result {name}": value for name, value in observation.results.items()}
    arrays |= {f"derivative {name}": value for name, value in observation.derivatives().items()}
    if observation.fault is not None:
        arrays["fault"] = np.array([observation.fault.id, observation.fault.message])
    if observation.logits is not None:
        arrays["logits"] = observation.logits
    np.savez(path, **arrays)


def read_observation(path: Path) -> Observation:
    """Read a file of `write_observation`, or whatever an answer wrote in its place.

    Raises
    ------
    OSError, ValueError
        If the file does not hold arrays.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > LARGEST:
                raise ValueError("the results are too large")
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
    except (zipfile.BadZipFile, EOFError, MemoryError, TypeError) as error:
        raise ValueError(f"the results cannot be read: {error}") from error
    fault = arrays.get("fault")
    return Observation(
        results=_with_prefix(arrays, "result "),
        fault=None if fault is None else Fault(*(str(text) for text in fault.ravel()[:2])),
        derivatives=partial(_with_prefix, arrays, "derivative "),
        logits=arrays.get("logits"),
    )


def _with_prefix(arrays: dict[str, Any], prefix: str) -> dict[str, Any]:
    names = [name for name in arrays if name.startswith(prefix)]
    return {name.removeprefix(prefix): arrays[name] for name in names}


if __name__ == "__main__":
    main()

"""Observation of an answer in a separate process, with a timeout.

The worker process returns arrays in a file without pickle. The results are compared in the parent
process, which runs no code of the answer. An ``__eq__`` that is always true, a patched
``numpy.allclose`` or an early exit therefore have no effect on the grade, and an endless loop ends
after the timeout. This protects against accidents and simple tricks, but not against an attacker:
the worker process has the rights of the user who starts it.

``python -m minnet.exercises.isolation EXERCISE ANSWER SEED OUTPUTS [train]`` is the worker. SEED
is a list of integers such as 5,9.
"""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import zipfile
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import minnet
from minnet.exercises.catalog import find
from minnet.exercises.exercise import Exercise
from minnet.exercises.observation import Fault, Observation, observe_file

MODULE = "minnet.exercises.isolation"
PRINTED = 2000  # characters kept of the output of an answer
LARGEST = 50_000_000  # uncompressed bytes of a file of results


def observe_isolated(
    exercise: Exercise, path: Path, seed: list[int], train: bool, timeout: float
) -> tuple[Observation, str]:
    """Observe the answer in a separate process; return the observation and the printed text."""
    package = str(Path(minnet.__file__).resolve().parents[1])
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        outputs = Path(scratch, "outputs.npz")
        command = [sys.executable, "-P", "-m", MODULE, exercise.key, str(path.resolve())]
        command += [",".join(map(str, seed)), str(outputs), *(["train"] if train else [])]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            cwd=scratch, start_new_session=True,
            env=os.environ | {"PYTHONPATH": package, "PYTHONIOENCODING": "utf-8"},
        )  # fmt: skip
        printed = OutputReader(process)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            message = f"no end after {timeout:g} seconds."
            observation = Observation(fault=Fault("timeout", message))
        else:
            observation = read_outputs(outputs, process.returncode, train)
        finally:
            _kill(process)
        return observation, printed.text()


def read_outputs(outputs: Path, code: int, train: bool) -> Observation:
    """Return the observation that the process wrote, or a fault if there is no valid one."""
    if not outputs.exists():
        return Observation(fault=Fault("exit", f"it ended early, with exit code {code}."))
    try:
        observation = read_observation(outputs)
        if train and observation.fault is None and observation.logits is None:
            raise ValueError("the network's output is missing")
        return observation
    except (OSError, ValueError) as error:
        return Observation(fault=Fault("results", str(error)))


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and, where the system supports it, its child processes."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):  # all of them have ended
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


class OutputReader(threading.Thread):
    """Thread that reads the output of a process without blocking it, and keeps the beginning."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__(daemon=True)
        assert process.stdout is not None
        self._stream, self.kept = process.stdout, b""
        self.start()

    def run(self) -> None:
        """Read to the end of the output."""
        with self._stream:
            while chunk := self._stream.read1(65536):  # type: ignore[attr-defined]
                self.kept += chunk[: max(0, 4 * PRINTED - len(self.kept))]

    def text(self) -> str:
        """Return the beginning of the output; wait at most one second for the end."""
        self.join(1.0)
        text = self.kept.decode("utf-8", errors="replace")
        return text if len(text) <= PRINTED else f"{text[:PRINTED]}... (cut)"


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
    """Read a file of `write_observation`, or a file that an answer wrote in its place.

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


def main() -> None:
    """Observe an answer in the worker process and write the observation."""
    name, path, seed, outputs, *train = sys.argv[1:]
    sys.path.append(str(Path(path).parent))  # an answer may import the student's other files
    exercise = find(name)
    case = exercise.case([int(number) for number in seed.split(",")])
    observation = observe_file(exercise, Path(path), case, bool(train))
    write_observation(Path(outputs), observation)


if __name__ == "__main__":
    main()

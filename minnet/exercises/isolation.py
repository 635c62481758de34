"""An answer in a process of its own: whatever it does, something is seen, and in finite time.

The process gets inputs and returns arrays, by files without pickle; they are compared out here,
where nothing of the answer runs. So an ``__eq__`` that is always true, a patched
``numpy.allclose`` or an early exit change nothing, and an endless loop ends after the timeout. This
keeps accidents and simple tricks away from grades. It is no wall against an attacker: the process
has the rights of whoever starts it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

import minnet
from minnet.exercises import worker
from minnet.exercises.exercise import Case, Exercise
from minnet.exercises.observing import Fault, Observation

PRINTED = 2000  # characters kept of what an answer prints


def observe_apart(
    exercise: Exercise, path: Path, case: Case, train: bool, timeout: float
) -> tuple[Observation, str]:
    """Observe the answer in a process of its own; return what was seen and what it printed."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        inputs, outputs = Path(scratch, "inputs.npz"), Path(scratch, "outputs.npz")
        worker.write_case(inputs, case)
        command = [sys.executable, "-P", "-m", worker.__name__, exercise.name, path.resolve()]
        here = str(Path(minnet.__file__).resolve().parents[1])
        process = subprocess.Popen(
            [*map(str, command), str(inputs), str(outputs), *(["train"] if train else [])],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            cwd=scratch, start_new_session=True,
            env=os.environ | {"PYTHONPATH": here, "PYTHONIOENCODING": "utf-8"},
        )  # fmt: skip
        printed = Drain(process)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            seen = Observation(fault=Fault("timeout", f"no end after {timeout:g} seconds."))
        else:
            seen = read(outputs, process.returncode, train)
        finally:
            _end(process)
        return seen, printed.text()


def read(outputs: Path, code: int, train: bool) -> Observation:
    """Return what the process left behind, or the fault that tells why it is of no use."""
    if not outputs.exists():
        return Observation(fault=Fault("exit", f"it ended early, with exit code {code}."))
    try:
        seen = worker.read_observation(outputs)
        if train and seen.fault is None and seen.logits is None:
            raise ValueError("the network's output is missing")
        return seen
    except (OSError, ValueError) as error:
        return Observation(fault=Fault("results", str(error)))


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process, if it still runs, and where the system can, all that it started."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):  # nothing of it is left
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


class Drain(threading.Thread):
    """Reads what a process prints, so that it never waits, and keeps the beginning."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__(daemon=True)
        assert process.stdout is not None
        self._stream, self.kept = process.stdout, b""
        self.start()

    def run(self) -> None:
        """Read to the end."""
        with self._stream:
            while chunk := self._stream.read1(65536):  # type: ignore[attr-defined]
                self.kept += chunk[: max(0, 4 * PRINTED - len(self.kept))]

    def text(self) -> str:
        """Return the beginning of it; wait a second at most for the end."""
        self.join(1.0)
        text = self.kept.decode("utf-8", errors="replace")
        return text if len(text) <= PRINTED else f"{text[:PRINTED]}... (cut)"

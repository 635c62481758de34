"""Check of an answer in a separate process, with a timeout.

The worker process reads, parses and runs the answer, and returns its results as arrays without
pickle. They are compared in the parent process, which runs no code of the answer. An ``__eq__``
that is always true, a patched ``numpy.allclose`` or an early exit therefore have no effect on the
grade. This protects against accidents and simple tricks, but not against an attacker: the worker
process has the rights of the user who starts it. See `minnet.exercises.worker`.
"""

import io
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

import minnet
from minnet.exercises.diagnosis import WrongAnswer, diagnose
from minnet.exercises.exercise import Exercise
from minnet.exercises.observation import Fault, Observation
from minnet.validation import positive

TIMEOUT = 30.0  # seconds
LARGEST = 50_000_000  # bytes of the results of an answer
PRINTED = 2000  # bytes of the output of an answer

_DIAGNOSIS = threading.Lock()  # the filters for warnings belong to all threads


class Worker:
    """Separate process that runs answers, one after the other.

    The process is started when it is needed, and again after an answer that ended or blocked it.
    Use it in a ``with`` statement.

    Parameters
    ----------
    timeout : float
        Seconds for reading, parsing and running one answer.
    graded : bool, default False
        Whether answers are refused that import banned packages.

    Raises
    ------
    ValueError
        If the timeout is not positive and finite.
    """

    def __init__(self, timeout: float = TIMEOUT, *, graded: bool = False) -> None:
        self.timeout, self.graded = positive(timeout, "exercises", "timeout"), graded
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def check(
        self, exercise: Exercise, path: Path, seeds: Sequence[int | list[int]]
    ) -> tuple[WrongAnswer | None, str]:
        """Check the answer in a file on the inputs of each seed, and then in a network.

        Returns
        -------
        (wrong, printed)
            The diagnosis, or None if the answer is right, and the beginning of its output.
        """
        stages = [(seed, False) for seed in seeds]
        if exercise.train is not None:
            stages.append((seeds[-1], True))
        wrong, printed, remaining = None, "", self.timeout
        for seed, train in stages:
            started = time.monotonic()
            reply, text = self._observe(exercise, path, seed, train, remaining)
            remaining -= time.monotonic() - started
            printed = printed or text
            try:
                observation = (
                    Observation(fault=reply) if isinstance(reply, Fault) else unpack(reply)
                )
                if train and observation.fault is None and observation.logits is None:
                    raise ValueError("the output of the network is missing")
                with _DIAGNOSIS:
                    wrong = diagnose(exercise, exercise.case(seed), observation)
            except Exception as error:  # the answer may have written arbitrary bytes itself
                message = f"{exercise}: its results cannot be compared: {error}."
                wrong = WrongAnswer(message, "results")
            if wrong is not None:
                break
        return wrong, printed

    def _observe(
        self, exercise: Exercise, path: Path, seed: int | list[int], train: bool, seconds: float
    ) -> tuple[bytes | Fault, str]:
        """Return the worker's reply, or a fault if there is none, and the output of the answer."""
        if not os.path.exists(path):
            return Fault("missing", f"there is no {path.name}."), ""
        process = self._process or self._start()
        assert process.stdin is not None
        reply: bytes | Fault | None = None
        request = [exercise.key, str(path.resolve()), seed, train, self.graded]
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            reply = self._replies.get(timeout=max(seconds, 0.0))
        except queue.Empty:
            text = f"it did not end within {self.timeout:g} seconds; look for an endless loop."
            reply = Fault("timeout", text)
        except OSError:  # the process has ended
            pass
        printed = self._output.read(PRINTED).decode("utf-8", errors="replace")
        self._output.seek(0, io.SEEK_END)
        if reply is None:
            with suppress(subprocess.TimeoutExpired):  # it has closed its files only
                process.wait(1.0)
            reason = "" if process.returncode is None else f" with exit code {process.returncode}"
            reply = Fault("exit", f"it ended the Python process{reason}.")
        if isinstance(reply, Fault):
            self._stop()
        return reply, printed

    def _start(self) -> subprocess.Popen[bytes]:
        self._scratch = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        output = Path(self._scratch.name, "output")
        package = str(Path(minnet.__file__).resolve().parents[1])
        settings = {
            "PYTHONPATH": package, "PYTHONIOENCODING": "utf-8", "PYTHONDONTWRITEBYTECODE": "1",
            "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        with output.open("wb") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "minnet.exercises.worker"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file,
                cwd=self._scratch.name, start_new_session=True, env=os.environ | settings,
            )  # fmt: skip
        self._output = output.open("rb")
        self._replies: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        arguments = (self._process.stdout, self._replies)
        threading.Thread(target=_receive, args=arguments, daemon=True).start()
        return self._process

    def _stop(self) -> None:
        """Kill the process and, where the system supports it, its child processes."""
        if self._process is None:
            return
        if hasattr(os, "killpg"):
            with suppress(ProcessLookupError, PermissionError):  # all of them have ended
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        with suppress(OSError):  # an unsent request
            self._process.stdin.close()  # type: ignore[union-attr]
        self._output.close()
        self._scratch.cleanup()
        self._process = None


def _receive(stream: BinaryIO, replies: "queue.SimpleQueue[bytes | None]") -> None:
    """Put each reply of the worker into the queue, and None at the end."""
    with stream:
        while len(header := stream.read(8)) == 8:
            size = int.from_bytes(header, "little")
            reply = stream.read(size) if size <= LARGEST else b""
            if len(reply) < size:
                break
            replies.put(reply)
    replies.put(None)


def pack(observation: Observation) -> bytes:
    """Return an observation as an npz file, without pickle."""
    arrays = {f"result {name}": value for name, value in observation.results.items()}
    arrays |= {f"again {name}": value for name, value in observation.again().items()}
    arrays |= {f"derivative {name}": value for name, value in observation.derivatives().items()}
    if observation.fault is not None:
        arrays["fault"] = np.array([observation.fault.id, observation.fault.message[:PRINTED]])
    if observation.logits is not None:
        arrays["logits"] = observation.logits
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def unpack(data: bytes) -> Observation:
    """Return the observation of `pack`; other bytes raise an exception."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(member.file_size for member in archive.infolist()) > LARGEST:
            raise ValueError("they are too large")
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        arrays = dict(file)
    fault = arrays.get("fault")
    return Observation(
        results=_with_prefix(arrays, "result "),
        fault=None if fault is None else Fault(*(str(text) for text in fault.ravel()[:2])),
        again=partial(_with_prefix, arrays, "again "),
        derivatives=partial(_with_prefix, arrays, "derivative "),
        logits=arrays.get("logits"),
    )


def _with_prefix(arrays: dict[str, Any], prefix: str) -> dict[str, Any]:
    names = [name for name in arrays if name.startswith(prefix)]
    return {name.removeprefix(prefix): arrays[name] for name in names}

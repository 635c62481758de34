"""A candidate's process, seen from outside: started, asked for one turn after another, ended.

The two speak JSON, a line each way, through pipes. A process that dies or falls silent becomes a
`WorkerError` that says why; it can't stop the run.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.measuring import Candidate, Plan

ROOT = Path(__file__).parents[1]
PATIENCE = 600.0  # seconds; to compile for the first time takes long


class WorkerError(RuntimeError):
    """A candidate could not be timed."""


class Worker:
    """The process of one candidate."""

    def __init__(self, candidate: Candidate, *, patience: float = PATIENCE) -> None:
        self.patience = patience
        # Not a pipe: nobody reads it while the process runs, and a full one would stop it.
        self._complaints = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-c", _start(), candidate.task, json.dumps(dict(candidate.arguments))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            text=True,
        )

    def ready(self) -> dict[str, Any]:
        """Wait until the task is set up and has run once; return what the process tells of itself.

        Raises
        ------
        WorkerError
            If it could not.
        """
        return dict(self._hear()["facts"])

    def turn(self, plan: Plan) -> float:
        """Return the median seconds of the calls in one turn.

        Raises
        ------
        WorkerError
            If a call failed or the process is gone.
        """
        assert self._process.stdin is not None
        try:
            settings = {"warm": plan.warm, "seconds": plan.seconds, "least": plan.least}
            self._process.stdin.write(json.dumps(settings) + "\n")
            self._process.stdin.flush()
        except OSError:
            pass  # it is gone; what it said last is heard below
        return float(self._hear()["seconds"])

    def close(self) -> None:
        """End the process: it goes when nobody speaks to it any more, or is made to."""
        try:
            self._process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
        except OSError:
            self._process.kill()
            self._process.wait()
        self._complaints.close()

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        alarm = threading.Timer(self.patience, self._process.kill)
        alarm.start()
        line = self._process.stdout.readline()
        late = not alarm.is_alive()
        alarm.cancel()
        if not line:
            raise WorkerError(f"no answer in {self.patience:g} s" if late else self._last_words())
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer

    def _last_words(self) -> str:
        code = self._process.wait()
        self._complaints.seek(0)
        said = self._complaints.read().strip().splitlines()
        return f"its process ended with exit code {code}" + (f": {said[-1]}" if said else "")


def _start() -> str:
    """Python code that makes this package importable, wherever the caller stands, and serves."""
    return (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); from benchmarks import serving; "
        "serving.main()"
    )

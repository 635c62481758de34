"""Processes that run one candidate each.

Parent and process exchange JSON, one line each way, through pipes. A process that fails or does not
answer raises `WorkerError` in the parent.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from benchmarks.candidates import ROOT, Candidate, Plan

PATIENCE = 600.0  # seconds, because the first compilation takes long


class WorkerError(RuntimeError):
    """A candidate could not be timed."""


class Worker:
    """The process of one candidate."""

    def __init__(self, candidate: Candidate, *, patience: float = PATIENCE) -> None:
        self.patience = patience
        # Not a pipe: errors are not read while the process runs, and a full pipe would block it.
        self._errors = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115
        code = f"{import_from(candidate.tree)}; from benchmarks import serving; serving.main()"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, candidate.task, json.dumps(dict(candidate.arguments))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def ready(self) -> dict[str, Any]:
        """Wait until the task is set up and has run once; return facts about the process.

        Raises
        ------
        WorkerError
            If this fails.
        """
        return dict(self._receive()["facts"])

    def turn(self, plan: Plan) -> float:
        """Return the median seconds of the calls in one turn.

        Raises
        ------
        WorkerError
            If a call fails or the process has ended.
        """
        assert self._process.stdin is not None
        try:
            settings = {"warm": plan.warm, "seconds": plan.seconds, "least": plan.least}
            self._process.stdin.write(json.dumps(settings) + "\n")
            self._process.stdin.flush()
        except OSError:
            pass  # the process has ended; its last answer is read below
        return float(self._receive()["seconds"])

    def close(self) -> None:
        """End the process. It ends when its input is closed, and is killed after ten seconds."""
        try:
            self._process.communicate(timeout=10)
        except (subprocess.TimeoutExpired, OSError):
            self._process.kill()
            self._process.wait()
        self._errors.close()

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        alarm = threading.Timer(self.patience, self._process.kill)
        alarm.start()
        line = self._process.stdout.readline()
        late = not alarm.is_alive()
        alarm.cancel()
        if not line:
            raise WorkerError(f"no answer in {self.patience:g} s" if late else self._last_error())
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer

    def _last_error(self) -> str:
        code = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        return f"its process ended with exit code {code}" + (f": {lines[-1]}" if lines else "")


def import_from(tree: Path) -> str:
    """Return code after which minnet is imported from tree, and benchmarks from this project."""
    return (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import benchmarks; "
        f"sys.path.insert(0, {str(tree)!r})"
    )

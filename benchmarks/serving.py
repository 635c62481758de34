"""A candidate's process, seen from inside: set the task up, then time it whenever asked to.

Every line that comes in asks for a turn, every line that goes out answers. A task's own output
can't be taken for an answer: it is sent where complaints go.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any, TextIO

from benchmarks.networks import Network
from benchmarks.surroundings import of_this_process


def main() -> None:
    """Serve the task that the command line names: ``module:function`` and arguments as JSON."""
    task, arguments = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        work = _set_up(task, json.loads(arguments))
        getattr(work, "warm_up", work)()
        facts = {**of_this_process(), **getattr(work, "facts", {})}
        _say(answers, {"facts": facts})
        for line in sys.stdin:
            _say(answers, _turn(work, **json.loads(line)))
    except Exception as error:  # whatever it was, the parent tells it and goes on
        _say(answers, {"error": _told(error)})


def _set_up(task: str, arguments: dict[str, Any]) -> Callable[[], Any]:
    module, function = task.split(":")
    if "network" in arguments:
        arguments["network"] = Network(**arguments["network"])
    work: Callable[[], Any] = getattr(import_module(module), function)(**arguments)
    return work


def _turn(work: Callable[[], Any], warm: float, seconds: float, least: int) -> dict[str, Any]:
    clock = time.perf_counter
    begin = clock()
    while clock() - begin < warm:
        work()
    times: list[float] = []
    begin = stop = clock()
    while stop - begin < seconds or len(times) < least:
        start = clock()
        work()
        stop = clock()
        times.append(stop - start)
    return {"seconds": statistics.median(times), "calls": len(times)}


def _told(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"


def _say(answers: TextIO, answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()

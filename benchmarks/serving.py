"""Main function of a candidate's process: set up a task and time it on request.

Each input line requests a turn and each output line is an answer. Output of the task itself goes to
standard error.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

from benchmarks.networks import Network
from benchmarks.surroundings import of_this_process


def main() -> None:
    """Serve the task on the command line: ``module:function`` and arguments as JSON."""
    task, arguments = sys.argv[1:]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        work = _set_up(task, json.loads(arguments))
        getattr(work, "warm_up", work)()
        facts = {**of_this_process(), **getattr(work, "facts", {})}
        _send(answers, {"facts": facts})
        for line in sys.stdin:
            _send(answers, _turn(work, **json.loads(line)))
    except Exception as error:  # the parent process reports the error and continues
        first = next(iter(str(error).strip().splitlines()), "")
        _send(answers, {"error": f"{type(error).__name__}: {first}"})


def _set_up(task: str, arguments: dict[str, Any]) -> Callable[[], Any]:
    module, function = task.split(":")
    if "network" in arguments:
        arguments["network"] = Network(**arguments["network"])
    work: Callable[[], Any] = getattr(import_module(module), function)(**arguments)
    minnet, tree = sys.modules.get("minnet"), Path(sys.path[0]).resolve()
    if minnet and tree not in Path(str(minnet.__file__)).resolve().parents:
        raise ImportError(f"minnet was not imported from {tree}")
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


def _send(answers: TextIO, answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()

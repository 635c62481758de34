"""Worker process that runs answers for `minnet.exercises.isolation`.

``python -m minnet.exercises.worker`` reads requests from its standard input, one line of JSON
each: name of the exercise, path of the answer, seed, whether to train a network, and whether to
refuse banned imports. It writes the length and the bytes of an npz file to its standard output.
The output of an answer goes to standard error.

Memory and the size of files are limited. Code of an answer cannot change files or start and end
processes through Python's own functions.
"""

import json
import os
import sys
import traceback
from contextlib import redirect_stderr, redirect_stdout, suppress
from functools import partial
from pathlib import Path
from typing import Any

from minnet.exercises import files
from minnet.exercises.catalog import find
from minnet.exercises.exercise import Exercise
from minnet.exercises.isolation import LARGEST, pack
from minnet.exercises.observation import Fault, Observation, describe_error, is_own, observe
from minnet.exercises.output import FoldedOutput

MEMORY = 4 << 30  # bytes of address space

# beginnings of the names of audit events
_PROCESSES = (
    "ctypes.dlopen", "os.exec", "os.fork", "os.kill", "os.posix_spawn", "os.spawn", "os.system",
    "pty.", "subprocess.",
)  # fmt: skip
_FILES = (
    "os.chmod", "os.chown", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir",
    "os.symlink", "os.truncate", "shutil.",
)  # fmt: skip
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def main() -> None:
    """Answer requests until the standard input ends."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    limit_resources()
    printed, folders = sys.stderr, set[str]()
    sys.addaudithook(partial(_refuse, folders))
    for line in requests:
        name, path, seed, train, graded = json.loads(line)
        folders.add(str(Path(path).parent) + os.sep)
        folded = FoldedOutput(printed)
        with redirect_stdout(folded), redirect_stderr(folded):
            reply = _reply(find(name), Path(path), seed, train, graded)
        folded.finish()
        replies.write(len(reply).to_bytes(8, "little") + reply)
        replies.flush()


def limit_resources() -> None:
    """Limit the memory and the size of files, where the system supports it."""
    with suppress(ImportError, ValueError, OSError):
        import resource  # not on Windows

        for kind, limit in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_FSIZE, LARGEST)):
            resource.setrlimit(kind, (limit, resource.getrlimit(kind)[1]))


def _reply(
    exercise: Exercise, path: Path, seed: int | list[int], train: bool, graded: bool
) -> bytes:
    """Run an answer and return its packed results; any exception that it raises is a fault."""
    try:
        with files.imports_from(path.parent, path.stem):
            answer = _load(exercise, path, graded)
            if isinstance(answer, Fault):
                return pack(Observation(fault=answer))
            observation = observe(exercise, answer, exercise.case(seed), train)
            if train:
                observation.derivatives = dict  # needed for wrong results only
            return pack(observation)
    except BaseException as error:  # such as an exception whose text cannot be computed
        return pack(Observation(fault=Fault("error", f"it stops with {type(error).__name__}.")))


def _load(exercise: Exercise, path: Path, graded: bool) -> Any:
    """Return the answer that a file defines, or a fault."""
    try:
        source = files.read_source(path)
        banned = files.banned_imports(source, path.parent) if graded else []
        if banned:
            text = f"it imports {', '.join(banned)}; answers use NumPy and Python alone."
            return Fault("banned", text)
        answer = files.answer_in(exercise, source, str(path))
    except (Exception, SystemExit) as error:
        return Fault("import", f"{describe_error(error)}.")
    if not callable(answer):
        return Fault("import", f"{exercise.answer} is no function or class, but {answer!r:.100}.")
    return answer


def _refuse(folders: set[str], event: str, arguments: tuple[Any, ...]) -> None:
    """Audit hook: raise if code of an answer changes a file, or starts or ends a process."""
    if event == "open":
        path, _, flags = arguments
        refused = isinstance(flags, int) and flags & _WRITING and path != os.devnull
    else:
        refused = event.startswith(_PROCESSES + _FILES)
    if refused:
        names = (frame.f_code.co_filename for frame, _ in traceback.walk_stack(None))
        if any(is_own(name) and name.startswith(tuple(folders)) for name in names):
            what = "start or end processes" if event.startswith(_PROCESSES) else "change files"
            raise PermissionError(f"an answer must not {what} ({event})")


if __name__ == "__main__":
    main()

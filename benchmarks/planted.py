"""Plant faults in copies of the source, one at a time, and report which test catches each.

``python -m benchmarks planted`` runs all of them, ``--only PART`` those of one part, ``--jobs N``
N at a time. Before a fault is planted, its tests must pass without it. A fault whose text does not
occur exactly once in its file is an error.
"""

from __future__ import annotations

import argparse
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

from benchmarks.planted_faults import GROUPS

ROOT = Path(__file__).parents[1]
COPIED = ("minnet", "tests", "benchmarks", "examples", "setup.cfg", "pyproject.toml", "README.md")
SECONDS = 900  # for the tests of one fault; a fault that makes them hang is caught as well
CAUGHT = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Fault:
    """A replacement of a text in a file of the package, and the tests that must fail."""

    part: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.file}: {' '.join(self.old.split())[:60]}"


def faults(only: Sequence[str] = ()) -> list[Fault]:
    """Return all planted faults, or those of some parts."""
    return [
        Fault(group.part, group.file, old, new, tuple(group.tests.split()))
        for group in GROUPS
        if not only or group.part in only
        for old, new in group.changes
    ]


def misplaced(planted: Sequence[Fault], root: Path = ROOT) -> list[str]:
    """Return a message for each fault whose text does not occur exactly once, or has no tests."""
    problems = []
    for fault in planted:
        path = root / "minnet" / fault.file
        found = path.read_text(encoding="utf-8").count(fault.old) if path.exists() else -1
        if found != 1:
            problems.append(f"{fault}: expected once, found {found} times: {fault.old!r}")
        problems += [
            f"{fault}: no test {test}" for test in fault.tests if not (root / test).exists()
        ]
    return problems


# A server in each copy imports what takes long once, and forks a process for each fault. Only the
# first run, without a fault, may write bytecode, so that no bytecode of a fault is ever read.
SERVER = """
import importlib, os, sys
for name in %(preloaded)r:
    importlib.import_module(name)
import numba, pytest
for line in sys.stdin:
    interpreted, writes, *tests = line.split()
    child = os.fork()
    if not child:
        log = os.open("log", os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
        os.dup2(log, 1), os.dup2(log, 2)
        sys.dont_write_bytecode = writes == "False"
        if interpreted == "True":  # compiling takes longer than the tests of the kernels
            os.environ["NUMBA_DISABLE_JIT"] = "1"
            numba.config.DISABLE_JIT = 1
            tests.append("--ignore-glob=tests/kernels/test_jit*.py")
        code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests])
        sys.stdout.flush()
        os._exit(int(code))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
PRELOADED = ("numpy.testing", "scipy.stats", "numba", "matplotlib.figure", "sklearn.base", "pandas")


class Copy:
    """A copy of the source tree, with a server that runs tests in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__", "*.png", "*.svg")
                shutil.copytree(source, folder / name, ignore=ignored)
            else:
                shutil.copy2(source, folder / name)
        self._start()

    def _start(self) -> None:
        environment = os.environ | {"MPLBACKEND": "Agg", "PYTHONPATH": str(self.folder)}
        environment["MINNET_CACHE_DIR"] = str(self.folder / "cache")
        self._server = subprocess.Popen(
            [sys.executable, "-c", SERVER % {"preloaded": PRELOADED}], cwd=self.folder,
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip

    def close(self) -> None:
        """End the server."""
        os.killpg(self._server.pid, signal.SIGKILL)
        self._server.communicate()

    def test(self, fault: Fault | None, tests: Sequence[str]) -> str:
        """Return the first test that fails with this fault, or an empty string."""
        if fault is None:
            return self._staged(tests, writes=True)
        path = self.folder / "minnet" / fault.file
        source, status = path.read_text(encoding="utf-8"), path.stat()
        path.write_text(source.replace(fault.old, fault.new), encoding="utf-8")
        try:
            return self._staged(tests, writes=False)
        finally:
            path.write_text(source, encoding="utf-8")
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    def _staged(self, tests: Sequence[str], *, writes: bool) -> str:
        """Run the tests of the kernels as plain Python first, and the others if these pass."""
        kernels = [test for test in tests if test.startswith("tests/kernels")]
        others = [test for test in tests if test not in kernels]
        for interpreted, chosen in ((True, kernels), (False, others)):
            if chosen and (failed := self._run(interpreted, writes, chosen)):
                return failed
        return ""

    def _run(self, interpreted: bool, writes: bool, tests: Sequence[str]) -> str:
        server = self._server
        assert server.stdin is not None
        assert server.stdout is not None
        print(interpreted, writes, *tests, file=server.stdin, flush=True)
        if not select.select([server.stdout], [], [], SECONDS)[0]:
            self.close()
            self._start()
            return f"timeout of {SECONDS} s"
        code = server.stdout.readline().strip()
        output = (self.folder / "log").read_text(encoding="utf-8", errors="replace")
        found = CAUGHT.search(output)
        return "" if code == "0" else found[1] if found else f"exit code {code}: {output[-300:]}"


def results(planted: Sequence[Fault], jobs: int) -> Iterator[tuple[Fault, str]]:
    """Yield each fault with the test that catches it, after testing the source without faults."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(jobs) as pool:
        copies = [Copy(Path(folder, str(k))) for k in range(jobs)]
        free: Queue[Copy] = Queue()
        try:
            for copy in copies:
                failed = copy.test(None, sorted({test for each in planted for test in each.tests}))
                if failed:
                    raise ValueError(f"without a fault, {failed} fails")
                free.put(copy)

            def test(fault: Fault) -> str:
                copy = free.get()
                try:
                    return copy.test(fault, fault.tests)
                finally:
                    free.put(copy)

            yield from zip(planted, pool.map(test, planted), strict=True)
        finally:
            for copy in copies:
                copy.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Plant the faults, print which test catches each, and return 0 if all are caught."""
    parts = sorted({group.part for group in GROUPS})
    parser = argparse.ArgumentParser(prog="python -m benchmarks planted", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=parts, default=(), metavar="PART",
                        help=", ".join(parts))  # fmt: skip
    parser.add_argument("--jobs", type=int, default=1, help="faults tested at a time (1)")
    options = parser.parse_args(arguments)
    planted = faults(options.only)
    problems = misplaced(planted)
    if problems:
        print("\n".join(problems), file=sys.stderr)
        return 2
    survived = 0
    for fault, test in results(planted, max(1, options.jobs)):
        survived += not test
        print(f"{'caught  ' if test else 'SURVIVED'} {fault}\n         {test}", flush=True)
    print(f"{len(planted) - survived} of {len(planted)} planted faults caught")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())

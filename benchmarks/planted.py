"""Plant faults in copies of the source, one at a time, and report which test catches each.

``python -m benchmarks planted`` runs all of them, ``--only PART`` those of one part, ``--jobs N``
N at a time. Before a fault is planted, its tests must pass without it. A fault whose text does not
occur exactly once in its file is an error.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
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


class Copies:
    """Copies of the source tree, one for each fault that is tested at a time."""

    def __init__(self, number: int, folder: Path) -> None:
        self._free: Queue[Path] = Queue()
        for k in range(number):
            copy = folder / str(k)
            copy.mkdir()
            for name in COPIED:
                source = ROOT / name
                if source.is_dir():
                    ignored = shutil.ignore_patterns("__pycache__", "*.png", "*.svg")
                    shutil.copytree(source, copy / name, ignore=ignored)
                else:
                    shutil.copy2(source, copy / name)
            self._free.put(copy)

    def test(self, fault: Fault | None, tests: Sequence[str]) -> str:
        """Return the first test that fails with this fault, or an empty string."""
        copy = self._free.get()
        try:
            if fault is None:
                return _staged(copy, tests)
            path = copy / "minnet" / fault.file
            source = path.read_text(encoding="utf-8")
            path.write_text(source.replace(fault.old, fault.new), encoding="utf-8")
            try:
                return _staged(copy, tests)
            finally:
                path.write_text(source, encoding="utf-8")
        finally:
            self._free.put(copy)


def _staged(copy: Path, tests: Sequence[str]) -> str:
    """Run the tests of the kernels as plain Python first, because compiling takes longer."""
    kernels = [test for test in tests if test.startswith("tests/kernels")]
    others = [test for test in tests if test not in kernels]
    return (
        (kernels and _run(copy, kernels, interpreted=True)) or (others and _run(copy, others)) or ""
    )


def _run(copy: Path, tests: Sequence[str], *, interpreted: bool = False) -> str:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    environment = os.environ | {"MPLBACKEND": "Agg", "PYTHONDONTWRITEBYTECODE": "1"}
    environment["MINNET_CACHE_DIR"] = str(copy / "cache")
    environment["PYTHONPATH"] = str(copy)
    if interpreted:
        environment["NUMBA_DISABLE_JIT"] = "1"
        command.append("--ignore-glob=tests/kernels/test_jit*.py")
    try:
        result = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, text=True, timeout=SECONDS,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"timeout of {SECONDS} s"
    if result.returncode == 0:
        return ""
    found = CAUGHT.search(result.stdout)
    return found[1] if found else f"exit code {result.returncode}: {result.stdout[-300:]}"


def results(planted: Sequence[Fault], jobs: int) -> Iterator[tuple[Fault, str]]:
    """Yield each fault with the test that catches it, after testing the source without faults."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(jobs) as pool:
        copies = Copies(jobs, Path(folder))
        everything = sorted({test for fault in planted for test in fault.tests})
        failed = copies.test(None, everything)
        if failed:
            raise ValueError(f"without a fault, {failed} fails")
        yield from zip(planted, pool.map(lambda f: copies.test(f, f.tests), planted), strict=True)


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

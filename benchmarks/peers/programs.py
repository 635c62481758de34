"""Programs in a process of their own, timed from its start to its end."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.workers import ROOT

CACHE = "MINNET_CACHE_DIR"  # where minnet keeps its compiled kernels


class Program:
    """Python with some arguments, run in an empty folder from start to end.

    It finds this project, wherever the folder lies and whether it is installed or not.
    minnet's compile cache is a new folder: one for all calls (``kept``), so that it is full from
    the second call on, or another one for each (``none``).
    """

    facts: ClassVar[dict[str, Any]] = {
        "versions": {},
        "threads": {},
    }  # of this process they would say nothing

    def __init__(self, arguments: Sequence[str], *, cache: str = "kept") -> None:
        self.arguments = arguments
        self.cache = cache
        self.place = tempfile.TemporaryDirectory()  # removed when this process ends

    def __call__(self) -> None:
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        with tempfile.TemporaryDirectory(dir=self.place.name) as folder:
            cache = Path(self.place.name if self.cache == "kept" else folder, "cache")
            done = subprocess.run(
                [sys.executable, *self.arguments],
                cwd=folder,
                env=os.environ | {CACHE: str(cache), "PYTHONPATH": os.pathsep.join(paths)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                check=False,
            )
        if done.returncode:
            said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            raise RuntimeError(said[-1])

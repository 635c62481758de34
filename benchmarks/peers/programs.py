"""Programs that run in a new process, timed from start to end."""

import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.workers import import_from

CACHE = "MINNET_CACHE_DIR"  # folder of minnet's compiled kernels


class Program:
    """Run Python code in a new process and an empty folder.

    The code imports minnet from the same source tree as this process. minnet's compile cache is a
    new folder. With ``kept`` all calls use one folder, which is filled by the first call. With
    ``none`` each call uses a new one.
    """

    # The versions and threads of this process would be misleading.
    facts: ClassVar[dict[str, Any]] = {"versions": {}, "threads": {}}

    def __init__(self, code: str, *, cache: str = "kept") -> None:
        spec = find_spec("minnet")
        assert spec is not None
        assert spec.origin is not None
        self.code = f"{import_from(Path(spec.origin).parents[1])}; {code}"
        self.cache = cache
        self.place = tempfile.TemporaryDirectory()  # removed when this process ends

    def __call__(self) -> None:
        with tempfile.TemporaryDirectory(dir=self.place.name) as folder:
            cache = Path(self.place.name if self.cache == "kept" else folder, "cache")
            done = subprocess.run(
                [sys.executable, "-c", self.code],
                cwd=folder,
                # Bytecode is cached too, as it is for users.
                env=os.environ | {CACHE: str(cache), "PYTHONDONTWRITEBYTECODE": ""},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                check=False,
            )
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            raise RuntimeError(lines[-1])

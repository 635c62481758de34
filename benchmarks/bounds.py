"""Install the oldest supported versions of the dependencies, and run tests with them.

``python -m benchmarks bounds`` creates a virtual environment in a temporary folder, or in that of
``--venv``, installs the lower bounds in setup.cfg, and runs the tests given by ``--tests``.
``--python`` chooses the interpreter; its version must be one that these versions support.
"""

from __future__ import annotations

import argparse
import configparser
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
TESTS = ("tests/kernels", "tests/layers", "tests/recording", "tests/plot", "tests")
# Old versions use what newer Python packages have deprecated.
IGNORED = ("-W", "ignore::DeprecationWarning", "-W", "ignore::PendingDeprecationWarning")


def lower_bounds(extra: str | None = None) -> list[str]:
    """Return the requirements in setup.cfg, each at the lowest version that it allows."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    text = config["options"]["install_requires"]
    if extra is not None:
        text = config["options.extras_require"][extra]
    lines = [line.replace(" ", "") for line in text.splitlines() if line.strip()]
    return [line.replace(">=", "==") for line in lines]


def main(arguments: Sequence[str] | None = None) -> int:
    """Create the environment, run the tests, and return the exit code of pytest."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks bounds", description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="interpreter (this one)")
    parser.add_argument("--venv", type=Path, help="folder of the environment, which is kept")
    parser.add_argument("--tests", nargs="+", default=TESTS, help="files or folders of tests")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.venv or Path(temporary, "venv")
        python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
        if not python.exists():
            subprocess.run([options.python, "-m", "venv", folder], check=True)
        test = [line for line in lower_bounds("test") if "==" not in line or "pandas" in line]
        # Newer versions of pyparsing deprecate what Matplotlib 3.9 uses.
        tools = ["pytest", "pytest-xdist", "hypothesis", "safetensors", "pyparsing<3.3"]
        subprocess.run([python, "-m", "pip", "install", "-q", *lower_bounds(), *test, *tools],
                       check=True)  # fmt: skip
        subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", "-e", ROOT], check=True)
        environment = os.environ | {"MPLBACKEND": "Agg", "MINNET_CACHE_DIR": str(folder / "cache")}
        command = [python, "-m", "pytest", "-q", *IGNORED, *options.tests]
        return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

"""Conditions of a measurement: versions, threads, machine and date."""

from __future__ import annotations

import os
import platform
import re
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_info

PACKAGES = (
    "minnet",
    "numpy",
    "numba",
    "scikit-learn",
    "torch",
    "jax",
    "jaxlib",
    "keras",
    "scipy",
    "matplotlib",
)
VARIABLES = ("OMP_", "MKL_", "OPENBLAS_", "NUMBA_", "MINNET_", "XLA_", "JAX_", "KERAS_", "TORCH")


def of_the_machine() -> dict[str, Any]:
    """Return date, machine, and environment variables that affect threads or libraries."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "usable_cores": _usable_cores(),
        "python": platform.python_version(),
        "installed": {name: found for name in PACKAGES if (found := _version(name))},
        "environment": {k: v for k, v in sorted(os.environ.items()) if k.startswith(VARIABLES)},
    }


def of_this_process() -> dict[str, Any]:
    """Return versions of the loaded libraries and their numbers of threads."""
    loaded = [name for name in PACKAGES if name in sys.modules]
    return {"versions": {name: _version(name) for name in loaded}, "threads": _threads()}


def _threads() -> dict[str, Any]:
    """Return the number of threads by library."""
    pools = [
        (f"{pool['internal_api']} {pool.get('version') or ''}".strip(), pool["num_threads"])
        for pool in threadpool_info()
    ]
    threads: dict[str, Any] = dict(sorted(pools))
    if "torch" in sys.modules:
        threads["torch"] = sys.modules["torch"].get_num_threads()
    if "jax" in sys.modules:
        threads["xla"] = f"its own, for {_usable_cores()} cores"  # XLA does not report them
    return threads


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _usable_cores() -> int | None:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    text = facts.read_text(encoding="utf-8", errors="replace") if facts.exists() else ""
    name = re.search(r"^model name\s*: (.*)$", text, re.MULTILINE)
    return name[1] if name else platform.processor() or platform.machine()

"""Compile and cache kernels.

numba compiles a kernel at its first call, once for float32 and once for float64, and stores it in
the user's cache folder, or in the folder given by MINNET_CACHE_DIR. Each kernel and dtype has its
own folder there, because processes that write to one numba index at once can mix up its entries.
"""

import functools
import hashlib
import importlib
import logging  # noqa: F401 - its fork handlers must be registered before the one below
import os
import re
import shutil
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

FASTMATH = {"arcp", "contract", "nsz"}
FLAGS = {"error_model": "numpy", "nogil": True}  # checks for division by zero prevent vectorization
# numba does not detect changes of helpers in other files, so all sources are in the cache key.
SOURCES = [path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))]

kernels: dict[str, tuple[str, Callable[[str], Any]]] = {}  # name -> signature and compile function
_helpers: list[Callable[..., Any]] = []  # not yet registered with numba
_lock = threading.RLock()
if hasattr(os, "register_at_fork"):  # fork only while no thread compiles
    unlock = _lock.release
    os.register_at_fork(before=_lock.acquire, after_in_parent=unlock, after_in_child=unlock)


def kernel(signature: str, *, fastmath: Any = ()) -> Callable[..., Any]:
    """Return a decorator that makes a function on arrays a kernel.

    Parameters
    ----------
    signature : str
        Argument types in numba's notation. T is float32 or float64, and const marks an array that
        is only read. The first argument is an array of T, or of integers if there is no T.
    fastmath : collection of {"arcp", "contract", "nsz"}
        Flags of LLVM that permit faster arithmetic.
    """
    if isinstance(fastmath, bool) or not set(fastmath) <= FASTMATH:
        raise ValueError(
            f"fastmath: expected a collection of {sorted(FASTMATH)}, got {fastmath!r}; nnan and "
            "ninf remove checks for NaN and infinity, and reassoc breaks compensated sums"
        )
    first = signature[1:].removeprefix("const ").split("[")[0]

    def decorate(py_func: Any) -> Callable[..., Any]:
        compiled: dict[int, Any] = {}  # by the item size of the first argument

        def ready(dtype: str) -> Any:
            dtype = dtype if first == "T" else first
            itemsize = np.dtype(dtype).itemsize
            with _lock:
                if itemsize not in compiled:
                    compiled[itemsize] = _compile(py_func, signature, dtype, set(fastmath))
                return compiled[itemsize]

        @functools.wraps(py_func)
        def call(*args: Any) -> Any:
            try:
                run = compiled[args[0].itemsize]
            except (KeyError, AttributeError, IndexError):
                double = args and getattr(args[0], "itemsize", 4) == 8
                run = ready("float64" if double else "float32")
            try:
                return run(*args)
            except TypeError as error:
                raise TypeError(
                    f"kernel {py_func.__qualname__}: expected {signature}, got "
                    f"({', '.join(map(_describe, args))}); pass arrays of these dtypes (T: float32 "
                    "or float64), C-contiguous (np.ascontiguousarray) and, unless const, writable"
                ) from error

        kernels[f"{py_func.__module__}.{py_func.__qualname__}"] = signature, ready
        return call

    return decorate


def inline(py_func: Any) -> Any:
    """Make a function a helper that kernels can call, compiled with fastmath={"contract"}."""
    _helpers.append(py_func)
    return py_func


def _compile(py_func: Any, signature: str, dtype: str, fastmath: set[str]) -> Any:
    numba: Any = importlib.import_module("numba")
    if numba.config.DISABLE_JIT:
        return np.errstate(all="ignore")(py_func)
    while _helpers:
        numba.extending.register_jitable(**FLAGS, fastmath={"contract"})(_helpers.pop())
    types = re.sub(r"const (\w+\[[:, 1]+\])", r"\1.copy(readonly=True)", signature)
    types = re.sub(r"\bT\b", dtype, types)
    options = {**FLAGS, "fastmath": fastmath}
    ours = py_func.__module__.startswith(f"{__package__}.")
    if ours and not numba.config.BOUNDSCHECK and (root := cache_folder()):
        folder = os.path.join(root, f"{py_func.__qualname__}-{dtype}")
        numba.config.CACHE_DIR, previous = folder, numba.config.CACHE_DIR
        try:
            return numba.njit(types, cache=True, **options)(py_func)
        except Exception:  # a damaged file or a full disk; the next process writes a new file
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            numba.config.CACHE_DIR = previous
    return numba.njit(types, **options)(py_func)


@functools.cache
def cache_folder() -> str | None:
    """Return the folder of compiled kernels; if it cannot be used, warn and return None.

    Loading a kernel executes its code, so a folder that others can write to is not used.
    """
    numba, llvmlite, dirs = map(importlib.import_module, ("numba", "llvmlite", "platformdirs"))
    versions = sys.version, np.__version__, numba.__version__, llvmlite.__version__
    content = repr((SOURCES, versions, llvmlite.binding.get_host_cpu_name()))
    key = hashlib.sha256(content.encode()).hexdigest()[:16]
    try:
        root = os.environ.get("MINNET_CACHE_DIR") or dirs.user_cache_dir("minnet", appauthor=False)
        folder = Path(root, "kernels", key)
        if not folder.is_absolute():
            raise NotADirectoryError(f"{root} is not an absolute path")
        for place in (folder.parent, folder):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = place.lstat()
            if hasattr(os, "geteuid") and (status.st_uid != os.geteuid() or status.st_mode & 0o022):
                raise PermissionError(f"{place} is owned by another user or writable by others")
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(2**16))
    except (OSError, RuntimeError) as error:
        message = (
            f"minnet compiles its kernels in each process, because it cannot cache them: {error}; "
            "set MINNET_CACHE_DIR to the absolute path of a folder that only you can write to"
        )
        warnings.warn(message, RuntimeWarning, stacklevel=2)
        return None
    return str(folder)


def _describe(value: Any) -> str:
    if not isinstance(value, np.ndarray):
        return type(value).__name__
    axes = ", ".join(":" * value.ndim) + ":1" * value.flags.c_contiguous
    return f"{'read-only ' * (not value.flags.writeable)}{value.dtype}[{axes}]"

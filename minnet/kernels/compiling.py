"""The one door to numba: every kernel is made here, so its flags and its dangers are met once.

A kernel is written as plain Python on arrays and compiled at its first call, once for float32 and
once for float64, each for exactly the types that its signature names: other dtypes and layouts
are a TypeError. One that has to do with whole numbers alone is compiled once. The machine code is
kept on disk by ``cache.py``, under a key of everything that it depends on, and any trouble there
costs time, never a result. numba's own ``cache=True`` is not used: it raises where it cannot write,
trusts damaged files, and misses edits of helpers.
"""

import functools
import hashlib
import importlib
import logging  # noqa: F401 - numba imports it, and its fork handlers must come before ours
import os
import pkgutil
import re
import sys
import threading
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np

from minnet.kernels.cache import Store, warn_once
from minnet.kernels.inlining import bind, inline, meaning

__all__ = ["Kernel", "inline", "kernel", "warmup"]

DTYPES = {np.dtype(np.float32): "float32", np.dtype(np.float64): "float64"}
# Without error_model="numpy" the check for division by zero stops vectorisation. No parallel: its
# threads fight those of BLAS for the cores, and do not survive a fork.
FLAGS = {"error_model": "numpy", "nogil": True}
SAFE_FASTMATH = {"contract", "nsz", "arcp"}
# What beside the CPU changes the machine code, of all that numba can be told to do otherwise.
SETTINGS = (
    *("OPT", "LOOP_VECTORIZE", "SLP_VECTORIZE", "USING_SVML", "ENABLE_AVX", "DEBUGINFO_DEFAULT"),
    *("ENABLE_PROFILING", "EXTEND_VARIABLE_LIFETIMES", "LLVM_REFPRUNE_PASS", "LLVM_REFPRUNE_FLAGS"),
    *("DEBUG_NRT", "NRT_STATS"),
)
TRIED = ("0.68.",)  # versions of numba whose runtime alone was seen to be enough for what is loaded

_kernels: dict[str, "Kernel"] = {}
building: set[str] = set()  # what is being compiled; it may be interrupted, a step may not
_lock = threading.RLock()
if hasattr(os, "register_at_fork"):
    # A fork waits for a build to end: no child inherits half of one, or a lock without a holder.
    # Handlers run last come first before a fork, so logging's lock, which a build needs, is free.
    os.register_at_fork(
        before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release
    )


class Kernel:
    """How a function on arrays is compiled, and what has been; ``function`` is what one calls.

    A function, not a method ``__call__``: Python calls it a third faster, and a small network does
    little else than call kernels.
    """

    def __init__(
        self, py_func: Callable[..., Any], signature: str, fastmath: frozenset[str]
    ) -> None:
        self.py_func: Any = py_func
        self.name = py_func.__qualname__
        self.signature = signature
        self.fastmath = fastmath
        first = signature[1 : signature.index("[")]
        self.dtypes = DTYPES if first == "T" else {np.dtype(first): first}
        self._compiled: dict[int, Callable[..., Any]] = {}
        self.function = self._make_function()

    def _make_function(self) -> Callable[..., Any]:
        compiled = self._compiled

        @functools.wraps(self.py_func)
        def function(*args: Any) -> Any:
            try:
                run = compiled[args[0].itemsize]
            except (KeyError, AttributeError, IndexError):
                run = self._first_call(args)
            try:
                return run(*args)
            except TypeError as error:
                raise TypeError(self._mismatch(args)) from error

        return function

    def ready(self, dtype: str) -> Callable[..., Any]:
        """Return what runs for this dtype, built if it was not; of all threads one builds."""
        itemsize = np.dtype(dtype).itemsize
        with _lock:
            if itemsize not in self._compiled:
                building.add(self.name)
                try:
                    self._compiled[itemsize] = self._build(dtype)
                finally:
                    building.discard(self.name)
            return self._compiled[itemsize]

    def _first_call(self, args: tuple[Any, ...]) -> Callable[..., Any]:
        dtype = self.dtypes.get(args[0].dtype) if args and isinstance(args[0], np.ndarray) else None
        if dtype is None:
            raise TypeError(self._mismatch(args))
        return self.ready(dtype)

    def _build(self, dtype: str) -> Callable[..., Any]:
        numba = _numba()
        if numba.config.DISABLE_JIT:
            quiet: Callable[..., Any] = np.errstate(all="ignore")(self.py_func)
            return quiet
        compiler = functools.partial(numba.njit, **FLAGS, fastmath=set(self.fastmath))
        dispatcher = compiler(bind(self.py_func, dtype, compiler))
        # The key knows the sources of this package alone; checks of bounds must not outlive a run.
        ours = self.py_func.__module__.startswith(f"{__package__}.")
        cached = ours and not numba.config.BOUNDSCHECK
        file_name = self._file_name(dtype)
        if not (cached and _load(dispatcher, file_name)):
            dispatcher.compile(re.sub(r"\bT\b", dtype, self.signature))
            if cached:
                _save(dispatcher, file_name)
        dispatcher.disable_compile()
        return dispatcher

    def _file_name(self, dtype: str) -> str:
        """Tell kernels apart by what is compiled too, for a file may change after its import."""
        facts = (self.signature, sorted(self.fastmath), *meaning(self.py_func, dtype))
        digest = hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
        return f"{self.py_func.__module__}.{self.name}-{dtype}-{digest}"

    def _mismatch(self, args: tuple[Any, ...]) -> str:
        choice = " with T either float32 or float64" if self.dtypes is DTYPES else ""
        return (
            f"kernel {self.name} expected {self.signature}{choice}, "
            f"got ({', '.join(map(_describe, args))}); pass arrays of these dtypes that are "
            "C-contiguous (np.ascontiguousarray) and writable"
        )


def kernel(
    signature: str, *, fastmath: Collection[str] = ()
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a function on arrays a kernel, compiled for float32, float64 or both as it is called.

    Parameters
    ----------
    signature : str
        The types of the arguments as numba writes them, T standing for the dtype. The first
        argument is an array of T, or of int32 or int64 where there is no T: such a kernel is
        compiled once. Numbers are converted to the type named, as in C.
    fastmath : collection of {"contract", "nsz", "arcp"}
        Liberties that the compiler may take with the arithmetic.

    Raises
    ------
    ValueError
        If the first argument is no such array, or fastmath holds another liberty.

    Examples
    --------
    >>> @kernel("(T[::1], float64)")
    ... def scale(x, factor):
    ...     for k in range(x.size):
    ...         x[k] *= factor
    >>> x = np.array([1.0, 2.0])
    >>> scale(x, 3.0)
    >>> x
    array([3., 6.])
    """
    if not re.match(r"\(T\[|\(int(32|64)\[(?!.*\bT\b)", signature):
        raise ValueError(
            "the first argument of a kernel must be an array of T, as in '(T[::1], int64)', or of "
            f"int32 or int64 where there is no T, got {signature!r}"
        )
    given: Any = fastmath
    flags: set[Any] = {given} if isinstance(given, bool) else set(given)
    if not flags <= SAFE_FASTMATH:
        raise ValueError(
            f"fastmath must be a collection out of {sorted(SAFE_FASTMATH)}, got {given!r}: nnan "
            "and ninf delete checks for NaN and infinity, reassoc breaks sums that keep track of "
            "their rounding error, and True means all of them"
        )

    def decorate(py_func: Callable[..., Any]) -> Callable[..., Any]:
        made = Kernel(py_func, signature, frozenset(flags))
        _kernels[f"{py_func.__module__}.{made.name}"] = made
        return made.function

    return decorate


def warmup(*, dtypes: Collection[str] = ("float32", "float64")) -> int:
    """Compile every kernel now, or load it from the cache: for the minute before a lecture.

    Parameters
    ----------
    dtypes : collection of {"float32", "float64"}
        For which dtypes; kernels of whole numbers are made ready always.

    Returns
    -------
    int
        How many functions are ready, one for each kernel and dtype that it is compiled for.

    Raises
    ------
    ValueError
        If there are no kernels of such a dtype.
    """
    if not dtypes or not set(dtypes) <= set(DTYPES.values()):
        raise ValueError(f"dtypes must be 'float32', 'float64' or both, got {dtypes!r}")
    package = importlib.import_module(str(__package__))
    for module in pkgutil.iter_modules(package.__path__, f"{__package__}."):
        importlib.import_module(module.name)
    return len(
        [
            made.ready(dtype)
            for made in list(_kernels.values())
            for dtype in (set(dtypes) if made.dtypes is DTYPES else made.dtypes.values())
        ]
    )


def _numba() -> Any:
    """Import numba, which takes a third of a second, when the first kernel is called."""
    return importlib.import_module("numba")


def _describe(value: Any) -> str:
    if not isinstance(value, np.ndarray):
        return type(value).__name__
    axes = [":"] * value.ndim
    if value.ndim and value.flags.c_contiguous:
        axes[-1] = "::1"
    return f"{'' if value.flags.writeable else 'read-only '}{value.dtype}[{', '.join(axes)}]"


def _key(sources: Path) -> str:
    """Name everything that machine code depends on: sources, versions, the CPU, settings."""
    numba = _numba()
    codegen = numba.core.registry.cpu_target.target_context.codegen()
    facts = (
        *((path.name, path.read_bytes()) for path in sorted(sources.glob("*.py"))),
        *(sys.version, numba.__version__, np.__version__),
        importlib.import_module("llvmlite").__version__,
        codegen.magic_tuple(),  # triple, CPU name and features
        *((setting, getattr(numba.config, setting, None)) for setting in SETTINGS),
    )
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:32]


@functools.cache
def _store() -> Store:
    return Store(_key(Path(__file__).parent))


def _load(dispatcher: Any, file_name: str) -> bool:
    """Give the dispatcher its machine code from the cache, if it is there and of use."""
    try:
        payload = _store().read(file_name)
        if payload is None:
            return False
        core, target = _numba().core, dispatcher.targetctx
        _get_ready(target)
        parts = core.serialize.loads(payload)
        dispatcher.add_overload(core.compiler.CompileResult._rebuild(target, *parts))
    except Exception:  # compiling anew cures it, whatever it is
        return False
    return True


def _get_ready(target: Any) -> None:
    """Let numba load what machine code needs to run, and not all that a compiler needs.

    That is the runtime which makes and frees arrays. The rest takes longer to import than all that
    is loaded, most of it SciPy, and comes by itself when something is compiled. Other versions of
    numba than those that were tried load everything, for machine code that misses a part of it
    ends the process.
    """
    numba = _numba()
    if numba.__version__.startswith(TRIED):
        # The first call would import it, and a fork at that moment leaves a lock behind.
        importlib.import_module("numpy.ma")
        numba.core.runtime.rtsys.initialize(target)
    else:
        target.refresh()


def _save(dispatcher: Any, file_name: str) -> None:
    try:
        (result,) = dispatcher.overloads.values()
        payload = _numba().core.serialize.dumps(result._reduce())
        store = _store()
    except Exception as error:  # these parts of numba are not public, so they may change
        warn_once(repr(error))
    else:
        store.write(file_name, payload)

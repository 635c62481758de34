"""Helpers that kernels share, compiled into each kernel that names one.

A helper must stay plain Python, because this package does not import numba before a kernel is
called. So a kernel is compiled from a copy of its function, in which the globals that are helpers
stand replaced by what numba makes of them. For the same reason machine code depends on more than
the kernel's own lines: ``meaning`` lists all that goes into it.
"""

import functools
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np


class Inline:
    """A helper that kernels call; ``inline`` makes it."""

    def __init__(self, float32: Callable[..., Any], float64: Callable[..., Any]) -> None:
        functools.update_wrapper(self, float32)
        self.twins = {"float32": float32, "float64": float64}

    def twin(self, dtype: str) -> Callable[..., Any]:
        """Return the function for the dtype of a kernel; one without a twin is for all dtypes."""
        first, second = self.twins.values()
        if dtype not in self.twins and first is not second:
            raise TypeError(f"{first.__name__} is for float32 and float64, not for {dtype}")
        return self.twins.get(dtype, first)

    def __call__(self, *args: Any) -> Any:
        """Run the twin for the dtype of the first argument, as plain Python."""
        dtype = getattr(args[0], "dtype", None) if args else None
        return self.twins["float32" if dtype == np.float32 else "float64"](*args)


def inline(
    function: Callable[..., Any] | None = None,
    *,
    float32: Callable[..., Any] | None = None,
    float64: Callable[..., Any] | None = None,
) -> Inline:
    """Make a helper for kernels from one function, or from twins of which the kernel's T chooses.

    Kernels must name the helper itself (``from minnet.kernels.exponential import exp``), for it
    is replaced by name. Twins take numbers or arrays of the kernel's own dtype.

    Raises
    ------
    TypeError
        If neither one function nor both twins are given.

    Examples
    --------
    >>> @inline
    ... def square(x):
    ...     return x * x
    >>> square(3.0)
    9.0
    """
    first, second = float32 or function, float64 or function
    if first is None or second is None or (function and (float32 or float64)):
        raise TypeError("inline takes one function, or two by name: float32= and float64=")
    return Inline(first, second)


def bind(function: FunctionType, dtype: str, compiler: Callable[..., Any]) -> FunctionType:
    """Copy the function with each helper that it names replaced by its compiled twin for dtype.

    ``compiler`` is numba.njit with the flags of the kernel that the helpers go into.
    """
    scope = dict(function.__globals__)
    for name in _names(function.__code__):
        helper = scope.get(name)
        while isinstance(helper, Inline):
            helper = helper.twin(dtype)
            if isinstance(helper, FunctionType):
                helper = compiler(bind(helper, dtype, compiler), forceinline=True)
            scope[name] = helper
    return FunctionType(
        function.__code__, scope, function.__name__, function.__defaults__, function.__closure__
    )


def meaning(value: Any, dtype: str) -> Iterator[str]:
    """Yield what a function is compiled from: instructions, constants, helpers, globals."""
    if isinstance(value, Inline):
        yield from meaning(value.twin(dtype), dtype)
    elif isinstance(value, FunctionType):
        yield from meaning(value.__code__, dtype)
        for name in _names(value.__code__):
            yield name
            yield from meaning(value.__globals__.get(name), dtype)
    elif isinstance(value, CodeType):
        yield repr((value.co_code, value.co_names, value.co_varnames))
        for constant in value.co_consts:
            yield from meaning(constant, dtype)
    else:
        yield value.__name__ if isinstance(value, ModuleType) else repr(value)


def _names(code: CodeType) -> Iterator[str]:
    """Yield every global that the code names, that of functions inside it too."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)

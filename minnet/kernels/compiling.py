"""The one door to numba (first draft: no cache yet)."""
# NOTE to the author of the real file: `inline` must also take one function per dtype,
# exp = inline(float32=exp_float32, float64=math.exp), see exponential.py; keep that.

import types
from collections.abc import Callable, Iterable
from typing import Any


class Inline:
    def __init__(self, choices):
        self.choices = choices

    def __call__(self, *args):
        return self.choices[8](*args)


def inline(function=None, *, float32=None, float64=None):
    return Inline({4: function or float32, 8: function or float64})


def _resolve(function, itemsize):
    import numba

    if isinstance(function, Inline):
        function = function.choices[itemsize]
        if isinstance(function, Inline):
            return _resolve(function, itemsize)
        if not isinstance(function, types.FunctionType):
            return function
        return numba.njit(error_model="numpy", inline="never")(_rebuilt(function, itemsize))
    return function


def _rebuilt(function, itemsize):
    scope = {
        name: _resolve(value, itemsize) if name in function.__code__.co_names else value
        for name, value in function.__globals__.items()
    }
    return types.FunctionType(function.__code__, scope, function.__name__, function.__defaults__)


class Kernel:
    def __init__(self, function: Callable[..., Any], signature: str, fastmath: Iterable[str]):
        self.py_func = function
        self.signature = signature
        self.fastmath = frozenset(fastmath)
        self._compiled: dict[int, Callable[..., Any]] = {}

    def __call__(self, *args: Any) -> Any:
        try:
            run = self._compiled[args[0].itemsize]
        except KeyError:
            run = self._build(args[0].itemsize)
        return run(*args)

    def _build(self, itemsize: int) -> Callable[..., Any]:
        import numba

        signature = self.signature.replace("T", {4: "float32", 8: "float64"}[itemsize])
        run = numba.njit(signature, error_model="numpy", nogil=True, fastmath=set(self.fastmath))(
            _rebuilt(self.py_func, itemsize)
        )
        self._compiled[itemsize] = run
        return run


def kernel(signature: str, *, fastmath: Iterable[str] = ()) -> Callable[[Callable[..., Any]], Kernel]:
    return lambda function: Kernel(function, signature, fastmath)

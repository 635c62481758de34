"""The one door to numba (first draft: no cache yet)."""

from collections.abc import Callable, Iterable
from typing import Any


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
            self.py_func
        )
        self._compiled[itemsize] = run
        return run


def kernel(signature: str, *, fastmath: Iterable[str] = ()) -> Callable[[Callable[..., Any]], Kernel]:
    return lambda function: Kernel(function, signature, fastmath)

"""Compiled loops on arrays.

Each module holds one family of kernels. A kernel depends on arrays and numbers only: inputs come
first, the arrays that it fills come last. Loops run over rows outside and over columns inside,
because arrays are stored row by row. numba is imported when the first kernel is called.
"""

import importlib
import pkgutil
from collections.abc import Collection
from typing import Any

from numpy.typing import NDArray

from minnet.kernels import jit

Array = NDArray[Any]


def warmup(*, dtypes: Collection[str] = ("float32", "float64")) -> int:
    """Compile all kernels or load them from the cache, for instance before a lecture.

    Parameters
    ----------
    dtypes : collection of {"float32", "float64"}
        Dtypes to compile for. Kernels of integers are always included.

    Returns
    -------
    int
        Number of functions that are ready: one for each kernel and dtype.

    Raises
    ------
    ValueError
        If dtypes is empty or contains another dtype.
    """
    names: list[str] = []
    if isinstance(dtypes, list | tuple | set | frozenset):
        names = [dtype if isinstance(dtype, str) else type(dtype).__name__ for dtype in dtypes]
    if not names or not {*names} <= {"float32", "float64"}:
        got = names or type(dtypes).__name__
        raise ValueError(f"warmup: expected dtypes 'float32', 'float64' or both, got {got}")
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        importlib.import_module(module.name)
    versions = [
        ready(dtype)
        for signature, ready in list(jit.kernels.values())
        for dtype in (set(dtypes) if "T[" in signature else {"int32"})
    ]
    return len(versions)

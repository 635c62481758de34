"""Where arrays lie: in places from which the kernels read and write them fastest.

NumPy's own arrays begin wherever the system gives memory, large ones mostly 16 bytes behind a
multiple of 4096. A vector register of 64 bytes then straddles two cache lines at every access, one
of 32 bytes at every other, which makes Adam's pass over 100,000 parameters more than twice as long.
And arrays that all begin at the same place of a page get in each other's way, so each begins at
another one.
"""

import itertools
import math
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import DTypeLike

from minnet.kernels import Array

PAGE, TURNS = 4096, 8  # each of eight arrays in a row begins at another eighth of a page
_turns = itertools.count()


def empty(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Return a new array of this shape, with nothing in particular in it."""
    memory = np.empty(math.prod(shape) * np.dtype(dtype).itemsize + PAGE, np.uint8)
    start = next(_turns) % TURNS * (PAGE // TURNS) - memory.ctypes.data
    return np.ndarray(shape, dtype, memory, start % PAGE)


def zeros_like(array: Array) -> Array:
    """Return a new array of zeros, of the shape and dtype of another."""
    zeros = empty(array.shape, array.dtype)
    zeros[...] = 0
    return zeros


def grown(buffer: Array | None, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return an array of that shape in the memory of buffer, or in more memory where it is small.

    So buffers only grow, and a short last batch gets the first rows of what is there.
    """
    if buffer is not None and buffer.shape == shape and buffer.dtype == dtype:
        return buffer
    memory = None if buffer is None else buffer.base  # a copy of a buffer has none, or not ours
    if buffer is not None and _is_ours(memory) and buffer.dtype == dtype:
        start = buffer.ctypes.data - memory.ctypes.data
        if start + math.prod(shape) * dtype.itemsize <= memory.nbytes:
            return np.ndarray(shape, dtype, memory, start)
    return empty(shape, dtype)


def _is_ours(memory: Any) -> TypeGuard[Array]:
    return isinstance(memory, np.ndarray) and memory.dtype == np.uint8 and memory.flags.writeable

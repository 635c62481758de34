"""Aligned allocation, and reuse of buffers.

NumPy places most large arrays 16 bytes behind a page boundary, where every 64-byte load spans two
cache lines. Arrays that start at the same offset within a page compete for the same cache sets, so
consecutive arrays start at different offsets. ``python -m benchmarks alignment`` measures the gain.
"""

import itertools
import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from minnet.kernels import Array

PAGE, OFFSETS = 4096, 8  # consecutive arrays start at different multiples of PAGE / OFFSETS
_count = itertools.count()


def empty(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Return a new aligned array with undefined content."""
    memory = np.empty(math.prod(shape) * np.dtype(dtype).itemsize + PAGE, np.uint8)
    start = next(_count) % OFFSETS * (PAGE // OFFSETS) - memory.ctypes.data
    return np.ndarray(shape, dtype, memory, start % PAGE)


def zeros_like(array: Array) -> Array:
    """Return a new aligned array of zeros with the shape and dtype of another."""
    zeros = empty(array.shape, array.dtype)
    zeros[...] = 0
    return zeros


def writable(value: Any) -> Any:
    """Return value with copies of its read-only arrays, if it is an array or a dict of such values.

    Large arrays reach a process of joblib as read-only memory maps.
    """
    if type(value) is dict:
        return {key: writable(item) for key, item in value.items()}
    read_only = isinstance(value, np.ndarray) and not value.flags.writeable
    return np.array(value) if read_only else value


def grown(buffer: Array | None, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Return an array of this shape in the memory of buffer if it fits, else in new memory.

    So a short last batch is a C-contiguous slice of the buffer of a full batch.
    """
    if buffer is not None and buffer.shape == shape and buffer.dtype == dtype:
        return buffer
    if buffer is not None and buffer.dtype == dtype and isinstance(buffer.base, np.ndarray):
        memory = buffer.base
        start, size = buffer.ctypes.data - memory.ctypes.data, math.prod(shape) * dtype.itemsize
        allocated_here = memory.dtype == np.uint8 and memory.flags.writeable
        if allocated_here and start + size <= memory.nbytes:
            return np.ndarray(shape, dtype, memory, start)
    return empty(shape, dtype)

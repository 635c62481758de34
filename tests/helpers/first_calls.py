"""Kernels that have not been called yet, in this process or in a child process."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

import minnet.kernels
from minnet.kernels import jit

ROOT = Path(minnet.kernels.__file__).parents[2]

# Code of the child processes: three kernels in two dtypes, compared with NumPy. One of the kernels
# calls a helper and one allocates memory. COUNTED prints how many functions numba compiles.
WORK = """
import numpy as np
import numpy.testing  # otherwise NumPy imports it at its first use, which a fork can interrupt
from minnet.kernels.activations import sigmoid_forward
from minnet.kernels.dense import add_row, column_sum

def work(dtypes=(np.float32, np.float64)):
    for dtype in dtypes:
        x = np.linspace(-3, 3, 12, dtype=dtype).reshape(4, 3)
        y, row = x.copy(), np.array([1, 2, 3], dtype)
        add_row(y, row)
        np.testing.assert_array_equal(y, x + row)
        column_sum(y, row)
        np.testing.assert_allclose(row, y.sum(axis=0), rtol=1e-6)
        sigmoid_forward(x, y)
        np.testing.assert_allclose(y, 1 / (1 + np.exp(-x)), rtol=1e-6)
"""
COUNTED = """
import numba.core.event
record = numba.core.event.RecordingListener()
numba.core.event.register("numba:compile", record)
work()
print(sum(event.is_start for _, event in record.buffer))
"""


def start(code: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert err == ""
    return out.strip()


def run(code: str, **environment: str) -> str:
    return finish(start(code, **environment))


def unused(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a new kernel of the same function, not compiled yet."""
    signature, _ = jit.kernels[f"{function.__module__}.{function.__qualname__}"]
    with mock.patch.dict(jit.kernels):
        return jit.kernel(signature)(function.__wrapped__)


def assert_adds(made: Callable[..., Any], dtype: type) -> None:
    y = np.arange(6, dtype=dtype).reshape(2, 3)
    made(y, np.array([10, 20, 30], dtype))
    np.testing.assert_array_equal(y, [[10, 21, 32], [13, 24, 35]])

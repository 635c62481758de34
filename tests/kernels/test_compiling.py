"""Kernels compile with their helpers, as numba's switches say, and warmup makes all ready."""

import importlib
import pkgutil
from types import FunctionType

import numpy as np
import pytest
from helpers.first_calls import COUNTED, KERNELS, WORK, again, assert_adds, run, unused

import minnet.kernels
from minnet.kernels import compiling
from minnet.kernels.activations import sigmoid_forward
from minnet.kernels.compiling import Kernel, inline, kernel, warmup
from minnet.kernels.dense import add_row

# --- helpers, and a kernel that is not of this package ---


@inline
def three_times(x):
    return x * 3


@inline
def plus_one(x):
    return three_times(x) - three_times(x) + x + 1


chosen = inline(float32=three_times, float64=plus_one)


@kernel("(T[::1],)")
def use_helpers(x):
    for k in range(x.size):
        x[k] = chosen(x[k])


def test_helpers_may_call_helpers_and_twins_follow_the_dtype():
    x32, x64 = np.full(2, 5, np.float32), np.full(2, 5, np.float64)
    use_helpers(x32)
    use_helpers(x64)
    assert (x32[0], x64[0]) == (15, 6)
    use_helpers.__wrapped__(x32)
    use_helpers.__wrapped__(x64)
    assert (x32[0], x64[0]) == (45, 7)


def test_inline_wants_one_function_or_both_twins():
    for wrong in ({}, {"float32": abs}, {"function": abs, "float64": abs}):
        with pytest.raises(TypeError, match="one function, or two by name"):
            inline(**wrong)


def test_kernels_of_other_packages_are_not_cached(home):
    x = np.full(2, 5, np.float32)
    unused(use_helpers)(x)
    assert not home.exists()


# --- switches of numba ---


CANARY = """
from minnet.kernels.compiling import kernel

@kernel("(T[::1], int64)")
def canary(x, k):
    return x[k]

try:
    canary(np.zeros(3), 3)
except IndexError:
    print("raised")
"""


def test_with_boundscheck_a_read_outside_raises_and_nothing_is_cached(home):
    run(WORK + "work()")
    files = {path: path.stat().st_mtime_ns for path in home.glob("*/*")}
    assert len(files) == 6
    count, canary = run(WORK + COUNTED + CANARY, NUMBA_BOUNDSCHECK="1").split()
    assert int(count) > 6
    assert canary == "raised"
    assert {path: path.stat().st_mtime_ns for path in home.glob("*/*")} == files


def test_with_jit_disabled_kernels_are_plain_python_and_nothing_is_cached(home):
    assert run(WORK + COUNTED + CANARY, NUMBA_DISABLE_JIT="1").split() == ["0", "raised"]
    assert not home.exists()


@kernel("(int64[::1],)")
def triple(x):
    for k in range(x.size):
        x[k] = three_times(x[k])


def test_a_kernel_of_whole_numbers_calls_helpers_that_have_no_twins():
    x = np.arange(3)
    triple(x)
    assert x.tolist() == [0, 3, 6]
    with pytest.raises(TypeError, match="three_times is for float32 and float64, not for int64"):
        chosen.twin("int64")


# --- warmup ---


@pytest.mark.parametrize("dtypes", [("float32", "float64"), ("float64",)])
def test_warmup_makes_every_kernel_of_every_module_ready(monkeypatch, dtypes):
    made = set()
    monkeypatch.setattr(Kernel, "ready", lambda self, dtype: made.add((self.function, dtype)))
    count = warmup(dtypes=dtypes)
    signatures = {kernel.function: kernel.signature for kernel in KERNELS.values()}
    modules = [
        importlib.import_module(f"minnet.kernels.{module.name}")
        for module in pkgutil.iter_modules(minnet.kernels.__path__)
    ]
    wanted = {
        (value, dtype)
        for module in modules
        for value in vars(module).values()
        if isinstance(value, FunctionType) and value in signatures
        for dtype in (dtypes if "T[" in signatures[value] else ["int32"])
    }
    assert len(wanted) >= 20
    assert wanted <= made
    assert count == len(made)


def test_after_warmup_no_call_compiles(home, monkeypatch, compiled):
    few = {"add": again(add_row), "sigmoid": again(sigmoid_forward)}
    monkeypatch.setattr(compiling, "_kernels", few)
    assert warmup() == 4
    before = compiled()
    assert_adds(few["add"].function, np.float32)
    assert_adds(few["add"].function, np.float64)
    assert compiled() == before


@pytest.mark.parametrize("dtypes", [("int8",), ("float32", "float16"), "float32", ()])
def test_warmup_refuses_a_dtype_that_kernels_do_not_have(dtypes):
    with pytest.raises(ValueError, match="must be 'float32', 'float64' or both"):
        warmup(dtypes=dtypes)

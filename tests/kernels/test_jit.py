"""Compilation of kernels: arguments, helpers, switches of numba, warmup, threads and processes."""

import copy
import importlib
import os
import pickle
import threading
from unittest import mock

import numpy as np
import pytest
from helpers.first_calls import COUNTED, WORK, assert_adds, run, unused

from minnet.kernels import jit, warmup
from minnet.kernels.dense import add_row
from minnet.kernels.exponential import exp, exp_float32
from minnet.kernels.jit import inline, kernel
from minnet.kernels.losses import count_correct, one_hot
from minnet.kernels.normalization import batchnorm_backward

# --- arguments ---


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kernel_runs_for_both_dtypes_and_returns_values(home, dtype):
    assert_adds(add_row, dtype)
    assert count_correct(np.eye(3, dtype=dtype), np.eye(3, dtype=dtype)[[0, 1, 1]]) == 2


def refused():
    x, row = np.zeros((2, 3), np.float32), np.zeros(3, np.float32)
    locked = x.copy()
    locked.flags.writeable = False
    swapped = x.astype(x.dtype.newbyteorder())
    yield "int32", (x.astype(np.int32), row), r"int32\[:, ::1\], float32\[::1\]"
    yield "float16", (x.astype(np.float16), row), r"float16\[:, ::1\]"
    yield "complex64", (x.astype(np.complex64), row), r"complex64\[:, ::1\]"
    yield "mixed", (x, row.astype(np.float64)), r"float32\[:, ::1\], float64\[::1\]"
    yield "bytes", (swapped, row), r"got \([<>]f4\[:, ::1\]"
    yield "fortran", (np.asfortranarray(x), row), r"got \(float32\[:, :\]"
    yield "strided", (x, np.zeros(6, np.float32)[::2]), r"float32\[:\]"
    yield "read-only", (locked, row), r"read-only float32\[:, ::1\]"
    yield "1-D", (row, row), r"got \(float32\[::1\]"
    yield "list", ([[1.0, 2.0, 3.0]], row), r"got \(list"
    yield "None", (None, row), r"got \(NoneType"
    yield "scalar", (np.float32(1), row), r"got \(float32"
    yield "few", (x,), r"got \(float32\[:, ::1\]\)"
    yield "none", (), r"got \(\)"


@pytest.mark.parametrize(("args", "got"), [pytest.param(*rest, id=i) for i, *rest in refused()])
@pytest.mark.parametrize("used", [False, True])
def test_wrong_argument_is_a_type_error_with_expected_and_actual_types(home, args, got, used):
    made = add_row if used else unused(add_row)
    if used:
        assert_adds(made, np.float32)
        assert_adds(made, np.float64)
    with pytest.raises(TypeError, match=got) as raised:
        made(*args)
    message = str(raised.value)
    assert message.startswith("kernel add_row: expected (T[:, ::1], const T[::1]), got (")
    assert "np.ascontiguousarray" in message


def test_refused_call_changes_nothing(home):
    y = np.zeros((2, 3), np.float32)
    with pytest.raises(TypeError):
        add_row(y, np.ones(3))
    assert not y.any()


def read_only(array):
    array.flags.writeable = False
    return array


def test_const_arguments_may_be_read_only_without_another_compilation(home, compiled):
    made, y = unused(add_row), np.zeros((2, 3), np.float32)
    for row in (np.ones(3, np.float32), read_only(np.ones(3, np.float32))):
        made(y, row)
    np.testing.assert_array_equal(y, np.full((2, 3), 2))
    assert compiled() == 1


def test_const_arguments_of_any_number_and_dtype_may_be_read_only():
    rng = np.random.default_rng(0)
    x, dy = (read_only(rng.normal(size=(4, 3))) for _ in range(2))
    gamma, mean, var = read_only(np.ones(3)), read_only(x.mean(axis=0)), read_only(x.var(axis=0))
    outputs = np.empty(3), np.empty(3), np.empty((4, 3))
    batchnorm_backward(x, dy, gamma, 0.1, mean, var, *outputs)
    np.testing.assert_allclose(outputs[1], dy.sum(axis=0))
    rows = np.empty((2, 3))
    one_hot(rows, read_only(np.array([2, 0])))
    assert rows.tolist() == [[0, 0, 1], [1, 0, 0]]


def test_const_argument_that_is_written_is_an_error():
    @kernel("(const T[::1],)")
    def clear(x):
        x[0] = 0

    with pytest.raises(Exception, match="Cannot modify readonly array"):
        clear(np.ones(1))


def test_kernel_keeps_name_docstring_and_function_and_is_pickled_by_name():
    assert add_row.__name__ == "add_row"
    assert add_row.__doc__ == add_row.__wrapped__.__doc__ is not None
    y = np.zeros((1, 3))
    add_row.__wrapped__(y, np.ones(3))
    assert y.sum() == 3
    assert pickle.loads(pickle.dumps(add_row)) is add_row
    assert copy.deepcopy([add_row])[0] is add_row


@pytest.mark.parametrize(
    "fastmath", [True, "contract", {"nnan"}, {"ninf"}, {"contract", "reassoc"}, ("fast",), {"afn"}]
)
def test_unsafe_fastmath_is_refused(fastmath):
    with pytest.raises(ValueError, match=r"nnan and ninf remove checks for NaN.* reassoc"):
        kernel("(T[::1],)", fastmath=fastmath)


@kernel("(int32[::1], int64[::1])")
def add_integers(x, y):
    for k in range(x.size):
        y[k] += three_times(x[k])


@inline
def three_times(x):
    return x * 3


def test_integer_kernel_is_compiled_once_and_refuses_other_dtypes(home, compiled):
    y = np.zeros(3, np.int64)
    for _ in range(2):
        add_integers(np.arange(3, dtype=np.int32), y)
    assert y.tolist() == [0, 6, 12]
    before = compiled()
    add_integers(np.arange(3, dtype=np.int32), y)
    assert compiled() == before
    for other in (np.float32, np.int64):
        with pytest.raises(TypeError, match=r"expected \(int32\[::1\], int64\[::1\]\), got"):
            add_integers(np.zeros(3, other), y)
    assert y.tolist() == [0, 9, 18]


# --- helpers and switches of numba ---


def test_helper_depends_on_the_dtype_in_kernels_and_in_python():
    @kernel("(T[::1],)")
    def exponentials(x):
        for k in range(x.size):
            x[k] = exp(x[k])

    x32, x64 = np.linspace(-3, 3, 50, dtype=np.float32), np.linspace(-3, 3, 50)
    expected32 = [exp_float32(v) for v in x32]
    assert [exp(v) for v in x32] == expected32
    assert [exp(v) for v in x64] == [np.exp(v) for v in x64]
    expected64 = np.exp(x64)
    exponentials(x32)
    exponentials(x64)
    np.testing.assert_allclose(x32, expected32, rtol=2e-7)
    np.testing.assert_allclose(x64, expected64, rtol=4e-16)


CANARY = """
from minnet.kernels.jit import kernel

@kernel("(T[::1], int64)")
def canary(x, k):
    return x[k]

try:
    canary(np.zeros(3), 3)
except IndexError:
    print("raised")
"""


def test_boundscheck_raises_and_neither_reads_nor_writes_the_cache(home):
    run(WORK + "work()")
    files = {path: path.stat().st_mtime_ns for path in home.rglob("*.nb?")}
    assert len(files) == 12
    count, canary = run(WORK + COUNTED + CANARY, NUMBA_BOUNDSCHECK="1").split()
    assert int(count) >= 6
    assert canary == "raised"
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*.nb?")} == files


def test_disabled_jit_runs_plain_python_and_caches_nothing(home):
    assert run(WORK + COUNTED + CANARY, NUMBA_DISABLE_JIT="1").split() == ["0", "raised"]
    assert not home.exists()


# --- warmup ---


def test_warmup_makes_every_kernel_ready_for_each_dtype(monkeypatch):
    requested = []
    warmup_all = {
        name: (signature, lambda dtype, name=name: requested.append((name, dtype)))
        for name, (signature, _) in jit.kernels.items()
        if name.startswith("minnet.")
    }
    monkeypatch.setattr(jit, "kernels", warmup_all)
    integer = {name for name, (signature, _) in warmup_all.items() if "T[" not in signature}
    assert warmup() == len(requested) == len(set(requested)) == 2 * len(warmup_all) - len(integer)
    requested.clear()
    assert warmup(dtypes=["float64"]) == len(requested) == len(warmup_all)
    assert {dtype for name, dtype in requested if name in integer} <= {"int32"}


def test_after_warmup_no_call_compiles(home, monkeypatch, compiled):
    with mock.patch.dict(jit.kernels, clear=True):
        monkeypatch.setattr("pkgutil.iter_modules", lambda *args: [])
        signature = "(T[:, ::1], const T[::1])"
        made = kernel(signature)(add_row.__wrapped__)
        assert warmup() == 2
    before = compiled()
    assert_adds(made, np.float32)
    assert_adds(made, np.float64)
    assert compiled() == before


@pytest.mark.parametrize("dtypes", [("int8",), ("float32", None), {"float16"}, "float32", (), None])
def test_warmup_refuses_other_dtypes(dtypes):
    with pytest.raises(ValueError, match="expected dtypes 'float32', 'float64' or both"):
        warmup(dtypes=dtypes)


# --- threads, interrupts and processes ---


def test_threads_with_simultaneous_first_calls_compile_once(home, compiled):
    made, barrier, failed = unused(add_row), threading.Barrier(8), []

    def first_call():
        barrier.wait()
        try:
            assert_adds(made, np.float32)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=first_call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    assert compiled() == 1


def test_interrupted_compilation_raises_and_the_next_call_compiles(home, monkeypatch):
    made, config = unused(add_row), importlib.import_module("numba").config
    before = config.CACHE_DIR
    with monkeypatch.context() as patch:
        patch.setattr("numba.core.compiler.compile_extra", mock.Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            assert_adds(made, np.float32)
    assert before == config.CACHE_DIR
    assert_adds(made, np.float32)


FORKS = """
import os, signal, threading, warnings
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)

def child():
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("starts", ["empty cache", "full cache"])
def test_fork_before_during_and_after_first_use_works(home, starts):
    if starts == "full cache":
        run(WORK + "work()")
    code = """
child()
builder = threading.Thread(target=work)
builder.start()
child()
builder.join()
child()
"""
    run(WORK + FORKS + code)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_fork_while_another_thread_compiles_works(home):
    code = """
import numba.core.event

class Starts(numba.core.event.Listener):
    def on_start(self, event):
        started.set()

    def on_end(self, event):
        pass

started = threading.Event()
numba.core.event.register("numba:compile", Starts())
builder = threading.Thread(target=work)
builder.start()
assert started.wait(60)
child()
builder.join()
"""
    run(WORK + FORKS + code)


def test_spawned_process_receives_a_kernel_by_name(home):
    code = """
import multiprocessing
import numpy as np
from minnet.kernels.losses import count_correct

if __name__ == "__main__":
    eye = np.eye(3)
    assert count_correct(eye, eye) == 3
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(count_correct, (eye, eye[::-1].copy())) == 1
"""
    run(code)

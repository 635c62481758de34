"""Kernels refuse what they were not compiled for, and the cache costs time at worst."""

import copy
import importlib
import os
import pickle
import pkgutil
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
import pytest

import minnet.kernels
from minnet.kernels import cache, compiling
from minnet.kernels.activations import sigmoid_forward
from minnet.kernels.compiling import TRIED, Kernel, inline, kernel, warmup
from minnet.kernels.dense import add_row
from minnet.kernels.losses import count_correct

ROOT = Path(minnet.kernels.__file__).parents[2]
KERNELS = compiling._kernels

# What every child process runs: two dtypes of three kernels, one of which calls a helper and one
# of which allocates, checked against NumPy. It prints how many functions numba compiled.
WORK = """
import numpy as np
import numpy.testing  # or NumPy would at its first use, which a fork could interrupt
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


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Where keys go, in a cache folder that is this test's own."""
    monkeypatch.setenv("MINNET_CACHE_DIR", str(tmp_path / "chosen"))
    monkeypatch.setattr(cache, "_warned", False)
    return tmp_path / "chosen" / "kernels"


@pytest.fixture
def compiled():
    """Count how many functions numba compiles."""
    event = importlib.import_module("numba.core.event")
    record = event.RecordingListener()
    event.register("numba:compile", record)
    yield lambda: sum(happened.is_start for _, happened in record.buffer)
    event.unregister("numba:compile", record)


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


def again(function: Callable[..., Any]) -> Kernel:
    """Return the kernel of this function as a process has it that never called it."""
    original = KERNELS[f"{function.__module__}.{function.__qualname__}"]
    return Kernel(original.py_func, original.signature, original.fastmath)


def unused(function: Callable[..., Any]) -> Callable[..., Any]:
    return again(function).function


def assert_adds(made: Callable[..., Any], dtype: type) -> None:
    y = np.arange(6, dtype=dtype).reshape(2, 3)
    made(y, np.array([10, 20, 30], dtype))
    np.testing.assert_array_equal(y, [[10, 21, 32], [13, 24, 35]])


# --- what a kernel takes and refuses ---


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_kernel_runs_for_both_dtypes_and_returns_what_it_returns(home, dtype):
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
def test_a_wrong_dtype_or_layout_is_a_type_error_that_names_it(home, args, got, used):
    made = add_row if used else unused(add_row)
    if used:
        assert_adds(made, np.float32)
        assert_adds(made, np.float64)
    with pytest.raises(TypeError, match=got) as raised:
        made(*args)
    assert "kernel add_row expected (T[:, ::1], T[::1]) with T either" in str(raised.value)


def test_a_refused_call_changes_nothing(home):
    y = np.zeros((2, 3), np.float32)
    with pytest.raises(TypeError):
        add_row(y, np.ones(3))
    assert not y.any()


def test_a_kernel_keeps_its_name_its_docstring_and_its_function():
    assert add_row.__name__ == "add_row"
    assert add_row.__doc__ == add_row.__wrapped__.__doc__ is not None
    y = np.zeros((1, 3))
    add_row.__wrapped__(y, np.ones(3))
    assert y.sum() == 3


def test_a_kernel_is_pickled_and_copied_by_name():
    assert pickle.loads(pickle.dumps(add_row)) is add_row
    assert copy.deepcopy([add_row])[0] is add_row


@pytest.mark.parametrize(
    "fastmath", [True, "contract", {"nnan"}, {"ninf"}, {"contract", "reassoc"}, ("fast",), {"afn"}]
)
def test_dangerous_fastmath_is_refused_at_decoration(fastmath):
    with pytest.raises(ValueError, match=r"nnan and ninf delete checks for NaN.* reassoc"):
        kernel("(T[::1],)", fastmath=fastmath)


@pytest.mark.parametrize("signature", ["(float64[::1],)", "(int64, T[::1])", "T[::1]", ""])
def test_a_signature_must_begin_with_an_array_of_t(signature):
    with pytest.raises(ValueError, match=r"first argument of a kernel must be an array of T"):
        kernel(signature)


# --- helpers ---


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


# --- the cache ---


def test_a_second_process_compiles_nothing_and_gets_the_same(home):
    code = WORK + COUNTED
    assert int(run(code)) > 6
    assert len(list(home.glob("*/*"))) == 6
    assert run(code) == "0"


TRAINING = """
import sys
import numpy as np
import minnet as m

def training(dtype):
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(12, 8)), rng.integers(0, 3, 12)
    layers = [
        m.Dense(8, 6), m.BatchNorm(6), m.ReLU(), m.Residual(m.Dense(6, 6), m.Tanh()),
        m.LayerNorm(6), m.GELU(), m.Dropout(0.2), m.Sigmoid(), m.ELU(), m.SiLU(), m.LeakyReLU(),
        m.Dense(6, 3),
    ]
    net = m.Sequential(layers, rng=0, dtype=dtype)
    probes = [m.HistogramProbe()]
    for make in (m.Adam, m.SGD, m.RMSProp, m.Adagrad):
        m.fit(
            net, x, labels, loss=m.SoftmaxCrossEntropy(), optimizer=make(net), epochs=2,
            batch_size=4, rng=0, clip_norm=1.0, regularizer=m.L1(1e-3), probes=probes,
        )
        probes = []
    return net.theta.tobytes().hex()

theta, early = training(np.float32), "scipy.linalg" in sys.modules
print(theta, training(np.float64), early, "scipy.linalg" in sys.modules)
"""


def test_a_process_that_compiles_nothing_loads_no_compiler_and_one_that_must_can(home):
    *first, early, late = run(TRAINING).split()
    assert (early, late) == ("True", "True")
    tried = importlib.import_module("numba").__version__.startswith(TRIED)
    assert run(TRAINING).split() == [*first, str(not tried), str(not tried)]
    for path in home.glob("*/*float64*"):
        path.unlink()
    assert run(TRAINING).split() == [*first, str(not tried), "True"]


def test_another_numba_loads_all_that_it_knows(cached, compiled, monkeypatch):
    refreshed = []

    def refresh(target):
        refreshed.append(target)

    monkeypatch.setattr(importlib.import_module("numba.core.cpu").CPUContext, "refresh", refresh)
    monkeypatch.setattr(compiling, "TRIED", ())
    assert_adds(unused(add_row), np.float32)
    assert len(refreshed) == 1
    assert compiled() == 0


@pytest.fixture
def cached(home):
    """The file of add_row for float32, written by a kernel that was used."""
    assert_adds(unused(add_row), np.float32)
    (path,) = home.glob("*/*")
    return path


def test_no_damage_of_a_file_is_loaded_and_every_one_is_repaired(cached, compiled):
    numba = importlib.import_module("numba")
    whole = cached.read_bytes()
    rng = np.random.default_rng(0)
    damages = []
    for bit in rng.choice(8 * len(whole), 200, replace=False):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        damages.append(bytes(damaged))
    damages += [whole[:length] for length in np.linspace(0, len(whole) - 1, 50, dtype=int)]
    for damaged in damages:
        cached.write_bytes(damaged)
        assert not compiling._load(numba.njit(add_row.__wrapped__), cached.name)
    for damaged in damages[::50]:
        cached.write_bytes(damaged)
        assert_adds(unused(add_row), np.float32)
        assert len(cached.read_bytes()) == len(whole)
    before = compiled()
    assert before == len(damages[::50])
    assert_adds(unused(add_row), np.float32)
    assert compiled() == before


@pytest.mark.parametrize("payload", [b"", b"no pickle", pickle.dumps(("other", "parts"))])
def test_a_whole_file_with_something_else_inside_is_replaced(cached, compiled, payload):
    compiling._store().write(cached.name, payload)
    assert_adds(unused(add_row), np.float32)
    assert_adds(unused(add_row), np.float32)
    assert compiled() == 1


def test_without_a_folder_kernels_work_and_warn_once(home, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("MINNET_CACHE_DIR", str(tmp_path / "file"))
    made = unused(add_row)
    with pytest.warns(RuntimeWarning, match="MINNET_CACHE_DIR to a folder of yours"):
        assert_adds(made, np.float32)
    assert_adds(made, np.float64)
    assert_adds(unused(add_row), np.float32)


def test_where_numba_cannot_serialize_kernels_work_and_warn_once(home, monkeypatch):
    result = importlib.import_module("numba.core.compiler").CompileResult
    monkeypatch.delattr(result, "_reduce")
    with pytest.warns(RuntimeWarning, match="_reduce"):
        assert_adds(unused(add_row), np.float32)
    assert_adds(unused(add_row), np.float32)
    assert not list(home.glob("*/*"))


def test_the_key_changes_with_sources_versions_and_settings(tmp_path, monkeypatch):
    numba = importlib.import_module("numba")
    folder = tmp_path / "kernels"
    shutil.copytree(Path(compiling.__file__).parent, folder)
    keys = [compiling._key(folder)]
    assert keys[0] == compiling._key(Path(compiling.__file__).parent)
    helper = folder / "exponential.py"
    helper.write_text(helper.read_text(encoding="utf-8").replace("88.3", "88.2"), encoding="utf-8")
    keys.append(compiling._key(folder))
    (folder / "new.py").write_text("")
    keys.append(compiling._key(folder))
    monkeypatch.setattr(numba, "__version__", "0.0")
    keys.append(compiling._key(folder))
    monkeypatch.setattr(np, "__version__", "0.0")
    keys.append(compiling._key(folder))
    monkeypatch.setattr(numba.config, "LOOP_VECTORIZE", 0)
    keys.append(compiling._key(folder))
    assert len(set(keys)) == 6
    assert all(cache.KEY.fullmatch(key) for key in keys)


def test_the_key_changes_with_the_cpu():
    code = "from minnet.kernels.compiling import _key; import pathlib; print(_key(pathlib.Path()))"
    assert run(code) == run(code) != run(code, NUMBA_CPU_NAME="generic")


ALIKE = """
import numpy as np
from minnet.kernels.compiling import inline, kernel
factor = np.float64(2)
@inline
def helper(x):
    return x + 4
@kernel("(T[::1], int64)", fastmath=["nsz"])
def made(x, k):
    x[k] = helper(x[k]) * factor + 3
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("(2)", "(5)"),
        ("+ 4", "+ 7"),
        ("+ 3", "- 3"),
        ("+ 3", "+ 7"),
        ("int64", "int32"),
        ("nsz", "arcp"),
        ("(x, k)", "(k, x)"),
    ],
)
def test_a_file_edited_after_its_import_cannot_be_mistaken_for_what_runs(monkeypatch, old, new):
    """The name of the cached file tells what was compiled, whatever the source says by then."""
    monkeypatch.setattr(compiling, "_kernels", {})
    names = []
    for source in (ALIKE, ALIKE, ALIKE.replace(old, new)):
        scope = {"__name__": "minnet.kernels.alike"}
        exec(source, scope)
        names.append(compiling._kernels["minnet.kernels.alike.made"]._file_name("float32"))
    assert names[0] == names[1] != names[2]


def test_kernels_of_other_packages_are_not_cached(home):
    x = np.full(2, 5, np.float32)
    unused(use_helpers)(x)
    assert not home.exists()


def test_four_cold_starts_at_once_give_right_results_and_one_whole_cache(home):
    orders = ("np.float32, np.float64", "np.float64, np.float32") * 2
    for process in [start(WORK + f"work(({order}))") for order in orders]:
        finish(process)
    assert len(list(home.glob("*/*"))) == 6
    assert run(WORK + COUNTED) == "0"


# --- threads and processes ---


def test_threads_that_call_first_at_once_build_once(home, compiled):
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
def test_a_fork_before_and_after_first_use_and_while_numba_is_imported_works(home):
    code = """
child()
builder = threading.Thread(target=work)
builder.start()
child()
builder.join()
child()
"""
    run(WORK + FORKS + code)
    run(WORK + FORKS + code)  # and where nothing has to be compiled any more


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_while_another_thread_compiles_works(home):
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


def test_a_spawned_process_gets_a_kernel_by_name(home):
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


# --- warmup ---


@pytest.mark.parametrize("dtypes", [("float32", "float64"), ("float64",)])
def test_warmup_makes_every_kernel_of_every_module_ready(monkeypatch, dtypes):
    made = set()
    monkeypatch.setattr(Kernel, "ready", lambda self, dtype: made.add((self.function, dtype)))
    count = warmup(dtypes=dtypes)
    functions = {kernel.function for kernel in KERNELS.values()}
    modules = [
        importlib.import_module(f"minnet.kernels.{module.name}")
        for module in pkgutil.iter_modules(minnet.kernels.__path__)
    ]
    wanted = {
        (value, dtype)
        for module in modules
        for value in vars(module).values()
        if isinstance(value, FunctionType) and value in functions
        for dtype in dtypes
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

"""What was compiled once is loaded if it is whole and of these sources, else compiled again."""

import importlib
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.first_calls import COUNTED, WORK, assert_adds, finish, run, start, unused

from minnet.kernels import cache, compiling
from minnet.kernels.compiling import TRIED
from minnet.kernels.dense import add_row


@pytest.fixture
def cached(home):
    """The file of add_row for float32, written by a kernel that was used."""
    assert_adds(unused(add_row), np.float32)
    (path,) = home.glob("*/*")
    return path


# --- another process ---


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


def test_four_cold_starts_at_once_give_right_results_and_one_whole_cache(home):
    orders = ("np.float32, np.float64", "np.float64, np.float32") * 2
    for process in [start(WORK + f"work(({order}))") for order in orders]:
        finish(process)
    assert len(list(home.glob("*/*"))) == 6
    assert run(WORK + COUNTED) == "0"


# --- files and folders that are not as they should be ---


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


# --- keys and names ---


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

"""The cache of compiled kernels: reuse, damaged files, folders that cannot be written."""

import errno
import importlib
import os
import stat
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.first_calls import COUNTED, WORK, assert_adds, finish, run, start, unused

from minnet.kernels import jit
from minnet.kernels.dense import add_row


def test_second_process_compiles_nothing(home):
    code = WORK + COUNTED
    assert int(run(code)) >= 6
    assert len(list(home.glob("*/*"))) == 6
    assert run(code) == "0"


def test_four_cold_starts_at_once_give_right_results_and_a_complete_cache(home):
    orders = ("np.float32, np.float64", "np.float64, np.float32") * 2
    for process in [start(WORK + f"work(({order}))") for order in orders]:
        finish(process)
    assert len(list(home.glob("*/*"))) == 6
    assert run(WORK + COUNTED) == "0"


def test_float32_and_float64_have_separate_index_files(home):
    for dtype in (np.float32, np.float64):
        assert_adds(unused(add_row), dtype)
    (key,) = home.iterdir()
    assert {path.name for path in key.iterdir()} == {"add_row-float32", "add_row-float64"}
    assert len(list(key.rglob("*.nbi"))) == len(list(key.rglob("*.nbc"))) == 2


@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
def test_damaged_file_is_compiled_again_and_replaced(home, compiled, suffix):
    assert_adds(unused(add_row), np.float32)
    (path,) = home.rglob(f"*.{suffix}")
    whole = path.read_bytes()
    lengths = np.linspace(0, len(whole) - 1, 6, dtype=int)
    damages = [*(whole[:length] for length in lengths), b"no pickle", bytes(len(whole))]
    for damaged in damages:
        path.write_bytes(damaged)
        before = compiled()
        assert_adds(unused(add_row), np.float32)
        assert compiled() == before + 1
        assert_adds(unused(add_row), np.float32)
        after = compiled()
        assert_adds(unused(add_row), np.float32)
        assert compiled() == after
        # The machine code may differ by some bytes.
        assert len(path.read_bytes()) == pytest.approx(len(whole), rel=0.02)


def test_removed_data_file_is_compiled_again(home, compiled):
    assert_adds(unused(add_row), np.float32)
    for path in home.rglob("*.nbc"):
        path.unlink()
    assert_adds(unused(add_row), np.float32)
    assert_adds(unused(add_row), np.float32)
    assert compiled() == 2


@pytest.mark.parametrize("changed", ["SOURCES", "python", "numpy", "numba", "llvmlite"])
def test_cache_key_changes_with_sources_and_versions(home, monkeypatch, changed):
    before = jit.cache_folder()
    if changed == "SOURCES":
        monkeypatch.setattr(jit, "SOURCES", [*jit.SOURCES, b"another helper"])
    elif changed == "python":
        monkeypatch.setattr(sys, "version", "4.0")
    else:
        monkeypatch.setattr(importlib.import_module(changed), "__version__", "0.0")
    jit.cache_folder.cache_clear()
    assert before != jit.cache_folder() is not None


def test_sources_contain_every_file_of_the_package():
    for path in Path(jit.__file__).parent.glob("*.py"):
        assert path.read_bytes() in jit.SOURCES


def test_kernels_of_other_packages_are_not_cached(home):
    @jit.kernel("(T[::1],)")
    def double(x):
        x *= 2

    double(np.ones(3))
    assert not home.exists()


def test_numba_configuration_is_unchanged(home):
    config = importlib.import_module("numba").config
    before = {name: getattr(config, name) for name in dir(config) if name.isupper()}
    assert_adds(unused(add_row), np.float32)
    assert {name: getattr(config, name) for name in dir(config) if name.isupper()} == before


def assert_works_uncached_with_one_warning(match):
    made = unused(add_row)
    with pytest.warns(RuntimeWarning, match=match) as caught:
        assert_adds(made, np.float32)
    assert len(caught) == 1
    assert "MINNET_CACHE_DIR" in str(caught[0].message)
    assert_adds(made, np.float64)  # without a warning, which would be an error
    assert_adds(unused(add_row), np.float32)


@pytest.mark.parametrize(
    ("chosen", "match"), [("file", "Not a directory|exists"), ("~/cache", "not an absolute path")]
)
def test_folder_that_cannot_be_created_warns_once(home, tmp_path, monkeypatch, chosen, match):
    (tmp_path / "file").write_text("no folder")
    folder = str(tmp_path / "file") if chosen == "file" else chosen
    monkeypatch.setenv("MINNET_CACHE_DIR", folder)
    monkeypatch.chdir(tmp_path)
    assert_works_uncached_with_one_warning(match)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_full_disk_warns_once(home, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    assert_works_uncached_with_one_warning("No space left on device")


def test_new_folders_can_be_used_by_their_owner_only(home):
    before = os.umask(0)
    try:
        (key,) = Path(jit.cache_folder()).parent.iterdir()
    finally:
        os.umask(before)
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (home, key)] == [0o700, 0o700]


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="POSIX permissions")
@pytest.mark.parametrize("mode", [0o775, 0o707, 0o777])
@pytest.mark.parametrize("place", ["kernels", "key"])
def test_folder_that_others_can_write_to_is_not_used(home, mode, place):
    assert_adds(unused(add_row), np.float32)
    files = {path: path.stat().st_mtime_ns for path in home.rglob("*.nb?")}
    assert len(files) == 2
    folder = home if place == "kernels" else next(home.iterdir())
    folder.chmod(mode)
    jit.cache_folder.cache_clear()
    assert_works_uncached_with_one_warning(f"{folder} is owned by another user or writable by")
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*.nb?")} == files


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="POSIX permissions")
def test_folder_of_another_user_is_not_used(home, monkeypatch):
    assert jit.cache_folder() is not None
    jit.cache_folder.cache_clear()
    monkeypatch.setattr(os, "geteuid", lambda: home.stat().st_uid + 1)
    assert_works_uncached_with_one_warning(f"{home} is owned by another user or writable by")


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="POSIX permissions")
def test_link_to_another_folder_is_not_used(home, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    home.parent.mkdir()
    home.symlink_to(tmp_path / "elsewhere")
    assert_works_uncached_with_one_warning(f"{home} is owned by another user or writable by")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="file size limits are POSIX")
def test_file_size_limit_does_not_stop_a_kernel(home):
    code = """
import resource, signal, warnings
warnings.simplefilter("ignore", RuntimeWarning)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))
work()
"""
    for size in (0, 1000):
        run(WORK + code.format(size=size))
    assert int(run(WORK + COUNTED)) >= 6


@pytest.mark.parametrize("relative", [True, False])
def test_user_without_a_home_folder_gets_one_warning(home, tmp_path, monkeypatch, relative):
    """Old versions of platformdirs return a relative path, new ones raise RuntimeError."""

    def homeless(*args, **kwargs):
        if relative:
            return "~/.cache/minnet"
        raise RuntimeError("could not determine the home directory")

    monkeypatch.delenv("MINNET_CACHE_DIR")
    monkeypatch.setattr("platformdirs.user_cache_dir", homeless)
    monkeypatch.chdir(tmp_path)
    assert_works_uncached_with_one_warning("absolute path|home directory")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="XDG applies to Linux")
def test_default_folder_is_in_the_users_cache(home, tmp_path, monkeypatch):
    monkeypatch.delenv("MINNET_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = jit.cache_folder()
    assert folder.startswith(str(tmp_path / "minnet" / "kernels"))

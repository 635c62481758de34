"""The store keeps bytes, refuses all that is not whole and ours, and survives every fault."""

import errno
import os
import stat
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from minnet.kernels import cache
from minnet.kernels.cache import Store

KEY = "0123456789abcdef" * 2
PAYLOAD = bytes(range(256)) * 8
POSIX = pytest.mark.skipif(os.name != "posix", reason="modes, owners and links are POSIX's")


@pytest.fixture
def store(home):
    store = Store(KEY)
    store.write("name", PAYLOAD)
    assert store.read("name") == PAYLOAD
    return store


def test_what_was_written_is_read_by_another_store_of_the_key(store, home):
    assert Store(KEY).read("name") == PAYLOAD
    assert [path.name for path in (home / KEY).iterdir()] == ["name"]


def test_reading_what_is_not_there_gives_none_and_makes_no_folder(home):
    assert Store(KEY).read("name") is None
    assert not home.exists()


def test_empty_payload_comes_back_empty(store):
    store.write("empty", b"")
    assert store.read("empty") == b""


@POSIX
def test_folders_and_files_are_closed_to_others(store, home):
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (home, home / KEY, home / KEY / "name")]
    assert modes == [0o700, 0o700, 0o600]


def test_every_flipped_bit_of_the_header_and_200_of_the_payload_are_noticed(store, home):
    path = home / KEY / "name"
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    bits = [*range(8 * cache.HEADER_SIZE)]
    bits += list(8 * cache.HEADER_SIZE + rng.choice(8 * len(PAYLOAD), 200, replace=False))
    for bit in bits:
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        assert store.read("name") is None, f"bit {bit}"
    path.write_bytes(whole)
    assert store.read("name") == PAYLOAD


def test_truncated_and_lengthened_files_are_noticed_and_can_be_rewritten(store, home):
    path = home / KEY / "name"
    whole = path.read_bytes()
    for length in (*range(cache.HEADER_SIZE + 1), *range(cache.HEADER_SIZE, len(whole), 97)):
        path.write_bytes(whole[:length])
        assert store.read("name") is None, f"{length} bytes"
    path.write_bytes(whole + b"\0")
    assert store.read("name") is None
    store.write("name", PAYLOAD)
    assert path.read_bytes() == whole


def test_a_file_under_another_name_or_key_is_refused(store, home):
    content = (home / KEY / "name").read_bytes()
    (home / KEY / "other").write_bytes(content)
    assert store.read("other") is None
    stranger = Store("f" * 32)
    stranger.write("else", b"")
    (home / stranger.key / "name").write_bytes(content)
    assert stranger.read("name") is None


@POSIX
@pytest.mark.parametrize("place", ["", KEY])
@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
def test_a_folder_that_others_can_write_to_is_neither_read_nor_written(store, home, place, mode):
    (home / place).chmod(mode)
    assert store.read("name") is None
    with pytest.warns(RuntimeWarning, match=r"belongs to, or can be changed by, another user"):
        store.write("new", PAYLOAD)
    (home / place).chmod(0o700)
    assert store.read("new") is None


@POSIX
def test_a_file_that_others_can_write_to_is_not_read(store, home):
    (home / KEY / "name").chmod(0o620)
    assert store.read("name") is None


@POSIX
def test_what_belongs_to_another_user_is_neither_read_nor_written(store, home, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert store.read("name") is None
    with pytest.warns(RuntimeWarning, match="another user"):
        store.write("new", PAYLOAD)
    assert sorted(path.name for path in (home / KEY).iterdir()) == ["name"]


@POSIX
@pytest.mark.parametrize("place", ["", KEY])
def test_a_link_in_place_of_a_folder_is_refused(store, home, tmp_path, place):
    target = home / place
    target.rename(tmp_path / "elsewhere")
    target.symlink_to(tmp_path / "elsewhere")
    assert store.read("name") is None
    with pytest.warns(RuntimeWarning, match="is not a folder"):
        store.write("new", PAYLOAD)
    assert not list((tmp_path / "elsewhere").rglob("new"))


@POSIX
def test_a_link_in_place_of_a_file_is_not_followed_but_replaced(store, home, tmp_path):
    path = home / KEY / "name"
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    before = (tmp_path / "elsewhere").read_bytes()
    assert store.read("name") is None
    store.write("name", b"new")
    assert store.read("name") == b"new"
    assert (tmp_path / "elsewhere").read_bytes() == before


@pytest.mark.parametrize("call", ["replace", "fdopen"])
def test_a_full_disk_leaves_the_old_file_and_no_other_and_warns_once(
    store, home, monkeypatch, call
):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.warns(RuntimeWarning) as caught:
            store.write("name", b"new")
        store.write("second", b"new")  # in silence: warnings are errors here
    (warning,) = caught
    message = str(warning.message)
    assert str(home) in message
    assert "No space left on device" in message
    assert "MINNET_CACHE_DIR" in message
    assert [path.name for path in (home / KEY).iterdir()] == ["name"]
    assert store.read("name") == PAYLOAD


def test_an_interrupted_write_leaves_nothing(store, home, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", interrupt)
        with pytest.raises(KeyboardInterrupt):
            store.write("name", b"new")
    assert [path.name for path in (home / KEY).iterdir()] == ["name"]
    assert store.read("name") == PAYLOAD


@pytest.mark.parametrize("chosen", ["file", "relative"])
def test_a_cache_folder_that_cannot_be_warns_and_names_the_repair(
    home, tmp_path, monkeypatch, chosen
):
    (tmp_path / "file").write_text("no folder")
    folder = {"file": str(tmp_path / "file"), "relative": "~/cache"}[chosen]
    monkeypatch.setenv("MINNET_CACHE_DIR", folder)
    monkeypatch.chdir(tmp_path)
    store = Store(KEY)
    assert store.read("name") is None
    with pytest.warns(RuntimeWarning, match="MINNET_CACHE_DIR to a folder of yours"):
        store.write("name", PAYLOAD)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("relative", [True, False])
def test_a_user_without_a_home_is_warned_and_no_folder_named_tilde_appears(
    home, tmp_path, monkeypatch, relative
):
    """Of platformdirs, old versions return a relative path and new ones raise RuntimeError."""

    def homeless(*args, **kwargs):
        if relative:
            return "~/.cache/minnet"
        raise RuntimeError("could not determine the home directory")

    monkeypatch.delenv("MINNET_CACHE_DIR")
    monkeypatch.setattr("platformdirs.user_cache_dir", homeless)
    monkeypatch.chdir(tmp_path)
    store = Store(KEY)
    assert store.read("name") is None
    with pytest.warns(RuntimeWarning, match="absolute path|home directory"):
        store.write("name", PAYLOAD)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="XDG is Linux's")
def test_by_default_the_folder_lies_in_the_users_cache(home, tmp_path, monkeypatch):
    monkeypatch.delenv("MINNET_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.root() == tmp_path / "minnet" / "kernels"


def test_eight_most_recently_used_keys_are_kept_and_nothing_foreign_is_touched(home):
    keys = [f"{number:032x}" for number in range(8)]
    for age, key in enumerate(keys):
        Store(key).write("name", PAYLOAD)
        os.utime(home / key, (1000 + age, 1000 + age))
    for foreign in ("mine", "f" * 31, "F" * 32):
        (home / foreign).mkdir()
    (home / ("e" * 32)).write_text("a file")
    assert Store(keys[0]).read("name") == PAYLOAD  # used last, though made first
    Store("f" * 32).write("name", PAYLOAD)
    left = {path.name for path in home.iterdir()}
    assert left == {keys[0], *keys[2:], "f" * 32, "mine", "f" * 31, "F" * 32, "e" * 32}


def test_a_folder_removed_between_two_writes_is_made_anew(store, home):
    (home / KEY / "name").unlink()
    (home / KEY).rmdir()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store.write("name", PAYLOAD)
    assert store.read("name") == PAYLOAD


def test_processes_that_write_one_name_at_once_leave_one_whole_file(home):
    code = (
        "from minnet.kernels.cache import Store\n"
        f"store = Store({KEY!r})\n"
        "for count in range(300):\n"
        "    store.write('name', b'x' * 50_000)\n"
        "    assert store.read('name') == b'x' * 50_000\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(cache.__file__).parents[2])}
    command = [sys.executable, "-W", "error", "-c", code]
    processes = [subprocess.Popen(command, env=environment) for _ in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    assert [path.name for path in (home / KEY).iterdir()] == ["name"]

"""What the data sets promise: exact values, verified files, and errors that tell the repair.

All but the last tests run on tiny idx files written here, with the table of shapes and checksums
replaced; no test reaches the network beyond this machine.
"""

import contextlib
import functools
import gzip
import hashlib
import http.server
import math
import os
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pooch
import pytest

from minnet import datasets
from minnet import idx as idx_files

REAL_DATA = os.environ.get("MINNET_DATA")
REAL_MIRRORS = idx_files.MIRRORS
REAL_DOWNLOADER = pooch.HTTPDownloader


def pack(data):
    """gzip without the time of day, for these bytes name tests, in every worker alike."""
    return gzip.compress(data, mtime=0)


RNG = np.random.default_rng(0)
TINY = {
    "train-images-idx3-ubyte": RNG.integers(0, 256, (5, 2, 3), dtype=np.uint8),
    "train-labels-idx1-ubyte": RNG.integers(0, 10, (5,), dtype=np.uint8),
    "t10k-images-idx3-ubyte": RNG.integers(0, 256, (3, 2, 3), dtype=np.uint8),
    "t10k-labels-idx1-ubyte": RNG.integers(0, 10, (3,), dtype=np.uint8),
}
IMAGES, LABELS = list(TINY)[:2]


def idx(values):
    sizes = b"".join(size.to_bytes(4, "big") for size in values.shape)
    return b"\0\0\x08" + bytes([values.ndim]) + sizes + values.tobytes()


def write(folder, *, packed=True, without=()):
    folder.mkdir(parents=True, exist_ok=True)
    for file, values in TINY.items():
        if file not in without:
            path = folder / (f"{file}.gz" if packed else file)
            path.write_bytes(pack(idx(values)) if packed else idx(values))
    return folder


class Mirrors:
    """Stands in for pooch's downloader: serves `answers` by URL, and remembers what was asked."""

    def __init__(self):
        self.answers = {}
        self.asked = []

    def serve(self, mirror, without=(), **changed):
        for file, values in TINY.items():
            if file not in without:
                answer = pack(idx(values))
                self.answers[f"{mirror}{file}.gz"] = changed.get(file.split("-ubyte")[0], answer)

    def __call__(self, url, output, _pooch):
        self.asked.append(url)
        answer = self.answers.get(url, OSError("unreachable"))
        # A connection that breaks has often brought some bytes before.
        Path(output).write_bytes(b"half" if isinstance(answer, BaseException) else answer)
        if isinstance(answer, BaseException):
            raise answer


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.delenv("MINNET_DATA", raising=False)
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *_, **__: str(tmp_path / "cache"))
    return tmp_path / "cache" / "data"


@pytest.fixture(autouse=True)
def mirrors(monkeypatch):
    served = Mirrors()
    monkeypatch.setattr(pooch, "HTTPDownloader", lambda **_: served)
    hosts = ("https://one.invalid/", "https://two.invalid/")
    monkeypatch.setattr(idx_files, "MIRRORS", {"mnist": hosts, "fashion_mnist": hosts})
    return served


@pytest.fixture
def tiny(monkeypatch):
    sums = tuple("sha256:" + hashlib.sha256(idx(x)).hexdigest() for x in TINY.values())
    monkeypatch.setattr(idx_files, "SHAPES", {file: x.shape for file, x in TINY.items()})
    monkeypatch.setattr(idx_files, "CHECKSUMS", {"mnist": sums, "fashion_mnist": sums})


def assert_tiny(split, dtype=np.float32):
    (x_train, y_train), (x_test, y_test) = split
    for got, file in ((x_train, IMAGES), (x_test, "t10k-images-idx3-ubyte")):
        due = TINY[file].reshape(-1, 6).astype(dtype) / dtype(255)
        np.testing.assert_array_equal(got, due, strict=True)
        assert got.flags.c_contiguous
        assert got.flags.writeable
    for got, file in ((y_train, LABELS), (y_test, "t10k-labels-idx1-ubyte")):
        np.testing.assert_array_equal(got, TINY[file].astype(np.int64), strict=True)
        assert got.flags.writeable


def files_in(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


# --- iris and digits ---


@pytest.mark.parametrize(
    ("load", "n_train", "n_test", "features", "low", "high"),
    [(datasets.iris, 120, 30, 4, 0.1, 7.9), (datasets.digits, 1437, 360, 64, 0.0, 1.0)],
)
def test_small_sets_have_the_promised_shapes_types_and_range(
    load, n_train, n_test, features, low, high
):
    (x_train, y_train), (x_test, y_test) = load()
    assert x_train.shape == (n_train, features)
    assert x_test.shape == (n_test, features)
    assert y_train.shape == (n_train,)
    assert y_test.shape == (n_test,)
    assert x_train.dtype == x_test.dtype == np.float32
    assert y_train.dtype == y_test.dtype == np.int64
    assert x_train.flags.c_contiguous
    assert x_test.flags.c_contiguous
    both = np.concatenate([x_train, x_test])
    assert both.min() == np.float32(low)
    assert both.max() == np.float32(high)


def test_every_flower_is_on_exactly_one_side_with_its_label():
    from sklearn.datasets import load_iris

    x, y = load_iris(return_X_y=True)
    (x_train, y_train), (x_test, y_test) = datasets.iris(dtype=np.float64)
    got = np.column_stack([np.concatenate([x_train, x_test]), np.concatenate([y_train, y_test])])
    assert sorted(map(tuple, got)) == sorted(map(tuple, np.column_stack([x, y])))


def test_digits_are_sixteenths():
    (x_train, _), (x_test, _) = datasets.digits()
    for x in (x_train, x_test):
        np.testing.assert_array_equal(x * 16, np.round(x * 16))


@pytest.mark.parametrize("load", [datasets.iris, datasets.digits])
def test_each_class_keeps_its_share_in_the_test_rows(load):
    (_, y_train), (_, y_test) = load(test_size=0.3)
    share = np.bincount(y_test) / (np.bincount(y_train) + np.bincount(y_test))
    np.testing.assert_allclose(share, 0.3, atol=0.01)


def test_the_split_follows_rng_and_leaves_numpys_global_state_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first, again, other = (datasets.iris(rng=rng)[0][0] for rng in (42, 42, 43))
    generator = np.random.default_rng(42)
    drawn, next_drawn = datasets.iris(rng=generator)[0][0], datasets.iris(rng=generator)[0][0]
    free, freer = datasets.iris(rng=None)[0][0], datasets.iris(rng=None)[0][0]
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(drawn, next_drawn)
    assert not np.array_equal(free, freer)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_an_int_is_the_random_state_of_scikit_learn():
    from sklearn.datasets import load_iris
    from sklearn.model_selection import train_test_split

    x, y = load_iris(return_X_y=True)
    expected = train_test_split(x, y, test_size=0.2, stratify=y, random_state=42)
    (x_train, y_train), (x_test, y_test) = datasets.iris(dtype=np.float64)
    for got, due in zip((x_train, x_test, y_train, y_test), expected, strict=True):
        np.testing.assert_array_equal(got, due)


@pytest.mark.parametrize("load", [datasets.iris, datasets.digits])
def test_arrays_are_fresh_at_each_call(load):
    first = load()[0]
    kept = first[0].copy(), first[1].copy()
    first[0][:] = 9
    first[1][:] = 9
    again = load()[0]
    np.testing.assert_array_equal(again[0], kept[0])
    np.testing.assert_array_equal(again[1], kept[1])


@pytest.mark.parametrize("test_size", [0.0, 1.0, -0.1, 1.5, float("nan"), 0.001])
def test_a_test_size_that_leaves_a_class_empty_is_refused(test_size):
    with pytest.raises(ValueError, match="test_size"):
        datasets.iris(test_size=test_size)


@pytest.mark.parametrize("load", [datasets.iris, datasets.digits, datasets.mnist])
def test_rows_are_float32_or_float64_and_nothing_else(load, tiny, cache):
    write(cache / "mnist")
    assert load(dtype=np.float64)[0][0].dtype == np.float64
    with pytest.raises(ValueError, match="must be float32 or float64, got int32"):
        load(dtype=np.int32)


# --- standardize ---


def test_standardize_uses_the_training_rows_alone():
    x_train = np.array([[1.0, 10.0], [3.0, 30.0], [5.0, 20.0]])
    x_test = np.array([[7.0, 40.0]])
    kept = x_train.copy(), x_test.copy()
    z_train, z_test = datasets.standardize(x_train, x_test)
    np.testing.assert_allclose(z_train.mean(axis=0), 0, atol=1e-15)
    np.testing.assert_allclose(z_train.std(axis=0), 1, rtol=1e-15)
    np.testing.assert_allclose(z_test, [[4 / math.sqrt(8 / 3), 20 / math.sqrt(200 / 3)]])
    np.testing.assert_array_equal(x_train, kept[0])
    np.testing.assert_array_equal(x_test, kept[1])


def test_standardize_only_shifts_a_constant_feature():
    x = np.full((7, 1), 0.1, dtype=np.float32)
    z, shifted = datasets.standardize(x, x + np.float32(2))
    np.testing.assert_array_equal(z, 0)
    np.testing.assert_allclose(shifted, 2, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_standardize_keeps_the_dtype_and_returns_contiguous_rows(dtype):
    x = np.asfortranarray(np.arange(12).reshape(4, 3), dtype=dtype)
    (z,) = datasets.standardize(x)
    assert z.dtype == dtype
    assert z.flags.c_contiguous


@pytest.mark.parametrize(
    ("arrays", "error", "message"),
    [
        (([1.0, 2.0],), ValueError, r"array 0: expected shape \(n, features\).*got \(2,\)"),
        ((np.ones((0, 3)),), ValueError, r"array 0: .*got \(0, 3\)"),
        ((np.ones((2, 3)), np.ones((2, 4))), ValueError, r"array 1: .*\(2, 4\).*\(2, 3\)"),
        ((np.ones((2, 3)), 1.0), ValueError, r"array 1: .*got \(\)"),
        ((1.0,), ValueError, r"array 0: .*got \(\)"),
        (([["a"]],), TypeError, "array 0: expected numbers, got dtype <U1"),
        ((None,), TypeError, "array 0: expected numbers, got dtype object"),
        (([[1j]],), TypeError, "array 0: expected numbers, got dtype complex128"),
        (([[1, 2], [3, np.nan]],), FloatingPointError, "array 0: nan at row 1, column 1"),
        (([[1, 2]], [[-np.inf, 2]]), FloatingPointError, "array 1: -inf at row 0, column 0"),
    ],
)
def test_standardize_refuses_what_it_cannot_scale(arrays, error, message):
    with pytest.raises(error, match=message):
        datasets.standardize(*arrays)


# --- idx files on this machine ---


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_pixels_are_bytes_over_255_from_packed_or_plain_files(name, dtype, packed, tiny, tmp_path):
    write(tmp_path / "home" / name, packed=packed)
    assert_tiny(getattr(datasets, name)(tmp_path / "home", dtype=dtype), dtype)


def test_folders_are_searched_in_order(tiny, tmp_path, cache, mirrors, monkeypatch):
    env, home = tmp_path / "env", tmp_path / "home"
    monkeypatch.setenv("MINNET_DATA", str(env))
    assert datasets.fetch("mnist", write(home / "mnist").parent) == home / "mnist"
    write(cache / "mnist")
    write(env / "mnist", without=[LABELS])
    assert datasets.fetch("mnist") == cache / "mnist"  # a folder counts only with all four files
    write(env / "mnist")
    assert datasets.fetch("mnist") == env / "mnist"
    assert_tiny(datasets.mnist())
    assert mirrors.asked == []


def test_a_given_data_home_that_lacks_files_is_not_searched_beyond(tiny, tmp_path, cache, mirrors):
    mirrors.serve("https://one.invalid/")
    write(cache / "mnist")
    write(tmp_path / "home" / "mnist", without=[LABELS])
    with pytest.raises(FileNotFoundError) as caught:
        datasets.mnist(tmp_path / "home")
    message = str(caught.value)
    assert f"{tmp_path / 'home' / 'mnist'} lacks {LABELS}\n" in message
    assert f"fetch('mnist', data_home={str(tmp_path / 'home')!r})" in message
    assert mirrors.asked == []


def changed(file, **at):
    data = bytearray(idx(TINY[file]))
    for where, value in at.items():
        data[int(where[1:])] = value
    return pack(bytes(data))


PACKED = pack(idx(TINY[IMAGES]))
FAULTS = {
    "wrong magic": (changed(IMAGES, _2=9), "expected the idx magic 0x00000803, got 0x00000903"),
    "labels for images": (
        pack(idx(TINY[IMAGES].ravel())),
        "expected the idx magic 0x00000803, got 0x00000801",
    ),
    "header claims more": (
        changed(IMAGES, _7=200),
        r"expected shape \(5, 2, 3\), the header says \(200, 2, 3\)",
    ),
    "too short": (
        pack(idx(TINY[IMAGES])[:-1]),
        "expected 30 bytes after the header, got only 29",
    ),
    "too long": (
        pack(idx(TINY[IMAGES]) + b"\0"),
        "expected 30 bytes after the header, got more",
    ),
    "plain and too short": (idx(TINY[IMAGES])[:20], "got only 4"),
    "one bit": (changed(IMAGES, _20=TINY[IMAGES].ravel()[4] ^ 1), "expected sha256 .*, got "),
    "cut gzip": (PACKED[:-9], "expected a whole gzip file, got a damaged one"),
    "cut gzip trailer": (PACKED[:-4], "expected a whole gzip file, got a damaged one"),
    "wrong gzip sum": (PACKED[:-8] + bytes(8), "expected a whole gzip file, got a damaged one"),
    "bad deflate": (PACKED[:10] + b"\xff" * 40, "expected a whole gzip file, got a damaged one"),
    "web page": (b"<html>Not found</html>", "expected the idx magic 0x00000803, got 0x3c68746d"),
    "a few bytes": (b"\0\0\x08", "expected an idx header of 16 bytes, got 3 in all"),
    "empty": (b"", "expected an idx header of 16 bytes, got 0 in all"),
}


@pytest.mark.parametrize(("data", "message"), FAULTS.values(), ids=FAULTS.keys())
@pytest.mark.parametrize("load", [datasets.mnist, functools.partial(datasets.fetch, "mnist")])
def test_a_wrong_file_is_named_refused_and_left_alone(load, data, message, tiny, cache, mirrors):
    mirrors.serve("https://one.invalid/")
    path = write(cache / "mnist") / f"{IMAGES}.gz"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=message) as caught:
        load()
    assert str(caught.value).startswith(f"{path}: expected ")
    assert "Delete it. Run `minnet data mnist --home " in str(caught.value)
    assert path.read_bytes() == data
    assert mirrors.asked == []


def test_a_gzip_bomb_is_not_unpacked(tiny, cache):
    path = write(cache / "mnist") / f"{IMAGES}.gz"
    path.write_bytes(pack(idx(TINY[IMAGES]) + bytes(50_000_000)))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="expected 30 bytes after the header, got more"):
            datasets.mnist()
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


# --- downloads ---


def test_missing_files_are_downloaded_once_and_alone(tiny, cache, mirrors):
    mirrors.serve("https://one.invalid/")
    write(cache / "mnist", without=[LABELS])
    assert_tiny(datasets.mnist())
    assert mirrors.asked == [f"https://one.invalid/{LABELS}.gz"]
    assert files_in(cache) == sorted(f"mnist/{file}.gz" for file in TINY)
    assert_tiny(datasets.mnist())
    assert len(mirrors.asked) == 1


@pytest.mark.parametrize("fault", [OSError("no route"), b"<html>", PACKED[:-9], changed(LABELS)])
def test_a_mirror_that_fails_or_lies_is_followed_by_the_next(fault, tiny, cache, mirrors):
    mirrors.serve("https://one.invalid/", **{"train-images-idx3": fault})
    mirrors.serve("https://two.invalid/")
    assert_tiny(datasets.mnist())
    assert mirrors.asked[:3] == [
        f"https://one.invalid/{IMAGES}.gz",
        f"https://two.invalid/{IMAGES}.gz",
        f"https://one.invalid/{LABELS}.gz",
    ]
    assert files_in(cache) == sorted(f"mnist/{file}.gz" for file in TINY)


def test_without_network_the_error_says_what_to_put_where(
    tiny, cache, mirrors, tmp_path, monkeypatch
):
    monkeypatch.setenv("MINNET_DATA", str(tmp_path / "env"))
    mirrors.answers[f"https://two.invalid/{IMAGES}.gz"] = b"<html>a login page"
    with pytest.raises(FileNotFoundError) as caught:
        datasets.mnist()
    message = str(caught.value)
    for folder in (tmp_path / "env" / "mnist", cache / "mnist"):
        assert f"{folder} lacks {', '.join(TINY)}\n" in message
    assert "by hand; they are published at\n  https://one.invalid/\n" in message
    assert f"https://one.invalid/{IMAGES}.gz: unreachable\n" in message
    assert f"https://two.invalid/{IMAGES}.gz: expected the idx magic" in message
    assert list((cache / "mnist").iterdir()) == []
    assert not (tmp_path / "env").exists()


def test_what_was_verified_stays_when_a_later_file_fails(tiny, cache, mirrors):
    mirrors.serve("https://one.invalid/", without=[LABELS])
    with pytest.raises(FileNotFoundError, match=f"{LABELS}.gz: unreachable"):
        datasets.fetch("mnist")
    assert os.listdir(cache / "mnist") == [f"{IMAGES}.gz"]
    assert gzip.decompress((cache / "mnist" / f"{IMAGES}.gz").read_bytes()) == idx(TINY[IMAGES])


def test_an_interrupted_download_leaves_nothing(tiny, cache, mirrors):
    mirrors.answers[f"https://one.invalid/{IMAGES}.gz"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        datasets.fetch("mnist")
    assert list((cache / "mnist").iterdir()) == []


def test_download_false_asks_no_mirror_and_makes_no_folder(tiny, cache, mirrors):
    mirrors.serve("https://one.invalid/")
    with pytest.raises(FileNotFoundError, match="Run `minnet data mnist --home "):
        datasets.mnist(download=False)
    assert mirrors.asked == []
    assert not cache.exists()


def test_downloads_go_to_the_cache_even_if_minnet_data_is_set(
    tiny, cache, mirrors, tmp_path, monkeypatch
):
    mirrors.serve("https://one.invalid/")
    monkeypatch.setenv("MINNET_DATA", str(tmp_path / "env"))
    assert datasets.fetch("mnist") == cache / "mnist"
    assert_tiny(datasets.mnist())
    assert not (tmp_path / "env").exists()


def test_fetch_fills_the_folder_it_is_given(tiny, cache, mirrors, tmp_path):
    mirrors.serve("https://one.invalid/")
    folder = datasets.fetch("fashion_mnist", str(tmp_path / "home"))
    assert folder == tmp_path / "home" / "fashion_mnist"
    assert_tiny(datasets.fashion_mnist(tmp_path / "home"))
    assert not cache.exists()


def test_fetch_names_the_sets_it_knows():
    with pytest.raises(ValueError, match="expected one of mnist, fashion_mnist, got 'cifar'"):
        datasets.fetch("cifar")


def test_a_cache_that_cannot_be_made_is_an_error_with_the_repair(tiny, cache, mirrors):
    mirrors.serve("https://one.invalid/")
    cache.parent.write_text("a file where the folder should be")
    with pytest.raises(FileNotFoundError, match="Run `minnet data mnist --home ") as caught:
        datasets.mnist()
    assert "The download failed:\n" in str(caught.value)
    assert str(cache.parent) in str(caught.value)


def test_a_user_without_a_home_folder_is_told_to_name_one(tiny, mirrors, monkeypatch, tmp_path):
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *_, **__: "~/.cache/minnet")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"this user has no home folder .* set MINNET_DATA"):
        datasets.mnist()
    assert list(tmp_path.iterdir()) == []


@contextlib.contextmanager
def served(folder, encoding=None):
    class Handler(http.server.SimpleHTTPRequestHandler):
        def end_headers(self):
            if encoding:
                self.send_header("Content-Encoding", encoding)
            super().end_headers()

        def log_message(self, *_):
            pass

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


# Some stores unpack on the way: then plain idx bytes arrive under the name of the packed file.
@pytest.mark.parametrize("encoding", [None, "gzip"])
def test_a_download_over_http_goes_on_after_a_404(encoding, tiny, cache, tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(pooch, "HTTPDownloader", REAL_DOWNLOADER)
    (tmp_path / "empty").mkdir()
    with (
        served(tmp_path / "empty") as first,
        served(write(tmp_path / "full"), encoding) as second,
    ):
        monkeypatch.setattr(idx_files, "MIRRORS", {"mnist": (first, second)})
        assert_tiny(datasets.mnist())
    assert files_in(cache) == sorted(f"mnist/{file}.gz" for file in TINY)


def test_every_set_has_several_mirrors_and_all_are_https():
    for mirrors in REAL_MIRRORS.values():
        assert len(set(mirrors)) >= 2
        assert all(m.startswith("https://") and m.endswith("/") for m in mirrors)


def test_importing_the_module_loads_no_heavy_library():
    code = (
        "import sys, minnet.datasets;"
        "print({'sklearn', 'pooch', 'requests', 'tqdm', 'platformdirs'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


# --- the real files ---


@pytest.mark.skipif(
    not (REAL_DATA and Path(REAL_DATA, "mnist").is_dir()),
    reason="the real MNIST: needs MINNET_DATA with a folder mnist",
)
def test_the_real_mnist_has_its_published_numbers():
    (x_train, y_train), (x_test, y_test) = datasets.mnist(REAL_DATA)
    assert x_train.shape == (60000, 784)
    assert x_test.shape == (10000, 784)
    assert x_train.dtype == np.float32
    assert x_train.min() == 0
    assert x_train.max() == 1
    assert x_train.mean(dtype=np.float64) == pytest.approx(0.1307, abs=5e-5)
    assert x_train.std(dtype=np.float64) == pytest.approx(0.3081, abs=5e-5)
    assert y_train[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    per_digit = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(y_train).tolist() == per_digit
    per_digit = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert np.bincount(y_test).tolist() == per_digit

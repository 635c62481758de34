"""Local idx files: search order, reading and verification."""

import functools
import shutil
import tracemalloc

import numpy as np
import pytest
from helpers.tiny_mnist import IMAGES, LABELS, PACKED, TINY, assert_tiny, changed, idx, pack, write

from minnet import datasets

pytestmark = pytest.mark.usefixtures("downloads", "mirrors")


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_pixels_are_bytes_over_255_from_packed_or_plain_files(name, dtype, packed, tiny, tmp_path):
    write(tmp_path / "home" / name, packed=packed)
    assert_tiny(getattr(datasets, name)(tmp_path / "home", dtype=dtype), dtype)


def test_folders_are_searched_in_order(tiny, tmp_path, downloads, mirrors, monkeypatch):
    env, home = tmp_path / "env", tmp_path / "home"
    monkeypatch.setenv("MINNET_DATA", str(env))
    assert datasets.fetch("mnist", write(home / "mnist").parent) == home / "mnist"
    write(downloads / "mnist")
    write(env / "mnist", without=[LABELS])
    # A folder is used only if it has all four files.
    assert datasets.fetch("mnist") == downloads / "mnist"
    write(env / "mnist")
    assert datasets.fetch("mnist") == env / "mnist"
    assert_tiny(datasets.mnist())
    assert mirrors.requested == []


def test_no_other_folder_is_searched_if_data_home_is_given(tiny, tmp_path, downloads, mirrors):
    mirrors.serve("https://one.invalid/")
    write(downloads / "mnist")
    write(tmp_path / "home" / "mnist", without=[LABELS])
    with pytest.raises(FileNotFoundError) as caught:
        datasets.mnist(tmp_path / "home")
    message = str(caught.value)
    assert f"{tmp_path / 'home' / 'mnist'} lacks {LABELS}" in message
    assert f"fetch('mnist', data_home={str(tmp_path / 'home')!r})" in message
    assert mirrors.requested == []


def dotted(folder, packed=True):
    """Write the files with a dot before idx, as some copies have them."""
    for path in write(folder, packed=packed).iterdir():
        path.rename(folder / path.name.replace("-idx", ".idx"))


def keras_file(folder, **changed):
    folder.mkdir(parents=True, exist_ok=True)
    names = dict(zip(TINY, ("x_train", "y_train", "x_test", "y_test"), strict=True))
    arrays = {names[file]: values for file, values in TINY.items()} | changed
    np.savez_compressed(folder / "mnist.npz", **arrays)
    return folder / "mnist.npz"


LAYOUTS = {
    "dotted": lambda home: dotted(home / "mnist"),
    "dotted and plain": lambda home: dotted(home / "mnist", packed=False),
    "torchvision": lambda home: write(home / "MNIST" / "raw", packed=False),
    "torchvision, packed": lambda home: write(home / "MNIST" / "raw"),
    "Keras": keras_file,
    "Keras, in mnist": lambda home: keras_file(home / "mnist"),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_mnist_is_found_under_the_names_of_other_libraries(
    layout, tiny, tmp_path, mirrors, monkeypatch
):
    layout(tmp_path / "home")
    assert_tiny(datasets.mnist(tmp_path / "home"))
    monkeypatch.setenv("MINNET_DATA", str(tmp_path / "home"))
    assert_tiny(datasets.mnist())
    assert mirrors.requested == []


@pytest.mark.parametrize("folder", ["FashionMNIST/raw", "fashion-mnist"])
def test_fashion_mnist_is_found_under_the_names_of_other_libraries(folder, tiny, tmp_path):
    write(tmp_path / folder)
    assert_tiny(datasets.fashion_mnist(tmp_path))
    with pytest.raises(FileNotFoundError, match="mnist: no folder has all four files"):
        datasets.mnist(tmp_path)


def test_the_folder_with_the_files_can_be_given_itself(tiny, tmp_path):
    write(tmp_path / "mnist")
    assert_tiny(datasets.mnist(tmp_path / "mnist"))
    with pytest.raises(FileNotFoundError, match="fashion_mnist: no folder has all four files"):
        datasets.fashion_mnist(tmp_path / "mnist")


def test_an_array_of_keras_is_verified_and_the_remedy_works(tiny, tmp_path, mirrors):
    path = keras_file(tmp_path / "home", x_test=TINY["t10k-images-idx3-ubyte"] ^ 1)
    with pytest.raises(ValueError, match=r"expected sha256 .*, got .* Delete it") as caught:
        datasets.mnist(tmp_path / "home")
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).endswith(f"data_home={str(tmp_path / 'home')!r})")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ValueError, match="expected a complete npz file, got a damaged one"):
        datasets.mnist(tmp_path / "home")
    path.unlink()
    mirrors.serve("https://one.invalid/")
    datasets.fetch("mnist", tmp_path / "home")
    assert_tiny(datasets.mnist(tmp_path / "home"))


def test_the_remedy_for_a_damaged_file_of_torchvision_works(tiny, tmp_path, mirrors):
    path = write(tmp_path / "MNIST" / "raw") / f"{IMAGES}.gz"
    path.write_bytes(b"damaged")
    with pytest.raises(ValueError, match="Delete it") as caught:
        datasets.mnist(tmp_path)
    assert str(caught.value).endswith(f"data_home={str(tmp_path)!r})")
    path.unlink()
    mirrors.serve("https://one.invalid/")
    datasets.fetch("mnist", tmp_path)
    shutil.rmtree(tmp_path / "MNIST")
    assert_tiny(datasets.mnist(tmp_path))


FAULTS = {
    "wrong magic": (changed(IMAGES, _2=9), "expected sha256 .* of the unpacked bytes, got "),
    "labels for images": (pack(idx(TINY[IMAGES].ravel())), "expected 46 unpacked .* only 38"),
    "header claims more": (changed(IMAGES, _7=200), "expected sha256 .*, got "),
    "too short": (pack(idx(TINY[IMAGES])[:-1]), "expected 46 unpacked bytes .*, got only 45"),
    "too long": (pack(idx(TINY[IMAGES]) + b"\0"), "expected 46 unpacked bytes .*, got more"),
    "plain and too short": (idx(TINY[IMAGES])[:20], "got only 20"),
    "one bit": (changed(IMAGES, _20=TINY[IMAGES].ravel()[4] ^ 1), "expected sha256 .*, got "),
    "cut gzip": (PACKED[:-9], "expected a complete gzip file, got a damaged one"),
    "cut gzip trailer": (PACKED[:-4], "expected a complete gzip file, got a damaged one"),
    "wrong gzip sum": (PACKED[:-8] + bytes(8), "expected a complete gzip file, got a damaged one"),
    "bad deflate": (PACKED[:10] + b"\xff" * 40, "expected a complete gzip file, got a damaged one"),
    "web page": (b"<html>Not found</html>", "expected 46 unpacked bytes of an idx file, got only"),
    "empty": (b"", "expected 46 unpacked bytes of an idx file, got only 0"),
}


@pytest.mark.parametrize(("data", "message"), FAULTS.values(), ids=FAULTS.keys())
@pytest.mark.parametrize("load", [datasets.mnist, functools.partial(datasets.fetch, "mnist")])
def test_an_invalid_file_raises_with_its_path_and_is_not_changed(
    load, data, message, tiny, downloads, mirrors
):
    mirrors.serve("https://one.invalid/")
    path = write(downloads / "mnist") / f"{IMAGES}.gz"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=message) as caught:
        load()
    assert str(caught.value).startswith(f"{path}: expected ")
    assert "Delete it. Run `minnet data mnist --home " in str(caught.value)
    assert path.read_bytes() == data
    assert mirrors.requested == []


def test_a_gzip_bomb_is_not_unpacked(tiny, downloads):
    path = write(downloads / "mnist") / f"{IMAGES}.gz"
    path.write_bytes(pack(idx(TINY[IMAGES]) + bytes(50_000_000)))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"expected 46 unpacked bytes .*, got more"):
            datasets.mnist()
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()

"""Find, download and verify the idx files of MNIST and Fashion-MNIST.

A file is used only if its bytes have the checksum pinned here, so that every figure is based on the
same bytes. The checksums are those of the unpacked bytes, because mirrors compress the same bytes
differently. Files from torchvision and Keras are found under their names and in their folders.
"""

import gzip
import hashlib
import math
import os
import zipfile
from os.path import isfile  # unlike Path.is_file, False for a name that is too long
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from minnet.files import AnyPath, as_array, as_path, open_file, replacing

Home: TypeAlias = AnyPath | None

SHAPES: dict[str, tuple[int, ...]] = {
    "train-images-idx3-ubyte": (60000, 28, 28),
    "train-labels-idx1-ubyte": (60000,),
    "t10k-images-idx3-ubyte": (10000, 28, 28),
    "t10k-labels-idx1-ubyte": (10000,),
}
# In the order of SHAPES. Fashion-MNIST has MD5 checksums, because no SHA-256 checksums of its
# unpacked files are published.
CHECKSUMS: dict[str, tuple[str, ...]] = {
    "mnist": (
        "sha256:ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "sha256:65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "sha256:0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "sha256:ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
    "fashion_mnist": (
        "md5:f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "md5:9018921c3c673c538a1fc5bad174d6f9",
        "md5:8181f5470baa50b63fa0f6fddb340f0a",
        "md5:15d484375f8d13e6eb1aabb0c3f46965",
    ),
}
# Subfolders of a folder of data sets, those of minnet, torchvision and Keras.
FOLDERS: dict[str, tuple[str, ...]] = {
    "mnist": ("mnist", "MNIST/raw", "MNIST"),
    "fashion_mnist": ("fashion_mnist", "FashionMNIST/raw", "fashion-mnist"),
}
KERAS_FILE = "mnist.npz"  # with the arrays x_train, y_train, x_test, y_test
MIRRORS: dict[str, tuple[str, ...]] = {
    "mnist": (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    "fashion_mnist": (
        "https://fashion-mnist.s3.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    ),
}


def locate(name: str, data_home: Home, *, download: bool) -> Path:
    """Return the first folder with all four files; download them if allowed and necessary."""
    homes = _homes(data_home)
    for home in homes:
        folders = [home / folder for folder in FOLDERS[name]]
        if home.name in FOLDERS[name] or (name == "mnist" and isfile(home / KERAS_FILE)):
            folders.append(home)
        for folder in folders:
            if not _missing(folder):
                return folder
    folders = [home / name for home in homes]
    remedy, failure = _remedy(name, folders[0]), None
    if download:
        try:
            _download(name, folders[-1])
            return folders[-1]
        except OSError as error:
            remedy = (
                f"Try again with a network or another folder (`minnet data {name} --home FOLDER`)"
            )
            failure = error
    lacks = "\n".join(f"  {folder} lacks {', '.join(_missing(folder))}" for folder in folders)
    sources = "\n".join(f"  {mirror}" for mirror in MIRRORS[name])
    if data_home is None:
        remedy += f", or set MINNET_DATA to the folder that contains the folder {name}"
    raise FileNotFoundError(
        f"{name}: no folder has all four files. {remedy}, or put the files (plain or .gz) into one "
        f"of the folders below by hand; they are published at\n{sources}\nSearched:\n{lacks}"
        + (f"\nThe download failed:\n{failure}" if failure else "")
    ) from failure


def _homes(data_home: Home) -> list[Path]:
    """Return the folders of data sets in the order of the search."""
    if data_home is not None:
        return [as_path(data_home, "data_home").absolute()]
    import platformdirs

    chosen = os.environ.get("MINNET_DATA")
    homes = [as_path(chosen, "MINNET_DATA").absolute()] if chosen else []
    try:
        cache = Path(platformdirs.user_cache_dir("minnet", appauthor=False), "data")
    except RuntimeError:  # a user without a home folder
        cache = Path("~", ".cache", "minnet", "data")
    return [*homes, cache]


def _path(folder: Path, file: str) -> Path:
    """Return the path of the packed or plain file, or of Keras's file if neither exists."""
    names = [f"{name}{end}" for name in (file, file.replace("-idx", ".idx")) for end in (".gz", "")]
    found = (folder / name for name in (*names, KERAS_FILE) if isfile(folder / name))
    return next(found, folder / file)


def _missing(folder: Path) -> list[str]:
    return [file for file in SHAPES if not isfile(_path(folder, file))]


def _remedy(name: str, folder: Path) -> str:
    depths = [len(Path(known).parts) for known in FOLDERS[name] if folder.match(known)]
    home = str(folder.parents[depths[0] - 1] if depths else folder)
    call = f"minnet.datasets.fetch({name!r}, data_home={home!r})"
    return f"Run `minnet data {name} --home {home}` or {call}"


def _download(name: str, folder: Path) -> None:
    """Download the missing files of `folder`, or raise OSError with the failure of each mirror."""
    import pooch

    if not folder.is_absolute():
        raise OSError(f"this user has no home folder ({folder}); set MINNET_DATA to a folder")
    folder.mkdir(parents=True, exist_ok=True)
    downloader = pooch.HTTPDownloader(progressbar=True, timeout=10, chunk_size=1 << 16)
    for file in _missing(folder):
        failures = []
        for mirror in MIRRORS[name]:
            url = f"{mirror}{file}.gz"
            try:
                with replacing(folder / f"{file}.gz", "fetch") as stream:
                    downloader(url, stream, None)
                    stream.seek(0)
                    _verified(stream, name, file)
                break
            except (OSError, ValueError) as error:
                failures.append(f"  {url}: {error}")
        else:
            raise OSError("\n".join(failures))


def read(folder: Path, name: str) -> list[NDArray[np.uint8]]:
    """Return the contents of the four files after verification."""
    contents = []
    for file in SHAPES:
        path = _path(folder, file)
        try:
            with open_file(path, name) as stream:
                contents.append(_verified(stream, name, file))
        except ValueError as error:
            raise ValueError(f"{path}: {error}. Delete it. {_remedy(name, folder)}") from error
    return contents


def _verified(stream: Any, name: str, file: str) -> NDArray[np.uint8]:
    """Return the content of an idx file, packed or not, if it has the pinned checksum.

    The file starts with a header of four bytes, and four more for each dimension. An array of
    Keras's file is verified as the idx file that would hold it.
    """
    shape, checksum = SHAPES[file], dict(zip(SHAPES, CHECKSUMS[name], strict=True))[file]
    header = 4 + 4 * len(shape)
    size = header + math.prod(shape)
    start, kind = stream.peek(2)[:2], "gzip"
    try:
        # One byte more than expected detects a longer file without unpacking all of it.
        if start == b"PK":
            kind = "npz"
            data = _as_idx(stream, file, size)
        elif start == b"\x1f\x8b":
            data = gzip.GzipFile(fileobj=stream, mode="rb").read(size + 1)
        else:
            data = stream.read(size + 1)
    except Exception as error:  # zlib, gzip, zipfile and NumPy raise errors of many kinds
        raise ValueError(f"expected a complete {kind} file, got a damaged one ({error})") from error
    if len(data) != size:
        got = "more" if len(data) > size else f"only {len(data)}"
        raise ValueError(f"expected {size} unpacked bytes of an idx file, got {got}")
    algorithm, expected = checksum.split(":")
    digest = hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()
    if digest != expected:
        raise ValueError(f"expected {algorithm} {expected} of the unpacked bytes, got {digest}")
    return np.frombuffer(data, dtype=np.uint8, offset=header).reshape(shape)


def _as_idx(stream: Any, file: str, size: int) -> bytes:
    """Return an array of Keras's file in the format of an idx file; read little more than size."""
    part = "train" if file.startswith("train") else "test"
    name = f"{'x' if 'images' in file else 'y'}_{part}.npy"
    with zipfile.ZipFile(stream) as archive, archive.open(name) as member:
        array = as_array(member.read(size + 2**16))
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return b"\0\0\x08" + bytes([array.ndim]) + sizes + array.tobytes()

"""The idx files of MNIST and its kin: where they are, how they are fetched, why they are trusted.

A file is trusted only after its header, its length and a checksum pinned here have agreed: a figure
that a student hands in should rest on the very bytes that the lecture used. The checksums are those
of the unpacked bytes, since mirrors pack the same bytes differently.
"""

import gzip
import hashlib
import math
import os
import struct
import tempfile
import zlib
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

Home: TypeAlias = str | os.PathLike[str] | None

SHAPES: dict[str, tuple[int, ...]] = {
    "train-images-idx3-ubyte": (60000, 28, 28),
    "train-labels-idx1-ubyte": (60000,),
    "t10k-images-idx3-ubyte": (10000, 28, 28),
    "t10k-labels-idx1-ubyte": (10000,),
}
# In the order of SHAPES. Fashion-MNIST by MD5: no SHA-256 of its unpacked files is published.
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
    """Return the first folder with all four files, which may be one just filled."""
    folders = [home / name for home in _homes(data_home)]
    for folder in folders:
        if not _missing(folder):
            return folder
    if not download:
        raise FileNotFoundError(_how_to_get(name, folders, _repair(name, folders[0])))
    try:
        _download(name, folders[-1])
    except OSError as error:
        again = f"with a network or another folder (`minnet data {name} --home FOLDER`)"
        message = _how_to_get(name, folders, f"Try again {again}")
        raise FileNotFoundError(f"{message}\nThe download failed:\n{error}") from error
    return folders[-1]


def _homes(data_home: Home) -> list[Path]:
    if data_home is not None:
        return [Path(data_home).expanduser().absolute()]
    import platformdirs

    chosen = os.environ.get("MINNET_DATA")
    homes = [Path(chosen).expanduser().absolute()] if chosen else []
    try:
        cache = Path(platformdirs.user_cache_dir("minnet", appauthor=False), "data")
    except RuntimeError:  # a user without a home
        cache = Path("~", ".cache", "minnet", "data")
    return [*homes, cache]


def _path(folder: Path, file: str) -> Path | None:
    candidates = (folder / f"{file}.gz", folder / file)
    return next((path for path in candidates if path.is_file()), None)


def _missing(folder: Path) -> list[str]:
    return [file for file in SHAPES if _path(folder, file) is None]


def _how_to_get(name: str, folders: list[Path], repair: str) -> str:
    lacks = "\n".join(f"  {folder} lacks {', '.join(_missing(folder))}" for folder in folders)
    sources = "\n".join(f"  {mirror}" for mirror in MIRRORS[name])
    return (
        f"{name}: no folder has all four files:\n{lacks}\n{repair}, or put the files (plain or "
        f".gz) into one of these folders by hand; they are published at\n{sources}"
    )


def _repair(name: str, folder: Path) -> str:
    home = str(folder.parent)
    call = f"minnet.datasets.fetch({name!r}, data_home={home!r})"
    return f"Run `minnet data {name} --home {home}` or {call}"


def _download(name: str, folder: Path) -> None:
    """Fetch what `folder` lacks; OSError tells why each mirror failed."""
    import pooch

    if not folder.is_absolute():
        raise OSError(f"this user has no home folder ({folder}); set MINNET_DATA to a folder")
    folder.mkdir(parents=True, exist_ok=True)
    downloader = pooch.HTTPDownloader(progressbar=True, timeout=10, chunk_size=1 << 16)
    # Within the folder, so that the last step is one atomic renaming on one file system.
    with tempfile.TemporaryDirectory(dir=folder) as unverified:
        for file, checksum in zip(SHAPES, CHECKSUMS[name], strict=True):
            if _path(folder, file) is not None:
                continue
            path = Path(unverified, f"{file}.gz")
            failures = []
            for mirror in MIRRORS[name]:
                try:
                    downloader(mirror + path.name, str(path), None)
                    _verified(path, SHAPES[file], checksum)
                    break
                except (OSError, ValueError) as error:
                    failures.append(f"  {mirror}{path.name}: {error}")
            else:
                raise OSError("\n".join(failures))
            os.replace(path, folder / path.name)


def read(folder: Path, name: str) -> list[NDArray[np.uint8]]:
    """Return the contents of the four files, each checked."""
    contents = []
    for (file, shape), checksum in zip(SHAPES.items(), CHECKSUMS[name], strict=True):
        path = _path(folder, file) or folder / file
        try:
            contents.append(_verified(path, shape, checksum))
        except ValueError as error:
            raise ValueError(f"{path}: {error}. Delete it. {_repair(name, folder)}") from error
    return contents


def _verified(path: Path, shape: tuple[int, ...], checksum: str) -> NDArray[np.uint8]:
    """Read an idx file, packed or not, and return its contents if they are the pinned ones."""
    # One byte more than is due tells a longer file from a right one; a bomb gets no further.
    limit = 4 + 4 * len(shape) + math.prod(shape) + 1
    try:
        with path.open("rb") as file:
            packed = file.peek(2)[:2] == b"\x1f\x8b"
            stream: BinaryIO | gzip.GzipFile = gzip.GzipFile(fileobj=file) if packed else file
            data = stream.read(limit)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"expected a whole gzip file, got a damaged one ({error})") from error
    values = _parse_idx(data, shape)
    algorithm, expected = checksum.split(":")
    got = hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()
    if got != expected:
        raise ValueError(f"expected {algorithm} {expected} of the unpacked bytes, got {got}")
    return values


def _parse_idx(data: bytes, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """View idx bytes as an array of `shape`.

    An idx file of bytes opens with the magic number 0x800 + d, where d counts the dimensions,
    and the d sizes, all of them big-endian and four bytes wide; the values follow.
    """
    header = struct.Struct(f">{1 + len(shape)}I")
    if len(data) < header.size:
        raise ValueError(f"expected an idx header of {header.size} bytes, got {len(data)} in all")
    magic, *sizes = header.unpack_from(data)
    if magic != 0x800 + len(shape):
        raise ValueError(f"expected the idx magic {0x800 + len(shape):#010x}, got {magic:#010x}")
    if tuple(sizes) != shape:
        raise ValueError(f"expected shape {shape}, the header says {tuple(sizes)}")
    due, there = math.prod(shape), len(data) - header.size
    if there != due:
        came = "more" if there > due else f"only {there}"
        raise ValueError(f"expected {due} bytes after the header, got {came}")
    return np.frombuffer(data, dtype=np.uint8, offset=header.size).reshape(shape)

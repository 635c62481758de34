"""Checksummed npz files: one ``.npy`` for each array, and ``manifest.json``.

The manifest describes the arrays and has a checksum for each. Nothing is pickled, because loading a
pickle executes code, and nothing is compressed, so that no size in the file can exceed that of the
file. A new file replaces an old one in one step, when it is complete on the disk.
"""

import errno
import glob
import hashlib
import json
import math
import os
import secrets
import struct
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike

from minnet.validation import Array

MANIFEST = "manifest.json"

# The errors that zipfile, json and this module raise for a damaged file.
DAMAGE = (
    zipfile.BadZipFile, ArithmeticError, EOFError, LookupError, OSError, RuntimeError, ValueError,
    struct.error,
)  # fmt: skip


def describe_arrays(arrays: Mapping[str, Array]) -> dict[str, dict[str, Any]]:
    """Return the dtype and shape of each array, as in a manifest."""
    return {
        name: {"dtype": str(array.dtype), "shape": list(array.shape)}
        for name, array in arrays.items()
    }


def read_archive(
    path: str | os.PathLike[str], manifest_format: str, version: int, parts: tuple[str, ...]
) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the manifest and the arrays that it describes, or raise one of DAMAGE."""
    with Path(path).open("rb") as file, zipfile.ZipFile(file) as archive:
        size = os.fstat(file.fileno()).st_size
        manifest, arrays = read_manifest(archive, manifest_format, version, parts, size), {}
        for name, about in manifest["arrays"].items():
            dtype, shape = about.get("dtype"), about.get("shape")
            if dtype not in ("int64", "float32", "float64") or not (
                isinstance(shape, list) and all(type(n) is int and n >= 0 for n in shape)
            ):
                raise ValueError(f"array {name!r} is {dtype} {shape}")
            arrays[name] = read_array(archive, name, dtype, tuple(shape), about.get("sha256"))
    return manifest, arrays


def read_manifest(
    archive: zipfile.ZipFile, manifest_format: str, version: int, parts: tuple[str, ...], limit: int
) -> dict[str, Any]:
    """Return the manifest, or raise one of DAMAGE.

    It must be of this format and version, take at most ``limit`` bytes, and list exactly the
    members of the archive. These parts, and ``arrays``, must be dicts.
    """
    members = sorted(archive.namelist())
    if MANIFEST not in members:
        raise ValueError(f"it has no {MANIFEST}: minnet.save did not write it")
    manifest = json.loads(_read_member(archive, MANIFEST, limit).decode())
    if not isinstance(manifest, dict) or manifest.get("format") != manifest_format:
        raise ValueError(f"its {MANIFEST} is not of format {manifest_format!r}")
    if manifest.get("version") != version:
        raise ValueError(
            f"it is of version {manifest.get('version')!r}, not {version}; use a minnet that reads "
            f"it, such as the {manifest.get('minnet')!r} that wrote it"
        )
    arrays = manifest.get("arrays")
    if (
        not isinstance(arrays, dict)
        or not all(isinstance(manifest.get(part), dict) for part in parts)
        or not all(isinstance(about, dict) for about in arrays.values())
        or members != sorted([MANIFEST, *(f"{name}.npy" for name in arrays)])
    ):
        raise ValueError(f"its members, {members}, are not those that {MANIFEST} lists")
    return manifest


def read_array(
    archive: zipfile.ZipFile, name: str, dtype: DTypeLike, shape: tuple[int, ...], checksum: Any
) -> Array:
    """Return the array called ``name``, read-only, or raise one of DAMAGE if it is not as given."""
    dtype = np.dtype(dtype)
    header = _npy_header(dtype, shape)
    size = len(header) + math.prod(shape) * dtype.itemsize
    data = _read_member(archive, f"{name}.npy", limit=size)
    if len(data) != size or not data.startswith(header):
        raise ValueError(f"expected {size:,} bytes that begin with {header!r}")
    if hashlib.sha256(memoryview(data)[len(header) :]).hexdigest() != checksum:
        raise ValueError("its SHA-256 is not the one in the manifest")
    return np.ndarray(shape, dtype, data, len(header))


def _read_member(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    info = archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
        raise ValueError(f"{name} is compressed, which minnet.save never does")
    if info.file_size > limit:
        raise ValueError(f"{name} declares {info.file_size:,} bytes, expected at most {limit:,}")
    return archive.read(info)


def _npy_header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """Return the header of a ``.npy``; NumPy's own differs in padding between its versions."""
    text = f"{{'descr': '{dtype.str}', 'fortran_order': False, 'shape': {shape}, }}"
    text += " " * (-(10 + len(text) + 1) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def write_archive(
    path: str | os.PathLike[str], manifest: Mapping[str, Any], arrays: Mapping[str, Array]
) -> None:
    """Write arrays and the manifest, with a checksum for each array, to path: all or nothing.

    The same content gives the same bytes each time.
    """
    described = describe_arrays(arrays)
    with replacing(Path(path)) as file, zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            data = array.tobytes()
            described[name]["sha256"] = hashlib.sha256(data).hexdigest()
            header = _npy_header(array.dtype, array.shape)
            # A ZipInfo has a fixed date, unlike a name.
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), header + data)
        text = json.dumps({**manifest, "arrays": described}, indent=1, ensure_ascii=False)
        archive.writestr(zipfile.ZipInfo(MANIFEST), text.encode())


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file that replaces path at the end, unless an error is raised."""
    path = Path(os.path.realpath(path))  # a link continues to point to the file
    if not path.parent.is_dir():
        text = "save: no such folder; create it first, for instance with Path.mkdir"
        raise FileNotFoundError(errno.ENOENT, text, str(path.parent))
    if path.exists() and not path.is_file():  # a folder, or a device that must not be replaced
        kind = errno.EISDIR if path.is_dir() else errno.EINVAL
        raise OSError(kind, "save: exists and is no file; choose another name", str(path))
    prefix = f".{path.name}.minnet-"
    with _locked(path.parent):
        for leftover in path.parent.glob(f"{glob.escape(prefix)}*"):
            with suppress(OSError):
                leftover.unlink()
        temporary = path.with_name(prefix + secrets.token_hex(4))
        try:
            with temporary.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock a folder, so that saves into it wait for each other; a killed process unlocks it.

    Without locks, on Windows and some network drives, two saves to one path at a time may raise an
    error, but do not damage the file, because each writes its own temporary file.
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        with suppress(OSError):
            # Closing is not enough: a process forked meanwhile has the descriptor too.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)

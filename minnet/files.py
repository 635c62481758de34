"""Files of arrays: npz files with a manifest, written completely or not at all.

The files are ordinary npz files, which ``np.load`` opens too, with a ``manifest.json`` next to the
arrays. They contain no pickle, because loading a pickle can execute code. They are not compressed,
so that reading takes no more memory than the size of the file. A new file replaces an old one
in one step, after it has been written completely.
"""

import errno
import glob
import io
import json
import os
import secrets
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from minnet.validation import Array
from minnet.version import __version__

MANIFEST = "manifest.json"
HOUR = 3600  # seconds


def write_file(
    path: str | os.PathLike[str],
    file_format: str,
    version: int,
    contents: Mapping[str, Any],
    arrays: Mapping[str, Array],
) -> None:
    """Write arrays, and contents as JSON, to a file; failures are handled as in `save`."""
    header = {"format": file_format, "version": version, "minnet": __version__}
    # Some generators have arrays in their state.
    manifest = json.dumps(
        {**header, **contents}, indent=1, ensure_ascii=False, default=np.ndarray.tolist
    )
    with replacing(Path(path)) as file, zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
        with archive.open(MANIFEST, "w") as member:
            member.write(manifest.encode())


def require_finite(arrays: Mapping[str, Array], where: str) -> None:
    """Raise FloatingPointError if an array holds NaN or infinity."""
    bad = [name for name, array in arrays.items() if not np.isfinite(array).all()]
    if bad:
        raise FloatingPointError(
            f"{where}: expected finite values, got NaN or infinity in {', '.join(bad)}; nothing "
            "was written. Go back to the last checkpoint and lower the learning rate"
        )


@contextmanager
def opened_file(
    path: str | os.PathLike[str], where: str, file_format: str, *versions: int
) -> Iterator[tuple[dict[str, Any], dict[str, Array]]]:
    """Read the manifest and the read-only arrays of a file that `write_file` wrote.

    An error in the file, or raised while its content is processed, becomes a ValueError.
    """
    path = Path(path)
    if not path.exists():
        text = f"{where}: no such file (the path is used as given, no suffix is added)"
        raise FileNotFoundError(errno.ENOENT, text, str(path.absolute()))
    size = path.stat().st_size
    try:
        with zipfile.ZipFile(path) as archive:
            members = _read_members(archive, size)
        if MANIFEST not in members:
            raise ValueError(f"it has no {MANIFEST}, so minnet did not write it")
        manifest = json.loads(members.pop(MANIFEST))
        if not isinstance(manifest, dict) or manifest.get("format") != file_format:
            raise ValueError(f"expected format {file_format!r} in {MANIFEST}")
        if manifest.get("version") not in versions:
            raise ValueError(
                f"expected version {' or '.join(map(str, versions))}, got "
                f"{manifest.get('version')!r}; read it with minnet {manifest.get('minnet')}, which "
                "wrote it"
            )
        yield manifest, {name.removesuffix(".npy"): _as_array(members[name]) for name in members}
    except Exception as error:
        raise ValueError(
            f"{where}: cannot read {path}: {error or 'it ends too early'}; use another copy, or "
            "create the file again"
        ) from error


def _read_members(archive: zipfile.ZipFile, size: int) -> dict[str, bytes]:
    """Return the members of a file of this size in bytes, and verify the checksum of each."""
    infos = archive.infolist()
    if any(info.compress_type != zipfile.ZIP_STORED for info in infos):
        raise ValueError("expected a file that is not compressed")
    declared = sum(info.file_size for info in infos)
    if declared > size:
        raise ValueError(f"expected at most {size:,} bytes, the file's size, got {declared:,}")
    return {info.filename: archive.read(info) for info in infos}


def _as_array(data: bytes) -> Array:
    """Return the array of a ``.npy`` file as a view; a wrong header cannot allocate memory."""
    stream = io.BytesIO(data)
    np.lib.format.read_magic(stream)
    shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(stream)
    values = np.frombuffer(data, dtype, offset=stream.tell())
    return values.reshape(shape, order="F" if fortran_order else "C")


@contextmanager
def replacing(path: Path, where: str = "save") -> Iterator[BinaryIO]:
    """Open a file that replaces path at the end, unless an error is raised."""
    path = Path(os.path.realpath(path))  # a symbolic link is kept
    if not path.parent.is_dir():
        text = f"{where}: no such folder; create it first, for instance with Path.mkdir"
        raise FileNotFoundError(errno.ENOENT, text, str(path.parent))
    if path.exists() and not path.is_file():  # a folder, or a device that must not be replaced
        text = f"{where}: exists and is no file; choose another name"
        raise OSError(errno.EINVAL, text, str(path))
    prefix = f".{path.name}.minnet-"
    for leftover in path.parent.glob(f"{glob.escape(prefix)}*"):
        with suppress(OSError):
            if time.time() - leftover.stat().st_mtime > HOUR:  # no process is writing it
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

"""Files: all reading and writing, and npz files of arrays with a manifest.

`replacing` writes each file completely or not at all: a new file replaces an old one in one step,
after it has been written completely. `open_file` opens regular files only, because a pipe can block
and a device can be endless.

Files of arrays are ordinary npz files, which ``np.load`` opens too, with a ``manifest.json`` next
to the arrays. They contain no pickle, because loading a pickle can execute code. Only recordings
are compressed, and only up to `COMPRESSED`, so that reading takes no more memory than this size or
that of the file.
"""

import errno
import glob
import io
import json
import os
import secrets
import shutil
import stat
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np

from minnet.validation import Array, shown
from minnet.version import __version__

MANIFEST = "manifest.json"
HOUR = 3600  # seconds
NONBLOCK: int = getattr(os, "O_NONBLOCK", 0)
AnyPath: TypeAlias = str | os.PathLike[str]
COMPRESSED = 2**28  # bytes, maximum size of compressed arrays


def write_file(
    path: AnyPath,
    file_format: str,
    version: int,
    contents: Mapping[str, Any],
    arrays: Mapping[str, Array],
    *,
    compressed: bool = False,
) -> None:
    """Write arrays, and contents as JSON, to a file; failures are handled as in `save`."""
    compressed = compressed and sum(array.nbytes for array in arrays.values()) < COMPRESSED / 2
    method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    header = {"format": file_format, "version": version, "minnet": __version__}
    # Some generators have arrays in their state.
    manifest = json.dumps(
        {**header, **contents}, indent=1, ensure_ascii=False, default=np.ndarray.tolist
    )
    with (
        replacing(path) as file,
        zipfile.ZipFile(file, "w", method, compresslevel=1) as archive,
    ):
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
    path: AnyPath, where: str, file_format: str, *versions: int, compressed: bool = False
) -> Iterator[tuple[dict[str, Any], dict[str, Array]]]:
    """Read the manifest and the read-only arrays of a file that `write_file` wrote.

    An error in the file, or raised while its content is processed, becomes a ValueError.
    """
    stream = open_file(path, where)
    size = os.fstat(stream.fileno()).st_size
    try:
        with stream, zipfile.ZipFile(stream) as archive:
            members = _read_members(archive, size, compressed)
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
        yield manifest, {name.removesuffix(".npy"): as_array(members[name]) for name in members}
    except MemoryError:
        raise
    except Exception as error:
        raise ValueError(
            f"{where}: cannot read {path}: {str(error) or 'it ends too early'}; use another "
            "copy, or create the file again"
        ) from error


def _read_members(archive: zipfile.ZipFile, size: int, compressed: bool) -> dict[str, bytes]:
    """Return the members of a file of this size in bytes, and verify the checksum of each."""
    infos = archive.infolist()
    methods = {info.compress_type for info in infos} - {zipfile.ZIP_STORED}
    if methods and not (compressed and methods == {zipfile.ZIP_DEFLATED}):
        raise ValueError("expected a file that is not compressed")
    declared, most = sum(info.file_size for info in infos), max(size, COMPRESSED if methods else 0)
    if declared > most:
        raise ValueError(f"expected at most {most:,} bytes, got {declared:,}")
    return {info.filename: archive.read(info) for info in infos}


def as_array(data: bytes) -> Array:
    """Return the array of a ``.npy`` file as a view; a wrong header cannot allocate memory."""
    stream = io.BytesIO(data)
    np.lib.format.read_magic(stream)
    shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(stream)
    values = np.frombuffer(data, dtype, offset=stream.tell())
    return values.reshape(shape, order="F" if fortran_order else "C")


def as_path(path: AnyPath, where: str = "path") -> Path:
    """Return path with "~" expanded; raise TypeError or ValueError if it is no path."""
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if not isinstance(text, str):
        raise TypeError(f"{where}: expected a path, got {shown(path)}; use a str such as 'net.npz'")
    try:
        valid = "\0" not in text and os.fsencode(text)
    except UnicodeEncodeError:
        valid = False
    if not valid:
        raise ValueError(
            f"{where}: expected a path of valid characters, got {text!r}; use a str such as "
            "'net.npz'"
        )
    return Path(os.path.expanduser(text))


def open_file(path: AnyPath, where: str) -> io.BufferedReader:
    """Open a regular file for reading; raise OSError at once if it is missing or of another kind.

    FileNotFoundError and IsADirectoryError are such errors.
    """
    path = as_path(path, where)
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
        if kind == stat.S_IFREG:  # O_NONBLOCK, in case a pipe has replaced the file since
            return open(path, "rb", opener=lambda name, flags: os.open(name, flags | NONBLOCK))
    except OSError as error:
        text = f"expected the path of a file that can be opened, got an error: {error.strerror}"
        if error.errno == errno.ENOENT:
            text = "no such file (the path is used as given, no suffix is added)"
        raise OSError(error.errno, f"{where}: {text}", str(path.absolute())) from error
    code, got = errno.EINVAL, "a pipe, socket or device"
    if kind == stat.S_IFDIR:
        code, got = errno.EISDIR, "a folder"
    raise OSError(
        code, f"{where}: expected a regular file, got {got}; pass the path of a file", str(path)
    )


def read_bytes(path: AnyPath, where: str, most: int | None = None) -> bytes:
    """Return the content of a regular file; raise OSError if it has more than ``most`` bytes."""
    with open_file(path, where) as file:
        most = os.fstat(file.fileno()).st_size if most is None else most
        try:
            data = file.read(most + 1)
        except OSError as error:
            text = f"{where}: cannot read it, {error.strerror}; use another copy"
            raise OSError(error.errno, text, str(path)) from error
    if len(data) > most:
        text = f"{where}: expected at most {most:,} bytes, got more; shorten the file"
        raise OSError(errno.EFBIG, text, str(path))
    return data


def write_text(path: AnyPath, text: str, where: str = "save") -> None:
    """Write a text completely or not at all; what UTF-8 cannot encode becomes an escape."""
    with replacing(path, where) as file:
        file.write(text.encode(errors="backslashreplace"))


@contextmanager
def replacing(path: AnyPath, where: str = "save") -> Iterator[BinaryIO]:
    """Open a file that replaces path at the end, unless an error is raised.

    It has the mode, group and, if possible, owner of the existing file. An OSError names path.
    """
    path = Path(os.path.realpath(as_path(path, where)))  # a symbolic link is kept
    if not path.parent.is_dir():
        text = f"{where}: no such folder; create it first, for instance with Path.mkdir"
        raise FileNotFoundError(errno.ENOENT, text, str(path.parent))
    exists = os.path.exists(path)  # unlike Path.exists, False for a name that is too long
    if exists and not path.is_file():  # a folder, or a device that must not be replaced
        text = f"{where}: exists and is no file; choose another name"
        raise OSError(errno.EINVAL, text, str(path))
    if exists and not os.access(path, os.W_OK):
        text = f"{where}: is write-protected; make it writable, or choose another name"
        raise PermissionError(errno.EACCES, text, str(path))
    prefix = f".{path.name[:40]}.minnet-"  # short, because the length of names is limited
    for leftover in path.parent.glob(f"{glob.escape(prefix)}*"):
        with suppress(OSError):
            if time.time() - leftover.stat().st_mtime > HOUR:  # no process is writing it
                leftover.unlink()
    temporary = path.with_name(prefix + secrets.token_hex(4))
    try:
        with temporary.open("x+b") as file:
            if exists:
                _copy_rights(path, temporary)
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if error.errno is None or error.filename not in (None, str(temporary)):
            raise  # not an error of this file
        text = (
            f"{where}: cannot write, {error.strerror}; nothing has changed. Free space, or choose "
            "another folder"
        )
        raise OSError(error.errno, text, str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def _copy_rights(old: Path, new: Path) -> None:
    status = old.stat()
    for owner in (status.st_uid, -1):  # only root can give a file to another user
        with suppress(OSError, AttributeError):
            os.chown(new, owner, status.st_gid)
            break
    shutil.copymode(old, new)

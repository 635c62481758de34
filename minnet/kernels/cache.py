"""A store of bytes on disk that can fail in every way and do no harm.

Compiling all kernels takes many seconds, so ``compiling.py`` keeps their machine code here, one
file a kernel and dtype, in one folder a key. What is read back is unpickled and run, hence two
rules. Only what this user wrote is read: the folder and the file must belong to the user and be
closed to writing by others. And a file counts only whole: its header holds a SHA-256 of its name
and content, so a truncated, damaged or misplaced file is the same as none. A file appears at once
under its name (``os.replace``), so processes need no lock between them. Reading never raises;
writing that fails leaves nothing behind and warns once a process.
"""

import contextlib
import hashlib
import os
import re
import shutil
import stat
import tempfile
import warnings
from pathlib import Path

MAGIC = b"minnet kernels 1\n"
HEADER_SIZE = len(MAGIC) + 8 + hashlib.sha256().digest_size
KEY = re.compile(r"[0-9a-f]{32}")
KEYS_KEPT = 8

_warned = False


def root() -> Path:
    """Return the folder that holds one folder a key.

    It lies in the user's cache folder, or in ``MINNET_CACHE_DIR`` where that is set.

    Raises
    ------
    OSError
        If that is no absolute path, as for a user without a home.
    """
    chosen = os.environ.get("MINNET_CACHE_DIR")
    if not chosen:
        import platformdirs

        try:
            chosen = platformdirs.user_cache_dir("minnet", appauthor=False)
        except RuntimeError as error:
            raise OSError(str(error)) from error
    if not Path(chosen).is_absolute():
        raise NotADirectoryError(f"{chosen} is not an absolute path")
    return Path(chosen, "kernels")


def warn_once(reason: object) -> None:
    """Say once a process that kernels are compiled anew every time, why, and what to do."""
    global _warned  # noqa: PLW0603 - once a process is what is promised
    if _warned:
        return
    _warned = True
    try:
        folder = str(root())
    except OSError:
        folder = "the user's cache folder"
    warnings.warn(
        f"the compiled kernels cannot be kept in {folder} ({reason}); minnet works, but compiles "
        "them again in every process. Set the environment variable MINNET_CACHE_DIR to a folder "
        "of yours that can be written to.",
        RuntimeWarning,
        stacklevel=2,
    )


class Store:
    """Bytes by name in the folder of one key.

    Parameters
    ----------
    key : str
        32 hexadecimal digits that stand for everything the bytes depend on.
    """

    def __init__(self, key: str) -> None:
        self.key = key

    def read(self, name: str) -> bytes | None:
        """Return what was written under this name, or None if that is not there, whole and ours."""
        try:
            path = self._folder(create=False) / name
            with open(path, "rb", opener=_open_no_link) as file:
                if not _is_ours(os.fstat(file.fileno())):
                    return None
                content = file.read()
        except OSError:
            return None
        header, payload = content[:HEADER_SIZE], content[HEADER_SIZE:]
        return payload if header == self._header(name, payload) else None

    def write(self, name: str, payload: bytes) -> None:
        """Keep the bytes under this name: all of them, or none and a warning."""
        try:
            folder = self._folder(create=True)
            descriptor, temporary = tempfile.mkstemp(dir=folder, suffix=".tmp")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(self._header(name, payload) + payload)
                os.replace(temporary, folder / name)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
                raise
        except OSError as error:
            warn_once(error)

    def _header(self, name: str, payload: bytes) -> bytes:
        identity = f"{self.key}/{name}\n".encode()
        digest = hashlib.sha256(identity + payload).digest()
        return MAGIC + len(payload).to_bytes(8, "little") + digest

    def _folder(self, *, create: bool) -> Path:
        """Return the folder of this key, checked anew each time, because others may touch it."""
        parent = root()
        folder = parent / self.key
        new = create and not folder.exists()
        for place in (parent, folder):
            if create:
                place.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = place.lstat()
            if not stat.S_ISDIR(status.st_mode):
                raise NotADirectoryError(f"{place} is not a folder")
            if not _is_ours(status):
                raise PermissionError(f"{place} belongs to, or can be changed by, another user")
        with contextlib.suppress(OSError):
            os.utime(folder)
        if new:
            _prune(parent)
        return folder


def _open_no_link(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0))


def _is_ours(status: os.stat_result) -> bool:
    """Tell whether this is the user's own, closed to writing by others (Windows sees to that)."""
    if not hasattr(os, "geteuid"):
        return True
    others_write = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return status.st_uid == os.geteuid() and not others_write


def _prune(parent: Path) -> None:
    """Remove all but the most recently used folders that bear a key for a name."""
    with contextlib.suppress(OSError):
        used = {
            entry.path: entry.stat(follow_symlinks=False).st_mtime_ns
            for entry in os.scandir(parent)
            if KEY.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
        }
        for path in sorted(used, key=lambda path: used[path], reverse=True)[KEYS_KEPT:]:
            shutil.rmtree(path, ignore_errors=True)

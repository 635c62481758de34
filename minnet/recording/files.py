"""A recording in a file: its settings, and a few arrays for each layer and kind.

The file is an npz as `minnet.archives` writes them. Nothing in it is believed before it is seen to
be so: what comes out is of a size that the file really has, of numbers, and complete. Whether it
makes sense as a recording, the probe says whose it is.
"""

from __future__ import annotations

import errno
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minnet.archives import read_array, read_manifest, write_archive
from minnet.validation import Array

VERSION = 1
Key = tuple[str, str]  # a layer's dotted name, and a kind
States = dict[Key, dict[str, Array]]


def write_recording(
    path: str | os.PathLike[str],
    file_format: str,
    settings: Mapping[str, Any],
    states: States,
) -> None:
    """Write the arrays of each layer and kind to path: all of it or nothing."""
    from minnet import __version__

    arrays = {
        f"{number}.{name}": array
        for number, state in enumerate(states.values())
        for name, array in state.items()
    }
    manifest = {
        "format": file_format,
        "version": VERSION,
        "minnet": __version__,
        "settings": settings,
        "series": {str(number): list(key) for number, key in enumerate(states)},
    }
    write_archive(path, manifest, arrays)


def read_recording(
    path: str | os.PathLike[str], file_format: str, who: str
) -> tuple[dict[str, Any], States]:
    """Return the settings and the arrays that `write_recording` wrote, or raise one of DAMAGE.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    """
    if not Path(path).exists():
        text = f"{who}.load: no such file (the path is used as given, no suffix is added)"
        raise FileNotFoundError(errno.ENOENT, text, str(Path(path).absolute()))
    with Path(path).open("rb") as file, zipfile.ZipFile(file) as archive:
        parts, size = ("settings", "series", "arrays"), os.fstat(file.fileno()).st_size
        manifest = read_manifest(archive, file_format, VERSION, parts, limit=size)
        found: dict[str, dict[str, Array]] = {number: {} for number in manifest["series"]}
        for name, about in manifest["arrays"].items():
            number, _, part = name.partition(".")
            dtype, shape = about.get("dtype"), about.get("shape")
            if dtype not in ("int64", "float32", "float64") or not _is_shape(shape):
                raise ValueError(f"array {name!r} is {dtype} {shape}")
            checksum = about.get("sha256")
            found[number][part] = read_array(archive, name, dtype, tuple(shape), checksum)
    keys = {number: (layer, kind) for number, (layer, kind) in manifest["series"].items()}
    if not all(isinstance(name, str) for key in keys.values() for name in key):
        raise ValueError(f"its series are {keys}")
    return manifest["settings"], {keys[number]: state for number, state in found.items()}


def _is_shape(shape: Any) -> bool:
    return isinstance(shape, list) and all(
        isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in shape
    )

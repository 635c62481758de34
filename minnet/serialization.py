"""Save and load the parameters and the state of a network.

The files are ordinary npz files, which ``np.load`` opens too, with a ``manifest.json`` next to the
arrays. They contain no pickle, because loading a pickle can execute code. They are not compressed,
so that reading takes no more memory than the size of the file. A new file replaces an old one
in one step, after it has been written completely. Recordings are saved in the same way.
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

from minnet.layers.sequential import Sequential
from minnet.validation import Array
from minnet.version import __version__

FORMAT, VERSION = "minnet weights", 1
MANIFEST = "manifest.json"
HOUR = 3600  # seconds

# Networks.


def save(net: Sequential, path: str | os.PathLike[str]) -> None:
    """Write the parameters and the state of net to a file, completely or not at all.

    Layers, gradients, the optimizer's state and the generators of dropout are not saved, because
    `load` fills an existing network. Saving the same network again produces the same bytes.

    After a failure, ``path`` holds either the complete old file or the complete new file. An error
    leaves no other file. If the process is killed while it writes, a hidden file
    ``.<name>.minnet-...`` can remain. A later save to the same path removes this file once it is an
    hour old.

    Parameters
    ----------
    net : Sequential
        The network, which is not changed.
    path : str or path
        Used as given: no suffix is added, but ``.npz`` is usual.

    Raises
    ------
    FloatingPointError
        If a value is NaN or infinity. Nothing is written, because `load` would reject the file.
    OSError
        If the file cannot be written; FileNotFoundError if the folder does not exist.
    TypeError, ValueError
        If net is not a `Sequential`, or a layer's state is not as `Layer.state` requires.

    Examples
    --------
    >>> import tempfile
    >>> from minnet import BatchNorm, Dense
    >>> net = Sequential([Dense(4, 3), BatchNorm(3)], rng=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(net, f"{folder}/net.npz")
    ...     twin = load(Sequential([Dense(4, 3), BatchNorm(3)]), f"{folder}/net.npz")
    >>> bool((twin.theta == net.theta).all())
    True
    """
    arrays = _arrays(net, "save")
    bad = [name for name, array in arrays.items() if not np.isfinite(array).all()]
    if bad:
        raise FloatingPointError(
            f"save: expected finite values, got NaN or infinity in {', '.join(bad)}; nothing was "
            "written. Go back to the last checkpoint and lower the learning rate"
        )
    write_file(path, FORMAT, VERSION, {"layers": _layers(net)}, arrays)


def load(net: Sequential, path: str | os.PathLike[str]) -> Sequential:
    """Fill net with the parameters and the state from a file written by `save`, and return net.

    Build net like the saved network: with the same dtype, and with layers of the same names and
    descriptions in the same order. `Layer.describe` returns the description. For example, that of
    `BatchNorm` contains eps but not momentum. The values are copied into the existing arrays, so an
    existing optimizer for net remains valid. The buffers of the last training step are discarded.

    Parameters
    ----------
    net : Sequential
        The network, which changes only if the whole file is valid.
    path : str or path
        Used as given: no suffix is added.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If the file is damaged, was not written by `save`, has another format version, belongs to a
        different network, or holds NaN or infinity. The message lists every difference from net.
    TypeError
        If net is not a `Sequential`.
    """
    arrays = _arrays(net, "load")
    with opened_file(path, "load", FORMAT, VERSION) as (manifest, values):
        problems = _differences("layer", manifest["layers"], _layers(net))
        problems += _differences("array", _labels(values), _labels(arrays))
        problems += [
            f"array {name!r}: holds NaN or infinity"
            for name, value in values.items()
            if value.dtype.kind == "f" and not np.isfinite(value).all()
        ]
    if problems:
        raise ValueError(
            f"load: {path} does not match the network, which is unchanged:\n  "
            + "\n  ".join(problems)
            + "\nBuild the network as it was when it was saved: layers, names, sizes and dtype"
        )
    for name, array in arrays.items():
        array[...] = values[name]
    net.forget_buffers()
    return net


def _arrays(net: Sequential, where: str) -> dict[str, Array]:
    """Return all parameters and state arrays by name, without copying."""
    if not isinstance(net, Sequential):
        raise TypeError(f"{where}: expected {where}(net, path) with a Sequential, got {net!r}")
    params = {name: param.value for name, param in net.params.items()}
    state: dict[str, Any] = dict(net.state)
    for name, again in net.state.items():
        array = state[name]
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
            raise TypeError(
                f"{where}: expected state {name} as an array of real numbers, got {array!r}"
            )
        same = array.size == 0 or np.may_share_memory(array, again)
        if name in params or not same or not array.flags.writeable:
            raise ValueError(
                f"{where}: expected state {name} as the writeable array that the layer uses, not "
                "a copy, with a name that no parameter has"
            )
    return params | state


def _layers(net: Sequential) -> dict[str, str]:
    """Return layer name -> description, or -> class name for a container."""
    return {
        name: type(layer).__name__ if hasattr(layer, "layers") else layer.describe()
        for name, layer in net.walk()
    }


def _labels(arrays: Mapping[str, Array]) -> dict[str, str]:
    return {name: f"{array.dtype} {list(array.shape)}" for name, array in arrays.items()}


def _differences(kind: str, file: dict[str, str], net: dict[str, str]) -> list[str]:
    """Return a message for each difference between the file and the network."""
    problems = []
    for name in {**net, **file}:
        found, expected = file.get(name, "none"), net.get(name, "none")
        if found != expected:
            problems.append(f"{kind} {name!r}: the file has {found}, the network {expected}")
    if file.keys() == net.keys() and list(file) != list(net):
        problems.append(f"order of {kind}s: the file has {list(file)}, the network {list(net)}")
    return problems


# Files.


def write_file(
    path: str | os.PathLike[str],
    file_format: str,
    version: int,
    contents: Mapping[str, Any],
    arrays: Mapping[str, Array],
) -> None:
    """Write arrays, and contents as JSON, to a file; failures are handled as in `save`."""
    header = {"format": file_format, "version": version, "minnet": __version__}
    with replacing(Path(path)) as file, zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
        with archive.open(MANIFEST, "w") as member:
            member.write(json.dumps({**header, **contents}, indent=1, ensure_ascii=False).encode())


@contextmanager
def opened_file(
    path: str | os.PathLike[str], where: str, file_format: str, version: int
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
        if manifest.get("version") != version:
            raise ValueError(
                f"expected version {version}, got {manifest.get('version')!r}; read it with "
                f"minnet {manifest.get('minnet')}, which wrote it"
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
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file that replaces path at the end, unless an error is raised."""
    path = Path(os.path.realpath(path))  # a symbolic link is kept
    if not path.parent.is_dir():
        text = "save: no such folder; create it first, for instance with Path.mkdir"
        raise FileNotFoundError(errno.ENOENT, text, str(path.parent))
    if path.exists() and not path.is_file():  # a folder, or a device that must not be replaced
        raise OSError(errno.EINVAL, "save: exists and is no file; choose another name", str(path))
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

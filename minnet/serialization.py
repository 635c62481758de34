"""Save and load the parameters and the state of a network.

The file is an ordinary npz, which ``np.load`` opens too. It has one ``.npy`` for each array, and
``manifest.json`` with the layers of the network and a checksum for each array. It contains no
pickle, because loading a pickle can execute code.

`save` replaces an older file in one atomic step, after the new one is completely on the disk.
`load` changes the network only after the whole file has been verified. The network determines what
is expected, so that a file cannot make `load` allocate memory for sizes that it merely declares.
"""

import errno
import json
import os
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from minnet.archives import DAMAGE, describe_arrays, read_array, read_manifest, write_archive
from minnet.layers.sequential import Sequential
from minnet.validation import Array
from minnet.version import __version__

FORMAT, VERSION = "minnet weights", 1


def save(net: Sequential, path: str | os.PathLike[str]) -> None:
    """Write the parameters and the state of net to a file, completely or not at all.

    The layers (`load` fills a network that is built already), gradients, the optimizer's state and
    the generators of dropout are not saved. The same network gives the same bytes each time.

    Whatever fails, path holds the complete old file or the complete new one, and an error leaves no
    other file behind. Only a process that is killed while it writes can leave a hidden file
    ``.<name>.minnet-...``, which the next save to path removes. Concurrent saves into one folder
    wait for each other where the system can lock a folder (Windows cannot).

    Parameters
    ----------
    net : Sequential
        The network, which is not changed.
    path : str or path
        Used as given: no suffix is added, but ``.npz`` is usual.

    Raises
    ------
    FloatingPointError
        If a value is NaN or infinity: `load` would reject it, and an older file would be lost.
    OSError
        If the file cannot be written; FileNotFoundError if the folder does not exist.
    TypeError, ValueError
        If net is not a `Sequential`, or a layer's state does not fulfil `Layer.state`.

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
            f"save: NaN or infinity in {', '.join(bad)}; nothing was written. Go back to the last "
            "checkpoint and lower the learning rate"
        )
    write_archive(path, _describe(net, arrays), arrays)


def load(net: Sequential, path: str | os.PathLike[str]) -> Sequential:
    """Fill net with the parameters and the state from a file written by `save`, and return net.

    Build net like the saved network: the same dtype, and layers of the same names and descriptions
    in the same order. `Layer.describe` gives the description: the eps of `BatchNorm` is part of it,
    its momentum is not. The values are copied into the existing arrays, so an optimizer made for
    net keeps working. The buffers of the last training step are discarded.

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
        If the file is damaged, not written by `save`, from a later version of minnet, of another
        network, or holds NaN or infinity. The message lists every problem.
    TypeError
        If net is not a `Sequential`.
    """
    arrays = _arrays(net, "load")
    path = Path(path)
    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        text = "load: no such file (the path is used as given, no suffix is added)"
        raise FileNotFoundError(errno.ENOENT, text, str(path.absolute())) from error
    with file:
        values, problems = _read(file, net, arrays)
    if problems:
        raise ValueError(
            "\n  ".join([f"load: {path} was refused, the network is unchanged:", *problems])
            + "\nBuild the network as it was when it was saved (layers, names, sizes, dtype); if "
            "the file is damaged, take another copy or save again"
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
                f"{where}: state {name} must be an array of real numbers, got {array!r}"
            )
        same = array.size == 0 or np.may_share_memory(array, again)
        if name in params or not same or not array.flags.writeable:
            raise ValueError(
                f"{where}: state {name} must be the array that the layer uses, not a copy, "
                "writeable, and named unlike the layer's parameters"
            )
    return params | state


def _describe(net: Sequential, arrays: dict[str, Array]) -> dict[str, Any]:
    """Return the manifest without checksums, which `save` writes and `load` compares."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "minnet": __version__,
        "dtype": str(net.dtype),
        # A container by its kind only, because its layers follow.
        "layers": {
            name: type(layer).__name__ if hasattr(layer, "layers") else layer.describe()
            for name, layer in net.walk()
        },
        "arrays": describe_arrays(arrays),
    }


def _read(
    file: BinaryIO, net: Sequential, arrays: dict[str, Array]
) -> tuple[dict[str, Array], list[str]]:
    """Return the arrays in the file, and a list of all problems with it."""
    expected = _describe(net, arrays)
    values: dict[str, Array] = {}
    problems: list[str] = []
    try:
        with zipfile.ZipFile(file) as archive:
            limit = 2**20 + 4 * len(json.dumps(expected))
            manifest = read_manifest(archive, FORMAT, VERSION, ("layers", "arrays"), limit)
            problems += _differences("layer", manifest["layers"], expected["layers"])
            problems += _differences("array", manifest["arrays"], expected["arrays"])
            for name, entry in manifest["arrays"].items():
                if _label(entry) != _label(expected["arrays"].get(name)):
                    continue
                array = arrays[name]
                try:
                    value = read_array(archive, name, array.dtype, array.shape, entry.get("sha256"))
                    if not np.isfinite(value).all():
                        raise ValueError("holds NaN or infinity")
                    values[name] = value
                except DAMAGE as error:
                    problems.append(f"array {name!r}: {error or 'it ends too early'}")
    except DAMAGE as error:
        problems.append(f"it cannot be read: {error or 'it ends too early'}")
    return values, problems


def _differences(kind: str, file: dict[str, Any], net: dict[str, Any]) -> list[str]:
    """Return where the layers or arrays of the file differ from those of the network."""
    problems = []
    for name in {**net, **file}:
        found, expected = _label(file.get(name, "none")), _label(net.get(name, "none"))
        if found != expected:
            problems.append(f"{kind} {name!r}: the file has {found}, the network {expected}")
    if file.keys() == net.keys() and list(file) != list(net):
        problems.append(f"order of {kind}s: the file has {list(file)}, the network {list(net)}")
    return problems


def _label(entry: Any) -> str:
    """Return a layer or an array of a manifest as text."""
    if isinstance(entry, dict):
        return f"{entry.get('dtype')} {entry.get('shape')}"
    return str(entry)

"""A network's numbers in a file, and back: the parameters, and state such as running statistics.

The file is an ordinary npz, which ``np.load`` opens too: one ``.npy`` for each array, and
``manifest.json``, which says what the network is made of and has a checksum for each array. There
is no pickle in it, because loading a pickle runs whatever it says.

A checkpoint may be all that is left of a night's training, and may come from anybody. So `save`
lets the new file take the place of the old one in one step, when all of it is on the disk; and
`load` changes the network only when everything in the file has proved right. The network tells
what to expect: no size in the file is believed, and no memory taken, before it equals that.
"""

import errno
import json
import os
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from minnet.archives import (
    DAMAGE,
    describe_arrays,
    read_array,
    read_manifest,
    write_archive,
)
from minnet.layers.container import Container
from minnet.layers.sequential import Sequential
from minnet.validation import Array

FORMAT, VERSION = "minnet weights", 1


def save(net: Sequential, path: str | os.PathLike[str]) -> None:
    """Write the parameters and the state of net to a file: all of it or nothing.

    Not in it are the layers (`load` fills a network that is built), gradients, the optimizer's
    memory, and the generators of dropout. The same network gives the same bytes each time.

    At every moment, whatever fails or is killed, path holds the old file or the new one, whole,
    and an error leaves nothing else behind. Only a process killed, or a machine stopped, while it
    writes can leave a hidden ``.<name>.minnet-...`` there; the next save to path removes it. Saves
    into one folder wait for one another, where the system can lock a folder (Windows cannot).

    Parameters
    ----------
    net : Sequential
        Left as it is.
    path : str or path
        Used as given: no suffix is added, but ``.npz`` is the usual one.

    Raises
    ------
    FloatingPointError
        If NaN or infinity is to be saved: that would cost an older file, and `load` refuses it.
    OSError
        If the disk is full or does not let us write; FileNotFoundError if there is no such folder.
    TypeError, ValueError
        If net is no `Sequential`, or a layer's state is not what `Layer.state` promises.

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
    """Fill net with the parameters and the state from a file of `save`'s, and return net.

    Build net as the saved one was: layers of the same names, kinds and sizes in the same order,
    and the same dtype, for float64 numbers rounded to float32 make another network. What a layer
    does not `describe`, such as the eps of `BatchNorm`, is not compared. The numbers are copied
    into the arrays that are there, so an optimizer made for net goes on working. The buffers of
    the last training step are forgotten.

    Parameters
    ----------
    net : Sequential
        Unchanged unless everything in the file is right.
    path : str or path
        Used as given: no suffix is added.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged, not one of `save`'s, from a later minnet, of another network, or
        holds NaN or infinity. Everything that is wrong is listed.
    TypeError
        If net is no `Sequential`.
    """
    arrays = _arrays(net, "load")
    path = Path(path)
    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        text = "load: no such file (the path is used as given, no suffix is added)"
        raise FileNotFoundError(errno.ENOENT, text, str(path.absolute())) from error
    with file:
        found, problems = _examine(file, net, arrays)
    if problems:
        raise ValueError(
            "\n  ".join([f"load: {path} was refused, the network is unchanged:", *problems])
            + "\nBuild the network as it was when it was saved (layers, names, sizes, dtype); if "
            "the file is damaged, take another copy or save again"
        )
    for name, array in arrays.items():
        array[...] = found[name]
    net.forget_buffers()
    return net


def _arrays(net: Sequential, who: str) -> dict[str, Array]:
    """Return all that is saved by name: the network's own arrays, no copies."""
    if not isinstance(net, Sequential):
        raise TypeError(f"{who}: expected {who}(net, path) with a Sequential, got {net!r}")
    params = {name: param.value for name, param in net.params.items()}
    state: dict[str, Any] = dict(net.state)
    for name, again in net.state.items():
        array = state[name]
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
            raise TypeError(f"{who}: state {name} must be an array of real numbers, got {array!r}")
        own = array.size == 0 or np.may_share_memory(array, again)
        if name in params or not own or not array.flags.writeable:
            raise ValueError(
                f"{who}: state {name} must be the very array that the layer uses, not a copy, "
                "writeable, and named unlike the layer's parameters"
            )
    return params | state


def _describe(net: Sequential, arrays: dict[str, Array]) -> dict[str, Any]:
    """Return the manifest without checksums; `save` writes it, `load` compares it."""
    from minnet import __version__

    return {
        "format": FORMAT,
        "version": VERSION,
        "minnet": __version__,
        "dtype": str(net.dtype),
        # A container by its kind only: what it holds comes next.
        "layers": {
            name: type(layer).__name__ if isinstance(layer, Container) else layer.describe()
            for name, layer in net.walk()
        },
        "arrays": describe_arrays(arrays),
    }


# Reading: each line of what is wrong goes into one message.


def _examine(
    file: BinaryIO, net: Sequential, arrays: dict[str, Array]
) -> tuple[dict[str, Array], list[str]]:
    """Return the arrays in the file, and a list of all that is wrong with it."""
    expected = _describe(net, arrays)
    found: dict[str, Array] = {}
    problems: list[str] = []
    try:
        with zipfile.ZipFile(file) as archive:
            limit = 2**20 + 4 * len(json.dumps(expected))
            manifest = read_manifest(archive, FORMAT, VERSION, ("layers", "arrays"), limit)
            problems += _differences("layer", manifest["layers"], expected["layers"])
            problems += _differences("array", manifest["arrays"], expected["arrays"])
            for name, about in manifest["arrays"].items():
                if _told(about) != _told(expected["arrays"].get(name)):
                    continue
                try:
                    found[name] = _read_array(archive, name, arrays[name], about.get("sha256"))
                except DAMAGE as error:
                    problems.append(f"array {name!r}: {error or 'it ends too early'}")
    except DAMAGE as error:
        problems.append(f"it cannot be read: {error or 'it ends too early'}")
    return found, problems


def _differences(kind: str, there: dict[str, Any], here: dict[str, Any]) -> list[str]:
    """Say where the file's layers or arrays are not the network's."""
    problems = []
    for name in {**here, **there}:
        has, wants = _told(there.get(name, "none")), _told(here.get(name, "none"))
        if has != wants:
            problems.append(f"{kind} {name!r}: the file has {has}, the network {wants}")
    if there.keys() == here.keys() and list(there) != list(here):
        problems.append(f"order of {kind}s: the file has {list(there)}, the network {list(here)}")
    return problems


def _told(about: Any) -> str:
    return f"{about.get('dtype')} {about.get('shape')}" if isinstance(about, dict) else str(about)


def _read_array(archive: zipfile.ZipFile, name: str, array: Array, checksum: Any) -> Array:
    """Return what the file has for one array of the network, or raise."""
    value = read_array(archive, name, array.dtype, array.shape, checksum)
    if not np.isfinite(value).all():
        raise ValueError("holds NaN or infinity")
    return value

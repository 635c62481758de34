"""Save and load networks as safetensors files, under the names of PyTorch's state dict.

Such a file contains arrays and no code. ``safetensors.torch.load_file`` and other programs read it,
and `load_safetensors` reads files from PyTorch. This module needs the package ``safetensors``.
"""

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np

from minnet.layers.sequential import Sequential
from minnet.serialization import replacing


def save_safetensors(net: Sequential, path: str | os.PathLike[str]) -> None:
    """Write the parameters and the state of net to a safetensors file, completely or not at all.

    The names and layouts are those of `Sequential.to_torch_state_dict`.

    Parameters
    ----------
    net : Sequential
        The network, which is not changed.
    path : str or path
        Used as given: no suffix is added, but ``.safetensors`` is usual.

    Raises
    ------
    FloatingPointError
        If a value is NaN or infinity; nothing is written.
    OSError
        If the file cannot be written; FileNotFoundError if the folder does not exist.
    ImportError
        If the package ``safetensors`` is not installed.
    TypeError
        If net is not a `Sequential`.
    """
    library = _library()
    arrays = _checked(net, "save_safetensors").to_torch_state_dict()
    bad = [name for name, array in arrays.items() if not np.isfinite(array).all()]
    if bad:
        raise FloatingPointError(
            f"save_safetensors: expected finite values, got NaN or infinity in {', '.join(bad)}; "
            "nothing was written. Go back to the last checkpoint and lower the learning rate"
        )
    with replacing(Path(path)) as file:
        file.write(library.save(arrays, metadata={"format": "pt"}))


def load_safetensors(net: Sequential, path: str | os.PathLike[str]) -> Sequential:
    """Fill net with the arrays of a safetensors file, and return net.

    Parameters
    ----------
    net : Sequential
        The network, which changes only if the whole file is valid.
    path : str or path
        File with the names and layouts of `Sequential.load_torch_state_dict`.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If the file is damaged, or its arrays do not fit, as in `Sequential.load_torch_state_dict`.
    ImportError
        If the package ``safetensors`` is not installed.
    TypeError
        If net is not a `Sequential`.
    """
    library, path = _library(), Path(path)
    _checked(net, "load_safetensors")
    if not path.is_file():
        text = "load_safetensors: no such file (the path is used as given, no suffix is added)"
        raise FileNotFoundError(errno.ENOENT, text, str(path.absolute()))
    try:
        arrays = library.load(path.read_bytes())
    except Exception as error:
        raise ValueError(
            f"load_safetensors: expected a safetensors file of real numbers, got {path}: {error}; "
            "use another copy, or save the file again, as float32"
        ) from error
    return net.load_torch_state_dict(arrays)


def _checked(net: Sequential, where: str) -> Sequential:
    if not isinstance(net, Sequential):
        raise TypeError(f"{where}: expected {where}(net, path) with a Sequential, got {net!r}")
    return net


def _library() -> Any:
    """Return ``safetensors.numpy``, or raise ImportError with the command that installs it."""
    try:
        from safetensors import numpy as library
    except ImportError as error:
        raise ImportError(
            "safetensors files need the package safetensors; install it with "
            "`pip install safetensors`, or use minnet.save and minnet.load"
        ) from error
    return library

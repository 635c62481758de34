"""Networks in safetensors files, under the names of PyTorch's state dict.

Such a file holds arrays and no code. PyTorch reads and writes it by ``safetensors.torch``. The
functions need the package ``safetensors``; without it they raise an ImportError.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np

from minnet.files import replacing
from minnet.layers.sequential import Sequential


def save_safetensors(net: Sequential, path: str | os.PathLike[str]) -> None:
    """Write the arrays of `Sequential.to_torch_state_dict` to a file, completely or not at all.

    Raises
    ------
    FloatingPointError, OSError
        As in `minnet.save`.
    """
    arrays, library = net.to_torch_state_dict(), _library()
    bad = [name for name, array in arrays.items() if not np.isfinite(array).all()]
    if bad:
        raise FloatingPointError(
            f"save_safetensors: expected finite values, got NaN or infinity in {', '.join(bad)}; "
            "nothing was written. Go back to the last checkpoint and lower the learning rate"
        )
    with replacing(Path(path)) as file:
        file.write(library.save(arrays, metadata={"format": "pt"}))


def load_safetensors(net: Sequential, path: str | os.PathLike[str]) -> Sequential:
    """Fill net from a file, as `Sequential.load_torch_state_dict` does, and return net.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If the file is damaged, or its arrays do not fit. The network is then unchanged.
    """
    library, data = _library(), Path(path).read_bytes()
    try:
        arrays = library.load(data)
    except Exception as error:
        raise ValueError(
            f"load_safetensors: expected a safetensors file of real numbers, got {path}: {error}; "
            "use another copy, or save the file again, as float32"
        ) from error
    return net.load_torch_state_dict(arrays)


def _library() -> Any:
    try:
        from safetensors import numpy as library
    except ImportError as error:
        raise ImportError(
            "safetensors files need the package safetensors; install it with `pip install "
            "safetensors`, or use minnet.save and minnet.load"
        ) from error
    return library

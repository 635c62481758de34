"""Networks in safetensors files, under the names of PyTorch's state dict.

Such a file holds arrays and no code. PyTorch reads and writes it by ``safetensors.torch``. The
functions need the package ``safetensors``; without it they raise an ImportError.
"""

from typing import Any

from minnet.files import AnyPath, read_bytes, replacing, require_finite
from minnet.layers import exchange
from minnet.layers.sequential import Sequential
from minnet.validation import check_instance


def save_safetensors(net: Sequential, path: AnyPath) -> None:
    """Write the arrays of `Sequential.to_torch_state_dict` to a file, completely or not at all.

    Raises
    ------
    FloatingPointError, OSError, TypeError
        As in `minnet.save`.
    """
    library = _library(net, "save_safetensors")
    arrays = net.to_torch_state_dict()
    require_finite(arrays, "save_safetensors")
    with replacing(path, "save_safetensors") as file:
        file.write(library.save(arrays, metadata={"format": "pt"}))


def load_safetensors(net: Sequential, path: AnyPath) -> Sequential:
    """Fill net from a file, as `Sequential.load_torch_state_dict` does, and return net.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If the file is damaged, or its arrays do not fit. The network is then unchanged.
    """
    library, data = _library(net, "load_safetensors"), read_bytes(path, "load_safetensors")
    try:
        arrays = library.load(data)
    except Exception as error:
        raise ValueError(
            f"load_safetensors: expected a safetensors file with dtypes of NumPy, got {path} with "
            f"{type(error).__name__}: {error}; use another copy, or save float32 instead of "
            "bfloat16, as with module.float() in PyTorch"
        ) from error
    exchange.fill(net, arrays, "load_safetensors")
    return net


def _library(net: Any, where: str) -> Any:
    check_instance(net, Sequential, where, f"{where}(net, path) with a Sequential")
    try:
        from safetensors import numpy as library
    except ImportError as error:
        raise ImportError(
            "safetensors files need the package safetensors; install it with `pip install "
            "safetensors`, or use minnet.save and minnet.load"
        ) from error
    return library

"""Parameters and state of a network under the names and in the layouts of PyTorch and Keras.

====================  =========================  ======================================
minnet                PyTorch's state dict       Keras's weight list
====================  =========================  ======================================
Dense                 weight (transposed), bias  kernel, bias
BatchNorm             weight, bias,              gamma, beta,
                      running_mean, running_var  moving_mean, moving_variance
LayerNorm, GroupNorm  weight, bias               gamma, beta
PReLU                 weight                     alpha, of a PReLU with shared_axes=[1]
====================  =========================  ======================================

PyTorch's names begin with the position of the layer in its container, counted from 0, as in
``torch.nn.Sequential``; layers without parameters count too. A layer that was named by hand, as in
``Sequential([("fc1", Dense(4, 3))])``, keeps its name. `Residual` corresponds to a module whose
branch is the module itself::

    class Residual(torch.nn.Sequential):
        def forward(self, x):
            return x + super().forward(x)

Options of layers are not exchanged: eps is 1e-5 here and in PyTorch, and 1e-3 in Keras; a momentum
of 0.9 of a BatchNorm is 0.1 in PyTorch, and 0.9 in Keras. Layers that are not part of minnet keep
the names and the layout of their arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from minnet.layers.activations import PReLU
from minnet.layers.container import Container
from minnet.layers.dense import Dense
from minnet.layers.normalization import BatchNorm, GroupNorm
from minnet.validation import Array, as_array

TORCH_NAMES = {"gamma": "weight", "beta": "bias", "slope": "weight"}


def entries(container: Container, prefix: str = "") -> Iterator[tuple[str, str, Array, Array]]:
    """Yield each array: names in PyTorch and in minnet, and views in the layouts of both.

    Keras's list has the same order, and the layout of minnet.
    """
    defaults = container.choose_names([""] * len(container.layers))
    for position, (layer, default) in enumerate(zip(container, defaults, strict=True)):
        # A number as a name could equal the position of another layer.
        by_hand = layer.name != default and not layer.name.isdigit()
        start = f"{prefix}{layer.name if by_hand else position}."
        if isinstance(layer, Container):
            yield from entries(layer, start)
            continue
        renamed = TORCH_NAMES if isinstance(layer, BatchNorm | GroupNorm | PReLU) else {}
        arrays = {name: param.value for name, param in layer.params.items()} | layer.state
        for name, array in arrays.items():
            transposed = isinstance(layer, Dense) and name == "weight"
            view = array.T if transposed else array
            yield start + renamed.get(name, name), f"{layer.path}.{name}", view, array


def fill(net: Container, values: Any, where: str, *, keras: bool = False) -> None:
    """Copy a state dict, or Keras's list, into net; raise before net changes if one is wrong."""
    source = "model.get_weights()" if keras else "module.state_dict()"
    if not isinstance(values, list | tuple if keras else Mapping):
        raise TypeError(f"{where}: expected the arrays of {source}, got {type(values).__name__}")
    if keras:
        values = {f"weights[{i}]": array for i, array in enumerate(values)}
    targets = {
        f"weights[{i}]" if keras else name: (path, array if keras else view)
        for i, (name, path, view, array) in enumerate(entries(net))
    }
    problems, arrays = [], {}
    for name, (path, array) in targets.items():
        label = f"{name} (here {path})"
        if name not in values:
            problems.append(f"missing: {label} of shape {array.shape}")
            continue
        try:
            value = as_array(values[name], array.dtype, label, "value")
        except (TypeError, FloatingPointError) as error:
            problems.append(str(error))
            continue
        arrays[name] = array, value
        if value.shape != array.shape:
            note = ", which is the transpose" if value.shape == array.shape[::-1] else ""
            problems.append(f"{label}: expected shape {array.shape}, got {value.shape}{note}")
        elif not np.isfinite(value).all():
            problems.append(f"{label}: expected finite {value.dtype}, got NaN or infinity")
        elif path.endswith(".running_var") and (value < 0).any():
            problems.append(f"{label}: expected variances >= 0, got {value.min()}")
    # PyTorch counts the batches of a BatchNorm, but uses the number only without a momentum.
    known = targets.keys() | {n.replace("running_mean", "num_batches_tracked") for n in targets}
    problems += [f"unknown: {name}" for name in values if name not in known]
    if problems:
        raise ValueError(
            f"{where}: expected the arrays of this network, which is unchanged, got other ones; "
            "build the network with the same layers, positions and names:\n  "
            + "\n  ".join(problems)
        )
    for array, value in arrays.values():
        array[...] = value
    net.forget_buffers()

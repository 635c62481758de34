"""Parameters and state of a network under the names and in the layouts of PyTorch and Keras.

PyTorch's state dict is a mapping from dotted names to arrays. A layer is named by its position in
its container, counted from 0, as in ``torch.nn.Sequential``: layers without parameters count too. A
layer that was named by hand keeps that name, as in ``torch.nn.Sequential(OrderedDict(...))`` or as
an attribute of a module. A `Residual` is a module of its own, so that the first layer of its branch
has the names of this module::

    class Residual(torch.nn.Sequential):
        def forward(self, x):
            return x + super().forward(x)

Keras's weight list has no names: the arrays of all layers follow each other, those of a layer in
the order kernel, bias or gamma, beta, moving_mean, moving_variance.

=====================================  =========================  ===============================
minnet                                 PyTorch                    Keras
=====================================  =========================  ===============================
Dense: weight, bias                    Linear: weight.T, bias     kernel, bias
BatchNorm: gamma, beta, running_mean,  weight, bias,              gamma, beta, moving_mean,
running_var                            running_mean, running_var  moving_variance
LayerNorm, GroupNorm: gamma, beta      weight, bias               gamma, beta
PReLU: slope                           weight                     alpha, with shared_axes=[1]
=====================================  =========================  ===============================

The arrays do not contain the options of a layer. `BatchNorm` has the eps 1e-5 of PyTorch, and Keras
1e-3; its momentum m is PyTorch's 1 - m. Layers that are not part of minnet keep the names and the
layout of their parameters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from minnet.layer import Layer
from minnet.layers.activations import PReLU
from minnet.layers.container import Container
from minnet.layers.dense import Dense
from minnet.layers.normalization import BatchNorm, GroupNorm
from minnet.validation import Array, as_array

TORCH_NAMES = {"gamma": "weight", "beta": "bias", "slope": "weight"}


class Entry(NamedTuple):
    """An array of a layer, as a view in the layout of the other library.

    ``name`` is the name in the other library, and ``path`` the name in minnet.
    """

    name: str
    path: str
    array: Array


def torch_entries(container: Container, prefix: str = "") -> Iterator[Entry]:
    """Yield the entries of PyTorch's state dict in the order of the layers."""
    defaults = container._choose_names([""] * len(container.layers))
    for position, (layer, default) in enumerate(zip(container, defaults, strict=True)):
        # A number as a name could equal the position of another layer.
        by_hand = layer.name != default and not layer.name.isdigit()
        start = f"{prefix}{layer.name if by_hand else position}."
        if isinstance(layer, Container):
            yield from torch_entries(layer, start)
        else:
            renamed = TORCH_NAMES if isinstance(layer, BatchNorm | GroupNorm | PReLU) else {}
            for name, array in _arrays(layer).items():
                value = array.T if isinstance(layer, Dense) and name == "weight" else array
                yield Entry(start + renamed.get(name, name), f"{layer.path}.{name}", value)


def keras_entries(net: Container) -> Iterator[Entry]:
    """Yield the entries of Keras's weight list, which are named by their positions in it."""
    arrays = {
        f"{path}.{name}": array
        for path, layer in net.walk()
        if not isinstance(layer, Container)
        for name, array in _arrays(layer).items()
    }
    for position, (path, array) in enumerate(arrays.items()):
        yield Entry(f"weights[{position}]", path, array)


def _arrays(layer: Layer) -> dict[str, Array]:
    return {name: param.value for name, param in layer.params.items()} | layer.state


def fill(net: Container, entries: Iterable[Entry], values: Mapping[str, Any], where: str) -> None:
    """Copy values into the arrays of the entries, all of them or none.

    Raises
    ------
    TypeError
        If a value is not an array of real numbers.
    ValueError
        If a value is missing, unknown, of another shape, or not finite; the message lists all.
    """
    problems, arrays = [], []
    for name, path, array in entries:
        if name not in values:
            problems.append(f"missing: {name} (here {path}) of shape {array.shape}")
            continue
        value = as_array(values[name], array.dtype, where, name)
        if value.shape != array.shape:
            transposed = value.shape == array.shape[::-1]
            problems.append(
                f"{name} (here {path}): expected shape {array.shape}, got {value.shape}"
                + (", which is the transpose" if transposed else "")
            )
        elif not np.isfinite(value).all():
            problems.append(f"{name} (here {path}): expected finite values, got NaN or infinity")
        arrays.append((name, array, value))
    # PyTorch counts the batches of each BatchNorm, but uses the count only without a momentum.
    known = {name for name, _, _ in arrays}
    known |= {name.replace("running_mean", "num_batches_tracked") for name in known}
    problems += [f"unknown: {name}" for name in values if name not in known]
    if problems:
        raise ValueError(
            f"{where}: expected the arrays of this network, which is unchanged, got other ones; "
            "build the network with the same layers, positions and names:\n  "
            + "\n  ".join(problems)
        )
    for _, array, value in arrays:
        array[...] = value
    net.forget_buffers()

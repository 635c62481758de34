"""Where a probe finds what it looks at: the arrays of a network's layers, by layer and kind."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from weakref import WeakKeyDictionary

import numpy as np

from minnet.layer import Layer, Param
from minnet.layers.sequential import Sequential
from minnet.probes.files import Key
from minnet.validation import Array

BUFFERS = ("y", "dy", "dx")
EVERY_NETWORK = (*BUFFERS, "weight", "weight_grad", "update")


class Source:
    """An array of one layer: a buffer, the value of a parameter, or its gradient.

    It is asked at every step, and mostly the array is the one of the step before, so it remembers
    how that was made into rows.

    Attributes
    ----------
    key : (str, str)
        The layer's dotted name and the kind.
    layer : Layer
        The layer itself.
    """

    __slots__ = ("_array", "_holder", "_name", "_rows", "key", "layer")

    def __init__(self, key: Key, layer: Layer, holder: Layer | Param, name: str) -> None:
        self.key, self.layer = key, layer
        self._holder, self._name = holder, name
        self._array: Array | None = None
        self._rows: Array | None = None

    def rows(self) -> Array | None:
        """Return the array as rows (n, width) that a kernel takes, or None if there is nothing."""
        array = getattr(self._holder, self._name)
        if array is not self._array:
            self._rows = None if array is None or not array.size else _as_rows(array, self.layer)
            # What had to be copied has to be copied again, for the numbers change.
            view = self._rows is None or np.shares_memory(self._rows, array)
            self._array = array if view else None
        return self._rows

    @property
    def size(self) -> int:
        """How many numbers there are."""
        rows = self.rows()
        return 0 if rows is None else rows.size


Wanted = tuple[tuple[str, ...], tuple[str, ...] | None]

# No probe holds on to a network that it has seen: what was found is forgotten with the network.
_found: WeakKeyDictionary[Sequential, dict[Wanted, list[Source]]] = WeakKeyDictionary()


def sources(net: Sequential, kinds: tuple[str, ...], only: tuple[str, ...] | None) -> list[Source]:
    """Return where the arrays of these kinds are, layer by layer; of some layers, or of all.

    A layer that lacks a kind is passed over.
    """
    found = _found.setdefault(net, {})
    if (kinds, only) not in found:
        found[kinds, only] = [
            Source((name, kind), layer, *place)
            for name, layer in net.walk()
            if only is None or name in only
            for kind in kinds
            for place in _places(layer, kind)
        ]
    return found[kinds, only]


def strangers(net: Sequential, kinds: Collection[str]) -> tuple[list[str], list[str]]:
    """Return the kinds that no layer of the network has, and those that there are."""
    layers = [layer for _, layer in net.walk()]
    missing = [
        kind
        for kind in kinds
        if kind not in EVERY_NETWORK and not any(list(_places(layer, kind)) for layer in layers)
    ]
    params = sorted({name for layer in layers for name in layer.params if "." not in name})
    return missing, [*BUFFERS, *params, *(f"{name}_grad" for name in params), "update"]


def _places(layer: Layer, kind: str) -> Iterator[tuple[Layer | Param, str]]:
    """Yield what holds the layer's array of this kind and under which name, if it has one.

    Of an update it is the weight, which changes by it.
    """
    params = layer.params
    if kind in BUFFERS:
        yield layer, kind
    elif kind == "update":
        yield from _places(layer, "weight")
    elif kind in params:
        yield params[kind], "value"
    elif kind.endswith("_grad") and kind.removesuffix("_grad") in params:
        yield params[kind.removesuffix("_grad")], "grad"


def _as_rows(array: Array, layer: Layer) -> Array:
    if array.dtype != layer.dtype or not array.flags.carray:
        array = np.require(array, layer.dtype, ["C", "A", "W"])
    return array if array.ndim == 2 else array.reshape(len(array) if array.ndim else 1, -1)

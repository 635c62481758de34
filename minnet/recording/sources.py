"""Where a probe finds what it looks at: the arrays of a network's layers, by layer and kind."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from minnet.layer import Layer, Param
from minnet.layers.sequential import Sequential
from minnet.recording.files import Key
from minnet.validation import Array

BUFFERS = ("y", "dy", "dx")
EVERY_NETWORK = (*BUFFERS, "weight", "weight_grad", "update")


class Source(NamedTuple):
    """Where an array of one layer is: a buffer, the value of a parameter, or its gradient."""

    key: Key  # the layer's dotted name, and the kind
    layer: Layer
    holder: Layer | Param
    name: str  # of the holder's attribute

    def array(self) -> Array | None:
        """Return the array that is there now."""
        found: Array | None = getattr(self.holder, self.name)
        return found

    def rows(self) -> Array | None:
        """Return the array as rows (n, width) that a kernel takes, or None if there is nothing."""
        array = self.array()
        return None if array is None or not array.size else _as_rows(array, self.layer)

    @property
    def size(self) -> int:
        """How many numbers there are."""
        array = self.array()
        return 0 if array is None else array.size


class Sight:
    """What is seen in one step: arrays as rows (n, width) that a kernel takes.

    Attributes
    ----------
    mark : object
        Tells this sight from every other, without a need to hold on to its arrays.
    sources : list of Source
        Those that have an array.
    arrays : list of ndarray
        Their rows.
    strides : list of int
        How far it is, in each, from a row that is looked at to the next.
    """

    def __init__(self, asked: Sequence[Source], max_values: int | None) -> None:
        self.mark = object()
        self._seen = [(source.holder, source.name, source.array()) for source in asked]
        found = [(source, rows) for source in asked if (rows := source.rows()) is not None]
        self.sources = [source for source, _ in found]
        self.arrays = [rows for _, rows in found]
        self.strides = [_stride(rows, max_values) for rows in self.arrays]
        # What had to be copied has to be copied again, for the numbers change.
        self._lasts = all(np.may_share_memory(rows, source.array()) for source, rows in found)

    def lasts(self) -> bool:
        """Tell whether every array is still where it was seen."""
        return self._lasts and all(
            (found := getattr(holder, name)) is array or _both_empty(found, array)
            for holder, name, array in self._seen
        )


class Weights(Sight):
    """Weights as they are seen in one step, and their rows as they were in another before it.

    Attributes
    ----------
    before, changes : list of ndarray
        The rows that were looked at, as they were then, and what has been added to them since.
    """

    before: list[Array]
    changes: list[Array]

    def __init__(self, asked: Sequence[Source], max_values: int | None) -> None:
        super().__init__(asked, max_values)
        most = [rows[::stride] for rows, stride in zip(self.arrays, self.strides, strict=True)]
        self._room_before = [np.empty_like(rows) for rows in most]
        self._room_changes = [np.empty_like(rows) for rows in most]

    def keep(self, offset: int) -> None:
        """Copy the rows that are looked at, beginning with row ``offset % stride`` of each."""
        self._moving = [
            rows[offset % stride :: stride]
            for rows, stride in zip(self.arrays, self.strides, strict=True)
        ]
        self.before = [
            room[: len(rows)] for room, rows in zip(self._room_before, self._moving, strict=True)
        ]
        for before, rows in zip(self.before, self._moving, strict=True):
            before[...] = rows

    def compare(self) -> None:
        """Set ``changes`` to what has been added to these rows since then."""
        places = zip(self._moving, self.before, self._room_changes, strict=True)
        self.changes = [
            np.subtract(rows, before, out=room[: len(rows)]) for rows, before, room in places
        ]


class Watch:
    """What one probe looks at in one network.

    Arrays mostly stay where they are from step to step, so what was seen is remembered.
    """

    def __init__(self, sources: Sequence[Source], max_values: int | None) -> None:
        self._max_values = max_values
        self._weights_asked = [source for source in sources if source.key[1] == "update"]
        self._asked = [source for source in sources if source.key[1] != "update"]
        self._sight = Sight(self._asked, max_values)
        self._weights = Weights(self._weights_asked, max_values)

    def look(self) -> Sight:
        """Return what is to be seen now: the same `Sight` as long as it lasts."""
        if not self._sight.lasts():
            self._sight = Sight(self._asked, self._max_values)
        return self._sight

    def weights(self) -> Weights:
        """Return the weights whose updates are wanted: the same as long as they last."""
        if not self._weights.lasts():
            self._weights = Weights(self._weights_asked, self._max_values)
        return self._weights


def find_sources(
    net: Sequential, kinds: tuple[str, ...], only: tuple[str, ...] | None
) -> list[Source]:
    """Return where arrays of these kinds are, layer by layer; of some layers, or of all.

    A layer that lacks a kind is passed over.
    """
    return [
        Source((name, kind), layer, *place)
        for name, layer in net.walk()
        if only is None or name in only
        for kind in kinds
        for place in _places(layer, kind)
    ]


def unknown_kinds(net: Sequential, kinds: Collection[str]) -> tuple[list[str], list[str]]:
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


def _both_empty(array: Array | None, last: Array | None) -> bool:
    """Tell whether both are as a dx that was left out is, which is another array every time."""
    return array is not None and last is not None and array.size == last.size == 0


def _stride(rows: Array, max_values: int | None) -> int:
    """Return every how many-th row is looked at, so that there are at most ``max_values`` values.

    At least one row is.
    """
    if max_values is None or rows.size <= max_values:
        return 1
    width: int = rows.shape[1]
    return -(-len(rows) // max(max_values // width, 1))


def _as_rows(array: Array, layer: Layer) -> Array:
    if array.dtype != layer.dtype or not array.flags.carray:
        array = np.require(array, layer.dtype, ["C", "A", "W"])
    return array if array.ndim == 2 else array.reshape(len(array) if array.ndim else 1, -1)

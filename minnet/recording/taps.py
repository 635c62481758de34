"""Taps: where the arrays of a network's layers are, by layer and kind."""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from minnet.layer import Layer, Param
from minnet.layers.sequential import Sequential
from minnet.recording.series import Key
from minnet.validation import Array

BUFFERS = ("y", "dy", "dx")


class Tap(NamedTuple):
    """The place of one array: a buffer of a layer, the value of a parameter, or its gradient."""

    key: Key
    layer: Layer
    holder: Layer | Param
    attribute: str  # of the holder

    def array(self) -> Array | None:
        """Return the array that is there now."""
        array: Array | None = getattr(self.holder, self.attribute)
        return array


def layer_taps(name: str, layer: Layer, kinds: Collection[str] | None = None) -> Iterator[Tap]:
    """Yield the taps of these kinds that the layer has; by default all but ``update``.

    The tap of ``update`` is that of the weight, which changes by it. The parameters of a container
    belong to the layers within it.
    """
    places: dict[str, tuple[Layer | Param, str]] = {kind: (layer, kind) for kind in BUFFERS}
    for param_name, param in layer.params.items():
        if "." not in param_name:
            places[param_name] = param, "value"
            places[f"{param_name}_grad"] = param, "grad"
    if kinds is not None and "update" in kinds and "weight" in places:
        places["update"] = places["weight"]
    for kind in places if kinds is None else kinds:
        if kind in places:
            yield Tap((name, kind), layer, *places[kind])


def find_taps(net: Sequential, kinds: Collection[str], names: Collection[str] | None) -> list[Tap]:
    """Return the taps of these kinds, layer by layer, for the named layers or for all."""
    return [
        tap
        for name, layer in net.walk()
        if names is None or name in names
        for tap in layer_taps(name, layer, kinds)
    ]


def check_kinds(net: Sequential, kinds: Sequence[str], where: str) -> None:
    """Raise ValueError for a kind that no layer of the network has."""
    known = {tap.key[1] for name, layer in net.walk() for tap in layer_taps(name, layer)}
    params = sorted(known.difference(BUFFERS), key=lambda kind: (kind.endswith("_grad"), kind))
    there = dict.fromkeys([*BUFFERS, *params, "update"])
    unknown = [kind for kind in kinds if kind not in {*there, "weight", "weight_grad"}]
    if unknown:
        raise ValueError(f"{where}: no layer has {unknown}; there are {', '.join(there)}")


class View:
    """The arrays at some taps as rows (n, width) that a kernel takes.

    Arrays mostly stay in place from step to step, so the rows are kept until one has moved.

    Attributes
    ----------
    taps : list of Tap
        The taps that have an array, of at least one value.
    rows : list of ndarray
        Their rows.
    strides : list of int
        Every stride-th row is recorded, so that at most ``max_values`` values are.
    places, plan : ndarray, object
        Where and how a recorder reduces these rows; None after an array has moved.
    """

    def __init__(self, taps: Sequence[Tap], max_values: int | None) -> None:
        self._all, self._max_values = list(taps), max_values
        self._places = [(tap.holder, tap.attribute) for tap in taps]
        self._arrays: list[Array | None] = []
        self._copied = True
        self.update()

    def update(self) -> bool:
        """Look the arrays up again; return whether one of them has moved."""
        now = [getattr(holder, attribute) for holder, attribute in self._places]
        if not self._copied and (
            all(map(operator.is_, now, self._arrays)) or all(map(_alike, now, self._arrays))
        ):
            return False
        found = [
            (tap, array)
            for tap, array in zip(self._all, now, strict=True)
            if array is not None and array.size
        ]
        self.taps = [tap for tap, _ in found]
        self.rows = [_as_rows(array, tap.layer) for tap, array in found]
        self.strides = [_stride(rows, self._max_values) for rows in self.rows]
        # The numbers of an array that had to be copied change, so it has to be copied again.
        shared = (
            np.may_share_memory(rows, array)
            for rows, (_, array) in zip(self.rows, found, strict=True)
        )
        self._arrays, self._copied = now, not all(shared)
        self.places: Array | None = None
        self.plan: Any = None
        return True


class Weights(View):
    """Weights whose update is recorded: copies of their rows, until the weights have changed.

    Attributes
    ----------
    copies : list of ndarray
        The recorded rows of each weight, as they were at `keep`.
    kept : bool
        Whether there are copies of the weights that are in place now.
    """

    kept = False

    def update(self) -> bool:
        """Look the weights up again; copies of weights that have moved are of no use."""
        moved = super().update()
        if moved:
            self.kept = False
            self._memory = [
                np.empty_like(rows[::stride])
                for rows, stride in zip(self.rows, self.strides, strict=True)
            ]
        return moved

    def keep(self, offset: int) -> None:
        """Copy the recorded rows, beginning with row ``offset % stride`` of each weight."""
        self._recorded = [
            rows[offset % stride :: stride]
            for rows, stride in zip(self.rows, self.strides, strict=True)
        ]
        self.copies = [
            memory[: len(rows)] for memory, rows in zip(self._memory, self._recorded, strict=True)
        ]
        for copied, rows in zip(self.copies, self._recorded, strict=True):
            copied[...] = rows
        self.kept = True

    def changes(self) -> list[Array]:
        """Return what was added to the recorded rows since `keep`, in the memory of the copies."""
        self.kept = False
        return [
            np.subtract(rows, copied, out=copied)
            for rows, copied in zip(self._recorded, self.copies, strict=True)
        ]


def _alike(now: Array | None, before: Array | None) -> bool:
    """Return whether the array has not moved; a dx that is not computed is empty and always new."""
    return now is before or (
        now is not None and before is not None and not now.size and not before.size
    )


def _stride(rows: Array, max_values: int | None) -> int:
    """Return the stride that leaves at most ``max_values`` values, but at least one row."""
    if max_values is None or rows.size <= max_values:
        return 1
    width: int = rows.shape[1]
    return -(-len(rows) // max(max_values // width, 1))


def _as_rows(array: Array, layer: Layer) -> Array:
    if array.dtype != layer.dtype or not array.flags.carray:
        array = np.require(array, layer.dtype, ["C", "A", "W"])
    return array if array.ndim == 2 else array.reshape(len(array) if array.ndim else 1, -1)

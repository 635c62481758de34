"""Locate the arrays of a network by layer and kind."""

from __future__ import annotations

import operator
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np

from minnet.layer import Layer, Param
from minnet.layers.sequential import Sequential
from minnet.recording.series import Key
from minnet.validation import Array

BUFFERS = ("y", "dy", "dx")


class Tap(NamedTuple):
    """Location of one array: a buffer of a layer, or the value or gradient of a parameter."""

    key: Key
    layer: Layer
    holder: Layer | Param
    attribute: str  # of the holder


def layer_taps(name: str, layer: Layer) -> dict[str, Tap]:
    """Return kind -> tap for one layer; the tap of ``update`` is that of the weight.

    The parameters of a container are those of the layers inside it, and are not included.
    """
    places: dict[str, tuple[Layer | Param, str]] = {kind: (layer, kind) for kind in BUFFERS}
    for param_name, param in layer.params.items():
        if "." not in param_name:
            places[param_name] = param, "value"
            places[f"{param_name}_grad"] = param, "grad"
    if "weight" in places:
        places["update"] = places["weight"]
    return {kind: Tap((name, kind), layer, *place) for kind, place in places.items()}


def find_taps(
    net: Sequential, kinds: Collection[str], names: Collection[str] | None, where: str
) -> list[Tap]:
    """Return the taps of these kinds, layer by layer, for the named layers or for all.

    An unknown layer, or a kind that no layer has, raises ValueError.
    """
    layers = {name: layer_taps(name, layer) for name, layer in net.walk()}
    unknown = [name for name in names or () if name not in layers]
    if unknown:
        raise ValueError(f"{where}: no layers {unknown}; expected some of {', '.join(layers)}")
    known = dict.fromkeys(kind for taps in layers.values() for kind in taps)
    # The default kinds are valid for every network, even one without weights.
    unknown = [kind for kind in kinds if kind not in {*known, "weight", "weight_grad", "update"}]
    if unknown:
        raise ValueError(f"{where}: no layer has {unknown}; expected some of {', '.join(known)}")
    wanted = [taps for name, taps in layers.items() if names is None or name in names]
    return [taps[kind] for taps in wanted for kind in kinds if kind in taps]


class View:
    """The arrays at some taps, as C-contiguous rows (n, width) for the kernels.

    Arrays are usually the same from step to step, so the rows are computed again only after an
    array has been replaced.

    Attributes
    ----------
    taps : list of Tap
        The taps whose array exists and is not empty.
    rows : list of ndarray
        The rows at these taps.
    strides : list of int
        For each array, every stride-th row is recorded, so that there are at most ``max_values``
        values, or one row.
    copies : list of ndarray or None
        Copies of the recorded rows that `keep` made. None before that, after `changes`, and after
        an array has been replaced.
    places, plan : object
        Places of the keys in the series, and prepared arguments of the kernels. The recorder sets
        them; they are None after an array has been replaced.
    """

    places: Any
    plan: Any

    def __init__(self, taps: Sequence[Tap], max_values: int | None) -> None:
        self._all, self._max_values = taps, max_values
        self._places = [(tap.holder, tap.attribute) for tap in taps]
        self._arrays: list[Array | None] | None = None  # None: compute the rows again

    def update(self) -> None:
        """Compute the rows again if an array has been replaced."""
        now: list[Array | None] = [getattr(holder, name) for holder, name in self._places]
        before = self._arrays
        if before is not None and (
            all(map(operator.is_, now, before)) or all(map(_alike, now, before))
        ):
            return
        found = [
            (tap, array, _as_rows(array, tap.layer.dtype))
            for tap, array in zip(self._all, now, strict=True)
            if array is not None and array.size
        ]
        self.taps = [tap for tap, _, _ in found]
        self.rows = [rows for _, _, rows in found]
        self.strides = [_stride(rows, self._max_values) for rows in self.rows]
        self.copies: list[Array] | None = None
        self.places = self.plan = None
        self._memory: list[Array] | None = None
        # If the rows of an array are a copy, they must be copied again at every step.
        shared = all(np.may_share_memory(array, rows) for _, array, rows in found)
        self._arrays = now if shared else None

    def keep(self, offset: int) -> None:
        """Copy the recorded rows, beginning with row ``offset % stride`` of each array."""
        if self._memory is None:  # offset 0 has the most rows
            pairs = zip(self.rows, self.strides, strict=True)
            self._memory = [np.empty_like(rows[::stride]) for rows, stride in pairs]
        self._kept = [
            rows if stride == 1 else rows[offset % stride :: stride]
            for rows, stride in zip(self.rows, self.strides, strict=True)
        ]
        self.copies = [m[: len(rows)] for m, rows in zip(self._memory, self._kept, strict=True)]
        for copied, rows in zip(self.copies, self._kept, strict=True):
            copied[...] = rows

    def changes(self) -> list[Array]:
        """Return the changes of the recorded rows since `keep`, in the memory of the copies."""
        pairs, self.copies = zip(self._kept, self.copies or (), strict=True), None
        return [np.subtract(rows, copied, out=copied) for rows, copied in pairs]


def _alike(now: Array | None, before: Array | None) -> bool:
    """Return whether the array is the same. A dx that is not computed is a new empty array."""
    return now is before or (
        now is not None and before is not None and now.size == before.size == 0
    )


def _stride(rows: Array, max_values: int | None) -> int:
    """Return the stride that leaves at most ``max_values`` values, but at least one row."""
    if max_values is None or rows.size <= max_values:
        return 1
    width: int = rows.shape[1]
    return -(-len(rows) // max(max_values // width, 1))


def _as_rows(array: Array, dtype: np.dtype[Any]) -> Array:
    if array.dtype != dtype or not array.flags.carray:
        array = np.require(array, dtype, ["C", "A", "W"])
    return array if array.ndim == 2 else array.reshape(len(array) if array.ndim else 1, -1)

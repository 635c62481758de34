"""Locate the arrays of a network by layer and kind."""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from minnet.layer import Layer, Param
from minnet.layers.activations import PReLU
from minnet.layers.sequential import Sequential
from minnet.validation import Array, as_rows

Key: TypeAlias = tuple[str, str]  # a layer's dotted name, and a kind


class Tap(NamedTuple):
    """Location of one array: a buffer of a layer, or the value or gradient of a parameter."""

    key: Key
    layer: Layer
    owner: Layer | Param
    attribute: str

    @property
    def array(self) -> Array | None:
        """The array, or None if it has not been computed."""
        array: Array | None = getattr(self.owner, self.attribute)
        return array


class LayerInfo(NamedTuple):
    """A layer of a recorded network.

    ``name`` is dotted, ``type`` is the name of the class, and ``parent`` that of the container, or
    "". The widths are those in a training step, or None before it. ``slope`` is that of `LeakyReLU`
    or `PReLU` below 0 at the first observed step, or None.
    """

    name: str
    type: str
    parent: str
    in_features: int | None
    out_features: int | None
    slope: float | None


class View:
    """Arrays of a network, or their changes in a step, as rows (n, width) for the kernels.

    Every stride-th row is recorded, so that at most ``max_values`` values of an array are recorded,
    or one row. The rows are computed again only after an array has been replaced.

    Attributes
    ----------
    taps : list of Tap
        The taps whose array exists and is not empty.
    rows, values : list of ndarray
        The arrays or changes at these taps, C-contiguous, as rows and as vectors (size,).
    strides, indices : list of int
        The stride of each, and the index of its key.
    size : int
        Number of values of all arrays.
    kept : bool
        Whether the arrays are those of the last `keep`.
    arguments : object
        Arguments of a kernel, prepared by the recorder; None after an array has been replaced.
    """

    def __init__(
        self,
        taps: Sequence[Tap],
        keys: Mapping[Key, int],
        max_values: int | None,
        *,
        changes: bool = False,
    ) -> None:
        self._all, self._keys, self._max_values, self._changes = taps, keys, max_values, changes
        self._locations = [(tap.owner, tap.attribute) for tap in taps]
        self._found: list[Array | None] | None = None  # None: compute the rows again

    def update(self) -> None:
        """Compute the rows again if an array has been replaced."""
        arrays = [getattr(owner, name) for owner, name in self._locations]
        # A dx that is not computed is a new empty array at every step.
        found = [array if array is not None and array.size else None for array in arrays]
        if self._found is not None and all(map(operator.is_, found, self._found)):
            return
        pairs = [(tap, x) for tap, x in zip(self._all, found, strict=True) if x is not None]
        self.taps = [tap for tap, _ in pairs]
        self._current = [_contiguous_rows(x, tap.layer.dtype) for tap, x in pairs]
        self.rows = [np.empty_like(x) for x in self._current] if self._changes else self._current
        self.values = [rows.ravel() for rows in self.rows]
        self.indices = [self._keys[tap.key] for tap in self.taps]
        self.size = sum(rows.size for rows in self.rows)
        most = self._max_values or self.size
        self.strides = [-(-len(x) // max(most // x.shape[1], 1)) for x in self.rows]
        self.arguments: Any = None
        self.kept = False
        # Rows that are a copy of an array must be copied again at every step.
        shared = (np.may_share_memory(x, y) for (_, x), y in zip(pairs, self._current, strict=True))
        self._found = found if all(shared) else None

    def keep(self, offset: int) -> None:
        """Copy the recorded rows of the arrays, beginning with row ``offset % stride``."""
        self.kept, self.offset = True, offset
        self._pairs = [
            (now[offset % stride :: stride], rows[offset % stride :: stride])
            for now, rows, stride in zip(self._current, self.rows, self.strides, strict=True)
        ]
        for now, rows in self._pairs:
            rows[...] = now

    def subtract(self) -> None:
        """Replace the copies by the changes of the arrays since `keep`."""
        self.kept = False
        for now, rows in self._pairs:
            np.subtract(now, rows, out=rows)


def layer_taps(name: str, layer: Layer) -> dict[str, Tap]:
    """Return kind -> tap for one layer; the tap of ``update`` is that of the weight.

    The parameters of a container are those of the layers inside it, and are not included.
    """
    locations: dict[str, tuple[Layer | Param, str]] = {k: (layer, k) for k in ("y", "dy", "dx")}
    for param_name, param in layer.params.items():
        if "." not in param_name:
            locations[param_name] = param, "value"
            locations[f"{param_name}_grad"] = param, "grad"
    if "weight" in locations:
        locations["update"] = locations["weight"]
    return {kind: Tap((name, kind), layer, *location) for kind, location in locations.items()}


def find_taps(
    net: Sequential, kinds: Collection[str], names: Collection[str] | None, where: str
) -> list[Tap]:
    """Return the taps of these kinds, layer by layer; raise ValueError if a name is unknown."""
    layers = {name: layer_taps(name, layer) for name, layer in net.walk()}
    names = list(layers) if names is None else names
    known = dict.fromkeys(kind for taps in layers.values() for kind in taps)
    # The default kinds are valid for every network, even one without weights.
    valid = {*known, "weight", "weight_grad", "update"}
    for name in (name for name in names if name not in layers):
        raise ValueError(f"{where}: expected layers among {', '.join(layers)}, got {name!r}")
    for kind in (kind for kind in kinds if kind not in valid):
        raise ValueError(f"{where}: expected kinds among {', '.join(known)}, got {kind!r}")
    chosen = [taps for name, taps in layers.items() if name in names]
    return [taps[kind] for taps in chosen for kind in kinds if kind in taps]


def describe_layers(net: Sequential) -> tuple[LayerInfo, ...]:
    """Return a description of each layer, in the order of `Sequential.walk`."""
    layers = []
    for name, layer in net.walk():
        width_in, width_out = (None if a is None else a.shape[-1] for a in (layer.x, layer.y))
        slope = getattr(layer, "negative_slope", None)
        if isinstance(layer, PReLU):
            slope = float(layer.slope.value[0])
        parent = name.rpartition(".")[0]
        layers.append(LayerInfo(name, type(layer).__name__, parent, width_in, width_out, slope))
    return tuple(layers)


def in_order(
    layers: Iterable[Layer], x: Array | None = None, prefix: str = ""
) -> Iterator[tuple[str, Layer, Array | None]]:
    """Yield name, layer and output in the order of computation, a container after its layers.

    The outputs are those for the rows x in evaluation or, without x, of the last training step.
    """
    for layer in layers:
        name = f"{prefix}{layer.name}"
        yield from in_order(getattr(layer, "layers", ()), x, f"{name}.")
        if x is not None:
            x = as_rows(layer.forward(x, training=False), x.dtype, layer)
        yield name, layer, layer.y if x is None else x


def find_nonfinite(net: Sequential) -> Key:
    """Return the key of the first array of a step with NaN or infinity; see `Failure`."""
    taps = {name: layer_taps(name, layer) for name, layer in net.walk()}
    keys = [
        (name, kind) for name, layer, _ in in_order(net.layers) for kind in (*layer.params, "y")
    ]
    for name, layer in reversed([*net.walk()]):
        keys += [(name, kind) for kind in ("dy", *(f"{k}_grad" for k in layer.params), "dx")]
    for name, kind in keys:
        array = taps[name][kind].array if kind in taps[name] else None
        if array is not None and not np.isfinite(array).all():
            return name, kind
    return "", "loss"


def _contiguous_rows(array: Array, dtype: np.dtype[Any]) -> Array:
    if array.dtype != dtype or not array.flags.carray:
        array = np.require(array, dtype, ["C", "A", "W"])
    return array if array.ndim == 2 else array.reshape(len(array) if array.ndim else 1, -1)

"""Layers that contain layers: names, widths, parameters, and the passes through them.

`Sequential` is a network, and `Residual` is a branch with a skip connection. `Container` is their
base class. Layers are named by kind and count, and parameters and state by dotted names such as
``residual1.dense1.weight``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, NoReturn

import numpy as np

from minnet.kernels.finiteness import first_nonfinite_row
from minnet.layer import Layer, Param
from minnet.param import Params
from minnet.validation import Array, check_finite, count, shown


class Container(Layer):
    """Base class of layers that contain layers; each output is the input of the next layer."""

    is_container = True
    is_network: ClassVar[bool] = False

    def __init__(self, layers: Sequence[Layer | tuple[str, Layer]]) -> None:
        kind = type(self).__name__
        if isinstance(layers, Layer) or not isinstance(layers, Sequence) or not layers:
            raise TypeError(f"{kind}: expected a list of at least one layer, got {shown(layers)}")
        pairs = [pair if isinstance(pair, tuple) else ("", pair) for pair in layers]
        if any(len(pair) != 2 for pair in pairs):
            raise TypeError(f"{kind}: expected layers or pairs (name, layer), got {shown(layers)}")
        self.layers = tuple(layer for _, layer in pairs)
        for number, layer in enumerate(self.layers, start=1):
            self._check_item(number, layer)
        names = self.choose_names([name for name, _ in pairs])
        for position, (layer, name) in enumerate(zip(self.layers, names, strict=True), start=1):
            layer.name, layer.position = name, position
        for path, layer in self.walk():
            layer.path = path
        self.check_widths()
        self.rows_to_train = max(layer.rows_to_train for layer in self.layers)

    def _check_item(self, number: int, layer: Any) -> None:
        item = f"{type(self).__name__}: item {number}"
        if not isinstance(layer, Layer):
            repair = f"; create one: {layer.__name__}(...)" if isinstance(layer, type) else ""
            raise TypeError(f"{item}: expected a Layer, got {shown(layer)}{repair}")
        if isinstance(layer, Container) and layer.is_network:
            raise TypeError(
                f"{item}: expected a layer, got the network {layer}; create its layers in one list"
            )
        if layer._bound or any(layer is other for other in self.layers[: number - 1]):
            raise ValueError(f"{item}: {layer} is in use already; create a new layer")

    def choose_names(self, given: Sequence[str]) -> list[str]:
        """Return a name for every layer: the given one, or kind and count."""
        owner, names, kinds = type(self).__name__, [], Counter[str]()
        for layer, name in zip(self.layers, given, strict=True):
            kind = type(layer).__name__.lower()
            kinds[kind] += 1
            names.append(name or f"{kind}{kinds[kind]}")
        if not all(isinstance(name, str) for name in names):
            raise TypeError(f"{owner}: expected names as strings, got {names}")
        if len(set(names)) < len(names) or any("." in name or "\0" in name for name in names):
            raise ValueError(f"{owner}: expected different names without a dot, got {names}")
        return names

    def check_widths(self) -> None:
        """Set in_features and out_features; raise ValueError if layers do not fit together."""
        width, source = None, None
        # The layer that determines the input width; all layers before it keep the width.
        self._input_layer = self.layers[0]
        for layer in self.layers:
            expected = layer.in_features
            for size in (expected, layer.out_features):
                if size is not None:
                    count(size, str(layer), "a width")
            if width is not None and expected is not None and width != expected:
                raise ValueError(
                    f"{layer}: expected input (n, {expected}), got (n, {width}); the "
                    f"{type(source).__name__} before it has out_features={width}"
                )
            if layer.out_features is not None or expected is not None:
                self._input_layer = self._input_layer if source else layer
                width, source = layer.out_features or expected, layer
        self.in_features, self.out_features = self._input_layer.in_features, width

    def __getitem__(self, name: str) -> Layer:
        """Return the layer with this name, such as ``net["residual1.dense1"]``."""
        by_name = dict(self.walk())
        if not isinstance(name, str) or name not in by_name:
            raise KeyError(
                f"no layer {shown(name)}; expected one of {', '.join(by_name)}; net.layers[0] is "
                "the first layer"
            )
        return by_name[name]

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    # Parameters and state, under dotted names such as ``dense1.weight``.

    def build_parts(self, rng: np.random.Generator, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self.forget_buffers()
        for layer in self.layers:
            layer.build_parts(rng, dtype)
        self._params = Params(self.draw_params(rng), complete=True)
        self._stateful = [layer for layer in self.layers if layer.state]
        for layer in self.layers:
            layer._bound = True

    def draw_params(self, rng: np.random.Generator) -> dict[str, Param]:
        return {f"{la.name}.{key}": p for la in self.layers for key, p in la.params.items()}

    @property
    def state(self) -> dict[str, Array]:
        return {f"{la.name}.{key}": a for la in self.layers for key, a in la.state.items()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for layer in self.layers:
            layer._bound = True

    # The passes. An error names the layer concerned.

    def check_input(self, x: Any, name: str = "x") -> Array:
        rows = self._input_layer.check_input(x, name)
        check_finite(rows, f"the input {name}", x)
        return rows

    def forward_layers(self, x: Array, training: bool) -> Array:
        """Return the output of the last layer for the input x of the first."""
        for layer in self.layers:
            x = layer.forward_rows(x, training)
            if not layer.finite and first_nonfinite_row(x) >= 0:
                _raise_nonfinite(layer, x)
        return x

    def backward_layers(self, dy: Array) -> Array:
        """Return dx of the first layer for the gradient dy of the last layer's output."""
        for layer in reversed(self.layers):
            dy = layer.backward_rows(dy)
        return dy


def nonfinite_kind(array: Array) -> str:
    """Return "NaN" if array contains one, else "infinity"."""
    return "NaN" if np.isnan(array).any() else "infinity"


def check_params(params: Mapping[str, Param]) -> None:
    """Raise FloatingPointError, which names the parameter, if one is not finite."""
    for param in params.values():
        if not np.isfinite(param.value).all():
            raise FloatingPointError(
                f"{param.name} holds {nonfinite_kind(param.value)}: an update diverged; lower the "
                "learning rate or clip the gradient"
            )


def _raise_nonfinite(layer: Layer, y: Array) -> NoReturn:
    """Raise the error for an output y that is not finite although the input is."""
    check_params(layer.params)
    repair = "lower the learning rate, or scale down the input or the initial weights"
    if not layer.own:
        repair = "look for a division by 0, an overflow, and the log or root of a negative number"
    raise FloatingPointError(
        f"{layer}: the input is finite, but the output holds {nonfinite_kind(y)} (the largest "
        f"{y.dtype} is {np.finfo(y.dtype).max:.1e}); {repair}"
    )

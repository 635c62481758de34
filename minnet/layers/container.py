"""Layers that contain layers: names, widths, parameters, and the passes through them.

`Sequential` is a network, and `Residual` is a branch with a skip connection. `Container` is their
base class. Layers are named by kind and count, and parameters and state by dotted names such as
``residual1.dense1.weight``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn, Self

import numpy as np
from numpy.typing import DTypeLike

from minnet.kernels.finiteness import first_nonfinite_row
from minnet.layer import Layer, Param, Rng
from minnet.param import Params
from minnet.validation import Array, check_finite, count


class Container(Layer):
    """Base class of layers that contain layers; each output is the input of the next layer."""

    is_network = False

    def __init__(self, layers: Sequence[Layer | tuple[str, Layer]]) -> None:
        kind = type(self).__name__
        if isinstance(layers, Layer) or not isinstance(layers, Sequence) or not layers:
            raise TypeError(f"{kind}: expected a list of at least one layer, got {layers!r}")
        pairs = [pair if isinstance(pair, tuple) else ("", pair) for pair in layers]
        self.layers = tuple(layer for _, layer in pairs)
        for number, layer in enumerate(self.layers, start=1):
            self._check_item(number, layer)
        # The layer that determines the input width; all layers before it keep the width.
        widths = ((layer.in_features, layer.out_features) for layer in self.layers)
        first = next((k for k, pair in enumerate(widths) if pair != (None, None)), 0)
        self._input_layer = self.layers[first]
        names = self._choose_names([name for name, _ in pairs])
        self.check_widths(names)
        self.rows_to_train = max(layer.rows_to_train for layer in self.layers)
        for position, (layer, name) in enumerate(zip(self.layers, names, strict=True), start=1):
            layer.name, layer.position = name, position
        for path, layer in self.walk():
            layer.path = path

    def _check_item(self, number: int, layer: Any) -> None:
        item = f"{type(self).__name__}: item {number}"
        if not isinstance(layer, Layer):
            repair = f"; create one: {layer.__name__}(...)" if isinstance(layer, type) else ""
            raise TypeError(f"{item}: expected a Layer, got {layer!r}{repair}")
        if isinstance(layer, Container) and layer.is_network:
            raise TypeError(
                f"{item}: expected a layer, got the network {layer}; create its layers in one list"
            )
        if layer._bound or any(layer is other for other in self.layers[: number - 1]):
            raise ValueError(f"{item}: {layer} is in use already; create a new layer")

    def _choose_names(self, given: Sequence[str]) -> list[str]:
        """Return a name for every layer: the given one, or kind and count."""
        names, kinds = [], Counter[str]()
        for layer, name in zip(self.layers, given, strict=True):
            kind = type(layer).__name__.lower()
            kinds[kind] += 1
            names.append(name or f"{kind}{kinds[kind]}")
        if not all(isinstance(name, str) for name in names):
            raise TypeError(f"{type(self).__name__}: expected names as strings, got {names}")
        if len(set(names)) < len(names) or any("." in name or "\0" in name for name in names):
            raise ValueError(
                f"{type(self).__name__}: expected different names without a dot, got {names}"
            )
        return names

    def check_widths(self, names: Sequence[str]) -> None:
        """Set in_features and out_features; raise ValueError if layers do not fit together."""
        width, source = None, None
        for position, (layer, name) in enumerate(zip(self.layers, names, strict=True), start=1):
            expected = layer.in_features
            for size in (expected, layer.out_features):
                if size is not None:
                    count(size, f"layer {position} '{name}' {layer.describe()}", "a width")
            if width is not None and expected is not None and width != expected:
                raise ValueError(
                    f"layer {position} '{name}' {layer.describe()}: expected input "
                    f"(n, {expected}), got (n, {width}); the {type(source).__name__} before it "
                    f"has out_features={width}"
                )
            if layer.out_features is not None or expected is not None:
                width, source = layer.out_features or expected, layer
        self.in_features, self.out_features = self._input_layer.in_features, width

    def __getitem__(self, name: str) -> Layer:
        """Return the layer with this name, such as ``net["residual1.dense1"]``."""
        by_name = dict(self.walk())
        if name not in by_name:
            raise KeyError(
                f"no layer {name!r}; expected one of {', '.join(by_name)}; net.layers[0] is the "
                "first layer"
            )
        return by_name[name]

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    def walk(self) -> Iterator[tuple[str, Layer]]:
        """Yield (dotted name, layer) for every layer, a container before its layers."""
        for layer in self.layers:
            yield layer.name, layer
            if isinstance(layer, Container):
                for name, inner in layer.walk():
                    yield f"{layer.name}.{name}", inner

    def build(self, *, rng: Rng = None, dtype: DTypeLike = np.float32) -> Self:
        generator = np.random.default_rng(rng)
        for layer in self.layers:
            layer.check_attributes()
        super().build(rng=generator, dtype=dtype)
        for layer in self.layers:
            layer._bound = False
            layer.build(rng=generator, dtype=dtype)
        for layer in self.layers:
            layer._bound = True
        return self

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for layer in self.layers:
            layer._bound = True

    @property
    def params(self) -> dict[str, Param]:
        """Parameters of all layers under dotted names such as ``dense1.weight``."""
        params = {
            f"{layer.name}.{name}": param
            for layer in self.layers
            for name, param in layer.params.items()
        }
        return Params(params, complete=True)

    @property
    def state(self) -> dict[str, Array]:
        """State of all layers under dotted names such as ``batchnorm1.running_mean``."""
        return {
            f"{layer.name}.{name}": array
            for layer in self.layers
            for name, array in layer.state.items()
        }

    def forget_buffers(self) -> None:
        super().forget_buffers()
        for layer in self.layers:
            layer.forget_buffers()

    # Input validation. An error names the layer concerned.

    def check_input(self, x: Any, name: str = "x") -> Array:
        rows = self._input_layer.check_input(x, name)
        check_finite(rows, f"the input {name}", x)
        return rows

    def check_rows(self, n: int) -> None:
        if n < self.rows_to_train:
            for layer in self.layers:
                layer.check_rows(n)

    def overlaps(self, array: Array, *names: str) -> bool:
        if super().overlaps(array, *names):
            return True
        return array.base is not None and any(
            layer.overlaps(array, *names) for layer in self.layers
        )

    # The passes.

    def forward_layers(self, x: Array, training: bool) -> Array:
        """Return the output of the last layer for the input x of the first."""
        for layer in self.layers:
            x = layer.forward_rows(x, training)
            if not (layer.keeps_finite or layer.finite) and first_nonfinite_row(x) >= 0:
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

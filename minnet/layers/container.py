"""Layers that hold layers: how they are named, how they fit, and where their parameters are.

`Sequential` is the network, `Residual` a stretch of it with a way around. What both need stands
here: names by kind and count, the check that each layer's width fits the one before it, and
parameters and state under dotted names such as ``residual1.dense1.weight``.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from minnet.kernels.finiteness import first_nonfinite_row
from minnet.layer import Layer, Param, Rng
from minnet.validation import Array, as_rows, unchanged


class Container(Layer):
    """A layer made of layers, one after the other."""

    fits_inside = True

    def __init__(self, layers: Sequence[Layer | tuple[str, Layer]]) -> None:
        kind = type(self).__name__
        if isinstance(layers, Layer) or not isinstance(layers, Sequence) or not layers:
            raise TypeError(f"{kind}: expected a list of layers, at least one, got {layers!r}")
        pairs = [pair if isinstance(pair, tuple) else ("", pair) for pair in layers]
        self.layers = tuple(layer for _, layer in pairs)
        for number, layer in enumerate(self.layers, start=1):
            self._check_item(number, layer)
        names = self._choose_names([name for name, _ in pairs])
        self.check_widths(names)
        for position, (layer, name) in enumerate(zip(self.layers, names, strict=True), start=1):
            layer.name, layer.position = name, position
        for path, layer in self.walk():
            layer.path = path

    def _check_item(self, number: int, layer: Any) -> None:
        item = f"{type(self).__name__}: item {number}"
        if not isinstance(layer, Layer):
            made = f"; make one of it: {layer.__name__}(...)" if isinstance(layer, type) else ""
            raise TypeError(f"{item} must be a Layer, got {layer!r}{made}")
        if isinstance(layer, Container) and not layer.fits_inside:
            raise TypeError(f"{item} is a whole network, {layer}; list the layers themselves")
        if layer.bound or any(layer is other for other in self.layers[: number - 1]):
            raise ValueError(f"{item}, {layer}, is in use already; make a new one")

    def _choose_names(self, given: Sequence[str]) -> list[str]:
        """Return a name for every layer: the given one, or kind and count."""
        names, kinds = [], Counter[str]()
        for layer, name in zip(self.layers, given, strict=True):
            kind = type(layer).__name__.lower()
            kinds[kind] += 1
            names.append(name or f"{kind}{kinds[kind]}")
        if not all(isinstance(name, str) for name in names):
            raise TypeError(f"{type(self).__name__}: names must be strings, got {names}")
        if len(set(names)) < len(names) or any("." in name or "\0" in name for name in names):
            raise ValueError(f"{type(self).__name__}: names must differ and hold no dot: {names}")
        return names

    def check_widths(self, names: Sequence[str]) -> None:
        """Settle the widths of input and output, or refuse layers that do not fit each other."""
        width, source = None, None
        for position, (layer, name) in enumerate(zip(self.layers, names, strict=True), start=1):
            expected = layer.in_features
            if width is not None and expected is not None and width != expected:
                raise ValueError(
                    f"layer {position} '{name}' {layer.describe()}: expected input "
                    f"(n, {expected}), got (n, {width}); the {type(source).__name__} before it "
                    f"has out_features={width}"
                )
            if layer.out_features is not None:
                width, source = layer.out_features, layer
        known = (layer.in_features for layer in self.layers if layer.in_features is not None)
        self.in_features, self.out_features = next(known, None), width

    def __getitem__(self, name: str) -> Layer:
        """The layer called ``name``; inside a Residual, ``net["residual1.dense1"]``."""
        by_name = dict(self.walk())
        if name not in by_name:
            raise KeyError(
                f"no layer {name!r}; there are {', '.join(by_name)}; by place: net.layers[0]"
            )
        return by_name[name]

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    def walk(self) -> Iterator[tuple[str, Layer]]:
        """Yield (dotted name, layer) for every layer, a container before what it holds."""
        for layer in self.layers:
            yield layer.name, layer
            if isinstance(layer, Container):
                for name, inner in layer.walk():
                    yield f"{layer.name}.{name}", inner

    def build(self, *, rng: Rng = None, dtype: DTypeLike = np.float32) -> Self:
        generator = np.random.default_rng(rng)
        super().build(rng=generator, dtype=dtype)
        for layer in self.layers:
            layer.bound = False  # to be built by nobody else
            layer.build(rng=generator, dtype=dtype)
            layer.bound = True
        return self

    @property
    def params(self) -> dict[str, Param]:
        """The parameters of all layers under dotted names such as ``dense1.weight``."""
        return {
            f"{layer.name}.{name}": param
            for layer in self.layers
            for name, param in layer.params.items()
        }

    @property
    def state(self) -> dict[str, Array]:
        """The state of all layers under dotted names such as ``batchnorm1.running_mean``."""
        return {
            f"{layer.name}.{name}": array
            for layer in self.layers
            for name, array in layer.state.items()
        }

    def forget_buffers(self) -> None:
        super().forget_buffers()
        for layer in self.layers:
            layer.forget_buffers()

    def forward_layers(self, x: Array, training: bool) -> Array:
        """Send x through the layers and return what comes out."""
        for layer in self.layers:
            if layer.own:
                y = layer.forward(x, training=training)
            else:
                forward = functools.partial(layer.forward, x, training=training)
                y = unchanged(layer, "forward", x, forward)
            if y is None or y is not layer._y:  # plain NumPy, or not training: not in the buffer
                y = self._received(layer, y, "forward", (len(x), layer.out_features or x.shape[1]))
                if training:
                    layer.x, layer.y = x, y
            if not layer.keeps_finite and first_nonfinite_row(y) >= 0:
                raise FloatingPointError(_explain(layer, y))
            x = y
        return x

    def backward_layers(self, dy: Array, layers: Sequence[Layer]) -> Array:
        """Send dy back through these layers, the last one first, and return what comes out."""
        for layer in reversed(layers):
            if layer.own:
                dx = layer.backward(dy)
            else:
                dx = unchanged(layer, "backward", dy, functools.partial(layer.backward, dy))
            if dx is None or dx is not layer._dx:
                dx = self._received(layer, dx, "backward", layer.x.shape)
                layer.dy, layer.dx = dy, dx
            dy = dx
        return dy

    def _received(self, layer: Layer, array: Any, method: str, shape: tuple[int, ...]) -> Array:
        """Check what a layer returned that does not keep it in the buffers of the contract."""
        if array is None:
            raise TypeError(f"{layer}: {method} returned None; end it with a return")
        rows = as_rows(array, self.dtype, f"{layer} {method} returned")
        if rows.shape != shape:
            repair = ""
            if len(rows) == shape[0] and layer.out_features is None:
                repair = "; a layer that changes the width has to set in_features and out_features"
            raise ValueError(f"{layer}: {method} must return {shape}, got {rows.shape}{repair}")
        return rows


def worst(array: Array) -> str:
    """NaN if there is one, else the infinity that is there."""
    return "NaN" if np.isnan(array).any() else "infinity"


def _explain(layer: Layer, y: Array) -> str:
    """Say why the output y of layer, whose input was finite, is not."""
    for name, param in layer.params.items():
        if not np.isfinite(param.value).all():
            return (
                f"{layer}: its {name} holds {worst(param.value)}: an update went out of bounds; "
                "lower the learning rate or clip the gradient"
            )
    if not layer.own:
        return (
            f"{layer}: its output holds {worst(y)}, though its input is finite; look for a "
            "division by 0, the log or root of a negative number, and what is too large for "
            f"{y.dtype}"
        )
    return (
        f"{layer}: its output holds {worst(y)}, too large for {y.dtype}; lower the learning rate, "
        "or scale the input or the initial weights down"
    )

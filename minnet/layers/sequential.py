"""The network: layers in a row, and all their parameters in one array."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from minnet.kernels.finiteness import first_nonfinite_row
from minnet.layer import Layer, Param, Rng
from minnet.layers.container import Container, worst
from minnet.layers.dense import Dense
from minnet.memory import empty
from minnet.summary import Summary, summarize
from minnet.validation import Array, as_float_dtype, as_rows, check_finite, count


class Sequential(Container):
    """A network: each layer's output is the next layer's input.

    Every parameter is a view into ``theta`` and every gradient a view into ``grad``, two
    contiguous arrays, so that an optimizer is one pass, a norm is one line, and a checkpoint is
    one array.

    Parameters
    ----------
    layers : sequence of Layer or (name, Layer)
        Layers are called by kind and count, ``dense1``, ``relu1``, ``dense2``, unless named.
    rng : int, numpy.random.Generator or None
        Seed or generator of the initial parameters and of dropout. A layer whose parameters have
        been looked at or set before keeps them.
    dtype : {float32, float64}
        Of parameters and buffers. Gradient checks want float64.

    Attributes
    ----------
    theta, grad : ndarray
        All parameters and all gradients, shape (parameters,).
    layers : list of Layer
        In order; ``net["dense1"]`` finds one by name.
    history : minnet.training.History or None
        The history of the last `minnet.fit`.
    metrics : dict of str to float
        ``loss``, ``lr`` and, for losses with classes, ``accuracy`` of the current training step,
        for probes; `minnet.train_step` sets it before it calls them.

    Raises
    ------
    TypeError, ValueError
        If an item is no layer, is in use elsewhere, or does not fit the one before it.

    Examples
    --------
    >>> from minnet import Dense, ReLU
    >>> net = Sequential([Dense(4, 8), ReLU(), Dense(8, 3)], rng=0)
    >>> net.theta.shape
    (67,)
    >>> net.forward(np.zeros((2, 4)), training=True).shape
    (2, 3)
    >>> net["relu1"].y.shape
    (2, 8)
    """

    fits_inside = False
    history: Any = None
    metrics: Mapping[str, float] = MappingProxyType({})

    def __init__(
        self,
        layers: Sequence[Layer | tuple[str, Layer]],
        *more: Any,
        rng: Rng = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        if more:
            raise TypeError(
                "Sequential: give the layers as one list, Sequential([Dense(4, 3), ...])"
            )
        generator, dtype = np.random.default_rng(rng), as_float_dtype(dtype)
        super().__init__(layers)
        self.build(rng=generator, dtype=dtype)

    def build(self, *, rng: Rng = None, dtype: DTypeLike = np.float32) -> Self:
        super().build(rng=rng, dtype=dtype)
        self._bind()
        return self

    def _bind(self) -> None:
        """Move all parameters into one array and all gradients into another."""
        self._all_params = super().params
        size = sum(param.value.size for param in self._all_params.values())
        self._theta = empty((size,), self.dtype)
        self._grad = empty((size,), self.dtype)
        start = 0
        for name, param in self._all_params.items():
            param.name = name
            shape, stop = param.value.shape, start + param.value.size
            param.move(
                self._theta[start:stop].reshape(shape), self._grad[start:stop].reshape(shape)
            )
            start = stop
        for _, layer in self.walk():
            layer.bound = True

    @property
    def params(self) -> dict[str, Param]:
        """All parameters under dotted names such as ``dense1.weight``, in theta's order."""
        return self._all_params

    @property
    def theta(self) -> Array:
        """All parameters in one array; assigning copies into it."""
        return self._theta

    @theta.setter
    def theta(self, theta: Any) -> None:
        self._theta[...] = theta

    @property
    def grad(self) -> Array:
        """All gradients in one array, in theta's order."""
        return self._grad

    @grad.setter
    def grad(self, grad: Any) -> None:
        self._grad[...] = grad

    # What overflows is found by asking, so that the error can name the layer.
    @np.errstate(over="ignore", invalid="ignore", under="ignore")
    def forward(self, x: Any, *, training: bool) -> Array:
        """Return the output of the last layer, (n, out_features).

        Raises
        ------
        ValueError, TypeError
            If x is not rows of numbers of the right width.
        FloatingPointError
            If x holds NaN or infinity, or a layer's output does: the first such layer is named.
        """
        x = as_rows(x, self.dtype, self.layers[0])
        check_finite(x, "the input x")
        if training:
            self._awaits_backward = False  # until this forward has come through
        y = self.forward_layers(x, training)
        if training:
            self.x, self.y, self._awaits_backward = x, y, True
        return y

    @np.errstate(over="ignore", invalid="ignore", under="ignore")
    def backward(self, dy: Any, *, input_gradient: bool = True) -> Array:
        """Fill every gradient in ``grad`` and return dx, (n, in_features).

        Training has no use for dx: with ``input_gradient=False`` a first layer that is `Dense`
        leaves its product out, and dx has no rows.

        Raises
        ------
        RuntimeError
            If no forward with ``training=True`` waits for a backward.
        FloatingPointError
            If the gradient that arrives at the first layer is not finite; the layer where it arose
            is named. The gradients of parameters are not asked one by one.
        """
        if not self._awaits_backward:
            raise RuntimeError(
                "the network has no forward that waits for this backward; call "
                "forward(x, training=True) before each backward"
            )
        dy = as_rows(dy, self.dtype, "the gradient dy of the network")
        first = self.layers[0]
        arrives = self.backward_layers(dy, self.layers[1:])
        if first_nonfinite_row(arrives) >= 0:
            raise FloatingPointError(self._explain_gradient(dy))
        if isinstance(first, Dense) and not input_gradient:
            dx = first.backward(arrives, input_gradient=False)
        else:
            dx = self.backward_layers(arrives, [first])
        self.dy, self.dx, self._awaits_backward = dy, dx, False
        return dx

    def predict(self, x: Any, *, batch_size: int = 1024) -> Array:
        """Return the output for x as it is outside training, batch_size rows at a time.

        An empty x gives an empty (0, out_features). No buffer is disturbed.
        """
        batch_size = count(batch_size, "predict", "batch_size")
        x = self.layers[0].check_input(x)
        check_finite(x, "the input x")
        batches = [
            self.forward(x[start : start + batch_size], training=False)
            for start in range(0, max(len(x), 1), batch_size)
        ]
        return np.concatenate(batches) if len(batches) > 1 else batches[0]

    def check_theta(self) -> None:
        """Raise FloatingPointError if a parameter is not finite, and name it."""
        if first_nonfinite_row(self.theta.reshape(1, -1)) >= 0:
            for name, param in self.params.items():
                if not np.isfinite(param.value).all():
                    raise FloatingPointError(
                        f"{name} holds {worst(param.value)}: an update went out of bounds; lower "
                        "the learning rate or clip the gradient"
                    )

    def summary(self) -> Summary:
        """Return a table of the layers that prints as text and shows as HTML in a notebook."""
        return summarize(self)

    def _explain_gradient(self, dy: Array) -> str:
        """Name the layer in which the gradient, on its way back, first was not finite."""
        if first_nonfinite_row(dy) >= 0:
            return f"the gradient dy given to the network holds {worst(dy)}"
        for layer in reversed(self.layers):
            if layer.dx is not None and first_nonfinite_row(layer.dx) >= 0:
                break
        return (
            f"{layer}: the gradient that it passes on holds {worst(layer.dx)}; lower the initial "
            "weights, or clip the gradient of the steps before"
        )

    def __getstate__(self) -> dict[str, Any]:
        gone = {"_theta", "_grad", "_all_params"}
        return {key: value for key, value in super().__getstate__().items() if key not in gone}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._bind()

    def describe(self) -> str:
        return f"Sequential([{', '.join(layer.describe() for layer in self.layers)}])"

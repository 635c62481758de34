"""Network: a sequence of layers, with all parameters in one array and all gradients in another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from minnet.kernels.finiteness import first_nonfinite_row
from minnet.layer import Layer, Rng
from minnet.layers import exchange
from minnet.layers.activations import Sigmoid, Softmax
from minnet.layers.container import Container, check_params, nonfinite_kind
from minnet.param import bind
from minnet.summary import Summary, summarize
from minnet.validation import Array, as_flag, as_float_dtype, as_rng, count, fill


class Sequential(Container):
    """Network: the output of each layer is the input of the next.

    Every parameter is a view into ``theta`` and every gradient a view into ``grad``. Both arrays
    are contiguous, so that an optimizer step is one pass over them and a checkpoint is one array.

    Parameters
    ----------
    layers : sequence of Layer or (name, Layer)
        Layers without a name are named by kind and count: ``dense1``, ``relu1``, ``dense2``.
    rng : int, numpy.random.Generator or None
        Seed or generator of the initial parameters and of dropout. Parameters that were assigned
        earlier keep their values.
    dtype : {float32, float64}
        Type of parameters and buffers. Gradient checks need float64.

    Attributes
    ----------
    theta, grad : ndarray
        All parameters and all gradients, shape (parameters,).
    layers : tuple of Layer
        The layers in order; ``net["dense1"]`` returns one by name.
    history : minnet.training.History or None
        History of the last `minnet.fit`.
    metrics : dict of str to float
        ``loss`` and ``lr`` of the current training step, with ``clip_norm`` also ``grad_norm`` and,
        if there are probes and the loss has classes, ``accuracy``. `minnet.train_step` sets it.

    Raises
    ------
    TypeError, ValueError
        If an item is not a layer, is in use elsewhere, or does not fit the layer before it.

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

    is_network = True
    history: Any = None
    gradients: int = 0  # number of backward passes, and of uses of grad that may change it
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
                "Sequential: expected one list of layers, and rng by name: "
                "Sequential([Dense(4, 3), ...], rng=0)"
            )
        generator, dtype = as_rng(rng, "Sequential"), as_float_dtype(dtype)
        super().__init__(layers)
        self.build(rng=generator, dtype=dtype)

    def build_parts(self, rng: np.random.Generator, dtype: np.dtype[Any]) -> None:
        super().build_parts(rng, dtype)
        self._theta, self._grad = bind(self.params.values(), dtype)

    @property
    def theta(self) -> Array:
        """All parameters in one array; an assignment copies into it."""
        return self._theta

    @theta.setter
    def theta(self, theta: Any) -> None:
        fill(self._theta, theta, "Sequential", "theta")

    @property
    def grad(self) -> Array:
        """All gradients in one array, in the order of theta."""
        self.gradients += 1  # the array may be written to
        return self._grad

    @grad.setter
    def grad(self, grad: Any) -> None:
        fill(self._grad, grad, "Sequential", "grad")
        self.gradients += 1

    def forward_rows(self, x: Array, training: bool) -> Array:
        """Return the output of the last layer.

        Raises
        ------
        FloatingPointError
            If the output of a layer is not finite; the error names the first such layer.
        """
        if training:
            self._pending = False
        y = self.forward_layers(x, training)
        if training:
            self.x, self.y, self._pending = x, y, True
        return y

    def backward_rows(self, dy: Array, input_gradient: bool = True) -> Array:
        """Fill every gradient in ``grad`` and return the dx of the first layer.

        Raises
        ------
        FloatingPointError
            If the gradient that reaches the first layer is not finite. The error names the layer
            in which it became non-finite. The gradients of the parameters are not checked.
        """
        self._pending, self.dy = False, dy
        for layer in reversed(self.layers[1:]):
            dy = layer.backward_rows(dy)
        if first_nonfinite_row(dy) >= 0:
            raise FloatingPointError(self._explain_gradient())
        self.dx = self.layers[0].backward_rows(dy, input_gradient)
        self.gradients += 1
        return self.dx

    @np.errstate(over="ignore", invalid="ignore", under="ignore")
    def predict(self, x: Any, *, batch_size: int = 1024) -> Array:
        """Return the output (n, out_features) in evaluation, computed batch_size rows at a time.

        The buffers do not change. An empty x gives an array of shape (0, out_features).
        """
        batch_size = count(batch_size, "predict", "batch_size")
        x = self.check_input(x)
        batches = [
            self.forward_rows(x[start : start + batch_size], training=False)
            for start in range(0, max(len(x), 1), batch_size)
        ]
        return np.concatenate(batches) if len(batches) > 1 else batches[0]

    def predict_proba(self, x: Any, *, multilabel: bool = False, batch_size: int = 1024) -> Array:
        """Return the probabilities of the classes (n, out_features), for a classifier.

        A network that was trained with `SigmoidBinaryCrossEntropy` and has several outputs needs
        ``multilabel=True``, because a network does not know its loss.

        The output of a network that ends in `Softmax` or `Sigmoid` is returned as it is. Otherwise
        the output is taken as logits: a single output becomes the probability of yes, by the
        sigmoid, and several become those of classes, by softmax over each row.

        Parameters
        ----------
        x, batch_size
            As in `predict`.
        multilabel : bool, default False
            Whether several outputs are independent answers; the sigmoid is applied to each.

        Examples
        --------
        >>> from minnet import Dense
        >>> Sequential([Dense(3, 4, init="zeros")]).predict_proba([[1.0, 2.0, 3.0]])
        array([[0.25, 0.25, 0.25, 0.25]], dtype=float32)
        """
        multilabel = as_flag(multilabel, self, "multilabel")
        output = self.predict(x, batch_size=batch_size)
        if isinstance(self.layers[-1], Softmax | Sigmoid):
            return output
        activation = Sigmoid() if multilabel or output.shape[1] == 1 else Softmax()
        return activation.build(dtype=self.dtype).forward(output, training=False)

    def check_theta(self) -> None:
        """Raise FloatingPointError, which names the parameter, if one is not finite."""
        if first_nonfinite_row(self.theta.reshape(1, -1)) >= 0:
            check_params(self.params)

    def summary(self) -> Summary:
        """Return a table of the layers, displayed as text or as HTML in a notebook."""
        return summarize(self)

    # Exchange with PyTorch and Keras. `minnet.layers.exchange` lists names, order and layouts.

    def to_torch_state_dict(self) -> dict[str, Array]:
        """Return copies of all parameters and state under the names of PyTorch's state dict.

        Examples
        --------
        >>> from minnet import Dense, ReLU
        >>> arrays = Sequential([Dense(4, 3), ReLU(), Dense(3, 2)]).to_torch_state_dict()
        >>> {name: array.shape for name, array in arrays.items()}
        {'0.weight': (3, 4), '0.bias': (3,), '2.weight': (2, 3), '2.bias': (2,)}
        """
        return {name: view.copy() for name, _, view, _ in exchange.entries(self)}

    def load_torch_state_dict(self, state_dict: Mapping[str, Any]) -> Self:
        """Fill all parameters and state from arrays or CPU tensors by name; return the network.

        Raises
        ------
        TypeError
            If state_dict is not a mapping such as module.state_dict().
        ValueError
            If an array is missing, unknown, of another shape, not finite or not of real numbers.
            The message lists all such arrays, and the network is unchanged.
        """
        exchange.fill(self, state_dict, "load_torch_state_dict")
        return self

    def to_keras_weights(self) -> list[Array]:
        """Return copies of all parameters and state, in the order of Keras's ``get_weights``."""
        return [array.copy() for *_, array in exchange.entries(self)]

    def load_keras_weights(self, weights: Sequence[Any]) -> Self:
        """Fill all parameters and state from Keras's list; raise as `load_torch_state_dict`."""
        exchange.fill(self, weights, "load_keras_weights", keras=True)
        return self

    def _explain_gradient(self) -> str:
        """Return a message that names the layer in which the gradient became non-finite."""
        if first_nonfinite_row(self.dy) >= 0:
            return f"backward: the given gradient dy holds {nonfinite_kind(self.dy)}"
        source = next(layer for layer in reversed(self.layers) if not np.isfinite(layer.dx).all())
        repair = "scale down the initial weights, or clip the gradients of earlier steps"
        if not source.own:
            repair = "look for a division by 0 and an overflow in differentiate"
        return f"{source}: the gradient dx holds {nonfinite_kind(source.dx)}; {repair}"

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._theta, self._grad = bind(self.params.values(), self.dtype)

    def describe(self) -> str:
        return f"Sequential([{', '.join(layer.describe() for layer in self.layers)}])"

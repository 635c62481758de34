"""Base class of layers: input validation, buffers, and paired forward and backward passes.

A layer defines its mathematics in two methods. ``compute(x, y, training)`` fills the output y;
``differentiate(dy, dx)`` fills the gradient dx of the input and the gradient of every parameter.
The base class does the rest for all layers: `Layer.forward` validates x and allocates y;
`Layer.backward` validates dy, allocates dx and requires a forward pass before each backward pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import DTypeLike

from minnet.differentiable import Differentiable, apart, guarded, read_only
from minnet.memory import grown
from minnet.param import Param as Param
from minnet.param import Params, bind
from minnet.param import parameter as parameter
from minnet.validation import Array, as_flag, as_float_dtype, as_rng, as_rows

Rng = int | np.random.Generator | None
EXPOSED = ("x", "y", "dy", "dx")


class Layer(Differentiable):
    """One step of a network; a subclass defines `compute` and `differentiate`.

    Attributes
    ----------
    in_features, out_features : int or None
        Widths of input and output. None means that the layer accepts any width and keeps it.
    x, y, dy, dx : ndarray or None
        Input, output, and the gradients of the loss with respect to y and x in the last training
        step, shape (n, features). They are valid until the next training step; evaluation returns
        a new array and does not change them.
    params : dict of str to Param
        Parameters, in the order in which a network stores them. ``params[name] = Param(array)``
        adds one.
    state : dict of str to ndarray
        Arrays that are saved with the parameters but not trained, such as running statistics.
    dtype : numpy.dtype
        float32, or float64 in a network with ``dtype=np.float64``.
    name, path, position : str, str, int
        Name by kind and count, such as ``dense1``; dotted name within the network, such as
        ``residual1.dense1``; position in the container, counted from 1.
    layers : tuple of Layer
        The layers inside a `Sequential` or `Residual`; other layers contain none.
    finite : bool
        Whether y is known to be finite if x is. A network checks the other outputs.
    rows_to_train : int
        Minimum number of rows in a training batch: 1, or 2 for a layer with batch statistics.

    Examples
    --------
    A layer in plain NumPy:

    >>> class Square(Layer):
    ...     def compute(self, x, y, training):
    ...         y[...] = x**2
    ...
    ...     def differentiate(self, dy, dx):
    ...         dx[...] = dy * 2 * self.x
    >>> square = Square()
    >>> square.forward([[1.0, 2.0, 3.0]], training=True)
    array([[1., 4., 9.]], dtype=float32)
    >>> square.backward([[1.0, 1.0, 1.0]])
    array([[2., 4., 6.]], dtype=float32)
    """

    in_features: int | None = None
    out_features: int | None = None
    name: str = ""
    path: str = ""
    position: int = 0
    dtype: np.dtype[Any] = np.dtype(np.float32)
    # None before the first training step, but typed as arrays for the code that reads them.
    x: Array = None  # type: ignore[assignment]
    y: Array = None  # type: ignore[assignment]
    dy: Array = None  # type: ignore[assignment]
    dx: Array = None  # type: ignore[assignment]
    layers: tuple[Layer, ...] = ()
    finite: bool = False
    rows_to_train: int = 1
    buffers: ClassVar[tuple[str, ...]] = (*EXPOSED, "_y", "_dx", "_pending", "_state_before")
    can_skip_dx: ClassVar[bool] = False
    is_container: ClassVar[bool] = False
    _bound: bool = False  # whether a network contains the layer
    _stateful: Sequence[Layer] | None = None  # of a container, the layers inside that have state
    _y: Array | None = None
    _dx: Array | None = None
    _params: Params | None = None
    _drawn: Mapping[str, Array] | None = None  # values drawn before the first build, as drawn
    _state_before: Sequence[tuple[Array, Array]] = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if not cls.own:  # an overridden method may not do what that of minnet does
            for method, promise in (("compute", "finite"), ("differentiate", "can_skip_dx")):
                if method in vars(cls) and promise not in vars(cls):
                    setattr(cls, promise, False)

    # The mathematics.

    def compute(self, x: Array, y: Array, training: bool) -> None:
        """Fill the output y (n, out_features) from the input x (n, in_features)."""
        raise TypeError(f"{self}: expected the layer to define compute(self, x, y, training)")

    def differentiate(self, dy: Array, dx: Array) -> None:
        """Fill dx (n, in_features) and the gradient of every parameter from dy (n, out_features).

        ``self.x`` and ``self.y`` are the arrays of the forward pass.
        """
        raise TypeError(f"{self}: expected the layer to define differentiate(self, dy, dx)")

    # The public methods. Overflow is not a warning: a network checks the outputs of its layers.

    @np.errstate(over="ignore", invalid="ignore", under="ignore")
    def forward(self, x: Any, *, training: bool) -> Array:
        """Return y (n, out_features) for x (n, in_features).

        With ``training=True`` y is the buffer ``self.y``; otherwise it is a new array. If the pass
        fails, the state of all layers, such as running statistics, is as before.

        Raises
        ------
        ValueError
            If x does not have shape (n, in_features), or has too few rows for training.
        TypeError
            If x does not hold real numbers, or training is not True or False.
        """
        if not isinstance(training, bool):
            training = as_flag(training, self, "training")  # type: ignore[unreachable]
        x = self.check_input(x)
        if not training:
            return self.forward_rows(x, False)
        self.check_rows(len(x))
        if x is not self.x:
            x = self._apart(x, "_y", "_dx")
        elif len(x) != len(self.y):  # x was reshaped in place, and needs another y
            x = x.view()
        stateful = (self,) if self._stateful is None else self._stateful
        self._state_before = [(a, a.copy()) for layer in stateful for a in layer.state.values()]
        try:
            return self.forward_rows(x, True)
        except BaseException:
            self.undo_forward()
            raise

    def undo_forward(self) -> None:
        """Restore the state from before the last training forward, whose backward is omitted."""
        self._pending = False
        for array, before in self._state_before:
            array[...] = before

    @np.errstate(over="ignore", invalid="ignore", under="ignore")
    def backward(self, dy: Any, *, input_gradient: bool = True) -> Array:
        """Fill the gradient of every parameter and return dx (n, in_features).

        Parameters
        ----------
        dy : array_like, shape (n, out_features)
            Gradient of the loss with respect to y.
        input_gradient : bool, default True
            With False, a `Dense` layer, or a network that begins with one, omits the product that
            computes dx; dx then has no rows.

        Raises
        ------
        RuntimeError
            If no forward with ``training=True`` is pending.
        ValueError, TypeError
            If dy does not have the shape of y, or does not hold real numbers.
        """
        self._require_pending("forward(x, training=True)")
        input_gradient = as_flag(input_gradient, self, "input_gradient")
        dy = as_rows(dy, self.dtype, self, "dy")
        if dy.shape != self.y.shape:
            raise ValueError(f"{self}: expected dy of y's shape {self.y.shape}, got {dy.shape}")
        if dy is not self.dy:
            dy = self._apart(dy, "_dx")
        return self.backward_rows(dy, input_gradient)

    def check_input(self, x: Any, name: str = "x") -> Array:
        """Return x as rows (n, in_features) of the layer's dtype; raise as `forward` does."""
        rows = as_rows(x, self.dtype, self, name)
        if self.in_features is not None and rows.shape[1] != self.in_features:
            raise ValueError(
                f"{self}: expected {name} of shape (n, {self.in_features}), got {rows.shape}"
            )
        return rows

    def check_rows(self, n: int) -> None:
        """Raise ValueError if n rows are too few for training; the error names the layer."""
        if n < self.rows_to_train:
            for layer in self.layers:
                layer.check_rows(n)
            least = f"{self.rows_to_train} row{'s' if self.rows_to_train > 1 else ''}"
            raise ValueError(f"{self}: expected a training batch of at least {least}, got {n}")

    def _apart(self, array: Array, *names: str) -> Array:
        """Return array, or a copy if it shares memory with these buffers of the layer or inside."""
        layers = (self, *(layer for _, layer in self.walk()))
        return apart(array, (getattr(layer, name) for layer in layers for name in names))

    # The same passes without validation, for arrays that one layer of a network passes to another.

    def forward_rows(self, x: Array, training: bool) -> Array:
        """Allocate y and compute it; in training, keep x and y for the backward pass."""
        if training:
            self._pending, y = False, self._y
            if y is None or y is not self.y or x is not self.x:  # not those of the last step
                y = self._y = grown(y, (len(x), self.out_features or x.shape[1]), self.dtype)
        else:
            y = np.empty((len(x), self.out_features or x.shape[1]), self.dtype)
        if self.own:
            self.compute(x, y, training)
        else:
            x = read_only(x)
            self._guarded(self.compute, (x, y, training), {"y": y})
        if training:
            self.x, self.y, self._pending = x, y, True
        return y

    def backward_rows(self, dy: Array, input_gradient: bool = True) -> Array:
        """Allocate dx and compute it and the gradients of the parameters."""
        if not self._pending:
            self._require_pending("forward(x, training=True)")
        self._pending = False
        shape, dx = self.x.shape, self._dx
        if self.can_skip_dx and not input_gradient:
            shape = 0, shape[1]
        if dx is None or dx.shape != shape:
            dx = self._dx = grown(dx, shape, self.dtype)
        self.dx = dx
        if self.own:
            self.dy = dy
            self.differentiate(dy, dx)
        else:
            self.dy = read_only(dy)
            filled = {"dx": dx} | {f"params[{k!r}].grad": p.grad for k, p in self.params.items()}
            self._guarded(self.differentiate, (self.dy, dx), filled)
        return dx

    def _guarded(self, method: Any, arrays: tuple[Any, ...], filled: dict[str, Array]) -> None:
        """Call compute or differentiate of a layer that is not part of minnet.

        A layer may assign self.y in compute, and any buffer in differentiate; the buffers are
        restored afterwards. To assign self.x, self.dy or self.dx in compute raises TypeError.
        """
        kept = {name: getattr(self, name) for name in EXPOSED}
        if method == self.differentiate:
            self.y = read_only(self.y)  # y is the input of the next layer
        try:
            guarded(method, arrays, filled)
            for name in ("x", "dy", "dx") if method == self.compute else ():
                if getattr(self, name) is not kept[name]:
                    raise TypeError(
                        f"{self}: compute assigned self.{name}, which is a buffer of the layer; "
                        "use another name"
                    )
        finally:
            vars(self).update(kept)

    # Parameters and state.

    def draw_params(self, rng: np.random.Generator) -> Mapping[str, Param]:
        """Return new parameters of ``self.dtype`` by name; layers with parameters override this."""
        return {}

    @property
    def params(self) -> dict[str, Param]:
        """Parameters by name; ``params[name] = Param(array)`` adds one."""
        if self._params is None:
            drawn = self.draw_params(np.random.default_rng())
            self._params = Params(drawn, complete=bool(self.layers))
            self._drawn = {name: param.value.copy() for name, param in self._params.items()}
        return self._params

    @property
    def trainable(self) -> bool:
        """Whether all parameters are trainable; an assignment sets `Param.trainable` of each."""
        return all(param.trainable for param in self.params.values())

    @trainable.setter
    def trainable(self, trainable: bool) -> None:
        trainable = as_flag(trainable, self, "trainable")
        for param in self.params.values():
            param.trainable = trainable

    @property
    def state(self) -> dict[str, Array]:
        """Arrays that are saved with the parameters but not trained, by name; not copies."""
        return {}

    def build(self, *, rng: Rng = None, dtype: DTypeLike = np.float32) -> Self:
        """Convert the layer to dtype, draw its parameters and return it.

        `Sequential` builds its layers. A layer that is used alone can be built with a seed or in
        float64: ``Dense(3, 2).build(rng=0, dtype=np.float64)``. Parameters that were assigned, or
        drawn by an earlier build, keep their values. Parameters that were drawn when they were read
        before the first build are drawn again, so that the parameters of a network depend only on
        its ``rng``.

        Raises
        ------
        ValueError
            If the dtype is neither float32 nor float64, or the layer is part of a network.
        TypeError
            If an attribute holds a Param or a Layer, which would not be trained, or has the name of
            a buffer.
        """
        if self._bound:
            raise ValueError(
                f"{self}: this layer belongs to a network, which builds it; create a new layer"
            )
        generator, dtype = as_rng(rng, self), as_float_dtype(dtype)
        self.check_attributes()
        for _, layer in self.walk():
            layer.check_attributes()
        self.build_parts(generator, dtype)
        return self

    def build_parts(self, rng: np.random.Generator, dtype: np.dtype[Any]) -> None:
        """Convert to dtype and draw, without checks; layers with more to build extend this."""
        self.dtype = dtype
        self.forget_buffers()
        drawn, unread = self._drawn, self._params is None
        fresh = self.draw_params(rng) if unread or drawn is not None else {}
        self._params, self._drawn = self._params or Params(fresh), None
        self._params.complete = True
        bind(self._params.values(), dtype)
        for name, values in (drawn or {}).items():
            param = self._params[name]
            if np.array_equal(param.value, values):
                param.value = fresh[name].value

    def check_attributes(self) -> None:
        """Raise TypeError if an attribute holds a Param or Layer, or has the name of a buffer."""
        if self.own or (self._params is not None and self._params.complete):
            return
        known = [*(self._params or {}).values(), *(self.layers if self.is_container else ())]
        for name, value in vars(self).items():
            if name in EXPOSED and self._y is None:
                raise TypeError(f"{self}: self.{name} is a buffer of the layer; use another name")
            values = [*value.values()] if isinstance(value, dict) else value
            for item in values if isinstance(values, list | tuple) else [values]:
                if isinstance(item, Param | Layer) and all(item is not other for other in known):
                    repair = "use the layers one by one in a Sequential or Residual"
                    if isinstance(item, Param):
                        repair = f"assign it to self.params[{name!r}]"
                    raise TypeError(
                        f"{self}: self.{name} holds {item!r}, which would not be trained; {repair}"
                    )

    def walk(self) -> Iterator[tuple[str, Layer]]:
        """Yield (dotted name, layer) for every layer inside, a container before its layers."""
        for layer in self.layers:
            yield layer.name, layer
            for name, inner in layer.walk():
                yield f"{layer.name}.{name}", inner

    def forget_buffers(self) -> None:
        """Remove the buffers of this layer and of all layers inside."""
        super().forget_buffers()
        for layer in self.layers:
            layer.forget_buffers()

    def __getstate__(self) -> dict[str, Any]:
        self.params  # noqa: B018 - draws them, so that a copy has the same parameters
        return super().__getstate__()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Raise TypeError, because a call does not specify training or evaluation."""
        raise TypeError(
            f"{self}: a layer cannot be called; use forward(x, training=True) in training, "
            "forward(x, training=False) or predict(x) of a network in evaluation"
        )

    # Descriptions for messages.

    def describe(self) -> str:
        """Return the class name and the sizes, such as ``Dense(784->100)``."""
        return f"{type(self).__name__}({'' if self.in_features is None else self.in_features})"

    def __repr__(self) -> str:
        return self.describe()

    def __str__(self) -> str:
        """Return position, name and description, such as ``layer 3 'batchnorm2' BatchNorm(64)``."""
        start = f"layer {self.position} '{self.path}' " if self.path else ""
        return start + self.describe()

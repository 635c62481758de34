"""The contract that every layer keeps, minnet's own and a student's alike.

A layer has two methods. ``forward(x, training=...)`` turns rows into rows; ``backward(dy)`` takes
the gradient of the loss with respect to its output, fills the gradients of its parameters and
returns the gradient with respect to its input. What flows through stays in plain sight after a
training step: ``x`` went in, ``y`` came out, ``dy`` came back, ``dx`` was passed on. All are
(n, features) arrays, valid until the layer's next training step. ``forward(training=False)``
returns a new array and leaves every buffer alone, so that predicting never disturbs what there is
to see.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import DTypeLike

from minnet.memory import grown
from minnet.validation import Array, as_float_dtype, as_rows

BUFFERS = ("x", "y", "dy", "dx", "_y", "_dx", "_awaits_backward", "_steady")

Rng = int | np.random.Generator | None


class Param:
    """A parameter: its ``value`` and the loss's gradient ``grad`` with respect to it.

    Assigning to either copies the numbers into the array that is there, because in a network
    both are views into `Sequential.theta` and `Sequential.grad`; a single number fills all of it.

    Parameters
    ----------
    value : array_like
        The parameter, of any shape; kept as it is where it is a float array.
    grad : array_like, optional
        Zeros of the same shape unless given.

    Attributes
    ----------
    name : str
        What its layer calls it, such as ``weight``, and in a network the network:
        ``dense1.weight``.

    Raises
    ------
    TypeError, ValueError
        If what is assigned is not made of real numbers, or of another shape.

    Examples
    --------
    >>> gain = Param(np.ones(3))
    >>> gain.value = [1.0, 2.0, 3.0]
    >>> gain.value, gain.grad
    (array([1., 2., 3.]), array([0., 0., 0.]))
    """

    __slots__ = ("_grad", "_value", "name")

    def __init__(self, value: Any, grad: Any = None) -> None:
        self.name = "a parameter"
        value = np.asarray(value)
        self._value: Array = value if value.dtype.kind == "f" else value.astype(np.float32)
        self._grad: Array = np.zeros_like(self._value)
        if grad is not None:
            self.grad = grad

    @property
    def value(self) -> Array:
        """The numbers themselves."""
        return self._value

    @value.setter
    def value(self, value: Any) -> None:
        self._fill(self._value, value, "value")

    @property
    def grad(self) -> Array:
        """The gradient of the loss; every backward overwrites it."""
        return self._grad

    @grad.setter
    def grad(self, grad: Any) -> None:
        self._fill(self._grad, grad, "grad")

    def move(self, value: Array, grad: Array) -> None:
        """Go on living in these two arrays, taking the numbers along."""
        value[...], grad[...] = self._value, self._grad
        self._value, self._grad = value, grad

    def _fill(self, array: Array, numbers: Any, what: str) -> None:
        numbers = np.asarray(numbers)
        if numbers.dtype.kind not in "fiub":
            raise TypeError(f"{self.name}: {what} must be real numbers, got {numbers.dtype}")
        if numbers.ndim and numbers.shape != array.shape:
            repair = "give as many numbers, or one for all"
            if numbers.shape == array.shape[::-1]:
                repair = "it is the transpose, so give its .T"
            raise ValueError(
                f"{self.name}: {what} has shape {array.shape}, got {numbers.shape}; {repair}"
            )
        array[...] = numbers

    def __repr__(self) -> str:
        return f"Param(shape={self.value.shape}, dtype={self.value.dtype})"


class Params(dict[str, Param]):
    """The parameters of a layer by name; one that is there cannot be replaced, only assigned to."""

    def __init__(self, params: Mapping[str, Param]) -> None:
        super().__init__()
        for name, param in params.items():
            self[name] = param

    def __setitem__(self, name: str, param: Param) -> None:
        if not isinstance(param, Param):
            raise TypeError(f"params[{name!r}] must be a Param, got {param!r}: Param(array)?")
        if name in self and self[name] is not param:
            raise ValueError(f"there is a {name!r} already; assign its numbers: {name}.value = ...")
        param.name = name
        super().__setitem__(name, param)


def parameter(name: str) -> Any:
    """Make a parameter an attribute of its layer, None for a layer that is built without it."""

    def get(self: Layer) -> Param | None:
        return (self._params or self.params).get(name)

    def refuse(self: Layer, value: Any) -> None:
        raise AttributeError(f"{self}: assign the numbers, layer.{name}.value = ...")

    return property(get, refuse, doc=f"The parameter called {name}.")


class Layer:
    """One step of a network; subclasses define `forward` and `backward`.

    Attributes
    ----------
    in_features, out_features : int or None
        The widths of input and output; None where any width will do and is kept.
    x, y, dy, dx : ndarray or None
        The buffers of the last training step, shape (n, features).
    params : dict of str to Param
        The parameters, in the order in which a network stores them. What is not in it is not
        trained.
    state : dict of str to ndarray
        What is saved beside the parameters, such as running statistics.
    dtype : numpy.dtype
        float32, or float64 in a network built with ``dtype=np.float64``.
    name, path, position : str, str, int
        What its container calls the layer, kind and count such as ``dense1``; how the network
        finds it, such as ``residual1.dense1``; and its place in the container, counted from 1.
    keeps_finite : bool
        Whether finite input always gives finite output, so that nobody has to ask.
    rows_to_train : int
        How many rows a training batch needs: 1, but 2 for batch statistics.
    own : bool
        Whether the class is one of minnet's, which is trusted not to write into what it is given.
    bound : bool
        Whether a network holds the layer; its parameters then live in that network's theta.

    Examples
    --------
    A layer of one's own needs NumPy and two methods:

    >>> class Square(Layer):
    ...     def forward(self, x, *, training):
    ...         x, y = self.begin_forward(x, training)
    ...         y[...] = x * x
    ...         return y
    ...
    ...     def backward(self, dy):
    ...         dy, dx = self.begin_backward(dy)
    ...         dx[...] = dy * 2 * self.x
    ...         return dx
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
    # None before the first training step; typed as what they are whenever one looks at them.
    x: Array = None  # type: ignore[assignment]
    y: Array = None  # type: ignore[assignment]
    dy: Array = None  # type: ignore[assignment]
    dx: Array = None  # type: ignore[assignment]
    own: ClassVar[bool] = True
    bound: bool = False
    keeps_finite: bool = False
    rows_to_train: int = 1
    _params: Params | None = None
    _y: Array = None  # type: ignore[assignment]
    _dx: Array = None  # type: ignore[assignment]
    _awaits_backward: bool = False
    _steady: bool = False  # whether x, dy and the buffers fitted each other in the last step

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.own = cls.__module__.partition(".")[0] == "minnet"

    def forward(self, x: Any, *, training: bool) -> Array:
        """Return y, (n, out_features), for x, (n, in_features)."""
        raise TypeError(f"{self}: a layer must define forward(self, x, *, training)")

    def backward(self, dy: Any) -> Array:
        """Fill the gradient of every parameter and return dx, (n, in_features)."""
        raise TypeError(f"{self}: a layer must define backward(self, dy)")

    # What forward and backward begin with.

    def check_input(self, x: Any) -> Array:
        """Return x as rows (n, in_features) of the layer's dtype, or refuse as `begin_forward`."""
        rows = as_rows(x, self.dtype, self)
        if self.in_features is not None and rows.shape[1] != self.in_features:
            raise ValueError(f"{self}: expected input (n, {self.in_features}), got {rows.shape}")
        return rows

    def begin_forward(self, x: Any, training: bool) -> tuple[Array, Array]:
        """Check x, keep it for backward, and return it with the array that y goes into.

        While training that array is the buffer ``self.y``; otherwise it is new and no buffer
        changes.

        Raises
        ------
        ValueError
            If x is not (n, in_features), or has no rows while training.
        TypeError
            If x does not hold real numbers.
        """
        if training and self._steady and x is self.x and x.shape == self._dx.shape:
            y = self.y = self._y  # the arrays of the step before: all has been asked
            self._awaits_backward = True
            return x, y
        x = self.check_input(x)
        n, width = x.shape
        shape = (n, width if self.out_features is None else self.out_features)
        if not training:
            return x, np.empty(shape, self.dtype)
        if n < self.rows_to_train:
            raise ValueError(
                f"{self}: a training batch needs at least {self.rows_to_train} rows, got {x.shape}"
            )
        y = self._y = grown(self._y, shape, self.dtype)
        self.x, self.y, self._awaits_backward, self._steady = x, y, True, False
        return x, y

    def begin_backward(self, dy: Any) -> tuple[Array, Array]:
        """Check dy, keep it in sight, and return it with the buffer ``self.dx``.

        Raises
        ------
        RuntimeError
            If no forward with ``training=True`` waits for a backward.
        ValueError
            If dy has not the shape of y.
        """
        if not self._awaits_backward:
            raise RuntimeError(
                f"{self}: no forward waits for this backward; call forward(x, training=True) "
                "before each backward (training=False keeps nothing for it)"
            )
        if self._steady and dy is self.dy and dy.shape == self.y.shape:
            dx = self.dx = self._dx
            self._awaits_backward = False
            return dy, dx
        dy = as_rows(dy, self.dtype, self)
        if dy.shape != self.y.shape:
            raise ValueError(f"{self}: expected dy of y's shape {self.y.shape}, got {dy.shape}")
        dx = self._dx = grown(self._dx, self.x.shape, self.dtype)
        self.dy, self.dx, self._awaits_backward = dy, dx, False
        # A student's check_input may ask for more than a shape, and is asked at every step.
        self._steady = type(self).check_input is Layer.check_input
        return dy, dx

    # Parameters and state.

    def draw_params(self, rng: np.random.Generator) -> dict[str, Param]:
        """Return new parameters of ``self.dtype`` by name; layers that have some override this."""
        return {}

    @property
    def params(self) -> dict[str, Param]:
        """The parameters by name, drawn at the first look; ``params[name] = Param(...)`` adds."""
        if self._params is None:
            self._params = Params(self.draw_params(np.random.default_rng()))
        return self._params

    @property
    def state(self) -> dict[str, Array]:
        """What is saved with the parameters but not trained, by name: arrays, not copies."""
        return {}

    def build(self, *, rng: Rng = None, dtype: DTypeLike = np.float32) -> Self:
        """Settle the dtype and draw the parameters, unless they exist; return the layer itself.

        `Sequential` does this for its layers. A layer that is used alone may call it to choose a
        seed or float64: ``Dense(3, 2).build(rng=0, dtype=np.float64)``.

        Raises
        ------
        ValueError
            If the dtype is neither float32 nor float64, or a network holds the layer.
        TypeError
            If a Param is an attribute and not in ``params``.
        """
        if self.bound:
            raise ValueError(
                f"{self}: is built by the network that holds it, whose theta has its parameters; "
                "build the network, or a new layer"
            )
        self.dtype = as_float_dtype(dtype)
        self.forget_buffers()
        if self._params is None:
            self._params = Params(self.draw_params(np.random.default_rng(rng)))
        for name, value in vars(self).items():
            if isinstance(value, Param) and all(value is not p for p in self._params.values()):
                raise TypeError(
                    f"{self}: self.{name} is a Param that would not be trained; put it into "
                    f"self.params[{name!r}]"
                )
        for param in self._params.values():
            shape = param.value.shape
            param.move(np.empty(shape, self.dtype), np.empty(shape, self.dtype))
        return self

    def forget_buffers(self) -> None:
        """Let go of x, y, dy and dx, as in a new layer."""
        for name in BUFFERS:
            self.__dict__.pop(name, None)

    def __getstate__(self) -> dict[str, Any]:
        """A copy or a pickle of a layer takes its parameters and state along, not its buffers."""
        gone = {*BUFFERS, "bound"}
        return {key: value for key, value in self.__dict__.items() if key not in gone}

    def __copy__(self) -> Self:
        # A shallow copy would share parameters with the original and take them away from it.
        return copy.deepcopy(self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse, and tell which of the two methods is meant."""
        raise TypeError(
            f"{self}: a layer is not called; use forward(x, training=True) to train and "
            "forward(x, training=False), or a network's predict(x), to predict"
        )

    # How it is named in messages.

    def describe(self) -> str:
        """Kind and sizes, such as ``Dense(784→100)``."""
        if self.in_features is None:
            return f"{type(self).__name__}()"
        return f"{type(self).__name__}({self.in_features})"

    def __repr__(self) -> str:
        return self.describe()

    def __str__(self) -> str:
        """Place, name and kind in a network, such as ``layer 3 'batchnorm2' BatchNorm(64)``."""
        if not self.name:
            return self.describe()
        return f"layer {self.position} '{self.path or self.name}' {self.describe()}"

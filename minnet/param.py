"""Parameters of layers: a value, and the gradient of the loss with respect to it."""

from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from typing import Any, ClassVar, TypeVar

import numpy as np

from minnet.memory import empty, writable
from minnet.validation import FLOAT32, FLOAT64, Array, as_array, as_flag, fill, shown

Key = TypeVar("Key")
UNUSED = "a parameter"  # name of a Param that is not part of a layer yet


class Param:
    """A parameter: its ``value``, and the gradient ``grad`` of the loss with respect to it.

    Assigning to either copies the numbers into the existing array, because in a network both are
    views into `Sequential.theta` and `Sequential.grad`. A single number fills the whole array.

    Parameters
    ----------
    value : array_like
        The parameter, of any shape. It is copied, to float64 if it is float64 and else to float32.

    Attributes
    ----------
    name : str
        Name in messages: ``weight``, or in a network ``dense1.weight``.
    trainable : bool
        Initially True. With False, optimizers change neither the value nor their state of it, and
        gradient clipping ignores it. Its gradient is still computed. Running statistics are no
        parameters and are still updated.

    Raises
    ------
    TypeError, ValueError, FloatingPointError
        If the assigned array does not hold real numbers, has another shape, or is not finite.

    Examples
    --------
    >>> gain = Param(np.ones(3))
    >>> gain.value = [1.0, 2.0, 3.0]
    >>> gain.value, gain.grad
    (array([1., 2., 3.]), array([0., 0., 0.]))
    """

    __slots__ = ("_grad", "_trainable", "_value", "name")
    changes: ClassVar[int] = 0  # number of new arrays and assignments to trainable, of all
    assigned: ClassVar[int] = 0  # number of assignments to grad, of all parameters

    def __init__(self, value: Any) -> None:
        self.name, self.trainable = UNUSED, True
        array = as_array(value, FLOAT64, self.name, "value")
        dtype = FLOAT64 if np.asarray(value).dtype == FLOAT64 else FLOAT32
        self._value, self._grad = np.empty(array.shape, dtype), np.zeros(array.shape, dtype)
        self.value = value

    @property
    def value(self) -> Array:
        """Current value."""
        return self._value

    @value.setter
    def value(self, value: Any) -> None:
        fill(self._value, value, self.name)

    @property
    def grad(self) -> Array:
        """Gradient of the loss; every backward pass overwrites it."""
        return self._grad

    @grad.setter
    def grad(self, grad: Any) -> None:
        Param.assigned += 1
        if grad is self._grad:  # assigned by an operator such as +=
            return
        if isinstance(grad, np.generic) and self._grad.size > 1:
            raise ValueError(
                f"{self.name}: expected grad of shape {self._grad.shape}, got one number; a sum "
                "over the rows needs axis=0"
            )
        fill(self._grad, grad, self.name, "grad")

    @property
    def trainable(self) -> bool:
        """Whether optimizers change the parameter."""
        return self._trainable

    @trainable.setter
    def trainable(self, trainable: bool) -> None:
        self._trainable = as_flag(trainable, self.name, "trainable")
        Param.changes += 1

    def __setstate__(self, state: tuple[None, dict[str, Any]]) -> None:
        for name, value in writable(state[1]).items():
            setattr(self, name, value)

    def __repr__(self) -> str:
        frozen = "" if self.trainable else ", trainable=False"
        return f"Param(shape={self.value.shape}, dtype={self.value.dtype}{frozen})"


class Params(dict[str, Param]):
    """Parameters of a layer by name.

    An entry cannot be replaced, but its value can be assigned. With ``complete``, as in a built
    layer and in a network, entries cannot be added, because they would not be trained.
    """

    def __init__(self, params: Mapping[str, Param], *, complete: bool = False) -> None:
        super().__init__(params)
        if len({id(param) for param in params.values()}) < len(params):
            raise ValueError("Sequential: a Param is used twice; create one for each layer")
        self.complete = complete
        for name, param in params.items():
            param.name = name

    def __reduce__(self) -> tuple[Any, ...]:
        return Params, (dict(self),), {"complete": self.complete}

    def __setitem__(self, name: str, param: Param) -> None:
        if not isinstance(param, Param):
            raise TypeError(
                f"params[{name!r}]: expected a Param, got {shown(param)}; use Param(array)"
            )
        if name in self and self[name] is not param:
            raise ValueError(f"params[{name!r}] exists already; assign params[{name!r}].value")
        if name not in self and param.name != UNUSED:
            raise ValueError(
                f"params[{name!r}]: expected a new Param, got that of {param.name!r}, which would "
                "be moved from its layer; create one for each layer"
            )
        if self.complete and name not in self:
            raise ValueError(
                f"params[{name!r}]: the parameters of this layer are complete, and a new one would "
                "not be trained; add parameters in __init__ of a layer that contains no layers"
            )
        param.name = name
        super().__setitem__(name, param)


def bind(params: Iterable[Param], dtype: np.dtype[Any]) -> tuple[Array, Array]:
    """Move all values into one new array and all gradients into another, and return both."""
    pieces = parts(params, lambda param: param)
    size = pieces[-1][0].stop if pieces else 0
    theta, grad = empty((size,), dtype), empty((size,), dtype)
    for part, param in pieces:
        value, gradient = (array[part].reshape(param.value.shape) for array in (theta, grad))
        value[...], gradient[...] = param.value, param.grad
        param._value, param._grad = value, gradient
    Param.changes += 1
    return theta, grad


def parts(params: Iterable[Param], key: Callable[[Param], Key]) -> list[tuple[slice, Key]]:
    """Return (slice of theta, key) for each run of neighbouring parameters with the same key."""
    found, start = [], 0
    for value, run in groupby(params, key):
        stop = start + sum(param.value.size for param in run)
        found.append((slice(start, stop), value))
        start = stop
    return found


def parameter(name: str) -> Any:
    """Return a property that reads ``params[name]`` of a layer, or None without that parameter."""

    def get(layer: Any) -> Param | None:
        try:
            return layer._params[name]  # type: ignore[no-any-return]
        except (KeyError, TypeError):  # no such parameter, or none are drawn yet
            return layer.params.get(name)  # type: ignore[no-any-return]

    def refuse(layer: Any, value: Any) -> None:
        raise AttributeError(f"{layer}: {name} cannot be replaced; assign layer.{name}.value")

    return property(get, refuse, doc=f"The parameter ``{name}``.")

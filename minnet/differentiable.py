"""Base class of layers and losses, and guards for those that are not part of minnet."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from minnet.memory import writable
from minnet.validation import Array


class Differentiable:
    """Base class of `minnet.Layer` and `minnet.Loss`: a backward pass for each forward pass.

    Attributes
    ----------
    own : bool
        Whether the class is part of minnet. Other classes receive their inputs as read-only
        arrays, so that an assignment into an input raises an error at that line.
    buffers : tuple of str
        Attributes that copies and pickles do not contain.
    """

    own: ClassVar[bool] = True
    buffers: ClassVar[tuple[str, ...]] = ()
    _pending: bool = False  # True between a forward pass and its backward pass

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.own = cls.__module__.partition(".")[0] == "minnet"
        overridden = [name for name in ("forward", "backward") if name in vars(cls)]
        if overridden and not cls.own:
            raise TypeError(
                f"{cls.__name__}: {overridden[0]} is defined by the base class; define compute and "
                "differentiate, which fill arrays that the base class allocates"
            )

    def _require_pending(self, call: str) -> None:
        """Raise RuntimeError if no forward pass is pending."""
        if not self._pending:
            raise RuntimeError(
                f"{self}: expected {call} before this backward, got none since the last one"
            )

    def forget_buffers(self) -> None:
        """Remove the buffers, as in a new object."""
        for name in self.buffers:
            self.__dict__.pop(name, None)

    def __getstate__(self) -> dict[str, Any]:
        excluded = {*self.buffers, "_bound", "_theta", "_grad"}
        return {key: value for key, value in self.__dict__.items() if key not in excluded}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(writable(state))

    def __copy__(self) -> Self:
        # A shallow copy would share parameters or buffers with the original.
        return copy.deepcopy(self)


def apart(array: Array, buffers: Iterable[Array | None]) -> Array:
    """Return array, or a copy if it shares memory with one of these buffers."""
    if array.base is None:  # buffers are views of allocated memory
        return array
    shared = any(b is not None and np.may_share_memory(array, b) for b in buffers)
    return array.copy() if shared else array


# Guards for layers and losses that are not part of minnet.

_UNFILLED = {4: np.uint32(0x7FC0DEAD), 8: np.uint64(0x7FF80000DEADDEAD)}  # NaN bits by item size


def read_only(array: Array) -> Array:
    """Return a read-only view of array."""
    view = array.view()
    view.flags.writeable = False
    return view


def guarded(method: Any, inputs: Sequence[Any], filled: Mapping[str, Array]) -> None:
    """Call a bound method; raise TypeError unless it fills these arrays and returns None."""
    bits = {name: array.view(f"u{array.itemsize}") for name, array in filled.items()}
    for array in bits.values():
        array[...] = _UNFILLED[array.itemsize]
    try:
        returned = method(*inputs)
    except Exception as error:
        name, arrays = method.__name__, " and ".join(filled)
        error.add_note(
            f"in {name} of {method.__self__}: it fills {arrays} in place, and its other arguments "
            "are read-only"
        )
        raise
    for name, array in bits.items():
        unfilled = (array == _UNFILLED[array.itemsize]).any()
        if unfilled or returned is not None:
            got = f"a returned {type(returned).__name__}"
            if unfilled:
                got = "an array that is not or only partly filled"
            raise TypeError(
                f"{method.__self__}: expected {method.__name__} to fill {name} and to return "
                f"nothing, got {got}; assign the result into the array, {name}[...] = ..., "
                "without += or return"
            )

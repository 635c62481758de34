"""Input validation: convert arguments to the arrays that layers work on, or raise an error.

Functions of this module are called at the public boundary. They never write to the caller's arrays
and raise before anything has changed. An error names where it arose, what was expected, what was
received, and how to repair it.
"""

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from minnet.kernels import Array as Array
from minnet.kernels.finiteness import first_nonfinite_row
from minnet.kernels.losses import first_improper_row, first_invalid_label

FLOAT32, FLOAT64, INT64 = np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.int64)


def as_float_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """Return dtype as a NumPy dtype; raise ValueError unless it is float32 or float64."""
    found = np.dtype(dtype)
    if found not in (FLOAT32, FLOAT64):
        raise ValueError(f"dtype: expected float32 or float64, got {found}")
    return found


def as_array(x: Any, dtype: np.dtype[Any], where: object, name: str = "x") -> Array:
    """Return x as an aligned C-contiguous array of dtype, without a copy if it is one.

    Integers, booleans and other real floats are converted, a network's input x of unsigned bytes
    with a warning, because images should be scaled to 0..1.

    Parameters
    ----------
    where : object
        Beginning of the error messages; it is formatted only when an error is raised.
    name : str
        Name of the argument in the error messages.

    Raises
    ------
    TypeError
        If x is None, masked, ragged, or holds strings, objects, complex numbers or dates.
    """
    array = _converted(x, where, name)
    if array.dtype.kind not in "fiub":
        raise TypeError(
            f"{where}: expected {name} as real numbers, got dtype {array.dtype}; convert with "
            f"{name}.astype(float)"
        )
    if array.dtype == np.uint8 and name in ("x", "validation x"):
        warnings.warn(
            f"{where}: {name} holds bytes (uint8), used as numbers from 0 to 255; training needs "
            f"values scaled to 0..1: use {name} / 255",
            stacklevel=4,
        )
    with np.errstate(over="ignore"):  # overflow to infinity is reported by check_finite
        return np.require(array, dtype, ["C", "A"])


def _converted(x: Any, where: object, name: str) -> Array:
    """Return x as a NumPy array; raise TypeError if it is None, masked or not convertible."""
    if x is None or isinstance(x, np.ma.MaskedArray):
        got = "None" if x is None else f"a masked array; use {name}.filled(value)"
        raise TypeError(f"{where}: expected {name} as an array, got {got}")
    try:
        return np.asarray(x)
    except Exception as error:
        repair = f"; use {name}.detach().cpu().float()" if hasattr(x, "detach") else ""
        raise TypeError(
            f"{where}: expected {name} as an array of numbers, got {type(x).__name__} "
            f"that NumPy cannot convert ({error}){repair}"
        ) from error


def _is_valid(array: Array, dtype: np.dtype[Any]) -> bool:
    flags = array.flags
    return array.dtype == dtype and flags.c_contiguous and flags.aligned


def as_rows(x: Any, dtype: np.dtype[Any], where: object, name: str = "x") -> Array:
    """Return x as rows (n, features) of dtype, without a copy if possible; see `as_array`.

    Raises
    ------
    ValueError
        If x does not have two dimensions.
    """
    if type(x) is np.ndarray and x.ndim == 2 and _is_valid(x, dtype):
        return x
    array = as_array(x, dtype, where, name)
    if array.ndim == 2:
        return array
    repair = {
        0: "a single number is not a batch",
        1: f"{name}[None, :] makes one row of it, {name}[:, None] one column",
    }.get(array.ndim, f"use {name}.reshape(len({name}), -1)")
    raise ValueError(
        f"{where}: expected {name} as rows (n, features), got shape {array.shape}; {repair}"
    )


def check_finite(x: Array, where: object) -> None:
    """Raise FloatingPointError, with row and column, if x (n, features) has NaN or infinity."""
    row = first_nonfinite_row(x)
    if row >= 0:
        column = int(np.flatnonzero(~np.isfinite(x[row]))[0])
        repair = "remove such rows, or replace the values with numpy.nan_to_num"
        if np.isinf(x[row, column]):
            largest = np.finfo(x.dtype).max
            repair = f"remove such rows, or scale the data; the largest {x.dtype} is {largest:.1e}"
        raise FloatingPointError(
            f"{where}: expected finite values, got {x[row, column]} at row {row}, column {column}; "
            f"{repair}"
        )


def as_target_rows(
    target: Any, shape: tuple[int, ...], dtype: np.dtype[Any], where: object
) -> Array:
    """Return a valid target of a classification with outputs of this shape (n, classes).

    The result is int64 labels (n,), or rows of probabilities (n, classes) of this dtype.

    Raises
    ------
    TypeError
        If labels are not integers, or the target does not hold numbers.
    ValueError
        If a label is not a class, lengths or widths differ, or a row does not sum to 1.
    """
    array = _converted(target, where, "target")
    n, classes = shape
    if array.ndim not in (1, 2) or len(array) != n:
        raise ValueError(
            f"{where}: expected a target of {n} labels (n,) or rows of probabilities "
            f"(n, {classes}), one for each row of the output, got shape {array.shape}"
        )
    if array.ndim == 2:
        return _as_probabilities(array, shape, dtype, where)
    if array.dtype.kind not in "iu":
        raise TypeError(
            f"{where}: expected integer labels, got dtype {array.dtype}; use labels.astype(int), "
            "or numpy.unique(labels, return_inverse=True)[1] for names; one-hot rows have shape "
            "(n, classes)"
        )
    labels = array
    if not _is_valid(array, INT64):
        if array.size and array.max() > np.iinfo(np.int64).max:
            raise ValueError(f"{where}: expected labels in 0..{classes - 1}, got {array.max()}")
        labels = np.require(array, INT64, ["C", "A"])
    row = first_invalid_label(labels, classes)
    if row >= 0:
        note = "; a single output cannot distinguish classes" if classes == 1 else ""
        if classes > 1 and (labels.min(), labels.max()) == (1, classes):
            note = "; classes are counted from 0: use labels - 1"
        raise ValueError(
            f"{where}: expected labels in 0..{classes - 1}, got label {labels[row]} at row "
            f"{row}{note}"
        )
    return labels


def _as_probabilities(
    target: Array, shape: tuple[int, ...], dtype: np.dtype[Any], where: object
) -> Array:
    rows = as_rows(target, dtype, where, "target")
    if rows.shape != shape:
        whole = rows.shape[1] == 1 and bool((rows == np.rint(rows)).all())
        raise ValueError(
            f"{where}: expected target rows of width {shape[1]}, one entry for each class, got "
            f"width {rows.shape[1]}" + "; use target.ravel().astype(int) for labels" * whole
        )
    row = first_improper_row(rows)
    if row >= 0:
        raise ValueError(
            f"{where}: expected target rows of probabilities with sum 1, got {rows[row]} with sum "
            f"{rows[row].sum():.4g} at row {row}"
        )
    return rows


def as_sample_weight(weights: Any, n: int, where: object) -> Array:
    """Return weights of rows as float64 (n,); raise unless they are finite numbers >= 0."""
    array = as_array(weights, FLOAT64, where, "sample_weight")
    if array.shape != (n,):
        raise ValueError(
            f"{where}: expected sample_weight of shape ({n},), one weight for each row, got "
            f"{array.shape}" + ("; use sample_weight.ravel()" if array.size == n else "")
        )
    invalid = ~(np.isfinite(array) & (array >= 0))
    if invalid.any():
        row = int(invalid.argmax())
        raise ValueError(
            f"{where}: expected finite weights that are not negative, got {array[row]} at row "
            f"{row}; a weight of 0 excludes a row"
        )
    return array


def check_instance(given: Any, kind: type, where: str) -> None:
    """Raise TypeError unless given is an instance of kind."""
    if not isinstance(given, kind):
        repair = f"; create one: {given.__name__}(...)" if isinstance(given, type) else ""
        article = "an" if kind.__name__[0] in "AEIOU" else "a"
        raise TypeError(f"{where}: expected {article} {kind.__name__}, got {given!r}{repair}")


def is_number(value: Any) -> bool:
    """Return whether value is one real number, rather than an array, a text or None."""
    return np.ndim(value) == 0 and np.asarray(value).dtype.kind in "fiub"


def in_range(
    value: Any, owner: str, name: str, test: Callable[[float], bool], expected: str
) -> float:
    """Return float(value) if it passes test; raise ValueError or TypeError otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.floating | np.integer):
        raise TypeError(f"{owner}: expected {name} to be a number, {expected}, got {value!r}")
    number = float(value)
    if not (math.isfinite(number) and test(number)):
        raise ValueError(f"{owner}: expected {name} to be {expected}, got {value!r}")
    return number


def positive(value: Any, owner: str, name: str) -> float:
    """Return value as a float > 0, or raise."""
    return in_range(value, owner, name, lambda v: v > 0, "positive and finite")


def non_negative(value: Any, owner: str, name: str) -> float:
    """Return value as a float >= 0, or raise."""
    return in_range(value, owner, name, lambda v: v >= 0, "non-negative and finite")


def fraction(value: Any, owner: str, name: str) -> float:
    """Return value as a float with 0 <= value < 1, or raise."""
    return in_range(value, owner, name, lambda v: 0 <= v < 1, "in [0, 1)")


def count(value: Any, owner: str, name: str) -> int:
    """Return value as an int >= 1, or raise."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{owner}: expected {name} to be a whole number, got {value!r}")
    if value < 1:
        raise ValueError(f"{owner}: expected {name} to be at least 1, got {value}")
    return int(value)

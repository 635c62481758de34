"""The doors: what comes in is turned into the arrays that layers work on, or refused.

Everything behind a door may rely on C-contiguous float rows of the right width, so no layer and
no kernel has to ask again. An error says what was expected, what came and how to mend it, and is
raised before anything has changed. Nothing here ever writes to the caller's arrays.
"""

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from minnet.kernels import Array as Array
from minnet.kernels.finiteness import first_nonfinite_row
from minnet.kernels.losses import one_hot

FLOAT32, FLOAT64, INT64 = np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.int64)


def as_float_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """Return float32 or float64 as a dtype, or refuse."""
    found = np.dtype(dtype)
    if found not in (FLOAT32, FLOAT64):
        raise ValueError(f"dtype must be float32 or float64, got {found}")
    return found


def as_array(x: Any, dtype: np.dtype[Any], where: object) -> Array:
    """Return x as a C-contiguous array of dtype: x itself where it is one already.

    Integers, booleans and other real floats are converted; unsigned bytes too, with a warning,
    because images should be scaled to 0..1 first. ``where`` begins the error messages; it is
    turned into text only then.

    Raises
    ------
    TypeError
        If x is None, ragged, or holds strings, objects, complex numbers or dates.
    """
    array = _converted(x, where)
    if array.dtype.kind not in "fiub":
        raise TypeError(
            f"{where}: expected real numbers, got dtype {array.dtype}; convert with x.astype(float)"
        )
    if array.dtype == np.uint8:
        warnings.warn(
            f"{where}: got bytes (uint8), used as the numbers 0 to 255; networks learn better "
            "from values scaled to 0..1: x / 255",
            stacklevel=4,
        )
    with np.errstate(over="ignore"):  # too large for float32 becomes inf, which has its own error
        return np.require(array, dtype, ["C", "A", "W"])


def _converted(x: Any, where: object) -> Array:
    """Return x as an array of whatever NumPy makes of it, or raise TypeError."""
    if x is None or isinstance(x, np.ma.MaskedArray):
        what = "None" if x is None else "a masked array; x.filled(0) fills the gaps"
        raise TypeError(f"{where}: expected an array, got {what}")
    try:
        return np.asarray(x)
    except Exception as error:
        raise TypeError(
            f"{where}: expected an array of numbers, got {type(x).__name__} "
            f"that NumPy cannot convert ({error})"
        ) from error


def as_rows(x: Any, dtype: np.dtype[Any], where: object) -> Array:
    """Return x as (n, features) of dtype: x itself where it is that already; see `as_array`.

    Raises
    ------
    ValueError
        If x has not exactly two dimensions.
    """
    if type(x) is np.ndarray and x.dtype == dtype and x.ndim == 2 and x.flags.carray:
        return x
    array = as_array(x, dtype, where)
    if array.ndim == 2:
        return array
    repair = {
        0: "a single number is no batch",
        1: "x[None, :] makes one row of it, x[:, None] one feature",
    }.get(array.ndim, "x.reshape(len(x), -1)?")
    raise ValueError(f"{where}: expected rows (n, features), got shape {array.shape}; {repair}")


def check_finite(x: Array, where: object) -> None:
    """Raise FloatingPointError, with row and column, where x (n, features) has NaN or infinity."""
    row = first_nonfinite_row(x)
    if row >= 0:
        column = int(np.flatnonzero(~np.isfinite(x[row]))[0])
        raise FloatingPointError(
            f"{where}: {x[row, column]} at row {row}, column {column}; "
            "clean the data first, for instance with numpy.nan_to_num"
        )


def as_target_rows(target: Any, output: Array, rows: Array, where: object) -> Array:
    """Return target as rows of probabilities (n, classes) that fit output.

    Integer labels (n,) become one-hot rows in the buffer ``rows``; rows of probabilities are
    checked and returned as they are.

    Raises
    ------
    TypeError
        If labels are floats, or no numbers at all.
    ValueError
        If a label is no class, the lengths or widths differ, or a row does not sum to 1.
    """
    array = _converted(target, where)
    n, classes = output.shape
    if array.ndim not in (1, 2) or len(array) != n:
        raise ValueError(
            f"{where}: expected {n} labels (n,) or rows of probabilities (n, {classes}), "
            f"one for each row of the output, got shape {array.shape}"
        )
    if array.ndim == 1:
        if array.dtype.kind not in "iu":
            raise TypeError(
                f"{where}: labels must be integers, got dtype {array.dtype}; "
                "labels.astype(int), or numpy.unique(labels, return_inverse=True)[1] for names; "
                "one-hot rows have shape (n, classes)"
            )
        if array.dtype != INT64 or not array.flags.carray:
            array = np.require(array, INT64, ["C", "A", "W"])
        row = one_hot(rows, array)
        if row >= 0:
            note = "; one output tells no classes apart" if classes == 1 else ""
            if classes > 1 and (array.min(), array.max()) == (1, classes):
                note = "; classes are counted from 0: labels - 1"
            raise ValueError(
                f"{where}: label {array[row]} at row {row}; valid are 0..{classes - 1}{note}"
            )
        return rows
    if array.dtype == np.uint8:
        array = array.astype(output.dtype)  # ones and zeros are no image, so without its warning
    array = as_rows(array, output.dtype, where)
    if array.shape != output.shape:
        raise ValueError(
            f"{where}: one-hot rows are {array.shape[1]} wide, the output has {classes} classes"
            + ("; labels.ravel()?" if array.shape[1] == 1 else "")
        )
    unlike = ~((array >= 0).all(axis=1) & (abs(array.sum(axis=1) - 1) < 1e-3))
    if unlike.any():
        row = int(np.flatnonzero(unlike)[0])
        raise ValueError(
            f"{where}: target row {row} must hold probabilities that sum to 1, "
            f"got {array[row]} with sum {array[row].sum():.4g}"
        )
    return array


def unchanged(
    where: object,
    method: str,
    given: Array,
    call: Callable[[], Any],
    error: type[Exception] = ValueError,
) -> Any:
    """Return what somebody's method returns, or refuse if it wrote into the array it was given.

    That array is a layer's buffer, or the caller's data: its numbers are put back.
    """
    before = given.copy()
    try:
        return call()
    finally:
        if not np.array_equal(before, given, equal_nan=True):
            given[...] = before
            raise error(
                f"{where}: {method} wrote into its argument; work on a copy, or fill another array"
            )


def in_range(value: Any, owner: str, name: str, test: Callable[[float], bool], says: str) -> float:
    """Return value as a float for which test holds, or raise ValueError or TypeError."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.floating | np.integer):
        raise TypeError(f"{owner}: {name} must be a number, {says}, got {value!r}")
    number = float(value)
    if not (math.isfinite(number) and test(number)):
        raise ValueError(f"{owner}: {name} must be {says}, got {value!r}")
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
        raise TypeError(f"{owner}: {name} must be a whole number, got {value!r}")
    if value < 1:
        raise ValueError(f"{owner}: {name} must be at least 1, got {value}")
    return int(value)

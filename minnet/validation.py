"""Input validation: convert arguments to what the computation uses, or raise an error.

Functions of this module are called at the public boundary. They never write to the caller's arrays
and raise before anything has changed. An error names where it arose, what was expected, what was
received, and how to repair it.
"""

import difflib
import math
import warnings
from collections.abc import Callable, Iterable
from ctypes import c_float
from typing import Any, NoReturn, TypeGuard

import numpy as np
from numpy.typing import DTypeLike

from minnet.kernels import Array as Array
from minnet.kernels.finiteness import first_nonfinite_row
from minnet.kernels.losses import first_improper_row, first_invalid_label

FLOAT32, FLOAT64, INT64 = np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.int64)
LARGEST_INT64 = 2**63 - 1
MISSING = {"nan", "None", "<NA>", "NaT"}  # missing values as texts
SMALLEST = {dtype: float(np.finfo(dtype).tiny) for dtype in (FLOAT32, FLOAT64)}  # normal numbers


def shown(value: Any) -> str:
    """Return the text of a value for a message, of bounded length."""
    if isinstance(value, int) and value.bit_length() > 128:
        return f"an integer of {value.bit_length()} bits"
    try:
        text = repr(value.item() if isinstance(value, np.generic) else value)
    except Exception:  # of the object's own __repr__
        text = f"an object of type {type(value).__name__}"
    return text if len(text) <= 200 else f"{text[:200]}..."


# Arrays.


def as_float_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """Return dtype as a NumPy dtype; raise unless it is float32 or float64."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about names such as "a"
            found = None if dtype is None else np.dtype(dtype)
    except Exception:  # also of the object's own methods
        found = None
    if found is None:
        raise TypeError(
            f"dtype: expected float32 or float64, got {shown(dtype)}; use numpy.float32"
        )
    if found not in (FLOAT32, FLOAT64):
        raise ValueError(f"dtype: expected float32 or float64, got {found}")
    return found


def as_array(x: Any, dtype: np.dtype[Any], where: object, name: str = "x") -> Array:
    """Return x as an aligned C-contiguous array of dtype, without a copy if it is one.

    Integers, booleans and other real floats are converted. A network's input x of unsigned bytes
    causes a warning, because images should be scaled to 0..1.

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
    array = to_numpy(x, where, name)
    if array.dtype.kind not in "fiub":
        raise TypeError(
            f"{where}: expected {name} as real numbers, got {_not_numbers(x, array, name)}"
        )
    if array.dtype == np.uint8 and name in ("x", "validation x"):
        warnings.warn(
            f"{where}: {name} holds bytes (uint8), used as numbers from 0 to 255; training needs "
            f"values scaled to 0..1: use {name} / 255",
            stacklevel=4,
        )
    try:
        with np.errstate(over="raise", under="ignore"):
            return np.require(array, dtype, ["C", "A"])
    except FloatingPointError:  # a number that dtype cannot hold
        with np.errstate(over="ignore", under="ignore"):
            check_finite(array.astype(dtype, order="C"), f"{where}: {name}", array)
        raise


def to_numpy(x: Any, where: object, name: str) -> Array:
    """Return x as a NumPy array; raise TypeError if it is None, masked or not convertible."""
    if x is None:
        raise TypeError(f"{where}: expected {name} as an array, got None")
    rows = x if isinstance(x, list | tuple) else (x,)
    if any(isinstance(row, np.ma.MaskedArray) for row in rows):
        raise TypeError(
            f"{where}: expected {name} as an array, got a masked array; use {name}.filled(value)"
        )
    try:
        return np.asarray(x)
    except Exception as error:
        repair = f"; use {name}.detach().cpu().float()" if hasattr(x, "detach") else ""
        raise TypeError(
            f"{where}: expected {name} as an array of numbers, got {type(x).__name__} "
            f"that NumPy cannot convert ({error}){repair}"
        ) from error


def _not_numbers(x: Any, array: Array, name: str) -> str:
    """Describe x, whose array does not hold real numbers, and how to convert it."""
    if hasattr(x, "toarray"):
        return f"the sparse matrix {type(x).__name__}; use {name}.toarray()"
    if array.dtype.kind == "O" and hasattr(x, "select_dtypes"):
        column = next(iter(x.select_dtypes(exclude=["number", "bool"])), None)
        return f"text or objects in column {column!r}; encode or drop it: {name}.drop(columns=...)"
    if array.dtype == object and array.ndim == 0:
        return f"an object of type {type(x).__name__}; pass a list or an array"
    repair = f"{name}.real" if array.dtype.kind == "c" else f"numpy.array({name}, float)"
    return f"dtype {array.dtype}; convert with {repair}"


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


def check_finite(x: Array, where: object, given: Any = None, repair: str = "") -> None:
    """Raise FloatingPointError, with row and column, if x has NaN or infinity.

    If x was converted from the array given, a number that only the dtype of x cannot hold is
    reported as such.
    """
    if first_nonfinite_row(x if x.ndim == 2 else x.reshape(1, -1)) < 0:
        return
    index = tuple(int(i) for i in np.argwhere(~np.isfinite(x))[0])
    place = "row {}, column {}".format(*index) if x.ndim == 2 else f"index {index}"
    number = x[index]
    if given is not None and np.shape(given) == x.shape:
        number = np.asarray(given)[index]
    got = f"{number}"
    if np.isfinite(number):
        got += f", too large for {x.dtype},"
        repair = "scale the values, or use dtype=np.float64"
    elif np.isinf(number) and not repair:
        repair = "remove such rows, or scale the data if they hold numbers above the largest "
        repair += f"{x.dtype}, {np.finfo(x.dtype).max:.1e}"
    repair = (
        repair
        or "remove such rows, or replace the values, for instance by the mean of their column"
    )
    raise FloatingPointError(f"{where}: expected finite values, got {got} at {place}; {repair}")


def fill(array: Array, value: Any, where: object, name: str = "value") -> None:
    """Copy value into array: one finite number for each entry, or a single number for all.

    Raises
    ------
    TypeError, ValueError, FloatingPointError
        If value does not hold real numbers, has another shape, or is not finite in the dtype of
        array, which is then unchanged.
    """
    given = as_array(value, array.dtype, where, name)
    if given.ndim and given.shape != array.shape:
        repair = "assign one number for each entry, or a single number for all"
        if given.shape == array.shape[::-1]:
            repair = f"it is the transpose, assign {name}.T"
        raise ValueError(
            f"{where}: expected {name} of shape {array.shape}, got {given.shape}; {repair}"
        )
    check_finite(given, f"{where}: {name}", value, "assign finite numbers")
    array[...] = given


# Targets and weights.


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
    array = target if type(target) is np.ndarray else to_numpy(target, where, "target")
    n, classes = shape
    if array.ndim == 0 and array.dtype == object:
        as_array(target, dtype, where, "target")  # raises the error for such objects
    if array.ndim not in (1, 2) or len(array) != n:
        raise ValueError(
            f"{where}: expected a target of {n} labels (n,) or rows of probabilities "
            f"(n, {classes}), one for each row of the output, got shape {array.shape}"
        )
    if array.ndim == 2:
        return _as_probabilities(array, shape, dtype, where)
    if array.dtype.kind not in "iu":
        _refuse_labels(array, where)
    labels = array
    if not _is_valid(array, INT64):
        if array.size and array.max() > np.iinfo(np.int64).max:
            raise ValueError(f"{where}: expected labels in 0..{classes - 1}, got {array.max()}")
        labels = np.require(array, INT64, ["C", "A"])
    row = first_invalid_label(labels, classes)
    if row >= 0:
        repair, ends = "", (labels.min(), labels.max())
        if classes == 1:
            repair = "; a single output cannot distinguish classes"
        elif ends == (1, classes):
            repair = "; classes are counted from 0: use labels - 1"
        elif ends == (-1, 1):
            repair = "; use (labels + 1) // 2 for labels -1 and 1"
        raise ValueError(
            f"{where}: expected labels in 0..{classes - 1}, got label {labels[row]} at row "
            f"{row}{repair}"
        )
    return labels


def _refuse_labels(array: Array, where: object) -> NoReturn:
    """Raise TypeError for labels (n,) that are not integers."""
    got = f"dtype {array.dtype}"
    repair = (
        "use labels.astype(int), or numpy.unique(labels, return_inverse=True)[1] for names; "
        "one-hot rows have shape (n, classes)"
    )
    missing = missing_labels(array)
    fractions = array % 1 != 0 if array.dtype.kind == "f" else missing
    if missing.any():
        got += f" and no label in row {missing.argmax()}"
        repair = "remove the rows without a label"
    elif fractions.any():
        got += f" and {array[fractions.argmax()]} in row {fractions.argmax()}"
        repair = "use a loss for numbers, such as MeanSquaredError with target[:, None]"
    raise TypeError(f"{where}: expected integer labels, got {got}; {repair}")


def missing_labels(labels: Array) -> Array:
    """Return which labels, or which rows of labels, are missing, such as NaN or None.

    In an array of objects a text such as "None" is a label. Other arrays hold texts in place of
    missing values.
    """
    text = shown if labels.dtype == object else str
    rows = labels.reshape(len(labels), -1).tolist() if labels.size else []
    return np.array([any(text(each) in MISSING for each in row) for row in rows], bool)


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


# Objects, flags, names, paths and generators.


def check_instance(given: Any, kind: Any, where: object, expected: str = "") -> None:
    """Raise TypeError unless given is an instance of kind."""
    if not isinstance(given, kind):
        repair = f"; create one: {given.__name__}(...)" if isinstance(given, type) else ""
        expected = expected or f"a{'n' * (kind.__name__[0] in 'AEIOU')} {kind.__name__}"
        raise TypeError(f"{where}: expected {expected}, got {shown(given)}{repair}")


def as_flag(value: Any, where: object, name: str) -> bool:
    """Return value as a bool; raise TypeError unless it is True or False."""
    check_instance(value, bool | np.bool_, where, f"{name} as True or False")
    return bool(value)


def as_names(given: Any, where: object, name: str) -> tuple[str, ...]:
    """Return given, a name or an iterable of names, as a tuple; raise TypeError otherwise."""
    alone = isinstance(given, str) or not isinstance(given, Iterable)
    alone = alone or getattr(given, "ndim", 1) != 1
    try:
        names = (given,) if alone else tuple(given)
    except Exception:  # of the object's own __iter__
        names = (None,)
    if not all(isinstance(each, str) for each in names):
        raise TypeError(f"{where}: expected {name} as names, got {shown(given)}")
    return names


def one_of(value: Any, options: Iterable[str], where: object, name: str) -> str:
    """Return value if it is one of these strings; raise TypeError or ValueError otherwise."""
    options = list(options)
    expected = f"{where}: expected {name}{' as ' * bool(name)}one of {', '.join(options)}, got "
    expected += shown(value)
    if not isinstance(value, str):
        raise TypeError(expected)
    if value not in options:
        text = value.lower()
        near = difflib.get_close_matches(text, options, n=1)
        near = near or [option for option in options if text and option.startswith(text)]
        raise ValueError(expected + (f"; did you mean {near[0]!r}?" if near else ""))
    return value


def as_rng(rng: Any, where: object) -> np.random.Generator:
    """Return the generator of this seed, or the generator itself.

    Raises
    ------
    TypeError, ValueError
        Unless rng is None, a whole number >= 0 or a numpy.random.Generator.
    """
    if not (is_whole(rng) or isinstance(rng, np.random.Generator | None)):
        raise TypeError(
            f"{where}: expected rng as a seed such as 0, a numpy.random.Generator or None, got "
            f"{shown(rng)}"
        )
    if is_whole(rng) and rng < 0:
        raise ValueError(f"{where}: expected rng as a seed >= 0, got {shown(rng)}")
    return np.random.default_rng(rng)


# Numbers.


def is_number(value: Any) -> bool:
    """Return whether value is one real number, rather than an array, a text or None."""
    try:
        array = np.asarray(value)
    except Exception:  # of a ragged list, or of the object's own methods
        return False
    return array.ndim == 0 and array.dtype.kind in "fiub"


def is_whole(value: Any) -> TypeGuard[int]:
    """Return whether value is an int or a NumPy integer, rather than a bool or a timedelta64."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool | np.timedelta64)


def in_range(
    value: Any, where: object, name: str, test: Callable[[float], bool], expected: str
) -> float:
    """Return float(value) if it passes test; raise ValueError or TypeError otherwise."""
    if not (is_whole(value) or isinstance(value, float | np.floating)):
        raise TypeError(f"{where}: expected {name} to be a number, {expected}, got {shown(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not (math.isfinite(number) and test(number)):
        raise ValueError(f"{where}: expected {name} to be {expected}, got {shown(value)}")
    return number


def positive(value: Any, where: object, name: str) -> float:
    """Return value as a float > 0, or raise."""
    return in_range(value, where, name, lambda v: v > 0, "positive and finite")


def non_negative(value: Any, where: object, name: str) -> float:
    """Return value as a float >= 0, or raise."""
    return in_range(value, where, name, lambda v: v >= 0, "non-negative and finite")


def fraction(value: Any, where: object, name: str) -> float:
    """Return value as a float with 0 <= value < 1, or raise."""
    return in_range(value, where, name, lambda v: 0 <= v < 1, "in [0, 1)")


def count(value: Any, where: object, name: str, least: int = 1, most: int = LARGEST_INT64) -> int:
    """Return value as an int from least to most, or raise."""
    if not is_whole(value):
        raise TypeError(f"{where}: expected {name} to be a whole number, got {shown(value)}")
    if not least <= value <= most:
        bound = f"at most {most}" if most < LARGEST_INT64 else "less than 2**63"
        bound = f"at least {least}" if value < least else bound
        raise ValueError(f"{where}: expected {name} to be {bound}, got {shown(value)}")
    return int(value)


class _Setting:
    def __init__(self, convert: Callable[[Any, str, str], Any]) -> None:
        self.convert = convert

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __set__(self, instance: Any, value: Any) -> None:
        where = type(instance).__name__
        converted = self.convert(value, where, self.name)
        if isinstance(converted, float):
            dtype = getattr(instance, "dtype", FLOAT32)
            rounded = c_float(converted).value if dtype == FLOAT32 else converted
            if abs(rounded) < SMALLEST[dtype]:
                rounded = 0.0
            self.convert(rounded, where, f"{self.name} = {converted!r}, as {dtype},")
        instance.__dict__[self.name] = converted


def setting(convert: Callable[[Any, str, str], Any]) -> Any:
    """Return a descriptor of an attribute that is validated by each assignment.

    ``convert(value, where, name)`` returns what is stored in the object, or raises. A float must
    also be valid after it is rounded to the object's ``dtype`` (float32 by default), with subnormal
    numbers rounded to 0. There is no method ``__get__``, so that reading costs no more than for
    other attributes.

    Examples
    --------
    >>> class Scaling:
    ...     factor: float = setting(positive)
    >>> scaling = Scaling()
    >>> scaling.factor = 2
    >>> scaling.factor
    2.0
    >>> scaling.factor = 1e39
    Traceback (most recent call last):
    ...
    ValueError: Scaling: expected factor = 1e+39, as float32, to be positive and finite, got inf
    """
    return _Setting(convert)

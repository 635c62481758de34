"""Description of a wrong result by a simple relation to the right one.

It is used if no mutant explains the result. The first relation that holds is reported, and
otherwise the entry with the largest error.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from minnet.exercises.compare import TOLERANCE, close, relative_error
from minnet.exercises.exercise import Case, Results
from minnet.validation import Array

ROUNDED = 2e-3  # relative error of half precision, with a margin


def describe(  # noqa: PLR0911 - one return for each relation
    case: Case, right: Results, found: Results, name: str
) -> str:
    """Describe how a wrong result is related to the right one, or quote the worst entry."""
    value, expected = found[name], right[name]
    if value.ndim == 2 and close(value.T, expected) and not close(value, expected):
        return f"{name} is transposed."
    wrong_form = _wrong_form(name, value, expected)
    if wrong_form is not None:
        return wrong_form
    if value.ndim and not value.any():
        return f"{name} is all zeros."
    for other, candidate in _others(case, right, found, name):
        if value.size > 1 and close(value, candidate):
            return f"{name} is the same as {other}."
    factor = _factor(case, value, expected)
    if factor is not None:
        return f"{name} is {factor} times what it should be."
    difference = (value - expected).ravel()
    if value.size > 1 and close(difference, np.full_like(difference, difference[0])):
        return f"{name} is what it should be plus {difference[0]:.6g} in every entry."
    error = relative_error(value, expected)
    index = np.unravel_index(np.abs(value - expected).argmax(), expected.shape)
    entry = f"[{', '.join(str(int(i)) for i in index)}]" if index else ""
    worst = (
        f"{name}{entry} is {value[index]:.6g}, but should be {expected[index]:.6g} "
        f"(relative error {error:.1e})"
    )
    if error < ROUNDED and value.size > 1:
        return f"{worst}: it is right to about 3 digits; is something rounded or stored in float16?"
    where = _where(case, value, expected)
    return f"{worst}; {where}." if where else f"{worst}."


def _wrong_form(name: str, found: Array, expected: Array) -> str | None:
    """Describe a wrong shape or dtype; None if there is none."""
    if found.shape != expected.shape:
        return f"{name} has shape {found.shape}, but should have {expected.shape}."
    if found.dtype.kind == "b" != expected.dtype.kind:
        return f"{name} holds True and False, but should hold numbers."
    if found.dtype != expected.dtype and expected.ndim:
        return f"{name} is {found.dtype}, but should be {expected.dtype} as the inputs are."
    return None


def _others(case: Case, right: Results, found: Results, name: str) -> Iterator[tuple[str, Any]]:
    for key, value in vars(case).items():
        yield f"the input {key}", value
    for key, value in right.items():
        if key != name:
            yield key, value
    for key, value in found.items():
        if key == name:
            return
        yield f"your {key}", value


def _factor(case: Case, found: Array, expected: Array) -> str | None:
    """Return the constant factor between two results as text, such as "N = 6", or None.

    N and C are the rows and columns of the batch. Any two single numbers differ by a factor, so
    for these only factors that are quantities of the exercise are reported.
    """
    if not expected.any():
        return None
    expected = expected.astype(np.float64)
    factor = float((found * expected).sum() / np.square(expected).sum())
    if not close(found, factor * expected) or not 1e-6 < abs(factor) < 1e6:
        return None
    text = next((text for text, size in _quantities(case) if np.isclose(factor, size)), None)
    return text if text is not None or expected.size == 1 else f"{factor:.6g}"


def _quantities(case: Case) -> Iterator[tuple[str, float]]:
    yield "2", 2.0
    yield "-1", -1.0
    values = vars(case)
    inputs = [values.get("x"), values.get("dy"), *values.values()]
    shapes = [value.shape for value in inputs if isinstance(value, np.ndarray) and value.ndim == 2]
    sizes = dict(zip("NC", shapes[0], strict=True)) if shapes else {}
    for letter, size in sizes.items():
        yield f"{letter} = {size}", size
        yield f"1/{letter} = 1/{size}", 1 / size
        if size > 1:
            yield f"{letter}/({letter} - 1)", size / (size - 1)
            yield f"({letter} - 1)/{letter}", (size - 1) / size
        yield f"√{letter}", size**0.5
        yield f"1/√{letter}", size**-0.5
    for name, value in values.items():
        if isinstance(value, float) and value > 0:
            for text, size in (
                (name, value), (f"1/{name}", 1 / value), (f"√{name}", value**0.5),
                (f"(1 - {name})", 1 - value),
                (f"1/(1 - {name})", 1 / (1 - value) if value != 1 else 0.0),
            ):  # fmt: skip
                yield text, size
    yield "100", 100.0
    yield "1/100", 0.01


def _where(case: Case, found: Array, expected: Array) -> str | None:
    """Describe which entries are wrong, if these are the ones of a row, a column or a sign."""
    scale = max(np.abs(expected).max(), 1e-6)
    wrong = np.abs(found.astype(np.float64) - expected) > TOLERANCE * scale
    if wrong.all() or found.size < 3:
        return None
    if wrong.ndim == 2:
        rows, columns = np.flatnonzero(wrong.any(axis=1)), np.flatnonzero(wrong.any(axis=0))
        for what, where, count in (
            ("row", rows, wrong.shape[0]),
            ("column", columns, wrong.shape[1]),
        ):
            if len(where) == 1 and count > 1:
                return f"only {what} {where[0]} is wrong"
            if len(where) == count - 1 and count > 2:
                kept = (set(range(count)) - set(where.tolist())).pop()
                return f"only {what} {kept} is right"
    for name, value in vars(case).items():
        if isinstance(value, np.ndarray) and value.shape == wrong.shape:
            for text, mask in (
                ("negative", value < 0), ("positive", value > 0), ("0", value == 0),
                ("at most 0", value <= 0), ("at least 0", value >= 0),
            ):  # fmt: skip
                if mask.any() and not mask.all() and (wrong == mask).all():
                    return f"the wrong entries are those where {name} is {text}"
    return None

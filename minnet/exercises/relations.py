"""Description of a wrong result by simple relations to the right one.

It is used if no mutant explains the result. The first relation of the whole result that holds is
reported; otherwise the entry with the largest error, which entries are wrong, how they differ, and
which other results are right.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from minnet.exercises.compare import TOLERANCE, close, relative_error
from minnet.exercises.exercise import Case, Results
from minnet.validation import Array

ROUNDED = 2e-3  # relative error of half precision, with a margin
MOST_NAMED = 3  # right results that are listed


def wrong_dtype(name: str, found: Array, expected: Array) -> str | None:
    """Describe a wrong dtype; None if there is none."""
    if found.dtype.kind == "b" != expected.dtype.kind:
        return f"{name} holds True and False, but should hold numbers."
    if found.dtype != expected.dtype and expected.ndim and found.shape == expected.shape:
        like = " as the inputs are" if expected.dtype.kind == "f" else ""
        return f"{name} is {found.dtype}, but should be {expected.dtype}{like}."
    return None


def as_if_rounded(found: Array, expected: Array) -> bool:
    """Return whether a result is boolean, or right up to rounding to another dtype."""
    return found.dtype.kind == "b" or relative_error(found, expected) < ROUNDED


def relation(case: Case, right: Results, found: Results, name: str) -> str | None:
    """Describe a simple relation of a whole result to the right one; None if there is none."""
    value, expected = found[name], right[name]
    if value.ndim == 2 and close(value.T, expected) and not close(value, expected):
        return f"{name} is transposed."
    if value.shape != expected.shape:
        return f"{name} has shape {value.shape}, but should have {expected.shape}."
    if value.ndim and not value.any():
        return f"{name} is all zeros."
    for other, candidate in _others(case, right, found, name):
        if value.size > 1 and close(value, candidate):
            return f"{name} is the same as {other}."
    text = _relation(case, value, expected)
    return f"{name} is {text}." if text is not None else None


def describe(case: Case, right: Results, found: Results, wrong: Sequence[str]) -> str:
    """Describe how the first wrong result differs from the right one, and what is right."""
    name = wrong[0]
    text = relation(case, right, found, name)
    return text or f"{_entries(case, right, name, found[name])}{_right(found, wrong)}."


def _entries(case: Case, right: Results, name: str, found: Array) -> str:
    """Quote the worst entry, and describe which entries are wrong and how they differ."""
    expected = right[name]
    error = relative_error(found, expected)
    index = np.unravel_index(np.abs(found - expected).argmax(), expected.shape)
    entry = f"[{', '.join(str(int(i)) for i in index)}]" if index else ""
    text = f"{name}{entry} is {found[index]:.6g}, but should be {expected[index]:.6g} "
    text += f"(relative error {error:.1e})"
    if found.size == 1:
        return text
    if error < ROUNDED:
        return f"{text}: right to about 3 digits{_rounding(found)}"
    wrong = differing(found, expected)
    if wrong.all():
        return text + _along_axes(found, expected)
    relation = _relation(case, found[wrong], expected[wrong]) if found[wrong].any() else "0"
    place = where(case, wrong)
    there = "; elsewhere" if place.endswith("right") else ", where"
    return f"{text}; {place}" + (f"{there} it is {relation}" if relation else "")


def differing(found: Array, expected: Array) -> Array:
    """Return whether each entry is wrong."""
    scale = max(np.abs(expected).max(), 1e-6)
    wrong: Array = np.abs(found.astype(np.float64) - expected) > TOLERANCE * scale
    return wrong


def _rounding(found: Array) -> str:
    """Return how the entries of a result are rounded, if they are."""
    if (found == found.astype(np.float16)).all():
        return ", as if stored in float16"
    return ", as if rounded" if any(close(found, found.round(n)) for n in range(5)) else ""


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


def _relation(case: Case, found: Array, expected: Array) -> str | None:
    """Describe values that are a constant, or the right ones scaled, shifted or reordered."""
    return next(_relations(case, found.astype(np.float64), expected.astype(np.float64)), None)


def _relations(case: Case, found: Array, expected: Array) -> Iterator[str]:
    factor = _factor(case, found, expected)
    if factor is not None:
        yield f"{factor} times what it should be"
    if found.size < 2:
        return
    yield from _limited(found, expected)
    if close(found, np.full_like(found, found.flat[0])):
        yield f"the number {found.flat[0]:.6g} in every entry"
    shift = float((found - expected).flat[0])
    if close(found - expected, np.full_like(found, shift)):
        yield f"what it should be plus {shift:.6g} in every entry"
    if close(np.abs(found), np.abs(expected)):
        yield "right except for the sign of some entries"
    if close(np.sort(found, axis=None), np.sort(expected, axis=None)):
        yield "right except for the order of the entries"
    if found.ndim == 1 and close(found, np.cumsum(expected)):
        yield "the running sum of what it should be"
    if found.ndim == 1 and close(np.cumsum(found), expected):
        yield "the difference of neighbours of what it should be"
    if found.size > 3 and np.ptp(expected) > 0:
        slope, shift = np.polyfit(expected.ravel(), found.ravel(), 1)
        related = close(found, slope * expected + shift)
        if related and abs(slope) > TOLERANCE and abs(slope - 1) >= ROUNDED:
            yield f"{slope:.6g} times what it should be, plus {shift:.6g}"


def with_values(
    case: Case, found: Array, expected: Array, values: Mapping[str, Array]
) -> Iterator[str]:
    """Describe a result as the right one plus, times or divided by a multiple of another value."""
    a, b = found.astype(np.float64), expected.astype(np.float64)
    for meaning, value in values.items():
        if value.size < 2 or value.dtype.kind != "f" or value.ndim > b.ndim:
            continue
        with suppress(ValueError), np.errstate(all="ignore"):  # another shape
            other = np.broadcast_to(value, b.shape)
            for word, one, whole in (
                ("plus", a - b, other), ("times", a, b * other), ("divided by", a, b / other),
            ):  # fmt: skip
                factor = fitted(one, whole)
                text = "" if np.isclose(factor, 1) else quantity(case, factor)
                if text is not None and close(one, factor * whole):
                    yield f"what it should be, {word} {text and text + ' times '}{meaning}"


def _limited(found: Array, expected: Array) -> Iterator[str]:
    """Describe values that are right within limits, some of which are reached."""
    low, high = found.min(), found.max()
    below, above = (expected < low).sum() > 1, (expected > high).sum() > 1
    if not (below or above) or not close(found, np.clip(expected, low, high)) or low == high:
        return
    limits = f"at least {low:.6g}" if below else f"at most {high:.6g}"
    yield f"limited to values of {limits}" + (f" and at most {high:.6g}" if below and above else "")


def _factor(case: Case, found: Array, expected: Array) -> str | None:
    """Return the constant factor between two results as text, such as "N = 6", or None.

    N and C are the rows and columns of the batch. Any two single numbers differ by a factor, so
    for these only factors that are quantities of the exercise are reported.
    """
    if not expected.any():
        return None
    factor = fitted(found, expected)
    if not close(found, factor * expected) or not 1e-6 < abs(factor) < 1e6:
        return None
    text = quantity(case, factor)
    if text is not None or expected.size == 1 or abs(factor - 1) < ROUNDED:
        return text
    return f"{factor:.6g}"


def fitted(found: Array, expected: Array) -> float:
    """Return the least-squares factor from one result to another."""
    a, b = found.astype(np.float64), expected.astype(np.float64)
    return float((a * b).sum() / max(np.square(b).sum(), 1e-300))


def quantity(case: Case, factor: float) -> str | None:
    """Return a factor as a quantity of the exercise, such as "N = 6", or None."""
    texts, sizes = zip(*_quantities(case), strict=True)
    near = np.isclose(factor, sizes)
    return texts[int(near.argmax())] if near.any() else None


def _quantities(case: Case) -> Iterator[tuple[str, float]]:
    yield from (("2", 2.0), ("1/2", 0.5), ("-1", -1.0), ("100", 100.0), ("1/100", 0.01))
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
            yield from ((name, value), (f"1/{name}", 1 / value), (f"√{name}", value**0.5))
            yield f"(1 - {name})", 1 - value
            if value != 1:
                yield f"1/(1 - {name})", 1 / (1 - value)
    for letter, size in sizes.items():
        yield f"({letter} - 1)", size - 1


def where(case: Case, wrong: Array) -> str:
    """Describe which entries are wrong: a row or column, or those with certain inputs."""
    names = {1: ("entry",), 2: ("row", "column")}.get(wrong.ndim, ())
    ranges = [_range(wrong, axis, what) for axis, what in enumerate(names)]
    for axis, text in enumerate(ranges):
        others = tuple(each for each in range(wrong.ndim) if each != axis)
        whole = (wrong.any(axis=others) == wrong.all(axis=others)).all()
        if text and whole and text.endswith(("is wrong", "is right")):
            return text
    for name, value in vars(case).items():
        if (
            isinstance(value, np.ndarray)
            and value.shape == wrong.shape
            and value.dtype.kind in "fi"
        ):
            text = _condition(name.rsplit("_", 1)[-1], value, wrong)
            if text is not None:
                return f"the wrong entries are those where {text}"
    share = f"{wrong.mean():.0%} of the entries are wrong"
    return next(filter(None, ranges), share)


def _range(wrong: Array, axis: int, what: str) -> str | None:
    """Describe the wrong entries along an axis; None if they are everywhere."""
    others = tuple(each for each in range(wrong.ndim) if each != axis)
    found = np.flatnonzero(wrong.any(axis=others)).tolist()
    count = wrong.shape[axis]
    rest = [each for each in range(count) if each not in found]
    for one, state in (found, "wrong"), (rest, "right"):
        if len(one) == 1 < count and (state == "wrong" or count > 2):
            named = {0: f"the first {what}", count - 1: f"the last {what}"}
            return f"only {named.get(one[0], f'{what} {one[0]}')} is {state}"
    if len(found) < count:
        return f"only {what.replace('y', 'ie')}s {', '.join(map(str, found))} are wrong"
    return None


def _condition(name: str, value: Array, wrong: Array) -> str | None:
    """Return a condition on an input that holds for the wrong entries and no other."""
    for text, mask in (
        ("negative", value < 0), ("positive", value > 0), ("0", value == 0),
        ("at most 0", value <= 0), ("at least 0", value >= 0),
    ):  # fmt: skip
        if (wrong == mask).all():
            return f"{name} is {text}"
    if (~wrong).sum() < 2:  # a single right entry is above or below all others by accident
        return None
    for text, size in ((name, value), (f"|{name}|", np.abs(value))):
        if size[wrong].min() > size[~wrong].max():
            return f"{text} is above {size[~wrong].max():.3g}"
        if size[wrong].max() < size[~wrong].min():
            return f"{text} is below {size[~wrong].min():.3g}"
    return None


def _along_axes(found: Array, expected: Array) -> str:
    """Describe factors and differences that are constant along an axis."""
    for axis, what in enumerate(("column", "row") if found.ndim == 2 else ()):
        with np.errstate(all="ignore"):
            factor = (found * expected).sum(axis, keepdims=True)
            factor /= np.square(expected).sum(axis, keepdims=True)
            shift = (found - expected).mean(axis, keepdims=True)
        if close(found, factor * expected):
            return f"; each {what} has a factor of its own, such as {factor.flat[0]:.6g}"
        if close(found, expected + shift):
            return f"; each {what} is shifted by a number of its own, such as {shift.flat[0]:.6g}"
    if np.sign(found * expected).min() > 0:
        size = np.abs(found) - np.abs(expected)
        if (size > 0).all() or (size < 0).all():
            return f"; all entries are too {'large' if size.flat[0] > 0 else 'small'}"
    return ""


def _right(found: Results, wrong: Sequence[str]) -> str:
    """List the results that are right, those with the most similar names first."""
    words = set(wrong[0].split())
    names = [name for name in found if name not in wrong]
    names.sort(key=lambda name: len(words ^ set(name.split())))
    more = ", among others" if len(names) > MOST_NAMED else ""
    return f". Right: {', '.join(names[:MOST_NAMED])}{more}" if names else ""

"""Judging what was seen of an answer: right, or wrong and in which way.

A wrong result is first held against the known mistakes. What is no known mistake may still be the
right derivative of a wrong forward, off by a factor, transposed, zero, or another quantity; and if
it is none of these, the worst entry is told.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minnet.exercises.exercise import Case, Exercise, Mistake, Results
from minnet.exercises.observing import Observation
from minnet.validation import Array

TOLERANCE = 1e-6
ACCURACY = 0.7


class WrongAnswer(AssertionError):  # noqa: N818 - it is the answer that is wrong, not the program
    """An answer that is not right; its text says in what way.

    Attributes
    ----------
    mistake : str or None
        The id of the known mistake, or None.
    """

    def __init__(self, message: str, mistake: str | None = None) -> None:
        super().__init__(message)
        self.mistake = mistake

    def _render_traceback_(self) -> list[str]:
        """In a notebook the message stands alone."""
        return [str(self)]


@dataclass(frozen=True)
class Verdict:
    """How many of an exercise's checks an answer passed, and what is wrong with it, if anything."""

    passed: int
    checks: int
    wrong: WrongAnswer | None = None


def judge(exercise: Exercise, case: Case, seen: Observation) -> Verdict:
    """Hold what was seen of an answer against the specification.

    Every result is a check; so are the contract (the first fault) and training in a network.
    """
    checks = 2 + (exercise.train is not None)
    if not seen.results and seen.fault is not None:  # a stub: no need to work out anything
        return Verdict(0, checks, _tell_fault(exercise, seen))
    right = specified(exercise, case)
    checks += len(right) - 1
    wrong = [name for name in seen.results if not agrees(exercise, name, seen.results, right)]
    missing = [name for name in right if name not in seen.results]
    passed = len(seen.results) - len(wrong)
    if wrong:
        return Verdict(passed, checks, _diagnose(exercise, case, seen, right, wrong[0]))
    if seen.fault is not None:
        return Verdict(passed, checks, _tell_fault(exercise, seen))
    if missing:
        return Verdict(passed, checks, _wrong(exercise, f"there is no {missing[0]}.", "no_result"))
    if seen.logits is not None:
        accuracy = digits_accuracy(seen.logits)
        if accuracy < ACCURACY:
            message = f"alone it is right, but a network with it reads {accuracy:.0%} of digits."
            return Verdict(passed + 1, checks, _wrong(exercise, message, "network"))
    return Verdict(checks, checks)


def assess(
    exercise: Exercise, case: Case, look: Callable[[bool], Observation], *, train: bool = True
) -> Verdict:
    """Judge what ``look(False)`` sees, and what ``look(True)`` does if there is more to see.

    A network is trained, which takes longest, where everything else is right.
    """
    verdict = judge(exercise, case, look(False))
    if train and verdict.wrong is None and exercise.train is not None:
        return judge(exercise, case, look(True))
    return verdict


def specified(exercise: Exercise, case: Case) -> Results:
    """Return the right results as arrays."""
    with np.errstate(all="ignore"):
        return {name: np.asarray(value) for name, value in exercise.specification(case).items()}


def mistaken(mistake: Mistake, case: Case, right: Results) -> Results:
    """Return all results as they come out with that mistake, those it does not touch as they are.

    Empty for a mistake that shows in no result.
    """
    if mistake.results is None:
        return {}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        changed = mistake.results(case, right)
    return right | {name: np.asarray(value) for name, value in changed.items()}


def agrees(exercise: Exercise, name: str, found: Results, expected: Results) -> bool:
    """Whether two results of that name have one shape and kind, and differ by rounding alone."""
    a, b = found[name], expected[name]
    if a.shape != b.shape or (a.dtype != b.dtype and b.ndim > 0):
        return False
    return relative_error(a, b) <= exercise.tolerances.get(name, TOLERANCE)


def relative_error(found: Array, expected: Array) -> float:
    """max |found - expected| over the largest number in both; below 1e-6 nothing is divided by.

    >>> relative_error(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    0.5
    """
    if not expected.size:
        return 0.0
    a, b = found.astype(np.float64), expected.astype(np.float64)
    scale = max(np.abs(a).max(), np.abs(b).max(), 1e-6)
    with np.errstate(all="ignore"):
        error = float(np.abs(a - b).max() / scale)
    return error if np.isfinite(error) else float("inf")


def digits_accuracy(logits: Array) -> float:
    """Return the share of the test digits that logits (n, 10) read rightly."""
    from minnet.exercises.network import digits

    labels = digits()[1][1]
    if logits.shape != (len(labels), 10):
        return 0.0
    return float((logits.argmax(axis=1) == labels).mean())


def _diagnose(
    exercise: Exercise, case: Case, seen: Observation, right: Results, name: str
) -> WrongAnswer:
    """Say what is wrong with the result of that name, the first that is wrong."""
    mistake = _known(exercise, case, seen.results, right, name)
    if mistake is not None:
        return _wrong(exercise, mistake.message, mistake.id)
    described = _detect(case, right, name, seen.results[name])
    if name == exercise.forward and _derivatives_fit(exercise, seen):
        described = f"the backward is the right derivative of a wrong forward: {described}"
    return _wrong(exercise, described, None)


def _known(
    exercise: Exercise, case: Case, found: Results, right: Results, first: str
) -> Mistake | None:
    """Find the known mistake that gives the first wrong result, and the most of the others.

    None if there is no such mistake, or more than one; one that would change a result that is
    right was not made.
    """
    alike: dict[int, list[Mistake]] = {}
    fine = [name for name in found if agrees(exercise, name, found, right)]
    for mistake in exercise.mistakes:
        expected = mistaken(mistake, case, right)
        if not expected or agrees(exercise, first, expected, right):
            continue
        untouched = all(agrees(exercise, name, expected, right) for name in fine)
        if untouched and agrees(exercise, first, found, expected):
            others = sum(agrees(exercise, name, found, expected) for name in found)
            alike.setdefault(others, []).append(mistake)
    best = alike[max(alike)] if alike else []
    return best[0] if len(best) == 1 else None


def _derivatives_fit(exercise: Exercise, seen: Observation) -> bool:
    slopes = seen.slopes()
    return bool(slopes) and all(
        name in seen.results and _alike(seen.results[name], slope) for name, slope in slopes.items()
    )


def _detect(case: Case, right: Results, name: str, found: Array) -> str:
    """Say in what simple relation a wrong result stands to the right one, or where it is worst."""
    expected = right[name]
    if found.ndim == 2 and _alike(found.T, expected):
        return f"{name} is transposed."
    form = _form(name, found, expected)
    if form is not None:
        return form
    if not found.any():
        return f"{name} is all zeros."
    others = {f"the input {key}": value for key, value in vars(case).items()}
    others |= {key: value for key, value in right.items() if key != name}
    stale = [key for key, other in others.items() if found.size > 1 and _alike(found, other)]
    if stale:
        return f"{name} is the same as {stale[0]}."
    return _ratio(case, name, found, expected) or _worst(name, found, expected)


def _form(name: str, found: Array, expected: Array) -> str | None:
    """Say whether the shape or the kind of numbers is wrong."""
    if found.shape != expected.shape:
        return f"{name} has shape {found.shape}, but should have {expected.shape}."
    if found.dtype.kind == "b" != expected.dtype.kind:
        return f"{name} holds True and False, but should hold numbers."
    if found.dtype != expected.dtype and expected.ndim:
        return f"{name} is {found.dtype}, but should be {expected.dtype} as the inputs are."
    return None


def _ratio(case: Case, name: str, found: Array, expected: Array) -> str | None:
    """Name a constant factor: by the batch, N = 6, 1/N, C = 5, 1/C, where it is one of these.

    A single number is always some multiple of another: there 2 and -1 alone are named besides.
    """
    if not expected.any():
        return None
    factor = float((found * expected).sum() / np.square(expected).sum())
    if not _alike(found, factor * expected):
        return None
    inputs = [vars(case).get("x"), vars(case).get("dy"), *vars(case).values()]
    rows = [value.shape for value in inputs if isinstance(value, np.ndarray) and value.ndim == 2]
    sizes = {"N": rows[0][0], "C": rows[0][1]} if rows else {}
    known = {f"{letter} = {size}": size for letter, size in sizes.items()}
    known |= {f"1/{letter} = 1/{size}": 1 / size for letter, size in sizes.items()}
    known |= {"2": 2, "-1": -1}
    told = next((text for text, size in known.items() if np.isclose(factor, size)), None)
    if told is None and expected.size == 1:
        return None
    told = told or f"{factor:.6g}"
    return f"{name} is {told} times what it should be."


def _alike(found: Array, other: Any) -> bool:
    other = np.asarray(other)
    numbers = other.dtype.kind in "fiub"
    return numbers and found.shape == other.shape and relative_error(found, other) <= TOLERANCE


def _worst(name: str, found: Array, expected: Array) -> str:
    """Tell the entry that is farthest off, both values, and the relative error."""
    index = np.unravel_index(np.abs(found - expected).argmax(), expected.shape)
    at = f"[{', '.join(str(int(i)) for i in index)}]" if index else ""
    return (
        f"{name}{at} is {found[index]:.6g}, but should be {expected[index]:.6g} "
        f"(relative error {relative_error(found, expected):.1e})."
    )


def _tell_fault(exercise: Exercise, seen: Observation) -> WrongAnswer:
    """Tell a fault in the exercise's own words where it has some."""
    assert seen.fault is not None
    mistake = exercise.mistake(seen.fault.id)
    message = seen.fault.message if mistake is None else mistake.message
    return _wrong(exercise, message, seen.fault.id)


def _wrong(exercise: Exercise, message: Any, mistake: str | None) -> WrongAnswer:
    return WrongAnswer(
        f"{exercise}: {message} Hint: minnet exercises hint {exercise.number}", mistake
    )

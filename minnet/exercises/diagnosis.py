"""Diagnosis of an answer: right, or wrong with the mistake that explains its results.

The first wrong result is compared with the results of the known mistakes. If none of them fits,
the message states a simple relation to the right result, such as a constant factor, a transpose,
or the right derivative of a wrong forward. Otherwise it quotes the entry with the largest error.
"""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from minnet.exercises import network
from minnet.exercises.exercise import Case, Exercise, Mistake, Results
from minnet.exercises.observation import Observation, observe
from minnet.validation import Array

TOLERANCE = 1e-6
ACCURACY = 0.7


class WrongAnswer(AssertionError):  # noqa: N818 - the answer is wrong, not the program
    """A wrong answer; the text describes the mistake.

    Attributes
    ----------
    mistake : str or None
        The id of the known mistake, or None.
    score : float
        The share of checks passed.
    """

    def __init__(self, message: str, mistake: str | None = None, *, score: float = 0.0) -> None:
        super().__init__(message)
        self.mistake, self.score = mistake, score

    def _render_traceback_(self) -> list[str]:
        """Show the message without a traceback in a notebook."""
        return [str(self)]


def diagnose_answer(
    exercise: Exercise, answer: Any, seed: int, *, train: bool
) -> WrongAnswer | None:
    """Run an answer on the inputs of a seed; return the diagnosis, or None if it is right."""
    case = exercise.case(seed)
    return diagnose_in_stages(exercise, case, partial(observe, exercise, answer, case), train=train)


def diagnose_in_stages(
    exercise: Exercise, case: Case, observe: Callable[[bool], Observation], *, train: bool = True
) -> WrongAnswer | None:
    """Diagnose ``observe(False)`` and, if it is right, ``observe(True)``, which trains a network.

    Training takes longest and is skipped if any result is wrong.
    """
    wrong = diagnose(exercise, case, observe(False))
    if train and wrong is None and exercise.train is not None:
        return diagnose(exercise, case, observe(True))
    return wrong


def diagnose(exercise: Exercise, case: Case, observation: Observation) -> WrongAnswer | None:
    """Compare an observation with the specification; return the diagnosis, or None if right.

    Each result is one check. The absence of faults and the training of a network are further
    checks.
    """
    found, fault, logits = observation.results, observation.fault, observation.logits
    needed = found or fault is None  # a stub has a fault and no results
    right = right_results(exercise, case) if needed else {}
    checks = len(right) + 1 + (exercise.train is not None)
    wrong = [name for name in found if not agrees(exercise, name, found, right)]
    missing = [name for name in right if name not in found]
    passed = len(found) - len(wrong)
    mistake: str | None
    if wrong:
        message, mistake = _explain(exercise, case, observation, right, wrong[0])
    elif fault is not None:  # the exercise's own message takes precedence
        message, mistake = (exercise.mistake(fault.id) or fault).message, fault.id
    elif missing:
        message, mistake = f"there is no {missing[0]}.", "no_result"
    elif logits is not None and (accuracy := network.accuracy(logits)) < ACCURACY:
        message = f"alone it is right, but a network with it reads {accuracy:.0%} of the digits."
        passed, mistake = passed + 1, "network"
    else:
        return None
    message = f"{exercise}: {message} Hint: minnet exercises hint {exercise.number}"
    return WrongAnswer(message, mistake, score=passed / checks)


def right_results(exercise: Exercise, case: Case) -> Results:
    """Return the results of the specification as arrays."""
    with np.errstate(all="ignore"):
        return {name: np.asarray(value) for name, value in exercise.specification(case).items()}


def mistake_results(mistake: Mistake, case: Case, right: Results) -> Results:
    """Return all results of an answer with that mistake; empty if no result reveals it."""
    if mistake.results is None:
        return {}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        changed = mistake.results(case, right)
    return right | {name: np.asarray(value) for name, value in changed.items()}


def agrees(exercise: Exercise, name: str, found: Results, expected: Results) -> bool:
    """Return whether a result has the expected shape and dtype, and values within the tolerance."""
    a, b = found[name], expected[name]
    if a.shape != b.shape or (a.dtype != b.dtype and b.ndim > 0):
        return False
    return relative_error(a, b) <= exercise.tolerances.get(name, TOLERANCE)


def relative_error(found: Array, expected: Array) -> float:
    """Return max |found - expected| divided by the largest magnitude in both, or by 1e-6 if larger.

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


def _explain(
    exercise: Exercise, case: Case, observation: Observation, right: Results, name: str
) -> tuple[str, str | None]:
    """Return message and mistake id for the first wrong result, which has this name."""
    found = observation.results
    mistake = _known_mistake(exercise, case, found, right, name)
    if mistake is not None:
        return mistake.message, mistake.id
    message = _describe(case, right, name, found[name])
    if name == exercise.forward:
        derivatives = observation.derivatives()
        fits = [key in found and _close(found[key], value) for key, value in derivatives.items()]
        if fits and all(fits):
            message = f"the backward is the right derivative of a wrong forward: {message}"
    return message, None


def _known_mistake(
    exercise: Exercise, case: Case, found: Results, right: Results, first: str
) -> Mistake | None:
    """Return the known mistake that explains the first wrong result and most of the others.

    A mistake that would change a right result of the answer is excluded. The result is None if no
    mistake fits, or if several fit equally well.
    """
    same = partial(agrees, exercise)
    correct = [name for name in found if same(name, found, right)]
    candidates: list[tuple[int, Mistake]] = []
    for mistake in exercise.mistakes:
        expected = mistake_results(mistake, case, right)
        if not expected or same(first, expected, right) or not same(first, found, expected):
            continue
        if all(same(name, expected, right) for name in correct):
            candidates.append((sum(same(name, found, expected) for name in found), mistake))
    most = max((explained for explained, _ in candidates), default=0)
    best = [mistake for explained, mistake in candidates if explained == most]
    return best[0] if len(best) == 1 else None


def _describe(case: Case, right: Results, name: str, found: Array) -> str:
    """Describe how a wrong result is related to the right one, or quote the worst entry."""
    expected = right[name]
    wrong_form = _wrong_form(name, found, expected)
    if wrong_form is not None:
        return wrong_form
    if not found.any():
        return f"{name} is all zeros."
    others = {f"the input {key}": value for key, value in vars(case).items()}
    others |= {key: value for key, value in right.items() if key != name}
    equal = [key for key, other in others.items() if found.size > 1 and _close(found, other)]
    if equal:
        return f"{name} is the same as {equal[0]}."
    factor = _constant_factor(case, found, expected)
    if factor is not None:
        return f"{name} is {factor} times what it should be."
    index = np.unravel_index(np.abs(found - expected).argmax(), expected.shape)
    entry = f"[{', '.join(str(int(i)) for i in index)}]" if index else ""
    return (
        f"{name}{entry} is {found[index]:.6g}, but should be {expected[index]:.6g} "
        f"(relative error {relative_error(found, expected):.1e})."
    )


def _wrong_form(name: str, found: Array, expected: Array) -> str | None:
    """Describe a wrong orientation, shape or dtype; None if there is none."""
    if found.ndim == 2 and _close(found.T, expected):
        return f"{name} is transposed."
    if found.shape != expected.shape:
        return f"{name} has shape {found.shape}, but should have {expected.shape}."
    if found.dtype.kind == "b" != expected.dtype.kind:
        return f"{name} holds True and False, but should hold numbers."
    if found.dtype != expected.dtype and expected.ndim:
        return f"{name} is {found.dtype}, but should be {expected.dtype} as the inputs are."
    return None


def _constant_factor(case: Case, found: Array, expected: Array) -> str | None:
    """Return the constant factor between two results as text, such as "N = 6", or None.

    N and C are the rows and columns of the batch. Any two single numbers differ by a factor, so
    for these only N, 1/N, C, 1/C, 2 and -1 are reported.
    """
    if not expected.any():
        return None
    factor = float((found * expected).sum() / np.square(expected).sum())
    if not _close(found, factor * expected):
        return None
    inputs = [vars(case).get("x"), vars(case).get("dy"), *vars(case).values()]
    shapes = [value.shape for value in inputs if isinstance(value, np.ndarray) and value.ndim == 2]
    sizes = list(zip("NC", shapes[0], strict=True)) if shapes else []
    common = {f"{letter} = {size}": size for letter, size in sizes}
    common |= {f"1/{letter} = 1/{size}": 1 / size for letter, size in sizes}
    common |= {"2": 2, "-1": -1}
    text = next((text for text, size in common.items() if np.isclose(factor, size)), None)
    return text if text is not None or expected.size == 1 else f"{factor:.6g}"


def _close(found: Array, other: Any) -> bool:
    other = np.asarray(other)
    numbers = other.dtype.kind in "fiub"
    return numbers and found.shape == other.shape and relative_error(found, other) <= TOLERANCE

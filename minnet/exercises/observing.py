"""Watching an answer at work: what it gives, and the first thing it does that no answer may do.

Observing needs the answer and the inputs alone, judging needs the results alone, so that an answer
can be observed in a process of its own and judged in another.
"""

from __future__ import annotations

import copy
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from minnet.exercises.exercise import Case, Exercise, Refusal, Results
from minnet.validation import Array

_PACKAGE = str(Path(__file__).resolve().parents[1])
_NUMPY = str(Path(np.__file__).resolve().parent)
_WARNINGS = {
    "overflow": "overflow",
    "divide by zero": "divide_by_zero",
    "invalid value": "invalid_value",
}
_ERRORS = {OverflowError: "overflow", ZeroDivisionError: "divide_by_zero"}


@dataclass(frozen=True)
class Fault:
    """What stopped an observation: its id and the end of a sentence that tells it."""

    id: str
    message: str


@dataclass
class Observation:
    """What was seen of an answer.

    Attributes
    ----------
    results : dict of str to ndarray
        What it gave, copied, up to the first fault.
    fault : Fault or None
        The first thing that no answer may do.
    slopes : callable
        Returns the derivatives of the answer's own forward by name, found by finite differences.
    logits : ndarray or None
        What a network that holds the answer says to the test digits after a moment of training.
    """

    results: Results = field(default_factory=dict)
    fault: Fault | None = None
    slopes: Callable[[], Results] = dict
    logits: Array | None = None


def observe(exercise: Exercise, answer: Any, case: Case, train: bool) -> Observation:
    """Use the answer on the inputs of the case, twice, and in a network if it is to be trained."""
    seen, fault = _collect(exercise, answer, case)
    observation = Observation(seen, fault)
    if fault is None:
        again, _ = _collect(exercise, answer, case)
        different = [name for name in seen if not _same(seen[name], again.get(name))]
        if different:
            observation.fault = Fault(
                "second_run_differs",
                f"{different[0]} is different when everything is run once more with the same "
                "inputs; is something kept outside of the answer, or drawn from another generator?",
            )
    if observation.fault is None:
        observation.slopes = partial(_slopes, exercise, answer, case)
    if observation.fault is None and train and exercise.train is not None:
        try:
            with np.errstate(all="ignore"):
                observation.logits = exercise.train(answer)
        except Exception as error:
            observation.fault = Fault(
                "network", f"alone it works, but in a network on the digits {told(error)}."
            )
    return observation


def _collect(exercise: Exercise, answer: Any, case: Case) -> tuple[Results, Fault | None]:
    """Return the results up to the first fault, and the fault."""
    given = copy.deepcopy(case)
    seen: Results = {}
    with warnings.catch_warnings(record=True) as caught, np.errstate(all="warn", under="ignore"):
        warnings.simplefilter("always")
        try:
            for name, value in exercise.run(answer, given):
                fault = (
                    _changed_input(case, given) or _warned(caught, name) or _odd_value(name, value)
                )
                if fault is not None:
                    return seen, fault
                seen[name] = np.array(value)
        except NotImplementedError:
            message = "not implemented yet."
            if seen:  # a fault is told only where all before it is right
                message = f"{next(reversed(seen))} is right; what comes after it is {message}"
            return seen, Fault("not_implemented", message)
        except Refusal as refusal:
            return seen, Fault("returned", str(refusal))
        except (Exception, SystemExit) as error:
            if isinstance(error, AttributeError) and error.name in exercise.derivatives:
                return seen, Fault("error", f"backward should set self.{error.name}.")
            kind = next((kind for of, kind in _ERRORS.items() if isinstance(error, of)), "error")
            return seen, Fault(kind, f"it stops with {told(error)}.")
    return seen, None


def _changed_input(case: Case, given: Case) -> Fault | None:
    for name, value in vars(given).items():
        if not _same(value, getattr(case, name)):
            return Fault(
                "input_changed", f"it writes into its argument {name}; work on a copy of it."
            )
    return None


def _warned(caught: list[warnings.WarningMessage], name: str) -> Fault | None:
    for warning in caught:
        text = str(warning.message)
        # Some BLAS libraries raise floating-point flags in products that are perfectly right.
        if not issubclass(warning.category, RuntimeWarning) or text.endswith(("matmul", "dot")):
            continue
        kind = next((kind for words, kind in _WARNINGS.items() if words in text), None)
        if kind is not None:
            where = f"in line {warning.lineno}" if _is_own(warning.filename) else f"for {name}"
            return Fault(kind, f"NumPy warns of '{text}' {where}.")
    return None


def _odd_value(name: str, value: Any) -> Fault | None:
    if value is None:
        return Fault("none", f"{name} is None; is a return missing?")
    if type(value) is not np.ndarray and not isinstance(value, int | float | np.generic):
        return Fault(
            "no_array", f"{name} should be a NumPy array, but it is of type {type(value).__name__}."
        )
    value = np.asarray(value)
    if value.dtype.kind not in "fiub":
        return Fault("dtype", f"{name} should hold numbers, but its dtype is {value.dtype}.")
    if not np.isfinite(value).all():
        bad = "NaN" if np.isnan(value).any() else "infinity"
        return Fault("not_finite", f"{name} holds {bad}.")
    return None


def _same(a: Any, b: Any) -> bool:
    """Whether two values are alike but for rounding; a second run may add up in another order."""
    if not isinstance(a, np.ndarray):
        return bool(a == b)
    if not isinstance(b, np.ndarray) or a.shape != b.shape:
        return False
    a, b = a.astype(np.float64), b.astype(np.float64)  # True and False have no difference
    return a.size == 0 or bool(np.abs(a - b).max() <= 1e-12 * (1 + np.abs(a).max()))


def _slopes(exercise: Exercise, answer: Any, case: Case, step: float = 1e-5) -> Results:
    """Differentiate the answer's own forward with respect to the inputs that count."""

    def loss() -> float:
        forward = dict(_until(exercise.run(answer, copy.deepcopy(moved)), exercise.forward))
        return float(np.sum(forward[exercise.forward] * getattr(case, "dy", 1.0)))

    slopes: Results = {}
    moved = copy.deepcopy(case)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            for name, of in exercise.derivatives.items():
                point = getattr(moved, of)
                slopes[name] = np.empty_like(point)
                for index in np.ndindex(point.shape):
                    kept = point[index]
                    point[index] = kept + step
                    above = loss()
                    point[index] = kept - step
                    slopes[name][index] = (above - loss()) / (2 * step)
                    point[index] = kept
        except Exception:  # an answer that bears only the inputs it was shown has no slopes
            return {}
    return slopes


def _until(results: Iterator[tuple[str, Any]], last: str) -> Iterator[tuple[str, Any]]:
    for name, value in results:
        yield name, value
        if name == last:
            return


def told(error: BaseException) -> str:
    """Tell an exception, with the line of the student's own that it came from."""
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__} in line {error.lineno}: {error.msg}"
    line = ""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if _is_own(frame.filename):
            line = f" in line {frame.lineno}, `{frame.line}`" if frame.line else ""
            break
    return f"{type(error).__name__}{line}: {error}".rstrip(" .:")


def _is_own(filename: str) -> bool:
    """Whether a line of this file is the student's, and not minnet's or NumPy's."""
    return not filename.startswith((_PACKAGE, _NUMPY, "<__array_function__"))

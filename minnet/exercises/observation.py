"""Run an answer and record its results, up to the first fault.

A fault is an error, a floating-point warning, or a violation of the rules that every answer must
follow. Running an answer requires the answer and the inputs, and `minnet.exercises.diagnosis`
requires the recorded results. An answer can therefore run in a separate process.
"""

import copy
import os
import signal
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from minnet.checks import numerical_gradient
from minnet.exercises.exercise import AGAIN, Case, Exercise, ResultError, Results
from minnet.validation import Array

_MINNET, _PACKAGES = (Path(file).resolve().parents[1] for file in (__file__, np.__file__))
_STANDARD = Path(traceback.__file__).resolve().parent
_LIBRARIES = tuple(f"{folder}{os.sep}" for folder in (_MINNET, _PACKAGES, _STANDARD))
_WARNINGS = ("overflow", "divide by zero", "invalid value")


@dataclass(frozen=True)
class Fault:
    """The reason why an observation ended: an id and a message."""

    id: str
    message: str


@dataclass
class Observation:
    """The recorded behaviour of an answer.

    Attributes
    ----------
    results : dict of str to ndarray
        Copies of the results, up to the first fault.
    fault : Fault or None
        The first fault.
    again : callable
        Returns the results for the inputs of `AGAIN`, on which an explanation is tested, too.
    derivatives : callable
        Returns the derivatives of the answer's own forward by name, from finite differences.
    logits : ndarray or None
        Logits of the test digits from a briefly trained network that contains the answer.
    """

    results: Results = field(default_factory=dict)
    fault: Fault | None = None
    again: Callable[[], Results] = dict
    derivatives: Callable[[], Results] = dict
    logits: Array | None = None


def observe(exercise: Exercise, answer: Any, case: Case, train: bool) -> Observation:
    """Run the answer twice on the inputs, and in a network if `train` is True."""
    results, fault = _collect(exercise, answer, case)
    fault = fault or _second_run(exercise, answer, case, results)
    again = partial(_results_again, exercise, answer)
    if fault is not None:
        return Observation(results, fault, again)
    derivatives = partial(_numerical_derivatives, exercise, answer, case)
    observation = Observation(results, None, again, derivatives)
    if train and exercise.train is not None:
        try:
            with np.errstate(all="ignore"):
                observation.logits = exercise.train(answer)
        except TimeoutError:  # a slow answer is not wrong
            return observation
        except Exception as error:
            reason = f"in a network on the digits it stops with {describe_error(error)}."
            observation.fault = Fault("network", f"alone it works, but {reason}")
    return observation


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the running code, repeatedly at intervals of this many seconds.

    It has an effect in the main thread alone, and not on Windows.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not (is_main and hasattr(signal, "setitimer")):
        yield
        return

    def stop(*_: object) -> None:
        raise TimeoutError(f"no end within {seconds:g} seconds; look for an endless loop")

    handler = signal.signal(signal.SIGALRM, stop)
    timer = signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, handler)


class StrictErrstate(np.errstate):
    """`numpy.errstate` that reports an overflow even if the caller ignores it."""

    def __init__(self, **settings: Any) -> None:
        if settings.get("over", settings.get("all")) == "ignore":
            settings["over"] = "warn"
        super().__init__(**settings)


def _collect(exercise: Exercise, answer: Any, case: Case) -> tuple[Results, Fault | None]:
    """Return the results up to the first fault, and the fault."""
    given = copy.deepcopy(case)
    results: Results = {}
    with (
        warnings.catch_warnings(record=True) as caught,
        np.errstate(all="warn", under="ignore"),
        mock.patch.object(np, "errstate", StrictErrstate),
    ):
        warnings.simplefilter("always")
        try:
            for name, value in exercise.run(answer, given):
                fault = (
                    _changed_input(case, given)
                    or _numpy_warning(caught, name)
                    or _invalid_value(name, value)
                )
                if fault is not None:
                    return results, fault
                results[name] = np.array(value)
        except (Exception, SystemExit) as error:
            return results, _error_fault(exercise, error, results)
    return results, None


def _results_again(exercise: Exercise, answer: Any) -> Results:
    """Return the results for the inputs of `AGAIN`."""
    return _collect(exercise, answer, exercise.case(AGAIN))[0]


def _error_fault(exercise: Exercise, error: BaseException, results: Results) -> Fault:
    if isinstance(error, NotImplementedError):
        message = "not implemented yet."
        if results:  # a fault is reported only if all earlier results are right
            message = f"{next(reversed(results))} is right; what comes after it is {message}"
        return Fault("not_implemented", message)
    if isinstance(error, ResultError):
        return Fault("returned", str(error))
    if isinstance(error, AttributeError) and error.name in exercise.derivatives:
        return Fault("error", f"backward should set self.{error.name}.")
    kinds = {OverflowError: "overflow", ZeroDivisionError: "divide_by_zero"}
    kind = next((kind for base, kind in kinds.items() if isinstance(error, base)), "error")
    return Fault(kind, f"it stops with {describe_error(error)}.")


def _changed_input(case: Case, given: Case) -> Fault | None:
    for name, value in vars(given).items():
        if not _same(value, getattr(case, name)):
            message = f"it writes into its argument {name}; work on a copy of it."
            return Fault("input_changed", message)
    return None


def _numpy_warning(caught: list[warnings.WarningMessage], name: str) -> Fault | None:
    for warning in caught:
        text = str(warning.message)
        # Some BLAS libraries raise floating-point flags in products that are correct.
        if not issubclass(warning.category, RuntimeWarning) or text.endswith(("matmul", "dot")):
            continue
        line = f"in line {warning.lineno}, " if is_own(warning.filename) else ""
        where = f"{line}for {name}"
        for kind in _WARNINGS:
            if kind in text:
                return Fault(kind.replace(" ", "_"), f"NumPy warns of '{text}' {where}.")
    return None


def _invalid_value(name: str, value: Any) -> Fault | None:
    if value is None:
        return Fault("none", f"{name} is None; is a return missing?")
    if type(value) is not np.ndarray and not isinstance(value, int | float | np.generic):
        kind = type(value).__name__
        return Fault("no_array", f"{name} should be a NumPy array, but it is of type {kind}.")
    value = np.asarray(value)
    if value.dtype.kind not in "fiub":
        return Fault("dtype", f"{name} should hold numbers, but its dtype is {value.dtype}.")
    if not np.isfinite(value).all():
        bad = "NaN" if np.isnan(value).any() else "infinity"
        return Fault("not_finite", f"{name} holds {bad}.")
    return None


def _second_run(exercise: Exercise, answer: Any, case: Case, first: Results) -> Fault | None:
    """Return a fault if the results of a second run differ from those of the first."""
    second, _ = _collect(exercise, answer, case)
    for name, value in first.items():
        if not _same(value, second.get(name)):
            return Fault(
                "second_run_differs",
                f"{name} differs in a second run with the same inputs; does the answer store "
                "values globally, or draw from another generator?",
            )
    return None


def _same(a: Any, b: Any) -> bool:
    """Return whether two values are equal up to rounding; the order of a sum may differ."""
    if not isinstance(a, np.ndarray):
        return bool(a == b)
    if not isinstance(b, np.ndarray) or a.shape != b.shape:
        return False
    a, b = a.astype(np.float64), b.astype(np.float64)  # booleans cannot be subtracted
    return a.size == 0 or bool(np.abs(a - b).max() <= 1e-12 * (1 + np.abs(a).max()))


def _numerical_derivatives(exercise: Exercise, answer: Any, case: Case) -> Results:
    """Differentiate the answer's forward with respect to the inputs in `exercise.derivatives`.

    Empty if the answer raises an error for shifted inputs.
    """

    def differentiate(source: str) -> Array:
        def loss(value: Array) -> float:
            shifted = copy.deepcopy(case)
            setattr(shifted, source, value)
            results = exercise.run(answer, shifted)
            forward = next(result for name, result in results if name == exercise.forward)
            return float(np.sum(forward * getattr(case, "dy", 1.0)))

        return numerical_gradient(loss, getattr(case, source))

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return {name: differentiate(source) for name, source in exercise.derivatives.items()}
        except Exception:
            return {}


def describe_error(error: BaseException) -> str:
    """Describe an exception, with the line of the student's code that raised it."""
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__} in line {error.lineno}: {error.msg}"
    frames = reversed(traceback.extract_tb(error.__traceback__))
    own = next((frame for frame in frames if is_own(frame.filename)), None)
    line = f" in line {own.lineno}, `{own.line}`" if own is not None and own.line else ""
    return f"{type(error).__name__}{line}: {error}".rstrip(" .:")


def is_own(filename: str) -> bool:
    """Return whether a file is the student's, and not that of a library."""
    return not filename.startswith((*_LIBRARIES, "<__array_function__", "<frozen "))

"""Diagnosis of an answer: right, or wrong with the mistake that explains its results.

The first wrong result is compared with the results of the mutants of the reference. If none of them
fits, the message states a simple relation to the right result, such as a constant factor, or the
right derivative of a wrong forward.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from minnet.exercises import network, relations, words
from minnet.exercises.compare import TOLERANCE, close, relative_error
from minnet.exercises.exercise import Case, Exercise, Invariant, Results
from minnet.exercises.explanation import Search
from minnet.exercises.mutants import mutants_of, results_of
from minnet.exercises.observation import Fault, Observation, observe, time_limit
from minnet.exercises.program import Program

ACCURACY = 0.7
SECONDS = 60.0  # for one run of an answer in this process


class WrongAnswer(AssertionError):  # noqa: N818 - the answer is wrong, not the program
    """A wrong answer; the text describes the mistake.

    Attributes
    ----------
    mistake : str or None
        The id of a known mistake or fault, what is wrong in words for a generated one, or None.
    score : float
        The share of checks passed.
    hint : str or None
        A suggestion that fits the mistake.
    """

    def __init__(
        self,
        message: str,
        mistake: str | None = None,
        *,
        score: float = 0.0,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.mistake, self.score, self.hint = mistake, score, hint

    def _render_traceback_(self) -> list[str]:
        """Show the message without a traceback in a notebook."""
        return [str(self)]


def diagnose_answer(
    exercise: Exercise, answer: Any, seed: int, *, train: bool
) -> WrongAnswer | None:
    """Run an answer on the inputs of a seed; return the diagnosis, or None if it is right."""
    case = exercise.case(seed)

    def run(train: bool) -> Observation:
        with time_limit(SECONDS):
            return observe(exercise, answer, case, train)

    return diagnose_in_stages(exercise, case, run, train=train)


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
    """Compare an observation with the reference; return the diagnosis, or None if right.

    Each result is one check. The absence of faults and the training of a network are further
    checks.
    """
    found, fault, logits = observation.results, observation.fault, observation.logits
    needed = found or fault is None  # a stub has a fault and no results
    right = right_results(exercise, case) if needed else {}
    checks = len(right.keys() - exercise.clues) + 1 + (exercise.train is not None)
    judged = [name for name in found if name not in exercise.clues]
    wrong = [name for name in judged if not agrees(exercise, name, found, right)]
    missing = [name for name in right if name not in found]
    passed = len(judged) - len(wrong)
    mistake: str | None
    hint: str | None = None
    broken = _broken(exercise, case, found)
    if broken is not None:
        message, mistake, hint = broken.message, broken.id, broken.hint
    elif wrong:
        message, mistake, hint = _explain(exercise, case, observation, right, wrong)
    elif fault is not None:
        message, mistake, hint = _stopped(exercise, case, observation, fault)
    elif missing:
        message, mistake = f"there is no {missing[0]}.", "no_result"
    elif logits is not None and (accuracy := network.accuracy(logits)) < ACCURACY:
        message = f"alone it is right, but a network with it reads {accuracy:.0%} of the digits."
        passed, mistake = passed + 1, "network"
    else:
        return None
    message = f"{exercise}: {message}"
    if exercise.stub is None:
        message += f" Hint: minnet exercises hint {exercise.number}"
    return WrongAnswer(message, mistake, score=passed / checks, hint=hint)


def _broken(exercise: Exercise, case: Case, found: Results) -> Invariant | None:
    """Return the first invariant that the results break; one that cannot be computed holds."""
    for invariant in exercise.invariants:
        with np.errstate(all="ignore"), suppress(KeyError, ValueError, IndexError):
            if not invariant.holds(case, found):
                return invariant
    return None


def right_results(exercise: Exercise, case: Case) -> Results:
    """Return the results of the reference as arrays."""
    return results_of(exercise, Program(exercise.reference), case)


def agrees(exercise: Exercise, name: str, found: Results, expected: Results) -> bool:
    """Return whether a result has the expected shape and dtype, and values within the tolerance."""
    a, b = found[name], expected[name]
    if a.shape != b.shape or (a.dtype != b.dtype and b.ndim > 0):
        return False
    return relative_error(a, b) <= exercise.tolerances.get(name, TOLERANCE)


def _stopped(
    exercise: Exercise, case: Case, observation: Observation, fault: Fault
) -> tuple[str, str | None, str | None]:
    """Return message, mistake id and hint for a fault after right results."""
    explained = None
    if fault.id == "error" and "`: " in fault.message:
        search = Search(mutants_of(exercise, case), observation.results, (), {})
        explained = search.stopped(fault.message)
    if explained is None:
        return fault.message, fault.id, dict(words.HINTS).get(fault.id)
    text = words.sentence(*explained, exercise.reference).removesuffix(".")
    mistake = explained[1].words
    return f"{text}; {fault.message}", mistake, words.hint(mistake)


def _explain(
    exercise: Exercise, case: Case, observation: Observation, right: Results, wrong: list[str]
) -> tuple[str, str | None, str | None]:
    """Return message, mistake id and hint for the results that are wrong, the first one first."""
    found, first = observation.results, wrong[0]
    dtype = relations.wrong_dtype(first, found[first], right[first])
    if dtype is not None and relations.as_if_rounded(found[first], right[first]):
        return dtype, "dtype", None
    differing = [name for name in found if not agrees(exercise, name, found, right)]
    mutants = mutants_of(exercise, case)
    with time_limit(SECONDS):
        again = observation.again()
    search = Search(mutants, found, differing, again)
    mutant, name = search.first(), differing[0]
    fault = observation.fault
    if mutant is None and fault is not None and fault.id == "second_run_differs":
        return fault.message, fault.id, dict(words.HINTS)[fault.id]
    if mutant is None and dtype is not None:
        return dtype, "dtype", None
    related, place = None, ""
    if mutant is None and relations.relation(case, right, found, first) is None:
        name = first
        mutant, place = search.partly() or (None, "")
        related = search.related() if mutant is None else None
        if mutant is None and related is None:
            name, mutant = search.later() or (first, None)
    if mutant is not None:
        message = words.sentence(name, mutant, exercise.reference)
        message = f"{message.removesuffix('.')}; {place}." if place else message
        if mutant.known is not None:
            return message, mutant.known.id, mutant.known.hint
        return message, mutant.words, words.hint(mutant.words)
    message = related or relations.describe(case, right, found, [first, *differing])
    if first == exercise.forward and exercise.derivatives.keys() <= {*differing}:
        slopes = observation.derivatives()
        if slopes and all(close(found[name], value) for name, value in slopes.items()):
            message = f"the backward is the right derivative of a wrong forward: {message}"
    return message, None, None

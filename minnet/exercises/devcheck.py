"""Checks for authors of exercises, also used by minnet's own tests.

The solutions are not part of the package. ``tests/exercises/solutions`` holds one module per
exercise, with ``RIGHT`` (right answers in different styles), ``WRONG`` (an answer with each known
mistake, as a student would write it) and ``HARD_CODED`` (answers that return the stub's example).
"""

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from types import ModuleType
from typing import Any

from minnet.exercises import files
from minnet.exercises.compare import TOLERANCE, relative_error
from minnet.exercises.diagnosis import (
    WrongAnswer,
    diagnose,
    diagnose_answer,
    mistake_results,
    right_results,
)
from minnet.exercises.exercise import Case, Exercise, Results
from minnet.exercises.mutants import mutants_of, results_of
from minnet.exercises.observation import Observation
from minnet.exercises.program import Program

SEEDS = range(20)
MUTANT_SEEDS = 2  # seeds with which wrong answers are compared with mutants, which takes longest
MIN_DISTANCE = 1e-3
DETECTED_FAULTS = {
    "input_changed", "overflow", "divide_by_zero", "invalid_value", "second_run_differs",
}  # fmt: skip


def problems(exercise: Exercise, solutions: Path | None = None) -> Iterator[str]:
    """Yield a sentence for each problem of an exercise.

    Without a folder of solutions only the files and the known mistakes are checked.
    """
    yield from file_problems(exercise)
    yield from mistake_problems(exercise)
    if solutions is not None:
        yield from solution_problems(exercise, load_solutions(exercise, solutions))


def load_solutions(exercise: Exercise, folder: Path) -> ModuleType:
    """Import the module of solutions of an exercise."""
    path = files.answer_path(exercise, folder)
    return files.execute(f"solutions_{path.stem}", path.read_text(encoding="utf-8"), str(path))


def find_wrong(exercise: Exercise, answer: Any, seed: int) -> WrongAnswer | None:
    """Return the diagnosis of an answer, None if right; only the first seed trains a network."""
    return diagnose_answer(exercise, answer, seed, train=seed == SEEDS[0])


def known_results(exercise: Exercise, case: Case) -> dict[str, Results]:
    """Return the results of the known mistakes by id, and the right results under "right"."""
    right = right_results(exercise, case)
    if exercise.reference is not None:
        return {"right": right} | {
            known.id: right
            | results_of(exercise, Program(exercise.reference, dict(known.changes)), case)
            for known in exercise.reference.known
        }
    shown = [mistake for mistake in exercise.mistakes if mistake.results is not None]
    return {"right": right} | {each.id: mistake_results(each, case, right) for each in shown}


def known_ids(exercise: Exercise) -> list[str]:
    """Return the ids of all known mistakes."""
    known = exercise.reference.known if exercise.reference is not None else []
    return [*(each.id for each in exercise.mistakes), *(each.id for each in known)]


def closest(exercise: Exercise, seed: int = 0) -> tuple[float, str, str]:
    """Return the distance and the ids of the two known answers with the most similar results.

    The distance is the largest relative error over all results.
    """
    known = known_results(exercise, exercise.case(seed))
    return min((_distance(known[a], known[b]), a, b) for a, b in combinations(known, 2))


def _distance(one: Results, other: Results) -> float:
    return max(
        relative_error(one[name], other[name]) if one[name].shape == other[name].shape else 1.0
        for name in one
    )


def summary(exercise: Exercise) -> str:
    """Return how many wrong answers are told apart, and those that would be accepted."""
    if exercise.reference is None:
        distance, one, other = closest(exercise)
        text = f"{len(known_ids(exercise))} known mistakes; the closest two, "
        return f"{text}{one} and {other}, are {distance:.1g} apart"
    mutants = mutants_of(exercise, exercise.case(0))
    text = f"{len(mutants.classes)} mistakes are told apart, "
    text += f"{len(mutants.reference.known)} of them in words of their own"
    likely = list(accepted(exercise))
    return f"{text}; {len(likely)} would be accepted: {'; '.join(likely)}" if likely else text


def accepted(exercise: Exercise) -> Iterator[str]:
    """Yield the likely mutants with the right results for which the reference states no reason.

    Each is a wrong answer that would be accepted, unless its formula equals that of the reference.
    """
    mutants = mutants_of(exercise, exercise.case(0))
    found: dict[str, None] = {}
    for mutant in mutants.undetected if mutants.classes else ():
        steps = ", ".join(mutants.reference.steps[key].meaning for key in mutant.changed)
        text = f"{steps}: {mutant.words}" if steps else mutant.words
        if mutant.cost <= 1 and not any(part in text for part in mutants.reference.equal):
            found[text] = None
    yield from found


def file_problems(exercise: Exercise) -> Iterator[str]:
    """Yield problems of the stub and the hints."""
    source = files.stub(exercise)
    if source.count("TODO") != 1:
        yield f"the stub should contain TODO once, not {source.count('TODO')} times"
    if f"({exercise.minutes} minutes)" not in source:
        yield f"the stub should contain ({exercise.minutes} minutes)"
    answer = files.answer_in(exercise, source, f"{exercise.file}.py")
    wrong = find_wrong(exercise, answer, 0)
    if wrong is None or wrong.mistake != "not_implemented":
        yield f"the stub should be 'not implemented', but the diagnosis is {wrong or 'right'}"
    texts = files.hints(exercise)
    if exercise.stub is None and (len(texts) != 3 or not all(texts)):
        yield f"there should be three hints, under ## 1, ## 2 and ## 3; there are {len(texts)}"


def mistake_problems(exercise: Exercise) -> Iterator[str]:
    """Yield problems of the known mistakes, which must be distinguishable by their results."""
    ids = known_ids(exercise)
    if len(set(ids)) < len(ids):
        yield f"ids must differ, got {ids}"
    for mistake in exercise.mistakes:
        if mistake.results is None and mistake.id not in DETECTED_FAULTS:
            yield f"{mistake.id}: without results it must be one of {sorted(DETECTED_FAULTS)}"
    if exercise.reference is not None:
        yield from form_problems(exercise)
    for seed in SEEDS:
        if exercise.reference is None or seed < MUTANT_SEEDS:
            yield from _confused_mistakes(exercise, seed)
        if len(known_ids(exercise)) == 0:
            continue
        distance, one, other = closest(exercise, seed)
        if distance < MIN_DISTANCE:
            yield f"{one} and {other} are only {distance:.1g} apart with seed {seed}"


def form_problems(exercise: Exercise) -> Iterator[str]:
    """Yield the alternative forms of a reference that have other results than the main form."""
    assert exercise.reference is not None
    for seed in SEEDS:
        case = exercise.case(seed)
        right = right_results(exercise, case)
        for form in range(1, exercise.reference.forms):
            found = results_of(exercise, Program(exercise.reference, form=form), case)
            for name, value in right.items():
                if name not in found or relative_error(found[name], value) > TOLERANCE:
                    yield f"{name} is different in alternative form {form} with seed {seed}"


def _confused_mistakes(exercise: Exercise, seed: int) -> Iterator[str]:
    case = exercise.case(seed)
    known = known_results(exercise, case)
    for mistake, results in known.items():
        unknown = set(results) - set(known["right"])
        if unknown:
            yield f"{mistake}: unknown results {unknown}"
            continue
        wrong = diagnose(exercise, case, Observation(results))
        if mistake != ("right" if wrong is None else wrong.mistake):
            yield f"{mistake} is not recognized with seed {seed}: {wrong}"


def solution_problems(exercise: Exercise, solutions: ModuleType) -> Iterator[str]:
    """Yield right answers that fail, and wrong ones that pass or get another diagnosis."""
    if len(solutions.RIGHT) < 3:
        yield "there should be at least three right answers"
    known, written = set(known_ids(exercise)), set(solutions.WRONG)
    different = known ^ written if exercise.reference is None else known - written
    if different:
        yield f"WRONG and the known mistakes must have the same ids; they differ in {different}"
    for seed in SEEDS:
        for answer in solutions.RIGHT:
            wrong = find_wrong(exercise, answer, seed)
            if wrong is not None:
                yield f"{_name(answer)} should be right, but with seed {seed}: {wrong}"
        if exercise.reference is not None and seed >= MUTANT_SEEDS:
            continue
        for mistake, answer in solutions.WRONG.items():
            wrong = find_wrong(exercise, answer, seed)
            expected = wrong is not None and wrong.mistake is not None
            if exercise.reference is None or mistake in known:
                expected = wrong is not None and wrong.mistake == mistake
            if not expected:
                yield f"{_name(answer)} should be {mistake}, but with seed {seed}: {wrong}"
    for answer in solutions.HARD_CODED:
        if find_wrong(exercise, answer, 0) is None:
            yield f"{_name(answer)} returns the stub's example, and passes"


def _name(answer: Any) -> str:
    return getattr(answer, "__name__", repr(answer))

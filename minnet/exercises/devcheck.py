"""Checks for authors of exercises, also used by minnet's own tests.

The solutions are not part of the package. ``tests/exercises/solutions`` holds one module per
exercise, with ``RIGHT`` (right answers in different styles), ``WRONG`` (wrong answers as a student
would write them, by the id of a known mistake, or by any name), and ``HARD_CODED`` (answers that
return the stub's example).
"""

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from minnet.exercises import files
from minnet.exercises.compare import TOLERANCE, relative_error
from minnet.exercises.diagnosis import WrongAnswer, diagnose, diagnose_answer, right_results
from minnet.exercises.exercise import Exercise
from minnet.exercises.mutants import mutants_of, results_of
from minnet.exercises.observation import Observation
from minnet.exercises.program import Program

SEEDS = range(20)
MUTANT_SEEDS = range(2)  # seeds with which wrong answers are compared with mutants


def problems(exercise: Exercise, solutions: Path | None = None) -> Iterator[str]:
    """Yield a sentence for each problem of an exercise.

    Without a folder of solutions only the files and the reference are checked.
    """
    yield from file_problems(exercise)
    yield from reference_problems(exercise)
    if solutions is not None:
        yield from solution_problems(exercise, load_solutions(exercise, solutions))


def load_solutions(exercise: Exercise, folder: Path) -> ModuleType:
    """Import the module of solutions of an exercise."""
    path = files.answer_path(exercise, folder)
    return files.execute(f"solutions_{path.stem}", files.read_source(path), str(path))


def find_wrong(exercise: Exercise, answer: Any, seed: int) -> WrongAnswer | None:
    """Return the diagnosis of an answer, None if right; only the first seed trains a network."""
    return diagnose_answer(exercise, answer, seed, train=seed == SEEDS[0])


def summary(exercise: Exercise) -> str:
    """Return the number of distinct wrong answers, and those that would be accepted."""
    mutants = mutants_of(exercise, exercise.case(0))
    text = f"{len(mutants.classes())} distinct mistakes, "
    text += f"{len(mutants.reference.known)} of them in words of their own"
    likely = list(accepted(exercise))
    return f"{text}; {len(likely)} would be accepted: {'; '.join(likely)}" if likely else text


def accepted(exercise: Exercise) -> Iterator[str]:
    """Yield the likely mutants with the right results for which the reference states no reason.

    Each is a wrong answer that would be accepted, unless its formula equals that of the reference.
    Known mistakes may have no effect in some forms; `reference_problems` examines the first one.
    """
    mutants = mutants_of(exercise, exercise.case(0))
    found: dict[str, None] = {}
    for mutant in mutants.undetected():
        steps = ", ".join(mutants.reference.steps[key].meaning for key in mutant.changed)
        text = f"{steps}: {mutant.words}" if steps else mutant.words
        stated = mutant.known or any(part in text for part in mutants.reference.equal)
        if mutant.cost <= 1 and not stated:
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


def reference_problems(exercise: Exercise) -> Iterator[str]:
    """Yield known mistakes that are not recognized, and forms with other results than the first."""
    reference = exercise.reference
    for seed in SEEDS:
        case = exercise.case(seed)
        right = right_results(exercise, case)
        for form in range(1, reference.forms):
            found = results_of(exercise, Program(reference, form=form), case)
            for name, value in right.items():
                if name not in found or relative_error(found[name], value) > TOLERANCE:
                    yield f"{name} is different in form {form + 1} with seed {seed}"
        for known in reference.known if seed in MUTANT_SEEDS else ():
            found = results_of(exercise, Program(reference, known.changes), case)
            wrong = diagnose(exercise, case, Observation(found))
            if wrong is None or wrong.mistake != known.id:
                yield f"{known.id} is not recognized with seed {seed}: {wrong}"


def solution_problems(exercise: Exercise, solutions: ModuleType) -> Iterator[str]:
    """Yield right answers that fail, and wrong ones that pass or get another diagnosis."""
    if len(solutions.RIGHT) < 3:
        yield "there should be at least three right answers"
    known = {each.id for each in exercise.reference.known}
    for missing in sorted(known - {*solutions.WRONG}):
        yield f"WRONG should have an answer with the mistake {missing}"
    for seed in SEEDS:
        for answer in solutions.RIGHT:
            wrong = find_wrong(exercise, answer, seed)
            if wrong is not None:
                yield f"{_name(answer)} should be right, but with seed {seed}: {wrong}"
    for seed in MUTANT_SEEDS:
        for mistake, answer in solutions.WRONG.items():
            wrong = find_wrong(exercise, answer, seed)
            found = wrong.mistake if wrong is not None else None
            if found is None or (mistake in known and found != mistake):
                yield f"{_name(answer)} should be {mistake}, but with seed {seed}: {wrong}"
    for answer in solutions.HARD_CODED:
        if find_wrong(exercise, answer, 0) is None:
            yield f"{_name(answer)} returns the stub's example, and passes"


def _name(answer: Any) -> str:
    return getattr(answer, "__name__", repr(answer))

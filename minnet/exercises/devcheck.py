"""Is an exercise ready? What its author runs, and what minnet's own tests hold.

The solutions are no part of the package: they stand in ``tests/exercises/solutions``, a module an
exercise, with ``RIGHT`` (right answers, each written otherwise), ``WRONG`` (for each known mistake
an answer as a student would write it) and ``HARD_CODED`` (answers that know the stub's example).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from functools import partial
from itertools import combinations
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from minnet.exercises import files
from minnet.exercises.exercise import Case, Exercise, Results
from minnet.exercises.judging import Verdict, assess, judge, mistaken, relative_error, specified
from minnet.exercises.observing import Observation, observe

SEEDS = range(20)
APART = 1e-3
FOUND_BY_ENGINE = {
    "input_changed", "overflow", "divide_by_zero", "invalid_value", "second_run_differs",
}  # fmt: skip


def complaints(exercise: Exercise, solutions: Path | None = None) -> Iterator[str]:
    """Yield what is not as it should be with an exercise, a sentence each; nothing if it is ready.

    Parameters
    ----------
    exercise : Exercise
        The exercise.
    solutions : Path, optional
        The folder of solutions; without it the files and the known mistakes alone are looked at.
    """
    yield from of_files(exercise)
    yield from of_mistakes(exercise)
    if solutions is not None:
        yield from of_solutions(exercise, load_solutions(exercise, solutions))


def load_solutions(exercise: Exercise, folder: Path) -> ModuleType:
    """Import the module of solutions of that exercise from the folder."""
    path = folder / f"{exercise.file}.py"
    spec = importlib.util.spec_from_file_location(f"solutions_{exercise.file}", path)
    if spec is None or spec.loader is None or not path.exists():
        raise FileNotFoundError(f"{exercise}: no solutions at {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def case(exercise: Exercise, seed: int) -> Case:
    """Return the inputs that belong to a seed."""
    return exercise.inputs(np.random.default_rng(seed))


def verdict(exercise: Exercise, answer: Any, seed: int) -> Verdict:
    """Judge an answer on the inputs of one seed; the first seed alone trains on the digits."""
    inputs = case(exercise, seed)
    look = partial(observe, exercise, answer, inputs)
    return assess(exercise, inputs, look, train=seed == SEEDS[0])


def found_mistake(exercise: Exercise, answer: Any, seed: int) -> str | None:
    """Return the id of the mistake that a check finds in an answer, "right" or None."""
    wrong = verdict(exercise, answer, seed).wrong
    return "right" if wrong is None else wrong.mistake


def closest(exercise: Exercise, seed: int = 0) -> tuple[float, str, str]:
    """Return how far apart the two answers are that are most alike, and which they are.

    The distance is the largest relative error among all results; "right" counts as an answer.
    """
    inputs = case(exercise, seed)
    right = specified(exercise, inputs)
    answers = {"right": right}
    for mistake in exercise.mistakes:
        if mistake.results is not None:
            answers[mistake.id] = mistaken(mistake, inputs, right)
    return min((_distance(answers[a], answers[b]), a, b) for a, b in combinations(answers, 2))


def _distance(one: Results, other: Results) -> float:
    return max(
        relative_error(one[name], other[name]) if one[name].shape == other[name].shape else 1.0
        for name in one
    )


def of_files(exercise: Exercise) -> Iterator[str]:
    """Complain of the stub and the hints."""
    source = files.stub(exercise)
    if source.count("TODO") != 1:
        yield f"the stub should say TODO once, not {source.count('TODO')} times"
    if f"({exercise.minutes} minutes)" not in source:
        yield f"the stub should say ({exercise.minutes} minutes)"
    answer = files.answer_in(exercise, source, f"{exercise.file}.py")
    if found_mistake(exercise, answer, 0) != "not_implemented":
        yield f"the stub should be 'not implemented', but it is {verdict(exercise, answer, 0)}"
    texts = files.hints(exercise)
    if len(texts) != 3 or not all(texts):
        yield f"there should be three hints, under ## 1, ## 2 and ## 3; there are {len(texts)}"


def of_mistakes(exercise: Exercise) -> Iterator[str]:
    """Complain of known mistakes that are not told apart by their results."""
    ids = [mistake.id for mistake in exercise.mistakes]
    if len(set(ids)) < len(ids):
        yield f"ids must differ, got {ids}"
    for seed in SEEDS:
        yield from _told_apart(exercise, seed)
        distance, one, other = closest(exercise, seed)
        if distance < APART:
            yield f"{one} and {other} are only {distance:.1g} apart with seed {seed}"


def _told_apart(exercise: Exercise, seed: int) -> Iterator[str]:
    inputs = case(exercise, seed)
    right = specified(exercise, inputs)
    for mistake in exercise.mistakes:
        if mistake.results is None:
            if mistake.id not in FOUND_BY_ENGINE:
                yield f"{mistake.id}: without results it must be one of {sorted(FOUND_BY_ENGINE)}"
            continue
        results = mistaken(mistake, inputs, right)
        if list(results) != list(right):
            yield f"{mistake.id}: unknown results {set(results) - set(right)}"
            continue
        wrong = judge(exercise, inputs, Observation(results)).wrong
        if wrong is None or wrong.mistake != mistake.id:
            yield f"{mistake.id} is not told apart with seed {seed}: {wrong}"


def of_solutions(exercise: Exercise, solutions: ModuleType) -> Iterator[str]:
    """Complain of right answers that fail, and of wrong ones that pass or are told wrongly."""
    if len(solutions.RIGHT) < 3:
        yield "there should be at least three right answers"
    missing = {mistake.id for mistake in exercise.mistakes} ^ set(solutions.WRONG)
    if missing:
        yield f"WRONG and the known mistakes must have the same ids; they differ in {missing}"
    for answer in solutions.RIGHT:
        for seed in SEEDS:
            wrong = verdict(exercise, answer, seed).wrong
            if wrong is not None:
                yield f"{_name(answer)} should be right, but with seed {seed}: {wrong}"
    for mistake, answer in solutions.WRONG.items():
        for seed in SEEDS:
            found = found_mistake(exercise, answer, seed)
            if found != mistake:
                yield f"{_name(answer)} should be {mistake}, but with seed {seed} it is {found}"
    for answer in solutions.HARD_CODED:
        if found_mistake(exercise, answer, 0) == "right":
            yield f"{_name(answer)} knows the stub's example by heart, and passes"


def _name(answer: Any) -> str:
    return getattr(answer, "__name__", repr(answer))

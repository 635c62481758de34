"""Exercises that name the mistake: one check for the stub, a wrong answer, and the right one.

Each exercise asks for one function or class. `check` uses it on inputs that it has never seen and
returns None where it is right; otherwise it raises a `WrongAnswer` that says which mistake it is.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from minnet.exercises.catalog import catalog, find
from minnet.exercises.exercise import Exercise
from minnet.exercises.judging import WrongAnswer, assess
from minnet.exercises.observing import observe

__all__ = ["WrongAnswer", "catalog", "check", "find"]


def check(exercise: int | str | Exercise, answer: Any, *, seed: int | None = None) -> None:
    """Check an answer to an exercise; return None where it is right.

    Parameters
    ----------
    exercise : int or str
        9, "e09" or "batchnorm_backward".
    answer : callable
        The function or class that the exercise's stub asks for.
    seed : int, optional
        Where the inputs come from. Without one the answer is checked on those of seed 0, so that
        a message stays the same until something is mended, and then on fresh ones.

    Raises
    ------
    WrongAnswer
        An AssertionError whose text says what is wrong, and whose ``mistake`` is the id of the
        known mistake, or None.

    Examples
    --------
    >>> def dense(weight, bias):
    ...     raise NotImplementedError
    >>> check("e01", dense)
    Traceback (most recent call last):
    minnet.exercises.judging.WrongAnswer: e01 dense: not implemented yet. Hint: ...
    """
    exercise = exercise if isinstance(exercise, Exercise) else find(exercise)
    if not callable(answer):
        raise TypeError(f"{exercise}: expected the {exercise.answer} of the stub, got {answer!r}")
    fresh = int(np.random.default_rng().integers(1, 2**32))
    seeds = [0, fresh] if seed is None else [seed]
    for number, at in enumerate(seeds, start=1):
        case = exercise.inputs(np.random.default_rng(at))
        look = partial(observe, exercise, answer, case)
        verdict = assess(exercise, case, look, train=number == len(seeds))
        if verdict.wrong is not None:
            raise verdict.wrong

"""Exercises whose checks name the mistake in a wrong answer.

Each exercise requests one function or class. `check` runs an answer on newly drawn inputs. It
prints one line if the answer is right; otherwise it raises a `WrongAnswer` that describes the
mistake.

How a mistake is recognized:

- `catalog` holds the exercises, and the folder ``references`` the solutions as labelled steps;
- `observation` runs an answer and records its results;
- `mutants` generates wrong answers from the steps and runs them, too;
- `diagnosis` compares the results with the right ones and with those of the wrong answers.
"""

from typing import Any

import numpy as np

from minnet.exercises.catalog import catalog, find
from minnet.exercises.diagnosis import WrongAnswer, diagnose_answer
from minnet.exercises.exercise import Exercise
from minnet.exercises.output import folded_output
from minnet.validation import count, shown

__all__ = ["WrongAnswer", "catalog", "check", "find"]


def check(exercise: int | str | Exercise, answer: Any, *, seed: int | None = None) -> None:
    """Check an answer to an exercise, and print a line if it is right.

    Of what the answer prints, only the first lines are shown.

    Parameters
    ----------
    exercise : int or str
        Number or name, such as 9, "e09" or "batchnorm_backward".
    answer : callable
        The function or class that the exercise's stub requests.
    seed : int, optional
        Seed of the inputs. By default the answer is checked with seed 0, so that a message stays
        the same until the mistake is corrected, and then with a random seed.

    Raises
    ------
    WrongAnswer
        An AssertionError whose text describes the mistake, and whose ``mistake`` is the id of the
        known mistake, or None.

    Examples
    --------
    >>> def dense(weight, bias):
    ...     raise NotImplementedError
    >>> check("e01", dense)
    Traceback (most recent call last):
    minnet.exercises.diagnosis.WrongAnswer: e01 dense: not implemented yet. Hint: ...
    """
    exercise = exercise if isinstance(exercise, Exercise) else find(exercise)
    if not callable(answer):
        raise TypeError(
            f"{exercise}: expected the {exercise.answer} of the stub, got {shown(answer)}"
        )
    random = int(np.random.default_rng().integers(1, 2**32))
    seeds = [0, random] if seed is None else [count(seed, "check", "seed", least=0)]
    with folded_output():
        for each in seeds:
            wrong = diagnose_answer(exercise, answer, each, train=each == seeds[-1])
            if wrong is not None:
                raise wrong
    print(right(exercise))


def right(exercise: Exercise) -> str:
    """Return the line that reports a right answer."""
    return f"{exercise}: right" + (", and a network trains with it" if exercise.train else "")

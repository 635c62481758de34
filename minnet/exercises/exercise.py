"""Definition of an exercise: inputs, use of an answer, and the solution as steps.

An answer is judged by its results alone, which are named arrays. `Exercise.run` yields the results
of an answer, a function or class, and those of the reference and its mutants in the same way.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files
from types import SimpleNamespace
from typing import Any

import numpy as np

from minnet.exercises.reference import Reference, read
from minnet.validation import Array

AGAIN = 2**33  # seed of further inputs, on which an explanation is tested

Results = dict[str, Any]


class Case(SimpleNamespace):
    """The inputs of one check: arrays, numbers and strings by name, such as ``case.x``."""


@dataclass(frozen=True)
class Invariant:
    """A property of right results that no single formula shows, such as the mean of random draws.

    Attributes
    ----------
    id, message, hint : str
        As for `minnet.exercises.reference.Known`.
    holds : callable
        ``holds(case, results)`` returns whether the results have the property. It is called with
        the results that there are; a missing one may raise a KeyError.
    """

    id: str
    message: str
    hint: str
    holds: Callable[[Case, Results], Any]


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    Attributes
    ----------
    number, name, title, minutes
        Such as 9, "batchnorm_backward", "Backward through BatchNorm", and the expected duration.
        By default stub and hints are the files ``stubs/e09_batchnorm_backward.py.txt`` and
        ``hints/e09_batchnorm_backward.md``.
    answer : str
        Name of the function or class that the stub requests.
    inputs : callable
        ``inputs(rng)`` draws the `Case`, in float64.
    run : callable
        ``run(answer, case)`` uses an answer and yields (name, result), forward results first.
    text : str, optional
        The steps of the solution and known mistakes, in the format of
        `minnet.exercises.reference.read`; by default the file
        ``references/e09_batchnorm_backward.txt``. The results of the steps are the right ones, and
        wrong answers are compared with their mutants.
    invariants : tuple of Invariant
        Properties of right results, which are checked before the results are compared.
    clues : set of str
        Results that need not be right, but help to recognize a mistake.
    forward : str
        Name of the result of the forward pass.
    derivatives : dict of str to str
        Results that are derivatives, and the inputs they refer to, such as ``{"dx": "x"}``. The
        derivative is that of Σ forward · case.dy, or of the forward result if the case has no dy.
    tolerances : dict of str to float
        Allowed relative errors of results that are statistics. The default is 1e-6.
    train : callable, optional
        ``train(answer)`` trains a network that contains the answer and returns the logits of the
        test digits; see `minnet.exercises.network`.
    stub : str, optional
        The text of the file to be completed, in place of the file in the package.
    hints : tuple of str
        Hints from general to detailed, in place of the file in the package.
    path : str, optional
        The file that defines an exercise which is not in the catalog.
    """

    number: int
    name: str
    title: str
    minutes: int
    answer: str
    inputs: Callable[[Any], Case]
    run: Callable[[Any, Case], Iterator[tuple[str, Any]]]
    text: str | None = None
    invariants: tuple[Invariant, ...] = ()
    clues: frozenset[str] = frozenset()
    forward: str = "y"
    derivatives: Mapping[str, str] = field(default_factory=dict)
    tolerances: Mapping[str, float] = field(default_factory=dict)
    train: Callable[[Any], Array] | None = None
    stub: str | None = None
    hints: tuple[str, ...] = ()
    path: str | None = None

    @property
    def key(self) -> str:
        """What `minnet.exercises.find` needs to return this exercise: its name, or its path."""
        return self.path or self.name

    @property
    def file(self) -> str:
        """File name without extension, such as ``e09_batchnorm_backward``."""
        return f"e{self.number:02d}_{self.name}"

    def __str__(self) -> str:
        return f"e{self.number:02d} {self.name}"

    @cached_property
    def reference(self) -> Reference:
        """The solution as steps, with well-known mistakes."""
        path = files("minnet.exercises").joinpath(f"references/{self.file}.txt")
        return read(self.text or path.read_text(encoding="utf-8"))

    def case(self, seed: int | list[int]) -> Case:
        """Return the inputs that belong to a seed."""
        return self.inputs(np.random.default_rng(seed))


class ResultError(Exception):
    """An answer returned a value of the wrong kind; the text describes the value."""


def returned(values: Any, *names: str) -> Iterator[tuple[str, Any]]:
    """Yield (name, value) for a function that returns several values.

    >>> list(returned((1.0, 2.0), "loss", "dlogits"))
    [('loss', 1.0), ('dlogits', 2.0)]
    """
    if not isinstance(values, tuple) or len(values) != len(names):
        got = f"{type(values).__name__}."
        if values is None:
            got = "None; is a return missing?"
        elif isinstance(values, list):
            got = f"a list; write `return {', '.join(name.split()[0] for name in names)}`."
        elif isinstance(values, tuple):
            got = f"{len(values)} values."
        raise ResultError(f"it should return {', '.join(names)}, but returned {got}")
    yield from zip(names, values, strict=True)

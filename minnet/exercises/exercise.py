"""What an exercise is: inputs, how an answer is used, what should come out, and known mistakes.

An answer is looked at through its results alone: named arrays, one after the other, that `run`
takes out of it. The specification gives the same names, and a known mistake says which of them
come out otherwise, and how. So everything that is compared is an array under a name, whether the
student wrote a function or a class, and no file here holds an answer that could be copied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from minnet.validation import Array

Results = dict[str, Any]


class Case(SimpleNamespace):
    """The inputs of one check: arrays, numbers and strings by name, such as ``case.x``."""


@dataclass(frozen=True)
class Mistake:
    """A known wrong answer.

    Attributes
    ----------
    id : str
        Short name, such as ``db_over_axis_1``; a fault that the engine itself finds (see
        `minnet.exercises.observing`) has a fixed one: ``input_changed``, ``overflow``,
        ``divide_by_zero``, ``invalid_value``, ``second_run_differs``.
    message : str
        Ends the sentence "e01 dense: ...", for a beginner.
    hint : str
        One more sentence, a question or a nudge, but not the answer.
    results : callable, optional
        ``results(case, right)`` returns those results that the mistake changes; the others are as
        in ``right``, the results of the specification. None for a fault that the engine finds.
    """

    id: str
    message: str
    hint: str
    results: Callable[[Case, Results], Results] | None = None


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    Attributes
    ----------
    number, name, title, minutes
        9, "batchnorm_backward", "Backward through BatchNorm" and how long it takes. Stub and hints
        are the files ``stubs/e09_batchnorm_backward.py.txt`` and
        ``hints/e09_batchnorm_backward.md``.
    answer : str
        The function or class that the stub asks for.
    inputs : callable
        ``inputs(rng)`` draws the `Case`, in float64.
    run : callable
        ``run(answer, case)`` uses an answer and yields (name, result), the forward before the
        backward.
    specification : callable
        ``specification(case)`` returns the right results under the same names, in that order.
    mistakes : tuple of Mistake
        The known wrong answers.
    forward : str
        The result that is what the forward gives.
    derivatives : dict of str to str
        Which result is the derivative with respect to which input, such as ``{"dx": "x"}``; of
        Σ forward · case.dy, or of the forward itself where the case has no dy.
    tolerances : dict of str to float
        For results that are statistics: the relative error that passes, if not 1e-6.
    train : callable, optional
        ``train(answer)`` trains a network that holds the answer and returns its logits for the
        test digits; see `minnet.exercises.network`.
    """

    number: int
    name: str
    title: str
    minutes: int
    answer: str
    inputs: Callable[[Any], Case]
    run: Callable[[Any, Case], Iterator[tuple[str, Any]]]
    specification: Callable[[Case], Results]
    mistakes: tuple[Mistake, ...]
    forward: str = "y"
    derivatives: Mapping[str, str] = field(default_factory=dict)
    tolerances: Mapping[str, float] = field(default_factory=dict)
    train: Callable[[Any], Array] | None = None

    @property
    def file(self) -> str:
        """The name of its files without ending, such as ``e09_batchnorm_backward``."""
        return f"e{self.number:02d}_{self.name}"

    def __str__(self) -> str:
        return f"e{self.number:02d} {self.name}"

    def mistake(self, mistake_id: str | None) -> Mistake | None:
        """Return the known mistake of that id, if it is one of this exercise's."""
        return next((mistake for mistake in self.mistakes if mistake.id == mistake_id), None)


class Refusal(Exception):  # noqa: N818 - it is no error of minnet, but one of the answer
    """An answer that returned something else than it was asked for; the text says what."""


def returned(values: Any, *names: str) -> Iterator[tuple[str, Any]]:
    """Yield the results of a function that returns several, (name, value) each.

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
        raise Refusal(f"it should return {', '.join(names)}, but returned {got}")
    yield from zip(names, values, strict=True)

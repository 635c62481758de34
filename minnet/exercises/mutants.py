"""Wrong answers generated from a reference.

All edits of `minnet.exercises.operators` are made one at a time, and at all places where the same
slip is possible. Each mutant is run as an answer is, on the inputs of the check. Mutants with equal
results form a class, which is represented by the likeliest one.
"""

import pickle
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np

from minnet.exercises.compare import TOLERANCE, digest, equal, same
from minnet.exercises.exercise import Case, Exercise, Results
from minnet.exercises.operators import Edit, apply, edits
from minnet.exercises.program import Program, snapshot
from minnet.exercises.reference import Key, Known, Reference, Trees, Values, compiled, parse
from minnet.validation import Array

KEPT = 8  # sets of mutants kept in memory, one for each exercise and inputs
MOST_EXECUTIONS = 8  # executions of a step in which the values of edits are compared

_kept: dict[tuple[int, bytes], "Mutants"] = {}


@dataclass
class Mutant:
    """A generated wrong answer.

    Attributes
    ----------
    edits : tuple of Edit
        What is changed; empty for a known mistake.
    words : str
        What is wrong, for a message.
    cost : int
        How unlikely the mistake is.
    known : Known or None
        The known mistake, if it is one.
    form, order, swapped, shared, changed
        How the program is built; see `minnet.exercises.reference.Program`.
    results : dict of str to ndarray
        The results, up to the first exception or value that is not finite.
    """

    edits: tuple[Edit, ...]
    words: str
    cost: int
    known: Known | None = None
    form: int = 0
    order: tuple[Key, Key] | None = None
    swapped: tuple[str, str] | None = None
    shared: bool = False
    changed: Trees = field(default_factory=dict)
    results: Results = field(default_factory=dict)

    @property
    def rank(self) -> tuple[int, int, int]:
        """Likelier mutants have smaller ranks: cost, depth of the change, number of words."""
        return self.cost, sum(len(edit.path) for edit in self.edits), len(self.words)


def mutants_of(exercise: Exercise, case: Case) -> "Mutants":
    """Return the mutants of an exercise on the inputs of a check; the last few are kept."""
    key = id(exercise), pickle.dumps(vars(case))
    if key not in _kept:
        while len(_kept) >= KEPT:
            del _kept[next(iter(_kept))]
        _kept[key] = Mutants(exercise, case)
    return _kept[key]


def results_of(exercise: Exercise, program: Program, case: Case) -> Results:
    """Return the results of a program, up to the first exception or value that is not finite."""
    results: Results = {}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        with suppress(Exception):
            for name, value in exercise.run(program, case):
                copied = np.array(value)
                if copied.dtype.kind not in "fiub" or not np.isfinite(copied).all():
                    break
                results[name] = copied
    return results


def known_trees(reference: Reference, known: Known) -> Trees:
    """Return the steps that a known mistake changes."""
    return {reference.find(name): parse(text) for name, text in known.changes.items()}


def known_program(reference: Reference, known: Known) -> Program:
    """Return the program with a known mistake."""
    return Program(reference, known_trees(reference, known))


class Mutants:
    """The mutants of an exercise on the inputs of one check, generated when first needed.

    Attributes
    ----------
    right : dict of str to ndarray
        The right results.
    classes : list of Mutant
        One mutant for each different set of wrong results: known, single and consistent ones.
    undetected : list of Mutant
        The mutants that change a step and have the right results: either the formulas are equal,
        or the inputs do not tell them apart.
    """

    def __init__(self, exercise: Exercise, case: Case) -> None:
        assert exercise.reference is not None
        self.exercise, self.case, self.reference = exercise, case, exercise.reference
        program = Program(exercise.reference)
        self.right = results_of(exercise, program, case)
        self.public = program.attributes.union(self.reference.returns)
        self.undetected: list[Mutant] = []

    def trace(self, form: int) -> dict[Key, list[Values]]:
        """Return the values before each execution of each step of the right program."""
        trace: dict[Key, list[Values]] = {}
        results_of(self.exercise, Program(self.reference, form=form, trace=trace), self.case)
        return trace

    @cached_property
    def classes(self) -> list[Mutant]:
        """One mutant for each different set of results: known, single and consistent ones."""
        generated = [*self._known(), *self._orders(), *self._swaps()]
        for form in range(self.reference.forms):
            trees = self.reference.trees(form)
            possible = list(self._possible(form, trees))
            generated += [
                self.mutant([edit], form, trees) for edit, distinct in possible if distinct
            ]
            generated += [
                self.mutant(group, form, trees) for group in _groups([edit for edit, _ in possible])
            ]
        classes = self.distinct(generated)
        self.undetected = [mutant for mutant in generated if not self.is_wrong(mutant)]
        return classes

    def is_right(self, mutant: Mutant, name: str) -> bool:
        """Return whether a result of a mutant equals the right one, as far as can be measured."""
        found, right = mutant.results.get(name), self.right[name]
        if name in self.exercise.tolerances:
            return found is not None and self.agree(name, found, right)
        return equal(found, right)

    def is_wrong(self, mutant: Mutant) -> bool:
        """Return whether any result of a mutant differs from the right one."""
        return any(not self.is_right(mutant, name) for name in self.right)

    def agree(self, name: str, found: Array, expected: Array) -> bool:
        """Return whether two values of a result agree within its tolerance."""
        tolerance = self.exercise.tolerances.get(name, TOLERANCE)
        return same(found, expected, self.right[name], tolerance)

    def distinct(self, generated: Iterable[Mutant]) -> list[Mutant]:
        """Run mutants and return the likeliest one for each different set of wrong results."""
        classes: dict[bytes, Mutant] = {}
        for mutant in sorted(generated, key=lambda mutant: mutant.rank):
            program = Program(
                self.reference,
                mutant.changed,
                mutant.form,
                order=mutant.order,
                swapped=mutant.swapped,
                shared=mutant.shared,
            )
            mutant.results = results_of(self.exercise, program, self.case)
            if mutant.results and self.is_wrong(mutant):
                classes.setdefault(digest(mutant.results.values()), mutant)
        return list(classes.values())

    def _possible(self, form: int, trees: Trees) -> Iterator[tuple[Edit, bool]]:
        """Yield the edits that change the value of a step, and whether each value is a new one."""
        affected = self.reference.affected(form) & self.reference.needed(form, self.public)
        for key, snapshots in self.trace(form).items():
            if key not in affected:
                continue
            right = _values(compiled(trees[key]), snapshots)
            if isinstance(right[0], int) and not self.reference.reads(key, key):
                continue  # a number of rows or columns; its uses are changed instead
            found: set[bytes] = set()
            values = snapshots[-1] | self._assigned(snapshots[0])
            each = list(edits(self.reference, key, trees[key], values))
            for edit in sorted(each, key=lambda edit: (edit.cost, len(edit.path), len(edit.words))):
                found_values = _values(compiled(apply(trees[key], [edit])), snapshots)
                complete = len(found_values) == len(right)
                if not found_values or (complete and all(map(equal, found_values, right))):
                    continue
                key_of_values = digest(found_values)
                yield edit, key_of_values not in found
                found.add(key_of_values)

    def _assigned(self, values: Values) -> Values:
        """Return the values that are arguments or results of a step that has been executed."""
        start = self.reference.start
        return {name: value for name, value in values.items() if value is not start.get(name)}

    def mutant(self, changes: Sequence[Edit], form: int, trees: Trees) -> Mutant:
        """Return the mutant with several edits."""
        by_step: dict[Key, list[Edit]] = defaultdict(list)
        for edit in changes:
            by_step[edit.step].append(edit)
        changed = {key: apply(trees[key], edits) for key, edits in by_step.items()}
        words = " and ".join(dict.fromkeys(edit.words for edit in changes))
        cost = max(edit.cost for edit in changes)
        return Mutant(tuple(changes), words, cost, form=form, changed=changed)

    def _known(self) -> Iterator[Mutant]:
        for known in self.exercise.known:
            changed = known_trees(self.reference, known)
            yield Mutant((), known.message, 0, known, changed=changed)

    def _orders(self) -> Iterator[Mutant]:
        """Yield the mutants in which a step is executed before another that depends on it."""
        for (moved, later), (before, earlier) in _dependent(self.reference):
            words = f"{later.meaning} is computed before {earlier.meaning}"
            yield Mutant((), words, 2, order=(moved, before))

    def _swaps(self) -> Iterator[Mutant]:
        """Yield the mutants that exchange two results."""
        public = [name for name in self.right if name in self.public]
        for one, other in combinations(public, 2):
            words = f"{one} is what {other} should be, and the other way round"
            yield Mutant((), words, 1, swapped=(one, other))
        if self.reference.stateful:
            yield Mutant((), "two objects of the class share one state", 1, shared=True)


def _groups(possible: Sequence[Edit]) -> Iterator[tuple[Edit, ...]]:
    """Yield the edits with equal words: in all steps, in each method and in each step."""
    places: dict[tuple[Any, ...], dict[tuple[Any, ...], list[Edit]]] = {}
    for edit in possible:
        for where in ((), edit.step[:1], edit.step):
            group = places.setdefault((edit.words, where), {})
            group.setdefault((edit.step, edit.path), []).append(edit)
    given: set[tuple[int, ...]] = set()
    for group in places.values():
        for variant in (0, -1):
            chosen = tuple(each[variant] for each in group.values())
            ids = tuple(map(id, chosen))
            if len(chosen) > 1 and ids not in given:
                given.add(ids)
                yield chosen


def _dependent(reference: Reference) -> Iterator[tuple[Any, Any]]:
    for (a, first), (b, second) in combinations(reference.steps.items(), 2):
        loops = reference.loops[a], reference.loops[b]
        if (
            a[0] == b[0]
            and loops[0] is loops[1]
            and (reference.reads(a, b) or reference.reads(b, a))
        ):
            yield (b, second), (a, first)


def _values(code: Any, snapshots: Sequence[Values]) -> list[Any]:
    """Return the values in the first executions and the last one, up to an exception."""
    values: list[Any] = []
    with warnings.catch_warnings(), np.errstate(all="ignore"), suppress(Exception):
        warnings.simplefilter("ignore")
        for each in [*snapshots[:MOST_EXECUTIONS], *snapshots[MOST_EXECUTIONS:][-1:]]:
            values.append(eval(code, snapshot(each)))
    return values

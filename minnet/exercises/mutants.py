"""Wrong answers generated from a reference.

All edits of `minnet.exercises.operators` are made one at a time, and at all places where the same
slip is possible. Each mutant is run as an answer is, on the inputs of the check. Mutants with equal
results form a class, which is represented by the likeliest one.
"""

import ast
import pickle
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations, product
from typing import Any

import numpy as np

from minnet.exercises.compare import TOLERANCE, digest, equal, same
from minnet.exercises.exercise import Case, Exercise, Results
from minnet.exercises.operators import Edit, apply, edits, in_words
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
        What is changed in steps; empty for other mistakes.
    words : str
        What is wrong, for a message.
    cost : int
        How unlikely the mistake is.
    changed : dict
        The changed steps.
    form : int
        The form of the reference that is changed.
    options : dict
        Further options of `minnet.exercises.program.Program`.
    known : Known or None
        The known mistake, if it is one.
    factor : str
        A factor between its result and the one found, such as "N = 6".
    results : dict of str to ndarray
        The results, up to the first exception or value that is not finite.
    variants : dict of int to Mutant
        The likeliest mutants with these results, by form.
    """

    edits: tuple[Edit, ...]
    words: str
    cost: int
    changed: Trees = field(default_factory=dict)
    form: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    known: Known | None = None
    factor: str = ""
    results: Results = field(default_factory=dict)
    variants: dict[int, "Mutant"] = field(default_factory=dict)

    @property
    def rank(self) -> tuple[int, int, int]:
        """Likelier mutants have smaller ranks: cost, depth of the change, number of words."""
        return self.cost, sum(len(edit.path) for edit in self.edits), len(self.words)

    def program(self, reference: Reference) -> Program:
        """Return the wrong answer."""
        return Program(reference, self.changed, self.form, **self.options)


def mutants_of(exercise: Exercise, case: Case) -> "Mutants":
    """Return the mutants of an exercise on the inputs of a check; the last few are kept."""
    key = id(exercise), pickle.dumps(vars(case))
    if key not in _kept:
        while len(_kept) >= KEPT:
            del _kept[next(iter(_kept))]
        _kept[key] = Mutants(exercise, case)
    return _kept[key]


def results_of(
    exercise: Exercise, program: Program, case: Case, until: str | None = None
) -> Results:
    """Return the results of a program, up to the one with that name.

    They end at an exception or a value that is not finite, as those of an answer do.
    """
    results: Results = {}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        with suppress(Exception):
            for name, value in exercise.run(program, case):
                copied = np.array(value)
                if copied.dtype.kind not in "fiub" or not np.isfinite(copied).all():
                    break
                results[name] = copied
                if name == until:
                    break
    return results


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
        or the inputs do not distinguish them.
    """

    def __init__(self, exercise: Exercise, case: Case) -> None:
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
        generated = [*self._known(), *self._orders(), *self._swapped(), *self._shared()]
        for form in range(self.reference.forms):
            trees = self.reference.trees(form)
            possible = list(self._possible(form, trees))
            groups: list[Sequence[Edit]] = [[edit] for edit, distinct in possible if distinct]
            groups += _groups([edit for edit, _ in possible])
            generated += [self.mutant(group, form, trees) for group in groups]
        classes = self.distinct(generated)
        self.undetected += [mutant for mutant in generated if not self.is_wrong(mutant)]
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

    def run(self, mutant: Mutant, until: str | None = None) -> Results:
        """Return the results of a mutant, up to the one with that name."""
        return results_of(self.exercise, mutant.program(self.reference), self.case, until)

    def distinct(self, generated: Iterable[Mutant]) -> list[Mutant]:
        """Run mutants and return the likeliest one for each different set of wrong results."""
        classes: dict[bytes, Mutant] = {}
        for mutant in sorted(generated, key=lambda each: each.rank):
            mutant.results = self.run(mutant)
            if mutant.results and self.is_wrong(mutant):
                likeliest = classes.setdefault(digest(mutant.results.values()), mutant)
                if mutant.edits:
                    likeliest.variants.setdefault(mutant.form, mutant)
        return list(classes.values())

    def _possible(self, form: int, trees: Trees) -> Iterator[tuple[Edit, bool]]:
        """Yield the edits that change the value of a step, and whether each value is a new one."""
        affected = self.reference.affected(form) & self.reference.needed(form, self.public)
        for key, executions in self.trace(form).items():
            if key not in affected:
                continue
            snapshots = self._chosen(key, executions)
            right = _values(trees[key], snapshots)
            if not right or (isinstance(right[0], int) and not self.reference.reads(key, key)):
                continue  # a number of rows or columns; its uses are changed instead
            found: set[bytes] = set()
            values = snapshots[-1] | self._assigned(snapshots[0])
            each = list(edits(self.reference, key, trees[key], values, right[-1]))
            for edit in sorted(each, key=lambda edit: (edit.cost, len(edit.path), len(edit.words))):
                found_values = _values(apply(trees[key], [edit]), snapshots)
                complete = len(found_values) == len(right)
                if not found_values:
                    continue
                if complete and all(map(equal, found_values, right)):
                    mutant = self.mutant([edit], form, trees)
                    if ast.dump(mutant.changed[key]) != ast.dump(trees[key]):
                        self.undetected.append(mutant)
                    continue
                key_of_values = digest(found_values)
                yield edit, key_of_values not in found
                found.add(key_of_values)

    def _chosen(self, key: Key, snapshots: list[Values]) -> list[Values]:
        """Return the first snapshots and the last one; of several steps, where it is executed."""
        step, steps = self.reference.steps[key], self.reference.steps.items()
        others = [each for other, each in steps if other[0] == key[0] and each.name == step.name]
        if len(others) > 1 and step.when:
            code = compiled(parse(step.when))
            snapshots = [each for each in snapshots if eval(code, snapshot(each))] or snapshots
        return snapshots[:MOST_EXECUTIONS] + snapshots[MOST_EXECUTIONS:][-1:]

    def _assigned(self, values: Values) -> Values:
        """Return the values that are arguments or results of a step that has been executed."""
        start = self.reference.start
        return {name: value for name, value in values.items() if value is not start.get(name)}

    def mutant(self, changes: Sequence[Edit], form: int, trees: Trees) -> Mutant:
        """Return the mutant with several edits."""
        by_step: dict[Key, list[Edit]] = defaultdict(list)
        by_words: dict[str, list[Edit]] = defaultdict(list)
        for edit in changes:
            by_step[edit.step].append(edit)
            by_words[edit.words].append(edit)
        changed = {key: apply(trees[key], edits) for key, edits in by_step.items()}
        words = " and ".join(dict.fromkeys(map(in_words, by_words.values())))
        cost = max(edit.cost for edit in changes)
        return Mutant(tuple(changes), words, cost, changed, form)

    def _known(self) -> Iterator[Mutant]:
        for known in self.reference.known:
            yield Mutant((), known.message, 0, dict(known.changes), known=known)

    def _orders(self) -> Iterator[Mutant]:
        """Yield the mutants in which a step is executed before another that depends on it."""
        for (a, one), (b, other) in combinations(self.reference.steps.items(), 2):
            related = self.reference.reads(a, b) or self.reference.reads(b, a)
            if a[0] == b[0] and one.loop is other.loop and related:
                words = f"{other.meaning} is computed before {one.meaning}"
                yield Mutant((), words, 2, options={"order": (b, a)})

    def _swapped(self) -> Iterator[Mutant]:
        """Yield the mutants that exchange two results."""
        public = [name for name in self.right if name in self.public]
        for one, other in combinations(public, 2):
            words = f"{one} is what {other} should be, and the other way round"
            yield Mutant((), words, 1, options={"swapped": (one, other)})

    def _shared(self) -> Iterator[Mutant]:
        """Yield the mutants in which values belong to the class, not to each object."""
        if not self.reference.stateful:
            return
        state = self.reference.state
        for names in (state, *((name,) for name in state)):
            what = self.reference.meanings[names[0]] if len(names) == 1 else "state"
            for kept in (False, True):
                words = f"two objects of the class share one {what.removeprefix('the ')}"
                yield Mutant((), words, 1, options={"shared": names, "kept": kept})


def _groups(possible: Sequence[Edit]) -> Iterator[tuple[Edit, ...]]:
    """Yield the edits with equal words: in one step, and from a step or up to a step."""
    places: dict[str, dict[Key, dict[Any, list[Edit]]]] = {}
    for edit in possible:
        if edit.words.startswith("it ") and edit.cost > 1:
            continue  # a slip in one step
        step = places.setdefault(edit.words, {}).setdefault(edit.step, {})
        outer = [path for path in step if path != edit.path == (*path, *edit.path[len(path) :])]
        if not outer:
            step.setdefault(edit.path, []).append(edit)
    given: set[tuple[int, ...]] = set()
    for steps in places.values():
        each = [list(step.values()) for step in steps.values()]
        ranges = [each[:end] for end in range(2, len(each) + 1)]
        ranges += [each[start:] for start in range(1, len(each))] + [[step] for step in each]
        for chosen, variant in product(ranges, (0, -1)):
            group = tuple(variants[variant] for step in chosen for variants in step)
            ids = tuple(map(id, group))
            if len(group) > 1 and ids not in given:
                given.add(ids)
                yield group


def _values(tree: ast.expr, snapshots: Sequence[Values]) -> list[Any]:
    """Return the values of an expression, up to the first exception."""
    values: list[Any] = []
    code = compiled(tree)
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    with warnings.catch_warnings(), np.errstate(all="ignore"), suppress(Exception):
        warnings.simplefilter("ignore")
        for each in snapshots:
            values.append(eval(code, snapshot(each, names)))
    return values

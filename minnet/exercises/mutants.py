"""Wrong answers generated from a reference.

All edits of `minnet.exercises.operators` are made one at a time, and at all places where the same
slip is possible. Each mutant is run as an answer is, on the inputs of the check, and only up to the
result that is needed.
"""

import ast
import pickle
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import combinations, permutations, product
from types import CodeType
from typing import Any

import numpy as np

from minnet.exercises import rules
from minnet.exercises.compare import TOLERANCE, digest, equal, limit_of, same
from minnet.exercises.exercise import AGAIN, Case, Exercise, Results
from minnet.exercises.operators import Edit, apply, edits, in_words
from minnet.exercises.program import GUARDED, Program, names_in, snapshot
from minnet.exercises.reference import Codes, Key, Known, Reference, Values, compiled, parse
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
    form : int
        The form of the reference that is changed.
    options : dict
        Further options of `minnet.exercises.program.Program`.
    known : Known or None
        The known mistake, if it is one.
    factor : str
        A factor between its result and the one found, such as "N = 6".
    results : dict of str to ndarray
        The results computed so far.
    right : dict of str to bool
        Which of them have been compared with the right ones, and are equal.
    ended : bool
        Whether these are all results, up to an exception or a value that is not finite.
    """

    edits: tuple[Edit, ...]
    words: str
    cost: int
    form: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    known: Known | None = None
    factor: str = ""
    results: Results = field(default_factory=dict)
    right: dict[str, bool] = field(default_factory=dict)
    ended: bool = False

    @property
    def rank(self) -> tuple[int, ...]:
        """Likelier mutants have smaller ranks: costs, steps, depth of the change, words."""
        depth = sum(len(edit.path) for edit in self.edits)
        total = sum({edit.words: edit.cost for edit in self.edits}.values())
        return self.cost, total, len({edit.step for edit in self.edits}), depth, len(self.words)

    @cached_property
    def changed(self) -> Codes:
        """The changed steps, compiled."""
        return apply(self.edits) if self.known is None else self.known.changes

    def program(self, reference: Reference, public: frozenset[str] | None = None) -> Program:
        """Return the wrong answer."""
        return Program(reference, self.changed, self.form, **self.options, public=public)


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
        try:
            for name, value in exercise.run(program, case):
                copied = np.array(value)
                if copied.dtype.kind not in "fiub" or not np.isfinite(copied).all():
                    break
                results[name] = copied
                if name == until:
                    break
        except Exception as error:
            program.error = str(error)
    return results


class Mutants:
    """The mutants of an exercise on the inputs of one check, generated when first needed.

    Attributes
    ----------
    right : dict of str to ndarray
        The right results.
    """

    def __init__(self, exercise: Exercise, case: Case) -> None:
        self.exercise, self.case, self.reference = exercise, case, exercise.reference
        program = Program(exercise.reference)
        self.right = results_of(exercise, program, case)
        self._last = program.values
        self.public = frozenset(program.attributes | self.reference.returns)
        self._equal: list[Mutant] = []  # changes of a step that have no effect on it
        self._pairs: dict[tuple[int, int, int], Mutant] = {}

    @cached_property
    def again(self) -> "Mutants":
        """The mutants on the inputs of `AGAIN`."""
        return mutants_of(self.exercise, self.exercise.case(AGAIN))

    def values(self, name: str) -> dict[str, Array]:
        """Return the arrays of the right program after a result, by meaning."""
        program = Program(self.reference)
        results_of(self.exercise, program, self.case, name)
        return {
            meaning: program.values[each]
            for each, meaning in self.reference.meanings.items()
            if isinstance(program.values.get(each), np.ndarray)
        }

    def trace(self, form: int) -> dict[Key, list[Values]]:
        """Return the values before each execution of each step of the right program."""
        trace: dict[Key, list[Values]] = {}
        results_of(self.exercise, Program(self.reference, form=form, trace=trace), self.case)
        return trace

    @cached_property
    def all(self) -> list[Mutant]:
        """The known, single and consistent mutants, the likeliest first."""
        generated = [*self._known(), *self._orders(), *self._swapped(), *self._shared()]
        generated += [*self._repeated(), *self._shifted()]
        for form in range(self.reference.forms):
            possible = list(self._possible(form))
            groups: list[Sequence[Edit]] = [[edit] for edit, distinct in possible if distinct]
            groups += _groups([edit for edit, _ in possible])
            groups += _parallel([edit for edit, _ in possible])
            generated += [mutant_of(group, form) for group in groups]
        return sorted(generated, key=lambda each: each.rank)

    def classes(self) -> dict[bytes, Mutant]:
        """Return the likeliest mutant for each different set of wrong results."""
        classes: dict[bytes, Mutant] = {}
        for mutant in self.all:
            results = [self.result(mutant, name) for name in self.right]
            if self.is_wrong(mutant):
                classes.setdefault(digest(value for value in results if value is not None), mutant)
        return classes

    def undetected(self) -> Iterator[Mutant]:
        """Yield the mutants that change a step and have the right results.

        Either the formulas are equal, or the inputs do not distinguish them.
        """
        yield from (mutant for mutant in self.all if not self.is_wrong(mutant))
        yield from self._equal

    def result(self, mutant: Mutant, name: str) -> Array | None:
        """Return a result of a mutant; None if an exception or NaN comes before it."""
        if name not in mutant.results and not self._affects(mutant, name):
            right: Array = self.right[name]
            return right
        if name not in mutant.results and not mutant.ended:
            program = mutant.program(self.reference, self.public)
            until = None if mutant.results else name  # no third run
            mutant.results = results_of(self.exercise, program, self.case, until)
            mutant.ended = until is None or name not in mutant.results
            not_finite = name not in mutant.results and not program.error
            if not_finite and "guarded" not in mutant.options:
                mutant.options, mutant.ended = mutant.options | {"guarded": True}, False
                return self.result(mutant, name)
        return mutant.results.get(name)

    def _affects(self, mutant: Mutant, name: str) -> bool:
        """Return whether a result with the name of a returned value depends on a changed step."""
        value, *_ = name.split()
        needed = self.reference.needed(mutant.form, [value])
        known = mutant.edits and value in self.reference.returns
        return not known or any(edit.step in needed for edit in mutant.edits)

    def is_right(self, mutant: Mutant, name: str) -> bool:
        """Return whether a result of a mutant equals the right one, as far as can be measured."""
        if name not in mutant.right:
            found, right = self.result(mutant, name), self.right[name]
            if name in self.exercise.tolerances:
                mutant.right[name] = found is not None and self.agree(name, found, right)
            else:
                mutant.right[name] = equal(found, right)
        return mutant.right[name]

    def is_wrong(self, mutant: Mutant) -> bool:
        """Return whether any result of a mutant differs from the right one."""
        wrong = any(not self.is_right(mutant, name) for name in self.right)
        return wrong or "guarded" in mutant.options

    def pair(self, first: Mutant, second: Mutant, form: int) -> Mutant:
        """Return the mutant with the edits of two others."""
        key = id(first), id(second), form
        if key not in self._pairs:
            self._pairs[key] = mutant_of((*first.edits, *second.edits), form)
        return self._pairs[key]

    def agree(self, name: str, found: Array, expected: Array | None) -> bool:
        """Return whether two values of a result agree within its tolerance."""
        return expected is not None and same(found, expected, self.limit(name, found))

    def limit(self, name: str, found: Array) -> float:
        """Return how far a value may differ from the one found and still agree with it."""
        tolerance = self.exercise.tolerances.get(name, TOLERANCE)
        return limit_of(found, self.right[name], tolerance)

    def _possible(self, form: int) -> Iterator[tuple[Edit, bool]]:
        """Yield the edits that change the value of a step, and whether each value is a new one."""
        affected = self.reference.affected(form) & self.reference.needed(form, self.public)
        for key, executions in self.trace(form).items():
            if key not in affected:
                continue
            snapshots = self._chosen(key, executions)
            tree = self.reference.steps[key].tree(form)
            right = _values(compiled(tree), snapshots)
            if not right or (isinstance(right[0], int) and not self.reference.reads(key, key)):
                continue  # a number of rows or columns; its uses are changed instead
            found: set[bytes] = set()
            values = self._typical(snapshots)
            each = list(edits(self.reference, key, tree, values, right[-1]))
            for edit in sorted(each, key=_likelihood):
                found_values = _values(edit.code, snapshots)
                complete = len(found_values) == len(right)
                if not found_values:
                    continue
                if complete and all(map(equal, found_values, right)):
                    if ast.dump(edit.changed) != ast.dump(tree):
                        self._equal.append(mutant_of([edit], form))
                    continue
                if not all(map(_is_finite, found_values)):
                    found_values = _values(edit.code, [each | GUARDED for each in snapshots])
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

    def _typical(self, snapshots: Sequence[Values]) -> Values:
        """Return the values of the first execution, or of the last one where they are arrays then.

        Values without an assignment before the first execution are those of the last one, too.
        """
        start, first, last = self.reference.start, snapshots[0], snapshots[-1]
        return last | {
            name: value
            for name, value in first.items()
            if value is not start.get(name)
            and isinstance(value, np.ndarray) >= isinstance(last.get(name), np.ndarray)
        }

    def _known(self) -> Iterator[Mutant]:
        for known, form in product(self.reference.known, range(self.reference.forms)):
            yield Mutant((), known.message, 0, form, known=known)

    def _orders(self) -> Iterator[Mutant]:
        """Yield the mutants in which a step is executed before another that depends on it."""
        for (a, one), (b, other) in combinations(self.reference.steps.items(), 2):
            related = self.reference.reads(a, b) or self.reference.reads(b, a)
            if a[0] == b[0] and one.loop is other.loop and related:
                words = f"{other.meaning} is computed before {one.meaning}"
                yield Mutant((), words, 2, options={"order": (b, a)})

    def _swapped(self) -> Iterator[Mutant]:
        """Yield the mutants that exchange two results, or return them in another order."""
        shown = {name.split()[0] for name in self.right}
        words = {name: name for name in shown} | {
            name: meaning for name, meaning in self.reference.meanings.items() if name not in shown
        }
        pairs = combinations([name for name in self.right if name in self.public], 2)
        groups = [*pairs, *(method.returns for method in self.reference.methods.values())]
        for names in groups:
            for order in permutations(names):
                moved = [pair for pair in zip(names, order, strict=True) if len({*pair}) > 1]
                if not moved:
                    continue
                one, other = (words[each] for each in moved[0])
                what = f"{one} is what {other} should be, and the other way round"
                if len(moved) > 2:
                    what = f"the results have the order {', '.join(words[each] for each in order)}"
                yield Mutant((), what, 1, options={"swapped": dict(moved)})

    def _repeated(self) -> Iterator[Mutant]:
        """Yield the mutants in which the steps from an argument to a result are applied twice.

        Or they are applied to each entry of a list alone, and what this gives is averaged.
        """
        reference, last = self.reference, self._last
        shapes = {name: getattr(value, "shape", ()) for name, value in last.items()}
        for key, step in reference.steps.items():
            method, needed = reference.methods[key[0]], reference.needed(0, [step.name])
            used = set().union(*(reference.steps[each].names(0) for each in needed))
            found = {name: meaning for name, meaning in reference.meanings.items() if name in used}
            for name, meaning in found.items():
                if name in method.arguments and shapes.get(name) == shapes.get(step.name) != ():
                    words = f"the steps from {meaning} to {step.meaning} are applied twice"
                    cost, result = 2 + (name in step.names(0)), step.name  # a single step: a slip
                elif step.name in method.returns and isinstance(last.get(name), list):
                    words = f"it is computed for each entry of {meaning} alone, and then averaged"
                    cost, result = 2, ""
                else:
                    continue
                for names in dict.fromkeys([method.returns, *((each,) for each in method.returns)]):
                    options = {"again": (method.name, name, result, names)}
                    yield Mutant((), words, cost, options=options)

    def _shifted(self) -> Iterator[Mutant]:
        """Yield the mutants in which the entries of a list in a loop have other places."""
        for over in {step.loop.over: None for step in self.reference.steps.values() if step.loop}:
            tree = parse(over)
            lists = tree.args if isinstance(tree, ast.Call) and over.startswith("zip(") else [tree]
            for part, (rule, _) in product(lists, rules.OPERATORS["loop"]):
                text = ast.unparse(part)
                new = ast.unparse(rules.fill(rules.pattern(rule.replacement), {"A": part}))
                words = rule.words.format(A=self.reference.meanings.get(text, "the loop"))
                options = {"loops": {over: ast.unparse(tree).replace(text, new)}}
                yield Mutant((), words, rule.cost, options=options)

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


def mutant_of(changes: Sequence[Edit], form: int) -> Mutant:
    """Return the mutant with several edits."""
    by_words: dict[str, list[Edit]] = {}
    for edit in changes:
        by_words.setdefault(edit.words, []).append(edit)
    words = " and ".join(dict.fromkeys(map(in_words, by_words.values())))
    return Mutant(tuple(changes), words, max(edit.cost for edit in changes), form)


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
        ranges = [each, *([step] for step in each)]
        if each[0][0][0].cost < 3:
            ranges += [each[:end] for end in range(2, len(each))]
            ranges += [each[start:] for start in range(1, len(each))]
        for chosen, variant in product(ranges, (0, -1)):
            group = tuple(variants[variant] for step in chosen for variants in step)
            ids = tuple(map(id, group))
            if len(group) > 1 and ids not in given:
                given.add(ids)
                yield group


def _parallel(possible: Sequence[Edit]) -> Iterator[list[Edit]]:
    """Yield the edits that apply one rule at one place of all steps with equal formulas.

    Such formulas differ in names alone, as those of two running means do.
    """
    alike: dict[Any, dict[Key, Edit]] = {}
    trees = {edit.step: edit.tree for edit in possible}
    formulas = {step: re.sub(r"id='\w+'", "", ast.dump(tree)) for step, tree in trees.items()}
    for edit in possible:
        formula = formulas[edit.step]
        if "BinOp" in formula and not isinstance(edit.rewrite, partial):
            alike.setdefault((formula, edit.path, edit.rewrite), {})[edit.step] = edit
    for by_step in alike.values():
        if len({edit.words for edit in by_step.values()}) > 1:
            yield [*by_step.values()]


def _values(code: CodeType, snapshots: Sequence[Values]) -> list[Any]:
    """Return the values of an expression, up to the first exception."""
    values: list[Any] = []
    names = {*names_in(code)}
    with warnings.catch_warnings(), np.errstate(all="ignore"), suppress(Exception):
        warnings.simplefilter("ignore")
        for each in snapshots:
            values.append(eval(code, snapshot(each, names)))
    return values


def _likelihood(edit: Edit) -> tuple[int, bool, int, int]:
    """Return a key that sorts edits with equal values; another value in a factor is likelier."""
    return edit.cost, "once too often" in edit.words, len(edit.path), len(edit.words)


def _is_finite(value: Any) -> bool:
    numbers = isinstance(value, np.ndarray | float) and np.asarray(value).dtype.kind == "f"
    return not numbers or bool(np.isfinite(value).all())

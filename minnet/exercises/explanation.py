"""Search for the mutant that explains the results of a wrong answer.

The first wrong result is compared with that of all mutants, then with that of pairs of them, then
the other wrong results are compared.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations, product

import numpy as np

from minnet.exercises.compare import TOLERANCE, digest
from minnet.exercises.exercise import Results
from minnet.exercises.mutants import Mutant, Mutants
from minnet.exercises.reference import Key
from minnet.exercises.relations import quantity
from minnet.validation import Array

MOST_LIKELY, MOST_PAIRED = 12, 70  # mutants of a step of which pairs are run
FEW = 10  # entries of a result that may agree with a mutant by accident


def explain(mutants: Mutants, found: Results, wrong: Sequence[str]) -> Mutant | None:
    """Return the mutant, or the pair of mutants, that explains the first wrong result, or None."""
    first = wrong[0]
    singles = _ranked(mutants, mutants.classes, first, found, wrong)
    likely = [
        mutant for mutant in singles if not _far_fetched(mutants, mutant, first, found, wrong)
    ]
    if not likely and not _few_values(found[first]) and first not in mutants.exercise.tolerances:
        usable = _usable(mutants, first, found, wrong)
        pairs = mutants.distinct(_pairs(mutants, usable, first, found[first]))
        likely = _ranked(mutants, pairs, first, found, wrong)
        likely = likely or list(_scaled(mutants, usable, first, found[first]))
    return likely[0] if likely else None


def explain_later(
    mutants: Mutants, found: Results, wrong: Sequence[str]
) -> tuple[str, Mutant] | None:
    """Return another wrong result that a likely mutant explains, and the mutant.

    If there is none, return a far-fetched mutant that explains the first wrong result, or None.
    """
    first, *later = wrong
    for name in (*later, first):
        few = _accidental(found[name]) or (found[name].size == 1 and name != first)
        for mutant in () if few else _ranked(mutants, mutants.classes, name, found, wrong):
            alike = _explained(mutants, mutant, found, wrong)
            likely = name == first or (mutant.cost < 3 and 2 * alike >= len(wrong))
            certain = alike > 1 or mutant.cost < 2 or name not in mutants.exercise.tolerances
            if likely and certain and "swapped" not in mutant.options:
                return name, mutant
    return None


def _ranked(
    mutants: Mutants, candidates: Sequence[Mutant], name: str, found: Results, wrong: Sequence[str]
) -> list[Mutant]:
    """Return the mutants that agree with a wrong result, the one that explains most first.

    A mutant that would change a right result comes last.
    """
    alike = [
        mutant for mutant in candidates
        if name in mutant.results and mutant.results[name].shape == found[name].shape
        and not mutants.is_right(mutant, name)
        and mutants.agree(name, found[name], mutant.results[name])
    ]  # fmt: skip
    return sorted(
        alike,
        key=lambda mutant: (
            _spoils(mutants, mutant, found, wrong),
            -_explained(mutants, mutant, found),
            mutant.rank,
        ),
    )


def _spoils(mutants: Mutants, mutant: Mutant, found: Results, wrong: Sequence[str]) -> bool:
    """Return whether a mutant would change a right result."""
    return any(each not in wrong and not mutants.is_right(mutant, each) for each in found)


def _explained(
    mutants: Mutants, mutant: Mutant, found: Results, names: Iterable[str] | None = None
) -> int:
    """Return how many of the results agree with those of a mutant."""
    results = mutant.results
    return sum(
        each in results and mutants.agree(each, found[each], results[each])
        for each in names or found
    )


def _far_fetched(
    mutants: Mutants, mutant: Mutant, name: str, found: Results, wrong: Sequence[str]
) -> bool:
    """Return whether the agreement of a mutant may be an accident."""
    explained = _explained(mutants, mutant, found)
    if "swapped" in mutant.options:
        return explained < 2
    if _few_values(found[name]) and _spoils(mutants, mutant, found, wrong):
        return True
    if name in mutants.exercise.tolerances and mutant.cost > 1:
        return _explained(mutants, mutant, found, wrong) < 2  # a statistic agrees by accident
    if _accidental(found[name]) and all(
        _accidental(value) for each, value in found.items()
        if each in wrong and mutants.agree(each, value, mutant.results.get(each, value + 1))
    ):  # fmt: skip
        return mutant.cost >= 2
    return mutant.cost >= 3 and 2 * explained < len(found)


def _accidental(found: Array) -> bool:
    """Return whether a result is one whole number throughout, or a few in few entries.

    These agree by accident with many mutants.
    """
    return _few_values(found) and (found.size <= FEW or bool((found == found.flat[0]).all()))


def _few_values(found: Array) -> bool:
    """Return whether a result has at most three different values, all of them whole numbers."""
    values = np.unique(found.astype(np.float64))
    return values.size <= 3 and bool((values == np.round(values)).all())


def _usable(mutants: Mutants, name: str, found: Results, wrong: Sequence[str]) -> list[Mutant]:
    """Return the mutants that change a result and no right one, one for each value of it."""
    usable: dict[bytes, Mutant] = {}
    for mutant in sorted(mutants.classes, key=lambda each: each.rank):
        changed = name in mutant.results and not mutants.is_right(mutant, name)
        if mutant.edits and changed and not _spoils(mutants, mutant, found, wrong):
            usable.setdefault(digest([mutant.results[name]]), mutant)
    return list(usable.values())


def _pairs(mutants: Mutants, usable: Sequence[Mutant], name: str, found: Array) -> Iterator[Mutant]:
    """Yield the pairs of mutants that have this wrong result."""
    pairs = [*_independent(usable, name, found, mutants.right[name])]
    possible = [mutant for mutant in usable if mutant.cost <= 2]
    by_step: dict[Key, list[Mutant]] = {}
    for mutant in possible:
        for step in {each.edits[0].step for each in mutant.variants.values()}:
            by_step.setdefault(step, []).append(mutant)
    for each in by_step.values():
        pairs += [*product(each[:MOST_LIKELY], each[:MOST_PAIRED])]
    pairs += combinations(possible[:MOST_PAIRED], 2)
    trees = [mutants.reference.trees(form) for form in range(mutants.reference.forms)]
    given: set[tuple[int, int]] = set()
    for one, other in pairs:
        for form in {*one.variants, *other.variants}:
            first, second = (_in_form(mutants, each, form) for each in (one, other))
            if first is None or second is None or (id(first), id(second)) in given:
                continue
            given |= {(id(first), id(second)), (id(second), id(first))}
            pair = mutants.mutant((*first.edits, *second.edits), form, trees[form])
            result = mutants.run(pair, name).get(name)
            if result is not None and mutants.agree(name, found, result):
                yield pair


def _scaled(
    mutants: Mutants, usable: Sequence[Mutant], name: str, found: Array
) -> Iterator[Mutant]:
    """Yield the mutants whose result, times a quantity of the exercise, is the one found."""
    for mutant in usable:
        value = mutant.results[name].astype(np.float64)
        if value.shape == found.shape and value.size > 1 and np.isfinite(value).all():
            factor = float((found * value).sum() / max(np.square(value).sum(), 1e-12))
            text = quantity(mutants.case, factor)
            if text is not None and mutants.agree(name, found, factor * value):
                yield replace(mutant, factor=text)


def _in_form(mutants: Mutants, mutant: Mutant, form: int) -> Mutant | None:
    """Return a mutant of the same class in a form, if there is one."""
    if form in mutant.variants:
        return mutant.variants[form]
    steps = [mutants.reference.steps[edit.step] for edit in mutant.edits]
    same = all(step.text(form) == step.text(mutant.form) for step in steps)
    return mutant if same else None


def _independent(
    mutants: Sequence[Mutant], name: str, found: Array, right: Array
) -> Iterator[tuple[Mutant, Mutant]]:
    """Yield the pairs whose effects on a result add up, or multiply, to the value found.

    Two mistakes in different terms give a + b = found + right, two in different factors give
    a b = found right. Random weights make one number of each array.
    """
    alike = [each for each in mutants if each.results[name].shape == found.shape == right.shape]
    if not alike or found.size < 2:
        return
    weights = np.random.default_rng(0).normal(size=found.size)
    values = np.array([mutant.results[name].ravel() for mutant in alike], dtype=np.float64)
    for transform in (np.asarray, lambda value: np.log(np.abs(value))):
        with np.errstate(all="ignore"):
            numbers = transform(values) @ weights
            target = (transform(found.ravel()) + transform(right.ravel())) @ weights
            agrees = np.abs(numbers[:, None] + numbers - target) <= TOLERANCE * max(abs(target), 1)
        for one, other in np.argwhere(np.triu(agrees, 1))[:MOST_PAIRED]:
            yield alike[one], alike[other]

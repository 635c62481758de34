"""Search for the mutant that explains the results of a wrong answer.

The first wrong result is compared with that of all mutants, then with that of pairs of them, then
the other wrong results are compared, of which a mutant must explain half.
"""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from minnet.exercises.compare import TOLERANCE
from minnet.exercises.exercise import Results
from minnet.exercises.mutants import Mutant, Mutants
from minnet.validation import Array

MOST_PAIRS, MOST_PAIRED = 1000, 60  # pairs that are run, and mutants that they are made of
FEW = 10  # entries of a result that may agree with a mutant by accident


def explain(mutants: Mutants, found: Results, wrong: Sequence[str]) -> tuple[str, Mutant] | None:
    """Return the first wrong result that a mutant explains, and the mutant, or None."""
    for name in wrong:
        mutant = _best(mutants, mutants.classes, name, found, wrong)
        if mutant is None and name == wrong[0] and not _few_values(found[name]):
            mutant = _best(mutants, _pairs(mutants, name, found, wrong), name, found, wrong)
        if mutant is not None:
            return name, mutant
    return None


def _best(
    mutants: Mutants, candidates: Sequence[Mutant], name: str, found: Results, wrong: Sequence[str]
) -> Mutant | None:
    best: tuple[Any, Mutant] | None = None
    for mutant in _agreeing(mutants, candidates, name, found[name]):
        alike = [
            each for each in found
            if each in mutant.results and mutants.agree(each, found[each], mutant.results[each])
        ]  # fmt: skip
        explained, later = len(alike), name != wrong[0]
        if later and 2 * len({*alike} & {*wrong}) < len(wrong):
            continue
        spoiled = any(each not in wrong and not mutants.is_right(mutant, each) for each in found)
        if _far_fetched(mutant, explained, found, name, spoiled=spoiled, later=later):
            continue
        rank = (spoiled, -explained, mutant.rank)
        if best is None or rank < best[0]:
            best = rank, mutant
    return best[1] if best is not None else None


def _agreeing(
    mutants: Mutants, candidates: Sequence[Mutant], name: str, found: Array
) -> list[Mutant]:
    """Return the mutants whose result of this name agrees with the one found."""
    alike = [
        mutant for mutant in candidates
        if name in mutant.results and mutant.results[name].shape == found.shape
        and not mutants.is_right(mutant, name)
    ]  # fmt: skip
    return [mutant for mutant in alike if mutants.agree(name, found, mutant.results[name])]


def _pairs(mutants: Mutants, name: str, found: Results, wrong: Sequence[str]) -> list[Mutant]:
    """Return pairs of likely mutants that change this result and no right one."""
    right = [each for each in found if each not in wrong]
    usable = [
        mutant for mutant in mutants.classes
        if mutant.edits and mutant.cost <= 2
        and all(mutants.is_right(mutant, each) for each in right)
        and not mutants.is_right(mutant, name)
    ]  # fmt: skip
    trees = [mutants.reference.trees(form) for form in range(mutants.reference.forms)]
    pairs = [*_independent(usable, name, found[name], mutants.right[name])]
    pairs += sorted(
        combinations(sorted(usable, key=lambda mutant: mutant.rank)[:MOST_PAIRED], 2),
        key=lambda pair: pair[0].cost + pair[1].cost,
    )
    return mutants.distinct(
        mutants.mutant((*one.edits, *other.edits), form, trees[form])
        for one, other in pairs[:MOST_PAIRS]
        for form in {one.form, other.form}
        if _fits(mutants, one, form) and _fits(mutants, other, form)
    )


def _fits(mutants: Mutants, mutant: Mutant, form: int) -> bool:
    """Return whether the edited steps of a mutant have the same text in another form."""
    steps = [mutants.reference.steps[edit.step] for edit in mutant.edits]
    return all(step.text(form) == step.text(mutant.form) for step in steps)


def _independent(
    mutants: Sequence[Mutant], name: str, found: Array, right: Array
) -> Iterator[tuple[Mutant, Mutant]]:
    """Yield the pairs whose effects on a result add up, or multiply, to the value found.

    Two mistakes in different terms give a + b = found + right, two in different factors give
    a b = found right. Random weights make one number of each array.
    """
    shaped = [mutant for mutant in mutants if name in mutant.results]
    alike = [each for each in shaped if each.results[name].shape == found.shape == right.shape]
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


def _few_values(found: Array) -> bool:
    """Return whether a result has at most three different values, all of them whole numbers."""
    values = np.unique(found.astype(np.float64))
    return values.size <= 3 and bool((values == np.round(values)).all())


def _far_fetched(
    mutant: Mutant, explained: int, found: Results, name: str, *, spoiled: bool, later: bool
) -> bool:
    """Return whether the agreement of a mutant may be an accident.

    Few entries that are whole numbers agree by accident with many mutants, and one single result of
    several with some. Truth values must agree with a mutant that spoils no right result. A result
    that comes after an unexplained one must have several entries and agree with a likely mutant.
    """
    if mutant.swapped is not None:
        return explained < 2
    few = _few_values(found[name]) and found[name].size <= FEW
    if _few_values(found[name]) and spoiled:
        return True
    if later:
        return few or found[name].size == 1 or mutant.cost >= 3
    return mutant.cost >= (2 if few else 3) and (few or 2 * explained < len(found))

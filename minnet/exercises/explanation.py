"""Search for the mutant that explains the results of a wrong answer.

The first wrong result is compared with that of all mutants, then with that of pairs of them, then
the other wrong results are compared.
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from minnet.exercises.compare import TOLERANCE, digest, limit_of, same
from minnet.exercises.exercise import Results
from minnet.exercises.mutants import Mutant, Mutants, results_of
from minnet.exercises.reference import Key
from minnet.exercises.relations import (
    as_if_rounded,
    differing,
    fitted,
    quantity,
    where,
    with_values,
)
from minnet.validation import Array

Group = dict[int, Mutant]  # mutants with the same value of a result, by form

MOST_LIKELY, MOST_PAIRED = 8, 40  # largest numbers of mutants of a step that are paired
MOST_PAIRS = 2000  # pairs that are run for a result
SHAPE = r"\(\d+,[\d, ]*\)|size \d+"  # in messages of NumPy
FACTORS = r"size (\d+) is different from (\d+)|(\d+) \(dim \d+\) != (\d+)"  # of a matrix product
FEW = 10  # entries of a result that may agree with a mutant by accident
SEVERAL = 4  # entries of results that agree with a far-fetched mutant by accident at most


class Search:
    """The mutants that explain the wrong results of an answer.

    Parameters
    ----------
    mutants : Mutants
        The mutants on the inputs of the check.
    found : dict of str to ndarray
        The results of the answer.
    wrong : sequence of str
        The names of the wrong ones.
    again : dict of str to ndarray
        The results of the answer for the inputs of `AGAIN`.
    """

    def __init__(
        self, mutants: Mutants, found: Results, wrong: Sequence[str], again: Results
    ) -> None:
        self.mutants, self.found, self.wrong, self.again = mutants, found, wrong, again
        self._numbers = {name: value.astype(np.float64) for name, value in found.items()}
        self._limits = {name: mutants.limit(name, value) for name, value in found.items()}

    def first(self) -> Mutant | None:
        """Return the mutant, or the pair of mutants, that explains the first wrong result."""
        mutants, name = self.mutants, self.wrong[0]
        found = self.found[name]
        alike: list[Mutant] = []
        likely: list[Mutant] = []
        # A mutant that explains everything is better than less likely ones.
        for above, cost in itertools.pairwise((-1, 1, 2, 4)):
            if not likely or self._explained(likely[0]) < len(self.found):
                possible = (each for each in mutants.all if above < each.cost <= cost)
                alike += self._alike(name, possible)
                ranked = self._ranked(name, alike)
                likely = [each for each in ranked if not self._far_fetched(each, name)]
        certain = likely and (likely[0].cost < 2 or 2 * self._wrong(likely[0]) >= len(self.wrong))
        if certain or _few_values(found) or name in mutants.exercise.tolerances:
            return likely[0] if likely else None
        usable = self._usable(name)
        some = self._pairs(usable, name, every=not likely)
        pairs = self._ranked(name, self._alike(name, some))
        pairs = [pair for pair in pairs if found.size > 1 or self._wrong(pair) > 1]
        if not likely and (not pairs or pairs[0].cost > 2):
            pairs = [*self._scaled(usable, name), *pairs]
        key = (self._spoils, self._contradicted, lambda each: -self._wrong(each))
        likely = [*likely[:1], *pairs[:1]]
        return min(likely, key=lambda each: [part(each) for part in key], default=None)

    def later(self) -> tuple[str, Mutant] | None:
        """Return another wrong result that a likely mutant explains, and the mutant.

        Unless it is a known mistake, the mutant must not change the first wrong result, which it
        does not explain. If there is none, return a less likely mutant that explains the first
        wrong result, or None.
        """
        first, *later = self.wrong
        likely = [
            each for each in self.mutants.all if each.cost < 3 and "swapped" not in each.options
        ]
        alone = [each for each in likely if each.known or self.mutants.is_right(each, first)]
        for name in (*later, first):
            if _accidental(self.found[name]) or (self.found[name].size == 1 and name != first):
                continue
            alike = self._alike(name, likely if name == first else alone)
            for mutant in self._ranked(name, alike):
                explained = self._wrong(mutant)
                most = 2 * explained >= len(self.wrong) or name == first
                statistic = name in self.mutants.exercise.tolerances
                if most and (explained > 1 or mutant.cost < 2 or not statistic):
                    return name, mutant
        return None

    def stopped(self, message: str) -> tuple[str, Mutant] | None:
        """Return the next result, and a mutant that stops before it with the same shapes."""
        line, _, error = message.rpartition("`: ")
        mutants, numbers = self.mutants, _shapes(error)
        name = next((each for each in mutants.right if each not in self.found), "")
        for mutant in mutants.all if name and len(numbers) > 1 else ():
            if mutant.cost < 3 and ("adds" not in mutant.words or "+" in line):
                program = mutant.program(mutants.reference)
                results = results_of(mutants.exercise, program, mutants.case, name)
                same = _shapes(program.error) == numbers
                if name not in results and same and self._explained(mutant) == len(self.found):
                    return name, mutant
        return None

    def related(self) -> str | None:
        """Describe the first wrong result by the right one and a step of the solution, or None."""
        name, mutants = self.wrong[0], self.mutants
        found, right = self.found[name], mutants.right[name]
        if found.shape != right.shape or _few_values(found) or _few_values(right):
            return None
        texts = with_values(mutants.case, found, right, mutants.values(name))
        return next((f"{name} is {text}." for text in texts), None)

    def partly(self) -> tuple[Mutant, str] | None:
        """Return a likely mutant that explains the wrong entries of the first wrong result.

        The second value describes which entries are wrong.
        """
        name, mutants = self.wrong[0], self.mutants
        found, right = self.found[name], mutants.right[name]
        if found.shape != right.shape or not found.ndim:
            return None
        wrong = differing(found, right)
        if wrong.all() or np.unique(found[wrong]).size < SEVERAL or _few_values(found[wrong]):
            return None
        for mutant in mutants.all:
            value = mutants.result(mutant, name) if mutant.edits and mutant.cost < 3 else None
            if value is not None and value.shape == found.shape:
                part = np.where(wrong, value, found)
                if not same(part[wrong][:1], found[wrong][:1], limit_of(found[wrong][:1], right)):
                    continue
                if mutants.agree(name, part, found):
                    return mutant, where(mutants.case, wrong)
        return None

    def _alike(self, name: str, candidates: Iterable[Mutant]) -> list[Mutant]:
        """Return the mutants that agree with a wrong result, also for the inputs of `AGAIN`."""
        return [
            mutant for mutant in candidates
            if self._agrees(mutant, name)
            and not self.mutants.is_right(mutant, name)
            and self._confirmed(mutant, name)
        ]  # fmt: skip

    def _ranked(self, name: str, alike: Sequence[Mutant]) -> list[Mutant]:
        """Return the mutants that agree with a wrong result, the one that explains most first.

        A mutant that would change a right result comes last; one that is no edit is left out.
        One of several changes comes before it, if another wrong result contradicts some of them.
        """
        spoiling = {id(mutant) for mutant in alike if self._spoils(mutant)}
        return sorted(
            (each for each in alike if each.edits or id(each) not in spoiling),
            key=lambda each: (
                id(each) in spoiling, self._contradicted(each), -self._explained(each),
                each.cost,
                self._elsewhere(each, name), each.rank,
            ),
        )  # fmt: skip

    def _elsewhere(self, mutant: Mutant, name: str) -> float:
        """Return 0, or a value that decreases with the position of a whole step elsewhere."""
        if not (mutant.words.startswith("it ") or "sign" in mutant.words):
            return 0.0
        first, *_ = name.split()
        steps = (self.mutants.reference.steps[key] for key in mutant.changed)
        if any(step.name == first or step.meaning in name for step in steps):
            return 0.0
        return 1 / (1 + max((position for _, position in mutant.changed), default=0))

    def _confirmed(self, mutant: Mutant, name: str, factor: str = "") -> bool:
        """Return whether a mutant agrees for the inputs of `AGAIN`, too, as far as is known."""
        if name not in self.again or "shared" in mutant.options:  # earlier runs change the class
            return True
        mutants = self.mutants.again
        program = mutant.program(mutants.reference)
        found = self.again[name]
        expected = results_of(mutants.exercise, program, mutants.case, name).get(name)
        if expected is None or expected.shape != found.shape:
            return False
        ratio = fitted(found, expected) if factor else 1.0
        same_factor = not factor or quantity(mutants.case, ratio) == factor
        return same_factor and mutants.agree(name, found, ratio * expected)

    def _contradicted(self, mutant: Mutant) -> bool:
        """Return whether a mutant of several changes changes a wrong result in another way."""
        changed = [each for each in self.wrong if not self.mutants.is_right(mutant, each)]
        return len(mutant.changed) != 1 and self._explained(mutant, changed) < len(changed)

    def _spoils(self, mutant: Mutant) -> bool:
        """Return whether a mutant would change a right result."""
        right = [name for name in self.found if name not in self.wrong]
        return self._explained(mutant, right) < len(right)

    def _explained(self, mutant: Mutant, names: Iterable[str] | None = None) -> int:
        """Return how many of the results agree with those of a mutant."""
        return sum(self._agrees(mutant, name) for name in (self.found if names is None else names))

    def _agrees(self, mutant: Mutant, name: str) -> bool:
        """Return whether a result agrees with that of a mutant within its tolerance."""
        value = self.mutants.result(mutant, name)
        return value is not None and same(self._numbers[name], value, self._limits[name])

    def _wrong(self, mutant: Mutant) -> int:
        """Return how many of the wrong results agree with those of a mutant."""
        return self._explained(mutant, self.wrong)

    def _far_fetched(self, mutant: Mutant, name: str) -> bool:
        """Return whether the agreement of a mutant may be an accident."""
        if mutant.known and not self._spoils(mutant):
            return False
        if "swapped" in mutant.options:
            return self._explained(mutant) < 2
        if _few_values(self.found[name]) and self._spoils(mutant):
            return True
        if name in self.mutants.exercise.tolerances and mutant.cost > 1:
            return self._wrong(mutant) < 2  # a statistic agrees by accident
        explained = [each for each in self.wrong if self._explained(mutant, [each])]
        if all(map(self._weak, explained)):
            repeated = len(explained) > 1 or all(map(self._weak, self.wrong))
            return mutant.cost >= 2 or not repeated
        few = sum(self.found[each].size for each in explained) < SEVERAL
        return mutant.cost >= 3 and few and 2 * len(explained) < len(self.wrong)

    def _weak(self, name: str) -> bool:
        """Return whether a result may agree with a mutant by accident."""
        statistic = name in self.mutants.exercise.tolerances and self.found[name].size == 1
        return statistic or _accidental(self.found[name])

    def _usable(self, name: str) -> list[Group]:
        """Return the mutants that change a result and none before it, by value and form."""
        mutants = self.mutants
        before = list(itertools.takewhile(lambda each: each != name, mutants.right))
        before = [each for each in before if each in self.found and each not in self.wrong]
        usable: dict[bytes, Group] = {}
        for mutant in mutants.all:
            value = mutants.result(mutant, name) if mutant.edits else None
            if value is None or mutants.is_right(mutant, name):
                continue
            if all(mutants.is_right(mutant, each) for each in before):
                usable.setdefault(digest([value]), {}).setdefault(mutant.form, mutant)
        return list(usable.values())

    def _pairs(self, usable: Sequence[Group], name: str, *, every: bool) -> Iterator[Mutant]:
        """Yield the pairs of mutants that have a wrong result; if not every, independent ones."""
        mutants, found = self.mutants, self.found[name]
        values = [_likeliest(group).results[name] for group in usable]
        pairs = [
            (usable[one], usable[other])
            for one, other in _independent(values, found, mutants.right[name])
        ]
        possible = [group for group in usable if every and _is_paired(_likeliest(group))]
        by_step: dict[Key, list[Group]] = {}
        for group in possible:
            for step in {each.edits[0].step for each in group.values()}:
                by_step.setdefault(step, []).append(group)
        ranked: list[tuple[float, Group, Group]] = []
        for groups, most in [(each, MOST_LIKELY) for each in by_step.values()] + [
            (possible, MOST_PAIRED)
        ]:
            each = [
                (rank + MOST_PAIRED * self._spoils(_likeliest(group)), group)
                for rank, group in enumerate(groups[:MOST_PAIRED])
            ]
            each.sort(key=lambda pair: pair[0])
            ranked += [
                (i + j, one, other)
                for i, one in each[:most]
                for j, other in each
                if i < j or most < MOST_PAIRED
            ]
        pairs += [(one, other) for _, one, other in sorted(ranked, key=lambda pair: pair[0])]
        given: set[tuple[int, int]] = set()
        for one, other in pairs:
            if len(given) > 2 * MOST_PAIRS:
                break
            for form in {*one, *other}:
                first, second = (_in_form(mutants, each, form) for each in (one, other))
                if first is None or second is None or (id(first), id(second)) in given:
                    continue
                given |= {(id(first), id(second)), (id(second), id(first))}
                pair = mutants.pair(first, second, form)
                if self._agrees(pair, name):
                    yield pair

    def _scaled(self, usable: Sequence[Group], name: str) -> Iterator[Mutant]:
        """Yield the mutants whose result, times a quantity of the exercise, is the one found."""
        found = self.found[name]
        right = self.mutants.right[name]
        if found.shape == right.shape and as_if_rounded(found, right):
            return
        for group in usable:
            mutant = _likeliest(group)
            value = mutant.results[name]
            if value.shape == found.shape and value.size > 1 and np.isfinite(value).all():
                factor = fitted(found, value)
                text = quantity(self.mutants.case, factor) or ""
                alike = text and self.mutants.agree(name, found, factor * value)
                if alike and self._confirmed(mutant, name, text):
                    yield replace(mutant, factor=text)


def _shapes(error: str) -> list[str]:
    """Return the shapes or sizes that a message of NumPy quotes, in order."""
    sizes = re.search(FACTORS, error)
    return sorted(filter(None, sizes.groups())) if sizes else sorted(re.findall(SHAPE, error))


def _likeliest(group: Group) -> Mutant:
    return next(iter(group.values()))


def _accidental(found: Array) -> bool:
    """Return whether a result is one whole number throughout, or a few in few entries.

    These agree by accident with many mutants.
    """
    return _few_values(found) and (found.size <= FEW or bool((found == found.flat[0]).all()))


def _few_values(found: Array) -> bool:
    """Return whether a result has at most three different values, all of them whole numbers."""
    values = np.unique(found.astype(np.float64))
    return values.size <= 3 and bool((values == np.round(values)).all())


def _is_paired(mutant: Mutant) -> bool:
    """Return whether a mutant is likely, and not found by `_independent` as a wrong factor is."""
    return mutant.cost < 2 or (mutant.cost == 2 and not mutant.words.startswith("it is "))


def _in_form(mutants: Mutants, group: Group, form: int) -> Mutant | None:
    """Return a mutant with the same result in a form, if there is one."""
    if form in group:
        return group[form]
    mutant = _likeliest(group)
    steps = [mutants.reference.steps[edit.step] for edit in mutant.edits]
    same = all(step.text(form) == step.text(mutant.form) for step in steps)
    return mutant if same else None


def _independent(values: Sequence[Array], found: Array, right: Array) -> Iterator[tuple[int, int]]:
    """Yield the pairs of values whose effects add up, or multiply, to the value found.

    Two mistakes in different terms give a + b = found + right, two in different factors give
    a b = found right. Random weights reduce each array to one number.
    """
    alike = [i for i, value in enumerate(values) if value.shape == found.shape == right.shape]
    if not alike or found.size < 2:
        return
    weights = np.random.default_rng(0).normal(size=found.size)
    rows = np.array([values[i].ravel() for i in alike], dtype=np.float64)
    for transform in (np.asarray, lambda value: np.log(np.abs(value))):
        with np.errstate(all="ignore"):
            numbers = transform(rows) @ weights
            target = (transform(found.ravel()) + transform(right.ravel())) @ weights
            margin = TOLERANCE * max(abs(target), 1)
            order = np.argsort(numbers)
            order = order[np.isfinite(numbers[order])]
            first = np.searchsorted(numbers[order], target - numbers - margin)
            last = np.searchsorted(numbers[order], target - numbers + margin, side="right")
        found_pairs = (
            (alike[one], alike[other])
            for one in sorted(order)
            for other in sorted(order[first[one] : last[one]])
            if one < other
        )
        yield from itertools.islice(found_pairs, MOST_PAIRED)

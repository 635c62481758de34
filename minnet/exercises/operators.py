"""Mutation operators: the slips that are possible in each step of a reference.

An `Edit` changes one node of the syntax tree of one step. The rules of `minnet.exercises.rules`
give the edits of formulas; the functions of this module give those that depend on the values of a
check: another value of the same shape, another axis or row, a constant, a step that is repeated.
"""

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np

from minnet.exercises import rules
from minnet.exercises.reference import ELEMENTWISE, REDUCTIONS, Key, Reference, Values, parse
from minnet.exercises.scope import Scope, is_number

Path = tuple[tuple[str, int | None], ...]
Rewrite = Callable[[ast.expr], ast.expr]
Change = tuple[Rewrite, str, int]

EXPONENTS = (1, 2, 3, -1, -2, 0.5, -0.5, 1.5, -1.5)
CONSTANTS = (0.0, 1.0, 2.0, 0.5, 0.9, 0.99, 0.999, 0.1, 0.01, 1e-3, 1e-5, 1e-7, 1e-8)


@dataclass(frozen=True)
class Edit:
    """A change of one step.

    Attributes
    ----------
    step : Key
        The step that is changed.
    path : Path
        Fields that lead from the tree to the node.
    rewrite : callable
        Returns the node that replaces the one at the path.
    words : str
        What is wrong; edits with the same words are the same mistake at several places.
    cost : int
        1 for a likely slip, up to 4 for a far-fetched one.
    """

    step: Key
    path: Path
    rewrite: Rewrite
    words: str
    cost: int


def edits(reference: Reference, key: Key, tree: ast.expr, values: Values) -> Iterator[Edit]:
    """Yield the edits of a step, given the values before one of its executions."""
    scope = Scope(reference, values)
    step, path = reference.steps[key], Path()
    if step.when is not None and isinstance(tree, ast.IfExp):
        path, body = (("body", None),), tree.body
        if reference.stateful and "'" not in step.when:
            for change, words, cost in _of_rules(tree, scope):
                yield Edit(key, (), change, words, cost)
    else:
        body = tree
    powers = (node for node in ast.walk(body) if isinstance(node, ast.BinOp))
    exponents = {node.right for node in powers if isinstance(node.op, ast.Pow)}
    for inner, node in nodes(body):
        for change, words, cost in _of_node(node, scope, reference, node in exponents):
            yield Edit(key, path + inner, change, words, cost)
    for change, words, cost in _of_step(key, body, scope, reference):
        yield Edit(key, path, change, words, cost)


def nodes(tree: Any, path: Path = ()) -> Iterator[tuple[Path, ast.expr]]:
    """Yield the path to each expression in a tree, and the expression; not the called functions."""
    if isinstance(tree, ast.expr):
        yield path, tree
    for field, child in ast.iter_fields(tree):
        if isinstance(child, list):
            for index, each in enumerate(child):
                if isinstance(each, ast.AST):
                    yield from nodes(each, (*path, (field, index)))
        elif isinstance(child, ast.AST) and field not in ("func", "target"):
            yield from nodes(child, (*path, (field, None)))


def apply(tree: ast.expr, changes: Sequence[Edit]) -> ast.expr:
    """Return the tree after edits; those of inner nodes come first."""
    for edit in sorted(changes, key=lambda edit: len(edit.path), reverse=True):
        tree = _replace(tree, edit.path, edit.rewrite)
    return tree


def _replace(tree: Any, path: Path, rewrite: Rewrite) -> Any:
    if not path:
        return rewrite(tree)
    (field, index), rest = path[0], path[1:]
    child = getattr(tree, field)
    if index is None:
        changed: Any = _replace(child, rest, rewrite)
    else:
        changed = [*child[:index], _replace(child[index], rest, rewrite), *child[index + 1 :]]
    fields = {name: getattr(tree, name) for name in tree._fields}
    return type(tree)(**(fields | {field: changed}))


def _to(text: str) -> Rewrite:
    """Return a function that replaces a node A by a text in which A may occur."""
    template = parse(text)
    return lambda node: rules.fill(template, {"A": node})


def _of_rules(node: ast.expr, scope: Scope) -> Iterator[Change]:
    for index, bindings in rules.rewritings(node):
        words = {letter: scope.describe(part) for letter, part in bindings.items() if letter != "K"}
        _, _, template, cost = rules.RULES[index]
        yield partial(rules.rewrite, index), template.format(**words), cost


def _of_node(
    node: ast.expr, scope: Scope, reference: Reference, exponent: bool
) -> Iterator[Change]:
    yield from _of_rules(node, scope)
    match node:
        case ast.Name(id=name) if name in scope.values:
            yield from _of_name(name, scope, reference)
        case ast.Call(func=ast.Name(id=name)) if name in REDUCTIONS:
            yield from _of_reduction(node, name, scope)
        case ast.Constant(value=int() | float() as value):
            yield from _of_constant(float(value), exponent)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            yield from _of_constant(-float(value), exponent)
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str() as entry)):
            for other in scope.values.get(name, {}):
                if other != entry:
                    words = f"{other} is used where {entry} belongs"
                    yield _to(f"{name}['{other}']"), words, 1
        case ast.BinOp(left=ast.Constant(value=1), op=ast.Sub(), right=ast.Name(id=name)):
            yield _to(name), f"{scope.meanings.get(name)} and its complement to 1 are exchanged", 1


def _of_name(name: str, scope: Scope, reference: Reference) -> Iterator[Change]:
    value, words = scope.values[name], scope.meanings[name]
    if is_number(value):
        if 0 < value < 1:
            yield _to(f"1 - {name}"), f"{words} and its complement to 1 are exchanged", 1
        yield _to("A - 1"), f"{words} minus 1 is used where {words} belongs", 2
        yield _to("A + 1"), f"{words} plus 1 is used where {words} belongs", 3
        for other in scope.scalars:
            if other != name:
                yield _to(other), f"{scope.meanings[other]} is used where {words} belongs", 2
        for constant in CONSTANTS:
            yield _to(f"{constant}"), f"a fixed {constant:g} is used where {words} belongs", 3
    elif isinstance(value, np.ndarray):
        for other in scope.like(name):
            yield _to(other), f"{scope.meanings[other]} is used where {words} belongs", 2
        if value.ndim > 1:
            yield _to("A.T"), f"{words} is transposed", 3
            yield _to("A[:1]"), "only the first row is used", 2
            yield _to("A[-1:]"), "only the last row is used", 2
            yield _to("A[:-1]"), "the last row is left out", 3
    elif isinstance(value, list | tuple):
        yield _to("A[:1]"), f"only the first entry of {words} is used", 2
        yield _to("A[-1:]"), f"only the last entry of {words} is used", 2
        yield _to("A[1:]"), f"the first entry of {words} is left out", 3
        yield _to("A[:-1]"), f"the last entry of {words} is left out", 3
    if isinstance(value, np.ndarray) or is_number(value):
        yield _to("A ** 2"), f"{words} is squared", 2
        yield _to("2 * A"), f"{words} is taken twice", 3
        for function in _used(reference):
            text = ELEMENTWISE.get(function, function)
            yield _to(f"{function}(A)"), f"{text} of {words} is used where {words} belongs", 3


def _used(reference: Reference) -> list[str]:
    """Return the functions of one number that the reference uses, and abs and sqrt."""
    forms = [form for step in reference.steps.values() for form in (step.expression, *step.also)]
    known = (*ELEMENTWISE, *reference.functions)
    return ["abs", "sqrt", *(name for name in known if any(f"{name}(" in form for form in forms))]


def _of_reduction(node: ast.Call, name: str, scope: Scope) -> Iterator[Change]:
    keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
    axis, kept = keywords.get("axis"), "keepdims" in keywords
    axes = [each for each in ("0", "1", None) if each != axis]
    for other in axes:
        words = f"axis {other} is used" if other else "all entries are taken together"
        for keep in (kept, not kept):
            options = {"axis": other, "keepdims": "True" if keep and other else None}
            yield _with_keywords(options), words, 2 if axis is None else 1
    for each, text in (("0", "column"), ("1", "row")):
        if axis is None:
            words = f"{REDUCTIONS[name]} is taken of each {text}, then averaged"
            yield partial(_averaged, each), words, 2
    if axis is not None:
        words = "the dimension is lost" if kept else "the dimension is kept"
        yield _with_keywords({"keepdims": None if kept else "True"}), words, 3
    if name in ("var", "std"):
        ddof = keywords.get("ddof")
        words = f"{REDUCTIONS[name]} divides by the {'full number' if ddof else 'number minus 1'}"
        yield _with_keywords({"ddof": None if ddof else "1"}), words, 1
    for scalar in scope.scalars:
        number = scope.meanings[scalar]
        if name == "mean":
            yield _to(f"A * {scalar} / ({scalar} - 1)"), f"{number} minus 1 divides", 2
            for other in scope.scalars:
                if other != scalar:
                    words = f"{scope.meanings[other]} divides where {number} belongs"
                    yield _to(f"A * {scalar} / {other}"), words, 2
        yield _to(f"A / {scalar}"), f"{REDUCTIONS[name]} is divided by {number} once too often", 2


def _with_keywords(options: dict[str, str | None]) -> Rewrite:
    """Return a function that replaces keywords of a call; None removes one."""

    def change(node: ast.expr) -> ast.expr:
        if not isinstance(node, ast.Call):  # another edit has changed it
            return node
        kept = [keyword for keyword in node.keywords if keyword.arg not in options]
        new = [ast.keyword(name, parse(text)) for name, text in options.items() if text]
        return ast.Call(node.func, node.args, kept + new)

    return change


def _averaged(axis: str, node: ast.expr) -> ast.expr:
    """Return the mean of a reduction along an axis."""
    return _to("mean(A)")(_with_keywords({"axis": axis})(node))


def _of_constant(value: float, exponent: bool) -> Iterator[Change]:
    numbers = {0.0, 1.0, 2.0, value + 1, value - 1, 2 * value, value / 2, -value}
    numbers |= set(EXPONENTS) if exponent else set()
    for number in sorted(numbers - {value}):
        words = (
            f"the exponent {number:g} is wrong" if exponent else f"the number {number:g} is wrong"
        )
        if not exponent and value and number == 2 * value:
            words = "there is a factor 2 too many"
        elif not exponent and value and number == value / 2:
            words = "a factor 2 is missing"
        elif number == -value:
            words = "a number has the wrong sign"
        yield _to(f"{number:g}"), words, 2


def _of_step(key: Key, body: ast.expr, scope: Scope, reference: Reference) -> Iterator[Change]:
    """Yield the changes of a whole step: repeated or not, scaled, replaced by another value."""
    name = reference.steps[key].name
    yield _to("A.T"), "it is transposed", 1
    yield _to("-A"), "it has the wrong sign", 2
    yield _to("A / 2"), "it is half of what it should be", 2
    yield _to("2 * A"), "it is twice what it should be", 2
    yield _to("sum(A) + 0 * A"), "every entry is the sum of all entries", 3
    yield _to("mean(A) + 0 * A"), "every entry is the mean of all entries", 3
    for other, value in scope.values.items():
        if isinstance(value, np.ndarray) or is_number(value):
            words = scope.meanings[other]
            yield _to(f"A / {other}"), f"it is divided by {words} once too often", 2
            yield _to(f"A * {other}"), f"it is multiplied by {words} once too often", 2
        if isinstance(value, np.ndarray):
            yield _to(other), f"{words} takes its place", 3
            yield _to(f"A + {other}"), f"{words} is added to it", 3
            yield _to(f"A - {other}"), f"{words} is subtracted from it", 3
    used = sorted({node.id for node in ast.walk(body) if isinstance(node, ast.Name)})
    for one, another in _pairs_of(used, scope):
        words = f"{scope.meanings[one]} and {scope.meanings[another]} are exchanged"
        yield partial(_exchange, one, another), words, 2
    for other_key, step in reference.steps.items():
        if step.name == name and other_key != key and other_key[0] == key[0]:
            yield _to(step.expression), f"it is computed as {step.meaning}", 2
    if reference.stateful:
        yield _to(f"A if first else {name}"), "it is kept from the first call", 1
        yield _to(f"{name} + A"), "it adds to its earlier value, which it should replace", 1
        if name in used:
            yield _to(name), "it is never updated", 1
            for other in scope.like(name) if isinstance(scope.values[name], np.ndarray) else ():
                words, start = scope.meanings[other], f"{other} if first else"
                yield _to(f"{start} A"), f"it begins with {words}", 2
                begun = partial(_renamed, {name: parse(f"{start} {name}")})
                yield begun, f"before the first update it is {words}", 2


def _pairs_of(used: Sequence[str], scope: Scope) -> Iterator[tuple[str, str]]:
    """Yield two names that a step uses, or two numbers of which it uses one, in order."""
    names = [name for name in scope.values if name in used]
    numbers = [name for name in scope.scalars if not isinstance(scope.values[name], int)]
    for one, another in combinations(scope.values, 2):
        of_numbers = one in numbers and another in numbers and (one in used or another in used)
        if of_numbers or (one in names and another in names):
            yield one, another


def _exchange(one: str, another: str, tree: ast.expr) -> ast.expr:
    """Return a copy of the tree in which two names are exchanged."""
    return _renamed({one: parse(another), another: parse(one)}, tree)


def _renamed(names: dict[str, ast.expr], tree: ast.expr) -> ast.expr:
    """Return a copy of the tree in which names are replaced by expressions."""
    for path, node in list(nodes(tree)):
        if isinstance(node, ast.Name) and node.id in names:
            tree = _replace(tree, path, partial(_replaced_by, names[node.id]))
    return tree


def _replaced_by(new: ast.expr, node: ast.expr) -> ast.expr:
    return new

"""Mutation operators: the mistakes that are possible in each step of a reference.

An `Edit` changes one node of the syntax tree of one step. The rules of ``rules.txt`` give the edits
of formulas. The rules of ``operators.txt`` begin with the kind of a node and of another value X:

- nodes: a name of a ``number``, a ``share`` between 0 and 1, an ``array``, one that is ``given`` as
  an argument, ``indices``, a ``matrix``, a ``list``, or of a ``value`` (number or array); a
  ``constant`` or an ``exponent``; ``mean`` or any ``reduction``; a whole ``step``, one whose result
  has ``rows`` or is a ``vector``, one with a ``state`` between calls, and one that is ``updated``,
  which reads its earlier value; the list of a ``loop``;
- values: see `minnet.exercises.scope.Scope.others`.

This module holds the edits that a table cannot express.
"""

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import combinations
from types import CodeType
from typing import Any

import numpy as np

from minnet.exercises import rules
from minnet.exercises.reference import (
    REDUCTIONS,
    Codes,
    Key,
    Reference,
    Values,
    compiled,
    node_like,
    parse,
)
from minnet.exercises.scope import Scope, is_number

Path = tuple[tuple[str, int | None], ...]
Rewrite = Callable[[ast.expr], ast.expr]
Change = tuple[Rewrite, str, int]


@dataclass(frozen=True)
class Edit:
    """A change of one step.

    Attributes
    ----------
    step : Key
        The step that is changed.
    tree : ast.expr
        The step as it is.
    path : Path
        Fields that lead from the tree to the node.
    rewrite : callable
        Returns the node that replaces the one at the path.
    words : str
        What is wrong; edits with the same words are the same mistake at several places.
    cost : int
        1 for a likely slip, up to 4 for a far-fetched one.
    alone : str
        The words, if no edit with others is made at the same time; by default `words`.
    """

    step: Key
    tree: ast.expr
    path: Path
    rewrite: Rewrite
    words: str
    cost: int
    alone: str = ""

    @cached_property
    def changed(self) -> ast.expr:
        """The step after this edit."""
        changed: ast.expr = _replace(self.tree, self.path, self.rewrite)
        return changed

    @cached_property
    def code(self) -> CodeType:
        """The step after this edit, compiled."""
        return compiled(self.changed)


def edits(
    reference: Reference, key: Key, tree: ast.expr, values: Values, result: Any
) -> Iterator[Edit]:
    """Yield the edits of a step, given the values before one of its executions and its result."""
    step, path, body = reference.steps[key], Path(), tree
    if not reference.stateful:
        values = {name: value for name, value in values.items() if name != step.name}
    scope = Scope(reference, values)
    if step.when and isinstance(tree, ast.IfExp):
        path, body = (("body", None),), tree.body
        if reference.stateful and "'" not in step.when:
            for change in _of_rules(tree, scope):
                yield Edit(key, tree, (), *change)
    powers = (node for node in ast.walk(body) if isinstance(node, ast.BinOp))
    exponents = {node.right for node in powers if isinstance(node.op, ast.Pow)}
    for inner, node in nodes(body):
        for change in (*_of_rules(node, scope), *_of_node(node, scope, node in exponents)):
            yield Edit(key, tree, path + inner, *change)
    for change in _of_step(key, body, scope, reference, result):
        yield Edit(key, tree, path, *change)
    for one, another, alone in _exchangeable(body, scope):
        words = f"{scope.meanings[one]} and {scope.meanings[another]} are exchanged"
        yield Edit(key, tree, path, partial(_exchange, one, another), words, 2, alone)


def in_words(changes: Sequence[Edit]) -> str:
    """Return what is wrong with edits that have the same words."""
    alone = {edit.alone for edit in changes}
    return (alone.pop() if len(alone) == 1 else "") or changes[0].words


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


def apply(changes: Iterable[Edit]) -> Codes:
    """Return the compiled steps after edits; those of inner nodes come first."""
    by_step: dict[Key, list[Edit]] = {}
    for edit in changes:
        by_step.setdefault(edit.step, []).append(edit)
    return {key: _together(edits) for key, edits in by_step.items()}


def _together(changes: Sequence[Edit]) -> CodeType:
    """Return a step after some edits."""
    if len(changes) == 1:
        return changes[0].code
    tree = changes[0].tree
    for edit in sorted(changes, key=lambda edit: len(edit.path), reverse=True):
        tree = _replace(tree, edit.path, edit.rewrite)
    return compiled(tree)


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
    return node_like(tree, **(fields | {field: changed}))


def _of_rules(node: ast.expr, scope: Scope) -> Iterator[Change]:
    for rule, bindings in rules.rewritings(node):
        yield rule.rewrite, scope.fill(rule.words, bindings), rule.cost


def _of_kind(kind: str, words: str, scope: Scope, name: str) -> Iterator[Change]:
    """Yield the changes of ``operators.txt`` for a node; words describe it, name is its name."""
    for rule, values in rules.OPERATORS[kind]:
        for bindings in scope.others(values, name):
            rewrite = partial(_filled, rule.replacement, bindings)
            yield rewrite, scope.fill(rule.words, bindings, A=words), rule.cost


def _filled(template: str, bindings: rules.Bindings, node: ast.expr) -> Any:
    return rules.fill(rules.pattern(template), bindings | {"A": node})


def _of_node(node: ast.expr, scope: Scope, exponent: bool) -> Iterator[Change]:
    match node:
        case ast.Constant(value=int() | float()) | ast.UnaryOp(operand=ast.Constant()):
            yield from _of_kind("exponent" if exponent else "constant", "", scope, "")
        case ast.Name(id=name) if name in scope.values:
            given = name not in scope.steps and isinstance(scope.values[name], np.ndarray)
            for kind in (*_kinds(scope.values[name]), *(("given",) if given else ())):
                yield from _of_kind(kind, scope.meanings[name], scope, name)
        case ast.Call(func=ast.Name(id=name)) if name in REDUCTIONS:
            for kind in ("mean", "reduction") if name == "mean" else ("reduction",):
                yield from _of_kind(kind, REDUCTIONS[name], scope, name)
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str() as entry)):
            for other in scope.values.get(name, {}):
                if other != entry:
                    words = f"{other} is used where {entry} belongs"
                    yield _to(f"{name}['{other}']"), words, 1


def _kinds(value: Any) -> Iterator[str]:
    """Yield the kinds of nodes that a name with this value is."""
    if is_number(value):
        yield from ("number", "value")
        if isinstance(value, float) and value.is_integer():
            yield "count"
        if 0 < value < 1:
            yield "share"
    elif isinstance(value, np.ndarray):
        yield from ("array", "value")
        if value.ndim > 1:
            yield "matrix"
        elif value.dtype.kind == "i":
            yield "indices"
    elif isinstance(value, list):
        yield "list"


def _to(text: str) -> Rewrite:
    """Return a function that replaces a node A by a text in which A may occur."""
    return partial(_filled, text, {})


def _of_step(
    key: Key, body: ast.expr, scope: Scope, reference: Reference, result: Any
) -> Iterator[Change]:
    """Yield the changes of a whole step: repeated or not, scaled, replaced by another value."""
    name = reference.steps[key].name
    used = _used(body)
    dimensions = result.ndim if isinstance(result, np.ndarray) else 0
    shape = {1: ("vector",), 2: ("rows",)}.get(dimensions, ())
    later = key[0] != next(iter(reference.methods))  # the constructor is called once
    whole = () if isinstance(result, list | tuple) else ("step", *shape)  # 8 * shape is no shape
    for kind in (*whole, *(("state",) if later else ())):
        yield from _of_kind(kind, "", scope, name)
    if reference.stateful and name in used:
        yield _to(name), "it is never updated", 1
        yield from _of_kind("updated", "", scope, name)
        for bindings in scope.others("like", name):
            begun = partial(_renamed, {name: _filled("X if first else S", bindings, body)})
            yield begun, scope.fill("before the first update it is {X}", bindings), 2
    for other, step in reference.steps.items():
        if step.name == name and other != key and other[0] == key[0]:
            if reference.steps[key].loop and not step.loop:
                yield _to(name), "it is never updated", 1
            yield _to(step.forms[0]), f"it is computed as {step.meaning}", 2


def _used(tree: ast.expr) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _exchangeable(body: ast.expr, scope: Scope) -> Iterator[tuple[str, str, str]]:
    """Yield two names that a step uses, or two numbers of which it uses one, in order.

    For the latter the words for this step alone are the third value.
    """
    used = _used(body)
    numbers = [name for name in scope.scalars if not isinstance(scope.values[name], int)]
    for one, another in combinations(scope.values, 2):
        of_numbers = one in numbers and another in numbers and (one in used or another in used)
        if one in used and another in used:
            yield one, another, ""
        elif of_numbers:
            right, wrong = (one, another) if one in used else (another, one)
            yield (
                one,
                another,
                f"{scope.meanings[wrong]} is used where {scope.meanings[right]} belongs",
            )


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

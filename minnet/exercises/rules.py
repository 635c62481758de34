"""Rewriting rules for mistakes in formulas, which are listed in ``rules.txt``.

A rule has a pattern, a replacement, words, and a cost, which is higher for less likely ones. In a
pattern single capital letters stand for any expression, F for an elementwise function, R for a
reduction and ``**K`` for any further keywords. In the words, a letter in braces is replaced by a
description of the expression. Two changes with the same words are the same mistake at two places.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from minnet.exercises.reference import ELEMENTWISE, REDUCTIONS, node_like, parse

Bindings = dict[str, Any]


@dataclass(frozen=True)
class Rule:
    """One line of a table."""

    pattern: str
    replacement: str
    cost: int
    words: str

    def rewrite(self, node: ast.expr) -> Any:
        """Return the node as rewritten, or the node if another edit has changed its form."""
        bindings = match(pattern(self.pattern), node, {})
        return node if bindings is None else fill(pattern(self.replacement), bindings)


def _read(name: str) -> tuple[Rule, ...]:
    text = files("minnet.exercises").joinpath(name).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    rules = []
    for line in lines:
        formula, cost, words = line.split(" : ", 2)
        before, after = formula.split(" -> ")
        rules.append(Rule(before.strip(), after.strip(), int(cost), words.strip()))
    return tuple(rules)


@cache
def pattern(text: str) -> ast.expr:
    """Return the syntax tree of a pattern."""
    return parse(text)


RULES = _read("rules.txt")
OPERATORS: dict[
    str, list[tuple[Rule, str]]
] = {}  # by kind of node, with the kind of the other value
for _rule in _read("operators.txt"):
    _node, _, _value = _rule.pattern.partition(" ")
    OPERATORS.setdefault(_node, []).append((_rule, _value))


def rewritings(node: ast.expr) -> Iterator[tuple[Rule, Bindings]]:
    """Yield the rules of ``rules.txt`` whose pattern the node has, and the bindings."""
    for rule in _rules_for(type(node).__name__):
        bindings = match(pattern(rule.pattern), node, {})
        if bindings is not None:
            yield rule, bindings


@cache
def _rules_for(kind: str) -> list[Rule]:
    return [rule for rule in RULES if type(pattern(rule.pattern)).__name__ == kind]


def _letter(node: Any) -> str:
    return node.id if isinstance(node, ast.Name) and len(node.id) == 1 and node.id.isupper() else ""


def match(  # noqa: PLR0911 - one return for each kind of node
    pattern: Any, node: Any, bindings: Bindings
) -> Bindings | None:
    """Match a tree with a pattern; return what the letters stand for, or None."""
    letter = _letter(pattern)
    if letter:
        names = {"F": ELEMENTWISE, "R": REDUCTIONS}.get(letter)
        if names is not None and not (isinstance(node, ast.Name) and node.id in names):
            return None
        if letter in bindings and ast.dump(bindings[letter]) != ast.dump(node):
            return None
        bindings[letter] = node
        return bindings
    if type(pattern) is not type(node):
        return None
    if isinstance(pattern, ast.AST):
        for field in pattern._fields:
            if field not in ("ctx", "kind") and (
                match(getattr(pattern, field), getattr(node, field), bindings) is None
            ):
                return None
        return bindings
    if isinstance(pattern, list):
        if pattern and isinstance(pattern[-1], ast.keyword) and pattern[-1].arg is None:
            first = len(pattern) - 1
            bindings["K"] = node[first:]
            pattern, node = pattern[:first], node[:first]
        if len(pattern) != len(node):
            return None
        pairs = zip(pattern, node, strict=True)
        return bindings if all(match(*pair, bindings) is not None for pair in pairs) else None
    return bindings if pattern == node else None


def fill(template: Any, bindings: Bindings) -> Any:
    """Return a copy of a template in which the letters are replaced."""
    if _letter(template):
        return bindings[_letter(template)]
    if isinstance(template, list):
        if template and isinstance(template[-1], ast.keyword) and template[-1].arg is None:
            return [*(fill(each, bindings) for each in template[:-1]), *bindings["K"]]
        return [fill(each, bindings) for each in template]
    if isinstance(template, ast.expr | ast.keyword):
        fields = {name: fill(getattr(template, name), bindings) for name in template._fields}
        return node_like(template, **fields)
    return template

"""Rewriting rules for slips in formulas, which are listed in ``rules.txt``.

A rule has a pattern, a replacement, words, and a cost, which is higher for less likely slips. In a
pattern single capital letters stand for any expression, F for an elementwise function, R for a
reduction and ``**K`` for any further keywords. In the words, a letter in braces is replaced by a
description of the expression. Two changes with the same words are the same mistake at two places.
"""

import ast
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from minnet.exercises.reference import ELEMENTWISE, REDUCTIONS, parse

Bindings = dict[str, Any]


def _read() -> tuple[tuple[str, str, str, int], ...]:
    """Return the rules of ``rules.txt``: pattern, replacement, words and cost."""
    text = files("minnet.exercises").joinpath("rules.txt").read_text(encoding="utf-8")
    rules = []
    for line in text.splitlines():
        if line and not line.startswith("#"):
            formula, cost, words = line.split(" : ", 2)
            pattern, replacement = formula.split(" -> ")
            rules.append((pattern.strip(), replacement.strip(), words.strip(), int(cost)))
    return tuple(rules)


RULES = _read()


def rewritings(node: ast.expr) -> Iterator[tuple[int, Bindings]]:
    """Yield the position in RULES and the bindings of each rule whose pattern the node has."""
    for index in _rules_for(type(node).__name__):
        bindings = match(_pattern(RULES[index][0]), node, {})
        if bindings is not None:
            yield index, bindings


def rewrite(index: int, node: ast.expr) -> ast.expr:
    """Return the node as rewritten by a rule, or the node if another edit has changed its form."""
    pattern, replacement, _, _ = RULES[index]
    bindings = match(_pattern(pattern), node, {})
    if bindings is None:
        return node
    result = fill(_pattern(replacement), bindings)
    assert isinstance(result, ast.expr)
    return result


@cache
def _pattern(text: str) -> ast.expr:
    return parse(text)


@cache
def _rules_for(kind: str) -> tuple[int, ...]:
    kinds = (type(_pattern(pattern)).__name__ for pattern, *_ in RULES)
    return tuple(index for index, each in enumerate(kinds) if each == kind)


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
            bindings["K"] = node
            return bindings
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
            return bindings["K"]
        return [fill(each, bindings) for each in template]
    if isinstance(template, ast.AST):
        fields = {name: fill(getattr(template, name), bindings) for name in template._fields}
        return type(template)(**fields)
    return template

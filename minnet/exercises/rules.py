"""Rewriting rules for slips in formulas: pattern, replacement, words, and how unlikely the slip is.

Single capital letters stand for any expression, F for an elementwise function, R for a reduction
and ``**K`` for any further keywords. In the words, a letter in braces is replaced by a description
of the expression. Two changes with the same words are the same mistake at two places.
"""

import ast
from collections.abc import Iterator
from functools import cache
from typing import Any

from minnet.exercises.reference import ELEMENTWISE, REDUCTIONS, parse

Bindings = dict[str, Any]

RULES: tuple[tuple[str, str, str, int], ...] = (
    ("A + B", "A", "{B} is missing", 1),
    ("A + B", "B", "{A} is missing", 1),
    ("A + B", "A - B", "{B} has the wrong sign", 1),
    ("A + B", "B - A", "{A} has the wrong sign", 2),
    ("A + B", "A * B", "a product is used where a sum belongs", 4),
    ("A + B", "A + 2 * B", "{B} is added twice", 3),
    ("A - B", "A", "{B} is missing", 1),
    ("A - B", "-B", "{A} is missing", 2),
    ("A - B", "B", "only {B} is left", 3),
    ("A - B", "A + B", "{B} has the wrong sign", 1),
    ("A - B", "B - A", "the difference has the wrong sign", 1),
    ("A - B", "A - 2 * B", "{B} is subtracted twice", 3),
    ("A - B", "A / B", "a quotient is used where a difference belongs", 4),
    ("A * B", "A", "{B} is missing as a factor", 1),
    ("A * B", "B", "{A} is missing as a factor", 1),
    ("A * B", "A / B", "{B} divides where it should multiply", 2),
    ("A * B", "B / A", "{A} divides where it should multiply", 2),
    ("A * B", "A + B", "a sum is used where a product belongs", 3),
    ("A * B", "A * B * B", "{B} is a factor twice", 2),
    ("A * B", "A * A * B", "{A} is a factor twice", 2),
    ("A / B", "A", "the division by {B} is missing", 1),
    ("A / B", "A * B", "{B} multiplies where it should divide", 2),
    ("A / B", "B / A", "the quotient is upside down", 2),
    ("A / B", "A / B / B", "the division by {B} is done twice", 2),
    ("A / B", "A // B", "the division is rounded down to whole numbers", 3),
    ("A / B", "1 / B", "{A} is missing above the division", 3),
    ("A / (B + C)", "A / B + C", "the bracket below the division is missing", 2),
    ("A / (B - C)", "A / B - C", "the bracket below the division is missing", 2),
    ("(A + B) / C", "A + B / C", "only the last term is divided by {C}", 2),
    ("(A + B) / C", "A / C + B", "only the first term is divided by {C}", 2),
    ("(A - B) / C", "A - B / C", "only the last term is divided by {C}", 2),
    ("(A - B) / C", "A / C - B", "only the first term is divided by {C}", 2),
    ("A * (B + C)", "A * B + C", "only the first term is multiplied by {A}", 2),
    ("A * (B + C)", "B + A * C", "only the last term is multiplied by {A}", 2),
    ("A * (B - C)", "A * B - C", "only the first term is multiplied by {A}", 2),
    ("A * (B - C)", "B - A * C", "only the last term is multiplied by {A}", 2),
    ("A * B + C", "A * (B + C)", "{C} is multiplied too", 2),
    ("A * B - C", "A * (B - C)", "{C} is multiplied too", 2),
    ("A / B + C", "(A + C) / B", "{C} is divided too", 2),
    ("A / B - C", "(A - C) / B", "{C} is divided too", 2),
    ("A * B / C", "A * C / B", "{B} and {C} are exchanged", 1),
    ("A / B * C", "A * B / C", "{B} and {C} are exchanged", 1),
    ("A @ B", "B @ A", "the two factors of the matrix product are swapped", 1),
    ("A @ B", "A * B", "an entrywise product is used where a matrix product belongs", 3),
    ("A @ B", "A @ B.T", "{B} is transposed", 1),
    ("A @ B", "A.T @ B", "{A} is transposed", 1),
    ("A @ B.T", "A @ B", "{B} is not transposed", 1),
    ("A.T @ B", "A @ B", "{A} is not transposed", 1),
    ("A.T @ B", "B.T @ A", "the result is transposed", 1),
    ("A ** B", "A", "the power is missing", 1),
    ("A ** B", "abs(A)", "the absolute value is used where a power belongs", 2),
    ("A ** B", "A * B", "a product with the exponent is used where a power belongs", 2),
    ("A ** B", "B ** A", "base and exponent are swapped", 3),
    ("-A", "A", "the sign is wrong", 1),
    ("~A", "A", "the condition is the wrong way round", 1),
    ("F(A)", "A", "{F} is missing", 1),
    ("F(A)", "F(F(A))", "{F} is taken twice", 2),
    ("F(A + B)", "F(A) + B", "{B} is outside of {F}", 1),
    ("F(A + B)", "F(A) + F(B)", "{F} is taken of each term, not of their sum", 2),
    ("F(A + B)", "A + F(B)", "{A} is outside of {F}", 3),
    ("F(A - B)", "F(A) - B", "{B} is outside of {F}", 1),
    ("F(A - B)", "F(A) - F(B)", "{F} is taken of each term, not of their difference", 2),
    ("F(A) + B", "F(A + B)", "{B} is inside of {F}", 1),
    ("F(A) - B", "F(A - B)", "{B} is inside of {F}", 1),
    ("F(A) * B", "F(A * B)", "{B} is inside of {F}", 2),
    ("B * F(A)", "F(B * A)", "{B} is inside of {F}", 2),
    ("F(A) / B", "F(A / B)", "{B} is inside of {F}", 2),
    ("F(A * B)", "F(A) * B", "{B} is outside of {F}", 2),
    ("F(A * B)", "A * F(B)", "{A} is outside of {F}", 2),
    ("F(A / B)", "F(A) / B", "{B} is outside of {F}", 2),
    ("F(A / B)", "A / F(B)", "{A} is outside of {F}", 2),
    ("F(A ** B)", "F(A) ** B", "{F} is taken before the power", 2),
    ("F(A) ** B", "F(A ** B)", "{F} is taken after the power", 2),
    ("F(R(A, **K))", "R(F(A), **K)", "{F} is taken before {R}", 1),
    ("R(F(A), **K)", "F(R(A, **K))", "{F} is taken after {R}", 1),
    ("R(A, **K)", "A", "{R} is missing", 2),
    ("R(A ** B, **K)", "R(A, **K) ** B", "{R} is taken before the power", 1),
    ("R(A, **K) ** B", "R(A ** B, **K)", "{R} is taken after the power", 2),
    ("R(A * B, **K)", "R(A, **K) * B", "{B} is outside of {R}", 2),
    ("R(A * B, **K)", "A * R(B, **K)", "{A} is outside of {R}", 2),
    ("R(A * B, **K)", "R(A, **K) * R(B, **K)", "{R} is taken of each factor", 2),
    ("R(A, **K) * B", "R(A * B, **K)", "{B} is inside of {R}", 2),
    ("R(A) / R(B)", "R(A / B)", "{R} is taken of the quotients", 2),
    ("mean(A, **K)", "sum(A, **K)", "a sum is used where a mean belongs", 1),
    ("sum(A, **K)", "mean(A, **K)", "a mean is used where a sum belongs", 1),
    ("mean(A, **K)", "median(A, **K)", "the median is used where the mean belongs", 3),
    ("mean(A, **K)", "max(A, **K)", "the maximum is used where the mean belongs", 3),
    ("mean(A, **K)", "std(A, **K)", "the standard deviation is used where the mean belongs", 3),
    ("sum(A, **K)", "max(A, **K)", "the maximum is used where the sum belongs", 3),
    ("max(A, **K)", "min(A, **K)", "the minimum is used where the maximum belongs", 2),
    ("max(A, **K)", "sum(A, **K)", "the sum is used where the maximum belongs", 3),
    ("max(A, **K)", "mean(A, **K)", "the mean is used where the maximum belongs", 3),
    ("var(A, **K)", "std(A, **K)", "the standard deviation is used where the variance belongs", 1),
    ("std(A, **K)", "var(A, **K)", "the variance is used where the standard deviation belongs", 1),
    ("mean(A ** B, **K)", "var(A, **K)", "the variance is used where a mean square belongs", 1),
    ("sqrt(A)", "square(A)", "the square is used where the root belongs", 2),
    ("log(A)", "log2(A)", "the logarithm has base 2", 2),
    ("log(A)", "log10(A)", "the logarithm has base 10", 2),
    ("abs(A)", "square(A)", "the square is used where the absolute value belongs", 2),
    ("sign(A)", "abs(A)", "the absolute value is used where the sign belongs", 1),
    ("maximum(A, B)", "minimum(A, B)", "the smaller value is taken, not the larger one", 1),
    ("maximum(A, B)", "A", "the lower limit is missing", 2),
    ("maximum(A, B)", "abs(A)", "the absolute value is used where a lower limit belongs", 2),
    ("minimum(A, B)", "A", "the upper limit is missing", 2),
    ("minimum(A, B)", "maximum(A, B)", "the larger value is taken, not the smaller one", 1),
    ("where(A, B, C)", "B", "the condition is ignored", 1),
    ("where(A, B, C)", "C", "the condition counts as false everywhere", 2),
    ("where(A, B, C)", "where(A, C, B)", "the two cases are exchanged", 1),
    ("where(A, B, C)", "where(A, B, 0)", "the value is 0 where the condition is false", 1),
    ("where(A, B, C)", "where(A, 0, C)", "the value is 0 where the condition is true", 2),
    ("where(A, B, C)", "where(A, 1, C)", "the value is 1 where the condition is true", 2),
    ("where(A, B, C)", "where(A, B, 1)", "the value is 1 where the condition is false", 2),
    ("A[B]", "A", "the selection of entries is missing", 2),
    ("A[1:]", "A[:-1]", "the last entry is left out where the first should be", 2),
    ("A[:-1]", "A[1:]", "the first entry is left out where the last should be", 2),
    ("searchsorted(A, B, side='right')", "searchsorted(A, B)", "equal values are left out", 1),
    ("searchsorted(A, B)", "searchsorted(A, B, side='right')", "equal values are counted too", 1),
    ("zeros_like(A)", "ones_like(A)", "it begins with 1", 1),
    ("ones_like(A)", "zeros_like(A)", "it begins with 0", 1),
    ("A if B else C", "A", "the condition on {B} is ignored", 1),
    ("A if B else C", "C", "the condition on {B} counts as false", 2),
    ("A if B else C", "C if B else A", "the condition on {B} is the wrong way round", 2),
    ("A > B", "A >= B", "the comparison includes equality", 1),
    ("A >= B", "A > B", "the comparison excludes equality", 1),
    ("A < B", "A <= B", "the comparison includes equality", 1),
    ("A <= B", "A < B", "the comparison excludes equality", 1),
    ("A > B", "A < B", "the comparison is the wrong way round", 1),
    ("A >= B", "A < B", "the comparison is the wrong way round", 1),
    ("A < B", "A >= B", "the comparison is the wrong way round", 1),
    ("A <= B", "A > B", "the comparison is the wrong way round", 1),
    ("A == B", "A != B", "the comparison is the wrong way round", 2),
    ("A > B", "abs(A) > B", "the comparison is with an absolute value", 3),
    ("A > B", "A != B", "the comparison is with a difference from 0 of either sign", 3),
    ("A & B", "A", "one of the two conditions is missing", 1),
    ("A & B", "B", "one of the two conditions is missing", 1),
    ("A | B", "A", "one of the two conditions is missing", 1),
    ("A | B", "B", "one of the two conditions is missing", 1),
)  # fmt: skip


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

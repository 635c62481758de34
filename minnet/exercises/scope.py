"""The values that a step may use, and what they are in words."""

import ast
from collections.abc import Iterable, Iterator
from itertools import permutations
from typing import Any

import numpy as np

from minnet.exercises.reference import ELEMENTWISE, REDUCTIONS, Reference, Values, parse
from minnet.exercises.rules import Bindings
from minnet.validation import Array

CONSTANTS = "0.0 1.0 2.0 0.5 0.9 0.99 0.999 0.1 0.01 0.001 1e-05 1e-07 1e-08".split()  # noqa: SIM905
FUNCTION_WORDS = ELEMENTWISE | REDUCTIONS
SIMPLE: dict[type, str] = {
    ast.Add: "plus", ast.Sub: "minus", ast.Mult: "times", ast.Div: "divided by",
}  # fmt: skip
BRACKETS: dict[type, str] = {
    ast.Add: "the sum in the formula", ast.Sub: "the difference in the formula",
    ast.Mult: "the product in the formula", ast.Div: "the quotient in the formula",
    ast.MatMult: "the matrix product", ast.Pow: "the power",
}  # fmt: skip


class Scope:
    """The values that a step may use, by name, and what they are in words."""

    def __init__(self, reference: Reference, values: Values) -> None:
        start = reference.start
        self.steps = {step.name for step in reference.steps.values()}
        self.values = {
            name: values[name]
            for name in reference.meanings
            if name in values and values[name] is not start.get(name)
        }
        self.meanings = reference.meanings
        self.scalars = [name for name, value in self.values.items() if is_number(value)]

        self.arrays = [name for name, value in self.values.items() if type(value) is np.ndarray]
        texts = [form for step in reference.steps.values() for form in step.forms]
        used = [name for name in ELEMENTWISE if any(f"{name}(" in text for text in texts)]
        self.functions = ["abs", "sqrt", *used]

    def others(self, kind: str, name: str) -> Iterator[dict[str, ast.expr]]:
        """Yield what X, and Y, may stand for in the rules of ``operators.txt``.

        A kind is ``number``, ``size`` for a whole number above 1, ``constant``, ``array``,
        ``value`` for a number or array, ``like`` for an array of the same shape, ``shares`` for
        such an array of numbers between 0 and 1, ``gradient`` for that of the name, ``function``,
        or ``two`` for two numbers. S stands for the name.
        """
        shape = np.shape(self.values[name]) if name in self.arrays else None
        like = [each for each in self.arrays if self.values[each].shape == shape]
        names: dict[str, Iterable[str]] = {
            "": [""], "number": self.scalars, "constant": CONSTANTS, "array": self.arrays,
            "value": [*self.scalars, *self.arrays], "like": like, "function": self.functions,
            "size": [each for each in self.scalars if _is_size(self.values[each])],
            "shares": [each for each in like if _are_shares(self.values[each])],
            "gradient": [each for each in like if each == f"d{name}" and each in self.steps],
        }  # fmt: skip
        if kind == "two":
            for one, other in permutations(self.scalars, 2):
                yield {"X": parse(one), "Y": parse(other)}
            return
        for found in names[kind]:
            if found != name or not found:
                yield {"X": parse(found or "0"), "S": parse(name or "0")}

    def fill(self, words: str, bindings: Bindings, **others: str) -> str:
        """Replace the letters in braces by descriptions."""
        described = {letter: self.describe(part) for letter, part in bindings.items()}
        text = words.format(**(described | others))
        return text.replace("the condition on the condition on", "the condition on")

    def describe(self, node: Any) -> str:  # noqa: PLR0911 - one return for each kind of expression
        """Describe an expression in words without writing it out."""
        match node:
            case ast.Name(id=name):
                return self.meanings.get(name) or FUNCTION_WORDS.get(name, name)
            case ast.Constant(value=int() | float() as value):
                return f"{value:g}"
            case ast.Attribute(value=value, attr="T"):
                return f"the transpose of {self.describe(value)}"
            case ast.UnaryOp(operand=operand):
                minus = "-" * (isinstance(node.op, ast.USub) and isinstance(operand, ast.Constant))
                return minus + self.describe(operand)
            case ast.Call(func=ast.Name(id="where")):
                return "the distinction of cases"
            case ast.Call(func=ast.Name(id=name), args=[argument, *_]):
                return f"{FUNCTION_WORDS.get(name, name)} of {self.describe(argument)}"
            case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=2)):
                return f"the square of {self.describe(left)}"
            case ast.BinOp(
                left=ast.Name() | ast.Constant() as a, op=op, right=ast.Name() | ast.Constant() as b
            ) if type(op) in SIMPLE:
                return f"{self.describe(a)} {SIMPLE[type(op)]} {self.describe(b)}"
            case ast.BinOp(left=ast.Name() as a, op=ast.Pow(), right=ast.Name() as b):
                return f"{self.describe(a)} to the power of {self.describe(b)}"
            case ast.BinOp(left=ast.Constant(value=1), op=ast.Sub(), right=right):
                return f"1 minus {self.describe(right)}"
            case ast.BinOp(op=op):
                return BRACKETS.get(type(op), "a bracket")
            case ast.Compare(left=left):
                return f"the condition on {self.describe(left)}"
        return "a part"


def _is_size(value: Any) -> bool:
    return isinstance(value, int | np.integer) and bool(value > 1)


def _are_shares(value: Array) -> bool:
    return value.dtype.kind == "f" and bool(np.all((value > 0) & (value < 1)))


def is_number(value: Any) -> bool:
    """Return whether a value is a single number, and not a truth value."""
    numbers = int | float | np.integer | np.floating
    return isinstance(value, numbers) and not isinstance(value, bool)

"""The values that a step may use, and what they are in words."""

import ast
from typing import Any

import numpy as np

from minnet.exercises.reference import ELEMENTWISE, REDUCTIONS, Reference, Values

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
        self.values = {
            name: values[name]
            for name in reference.meanings
            if name in values and values[name] is not start.get(name)
        }
        self.meanings = reference.meanings
        self.scalars = [name for name, value in self.values.items() if is_number(value)]

    def like(self, name: str) -> list[str]:
        """Return the other names of arrays with the same shape."""
        shape = self.values[name].shape
        arrays = [each for each in self.values if isinstance(self.values[each], np.ndarray)]
        return [other for other in arrays if other != name and self.values[other].shape == shape]

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
                return self.describe(operand)
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
                return self.describe(left)
        return "a part"


def is_number(value: Any) -> bool:
    """Return whether a value is a single number, and not a truth value."""
    numbers = int | float | np.integer | np.floating
    return isinstance(value, numbers) and not isinstance(value, bool)

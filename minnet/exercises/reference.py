"""The reference of an exercise: the solution as labelled steps in NumPy.

A `Step` is one line of mathematics, such as ``mean(x, axis=0)``, with a name and a meaning in
words. A `Method` is an ordered list of steps with a signature. A `Reference` holds the methods of
a function or class. `minnet.exercises.operators` changes the syntax trees of the steps; `Program`
compiles the trees and is used as an answer is.

Names of NumPy functions stand without a prefix. The arguments and all results of steps stay
available to later calls of the same object: they are the state. Before its first value the result
of a step is 0. ``first`` is True in the first call of a method.
"""

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from types import CodeType
from typing import Any

import numpy as np

Key = tuple[str, int]  # name of a method, and position of a step in it
Trees = dict[Key, ast.expr]
Values = dict[str, Any]

ELEMENTWISE = {
    "sqrt": "the root", "exp": "the exponential", "log": "the logarithm", "tanh": "tanh",
    "abs": "the absolute value", "square": "the square", "sign": "the sign",
    "log2": "the logarithm of base 2", "log10": "the logarithm of base 10",
}  # fmt: skip
REDUCTIONS = {
    "sum": "the sum", "mean": "the mean", "var": "the variance", "std": "the standard deviation",
    "max": "the maximum", "min": "the minimum", "argmax": "argmax", "any": "any", "all": "all",
    "median": "the median", "cumsum": "the running sum", "count_nonzero": "the count",
}  # fmt: skip
OTHERS = (
    "maximum minimum where arange array asarray zeros zeros_like ones ones_like eye diff sort "
    "searchsorted histogram concatenate stack ravel isfinite outer einsum clip"
)
BUILTINS = {function.__name__: function for function in (len, zip, range, enumerate, list, dict)}
FUNCTIONS: Values = {
    name: getattr(np, name) for name in (*ELEMENTWISE, *REDUCTIONS, *OTHERS.split())
} | {"pi": np.pi, "__builtins__": BUILTINS}


@dataclass(frozen=True)
class Step:
    """One step of a solution.

    Attributes
    ----------
    name : str
        Name of the result in later steps and among the attributes of an answer.
    meaning : str
        What the result is, as a noun phrase for a message: "the mean of the batch".
    expression : str
        A NumPy expression.
    also : tuple of str
        Alternative forms with the same value. Which slips are natural depends on the form. The
        first alternative forms of all steps together make one further program, and so on.
    when : str, optional
        A condition; where it is false, the result keeps its earlier value.
    """

    name: str
    meaning: str
    expression: str
    also: tuple[str, ...] = ()
    when: str | None = None

    def text(self, form: int = 0) -> str:
        """Return a form with the condition, or the main form if there are fewer."""
        text = self.also[form - 1] if 0 < form <= len(self.also) else self.expression
        return f"({text}) if ({self.when}) else {self.name}" if self.when else text

    def tree(self, form: int = 0) -> ast.expr:
        """Return the syntax tree of a form."""
        return parse(self.text(form))


def parse(text: str) -> ast.expr:
    """Return the syntax tree of an expression."""
    return ast.parse(text.strip(), mode="eval").body


class Method:
    """A function or method: its signature, the results that it returns, and its steps.

    >>> double = Method("double(x)", "y", Step("y", "the output", "2 * x"))
    >>> double.name, double.arguments, double.returns
    ('double', ['x'], ['y'])
    """

    def __init__(self, signature: str, returns: str = "", *steps: Step) -> None:
        call = parse(signature)
        assert isinstance(call, ast.Call)
        self.name = ast.unparse(call.func)
        self.arguments = [ast.unparse(argument) for argument in call.args]
        self.returns = [name.strip() for name in returns.split(",") if name.strip()]
        self.steps = steps


class Reference:
    """The methods of a solution, the first of which is the function or the constructor.

    Parameters
    ----------
    *methods : Method
        One for a function; for a class the constructor first, named as the class.
    words : mapping, optional
        What arguments are, for messages: ``{"dy": "the gradient dy"}``. An argument that is not
        listed is called by its name.
    functions : mapping, optional
        Further functions that the expressions may use.
    """

    def __init__(
        self,
        *methods: Method,
        words: Mapping[str, str] | None = None,
        functions: Mapping[str, Callable[..., Any]] | None = None,
    ) -> None:
        self.methods = {method.name: method for method in methods}
        self.steps: dict[Key, Step] = {
            (method.name, index): step
            for method in methods
            for index, step in enumerate(method.steps)
        }
        names = [step.name for step in self.steps.values()]
        self.meanings = {
            **{name: name for method in methods for name in method.arguments},
            **{
                step.name: step.meaning if names.count(step.name) == 1 else step.name
                for step in self.steps.values()
            },
            **(words or {}),
        }
        start = {step.name: 0.0 for step in self.steps.values()}
        self.functions = dict(functions or {})
        self.start: Values = FUNCTIONS | self.functions | start
        self.stateful = len(methods) > 1
        self.forms = 1 + max((len(step.also) for step in self.steps.values()), default=0)

    @cached_property
    def right(self) -> "Program":
        """The reference itself."""
        return Program(self, {})

    def trees(self, form: int = 0) -> Trees:
        """Return the syntax trees of all steps in a form."""
        return {key: step.tree(form) for key, step in self.steps.items()}

    def codes(self, form: int) -> dict[Key, CodeType]:
        """Return the compiled steps in a form; each form is compiled once."""
        if form not in self._codes:
            self._codes[form] = {key: compiled(tree) for key, tree in self.trees(form).items()}
        return self._codes[form]

    @cached_property
    def _codes(self) -> dict[int, dict[Key, CodeType]]:
        return {}

    def reads(self, key: Key, other: Key) -> bool:
        """Return whether a step uses the result of another one in any of its forms."""
        name = self.steps[other].name
        step = self.steps[key]
        return any(name in _names(step.tree(form)) for form in range(1 + len(step.also)))

    def affected(self, form: int) -> set[Key]:
        """Return the steps whose mutants in a form differ from those in the main form.

        These are the steps with a text of their own in this form, and all that they depend on.
        """
        if form == 0:
            return set(self.steps)
        found = {key for key, step in self.steps.items() if len(step.also) >= form}
        used = set().union(*(_names(self.steps[key].tree(form)) for key in found))
        while new := {key for key, step in self.steps.items() if step.name in used} - found:
            found |= new
            used |= set().union(*(_names(self.steps[key].tree(form)) for key in new))
        return found

    def find(self, name: str) -> Key:
        """Return the key of the first step with that meaning, or else with that name."""
        by_meaning = {step.meaning: key for key, step in reversed(self.steps.items())}
        by_name = {step.name: key for key, step in reversed(self.steps.items())}
        return by_meaning[name] if name in by_meaning else by_name[name]


def _names(tree: ast.expr) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def compiled(tree: ast.expr) -> CodeType:
    """Compile an expression."""
    return compile(ast.fix_missing_locations(ast.Expression(tree)), "<reference>", "eval")


class Program:
    """A reference in which some steps are replaced; it is used as an answer is.

    Parameters
    ----------
    reference : Reference
        The right steps.
    changed : dict
        Syntax trees by key, in place of the reference's own.
    form : int, default 0
        Which of the alternative forms is used.
    order : tuple of Key, optional
        (moved, before): the first step is executed before the second.
    swapped : tuple of str, optional
        Two results that are exchanged.
    trace : dict, optional
        Receives, for each step, the values by name before each execution of it.
    """

    def __init__(
        self,
        reference: Reference,
        changed: Trees,
        form: int = 0,
        *,
        order: tuple[Key, Key] | None = None,
        swapped: tuple[str, str] | None = None,
        trace: dict[Key, list[Values]] | None = None,
    ) -> None:
        self.reference, self.trace = reference, trace
        self.public = dict(zip(swapped, reversed(swapped), strict=True)) if swapped else {}
        codes = reference.codes(form) | {key: compiled(tree) for key, tree in changed.items()}
        self.steps: dict[str, list[tuple[Key, str, CodeType]]] = {
            name: [] for name in reference.methods
        }
        for key in _ordered(list(reference.steps), order):
            self.steps[key[0]].append((key, reference.steps[key].name, codes[key]))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the function returns, or a new object of the class."""
        model = Model(self)
        first = next(iter(self.reference.methods.values()))
        result = model.call(first, *args, **kwargs)
        return result if first.returns else model


def _ordered(keys: list[Key], order: tuple[Key, Key] | None) -> list[Key]:
    if order is not None:
        moved, before = order
        keys.remove(moved)
        keys.insert(keys.index(before), moved)
    return keys


class Model:
    """An object of the class that a program defines, with its state."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._values: Values = dict(program.reference.start)
        self._called: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in self._program.reference.methods:
            return partial(self.call, self._program.reference.methods[name])
        if name not in self._values:
            raise AttributeError(name)
        return self._values[self._program.public.get(name, name)]

    def call(self, method: Method, *args: Any, **kwargs: Any) -> Any:
        """Execute the steps of a method; return one result, a tuple of several, or None."""
        values, trace = self._values, self._program.trace
        values.update(zip(method.arguments, args, strict=False))
        values.update(kwargs)
        values["first"] = method.name not in self._called
        self._called.add(method.name)
        for key, name, code in self._program.steps[method.name]:
            if trace is not None:
                trace.setdefault(key, []).append(dict(values))
            values[name] = eval(code, values)
        public = self._program.public
        results = tuple(values[public.get(name, name)] for name in method.returns)
        return results if len(results) != 1 else results[0]

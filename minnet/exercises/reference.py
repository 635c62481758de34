"""The reference of an exercise: the solution as labelled steps in NumPy.

A `Step` is one line of mathematics, such as ``mean(x, axis=0)``, with a name and a meaning in
words. A `Reference` holds the steps of a function, or of the methods of a class.
`minnet.exercises.operators` changes the syntax trees of the steps, and `minnet.exercises.program`
compiles them.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from types import CodeType
from typing import Any

LOOP_INDENT = 4  # spaces before a loop

Key = tuple[str, int]  # name of a method, and position of a step in it
Codes = dict[Key, CodeType]
Values = dict[str, Any]

ELEMENTWISE = {
    "sqrt": "the root", "exp": "the exponential", "log": "the logarithm", "tanh": "tanh",
    "abs": "the absolute value", "square": "the square", "sign": "the sign",
    "sigmoid": "the sigmoid", "relu": "the ReLU",
    "log2": "the logarithm of base 2", "log10": "the logarithm of base 10",
}  # fmt: skip
REDUCTIONS = {
    "sum": "the sum", "mean": "the mean", "var": "the variance", "std": "the standard deviation",
    "max": "the maximum", "min": "the minimum", "argmax": "argmax", "any": "any", "all": "all",
    "median": "the median", "cumsum": "the running sum", "count_nonzero": "the count",
}  # fmt: skip


@dataclass(frozen=True)
class Known:
    """A well-known mistake in words of its own.

    Attributes
    ----------
    id : str
        Short name, such as ``dbias_averaged``.
    message : str
        Completes the sentence "e01 dense: ...".
    hint : str
        One more sentence: a question or a suggestion, but not the answer.
    changes : dict of Key to code
        The changed steps, compiled.
    """

    id: str
    message: str
    hint: str
    changes: Codes


@dataclass(frozen=True)
class Loop:
    """A loop: the names that receive each item of a list, and the list as an expression."""

    names: tuple[str, ...]
    over: str


@dataclass(frozen=True)
class Step:
    """One step of a solution.

    Attributes
    ----------
    name : str
        Name of the result in later steps and among the attributes of an answer.
    meaning : str
        What the result is, as a noun phrase for a message: "the mean of the batch".
    forms : tuple of str
        NumPy expressions with the same value. Which mistakes are likely depends on the form.
        The second forms of all steps are run as one program, the third forms as another.
    when : str
        A condition, or "". Where it is false, the result keeps its earlier value.
    loop : Loop or None
        The loop that the step is in.
    """

    name: str
    meaning: str
    forms: tuple[str, ...]
    when: str = ""
    loop: Loop | None = None

    def text(self, form: int = 0) -> str:
        """Return a form with the condition, or the first form if there are fewer."""
        text = self.forms[form] if form < len(self.forms) else self.forms[0]
        return f"({text}) if ({self.when}) else {self.name}" if self.when else text

    def tree(self, form: int = 0) -> ast.expr:
        """Return the syntax tree of a form."""
        return parse(self.text(form))

    def names(self, form: int | None = None) -> set[str]:
        """Return the names that a form reads, or any form."""
        forms = range(len(self.forms)) if form is None else [form]
        return set().union(*(_names(self.text(each)) for each in forms))


@dataclass(frozen=True)
class Method:
    """The signature of a function or method, and the names of the results that it returns."""

    name: str
    arguments: tuple[str, ...]
    returns: tuple[str, ...]


class Reference:
    """The steps of a solution, in methods of which the first is the function or the constructor.

    Attributes
    ----------
    methods : dict of str to Method
        The methods by name.
    steps : dict of Key to Step
        The steps of all methods in order.
    known : list of Known
        Well-known mistakes.
    equal : dict of str to str
        Why a mutant with the right results is correct, by step and words.
    meanings : dict of str to str
        What arguments, steps and loop variables are, for messages.
    """

    def __init__(
        self, methods: Iterable[Method], steps: Mapping[Key, Step], words: Mapping[str, str]
    ) -> None:
        self.methods = {method.name: method for method in methods}
        self.steps = dict(steps)
        self.known: list[Known] = []
        self.equal: dict[str, str] = {}
        names = [step.name for step in steps.values()]
        arguments = [name for method in self.methods.values() for name in method.arguments]
        arguments += [name for step in steps.values() if step.loop for name in step.loop.names]
        self.meanings = {name: name for name in arguments} | {
            step.name: step.meaning if names.count(step.name) == 1 else step.name
            for step in steps.values()
        }
        self.meanings |= words
        self.start: Values = dict.fromkeys(names, 0.0)
        self._needed: dict[tuple[int, frozenset[str]], set[Key]] = {}
        self.stateful = len(self.methods) > 1
        self.forms = max((len(step.forms) for step in steps.values()), default=1)
        self.returns = {name for method in self.methods.values() for name in method.returns}

    @cached_property
    def codes(self) -> list[Codes]:
        """The compiled steps of each form."""
        steps = self.steps.items()
        return [
            {key: compiled(step.tree(form)) for key, step in steps} for form in range(self.forms)
        ]

    def reads(self, key: Key, other: Key) -> bool:
        """Return whether a step uses the result of another one in any of its forms."""
        return self.steps[other].name in self.steps[key].names()

    @cached_property
    def later(self) -> dict[Key, dict[str, Key]]:
        """For each step, the later steps of its method that do not depend on it, by name.

        Steps in loops, and names with several steps, are left out.
        """
        found: dict[Key, dict[str, Key]] = {key: {} for key in self.steps}
        for key, step in self.steps.items():
            depend = {step.name}
            for other, each in self.steps.items():
                if other[0] != key[0] or other[1] <= key[1] or step.loop:
                    continue
                if each.loop or each.name in depend or each.names() & depend:
                    depend.add(each.name)
                else:
                    found[key][each.name] = other
        return found

    @cached_property
    def state(self) -> tuple[str, ...]:
        """The names of the values that one method sets and another one reads."""
        read = {key[0]: set[str]() for key in self.steps}
        for key, step in self.steps.items():
            read[key[0]] |= step.names()
        own = {method.name: [*method.arguments] for method in self.methods.values()}
        for key, step in self.steps.items():
            own[key[0]].append(step.name)
        return tuple(
            name
            for name in self.meanings
            if any(
                name in own[one] and name in read[other]
                for one in own
                for other in read
                if one != other
            )
        )

    def needed(self, form: int, results: Iterable[str]) -> set[Key]:
        """Return the steps that some of the results depend on in a form."""
        names = {*results}
        known = self._needed.get((form, frozenset(names)))
        while known is None:
            keys = {key for key, step in self.steps.items() if step.name in names}
            steps = [self.steps[key] for key in keys]
            used = set().union(*(step.names(form) for step in steps))
            used.update(*(_names(step.loop.over) for step in steps if step.loop))
            if used <= names:
                known = self._needed[form, frozenset(results)] = keys
            names |= used
        return known

    def affected(self, form: int) -> set[Key]:
        """Return the steps whose mutants in a form differ from those in the first form.

        These are the steps with a text of their own in this form, and all that they depend on.
        """
        own = {step.name for step in self.steps.values() if form < len(step.forms)}
        return self.needed(form, own)

    def find(self, name: str) -> Key:
        """Return the key of the first step with that meaning, or else with that name."""
        by_name = {step.name: key for key, step in reversed(self.steps.items())}
        by_meaning = {step.meaning: key for key, step in reversed(self.steps.items())}
        return (by_name | by_meaning)[name]


def parse(text: str) -> ast.expr:
    """Return the syntax tree of an expression."""
    return ast.parse(text.strip(), mode="eval").body


@cache
def _names(text: str) -> set[str]:
    return {node.id for node in ast.walk(parse(text)) if isinstance(node, ast.Name)}


def node_like(node: ast.expr | ast.keyword, **fields: Any) -> Any:
    """Return a node of the same type with other fields, at the first line."""
    return type(node)(**fields, lineno=1, col_offset=0, end_lineno=1, end_col_offset=0)


def compiled(tree: ast.expr) -> CodeType:
    """Compile an expression."""
    return compile(ast.Expression(tree), "<reference>", "eval")


def read(text: str) -> Reference:
    """Return the reference that a text describes.

    A line that is not indented begins a method, ``name(arguments) -> results``, or a known mistake.
    Each step is a line ``name = expression when condition # meaning``; the condition is optional.
    A line that begins with ``|`` is another form of the step above. ``for names in list`` begins a
    loop, whose steps are indented further. ``given name # meaning`` describes an argument. A known
    mistake has a message, a hint, and one line for each changed step, by meaning or name.
    ``equal step: words # reason`` states why a mutant with the right results is correct.

    Examples
    --------
    >>> reference = read('''
    ... double(x) -> y
    ...     y = 2 * x   # the output
    ...       | x + x
    ... mistake tripled
    ...     y is tripled.
    ...     How often is x added?
    ...     y = 3 * x
    ... ''')
    >>> reference.steps["double", 0]
    Step(name='y', meaning='the output', forms=('2 * x', 'x + x'), when='', loop=None)
    >>> eval(reference.known[0].changes["double", 0], {"x": 2})
    6
    """
    blocks: list[list[str]] = []
    described: dict[str, dict[str, str]] = {"given": {}, "equal": {}}
    for line in filter(str.strip, text.splitlines()):
        first, _, rest = line.partition(" ")
        if first in described:
            name, _, meaning = rest.partition("#")
            described[first][name.strip()] = meaning.strip()
        elif line[0].isspace():
            blocks[-1].append(line)
        else:
            blocks.append([line])
    mistakes = [block for block in blocks if block[0].startswith("mistake ")]
    methods: list[Method] = []
    steps: dict[Key, Step] = {}
    for block in blocks:
        if block not in mistakes:
            methods.append(_method(block[0]))
            steps |= {(methods[-1].name, i): step for i, step in enumerate(_steps(block[1:]))}
    reference = Reference(methods, steps, described["given"])
    reference.known = [_known(reference, block) for block in mistakes]
    reference.equal = described["equal"]
    return reference


def _method(line: str) -> Method:
    signature, _, returns = line.partition("->")
    call = parse(signature)
    assert isinstance(call, ast.Call)
    arguments = tuple(ast.unparse(argument) for argument in call.args)
    return Method(ast.unparse(call.func), arguments, _listed(returns))


def _listed(names: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in names.split(",") if name.strip())


def _steps(lines: list[str]) -> Iterator[Step]:
    step, loop = None, None
    for line in lines:
        text = line.strip()
        if text.startswith("|") and step is not None:
            step = replace(step, forms=(*step.forms, text.removeprefix("|").strip()))
            continue
        if step is not None:
            yield step
            step = None
        if text.startswith("for "):
            names, over = text.removeprefix("for ").split(" in ", 1)
            loop = Loop(_listed(names), over)
            continue
        if len(line) - len(line.lstrip()) <= LOOP_INDENT:
            loop = None
        name, formula, condition, meaning = _assigned(text)
        step = Step(name, meaning, (formula,), condition, loop)
    if step is not None:
        yield step


def _assigned(line: str) -> tuple[str, str, str, str]:
    """Return name, expression, condition and meaning of a line."""
    name, rest = line.split(" = ", 1)
    expression, _, meaning = rest.partition("#")
    expression, _, condition = expression.partition(" when ")
    return name, expression.strip(), condition.strip(), meaning.strip()


def _known(reference: Reference, block: list[str]) -> Known:
    mistake, message, hint, *lines = (line.strip() for line in block)
    changes: Codes = {}
    for line in lines:
        name, expression, condition, _ = _assigned(line)
        key = reference.find(name)
        changed = replace(reference.steps[key], forms=(expression,), when=condition)
        changes[key] = compiled(changed.tree())
    return Known(mistake.removeprefix("mistake "), message, hint, changes)

"""The reference of an exercise: the solution as labelled steps in NumPy.

A `Step` is one line of mathematics, such as ``mean(x, axis=0)``, with a name and a meaning in
words. A `Method` is an ordered list of steps with a signature. A `Reference` holds the methods of
a function or class. `minnet.exercises.operators` changes the syntax trees of the steps, and
`minnet.exercises.program` compiles them.

"""

import ast
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import CodeType
from typing import Any

LOOP_INDENT = 4  # spaces before a loop

Key = tuple[str, int]  # name of a method, and position of a step in it
Trees = dict[Key, ast.expr]
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
    changes : dict of str to str
        The changed steps, by meaning or name, and the expressions in their place.
    """

    id: str
    message: str
    hint: str
    changes: Mapping[str, str]


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


class Loop:
    """Steps that are executed for each item of a list.

    >>> loop = Loop("weight, bias", "zip(weights, biases)", Step("h", "h", "h @ weight + bias"))
    >>> loop.names, loop.over
    (['weight', 'bias'], 'zip(weights, biases)')
    """

    def __init__(self, names: str, over: str, *steps: Step) -> None:
        self.names = [name.strip() for name in names.split(",")]
        self.over, self.steps = over, steps


def parse(text: str) -> ast.expr:
    """Return the syntax tree of an expression."""
    return ast.parse(text.strip(), mode="eval").body


class Method:
    """A function or method: its signature, the results that it returns, and its steps.

    >>> double = Method("double(x)", "y", Step("y", "the output", "2 * x"))
    >>> double.name, double.arguments, double.returns
    ('double', ['x'], ['y'])
    """

    def __init__(self, signature: str, returns: str = "", *parts: Step | Loop) -> None:
        call = parse(signature)
        assert isinstance(call, ast.Call)
        self.name = ast.unparse(call.func)
        self.arguments = [ast.unparse(argument) for argument in call.args]
        self.returns = [name.strip() for name in returns.split(",") if name.strip()]
        self.steps: list[Step] = []
        self.loops: list[Loop | None] = []  # the loop of each step
        for part in parts:
            steps = part.steps if isinstance(part, Loop) else (part,)
            self.steps += steps
            self.loops += [part if isinstance(part, Loop) else None] * len(steps)


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
        self.loops: dict[Key, Loop | None] = {
            (method.name, index): loop
            for method in methods
            for index, loop in enumerate(method.loops)
        }
        names = [step.name for step in self.steps.values()]
        variables = [name for loop in self.loops.values() if loop for name in loop.names]
        arguments = [name for method in methods for name in method.arguments]
        self.meanings = {
            **{name: name for name in (*arguments, *variables)},
            **{
                step.name: step.meaning if names.count(step.name) == 1 else step.name
                for step in self.steps.values()
            },
            **(words or {}),
        }
        start = {step.name: 0.0 for step in self.steps.values()}
        self.functions = dict(functions or {})
        self.start: Values = self.functions | start
        self.stateful = len(methods) > 1
        self.forms = 1 + max((len(step.also) for step in self.steps.values()), default=0)

    def trees(self, form: int = 0) -> Trees:
        """Return the syntax trees of all steps in a form."""
        return {key: step.tree(form) for key, step in self.steps.items()}

    @property
    def returns(self) -> set[str]:
        """The names of all returned results."""
        return {name for method in self.methods.values() for name in method.returns}

    @cached_property
    def codes(self) -> list[dict[Key, CodeType]]:
        """The compiled steps of each form."""
        trees = (self.trees(form) for form in range(self.forms))
        return [{key: compiled(tree) for key, tree in each.items()} for each in trees]

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

    def needed(self, form: int, results: Iterable[str]) -> set[Key]:
        """Return the steps that some of the results depend on in a form."""
        names = {*results}
        while True:
            keys = {key for key, step in self.steps.items() if step.name in names}
            used = set().union(*(_names(self.steps[key].tree(form)) for key in keys))
            if used <= names:
                return keys
            names |= used

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


def read(text: str) -> tuple[Reference, tuple[Known, ...]]:
    """Return the reference and the known mistakes that a text describes.

    A line that is not indented begins a method, ``name(arguments) -> results``, or a known mistake.
    Each step is a line ``name = expression when condition # meaning``; the condition is optional.
    A line that begins with ``|`` is another form of the step above. ``for names in list`` begins a
    loop, whose steps are indented further. ``given name # meaning`` describes an argument. A known
    mistake has a message, a hint, and one line for each changed step, by meaning or name.

    Examples
    --------
    >>> reference, known = read('''
    ... double(x) -> y
    ...     y = 2 * x   # the output
    ...       | x + x
    ... mistake tripled
    ...     y is tripled.
    ...     How often is x added?
    ...     y = 3 * x
    ... ''')
    >>> reference.steps["double", 0]
    Step(name='y', meaning='the output', expression='2 * x', also=('x + x',), when=None)
    >>> known[0].changes
    {'y': '3 * x'}
    """
    blocks: list[list[str]] = []
    words: dict[str, str] = {}
    for line in filter(str.strip, text.splitlines()):
        if line.startswith("given "):
            name, _, meaning = line.removeprefix("given ").partition("#")
            words[name.strip()] = meaning.strip()
        elif line[0].isspace():
            blocks[-1].append(line)
        else:
            blocks.append([line])
    methods = [block for block in blocks if not block[0].startswith("mistake ")]
    reference = Reference(*map(_method, methods), words=words)
    mistakes = [block for block in blocks if block[0].startswith("mistake ")]
    return reference, tuple(_known(reference, block) for block in mistakes)


def _method(block: list[str]) -> Method:
    signature, _, returns = block[0].partition("->")
    parts: list[Step | Loop] = []
    for line in _joined(block[1:]):
        indent = len(line) - len(line.lstrip())
        if line.strip().startswith("for "):
            names, over = line.strip().removeprefix("for ").split(" in ", 1)
            parts.append(Loop(names, over))
        elif parts and isinstance(parts[-1], Loop) and indent > LOOP_INDENT:
            last = parts[-1]
            parts[-1] = Loop(", ".join(last.names), last.over, *last.steps, _step(line))
        else:
            parts.append(_step(line))
    return Method(signature, returns, *parts)


def _joined(lines: list[str]) -> list[str]:
    """Return the lines with the further forms of each step at its end."""
    joined: list[str] = []
    for line in lines:
        if line.strip().startswith("|"):
            joined[-1] += "\n" + line.strip().removeprefix("|")
        else:
            joined.append(line)
    return joined


def _step(line: str) -> Step:
    name, rest = line.strip().split(" = ", 1)
    main, _, others = rest.partition("#")
    meaning, *also = others.split("\n")
    expression, _, condition = main.partition(" when ")
    forms = tuple(form.strip() for form in also)
    return Step(name, meaning.strip(), expression.strip(), forms, condition.strip() or None)


def _known(reference: Reference, block: list[str]) -> Known:
    mistake, message, hint, *lines = (line.strip() for line in block)
    changes: dict[str, str] = {}
    for line in lines:
        step, rest = line.split(" = ", 1)
        expression, _, condition = rest.partition(" when ")
        if condition:
            name = reference.steps[reference.find(step)].name
            expression = f"({expression}) if ({condition}) else {name}"
        changes[step] = expression
    return Known(mistake.removeprefix("mistake "), message, hint, changes)

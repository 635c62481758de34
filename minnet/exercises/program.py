"""Compiled references, which are used as answers are.

Names of NumPy functions stand without a prefix. The arguments and all results of steps stay
available to later calls of the same object: they are the state. Before its first value the result
of a step is 0. ``first`` is True in the first call of a method. The functions ``normal``,
``uniform`` and ``random`` draw from a generator, ``flat`` makes one vector of a list of arrays,
``split`` is its inverse, ``cut`` returns the first rows of each array, by default as many as the
shortest one has, ``alike`` compares the shapes of arrays, and ``spectral`` is the largest singular
value of a matrix.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence, Set
from functools import partial
from itertools import groupby
from types import CodeType
from typing import Any

import numpy as np

from minnet.exercises.reference import (
    ELEMENTWISE,
    REDUCTIONS,
    Codes,
    Key,
    Loop,
    Method,
    Reference,
    Values,
)
from minnet.validation import Array

OTHERS = (
    "maximum minimum where arange array asarray zeros zeros_like ones ones_like eye diff sort "
    "searchsorted histogram concatenate stack ravel isfinite outer einsum clip"
)


def flat(arrays: Sequence[Array]) -> Array:
    """Return the entries of a list of arrays as one vector."""
    return np.concatenate([np.ravel(array) for array in arrays])


def split(vector: Array, like: Sequence[Array]) -> list[Array]:
    """Return the vector as arrays of the shapes of other arrays.

    >>> split(np.arange(3), [np.zeros((1, 2)), np.zeros(1)])
    [array([[0, 1]]), array([2])]
    """
    ends = np.cumsum([array.size for array in like])[:-1]
    return [
        part.reshape(array.shape) for part, array in zip(np.split(vector, ends), like, strict=True)
    ]


def _drawn(method: str) -> Any:
    return lambda rng, *arguments: getattr(rng, method)(*arguments)


def _spectral(array: Array) -> float:
    """Return the largest singular value of a matrix, or the norm of a vector."""
    return float(np.linalg.norm(array, 2))


def _sigmoid(x: Array) -> Array:
    y: Array = 1 / (1 + np.exp(-x))
    return y


def _relu(x: Array) -> Array:
    y: Array = np.maximum(x, 0)
    return y


def blank(array: Array, index: int, axis: int = 0) -> Array:
    """Return a copy of an array in which a row, a column or an entry is 0.

    >>> blank(np.ones((2, 2)), -1, axis=1)
    array([[1., 0.],
           [1., 0.]])
    """
    copied = np.array(array)
    np.moveaxis(copied, axis, 0)[index] = 0
    return copied


OWN = {
    "sigmoid": _sigmoid, "relu": _relu, "spectral": _spectral, "flat": flat, "split": split,
    "blank": blank, "qr": np.linalg.qr,
    "alike": lambda one, other: np.shape(one) == np.shape(other) != (),
    "cut": lambda arrays, rows=None: [each[: rows or min(map(len, arrays))] for each in arrays],
    **{name: _drawn(name) for name in ("normal", "uniform", "random")},
}  # fmt: skip
BUILTINS = {function.__name__: function for function in (len, zip, range, enumerate, list, dict)}
NUMPY = {*ELEMENTWISE, *REDUCTIONS, *OTHERS.split()} - {*OWN}
FUNCTIONS: Values = {name: getattr(np, name) for name in NUMPY} | OWN
FUNCTIONS |= {"pi": np.pi, "__builtins__": BUILTINS}
GUARDED: Values = {"sqrt": lambda x: np.sqrt(np.abs(x)), "log": lambda x: np.log(np.abs(x))}


class Program:
    """A reference in which some steps are replaced; it is used as an answer is.

    A changed step that reads the result of a later one is executed after it.

    Parameters
    ----------
    reference : Reference
        The right steps.
    changed : dict, optional
        Compiled steps by key, in place of the reference's own.
    form : int, default 0
        Which of the alternative forms is used.
    order : tuple of Key, optional
        (moved, before): the first step is executed before the second.
    swapped : dict of str to str, optional
        Results that take the place of others.
    shared : tuple of str, default ()
        The names whose values all objects of the class share.
    kept : bool, default False
        Whether a new object leaves the shared values as they are.
    again : tuple, optional
        (method, value, result, names): the method is executed again with the result in place of the
        value, which gives the names. If the result is "", the method is executed with each entry of
        a list alone, and the names are averaged.
    loops : dict, optional
        Expressions in place of the lists in loops.
    guarded : bool, default False
        Whether absolute values are taken before roots and logarithms.
    public : frozenset of str, optional
        The results that are used. Only steps that these and the changed steps need are executed.
    trace : dict, optional
        Receives, for each step, the values by name before each execution of it. They include the
        results of later steps that do not depend on it.

    Attributes
    ----------
    attributes : set of str
        The attributes of objects that have been read.
    values : dict
        The latest values by name.
    error : str
        The message of the exception that ended it, or "".
    """

    def __init__(
        self,
        reference: Reference,
        changed: Codes | None = None,
        form: int = 0,
        *,
        order: tuple[Key, Key] | None = None,
        swapped: Mapping[str, str] | None = None,
        shared: tuple[str, ...] = (),
        kept: bool = False,
        again: tuple[str, str, str, Sequence[str]] | None = None,
        loops: Mapping[str, str] | None = None,
        guarded: bool = False,
        public: frozenset[str] | None = None,
        trace: dict[Key, list[Values]] | None = None,
    ) -> None:
        self.reference, self.trace = reference, trace
        self.attributes: set[str] = set()
        self.values: Values = {}
        self.error = ""
        self.public = swapped or {}
        self.shared, self.kept, self.again = shared, kept, again
        self.loops, self.functions = loops or {}, FUNCTIONS | (GUARDED if guarded else {})
        self.common: Values = {}
        codes = reference.codes[form] | (changed or {})
        self.steps: dict[str, list[tuple[Key, str, CodeType]]] = {
            name: [] for name in reference.methods
        }
        keys = list(reference.steps)
        if order is not None:
            keys.remove(order[0])
            keys.insert(keys.index(order[1]), order[0])
        for key in changed or {}:
            new = set(codes[key].co_names) - reference.steps[key].names()
            later = [
                keys.index(reference.later[key][name]) for name in new & {*reference.later[key]}
            ]
            if later:
                keys.insert(max(later) + 1, key)
                keys.remove(key)
        if public is not None:
            read = set(again[2:3] if again else ()).union(*map(names_in, (changed or {}).values()))
            needed = reference.needed(form, public | (read & reference.start.keys()))
            keys = [key for key in keys if key in needed]
        for key in keys:
            self.steps[key[0]].append((key, reference.steps[key].name, codes[key]))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the function returns, or a new object of the class."""
        first = next(iter(self.reference.methods.values()))
        model = Model(self)
        result = model.call(first, *args, **kwargs)
        return result if first.returns else model


class Model:
    """An object of the class that a program defines, with its state."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._values: Values = program.functions | program.reference.start
        self._called: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in self._program.reference.methods:
            return partial(self.call, self._program.reference.methods[name])
        if name not in self._values:
            raise AttributeError(name)
        self._program.attributes.add(name)
        name = self._program.public.get(name, name)
        return self._program.common.get(name, self._values[name])

    def call(self, method: Method, *args: Any, **kwargs: Any) -> Any:
        """Execute the steps of a method; return one result, a tuple of several, or None."""
        program, values = self._program, self._values
        program.values = values
        values.update(program.common)
        values.update(zip(method.arguments, args, strict=False))
        values.update(kwargs)
        values["first"] = method.name not in self._called
        self._called.add(method.name)
        self._run(method)
        if program.again is not None and program.again[0] == method.name:
            _, value, result, names = program.again
            once = snapshot(values)
            if result:
                values[value] = values[result]
                self._run(method)
            else:
                self._average(method, value, names)
            values.update({name: once[name] for name in once if name not in names})
        if program.kept and len(self._called) == 1:
            values.update(program.common)
        program.common |= {name: values[name] for name in program.shared}
        if program.trace is not None:
            self._complete(method)
        public = program.public
        results = tuple(values[public.get(name, name)] for name in method.returns)
        return results if len(results) != 1 else results[0]

    def _run(self, method: Method) -> None:
        """Execute the steps of a method once."""
        values = self._values
        for loop, group in groupby(self._program.steps[method.name], key=self._loop):
            body = list(group)
            if loop is None:
                self._execute(body)
                continue
            for item in eval(self._program.loops.get(loop.over, loop.over), values):
                values.update(zip(loop.names, item if len(loop.names) > 1 else [item], strict=True))
                self._execute(body)

    def _average(self, method: Method, entries: str, names: Sequence[str]) -> None:
        """Execute a method for each entry of a list alone, and average the results."""
        values, results = self._values, []
        for entry in values[entries]:
            values[entries] = [entry]
            self._run(method)
            results.append([values[name] for name in names])
        for name, of_entries in zip(names, zip(*results, strict=True), strict=True):
            values[name] = np.mean(of_entries, axis=0)

    def _loop(self, step: tuple[Key, str, CodeType]) -> Loop | None:
        return self._program.reference.steps[step[0]].loop

    def _execute(self, steps: Sequence[tuple[Key, str, CodeType]]) -> None:
        values, trace = self._values, self._program.trace
        for key, name, code in steps:
            if trace is not None:
                trace.setdefault(key, []).append(snapshot(values))
            values[name] = eval(code, values)

    def _complete(self, method: Method) -> None:
        """Add the results of later steps to the latest values in the trace."""
        for key, snapshots in (self._program.trace or {}).items():
            if key[0] == method.name:
                later = self._program.reference.later[key]
                snapshots[-1].update({name: self._values[name] for name in later})


def snapshot(values: Values, names: Set[str] | None = None) -> Values:
    """Return a copy of values by name; generators and objects with attributes are copied, too.

    If names are given, only objects with these names are copied.
    """
    copied = dict(values)
    for name in (values.keys() if names is None else names) - FUNCTIONS.keys():
        if name in values and _has_state(values[name]):
            copied[name] = copy.deepcopy(values[name])
    return copied


def _has_state(value: Any) -> bool:
    """Return whether a value is a generator, or an object with attributes, such as a layer."""
    is_object = hasattr(value, "__dict__") and not callable(value)
    return is_object or isinstance(value, np.random.Generator)


def names_in(code: CodeType) -> Iterator[str]:
    """Yield the names that an expression reads, also in its comprehensions."""
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from names_in(inner)

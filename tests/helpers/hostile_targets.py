"""The public interface of minnet, and a valid call of everything in it.

The interface is read from the package: `__all__` and the modules that README names, with all
methods and all settings that can be assigned. Examples of arguments are chosen by the name of the
parameter, or by function and parameter where a name alone is ambiguous. A public function whose
parameter has no example is an error, so that new functions are covered as soon as they are public.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
from helpers.hostile_examples import EXAMPLES, SPECIAL, World, recorded

from minnet import (
    Capture,
    Dense,
    HistogramProbe,
    History,
    Layer,
    Loss,
    Optimizer,
    Param,
    Sequential,
)
from minnet.recording.recorder import Recorder
from minnet.regularization import Regularizer

MODULES = (
    "minnet", "minnet.schedules", "minnet.initializers", "minnet.datasets", "minnet.checks",
    "minnet.plot", "minnet.recording", "minnet.sklearn", "minnet.exercises",
)  # fmt: skip
PASSED_ON = {
    "minnet.initializers.recommend",
    "minnet.datasets.from_csv",
    "minnet.datasets.read_csv",
}
# Called by minnet itself with arrays that are validated already, or defined by scikit-learn.
INTERNAL = {
    "append", "append_step", "as_target", "backward_layers", "backward_rows", "begin",
    "build_parts",
    "check", "check_attributes", "check_eps", "check_rows", "check_theta", "check_widths",
    "choose_names", "compute", "describe", "differentiate", "draw_params", "end", "forget_buffers",
    "forward_layers", "forward_rows",
    "from_state", "generator_for", "get_metadata_routing", "get_params", "gradient", "of",
    "on_end", "on_epoch", "resume", "score", "set_fit_request", "set_params",
    "set_partial_fit_request", "set_score_request", "to_state", "undo_forward", "update", "walk",
}  # fmt: skip
FIXED = {"weight", "bias", "gamma", "beta", "slope"}  # parameters, which cannot be replaced
RECORDS = {
    "History", "Replay", "Statistics", "Recommendation", "Table", "WrongAnswer", "GradientError",
    "Failure", "LayerInfo",
}  # fmt: skip
# Arguments for which a hostile value is not a fault: sizes of loops, and documented freedom.
SKIPPED = {
    "Sequential.more", "exercises.check.answer",
    "datasets.from_csv.options", "datasets.read_csv.options",  # of pandas.read_csv
}  # fmt: skip
UNBOUNDED = {"epochs", "max_iter"}  # a huge number is no fault, but takes for ever


@dataclass(frozen=True)
class Target:
    """A public function, constructor, method or setting.

    ``prepare(world)`` returns what to call; ``parameters`` are those that may be hostile.
    """

    name: str
    prepare: Callable[[World], Callable[..., Any]]
    parameters: tuple[inspect.Parameter, ...]
    examples: dict[str, Callable[[World], Any]] = field(hash=False)
    weight: float = 1.0


def public() -> Iterator[tuple[str, Any]]:
    """Yield name and object of every public function and class, once."""
    known: set[int] = set()
    for path in MODULES:
        module = import_module(path)
        prefix = "" if path == "minnet" else f"{path.removeprefix('minnet.')}."
        names = getattr(module, "__all__", None) or [n for n in vars(module) if n[0] != "_"]
        for name in sorted(names):
            item = getattr(module, name)
            passed_on = hasattr(module, "__all__") or f"{path}.{name}" in PASSED_ON
            own = str(getattr(item, "__module__", "")).startswith("minnet")
            if not callable(item) or not own or id(item) in known:
                continue
            if passed_on or item.__module__ == path:
                known.add(id(item))
                yield prefix + name, item


@cache
def targets() -> dict[str, Target]:
    """Return everything public that takes arguments, by name."""
    found: dict[str, Target] = {}
    for name, item in public():
        if not inspect.isclass(item):
            _add(found, name, item, lambda world, item=item: item)
            continue
        short = name.rpartition(".")[2]
        if short in RECORDS - {"History"} or item in (Layer, Loss, Optimizer):
            continue  # results, and base classes without mathematics
        if short not in ("History", "Capture"):  # made by minnet, not by users
            _add(found, name, item, lambda world, item=item: item)
        for method, function in inspect.getmembers(item, callable):
            if method[0] != "_" and method not in INTERNAL and inspect.isroutine(function):
                if inspect.isbuiltin(function) or inspect.ismethoddescriptor(function):
                    continue  # of dict
                _add(found, f"{name}.{method}", function, _method_caller(name, item, method))
        for setting in sorted(_settings(item)):
            _add_setting(found, name, item, setting)
    by_name = inspect.Parameter("name", inspect.Parameter.POSITIONAL_ONLY, annotation="Any")
    for name, read in {
        "Sequential[...]": lambda world: world.net.__getitem__,
        "Capture[...]": lambda world: recorded()["captured"].__getitem__,
    }.items():
        _add_reader(found, name, by_name, lambda world: "dense1", read)
    at = inspect.Parameter("step", inspect.Parameter.POSITIONAL_ONLY, annotation="int")
    for name in ("constant", "cosine", "one_cycle", "step", "warmup"):
        make = found[f"schedules.{name}"]
        _add_reader(found, f"schedules.{name}(...)(step)", at, lambda world: 1, _valid(make))
    return found


def _valid(target: Target) -> Any:
    def result(world: World) -> Any:
        arguments = {name: make(world) for name, make in target.examples.items()}
        return apply(target.prepare(world), arguments, False)

    return result


def _add_reader(found: Any, name: str, parameter: Any, example: Any, read: Any) -> None:
    def prepare(world: World) -> Any:
        function = read(world)

        def call(value: Any) -> Any:
            return function(value)

        return call

    parameter = parameter.replace(name="value")
    found[name] = Target(name, prepare, (parameter,), {parameter.name: example})


def _weight(name: str) -> float:
    slow = ("plot.", "exercises.", "sklearn.", "datasets.", "initializers.lsuv", "check_layer")
    if name == "plot.depth_colors":
        return 1.0
    return 0.02 if name.startswith(slow) or name in ("warmup", "load", "save") else 1.0


def _add(found: dict[str, Target], name: str, function: Any, call: Any) -> None:
    signature = inspect.signature(function)
    parameters = tuple(p for p in signature.parameters.values() if p.name != "self")
    if not parameters:
        return
    examples = {}
    for parameter in parameters:
        example = _example(name, parameter)
        if example is not None:
            examples[parameter.name] = example
    inner = name.endswith(".check_input")  # its name is part of the messages only
    hostile = [
        p
        for p in parameters
        if f"{name}.{p.name}" not in SKIPPED and not (inner and p.name == "name")
    ]
    found[name] = Target(name, call, tuple(hostile), examples, _weight(name))


def _example(name: str, parameter: inspect.Parameter) -> Callable[[World], Any] | None:
    """Return the example of a parameter, or None if it is left out of a valid call."""
    parts = name.split(".")
    optional = parameter.default is not parameter.empty or parameter.kind == parameter.VAR_KEYWORD
    for owner in (name, parts[0]):
        if f"{owner}.{parameter.name}" in SPECIAL:
            return SPECIAL[f"{owner}.{parameter.name}"]
    if parameter.kind == parameter.VAR_KEYWORD:
        return None
    if optional and parameter.name not in ("rng", "random_state", "download", "max_iter"):
        return None
    if parameter.name not in EXAMPLES:
        raise LookupError(
            f"{name}: expected an example of the parameter {parameter.name!r} in EXAMPLES or "
            "SPECIAL; every public function needs one"
        )
    return EXAMPLES[parameter.name]


@cache
def _parameters(function: Any) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(function).parameters


def apply(function: Any, arguments: dict[str, Any], by_position: bool) -> Any:
    """Call a function with these arguments, by position where that is possible if requested."""
    positional, named = [], {}
    parameters = _parameters(getattr(function, "__func__", function))
    for key, parameter in parameters.items():
        if key not in arguments:
            by_position = by_position and parameter.kind == parameter.KEYWORD_ONLY
            continue
        value = arguments[key]
        if parameter.kind == parameter.VAR_POSITIONAL:
            positional.append(value)
        elif parameter.kind == parameter.VAR_KEYWORD:
            named["encoding"] = value
        elif (
            parameter.kind == parameter.POSITIONAL_ONLY
            or (by_position and parameter.kind == parameter.POSITIONAL_OR_KEYWORD)
            or (
                any(p.kind == p.VAR_POSITIONAL for p in parameters.values())
                and (parameter.kind == parameter.POSITIONAL_OR_KEYWORD)
            )
        ):
            positional.append(value)
        else:
            named[key] = value
    return function(*positional, **named)


def construct(name: str, kind: type, world: World) -> Any:
    """Return an instance of a public class, made with example arguments and a seed."""
    if kind is Sequential:
        return world.net
    if issubclass(kind, Optimizer):
        world.__dict__["optimizer"] = made = kind(world.net, lr=0.1)
    elif kind in (History, Capture):
        return recorded()["history" if kind is History else "captured"]
    elif issubclass(kind, Recorder):
        return recorded()["counts" if kind is HistogramProbe else "numbers"]
    else:
        parameters = inspect.signature(kind).parameters.values()
        examples = {p.name: _example(name, p) for p in parameters}
        values = {key: make(world) for key, make in examples.items() if make is not None}
        made = apply(kind, values, False)
    if isinstance(made, Layer):
        made.build(rng=0, dtype=world.dtype)
    world.made.append(made)
    return made


def _method_caller(name: str, kind: type, method: str) -> Any:
    def prepare(world: World) -> Any:
        made = construct(name, kind, world)
        if method == "backward" and isinstance(made, Layer):
            made.forward(world.x, training=True)
        elif isinstance(made, Regularizer | Optimizer):
            world.stepped()
        elif method == "observe":
            world.stepped()
            made = kind()
        elif method == "restore":
            made.on_epoch(world.net, recorded()["history"])
        elif name.startswith("sklearn."):
            made.set_params(max_iter=2, random_state=0)
            if not method.endswith("fit"):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # two epochs do not suffice
                    made.fit(world.x, world.labels)
        return getattr(made, method)

    return prepare


# Settings that can be assigned.

ARRAYS = {"theta", "grad", "value", "running_mean", "running_var"}


def _settings(kind: type) -> set[str]:
    """Return the settable properties, and the attributes that the constructor validates."""
    found = set()
    for name in dir(kind):
        held = inspect.getattr_static(kind, name)
        if name[0] != "_" and isinstance(held, property) and held.fset:
            found.add(name)
    if issubclass(kind, Layer | Optimizer | Regularizer | Loss):
        for parameter in inspect.signature(kind).parameters.values():
            if any(word in str(parameter.annotation) for word in ("float", "bool")):
                found.add(parameter.name)
    return found - {"betas", "init", "bias"} | ({"bias"} & found if kind is Dense else set())


def _add_setting(found: dict[str, Target], name: str, kind: type, setting: str) -> None:
    signature = inspect.signature(kind).parameters
    annotation: Any = "Any"
    if setting in signature and setting not in ("bias", "init", "value"):
        annotation = signature[setting].annotation
    elif setting == "trainable":
        annotation = "bool"
    elif setting == "lr":
        annotation = "float"
    parameter = inspect.Parameter(
        "value", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=annotation
    )

    def example(world: World) -> Any:
        if setting in ARRAYS:
            return (
                {"theta": world.net.theta.copy(), "grad": world.net.theta.copy()}.get(
                    setting, np.ones(3, world.dtype)
                )
                if kind is Sequential or kind is not Param
                else world.rows.copy()
            )
        flags = dict.fromkeys(("trainable", "nesterov", "decay_bias", "restore_best"), True)
        return (flags | {"monitor": "loss", "patience": 3}).get(setting, 0.5)

    def prepare(world: World) -> Any:
        made = construct(name, kind, world)

        def assign(value: Any) -> Any:
            setattr(made, setting, value)
            return made

        return assign

    full = f"{name}.{setting} ="
    found[full] = Target(full, prepare, (parameter,), {"value": example}, _weight(name))

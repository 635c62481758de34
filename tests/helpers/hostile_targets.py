"""The public interface of minnet, and a valid call of everything in it.

The interface is read from the package: `__all__` and the modules that README names, with all
methods and all settings that can be assigned. Examples of arguments are chosen by the name of the
parameter, or by function and parameter where a name alone is ambiguous. A public function whose
parameter has no example is an error, so that new functions are covered as soon as they are public.
"""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

import minnet
from minnet import (
    SGD,
    Adam,
    BatchNorm,
    Capture,
    Dense,
    Dropout,
    HistogramProbe,
    History,
    Layer,
    Loss,
    MeanSquaredError,
    Optimizer,
    Param,
    PReLU,
    ReLU,
    Residual,
    Sequential,
    SoftmaxCrossEntropy,
    StatisticsProbe,
    Tanh,
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
    "append", "append_step", "as_target", "backward_layers", "backward_rows", "check",
    "check_attributes", "check_eps", "check_rows", "check_theta", "check_widths", "compute",
    "describe", "differentiate", "draw_params", "forget_buffers", "forward_layers", "forward_rows",
    "from_state", "generator_for", "get_metadata_routing", "get_params", "gradient", "of",
    "on_end", "on_epoch", "overlaps", "rebind", "resume", "set_fit_request", "set_params",
    "set_partial_fit_request", "set_score_request", "to_state", "update", "walk",
}  # fmt: skip
FIXED = {"weight", "bias", "gamma", "beta", "slope"}  # parameters, which cannot be replaced
RECORDS = {"History", "Statistics", "Recommendation", "Table", "WrongAnswer", "GradientError"}


class World:
    """New objects for one call, made when they are first used."""

    def __init__(self, folder: Path, double: bool = False) -> None:
        self.folder, self.dtype = folder, np.dtype(np.float64 if double else np.float32)
        self.made: list[Any] = []

    @cached_property
    def net(self) -> Sequential:
        net: Sequential = pickle.loads(_pickled(self.dtype))
        self.made.append(net)
        return net

    @cached_property
    def optimizer(self) -> Optimizer:
        optimizer = Adam(self.net)
        self.made.append(optimizer)
        return optimizer

    @cached_property
    def x(self) -> np.ndarray:
        return np.random.default_rng(1).normal(size=(8, 3)).astype(self.dtype)

    @cached_property
    def rows(self) -> np.ndarray:
        return np.random.default_rng(2).normal(size=(8, 2)).astype(self.dtype)

    @cached_property
    def labels(self) -> np.ndarray:
        return np.arange(8) % 2

    def stepped(self) -> Sequential:
        """Return the network after a backward pass."""
        loss = SoftmaxCrossEntropy()
        loss.forward(self.net.forward(self.x, training=True), self.labels)
        self.net.backward(loss.backward())
        return self.net


@cache
def _pickled(dtype: np.dtype) -> bytes:
    """Return a network as bytes, because unpickling it is faster than drawing it again."""
    branch = Residual(Dense(4, 4), Tanh())
    layers = [Dense(3, 4), BatchNorm(4), PReLU(), branch, Dropout(0.2), Dense(4, 2)]
    return pickle.dumps(Sequential(layers, rng=0, dtype=dtype))


@cache
def recorded() -> dict[str, Any]:
    """Return a history and two recordings of a short training; the calls only read them."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(32, 3)), np.arange(32) % 2
    net = Sequential([Dense(3, 4), ReLU(), Dense(4, 2)], rng=0)
    probes = [HistogramProbe(), StatisticsProbe()]
    history = minnet.fit(
        net, x, y, loss=SoftmaxCrossEntropy(), optimizer=SGD(net), epochs=3, batch_size=8,
        probes=probes, rng=0, validation_data=(x, y),
    )  # fmt: skip
    captured = minnet.capture(net, x, y, SoftmaxCrossEntropy())
    return {"history": history, "counts": probes[0], "numbers": probes[1], "captured": captured}


def saved(world: World, name: str, write: Callable[[str], None]) -> Path:
    """Return the path of a file, written at the first call."""
    path = world.folder / name
    if not path.exists():
        write(str(path))
    return path


def _table(path: str) -> None:
    rows = [f"{i},{i * i % 7},{'ab'[i % 2]},{['no', 'yes'][i % 2]}" for i in range(40)]
    Path(path).write_text("\n".join(["one,two,three,answer", *rows]) + "\n")


def _square(x: np.ndarray) -> float:
    return float((x**2).sum())


def _answer(weight: Any, bias: Any) -> None:
    raise NotImplementedError


# Examples by name of the parameter.
EXAMPLES: dict[str, Callable[[World], Any]] = {
    "net": lambda w: w.net,
    "x": lambda w: w.x,
    "y": lambda w: w.labels,
    "X": lambda w: w.x,
    "dy": lambda w: w.x,
    "training": lambda w: True,
    "optimizer": lambda w: w.optimizer,
    "loss": lambda w: SoftmaxCrossEntropy(),
    "output": lambda w: w.rows,
    "target": lambda w: w.rows + 1,
    "epochs": lambda w: 1,
    "batch_size": lambda w: 8,
    "rng": lambda w: 0,
    "random_state": lambda w: 0,
    "layer": lambda w: "dense1",
    "layers": lambda w: [Dense(3, 4), ReLU(), Dense(4, 2)],
    "kind": lambda w: "y",
    "name": lambda w: "rms",
    "q": lambda w: 0.5,
    "in_features": lambda w: 3,
    "out_features": lambda w: 2,
    "num_features": lambda w: 3,
    "num_groups": lambda w: 1,
    "strength": lambda w: 0.1,
    "max_norm": lambda w: 1e-3,
    "limit": lambda w: 1e-3,
    "shape": lambda w: (3, 4),
    "lr": lambda w: 0.1,
    "max_lr": lambda w: 0.1,
    "steps": lambda w: 10,
    "every": lambda w: 2,
    "schedule": lambda w: 0.1,
    "activation": lambda w: "relu",
    "init": lambda w: "he_normal",
    "value": lambda w: w.rows.copy(),
    "f": lambda w: _square,
    "x_shape": lambda w: (4, 3),
    "x_train": lambda w: w.x,
    "others": lambda w: w.x + 1,
    "path": lambda w: w.folder / "out.npz",
    "data_home": lambda w: w.folder,
    "download": lambda w: False,
    "probe": lambda w: recorded()["numbers"],
    "history": lambda w: recorded()["history"],
    "data": lambda w: recorded()["captured"],
    "true": lambda w: w.labels,
    "predicted": lambda w: w.labels[::-1].copy(),
    "exercise": lambda w: 1,
    "answer": lambda w: _answer,
    "delta": lambda w: 1.0,
    "array": lambda w: w.x,
    "dtype": lambda w: w.dtype,
    "step": lambda w: 0,
    "max_iter": lambda w: 2,
    "classes": lambda w: [0, 1],
}
# Examples by function and parameter. None omits an argument that has a default.
SPECIAL: dict[str, Callable[[World], Any] | None] = {
    "Residual.layers": lambda w: Dense(3, 3),
    "Sequential.more": None,
    "capture.y": lambda w: w.labels,
    "BatchNorm.momentum": lambda w: 0.5,
    "HistogramProbe.layers": None,
    "HistogramProbe.every": lambda w: 1,
    "StatisticsProbe.layers": None,
    "StatisticsProbe.every": lambda w: 1,
    "StatisticsProbe.run.name": lambda w: "loss",
    "HistogramProbe.quantile.step": lambda w: -1,
    "HistogramProbe.load.path": lambda w: saved(w, "counts.npz", recorded()["counts"].save),
    "StatisticsProbe.load.path": lambda w: saved(w, "numbers.npz", recorded()["numbers"].save),
    "load.path": lambda w: saved(w, "net.npz", lambda path: minnet.save(w.net, path)),
    "load_safetensors.path": lambda w: saved(
        w, "net.safetensors", lambda path: minnet.save_safetensors(w.net, path)
    ),
    "load.optimizer": None,
    "save.history": None,
    "check_layer.layer": lambda w: Dense(3, 2).build(rng=0),
    "check_loss.loss": lambda w: MeanSquaredError(),
    "numerical_gradient.step": None,
    "train_step.step": None,
    "fit.schedule": None,
    "initializers.get.init": lambda w: "he_normal",
    "schedules.step.lr": lambda w: 0.1,
    "PReLU.init": lambda w: 0.25,
    "datasets.from_csv.path": lambda w: saved(w, "table.csv", _table),
    "datasets.from_csv.target": lambda w: "answer",
    "datasets.from_csv.options": None,
    "datasets.read_csv.path": lambda w: saved(w, "table.csv", _table),
    "datasets.read_csv.options": None,
    "datasets.fetch.name": lambda w: "mnist",
    "plot.depth_colors.layers": lambda w: 3,
    "plot.heatmap.probe": lambda w: recorded()["counts"],
    "plot.cdf.layers": None,
    "plot.density.layers": None,
    "plot.histograms.layers": None,
    "plot.dead_units.layers": None,
    "plot.gradient_flow.layers": None,
    "plot.gradient_flow.kind": None,
    "plot.update_ratio.layers": None,
    "recording.dead_units.y": lambda w: w.x,
    "exercises.find.exercise": lambda w: 1,
    "exercises.find.key": lambda w: 1,
    "Sequential.load_torch_state_dict.state_dict": lambda w: w.net.to_torch_state_dict(),
    "Sequential.load_keras_weights.weights": lambda w: w.net.to_keras_weights(),
    "Layer.check_input.name": None,
    "Loss.as_target.shape": lambda w: (8, 2),
    "CrossEntropy.target": lambda w: w.labels,
    "CrossEntropy.output": lambda w: np.full((8, 2), 0.5, w.dtype),
    "SoftmaxCrossEntropy.target": lambda w: w.labels,
    "SigmoidBinaryCrossEntropy.target": lambda w: (w.rows > 0).astype(w.dtype),
    "sklearn.activation": lambda w: "relu",
    "sklearn.sample_weight": None,
    "History.by": lambda w: "epoch",
    "GroupNorm.num_groups": lambda w: 1,
    "Sequential.x": lambda w: w.x,
    "Dense.dy": lambda w: w.rows,
    "Sequential.dy": lambda w: w.rows,
    "capture.loss": lambda w: SoftmaxCrossEntropy(),
    "sklearn.MLPClassifier.partial_fit.classes": lambda w: [0, 1],
}
# What the examples lead to, where that is not a result.
EXPECTED: dict[str, type[Exception]] = {
    "datasets.mnist": FileNotFoundError,
    "datasets.fashion_mnist": FileNotFoundError,
    "datasets.fetch": FileNotFoundError,
    "exercises.check": AssertionError,
}
# Arguments for which a hostile value is not a fault: sizes of loops, and documented freedom.
SKIPPED = {"Sequential.more", "exercises.check.answer"}
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


def apply(function: Any, arguments: dict[str, Any], by_position: bool) -> Any:
    """Call a function with these arguments, by position where that is possible if requested."""
    positional, named = [], {}
    parameters = inspect.signature(function).parameters
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
        return {"trainable": True}.get(setting, 0.5)

    def prepare(world: World) -> Any:
        made = construct(name, kind, world)

        def assign(value: Any) -> Any:
            setattr(made, setting, value)
            return made

        return assign

    full = f"{name}.{setting} ="
    found[full] = Target(full, prepare, (parameter,), {"value": example}, _weight(name))

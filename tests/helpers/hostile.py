"""Call the public interface with hostile arguments, and judge what happens.

A call must work, or be refused by an error of minnet itself: of a type in `REFUSALS`, raised by a
``raise`` statement of the package, with a message that names the argument, the function or a layer.
In both cases the arguments keep their bytes, no other library warns, and nothing hangs. After a
refusal the network and the optimizer are unchanged. After success finite inputs have given finite
results, and a value with a twin the same result as the twin. Values that a parameter cannot mean,
such as "no" for a flag, must be refused.
"""

from __future__ import annotations

import inspect
import io
import linecache
import os
import re
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import numpy as np
from helpers.hostile_targets import UNBOUNDED, Target, World, apply, targets
from helpers.hostile_values import Hostile, arrays, paths, scalars, snapshot

import minnet
from minnet import Layer, Loss, Optimizer, Sequential
from minnet.regularization import Regularizer

PACKAGE = str(Path(minnet.__file__).parent) + os.sep
KERNELS = PACKAGE + "kernels" + os.sep
REFUSALS = (
    TypeError, ValueError, FloatingPointError, RuntimeError, KeyError, OSError,
    minnet.checks.GradientError, AttributeError,
)  # fmt: skip
SECONDS = 10  # a call that takes longer hangs
PATHS = {"path", "data_home"}
ROWS = {  # arrays of numbers, which None, texts, dates, masks and objects cannot replace
    "x", "dy", "output", "target", "theta", "grad", "running_mean", "running_var", "value",
    "x_train", "others", "array", "X", "y",
}  # fmt: skip


@dataclass(frozen=True)
class Violation:
    """A broken promise: where, of which kind, and a call that shows it."""

    target: str
    parameter: str
    kind: str
    call: str

    @property
    def group(self) -> tuple[str, str, str]:
        return self.target, self.parameter, self.kind.partition(":")[0]


class Hang(BaseException):
    """Raised in a call that takes too long."""


def _stop(number: int, frame: FrameType | None) -> None:
    raise Hang


@contextmanager
def surroundings(folder: Path) -> Iterator[None]:
    """Work in this folder as home, without downloads, output and figures on a screen."""
    import matplotlib as mpl
    import pooch

    from minnet.kernels import jit

    jit.cache_folder()  # while HOME is the user's

    class Offline:
        def __init__(self, **options: Any) -> None:
            pass

        def __call__(self, url: str, *others: Any, **options: Any) -> None:
            raise OSError(f"{url}: no network")

    mpl.use("Agg")
    names = ("HOME", "MINNET_DATA")
    kept, cwd, downloader = {k: os.environ.get(k) for k in names}, Path.cwd(), pooch.HTTPDownloader
    pooch.HTTPDownloader = Offline
    os.environ |= {"HOME": str(folder), "MINNET_DATA": str(folder)}
    os.chdir(folder)
    main = threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer")
    previous = signal.signal(signal.SIGALRM, _stop) if main else None
    try:
        with redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()):
            yield
    finally:
        if main:
            signal.signal(signal.SIGALRM, previous)
        os.chdir(cwd)
        pooch.HTTPDownloader = downloader
        for name, value in kept.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def pool(target: Target, parameter: inspect.Parameter, world: World) -> list[Hostile]:
    """Return the hostile values for a parameter."""
    found = list(scalars())
    example = target.examples.get(parameter.name)
    value = example(world) if example else None
    if parameter.name == "sample_weight":
        value = np.linspace(0.5, 1.5, 8)
    if parameter.name in UNBOUNDED:
        found = [each for each in found if "huge" not in each.traits]
    if isinstance(value, np.ndarray):
        found += arrays(value, parameter.name)
        net = target.examples.get("net")
        if net and value.shape == world.x.shape:
            found.append(Hostile("net['dense1'].x", lambda: world.stepped()["dense1"].x))
    if parameter.name in PATHS:
        found = paths(world.folder)
    return found


def attempt(
    target: Target,
    parameter: inspect.Parameter,
    hostile: Hostile,
    folder: Path,
    *,
    double: bool = False,
    by_position: bool = False,
) -> list[Violation]:
    """Make one call with one hostile argument, and return what it violates."""
    world = World(folder, double)
    outcome = _run(target, parameter, hostile.make, world, by_position)
    problems = list(_problems(target, parameter, hostile, outcome))
    if hostile.twin is not None and not _has_no_dtype(target, outcome.value):
        twin = _run(target, parameter, hostile.twin, World(folder, double), by_position)
        if twin.error is None and outcome.error is not None:
            problems.append(f"refused, although the plain value works: {outcome.error}"[:150])
        elif twin.error is None and twin.digest != outcome.digest:
            problems.append("wrong result: differs from that of the plain value")
    shown = f"{target.name}({parameter.name}={hostile.label})"
    if target.name.endswith(" ="):
        shown = f"{target.name} {hostile.label}"
    notes = ", float64" * double + ", by position" * by_position
    return [
        Violation(target.name, parameter.name, kind, f"{shown}{notes}: {kind}") for kind in problems
    ]


def _has_no_dtype(target: Target, value: Any) -> bool:
    """Return whether value is a list for a loss, which then computes in float32."""
    owner = _owner(target)
    return isinstance(value, list) and isinstance(owner, type) and issubclass(owner, Loss)


@dataclass
class Outcome:
    """Result or error of a call, and what has changed."""

    value: Any
    error: BaseException | None
    warned: list[warnings.WarningMessage]
    changed: list[str]
    moved: bool
    digest: Any
    result: Any


def _run(
    target: Target, parameter: inspect.Parameter, make: Any, world: World, by_position: bool
) -> Outcome:
    """Call the target, use what it returns, and record the effects."""
    arguments = {name: example(world) for name, example in target.examples.items()}
    value = arguments[parameter.name] = make()
    before = {name: snapshot(argument) for name, argument in arguments.items()}
    function = target.prepare(world)
    made = list(world.made)
    state = [_fingerprint(item) for item in made]
    result: Any = None
    error: BaseException | None = None
    digest: Any = None
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        _set_timer(SECONDS)
        try:
            result = apply(function, arguments, by_position)
            digest = _digest(_used(result, target, world)), _digest(world.made)
        except (Exception, Hang) as caught:
            error = caught
        finally:
            _set_timer(0)
    changed = [
        name
        for name, content in before.items()
        if snapshot(arguments[name]) != content
        and not target.name.startswith("Sequential.load")
        and not (name == parameter.name and isinstance(value, dict))
    ]
    moved = error is not None and state != [_fingerprint(item) for item in made]
    return Outcome(value, error, list(warned), changed, moved, digest, result)


def _set_timer(seconds: float) -> None:
    if threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _used(result: Any, target: Target, world: World) -> Any:
    """Use a new object once, because a bad setting may be noticed only then."""
    if isinstance(result, Optimizer):
        result.net is world.net and world.stepped()
        result.step()
        return [_fingerprint(result), result.net.theta.copy()]
    if isinstance(result, Sequential):
        return result.predict(np.ones((4, result.in_features or 3), result.dtype))
    if isinstance(result, Layer):
        width = result.in_features or 3
        x = np.linspace(-1, 1, 4 * width, dtype=result.dtype).reshape(4, width)
        if not result._bound:
            result.build(rng=0, dtype=result.dtype)
        y = result.forward(x, training=True).copy()
        return [y, result.backward(np.ones_like(y)).copy(), *result.state.values()]
    if isinstance(result, Loss):
        return [result.forward(world.rows, world.rows + 1), result.backward().copy()]
    if isinstance(result, Regularizer):
        world.stepped()
        result.add_gradient(world.net)
        return [result.penalty(world.net), world.net.grad.copy()]
    if target.name.startswith("schedules.") and callable(result):
        return [result(step) for step in (0, 1, 5, 100)]
    if target.name in ("sklearn.MLPClassifier", "sklearn.MLPRegressor"):
        if result.max_iter == 200:
            result.max_iter = 2
        result.fit(world.x, world.labels)
        return result.predict(world.x)
    if hasattr(result, "savefig"):
        result.savefig(io.BytesIO())
        return None
    return result


def _fingerprint(item: Any) -> Any:
    """Return the parameters, the state and the settings of a network, layer or optimizer."""
    if isinstance(item, Layer):
        arrays = {name: param.value for name, param in item.params.items()} | item.state
        return {name: snapshot(array) for name, array in arrays.items()}
    if isinstance(item, Optimizer):
        arrays = {name: snapshot(array) for name, array in item.state.items()}
        return arrays, item.lr, item.steps, item.settings
    return None


def _digest(value: Any) -> Any:
    """Return a comparable form of a result."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "O":
            return repr(value.tolist())
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, np.generic | float | int | str | bool):
        return repr(value)
    if isinstance(value, dict):
        return {key: _digest(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_digest(item) for item in value]
    if isinstance(value, Layer | Optimizer):
        return _fingerprint(value)
    return type(value).__name__


def _problems(
    target: Target, parameter: inspect.Parameter, hostile: Hostile, outcome: Outcome
) -> Iterator[str]:
    error = outcome.error
    if isinstance(error, Hang):
        yield "hang"
        return
    for name in outcome.changed:
        yield f"argument changed: {name}"
    for warning in outcome.warned:
        text = str(warning.message)
        named = parameter.name in text or "minnet" in text
        if not (issubclass(warning.category, UserWarning | RuntimeWarning) and named):
            yield f"foreign warning: {warning.category.__name__}: {text[:120]}"
    if error is None:
        if _must_refuse(target, parameter, hostile):
            yield "bad value accepted"
        elif _is_finite(outcome.value) and not (
            _is_finite(outcome.result, target) and _is_finite(_arrays(outcome.result))
        ):
            yield "result is not finite"
        return
    if outcome.moved:
        yield f"changed by a refused call: {type(error).__name__}"
    foreign = _foreign(target, parameter, error)
    if foreign:
        yield foreign


def _arrays(result: Any) -> Any:
    """Return the numbers of a layer, or those that an optimizer changes."""
    if isinstance(result, Layer):
        return [p.value for p in result.params.values()] + list(result.state.values())
    if isinstance(result, Optimizer):
        return result.net.theta
    return None


def _foreign(target: Target, parameter: inspect.Parameter, error: BaseException) -> str:
    """Return what is wrong with an error, or an empty string."""
    text = str(error).replace("\n", " ")
    shown = f"{type(error).__name__}: {text[:160]}"
    if not isinstance(error, REFUSALS) or isinstance(error, UnicodeError):
        return f"wrong exception type: {shown}"
    frame = _last_frame(error.__traceback__)
    if target.name.startswith(("sklearn.", "plot.learning_curves")) and "sklearn" in frame[0]:
        return ""
    line = linecache.getline(*frame).strip()
    if not frame[0].startswith(PACKAGE) or frame[0].startswith(KERNELS + "jit"):
        return f"raw message: {shown} ({Path(frame[0]).name}:{frame[1]})"
    if not line.startswith(("raise", "_raise")):
        return f"raw message: {shown} ({Path(frame[0]).name}:{frame[1]})"
    if isinstance(error, AttributeError) and not target.name.endswith(" ="):
        return f"wrong exception type: {shown}"
    owner = target.name.removesuffix(" =").split(".")
    words = {parameter.name.lower(), *(part.lower() for part in owner)}
    named = any(re.search(rf"\b{re.escape(word)}\b", text.lower()) for word in words)
    if not named and not re.search(r"\w+\d\b.*\(|expected .* got ", text):
        return f"vague message: {shown}"
    return ""


def _last_frame(traceback: TracebackType | None) -> tuple[str, int]:
    assert traceback is not None
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback.tb_frame.f_code.co_filename, traceback.tb_lineno


def _must_refuse(target: Target, parameter: inspect.Parameter, hostile: Hostile) -> bool:
    """Return whether no reading of the parameter allows this value."""
    traits, annotation = hostile.traits, _annotation(parameter)
    if "wrong" in traits:
        return True
    optional = parameter.default is None or "None" in annotation
    if "none" in traits:
        return not optional and (parameter.name in ROWS or annotation in ("float", "int", "bool"))
    if target.name.startswith("sklearn.") and "." not in target.name.removeprefix("sklearn."):
        return False  # scikit-learn's own validation decides
    kind = annotation.replace("None", "").replace("|", "").strip()
    if kind == "bool":
        return "flag" not in traits
    if kind == "int":
        return "whole" not in traits
    if kind == "float":
        return not traits & {"real", "array0", "number"}
    if parameter.name == "rng":
        return not traits & {"whole", "none"}
    alone = isinstance(_owner(target), type) and issubclass(_owner(target), Layer)
    if "nonfinite" in traits and alone and _owner(target) is not Sequential:
        return parameter.name in ("value", "theta", "grad")  # NaN in gives NaN out
    if parameter.name in ROWS and not traits & {"finite", "real", "array0"}:
        scalar = hostile in scalars()
        return (scalar and hostile.label not in ("()",)) or "nonfinite" in traits
    return False


def _owner(target: Target) -> Any:
    """Return the class of a method or setting of `minnet`, or None."""
    return getattr(minnet, target.name.partition(".")[0], None)


def _annotation(parameter: inspect.Parameter) -> str:
    annotation = parameter.annotation
    if isinstance(annotation, type):
        return annotation.__name__
    return str(annotation).replace("typing.", "").strip("'")


def _is_finite(value: Any, target: Target | None = None) -> bool:
    """Return whether all numbers in value are finite; other objects count as finite."""
    if target is not None and target.name.startswith(("recording.", "plot.", "HistogramProbe")):
        return True
    if isinstance(value, np.ndarray):
        return value.dtype.kind not in "fc" or bool(np.isfinite(value).all())
    if isinstance(value, float | np.floating):
        return bool(np.isfinite(value))
    if isinstance(value, dict):
        return all(_is_finite(item) for item in value.values())
    if isinstance(value, list | tuple):
        return all(_is_finite(item) for item in value)
    return True


@dataclass(frozen=True)
class Case:
    """One call to make."""

    target: Target
    parameter: inspect.Parameter
    hostile: Hostile
    double: bool
    by_position: bool


def random_cases(calls: int, seed: int, folder: Path, only: str = "") -> Iterator[Case]:
    """Yield randomly chosen calls of targets with this text in the name; slow ones are rare."""
    rng = np.random.default_rng(seed)
    known = [target for target in targets().values() if only in target.name]
    weights = np.array([target.weight * len(target.parameters) for target in known])
    chosen = rng.choice(len(known), calls, p=weights / weights.sum())
    pools: dict[tuple[int, int, bool], list[Hostile]] = {}
    for index in chosen:
        target = known[index]
        which, double = int(rng.integers(len(target.parameters))), bool(rng.integers(2))
        parameter, key = target.parameters[which], (index, which, double)
        if key not in pools:
            pools[key] = pool(target, parameter, World(folder, double))
        hostile = pools[key][rng.integers(len(pools[key]))]
        yield Case(target, parameter, hostile, double, bool(rng.integers(2)))


def all_cases(folder: Path, only: str = "") -> Iterator[Case]:
    """Yield every hostile value for every parameter, in both dtypes."""
    for target in targets().values():
        if only in target.name:
            for parameter in target.parameters:
                for double in (False, True):
                    for hostile in pool(target, parameter, World(folder, double)):
                        yield Case(target, parameter, hostile, double, double)


def run(case: Case, folder: Path) -> list[Violation]:
    """Make the call of a case, and return what it violates."""
    return attempt(
        case.target, case.parameter, case.hostile, folder,
        double=case.double, by_position=case.by_position,
    )  # fmt: skip


def valid_call(target: Target, folder: Path) -> Any:
    """Return the result of the call with example arguments, which must work."""
    world = World(folder)
    arguments = {name: example(world) for name, example in target.examples.items()}
    return _used(apply(target.prepare(world), arguments, False), target, world)

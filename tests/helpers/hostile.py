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
import os
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from helpers.hostile_examples import World
from helpers.hostile_rules import Hang, Outcome, owner_of, problems
from helpers.hostile_targets import UNBOUNDED, Target, apply, targets
from helpers.hostile_values import Hostile, arrays, paths, scalars, snapshot

from minnet import Layer, Loss, Optimizer, Sequential
from minnet.regularization import Regularizer

SECONDS = 30  # a call that takes longer hangs
PATHS = {"path", "data_home"}


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
    found = list(problems(target, parameter, hostile, outcome))
    if hostile.twin is not None and not _computes_in_other_dtype(target, outcome.value, double):
        twin = _run(target, parameter, hostile.twin, World(folder, double), by_position)
        refused = outcome.error is not None and target.name != "Param.grad ="
        if twin.error is None and refused:
            found.append(f"refused, although the plain value works: {outcome.error}"[:150])
        elif twin.error is outcome.error is None and twin.digest != outcome.digest:
            found.append("wrong result: differs from that of the plain value")
    shown = f"{target.name}({parameter.name}={hostile.label})"
    if target.name.endswith(" ="):
        shown = f"{target.name} {hostile.label}"
    notes = ", float64" * double + ", by position" * by_position
    return [
        Violation(target.name, parameter.name, kind, f"{shown}{notes}: {kind}") for kind in found
    ]


def _computes_in_other_dtype(target: Target, value: Any, double: bool) -> bool:
    """Return whether a loss or standardize computes value in another dtype than the twin."""
    owner = owner_of(target)
    wide = isinstance(value, np.ndarray) and value.dtype.itemsize >= 8
    if target.name == "datasets.standardize":
        return not double and getattr(value, "dtype", None) != np.float32
    return isinstance(owner, type) and issubclass(owner, Loss) and wide != double


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
        _set_timer(SECONDS if target.weight == 1 else 2 * SECONDS)
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
    moved = error is not None and result is None and state != [_fingerprint(item) for item in made]
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
        if isinstance(result.max_iter, int | np.integer) and result.max_iter == 200:
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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # such as that two epochs did not suffice
        return _used(apply(target.prepare(world), arguments, False), target, world)

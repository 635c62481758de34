"""Save and load a network, and with it the state of its training.

`minnet.files` writes and reads the files.
"""

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np

from minnet.files import AnyPath, opened_file, require_finite, write_file
from minnet.history import History
from minnet.layers.sequential import Sequential
from minnet.optimizers import Optimizer
from minnet.validation import Array, check_instance, non_negative, shown

FORMAT, VERSION = "minnet weights", 2  # version 1 has no generators, optimizer and history


def save(
    net: Sequential,
    path: AnyPath,
    *,
    optimizer: Optimizer | None = None,
    history: History | None = None,
) -> None:
    """Write the parameters and the state of net to a file, completely or not at all.

    The state includes the generators of dropout. With an optimizer the file also holds what a
    later `fit` needs to continue the training. Layers and gradients are not saved, because `load`
    fills an existing network. Saving the same network again produces the same bytes.

    After a failure, ``path`` holds either the complete old file or the complete new file. If the
    process is killed while it writes, a hidden file ``.<name>.minnet-...`` can remain; a save to
    the same path after an hour removes it.

    Parameters
    ----------
    net, path : Sequential, and str or path
        The path is used as given: no suffix is added, but ``.npz`` is usual.
    optimizer : Optimizer, optional
        Optimizer of net; its settings, lr, number of steps and state arrays are saved.
    history : History, default ``optimizer.history``
        History of the training.

    Raises
    ------
    FloatingPointError
        If a value is NaN or infinity. Nothing is written, because `load` would reject the file.
    OSError
        If the file cannot be written; FileNotFoundError if the folder does not exist.
    TypeError, ValueError
        If net is not a `Sequential`, the optimizer belongs to another network, history is not a
        `History`, or a layer's state is not as `Layer.state` requires.

    Examples
    --------
    >>> import tempfile
    >>> from minnet import BatchNorm, Dense
    >>> net = Sequential([Dense(4, 3), BatchNorm(3)], rng=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(net, f"{folder}/net.npz")
    ...     twin = load(Sequential([Dense(4, 3), BatchNorm(3)]), f"{folder}/net.npz")
    >>> bool((twin.theta == net.theta).all())
    True
    """
    arrays, generators = _arrays(net, "save", optimizer), _generators(net)
    contents: dict[str, Any] = {"layers": _layers(net)}
    contents["generators"] = {name: g.bit_generator.state for name, g in generators.items()}
    contents["frozen"] = [name for name, p in net.params.items() if not p.trainable]
    if optimizer is not None:
        settings, history = _settings(optimizer), history or optimizer.history
        contents["optimizer"] = {"settings": settings, "lr": optimizer.lr, "steps": optimizer.steps}
    check_instance(history, History | None, "save", "history as a History")
    require_finite(arrays, "save")
    if history is not None:
        contents["history"], by_step = history.to_state()
        arrays |= by_step
    write_file(path, FORMAT, VERSION, contents, arrays)


def load(net: Sequential, path: AnyPath, *, optimizer: Optimizer | None = None) -> Sequential:
    """Fill net with the parameters and the state from a file written by `save`, and return net.

    Build net like the saved network: with the same dtype, and with layers of the same names and
    descriptions in the same order. `Layer.describe` returns the description. For example, that of
    `BatchNorm` contains eps but not momentum. The values are copied into the existing arrays, so an
    existing optimizer for net remains valid. Parameters become trainable, or frozen if they were
    frozen in the saved network. The buffers of the last training step are discarded.

    Parameters
    ----------
    net : Sequential
        The network, which changes only if the whole file is valid. ``net.history`` becomes the
        history in the file, if there is one.
    path : str or path
        Used as given: no suffix is added.
    optimizer : Optimizer, optional
        Optimizer of net, created as for the saved training. It receives the state, number of steps
        and lr in the file, so that `fit` continues that training. The count and best weights of
        `EarlyStopping` are not saved.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If the file is damaged, was not written by `save`, has another format version, belongs to a
        different network or optimizer, or holds NaN or infinity. The message lists every
        difference.
    TypeError
        If net is not a `Sequential`, or optimizer is not an `Optimizer`.
    """
    arrays, generators = _arrays(net, "load", optimizer), _generators(net)
    unused = "history/" if optimizer is not None else ("history/", "optimizer/")
    with opened_file(path, "load", FORMAT, 1, VERSION) as (manifest, found):
        history = manifest.get("history") and History.from_state(manifest["history"], found)
        # Names in a network contain a dot and differ from these.
        values = {k: v for k, v in found.items() if "." in k or not k.startswith(unused)}
        layers = {**manifest["layers"]}
        layers = {k: str(v).replace("→", "->") for k, v in layers.items()}  # "→" in older files
        problems = _differences("layer", layers, _layers(net))
        problems += _differences("array", _descriptions(values), _descriptions(arrays))
        problems += [
            f"array {name!r}: holds NaN or infinity"
            for name, value in values.items()
            if value.dtype.kind == "f" and not np.isfinite(value).all()
        ]
        problems += [
            f"array {name!r}: holds a negative variance"
            for name, value in values.items()
            if name.endswith(".running_var") and (value < 0).any()
        ]
        frozen = [*manifest.get("frozen", [])]  # older files have none
        unknown = (name for name in frozen if name not in net.params)
        problems += [f"frozen {name!r}: the network has no such parameter" for name in unknown]
        saved = manifest.get("optimizer", {"settings": {}, "lr": 0.0, "steps": 0})
        lr, steps = (non_negative(saved[name], "load", name) for name in ("lr", "steps"))
        if optimizer is not None:
            problems += _differences("setting", saved["settings"], _settings(optimizer))
        states = manifest.get("generators", {})
        for name in states.keys() & generators.keys():
            copy.deepcopy(generators[name]).bit_generator.state = states[name]  # may raise
    if optimizer is not None and "optimizer" not in manifest:
        raise ValueError(f"load: {path} was saved without an optimizer; omit optimizer=")
    if problems:
        subject, repair = "network, which is", ""
        if optimizer is not None:
            subject = "network and the optimizer, which are"
            repair = "; create the optimizer with the same settings"
        raise ValueError(
            "\n  ".join([f"load: {path} does not match the {subject} unchanged:", *problems])
            + "\nBuild the network as it was when it was saved: layers, names, sizes and dtype"
            + repair
        )
    for name, array in arrays.items():
        array[...] = values[name]
    for name, param in net.params.items():
        param.trainable = name not in frozen
    for name in states.keys() & generators.keys():
        generators[name].bit_generator.state = states[name]
    net.history = history or net.history
    if optimizer is not None:
        optimizer.resume(lr, int(steps), history)
    net.forget_buffers()
    return net


def _arrays(net: Sequential, where: str, optimizer: Optimizer | None) -> dict[str, Array]:
    """Return all parameters and state arrays by name, without copying."""
    check_instance(net, Sequential, where, f"{where}(net, path) with a Sequential")
    params = {name: param.value for name, param in net.params.items()}
    state: dict[str, Any] = dict(net.state)
    for name, again in net.state.items():
        array = state[name]
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
            raise TypeError(
                f"{where}: expected state {name} as an array of real numbers, got {shown(array)}"
            )
        same = array.size == 0 or np.may_share_memory(array, again)
        if name in params or not same or not array.flags.writeable:
            raise ValueError(
                f"{where}: expected state {name} as the writeable array that the layer uses, not "
                "a copy, with a name that no parameter has"
            )
    if optimizer is None:
        return params | state
    check_instance(optimizer, Optimizer, where, "an Optimizer of the network")
    if optimizer.net is not net:
        raise ValueError(f"{where}: the optimizer belongs to another network; create one for net")
    return params | state | {f"optimizer/{name}": a for name, a in optimizer.state.items()}


def _settings(optimizer: Optimizer) -> dict[str, Any]:
    return {"class": type(optimizer).__name__, **optimizer.settings}


def _generators(net: Sequential) -> dict[str, np.random.Generator]:
    """Return the generators of all layers, such as those of dropout, by name of the attribute."""
    return {
        f"{path}.{name}": value
        for path, layer in net.walk()
        for name, value in vars(layer).items()
        if isinstance(value, np.random.Generator)
    }


def _layers(net: Sequential) -> dict[str, str]:
    """Return layer name -> description, or -> class name for a container."""
    return {
        name: type(layer).__name__ if layer.layers else layer.describe()
        for name, layer in net.walk()
    }


def _descriptions(arrays: Mapping[str, Array]) -> dict[str, str]:
    return {name: f"{array.dtype} {list(array.shape)}" for name, array in arrays.items()}


def _differences(kind: str, file: dict[str, Any], net: dict[str, Any]) -> list[str]:
    """Return a message for each difference between the file and the network or optimizer."""
    problems = []
    for name in {**net, **file}:
        found, expected = file.get(name, "none"), net.get(name, "none")
        in_network = kind != "setting" and ("." in name or not name.startswith("optimizer/"))
        owner = "network" if in_network else "optimizer"
        if found != expected:
            problems.append(f"{kind} {name!r}: the file has {found}, the {owner} {expected}")
    if file.keys() == net.keys() and list(file) != list(net):
        problems.append(f"order of {kind}s: the file has {list(file)}, the network {list(net)}")
    return problems

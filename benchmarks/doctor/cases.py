"""Labelled configurations: faulty ones with a healthy twin, healthy ones, and hard healthy ones."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.doctor.settings import REGRESSION, Setting

Rng = np.random.Generator


@dataclass(frozen=True)
class Case:
    """A configuration with its label.

    ``cause`` is "" for a healthy one; ``group`` is faulty, mild, healthy or hard; ``layers`` are
    the right layers, empty if the cause has none.
    """

    cause: str
    group: str
    setting: Setting
    twin: Setting | None = None
    layers: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """A short hash of the configuration."""
        text = repr((self.cause, self.group, self.setting))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def held_out(self) -> bool:
        """Whether the configuration belongs to the third that is not used for tuning."""
        return int(self.key, 16) % 3 == 0


def pick(rng: Rng, *values: Any) -> Any:
    """Return one of the values."""
    return values[int(rng.integers(len(values)))]


def base(rng: Rng, data: tuple[str, ...] = (), **fixed: Any) -> Setting:
    """Return random healthy settings."""
    every = (
        "digits", "digits", "digits", "mnist", "iris", "wine", "breast_cancer", "classification",
        "moons", "spiral", "diabetes", "friedman", "sine",
    )  # fmt: skip
    name = pick(rng, *(data or every))
    depth = int(rng.integers(1, 4))
    width = pick(rng, 16, 24, 32, 48)
    activation = pick(rng, "relu", "relu", "relu", "tanh", "leaky_relu", "elu", "gelu")
    optimizer = pick(rng, "sgd", "momentum", "adam", "rmsprop")
    lr = {"sgd": 0.1, "momentum": 0.03, "adam": 0.005, "rmsprop": 0.003}[optimizer]
    if name in ("diabetes", "friedman", "sine", "linear") and optimizer == "sgd":
        lr = 0.05
    batch = pick(rng, 16, 32, 32)
    n = {"iris": 105, "wine": 124, "breast_cancer": 398, "diabetes": 309, "digits": 1257,
         "mnist": 840, "moons": 700, "circles": 700, "spiral": 840, "friedman": 630, "sine": 560,
         "classification": 1050, "overlap": 700, "linear": 420}[name]  # fmt: skip
    steps = int(rng.integers(200, 500))
    if name in ("spiral", "sine", "moons", "circles"):
        steps = int(steps * 2)
    if name == "diabetes":
        steps //= 2
    epochs = max(round(steps / max(n / batch, 1)), 4)
    settings = Setting(
        data=name, hidden=(width,) * depth, activation=activation, optimizer=optimizer, lr=lr,
        batch=batch, epochs=epochs,
    )  # fmt: skip
    return settings.but(**fixed)


NONLINEAR = ("moons", "spiral", "circles", "friedman", "sine", "digits", "classification")
CLASSES = ("digits", "mnist", "iris", "wine", "breast_cancer", "classification", "spiral", "moons")


OWN = ("scale", "dense", "tanh")  # layers as a user would write them


def dense(k: int) -> str:
    """Return the name of a Dense layer."""
    return f"dense{k + 1}"


def _attenuation(rng: Rng, mild: bool) -> Case:
    twin = base(rng, ("digits", "mnist", "classification", "spiral", "breast_cancer"))
    depth = int(rng.integers(5, 9))
    twin = twin.but(hidden=twin.hidden[:1] * depth, activation="relu")
    if twin.optimizer == "sgd":
        twin = twin.but(lr=0.05)
    kind = pick(rng, "sigmoid", "sigmoid", "tanh_small", "relu_small")
    if kind == "sigmoid":
        faulty = twin.but(activation="sigmoid", init="glorot_uniform")
    elif kind == "tanh_small":
        faulty = twin.but(activation="tanh", init="lecun_normal", init_scale=0.6)
        twin = twin.but(activation="tanh")
    else:
        faulty = twin.but(init="glorot_uniform", init_scale=0.7)
    return Case("attenuation", "", faulty, twin, tuple(dense(k) for k in range(3)))


def _saturation(rng: Rng, mild: bool) -> Case:
    act = pick(rng, "tanh", "sigmoid", "tanh")
    twin = base(rng, CLASSES, activation=act)
    twin = twin.but(hidden=twin.hidden[:1] * int(rng.integers(2, 4)))
    if act == "sigmoid":
        twin = twin.but(hidden=twin.hidden[:1], epochs=twin.epochs * 2)
    scale = (8, 15, 30)[int(rng.integers(3))]
    kind = pick(rng, "weights", "weights", "bias")
    if kind == "bias":
        return Case("saturation", "", twin.but(bias=pick(rng, -6.0, 5.0, 8.0)), twin)
    return Case("saturation", "", twin.but(init_scale=float(scale)), twin)


def _explosion(rng: Rng, mild: bool) -> Case:
    twin = base(rng, ("digits", "mnist", "classification", "friedman"), activation="relu")
    depth = int(rng.integers(6, 12))
    twin = twin.but(hidden=twin.hidden[:1] * depth, init="he_normal")
    twin = twin.but(lr=min(twin.lr, 0.03))
    return Case("explosion", "", twin.but(init_scale=pick(rng, 1.4, 1.6, 2.0)), twin)


def _dead_units(rng: Rng, mild: bool) -> Case:
    twin = base(rng, activation="relu")
    faulty = twin.but(bias=-float(rng.uniform(2, 8)))
    return Case("dead_units", "", faulty, twin)


def _symmetry(rng: Rng, mild: bool) -> Case:
    twin = base(rng, NONLINEAR)
    value = pick(rng, "zeros", "ones", "const")
    faulty = twin.but(
        init={"zeros": "zeros", "ones": "constant:1", "const": "constant:0.05"}[value]
    )
    return Case("symmetry", "", faulty, twin, tuple(dense(k) for k in range(len(twin.hidden))))


def _init_too_small(rng: Rng, mild: bool) -> Case:
    twin = base(rng, NONLINEAR)
    twin = twin.but(hidden=twin.hidden[:1] * int(rng.integers(3, 6)), lr=twin.lr)
    return Case("init_too_small", "", twin.but(init_scale=pick(rng, 0.003, 0.01, 0.05)), twin,
                tuple(dense(k) for k in range(6)))  # fmt: skip


def _init_too_large(rng: Rng, mild: bool) -> Case:
    twin = base(rng, activation=pick(rng, "relu", "relu", "leaky_relu", "elu", "gelu"))
    return Case("init_too_large", "", twin.but(init_scale=pick(rng, 5.0, 10.0, 30.0)), twin)


def _lr_too_high(rng: Rng, mild: bool) -> Case:
    twin = base(rng)
    factor = float(rng.uniform(4, 8)) if mild else pick(rng, 10, 20, 50, 100)
    return Case("lr_too_high", "", twin.but(lr=twin.lr * factor), twin)


def _lr_too_low(rng: Rng, mild: bool) -> Case:
    twin = base(rng)
    return Case("lr_too_low", "", twin.but(lr=twin.lr / pick(rng, 30, 100, 300, 1000)), twin)


def _unscaled_inputs(rng: Rng, mild: bool) -> Case:
    kind = pick(rng, "raw", "scale", "columns", "offset")
    if kind == "raw":
        twin = base(rng, ("wine", "breast_cancer"))
        return Case("unscaled_inputs", "", twin.but(standardize=False), twin)
    twin = base(rng)
    if kind == "scale":
        return Case(
            "unscaled_inputs", "", twin.but(input_scale=pick(rng, 30.0, 100.0, 255.0)), twin
        )
    if kind == "offset":
        return Case(
            "unscaled_inputs", "", twin.but(input_offset=pick(rng, 20.0, 50.0, 200.0)), twin
        )
    return Case("unscaled_inputs", "", twin.but(column_scales=pick(rng, 3.0, 4.0)), twin)


def _unscaled_targets(rng: Rng, mild: bool) -> Case:
    twin = base(rng, ("diabetes", "friedman", "sine", "linear"))
    scale = pick(rng, 30.0, 100.0, 1000.0)
    offset = pick(rng, 0.0, 3 * scale)
    return Case("unscaled_targets", "", twin.but(target_scale=scale, target_offset=offset), twin)


def _constant_features(rng: Rng, mild: bool) -> Case:
    twin = base(rng)
    count = int(rng.integers(1, 4)) if mild else pick(rng, 8, 20, 40)
    value = pick(rng, 5.0, 10.0, 30.0, 100.0)
    return Case("constant_features", "", twin.but(constant=(count, value)), twin)


def _output_loss_mismatch(rng: Rng, mild: bool) -> Case:
    kind = pick(rng, "logits", "logits", "bounded", "labels", "sigmoid_ce", "softmax_mse")
    if kind == "bounded":
        twin = base(rng, ("diabetes", "friedman", "sine"))
        return Case(
            "output_loss_mismatch", "", twin.but(tail=pick(rng, "relu", "sigmoid", "tanh")), twin
        )
    twin = base(rng, ("digits", "mnist", "iris", "wine", "classification", "spiral"))
    if kind == "logits":
        return Case(
            "output_loss_mismatch", "", twin.but(tail=pick(rng, "relu", "tanh", "own_tanh")), twin
        )
    if kind == "labels":
        return Case("output_loss_mismatch", "", twin.but(loss="mse_labels"), twin)
    if kind == "sigmoid_ce":
        return Case("output_loss_mismatch", "", twin.but(loss="ce", tail="sigmoid"), twin)
    return Case("output_loss_mismatch", "", twin.but(loss="mse", tail="softmax"), twin)


def _no_output_layer(rng: Rng, mild: bool) -> Case:
    twin = base(rng, CLASSES, activation=pick(rng, "relu", "tanh", "gelu"))
    return Case("no_output_layer", "", twin.but(head=False), twin)


def _missing_nonlinearity(rng: Rng, mild: bool) -> Case:
    twin = base(rng, ("moons", "spiral", "circles", "friedman", "sine", "classification"))
    depth = int(rng.integers(1, 4))
    twin = twin.but(hidden=twin.hidden[:1] * depth)
    return Case("missing_nonlinearity", "", twin.but(linear=tuple(range(depth))), twin)


def _wrong_gradient(rng: Rng, mild: bool) -> Case:
    twin = base(rng, NONLINEAR)
    twin = twin.but(hidden=twin.hidden[:1] * int(rng.integers(2, 4)))
    kind = pick(rng, "scale", "tanh", "dense")
    faults = {
        "scale": ("stale", "accumulates", "sign", "zero"),
        "tanh": ("sign", "input", "square"),
        "dense": ("sign", "mean", "shuffled", "accumulates", "zero", "abs"),
    }[kind]
    twin = twin.but(own_layer=kind, activation="tanh" if kind == "tanh" else twin.activation)
    layer = {"scale": "ownscale1", "tanh": "owntanh1", "dense": "owndense1"}[kind]
    return Case("wrong_gradient", "", twin.but(own_fault=pick(rng, *faults)), twin, (layer,))


def _frozen_layer(rng: Rng, mild: bool) -> Case:
    twin = base(rng, ("spiral", "moons", "circles", "friedman", "sine", "classification"))
    width = pick(rng, 6, 8, 12)
    twin = twin.but(hidden=(width,) * int(rng.integers(2, 4)))
    how = pick(rng, "trainable", "plain", "optimizer")
    where = 0 if how == "optimizer" else int(rng.integers(0, 2))
    name = {"plain": "plaindense1"}.get(how, dense(where))
    return Case("frozen_layer", "", twin.but(frozen=where, frozen_by=how), twin, (name,))


def _overfitting(rng: Rng, mild: bool) -> Case:
    name = pick(rng, "diabetes", "overlap", "diabetes", "linear", "overlap")
    faulty = base(rng, (name,), activation=pick(rng, "relu", "tanh", "gelu"))
    rows = pick(rng, 60, 100, 150)
    faulty = faulty.but(hidden=(pick(rng, 64, 128),) * 2, rows=rows, batch=16)
    faulty = faulty.but(optimizer="adam", lr=0.003, epochs=int(rng.integers(40, 100)))
    twin = pick(rng, faulty.but(l2=0.01), faulty.but(early_stop=True), faulty.but(dropout=0.5))
    return Case("overfitting", "", faulty, twin)


def _over_regularized(rng: Rng, mild: bool) -> Case:
    twin = base(rng)
    kind = pick(rng, "l2", "l2", "dropout", "decay", "l1")
    if mild:
        return Case("over_regularized", "", twin.but(l2=float(rng.uniform(0.01, 0.03))), twin)
    if kind == "dropout":
        return Case("over_regularized", "", twin.but(dropout=pick(rng, 0.8, 0.9)), twin)
    if kind == "decay":
        lr = 0.1 if twin.optimizer == "sgd" else 0.03
        twin = twin.but(optimizer=pick(rng, "sgd", "momentum"))
        twin = twin.but(lr=0.1 if twin.optimizer == "sgd" else 0.03)
        del lr
        return Case("over_regularized", "", twin.but(decay=pick(rng, 0.1, 0.3)), twin)
    if kind == "l1":
        return Case("over_regularized", "", twin.but(l1=pick(rng, 0.02, 0.05)), twin)
    return Case("over_regularized", "", twin.but(l2=pick(rng, 0.05, 0.1, 0.3)), twin)


def _label_noise(rng: Rng, mild: bool) -> Case:
    twin = base(
        rng, ("digits", "mnist", "iris", "wine", "breast_cancer", "classification", "spiral")
    )
    return Case("label_noise", "", twin.but(noise=pick(rng, 0.3, 0.4, 0.5)), twin)


def _batch_too_small(rng: Rng, mild: bool) -> Case:
    twin = base(rng)
    twin = twin.but(batch=32, epochs=max(twin.epochs // 2, 4), lr=twin.lr * pick(rng, 1, 2))
    batch = int(rng.integers(3, 9)) if mild else pick(rng, 1, 2)
    return Case("batch_too_small", "", twin.but(batch=batch), twin)


FAULTS: tuple[Callable[[Rng, bool], Case], ...] = (
    _attenuation, _saturation, _explosion, _dead_units, _symmetry, _init_too_small,
    _init_too_large, _lr_too_high, _lr_too_low, _unscaled_inputs, _unscaled_targets,
    _constant_features, _output_loss_mismatch, _missing_nonlinearity, _wrong_gradient,
    _frozen_layer, _overfitting, _over_regularized, _label_noise, _batch_too_small,
    _no_output_layer,
)  # fmt: skip
MILD = (_lr_too_high, _constant_features, _over_regularized, _batch_too_small)


def _hard(rng: Rng) -> Setting:
    """Return settings that look faulty and are not."""
    s = base(rng)
    kind = int(rng.integers(0, 22))
    fast = {"sgd": 0.1, "momentum": 0.03, "adam": 0.005, "rmsprop": 0.003}[s.optimizer]
    deep = int(rng.integers(6, 11))
    options: tuple[Callable[[], Setting], ...] = (
        lambda: s.but(activation="relu", bias=-0.3),
        lambda: s.but(dropout=0.5, hidden=(64, 64), epochs=s.epochs * 2),
        lambda: s.but(epochs=s.epochs * 3),
        lambda: s.but(schedule="warmup", lr=fast * 1.5),
        lambda: s.but(optimizer="adam", lr=0.003, epochs=max(s.epochs // 2, 3)),
        lambda: base(rng, ("iris", "wine", "breast_cancer")),
        lambda: base(rng, ("digits", "mnist")).but(rows=300, epochs=25, optimizer="adam", lr=0.003),
        lambda: s.but(batch=400, epochs=s.epochs * 8, optimizer="adam", lr=0.01),
        lambda: s.but(batch=4, lr=s.lr / 8, epochs=max(s.epochs // 2, 3)),
        lambda: s.but(hidden=(32,) * deep, batchnorm=True, batch=32),
        lambda: s.but(hidden=(32,) * deep, residual=True, lr=s.lr / 3),
        lambda: s.but(activation="tanh", init="lecun_normal", hidden=(32,) * 3),
        lambda: s.but(activation="sigmoid", hidden=(32,), epochs=s.epochs * 2),
        lambda: s.but(l2=1e-4),
        lambda: s.but(l2=1e-3, hidden=(64, 64)),
        lambda: s.but(clip=1.0),
        lambda: s.but(schedule=pick(rng, "cosine", "one_cycle", "step")),
        lambda: s.but(constant=(2, 1.0)),
        lambda: base(rng, REGRESSION).but(loss=pick(rng, "huber", "mae", "mse")),
        lambda: base(rng, ("digits", "iris", "classification")).but(imbalance=0.2),
        lambda: s.but(own_layer=pick(rng, *OWN), hidden=(32, 32), activation="tanh"),
        lambda: s.but(lr=s.lr * 2),
    )  # fmt: skip
    return options[kind]()


def cases(each: int = 12, seed: int = 0) -> Iterator[Case]:
    """Yield this many configurations of each fault, of each mild fault, and healthy ones."""
    for number, fault in enumerate(FAULTS):
        rng = np.random.default_rng([seed, number])
        for _ in range(each):
            case = fault(rng, False)
            yield Case(case.cause, "faulty", case.setting, case.twin, case.layers)
    for number, fault in enumerate(MILD):
        rng = np.random.default_rng([seed, 100 + number])
        for _ in range(each):
            case = fault(rng, True)
            yield Case(case.cause, "mild", case.setting, case.twin, case.layers)
    rng = np.random.default_rng([seed, 200])
    for _ in range(4 * each):
        yield Case("", "healthy", base(rng))
    for _ in range(6 * each):
        yield Case("", "hard", _hard(rng))


__all__ = ["REGRESSION", "Case", "cases"]

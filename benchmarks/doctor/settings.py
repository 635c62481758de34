"""A training as a record of settings, from which network, data and arguments of `fit` are built."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any

import numpy as np

import minnet
from benchmarks.doctor import layers as own
from minnet import initializers, schedules

ACTIVATIONS = {
    "relu": minnet.ReLU, "leaky_relu": minnet.LeakyReLU, "elu": minnet.ELU, "gelu": minnet.GELU,
    "silu": minnet.SiLU, "tanh": minnet.Tanh, "sigmoid": minnet.Sigmoid, "prelu": minnet.PReLU,
    "own_tanh": own.OwnTanh,
}  # fmt: skip
OPTIMIZERS = {
    "sgd": minnet.SGD,
    "momentum": partial(minnet.SGD, momentum=0.9),
    "adam": minnet.Adam,
    "rmsprop": minnet.RMSProp,
    "adamw": minnet.AdamW,
}
REGRESSION = ("diabetes", "friedman", "linear", "sine")


@dataclass(frozen=True)
class Setting:
    """Settings of one training; the defaults are healthy for standardized rows."""

    data: str = "digits"
    rows: int = 0  # training rows; 0 is all
    hidden: tuple[int, ...] = (32, 32)
    activation: str = "relu"
    init: str = ""  # "" is the recommended one
    init_scale: float = 1.0
    init_layers: tuple[int, ...] = ()  # layers whose weights are scaled; () is all
    bias: float = 0.0
    optimizer: str = "sgd"
    lr: float = 0.1
    batch: int = 32
    epochs: int = 12
    schedule: str = ""
    clip: float = 0.0
    l2: float = 0.0
    l1: float = 0.0
    decay: float = 0.0
    dropout: float = 0.0
    batchnorm: bool = False
    residual: bool = False
    standardize: bool = True
    input_scale: float = 1.0
    input_offset: float = 0.0
    column_scales: float = 0.0  # decades over which columns are scaled
    target_scale: float = 1.0
    target_offset: float = 0.0
    constant: tuple[int, float] = (0, 0.0)  # columns and value
    noise: float = 0.0
    loss: str = ""
    tail: str = ""
    head: bool = True
    linear: tuple[int, ...] = ()  # hidden layers without activation
    frozen: int = -1
    frozen_by: str = "trainable"
    own_layer: str = ""  # kind of a user's layer after the first hidden activation
    own_fault: str = ""
    imbalance: float = 0.0
    early_stop: bool = False
    class_weight: bool = False
    extra: tuple[tuple[str, Any], ...] = field(default=())

    def but(self, **changes: Any) -> Setting:
        """Return these settings with changes."""
        return replace(self, **changes)


@cache
def raw(name: str) -> tuple[Any, Any]:  # noqa: PLR0911 - one return for each data set
    """Return all rows and targets of a data set."""
    from sklearn import datasets as ds

    rng = np.random.default_rng(5)
    if name == "digits":
        x, y = ds.load_digits(return_X_y=True)
        return x / 16.0, y
    if name == "mnist":
        (x, y), _ = minnet.datasets.mnist()
        chosen = rng.permutation(len(x))[:1200]
        return x[chosen].reshape(len(chosen), -1).astype(float), y[chosen]
    if name in ("iris", "wine", "breast_cancer", "diabetes"):
        x, y = getattr(ds, f"load_{name}")(return_X_y=True)
        return x, y
    if name == "classification":
        return ds.make_classification(
            1500, 20, n_informative=8, n_redundant=4, n_classes=4, class_sep=1.5, flip_y=0.01,
            random_state=3,
        )  # fmt: skip
    if name == "overlap":
        return ds.make_classification(
            1000, 20, n_informative=6, n_classes=3, class_sep=0.8, flip_y=0.1, random_state=4
        )
    if name == "moons":
        return ds.make_moons(1000, noise=0.15, random_state=1)
    if name == "circles":
        return ds.make_circles(1000, noise=0.1, factor=0.5, random_state=1)
    if name == "spiral":
        t = rng.uniform(0.3, 1.0, 1200)
        arm = rng.integers(0, 3, 1200)
        angle = 5 * t + 2.0944 * arm + 0.12 * rng.standard_normal(1200)
        return np.stack([t * np.cos(angle), t * np.sin(angle)], 1), arm
    if name == "friedman":
        return ds.make_friedman1(900, 8, noise=0.3, random_state=2)
    if name == "linear":
        return ds.make_regression(600, 12, n_informative=8, noise=10.0, random_state=2)
    if name == "sine":
        x = rng.uniform(-3, 3, (800, 2))
        return x, np.sin(2 * x[:, 0]) + 0.5 * x[:, 1] ** 2 + 0.1 * rng.standard_normal(800)
    raise ValueError(name)


def rows_of(s: Setting, seed: int) -> tuple[Any, Any, Any, Any]:
    """Return training rows, targets, validation rows and targets."""
    x, y = raw(s.data)
    rng = np.random.default_rng(100 + seed)
    order = rng.permutation(len(x))
    cut = int(0.7 * len(x))
    train, test = order[:cut], order[cut:][:600]
    if s.rows:
        train = train[: s.rows]
    if s.imbalance:
        rare = y[train] == 0
        keep = ~rare | (rng.random(len(train)) < s.imbalance)
        train = train[keep]
    x, x_test = x[train].astype(float), x[test].astype(float)
    if s.standardize and s.data not in ("digits", "mnist"):
        mean, std = x.mean(0), x.std(0)
        std[std == 0] = 1
        x, x_test = (x - mean) / std, (x_test - mean) / std
    if s.column_scales:
        factors = 10 ** (s.column_scales * np.random.default_rng(7).uniform(-0.5, 0.5, x.shape[1]))
        x, x_test = x * factors, x_test * factors
    x, x_test = (rows * s.input_scale + s.input_offset for rows in (x, x_test))
    count, value = s.constant
    if count:
        x, x_test = (np.hstack([r, np.full((len(r), count), value)]) for r in (x, x_test))
    y, y_test = y[train], y[test]
    if s.data in REGRESSION:
        mean, std = y.mean(), y.std()
        y, y_test = (
            ((t - mean) / std * s.target_scale + s.target_offset)[:, None].astype(np.float32)
            for t in (y, y_test)
        )
    elif s.noise:
        wrong = rng.random(len(y)) < s.noise
        y = y.copy()
        y[wrong] = rng.integers(0, y.max() + 1, int(wrong.sum()))
    return x.astype(np.float32), y, x_test.astype(np.float32), y_test


def build(  # noqa: PLR0912 - one branch for each setting
    s: Setting, seed: int
) -> tuple[minnet.Sequential, Any, Any, dict[str, Any]]:
    """Return the network, rows, targets and the arguments of fit, with validation_data."""
    x, y, x_test, y_test = rows_of(s, seed)
    classes = 0 if s.data in REGRESSION else int(raw(s.data)[1].max()) + 1
    out, loss, tail = classes or 1, minnet.SoftmaxCrossEntropy(), s.tail
    kind = s.loss or ("mse" if not classes else "softmax")
    if kind == "mse":
        loss = minnet.MeanSquaredError()
        if classes:
            y, y_test = (np.eye(classes, dtype=np.float32)[t] for t in (y, y_test))
    elif kind == "mse_labels":
        loss, out = minnet.MeanSquaredError(), 1
        y, y_test = (t[:, None].astype(np.float32) for t in (y, y_test))
    elif kind == "bce":
        loss, out = minnet.SigmoidBinaryCrossEntropy(), 1
        y, y_test = (t[:, None].astype(np.float32) for t in (y, y_test))
    elif kind == "ce":
        loss, tail = minnet.CrossEntropy(), s.tail or "softmax"
    elif kind == "huber":
        loss = minnet.Huber()
    elif kind == "mae":
        loss = minnet.MeanAbsoluteError()
    net = network(s, x.shape[1], out, tail, seed)
    steps = max(s.epochs * -(-len(x) // s.batch), 2)
    optimizer = make_optimizer(s, net)
    if s.frozen_by == "optimizer" and s.frozen >= 0:
        base = own.SkippingAdam if "adam" in s.optimizer else own.SkippingSGD
        optimizer = base(net, lr=s.lr)
        dense = [la for _, la in net.walk() if "weight" in la.params]
        base.skip = sum(p.value.size for la in dense[: s.frozen + 1] for p in la.params.values())
    arguments: dict[str, Any] = {
        "loss": loss, "optimizer": optimizer, "epochs": s.epochs, "batch_size": s.batch,
        "validation_data": (x_test, y_test), "rng": seed,
        "drop_last": s.batchnorm and len(x) % s.batch == 1,
    }  # fmt: skip
    if s.schedule == "cosine":
        arguments["schedule"] = schedules.cosine(s.lr, steps=steps)
    elif s.schedule == "warmup":
        arguments["schedule"] = schedules.warmup(s.lr, steps=max(steps // 10, 1))
    elif s.schedule == "one_cycle":
        arguments["schedule"] = schedules.one_cycle(s.lr, steps=max(steps, 10))
    elif s.schedule == "step":
        arguments["schedule"] = schedules.step(s.lr, every=max(steps // 3, 1), factor=0.3)
    if s.clip:
        arguments["clip_norm"] = s.clip
    if s.l2:
        arguments["regularizer"] = minnet.L2(s.l2)
    if s.l1:
        arguments["regularizer"] = minnet.L1(s.l1)
    if s.early_stop:
        arguments["callbacks"] = [minnet.EarlyStopping("val_loss", patience=max(s.epochs // 4, 2))]
    if s.class_weight:
        arguments["class_weight"] = "balanced"
    return net, x, y, arguments


def make_optimizer(s: Setting, net: minnet.Sequential) -> minnet.Optimizer:
    """Return the optimizer."""
    options = {"weight_decay": s.decay} if s.decay else {}
    optimizer: minnet.Optimizer = OPTIMIZERS[s.optimizer](net, lr=s.lr, **options)
    return optimizer


def network(  # noqa: PLR0912 - one branch for each setting
    s: Setting, width: int, out: int, tail: str, seed: int
) -> minnet.Sequential:
    """Return the network."""
    rule: Any = s.init or initializers.recommend(s.activation.replace("own_", "")).name
    if s.init.startswith("constant:"):
        rule = partial(initializers.constant, value=float(s.init.split(":")[1]))
    items: list[Any] = []
    for k, size in enumerate(s.hidden):
        dense: Any = minnet.Dense(
            width, size, init=rule, bias_init=partial(initializers.constant, value=s.bias)
        )
        if s.own_layer == "dense" and k == 1:
            dense = own.OwnDense(width, size)
            dense.fault = s.own_fault
        if s.frozen == k and s.frozen_by == "plain":
            dense = own.PlainDense(width, size, seed)
        group: list[Any] = [dense]
        if s.batchnorm:
            group.append(minnet.BatchNorm(size))
        if k not in s.linear:
            act = ACTIVATIONS[s.activation]()
            if s.own_layer == "tanh" and k == len(s.hidden) // 2:
                act = own.OwnTanh()
                act.fault = s.own_fault
            group.append(act)
        if s.residual and width == size:
            items.append(minnet.Residual(*group))
        else:
            items += group
        if s.own_layer == "scale" and k == 0:
            scale = own.OwnScale(size)
            scale.fault = s.own_fault
            items.append(scale)
        if s.dropout:
            items.append(minnet.Dropout(s.dropout))
        width = size
    if s.head:
        items.append(
            minnet.Dense(width, out, init=rule if s.init or s.init_scale != 1 else "glorot_uniform")
        )
    if tail:
        kinds = ACTIVATIONS | {"softmax": minnet.Softmax}
        items.append(kinds[tail]())
    net = minnet.Sequential(items, rng=seed)
    if s.init_scale != 1:
        dense = [la for _, la in net.walk() if "weight" in la.params]
        for k, la in enumerate(dense):
            if not s.init_layers or k in s.init_layers:
                la.params["weight"].value = la.params["weight"].value * s.init_scale
    if s.frozen >= 0 and s.frozen_by == "trainable":
        dense = [la for _, la in net.walk() if "weight" in la.params]
        dense[s.frozen].trainable = False
    return net


def points(net: minnet.Sequential, s: Setting, seed: int, data: Any = None) -> float:
    """Return accuracy, or R² of a regression, on the validation rows."""
    _, _, x, y = data or rows_of(s, seed)
    try:
        output = net.predict(x)
    except FloatingPointError:
        return -1.0 if s.data in REGRESSION else 0.0
    if s.data in REGRESSION:
        return max(1 - float(np.mean((output - y) ** 2) / y.var()), -1.0)
    if output.shape[1] > 1:
        return float((output.argmax(1) == y).mean())
    found = output[:, 0] > 0 if s.loss == "bce" else np.rint(output[:, 0])
    return float((found == y).mean())

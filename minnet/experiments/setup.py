"""Description of a training by plain values: data, network, optimizer, seed.

All experiments and claims train networks that a `Setup` describes. A setup can be written to a
file, compared, and sent to another process. It alone determines what a training computes.
"""

import dataclasses
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Self

import numpy as np

from minnet import datasets, initializers
from minnet.layer import Layer
from minnet.layers.activations import ELU, GELU, LeakyReLU, PReLU, ReLU, Sigmoid, SiLU, Tanh
from minnet.layers.dense import Dense
from minnet.layers.dropout import Dropout
from minnet.layers.normalization import BatchNorm, LayerNorm
from minnet.layers.residual import Residual
from minnet.layers.sequential import Sequential
from minnet.losses import Loss, MeanSquaredError, SoftmaxCrossEntropy
from minnet.optimizers import SGD, Adagrad, Adam, AdamW, Optimizer, RMSProp
from minnet.regularization import L1, L2, Regularizer
from minnet.validation import Array, count, fraction, non_negative, positive

SCALINGS = {"unit": (0.0, 1.0), "centred": (0.5, 2.0), "bytes": (0.0, 255.0)}  # (x - shift) * scale
IMAGES = ("mnist", "fashion_mnist", "digits")
ARTICLE_SPLIT = 42
ACTIVATIONS: dict[str, type[Layer]] = {
    "sigmoid": Sigmoid, "tanh": Tanh, "relu": ReLU, "leaky_relu": LeakyReLU, "prelu": PReLU,
    "elu": ELU, "swish": SiLU, "gelu": GELU,
}  # fmt: skip
OPTIMIZERS: dict[str, type[Optimizer]] = {
    "sgd": SGD, "rmsprop": RMSProp, "adagrad": Adagrad, "adam": Adam, "adamw": AdamW,
}  # fmt: skip
LOSSES: dict[str, type[Loss]] = {
    "cross_entropy": SoftmaxCrossEntropy, "squared_error": MeanSquaredError,
}  # fmt: skip
NAMES: dict[str, Collection[str]] = {
    "data": (*IMAGES, "iris", "iris_article", "csv"), "scaling": SCALINGS,
    "activation": ACTIVATIONS, "loss": LOSSES, "optimizer": OPTIMIZERS,
    "weight_sign": ("both", "positive", "negative"),
}  # fmt: skip
NUMBERS: dict[str, Callable[[Any, str, str], float]] = {
    "rows": count, "batch_size": count, "epochs": non_negative, "seed": non_negative,
    "weight_scale": non_negative, "l1": non_negative, "l2": non_negative, "lr": non_negative,
    "dropout": fraction, "momentum": fraction, "clip_norm": positive,
}  # fmt: skip


@dataclass(frozen=True)
class Data:
    """Training and test rows, (n, features), with their labels, (n,)."""

    x: Array
    labels: Array
    x_test: Array
    labels_test: Array

    @property
    def classes(self) -> int:
        """Number of classes in all rows, training and test."""
        return int(max(self.labels.max(), self.labels_test.max())) + 1


@lru_cache(maxsize=2)
def load(
    name: str, scaling: str = "unit", rows: int | None = None, table: tuple[str, ...] = ()
) -> Data:
    """Return a data set with its first ``rows`` training rows; the arrays are read-only.

    Raises
    ------
    FileNotFoundError
        If the files of MNIST are missing and cannot be downloaded.
    """
    loaders: dict[str, Callable[[], tuple[Any, ...]]] = {
        "iris_article": _article_iris,
        "csv": partial(datasets.from_csv, *table[:2], task="classification"),
    }
    load_split = loaders.get(name) or getattr(datasets, name)
    (x, labels), (x_test, labels_test) = load_split()[:2]
    if name == "iris":
        x, x_test = datasets.standardize(x, x_test)
    shift, scale = SCALINGS[scaling] if name in IMAGES else (0.0, 1.0)
    x, x_test = ((part - np.float32(shift)) * np.float32(scale) for part in (x, x_test))
    for array in (x, x_test, labels, labels_test):
        array.flags.writeable = False
    return Data(x[:rows], labels[:rows], x_test, labels_test)


def _article_iris() -> datasets.Split:
    """Return Iris as the article prepares it: standardized, then split without stratification."""
    from sklearn.datasets import load_iris
    from sklearn.model_selection import train_test_split

    x, y = load_iris(return_X_y=True)
    (x,) = datasets.standardize(x)
    x_train, x_test, y_train, y_test = train_test_split(
        x.astype(np.float32), y, test_size=0.2, random_state=ARTICLE_SPLIT
    )
    return (x_train, y_train), (x_test, y_test)


class LogOfClipped(Layer):
    """y = log(x) of x clipped to [1e-7, 1 - 1e-7], dx = dy / x inside and 0 outside.

    Keras's cross-entropy of probabilities clips its inputs in this way. The softmax of the loss
    that follows divides them by their sum.
    """

    def compute(self, x: Array, y: Array, training: bool) -> None:  # noqa: D102
        np.log(np.clip(x, 1e-7, 1 - 1e-7), out=y)

    def differentiate(self, dy: Array, dx: Array) -> None:  # noqa: D102
        inside = (self.x > 1e-7) & (self.x < 1 - 1e-7)
        np.divide(dy, self.x, out=dx, where=inside)
        dx[~inside] = 0


@dataclass(frozen=True, kw_only=True)
class Setup:
    """Data, network, loss and optimizer of a training.

    Attributes
    ----------
    data : str
        One of IMAGES, "iris", "iris_article" (standardized before an unstratified split), or "csv".
    table : tuple of str
        Path, target and checksum of the CSV file of "csv".
    scaling : str
        Range of the pixels: "unit" for [0, 1], "centred" for [-1, 1], "bytes" for [0, 255].
    rows : int or None
        Number of training rows, taken from the beginning; None for all.
    hidden : tuple of int
        Units of each hidden layer: a Dense, an activation, and the options below.
    activation : str
        One of ACTIVATIONS.
    init : str
        An initializer's name, or "torch": weights and biases uniform within ±1/√fan_in, as in
        PyTorch's Linear.
    weight_scale : float
        Factor of the initial weights.
    weight_sign : {"both", "positive", "negative"}
        Use the initial weights of hidden layers as drawn, or ± their magnitudes.
    batchnorm, layernorm : bool
        Put a BatchNorm or a LayerNorm before each activation.
    bias : bool or None
        Give hidden layers a bias; None for a bias unless a BatchNorm follows.
    residual : bool
        Put a skip connection around each hidden layer that keeps the width.
    dropout : float
        Probability of a Dropout after each activation.
    output : bool
        Add a last Dense with one unit for each class. Without it, the last hidden units are used
        as probabilities.
    loss : {"cross_entropy", "squared_error"}
        Cross-entropy of logits, or squared error to one-hot rows.
    optimizer, lr, momentum
        One of OPTIMIZERS; momentum is for "sgd" only.
    l1, l2 : float
        Strengths of the penalties; at most one may be positive.
    clip_norm : float or None
        Norm to which gradients are clipped.
    batch_size, epochs : int
        Batches are at most as large as the data. With 0 epochs nothing is trained.
    measures : tuple of str
        Extra measures, by their names in `minnet.experiments.measures`.
    seed : int
        Seed of the initial weights, the order of the rows, and dropout.

    Raises
    ------
    ValueError
        If a name is unknown, a number is out of range, or l1 and l2 are both positive.
    """

    hidden: tuple[int, ...]
    data: str = "mnist"
    table: tuple[str, ...] = ()
    scaling: str = "unit"
    rows: int | None = None
    activation: str = "relu"
    init: str = "glorot_uniform"
    weight_scale: float = 1.0
    weight_sign: str = "both"
    batchnorm: bool = False
    layernorm: bool = False
    bias: bool | None = None
    residual: bool = False
    dropout: float = 0.0
    output: bool = True
    loss: str = "cross_entropy"
    optimizer: str = "adam"
    lr: float = 1e-3
    momentum: float = 0.0
    l1: float = 0.0
    l2: float = 0.0
    clip_norm: float | None = None
    batch_size: int = 128
    epochs: int = 1
    measures: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("hidden", "measures", "table"):  # lists in JSON
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for field in dataclasses.fields(self):  # equal setups give equal files
            if isinstance(field.default, float):
                object.__setattr__(self, field.name, float(getattr(self, field.name)))
        for name, known in NAMES.items():
            if (value := getattr(self, name)) not in known:
                raise ValueError(f"Setup: unknown {name} {value!r}; there are {', '.join(known)}")
        for name, check in NUMBERS.items():
            if (number := getattr(self, name)) is not None:  # rows and clip_norm
                check(number, "Setup", name)
        for units in self.hidden:
            count(units, "Setup", "hidden")
        if (self.data == "csv") != bool(self.table):
            raise ValueError(f"Setup: expected a table for 'csv' only, got data {self.data!r}")
        if self.l1 and self.l2:
            raise ValueError(
                f"Setup: l1 and l2 cannot both be positive, got {self.l1} and {self.l2}"
            )

    def but(self, **changes: Any) -> Self:
        """Return a copy with these values changed."""
        return dataclasses.replace(self, **changes)

    def as_dict(self) -> dict[str, Any]:
        """Return the values for JSON; ``Setup(**setup.as_dict())`` is an equal setup."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in vars(self).items()}

    def load(self) -> Data:
        """Return the data."""
        return load(self.data, self.scaling, self.rows, self.table)

    def build(self) -> Sequential:
        """Return the network with its initial weights."""
        data = self.load()
        width = data.x.shape[1]
        layers: list[Layer] = []
        for units in self.hidden:
            block = self._block(width, units)
            layers += [Residual(*block)] if self.residual and width == units else block
            width = units
        layers += [self._dense(width, data.classes, bias=True)] if self.output else [LogOfClipped()]
        return Sequential(layers, rng=self.seed)

    def _block(self, width: int, units: int) -> list[Layer]:
        bias = not self.batchnorm if self.bias is None else self.bias
        block: list[Layer] = [self._dense(width, units, bias=bias, sign=self.weight_sign)]
        if self.batchnorm:
            block.append(BatchNorm(units))
        if self.layernorm:
            block.append(LayerNorm(units))
        block.append(ACTIVATIONS[self.activation]())
        if self.dropout:
            block.append(Dropout(self.dropout))
        return block

    def _dense(self, width: int, units: int, *, bias: bool, sign: str = "both") -> Dense:
        torch = self.init == "torch"
        limit = 1 / math.sqrt(width)
        draw = partial(initializers.uniform, limit=limit) if torch else initializers.get(self.init)
        weight = partial(_scaled_and_signed, draw, self.weight_scale, sign)  # can be pickled
        return Dense(width, units, bias=bias, init=weight, bias_init=draw if torch else "zeros")

    def make_loss(self) -> Loss:
        """Return a new loss."""
        return LOSSES[self.loss]()

    def make_optimizer(self, net: Sequential) -> Optimizer:
        """Return a new optimizer of net."""
        options = {"momentum": self.momentum} if self.optimizer == "sgd" else {}
        return OPTIMIZERS[self.optimizer](net, lr=self.lr, **options)

    def make_regularizer(self) -> Regularizer | None:
        """Return the penalty, or None."""
        return L1(self.l1) if self.l1 else L2(self.l2) if self.l2 else None


def _scaled_and_signed(
    init: initializers.Initializer, scale: float, sign: str, shape: Any, *, rng: Any, dtype: Any
) -> Array:
    """Draw a weight, scale it, and give it the requested sign."""
    weight = np.multiply(init(shape, rng=rng, dtype=dtype), scale, dtype=dtype)
    if sign == "both":
        return weight
    return np.abs(weight) if sign == "positive" else -np.abs(weight)

"""Remedies: a change of a training, by name and arguments, and how to apply it to a copy."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from minnet import initializers
from minnet.doctor.training import Training, labels_in
from minnet.layer import Layer
from minnet.layers.activations import (
    ELU,
    GELU,
    LeakyReLU,
    PReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Tanh,
)
from minnet.layers.container import Container
from minnet.layers.dense import Dense
from minnet.layers.dropout import Dropout
from minnet.layers.normalization import BatchNorm, GroupNorm, LayerNorm
from minnet.layers.residual import Residual
from minnet.layers.sequential import Sequential
from minnet.losses import Loss, MeanSquaredError, SigmoidBinaryCrossEntropy, SoftmaxCrossEntropy
from minnet.regularization import L2, Regularizer
from minnet.validation import Array

SEED = 0  # of new initial weights
ACTIVATIONS: dict[str, type[Layer]] = {
    "relu": ReLU, "leaky_relu": LeakyReLU, "prelu": PReLU, "elu": ELU, "silu": SiLU, "gelu": GELU,
    "tanh": Tanh, "sigmoid": Sigmoid,
}  # fmt: skip
LOSSES: dict[str, type[Loss]] = {
    kind.__name__: kind
    for kind in (SoftmaxCrossEntropy, SigmoidBinaryCrossEntropy, MeanSquaredError)
}
NORMALIZATIONS = BatchNorm, LayerNorm, GroupNorm
Item = tuple[str, Layer]


@dataclass
class Remedy:
    """A change of the training.

    Attributes
    ----------
    action : str
        Name of the change, such as "set_lr".
    arguments : dict
        Arguments of the action, such as {"value": 0.01}.
    text : str
        The change as a sentence, with the result of the trial if there was one.
    """

    action: str
    arguments: dict[str, Any] = field(default_factory=dict)
    text: str = ""

    def __str__(self) -> str:
        return f"{self.action}({', '.join(map(str, self.arguments.values()))})"


def is_weighted(layer: Layer) -> bool:
    """Return whether a layer maps one width to another, as Dense does."""
    if isinstance(layer, Container | BatchNorm | LayerNorm | GroupNorm):
        return False
    arrays = [p.value for p in layer.params.values()]
    arrays += [v for v in vars(layer).values() if isinstance(v, np.ndarray) and not layer.own]
    return any(array.ndim == 2 for array in arrays)


def is_activation(layer: Layer) -> bool:
    """Return whether a layer is a function of each row that is neither weighted nor a helper."""
    helper = Container | Dropout | BatchNorm | LayerNorm | GroupNorm
    return not isinstance(layer, helper) and not is_weighted(layer)


# Networks.


def rebuilt(training: Training, items: Iterable[Item]) -> Training:
    """Return a training of a network of these layers, with their present parameters."""
    used: dict[str, int] = {}
    named = []
    for name, layer in items:
        used[name] = used.get(name, 0) + 1
        named.append((name if used[name] == 1 else f"{name}_{used[name]}", layer))
    net = Sequential(
        [(name, copy.deepcopy(layer)) for name, layer in named], rng=SEED, dtype=training.net.dtype
    )
    return training.with_net(net)


def items_of(net: Container) -> list[Item]:
    """Return the layers of a container with their names."""
    return [(layer.name, layer) for layer in net.layers]


def changed_branch(layer: Layer, change: Callable[[list[Item]], list[Item]]) -> Layer:
    """Return layer, or for a Residual one whose layers are changed."""
    if not isinstance(layer, Residual):
        return layer
    return Residual(*[copy.deepcopy(item) for _, item in change(items_of(layer))])


def draw_weights(net: Sequential, init: str) -> None:
    """Draw all weights of Dense layers again and set their biases to 0."""
    generator = np.random.default_rng(SEED)
    rule = initializers.get(init)
    for _, layer in net.walk():
        if is_weighted(layer) and not isinstance(layer, Container):
            for param in layer.params.values():
                if param.value.ndim == 2:
                    param.value = rule(param.value.shape, rng=generator, dtype=layer.dtype)
                else:
                    param.value = 0.0


def set_init(training: Training, value: str) -> Training:
    """Draw the weights by an initializer, with biases of 0."""
    draw_weights(training.net, value)
    return training


def set_activation(training: Training, value: str) -> Training:
    """Replace the activations of the hidden layers, and draw the weights for them."""

    def change(items: list[Item]) -> list[Item]:
        return [
            (name, ACTIVATIONS[value]() if is_activation(layer) else changed_branch(layer, change))
            for name, layer in items
        ]

    items = items_of(training.net)
    last = max((k for k, (_, layer) in enumerate(items) if is_weighted(layer)), default=0)
    training = rebuilt(training, [*change(items[:last]), *items[last:]])
    draw_weights(training.net, initializers.recommend(value).name)
    return training


def add_batchnorm(training: Training) -> Training:
    """Insert batch normalization between each weighted layer and the activation after it."""

    def change(items: list[Item]) -> list[Item]:
        found: list[Item] = []
        for k, (name, layer) in enumerate(items):
            found.append((name, changed_branch(layer, change)))
            follows = k + 1 < len(items) and is_activation(items[k + 1][1])
            if is_weighted(layer) and follows and layer is not last:
                found.append(("batchnorm", BatchNorm(layer.out_features or 1)))
        return found

    items = items_of(training.net)
    last = next((layer for _, layer in reversed(items) if is_weighted(layer)), None)
    return rebuilt(training, change(items))


def add_residual(training: Training) -> Training:
    """Wrap each Dense that keeps the width, with what follows it, in a Residual."""
    found: list[Item] = []
    items = items_of(training.net)
    k = 0
    while k < len(items):
        name, layer = items[k]
        stop = k + 1
        if is_weighted(layer) and layer.in_features == layer.out_features:
            while stop < len(items) and not is_weighted(items[stop][1]):
                stop += 1
            if stop < len(items):
                branch = [copy.deepcopy(inner) for _, inner in items[k:stop]]
                found.append(("residual", Residual(*branch)))
                k = stop
                continue
        found.append((name, layer))
        k += 1
    return rebuilt(training, found)


def insert_activation(training: Training, value: str) -> Training:
    """Insert an activation between weighted layers that have none between them."""
    items, found = items_of(training.net), []
    later = [k for k, (_, layer) in enumerate(items) if is_weighted(layer)]
    for k, (name, layer) in enumerate(items):
        found.append((name, layer))
        following = [j for j in later if j > k]
        if k in later and following:
            between = [inner for _, inner in items[k + 1 : following[0]]]
            if not any(is_activation(inner) for inner in between):
                found.append((value, ACTIVATIONS[value]()))
    training = rebuilt(training, found)
    draw_weights(training.net, initializers.recommend(value).name)
    return training


def unfreeze(training: Training, layer: str) -> Training:
    """Make the parameters of a layer trainable."""
    training.net[layer].trainable = True
    return training


# Head and loss.


def set_loss(training: Training, value: str) -> Training:
    """Replace the loss, the layers after the last weighted layer, and the width of the output."""
    labels = labels_in(training.y)
    loss = LOSSES[value]()
    items = items_of(training.net)
    last = max(k for k, (_, layer) in enumerate(items) if is_weighted(layer))
    return _with_head(training, items[: last + 1], loss, labels)


def add_output_layer(training: Training) -> Training:
    """Append a Dense layer from the last width to the classes, with a loss on logits."""
    labels, net = labels_in(training.y), training.net
    loss = SoftmaxCrossEntropy() if labels is not None else MeanSquaredError()
    return _with_head(training, items_of(net), loss, labels)


def _with_head(training: Training, items: list[Item], loss: Loss, labels: Array | None) -> Training:
    """Use loss, and end in a Dense of the width that it needs: the last layer, or a new one."""
    y, pair = training.y, training.validation
    features = 1 if y.ndim == 1 else y.shape[1]
    if labels is not None:
        classes = int(labels.max()) + 1
        held = None if pair is None else labels_in(pair[1])
        if pair is not None and held is None:
            held = pair[1].ravel().astype(np.int64)
        if held is not None:
            classes = max(classes, int(held.max()) + 1)
        features = 1 if loss.multilabel or not loss.classifies else classes

        def convert(rows: Array) -> Array:
            return rows.astype(training.net.dtype)[:, None] if features == 1 else rows

        y = convert(labels)
        pair = None if pair is None or held is None else (pair[0], convert(held))
    training = replace(training, loss=loss, y=y, validation=pair)
    last = items[-1][1]
    if is_weighted(last) and last.out_features == features:
        return rebuilt(training, items)
    if is_weighted(last):
        items = items[:-1]
    width = training.net.out_features if not is_weighted(last) else last.in_features
    return rebuilt(training, [*items, ("output", Dense(width or 1, features))])


# Optimization.


def set_lr(training: Training, value: float) -> Training:
    """Set the learning rate, of a schedule the largest one."""
    schedule = training.schedule
    if schedule is None:
        training.optimizer.lr = value
        return training
    factor = value / (training.lr or 1.0)
    return replace(training, schedule=lambda step: factor * schedule(step))


def clip_norm(training: Training, value: float) -> Training:
    """Clip the gradient to a norm."""
    return replace(training, clip_norm=value)


def set_batch_size(training: Training, value: int) -> Training:
    """Set the number of rows of a batch, for the same number of epochs."""
    return with_epochs(replace(training, batch_size=value), training.epochs)


def with_epochs(training: Training, epochs: float) -> Training:
    """Return a training with the steps of this many epochs."""
    return replace(training, steps=max(round(epochs * training.batches().per_epoch), 1))


# Data.


def scale_inputs(training: Training) -> Training:
    """Standardize the columns of the rows."""
    convert, pair = standardization(training.x), training.validation
    if pair is not None:
        pair = convert(pair[0]), pair[1]
    return replace(training, x=convert(training.x), validation=pair)


def scale_targets(training: Training) -> Training:
    """Standardize the targets."""
    convert, pair = standardization(training.y), training.validation
    if pair is not None:
        pair = pair[0], convert(pair[1])
    return replace(training, y=convert(training.y), validation=pair)


def standardization(rows: Array) -> Callable[[Array], Array]:
    """Return the function that standardizes each column as these rows; constant ones become 0."""
    mean, std = rows.mean(axis=0, dtype=np.float64), rows.std(axis=0, dtype=np.float64)
    std[std <= 1e-6 * np.abs(mean)] = 1.0

    def convert(others: Array) -> Array:
        scaled: Array = np.ascontiguousarray((others - mean) / np.where(std, std, 1), rows.dtype)
        return scaled

    return convert


def constant_columns(x: Array) -> Array:
    """Return whether each column of x has one value only, and this is not 0."""
    mean = x.mean(axis=0, dtype=np.float64)
    spread = x.max(axis=0) - x.min(axis=0)
    constant: Array = (spread <= 1e-6 * np.abs(mean)) & (mean != 0)
    return constant


def drop_constant_features(training: Training) -> Training:
    """Drop the columns, and draw the weights of the first layer for its new width."""
    keep = ~constant_columns(training.x)
    items = items_of(training.net)
    k = next(k for k, (_, layer) in enumerate(items) if is_weighted(layer))
    first = items[k][1]
    if not isinstance(first, Dense):
        raise ValueError(f"{first}: expected a Dense to drop columns of the input")
    dense = Dense(int(keep.sum()), first.out_features, bias=first.has_bias, init=first.init)
    items[k] = first.name, dense
    pair = training.validation
    training = replace(
        training,
        x=np.ascontiguousarray(training.x[:, keep]),
        validation=None if pair is None else (np.ascontiguousarray(pair[0][:, keep]), pair[1]),
    )
    return rebuilt(training, items)


# Regularization.


def set_regularization(training: Training, value: float) -> Training:
    """Set the strength of the penalty and of the weight decay, or add an L2 penalty."""
    optimizer, regularizer = training.optimizer, training.regularizer
    decays = optimizer.weight_decay > 0
    if decays:
        optimizer.weight_decay = value
    if isinstance(regularizer, Regularizer):
        regularizer.strength = value
    elif not decays and value:
        regularizer = L2(value)
    return replace(training, regularizer=regularizer)


def set_dropout(training: Training, value: float) -> Training:
    """Set the probability of every Dropout layer, or insert them after hidden activations."""
    dropouts = [layer for _, layer in training.net.walk() if isinstance(layer, Dropout)]
    for dropout in dropouts:
        dropout.p = value
    if dropouts:
        return training
    items, found = items_of(training.net), []
    last = max(k for k, (_, layer) in enumerate(items) if is_weighted(layer))
    for k, (name, layer) in enumerate(items):
        found.append((name, layer))
        if k < last and is_activation(layer):
            found.append(("dropout", Dropout(value)))
    return rebuilt(training, found)


ACTIONS: dict[str, Callable[..., Training]] = {
    action.__name__: action
    for action in (
        set_init, set_activation, add_batchnorm, add_residual, insert_activation, unfreeze,
        set_loss, add_output_layer, set_lr, clip_norm, set_batch_size, scale_inputs, scale_targets,
        drop_constant_features, set_regularization, set_dropout,
    )
}  # fmt: skip

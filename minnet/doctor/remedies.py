"""Remedies: changes of a training by name and arguments, and how to apply them to a copy.

Each action is a function that takes a copy of a training and returns the changed one. It raises
ValueError, TypeError or KeyError if it does not fit the network. ``early_stopping``,
``check_labels`` and ``fix_backward`` are actions for people, and have no function.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from minnet import initializers, losses
from minnet.doctor.training import Training, labels_in
from minnet.layer import Layer
from minnet.layers import activations
from minnet.layers.container import Container
from minnet.layers.dense import Dense
from minnet.layers.dropout import Dropout
from minnet.layers.normalization import BatchNorm, GroupNorm, LayerNorm
from minnet.layers.residual import Residual
from minnet.layers.sequential import Sequential
from minnet.losses import Loss
from minnet.regularization import L2
from minnet.validation import Array

SEED = 0  # of new initial weights
ACTIVATIONS: dict[str, Callable[[], Layer]] = {
    "relu": activations.ReLU, "leaky_relu": activations.LeakyReLU, "tanh": activations.Tanh,
}  # fmt: skip
NORMALIZATIONS = BatchNorm, LayerNorm, GroupNorm


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
        The change in words, with the result of the trial if there was one.
    """

    action: str
    arguments: dict[str, Any] = field(default_factory=dict)
    text: str = ""

    def __str__(self) -> str:
        return f"{self.action}({', '.join(map(str, self.arguments.values()))})"


def matrix_of(layer: Layer) -> tuple[Array | None, Array | None]:
    """Return the first matrix of a layer and its gradient; a plain array has no gradient."""
    if isinstance(layer, Container):
        return None, None
    for param in layer.params.values():
        if param.value.ndim == 2:
            return param.value, param.grad
    shapes = [(layer.in_features, layer.out_features), (layer.out_features, layer.in_features)]
    arrays: list[Any] = [v for v in vars(layer).values() if isinstance(v, np.ndarray)]
    return next((array for array in arrays if array.shape in shapes), None), None


def is_weighted(layer: Layer) -> bool:
    """Return whether a layer has a matrix, as Dense does, also if it is not a parameter."""
    return matrix_of(layer)[0] is not None


def is_activation(layer: Layer) -> bool:
    """Return whether a layer is neither weighted nor a container, normalization or dropout."""
    others = Container | BatchNorm | LayerNorm | GroupNorm | Dropout
    return not isinstance(layer, others) and not is_weighted(layer)


# Layers.


def rebuilt(training: Training, layers: Sequence[Layer]) -> Training:
    """Return a training of a network of copies of these layers, with their present parameters."""
    copies = [copy.deepcopy(layer) for layer in layers]
    return training.with_net(Sequential(copies, rng=SEED, dtype=training.net.dtype))


def last_weighted(layers: Sequence[Layer]) -> int:
    """Return the index of the last layer with a matrix."""
    return max(k for k, layer in enumerate(layers) if is_weighted(layer))


def set_init(training: Training, value: str) -> Training:
    """Draw all matrices by an initializer, and set the other parameters beside them to 0."""
    generator, rule = np.random.default_rng(SEED), initializers.get(value)
    for _, layer in training.net.walk():
        if is_weighted(layer):
            for param in layer.params.values():
                param.value = 0.0
                if param.value.ndim == 2:
                    param.value = rule(param.value.shape, rng=generator, dtype=layer.dtype)
    return training


def set_activation(training: Training, value: str) -> Training:
    """Replace the activations of the hidden layers, and draw the weights for them."""

    def changed(layer: Layer) -> Layer:
        if isinstance(layer, Residual):
            return Residual(*map(changed, copy.deepcopy(layer).layers))
        return ACTIVATIONS[value]() if is_activation(layer) else copy.deepcopy(layer)

    layers = training.net.layers
    last = last_weighted(layers)
    training = rebuilt(training, [*map(changed, layers[:last]), *layers[last:]])
    return set_init(training, initializers.recommend(value).name)


def insert_activation(training: Training, value: str) -> Training:
    """Insert an activation between weighted layers that have none between them."""
    found: list[Layer] = []
    linear = False
    for layer in training.net.layers:
        if is_weighted(layer) and linear:
            found.append(ACTIVATIONS[value]())
        linear = is_weighted(layer) or (linear and not is_activation(layer))
        found.append(layer)
    return set_init(rebuilt(training, found), initializers.recommend(value).name)


def add_batchnorm(training: Training) -> Training:
    """Insert batch normalization between each hidden weighted layer and the activation after it."""
    layers = training.net.layers
    found: list[Layer] = []
    for layer, after in zip(layers, [*layers[1:], None], strict=True):
        found.append(layer)
        if is_weighted(layer) and after is not None and is_activation(after):
            found.append(BatchNorm(layer.out_features or 1))
    return rebuilt(training, found)


def add_residual(training: Training) -> Training:
    """Wrap each hidden layer that keeps the width, with its activation, in a Residual."""
    rest: list[Layer] = list(training.net.layers)
    found: list[Layer] = []
    while rest:
        size = next((k for k, la in enumerate(rest[1:], start=1) if is_weighted(la)), len(rest))
        block, rest = rest[:size], rest[size:]
        wraps = is_weighted(block[0]) and block[0].in_features == block[0].out_features
        found += [Residual(*map(copy.deepcopy, block))] if wraps and rest else block
    return rebuilt(training, found)


def set_dropout(training: Training, value: float) -> Training:
    """Set the probability of every Dropout layer, or insert them after hidden activations."""
    dropouts = [layer for _, layer in training.net.walk() if isinstance(layer, Dropout)]
    for dropout in dropouts:
        dropout.p = value
    if dropouts:
        return training
    last = last_weighted(training.net.layers)
    found: list[Layer] = []
    for k, layer in enumerate(training.net.layers):
        found += [layer, Dropout(value)] if k < last and is_activation(layer) else [layer]
    return rebuilt(training, found)


def unfreeze(training: Training, layer: str) -> Training:
    """Make the parameters of a layer trainable."""
    training.net[layer].trainable = True
    return training


# Output and loss.


def set_loss(training: Training, value: str) -> Training:
    """Set the loss, drop the activation of the output, and give the output the right width."""
    layers, loss = training.net.layers, getattr(losses, value)()
    layers = layers[: last_weighted(layers) + 1]
    training = with_targets(training, loss)
    width = 1 if training.y.ndim > 1 else int(training.y.max()) + 1
    last = layers[-1]
    if last.out_features != width and training.y.ndim == 1:
        layers = (*layers[:-1], Dense(last.in_features or 1, width))
    return rebuilt(training, layers)


def add_output_layer(training: Training) -> Training:
    """Append a Dense layer with one output for each class, and use a loss on logits."""
    training = with_targets(training, losses.SoftmaxCrossEntropy())
    head = Dense(training.net.out_features or 1, int(training.y.max()) + 1)
    return rebuilt(training, [*training.net.layers, head])


def with_targets(training: Training, loss: Loss) -> Training:
    """Return a training with another loss and, for classes, with targets in the form it takes."""

    def converted(y: Array) -> Array:
        labels = labels_in(y)
        if labels is None or not loss.classifies:
            return y
        return labels[:, None].astype(training.net.dtype) if loss.multilabel else labels

    pair = training.validation
    held = None if pair is None else (pair[0], converted(pair[1]))
    return replace(training, loss=loss, y=converted(training.y), validation=held)


# Steps.


def set_lr(training: Training, value: float) -> Training:
    """Set the learning rate, of a schedule the largest one."""
    schedule, factor = training.schedule, value / (training.lr or 1.0)
    if schedule is not None:
        return replace(training, schedule=lambda step: factor * schedule(step))
    training.optimizer.lr = value
    return training


def clip_norm(training: Training, value: float) -> Training:
    """Clip the gradient to a norm."""
    return replace(training, clip_norm=value)


def set_batch_size(training: Training, value: int) -> Training:
    """Set the number of rows of a batch, for the same number of epochs."""
    epochs = training.steps / training.batches().per_epoch
    training = replace(training, batch_size=value)
    return replace(training, steps=max(round(epochs * training.batches().per_epoch), 1))


def set_regularization(training: Training, value: float) -> Training:
    """Set the strength of the penalty and of the weight decay, or add an L2 penalty."""
    optimizer, regularizer = training.optimizer, training.regularizer
    if optimizer.weight_decay:
        optimizer.weight_decay = value
    if regularizer is not None:
        regularizer.strength = value
    elif not optimizer.weight_decay and value:
        regularizer = L2(value)
    return replace(training, regularizer=regularizer)


# Rows.


def scale_inputs(training: Training) -> Training:
    """Standardize the columns of the rows."""
    return with_inputs(training, standardization(training.x))


def scale_targets(training: Training) -> Training:
    """Standardize the targets."""
    convert, pair = standardization(training.y), training.validation
    held = None if pair is None else (pair[0], convert(pair[1]))
    return replace(training, y=convert(training.y), validation=held)


def drop_constant_features(training: Training) -> Training:
    """Drop constant columns, and draw the weights of the first layer for its new width."""
    keep, layers = ~constant_columns(training.x), list(training.net.layers)
    k = next(k for k, layer in enumerate(layers) if is_weighted(layer))
    first = layers[k]
    if not isinstance(first, Dense):
        raise TypeError(f"{first}: expected a Dense to drop columns of the input")
    layers[k] = Dense(int(keep.sum()), first.out_features, bias=first.has_bias, init=first.init)
    return rebuilt(with_inputs(training, lambda rows: np.ascontiguousarray(rows[:, keep])), layers)


def with_inputs(training: Training, convert: Callable[[Array], Array]) -> Training:
    """Return a training with converted rows."""
    pair = training.validation
    held = None if pair is None else (convert(pair[0]), pair[1])
    return replace(training, x=convert(training.x), validation=held)


def standardization(rows: Array) -> Callable[[Array], Array]:
    """Return the function that standardizes each column as these rows; constant ones become 0."""
    mean, std = rows.mean(axis=0, dtype=np.float64), rows.std(axis=0, dtype=np.float64)
    scale = np.where(std > 1e-6 * np.abs(mean), std, 1.0).astype(rows.dtype)
    mean = mean.astype(rows.dtype)

    def convert(others: Array) -> Array:
        scaled: Array = (others - mean) / scale
        return scaled

    return convert


def constant_columns(x: Array) -> Array:
    """Return whether each column of x has one value only, and this is not 0."""
    constant: Array = (np.ptp(x, axis=0) <= 1e-6 * np.abs(x[0])) & (x[0] != 0)
    return constant


ACTIONS: dict[str, Callable[..., Training]] = {
    action.__name__: action
    for action in (
        set_init, set_activation, insert_activation, add_batchnorm, add_residual, set_dropout,
        unfreeze, set_loss, add_output_layer, set_lr, clip_norm, set_batch_size,
        set_regularization, scale_inputs, scale_targets, drop_constant_features,
    )
}  # fmt: skip

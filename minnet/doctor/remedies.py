"""Remedies: changes of a training by name and arguments, and how to apply them to a copy.

Each action is a function that takes a copy of a training and returns the changed one. It raises
ValueError, TypeError or LookupError if it does not fit the network. ``early_stopping``,
``check_labels`` and ``fix_backward`` cannot be applied to a copy, so they have no function.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import chain, pairwise
from typing import Any

import numpy as np

from minnet import initializers, losses
from minnet.doctor.findings import Remedy
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
TEXTS = {
    "set_lr": "set the learning rate to {:.2g}",
    "set_init": "initialize with {} and biases of 0",
    "set_activation": "use {} in the hidden layers, with its initializer",
    "insert_activation": "insert {} between the weighted layers, with its initializer",
    "add_batchnorm": "insert BatchNorm before each hidden activation",
    "add_residual": "add skip connections around hidden layers of equal input and output width",
    "clip_norm": "clip the gradient to norm {:.2g}",
    "scale_inputs": "standardize each column by the training rows, so that constant ones become 0",
    "scale_targets": "standardize the targets, and convert the predictions back",
    "drop_constant_features": "drop the constant columns",
    "set_loss": "end the network in a Dense of the right width without activation, and use {}",
    "add_output_layer": "append a Dense with one output for each class, and use a loss on logits",
    "fix_backward": "correct the method differentiate of {}",
    "unfreeze": "train the weights of {}",
    "set_regularization": "set the strength of the penalty to {:.2g}",
    "set_dropout": "set dropout after each hidden activation to {:.2g}",
    "set_batch_size": "use batches of {} rows",
    "early_stopping": "stop when the validation loss no longer falls",
    "check_labels": "check the labels that contradict those of the nearest rows",
}


def remedy(action: str, value: Any = None, **arguments: Any) -> Remedy:
    """Return a remedy with its text; a float is rounded to three digits."""
    if isinstance(value, float):
        value = float(f"{value:.3g}")
    arguments |= {} if value is None else {"value": value}
    return Remedy(action, arguments, TEXTS[action].format(*arguments.values()))


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


def rebuilt(training: Training, layers: Iterable[Layer]) -> Training:
    """Return a training of a network of copies of these layers, with their present parameters."""
    copies = [copy.deepcopy(layer) for layer in layers]
    return training.with_net(Sequential(copies, rng=SEED, dtype=training.net.dtype))


def with_hidden(training: Training, change: Callable[[list[Layer]], list[Layer]]) -> Training:
    """Return a training whose network has changed hidden blocks, with the present parameters.

    A block is a weighted layer and those up to the next one. The last one is not hidden, and layers
    before the first one do not change.
    """
    layers = training.net.layers
    starts = [k for k, layer in enumerate(layers) if is_weighted(layer)]
    blocks = [change(list(layers[a:b])) for a, b in pairwise(starts)]
    return rebuilt(training, [*layers[: starts[0]], *chain(*blocks), *layers[starts[-1] :]])


def set_init(training: Training, value: str) -> Training:
    """Draw all matrices by an initializer, and set the other parameters of their layers to 0."""
    generator, rule = np.random.default_rng(SEED), initializers.get(value)
    for _, layer in training.net.walk():
        for param in layer.params.values() if is_weighted(layer) else ():
            param.value = 0.0
            if param.value.ndim == 2:
                param.value = rule(param.value.shape, rng=generator, dtype=layer.dtype)
    return training


def set_activation(training: Training, value: str) -> Training:
    """Replace the activations of the hidden layers, and draw the weights for them."""

    def changed(layer: Layer) -> Layer:
        if isinstance(layer, Residual):
            return Residual(*map(changed, copy.deepcopy(layer).layers))
        return ACTIVATIONS[value]() if is_activation(layer) else layer

    training = with_hidden(training, lambda block: [*map(changed, block)])
    return set_init(training, initializers.recommend(value).name)


def insert_activation(training: Training, value: str) -> Training:
    """Insert an activation between weighted layers that have none between them."""

    def change(block: list[Layer]) -> list[Layer]:
        return block if any(map(is_activation, block)) else [*block, ACTIVATIONS[value]()]

    return set_init(with_hidden(training, change), initializers.recommend(value).name)


def add_batchnorm(training: Training) -> Training:
    """Insert batch normalization between each hidden weighted layer and the activation after it."""

    def change(block: list[Layer]) -> list[Layer]:
        if not any(map(is_activation, block[1:2])):
            return block
        return [block[0], BatchNorm(block[0].out_features or 1), *block[1:]]

    return with_hidden(training, change)


def add_residual(training: Training) -> Training:
    """Wrap each hidden layer that keeps the width, with its activation, in a Residual."""

    def change(block: list[Layer]) -> list[Layer]:
        keeps = block[0].in_features == block[0].out_features
        return [Residual(*copy.deepcopy(block))] if keeps else block

    return with_hidden(training, change)


def set_dropout(training: Training, value: float) -> Training:
    """Set the probability of every Dropout layer, or insert them after hidden activations."""
    dropouts = [layer for _, layer in training.net.walk() if isinstance(layer, Dropout)]
    for dropout in dropouts:
        dropout.p = value
    if dropouts:
        return training

    def change(block: list[Layer]) -> list[Layer]:
        return [*chain(*([la, Dropout(value)] if is_activation(la) else [la] for la in block))]

    return with_hidden(training, change)


def unfreeze(training: Training, layer: str) -> Training:
    """Make the parameters of a layer trainable."""
    training.net[layer].trainable = True
    return training


def set_loss(training: Training, value: str) -> Training:
    """Set the loss, drop the activation of the output, and give the output the right width.

    Classes are converted to the form that the loss takes.
    """
    loss: Loss = getattr(losses, value)()

    def converted(y: Array) -> Array:
        labels = labels_in(y)
        if labels is None or not loss.classifies:
            return y
        return labels[:, None].astype(training.net.dtype) if loss.multilabel else labels

    training = replace(training.with_rows(y=converted), loss=loss)
    layers = list(training.net.layers)
    while not is_weighted(last := layers.pop()):
        pass
    if training.y.ndim == 1 and last.out_features != (classes := int(training.y.max()) + 1):
        last = Dense(last.in_features or 1, classes)
    return rebuilt(training, [*layers, last])


def add_output_layer(training: Training) -> Training:
    """Append a Dense layer with one output for each class, and use a loss on logits."""
    head = Dense(training.net.out_features or 1, 1)  # set_loss gives it the right width
    return set_loss(rebuilt(training, [*training.net.layers, head]), "SoftmaxCrossEntropy")


def set_lr(training: Training, value: float) -> Training:
    """Set the learning rate; of a schedule, its largest value."""
    schedule, factor = training.schedule, value / (training.lr or 1.0)
    if schedule is not None:
        return replace(training, schedule=lambda step: factor * schedule(step))
    training.optimizer.lr = value
    return training


def set_batch_size(training: Training, value: int) -> Training:
    """Set the number of rows of a batch, for the same number of epochs."""
    epochs = training.steps / training.batches().per_epoch
    training = replace(training, batch_size=value)
    return replace(training, steps=max(round(epochs * training.batches().per_epoch), 1))


def set_regularization(training: Training, value: float) -> Training:
    """Set the strength of the penalty and of the weight decay, or add an L2 penalty."""
    optimizer, regularizer = training.optimizer, training.regularizer
    if regularizer is not None:
        regularizer.strength = value
    elif not optimizer.weight_decay and value:
        regularizer = L2(value)
    if optimizer.weight_decay:
        optimizer.weight_decay = value
    return replace(training, regularizer=regularizer)


def drop_constant_features(training: Training) -> Training:
    """Drop constant columns, and draw the weights of the first layer for its new width."""
    keep, layers = ~constant_columns(training.x), list(training.net.layers)
    k = next(k for k, layer in enumerate(layers) if is_weighted(layer))
    first = layers[k]
    if not isinstance(first, Dense):
        raise TypeError(f"{first}: expected a Dense to drop columns of the input")
    layers[k] = Dense(int(keep.sum()), first.out_features, bias=first.has_bias, init=first.init)
    training = training.with_rows(x=lambda rows: np.ascontiguousarray(rows[:, keep]))
    return rebuilt(training, layers)


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
    """Return a mask (columns,), True for columns with a single value other than 0."""
    constant: Array = (np.ptp(x, axis=0) <= 1e-6 * np.abs(x[0])) & (x[0] != 0)
    return constant


ACTIONS: dict[str, Callable[..., Training]] = {
    action.__name__: action
    for action in (
        set_init, set_activation, insert_activation, add_batchnorm, add_residual, set_dropout,
        unfreeze, set_loss, add_output_layer, set_lr, set_batch_size, set_regularization,
        drop_constant_features,
    )
}  # fmt: skip
ACTIONS |= {
    "clip_norm": lambda training, value: replace(training, clip_norm=value),
    "scale_inputs": lambda training: training.with_rows(x=standardization(training.x)),
    "scale_targets": lambda training: training.with_rows(y=standardization(training.y)),
}

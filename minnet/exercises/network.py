"""Training of a small network on the digits, with an answer in place of one of its parts."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from minnet import datasets
from minnet.layer import Layer
from minnet.layers.sequential import Sequential
from minnet.losses import Loss, SoftmaxCrossEntropy
from minnet.optimizers import SGD, Optimizer
from minnet.training import train_step
from minnet.validation import Array

BATCH = 25


@cache
def digits() -> datasets.Split:
    """Return the first 500 training digits and all test digits."""
    (x, y), test = datasets.digits()
    return (x[:500], y[:500]), test


def train(
    layers: Sequence[Layer],
    *,
    loss: Loss | None = None,
    optimizer: Callable[[Sequential], Optimizer] = lambda net: SGD(net, lr=0.1, momentum=0.9),
    epochs: int = 5,
) -> Array:
    """Train a network with 64 inputs and 10 outputs on the digits.

    Returns
    -------
    ndarray, shape (360, 10)
        Logits of the test digits.
    """
    (x, y), (x_test, _) = digits()
    net = Sequential(layers, rng=0)
    used_optimizer, used_loss = optimizer(net), loss or SoftmaxCrossEntropy()
    for start in [*range(0, len(x) - BATCH + 1, BATCH)] * epochs:
        rows = slice(start, start + BATCH)
        train_step(net, x[rows], y[rows], loss=used_loss, optimizer=used_optimizer)
    return net.predict(x_test)


def accuracy(logits: Array) -> float:
    """Return the share of test digits that logits (n, 10) classify correctly."""
    labels = digits()[1][1]
    if logits.shape != (len(labels), 10):
        return 0.0
    return float((logits.argmax(axis=1) == labels).mean())


class Adapted(Layer):
    """A layer made of two functions, ``forward(x, training)`` and ``backward(dy)``."""

    def __init__(
        self, forward: Callable[[Array, bool], Any], backward: Callable[[Array], Any]
    ) -> None:
        self._forward, self._backward = forward, backward

    def compute(self, x: Array, y: Array, training: bool) -> None:
        """Copy the result of the forward function."""
        y[...] = self._forward(x, training)

    def differentiate(self, dy: Array, dx: Array) -> None:
        """Copy the result of the backward function."""
        dx[...] = self._backward(dy)

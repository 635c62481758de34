"""The last check: the student's own layer in a real network, on real digits, for a moment."""

from __future__ import annotations

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
    """Return 500 of the small digits to train on, and all to test on, loaded once in a process."""
    (x, y), test = datasets.digits()
    return (x[:500], y[:500]), test


def train(
    layers: Sequence[Layer],
    *,
    loss: Loss | None = None,
    optimizer: Callable[[Sequential], Optimizer] = lambda net: SGD(net, lr=0.1, momentum=0.9),
    epochs: int = 5,
) -> Array:
    """Train a network of these layers, 64 wide at the start and 10 at the end, on the digits.

    Returns
    -------
    ndarray, shape (360, 10)
        What the network says to the test digits.
    """
    (x, y), (x_test, _) = digits()
    net = Sequential(layers, rng=0)
    mover, criterion = optimizer(net), loss or SoftmaxCrossEntropy()
    for start in [*range(0, len(x) - BATCH + 1, BATCH)] * epochs:
        rows = slice(start, start + BATCH)
        train_step(net, x[rows], y[rows], loss=criterion, optimizer=mover)
    return net.predict(x_test)


class Adapted(Layer):
    """A layer made of two functions: ``forward(x, training)`` and ``backward(dy)``."""

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

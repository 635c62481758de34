"""A copy of a training, which can be changed and repeated without effect on the original."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np

from minnet.arguments import Batches
from minnet.layers.sequential import Sequential
from minnet.losses import Loss
from minnet.optimizers import Optimizer
from minnet.regularization import Regularizer
from minnet.training import Probe, Run, train_step
from minnet.validation import Array

MOST_ROWS = 1000  # rows of which a score is computed
MOST_CLASSES = 20


class Score(NamedTuple):
    """Quality of a network on some rows.

    ``points`` is the accuracy, or for targets that are not classes R² = 1 - MSE / Var(t), at least
    -1. ``loss`` is the mean loss. A network whose output is not finite has the points of the best
    constant output, and an infinite loss.
    """

    points: float
    loss: float


def labels_in(y: Array) -> Array | None:
    """Return the labels (n,) that these targets state, or None if they are not classes.

    >>> labels_in(np.array([[0.0, 1.0], [1.0, 0.0]])).tolist()
    [1, 0]
    >>> labels_in(np.array([[0.3], [1.7]])) is None
    True
    """
    if y.ndim == 1:
        return y
    if y.shape[1] > 1:
        one_hot = bool(((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all())
        return y.argmax(axis=1) if one_hot else None
    values = np.unique(y)
    if len(values) <= MOST_CLASSES and np.array_equal(values, np.arange(len(values))):
        return y[:, 0].astype(np.int64)
    return None


@dataclass
class Training:
    """Everything that determines the result of a training, ready to be repeated.

    Attributes
    ----------
    x, y, weights : ndarray
        Training rows, targets as the loss returned them, and weights of the rows or None.
    steps : int
        Number of planned steps.
    validation : (x, y) or None
        Rows that are not used in training.
    target_scale : (mean, std)
        Standardization of the targets of a regression: (t - mean) / std.
    """

    net: Sequential
    loss: Loss
    optimizer: Optimizer
    x: Array
    y: Array
    weights: Array | None
    batch_size: int
    drop_last: bool
    steps: int
    regularizer: Regularizer | None
    clip_norm: float | None
    schedule: Callable[[int], float] | None
    shuffle: bool
    generator: np.random.Generator
    validation: tuple[Array, Array] | None

    @classmethod
    def of(cls, run: Run, validation: tuple[Array, Array] | None) -> Self:
        """Return a copy of a run that has not begun; rows and targets are shared."""
        batches = run.batches
        drop_last = batches.rows < len(batches.x)
        steps = run.epochs * batches.per_epoch
        return cls(
            run.net, run.loss, run.optimizer, batches.x, batches.y, batches.weights, batches.size,
            drop_last, steps, run.regularizer, run.clip_norm, run.schedule, run.shuffle,
            run.generator, validation,
        ).copy()  # fmt: skip

    def copy(self) -> Self:
        """Return a copy that shares rows and targets only."""
        net = copy.deepcopy(self.net)
        net.history = None
        return replace(
            self,
            net=net,
            loss=copy.deepcopy(self.loss),
            optimizer=transplanted(self.optimizer, net),
            regularizer=copy.copy(self.regularizer),
            generator=copy.deepcopy(self.generator),
        )

    def with_net(self, net: Sequential) -> Self:
        """Return this training with another network; the optimizer's state is lost."""
        return replace(self, net=net, optimizer=transplanted(self.optimizer, net))

    def run(self, probes: Sequence[Probe] = ()) -> Iterator[int]:
        """Take the planned steps in place, and yield the number of steps after each.

        FloatingPointError is raised if the training diverges.
        """
        batches, n = self.batches(), len(self.x)
        taken = 0
        while taken < self.steps:
            order = self.generator.permutation(n) if self.shuffle else np.arange(n)
            for x, y, weights in batches.in_order(order):
                if self.schedule is not None:
                    self.optimizer.lr = self.schedule(self.optimizer.steps)
                train_step(
                    self.net, x, y, loss=self.loss, optimizer=self.optimizer, probes=probes,
                    regularizer=self.regularizer, clip_norm=self.clip_norm, sample_weight=weights,
                )  # fmt: skip
                taken += 1
                yield taken
                if taken == self.steps:
                    return

    def batches(self) -> Batches:
        """Return the batches of the training rows."""
        return Batches(
            self.net, self.x, self.y, self.weights, self.batch_size, drop_last=self.drop_last
        )

    def score(self, net: Sequential | None = None, *, training_rows: bool = False) -> Score:
        """Return the score on the validation rows, or on the training rows if there are none."""
        net = net or self.net
        x, y = self.x, self.y
        if self.validation is not None and not training_rows:
            x, y = self.validation
        x, y = _thinned(x), _thinned(y)
        constant = constant_points(y)
        try:
            output = net.predict(x)
            with np.errstate(all="ignore"):
                loss = copy.deepcopy(self.loss).forward(output, y)
        except (FloatingPointError, ValueError):
            return Score(constant, math.inf)
        return Score(points_of(output, y, self.loss), loss)


def points_of(output: Array, y: Array, loss: Loss) -> float:
    """Return the accuracy or R² of an output (n, features)."""
    labels = labels_in(y)
    if labels is not None:
        if output.shape[1] > 1:
            predicted = output.argmax(axis=1)
        else:
            predicted = output[:, 0] > 0 if loss.takes_logits else np.rint(output[:, 0])
        return float((predicted == labels).mean())
    if loss.classifies:
        if y.shape == output.shape and loss.multilabel:
            return float(((output > (0 if loss.takes_logits else 0.5)) == (y > 0.5)).mean())
        return float((output.argmax(axis=1) == y.argmax(axis=1)).mean())
    variance = float(y.var(axis=0, dtype=np.float64).mean())
    with np.errstate(all="ignore"):
        error = float(np.square(output - y, dtype=np.float64).mean())
    if variance == 0:
        return 1.0 if error < 1e-6 else 0.0
    return max(1 - error / variance, -1.0) if math.isfinite(error) else -1.0


def constant_points(y: Array) -> float:
    """Return the points of the best constant output."""
    labels = labels_in(y)
    if labels is not None:
        return float(np.bincount(labels).max() / len(labels))
    return 0.0


def transplanted(optimizer: Optimizer, net: Sequential) -> Optimizer:
    """Return a copy of an optimizer for another network, with zero state if the size differs."""
    twin = copy.copy(optimizer)
    same = optimizer.net.theta.shape == net.theta.shape
    lengths = {len(optimizer.net.theta): len(net.theta), len(optimizer.net.params): len(net.params)}
    for name, array in optimizer.state.items():
        if same or array.ndim != 1:
            setattr(twin, name, array.copy())
        else:
            setattr(twin, name, np.zeros(lengths.get(len(array), len(array)), array.dtype))
    twin.net = net
    twin.resume(optimizer.lr, optimizer.steps, None)
    return twin


def _thinned(rows: Array) -> Array:
    return rows[:: -(-len(rows) // MOST_ROWS)]


def first_lr(training: Training) -> float:
    """Return the largest learning rate of a training."""
    if training.schedule is None:
        return training.optimizer.lr
    start = training.optimizer.steps
    steps = np.unique(np.linspace(start, start + training.steps - 1, 50).astype(int))
    return max(float(training.schedule(int(step))) for step in steps)


def scaled(schedule: Callable[[int], float], factor: float) -> Callable[[int], float]:
    """Return a schedule times a factor."""

    def schedule_of_copy(step: int) -> float:
        return factor * float(schedule(step))

    return schedule_of_copy

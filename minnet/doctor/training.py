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
MOST_CLASSES = 20  # most values of a single target that are taken for classes


class Score(NamedTuple):
    """Quality of a network on some rows.

    ``points`` is the accuracy or, for targets that are not classes, R² = 1 - MSE / Var(t), at least
    -1. ``loss`` is the mean loss. If the output is not finite, the points are those of the best
    constant output, and the loss is infinite.
    """

    points: float
    loss: float


@dataclass
class Training:
    """Everything that determines the result of a training of ``steps`` steps.

    ``y`` holds the targets as the loss returned them, ``weights`` the weights of the rows or None,
    and ``validation`` rows and targets that are not used in training, or None.
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
        return cls(
            run.net, run.loss, run.optimizer, batches.x, batches.y, batches.weights, batches.size,
            batches.rows < len(batches.x), run.epochs * batches.per_epoch, run.regularizer,
            run.clip_norm, run.schedule, run.shuffle, run.generator, validation,
        ).copy()  # fmt: skip

    def copy(self) -> Self:
        """Return a copy that shares rows and targets only."""
        net = copy.deepcopy(self.net)
        net.history = None
        names = ("loss", "regularizer", "generator")
        copies = {name: copy.deepcopy(getattr(self, name)) for name in names}
        return replace(self, **copies).with_net(net)

    def with_net(self, net: Sequential) -> Self:
        """Return this training with another network; zero optimizer state if its size differs."""
        optimizer, before = copy.copy(self.optimizer), self.optimizer.net
        same = len(before.theta) == len(net.theta) and len(before.params) == len(net.params)
        for name, array in self.optimizer.state.items():
            state = array.copy()
            if not same and name == "frozen_steps":
                state = np.zeros(len(net.params), array.dtype)
            elif not same and array.shape == before.theta.shape:
                state = np.zeros(len(net.theta), array.dtype)
            setattr(optimizer, name, state)
        optimizer.net = net
        optimizer.resume(optimizer.lr, optimizer.steps, None)
        return replace(self, net=net, optimizer=optimizer)

    def with_rows(
        self,
        x: Callable[[Array], Array] = np.asarray,
        y: Callable[[Array], Array] = np.asarray,
    ) -> Self:
        """Return this training with converted rows and targets, also those of the validation."""
        pair = self.validation
        held = None if pair is None else (x(pair[0]), y(pair[1]))
        return replace(self, x=x(self.x), y=y(self.y), validation=held)

    @property
    def lr(self) -> float:
        """Learning rate; with a schedule, its largest value over the planned steps."""
        if self.schedule is None:
            return self.optimizer.lr
        start = self.optimizer.steps
        steps = np.unique(np.linspace(start, start + self.steps - 1, 50).astype(int))
        return max(float(self.schedule(int(step))) for step in steps)

    def batches(self) -> Batches:
        """Return the batches of the training rows."""
        return Batches(
            self.net, self.x, self.y, self.weights, self.batch_size, drop_last=self.drop_last
        )

    def run(self, probes: Sequence[Probe] = ()) -> Iterator[int]:
        """Take the planned steps in place, and yield the number of steps after each.

        FloatingPointError is raised if the training diverges.
        """
        batches, n, taken = self.batches(), len(self.x), 0
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

    def scored_rows(self, *, training_rows: bool = False) -> tuple[Array, Array]:
        """Return some validation rows or, if there are none or on request, training rows."""
        held = None if training_rows else self.validation
        x, y = (self.x, self.y) if held is None else held
        stride = -(-len(x) // MOST_ROWS)
        return x[::stride], y[::stride]

    def score(self, net: Sequential, *, training_rows: bool = False) -> Score:
        """Return the score of a network on the validation rows, or on training rows."""
        x, y = self.scored_rows(training_rows=training_rows)
        try:
            output = net.predict(x)
            with np.errstate(all="ignore"):
                value = copy.deepcopy(self.loss).forward(output, y)
        except (FloatingPointError, ValueError):
            return Score(constant_points(y), math.inf)
        return Score(points_of(output, y, self.loss), value)


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
    whole = len(values) <= MOST_CLASSES and np.array_equal(values, np.arange(len(values)))
    return y[:, 0].astype(np.int64) if whole and len(values) > 1 else None


def step_seconds(training: Training) -> float:
    """Return the seconds of a step, estimated from the sizes of the network and of the batch.

    An estimate instead of a measurement makes two diagnoses of one training equal.
    """
    rows = min(training.batch_size, len(training.x))
    layers, size = len(list(training.net.walk())), training.net.theta.size
    return 1e-4 + 1e-5 * layers + (3e-9 + 2e-10 * rows) * size


def answers_of(output: Array, labels: Array, loss: Loss) -> Array:
    """Return the labels (n,) that an output (n, features) states."""
    if output.shape[1] > 1:
        answers: Array = output.argmax(axis=1)
    elif labels.max() == 1:
        answers = (output[:, 0] > (0.0 if loss.takes_logits else 0.5)).astype(np.int64)
    else:
        answers = np.rint(output[:, 0])
    return answers


def points_of(output: Array, y: Array, loss: Loss) -> float:
    """Return the accuracy or R² of an output (n, features)."""
    if (labels := labels_in(y)) is not None:
        return float((answers_of(output, labels, loss) == labels).mean())
    if loss.multilabel:
        return float(((output > (0.0 if loss.takes_logits else 0.5)) == (y > 0.5)).mean())
    if loss.classifies:
        return float((output.argmax(axis=1) == y.argmax(axis=1)).mean())
    variance = float(y.var(axis=0, dtype=np.float64).mean())
    error = float(np.square(output - y, dtype=np.float64).mean())
    return max(1 - error / variance, -1.0) if variance else float(error < 1e-6)


def constant_points(y: Array) -> float:
    """Return the points of the best constant output."""
    labels = labels_in(y)
    return 0.0 if labels is None else float(np.bincount(labels).max() / len(labels))

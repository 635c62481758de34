"""A probe that keeps what the published rules need, and the form of what they report."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from minnet.doctor import Finding, Remedy
from minnet.history import History
from minnet.layer import Layer
from minnet.layers.sequential import Sequential
from minnet.training import Run

ROWS = 256  # rows of the batch on which buffers are computed
BOUNDED = "tanh", "sigmoid"  # ends of the class names, also of a user's layers
ACTIVATIONS = "relu", "elu", "gelu", "silu", "softmax", *BOUNDED


class Unit(NamedTuple):
    """A layer with a weight, and the activation after it or None."""

    name: str
    layer: Layer
    activation: Layer | None

    @property
    def kind(self) -> str:
        """Class of the activation in lower case, "" if there is none."""
        return "" if self.activation is None else type(self.activation).__name__.lower()

    @property
    def bounded(self) -> bool:
        """Whether the activation is a tanh or a sigmoid."""
        return self.kind.endswith(BOUNDED)

    @property
    def inputs(self) -> Any:
        """Inputs of the activation, or outputs of the layer if there is none."""
        return self.layer.y if self.activation is None else self.activation.x

    @property
    def outputs(self) -> Any:
        """Outputs of the activation, or of the layer if there is none."""
        return self.layer.y if self.activation is None else self.activation.y

    @property
    def weight(self) -> Any:
        """Weight (in_features, out_features)."""
        return self.layer.params["weight"].value

    @property
    def grad(self) -> Any:
        """Gradient of the weight."""
        return self.layer.params["weight"].grad


@dataclass
class Look:
    """A copy of the network before a step, after a training pass on fixed rows.

    ``updates`` has mean |ΔW| / mean |W| of each weight in that step, and is empty if there was no
    such step.
    """

    step: int
    net: Sequential
    loss: float
    updates: dict[str, float] = field(default_factory=dict)

    def units(self) -> list[Unit]:
        """Return the layers with weights in the order of computation."""
        found: list[Unit] = []
        for name, layer in self.net.walk():
            kind = type(layer).__name__.lower()
            if "weight" in layer.params:
                found.append(Unit(name, layer, None))
            elif found and found[-1].activation is None and kind.endswith(ACTIVATIONS):
                found[-1] = found[-1]._replace(activation=layer)
        return found

    def hidden(self) -> list[Unit]:
        """Return the layers with weights but the last, if an activation follows."""
        return [unit for unit in self.units()[:-1] if unit.activation is not None]


class Observer:
    """Probe for `minnet.fit` that looks at the steps which `Doctor` observes in small networks.

    A look is left out if the pass on the fixed rows is not finite. ``failed`` states whether the
    training ended with a FloatingPointError.
    """

    def __init__(self) -> None:
        self.looks: list[Look] = []
        self.losses: list[float] = []
        self.failed = False

    def begin(self, run: Run) -> None:
        """Choose the steps of the looks and the rows."""
        n, data = run.epochs * run.batches.per_epoch, run.batches
        self.run, self.lr = run, run.optimizer.lr
        steps = {0, 1, 4, n // 16, n // 8, n // 4, n // 2, 3 * n // 4, n - 1}
        self._due = sorted(steps, reverse=True)
        chosen = np.random.default_rng(0).permutation(len(data.x))[:ROWS]
        self.x, self.y = data.x[chosen], data.y[chosen]

    def observe(self, step: int, net: Sequential) -> None:
        """Keep the loss of the step, and look at the network if a look is due."""
        self._update(net)
        if self._due and len(self.losses) >= self._due[-1]:
            self._due.pop()
            self.look(net)
        self.losses.append(net.metrics["loss"])

    def end(self, run: Run, error: BaseException | None) -> None:
        """Look at the network a last time."""
        self.failed = isinstance(error, FloatingPointError)
        self._update(run.net)
        self.look(run.net)

    def look(self, net: Sequential) -> None:
        """Keep a copy of the network after a training pass on the fixed rows."""
        twin, loss = copy.deepcopy(net), copy.deepcopy(self.run.loss)
        twin.history = None
        try:
            with np.errstate(all="ignore"):
                value = loss.forward(twin.forward(self.x, training=True), self.y)
                twin.backward(loss.backward())
        except FloatingPointError:
            return
        self.looks.append(Look(len(self.losses), twin, value))

    def _update(self, net: Sequential) -> None:
        if self.looks and self.looks[-1].step == len(self.losses) - 1:
            look = self.looks[-1]
            for unit in look.units():
                after, size = net[unit.name].params["weight"].value, np.abs(unit.weight).mean()
                change = np.abs(after - unit.weight).mean()
                ratio = float(change / size) if size else math.inf
                look.updates[unit.name] = ratio if change else 0.0

    @property
    def history(self) -> History:
        """Metrics of the complete epochs."""
        return self.run.net.history or History()

    def accuracies(self) -> tuple[list[float], list[float]]:
        """Return the accuracy of each epoch for training and validation rows.

        For a loss without classes it is 1 - loss / loss of the mean target, which is R² for squared
        errors. The published rules have no such substitute.
        """
        history = self.history
        if self.run.loss.classifies:
            return history.accuracy, history.val_accuracy or history.accuracy
        loss, y = copy.deepcopy(self.run.loss), self.run.batches.y
        largest = loss.forward(np.full_like(y, y.mean()), y) or 1.0
        held = history.val_loss or history.loss
        return [1 - v / largest for v in history.loss], [1 - v / largest for v in held]

    def classes(self) -> int:
        """Return the number of classes of an integer target, otherwise 0."""
        y = self.run.batches.y
        return int(y.max()) + 1 if y.ndim == 1 else 0

    def tensors(self) -> Iterator[tuple[Look, Unit]]:
        """Yield every weighted layer at every look."""
        for look in self.looks:
            for unit in look.units():
                yield look, unit


def remedy(action: str, value: Any = None) -> Remedy:
    """Return a remedy."""
    return Remedy(action, {} if value is None else {"value": value})


RELU, LEAKY = remedy("set_activation", "relu"), remedy("set_activation", "leaky_relu")
NORMALIZE = remedy("add_batchnorm")


def change_lr(observer: Observer, *factors: float) -> list[Remedy]:
    """Return remedies that multiply the learning rate."""
    return [remedy("set_lr", float(f"{factor * observer.lr:.3g}")) for factor in factors]


def finding(rule: str, cause: str, step: int, layer: str | None, *remedies: Remedy) -> Finding:
    """Return what a rule reports as a finding."""
    return Finding(cause, layer, step, 1.0, {}, rule, list(remedies))


def ranked(found: Iterable[Finding]) -> list[Finding]:
    """Return the first finding of each cause, ordered by step."""
    first: dict[str, Finding] = {}
    for each in sorted(found, key=lambda f: f.step):
        first.setdefault(each.cause, each)
    return list(first.values())

"""The objective of scikit-learn's MLP, its variant of Adam, and its rule of stopping.

Losses are summed over the outputs and not averaged, penalties are divided by the number of rows of
the batch, and training stops by the loss with penalties or by a score on validation rows. Initial
weights, the validation rows, the batch size and 0/1 targets are in `minnet.sklearn.estimators`.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

import minnet
from minnet.regularization import Regularizer
from minnet.stopping import Snapshot
from minnet.validation import Array, count, non_negative


class Objective(minnet.Loss):
    """Base class of the losses; it keeps the total weight of the batch for `Penalty`."""

    total_weight = 0.0  # of the last batch

    def forward(self, output: Any, target: Any, *, sample_weight: Any = None) -> float:
        self.total_weight = float(len(output) if sample_weight is None else sample_weight.sum())
        return super().forward(output, target, sample_weight=sample_weight)


class SoftmaxLoss(Objective, minnet.SoftmaxCrossEntropy):
    """Cross-entropy of three or more classes."""


class SigmoidLoss(Objective, minnet.SigmoidBinaryCrossEntropy):
    """Binary cross-entropy, summed over the outputs."""

    def compute(self, output: Array, target: Array) -> float:
        return float(super().compute(output, target) * output.shape[1])

    def differentiate(self, output: Array, target: Array, dx: Array) -> None:
        super().differentiate(output, target, dx)
        dx *= output.shape[1]


class SquaredLoss(Objective, minnet.MeanSquaredError):
    """Half the squared error.

    As in scikit-learn, the loss is averaged over the outputs, and its gradient is that of the sum.
    """

    def compute(self, output: Array, target: Array) -> float:
        return float(super().compute(output, target) / 2)

    def differentiate(self, output: Array, target: Array, dx: Array) -> None:
        super().differentiate(output, target, dx)
        dx *= output.shape[1] / 2


class Penalty(Regularizer):
    """Penalty (α/2 Σ w² + λ Σ |w|) / n over all weights w; n is the total weight of the batch.

    It also accumulates loss and penalty, because `minnet.History` holds the loss alone.
    """

    def __init__(self, alpha: float, l1: float, loss: Objective) -> None:
        self.alpha, self.l1 = non_negative(alpha, "fit", "alpha"), non_negative(l1, "fit", "l1")
        self.loss, self.sum, self.rows = loss, 0.0, 0

    def add_gradient(self, net: minnet.Sequential) -> None:
        penalty, n = 0.0, self.loss.total_weight or math.inf
        for param in (param for param in net.params.values() if param.value.ndim == 2):
            w = param.value
            param.grad += w * w.dtype.type(self.alpha / n)
            penalty += self.alpha / 2 * float(np.vdot(w, w)) / n
            if self.l1:
                param.grad += np.sign(w) * w.dtype.type(self.l1 / n)
                penalty += self.l1 * float(np.abs(w).sum()) / n
        self.sum += (net.metrics["loss"] + penalty) * len(net.y)
        self.rows += len(net.y)

    def end_epoch(self) -> float:
        """Return the mean of loss and penalty over the rows since the last call."""
        mean, self.sum, self.rows = self.sum / self.rows, 0.0, 0
        return mean


class EpsilonAdam(minnet.Adam):
    """Adam in which ε is added to √s, as in scikit-learn, and not to √ŝ = √s / √(1 - β₂ᵗ)."""

    def update(self, part: slice, decay: float) -> None:
        epsilon = self.eps
        self.eps = epsilon / math.sqrt(1.0 - self.beta2**self._part_steps)
        super().update(part, decay)
        self.eps = epsilon


class Rows(NamedTuple):
    """Rows of a training or a validation; ``y`` has the form of the user's targets."""

    x: Array
    targets: Array
    y: Array
    weights: Array | None = None


class Stopping:
    """Callback that records each epoch in the estimator and stops without improvement."""

    def __init__(self, estimator: Any, penalty: Penalty, held_out: Rows | None) -> None:
        self.estimator, self.penalty, self.held_out = estimator, penalty, held_out
        self.tol, self.patience = non_negative(estimator.tol, "fit", "tol"), math.inf
        if estimator.n_iter_no_change != math.inf:
            self.patience = count(estimator.n_iter_no_change, "fit", "n_iter_no_change")
        self.stopped, self.best = False, Snapshot(estimator.network_)

    def on_epoch(self, net: minnet.Sequential, history: minnet.History) -> bool:
        fitted, loss = self.estimator, self.penalty.end_epoch()
        improved = loss <= fitted.best_loss_ - self.tol
        fitted.loss_curve_.append(loss)
        fitted.best_loss_ = min(loss, fitted.best_loss_)
        fitted.n_iter_ += 1
        line = f"Epoch {fitted.n_iter_}: loss = {loss:.8f}"
        if self.held_out is not None:
            x, _, y, weights = self.held_out
            score = float(fitted._score(y, fitted._decode(net.predict(x)), sample_weight=weights))
            improved = score >= fitted.best_validation_score_ + self.tol
            fitted.validation_scores_.append(score)
            if score > fitted.best_validation_score_:
                fitted.best_validation_score_, self.best = score, Snapshot(net)
            line += f", validation score = {score:.6f}"
        if fitted.verbose:
            print(line)
        fitted._unimproved = 0 if improved else fitted._unimproved + 1
        self.stopped = fitted._unimproved > self.patience
        return self.stopped

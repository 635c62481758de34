"""The objective of scikit-learn's MLP, its variant of Adam, and its rule of stopping.

Losses are summed over the outputs and not averaged, penalties are divided by the number of rows of
the batch, and training stops by the loss with penalties or by a score on validation rows. Initial
weights, the validation rows, the batch size and 0/1 targets are in `minnet.sklearn.estimators`.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import minnet
from minnet.regularization import L1, L2, Regularizer
from minnet.stopping import Snapshot
from minnet.validation import Array, count, is_number, non_negative


class Objective(minnet.Loss):
    """Base class of the losses: they have other factors, and keep the total weight of a batch."""

    total_weight = 0.0  # of the last batch

    def factors(self, outputs: int) -> tuple[float, float]:
        """Return the factors by which minnet's loss and gradient are multiplied."""
        return 1.0, 1.0

    def forward(self, output: Any, target: Any, *, sample_weight: Any = None) -> float:
        self.total_weight = float(len(output) if sample_weight is None else sample_weight.sum())
        loss = super().forward(output, target, sample_weight=sample_weight)
        return loss * self.factors(output.shape[1])[0]

    def backward(self) -> Array:
        dx = super().backward()
        dx *= self.factors(dx.shape[1])[1]
        return dx


class SoftmaxLoss(Objective, minnet.SoftmaxCrossEntropy):
    """Cross-entropy of three or more classes."""


class SigmoidLoss(Objective, minnet.SigmoidBinaryCrossEntropy):
    """Binary cross-entropy, summed over the outputs."""

    def factors(self, outputs: int) -> tuple[float, float]:
        return outputs, outputs


class SquaredLoss(Objective, minnet.MeanSquaredError):
    """Half the squared error, averaged over the outputs; its gradient sums over them."""

    def factors(self, outputs: int) -> tuple[float, float]:
        return 0.5, 0.5 * outputs


class EpsilonAdam(minnet.Adam):
    """Adam in which ε is added to √s, as in scikit-learn, and not to √ŝ = √s / √(1 - β₂ᵗ)."""

    def update(self, part: slice, decay: float) -> None:
        epsilon = self.eps
        self.eps = epsilon / math.sqrt(1.0 - self.beta2**self._part_steps)
        super().update(part, decay)
        self.eps = epsilon


class Rows(NamedTuple):
    """Rows of a training or a validation."""

    x: Array
    targets: Array
    weights: Array | None = None


class Monitor(Regularizer):
    """Penalty, and callback that records each epoch in the estimator and stops the training.

    The penalty is (α/2 Σ w² + λ Σ |w|) / n over all weights w; n is the total weight of the batch.
    Both are in one class, because training stops by the loss with the penalty, and
    `minnet.History` holds the loss alone.
    """

    def __init__(self, estimator: Any, loss: Objective, held_out: Rows | None) -> None:
        self.estimator, self.loss, self.held_out = estimator, loss, held_out
        alpha, l1, self.tol = (
            non_negative(getattr(estimator, name), "fit", name) for name in ("alpha", "l1", "tol")
        )
        self.terms = [(L2, alpha / 2), (L1, l1)]
        self.patience = estimator.n_iter_no_change
        if not (is_number(self.patience) and self.patience == math.inf):
            self.patience = count(self.patience, "fit", "n_iter_no_change")
        self.sum, self.rows = 0.0, 0  # of the epoch so far
        self.stopped, self.best = False, Snapshot(estimator.network_)

    def add_gradient(self, net: minnet.Sequential) -> None:
        objective, n = net.metrics["loss"], self.loss.total_weight or math.inf
        for term in (kind(strength / n) for kind, strength in self.terms if strength):
            term.add_gradient(net)
            objective += term.penalty(net)
        self.sum += objective * len(net.y)
        self.rows += len(net.y)

    def on_epoch(self, net: minnet.Sequential, history: minnet.History) -> bool:
        fitted, loss = self.estimator, self.sum / self.rows
        self.sum, self.rows = 0.0, 0
        improved = loss <= fitted.best_loss_ - self.tol
        fitted.loss_curve_.append(loss)
        fitted.best_loss_ = min(loss, fitted.best_loss_)
        fitted.n_iter_ += 1
        line = f"Epoch {fitted.n_iter_}: loss = {loss:.8f}"
        if self.held_out is not None:
            score = fitted._score_of(self.held_out)
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

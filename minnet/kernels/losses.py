"""Forward and backward passes of the loss functions, and checks of their targets.

Logits, probabilities, targets and gradients are (n, classes) or (n, outputs). Weights of
the rows are (n,), with mean 1: the loss is the mean over the rows of weight times loss.
"""

import math

import numpy as np

from minnet.kernels import Array
from minnet.kernels.exponential import exp
from minnet.kernels.jit import inline, kernel


@kernel("(const int64[::1], int64)")
def first_invalid_label(labels: Array, classes: int) -> int:
    """Return the first position of a label that is not in 0 ... classes - 1, or -1."""
    for i in range(labels.size):
        if labels[i] < 0 or labels[i] >= classes:
            return i
    return -1


@kernel("(T[:, ::1], const int64[::1])")
def one_hot(rows: Array, labels: Array) -> None:
    """Fill rows (n, classes) with 1 at each label and 0 elsewhere. Labels must be valid."""
    n, classes = rows.shape
    for i in range(n):
        for j in range(classes):
            rows[i, j] = 0
        rows[i, labels[i]] = 1


@kernel("(const T[:, ::1],)")
def first_improper_row(rows: Array) -> int:
    """Return the first row that does not hold probabilities with sum 1 (within 1e-3), or -1."""
    n, classes = rows.shape
    for i in range(n):
        total = np.float64(0.0)
        valid = True
        for j in range(classes):
            total += rows[i, j]
            valid &= rows[i, j] >= 0
        if not (valid and abs(total - 1.0) < 1e-3):
            return i
    return -1


@kernel("(const T[:, ::1],)")
def first_outside_unit(rows: Array) -> int:
    """Return the first row of (n, features) with an entry that is not in [0, 1], or -1."""
    n, features = rows.shape
    for i in range(n):
        for j in range(features):
            if not 0 <= rows[i, j] <= 1:
                return i
    return -1


@kernel(
    "(const T[:, ::1], const T[:, ::1], const float64[::1], T[:, ::1])",
    fastmath=("contract", "nsz"),
)
def softmax_cross_entropy_forward(
    logits: Array, target: Array, weights: Array, probabilities: Array
) -> float:
    """Fill probabilities = softmax(logits) and return mean_i w_i Σ_j t_ij (logsumexp(z_i) - z_ij).

    A target or weight of 0 contributes 0, even if the logit is -inf.
    """
    n, classes = logits.shape
    loss = np.float64(0.0)
    for i in range(n):
        highest = logits[i, 0]
        for j in range(1, classes):
            highest = max(highest, logits[i, j])
        for j in range(classes):
            probabilities[i, j] = exp(logits[i, j] - highest)
        total = logits.dtype.type(0)
        for j in range(classes):
            total += probabilities[i, j]
        log_total = math.log(np.float64(total))
        for j in range(classes):
            probabilities[i, j] /= total
            if target[i, j] != 0 and weights[i] != 0:
                distance = log_total - (np.float64(logits[i, j]) - highest)
                loss += weights[i] * target[i, j] * distance
    return loss / n


@kernel("(const T[:, ::1], const T[:, ::1], T[:, ::1])", fastmath=("contract", "nsz"))
def softmax_cross_entropy_backward(probabilities: Array, target: Array, dx: Array) -> None:
    """dx = (p Σt - t) / n. Σt is 1 up to rounding."""
    n, classes = probabilities.shape
    share = probabilities.dtype.type(1.0 / n)
    for i in range(n):
        total = target.dtype.type(0)
        for j in range(classes):
            total += target[i, j]
        for j in range(classes):
            dx[i, j] = (probabilities[i, j] * total - target[i, j]) * share


@kernel("(const T[:, ::1], const T[:, ::1], const float64[::1], float64)")
def cross_entropy_forward(
    probabilities: Array, target: Array, weights: Array, lowest: float
) -> float:
    """Return -mean_i w_i Σ_j t_ij log max(p_ij, lowest)."""
    n, classes = probabilities.shape
    loss = np.float64(0.0)
    for i in range(n):
        for j in range(classes):
            if target[i, j] != 0:
                p = np.float64(probabilities[i, j])
                loss -= weights[i] * target[i, j] * math.log(lowest if p < lowest else p)
    return loss / n


@kernel("(const T[:, ::1], const T[:, ::1], float64, T[:, ::1])")
def cross_entropy_backward(probabilities: Array, target: Array, lowest: float, dx: Array) -> None:
    """dx = -t / (n max(p, lowest))."""
    n, classes = probabilities.shape
    for i in range(n):
        for j in range(classes):
            dx[i, j] = 0
            if target[i, j] != 0:
                p = np.float64(probabilities[i, j])
                dx[i, j] = -target[i, j] / ((lowest if p < lowest else p) * n)


@inline
def _softplus(z: float) -> float:
    """Return log(1 + exp(z)) without overflow."""
    return (z if z > 0 else 0.0) + math.log1p(math.exp(-abs(z)))


@kernel("(const T[:, ::1], const T[:, ::1], const float64[::1])")
def sigmoid_binary_cross_entropy_forward(logits: Array, target: Array, weights: Array) -> float:
    """Return the mean of w (t softplus(-z) + (1 - t) softplus(z)).

    A term with factor 0 contributes 0, even if its softplus is infinite.
    """
    n, outputs = logits.shape
    loss = np.float64(0.0)
    for i in range(n):
        for j in range(outputs):
            z, t = np.float64(logits[i, j]), np.float64(target[i, j])
            if weights[i] * t != 0:
                loss += weights[i] * t * _softplus(-z)
            if weights[i] * (1.0 - t) != 0:
                loss += weights[i] * (1.0 - t) * _softplus(z)
    return loss / (n * outputs)


@kernel("(const T[:, ::1], const T[:, ::1], T[:, ::1])", fastmath=("contract", "nsz"))
def sigmoid_binary_cross_entropy_backward(logits: Array, target: Array, dx: Array) -> None:
    """dx = (σ(z) - t) / number of entries."""
    z, t, dx = logits.reshape(-1), target.reshape(-1), dx.reshape(-1)
    one, share = z.dtype.type(1), z.dtype.type(1.0 / z.size)
    for k in range(z.size):
        dx[k] = (one / (one + exp(-z[k])) - t[k]) * share


@kernel("(const T[:, ::1], const T[:, ::1], const float64[::1])")
def mean_squared_error_forward(output: Array, target: Array, weights: Array) -> float:
    """Return the mean over all entries of w (output - target)²."""
    n, outputs = output.shape
    total = np.float64(0.0)
    for i in range(n):
        for j in range(outputs):
            total += weights[i] * (np.float64(output[i, j]) - target[i, j]) ** 2
    return total / (n * outputs)


@kernel("(const T[:, ::1], const T[:, ::1], T[:, ::1])", fastmath=("contract", "nsz"))
def mean_squared_error_backward(output: Array, target: Array, dx: Array) -> None:
    """dx = 2 (output - target) / number of entries."""
    y, t, dx = output.reshape(-1), target.reshape(-1), dx.reshape(-1)
    share = y.dtype.type(2.0 / y.size)
    for k in range(y.size):
        dx[k] = (y[k] - t[k]) * share


@kernel("(const T[:, ::1], const T[:, ::1])")
def count_correct(output: Array, target: Array) -> int:
    """Return the number of rows in which output and target have the same argmax."""
    n, classes = output.shape
    correct = 0
    for i in range(n):
        best = 0
        label = 0
        for j in range(1, classes):
            if output[i, j] > output[i, best]:
                best = j
            if target[i, j] > target[i, label]:
                label = j
        if best == label:
            correct += 1
    return correct

"""Losses: a number to minimize, and its gradient with respect to the output of the network.

`minnet.loss.Loss` defines what is common to all. Losses that include softmax or sigmoid are
computed from logits, without overflow.
"""

from typing import Any

import numpy as np

from minnet.kernels import losses as kernels
from minnet.loss import Loss as Loss
from minnet.memory import grown
from minnet.validation import Array, positive, setting


class SoftmaxCrossEntropy(Loss):
    """Cross-entropy of softmax(z), computed from the logits z; the network ends without Softmax.

    loss = mean_i Σ_j t_ij (logsumexp(z_i) - z_ij), and with p = softmax(z), dz = (p - t) / n.

    Targets are integer labels (n,) or rows of probabilities (n, classes), such as one-hot rows.

    Attributes
    ----------
    probabilities : ndarray
        p of the last forward, shape (n, classes).

    Examples
    --------
    >>> loss = SoftmaxCrossEntropy()
    >>> round(loss.forward(np.zeros((1, 2)), [1]), 6)
    0.693147
    >>> loss.backward()
    array([[ 0.5, -0.5]])
    """

    classifies = True
    takes_logits = True
    probabilities: Array = None  # type: ignore[assignment]  # before the first forward
    buffers = (*Loss.buffers, "probabilities")

    def compute(self, output: Array, target: Array) -> float:
        self.probabilities = grown(self.probabilities, output.shape, output.dtype)
        value = kernels.softmax_cross_entropy_forward(
            output, target, self.row_weights, self.probabilities
        )
        return float(value)

    def differentiate(self, output: Array, target: Array, dx: Array) -> None:
        kernels.softmax_cross_entropy_backward(self.probabilities, target, dx)


class CrossEntropy(Loss):
    """Cross-entropy of probabilities p, for a network that ends in `Softmax`.

    loss = -mean_i Σ_j t_ij log p_ij and dp = -t / (n p). A probability below the smallest normal
    number of the dtype counts as that number, so that log 0 is finite.

    Targets are integer labels (n,) or rows of probabilities (n, classes).

    Examples
    --------
    >>> loss = CrossEntropy()
    >>> round(loss.forward([[0.25, 0.75]], [1]), 6)
    0.287682
    >>> loss.backward().round(4)
    array([[ 0.    , -1.3333]], dtype=float32)
    """

    classifies = True

    def compute(self, output: Array, target: Array) -> float:
        row = kernels.first_outside_unit(output)
        if row >= 0:
            raise ValueError(
                f"{self}: expected probabilities in [0, 1], got {output[row]} at row {row}; end "
                "the network with Softmax(), or use SoftmaxCrossEntropy on logits"
            )
        lowest = _smallest_normal(output)
        return float(kernels.cross_entropy_forward(output, target, self.row_weights, lowest))

    def differentiate(self, output: Array, target: Array, dx: Array) -> None:
        kernels.cross_entropy_backward(output, target, _smallest_normal(output), dx)


class SigmoidBinaryCrossEntropy(Loss):
    """Binary cross-entropy of σ(z), computed from the logits z, for independent yes-or-no outputs.

    loss = mean over all N entries of -t log σ(z) - (1 - t) log(1 - σ(z)), and dz = (σ(z) - t) / N.
    Targets are numbers in [0, 1] with the shape of z, (n, outputs). The accuracy in `fit` and
    `evaluate` is the share of entries, over all rows and outputs, in which z > 0 agrees with
    t > 1/2.

    Examples
    --------
    >>> loss = SigmoidBinaryCrossEntropy()
    >>> loss.forward([[1e4], [-1e4]], [[1], [0]])
    0.0
    """

    classifies = True
    multilabel = True
    takes_logits = True

    def as_target(self, target: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        rows = super().as_target(target, shape, dtype)
        row = kernels.first_outside_unit(rows)
        if row >= 0:
            repair = "for labels of several classes use SoftmaxCrossEntropy"
            if rows.min() == -1 and rows.max() == 1:
                repair = "use (target + 1) / 2 for targets -1 and 1"
            raise ValueError(
                f"{self}: expected targets in [0, 1], got {rows[row]} at row {row}; {repair}"
            )
        return rows

    def compute(self, output: Array, target: Array) -> float:
        return float(kernels.sigmoid_binary_cross_entropy_forward(output, target, self.row_weights))

    def differentiate(self, output: Array, target: Array, dx: Array) -> None:
        kernels.sigmoid_binary_cross_entropy_backward(output, target, dx)


class MeanSquaredError(Loss):
    """Mean over all N entries of (y - t)², with dy = 2 (y - t) / N.

    Targets have the shape of the output, (n, outputs); ``t[:, None]`` turns a vector into a column.

    Examples
    --------
    >>> loss = MeanSquaredError()
    >>> loss.forward([[1.0, 2.0]], [[0.0, 0.0]])
    2.5
    >>> loss.backward()
    array([[1., 2.]], dtype=float32)
    """

    def compute(self, output: Array, target: Array) -> float:
        return float(kernels.mean_squared_error_forward(output, target, self.row_weights))

    def differentiate(self, output: Array, target: Array, dx: Array) -> None:
        kernels.mean_squared_error_backward(output, target, dx)


class MeanAbsoluteError(Loss):
    """Mean over all N entries of abs(y - t), with dy = sign(y - t) / N, and dy = 0 at y = t.

    Targets have the shape of the output, (n, outputs); ``t[:, None]`` turns a vector into a column.

    Examples
    --------
    >>> loss = MeanAbsoluteError()
    >>> loss.forward([[1.0, -2.0]], [[0.0, 0.0]])
    1.5
    >>> loss.backward()
    array([[ 0.5, -0.5]], dtype=float32)
    """

    @np.errstate(over="ignore", under="ignore")
    def compute(self, output: Array, target: Array) -> float:
        d = np.subtract(output, target, dtype=np.float64)
        return float((self.row_weights[:, None] * np.abs(d)).mean())

    @np.errstate(over="ignore")
    def differentiate(self, output: Array, target: Array, dx: Array) -> None:
        np.multiply(np.sign(output - target), 1.0 / dx.size, out=dx)


class Huber(Loss):
    """Squared error of small differences d = y - t, absolute error of large ones.

    loss = mean over all N entries of d² / 2 where abs(d) <= δ, and δ (abs(d) - δ / 2) elsewhere;
    dy = d / N, with d clipped to the interval from -δ to δ. Both pieces have the same value and
    slope at abs(d) = δ. This is PyTorch's HuberLoss. Targets have the shape of the output.

    Parameters
    ----------
    delta : float, default 1.0
        δ > 0, the largest difference that is squared.

    References
    ----------
    Huber, P. J. (1964). Robust estimation of a location parameter. Annals of Mathematical
    Statistics 35, 73-101.

    Examples
    --------
    >>> loss = Huber(delta=1.0)
    >>> loss.forward([[0.5, 3.0]], [[0.0, 0.0]])
    1.3125
    >>> loss.backward()
    array([[0.25, 0.5 ]], dtype=float32)
    """

    delta: float = setting(positive)

    def __init__(self, delta: float = 1.0) -> None:
        self.delta = delta

    @np.errstate(over="ignore", under="ignore")
    def compute(self, output: Array, target: Array) -> float:
        d = np.abs(np.subtract(output, target, dtype=np.float64))
        squared = np.minimum(d, self.delta)
        return float((self.row_weights[:, None] * squared * (d - 0.5 * squared)).mean())

    @np.errstate(over="ignore", under="ignore")
    def differentiate(self, output: Array, target: Array, dx: Array) -> None:
        d = np.subtract(output, target, dtype=np.float64)
        dx[...] = np.clip(d, -self.delta, self.delta) / d.size

    def __repr__(self) -> str:
        return f"Huber(delta={self.delta:g})"


def _smallest_normal(array: Array) -> float:
    return float(np.finfo(array.dtype).tiny)

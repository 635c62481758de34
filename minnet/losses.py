"""Losses: a number to minimize, and its gradient with respect to the output of the network.

Like a layer, a loss defines its mathematics in two methods. ``compute(output, target)`` returns the
mean over the batch; ``differentiate(output, target, dx)`` fills the gradient dx that is passed to
``net.backward``. The base class validates the arguments, allocates dx, weights the rows, and
requires a forward pass before each backward pass. Losses that include softmax or sigmoid are
computed from logits, without overflow.
"""

from typing import Any, ClassVar

import numpy as np

from minnet.kernels import losses as kernels
from minnet.layer import Differentiable, guarded, read_only
from minnet.memory import grown
from minnet.validation import (
    FLOAT32,
    FLOAT64,
    Array,
    as_array,
    as_rows,
    as_sample_weight,
    as_target_rows,
    check_finite,
    positive,
)


class Loss(Differentiable):
    """Base class of the losses; a subclass defines `compute` and `differentiate`.

    Attributes
    ----------
    output, target : ndarray or None
        Arguments of the last forward, shape (n, features). Labels are stored as one-hot rows.
    dx : ndarray or None
        Gradient returned by the last backward, shape (n, features).
    row_weights : ndarray or None
        Weights of the rows in the last forward, scaled to mean 1, shape (n,).
    classifies : bool
        Whether targets are classes, so that accuracy is defined.
    multilabel : bool
        Whether each output is a yes-or-no answer of its own, rather than one of several classes.
    takes_logits : bool
        Whether softmax or sigmoid is part of the loss; the network must then not end in one.
    """

    classifies: bool = False
    multilabel: bool = False
    takes_logits: bool = False
    # None before the first forward, but typed as arrays for the code that reads them.
    output: Array = None  # type: ignore[assignment]
    target: Array = None  # type: ignore[assignment]
    dx: Array = None  # type: ignore[assignment]
    row_weights: Array = None  # type: ignore[assignment]
    buffers: ClassVar[tuple[str, ...]] = (
        "output", "target", "dx", "row_weights", "_ones", "_one_hot", "_pending",
    )  # fmt: skip
    _one_hot: Array | None = None
    _ones: Array = None  # type: ignore[assignment]

    def compute(self, output: Array, target: Array) -> float:
        """Return the loss of output (n, features) for target (n, features)."""
        raise TypeError(f"{self}: a loss must define compute(self, output, target)")

    def differentiate(self, output: Array, target: Array, dx: Array) -> None:
        """Fill dx (n, features), the gradient of the loss with respect to output."""
        raise TypeError(f"{self}: a loss must define differentiate(self, output, target, dx)")

    def forward(self, output: Any, target: Any, *, sample_weight: Any = None) -> float:
        """Return the loss of output (n, features) for target, averaged over the batch.

        Parameters
        ----------
        output : array_like, shape (n, features)
            Output of the network.
        target : array_like
            Labels (n,) or rows (n, features), as the loss requires.
        sample_weight : array_like, shape (n,), optional
            Weights w_i >= 0 of the rows. The loss is then Σ_i w_i l_i / Σ_i w_i, where l_i is the
            loss of row i alone. If all weights are 0, the loss and its gradient are 0.

        Raises
        ------
        ValueError, TypeError
            If output is not a non-empty array (n, features) of numbers, target or sample_weight
            does not fit it, or a weighted loss is not the mean of the losses of its rows.
        """
        self._pending = False
        double = getattr(output, "dtype", FLOAT32) == FLOAT64
        output = as_rows(output, FLOAT64 if double else FLOAT32, self, "output")
        if output.size == 0:
            raise ValueError(f"{self}: expected at least one row and column, got {output.shape}")
        target = self.as_target(target, output.shape, output.dtype)
        if target.ndim == 1:
            labels, target = target, grown(self._one_hot, output.shape, output.dtype)
            kernels.one_hot(target, labels)
            self._one_hot = target
        if self._ones is None or len(self._ones) != len(output):
            self._ones = np.ones(len(output))
        self.row_weights = self._ones
        if sample_weight is not None:
            self.row_weights = _of_mean_one(as_sample_weight(sample_weight, len(output), self))
        if self.own:
            value = self.compute(output, target)
        elif self.row_weights is self._ones:
            value = self._computed(output, target)
        else:
            value = self._computed_by_row(output, target)
        self.output = output if self.own else read_only(output)
        self.target, self._pending = target, True
        return float(value)

    def _computed(self, output: Array, target: Array) -> float:
        """Return the loss by a `compute` that is not minnet's own."""
        value: Any = self.compute(read_only(output), read_only(target))
        if np.ndim(value) or np.asarray(value).dtype.kind not in "fiub":
            raise TypeError(f"{self}: expected compute to return a number, got {value!r}")
        return float(value)

    def _computed_by_row(self, output: Array, target: Array) -> float:
        """Return the weighted loss by a `compute` that does not use the weights."""
        weights, self.row_weights = self.row_weights, self._ones
        rows = [self._computed(output[i : i + 1], target[i : i + 1]) for i in range(len(output))]
        # The whole batch is last, because compute may keep results for differentiate.
        value, mean, self.row_weights = self._computed(output, target), np.mean(rows), weights
        if abs(value - mean) > 1e-3 * np.abs(rows).max():
            raise ValueError(
                f"{self}: expected compute to return the mean of the losses of the rows, "
                f"{mean:.6g}, got {value:.6g}; without this, a loss cannot use sample_weight"
            )
        weighted = (w * row for w, row in zip(weights, rows, strict=True) if w)
        return float(sum(weighted)) / len(rows)

    def backward(self) -> Array:
        """Return dx, the gradient of the loss with respect to output, shape (n, features).

        Raises
        ------
        RuntimeError
            If no forward pass is pending.
        """
        self._require_pending("forward(output, target)")
        output, target = self.output, self.target
        dx = self.dx = grown(self.dx, output.shape, output.dtype)
        if self.own:
            self.differentiate(output, target, dx)
        else:
            guarded(self.differentiate, (read_only(output), read_only(target), dx), {"dx": dx})
        if self.row_weights is not self._ones:
            dx[self.row_weights == 0] = 0  # also where it was not finite
            dx *= self.row_weights[:, None]
        self._pending = False
        return dx

    def as_target(self, target: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """Return target as int64 labels (n,), or as rows of this dtype and shape.

        Raises
        ------
        ValueError, TypeError
            If the target does not fit.
        """
        if self.classifies and not self.multilabel:
            return as_target_rows(target, shape, dtype, self)
        rows = as_array(target, dtype, self, "target")
        if rows.shape != shape:
            repair = ""
            if rows.shape == shape[:1]:
                repair = "; target[:, None] makes a column of it"
                if shape[1] > 1:
                    repair = f"; numpy.eye({shape[1]})[target] makes one-hot rows of labels"
            raise ValueError(
                f"{self}: expected a target of the shape of the output {shape}, got "
                f"{rows.shape}{repair}"
            )
        check_finite(rows, f"{self}: target")
        return rows

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


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
    Targets are numbers in [0, 1] with the shape of z, (n, outputs).

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
            raise ValueError(
                f"{self}: expected targets in [0, 1], got {rows[row]} at row {row}; for labels of "
                "several classes use SoftmaxCrossEntropy"
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

    def compute(self, output: Array, target: Array) -> float:
        return float(kernels.mean_absolute_error_forward(output, target, self.row_weights))

    def differentiate(self, output: Array, target: Array, dx: Array) -> None:
        kernels.mean_absolute_error_backward(output, target, dx)


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

    def __init__(self, delta: float = 1.0) -> None:
        self.delta = positive(delta, "Huber", "delta")

    def compute(self, output: Array, target: Array) -> float:
        return float(kernels.huber_forward(output, target, self.row_weights, self.delta))

    def differentiate(self, output: Array, target: Array, dx: Array) -> None:
        kernels.huber_backward(output, target, self.delta, dx)

    def __repr__(self) -> str:
        return f"Huber(delta={self.delta:g})"


def _of_mean_one(weights: Array) -> Array:
    """Return weights (n,) scaled to mean 1, without overflow; zeros if all are 0."""
    highest = weights.max()
    if highest == 0:
        return np.zeros_like(weights)
    scaled: Array = weights / highest
    return scaled * (len(scaled) / float(scaled.sum()))


def _smallest_normal(array: Array) -> float:
    return float(np.finfo(array.dtype).tiny)

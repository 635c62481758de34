"""The losses: one number to be made small, and its gradient with respect to the network's output.

``forward(output, target)`` returns the mean over the batch as a float and keeps what ``backward()``
needs; ``backward()`` returns dx, the gradient that goes into ``net.backward``. Softmax and sigmoid
are part of their losses, computed from logits in a form that no finite logit can overflow.
"""

from typing import Any

import numpy as np

from minnet.kernels import losses as kernels
from minnet.memory import grown
from minnet.validation import (
    FLOAT32,
    FLOAT64,
    Array,
    as_array,
    as_rows,
    as_target_rows,
    check_finite,
)


class Loss:
    """What the losses share: the doors, the buffers, and one backward for each forward.

    Attributes
    ----------
    output, target : ndarray or None
        What the last forward compared, (n, features) each, labels as one-hot rows.
    dx : ndarray or None
        The gradient that the last backward returned, (n, features).
    classifies : bool
        Whether targets are classes, so that accuracy has a meaning.
    takes_logits : bool
        Whether softmax or sigmoid is part of the loss, so that the network ends without it.
    """

    classifies: bool = False
    takes_logits: bool = False
    output: Array | None = None
    target: Array | None = None
    dx: Array | None = None
    _one_hot: Array | None = None
    _awaits_backward: bool = False

    def forward(self, output: Any, target: Any) -> float:
        """Return the loss of output (n, features) against target, averaged over the batch."""
        raise TypeError(f"{self}: a loss must define forward(self, output, target)")

    def backward(self) -> Array:
        """Return dx, the gradient of the loss with respect to output, (n, features)."""
        raise TypeError(f"{self}: a loss must define backward(self)")

    def begin_forward(self, output: Any, target: Any) -> tuple[Array, Array]:
        """Check both, keep them for backward, and return them as rows (n, features) of one dtype.

        Raises
        ------
        ValueError, TypeError
            If output is not rows of numbers with at least one row, or target does not fit it.
        """
        self._awaits_backward = False  # a refused target may have overwritten the last one's rows
        double = getattr(output, "dtype", FLOAT32) == FLOAT64
        output = as_rows(output, FLOAT64 if double else FLOAT32, self)
        if output.size == 0:
            raise ValueError(f"{self}: expected at least one row and column, got {output.shape}")
        target = self.as_target(target, output)
        self.output, self.target, self._awaits_backward = output, target, True
        return output, target

    def as_target(self, target: Any, output: Array) -> Array:
        """Return target as rows that fit output: for classes, labels or rows of probabilities."""
        if not self.classifies:
            rows = as_array(target, output.dtype, f"{self} target")
            if rows.shape != output.shape:
                repair = ""
                if rows.shape == output.shape[:1]:
                    width = output.shape[1]
                    repair = "; target[:, None] makes a column of it"
                    if width > 1:
                        repair = f"; numpy.eye({width})[target] makes one-hot rows of labels"
                raise ValueError(
                    f"{self}: output {output.shape} and target {rows.shape} must have one shape"
                    + repair
                )
            check_finite(rows, f"{self} target")
            return rows
        self._one_hot = grown(self._one_hot, output.shape, output.dtype)
        return as_target_rows(target, output, self._one_hot, self)

    def begin_backward(self) -> tuple[Array, Array, Array]:
        """Return output, target and the buffer ``self.dx``.

        Raises
        ------
        RuntimeError
            If no forward waits for a backward.
        """
        if not self._awaits_backward or self.output is None or self.target is None:
            raise RuntimeError(f"{self}: call forward(output, target) before each backward()")
        self.dx = grown(self.dx, self.output.shape, self.output.dtype)
        self._awaits_backward = False
        return self.output, self.target, self.dx

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class SoftmaxCrossEntropy(Loss):
    """Cross-entropy of softmax(z), from the logits z: the network ends without a Softmax.

    loss = mean_i Σ_j t_ij (logsumexp(z_i) - z_ij), and with p = softmax(z), dz = (p - t) / n.

    Targets are integer labels (n,) or rows of probabilities (n, classes), such as one-hot rows.

    Attributes
    ----------
    probabilities : ndarray or None
        p of the last forward, (n, classes).

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
    probabilities: Array | None = None

    def forward(self, output: Any, target: Any) -> float:
        logits, target = self.begin_forward(output, target)
        self.probabilities = grown(self.probabilities, logits.shape, logits.dtype)
        return float(kernels.softmax_cross_entropy_forward(logits, target, self.probabilities))

    def backward(self) -> Array:
        _, target, dx = self.begin_backward()
        kernels.softmax_cross_entropy_backward(self.probabilities, target, dx)
        return dx


class CrossEntropy(Loss):
    """Cross-entropy of probabilities p, for a network that ends in `Softmax`.

    loss = -mean_i Σ_j t_ij log p_ij and dp = -t / (n p). A probability below the smallest normal
    number of its dtype counts as that number, so that log 0 stays finite.

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

    def forward(self, output: Any, target: Any) -> float:
        probabilities, target = self.begin_forward(output, target)
        row = kernels.first_outside_unit(probabilities)
        if row >= 0:
            self._awaits_backward = False
            raise ValueError(
                f"{self}: expected probabilities in [0, 1], got {probabilities[row]} at row {row}; "
                "end the network with Softmax(), or give logits to SoftmaxCrossEntropy"
            )
        return float(kernels.cross_entropy_forward(probabilities, target, _lowest(probabilities)))

    def backward(self) -> Array:
        probabilities, target, dx = self.begin_backward()
        kernels.cross_entropy_backward(probabilities, target, _lowest(probabilities), dx)
        return dx


class SigmoidBinaryCrossEntropy(Loss):
    """Binary cross-entropy of σ(z), from the logits z: each entry is a yes or no of its own.

    loss = mean over all entries of -t log σ(z) - (1 - t) log(1 - σ(z)), and with N entries
    dz = (σ(z) - t) / N. Targets are numbers in [0, 1] of the shape of z, (n, outputs).

    Examples
    --------
    >>> loss = SigmoidBinaryCrossEntropy()
    >>> loss.forward([[1e4], [-1e4]], [[1], [0]])
    0.0
    """

    takes_logits = True

    def as_target(self, target: Any, output: Array) -> Array:
        rows = super().as_target(target, output)
        row = kernels.first_outside_unit(rows)
        if row >= 0:
            raise ValueError(
                f"{self}: targets must be in [0, 1], got {rows[row]} at row {row}; "
                "for labels of several classes use SoftmaxCrossEntropy"
            )
        return rows

    def forward(self, output: Any, target: Any) -> float:
        logits, target = self.begin_forward(output, target)
        return float(kernels.sigmoid_binary_cross_entropy_forward(logits, target))

    def backward(self) -> Array:
        logits, target, dx = self.begin_backward()
        kernels.sigmoid_binary_cross_entropy_backward(logits, target, dx)
        return dx


class MeanSquaredError(Loss):
    """Mean over all N entries of (y - t)², with dy = 2 (y - t) / N.

    Targets have the shape of the output, (n, outputs); a column of them is ``t[:, None]``.

    Examples
    --------
    >>> loss = MeanSquaredError()
    >>> loss.forward([[1.0, 2.0]], [[0.0, 0.0]])
    2.5
    >>> loss.backward()
    array([[1., 2.]], dtype=float32)
    """

    def forward(self, output: Any, target: Any) -> float:
        output, target = self.begin_forward(output, target)
        return float(kernels.mean_squared_error_forward(output, target))

    def backward(self) -> Array:
        output, target, dx = self.begin_backward()
        kernels.mean_squared_error_backward(output, target, dx)
        return dx


def _lowest(probabilities: Array) -> float:
    return float(np.finfo(probabilities.dtype).tiny)

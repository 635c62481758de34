"""Base class of losses: input validation, weights of rows, and paired forward and backward passes.

Like a layer, a loss defines its mathematics in two methods. ``compute(output, target)`` returns the
mean over the batch; ``differentiate(output, target, dx)`` fills the gradient dx that is passed to
``net.backward``. The base class does the rest for all losses.
"""

import math
from typing import Any, ClassVar, NoReturn

import numpy as np

from minnet.differentiable import Differentiable, apart, guarded, read_only
from minnet.kernels.finiteness import first_nonfinite_row
from minnet.kernels.losses import one_hot
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
    is_number,
    shown,
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
        raise TypeError(f"{self}: expected the loss to define compute(self, output, target)")

    def differentiate(self, output: Array, target: Array, dx: Array) -> None:
        """Fill dx (n, features), the gradient of the loss with respect to output."""
        raise TypeError(
            f"{self}: expected the loss to define differentiate(self, output, target, dx)"
        )

    def forward(self, output: Any, target: Any, *, sample_weight: Any = None) -> float:
        """Return the loss of output (n, features) for target, averaged over the batch.

        Parameters
        ----------
        output : array_like, shape (n, features)
            Output of the network. float64 is computed in float64, all other types in float32.
        target : array_like
            Labels (n,) or rows (n, features), as the loss requires.
        sample_weight : array_like, shape (n,), optional
            Weights w_i >= 0 of the rows. The loss is then Σ_i w_i l_i / Σ_i w_i, where l_i is the
            loss of row i alone. If all weights are 0, the loss and its gradient are 0.
            With sample_weight, a custom loss is computed row by row.

        Raises
        ------
        ValueError, TypeError
            If output is not a non-empty array (n, features) of numbers, target or sample_weight
            does not fit it, or a weighted loss is not the mean of the losses of its rows.
        FloatingPointError
            If the loss is not finite, because an output is not finite or an intermediate result
            overflows. A logit of -inf is accepted if its target is 0.
        """
        self._pending = False
        rows = self._as_output(output, target)
        target = self.as_target(target, rows.shape, rows.dtype)
        filled = self._one_hot, self.dx, getattr(self, "probabilities", None)
        if rows is not self.output:  # which did not share memory with them
            rows = apart(rows, filled)
        if target.ndim == 2:
            target = apart(target, filled)
        else:
            labels, target = target, grown(self._one_hot, rows.shape, rows.dtype)
            one_hot(target, labels)
            self._one_hot = target
        if self._ones is None or len(self._ones) != len(rows):
            self._ones = np.ones(len(rows))
        self.row_weights = self._ones
        if sample_weight is not None:
            self.row_weights = _of_mean_one(as_sample_weight(sample_weight, len(rows), self))
        if self.own:
            value = float(self.compute(rows, target))
        elif self.row_weights is self._ones:
            value = self._computed(rows, target)
        else:
            value = self._computed_by_row(rows, target)
        if not math.isfinite(value):
            self._raise_nonfinite(value, rows, output)
        self.output = rows if self.own else read_only(rows)
        self.target, self._pending = target, True
        return value

    def _as_output(self, output: Any, target: Any) -> Array:
        """Return output as rows of float64 or float32."""
        values = output.to_numpy() if hasattr(output, "columns") else output  # a pandas.DataFrame
        dtype = getattr(values, "dtype", FLOAT32)
        if dtype is not FLOAT32:
            double = isinstance(dtype, np.dtype) and dtype.kind == "f" and dtype.itemsize >= 8
            dtype = FLOAT64 if double else FLOAT32
        try:
            rows = as_rows(output, dtype, self, "output")
        except ValueError as error:
            if np.ndim(target) == 2 and np.ndim(output) == 1:
                raise ValueError(
                    f"{error}; arguments swapped? use forward(output, target)"
                ) from None
            raise
        if rows.size == 0:
            raise ValueError(f"{self}: expected at least one row and column, got {rows.shape}")
        return rows

    def _computed(self, output: Array, target: Array) -> float:
        """Return the loss by a `compute` that is not minnet's own."""
        value: Any = self.compute(read_only(output), read_only(target))
        if not is_number(value):
            raise TypeError(f"{self}: expected compute to return a number, got {shown(value)}")
        return float(value)

    def _computed_by_row(self, output: Array, target: Array) -> float:
        """Return the weighted loss by a `compute` that does not use the weights."""
        weights, self.row_weights = self.row_weights, self._ones
        rows = [self._computed(output[i : i + 1], target[i : i + 1]) for i in range(len(output))]
        # The whole batch is last, because compute may keep results for differentiate.
        value, mean = self._computed(output, target), float(np.mean(rows))
        self.row_weights = weights
        if abs(value - mean) > 1e-3 * np.abs(rows).max():
            raise ValueError(
                f"{self}: expected compute to return the mean of the losses of the rows, "
                f"{mean:.6g}, got {value:.6g}; return the mean, or omit sample_weight"
            )
        weighted = (w * row for w, row in zip(weights, rows, strict=True) if w)
        return float(sum(weighted)) / len(rows)

    def _raise_nonfinite(self, value: float, rows: Array, given: Any) -> NoReturn:
        """Raise the error for a loss that is not finite."""
        logits = np.where(np.isneginf(rows), 0, rows) if self.takes_logits else rows
        check_finite(logits, f"{self}: output", given)
        if logits is not rows and np.isneginf(rows).any():
            row = int(np.isneginf(rows).any(axis=1).argmax())
            raise FloatingPointError(
                f"{self}: expected a finite loss, got {value}; the logit -inf in row {row} gives a "
                "target the probability 0"
            )
        raise FloatingPointError(
            f"{self}: expected a finite loss, got {value} for finite outputs; lower the learning "
            "rate, or scale the targets"
        )

    def backward(self) -> Array:
        """Return dx, the gradient of the loss with respect to output, shape (n, features).

        Raises
        ------
        RuntimeError
            If no forward pass is pending.
        FloatingPointError
            If the gradient is not finite.
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
            with np.errstate(under="ignore"):
                dx *= self.row_weights[:, None]
        if first_nonfinite_row(dx) >= 0:
            raise FloatingPointError(
                f"{self}: expected a finite gradient, got NaN or a number too large for "
                f"{dx.dtype}; scale outputs and targets"
            )
        self._pending = False
        return dx

    def as_target(self, target: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """Return target as int64 labels (n,), or as rows of this dtype and shape.

        Raises
        ------
        ValueError, TypeError, FloatingPointError
            If the target does not fit, or is not finite.
        """
        if self.classifies and not self.multilabel:
            return as_target_rows(target, shape, dtype, self)
        rows = as_array(target, dtype, self, "target")
        if rows.shape != shape:
            repair = ""
            if rows.shape == shape[:1] and shape[1] == 1:
                repair = "; target[:, None] makes a column of it"
            elif rows.shape == shape[:1]:
                repair = f"; use a network with 1 output, not {shape[1]}, and target[:, None]"
                if np.asarray(target).dtype.kind in "iu":
                    repair = f"; numpy.eye({shape[1]})[target] makes one-hot rows of labels"
            raise ValueError(
                f"{self}: expected a target of the shape of the output {shape}, got "
                f"{rows.shape}{repair}"
            )
        check_finite(rows, f"{self}: target", target)
        return rows

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def _of_mean_one(weights: Array) -> Array:
    """Return weights (n,) scaled to mean 1, without overflow; zeros if all are 0."""
    highest = weights.max()
    if highest == 0:
        return np.zeros_like(weights)
    with np.errstate(under="ignore"):
        scaled: Array = weights / highest
        return scaled * (len(scaled) / float(scaled.sum()))

"""Arguments of `minnet.fit`: validation before training starts, and batches of the rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from minnet.evaluation import check_loss
from minnet.history import History
from minnet.layers.sequential import Sequential
from minnet.losses import Loss
from minnet.memory import grown
from minnet.optimizers import Optimizer
from minnet.regularization import Regularizer, as_limit
from minnet.stopping import EarlyStopping
from minnet.validation import Array, as_sample_weight, check_instance, count, shown


def check_step(
    where: str,
    net: Any,
    *,
    loss: Any,
    optimizer: Any,
    probes: Any,
    regularizer: Any,
    clip_norm: Any,
) -> None:
    """Raise TypeError or ValueError if an argument of a training step does not fit."""
    check_loss(net, loss, where)
    check_instance(optimizer, Optimizer, where)
    if regularizer is not None:
        check_instance(regularizer, Regularizer, where, "a Regularizer such as L2(1e-4)")
    _check_observers(probes, "observe", where, "probes such as [HistogramProbe()]")
    if clip_norm is not None:
        as_limit(clip_norm, net, where, "clip_norm")
    if optimizer.net is not net:
        raise ValueError(
            f"{where}: the optimizer belongs to another network; create one for this one"
        )


def check_loop(
    loss: Loss, schedule: Any, callbacks: Any, validation_data: Any, verbose: Any
) -> None:
    """Raise TypeError or ValueError if an argument that only `minnet.fit` has does not fit."""
    if not isinstance(verbose, bool):
        count(verbose, "fit", "verbose", least=0)
    if schedule is not None and (isinstance(schedule, type) or not callable(schedule)):
        raise TypeError(
            f"fit: expected a schedule that maps step to lr, got {shown(schedule)}; a constant lr "
            "is an argument of the optimizer"
        )
    _check_observers(callbacks, "on_epoch", "fit", "callbacks such as [EarlyStopping()]")
    for callback in callbacks:
        if isinstance(callback, EarlyStopping):
            callback.check(loss, validation_data)


def _check_observers(given: Any, method: str, where: str, expected: str) -> None:
    """Raise TypeError unless given is a list of objects, not classes, with this method."""
    if isinstance(given, tuple) and not given:
        return
    listed = isinstance(given, list | tuple)
    if not listed or any(isinstance(item, type) or not hasattr(item, method) for item in given):
        repair = "; put it into a list" if hasattr(given, method) else ""
        raise TypeError(f"{where}: expected a list of {expected}, got {shown(given)}{repair}")


def stops_training(callback: Any, net: Sequential, history: History) -> bool:
    """Return whether a callback stops training after this epoch."""
    stops = callback.on_epoch(net, history)
    if not isinstance(stops, bool | np.bool_ | None):
        raise TypeError(
            f"fit: expected on_epoch of {shown(callback)} to return True, False or None, got "
            f"{shown(stops)}"
        )
    return bool(stops)


def check_data(label: str, net: Sequential, loss: Loss, x: Any, y: Any) -> tuple[Array, Array]:
    """Return x as rows that fit net and y as targets that fit x; raise if they do not fit."""
    x = net.check_input(x, f"{label}x")
    if len(x) == 0:
        raise ValueError(f"fit: expected at least one row, got {label}x of shape {x.shape}")
    width = net.predict(x[:1]).shape[1]
    try:
        return x, loss.as_target(y, (len(x), width), x.dtype)
    except (ValueError, TypeError, FloatingPointError) as error:
        raise type(error)(f"{label}y: {error}") from error


def check_validation(net: Sequential, loss: Loss, pair: Any) -> tuple[Array, Array] | None:
    """Return the pair of rows and targets for validation, if there is one."""
    if pair is None:
        return None
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise TypeError("fit: expected validation_data as a pair (x, y)")
    return check_data("validation ", net, loss, *pair)


def row_weights(loss: Loss, y: Array, sample_weight: Any, class_weight: Any) -> Array | None:
    """Return the product of both weights of each row, (n,), or None without weights."""
    if sample_weight is None and class_weight is None:
        return None
    weights = np.ones(len(y))
    if sample_weight is not None:
        weights = as_sample_weight(sample_weight, len(y), "fit")
    if class_weight is not None:
        factors = as_sample_weight(
            _class_factors(loss, y, class_weight), len(y), "fit, class_weight"
        )
        with np.errstate(over="ignore", under="ignore"):
            weights = weights * factors
    if not 1e-38 <= weights.max() <= 1e38:  # the sum and its products must not overflow or vanish
        raise ValueError(
            "fit: expected the largest weight (sample_weight times class_weight) between 1e-38 and "
            f"1e38, got {weights.max()}; scale the weights, or omit them if all are zero"
        )
    return weights


def _class_factors(loss: Loss, y: Array, class_weight: Any) -> Any:
    """Return the weight of each row by its label."""
    if not loss.classifies:
        raise ValueError(f"fit: expected a loss with classes for class_weight, got {loss}; omit it")
    if y.size != len(y):
        raise ValueError(
            "fit: class_weight: expected a label for each row, got a target of shape "
            f"{y.shape}; use labels in place of one-hot rows, or sample_weight"
        )
    if y.ndim > 1 and not np.isin(y, (0, 1)).all():
        raise ValueError(
            "fit: class_weight: expected targets 0 or 1, got probabilities between them; use "
            "sample_weight"
        )
    from sklearn.utils.class_weight import compute_sample_weight

    try:
        return compute_sample_weight(class_weight, y.ravel())
    except Exception as error:
        raise ValueError(
            'fit: expected class_weight as "balanced" or as a dict of labels in y to weights, got '
            f"{shown(class_weight)}"
        ) from error


class Batch(NamedTuple):
    """Rows of a step, their targets, and their weights, if there are any."""

    x: Array
    y: Array
    weights: Array | None


class Batches:
    """Mini-batches of ``size`` rows.

    ``rows`` is the number of rows used in an epoch; drop_last omits an incomplete last batch.
    """

    def __init__(
        self,
        net: Sequential,
        x: Array,
        y: Array,
        weights: Array | None,
        batch_size: Any,
        *,
        drop_last: bool,
    ) -> None:
        self.x, self.y, self.weights = x, y, weights
        self.size, n, least = count(batch_size, "fit", "batch_size"), len(x), net.rows_to_train
        self.rows = n - n % self.size if drop_last else n
        self.per_epoch = -(-self.rows // self.size)
        shortest = min(n, self.rows % self.size or self.size)
        try:
            net.check_rows(shortest)
        except ValueError as error:
            repair = "choose another batch_size, or drop_last=True"
            if self.size < least:
                repair = "choose a larger batch_size"
            if n < least:
                repair = "pass more rows"
            raise ValueError(
                f"fit: batch_size={self.size} for x of shape {x.shape} leaves a batch of "
                f"{shortest}; {error}; {repair}"
            ) from None
        if self.rows == 0:
            raise ValueError(
                f"fit: expected at least batch_size = {self.size} rows with drop_last=True, got "
                f"{n}; choose a smaller batch_size"
            )

    def in_order(self, order: Array) -> Iterator[Batch]:
        """Yield x, y and the weights of each batch, with the rows in this order."""
        batch_x: Array | None = None
        for start in range(0, self.rows, self.size):
            rows = order[start : start + self.size]
            if batch_x is None or len(rows) != len(batch_x):
                batch_x = grown(batch_x, (len(rows), self.x.shape[1]), self.x.dtype)
            np.take(self.x, rows, axis=0, out=batch_x, mode="clip")
            weights = None if self.weights is None else self.weights[rows]
            yield Batch(batch_x, self.y[rows], weights)

"""Arguments of `minnet.fit`: validation before training starts, and batches of the rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minnet.evaluation import check_loss
from minnet.layers.sequential import Sequential
from minnet.losses import Loss
from minnet.memory import grown
from minnet.optimizers import Optimizer
from minnet.regularization import Regularizer
from minnet.stopping import EarlyStopping
from minnet.validation import Array, as_sample_weight, check_instance, count, positive


def check_settings(
    net: Any,
    *,
    loss: Any,
    optimizer: Any,
    probes: Any,
    regularizer: Any,
    clip_norm: Any,
    schedule: Any,
    callbacks: Any,
    validation_data: Any,
) -> None:
    """Raise TypeError or ValueError if a setting does not fit."""
    check_loss(net, loss, "fit")
    check_instance(optimizer, Optimizer, "fit")
    if regularizer is not None and not isinstance(regularizer, Regularizer):
        raise TypeError(f"fit: expected a Regularizer such as L2(1e-4), got {regularizer!r}")
    if schedule is not None and not callable(schedule):
        raise TypeError(
            f"fit: expected a schedule that maps step to lr, got {schedule!r}; a constant lr is an "
            "argument of the optimizer"
        )
    for given, method, kind_of in (
        (probes, "observe", "probes such as [HistogramProbe()]"),
        (callbacks, "on_epoch", "callbacks such as [EarlyStopping()]"),
    ):
        listed = isinstance(given, list | tuple)
        if not listed or any(isinstance(item, type) or not hasattr(item, method) for item in given):
            raise TypeError(f"fit: expected a list of {kind_of}, got {given!r}")
    for callback in callbacks:
        monitor = callback.monitor if isinstance(callback, EarlyStopping) else "loss"
        no_validation = monitor.startswith("val_") and validation_data is None
        if no_validation or (monitor.endswith("accuracy") and not loss.classifies):
            needed = "validation_data" if no_validation else "a loss with classes"
            raise ValueError(
                f"fit: expected {needed} for EarlyStopping({monitor!r}), got none; pass it, or "
                "monitor another metric"
            )
    if clip_norm is not None:
        positive(clip_norm, "fit", "clip_norm")
    if optimizer.net is not net:
        raise ValueError("fit: the optimizer belongs to another network; create one for this one")


def check_data(which: str, net: Sequential, loss: Loss, x: Any, y: Any) -> tuple[Array, Array]:
    """Return x as rows that fit net and y as targets that fit x; raise if they do not fit."""
    x = net.check_input(x, f"{which}x")
    if len(x) == 0:
        raise ValueError(f"fit: expected at least one row, got {which}x of shape {x.shape}")
    width = net.predict(x[:1]).shape[1]
    return x, loss.as_target(y, (len(x), width), x.dtype)


def check_validation(net: Sequential, loss: Loss, pair: Any) -> tuple[Array, Array] | None:
    """Return the pair of rows and targets for validation, if there is one."""
    if pair is None:
        return None
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise TypeError("fit: expected validation_data as a pair (x, y)")
    return check_data("validation ", net, loss, *pair)


def row_weights(loss: Loss, y: Array, sample_weight: Any, class_weight: Any) -> Array | None:
    """Return the product of both weights of each row, (n,), or None without weights."""
    weights = None
    if sample_weight is not None:
        weights = as_sample_weight(sample_weight, len(y), "fit")
    if class_weight is None:
        return weights
    if not loss.classifies or y.size != len(y):
        raise ValueError(
            "fit: class_weight: expected a label for each row, got a target of shape "
            f"{y.shape} for {loss}; use labels in place of one-hot rows, or sample_weight"
        )
    from sklearn.utils.class_weight import compute_sample_weight

    try:
        factors = compute_sample_weight(class_weight, y.ravel())
    except (ValueError, IndexError) as error:
        raise ValueError(
            'fit: expected class_weight as "balanced" or as a dict of labels in y to weights, got '
            f"{class_weight!r}"
        ) from error
    factors = as_sample_weight(factors, len(y), "fit, with class_weight")
    return factors if weights is None else weights * factors


class Batches:
    """Training rows in batches of ``size``; with drop_last, ``rows`` leaves out the last rows."""

    def __init__(
        self, x: Array, y: Array, weights: Array | None, batch_size: Any, drop_last: bool
    ) -> None:
        self.x, self.y, self.weights = x, y, weights
        self.size, n = count(batch_size, "fit", "batch_size"), len(x)
        rest = n % self.size
        self.rows = n - rest if drop_last else n  # of an epoch
        if self.rows == 0:
            raise ValueError(
                f"fit: expected at least batch_size = {self.size} rows with drop_last=True, got "
                f"{n}; choose a smaller batch_size"
            )
        self.number = -(-self.rows // self.size)  # of batches

    def check_rows(self, net: Sequential) -> None:
        """Raise ValueError if a batch has too few rows for net."""
        shortest = self.rows % self.size or self.size
        try:
            net.check_rows(shortest)
        except ValueError as error:
            raise ValueError(
                f"fit: {len(self.x)} rows in batches of {self.size} leave a batch of {shortest}; "
                f"{error}; choose another batch_size, or drop_last=True"
            ) from None

    def shuffled(self, order: Array) -> Iterator[tuple[Array, Array, Array | None]]:
        """Yield x, y and the weights of each batch, with the rows in this order."""
        batch_x: Array | None = None
        for start in range(0, self.rows, self.size):
            rows = order[start : start + self.size]
            batch_x = grown(batch_x, (len(rows), self.x.shape[1]), self.x.dtype)
            np.take(self.x, rows, axis=0, out=batch_x, mode="clip")
            yield batch_x, self.y[rows], None if self.weights is None else self.weights[rows]

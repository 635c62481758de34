"""Stop a training when a metric no longer improves, and keep the best weights."""

from __future__ import annotations

import math

from minnet.history import History
from minnet.layers.sequential import Sequential
from minnet.loss import Loss
from minnet.validation import Array, as_flag, check_instance, count, non_negative, one_of, setting

MONITORED = ("val_loss", "val_accuracy", "loss", "accuracy")


class Snapshot:
    """Copy of the parameters and of the state of a network."""

    def __init__(self, net: Sequential) -> None:
        self.arrays = [array.copy() for array in _arrays(net)]

    def restore(self, net: Sequential) -> None:
        """Copy the arrays into net; raise ValueError if its arrays have other shapes."""
        check_instance(net, Sequential, "restore")
        given, expected = ([a.shape for a in arrays] for arrays in (_arrays(net), self.arrays))
        if given != expected:
            raise ValueError(
                f"restore: expected theta and state of shapes {expected}, got {given}; pass the "
                "network that was trained"
            )
        for array, kept in zip(_arrays(net), self.arrays, strict=True):
            array[...] = kept


def _arrays(net: Sequential) -> list[Array]:
    return [net.theta, *net.state.values()]


class EarlyStopping:
    """Stop when a metric has not improved for some epochs, and restore the best weights.

    Calls of `minnet.fit` that continue one training share the count of these epochs; a new training
    resets it. After a stop pass a new object, because this one stops again after the next epoch
    without an improvement. `minnet.save` does not save the count or the best weights.

    Parameters
    ----------
    monitor : {"val_loss", "val_accuracy", "loss", "accuracy"}
        Metric of `minnet.History`. A loss improves downwards, an accuracy upwards.
    patience : int, default 5
        Number of epochs without improvement after which training stops.
    min_delta : float, default 0.0
        An improvement counts if it is larger than this, relative to the last counted one.
    restore_best : bool, default True
        Whether the network has the best weights at the end of `fit`: the parameters, and the state
        of the layers such as BatchNorm's running statistics, of the epoch with the best value. The
        optimizer's state remains that of the last step. After an error or Ctrl-C, call `restore`.

    Attributes
    ----------
    best, best_epoch : float and int
        Best value, and its epoch, counted from 1 in the history; nan and 0 at first.

    Raises
    ------
    ValueError, TypeError
        If a setting is out of range. `fit` raises ValueError if it will not measure the metric.

    Examples
    --------
    >>> from minnet import SGD, Dense, MeanSquaredError, Sequential, fit
    >>> net, stopping = Sequential([Dense(1, 1)], rng=0), EarlyStopping("loss", patience=2)
    >>> history = fit(net, [[1.0]], [[2.0]], loss=MeanSquaredError(), optimizer=SGD(net, lr=0.25),
    ...               epochs=100, batch_size=1, callbacks=[stopping])
    >>> len(history.loss), stopping.best_epoch, round(stopping.best, 6)
    (4, 2, 0.0)
    """

    monitor: str = setting(lambda value, where, name: one_of(value, MONITORED, where, name))
    patience: int = setting(count)
    min_delta: float = setting(non_negative)
    restore_best: bool = setting(as_flag)

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int = 5,
        min_delta: float = 0.0,
        restore_best: bool = True,
    ) -> None:
        self.monitor, self.patience = monitor, patience
        self.min_delta, self.restore_best = min_delta, restore_best
        self._begin(None)

    def _begin(self, history: History | None) -> None:
        self._history, self._waited = history, 0
        self.best, self.best_epoch = math.nan, 0
        self._improved = math.inf  # negative for accuracies, so that lower is better
        self._snapshot: Snapshot | None = None

    def check(self, loss: Loss, validation_data: object) -> None:
        """Raise ValueError if a `fit` with these arguments does not measure the metric."""
        repair = "monitor another metric"
        if self.monitor.endswith("accuracy") and not loss.classifies:
            raise ValueError(f"fit: expected a loss with classes for {self}, got {loss}; {repair}")
        if self.monitor.startswith("val_") and validation_data is None:
            raise ValueError(
                f"fit: expected validation_data for {self}, got None; pass it, or {repair}"
            )

    def on_epoch(self, net: Sequential, history: History) -> bool:
        """Compare the last value of the metric; return whether to stop."""
        if history is not self._history:
            self._begin(history)
        values = getattr(history, self.monitor)
        sign = -1.0 if "accuracy" in self.monitor else 1.0
        value = sign * values[-1]
        if self._snapshot is None or value < sign * self.best:
            self.best, self.best_epoch, self._snapshot = values[-1], len(values), Snapshot(net)
        self._waited += 1
        if value < self._improved - self.min_delta:
            self._improved, self._waited = value, 0
        return self._waited >= self.patience

    def on_end(self, net: Sequential, history: History) -> None:
        """Restore the best weights if ``restore_best``."""
        if self.restore_best:
            self.restore(net)

    def restore(self, net: Sequential) -> None:
        """Copy the parameters and the state of the best epoch into net."""
        if self._snapshot is None:
            raise RuntimeError("restore: expected a completed epoch, got none; call fit first")
        self._snapshot.restore(net)

    def __repr__(self) -> str:
        return f"EarlyStopping({self.monitor!r}, patience={self.patience})"

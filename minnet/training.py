"""Training: one step, the loop over epochs, and what is measured on the way.

A step is five lines, and `train_step` is those lines. `fit` repeats it over shuffled mini-batches,
remembers what it saw in a `History`, and leaves network, optimizer and history consistent however
it ends.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from minnet.interruptions import Interruptions
from minnet.kernels.losses import count_correct
from minnet.layer import Rng, grown
from minnet.layers.sequential import Sequential
from minnet.losses import Loss
from minnet.optimizers import Optimizer
from minnet.regularization import Regularizer, clip_grad_norm
from minnet.validation import Array, check_finite, count, positive


class Probe(Protocol):
    """What looks on while a network trains."""

    def observe(self, step: int, net: Sequential) -> None:
        """Look at the buffers after backward, before the optimizer moves anything."""


@dataclass
class History:
    """What `fit` saw, one entry an epoch.

    ``loss`` and ``accuracy`` are means over the batches as they were trained on, in training mode
    and with weights that changed from batch to batch; ``val_loss`` and ``val_accuracy`` belong to
    the network as it stood at the end of the epoch. To compare training and validation rows fairly,
    call `evaluate` on both. Accuracies stay empty for losses without classes.

    Attributes
    ----------
    loss, accuracy, val_loss, val_accuracy, lr : list of float
        Entry i belongs to epoch i; lr is that of the epoch's last step.
    steps : int
        How many optimizer steps were taken.
    """

    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    val_loss: list[float] = field(default_factory=list)
    val_accuracy: list[float] = field(default_factory=list)
    lr: list[float] = field(default_factory=list)
    steps: int = 0

    def append(self, seen: dict[str, float]) -> None:
        """Add one epoch: a number for each of the lists that it concerns."""
        for name, value in seen.items():
            getattr(self, name).append(value)

    def __repr__(self) -> str:
        last = {
            name: round(values[-1], 4)
            for name, values in vars(self).items()
            if isinstance(values, list) and values
        }
        return f"History({len(self.loss)} epochs, {self.steps} steps; last: {last})"


def train_step(
    net: Sequential,
    x: Any,
    y: Any,
    *,
    loss: Loss,
    optimizer: Optimizer,
    probes: Sequence[Probe] = (),
    regularizer: Regularizer | None = None,
    clip_norm: float | None = None,
    step: int = 0,
) -> float:
    """Take one step of training on the batch x, y and return its loss.

    Parameters
    ----------
    net : Sequential
        The network.
    x : array_like, shape (n, in_features)
        One batch of rows.
    y : array_like
        Its targets, as the loss takes them.
    loss : Loss
        What is made small.
    optimizer : Optimizer
        An optimizer of this network.
    probes : sequence of Probe
        Each may look at the buffers before the parameters move.
    regularizer : Regularizer, optional
        Its penalty is part of the loss that is returned.
    clip_norm : float, optional
        The length to which the gradient is clipped.
    step : int, default 0
        The number of the step, for the probes.

    Returns
    -------
    float
        The loss before the step, averaged over the batch.

    Raises
    ------
    FloatingPointError
        If an output, the loss or a gradient is not finite; the parameters are not moved then.
    """
    output = net.forward(x, training=True)
    value = loss.forward(output, y)
    net.backward(loss.backward(), input_gradient=False)
    if regularizer is not None:
        value += regularizer.penalty(net)
        regularizer.add_gradient(net)
    if not np.isfinite(value):
        raise FloatingPointError(f"{loss} is {value} on finite outputs; look at the targets")
    if clip_norm is not None:
        clip_grad_norm(net, clip_norm)
    for probe in probes:
        probe.observe(step, net)
    optimizer.step()
    return value


def fit(
    net: Sequential,
    x: Any,
    y: Any,
    *,
    loss: Loss,
    optimizer: Optimizer,
    epochs: int,
    batch_size: int,
    validation_data: tuple[Any, Any] | None = None,
    probes: Sequence[Probe] = (),
    regularizer: Regularizer | None = None,
    clip_norm: float | None = None,
    schedule: Callable[[int], float] | None = None,
    shuffle: bool = True,
    rng: Rng = None,
    verbose: int = 0,
) -> History:
    """Train net on rows x and targets y, and return what was seen.

    Parameters
    ----------
    net, loss, optimizer, probes, regularizer, clip_norm
        As in `train_step`.
    x : array_like, shape (n, in_features)
        Training rows; checked and converted once.
    y : array_like
        Targets, one for each row.
    epochs, batch_size : int
        How often to go through all rows, and how many rows make a step. The last batch of an
        epoch is as short as it must be.
    validation_data : (x, y), optional
        Rows that are evaluated after every epoch.
    schedule : callable, optional
        step -> lr, counted from 0; see `minnet.schedules`.
    shuffle : bool, default True
        Whether the rows are put in a new order every epoch.
    rng : int, numpy.random.Generator or None
        Seed or generator of that order.
    verbose : {0, 1}
        1 shows a progress bar.

    Returns
    -------
    History
        Losses and accuracies, one entry an epoch. It is filled as training goes on and stands at
        ``net.history`` as well, also when training was stopped.

    Raises
    ------
    ValueError, TypeError
        If data, targets or settings do not fit; nothing has been trained then.
    FloatingPointError
        If an output, the loss or a gradient stops being finite; step and layer are named.
    KeyboardInterrupt
        On Ctrl-C, after the step at hand is done: network, optimizer and history are consistent.

    Examples
    --------
    >>> from minnet import Adam, Dense, ReLU, Sequential, SoftmaxCrossEntropy
    >>> x, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])
    >>> net = Sequential([Dense(2, 16), ReLU(), Dense(16, 2)], rng=0)
    >>> history = fit(net, x, y, loss=SoftmaxCrossEntropy(), optimizer=Adam(net, lr=0.01),
    ...               epochs=200, batch_size=4, rng=0)
    >>> net.predict(x).argmax(axis=1)
    array([0, 1, 1, 0])
    """
    x, y = _checked_data(net, loss, x, y)
    held_out = None if validation_data is None else _checked_data(net, loss, *validation_data)
    epochs, batch_size = count(epochs, "fit", "epochs"), count(batch_size, "fit", "batch_size")
    _check_settings(net, optimizer, clip_norm, len(x), batch_size)
    generator = np.random.default_rng(rng)
    history = net.history = History()
    batches_an_epoch = -(-len(x) // batch_size)
    with _progress_bar(epochs * batches_an_epoch, verbose) as bar, Interruptions() as ctrl_c:
        for epoch in range(1, epochs + 1):
            order = generator.permutation(len(x)) if shuffle else np.arange(len(x))
            total, correct = 0.0, 0
            for batch_x, batch_y in _batches(x, y, order, batch_size):
                if schedule is not None:
                    optimizer.lr = schedule(history.steps)
                ctrl_c.hold()
                try:
                    value = train_step(
                        net, batch_x, batch_y, loss=loss, optimizer=optimizer, probes=probes,
                        regularizer=regularizer, clip_norm=clip_norm, step=history.steps,
                    )  # fmt: skip
                except FloatingPointError as error:
                    raise FloatingPointError(
                        f"step {history.steps} (epoch {epoch}): {error}; "
                        "net.history keeps the epochs before"
                    ) from error
                history.steps += 1
                ctrl_c.release()
                total += value * len(batch_x)
                correct += _correct(net.y, loss)
                bar.update()
            seen = {"loss": total / len(x), "lr": optimizer.lr}
            if loss.classifies:
                seen["accuracy"] = correct / len(x)
            if held_out is not None:
                seen |= {f"val_{name}": v for name, v in evaluate(net, *held_out, loss).items()}
            ctrl_c.hold()
            history.append(seen)
            ctrl_c.release()
            told = {name: f"{value:.4f}" for name, value in seen.items() if name != "lr"}
            bar.set_postfix(told, refresh=False)
    return history


def evaluate(net: Sequential, x: Any, y: Any, loss: Loss) -> dict[str, float]:
    """Return the loss, and for classes the accuracy, of the network as it is, on x and y.

    The network works as in prediction; neither its buffers nor those of the loss are disturbed.

    Returns
    -------
    dict of str to float
        ``loss``, and ``accuracy`` (the share of rows whose largest output is that of the target).

    Examples
    --------
    >>> from minnet import Dense, Sequential, SoftmaxCrossEntropy
    >>> net = Sequential([Dense(2, 2, init="zeros")])
    >>> evaluate(net, [[1.0, 2.0], [3.0, 4.0]], [0, 1], SoftmaxCrossEntropy())["accuracy"]
    0.5
    """
    own = copy.deepcopy(loss)
    output = net.predict(x)
    measured = {"loss": own.forward(output, y)}
    if own.classifies:
        measured["accuracy"] = _correct(output, own) / len(output)
    return measured


def _correct(output: Array | None, loss: Loss) -> int:
    """In how many rows the largest output is that of the target; 0 where there are no classes."""
    if not loss.classifies or loss.target is None:
        return 0
    return int(count_correct(output, loss.target))


def _batches(x: Array, y: Array, order: Array, batch_size: int) -> Iterator[tuple[Array, Array]]:
    batch_x: Array | None = None
    for start in range(0, len(x), batch_size):
        rows = order[start : start + batch_size]
        batch_x = grown(batch_x, (len(rows), x.shape[1]), x.dtype)
        np.take(x, rows, axis=0, out=batch_x, mode="clip")
        yield batch_x, y[rows]


def _checked_data(net: Sequential, loss: Loss, x: Any, y: Any) -> tuple[Array, Array]:
    """Return x as rows that fit net and y as targets that fit x, or refuse."""
    x, y = net.layers[0].check_input(x), np.asarray(y)
    if len(x) == 0:
        raise ValueError("fit: x has no rows")
    if y.ndim == 0 or len(x) != len(y):
        raise ValueError(
            f"fit: x has {len(x)} rows, y has shape {y.shape}; one target for each row"
        )
    check_finite(x, "fit: x")
    output = net.predict(x[:1])
    loss.as_target(y, np.broadcast_to(output, (len(x), output.shape[1])))
    return x, y


def _check_settings(
    net: Sequential, optimizer: Optimizer, clip_norm: float | None, n: int, batch_size: int
) -> None:
    if optimizer.net is not net:
        raise ValueError("fit: the optimizer belongs to another network; make one for this one")
    if clip_norm is not None:
        positive(clip_norm, "fit", "clip_norm")
    shortest = n % batch_size or min(batch_size, n)
    for _, layer in net.walk():
        if shortest < layer.rows_to_train:
            raise ValueError(
                f"fit: {n} rows in batches of {batch_size} leave a batch of {shortest}, but "
                f"{layer} needs {layer.rows_to_train} rows to train; choose another batch_size"
            )


@contextmanager
def _progress_bar(steps: int, verbose: int) -> Iterator[Any]:
    from tqdm.auto import tqdm

    with tqdm(total=steps, unit="step", disable=not verbose) as bar:
        yield bar

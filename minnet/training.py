"""Training: one step, the loop over epochs, and what is measured on the way.

A step is forward, loss, backward, and the optimizer's rule: `train_step`. `fit` repeats it over
shuffled mini-batches, remembers what it saw in a `History`, and leaves network, optimizer and
history consistent however it ends.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np

from minnet.interruptions import Interruptions
from minnet.kernels.losses import count_correct
from minnet.layer import Rng
from minnet.layers.activations import Sigmoid, Softmax
from minnet.layers.sequential import Sequential
from minnet.losses import Loss
from minnet.memory import grown
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
    call `evaluate` on both. A regularizer's penalty is in none of them. Accuracies stay empty for
    losses without classes.

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
        Its gradient is added. The penalty itself is not part of the loss that is returned, so that
        training and validation can be compared; ``regularizer.penalty(net)`` tells it.
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
        If an output, the loss, or the gradient that arrives at the first layer is not finite; the
        parameters are not moved then.
    """
    output = net.forward(x, training=True)
    value = loss.forward(output, y)
    if not math.isfinite(value):
        raise FloatingPointError(f"{loss} is {value} on finite outputs; look at the targets")
    if probes:
        metrics = {"loss": value, "lr": optimizer.lr}
        if loss.classifies:
            metrics["accuracy"] = _correct(output, y, loss) / len(output)
        net.metrics = metrics
    net.backward(loss.backward(), input_gradient=False)
    if regularizer is not None:
        regularizer.add_gradient(net)
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
    _check_settings(net, loss, optimizer, regularizer, schedule)
    _check_probes(probes)
    asked = copy.deepcopy(loss)  # to be asked about targets: what loss keeps is another step's
    x, y = _checked_data("", net, asked, x, y)
    held_out = None
    if validation_data is not None:
        if not isinstance(validation_data, tuple | list) or len(validation_data) != 2:
            raise TypeError("fit: validation_data must be a pair (x, y)")
        held_out = _checked_data("validation ", net, asked, *validation_data)
    epochs, batch_size = count(epochs, "fit", "epochs"), count(batch_size, "fit", "batch_size")
    _check_batches(net, len(x), batch_size)
    if clip_norm is not None:
        positive(clip_norm, "fit", "clip_norm")
    generator = np.random.default_rng(rng)
    settings: dict[str, Any] = {
        "loss": loss, "optimizer": optimizer, "probes": probes, "regularizer": regularizer,
        "clip_norm": clip_norm,
    }  # fmt: skip
    steps = epochs * -(-len(x) // batch_size)
    history, epoch = History(), 1
    net.history = history
    try:
        with _progress_bar(steps, verbose) as bar, Interruptions() as ctrl_c:
            for epoch in range(1, epochs + 1):  # noqa: B007 - told in the error
                order = generator.permutation(len(x)) if shuffle else np.arange(len(x))
                total, correct = 0.0, 0
                for batch_x, batch_y in _batches(x, y, order, batch_size):
                    if schedule is not None:
                        optimizer.lr = schedule(history.steps)
                    ctrl_c.wait()
                    value = train_step(net, batch_x, batch_y, step=history.steps, **settings)
                    history.steps += 1
                    ctrl_c.resume()
                    total += value * len(batch_x)
                    correct += _correct(net.y, batch_y, loss)
                    bar.update()
                net.check_theta()
                seen = {"loss": total / len(x), "lr": optimizer.lr}
                if loss.classifies:
                    seen["accuracy"] = correct / len(x)
                if held_out is not None:
                    measured = evaluate(net, *held_out, loss)
                    seen |= {f"val_{name}": number for name, number in measured.items()}
                ctrl_c.wait()
                history.append(seen)
                ctrl_c.resume()
                told = {name: f"{number:.4f}" for name, number in seen.items() if name != "lr"}
                bar.set_postfix(told, refresh=False)
    except FloatingPointError as error:
        raise FloatingPointError(
            f"step {history.steps} (epoch {epoch}): {error}; net.history keeps the epochs before"
        ) from error
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
        measured["accuracy"] = _correct(output, y, own) / len(output)
    return measured


def _correct(output: Array, y: Any, loss: Loss) -> int:
    """In how many rows the largest output is that of the target; 0 where there are no classes."""
    if not loss.classifies:
        return 0
    target = loss.target if loss.target is not None else loss.as_target(y, output)
    return int(count_correct(output, target))


def _batches(x: Array, y: Array, order: Array, batch_size: int) -> Iterator[tuple[Array, Array]]:
    batch_x: Array | None = None
    for start in range(0, len(x), batch_size):
        rows = order[start : start + batch_size]
        batch_x = grown(batch_x, (len(rows), x.shape[1]), x.dtype)
        np.take(x, rows, axis=0, out=batch_x, mode="clip")
        yield batch_x, y[rows]


def _checked_data(which: str, net: Sequential, loss: Loss, x: Any, y: Any) -> tuple[Array, Array]:
    """Return x as rows that fit net and y as targets that fit x, or refuse."""
    x, y = net.layers[0].check_input(x), np.asarray(y)
    if len(x) == 0:
        raise ValueError(f"fit: the {which}x has no rows")
    if y.ndim == 0 or len(x) != len(y):
        raise ValueError(
            f"fit: the {which}x has {len(x)} rows, y has shape {y.shape}; one target for each row"
        )
    check_finite(x, f"fit: {which}x")
    output = net.predict(x[:1])
    loss.as_target(y, np.broadcast_to(output, (len(x), output.shape[1])))
    return x, y


def _check_settings(net: Any, loss: Any, optimizer: Any, regularizer: Any, schedule: Any) -> None:
    for given, kind in ((net, Sequential), (loss, Loss), (optimizer, Optimizer)):
        if not isinstance(given, kind):
            made = f"; make one of it: {given.__name__}(...)" if isinstance(given, type) else ""
            article = "an" if kind is Optimizer else "a"
            raise TypeError(f"fit: expected {article} {kind.__name__}, got {given!r}{made}")
    if regularizer is not None and not isinstance(regularizer, Regularizer):
        raise TypeError(f"fit: expected a Regularizer such as L2(1e-4), got {regularizer!r}")
    if schedule is not None and not callable(schedule):
        raise TypeError(f"fit: expected a schedule step -> lr, got {schedule!r}; for one lr set it")
    if optimizer.net is not net:
        raise ValueError("fit: the optimizer belongs to another network; make one for this one")
    if loss.takes_logits and isinstance(net.layers[-1], Softmax | Sigmoid):
        raise ValueError(
            f"fit: {loss} takes logits, but the network ends in {net.layers[-1]}, which would be "
            "applied twice; leave that layer out"
        )


def _check_probes(probes: Any) -> None:
    listed = isinstance(probes, list | tuple)
    if not listed or any(isinstance(p, type) or not hasattr(p, "observe") for p in probes):
        raise TypeError(
            f"fit: probes must be a list of probes, such as [HistogramProbe()], got {probes!r}"
        )


def _check_batches(net: Sequential, n: int, batch_size: int) -> None:
    shortest = n % batch_size or min(batch_size, n)
    for _, layer in net.walk():
        if shortest < layer.rows_to_train:
            raise ValueError(
                f"fit: {n} rows in batches of {batch_size} leave a batch of {shortest}, but "
                f"{layer} needs {layer.rows_to_train} rows to train; choose another batch_size"
            )


@contextmanager
def _progress_bar(steps: int, verbose: int) -> Iterator[Any]:
    """A progress bar, or something that is told the same and stays silent."""
    if not verbose:
        yield _Silence()
        return
    if find_spec("ipywidgets"):  # without it the bar for notebooks warns instead of showing
        from tqdm.auto import tqdm
    else:
        from tqdm import tqdm
    with tqdm(total=steps, unit="step") as bar:
        yield bar


class _Silence:
    def update(self) -> None:
        """A step is done."""

    def set_postfix(self, told: dict[str, str], refresh: bool) -> None:
        """An epoch is done."""

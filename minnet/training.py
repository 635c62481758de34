"""Training: `train_step` takes one step, `fit` repeats it over shuffled mini-batches.

Network, optimizer and `History` are consistent after `fit`, also after an error or Ctrl-C.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np

from minnet.evaluation import evaluate, labels_of
from minnet.interruptions import Interruptions
from minnet.kernels.losses import count_correct
from minnet.layer import Rng
from minnet.layers.activations import Sigmoid, Softmax
from minnet.layers.sequential import Sequential
from minnet.losses import Loss
from minnet.memory import grown
from minnet.optimizers import Optimizer
from minnet.regularization import Regularizer, clip_grad_norm
from minnet.validation import Array, count, positive


class Probe(Protocol):
    """An observer of training, such as `minnet.HistogramProbe`."""

    def observe(self, step: int, net: Sequential) -> None:
        """Read the buffers after backward and before the optimizer's step."""


@dataclass
class History:
    """Metrics of `fit`, one entry for each epoch.

    ``loss`` and ``accuracy`` are means over the training batches; the parameters change after each
    batch. ``val_loss`` and ``val_accuracy`` are computed at the end of the epoch. To compare
    training and validation rows fairly, call `evaluate` on both. The losses do not include a
    regularizer's penalty. Accuracies are empty for losses without classes.

    Attributes
    ----------
    loss, accuracy, val_loss, val_accuracy, lr : list of float
        One entry for each epoch. lr is the learning rate of the last step of the epoch.
    steps : int
        Number of optimizer steps.
    """

    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    val_loss: list[float] = field(default_factory=list)
    val_accuracy: list[float] = field(default_factory=list)
    lr: list[float] = field(default_factory=list)
    steps: int = 0

    def append(self, metrics: dict[str, float]) -> None:
        """Add the metrics of one epoch."""
        for name, value in metrics.items():
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
    """Take one training step on the batch x, y and return its loss.

    Parameters
    ----------
    net : Sequential
        The network.
    x : array_like, shape (n, in_features)
        Rows of the batch.
    y : array_like
        Targets of the rows, in a form that the loss accepts.
    loss : Loss
        Loss to minimize.
    optimizer : Optimizer
        Optimizer of this network.
    probes : sequence of Probe
        Observers, called after the backward pass and before the parameters change.
    regularizer : Regularizer, optional
        Penalty whose gradient is added to that of the loss. The returned loss does not include the
        penalty, which is ``regularizer.penalty(net)``.
    clip_norm : float, optional
        Maximum norm of the gradient; a larger gradient is scaled down to it.
    step : int, default 0
        Number of the step, passed to the probes.

    Returns
    -------
    float
        Loss before the step, averaged over the batch.

    Raises
    ------
    ValueError, TypeError
        If the optimizer belongs to another network, or x or y does not fit.
    FloatingPointError
        If an output, the loss, or the gradient that reaches the first layer is not finite; the
        parameters are then unchanged.
    """
    if optimizer.net is not net:
        raise ValueError("train_step: the optimizer belongs to another network; create a new one")
    output = net.forward(x, training=True)
    value = loss.forward(output, y)
    if not math.isfinite(value):
        raise FloatingPointError(
            f"{loss}: the loss is {value} for finite outputs; check the targets"
        )
    if probes:
        metrics = {"loss": value, "lr": optimizer.lr}
        if loss.classifies:
            metrics["accuracy"] = _count_correct(output, loss) / len(output)
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
    """Train net on rows x and targets y, and return the history.

    Parameters
    ----------
    net, loss, optimizer, probes, regularizer, clip_norm
        As in `train_step`.
    x : array_like, shape (n, in_features)
        Training rows; validated and converted once.
    y : array_like
        Targets, one for each row.
    epochs, batch_size : int
        Number of passes over all rows, and rows for each step. The last batch of an epoch may be
        shorter.
    validation_data : (x, y), optional
        Rows and targets that are evaluated after every epoch.
    schedule : callable, optional
        Maps the step, counted from 0, to the learning rate; see `minnet.schedules`.
    shuffle : bool, default True
        Whether to permute the rows in every epoch.
    rng : int, numpy.random.Generator or None
        Seed or generator of the permutations.
    verbose : {0, 1}
        1 shows a progress bar.

    Returns
    -------
    History
        Metrics of each epoch. ``net.history`` is the same object, also if training is interrupted.

    Raises
    ------
    ValueError, TypeError
        If data, targets or settings do not fit; raised before training starts.
    FloatingPointError
        If an output, the loss or a gradient becomes non-finite; the error names the step and the
        layer.
    KeyboardInterrupt
        On Ctrl-C, when the current step is complete.

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
    settings: dict[str, Any] = {
        "loss": loss, "optimizer": optimizer, "probes": probes, "regularizer": regularizer,
        "clip_norm": clip_norm,
    }  # fmt: skip
    _check_settings(net, schedule=schedule, **settings)
    epochs, batch_size = count(epochs, "fit", "epochs"), count(batch_size, "fit", "batch_size")
    generator = np.random.default_rng(rng)
    x, y = _checked_data("", net, loss, x, y)
    _check_batches(net, len(x), batch_size)
    if validation_data is not None:
        if not isinstance(validation_data, tuple | list) or len(validation_data) != 2:
            raise TypeError("fit: expected validation_data as a pair (x, y)")
        validation_data = _checked_data("validation ", net, loss, *validation_data)
    history, epoch, steps = History(), 1, epochs * -(-len(x) // batch_size)
    net.history = history
    try:
        with _progress_bar(steps, verbose) as bar, Interruptions() as ctrl_c:
            for epoch in range(1, epochs + 1):  # noqa: B007 - reported in the error
                total, correct = 0.0, 0.0
                order = generator.permutation(len(x)) if shuffle else np.arange(len(x))
                for batch_x, batch_y in _batches(x, y, order, batch_size):
                    if schedule is not None:
                        optimizer.lr = schedule(history.steps)
                    with ctrl_c.delayed:
                        value = train_step(net, batch_x, batch_y, step=history.steps, **settings)
                        history.steps += 1
                    total += value * len(batch_x)
                    correct += _count_correct(net.y, loss)
                    if bar is not None:
                        bar.update()
                net.check_theta()
                metrics = {"loss": total / len(x), "lr": optimizer.lr}
                if loss.classifies:
                    metrics["accuracy"] = correct / len(x)
                if validation_data is not None:
                    validation = evaluate(net, *validation_data, loss)
                    metrics |= {f"val_{name}": number for name, number in validation.items()}
                with ctrl_c.delayed:
                    history.append(metrics)
                if bar is not None:
                    del metrics["lr"]
                    bar.set_postfix({k: f"{v:.4f}" for k, v in metrics.items()}, refresh=False)
    except FloatingPointError as error:
        raise FloatingPointError(
            f"step {history.steps} (epoch {epoch}): {error}; net.history holds the completed epochs"
        ) from error
    return history


def _count_correct(output: Array, loss: Loss) -> float:
    """Return the number of correct rows of the last forward, as `evaluate` counts them."""
    if loss.multilabel:
        true, predicted = labels_of(output, loss)
        return float((true == predicted).sum() / true.shape[1])
    return int(count_correct(output, loss.target)) if loss.classifies else 0


def _batches(x: Array, y: Array, order: Array, batch_size: int) -> Iterator[tuple[Array, Array]]:
    batch_x: Array | None = None
    for start in range(0, len(x), batch_size):
        rows = order[start : start + batch_size]
        batch_x = grown(batch_x, (len(rows), x.shape[1]), x.dtype)
        np.take(x, rows, axis=0, out=batch_x, mode="clip")
        yield batch_x, y[rows]


def _checked_data(which: str, net: Sequential, loss: Loss, x: Any, y: Any) -> tuple[Array, Array]:
    """Return x as rows that fit net and y as targets that fit x; raise if they do not fit."""
    x = net.check_input(x, f"{which}x")
    if len(x) == 0:
        raise ValueError(f"fit: expected at least one row, got {which}x of shape {x.shape}")
    width = net.predict(x[:1]).shape[1]
    return x, loss.as_target(y, (len(x), width), x.dtype)


def _check_settings(
    net: Any,
    *,
    loss: Any,
    optimizer: Any,
    probes: Any,
    regularizer: Any,
    clip_norm: Any,
    schedule: Any,
) -> None:
    for given, kind in ((net, Sequential), (loss, Loss), (optimizer, Optimizer)):
        if not isinstance(given, kind):
            repair = f"; create one: {given.__name__}(...)" if isinstance(given, type) else ""
            article = "an" if kind is Optimizer else "a"
            raise TypeError(f"fit: expected {article} {kind.__name__}, got {given!r}{repair}")
    if regularizer is not None and not isinstance(regularizer, Regularizer):
        raise TypeError(f"fit: expected a Regularizer such as L2(1e-4), got {regularizer!r}")
    if schedule is not None and not callable(schedule):
        raise TypeError(
            f"fit: expected a schedule that maps step to lr, got {schedule!r}; a constant lr is an "
            "argument of the optimizer"
        )
    listed = isinstance(probes, list | tuple)
    if not listed or any(isinstance(p, type) or not hasattr(p, "observe") for p in probes):
        raise TypeError(
            f"fit: expected a list of probes such as [HistogramProbe()], got {probes!r}"
        )
    if clip_norm is not None:
        positive(clip_norm, "fit", "clip_norm")
    if optimizer.net is not net:
        raise ValueError("fit: the optimizer belongs to another network; create one for this one")
    if loss.takes_logits and isinstance(net.layers[-1], Softmax | Sigmoid):
        raise ValueError(
            f"fit: {loss} takes logits, but the network ends in {net.layers[-1]}, which would be "
            "applied twice; remove that layer"
        )


def _check_batches(net: Sequential, n: int, batch_size: int) -> None:
    shortest = n % batch_size or min(batch_size, n)
    try:
        net.check_rows(shortest)
    except ValueError as error:
        raise ValueError(
            f"fit: {n} rows in batches of {batch_size} leave a batch of {shortest}; {error}; "
            "choose another batch_size"
        ) from None


@contextmanager
def _progress_bar(steps: int, verbose: int) -> Iterator[Any]:
    """Yield a tqdm bar, or None if ``verbose`` is 0."""
    if not verbose:
        yield None
        return
    if find_spec("ipywidgets"):  # tqdm.auto warns in a notebook without ipywidgets
        from tqdm.auto import tqdm
    else:
        from tqdm import tqdm
    with tqdm(total=steps, unit="step") as bar:
        yield bar

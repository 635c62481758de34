"""Training: `train_step` takes one step, `fit` repeats it over shuffled mini-batches.

Network, optimizer and `History` are consistent after `fit`, also after an error or Ctrl-C.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal, Protocol

import numpy as np

from minnet.arguments import (
    Batch,
    Batches,
    check_data,
    check_loop,
    check_step,
    check_validation,
    row_weights,
    stops_training,
)
from minnet.evaluation import evaluate, labels_of
from minnet.history import History as History
from minnet.interruptions import Interruptions
from minnet.kernels.losses import count_correct
from minnet.layer import Rng
from minnet.layers.sequential import Sequential
from minnet.losses import Loss
from minnet.optimizers import Optimizer
from minnet.regularization import Regularizer, clip_grad_norm
from minnet.validation import Array, as_flag, count


class Probe(Protocol):
    """An observer of training, such as `minnet.HistogramProbe`.

    If it has a method ``begin(run)``, `fit` calls it before the first permutation, with a `Run`. If
    it has a method ``end(run, error)``, `fit` calls it after the last epoch, or when an error or
    Ctrl-C has ended the training; error is then the exception, otherwise None.
    """

    def observe(self, step: int, net: Sequential) -> None:
        """Read the buffers after backward and before the optimizer's step."""


@dataclass(frozen=True)
class Run:
    """Validated arguments of a call of `fit`; ``generator`` draws the permutations."""

    net: Sequential
    loss: Loss
    optimizer: Optimizer
    epochs: int
    batches: Batches
    validation_data: tuple[Array, Array] | None
    regularizer: Regularizer | None
    clip_norm: float | None
    schedule: Callable[[int], float] | None
    shuffle: bool
    generator: np.random.Generator


class Callback(Protocol):
    """An object that `fit` calls after every epoch, such as `minnet.EarlyStopping`.

    If it has a method ``on_end(net, history)``, `fit` calls it after the last epoch, also if a
    callback stopped training, but not after an error or Ctrl-C.
    """

    def on_epoch(self, net: Sequential, history: History) -> bool | None:
        """Act on the epoch whose metrics are the last in history; return True to stop training."""


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
    sample_weight: Any = None,
    step: int | None = None,
) -> float:
    """Take one training step on the batch x, y and return its loss.

    Parameters
    ----------
    net : Sequential
        The network.
    x, y : array_like
        Rows of the batch (n, in_features), and their targets in a form that the loss accepts.
    loss, optimizer : Loss and Optimizer
        Loss to minimize, and optimizer of this network.
    probes : sequence of Probe
        Observers, called after the backward pass and before the parameters change.
    regularizer : Regularizer, optional
        Penalty whose gradient is added to that of the loss. The returned loss does not include the
        penalty, which is ``regularizer.penalty(net)``.
    clip_norm : float, optional
        Maximum norm of the gradient; a larger gradient is scaled down to it. A limit that is never
        reached, such as 1e9, only measures the norm. See `minnet.clip_grad_norm`.
    sample_weight : array_like, shape (n,), optional
        Weight of each row in the loss; see `minnet.Loss.forward`.
    step : int, default ``optimizer.steps``
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
        If an output, the loss, or the gradient that reaches the first layer is not finite. The
        parameters are then unchanged; so are the running statistics, unless it is the gradient.
    """
    options: dict[str, Any] = {
        "loss": loss, "optimizer": optimizer, "probes": probes, "regularizer": regularizer,
        "clip_norm": clip_norm,
    }  # fmt: skip
    check_step("train_step", net, **options)
    if step is not None:
        step = count(step, "train_step", "step", least=0)
    return _step(net, x, y, **options, sample_weight=sample_weight, step=step)


def _step(
    net: Sequential,
    x: Any,
    y: Any,
    *,
    loss: Loss,
    optimizer: Optimizer,
    probes: Sequence[Probe],
    regularizer: Regularizer | None,
    clip_norm: float | None,
    sample_weight: Any,
    step: int | None = None,
) -> float:
    """Take a step with arguments that were validated, except x, y and sample_weight."""
    output = net.forward(x, training=True)
    try:
        value = loss.forward(output, y, sample_weight=sample_weight)
    except Exception:
        net.undo_forward()
        raise
    net.metrics = metrics = {"loss": value, "lr": optimizer.lr}
    if probes and loss.classifies:
        metrics["accuracy"] = _count_correct(output, loss) / len(output)
    net.backward(loss.backward(), input_gradient=False)
    if regularizer is not None:
        regularizer.add_gradient(net)
    if clip_norm is not None:
        metrics["grad_norm"] = clip_grad_norm(net, clip_norm)
    steps = optimizer.steps
    for probe in probes:
        probe.observe(steps if step is None else step, net)
    optimizer.step()
    optimizer.steps = steps + 1  # also if a subclass overrides step
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
    callbacks: Sequence[Callback] = (),
    sample_weight: Any = None,
    class_weight: Mapping[int, float] | Literal["balanced"] | None = None,
    shuffle: bool = True,
    drop_last: bool = False,
    rng: Rng = None,
    verbose: int = 0,
) -> History:
    """Train net on rows x and targets y, and return the history.

    Another call with the same optimizer continues the training, with its schedule, probes, history
    and, for an equal seed, permutations: twice five epochs equal ten to the bit, also if
    `minnet.save` and `minnet.load` keep the training in a file in between. `EarlyStopping` differs,
    because each call ends with the best weights.

    Parameters
    ----------
    net, loss, optimizer, probes, regularizer, clip_norm
        As in `train_step`.
    x, y : array_like
        Rows (n, in_features) and one target for each, validated and converted once.
    epochs, batch_size : int
        Number of passes over all rows, and rows for each step.
    validation_data : (x, y), optional
        Rows and targets that are evaluated after every epoch.
    schedule : callable, optional
        Maps the step, ``optimizer.steps``, to the learning rate; see `minnet.schedules`.
    callbacks : sequence of Callback
        Called after every epoch, such as `EarlyStopping`; see `minnet.training.Callback`.
    sample_weight : array_like, shape (n,), optional
        Weight of each row in the loss. Accuracies and validation do not use weights.
    class_weight : dict of label to weight, or "balanced", optional
        Weight of each row by its label, as in scikit-learn; multiplied by sample_weight.
    shuffle, drop_last : bool
        Whether to permute the rows in every epoch, and to omit an incomplete last batch.
    rng : int, numpy.random.Generator or None
        Seed or generator of the permutations.
    verbose : {0, 1}
        1 shows a progress bar.

    Returns
    -------
    History
        Metrics of each epoch and step. ``net.history`` and ``optimizer.history`` are the same
        object, also if training is interrupted. Another call then begins a new epoch.

    Raises
    ------
    ValueError, TypeError
        If data, targets or settings do not fit; raised before training starts.
    FloatingPointError
        If an output, the loss or a gradient becomes non-finite; names the step and the layer.
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
    options: dict[str, Any] = {
        "loss": loss, "optimizer": optimizer, "probes": probes, "regularizer": regularizer,
        "clip_norm": clip_norm,
    }  # fmt: skip
    check_step("fit", net, **options)
    check_loop(loss, schedule, callbacks, validation_data, verbose)
    shuffle, drop_last = as_flag(shuffle, "fit", "shuffle"), as_flag(drop_last, "fit", "drop_last")
    epochs = count(epochs, "fit", "epochs")
    x, y = check_data("", net, loss, x, y)
    weights = row_weights(loss, y, sample_weight, class_weight)
    batches = Batches(net, x, y, weights, batch_size, drop_last=drop_last)
    validation_data = check_validation(net, loss, validation_data)
    history = optimizer.history
    if history is None or history.steps > optimizer.steps:
        history = History(steps=optimizer.steps)
    generator = history.generator_for(rng)
    net.history = optimizer.history = history
    run = Run(
        net, loss, optimizer, epochs, batches, validation_data, regularizer, clip_norm, schedule,
        shuffle, generator,
    )  # fmt: skip
    try:
        with (
            _observed(run, probes),
            _progress(epochs * batches.per_epoch, verbose) as show,
            Interruptions() as ctrl_c,
        ):

            def step(batch: Batch) -> float:
                if schedule is not None:
                    optimizer.lr = schedule(optimizer.steps)
                with ctrl_c.delayed:
                    value = _step(net, batch.x, batch.y, **options, sample_weight=batch.weights)
                    history.append_step(net.metrics, optimizer.steps)
                show()
                return value

            for _ in range(epochs):
                epoch = len(history.loss) + 1
                order = generator.permutation(len(x)) if shuffle else np.arange(len(x))
                metrics = _train_epoch(net, loss, batches.in_order(order), step)
                net.check_theta()
                metrics["lr"] = optimizer.lr
                if validation_data is not None:
                    validation = evaluate(net, *validation_data, loss)
                    metrics |= {f"val_{name}": number for name, number in validation.items()}
                with ctrl_c.delayed:
                    history.append(metrics)
                    stops = [stops_training(callback, net, history) for callback in callbacks]
                show(metrics)
                if any(stops):
                    break
            for callback in callbacks:
                if hasattr(callback, "on_end"):
                    callback.on_end(net, history)
    except FloatingPointError as error:
        text = f"step {optimizer.steps} (epoch {epoch}): {error}"
        raise FloatingPointError(f"{text}; net.history holds the completed epochs") from error
    return history


def _train_epoch(
    net: Sequential, loss: Loss, batches: Iterable[Batch], step: Callable[[Batch], float]
) -> dict[str, float]:
    """Take the steps of an epoch and return the loss and the accuracy over all of them."""
    total, total_weight, correct, rows = 0.0, 0.0, 0.0, 0
    for batch in batches:
        value, n = step(batch), len(batch.x)
        weight = n if batch.weights is None else float(batch.weights.sum())
        total, total_weight, rows = total + value * weight, total_weight + weight, rows + n
        if loss.classifies:
            correct += _count_correct(net.y, loss)
    metrics = {"loss": total / (total_weight or 1.0)}
    if loss.classifies:
        metrics["accuracy"] = correct / rows
    return metrics


def _count_correct(output: Array, loss: Loss) -> float:
    """Return the number of correct rows of the last forward, as `evaluate` counts them."""
    if loss.multilabel:
        true, predicted = labels_of(output, loss)
        return float((true == predicted).sum() / true.shape[1])
    return int(count_correct(output, loss.target))


@contextmanager
def _observed(run: Run, probes: Sequence[Probe]) -> Iterator[None]:
    """Call ``begin`` and ``end`` of the probes that have these methods."""
    error: BaseException | None = None
    for probe in probes:
        if hasattr(probe, "begin"):
            probe.begin(run)
    try:
        yield
    except BaseException as raised:
        error = raised
        raise
    finally:
        for probe in probes:
            if hasattr(probe, "end"):
                probe.end(run, error)


@contextmanager
def _progress(steps: int, verbose: int) -> Iterator[Callable[..., None]]:
    """Yield a function that shows a step or, given metrics, an epoch in a progress bar."""
    if not verbose or sys.stderr is None:  # as in a program without a console
        yield lambda metrics=None: None
        return
    # tqdm.auto warns in a notebook without ipywidgets.
    module = import_module("tqdm.auto" if find_spec("ipywidgets") else "tqdm")
    with module.tqdm(total=steps, unit="step") as bar:

        def show(metrics: Mapping[str, float] | None = None) -> None:
            if metrics is None:
                bar.update()
            else:
                numbers = {k: f"{v:.4f}" for k, v in metrics.items() if k != "lr"}
                bar.set_postfix(numbers, refresh=False)

        yield show

"""Metrics of a training run, by epoch and by step."""

import math
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Self

import numpy as np

from minnet.validation import Array, as_rng, one_of

NAN = float("nan")
EPOCH_METRICS: tuple[str, ...] = ("loss", "accuracy", "val_loss", "val_accuracy", "lr")
STEP_METRICS: tuple[str, ...] = ("loss", "lr", "grad_norm")


def _numbers() -> "array[float]":
    return array("d")


def import_pandas(instead: str) -> Any:
    """Return pandas for ``to_frame``; raise ImportError, which names an alternative, without it."""
    try:
        return import_module("pandas")
    except ImportError as error:
        raise ImportError(
            "to_frame: expected pandas, which is not installed; pip install pandas, or read "
            f"{instead}"
        ) from error


@dataclass(repr=False)
class History:
    """Metrics of `fit`, by epoch and by step.

    ``loss`` and ``accuracy`` are means over the training batches; the parameters change after each
    batch. ``val_loss`` and ``val_accuracy`` are computed at the end of the epoch. To compare
    training and validation rows fairly, call `evaluate` on both. The losses do not include a
    regularizer's penalty. Accuracies are empty for losses without classes.

    Attributes
    ----------
    loss, accuracy, val_loss, val_accuracy, lr : list of float
        One entry for each epoch. lr is the learning rate of the last step of the epoch.
    step_loss, step_lr, step_grad_norm : array of float
        One entry for each step: loss of the batch, learning rate, and norm of the gradient before
        clipping. The norm is measured only with ``clip_norm``, because this can take more than a
        tenth of the time of a step. nan marks epochs or steps in which a metric was not measured,
        such as steps that were taken without `fit`.
    epoch_steps : list of int
        Value of ``optimizer.steps`` at the end of each epoch.
    steps : int
        Value of ``optimizer.steps`` after the last recorded step.
    seed, generator : int and numpy.random.Generator, or None
        Seed and generator of the permutations of the rows; None if `fit` received a generator.

    Examples
    --------
    >>> History(loss=[2.0, 0.5], lr=[0.1, 0.1], steps=20)
    History(2 epochs, 20 steps; loss 2 -> 0.5, lr 0.1 -> 0.1)
    """

    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    val_loss: list[float] = field(default_factory=list)
    val_accuracy: list[float] = field(default_factory=list)
    lr: list[float] = field(default_factory=list)
    epoch_steps: list[int] = field(default_factory=list)
    steps: int = 0
    step_loss: "array[float]" = field(default_factory=_numbers)
    step_lr: "array[float]" = field(default_factory=_numbers)
    step_grad_norm: "array[float]" = field(default_factory=_numbers)
    seed: int | None = None
    generator: np.random.Generator | None = field(default=None, compare=False)

    def append(self, metrics: Mapping[str, float]) -> None:
        """Add the metrics of one epoch, ``loss`` among them."""
        epochs = len(self.loss)
        for name in EPOCH_METRICS:
            values = getattr(self, name)
            if name in metrics or values:
                values += [NAN] * (epochs - len(values)) + [metrics.get(name, NAN)]
        # A file of an older version has no epoch_steps; -1 marks the epochs in it.
        self.epoch_steps += [-1] * (epochs - len(self.epoch_steps)) + [self.steps]

    def append_step(self, metrics: Mapping[str, float], steps: int) -> None:
        """Add the metrics of one step, after which the optimizer has taken this many steps."""
        while self.steps < steps - 1:  # steps that were taken without fit
            self.append_step({"loss": NAN, "lr": NAN}, self.steps + 1)
        if "grad_norm" in metrics or self.step_grad_norm:
            while len(self.step_grad_norm) < len(self.step_loss):  # steps without clip_norm
                self.step_grad_norm.append(NAN)
            self.step_grad_norm.append(metrics.get("grad_norm", NAN))
        self.step_loss.append(metrics["loss"])
        self.step_lr.append(metrics["lr"])
        self.steps = steps

    def generator_for(self, rng: Any) -> np.random.Generator:
        """Return the generator of permutations for ``rng``; for an equal seed, the previous one."""
        given = as_rng(rng, "fit")  # before a change, because it may raise
        is_seed = given is not rng
        if is_seed and self.generator is not None and rng == self.seed:
            return self.generator
        self.seed = int(rng) if is_seed and rng is not None else None
        self.generator = given if is_seed else None
        return given

    def to_state(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Return the contents of a file: values for JSON, and arrays by step."""
        names = [f"step_{name}" for name in STEP_METRICS]
        values = {name: value for name, value in vars(self).items() if name not in names}
        values["generator"] = self.generator and self.generator.bit_generator.state
        return values, {f"history/{name}": np.array(getattr(self, name)) for name in names}

    @classmethod
    def from_state(cls, values: Mapping[str, Any], arrays: Mapping[str, Array]) -> Self:
        """Return the history from what `to_state` returned."""
        epochs = {name: list(map(float, values[name])) for name in EPOCH_METRICS}
        steps = {f"step_{name}": arrays[f"history/step_{name}"] for name in STEP_METRICS}
        by_step = {name: array("d", numbers) for name, numbers in steps.items()}
        history = cls(**{**values, "generator": None, **epochs, **by_step})
        if values["generator"]:
            history.generator = np.random.default_rng()
            history.generator.bit_generator.state = values["generator"]
        return history

    def to_frame(self, by: str = "epoch") -> Any:
        """Return a pandas.DataFrame with a row for each epoch or, with by="step", for each step.

        Epochs count from 1 and steps from 0. ImportError is raised if pandas is not installed.
        """
        one_of(by, ("epoch", "step"), "to_frame", "by")
        pandas = import_pandas("lists such as history.loss")
        names, prefix, end = EPOCH_METRICS, "", len(self.loss) + 1
        if by == "step":
            names, prefix, end = STEP_METRICS, "step_", self.steps
        columns = {name: np.array(getattr(self, prefix + name)) for name in names}
        columns = {name: values for name, values in columns.items() if len(values)}
        rows = max(map(len, columns.values()), default=0)
        return pandas.DataFrame(columns, pandas.RangeIndex(end - rows, end, name=by))

    def __repr__(self) -> str:
        metrics = ", ".join(
            f"{name} {values[0]:.4g} -> {values[-1]:.4g}"
            for name in EPOCH_METRICS
            if (values := [value for value in getattr(self, name) if not math.isnan(value)])
        )
        return f"History({len(self.loss)} epochs, {self.steps} steps; {metrics or 'no metrics'})"

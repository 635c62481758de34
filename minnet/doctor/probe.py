"""The probe `Doctor`, and `diagnose`, which trains a copy under its observation."""

from __future__ import annotations

from typing import Any

import numpy as np

from minnet.arguments import check_data, check_step, check_validation
from minnet.doctor.case import Case
from minnet.doctor.diagnosis import examine
from minnet.doctor.findings import Diagnosis
from minnet.doctor.training import Training
from minnet.layers.sequential import Sequential
from minnet.losses import Loss
from minnet.optimizers import Optimizer
from minnet.training import Run
from minnet.validation import as_flag, count


class Doctor:
    """A probe for `minnet.fit` that diagnoses the training.

    The results of `fit` are bitwise equal with and without it. The doctor keeps the loss of every
    step, and copies of the parameters at up to ten steps.

    Parameters
    ----------
    validation_data : (x, y), optional
        Rows that are not used in training. By default those of `fit`. Without them overfitting is
        not examined, and remedies are compared on the training rows.
    trials : bool, default True
        Whether `diagnosis` tries remedies on copies of the training.

    Examples
    --------
    >>> import minnet
    >>> (x, y), test = minnet.datasets.digits()
    >>> net = minnet.Sequential(
    ...     [minnet.Dense(64, 32), minnet.ReLU(), minnet.Dense(32, 10)], rng=0)
    >>> doctor = Doctor(test)
    >>> history = minnet.fit(
    ...     net, x, y, loss=minnet.SoftmaxCrossEntropy(), optimizer=minnet.SGD(net, lr=1e-4),
    ...     epochs=5, batch_size=32, probes=[doctor], rng=0)
    >>> doctor.diagnosis().findings[0].cause
    'lr_too_low'
    """

    def __init__(self, validation_data: tuple[Any, Any] | None = None, trials: bool = True) -> None:
        self.validation_data, self.trials = validation_data, as_flag(trials, "Doctor", "trials")
        self._case: Case | None = None
        self._problem = "no training was observed; pass the doctor to fit, probes=[doctor]"

    def begin(self, run: Run) -> None:
        """Copy the training before the first step; `minnet.fit` calls it."""
        validation, self._case = run.validation_data, None
        if self.validation_data is not None:
            validation = check_validation(run.net, run.loss, self.validation_data)
        try:
            self._case = Case(Training.of(run, validation))
        except Exception as error:  # an attribute of a user's layer may not be copyable
            self._problem = f"the network cannot be copied ({error})"

    def observe(self, step: int, net: Sequential) -> None:
        """Keep the loss of the step and, at some steps, the parameters."""
        count(step, "Doctor", "step", least=0)
        if self._case is not None:
            self._case.observe(net)

    def end(self, run: Run, error: BaseException | None) -> None:
        """Keep the last parameters, and the error if there was one; `minnet.fit` calls it."""
        if self._case is not None:
            self._case.error = error
            self._case.look(run.net)

    def diagnosis(self) -> Diagnosis:
        """Return the causes of poor training, most likely first, each with remedies.

        With trials, remedies are tried on copies of the training. This takes about the time of the
        training, or less. The network, the optimizer and the data do not change.
        """
        if self._case is None:
            return Diagnosis(problem=self._problem)
        if not self._case.losses:
            return Diagnosis(problem="the training ended before its first step was complete")
        return examine(self._case, trials=self.trials)


def diagnose(
    net: Sequential,
    x: Any,
    y: Any,
    *,
    loss: Loss,
    optimizer: Optimizer,
    batch_size: int,
    steps: int = 200,
    validation_data: tuple[Any, Any] | None = None,
) -> Diagnosis:
    """Train a copy of the network for some steps and return the diagnosis.

    The network, the optimizer and the loss do not change.

    Parameters
    ----------
    net, x, y, loss, optimizer, batch_size
        As in `minnet.fit`.
    steps : int, default 200
        Number of training steps. Causes that appear later are not found.
    validation_data : (x, y), optional
        Rows that are not used in training; see `Doctor`.

    Examples
    --------
    >>> from minnet import SGD, Dense, ReLU, SoftmaxCrossEntropy, datasets
    >>> (x, y), test = datasets.iris()
    >>> net = Sequential([Dense(4, 16, init="zeros"), ReLU(), Dense(16, 3)], rng=0)
    >>> diagnosis = diagnose(net, x, y, loss=SoftmaxCrossEntropy(), optimizer=SGD(net, lr=0.1),
    ...                      batch_size=16, validation_data=test)
    >>> diagnosis.findings[0].cause, diagnosis.findings[0].layer
    ('symmetry', 'dense1')
    """
    settings = {"probes": (), "regularizer": None, "clip_norm": None}
    check_step("diagnose", net, loss=loss, optimizer=optimizer, **settings)
    x, y = check_data("", net, loss, x, y)
    training = Training(
        net, loss, optimizer, x, y, None, count(batch_size, "diagnose", "batch_size"), False,
        count(steps, "diagnose", "steps"), None, None, None, True, np.random.default_rng(0),
        check_validation(net, loss, validation_data),
    )  # fmt: skip
    training.batches()  # raises if a batch is too small for the network
    twin, doctor = training.copy(), Doctor()
    doctor._case = case = Case(training.copy())
    try:
        for _ in twin.run([doctor]):
            pass
    except FloatingPointError as error:
        case.error = error
    case.look(twin.net)
    return doctor.diagnosis()

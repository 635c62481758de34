"""Train a `Setup`, and measure every epoch, and every layer before and after training.

A `Trial` holds numbers only, so that hundreds can be stored, sent between processes and compared
over seeds. A `Record` holds the trained network and a recording of the training, for figures.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import numpy as np
from threadpoolctl import threadpool_limits

from minnet.experiments.measures import MEASURES, dense, distribution, rms
from minnet.experiments.setup import ACTIVATIONS, Setup
from minnet.layers.dense import Dense
from minnet.layers.sequential import Sequential
from minnet.recording import SATURATION, Capture, HistogramProbe, StatisticsProbe, capture
from minnet.serialization import load as load_net
from minnet.serialization import save
from minnet.training import fit
from minnet.validation import Array

TEST_ROWS = 1000  # rows whose activations are measured
EVALUATED = 10_000  # training rows that are evaluated after an epoch
SLOTS = 64  # points in time that a record keeps
CURVES = (
    "loss", "accuracy", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "seconds",
)  # fmt: skip

Snapshot = dict[str, list[dict[str, Any]]]


@dataclass
class Trial:
    """The results of one training.

    Attributes
    ----------
    setup : Setup
        Setup that was trained.
    curves : dict of str to list of float
        Values by epoch. ``loss`` and ``accuracy`` are means over the batches during the epoch.
        ``val_`` values belong to the test rows and ``train_`` values to the first 10000 training
        rows, both with the network at the end of the epoch. ``seconds`` is the training time.
    start, end : dict
        The `snapshot` of the network before and after training; None if its outputs or
        gradients are not finite, and at the end of a training that diverged.
    measures : dict
        Results of the setup's ``measures`` by name, at ``start`` and ``end``.
    stopped : str or None
        Message of the error that ended a diverged training.
    """

    setup: Setup
    curves: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in CURVES})
    start: Snapshot | None = None
    end: Snapshot | None = None
    measures: dict[str, dict[str, Any]] = field(default_factory=dict)
    stopped: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the results for JSON."""
        return {**vars(self), "setup": self.setup.as_dict()}

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Self:
        """Return the trial from the result of `as_dict`, with null read as NaN."""
        numbers: dict[str, Any] = {
            name: None if stored[name] is None else plain(stored[name], back=True)
            for name in ("curves", "start", "end", "measures")
        }
        return cls(Setup(**stored["setup"]), **numbers, stopped=stored["stopped"])

    def history(self) -> SimpleNamespace:
        """Return the curves at the end of each epoch for `minnet.plot.learning_curves`."""
        ends = {name: self.curves[f"train_{name}"] for name in ("loss", "accuracy")}
        return SimpleNamespace(**{**self.curves, **ends})

    def last(self, curve: str) -> float:
        """Return the last value of a curve; nan if training diverged in the first epoch."""
        return self.curves[curve][-1] if self.curves[curve] else float("nan")


Trials = Mapping[str, Sequence[Trial]]  # label -> trials by seed, the same seeds for all labels


@dataclass(frozen=True)
class Record:
    """A trained network, None if its training diverged, and the recordings of the training."""

    setup: Setup
    net: Sequential | None
    statistics: StatisticsProbe
    histograms: HistogramProbe

    def before(self) -> Capture:
        """Return the outputs of all layers on the test rows before training."""
        return capture(self.setup.build(), self.setup.load().x_test[:TEST_ROWS])

    def after(self) -> Capture:
        """Return the outputs of all layers on the test rows after training."""
        return capture(self.trained(), self.setup.load().x_test[:TEST_ROWS])

    def trained(self) -> Sequential:
        """Return the trained network, or raise ValueError if the training diverged."""
        if self.net is None:
            raise ValueError(f"this training diverged and has no trained network: {self.setup}")
        return self.net

    def save(self, stem: Path) -> None:
        """Write files whose names begin with stem."""
        if self.net is not None:
            save(self.net, f"{stem}.net.npz")
        self.statistics.save(f"{stem}.statistics.npz")
        self.histograms.save(f"{stem}.histograms.npz")

    @classmethod
    def load(cls, setup: Setup, stem: Path) -> Self:
        """Return the record from the files of `save`."""
        ended = Path(f"{stem}.net.npz").is_file()
        net = load_net(setup.build(), f"{stem}.net.npz") if ended else None
        statistics = StatisticsProbe.load(f"{stem}.statistics.npz")
        return cls(setup, net, statistics, HistogramProbe.load(f"{stem}.histograms.npz"))


def train(setup: Setup, *, record: bool = False) -> tuple[Trial, Record | None]:
    """Train the network of a setup; return the results, and a record if requested.

    The setup determines all results but ``seconds``, whether it is recorded or not. BLAS uses one
    thread, so that the order of sums does not depend on the number of threads. To use all cores,
    run several trainings with `minnet.experiments.sweep.sweep`.
    """
    with threadpool_limits(1, user_api="blas"):
        return _train(setup, record)


def _train(setup: Setup, record: bool) -> tuple[Trial, Record | None]:
    data, net, trial = setup.load(), setup.build(), Trial(setup)
    optimizer, batch_size = setup.make_optimizer(net), min(setup.batch_size, len(data.x))
    steps = setup.epochs * math.ceil(len(data.x) / batch_size)
    every = max(math.ceil(steps / SLOTS), 1)
    statistics = StatisticsProbe(("y", "dy", "weight_grad", "update"), every, window=SLOTS // 4)
    histograms = HistogramProbe(("y", "dy"), every, units=True)
    order = np.random.default_rng([setup.seed, 1])  # independent of the initial weights
    try:
        trial.start = snapshot(setup, net)
        _measure(trial, "start", net)
        for _ in range(setup.epochs):
            started = time.perf_counter()
            history = fit(
                net, data.x, targets(setup, data.labels), loss=setup.make_loss(),
                optimizer=optimizer, epochs=1, batch_size=batch_size, rng=order,
                probes=[statistics, histograms] if record else [],
                regularizer=setup.make_regularizer(), clip_norm=setup.clip_norm,
            )  # fmt: skip
            values = {"seconds": time.perf_counter() - started, "loss": history.loss[-1]}
            if history.accuracy:
                values["accuracy"] = history.accuracy[-1]
            for name, value in (values | _evaluate(setup, net)).items():
                trial.curves[name].append(value)
        trial.end = snapshot(setup, net)
        for row, now, first in zip(
            trial.end["dense"], dense(net), dense(setup.build()), strict=True
        ):
            initial, change = first.weight.value, now.weight.value - first.weight.value
            row["moved"] = rms(change) / size if (size := rms(initial)) else float("nan")
        _measure(trial, "end", net)
    except FloatingPointError as error:
        trial.stopped = str(error)
    if not record:
        return trial, None
    return trial, Record(setup, None if trial.stopped else net, statistics, histograms)


def snapshot(setup: Setup, net: Sequential) -> Snapshot:
    """Return measures of every layer of net in its current state.

    ``hidden`` has a dict for each hidden activation on up to 1000 test rows: name, the statistics
    of `distribution`, and saturated, the share of outputs at which the slope is below an eighth of
    its maximum (nan for activations other than sigmoid and tanh). ``dense`` has a dict for each
    Dense: name, fan_in, fan_out, weight_rms, and for the gradients on the first training batch
    weight_grad_rms and dy_rms. After training it also has moved: RMS of the change of the weight
    over that of the initial weight.
    """
    outputs = capture(net, setup.load().x_test[:TEST_ROWS])
    gradients = first_batch_gradients(setup, net)
    rows: Snapshot = {"hidden": [], "dense": []}
    for name, layer in net.walk():
        y = outputs[name]["y"]
        if isinstance(layer, ACTIVATIONS[setup.activation]):
            low, high = SATURATION.get(type(layer).__name__, (math.nan, math.nan))
            saturated = math.nan if math.isnan(low) else float(((y < low) | (y > high)).mean())
            rows["hidden"].append({"name": name, **distribution(y), "saturated": saturated})
        if isinstance(layer, Dense):
            rows["dense"].append({
                "name": name, "fan_in": layer.in_features, "fan_out": layer.out_features,
                "weight_rms": rms(layer.weight.value),
                "weight_grad_rms": rms(gradients[name]["weight_grad"]),
                "dy_rms": rms(gradients[name]["dy"]),
            })  # fmt: skip
    return rows


def first_batch_gradients(setup: Setup, net: Sequential) -> Capture:
    """Return the outputs and gradients of all layers on the first training batch."""
    data, batch = setup.load(), slice(setup.batch_size)
    return capture(net, data.x[batch], targets(setup, data.labels[batch]), setup.make_loss())


def targets(setup: Setup, labels: Array) -> Array:
    """Return the targets of labels in the form that the loss of a setup takes."""
    if setup.loss == "squared_error":
        return np.eye(setup.load().classes, dtype=np.float32)[labels]
    return labels


def _evaluate(setup: Setup, net: Sequential) -> dict[str, float]:
    """Return loss and accuracy on the first training rows and, as ``val_``, on the test rows."""
    data, values = setup.load(), {}
    for rows, x, labels in (
        ("train", data.x[:EVALUATED], data.labels[:EVALUATED]),
        ("val", data.x_test, data.labels_test),
    ):
        output = net.predict(x)
        values[f"{rows}_loss"] = setup.make_loss().forward(output, targets(setup, labels))
        values[f"{rows}_accuracy"] = float((output.argmax(axis=1) == labels).mean())
    return values


def _measure(trial: Trial, when: str, net: Sequential) -> None:
    if trial.setup.measures:
        data = trial.setup.load()
        trial.measures[when] = {name: MEASURES[name](net, data) for name in trial.setup.measures}


def plain(value: Any, *, back: bool = False) -> Any:
    """Replace non-finite numbers by None at every level, because JSON does not support them.

    With ``back``, replace None by NaN.
    """
    if isinstance(value, dict):
        return {key: plain(inner, back=back) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner, back=back) for inner in value]
    if back:
        return math.nan if value is None else value
    return None if isinstance(value, float) and not np.isfinite(value) else value

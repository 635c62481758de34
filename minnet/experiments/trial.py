"""One training of a `Setup`, and what is told of it: curves by epoch, every layer before and after.

A trial holds numbers alone, so that hundreds of them can be kept, sent between processes and
compared over seeds. Of the few that are to be drawn a `Record` is kept beside the numbers: the
trained network and what two probes saw.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from minnet.experiments.data import Data, load
from minnet.experiments.measures import MEASURES, dense, rms
from minnet.experiments.setup import ACTIVATIONS, Setup
from minnet.layers.dense import Dense
from minnet.layers.sequential import Sequential
from minnet.recording import SATURATION, Capture, HistogramProbe, StatisticsProbe, capture
from minnet.recording.statistics import dead_units, describe
from minnet.serialization import load as load_net
from minnet.serialization import save
from minnet.training import fit
from minnet.validation import Array

SEEN = 1000  # rows, of those that were not trained on, whose activations are told
EVALUATED = 10_000  # training rows
SLOTS = 64  # moments of a training that a picture of it can show
CURVES = (
    "loss", "accuracy", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "seconds",
)  # fmt: skip

TOLD = ("mean", "std", "kurtosis", "minimum", "maximum", "zeros")
Snapshot = dict[str, list[dict[str, Any]]]


@dataclass
class Trial:
    """What is told of one training.

    Attributes
    ----------
    setup : Setup
        What was trained.
    curves : dict of str to list of float
        By epoch. ``loss`` and ``accuracy`` are those of the batches as they were trained on;
        ``val_`` belong to the test rows, and ``train_`` to the first 10000 training rows, with the
        network as it stood at the end of the epoch; ``seconds`` is what training took.
    start, end : dict
        The network before and after. ``hidden`` has a dict for each hidden layer's activation on
        up to 1000 test rows: name, units, mean, std, kurtosis, minimum, maximum, zeros (share of
        exact zeros), dead (units that are the same on all rows), saturated (share outside of
        (.03, .97) after a sigmoid and of (-.94, .94) after tanh, where the slope is less than an
        eighth of its largest; NaN after the others).
        ``dense`` has one for each Dense: name, fan_in, fan_out, weight_rms, and of the gradients
        on the first training batch weight_grad_rms, dy_rms; at the end also moved, the RMS of what
        training changed in the weight over the RMS it began with. None where the network's
        outputs or gradients are not finite, and at the end of a training that broke off.
    measures : dict
        What the setup's ``measures`` gave, by name, at ``start`` and ``end``.
    stopped : str or None
        Why training came to an end early: NaN or infinity, and where.
    """

    setup: Setup
    curves: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in CURVES})
    start: Snapshot | None = None
    end: Snapshot | None = None
    measures: dict[str, dict[str, Any]] = field(default_factory=dict)
    stopped: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {**vars(self), "setup": self.setup.as_dict()}

    @classmethod
    def from_dict(cls, kept: dict[str, Any]) -> Trial:
        """Return the trial that `as_dict` was of."""
        if set(kept["curves"]) != set(CURVES):
            raise ValueError(f"expected the curves {', '.join(CURVES)}, got {list(kept['curves'])}")
        numbers = {name: _numbers(kept[name]) for name in ("curves", "start", "end", "measures")}
        return cls(Setup(**kept["setup"]), **numbers, stopped=kept["stopped"])

    def history(self) -> SimpleNamespace:
        """Return curves for `minnet.plot.learning_curves`: ``train_`` as training, ``val_``."""
        curves = self.curves
        return SimpleNamespace(
            loss=curves["train_loss"], accuracy=curves["train_accuracy"],
            val_loss=curves["val_loss"], val_accuracy=curves["val_accuracy"],
        )  # fmt: skip

    def last(self, curve: str) -> float:
        """Return a curve's last number; nan if training broke off in the first epoch."""
        return self.curves[curve][-1] if self.curves[curve] else float("nan")


@dataclass(frozen=True)
class Record:
    """A trained network, and what probes saw of its training.

    Where NaN or infinity put an end to the training, ``net`` is None.
    """

    setup: Setup
    net: Sequential | None
    histograms: HistogramProbe
    statistics: StatisticsProbe

    def before(self) -> Capture:
        """Return what the layers put out on the test rows before training."""
        return capture(self.setup.build(), _seen(load_data(self.setup)))

    def after(self) -> Capture:
        """Return what they put out after it.

        Raises
        ------
        ValueError
            If NaN or infinity put an end to the training.
        """
        if self.net is None:
            raise ValueError(f"this training has no end to be looked at: {self.setup}")
        return capture(self.net, _seen(load_data(self.setup)))

    def save(self, stem: Path) -> None:
        """Write files whose names begin with stem."""
        if self.net is not None:
            save(self.net, f"{stem}.net.npz")
        self.histograms.save(f"{stem}.histograms.npz")
        self.statistics.save(f"{stem}.statistics.npz")

    @classmethod
    def load(cls, setup: Setup, stem: Path) -> Record:
        """Return what `save` has written."""
        ended = Path(f"{stem}.net.npz").is_file()
        return cls(
            setup,
            load_net(setup.build(), f"{stem}.net.npz") if ended else None,
            HistogramProbe.load(f"{stem}.histograms.npz"),
            StatisticsProbe.load(f"{stem}.statistics.npz"),
        )


def train(
    setup: Setup, *, record: bool = False, tick: Callable[[], object] | None = None
) -> tuple[Trial, Record | None]:
    """Train what setup describes; return what is told of it, and a record if it is asked for.

    It computes with one core: on a machine that has anything else to do, products that are split
    over two wait for each other, and sums would depend on how they were split. Several trainings
    at a time are the way to use all cores; see `minnet.experiments.sweep.sweep`.

    Parameters
    ----------
    setup : Setup
        It decides everything: the same setup gives the same numbers, but for ``seconds``.
    record : bool, default False
        Let probes look on. It changes nothing of what is trained.
    tick : callable, optional
        Called after each epoch.

    Raises
    ------
    ValueError
        If the setup does not fit together.
    FileNotFoundError
        If its data are nowhere.
    """
    with threadpool_limits(1, user_api="blas"):
        return _train(setup, record, tick)


def _train(
    setup: Setup, record: bool, tick: Callable[[], object] | None
) -> tuple[Trial, Record | None]:
    data, net, trial = load_data(setup), setup.build(), Trial(setup)
    optimizer, regularizer = setup.make_optimizer(net), setup.make_regularizer()
    batch_size = min(setup.batch_size, len(data.x))
    targets = _targets(setup, data, data.labels)
    probes = _probes(setup, len(data.x), batch_size)
    order = np.random.default_rng([setup.seed, 1])  # not the numbers that the weights came from
    steps = 0
    try:
        trial.start = snapshot(setup, net, data)
        _measure(trial, "start", net, data)
        for _ in range(setup.epochs):
            started = time.perf_counter()
            history = fit(
                net, data.x, targets, loss=setup.make_loss(), optimizer=optimizer, epochs=1,
                batch_size=batch_size, probes=[_From(steps, probe) for probe in probes if record],
                regularizer=regularizer, clip_norm=setup.clip_norm, rng=order,
            )  # fmt: skip
            steps += history.steps
            seen = {"seconds": time.perf_counter() - started, "loss": history.loss[0]}
            if history.accuracy:
                seen["accuracy"] = history.accuracy[0]
            for which in ("train", "val"):
                seen |= _evaluate(which, setup, net, data)
            for name, value in seen.items():
                trial.curves[name].append(value)
            if tick:
                tick()
        trial.end = snapshot(setup, net, data)
        for row, now, first in zip(
            trial.end["dense"], dense(net), dense(setup.build()), strict=True
        ):
            row["moved"] = _change(first.weight.value, now.weight.value)
        _measure(trial, "end", net, data)
    except FloatingPointError as error:
        trial.stopped = str(error)
    if not record:
        return trial, None
    return trial, Record(setup, None if trial.stopped else net, *probes)


def snapshot(setup: Setup, net: Sequential, data: Data) -> Snapshot:
    """Return what is told of every layer of net as it is; see `Trial`."""
    batch = min(setup.batch_size, len(data.x))
    x, targets = data.x[:batch], _targets(setup, data, data.labels[:batch])
    outputs, trained = capture(net, _seen(data)), capture(net, x, targets, setup.make_loss())
    activation = ACTIVATIONS[setup.activation]
    layers = dict(net.walk())
    return {
        "hidden": [
            _hidden(name, type(layer).__name__, outputs[name]["y"])
            for name, layer in layers.items()
            if isinstance(layer, activation)
        ],
        "dense": [
            {
                "name": name,
                "fan_in": layer.in_features,
                "fan_out": layer.out_features,
                "weight_rms": rms(layer.weight.value),
                "weight_grad_rms": rms(trained[name]["weight_grad"]),
                "dy_rms": rms(trained[name]["dy"]),
            }
            for name, layer in layers.items()
            if isinstance(layer, Dense)
        ],
    }


def load_data(setup: Setup) -> Data:
    """Return the data of a setup."""
    return load(setup.data, setup.scaling, setup.rows)


class _From:
    """A probe that counts on where the epoch before has ended."""

    def __init__(self, first: int, probe: HistogramProbe | StatisticsProbe) -> None:
        self.first, self.probe = first, probe

    def observe(self, step: int, net: Sequential) -> None:
        self.probe.observe(self.first + step, net)


def _probes(setup: Setup, n: int, batch_size: int) -> tuple[HistogramProbe, StatisticsProbe]:
    steps = setup.epochs * -(-n // batch_size)
    every = max(-(-steps // SLOTS), 1)
    return (
        HistogramProbe(("y", "dy", "weight_grad"), every, slots=SLOTS),
        StatisticsProbe(("y", "dy", "weight_grad", "update"), every, window=SLOTS // 4),
    )


def _seen(data: Data) -> Array:
    return data.x_test[:SEEN]


def _targets(setup: Setup, data: Data, labels: Array) -> Array:
    if setup.loss == "squared_error":
        return np.eye(data.classes, dtype=np.float32)[labels]
    return labels


def _evaluate(which: str, setup: Setup, net: Sequential, data: Data) -> dict[str, float]:
    x, labels = data.x_test, data.labels_test
    if which == "train":
        x, labels = data.x[:EVALUATED], data.labels[:EVALUATED]
    output = net.predict(x)
    return {
        f"{which}_loss": setup.make_loss().forward(output, _targets(setup, data, labels)),
        f"{which}_accuracy": float((output.argmax(axis=1) == labels).mean()),
    }


def _hidden(name: str, kind: str, y: Array) -> dict[str, Any]:
    told = describe(y)
    low, high = SATURATION.get(kind, (np.nan, np.nan))
    return {
        "name": name,
        "units": y.shape[1],
        **{column: float(getattr(told, column)) for column in TOLD},
        "dead": int(dead_units(y).sum()),
        "saturated": float(((y < low) | (y > high)).mean()) if kind in SATURATION else float("nan"),
    }


def _change(first: Array, now: Array) -> float:
    """Return how far a weight has gone from where it began, in its own size."""
    size = rms(first)
    return rms(now - first) / size if size else float("nan")


def _measure(trial: Trial, when: str, net: Sequential, data: Data) -> None:
    if trial.setup.measures:
        trial.measures[when] = {name: MEASURES[name](net, data) for name in trial.setup.measures}


def _numbers(kept: Any) -> Any:
    """Turn what JSON has as null back into NaN, all the way down; None at the top stays."""
    if isinstance(kept, dict):
        return {name: _number(value) for name, value in kept.items()}
    if isinstance(kept, list):
        return [_number(value) for value in kept]
    return kept


def _number(value: Any) -> Any:
    return float("nan") if value is None else _numbers(value)

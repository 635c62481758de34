"""Valid arguments for every public function, by the name of the parameter.

A `World` makes the objects of one call when they are first used: a network, its optimizer, rows and
labels. `EXAMPLES` and `SPECIAL` choose among them.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

import minnet
from minnet import (
    SGD,
    Adam,
    BatchNorm,
    Dense,
    Dropout,
    HistogramProbe,
    MeanSquaredError,
    Optimizer,
    PReLU,
    ReLU,
    Residual,
    Sequential,
    SoftmaxCrossEntropy,
    StatisticsProbe,
    Tanh,
)

X = np.random.default_rng(1).normal(size=(8, 3))
ROWS = np.random.default_rng(2).normal(size=(8, 2))


class World:
    """New objects for one call, made when they are first used."""

    def __init__(self, folder: Path, double: bool = False) -> None:
        self.folder, self.dtype = folder, np.dtype(np.float64 if double else np.float32)
        self.made: list[Any] = []

    @cached_property
    def net(self) -> Sequential:
        net: Sequential = pickle.loads(_pickled(self.dtype))
        self.made.append(net)
        return net

    @cached_property
    def optimizer(self) -> Optimizer:
        optimizer = Adam(self.net)
        self.made.append(optimizer)
        return optimizer

    @cached_property
    def x(self) -> np.ndarray:
        return X.astype(self.dtype)

    @cached_property
    def rows(self) -> np.ndarray:
        return ROWS.astype(self.dtype)

    @cached_property
    def labels(self) -> np.ndarray:
        return np.arange(8) % 2

    def stepped(self) -> Sequential:
        """Return the network after a backward pass."""
        loss = SoftmaxCrossEntropy()
        loss.forward(self.net.forward(self.x, training=True), self.labels)
        self.net.backward(loss.backward())
        return self.net


@cache
def _pickled(dtype: np.dtype) -> bytes:
    """Return a network as bytes, because unpickling it is faster than drawing it again."""
    branch = Residual(Dense(4, 4), Tanh())
    layers = [Dense(3, 4), BatchNorm(4), PReLU(), branch, Dropout(0.2), Dense(4, 2)]
    return pickle.dumps(Sequential(layers, rng=0, dtype=dtype))


@cache
def recorded() -> dict[str, Any]:
    """Return a history and two recordings of a short training; the calls only read them."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(32, 3)), np.arange(32) % 2
    net = Sequential([Dense(3, 4), ReLU(), Dense(4, 2)], rng=0)
    probes = [HistogramProbe(units=True), StatisticsProbe()]
    history = minnet.fit(
        net, x, y, loss=SoftmaxCrossEntropy(), optimizer=SGD(net), epochs=3, batch_size=8,
        probes=probes, rng=0, validation_data=(x, y),
    )  # fmt: skip
    captured = minnet.capture(net, x, y, SoftmaxCrossEntropy())
    return {"history": history, "counts": probes[0], "numbers": probes[1], "captured": captured}


def saved(world: World, name: str, write: Callable[[str], None]) -> Path:
    """Return the path of a file, written at the first call."""
    path = world.folder / name
    if not path.exists():
        write(str(path))
    return path


def _table(path: str) -> None:
    rows = [f"{i},{i * i % 7},{'ab'[i % 2]},{['no', 'yes'][i % 2]}" for i in range(40)]
    Path(path).write_text("\n".join(["one,two,three,answer", *rows]) + "\n")


def _square(x: np.ndarray) -> float:
    return float((x**2).sum())


def _answer(weight: Any, bias: Any) -> None:
    raise NotImplementedError


# Examples by name of the parameter.
EXAMPLES: dict[str, Callable[[World], Any]] = {
    "net": lambda w: w.net,
    "x": lambda w: w.x,
    "y": lambda w: w.labels,
    "X": lambda w: w.x,
    "dy": lambda w: w.x,
    "training": lambda w: True,
    "optimizer": lambda w: w.optimizer,
    "loss": lambda w: SoftmaxCrossEntropy(),
    "output": lambda w: w.rows,
    "target": lambda w: w.rows + 1,
    "epochs": lambda w: 1,
    "batch_size": lambda w: 8,
    "rng": lambda w: 0,
    "random_state": lambda w: 0,
    "layer": lambda w: "dense1",
    "layers": lambda w: [Dense(3, 4), ReLU(), Dense(4, 2)],
    "kind": lambda w: "y",
    "name": lambda w: "rms",
    "q": lambda w: 0.5,
    "in_features": lambda w: 3,
    "out_features": lambda w: 2,
    "num_features": lambda w: 3,
    "num_groups": lambda w: 1,
    "strength": lambda w: 0.1,
    "max_norm": lambda w: 1e-3,
    "limit": lambda w: 1e-3,
    "shape": lambda w: (3, 4),
    "lr": lambda w: 0.1,
    "max_lr": lambda w: 0.1,
    "steps": lambda w: 10,
    "every": lambda w: 2,
    "schedule": lambda w: 0.1,
    "activation": lambda w: "relu",
    "init": lambda w: "he_normal",
    "value": lambda w: w.rows.copy(),
    "f": lambda w: _square,
    "x_shape": lambda w: (4, 3),
    "x_train": lambda w: w.x,
    "others": lambda w: w.x + 1,
    "path": lambda w: w.folder / "out.npz",
    "data_home": lambda w: w.folder,
    "download": lambda w: False,
    "probe": lambda w: recorded()["numbers"],
    "history": lambda w: recorded()["history"],
    "data": lambda w: recorded()["captured"],
    "true": lambda w: w.labels,
    "predicted": lambda w: w.labels[::-1].copy(),
    "exercise": lambda w: 1,
    "answer": lambda w: _answer,
    "delta": lambda w: 1.0,
    "array": lambda w: w.x,
    "dtype": lambda w: w.dtype,
    "step": lambda w: 0,
    "max_iter": lambda w: 2,
    "classes": lambda w: [0, 1],
}
# Examples by function and parameter. None omits an argument that has a default.
SPECIAL: dict[str, Callable[[World], Any] | None] = {
    "Residual.layers": lambda w: Dense(3, 3),
    "Sequential.more": None,
    "capture.y": lambda w: w.labels,
    "BatchNorm.momentum": lambda w: 0.5,
    "HistogramProbe.layers": None,
    "HistogramProbe.every": lambda w: 1,
    "StatisticsProbe.layers": None,
    "StatisticsProbe.every": lambda w: 1,
    "StatisticsProbe.run.name": lambda w: "loss",
    "HistogramProbe.epochs.name": lambda w: "loss",
    "StatisticsProbe.epochs.name": lambda w: "loss",
    "plot.animate.probe": lambda w: recorded()["counts"],
    "HistogramProbe.quantile.step": lambda w: -1,
    "HistogramProbe.load.path": lambda w: saved(w, "counts.npz", recorded()["counts"].save),
    "StatisticsProbe.load.path": lambda w: saved(w, "numbers.npz", recorded()["numbers"].save),
    "load.path": lambda w: saved(w, "net.npz", lambda path: minnet.save(w.net, path)),
    "load_safetensors.path": lambda w: saved(
        w, "net.safetensors", lambda path: minnet.save_safetensors(w.net, path)
    ),
    "load.optimizer": None,
    "save.history": None,
    "replay.histograms": lambda w: recorded()["counts"],
    "check_layer.layer": lambda w: Dense(3, 2).build(rng=0),
    "check_loss.loss": lambda w: MeanSquaredError(),
    "numerical_gradient.step": None,
    "train_step.step": None,
    "fit.schedule": None,
    "initializers.get.init": lambda w: "he_normal",
    "schedules.step.lr": lambda w: 0.1,
    "PReLU.init": lambda w: 0.25,
    "datasets.from_csv.path": lambda w: saved(w, "table.csv", _table),
    "datasets.from_csv.target": lambda w: "answer",
    "datasets.from_csv.options": None,
    "datasets.read_csv.path": lambda w: saved(w, "table.csv", _table),
    "datasets.read_csv.options": None,
    "datasets.fetch.name": lambda w: "mnist",
    "plot.depth_colors.layers": lambda w: 3,
    "plot.heatmap.probe": lambda w: recorded()["counts"],
    "plot.cdf.layers": None,
    "plot.density.layers": None,
    "plot.histograms.layers": None,
    "plot.dead_units.layers": None,
    "plot.gradient_flow.layers": None,
    "plot.gradient_flow.kind": None,
    "plot.update_ratio.layers": None,
    "recording.dead_units.y": lambda w: w.x,
    "exercises.find.exercise": lambda w: 1,
    "exercises.find.key": lambda w: 1,
    "Sequential.load_torch_state_dict.state_dict": lambda w: w.net.to_torch_state_dict(),
    "Sequential.load_keras_weights.weights": lambda w: w.net.to_keras_weights(),
    "Layer.check_input.name": None,
    "Loss.as_target.shape": lambda w: (8, 2),
    "CrossEntropy.target": lambda w: w.labels,
    "CrossEntropy.output": lambda w: np.full((8, 2), 0.5, w.dtype),
    "SoftmaxCrossEntropy.target": lambda w: w.labels,
    "SigmoidBinaryCrossEntropy.target": lambda w: (w.rows > 0).astype(w.dtype),
    "sklearn.activation": lambda w: "relu",
    "sklearn.sample_weight": None,
    "History.by": lambda w: "epoch",
    "GroupNorm.num_groups": lambda w: 1,
    "Sequential.x": lambda w: w.x,
    "Dense.dy": lambda w: w.rows,
    "Sequential.dy": lambda w: w.rows,
    "capture.loss": lambda w: SoftmaxCrossEntropy(),
    "sklearn.MLPClassifier.partial_fit.classes": lambda w: [0, 1],
}
# What the examples lead to, where that is not a result.
EXPECTED: dict[str, type[Exception]] = {
    "datasets.mnist": FileNotFoundError,
    "datasets.fashion_mnist": FileNotFoundError,
    "datasets.fetch": FileNotFoundError,
    "exercises.check": AssertionError,
}

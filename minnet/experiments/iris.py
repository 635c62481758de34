"""The Iris experiment: a small network whose hidden layers are looked at before and after training.

The article promises a softmax and trains a linear output with squared error, standardises the data
before it splits them, and looks once, after training, with no accuracy told. Here each choice is
mended, and ``as_article`` brings the article's own back for comparison.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minnet import datasets
from minnet.experiments import report
from minnet.layers.activations import ReLU
from minnet.layers.dense import Dense
from minnet.layers.sequential import Sequential
from minnet.losses import Loss, MeanSquaredError, SoftmaxCrossEntropy
from minnet.optimizers import Adam
from minnet.probes import Capture, capture
from minnet.training import History, evaluate, fit
from minnet.validation import Array

SPLIT_SEED = 42
LEARNING_RATE = 1e-3
HIDDEN = ("relu1", "relu2", "relu3")


@dataclass(frozen=True)
class IrisRun:
    """A trained network with what was seen of it.

    Attributes
    ----------
    net : Sequential
        The network, trained.
    history : History
        Loss of training and test rows, epoch by epoch.
    before, after : Capture
        Every layer's output on the test rows, at the start and at the end.
    metrics : dict
        Settings, losses, accuracies and distributions, ready for JSON.
    """

    net: Sequential
    history: History
    before: Capture
    after: Capture
    metrics: dict[str, Any]


def run(*, epochs: int = 500, seed: int = 0, as_article: bool = False, verbose: int = 0) -> IrisRun:
    """Train 4-64-32-16-3 on Iris, full batch, with Adam at 1e-3.

    Parameters
    ----------
    epochs : int, default 500
        How many steps, each on all training rows.
    seed : int, default 0
        Of the initial weights; the split into rows is always that of seed 42.
    as_article : bool, default False
        Linear output and squared error on one-hot rows, data standardised before the split, split
        not stratified. Otherwise softmax and cross-entropy, a scaler that has seen the training
        rows alone, and a stratified split.
    verbose : {0, 1}
        1 shows a progress bar.

    Returns
    -------
    IrisRun
        Network, history, captures and numbers.
    """
    (x_train, y_train), (x_test, y_test) = _article_data() if as_article else _data()
    loss: Loss = MeanSquaredError() if as_article else SoftmaxCrossEntropy()
    t_train, t_test = (
        np.eye(3, dtype=np.float32)[y] if as_article else y for y in (y_train, y_test)
    )
    net = Sequential(
        [Dense(4, 64), ReLU(), Dense(64, 32), ReLU(), Dense(32, 16), ReLU(), Dense(16, 3)],
        rng=seed,
    )
    before = capture(net, x_test)
    history = fit(
        net, x_train, t_train, loss=loss, optimizer=Adam(net, lr=LEARNING_RATE), epochs=epochs,
        batch_size=len(x_train), validation_data=(x_test, t_test), rng=seed, verbose=verbose,
    )  # fmt: skip
    after = capture(net, x_test)
    metrics = {
        "experiment": "iris",
        "settings": {"epochs": epochs, "seed": seed, "split_seed": SPLIT_SEED, "lr": LEARNING_RATE,
                     "loss": type(loss).__name__, "as_article": as_article},
        "versions": report.versions(),
        "loss": {"training": evaluate(net, x_train, t_train, loss)["loss"],
                 "test": evaluate(net, x_test, t_test, loss)["loss"]},
        "accuracy": {"training": _accuracy(net, x_train, y_train),
                     "test": _accuracy(net, x_test, y_test)},
        "layers": {"before": report.distributions(before), "after": report.distributions(after)},
    }  # fmt: skip
    return IrisRun(net, history, before, after, metrics)


def draw(result: IrisRun) -> dict[str, Any]:
    """Return the figures of a run by name."""
    from minnet import plot

    stages = {"before training": result.before, "after training": result.after}
    return {
        "histograms": plot.histograms(stages, layers=HIDDEN),
        "learning_curves": plot.learning_curves(result.history),
    }


def tell(result: IrisRun) -> str:
    """Return the losses, the accuracies and the table of distributions as text."""
    loss, accuracy = result.metrics["loss"], result.metrics["accuracy"]
    return "\n".join(
        [
            f"loss       training {loss['training']:.4f}   test {loss['test']:.4f}",
            f"accuracy   training {accuracy['training']:.4f}   test {accuracy['test']:.4f}",
            "",
            "Outputs of each layer on the test rows, before training:",
            report.distribution_table(result.metrics["layers"]["before"]),
            "",
            "and after:",
            report.distribution_table(result.metrics["layers"]["after"]),
        ]
    )


def write(result: IrisRun, out: Path) -> list[Path]:
    """Write the figures and the numbers of a run into the folder out; return the paths."""
    return report.write(out, draw(result), result.metrics)


def _data() -> datasets.Split:
    (x_train, y_train), (x_test, y_test) = datasets.iris(rng=SPLIT_SEED)
    x_train, x_test = datasets.standardize(x_train, x_test)
    return (x_train, y_train), (x_test, y_test)


def _article_data() -> datasets.Split:
    from sklearn.datasets import load_iris
    from sklearn.model_selection import train_test_split

    x, y = load_iris(return_X_y=True)
    (x,) = datasets.standardize(x)
    x_train, x_test, y_train, y_test = train_test_split(
        x.astype(np.float32), y, test_size=0.2, random_state=SPLIT_SEED
    )
    return (x_train, y_train), (x_test, y_test)


def _accuracy(net: Sequential, x: Array, labels: Array) -> float:
    return float((net.predict(x).argmax(axis=1) == labels).mean())

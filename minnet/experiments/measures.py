"""Measures of a network: summary statistics of its layers, and extra measures for single claims.

An extra measure is a function of a network and its data that returns numbers that JSON can store. A
`Setup` requests it by its name in ``MEASURES``, which stored trials contain.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from minnet.experiments.setup import Data
from minnet.layers.dense import Dense
from minnet.layers.sequential import Sequential
from minnet.recording import capture
from minnet.recording.statistics import dead_units, describe
from minnet.validation import Array

BARS = 50  # bins of the articles' histograms
STATISTICS = ("mean", "std", "kurtosis", "minimum", "maximum", "zeros")


def distribution(y: Array) -> dict[str, Any]:
    """Return summary statistics of a layer's output y, (n, units).

    The keys are ``units``, the names in STATISTICS, and ``dead``. kurtosis is the excess over that
    of a normal distribution, zeros is the share of entries that are exactly 0, and dead is the
    number of units with the same output in every row.
    """
    statistics = describe(y)
    values = {name: float(getattr(statistics, name)) for name in STATISTICS}
    return {"units": y.shape[1], **values, "dead": int(dead_units(y).sum())}


def unit_spread(net: Sequential, data: Data) -> list[float]:
    """Return the relative spread of the units of each Dense layer; 0 if they are equal.

    The spread is the RMS of the deviations of weights and biases from their mean over the units,
    divided by the RMS of all weights and biases.
    """
    del data
    spreads = []
    for layer in dense(net):
        weight = layer.weight.value
        bias = layer.bias.value if layer.bias is not None else np.zeros_like(weight[0])
        units = np.vstack([weight, bias]).astype(np.float64)
        deviation = rms(units - units.mean(axis=1, keepdims=True))
        spreads.append(deviation / size if (size := rms(units)) else 0.0)
    return spreads


def extractors(net: Sequential, data: Data) -> dict[str, list[dict[str, float]]]:
    """Return measures of the hidden layers' outputs, and of the article's extractor."""
    outputs = capture(net, data.x_test).kind("y")
    return {
        "right": [_of_histogram(y) for name, y in outputs.items() if name.startswith("relu")],
        "article": [_of_histogram(y) for y in chained(net, data.x_test)],
    }


def chained(net: Sequential, x: Array) -> list[Array]:
    """Return the values that the article's code drew instead of the hidden layers' outputs.

    It chained the modules of a network whose ReLUs were functions instead of modules. The result is
    x W1 W2 W3 with biases, which the network never computes.
    """
    outputs = []
    for layer in dense(net)[:-1]:
        x = layer.forward(x, training=False)
        outputs.append(x)
    return outputs


def _of_histogram(y: Array) -> dict[str, float]:
    """Return the quantities that the article reads from a histogram of y."""
    counts, edges = np.histogram(y, BARS)
    tallest = int(counts.argmax())
    statistics = describe(y)
    return {
        "kurtosis": statistics.kurtosis,
        "range": statistics.maximum - statistics.minimum,
        "zeros": statistics.zeros,
        "inactive": float((y <= 0).mean()),
        "tallest_bar_holds_0": float(edges[tallest] <= 0 <= edges[tallest + 1]),
        "dead": float((y <= 0).all(axis=0).mean()),
    }


def dense(net: Sequential) -> list[Dense]:
    """Return the dense layers of net, also nested ones, in the order of computation."""
    return [layer for _, layer in net.walk() if isinstance(layer, Dense)]


def rms(array: Array) -> float:
    """Return the root mean square, computed in float64.

    >>> rms(np.array([3.0, -3.0], dtype="float32"))
    3.0
    """
    return float(np.sqrt(np.square(array, dtype=np.float64).mean()))


MEASURES: dict[str, Callable[[Sequential, Data], Any]] = {
    "likeness": unit_spread, "extractors": extractors,
}  # fmt: skip

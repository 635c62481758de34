"""What single claims need to know of a network beyond what every trial tells.

A measure is a function of a network and its data that returns numbers as JSON has them; a `Setup`
asks for it by name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from minnet.layers.dense import Dense
from minnet.layers.sequential import Sequential
from minnet.recording import capture
from minnet.recording.statistics import describe
from minnet.validation import Array

if TYPE_CHECKING:
    from minnet.experiments.data import Data

BARS = 50  # in the articles' histograms


def likeness(net: Sequential, data: Data) -> list[float]:
    """Tell of each Dense how far its units are from being all alike: 0 if they are.

    Units whose weights and biases are the same compute the same. Told is the RMS of what is left
    when the mean over the units is taken away, over the RMS of all weights and biases.
    """
    del data
    table = []
    for layer in dense(net):
        weight = layer.weight.value
        bias = layer.bias.value if layer.bias is not None else np.zeros_like(weight[0])
        units = np.vstack([weight, bias]).astype(np.float64)
        apart = units - units.mean(axis=1, keepdims=True)
        table.append(rms(apart) / size if (size := rms(units)) else 0.0)
    return table


def extractors(net: Sequential, data: Data) -> dict[str, list[dict[str, float]]]:
    """Tell of the hidden layers what they put out, and what the article's code made of them."""
    right = capture(net, data.x_test)
    return {
        "right": [_drawn(right[name]["y"]) for name in right if name.startswith("relu")],
        "article": [_drawn(y) for y in chained(net, data.x_test)],
    }


def chained(net: Sequential, x: Array) -> list[Array]:
    """Return what the article's code drew in place of the hidden layers.

    It chained the modules of a network whose ReLUs were functions and no modules: so it drew
    x W1 W2 W3 with biases, which no part of the network ever computed.
    """
    outputs = []
    for layer in dense(net)[:-1]:
        x = layer.forward(x, training=False)
        outputs.append(x)
    return outputs


def _drawn(y: Array) -> dict[str, float]:
    """Tell of a histogram's values what the article reads off it."""
    counts, edges = np.histogram(y, BARS)
    tallest = int(counts.argmax())
    numbers = describe(y)
    return {
        "kurtosis": numbers.kurtosis,
        "range": numbers.maximum - numbers.minimum,
        "zeros": numbers.zeros,
        "inactive": float((y <= 0).mean()),
        "tallest_bar_holds_0": float(edges[tallest] <= 0 <= edges[tallest + 1]),
        "dead": float((y <= 0).all(axis=0).mean()),
    }


def dense(net: Sequential) -> list[Dense]:
    """Return the dense layers of net, also those within others, in the order of computation."""
    return [layer for _, layer in net.walk() if isinstance(layer, Dense)]


def rms(array: Array) -> float:
    """Return the root of the mean square, in float64.

    >>> rms(np.array([3.0, -3.0], dtype="float32"))
    3.0
    """
    return float(np.sqrt(np.square(array, dtype=np.float64).mean()))


MEASURES: dict[str, Callable[[Sequential, Data], Any]] = {
    "likeness": likeness,
    "extractors": extractors,
}

"""Recorded trainings, healthy and failing, for the tests of the replay page."""

import numpy as np

import minnet
from minnet import SGD, Adam, Dense, HistogramProbe, ReLU, Sequential, Sigmoid, StatisticsProbe


class Spoil:
    """A probe that writes NaN into a gradient from a given step on."""

    def __init__(self, step, layer):
        self.step, self.layer = step, layer

    def observe(self, step, net):
        if step >= self.step:
            net[self.layer].dy[0, 0] = np.nan


def mlp(activation, depth, width=24, init="glorot_uniform"):
    """Return the layers of a network for the digits."""
    layers, before = [], 64
    for _ in range(depth):
        layers += [Dense(before, width, init=init), activation()]
        before = width
    return [*layers, Dense(before, 10, init=init)]


def record(layers, optimizer, *, epochs=3, before=(), slots=256, rows=640):
    """Train on digits; return histograms, statistics and history."""
    (x, y), validation = minnet.datasets.digits()
    net = Sequential(layers, rng=0)
    histograms = HistogramProbe(["y", "dy"], slots=slots, units=True)
    statistics = StatisticsProbe(["y", "dy", "update"])
    minnet.fit(
        net, x[:rows], y[:rows], loss=minnet.SoftmaxCrossEntropy(), optimizer=optimizer(net),
        epochs=epochs, batch_size=32, validation_data=validation, rng=0,
        probes=[*before, histograms, statistics],
    )  # fmt: skip
    return histograms, statistics, net.history


CASES = {
    "healthy": lambda: record(mlp(ReLU, 3), Adam),
    "vanishing": lambda: record(mlp(Sigmoid, 5), lambda net: SGD(net, lr=0.1)),
    "dead": lambda: record(mlp(ReLU, 3), lambda net: SGD(net, lr=1.0)),
    "zeros": lambda: record(mlp(ReLU, 3, init="zeros"), Adam),
    "nan": lambda: record(mlp(ReLU, 3), Adam, before=[Spoil(30, "relu2")]),
    "one layer": lambda: record([Dense(64, 10)], Adam),
    "one step": lambda: record(mlp(ReLU, 2), Adam, epochs=1, rows=32),
    "long": lambda: record(mlp(ReLU, 1, 8), Adam, epochs=250),
    "short": lambda: record(mlp(ReLU, 3), lambda net: SGD(net, lr=0.1), epochs=2),
}

"""Overhead of the probe `minnet.Doctor` in `fit`, for the articles' networks and small ones."""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np

import minnet
from benchmarks.networks import Network, networks
from benchmarks.peers.minnet import step
from benchmarks.tables import duration, table

DIGITS = {
    "digits": Network((64, 32, 32, 10), batch=32, optimizer="sgd"),
    "digits, deep": Network((64, *[32] * 6, 10), batch=32),
    "digits, sigmoid": Network((64, 128, 10), batch=64, activation="sigmoid"),
}
STEPS = {"vanishing": 60}  # of a training, where it is not USUAL
USUAL, EPOCHS = 600, 20


def overheads(rounds: int, *, quick: bool = False) -> str:
    """Return a table: time of a step of fit without and with the doctor, in turns, and ratios.

    The ratio of processor times is less affected by other programs than that of elapsed times.
    Quick measurements leave the large networks out.
    """
    rows = []
    for name, network in (DIGITS | networks(quick)).items():
        steps = STEPS.get(name, USUAL)
        fit_times(network, EPOCHS, [])  # compiles the kernels
        turns = []
        for number in range(rounds):
            order = (False, True)[:: 1 - 2 * (number % 2)]
            turns.append({on: fit_times(network, steps, [minnet.Doctor()] * on) for on in order})
        elapsed, processor = (
            [turn[True][k] / turn[False][k] for turn in turns] for k in range(2)
        )  # fmt: skip
        medians = [statistics.median(turn[on][0] for turn in turns) for on in (False, True)]
        rows.append([
            name, str(network), str(steps), *(duration(median / steps) for median in medians),
            f"{statistics.median(elapsed):.3f}", f"{min(elapsed):.3f} to {max(elapsed):.3f}",
            f"{statistics.median(processor):.3f}",
        ])  # fmt: skip
    columns = ["network", "sizes", "steps", "without doctor", "with doctor", "median ratio",
               "range", "processor time ratio"]  # fmt: skip
    return table(columns, rows)


def fit_times(network: Network, steps: int, probes: list[Any]) -> tuple[float, float]:
    """Return elapsed and processor seconds of a training of 20 epochs on random rows."""
    train_step = step(network)
    net, optimizer = train_step.args[0], train_step.keywords["optimizer"]
    rng, n = np.random.default_rng(0), network.batch * steps // EPOCHS
    x = rng.random((n, network.sizes[0]), dtype=np.float32)
    y = rng.integers(0, network.sizes[-1], n)
    began = time.perf_counter(), time.process_time()
    minnet.fit(net, x, y, loss=minnet.SoftmaxCrossEntropy(), optimizer=optimizer,
               epochs=EPOCHS, batch_size=network.batch, probes=probes, rng=0)  # fmt: skip
    return time.perf_counter() - began[0], time.process_time() - began[1]

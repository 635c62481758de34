"""minnet as a user writes it: `train_step` on a `Sequential`, with or without probes."""

import gc
import tracemalloc
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple
from unittest import mock

import numpy as np

import minnet as m
from benchmarks.networks import Network
from benchmarks.peers.repeated import Repeated
from minnet.kernels import jit

ACTIVATIONS = {"relu": m.ReLU, "sigmoid": m.Sigmoid}
PROBES = {"histograms": m.HistogramProbe, "statistics": m.StatisticsProbe}


def step(network: Network) -> Callable[[], float]:
    """Return a training step."""
    net = m.Sequential(_layers(network), rng=0)
    optimizer = _optimizer(network, net)
    x, y = network.data()
    loss = m.SoftmaxCrossEntropy()
    return lambda: m.train_step(net, x, y, loss=loss, optimizer=optimizer)


def steps(
    network: Network, number: int, *, probe: str = "", kinds: Sequence[str] = (), **options: Any
) -> Repeated:
    """Return so many steps, watched by a new probe of these kinds and options if one is named."""
    net = m.Sequential(_layers(network), rng=0)
    optimizer = _optimizer(network, net)
    x, y = network.data()
    loss = m.SoftmaxCrossEntropy()

    def train(number: int) -> None:
        probes = [PROBES[probe](kinds, **options)] if probe else []
        for k in range(number):
            m.train_step(net, x, y, loss=loss, optimizer=optimizer, probes=probes, step=k)

    return Repeated(train, number)


def optimizer_step(network: Network) -> Callable[[], None]:
    """Return what the optimizer does in a step, and nothing else."""
    net = m.Sequential(_layers(network), rng=0)
    net.grad[:] = np.random.default_rng(0).standard_normal(net.grad.size)
    return _optimizer(network, net).step


def calls_alone(network: Network) -> Callable[[], None]:
    """Return the matrix products and kernel calls of a training step, with nothing in between.

    What the step takes beyond that is the price of layers that check, keep and explain.
    """
    return _again(_noted(step(network)))


def counting_alone(network: Network, number: int, *, kinds: Sequence[str]) -> Repeated:
    """Return the calls that count these kinds in so many steps, the same arrays each time."""
    recorded = steps(network, 1, probe="histograms", kinds=kinds)
    count = _again([call for call in _noted(recorded) if call.kernel == "count_floats"])

    def repeat(number: int) -> None:
        for _ in range(number):
            count()

    return Repeated(repeat, number)


class _Call(NamedTuple):
    kernel: str  # its name, or "" for a matrix product
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


def _noted(work: Callable[[], Any]) -> list[_Call]:
    """Return the matrix products and kernel calls that this work makes, the second time."""
    work()
    calls: list[_Call] = []

    def noted(kernel: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def note(*args: Any, **kwargs: Any) -> Any:
            calls.append(_Call(kernel, function, args, kwargs))
            return function(*args, **kwargs)

        return note

    with ExitStack() as patches:
        patches.enter_context(mock.patch.object(np, "dot", noted("", np.dot)))
        for name, (_, _, compiled) in jit.kernels.items():
            wrapped = {size: noted(name.rpartition(".")[2], run) for size, run in compiled.items()}
            patches.enter_context(mock.patch.dict(compiled, wrapped))
        work()
    return calls


def _again(calls: Sequence[_Call]) -> Callable[[], None]:
    """Return these calls, with nothing between them, on the same arrays each time."""

    def make_calls() -> None:
        for _, function, args, kwargs in calls:
            function(*args, **kwargs)

    return make_calls


def batchnorm(rows: int, features: int) -> Callable[[], Any]:
    layer = m.BatchNorm(features).build(rng=0)
    rng = np.random.default_rng(0)
    x, dy = (rng.standard_normal((rows, features), dtype=np.float32) for _ in range(2))

    def forward_backward() -> Any:
        layer.forward(x, training=True)
        return layer.backward(dy)

    return forward_backward


def batchnorm_calls_alone(rows: int, features: int) -> Callable[[], None]:
    """Return the kernel calls of a batch normalization, forward and backward."""
    return _again(_noted(batchnorm(rows, features)))


class MeasuredStep:
    """A training step that also tells, as a fact, how many bytes it keeps for itself."""

    def __init__(self, network: Network) -> None:
        step(network)()  # kernels are built and held for good; what they take is not the step's
        gc.collect()
        tracemalloc.start()
        self.step = step(network)
        self.step()
        gc.collect()
        self.facts = {"bytes": tracemalloc.get_traced_memory()[0]}
        tracemalloc.stop()

    def __call__(self) -> float:
        return self.step()


def _optimizer(network: Network, net: m.Sequential) -> m.Optimizer:
    if network.optimizer == "sgd":
        return m.SGD(net, lr=network.lr, momentum=network.momentum)
    return m.Adam(net, lr=network.lr)


def _layers(network: Network) -> list[m.Layer]:
    layers: list[m.Layer] = []
    for fan_in, fan_out in network.dense[:-1]:
        layers.append(m.Dense(fan_in, fan_out, bias=not network.batchnorm))
        if network.batchnorm:
            layers.append(m.BatchNorm(fan_out))
        layers.append(ACTIVATIONS[network.activation]())
    return [*layers, m.Dense(*network.dense[-1])]

"""minnet as users call it: `train_step` on a `Sequential`, with or without probes."""

import functools
import gc
import importlib
import sys
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from types import FunctionType
from typing import Any
from unittest import mock

import numpy as np

import minnet as m
from benchmarks.networks import Network
from benchmarks.peers import Repeated
from minnet.layers import dense
from minnet.training import Probe

ACTIVATIONS = {"relu": m.ReLU, "sigmoid": m.Sigmoid}


def replay_probes(kinds: Sequence[str], budget: float) -> list[Probe]:
    """Return the two probes that README uses for a replay page; update ratios need "update"."""
    values = m.HistogramProbe(kinds, slots=256, units=True, budget=budget)
    return [values, m.StatisticsProbe((*kinds, "update"), budget=budget)]


PROBES: dict[str, Callable[..., list[Probe]]] = {
    "": lambda kinds: [],
    "histograms": lambda kinds, **options: [m.HistogramProbe(kinds, **options)],
    "statistics": lambda kinds: [m.StatisticsProbe(kinds)],
    "replay": replay_probes,
}


def step(network: Network) -> functools.partial[float]:
    """Return a training step on a new network."""
    net = m.Sequential(_layers(network), rng=0)
    x, y = network.data()
    optimizer = _optimizer(network, net)
    return functools.partial(
        m.train_step, net, x, y, loss=m.SoftmaxCrossEntropy(), optimizer=optimizer
    )


def plain_step(network: Network) -> Callable[[], float]:
    """Return a training step in which `numpy.empty` allocates all buffers."""
    memory = importlib.import_module("minnet.memory")
    with _replaced({memory.empty: np.empty}):
        train = step(network)
        train()  # buffers are allocated in the first step
    return train


def steps(
    network: Network, number: int, *, probe: str = "", kinds: Sequence[str] = (), **options: Any
) -> Repeated:
    """Return ``number`` training steps, recorded by new probes if a kind of probe is given."""
    train_step = step(network)

    def train(number: int) -> None:
        probes = PROBES[probe](kinds, **options)
        for k in range(number):
            train_step(probes=probes, step=k)

    return Repeated(train, number)


def optimizer_step(network: Network) -> Callable[[], None]:
    """Return the optimizer's part of a step."""
    net = m.Sequential(_layers(network), rng=0)
    net.grad[:] = np.random.default_rng(0).standard_normal(net.grad.size)
    optimizer = _optimizer(network, net)

    def step() -> None:
        net.grad  # noqa: B018 - counts as a new gradient
        optimizer.step()

    return step


def calls_alone(network: Network) -> Callable[[], None]:
    """Return the matrix products and kernel calls of a training step, without code between them."""
    return _repeat(_calls(step(network)))


def counting_alone(network: Network, number: int, *, kinds: Sequence[str]) -> Repeated:
    """Return the calls that count these kinds in ``number`` steps, on the same arrays each time."""
    recorded = steps(network, 1, probe="histograms", kinds=kinds)
    count = _repeat([call for call in _calls(recorded) if call.func.__name__ == "count_floats"])

    def repeat(number: int) -> None:
        for _ in range(number):
            count()

    return Repeated(repeat, number)


def batchnorm(rows: int, features: int) -> Callable[[], Any]:
    layer = m.BatchNorm(features)
    rng = np.random.default_rng(0)
    x, dy = (rng.standard_normal((rows, features), dtype=np.float32) for _ in range(2))

    def forward_backward() -> Any:
        layer.forward(x, training=True)
        return layer.backward(dy)

    return forward_backward


def batchnorm_calls_alone(rows: int, features: int) -> Callable[[], None]:
    """Return the kernel calls of a batch normalization, forward and backward."""
    return _repeat(_calls(batchnorm(rows, features)))


class MeasuredStep:
    """Training step that reports in ``facts`` the number of bytes it keeps."""

    def __init__(self, network: Network) -> None:
        step(network)()  # kernels are compiled and kept; their memory is not that of the step
        gc.collect()
        tracemalloc.start()
        self.step = step(network)
        self.step()
        gc.collect()
        self.facts = {"bytes": tracemalloc.get_traced_memory()[0]}
        tracemalloc.stop()

    def __call__(self) -> float:
        return self.step()


def _calls(work: Callable[[], Any]) -> list[functools.partial[Any]]:
    """Return the matrix products and kernel calls of the second call of ``work``."""
    work()
    calls: list[functools.partial[Any]] = []
    depth = 0

    def noted(function: Callable[..., Any]) -> Callable[..., Any]:
        def note(*args: Any, **kwargs: Any) -> Any:
            nonlocal depth
            if depth == 0:  # a call inside a noted call is part of it
                calls.append(functools.partial(function, *args, **kwargs))
            depth += 1
            try:
                return function(*args, **kwargs)
            finally:
                depth -= 1

        return note

    kernels = {
        function
        for name, module in list(sys.modules.items())
        if name.startswith("minnet.kernels.")
        for function in vars(module).values()
        if isinstance(function, FunctionType) and function.__module__ == name
    }
    with ExitStack() as stack:
        for module in (np, dense):  # another version of minnet may call np.dot
            if hasattr(module, "dot"):
                stack.enter_context(mock.patch.object(module, "dot", noted(module.dot)))
        stack.enter_context(_replaced({kernel: noted(kernel) for kernel in kernels}))
        work()
    return calls


def _replaced(replacements: Mapping[Any, Any]) -> ExitStack:
    """Replace functions in all modules of minnet until the returned context ends."""
    stack = ExitStack()
    for name, module in list(sys.modules.items()):
        if name.startswith("minnet."):
            for attribute, value in list(vars(module).items()):
                if isinstance(value, FunctionType) and value in replacements:
                    patch = mock.patch.object(module, attribute, replacements[value])
                    stack.enter_context(patch)
    return stack


def _repeat(calls: Sequence[Callable[[], Any]]) -> Callable[[], None]:
    """Return a function that makes these calls, on the same arrays each time."""

    def make_calls() -> None:
        for call in calls:
            call()

    return make_calls


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

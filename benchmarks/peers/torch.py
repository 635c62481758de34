"""PyTorch: eager, with each implementation of its optimizers, and compiled.

The articles use the default implementation of the optimizer, which on a CPU is a Python loop over
the parameters. ``foreach`` and ``fused`` are optional implementations.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import nn

from benchmarks.networks import Network
from benchmarks.peers import Repeated

ACTIVATIONS = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid}
BINS = 100


def step(
    network: Network,
    *,
    optimizer: str = "default",
    compiled: bool = False,
    kinds: Sequence[str] = (),
) -> Callable[[], float]:
    """Return a training step, with a histogram of each tensor of the given kinds."""
    torch.manual_seed(0)
    model, criterion = nn.Sequential(*_layers(network)), nn.CrossEntropyLoss()
    rule = _optimizer(network, list(model.parameters()), optimizer)
    x, y = (torch.from_numpy(array) for array in network.data())

    def loss_of(x: torch.Tensor, y: torch.Tensor) -> Any:
        return criterion(model(x), y)

    forward: Callable[..., Any] = torch.compile(loss_of) if compiled else loss_of
    watch = Watch(model, kinds)

    def train() -> float:
        rule.zero_grad()
        loss = forward(x, y)
        loss.backward()
        watch.before_update()
        rule.step()
        watch.after_update()
        return float(loss.item())

    return train


def steps(network: Network, number: int, **options: Any) -> Repeated:
    """Return ``number`` training steps."""
    take_step = step(network, **options)

    def train(number: int) -> None:
        for _ in range(number):
            take_step()

    return Repeated(train, number)


def batchnorm(rows: int, features: int, *, compiled: bool = False) -> Callable[[], Any]:
    torch.manual_seed(0)
    layer = nn.BatchNorm1d(features)
    forward: Callable[..., Any] = torch.compile(layer) if compiled else layer
    x, dy = torch.randn(rows, features, requires_grad=True), torch.randn(rows, features)
    wanted = [x, *layer.parameters()]
    return lambda: torch.autograd.grad(forward(x), wanted, dy)


class Watch:
    """Record histograms as PyTorch users do, with hooks and histc."""

    def __init__(self, model: nn.Module, kinds: Sequence[str]) -> None:
        self.kinds = kinds
        self.weights = [p for p in model.parameters() if p.ndim == 2]
        self.histograms: list[torch.Tensor] = []
        self.old: list[torch.Tensor] = []
        if "y" in kinds or "dy" in kinds:
            for layer in model.children():
                layer.register_forward_hook(self._after_forward)

    def before_update(self) -> None:
        if "weight" in self.kinds:
            self._record(self.weights)
        if "weight_grad" in self.kinds:
            self._record(weight.grad for weight in self.weights)
        if "update" in self.kinds:
            self.old = [weight.detach().clone() for weight in self.weights]

    def after_update(self) -> None:
        if "update" in self.kinds:
            pairs = zip(self.weights, self.old, strict=True)
            self._record(weight.detach() - old for weight, old in pairs)
        self.histograms.clear()  # kept for one step, so that memory does not grow

    def _after_forward(self, layer: nn.Module, x: Any, y: torch.Tensor) -> None:
        if "y" in self.kinds:
            self._record([y])
        if "dy" in self.kinds:
            y.register_hook(lambda dy: self._record([dy]))  # type: ignore[no-untyped-call]

    def _record(self, tensors: Any) -> None:
        self.histograms.extend(torch.histc(tensor.detach(), BINS) for tensor in tensors)


def _optimizer(network: Network, parameters: list[Any], kind: str) -> torch.optim.Optimizer:
    options: dict[str, Any] = {
        "default": {},
        "foreach": {"foreach": True},
        "fused": {"fused": True},
    }[kind]
    if network.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=network.lr, momentum=network.momentum, **options)
    return torch.optim.Adam(parameters, lr=network.lr, **options)


def _layers(network: Network) -> Iterator[nn.Module]:
    for fan_in, fan_out in network.dense[:-1]:
        yield nn.Linear(fan_in, fan_out, bias=not network.batchnorm)
        if network.batchnorm:
            yield nn.BatchNorm1d(fan_out)
        yield ACTIVATIONS[network.activation]()
    yield nn.Linear(*network.dense[-1])

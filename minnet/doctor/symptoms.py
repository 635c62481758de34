"""Numbers measured on a network at one step: scales, saturation, dead units, gradients.

A weighted layer and the layers up to the next weighted one form a *block*. Its numbers are those of
the signal z before the activation, of the output h behind it, and of the gradient dz of the loss.

For weights of variance Var(W) and n inputs, the RMS of z is that of the input times the gain
√(n Var W), and the RMS of the gradient is multiplied by the same factor times the RMS of the slope
of the activation: at most 1/4 for a sigmoid, √½ for a ReLU half of whose inputs are positive.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minnet.doctor.remedies import NORMALIZATIONS, is_activation, is_weighted
from minnet.doctor.training import Training
from minnet.layer import Layer
from minnet.layers.container import Container
from minnet.layers.sequential import Sequential
from minnet.recording import SATURATION
from minnet.stopping import Snapshot
from minnet.validation import Array

ROWS = 256  # rows of the batch on which symptoms are measured
# RMS gain √(n Var W) that keeps the scale of the signal, by activation.
IDEAL_GAIN = {"ReLU": 2**0.5, "LeakyReLU": 2**0.5, "PReLU": 2**0.5, "ELU": 1.2, "SiLU": 1.5}
IDEAL_GAIN |= {"Swish": 1.5, "GELU": 1.5}
BIASED = {"Sigmoid": 0.5}  # mean of the output at z = 0


@dataclass
class Block:
    """Numbers of a weighted layer and of the layers up to the next one.

    Attributes
    ----------
    name, kind : str
        Name of the weighted layer, and class of the activation, "" if there is none.
    gain : float
        √(n Var W) relative to the gain that keeps the scale of the signal.
    spread : float
        Standard deviation between the columns of W, relative to the RMS of W; 0 if all units have
        equal weights.
    z_std, h_std : float
        Standard deviation over the rows of z and h, root mean square over the units.
    saturated, dead, zeros : float
        Shares: entries of h at which the slope is below an eighth of the largest; units with an
        output of 0 for every row; and entries of h equal to 0.
    dz, dw : float
        RMS of the gradients of z and of W.
    """

    name: str
    layer: Layer
    others: list[Layer] = field(default_factory=list)
    kind: str = ""
    activation: str = ""
    gain: float = 0.0
    spread: float = 1.0
    z_std: float = 0.0
    z_rms: float = 0.0
    h_std: float = 0.0
    saturated: float = 0.0
    dead: float = 0.0
    zeros: float = 0.0
    bias: float = 0.0
    dz: float = 0.0
    dw: float = 0.0
    w: float = 0.0

    @property
    def normalized(self) -> bool:
        """Whether a normalization follows, so that the scale of W has no effect."""
        return any(isinstance(layer, NORMALIZATIONS) for layer in self.others)


@dataclass
class Symptoms:
    """Numbers of a network at one step; ``diverged`` if an output was not finite."""

    step: int
    blocks: list[Block]
    loss: float = float("nan")
    diverged: bool = False

    @property
    def hidden(self) -> list[Block]:
        """The blocks but the last."""
        return self.blocks[:-1]


def find_blocks(net: Sequential) -> list[Block]:
    """Return the blocks of a network in the order of computation, without numbers."""
    blocks: list[Block] = []
    for name, layer in net.walk():
        if is_weighted(layer):
            blocks.append(Block(name, layer))
        elif blocks and not isinstance(layer, Container):
            block = blocks[-1]
            block.others.append(layer)
            if is_activation(layer) and not block.kind:
                block.kind, block.activation = type(layer).__name__, name
    return blocks


def rms(array: Array) -> float:
    """Return the root mean square of an array."""
    with np.errstate(all="ignore"):
        return float(np.sqrt(np.mean(np.square(array, dtype=np.float64)))) if array.size else 0.0


def batch_of(training: Training, rows: int = ROWS) -> tuple[Array, Array]:
    """Return some training rows and their targets, always the same."""
    n = len(training.x)
    chosen = np.random.default_rng(0).permutation(n)[:rows] if n > rows else np.arange(n)
    return training.x[chosen], training.y[chosen]


def network_at(training: Training, snapshot: Snapshot) -> Sequential:
    """Return a copy of the network with the parameters and state of a snapshot."""
    net = copy.deepcopy(training.net)
    snapshot.restore(net)
    return net


def measure(training: Training, step: int, snapshot: Snapshot) -> Symptoms:
    """Return the numbers at a step, from a training pass of a copy on some training rows."""
    net, loss = network_at(training, snapshot), copy.deepcopy(training.loss)
    blocks = find_blocks(net)
    found = Symptoms(step, blocks)
    x, y = batch_of(training)
    try:
        output = net.forward(x, training=True)
        found.loss = loss.forward(output, y)
        net.backward(loss.backward())
    except (FloatingPointError, ValueError):
        found.diverged = True
    for block in blocks:
        _fill(block)
    return found


def weight_of(layer: Layer) -> tuple[Array, Array | None] | None:
    """Return the first matrix of a layer with its gradient; no gradient for a plain array."""
    for param in layer.params.values():
        if param.value.ndim == 2:
            return param.value, param.grad
    arrays: list[Any] = [v for v in vars(layer).values() if isinstance(v, np.ndarray)]
    found = [v for v in arrays if v.ndim == 2 and v.shape[0] == layer.in_features]
    return (found[0], None) if found else None


def _fill(block: Block) -> None:
    layer = block.layer
    matrix = weight_of(layer)
    with np.errstate(all="ignore"):
        if matrix is not None:
            weight, grad = matrix
            block.w = rms(weight)
            ideal = IDEAL_GAIN.get(block.kind, 1.0)
            block.gain = np.sqrt(len(weight)) * float(np.std(weight)) / ideal
            if weight.shape[1] > 1:
                block.spread = rms(weight - weight.mean(axis=1, keepdims=True)) / (block.w or 1.0)
                block.spread = block.spread if block.w else 0.0
            block.dw = 0.0 if grad is None else rms(grad)
        if "bias" in layer.params:
            block.bias = float(layer.params["bias"].value.mean())
        z = layer.y
        if z is None or not len(z):
            return
        block.z_std, block.z_rms = float(np.sqrt(z.var(axis=0).mean())), rms(z)
        if layer.dy is not None and len(layer.dy):
            block.dz = rms(layer.dy)
        behind = [other for other in block.others if is_activation(other) and other.y is not None]
        h = behind[0].y if behind else z
        block.h_std = float(np.sqrt(h.var(axis=0).mean()))
        block.zeros = float((h == 0).mean())
        if block.kind in ("ReLU", "") or not behind:
            block.dead = float((h == 0).all(axis=0).mean()) if behind else 0.0
        if block.kind in SATURATION:
            low, high = SATURATION[block.kind]
            block.saturated = float(((h < low) | (h > high)).mean())

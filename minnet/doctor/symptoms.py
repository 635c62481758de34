"""Numbers measured on a network at one step: scales, saturation, dead units, gradients.

A weighted layer and the layers up to the next weighted one form a *block*: z is the output of the
weighted layer, h that of the activation behind it.

For weights of variance Var(W) and n inputs, the RMS of z is that of the input times the gain
√(n Var W), and the RMS of the gradient is multiplied by the same factor times the RMS of the slope
of the activation: at most 1/4 for a sigmoid, √½ for a ReLU half of whose inputs are positive.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np

from minnet.doctor.remedies import NORMALIZATIONS, is_activation, is_weighted, matrix_of
from minnet.doctor.training import Training
from minnet.layer import Layer
from minnet.layers.container import Container
from minnet.layers.sequential import Sequential
from minnet.recording import SATURATION
from minnet.stopping import Snapshot
from minnet.validation import Array

ROWS = 256  # rows of the batch on which symptoms are measured
RARE = 0.02  # share of the rows for which a dead unit may be active
# Gain √(n Var W) that keeps the scale of the signal, where it is not 1.
IDEAL_GAIN = dict.fromkeys(("ReLU", "LeakyReLU", "PReLU"), 2**0.5)
IDEAL_GAIN |= dict.fromkeys(("SiLU", "Swish", "GELU"), 1.5) | {"ELU": 1.2}


@dataclass
class Block:
    """Numbers of a weighted layer and of the layers up to the next one."""

    name: str
    layer: Layer
    others: list[Layer]
    w: float = 0.0  # RMS of the weights W
    dw: float = 0.0  # RMS of their gradient
    dz: float = 0.0  # RMS of the gradient of z
    gain: float = 1.0  # √(n Var W) relative to the gain that keeps the scale of the signal
    scale: float = 1.0  # std of W over the limits of LeCun, Glorot and He; 1 between the limits
    spread: float = 1.0  # deviation between the columns of W relative to w; 0 for equal units
    bias: float = 0.0  # mean of the biases
    z_rms: float = 0.0
    h_std: float = 0.0  # standard deviation of h over the rows
    saturated: float = 0.0  # share of h at which the slope is below an eighth of the largest
    dead: float = 0.0  # share of the units whose output is 0 for nearly all measured rows

    @property
    def kind(self) -> str:
        """Class of the activation, "" if there is none."""
        return "" if self.activation is None else type(self.activation).__name__

    @property
    def activation(self) -> Layer | None:
        """The first activation of minnet among the others, or else the first of the user's."""
        found = [layer for layer in self.others if is_activation(layer)]
        return next((layer for layer in found if layer.own), found[0] if found else None)

    @property
    def normalized(self) -> bool:
        """Whether a normalization follows, so that the scale of W has no effect."""
        return any(isinstance(layer, NORMALIZATIONS) for layer in self.others)

    def measure(self) -> None:
        """Fill the numbers from the buffers of the layers."""
        weight, grad = matrix_of(self.layer)
        if weight is not None:
            self.w, self.dw = rms(weight), rms(grad)
            (n, m), std = weight.shape, float(np.std(weight))
            keeping = IDEAL_GAIN.get(self.kind, 1.0) / n**0.5
            low, *_, high = sorted([n**-0.5, (2 / (n + m)) ** 0.5, keeping])
            self.gain, self.scale = std / keeping, min(std / low, max(std / high, 1.0))
            if weight.shape[1] > 1:
                columns = weight - weight.mean(axis=1, keepdims=True)
                self.spread = rms(columns) / self.w if self.w else 0.0
        if "bias" in self.layer.params:
            self.bias = float(self.layer.params["bias"].value.mean())
        h = self.layer.y if self.activation is None else self.activation.y
        if h is None or not len(h):  # the pass ended before
            return
        self.z_rms, self.dz = rms(self.layer.y), rms(self.layer.dy)
        self.h_std = float(np.sqrt(h.var(axis=0).mean()))
        if self.kind and self.kind not in SATURATION:  # a tanh is 0 only for weights of 0
            self.dead = float(((h != 0).mean(axis=0) < RARE).mean())
        if self.kind in SATURATION:
            low, high = SATURATION[self.kind]
            self.saturated = float(((h < low) | (h > high)).mean())


@dataclass
class Symptoms:
    """Numbers of a network at one step; loss is nan if an output was not finite."""

    step: int
    blocks: list[Block]
    loss: float = float("nan")

    @property
    def hidden(self) -> list[Block]:
        """The blocks but the last."""
        return self.blocks[:-1]


def measure(training: Training, step: int, snapshot: Snapshot) -> Symptoms:
    """Return the numbers at a step, from a training pass of a copy on some training rows."""
    net, loss = network_at(training, snapshot), copy.deepcopy(training.loss)
    found = Symptoms(step, find_blocks(net))
    x, y = batch_of(training)
    with np.errstate(all="ignore"):
        try:
            output = net.forward(x, training=True)
            found.loss = loss.forward(output, y)
            net.backward(loss.backward())
        except (FloatingPointError, ValueError):
            pass
        for block in found.blocks:
            block.measure()
    return found


def find_blocks(net: Sequential) -> list[Block]:
    """Return the blocks of a network in the order of computation, without numbers."""
    blocks: list[Block] = []
    for name, layer in net.walk():
        if is_weighted(layer):
            blocks.append(Block(name, layer, []))
        elif blocks and not isinstance(layer, Container):
            blocks[-1].others.append(layer)
    return blocks


def network_at(training: Training, snapshot: Snapshot) -> Sequential:
    """Return a copy of the network with the parameters and state of a snapshot."""
    net = copy.deepcopy(training.net)
    snapshot.restore(net)
    return net


def batch_of(training: Training, rows: int = ROWS) -> tuple[Array, Array]:
    """Return some training rows and their targets, always the same."""
    chosen = np.random.default_rng(0).permutation(len(training.x))[:rows]
    return training.x[chosen], training.y[chosen]


def rms(array: Array | None) -> float:
    """Return the root mean square of an array, 0 if there is none."""
    if array is None or not array.size:
        return 0.0
    return float(np.sqrt(np.mean(np.square(array, dtype=np.float64))))

"""The floor: the matrix products of a training step alone.

NumPy computes them into existing arrays, without activation, bias, loss and optimizer. The time
that a library takes beyond the floor is its own cost. Batch normalization has no products. Its
floor is to copy as many bytes as its passes read and write.
"""

from collections.abc import Callable

import numpy as np

from benchmarks.networks import Network
from minnet.memory import empty


def step(network: Network) -> Callable[[], None]:
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> np.ndarray:
        return rng.standard_normal(out=empty(shape, np.float32), dtype=np.float32)

    # As in minnet, one aligned array holds all weights and another all gradients. This makes the
    # products up to 3 % faster.
    size = sum(fan_in * fan_out for fan_in, fan_out in network.dense)
    weights, gradients = normal(size), empty((size,), np.float32)
    layers, start = [], 0
    for fan_in, fan_out in network.dense:
        stop = start + fan_in * fan_out
        weight, dweight = (a[start:stop].reshape(fan_in, fan_out) for a in (weights, gradients))
        x, dy = normal(network.batch, fan_in), normal(network.batch, fan_out)
        buffers = empty(dy.shape, dy.dtype), dweight, empty(x.shape, x.dtype)
        layers.append((x, weight, dy, *buffers))
        start = stop

    def products() -> None:
        for x, weight, _, y, _, _ in layers:
            np.dot(x, weight, out=y)
        for number, (x, weight, dy, _, dweight, dx) in reversed(list(enumerate(layers))):
            np.dot(x.T, dy, out=dweight)
            if number > 0:  # dx of the first layer is unused
                np.dot(dy, weight.T, out=dx)

    return products


def batchnorm(rows: int, features: int) -> Callable[[], None]:
    """Return a function that makes 4.5 copies, to read and write as many bytes as five passes.

    The forward pass reads x for the mean, for the variance, and to write y. The backward pass reads
    x and dy for their sums, and again to write dx.
    """
    source, target = np.ones((2, rows, features), np.float32)
    half = rows // 2

    def copies() -> None:
        for _ in range(4):
            np.copyto(target, source)
        np.copyto(target[:half], source[:half])

    return copies

"""A layer on trial in the middle of a little network, and a batch for it."""

import numpy as np

from minnet import Dense, Layer, Sequential

X = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)


class Square(Layer):
    """A layer of a user's own, in plain NumPy."""

    def compute(self, x, y, training):
        y[...] = x * x

    def differentiate(self, dy, dx):
        dx[...] = 2 * self.x * dy


def network(make, dtype=np.float32):
    tried = make()
    width = tried.out_features or 3
    layers = [("before", Dense(3, 3)), ("tried", tried), ("after", Dense(width, 2))]
    return Sequential(layers, rng=1, dtype=dtype)


def trained(make, n=8, dtype=np.float32):
    """A network after one step, and the gradient that went into it."""
    net = network(make, dtype)
    rng = np.random.default_rng(2)
    net.forward(X[:n].astype(dtype), training=True)
    dy = rng.normal(size=(n, 2)).astype(dtype)
    net.backward(dy)
    return net, dy

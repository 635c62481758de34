"""A network of every kind of layer, a step of it, and what must hold of its one theta."""

import numpy as np

from minnet import (
    BatchNorm,
    Dense,
    Dropout,
    GroupNorm,
    LayerNorm,
    PReLU,
    Residual,
    Sequential,
    Softmax,
    Tanh,
)

X = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)


def everything(rng=0, dtype=np.float32):
    return Sequential(
        [
            Dense(4, 6), BatchNorm(6), PReLU(),
            Residual(Dense(6, 6, bias=False), LayerNorm(6), Tanh()),
            GroupNorm(2, 6), Dropout(0.2), Dense(6, 3), Softmax(),
        ],
        rng=rng,
        dtype=dtype,
    )  # fmt: skip


def step(net, x=X):
    net.forward(x, training=True)
    net.backward(np.ones((len(x), net.out_features)))
    return net


def views_hold(net):
    """Every parameter and gradient is a view into theta and grad, in order and without a gap."""
    start = 0
    for param in net.params.values():
        stop = start + param.value.size
        for array, whole in ((param.value, net.theta), (param.grad, net.grad)):
            assert array.ctypes.data == whole[start:].ctypes.data
            np.testing.assert_array_equal(array.ravel(), whole[start:stop])
            assert array.flags.c_contiguous
            assert array.dtype == net.dtype
        start = stop
    assert start == net.theta.size == net.grad.size

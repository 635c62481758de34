"""Keras 3: `train_on_batch` of a compiled Sequential, on JAX if installed, else on PyTorch."""

import os
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

from benchmarks.networks import Network

# Keras reads its backend at import. A backend chosen by the user is kept.
os.environ.setdefault("KERAS_BACKEND", "jax" if find_spec("jax") else "torch")

import keras


def step(network: Network) -> Callable[[], float]:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((network.sizes[0],)), *_layers(network)])
    model.compile(
        optimizer=_optimizer(network),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    x, y = network.data()
    return lambda: float(model.train_on_batch(x, y))


def _optimizer(network: Network) -> Any:
    if network.optimizer == "sgd":
        return keras.optimizers.SGD(network.lr, momentum=network.momentum)
    return keras.optimizers.Adam(network.lr, epsilon=1e-8)


def _layers(network: Network) -> Iterator[Any]:
    for _, fan_out in network.dense[:-1]:
        yield keras.layers.Dense(fan_out, use_bias=not network.batchnorm)
        if network.batchnorm:
            yield keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)
        yield keras.layers.Activation(network.activation)
    yield keras.layers.Dense(network.dense[-1][1])

"""JAX: the whole step, with the optimizer, in one jit that reuses the memory of its state.

JAX has no optimizers, so those of minnet and PyTorch are written out here.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.networks import Network

ACTIVATIONS = {"relu": jax.nn.relu, "sigmoid": jax.nn.sigmoid}
EPS = 1e-5
KEPT = 0.9  # momentum of the running statistics
BETA1, BETA2, ADAM_EPS = 0.9, 0.999, 1e-8


def step(network: Network) -> Callable[[], float]:
    params, running = _initial(network)
    x, y = (jnp.asarray(array) for array in network.data())

    @functools.partial(jax.jit, donate_argnums=0)
    def update(state: Any, x: Any, y: Any) -> Any:
        params, running, memory = state
        lossy = functools.partial(_loss, network)
        (loss, running), grads = jax.value_and_grad(lossy, has_aux=True)(params, running, x, y)
        params, memory = _rule(network, params, grads, memory)
        return (params, running, memory), loss

    zeros = jax.tree.map(jnp.zeros_like, params)
    again = jax.tree.map(jnp.zeros_like, params)  # donated arguments must be separate buffers
    state = (params, running, (zeros, again, jnp.zeros(())))

    def train() -> float:
        nonlocal state
        state, loss = jax.block_until_ready(update(state, x, y))
        return float(loss)

    return train


def batchnorm(rows: int, features: int) -> Callable[[], Any]:
    rng = np.random.default_rng(0)
    x, dy = (jnp.asarray(rng.standard_normal((rows, features), dtype=np.float32)) for _ in range(2))
    gamma, beta = jnp.ones(features), jnp.zeros(features)
    running = (jnp.zeros(features), jnp.ones(features))

    @jax.jit
    def forward_backward(x: Any, gamma: Any, beta: Any, running: Any, dy: Any) -> Any:
        def forward(x: Any, gamma: Any, beta: Any) -> Any:
            return _batchnorm(x, gamma, beta, running)

        y, pull_back, now = jax.vjp(forward, x, gamma, beta, has_aux=True)
        return y, pull_back(dy), now

    return lambda: jax.block_until_ready(forward_backward(x, gamma, beta, running, dy))


def _initial(network: Network) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    params, running = [], []
    last = len(network.dense) - 1
    for number, (fan_in, fan_out) in enumerate(network.dense):
        limit = (6 / (fan_in + fan_out)) ** 0.5
        weight = rng.uniform(-limit, limit, (fan_in, fan_out)).astype(np.float32)
        layer = {"weight": jnp.asarray(weight), "bias": jnp.zeros(fan_out)}  # or BatchNorm's beta
        if network.batchnorm and number < last:
            layer["gamma"] = jnp.ones(fan_out)
            running.append((jnp.zeros(fan_out), jnp.ones(fan_out)))
        params.append(layer)
    return params, running


def _loss(network: Network, params: Any, running: Any, x: Any, y: Any) -> Any:
    now = []
    for number, layer in enumerate(params[:-1]):
        x = x @ layer["weight"]
        if network.batchnorm:
            x, statistics = _batchnorm(x, layer["gamma"], layer["bias"], running[number])
            now.append(statistics)
        else:
            x = x + layer["bias"]
        x = ACTIVATIONS[network.activation](x)
    logits = x @ params[-1]["weight"] + params[-1]["bias"]
    rows = jnp.arange(len(y))
    return -jnp.mean(jax.nn.log_softmax(logits)[rows, y]), now


def _batchnorm(x: Any, gamma: Any, beta: Any, running: Any) -> Any:
    n = len(x)
    mean, var = jnp.mean(x, axis=0), jnp.var(x, axis=0)
    y = gamma * (x - mean) * jax.lax.rsqrt(var + EPS) + beta
    batch = (mean, var * n / (n - 1))
    now = [KEPT * r + (1 - KEPT) * b for r, b in zip(running, batch, strict=True)]
    return y, jax.lax.stop_gradient(tuple(now))


def _rule(network: Network, params: Any, grads: Any, memory: Any) -> Any:
    mean, square, t = memory
    if network.optimizer == "sgd":
        mean = jax.tree.map(lambda v, g: network.momentum * v + g, mean, grads)
        params = jax.tree.map(lambda p, v: p - network.lr * v, params, mean)
        return params, (mean, square, t)
    t = t + 1
    mean = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, mean, grads)
    square = jax.tree.map(lambda s, g: BETA2 * s + (1 - BETA2) * g * g, square, grads)

    def moved(p: Any, m: Any, s: Any) -> Any:
        root = jnp.sqrt(s / (1 - BETA2**t)) + ADAM_EPS
        return p - network.lr * m / (1 - BETA1**t) / root

    return jax.tree.map(moved, params, mean, square), (mean, square, t)

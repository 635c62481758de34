"""Exercise 2: right answers in different styles, and known mistakes as students write them."""

import math
from functools import partial

import numpy as np

import minnet


def sigmoid(x):
    small = np.exp(-np.abs(x))
    return np.where(x > 0, 1 / (1 + small), small / (1 + small))


def activation(kind, x, dy, slope, mistake=None):
    """Plain implementation, with a switch for each mistake."""
    upstream = np.ones_like(dy) if mistake == "upstream_left_out" else dy
    if kind == "relu":
        if mistake == "input_changed":
            x[x < 0] = 0
            return x, upstream * (x > 0)
        on = x >= 0 if mistake == "relu_slope_at_zero" else x > 0
        return np.where(x > 0, x, 0.0), upstream * on
    if kind == "leaky_relu":
        on = x >= 0 if mistake == "leaky_slope_at_zero" else x > 0
        below = 0.0 if mistake == "leaky_slope_lost" else slope
        y = np.where(x > 0, x, slope * x)
        if mistake == "maximum_with_a_steep_slope":
            y = np.maximum(x, slope * x)
        return y, upstream * np.where(on, 1.0, below)
    if kind == "tanh":
        y = np.tanh(x)
        slopes = {"tanh_slope_of_x": 1 - x**2, "tanh_not_squared": 1 - y}.get(mistake, 1 - y**2)
        return y, upstream * slopes
    y = 1 / (1 + np.exp(-x)) if mistake == "overflow" else sigmoid(x)
    if mistake == "sigmoid_twice":
        return y, dy * sigmoid(y) * (1 - sigmoid(y))
    if mistake == "sigmoid_slope_of_x":
        return y, dy * x * (1 - x)
    if mistake == "sigmoid_factor_lost":
        return y, dy * (1 - y)
    return y, upstream * y * (1 - y)


def by_entries(kind, x, dy, slope):
    def f(v):
        if kind == "relu":
            return (v, 1.0) if v > 0 else (0.0, 0.0)
        if kind == "leaky_relu":
            return (v, 1.0) if v > 0 else (slope * v, slope)
        if kind == "tanh":
            return math.tanh(v), 1 - math.tanh(v) ** 2
        y = 1 / (1 + math.exp(-v)) if v >= 0 else math.exp(v) / (1 + math.exp(v))
        return y, y * (1 - y)

    y, dx = np.empty_like(x), np.empty_like(x)
    for index in np.ndindex(x.shape):
        y[index], dx[index] = f(float(x[index]))
    return y, dx * dy


def by_tanh(kind, x, dy, slope):
    """σ(x) = (1 + tanh(x/2)) / 2, and slopes as differences of two steps."""
    if kind == "sigmoid":
        half = np.tanh(x / 2)
        return (1 + half) / 2, dy * (1 - half**2) / 4
    if kind == "tanh":
        return np.tanh(x), dy - dy * np.tanh(x) ** 2
    below = slope if kind == "leaky_relu" else 0 * slope
    step = np.heaviside(x, 0.0).astype(x.dtype)
    factor = below + (1 - below) * step
    return x * factor, np.einsum("ij,ij->ij", dy, factor.astype(x.dtype))


def in_float64(kind, x, dy, slope):
    y, dx = activation(kind, x.astype(np.float64), dy.astype(np.float64), slope)
    return y.astype(x.dtype), dx.astype(x.dtype)


def own_of_minnet(kind, x, dy, slope):
    layer = {
        "relu": minnet.ReLU,
        "leaky_relu": partial(minnet.LeakyReLU, slope),
        "tanh": minnet.Tanh,
        "sigmoid": minnet.Sigmoid,
    }[kind]().build(dtype=x.dtype)
    return layer.forward(x, training=True), layer.backward(dy)


def constant(kind, x, dy, slope):
    """Return the example of the stub."""
    return np.array([-0.2, 3.0]), np.array([0.1, 10.0])


RIGHT = (activation, by_entries, by_tanh, in_float64, own_of_minnet)
HARD_CODED = (constant,)
WRONG = {
    mistake: partial(activation, mistake=mistake)
    for mistake in (
        "relu_slope_at_zero",
        "leaky_slope_at_zero",
        "leaky_slope_lost",
        "maximum_with_a_steep_slope",
        "upstream_left_out",
        "tanh_slope_of_x",
        "tanh_not_squared",
        "sigmoid_twice",
        "sigmoid_slope_of_x",
        "sigmoid_factor_lost",
        "overflow",
        "input_changed",
    )
}

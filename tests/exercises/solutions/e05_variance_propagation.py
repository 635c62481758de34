"""Exercise 5: right answers in different styles, and known mistakes as students write them."""

from functools import partial

import numpy as np

import minnet
from minnet.recording import statistics


def variance_propagation(x, weights, deviations, activation):
    """Plain implementation."""
    predicted, measured = [], []
    mean_square = np.mean(x**2)
    for weight, deviation in zip(weights, deviations, strict=True):
        variance = weight.shape[0] * deviation**2 * mean_square
        predicted.append(variance)
        mean_square = variance / 2 if activation == "relu" else variance
    h = x
    for weight in weights:
        z = h @ weight
        measured.append(z.var())
        h = np.maximum(z, 0) if activation == "relu" else z
    return np.array(predicted), np.array(measured)


def by_rows(x, weights, deviations, activation):
    """Every row alone, with sums of sums."""
    layers = len(weights)
    sums, squares, counts = np.zeros(layers), np.zeros(layers), np.zeros(layers)
    for row in x:
        h = list(row)
        for layer, weight in enumerate(weights):
            z = [sum(a * b for a, b in zip(h, column, strict=True)) for column in weight.T]
            sums[layer] += sum(z)
            squares[layer] += sum(value * value for value in z)
            counts[layer] += len(z)
            h = [max(value, 0.0) if activation == "relu" else value for value in z]
    predicted = np.empty(layers)
    for layer, weight in enumerate(weights):
        before = (x * x).sum() / x.size if layer == 0 else predicted[layer - 1]
        half = 0.5 if activation == "relu" and layer > 0 else 1.0
        predicted[layer] = before * half * len(weight) * deviations[layer] ** 2
    return predicted, squares / counts - (sums / counts) ** 2


def by_products(x, weights, deviations, activation):
    """The prediction in one line, through He's gain; the measurement by einsum."""
    relu = activation == "relu"
    fans = np.array([weight.shape[0] for weight in weights])
    gains = fans * np.square(deviations) * (0.5 if relu else 1)
    predicted = np.einsum("ni,ni->", x, x) / x.size * np.cumprod(gains) * (2 if relu else 1)
    measured, h = np.empty(len(weights)), x
    for layer, weight in enumerate(weights):
        z = np.einsum("ni,ij->nj", h, weight)
        measured[layer] = np.square(z - z.mean()).mean()
        h = (z + np.abs(z)) / 2 if relu else z
    return predicted, measured


def in_float64(x, weights, deviations, activation):
    weights = [weight.astype(np.float64) for weight in weights]
    return variance_propagation(x.astype(np.float64), weights, deviations, activation)


def own_of_minnet(x, weights, deviations, activation):
    predicted, _ = variance_propagation(x, weights, deviations, activation)
    measured = []
    for weight in weights:
        dense = minnet.Dense(*weight.shape, bias=False).build(dtype=x.dtype)
        dense.weight.value = weight
        z = dense.forward(x, training=False)
        measured.append(statistics.describe(z).std ** 2)
        x = minnet.ReLU().build(dtype=x.dtype).forward(z, training=False)
        x = x if activation == "relu" else z
    return predicted, np.array(measured)


def with_mistake(x, weights, deviations, activation, mistake):
    """Layer by layer, with a switch for each mistake."""
    relu = activation == "relu"
    predicted, measured, h = [], [], x
    mean_square = x.var() if mistake == "variance_of_x" else np.mean(x**2)
    if mistake == "relu_half_too_often" and relu:
        mean_square = mean_square / 2
    kept = 0.5 - 1 / (2 * np.pi) if mistake == "variance_after_relu" else 0.5
    if not relu or mistake == "relu_half_missing":
        kept = 1
    for weight, deviation in zip(weights, deviations, strict=True):
        fan = weight.shape[1 if mistake == "fan_out" else 0]
        fan = 1 if mistake == "fan_in_left_out" else fan
        power = 1 if mistake == "deviation_not_squared" else 2
        variance = fan * deviation**power * mean_square
        predicted.append(variance)
        if mistake != "every_layer_from_x":
            mean_square = kept * variance
        elif weight is weights[0]:
            mean_square = kept * mean_square
        z = h @ weight
        h = np.maximum(z, 0) if relu else z
        values = h if mistake == "measured_after_relu" else z
        measured.append(
            values.var(axis=0).mean() if mistake == "measured_unit_by_unit" else values.var()
        )
    if mistake == "input_changed":
        weights.clear()
    return np.array(predicted), np.array(measured)


def constant(x, weights, deviations, activation):
    """Return the example of the stub."""
    return np.array([7.0, 28.0]), np.array([2.5, 1.0])


RIGHT = (variance_propagation, by_rows, by_products, in_float64, own_of_minnet)
HARD_CODED = (constant,)
WRONG = {
    mistake: partial(with_mistake, mistake=mistake)
    for mistake in (
        "variance_of_x",
        "fan_out",
        "fan_in_left_out",
        "deviation_not_squared",
        "every_layer_from_x",
        "relu_half_missing",
        "relu_half_too_often",
        "variance_after_relu",
        "measured_after_relu",
        "measured_unit_by_unit",
        "input_changed",
    )
}

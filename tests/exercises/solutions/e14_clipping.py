"""Exercise 14: right answers in different styles, and known mistakes as students write them."""

import math
from functools import partial

import numpy as np

import minnet


def clipping(grads, max_norm):
    """Plain implementation."""
    norm = np.sqrt(sum(np.sum(g**2) for g in grads))
    factor = max_norm / norm if norm > max_norm else 1.0
    return [g * factor for g in grads], norm


def by_entries(grads, max_norm):
    total = 0.0
    for g in grads:
        for value in g.flat:
            total += float(value) ** 2
    norm = math.sqrt(total)
    if norm <= max_norm:
        return grads, norm
    clipped = [np.empty_like(g) for g in grads]
    for new, g in zip(clipped, grads, strict=True):
        for at in np.ndindex(g.shape):
            new[at] = g[at] / norm * max_norm
    return clipped, norm


def as_one_vector(grads, max_norm):
    vector = np.concatenate([g.ravel() for g in grads])
    norm = np.einsum("i,i->", vector, vector) ** 0.5
    if norm > max_norm:
        vector = vector / (norm / max_norm)
    ends = np.cumsum([g.size for g in grads])[:-1]
    return tuple(
        part.reshape(g.shape) for part, g in zip(np.split(vector, ends), grads, strict=True)
    ), norm


def norm_of_norms(grads, max_norm):
    """With the small addend in the denominator that many libraries have."""
    norm = np.linalg.norm([np.linalg.norm(g) for g in grads])
    factor = min(1.0, max_norm / (norm + 1e-7))
    return [factor * g for g in grads], float(norm)


def in_float64(grads, max_norm):
    clipped, norm = clipping([g.astype(np.float64) for g in grads], max_norm)
    return [c.astype(g.dtype) for c, g in zip(clipped, grads, strict=True)], norm


def own_of_minnet(grads, max_norm):
    sizes = [g.size for g in grads]
    net = minnet.Sequential([minnet.Dense(sum(sizes), 1, bias=False)], dtype=grads[0].dtype)
    net.grad = np.concatenate([g.ravel() for g in grads])
    norm = minnet.clip_grad_norm(net, max_norm)
    parts = np.split(net.grad, np.cumsum(sizes)[:-1])
    return [part.reshape(g.shape) for part, g in zip(parts, grads, strict=True)], norm


RIGHT = (clipping, by_entries, as_one_vector, norm_of_norms, in_float64, own_of_minnet)


def constant(grads, max_norm):
    """Return the example of the stub."""
    return [np.array([[0.6, 0.0]]), np.array([0.8])], 5.0


def factor_by_heart(grads, max_norm):
    return [g / 5 for g in grads], 5.0


HARD_CODED = (constant, factor_by_heart)


def wrongly_measured(grads, max_norm, mistake):
    if mistake == "norm_squared":
        norm = sum((g**2).sum() for g in grads)
    elif mistake == "sum_of_norms":
        norm = sum(np.linalg.norm(g) for g in grads)
    elif mistake == "sum_of_magnitudes":
        norm = sum(np.abs(g).sum() for g in grads)
    elif mistake == "largest_entry":
        norm = max(np.abs(g).max() for g in grads)
    elif mistake == "largest_norm":
        norm = max(np.linalg.norm(g) for g in grads)
    elif mistake == "spectral_norm":
        norm = np.linalg.norm([np.linalg.norm(g, 2) for g in grads])
    elif mistake == "root_of_mean":
        norm = np.sqrt(np.mean([v**2 for g in grads for v in g.flat]))
    elif mistake == "first_array_only":
        norm = np.linalg.norm(grads[0])
    else:
        for g in grads:
            norm = np.linalg.norm(g)
    if norm > max_norm:
        return [g * max_norm / norm for g in grads], norm
    return grads, norm


def wrongly_clipped(grads, max_norm, mistake):
    norm = np.sqrt(sum(np.sum(g**2) for g in grads))
    if mistake == "each_array_alone":
        return [clipping([g], max_norm)[0][0] for g in grads], norm
    if mistake == "own_norm_compared":
        return [g * max_norm / norm if np.linalg.norm(g) > max_norm else g for g in grads], norm
    if mistake == "by_value":
        return [np.clip(g, -max_norm, max_norm) for g in grads], norm
    if mistake == "scaled_up":
        return [g * max_norm / norm for g in grads], norm
    if mistake == "divide_by_zero":
        return [g * min(1.0, max_norm / norm) for g in grads], norm
    if mistake == "invalid_value":
        shortened = [g / norm * max_norm for g in grads]
        return (shortened if norm > max_norm else grads), norm
    if mistake == "comparison_reversed":
        return [g * max_norm / norm if 0 < norm < max_norm else g for g in grads], norm
    if norm > max_norm:
        if mistake == "norm_after_clipping":
            clipped = [g * max_norm / norm for g in grads]
            return clipped, np.sqrt(sum(np.sum(g**2) for g in clipped))
        if mistake == "max_norm_left_out":
            return [g / norm for g in grads], norm
        if mistake == "upside_down":
            return [g * norm / max_norm for g in grads], norm
        for g in grads:
            g *= max_norm / norm  # noqa: PLW2901 - the mistake itself
    return grads, norm


MEASURED = (
    "norm_squared",
    "sum_of_norms",
    "sum_of_magnitudes",
    "largest_entry",
    "largest_norm",
    "root_of_mean",
    "spectral_norm",
    "first_array_only",
    "last_array_only",
)
CLIPPED = (
    "norm_after_clipping",
    "each_array_alone",
    "own_norm_compared",
    "by_value",
    "max_norm_left_out",
    "upside_down",
    "scaled_up",
    "comparison_reversed",
    "divide_by_zero",
    "invalid_value",
    "input_changed",
)
WRONG = {mistake: partial(wrongly_measured, mistake=mistake) for mistake in MEASURED} | {
    mistake: partial(wrongly_clipped, mistake=mistake) for mistake in CLIPPED
}

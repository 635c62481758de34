"""Exercise 4: right answers in different styles, and known mistakes as students write them."""

from functools import partial

import numpy as np

import minnet


def initialize(rule, shape, rng, mistake=None):
    """Plain implementation, with a switch for each mistake."""
    fan_in, fan_out = shape
    if mistake == "reseeded":
        rng = np.random.default_rng(0)
    if mistake == "second_run_differs":
        rng = np.random.default_rng()
    if rule == "orthogonal":
        if mistake == "orthogonal_not_random":
            return np.eye(*shape)
        if fan_in >= fan_out or mistake == "orthogonal_wide_is_square":
            return np.linalg.qr(rng.normal(size=shape))[0]
        return np.linalg.qr(rng.normal(size=(fan_out, fan_in)))[0].T
    variance = {
        ("xavier", "xavier_by_fan_in_alone"): 1 / fan_in,
        ("xavier", "xavier_grows_with_fan_in"): fan_in,
        ("he", "he_by_fan_out"): 2 / fan_out,
        ("he", "he_with_both_fans"): 2 / (fan_in + fan_out),
        ("he", "he_without_2"): 1 / fan_in,
    }.get(
        (rule.split("_")[0], mistake),
        2 / (fan_in + fan_out) if rule.startswith("xavier") else 2 / fan_in,
    )
    if rule.endswith("normal"):
        weight = rng.normal(0, variance if mistake == "variance_as_std" else variance**0.5, shape)
        most = 2 * variance**0.5 if mistake == "equal_weights" else np.inf
        return np.clip(weight, -most, most)
    limit = (variance if mistake == "uniform_limit_is_std" else 3 * variance) ** 0.5
    return rng.uniform(0 if mistake == "uniform_not_centred" else -limit, limit, shape)


def column_by_column(rule, shape, rng):
    """Another order of drawing, and Gram and Schmidt by hand."""
    if rule == "orthogonal":
        long, short = max(shape), min(shape)
        columns = []
        for _ in range(short):
            column = rng.normal(size=long)
            for other in columns:
                column = column - (column @ other) * other
            columns.append(column / np.sqrt(column @ column))
        return np.array(columns).T if shape[0] >= shape[1] else np.array(columns)
    weight = np.empty(shape)
    variance = 6 / sum(shape) / 3 if "xavier" in rule else 2 / shape[0]
    for j in range(shape[1]):
        if "normal" in rule:
            weight[:, j] = variance**0.5 * rng.standard_normal(shape[0])
        else:
            weight[:, j] = (2 * rng.random(shape[0]) - 1) * (3 * variance) ** 0.5
    return weight


def by_svd(rule, shape, rng):
    if rule == "orthogonal":
        u, _, v = np.linalg.svd(rng.normal(size=shape), full_matrices=False)
        return np.einsum("ij,jk->ik", u, v)
    return initialize(rule, shape, rng)


def own_of_minnet(rule, shape, rng):
    return minnet.initializers.get(rule)(shape, rng=rng, dtype=np.float64)


def constant(rule, shape, rng):
    """Has the shape and the bound of the stub's example."""
    return np.linspace(-1, 1, 12).reshape(6, 2)


RIGHT = (initialize, column_by_column, by_svd, own_of_minnet)
HARD_CODED = (constant,)
WRONG = {
    mistake: partial(initialize, mistake=mistake)
    for mistake in (
        "xavier_by_fan_in_alone",
        "xavier_grows_with_fan_in",
        "variance_as_std",
        "he_by_fan_out",
        "he_with_both_fans",
        "he_without_2",
        "equal_weights",
        "uniform_limit_is_std",
        "uniform_not_centred",
        "orthogonal_wide_is_square",
        "reseeded",
        "orthogonal_not_random",
        "second_run_differs",
    )
}

"""Exercise 15: right answers in different styles, and known mistakes as students write them."""

from functools import partial

import numpy as np

from minnet.recording import dead_units


def dead_neurons(batches, tolerance):
    """Plain implementation."""
    y = np.concatenate(batches)
    dead = y.max(axis=0) - y.min(axis=0) <= tolerance
    return dead, dead.mean()


def loops(batches, tolerance):
    units = batches[0].shape[1]
    dead = np.zeros(units, dtype=bool)
    for j in range(units):
        outputs = [float(row[j]) for y in batches for row in y]
        dead[j] = max(outputs) - min(outputs) <= tolerance
    return dead, sum(dead) / units


def batch_by_batch(batches, tolerance):
    """A running maximum and minimum: nothing but two rows is kept."""
    high, low = np.full(batches[0].shape[1], -np.inf), np.full(batches[0].shape[1], np.inf)
    for y in batches:
        high, low = np.maximum(high, y.max(axis=0)), np.minimum(low, y.min(axis=0))
    dead = ~(high - low > tolerance)
    return dead, float(np.count_nonzero(dead)) / dead.size


def sorted_columns(batches, tolerance):
    y = np.sort(np.vstack(batches).astype(np.float64), axis=0)
    dead = np.less_equal(y[-1] - y[0], tolerance)
    return dead, np.einsum("j->", dead.astype(float)) / len(dead)


def from_the_lowest_row(batches, tolerance):
    """allclose, column by column, against the lowest row."""
    y = np.vstack(batches)
    dead = np.isclose(y, y.min(axis=0), rtol=0, atol=tolerance + 1e-15).all(axis=0)
    return dead, np.average(dead)


def own_of_minnet(batches, tolerance):
    dead = dead_units(np.concatenate(batches), tolerance=tolerance)
    return dead, dead.mean()


RIGHT = (
    dead_neurons,
    loops,
    batch_by_batch,
    sorted_columns,
    from_the_lowest_row,
    own_of_minnet,
)


def constant(batches, tolerance):
    """Return the example of the stub."""
    return np.array([True, False, True]), 2 / 3


def every_other(batches, tolerance):
    dead = np.arange(batches[0].shape[1]) % 2 == 0
    return dead, dead.mean()


HARD_CODED = (constant, every_other)


def span(y):
    return y.max(axis=0) - y.min(axis=0)


def wrongly_dead(batches, tolerance, mistake):
    y = np.concatenate(batches)
    if mistake == "zero_for_constant":
        dead = np.all(y == 0, axis=0)
    elif mistake == "never_positive":
        dead = np.all(y <= 0, axis=0)
    elif mistake == "adds_up_to_zero":
        dead = abs(sum(y.sum(axis=0) for y in batches)) <= tolerance
    elif mistake == "any_zero":
        dead = np.any(y == 0, axis=0)
    elif mistake == "wrong_axis":
        dead = y.max(axis=1) - y.min(axis=1) <= tolerance
    elif mistake == "first_batch_only":
        for y in batches:
            dead = span(y) <= tolerance
            return dead, dead.mean()
    elif mistake == "last_batch_only":
        for y in batches:
            dead = span(y) <= tolerance
    elif mistake == "dead_in_some_batch":
        dead = np.zeros(y.shape[1], bool)
        for y in batches:
            dead |= span(y) <= tolerance
    elif mistake == "each_batch_alone":
        dead = np.ones(y.shape[1], bool)
        for y in batches:
            dead &= span(y) <= tolerance
    elif mistake == "no_tolerance":
        dead = (y == y[0]).all(axis=0)
    elif mistake == "less_than":
        dead = span(y) < tolerance
    elif mistake == "deviation_for_span":
        dead = np.std(y, axis=0) <= tolerance
    elif mistake == "distance_from_mean":
        dead = np.all(abs(y - y.mean(axis=0)) <= tolerance, axis=0)
    elif mistake == "distance_from_first_row":
        dead = np.all(abs(y - y[0]) <= tolerance, axis=0)
    elif mistake == "relative_tolerance":
        dead = span(y) <= tolerance * np.maximum(abs(y.max(axis=0)), abs(y.min(axis=0)))
    elif mistake == "first_and_last_row":
        dead = abs(y[-1] - y[0]) <= tolerance
    elif mistake == "alive_for_dead":
        dead = span(y) > tolerance
    else:
        batches[0] -= batches[0].min(axis=0)
        dead = span(y) <= tolerance
    return dead, dead.mean()


def wrong_share(batches, tolerance, mistake):
    y = np.concatenate(batches)
    dead = span(y) <= tolerance
    if mistake == "share_of_zero_entries":
        return dead, np.sum(y == 0) / y.size
    if mistake == "share_of_batches":
        return dead, np.mean([np.mean(span(y) <= tolerance) for y in batches])
    if mistake == "share_rounded_down":
        return dead, sum(dead) // len(dead)
    if mistake == "share_by_rows":
        return dead, np.sum(dead) / len(y)
    return dead, np.sum(dead)


DEAD = (
    "zero_for_constant",
    "never_positive",
    "adds_up_to_zero",
    "any_zero",
    "wrong_axis",
    "first_batch_only",
    "last_batch_only",
    "dead_in_some_batch",
    "each_batch_alone",
    "no_tolerance",
    "less_than",
    "deviation_for_span",
    "distance_from_mean",
    "distance_from_first_row",
    "relative_tolerance",
    "first_and_last_row",
    "alive_for_dead",
    "input_changed",
)
WRONG = {mistake: partial(wrongly_dead, mistake=mistake) for mistake in DEAD} | {
    mistake: partial(wrong_share, mistake=mistake)
    for mistake in (
        "share_of_zero_entries",
        "share_of_batches",
        "share_rounded_down",
        "share_by_rows",
        "count_for_share",
    )
}

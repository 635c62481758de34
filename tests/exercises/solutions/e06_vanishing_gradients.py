"""Exercise 6: right answers in different styles, and known mistakes as students write them."""

import math
from functools import partial

import numpy as np

from minnet.recording import statistics


def vanishing_gradients(log, bins):
    """Plain implementation."""
    rms, all_edges, all_counts = [], [], []
    for layer in range(len(log[0]["gradients"])):
        g = np.concatenate([batch["gradients"][layer].ravel() for batch in log])
        counts, edges = np.histogram(g, bins)
        rms.append(np.sqrt(np.mean(g**2)))
        all_edges.append(edges)
        all_counts.append(counts)
    return np.array(rms), np.array(all_edges), np.array(all_counts)


def entry_by_entry(log, bins):
    """Only lists and math; one pass for the sums and the ends, one for the bins."""
    layers = len(log[0]["gradients"])
    rms, edges, counts = np.zeros(layers), np.zeros((layers, bins + 1)), np.zeros((layers, bins))
    for i in range(layers):
        values = [float(g) for batch in log for row in batch["gradients"][i] for g in row]
        low, high = min(values), max(values)
        rms[i] = math.sqrt(sum(g * g for g in values) / len(values))
        edges[i] = [low + (high - low) * k / bins for k in range(bins + 1)]
        for g in values:
            counts[i, min(int((g - low) / (high - low) * bins), bins - 1)] += 1
    return rms, edges, counts


def batch_by_batch(log, bins):
    """Sums of squares and ends as they come; then the histograms add up."""
    layers = range(len(log[0]["gradients"]))
    size = np.array([len(log) * g.size for g in log[0]["gradients"]])
    squares = sum(
        np.array([np.einsum("ij,ij->", g, g) for g in batch["gradients"]]) for batch in log
    )
    low = np.min([[g.min() for g in batch["gradients"]] for batch in log], axis=0)
    high = np.max([[g.max() for g in batch["gradients"]] for batch in log], axis=0)
    edges = np.linspace(low, high, bins + 1, axis=1)
    counts = sum(
        np.array([np.histogram(batch["gradients"][i], edges[i])[0] for i in layers])
        for batch in log
    )
    return (squares / size) ** 0.5, edges, counts


def in_float64(log, bins):
    log = [{"gradients": [g.astype(np.float64) for g in batch["gradients"]]} for batch in log]
    return vanishing_gradients(log, bins)


def own_of_minnet(log, bins):
    rms, all_edges, all_counts = [], [], []
    for layer in range(len(log[0]["gradients"])):
        g = np.array([batch["gradients"][layer] for batch in log])
        summary = statistics.describe(g)
        edges = np.linspace(summary.minimum, summary.maximum, bins + 1)
        density, _ = statistics.histogram(statistics.Sample(g.ravel(), g.size), edges)
        rms.append(math.hypot(summary.mean, summary.std))
        all_edges.append(edges)
        all_counts.append((density * np.diff(edges) * g.size).round())
    return np.array(rms), np.array(all_edges), np.array(all_counts)


def with_mistake(log, bins, mistake):
    """Step by step, with a switch for each mistake."""
    which = "clipped" if mistake == "after_clipping" else "gradients"
    batches = log[-1:] if mistake == "last_batch_only" else log
    layers = [np.array([batch[which][i] for batch in batches]) for i in range(len(log[0][which]))]
    if mistake == "layers_pooled":
        g = np.concatenate([layer.ravel() for layer in layers])
        counts, edges = np.histogram(g, bins)
        return np.sqrt(np.mean(g**2)), edges, counts
    if mistake == "averaged_first":
        layers = [layer.mean(axis=0) for layer in layers]
    if mistake == "last_layer_first":
        layers.reverse()
    measure = {
        "signed_mean": lambda g: g.mean(),
        "mean_of_magnitudes": lambda g: np.abs(g).mean(),
        "mean_taken_off": np.std,
        "root_left_out": lambda g: (g**2).mean(),
        "norm_for_rms": lambda g: np.linalg.norm(g.ravel()),
        "rms_averaged": lambda g: np.mean([np.sqrt(np.mean(batch**2)) for batch in g]),
    }.get(mistake, lambda g: np.sqrt(np.mean(g**2)))
    ends = {
        "fixed_range": (-1, 1),
        "shared_range": (min(g.min() for g in layers), max(g.max() for g in layers)),
    }.get(mistake)
    pairs = [np.histogram(g, bins, range=ends) for g in layers]
    if mistake == "edges_and_counts_swapped":
        pairs = [(edges, counts) for counts, edges in pairs]
    if mistake == "counts_as_shares":
        pairs = [(counts / counts.sum(), edges) for counts, edges in pairs]
    if mistake == "edges_of_the_last_batch":
        pairs = [
            (counts, np.histogram(g[-1], bins)[1])
            for g, (counts, _) in zip(layers, pairs, strict=True)
        ]
    if mistake == "counts_of_different_edges":
        pairs = [
            (sum(np.histogram(batch, bins)[0] for batch in g), edges)
            for g, (_, edges) in zip(layers, pairs, strict=True)
        ]
    if mistake == "input_changed":
        log.clear()
    return (
        np.array([measure(g) for g in layers]),
        np.array([edges for _, edges in pairs]),
        np.array([counts for counts, _ in pairs]),
    )


def constant(log, bins):
    """Return the example of the stub."""
    edges = np.array([[0.0, 0.2, 0.4], [3.0, 4.0, 5.0]])
    return np.array([0.3, 17**0.5]), edges, np.array([[1, 3], [1, 1]])


RIGHT = (vanishing_gradients, entry_by_entry, batch_by_batch, in_float64, own_of_minnet)
HARD_CODED = (constant,)
WRONG = {
    mistake: partial(with_mistake, mistake=mistake)
    for mistake in (
        "layers_pooled",
        "signed_mean",
        "mean_of_magnitudes",
        "mean_taken_off",
        "root_left_out",
        "norm_for_rms",
        "rms_averaged",
        "last_batch_only",
        "after_clipping",
        "last_layer_first",
        "edges_and_counts_swapped",
        "fixed_range",
        "shared_range",
        "counts_as_shares",
        "edges_of_the_last_batch",
        "counts_of_different_edges",
        "averaged_first",
        "input_changed",
    )
}

"""Exercise 16: right answers in different styles, and known mistakes as students write them."""

from functools import partial
from itertools import pairwise

import numpy as np

from minnet.recording import statistics


class Distributions:
    """Plain implementation."""

    def __init__(self):
        self.batches = []

    def capture(self, buffers):
        self.batches.append(buffers["relu"].copy())

    def values(self):
        return np.concatenate(self.batches).ravel()

    def histogram(self, edges):
        v = self.values()
        counts = np.histogram(v, edges)[0]
        return counts, v.size - counts.sum()

    def density(self, edges):
        return self.histogram(edges)[0] / (self.values().size * np.diff(edges))

    def cdf(self, points):
        return np.array([np.mean(self.values() <= p) for p in points])


class Loops:
    """Value by value, and plain numbers in a plain list."""

    def __init__(self):
        self.values = []

    def capture(self, buffers):
        for row in buffers["relu"]:
            for value in row:
                self.values.append(float(value))

    def histogram(self, edges):
        counts, outside = np.zeros(len(edges) - 1), 0
        for v in self.values:
            if v < edges[0] or v > edges[-1]:
                outside += 1
                continue
            k = 0
            while k < len(counts) - 1 and v >= edges[k + 1]:
                k += 1
            counts[k] += 1
        return counts, outside

    def density(self, edges):
        counts, _ = self.histogram(edges)
        for k in range(len(counts)):
            counts[k] /= len(self.values) * (edges[k + 1] - edges[k])
        return counts

    def cdf(self, points):
        shares = np.empty(len(points))
        for i, p in enumerate(points):
            shares[i] = sum(1 for v in self.values if v <= p) / len(self.values)
        return shares


class Sorted(Distributions):
    """By binary search in the sorted values."""

    def __init__(self):
        self.sorted = np.empty(0)

    def capture(self, buffers):
        self.sorted = np.sort(np.append(self.sorted, buffers["relu"]))

    def values(self):
        return self.sorted

    def histogram(self, edges):
        below = np.searchsorted(self.sorted, edges, side="left")
        below[-1] = np.searchsorted(self.sorted, edges[-1], side="right")
        return np.diff(below), int(below[0] + self.sorted.size - below[-1])

    def cdf(self, points):
        return np.searchsorted(self.sorted, points, side="right") / len(self.sorted)


class Broadcast(Distributions):
    """A table of values against bins, and of values against points."""

    def histogram(self, edges):
        v = self.values().astype(np.float64)[:, None]
        last = np.arange(len(edges) - 1) == len(edges) - 2
        inside = (v >= edges[:-1]) & ((v < edges[1:]) | (last & (v == edges[-1])))
        return np.einsum("vb->b", inside.astype(float)), np.sum(~inside.any(axis=1))

    def cdf(self, points):
        return 1 - (self.values()[:, None] > points).mean(axis=0)


class OwnOfMinnet(Distributions):
    def histogram(self, edges):
        v = self.values()
        density, outside = statistics.histogram(statistics.Sample(v, v.size), edges)
        return np.rint(density * v.size * np.diff(edges)), outside

    def density(self, edges):
        v = self.values()
        return statistics.histogram(statistics.Sample(v, v.size), edges)[0]

    def cdf(self, points):
        steps, shares = statistics.cumulative(statistics.split_zeros(self.values()))
        return np.array([shares[steps <= p].max(initial=0.0) for p in points])


RIGHT = (Distributions, Loops, Sorted, Broadcast, OwnOfMinnet)


class Constant(Distributions):
    """Return the example of the stub."""

    def histogram(self, edges):
        return np.array([2, 1]), 1

    def density(self, edges):
        return np.array([1.0, 0.125])

    def cdf(self, points):
        return np.array([0.5, 0.75, 1.0])


HARD_CODED = (Constant,)


class Wrong(Distributions):
    """Plain implementation, with a switch for each mistake."""

    def __init__(self, mistake):
        super().__init__()
        self.mistake = mistake

    def capture(self, buffers):
        if self.mistake == "before_activation":
            self.batches.append(buffers["dense"].copy())
        elif self.mistake == "last_batch_only":
            self.batches = [buffers["relu"].copy()]
        elif self.mistake == "not_copied":
            self.batches.append(buffers["relu"])
        else:
            super().capture(buffers)

    def values(self):
        v = super().values()
        return v[v != 0] if self.mistake == "zeros_left_out" else v

    def histogram(self, edges):
        v = self.values()
        if self.mistake == "into_end_bins":
            v = np.clip(v, edges[0], edges[-1])
        if self.mistake == "input_changed":
            edges[-1] += 1e-9
        pairs = list(pairwise(edges))
        counts = np.array([np.sum((v >= a) & (v < b)) for a, b in pairs])
        if self.mistake == "tie_in_both_bins":
            counts = np.array([np.sum((v >= a) & (v <= b)) for a, b in pairs])
        elif self.mistake in ("tie_in_lower_bin", "first_bin_closed"):
            counts = np.array([np.sum((v > a) & (v <= b)) for a, b in pairs])
            counts[0] += np.sum(v == edges[0]) if self.mistake == "first_bin_closed" else 0
        elif self.mistake != "last_edge_left_out":
            counts[-1] += np.sum(v == edges[-1])
        if self.mistake == "equal_bins":
            counts = np.histogram(v, len(edges) - 1, (edges[0], edges[-1]))[0]
        outside = v.size - counts.sum()
        if self.mistake == "outside_dropped":
            outside = 0
        if self.mistake == "only_above_counted":
            outside = np.sum(v > edges[-1])
        self.counts = counts
        if self.mistake == "density_for_counts":
            return self.density(edges), outside
        return counts, outside

    def density(self, edges):
        if self.mistake == "stale_counts":
            return self.counts / (self.values().size * np.diff(edges))
        if self.mistake == "density_for_counts":
            v = self.values()
            return np.histogram(v, edges)[0] / v.size / np.diff(edges)
        counts, n = self.histogram(edges)[0], self.values().size
        if self.mistake == "density_of_inside":
            return counts / (counts.sum() * np.diff(edges))
        if self.mistake == "counts_for_density":
            return counts
        if self.mistake == "shares_for_density":
            return counts / n
        if self.mistake == "one_width":
            return counts / (n * (edges[1] - edges[0]))
        return counts / (n * np.diff(edges))

    def cdf(self, points):
        v = np.sort(self.values())
        if self.mistake == "cdf_without_ties":
            return np.searchsorted(v, points) / len(v)
        if self.mistake == "cdf_below_1":
            ranks = np.arange(len(v)) / len(v)
            return np.array([ranks[v <= p][-1] if p >= v[0] else 0.0 for p in points])
        if self.mistake == "share_above":
            return np.array([np.mean(v > p) for p in points])
        if self.mistake == "cdf_not_divided":
            return np.array([np.sum(v <= p) for p in points])
        return np.array([np.mean(v <= p) for p in points])


WRONG = {
    mistake: partial(Wrong, mistake)
    for mistake in (
        "before_activation",
        "last_batch_only",
        "not_copied",
        "zeros_left_out",
        "tie_in_lower_bin",
        "tie_in_both_bins",
        "first_bin_closed",
        "last_edge_left_out",
        "into_end_bins",
        "density_for_counts",
        "outside_dropped",
        "only_above_counted",
        "density_of_inside",
        "counts_for_density",
        "shares_for_density",
        "one_width",
        "equal_bins",
        "stale_counts",
        "cdf_without_ties",
        "cdf_below_1",
        "share_above",
        "cdf_not_divided",
        "input_changed",
    )
}

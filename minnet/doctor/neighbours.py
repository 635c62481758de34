"""Labels of the nearest rows, by which wrong labels are found."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from minnet.validation import Array

NEIGHBOURS = 10
MOST = 1000  # rows that are compared with each other


class Votes(NamedTuple):
    """Labels of rows, and the most frequent label among the neighbours of each.

    ``rows`` (n,) are indices, ``agreement`` (n,) is the number of neighbours with the majority's
    label.
    """

    rows: Array
    labels: Array
    majority: Array
    agreement: Array


def neighbour_votes(x: Array, labels: Array, reference: tuple[Array, Array] | None = None) -> Votes:
    """Return the votes of the nearest of the reference rows, by default of the rows themselves."""
    rows = np.random.default_rng(0).permutation(len(labels))[:MOST]
    base_x, base_y = reference or (x, labels)
    base = np.random.default_rng(0).permutation(len(base_y))[:MOST]
    mean, std = base_x.mean(axis=0), base_x.std(axis=0)
    varies = std > 1e-6 * np.abs(mean)
    base_x = ((base_x - mean)[base] / np.where(varies, std, 1))[:, varies].astype(np.float32)
    queries = ((x - mean)[rows] / np.where(varies, std, 1))[:, varies].astype(np.float32)
    k, classes = min(NEIGHBOURS, len(base) - 2), int(max(labels.max(), base_y.max())) + 1
    squares = np.square(base_x).sum(axis=1)
    votes = np.empty((len(rows), classes), np.int64)
    for start in range(0, len(rows), 512):
        part = queries[start : start + 512]
        distances = squares - 2 * part @ base_x.T
        if reference is None:
            distances[np.arange(len(part)), start + np.arange(len(part))] = np.inf
        near = base_y[base][np.argpartition(distances, k, axis=1)[:, :k]]
        for c in range(classes):
            votes[start : start + 512, c] = (near == c).sum(axis=1)
    return Votes(rows, labels[rows], votes.argmax(axis=1), votes.max(axis=1))

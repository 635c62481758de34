"""What is kept of a training: its losses, and copies of the parameters at a few steps."""

from __future__ import annotations

import numpy as np

from minnet.doctor.training import Training
from minnet.layers.sequential import Sequential
from minnet.stopping import Snapshot

LARGE = 1_000_000  # parameters above which fewer copies are kept


class Observation:
    """What the doctor keeps of a training.

    Attributes
    ----------
    training : Training
        The training as it was before the first step, ready to be repeated.
    looks : list of (int, Snapshot)
        Parameters and state before some steps, the first and the last among them.
    losses, lrs : list of float
        Loss and learning rate of every step.
    error : BaseException or None
        The exception that ended the training.
    """

    def __init__(self, training: Training) -> None:
        self.training = training
        self.looks: list[tuple[int, Snapshot]] = []
        self.losses: list[float] = []
        self.lrs: list[float] = []
        self.error: BaseException | None = None
        n = training.steps
        points = {0, 1, n // 4, n // 2, n - 1}
        if training.net.theta.size < LARGE:
            points |= {4, n // 16, n // 8, 3 * n // 4}
        self.due = iter(sorted(points))
        self.next = next(self.due)

    def look(self, net: Sequential) -> None:
        """Keep a copy of the parameters, unless one is not finite."""
        if np.isfinite(net.theta).all():
            self.looks.append((len(self.losses), Snapshot(net)))

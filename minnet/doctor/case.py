"""An observed training, with the numbers by which causes are judged: symptoms, scores, curve."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from minnet.doctor.findings import Finding, Remedy
from minnet.doctor.symptoms import Symptoms, measure, network_at
from minnet.doctor.training import Score, Training, constant_points, labels_in
from minnet.layers.sequential import Sequential
from minnet.stopping import Snapshot
from minnet.validation import Array

LARGE = 1_000_000  # parameters above which fewer copies are kept
WINDOWS = 20  # of the loss curve
MILDER = 4.0  # factor by which a learning rate is lowered first
USUAL = 0.01  # usual size of the first update of a matrix relative to the matrix


@dataclass
class Suspicion:
    """A possible finding, before remedies are tried."""

    strength: float  # of the symptoms, 0 to 1; the strongest suspicion is tried first
    explanation: str
    remedies: list[Remedy]
    evidence: dict[str, float]
    layer: str | None = None
    step: int = 0
    needed: float = 0.015  # gain in points that a remedy must bring in a trial
    certain: bool = False  # whether the fault is proved without a trial
    cause: str = ""
    gains: dict[str, float] = field(default_factory=dict)  # of the tried remedies

    @property
    def gain(self) -> float:
        """Largest gain of a tried remedy, -inf if none was tried."""
        return max(self.gains.values(), default=-math.inf)

    def finding(self, confidence: float) -> Finding:
        """Return the suspicion as a finding."""
        evidence = {k: float(v) for k, v in self.evidence.items() if math.isfinite(v)}
        return Finding(
            self.cause, self.layer, self.step, confidence, evidence, self.explanation, self.remedies
        )


class Case:
    """An observed training: its copy before the first step, and what was observed.

    ``looks`` are pairs (step, parameters and state before it), with the first and the last step.
    ``losses`` has the loss of every step, and ``error`` what ended the training, if anything.
    """

    def __init__(self, training: Training) -> None:
        self.training, self.lr = training, training.lr
        self.labels = labels_in(training.y)  # of the training rows, or None
        self.classes = 0 if self.labels is None else int(self.labels.max()) + 1
        self.points_name = "accuracy" if self.classes else "R²"
        self.width = training.net.out_features or training.x.shape[1]  # number of outputs
        self.looks: list[tuple[int, Snapshot]] = []
        self.losses: list[float] = []
        self.error: BaseException | None = None
        self.spent = 0.0  # estimated seconds of copies that were trained to examine causes
        n = training.steps
        due = {0, 1, n // 4, n // 2, n - 1}
        if training.net.theta.size < LARGE:
            due |= {4, n // 16, n // 8, 3 * n // 4}
        self._due = sorted(due, reverse=True)

    def observe(self, net: Sequential) -> None:
        """Keep the loss of a step and, at some steps, the parameters."""
        if self._due and len(self.losses) == self._due[-1]:
            self._due.pop()
            self.look(net)
        self.losses.append(net.metrics["loss"])

    def look(self, net: Sequential) -> None:
        """Keep a copy of the parameters, unless one is not finite."""
        if np.isfinite(net.theta).all():
            self.looks.append((len(self.losses), Snapshot(net)))

    @property
    def diverged(self) -> bool:
        """Whether an output or a gradient was not finite."""
        return isinstance(self.error, FloatingPointError)

    @property
    def failed(self) -> bool:
        """Whether the training diverged or is no better than a constant output."""
        return self.diverged or max(self.end.points, self.train_end) < self.constant + 0.02

    # Symptoms before the first step, and at the last finite parameters.

    @cached_property
    def first(self) -> Symptoms:  # noqa: D102
        return measure(self.training, *self.looks[0])

    @cached_property
    def last(self) -> Symptoms:  # noqa: D102
        return measure(self.training, *self.looks[-1])

    @cached_property
    def update(self) -> float:
        """Largest ratio of the norm of a matrix's first update to the norm of the matrix."""
        (first, before), (second, after) = self.looks[0], self.looks[min(1, len(self.looks) - 1)]
        ratios, start = [0.0], 0
        for param in self.training.net.params.values():
            part = slice(start, start := start + param.value.size)
            change = after.arrays[0][part] - before.arrays[0][part]
            size = float(np.linalg.norm(before.arrays[0][part]))
            if param.value.ndim == 2 and size:
                ratios.append(float(np.linalg.norm(change)) / size)
        return max(ratios) / max(second - first, 1)

    # Scores.

    @cached_property
    def constant(self) -> float:
        """Points of the best constant output."""
        return constant_points(self.training.scored_rows()[1])

    @cached_property
    def scores(self) -> list[tuple[int, Score]]:
        """Step and score of each look; a diverged training ends with constant points."""
        found, net = [], copy.deepcopy(self.training.net)
        for step, snapshot in self.looks:
            snapshot.restore(net)
            found.append((step, self.training.score(net)))
        if self.diverged:
            found.append(
                (len(self.losses), Score(min(self.constant, found[-1][1].points), math.inf))
            )
        return found

    def points_at(self, share: float) -> float:
        """Return the points at this share of the planned steps, at most at the end."""
        step = share * self.training.steps
        return min(self.scores, key=lambda pair: abs(pair[0] - step))[1].points

    @property
    def end(self) -> Score:
        """Score at the end."""
        return self.scores[-1][1]

    @cached_property
    def train_end(self) -> float:
        """Points at the end on the training rows."""
        net = network_at(self.training, self.looks[-1][1])
        points = self.training.score(net, training_rows=True).points
        return min(points, self.constant) if self.diverged else points

    @cached_property
    def score_error(self) -> float:
        """Standard error of the points, from the number of rows."""
        p = min(max(self.end.points, 0.5), 0.99)
        return math.sqrt(p * (1 - p) / len(self.training.scored_rows()[0]))

    @cached_property
    def fits(self) -> bool:
        """Whether the network fits the training rows well at the end."""
        low = self.curve[-1] <= max(0.15 * self.curve[0], 1.3 * self.curve.min())
        return bool(low) and self.train_end > max(0.75, self.constant + 0.05)

    @property
    def gap(self) -> float:
        """Points at the end on the training rows minus those on the validation rows."""
        return self.train_end - self.end.points

    @property
    def fitted(self) -> bool:
        """Whether another learning rate cannot improve the fit to the training rows much."""
        return self.train_end > 0.985 or (self.fits and self.gap > 0.1)

    @cached_property
    def curve(self) -> Array:
        """Mean loss of windows of steps, in order; inf at the end if the training diverged."""
        parts = np.array_split(np.array(self.losses), min(WINDOWS, len(self.losses)))
        means = [float(part.mean()) for part in parts]
        return np.array([*means, math.inf] if self.diverged else means)

    @cached_property
    def roughness(self) -> float:
        """Sum of the rises of the curve relative to its range; 0 for one that only falls."""
        finite = self.curve[np.isfinite(self.curve)]
        rises = float(np.maximum(np.diff(finite), 0).sum())
        return rises / float(np.ptp(finite)) if rises else 0.0

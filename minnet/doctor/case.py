"""Everything a cause is judged by: symptoms at some steps, scores, the loss curve, and the data."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from minnet.doctor.findings import Finding
from minnet.doctor.observation import Observation
from minnet.doctor.remedies import Remedy
from minnet.doctor.symptoms import Symptoms, measure, network_at
from minnet.doctor.training import Score, Training, constant_points, labels_in
from minnet.stopping import Snapshot
from minnet.validation import Array


@dataclass
class Suspicion:
    """A possible finding, before remedies are tried.

    Attributes
    ----------
    finding : Finding
        The finding that is reported if the suspicion is confirmed.
    strength : float
        Strength of the symptoms, 0 to 1; the strongest suspicion is tried first.
    needed : float
        Gain in points that a remedy must bring in a trial.
    certain : bool
        Whether the fault is proved without a trial.
    gains : dict of str to float
        Gain of each tried remedy.
    """

    finding: Finding
    strength: float
    needed: float
    certain: bool = False
    gains: dict[str, float] = field(default_factory=dict)

    @property
    def gain(self) -> float:
        """Largest gain of a tried remedy, -inf if none was tried."""
        return max(self.gains.values(), default=-math.inf)

    def gain_of(self, remedy: Remedy) -> float:
        """Return the gain of a remedy; untried ones are between those that help and others."""
        return self.gains.get(str(remedy), 0.0)


def suspect(
    cause: str,
    explanation: str,
    remedies: list[Remedy],
    *,
    strength: float,
    needed: float = 0.02,
    layer: str | None = None,
    step: int = 0,
    certain: bool = False,
    **evidence: Any,
) -> Suspicion:
    """Return a suspicion."""
    numbers = {name: float(value) for name, value in evidence.items()}
    finding = Finding(cause, layer, step, 0.0, numbers, explanation, remedies)
    return Suspicion(finding, strength, needed, certain)


class Case:
    """A training under examination."""

    def __init__(self, observation: Observation) -> None:
        self.observation = observation
        self.training: Training = observation.training
        self.diverged = isinstance(observation.error, FloatingPointError)
        self.steps = len(observation.losses)
        self.lr = self.training.lr

    # Symptoms.

    @cached_property
    def first(self) -> Symptoms:
        """Symptoms before the first step."""
        return measure(self.training, *self.observation.looks[0])

    @cached_property
    def last(self) -> Symptoms:
        """Symptoms at the last step with finite parameters."""
        return measure(self.training, *self.observation.looks[-1])

    @cached_property
    def middle(self) -> Symptoms:
        """Symptoms at about a quarter of the training."""
        return measure(self.training, *self._look_at(self.steps // 4))

    def _look_at(self, step: int) -> tuple[int, Snapshot]:
        return min(self.observation.looks, key=lambda look: abs(look[0] - step))

    # Scores.

    @cached_property
    def constant(self) -> float:
        """Points of the best constant output."""
        return constant_points(self.training.scored_rows()[1])

    @cached_property
    def scores(self) -> list[tuple[int, Score]]:
        """Step and score of each look; a diverged training ends with constant points."""
        found, net = [], copy.deepcopy(self.training.net)
        for step, snapshot in self.observation.looks:
            snapshot.restore(net)
            found.append((step, self.training.score(net)))
        if self.diverged:
            found.append((self.steps, Score(min(self.constant, found[-1][1].points), math.inf)))
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
    def best(self) -> Score:
        """The best score of all looks."""
        return max(score for _, score in self.scores)

    @cached_property
    def train_end(self) -> Score:
        """Score at the end on the training rows."""
        net = network_at(self.training, self.observation.looks[-1][1])
        score = self.training.score(net, training_rows=True)
        return Score(min(score.points, self.constant), math.inf) if self.diverged else score

    @cached_property
    def error_of_score(self) -> float:
        """Standard error of the points, from the number of rows."""
        n = len(self.training.scored_rows()[0])
        p = min(max(self.end.points, 0.5), 0.99)
        return math.sqrt(p * (1 - p) / n)

    # The loss curve.

    @cached_property
    def curve(self) -> Array:
        """Mean loss of up to 20 windows of steps, in order; inf at the end if it diverged."""
        losses = np.array(self.observation.losses, dtype=np.float64)
        means = [float(part.mean()) for part in np.array_split(losses, 20) if len(part)]
        return np.array([*means, math.inf] if self.diverged else means)

    @cached_property
    def fits(self) -> bool:
        """Whether the network fits the training rows well at the end."""
        curve = self.curve
        low = curve[-1] <= max(0.15 * curve[0], 1.3 * curve.min())
        return bool(low) and self.train_end.points > max(0.75, self.constant + 0.05)

    @cached_property
    def overfits(self) -> bool:
        """Whether the network fits the training rows much better than the validation rows."""
        return self.fits and self.train_end.points - self.end.points > 0.1

    @cached_property
    def update(self) -> float:
        """Largest ratio over the weighted layers of the RMS of the first update to that of W."""
        looks = self.observation.looks
        if len(looks) < 2:
            return math.nan
        (first, one), (second, other) = looks[0], looks[1]
        ratios, start = [0.0], 0
        for param in self.training.net.params.values():
            stop = start + param.value.size
            if param.value.ndim == 2:
                change = np.linalg.norm(other.arrays[0][start:stop] - one.arrays[0][start:stop])
                size = float(np.linalg.norm(one.arrays[0][start:stop]))
                ratios.append(float(change) / size if size else 0.0)
            start = stop
        return max(ratios) / max(second - first, 1)

    @cached_property
    def labels(self) -> Array | None:
        """Labels of the training rows, or None."""
        return labels_in(self.training.y)

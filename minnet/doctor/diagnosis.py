"""Diagnosis: suspicions from symptoms, trials of remedies on copies, and the ranking of causes.

1. Each cause examines structure and symptoms, and may return a suspicion with remedies.
2. Remedies of the strongest suspicions are tried on copies of the training, from the same first
   weights and with the same order of rows, for half of the steps.
3. A suspicion is confirmed if its fault is certain, or if a remedy gains enough: at half of the
   steps the copy must be better than the training at its end.
4. Confirmed suspicions are ordered by certainty, strength of the symptoms and gain.
"""

from __future__ import annotations

from collections.abc import Callable

from minnet.doctor import generalization, rates, rows, signals, structure
from minnet.doctor.case import Case, Suspicion
from minnet.doctor.findings import Diagnosis
from minnet.doctor.remedies import ACTIONS, Remedy, apply
from minnet.doctor.training import Training

FAMILIES = {
    "layers, loss and gradients": structure,
    "inputs, targets and labels": rows,
    "signals and initial weights": signals,
    "learning rate and batch size": rates,
    "overfitting and regularization": generalization,
}
FLOOR = 0.3  # seconds that trials of a short training may take
DEBUG = False  # whether an exception in a cause is raised
STRONG = 0.65  # strength at which a suspicion is reported without trials
HARM = 0.05  # loss of points that a remedy of a certain fault may bring
NEAR = 0.15  # suspicions that are weaker by more than this than a confirmed one are not tried
WORSE = 0.02  # points behind the training at a quarter of the steps at which a trial is stopped


def examine(case: Case, *, trials: bool = True) -> Diagnosis:
    """Return the diagnosis of an observed training."""
    suspicions = [s for cause in causes() if (s := suspicion_of(cause, case)) is not None]
    for suspicion in suspicions:  # weak symptoms need gains beyond the error of the score
        if not suspicion.certain:
            error = 2 * (1 - suspicion.strength) * case.score_error
            suspicion.needed = max(suspicion.needed, error)
    suspicions.sort(key=lambda s: (s.certain, s.strength), reverse=True)
    if trials:
        confirm(case, suspicions)
        confirmed = [s for s in suspicions if is_confirmed(s)]
    else:
        confirmed = [s for s in suspicions if s.certain or s.strength >= STRONG]
    if case.diverged and not confirmed:
        confirmed = [s for s in suspicions if s.cause == "lr_too_high"]
    confirmed.sort(key=rank, reverse=True)
    findings = [s.finding(min(max(rank(s) / 2.2, 0.05), 0.99)) for s in confirmed]
    return Diagnosis(findings, list(FAMILIES))


def causes() -> list[Callable[[Case], Suspicion | None]]:
    """Return the functions that examine a training for one cause each."""
    return [cause for family in FAMILIES.values() for cause in family.CAUSES]


def suspicion_of(cause: Callable[[Case], Suspicion | None], case: Case) -> Suspicion | None:
    """Return a suspicion; None if a user's layer raises on the rows or steps that it receives."""
    try:
        return cause(case)
    except Exception:
        if DEBUG:
            raise
        return None


def is_confirmed(suspicion: Suspicion) -> bool:
    """Return whether a remedy gains enough, or the fault is certain and no remedy harms."""
    if suspicion.certain:
        return suspicion.gain > -HARM or not suspicion.gains
    return suspicion.gain >= suspicion.needed


def rank(suspicion: Suspicion) -> float:
    """Return the number by which confirmed suspicions are ordered."""
    gain = min(max(suspicion.gain, 0.0), 0.5) if suspicion.gains else 0.0
    return suspicion.certain + suspicion.strength + 0.8 * gain


CAUSES = tuple(cause.__name__ for cause in causes())


class Trials:
    """Trials of remedies on copies, within a number of steps."""

    def __init__(self, case: Case) -> None:
        self.case = case
        training = case.training
        values = training.net.theta.size * min(training.batch_size, len(training.x))
        seconds = 2e-5 * len(list(training.net.walk())) + 6 * values / 2e10
        self.left = max(float(training.steps), FLOOR / seconds)

    def gain(self, remedy: Remedy, suspicion: Suspicion) -> float | None:
        """Return the gain in points of a remedy, or None if it cannot be tried.

        A trial takes half of the steps. It is stopped at a quarter if it is behind the training,
        and takes all steps if at half it is ahead of the training at that step, but not yet ahead
        of the end. The gain is measured from the end of the training, for a certain fault from the
        same step.
        """
        case, needed, certain = self.case, suspicion.needed, suspicion.certain
        if remedy.action == "early_stopping":
            best = min((score for _, score in case.scores), key=lambda score: score.loss)
            return best.points - case.end.points
        if remedy.action not in ACTIONS or self.left <= 0:
            return None
        try:
            training = apply(case.training, remedy)
        except (ValueError, TypeError, KeyError, FloatingPointError):
            return None
        end, steps = case.end.points, training.steps
        stops = {max(steps // 4, 1): 0.25, max(steps // 2, 1): 0.5, steps: 1.0}
        points, lead, taken, allowed = end, 0.0, 0, self.left / self._cost(training)
        try:
            for taken in training.run():
                if taken not in stops:
                    continue
                points, share = training.score(training.net).points, stops[taken]
                lead = points - case.points_at(share)
                if share == 0.25 and lead < -WORSE and points < end - WORSE and not certain:
                    break
                if share == 0.5 and (points >= end + needed or lead < max(needed, 0.02)):
                    break
                if share == 0.5 and (allowed < steps or certain):
                    break
        except (FloatingPointError, ValueError):
            points = min(case.constant, end)
            lead = points - end
        self.left -= taken * self._cost(training)
        word = "accuracy" if case.labels is not None else "R²"
        remedy.text += f"; tried for {taken} steps: {word} {end:.3f} → {points:.3f}"
        return max(lead, points - end) if certain else points - end

    def _cost(self, training: Training) -> float:
        """Return the approximate time of a step relative to that of the observed training."""
        mine, other = training.batch_size, self.case.training.batch_size
        return (8 + mine) / (8 + other)


def confirm(case: Case, suspicions: list[Suspicion]) -> None:
    """Try remedies, those of the strongest suspicion first, and record the gains."""
    trials = Trials(case)
    best: Suspicion | None = None
    for suspicion in suspicions:
        if best is not None and suspicion.strength < best.strength - NEAR:
            break
        for remedy in suspicion.remedies[:3]:
            if is_worth_a_trial(case, suspicion, remedy):
                gain = trials.gain(remedy, suspicion)
                if gain is not None:
                    suspicion.gains[str(remedy)] = gain
        heals = suspicion.certain or suspicion.gain > 0.3 * (1 - case.end.points)
        if heals and is_confirmed(suspicion) and (best is None or rank(suspicion) > rank(best)):
            best = suspicion
    for suspicion in suspicions:
        suspicion.remedies.sort(key=suspicion.gain_of, reverse=True)


def is_worth_a_trial(case: Case, suspicion: Suspicion, remedy: Remedy) -> bool:
    """Return whether to try another remedy of a suspicion.

    A larger change of the same kind is tried only if the smaller one helped or the training
    diverged. Remedies of overfitting are compared with each other.
    """
    if not suspicion.gains:
        return True
    if remedy.action == suspicion.remedies[0].action:
        return suspicion.gain > 0 or case.diverged
    return suspicion.cause == "overfitting" or not is_confirmed(suspicion)

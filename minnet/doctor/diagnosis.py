"""Diagnosis: suspicions from symptoms, trials of remedies on copies, and the ranking of causes.

1. Each cause examines structure and symptoms, and may return a suspicion with remedies.
2. Remedies of the strongest suspicions are tried on copies of the training, from the same first
   weights and with the same order of rows, for half of the steps.
3. A suspicion is confirmed if a remedy gains enough over the end of the training or, if the fault
   is certain, unless all tried remedies harm. If the training is no better than a constant output
   and no remedy helps, strong symptoms suffice.
4. Confirmed suspicions are ordered by certainty, strength of the symptoms and gain.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from minnet.doctor import rows, signals, steps, structure
from minnet.doctor.case import Case, Suspicion
from minnet.doctor.findings import Diagnosis, Remedy
from minnet.doctor.remedies import ACTIONS
from minnet.doctor.training import step_seconds

FAMILIES = {
    "layers, loss and gradients": structure.CAUSES,
    "inputs, targets and labels": rows.CAUSES,
    "signals and initial weights": signals.CAUSES,
    "learning rate, batch size, regularization and overfitting": steps.CAUSES,
}
CAUSES = tuple(cause.__name__ for family in FAMILIES.values() for cause in family)
PER_LAYER = 0.005  # seconds of copies, symptoms and scores for each layer
FLOOR = 0.1  # seconds that trials of a short training may take, by `step_seconds`
DELAY = 2.0  # seconds after which a progress bar appears
STRONG = 0.65  # strength at which a suspicion is reported without trials
WEAK = 0.5  # strength below which a gain must exceed the variation at the end of the training
HARM = 0.05  # largest decrease of the points that a remedy of a certain fault may cause
NEAR = 0.15  # a suspicion weaker than the best confirmed one by more than this is not tried
# A trial that is this many points behind the training at a quarter of the steps ends, SLOW for
# strong symptoms and WORSE for weak ones.
WORSE, SLOW = 0.02, 0.1


def examine(case: Case, *, trials: bool = True) -> Diagnosis:
    """Return the diagnosis of an observed training."""
    suspicions, checked = [], list(FAMILIES)
    for cause in (cause for family in FAMILIES.values() for cause in family):
        try:
            with np.errstate(all="ignore"):
                suspicion = cause(case)
        except Exception as error:  # of a user's layer, on the rows or steps that it receives
            checked.append(f"{cause.__name__} was not examined ({type(error).__name__}: {error})")
        else:
            if suspicion is not None:
                suspicion.cause = cause.__name__
                suspicions.append(suspicion)
    for s in suspicions:  # weak symptoms and uncertain scores require a larger gain
        if not s.certain:
            s.needed = max(s.needed, 2 * (1 - s.strength) * case.score_error)
            if s.strength < WEAK:
                s.needed += max(case.points_at(0.75) - case.end.points, 0.0)
    suspicions.sort(key=lambda s: (s.certain, s.strength), reverse=True)
    if trials:
        checked += confirm(case, suspicions)
        confirmed = [s for s in suspicions if is_confirmed(s)]
    else:
        confirmed = [s for s in suspicions if s.certain or s.strength >= STRONG]
    if case.failed and not confirmed:
        confirmed = [s for s in suspicions if s.strength >= STRONG]
    confirmed.sort(key=rank, reverse=True)
    return Diagnosis([s.finding(min(rank(s) / 2.0, 0.99)) for s in confirmed], checked)


def is_confirmed(suspicion: Suspicion) -> bool:
    """Return whether a remedy gains enough, or the fault is certain and no remedy harms."""
    if suspicion.certain:
        return suspicion.gain > -HARM or not suspicion.gains
    return suspicion.gain >= suspicion.needed


def rank(suspicion: Suspicion) -> float:
    """Return the number by which confirmed suspicions are ordered."""
    return suspicion.certain + suspicion.strength + 0.6 * min(max(suspicion.gain, 0.0), 1.0)


def confirm(case: Case, suspicions: list[Suspicion]) -> list[str]:
    """Try remedies, those of the strongest suspicion first, and return what was tried.

    A suspicion that is much weaker than the best one so far is not tried, if a remedy of that one
    has gained at least 30% of the difference from perfect points.
    """
    from tqdm import tqdm  # only here, so that importing minnet is fast

    best: Suspicion | None = None
    with tqdm(total=case.training.steps, unit="step", delay=DELAY, leave=False) as bar:
        trials = Trials(case, bar)
        for suspicion in suspicions:
            if best is not None and suspicion.strength < best.strength - NEAR:
                break
            for remedy in suspicion.remedies[:3]:
                if is_worth_a_trial(case, suspicion, remedy):
                    trials.attempt(remedy, suspicion)
            enough = suspicion.certain or suspicion.gain > 0.3 * (1 - case.end.points)
            if enough and is_confirmed(suspicion):
                best = max(best or suspicion, suspicion, key=rank)
    for suspicion in suspicions:
        suspicion.remedies.sort(key=lambda r: suspicion.gains.get(str(r), 0.0), reverse=True)
    return trials.texts


def is_worth_a_trial(case: Case, suspicion: Suspicion, remedy: Remedy) -> bool:
    """Return whether to try a remedy of a suspicion.

    A larger change of the same kind is tried only if the smaller one helped or the training
    diverged. Remedies of overfitting are compared with each other.
    """
    if not suspicion.gains:
        return True
    if remedy.action == suspicion.remedies[0].action:
        unsure = suspicion.certain and not is_confirmed(suspicion)
        return suspicion.gain > 0 or case.diverged or unsure
    return suspicion.cause == "overfitting" or not is_confirmed(suspicion)


class Trials:
    """Trials of remedies on copies, within the time of the training or, if longer, `FLOOR`."""

    def __init__(self, case: Case, bar: Any) -> None:
        self.case, self.bar = case, bar
        training, spent = case.training, case.spent
        if case.diverged:  # other trainings need the time to decide a trial after all steps
            spent += PER_LAYER * len(list(training.net.walk()))
        self.left = max(training.steps * step_seconds(training) - spent, FLOOR)
        self.texts: list[str] = []
        self.results: dict[tuple[str, bool], tuple[float, float, Remedy] | None] = {}

    def attempt(self, remedy: Remedy, suspicion: Suspicion) -> None:
        """Record the gain of a remedy in points, unless it cannot be tried.

        The gain is the difference from the end of the training or, if better, a constant output;
        for a certain fault it is the larger of the differences at the same step and at the end.
        A remedy of several suspicions is tried once.
        """
        case, certain, key = self.case, suspicion.certain, (str(remedy), suspicion.certain)
        if key not in self.results:
            self.results[key] = self.result(remedy, suspicion)
        if (result := self.results[key]) is None:
            return
        points, lead, tried = result
        suspicion.remedies[suspicion.remedies.index(remedy)] = tried
        end = case.end.points
        least = end if certain or case.diverged else max(end, case.constant)
        suspicion.gains[key[0]] = max(lead, points - end) if certain else points - least

    def result(self, remedy: Remedy, suspicion: Suspicion) -> tuple[float, float, Remedy] | None:
        """Return points, lead over the training at the same step, and the remedy with its result.

        A trial takes half of the steps. It ends at a quarter if it is behind the training, or if
        the time is short. It takes all steps if at half it is ahead of the training at that step,
        but not yet ahead of the end, or if it is behind although the fault is certain.
        """
        case, needed, certain = self.case, suspicion.needed, suspicion.certain
        end, strong, lead, taken = case.end.points, suspicion.strength > WEAK, 0.0, 0
        if remedy.action == "early_stopping":
            points = min((score for _, score in case.scores), key=lambda score: score.loss).points
            return points, lead, remedy
        if remedy.action not in ACTIONS:
            return None
        try:
            training = ACTIONS[remedy.action](case.training.copy(), **remedy.arguments)
            cost = step_seconds(training)
            if self.left < training.steps / 4 * cost:
                return None
            stops = {max(int(training.steps * share), 1): share for share in (0.25, 0.5, 1.0)}
            for taken in training.run():
                self.bar.update()
                if taken not in stops:
                    continue
                points, share = training.score(training.net).points, stops[taken]
                lead = points - case.points_at(share)
                if share == 0.25:
                    behind = lead < (-SLOW if strong else -WORSE)
                    goes_on = certain or not behind or points >= end - WORSE
                elif certain:
                    goes_on = max(lead, points - end) <= -HARM
                else:
                    ahead = lead > (0.0 if strong else max(needed, WORSE))
                    goes_on = ahead and points < end + needed
                if not goes_on or self.left < 2 * share * training.steps * cost:
                    break
        except FloatingPointError:
            points = min(case.constant, end)
            lead = points - end
        except (ValueError, TypeError, LookupError):  # the remedy does not fit the network
            return None
        self.left -= taken * cost
        word = case.points_name
        result = f"{word} {end:.3f} → {points:.3f}"
        if points < end:
            result = f"{word} {points:.3f}, compared with {points - lead:.3f} without the remedy"
        text = f"{remedy.text}; tried for {taken} steps: {result}"
        self.texts.append(text)
        return points, lead, replace(remedy, text=text)

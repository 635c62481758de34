"""Replay of an experiment: the baseline beside the remedy with the highest test accuracy."""

import math
from collections.abc import Mapping

from minnet.doctor import Diagnosis
from minnet.experiments.trial import Record, Trial, Trials
from minnet.history import History
from minnet.replay import Replay, replay


def replay_of(
    trials: Trials, records: Mapping[str, Record], diagnoses: Mapping[str, Diagnosis] | None = None
) -> Replay:
    """Return the replay of the first label and of the best other one, with their first seeds.

    The findings of the diagnoses are marked at their step and layer.
    """
    found = diagnoses or {}
    first, *others = records
    remedy = max(others, key=lambda label: _accuracy(trials[label][0]), default=None)
    other = None
    if remedy is not None:
        other = _replay(remedy, trials[remedy][0], records[remedy], found.get(remedy))
    return _replay(first, trials[first][0], records[first], found.get(first), other)


def _accuracy(trial: Trial) -> float:
    value = trial.last("val_accuracy")
    return -math.inf if trial.stopped is not None or math.isnan(value) else value


def _replay(
    label: str,
    trial: Trial,
    record: Record,
    diagnosis: Diagnosis | None,
    other: Replay | None = None,
) -> Replay:
    ends, _ = record.statistics.epochs("loss")
    history = History(
        val_loss=trial.curves["val_loss"][: len(ends)],
        val_accuracy=trial.curves["val_accuracy"][: len(ends)],
        epoch_steps=[int(end) + 1 for end in ends],
    )
    return replay(
        record.histograms, record.statistics, history, other=other, diagnosis=diagnosis, title=label
    )

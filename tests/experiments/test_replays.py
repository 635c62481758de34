"""The replay of an experiment shows the baseline and the best remedy."""

import dataclasses

import pytest

from minnet.experiments.replays import replay_of
from minnet.experiments.setup import Setup
from minnet.experiments.trial import Record, train

TINY = Setup(data="iris", hidden=(8,), batch_size=40, epochs=3)


@pytest.fixture(scope="module")
def trained():
    return train(TINY, record=True)


def with_accuracy(trial, value, *, stopped=None):
    curves = {**trial.curves, "val_accuracy": [value] * 3}
    return [dataclasses.replace(trial, curves=curves, stopped=stopped)]


def test_the_baseline_comes_first_and_the_best_remedy_second(trained):
    trial, record = trained
    trials = {
        "baseline": with_accuracy(trial, 0.9),
        "poor": with_accuracy(trial, 0.2),
        "good": with_accuracy(trial, 0.8),
        "diverged": with_accuracy(trial, 1.0, stopped="step 3: not finite"),
    }
    page = replay_of(trials, dict.fromkeys(trials, record))
    assert page.title == "baseline and good"
    assert replay_of({"only": [trial]}, {"only": record}).title == "only"


def test_a_stored_record_has_the_same_replay(trained, tmp_path):
    trial, record = trained
    record.save(tmp_path / "record")
    stored = Record.load(TINY, tmp_path / "record")
    pages = [replay_of({"iris": [trial]}, {"iris": one}).html for one in (record, stored)]
    assert pages[0] == pages[1]
    assert '"val_loss"' in pages[0]

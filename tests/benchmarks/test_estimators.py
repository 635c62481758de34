"""The comparison with scikit-learn's estimators: scores over seeds, and times of fit."""

import numpy as np
import pytest

from benchmarks import estimators, measuring
from benchmarks.candidates import Candidate, Plan
from benchmarks.measuring import Report, Result
from benchmarks.peers.estimators import CLASSIFICATION, DATA, fitted, split, training
from minnet.experiments.intervals import mean

QUICK = Plan(quick=True, rounds=2, seeds=2)


@pytest.mark.parametrize("data", ["wine", "diabetes", "friedman"])
def test_a_split_is_standardized_by_the_training_rows(data):
    parts, again = split(data, 1), split(data, 1)
    np.testing.assert_allclose(parts.x.mean(axis=0), 0, atol=1e-12)
    assert 0.2 < len(parts.x_test) / (len(parts.x) + len(parts.x_test)) < 0.3
    np.testing.assert_array_equal(parts.x_test, again.x_test)
    if data not in CLASSIFICATION:
        assert parts.y.std() == pytest.approx(1)
        assert parts.y_test.mean() == pytest.approx(0, abs=0.2)


def test_both_libraries_have_the_same_settings_and_initial_weights():
    parts = split("wine", 0)
    still = {"learning_rate_init": 1e-300, "max_iter": 1}
    mine, other = (
        fitted("wine", library, parts, 5, **still) for library in ("minnet", "scikit-learn")
    )
    np.testing.assert_allclose(mine.predict_proba(parts.x), other.predict_proba(parts.x))
    shared = mine.get_params().keys() & other.get_params().keys()
    assert {key: mine.get_params()[key] for key in shared} == {
        key: other.get_params()[key] for key in shared
    }
    assert training("wine", "minnet", max_iter=2)().n_iter_ == 2


def test_differences_of_scores_are_paired_by_seed(monkeypatch):
    monkeypatch.setattr(estimators, "DATA", ("wine",))
    report = Report()
    text = estimators.scores(report, QUICK)
    differences = []
    for seed in range(2):
        parts = split("wine", seed)
        scores = [
            fitted("wine", library, parts, seed, max_iter=3).score(parts.x_test, parts.y_test)
            for library in ("minnet", "scikit-learn")
        ]
        differences.append(scores[0] - scores[1])
    expected = mean(differences)
    label = "wine: accuracy, minnet minus scikit-learn"
    assert report.figures[f"{label}, value"] == pytest.approx(expected.value)
    assert report.figures[f"{label}, low"] == pytest.approx(expected.low)
    assert "2 seeds" in text
    assert f"({expected.low:+.4f} to {expected.high:+.4f})" in text


def test_times_are_ratios_of_rounds_for_every_data_set(monkeypatch):
    def measure(candidates: list[Candidate], plan: Plan) -> list[Result]:
        assert (plan.warm, plan.seconds, plan.least) == (0.0, 0.0, 1)
        return [Result(c, [1.0, 1.0] if c.name == "minnet" else [2.0, 3.0]) for c in candidates]

    monkeypatch.setattr(measuring, "measure", measure)
    monkeypatch.setattr(estimators, "scores", lambda report, plan: "")
    report = estimators.run(QUICK)
    for data in DATA:
        assert report.figures[f"{data}: scikit-learn over minnet"] == (2.5, 2.0, 3.0)
        assert report.figures[f"{data}: scikit-learn over minnet float32"] == (1.0, 1.0, 1.0)

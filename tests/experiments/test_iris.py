"""The Iris experiment: it learns, its numbers are what they say, and its figures show them."""

import json

import numpy as np
import pytest

from minnet import datasets
from minnet.experiments import iris


@pytest.fixture(scope="module")
def trained():
    return iris.run(seed=0)


def test_the_network_is_the_articles(trained):
    assert trained.net.summary().total == 4 * 64 + 64 + 64 * 32 + 32 + 32 * 16 + 16 + 16 * 3 + 3
    assert list(trained.after.kind("y"))[:2] == ["dense1", "relu1"]
    assert trained.history.steps == 500


def test_the_median_test_accuracy_of_ten_seeds_is_at_least_093():
    accuracies = [iris.run(seed=seed).metrics["accuracy"]["test"] for seed in range(10)]
    assert np.median(accuracies) >= 0.93


def test_a_seed_decides_everything():
    first, again, other = (iris.run(seed=seed, epochs=20) for seed in (1, 1, 2))
    assert first.metrics == again.metrics
    assert first.metrics["loss"] != other.metrics["loss"]


def test_the_data_are_split_by_seed_42_and_scaled_by_the_training_rows(trained):
    (x_train, _), (x_test, y_test) = datasets.iris(rng=42)
    x_test = (x_test - x_train.mean(axis=0)) / x_train.std(axis=0)
    predicted = trained.net.predict(x_test).argmax(axis=1)
    assert trained.metrics["accuracy"]["test"] == (predicted == y_test).mean()


def test_the_table_tells_what_the_captured_arrays_hold(trained):
    y = trained.after["relu2"]["y"].astype(np.float64)
    row = trained.metrics["layers"]["after"]["relu2"]
    assert y.shape == (30, 32)
    assert row["mean"] == pytest.approx(y.mean())
    assert row["std"] == pytest.approx(y.std())
    assert row["kurtosis"] == pytest.approx(((y - y.mean()) ** 4).mean() / y.var() ** 2 - 3)
    assert (row["minimum"], row["maximum"]) == (y.min(), y.max())
    assert row["zeros"] == pytest.approx((y == 0).mean())
    assert row["dead"] == (y == y[0]).all(axis=0).sum()


def test_before_training_is_another_network_than_after(trained):
    before, after = trained.before["dense1"]["y"], trained.after["dense1"]["y"]
    assert before.shape == after.shape
    assert not np.allclose(before, after)


def test_as_article_trains_a_linear_output_on_squared_error_with_its_own_split():
    result = iris.run(as_article=True, seed=0)
    assert result.metrics["settings"]["loss"] == "MeanSquaredError"
    assert result.metrics["loss"]["training"] < 0.02
    # seed 42 without stratification leaves 10, 9 and 11 flowers for the test
    _, (_, y_test) = iris._article_data()
    assert np.bincount(y_test).tolist() == [10, 9, 11]


def test_write_leaves_figures_and_numbers_that_a_json_reader_takes(trained, tmp_path):
    paths = iris.write(trained, tmp_path / "new" / "folder")
    names = {path.name for path in paths}
    assert {"histograms.png", "histograms.svg", "learning_curves.png", "metrics.json"} <= names
    assert all(path.stat().st_size > 1000 for path in paths)
    metrics = json.loads((tmp_path / "new" / "folder" / "metrics.json").read_text())
    assert metrics["accuracy"] == trained.metrics["accuracy"]
    assert set(metrics["layers"]) == {"before", "after"}

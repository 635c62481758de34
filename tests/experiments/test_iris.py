"""The Iris experiment: its accuracy, the tables and the figures."""

import json

import numpy as np
import pytest
from matplotlib.patches import StepPatch

from minnet import datasets
from minnet.experiments import report
from minnet.experiments.experiment import Results
from minnet.experiments.iris import EXPERIMENT
from minnet.experiments.measures import distribution
from minnet.experiments.setup import load
from minnet.experiments.trial import Record, Trial, train


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("iris") / "new" / "folder"


@pytest.fixture(scope="module")
def results(out):
    return EXPERIMENT.run(EXPERIMENT.setups(), out, seeds=range(10))


@pytest.fixture(scope="module")
def trials(results):
    return results.trials["iris"]


@pytest.fixture(scope="module")
def record(results):
    return results.records["iris"]


@pytest.fixture(scope="module")
def article():
    (setup,) = EXPERIMENT.setups(as_article=True).values()
    return train(setup, record=True)


def test_the_network_is_the_articles(record):
    assert record.net.summary().total == 4 * 64 + 64 + 64 * 32 + 32 + 32 * 16 + 16 + 16 * 3 + 3
    layers = ["dense1", "relu1", "dense2", "relu2", "dense3", "relu3", "dense4"]
    assert list(record.after().kind("y")) == layers


def test_it_is_trained_for_500_steps_of_all_rows(trials, record):
    assert len(trials[0].curves["loss"]) == 500
    assert record.statistics.steps("dense1", "y")[-1, 1] <= 499
    assert len(load("iris").x) == 120 == record.setup.batch_size


def test_the_median_test_accuracy_of_ten_seeds_is_at_least_093(trials):
    assert len({trial.setup.seed for trial in trials}) == 10
    assert np.median([trial.last("val_accuracy") for trial in trials]) >= 0.93


def test_the_seed_determines_the_results():
    (setup,) = EXPERIMENT.setups(epochs=20).values()
    first, again, other = (train(setup.but(seed=seed))[0] for seed in (1, 1, 2))
    assert first.curves["val_loss"] == again.curves["val_loss"]
    assert first.end["dense"] == again.end["dense"]
    assert first.curves["val_loss"] != other.curves["val_loss"]


def test_the_data_are_split_by_seed_42_and_scaled_by_the_training_rows(trials, record):
    (x_train, _), (x_test, y_test) = datasets.iris(rng=42)
    x_test = (x_test - x_train.mean(axis=0)) / x_train.std(axis=0)
    predicted = record.net.predict(x_test).argmax(axis=1)
    assert trials[0].last("val_accuracy") == (predicted == y_test).mean()


def test_the_distribution_of_a_layer_matches_its_captured_array(record):
    captured = record.after()
    y = captured["relu2"]["y"].astype(np.float64)
    row = distribution(captured["relu2"]["y"])
    assert y.shape == (30, 32)
    assert row["mean"] == pytest.approx(y.mean())
    assert row["std"] == pytest.approx(y.std())
    assert row["kurtosis"] == pytest.approx(((y - y.mean()) ** 4).mean() / y.var() ** 2 - 3)
    assert (row["minimum"], row["maximum"]) == (y.min(), y.max())
    assert row["zeros"] == pytest.approx((y == 0).mean())
    assert row["dead"] == (y == y[0]).all(axis=0).sum()


def test_the_report_has_both_tables(results, record):
    text = EXPERIMENT.text(results)
    for captured in (record.before(), record.after()):
        assert report.distribution_table(captured) in text
    assert report.outcome_table(results.trials) in text


def test_before_training_is_another_network_than_after(record):
    before, after = record.before()["dense1"]["y"], record.after()["dense1"]["y"]
    assert before.shape == after.shape
    assert not np.allclose(before, after)


def test_as_article_trains_a_linear_output_on_squared_error_with_its_own_split(article):
    trial, record = article
    assert trial.setup.loss == "squared_error"
    assert trial.last("train_loss") < 0.02
    output = record.net.predict(load("iris_article").x_test)
    assert abs(output.sum(axis=1) - 1).max() > 1e-3, "no softmax"
    # seed 42 without stratification leaves 10, 9 and 11 flowers for the test
    assert np.bincount(load("iris_article").labels_test).tolist() == [10, 9, 11]


def test_as_article_draws_what_its_code_extracted_and_the_outputs_of_the_network(
    article: tuple[Trial, Record],
) -> None:
    trial, record = article
    assert record.net is not None
    figure = EXPERIMENT.draw(Results({"iris": [trial]}, {"iris": record}, True))["extractors"][0]
    right = wrong = load("iris_article").x_test.astype(np.float64)
    expected = []
    for layer in record.net.layers[:6:2]:
        weight, bias = (layer.params[name].value for name in ("weight", "bias"))
        right, wrong = np.maximum(right @ weight + bias, 0), wrong @ weight + bias
        expected += [wrong, right]
    for panel, y in zip(figure.axes, expected, strict=True):
        (bars,) = (patch for patch in panel.patches if isinstance(patch, StepPatch))
        density, edges, _ = bars.get_data()
        share = np.histogram(y[y != 0], edges)[0] / y.size
        np.testing.assert_allclose(density * np.diff(edges), share, atol=2 / y.size)


def test_the_folder_has_figures_and_valid_json(results, trials, out):
    names = {path.name for path in out.iterdir()}
    figures = ("histograms", "accuracy", "loss")
    assert {f"{name}.{suffix}" for name in figures for suffix in ("png", "svg")} < names
    assert {"metrics.json", "report.md"} < names
    assert all(path.stat().st_size > 1000 for path in out.iterdir() if path.is_file())
    metrics = json.loads((out / "metrics.json").read_text(), parse_constant=pytest.fail)
    kept = metrics["trials"]["iris"][0]
    assert kept["curves"]["val_accuracy"] == trials[0].curves["val_accuracy"]
    assert [row["name"] for row in kept["end"]["hidden"]] == ["relu1", "relu2", "relu3"]
    assert kept["end"]["hidden"] != kept["start"]["hidden"]


def test_the_quick_network_learns():
    (setup,) = EXPERIMENT.setups(quick=True).values()
    assert setup.epochs < 500
    assert train(setup)[0].last("train_accuracy") >= 0.9

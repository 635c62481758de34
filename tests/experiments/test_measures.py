"""Measures: each against its definition."""

import json

import numpy as np
import pytest

from minnet.experiments.measures import BARS, MEASURES
from minnet.experiments.setup import Setup, load
from minnet.experiments.trial import train

SMALL = Setup(data="digits", rows=60, hidden=(12, 8), seed=3)


def measured(name, setup):
    return MEASURES[name](setup.build(), load(setup.data, setup.scaling, setup.rows))


@pytest.mark.parametrize("name", MEASURES)
def test_every_measure_returns_json_values_and_changes_nothing(name):
    net, data = SMALL.build(), load("digits", rows=60)
    theta = net.theta.copy()
    reported = MEASURES[name](net, data)
    assert json.loads(json.dumps(reported)) == reported
    np.testing.assert_array_equal(net.theta, theta)
    assert reported == MEASURES[name](net, data)


def test_a_setup_requests_measures_by_name():
    trial, _ = train(SMALL.but(measures=("extractors", "likeness"), epochs=0))
    assert trial.measures["start"] == {
        name: measured(name, SMALL) for name in trial.measures["end"]
    }
    assert list(trial.measures["end"]) == ["extractors", "likeness"]


@pytest.mark.parametrize("init", ["zeros", "constant"])
def test_the_spread_of_equal_units_is_0(init):
    assert measured("likeness", SMALL.but(init=init)) == pytest.approx([0, 0, 0], abs=1e-12)


def test_the_spread_is_the_rms_deviation_over_the_rms_of_weights_and_biases():
    net, data = SMALL.but(init="constant").build(), load("digits", rows=60)
    first = net.layers[0]
    first.weight.value = np.zeros((64, 12))
    first.bias.value = np.repeat([0.0, 3.0], 6)  # mean 1.5, with a deviation of 1.5 for each
    rms_of_all = 3 / np.sqrt(2)
    reported = MEASURES["likeness"](net, data)
    assert reported == pytest.approx([1.5 / rms_of_all, 0, 0])


def test_randomly_drawn_units_have_a_spread_near_1():
    assert all(0.9 < number < 1 for number in measured("likeness", SMALL))


def test_the_spread_does_not_depend_on_the_scale_of_the_weights():
    large = SMALL.but(weight_scale=1000.0)
    assert measured("likeness", large) == pytest.approx(measured("likeness", SMALL), rel=1e-5)


def test_units_without_a_bias_are_compared_by_their_weights():
    alike = measured("likeness", SMALL.but(batchnorm=True, init="constant"))
    assert alike == pytest.approx([0, 0, 0], abs=1e-12)


def test_extractors_measure_the_network_and_the_articles_chain_of_dense_layers():
    net, data = SMALL.but(init="torch").build(), load("digits", rows=60)
    right = wrong = data.x_test.astype(np.float64)
    reported = MEASURES["extractors"](net, data)
    assert [len(rows) for rows in reported.values()] == [2, 2]
    for number, layer in enumerate(net.layers[:4:2]):
        right = np.maximum(right @ layer.weight.value + layer.bias.value, 0)
        wrong = wrong @ layer.weight.value + layer.bias.value
        for kind, y in (("right", right), ("article", wrong)):
            row, centred = reported[kind][number], y - y.mean()
            kurtosis = (centred**4).mean() / y.var() ** 2 - 3
            assert row["kurtosis"] == pytest.approx(kurtosis, rel=1e-3, abs=1e-4)
            assert row["range"] == pytest.approx(y.max() - y.min(), rel=1e-5)
            assert row["zeros"] == pytest.approx((y == 0).mean())
            assert row["inactive"] == pytest.approx((y <= 0).mean())
            assert row["dead"] == pytest.approx((y <= 0).all(axis=0).mean())
    assert all(row["zeros"] == 0 for row in reported["article"])
    assert all(row["zeros"] > 0.1 for row in reported["right"])


def test_the_tallest_bar_of_a_relu_layer_holds_0():
    reported = measured("extractors", SMALL)
    assert [row["tallest_bar_holds_0"] for row in reported["right"]] == [1, 1]
    assert BARS == 50


def test_the_tallest_bar_of_values_far_from_0_does_not_hold_0():
    net = SMALL.build()
    net.layers[0].bias.value = 100.0
    reported = MEASURES["extractors"](net, load("digits", rows=60))
    assert reported["right"][0]["tallest_bar_holds_0"] == 0
    assert reported["right"][0]["inactive"] == 0

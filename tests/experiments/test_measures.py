"""Measures: each against its definition."""

import json

import numpy as np
import pytest

from minnet.experiments.data import load
from minnet.experiments.measures import BARS, MEASURES
from minnet.experiments.setup import Setup
from minnet.experiments.trial import train

SMALL = Setup(data="digits", rows=60, hidden=(12, 8), seed=3)


def measured(name, setup):
    return MEASURES[name](setup.build(), load(setup.data, setup.scaling, setup.rows))


@pytest.mark.parametrize("name", MEASURES)
def test_every_measure_returns_json_values_and_changes_nothing(name):
    net, data = SMALL.build(), load("digits", rows=60)
    theta = net.theta.copy()
    told = MEASURES[name](net, data)
    assert json.loads(json.dumps(told)) == told
    np.testing.assert_array_equal(net.theta, theta)
    assert told == MEASURES[name](net, data)


def test_a_setup_requests_measures_by_name():
    trial, _ = train(SMALL.but(measures=("extractors", "likeness"), epochs=0))
    assert trial.measures["start"] == {
        name: measured(name, SMALL) for name in trial.measures["end"]
    }
    assert list(trial.measures["end"]) == ["extractors", "likeness"]


@pytest.mark.parametrize("init", ["zeros", "constant"])
def test_units_that_begin_alike_differ_by_nothing(init):
    assert measured("likeness", SMALL.but(init=init)) == pytest.approx([0, 0, 0], abs=1e-12)


def test_likeness_is_what_differs_from_unit_to_unit_over_all_weights_and_biases():
    net, data = SMALL.but(init="constant").build(), load("digits", rows=60)
    first = net.layers[0]
    first.weight.value = np.zeros((64, 12))
    first.bias.value = np.repeat([0.0, 3.0], 6)  # mean 1.5, from which each differs by 1.5
    rms_of_all = 3 / np.sqrt(2)
    told = MEASURES["likeness"](net, data)
    assert told == pytest.approx([1.5 / rms_of_all, 0, 0])


def test_randomly_drawn_units_have_a_likeness_near_1():
    assert all(0.9 < number < 1 for number in measured("likeness", SMALL))


def test_likeness_does_not_depend_on_how_large_the_weights_are():
    large = SMALL.but(weight_scale=1000.0)
    assert measured("likeness", large) == pytest.approx(measured("likeness", SMALL), rel=1e-5)


def test_units_without_a_bias_are_compared_by_their_weights():
    alike = measured("likeness", SMALL.but(batchnorm=True, init="constant"))
    assert alike == pytest.approx([0, 0, 0], abs=1e-12)


def test_extractors_are_the_network_as_it_is_and_as_the_article_chained_it():
    net, data = SMALL.but(init="torch").build(), load("digits", rows=60)
    right = wrong = data.x_test.astype(np.float64)
    told = MEASURES["extractors"](net, data)
    assert [len(rows) for rows in told.values()] == [2, 2]
    for place, layer in enumerate(net.layers[:4:2]):
        right = np.maximum(right @ layer.weight.value + layer.bias.value, 0)
        wrong = wrong @ layer.weight.value + layer.bias.value
        for which, y in (("right", right), ("article", wrong)):
            row, centred = told[which][place], y - y.mean()
            kurtosis = (centred**4).mean() / y.var() ** 2 - 3
            assert row["kurtosis"] == pytest.approx(kurtosis, rel=1e-3, abs=1e-4)
            assert row["range"] == pytest.approx(y.max() - y.min(), rel=1e-5)
            assert row["zeros"] == pytest.approx((y == 0).mean())
            assert row["inactive"] == pytest.approx((y <= 0).mean())
            assert row["dead"] == pytest.approx((y <= 0).all(axis=0).mean())
    assert all(row["zeros"] == 0 for row in told["article"])
    assert all(row["zeros"] > 0.1 for row in told["right"])


def test_the_tallest_bar_of_a_relu_layer_holds_0():
    told = measured("extractors", SMALL)
    assert [row["tallest_bar_holds_0"] for row in told["right"]] == [1, 1]
    assert BARS == 50


def test_the_tallest_bar_of_what_lies_far_from_0_does_not_hold_it():
    net = SMALL.build()
    net.layers[0].bias.value = 100.0
    told = MEASURES["extractors"](net, load("digits", rows=60))
    assert told["right"][0]["tallest_bar_holds_0"] == 0
    assert told["right"][0]["inactive"] == 0

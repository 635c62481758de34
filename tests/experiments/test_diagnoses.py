"""Diagnoses of the networks of an experiment."""

import json
import math

import pytest

from minnet.experiments.diagnoses import LEAST, WORK, diagnose, steps_of
from minnet.experiments.iris import EXPERIMENT
from minnet.experiments.report import diagnosis_list
from minnet.experiments.setup import Setup

DIGITS = Setup(data="digits", hidden=(16,) * 6, batch_size=20, epochs=10, optimizer="adam", lr=0.01)


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"activation": "sigmoid", "init": "torch"}, "attenuation"),
        ({"init": "zeros"}, "symmetry"),
        ({"init": "he_normal", "weight_scale": 2.5}, "explosion"),
    ],
)
def test_the_first_steps_show_the_cause(changes, cause):
    assert diagnose(DIGITS.but(**changes)).findings[0].cause == cause


def test_a_healthy_network_has_no_finding():
    assert diagnose(DIGITS.but(hidden=(32,), init="he_normal")).healthy


def test_only_trainings_of_large_networks_are_observed_in_part():
    assert steps_of(DIGITS.but(epochs=1, rows=40)) == 2
    assert steps_of(DIGITS) == 10 * math.ceil(len(DIGITS.load().x) / 20)
    large = DIGITS.but(hidden=(500, 500), epochs=1000)
    assert LEAST < steps_of(large) == int(WORK / (20 * large.build().theta.size))
    assert steps_of(large.but(hidden=(3000,) * 4)) == LEAST


def test_iris_is_healthy_although_its_first_steps_are_slow():
    iris = EXPERIMENT.variants["iris"]
    assert diagnose(iris).healthy
    assert diagnose(iris.but(epochs=100)).findings[0].cause == "lr_too_low"


def test_the_list_names_each_label_cause_and_remedy():
    found = diagnose(DIGITS.but(init="zeros", epochs=2))
    text = diagnosis_list({"zero": found})
    assert text.startswith("- zero: symmetry")
    assert "Remedy: initialize with he_normal" in text
    assert json.dumps(found.to_dict(), allow_nan=False)

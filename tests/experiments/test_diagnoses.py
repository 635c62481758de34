"""Diagnoses of the networks of an experiment."""

import json

import pytest

from minnet.experiments.diagnoses import LEAST, MOST, diagnose, steps_of
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


def test_a_share_of_the_steps_is_observed():
    assert steps_of(DIGITS) == MOST
    assert steps_of(DIGITS.but(epochs=1, rows=40)) == LEAST
    assert LEAST < steps_of(DIGITS.but(epochs=4)) < MOST


def test_the_list_names_each_label_cause_and_remedy():
    found = diagnose(DIGITS.but(init="zeros", epochs=2))
    text = diagnosis_list({"zero": found})
    assert text.startswith("- zero: symmetry")
    assert "Remedy: initialize with he_normal" in text
    assert json.dumps(found.to_dict(), allow_nan=False)

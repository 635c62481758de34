"""Labelled trainings, on which the doctor is measured."""

import numpy as np
import pytest

from benchmarks.doctor.cases import FAULTS, cases
from benchmarks.doctor.measuring import ACTIONS, random_remedy, repair, wilson
from benchmarks.doctor.settings import build
from minnet.doctor import CAUSES

DRAWN = list(cases(2))


def test_every_cause_has_a_fault_whose_twin_differs():
    faulty = [case for case in DRAWN if case.group == "faulty"]
    assert {case.cause for case in faulty} == set(CAUSES)
    assert len(FAULTS) == len(CAUSES)
    assert all(case.setting != case.twin for case in faulty if case.cause != "overfitting")


def test_about_a_third_of_the_configurations_is_held_out_and_always_the_same():
    share = np.mean([case.held_out for case in cases(10)])
    assert 0.25 < share < 0.42
    assert [case.key for case in cases(2)] == [case.key for case in DRAWN]


@pytest.mark.parametrize("case", [c for c in DRAWN if c.setting.data == "iris"][:8])
def test_a_configuration_builds_equal_networks_for_equal_seeds(case):
    (first, x, y, _), (second, *_) = (build(case.setting, 1) for _ in range(2))
    assert np.array_equal(first.theta, second.theta)
    assert len(x) == len(y) > 0


def test_every_remedy_changes_a_setting():
    case = DRAWN[0]
    remedies = [random_remedy(case, seed) for seed in range(300)]
    assert {remedy.action for remedy in remedies} == set(ACTIONS)
    assert all(repair(case, remedy) is not case.setting for remedy in remedies)


def test_wilson_intervals():
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(10, 10) == pytest.approx((0.722, 1.0), abs=1e-3)
    assert wilson(5, 10) == pytest.approx((0.237, 0.763), abs=1e-3)

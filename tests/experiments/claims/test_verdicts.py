"""Verdicts from intervals and parts, and the quantities of trials that they use."""

import math

import pytest

from minnet.experiments.claims.claim import drawn
from minnet.experiments.claims.verdicts import (
    FAILS,
    HOLDS,
    UNDECIDED,
    above,
    all_of,
    any_of,
    below,
    listed,
    negated,
    only_if,
    percent,
    verdict,
)
from minnet.experiments.intervals import Interval, mean
from minnet.experiments.readings import accuracy, difference, last
from minnet.experiments.setup import Setup
from minnet.experiments.trial import Trial

SETUP = Setup(hidden=(8,))


def ending(seed=0, stopped=None, **curves):
    trial = Trial(SETUP.but(seed=seed), stopped=stopped)
    trial.curves |= {name: [number] for name, number in curves.items()}
    return trial


def test_a_diverged_training_counts_as_guessing_and_is_not_drawn():
    diverged = ending(stopped="NaN", train_loss=0.5)
    assert last(diverged, "val_accuracy") == 0.1
    assert last(diverged, "train_loss") == pytest.approx(math.log(10))
    assert last(ending(train_loss=math.inf), "train_loss") == pytest.approx(math.log(10))
    assert last(ending(train_loss=0.5), "train_loss") == 0.5
    runs = [ending(val_accuracy=0.9), diverged]
    assert drawn(runs, accuracy) == [0.9, pytest.approx(math.nan, nan_ok=True)]


def test_guessing_depends_on_the_number_of_classes():
    diverged = Trial(Setup(data="iris", hidden=(8,)), stopped="NaN")
    assert last(diverged, "val_accuracy") == 1 / 3
    assert last(diverged, "train_loss") == pytest.approx(math.log(3))


def test_an_interval_is_above_below_or_contains_the_threshold():
    interval = mean([2.0, 3.0, 4.0])  # 0.5 to 5.5
    assert [above(interval, at) for at in (0.5, 0.6, 5.4, 5.6)] == [True, None, None, False]
    assert [below(interval, at) for at in (0.5, 0.6, 5.4, 5.6)] == [False, None, None, True]


def test_the_value_of_one_seed_decides():
    assert [above(mean([2.0]), at) for at in (1, 2, 3)] == [True, None, False]
    assert [below(mean([2.0]), at) for at in (1, 2, 3)] == [False, None, True]


def test_an_unknown_interval_decides_nothing():
    assert above(mean([1.0, math.nan]), 0) is None
    assert above(mean([]), 0) is None
    assert above(Interval(0.0, 0.0, 0.0, 3), 0) is None


@pytest.mark.parametrize(
    ("outcomes", "expected_all", "expected_any"),
    [
        ([True, True], True, True),
        ([True, None], None, True),
        ([True, None, False], False, True),
        ([None, False], False, None),
        ([False, False], False, False),
        ([None], None, None),
    ],
)
def test_outcomes_combine(outcomes, expected_all, expected_any):
    assert all_of(outcomes) is expected_all
    assert any_of(outcomes) is expected_any
    assert negated(expected_all) is (None if expected_all is None else not expected_all)


def test_trials_of_the_same_seed_are_paired():
    some_runs = [ending(seed, val_accuracy=0.5 + 0.1 * seed) for seed in range(4)]
    others = [ending(seed, val_accuracy=0.4 + 0.1 * seed) for seed in range(4)]
    found = difference({"some": some_runs, "others": others}, "some", "others", accuracy)
    assert found.value == pytest.approx(0.1)
    assert found.high - found.low < 1e-9
    with pytest.raises(ValueError, match="shorter"):
        difference({"some": some_runs, "others": others[1:]}, "some", "others", accuracy)


def test_numbers_and_names_as_text():
    assert percent(mean([0.5])) == "50.0%"
    assert listed(["a"]) == "a"
    assert listed(["a", "b"]) == "a and b"


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (True, True, HOLDS),
        (False, False, FAILS),
        (False, True, only_if("of b")),
        (None, True, only_if("of b")),
        (None, False, UNDECIDED),
        (None, None, UNDECIDED),
    ],
)
def test_the_verdict_follows_from_the_parts(a, b, expected):
    assert verdict({"a": a, "b": b}, "of {}") == expected


def test_a_claim_without_a_testable_part_is_undecided():
    assert verdict({}, "of {}") == UNDECIDED


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ((True, True, True, True), HOLDS),
        ((False, False, False, False), FAILS),
        ((False, None, False, False), UNDECIDED),
        ((True, None, True, None), only_if("it is a here; b")),
        ((True, True, False, False), only_if("it is a")),
    ],
)
def test_the_verdict_names_the_cases_of_each_part(outcomes, expected):
    cases = [("a", "here"), ("a", "there"), ("b", "here"), ("c", "here")]
    assert verdict(dict(zip(cases, outcomes, strict=True)), "it is {}") == expected


def test_a_conditional_verdict_as_text():
    assert str(only_if("it rains")) == "holds only if it rains"
    assert (only_if("it rains").name, str(HOLDS), str(UNDECIDED)) == (
        "conditional", "holds", "undecided",
    )  # fmt: skip

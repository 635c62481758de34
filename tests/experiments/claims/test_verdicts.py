"""What judges read off trials, and how intervals and parts decide."""

import math

import pytest

from minnet.experiments.claims.claim import FAILS, HOLDS, UNSETTLED
from minnet.experiments.claims.verdicts import (
    above,
    below,
    confined,
    every,
    last,
    listed,
    opposite,
    paired,
    percent,
    settled,
    sided,
    some,
    unsettled,
    verdict_of_parts,
)
from minnet.experiments.intervals import Interval, mean
from minnet.experiments.setup import Setup
from minnet.experiments.trial import Trial

SETUP = Setup(hidden=(8,))


def ending(seed=0, stopped=None, **curves):
    trial = Trial(SETUP.but(seed=seed), stopped=stopped)
    trial.curves |= {name: [number] for name, number in curves.items()}
    return trial


def test_what_broke_off_counts_as_a_guess():
    broken = ending(stopped="NaN", train_loss=0.5)
    assert last(broken, "val_accuracy") == 0.1
    assert last(broken, "train_loss") == pytest.approx(math.log(10))
    assert last(ending(train_loss=math.inf), "train_loss") == pytest.approx(math.log(10))
    assert last(ending(train_loss=0.5), "train_loss") == 0.5


def test_the_whole_interval_decides():
    interval = mean([2.0, 3.0, 4.0])  # 0.5 to 5.5
    assert (above(interval, 0.5), above(interval, 1)) == (True, False)
    assert (below(interval, 5.5), below(interval, 5)) == (True, False)


def test_of_one_seed_the_number_itself_decides():
    assert above(mean([2.0]), 1)
    assert not above(mean([2.0]), 3)
    assert below(mean([2.0]), 3)
    assert not below(mean([2.0]), 1)
    assert not above(mean([]), 0)


def test_an_interval_lies_on_one_side_or_shows_nothing():
    interval = mean([2.0, 3.0, 4.0])  # 0.5 to 5.5
    told = [sided(interval, threshold) for threshold in (0.5, 0.6, 5.4, 5.6)]
    assert told == [True, None, None, False]
    assert (sided(mean([2.0]), 1), sided(mean([2.0]), 3), sided(mean([2.0]), 2)) == (
        True, False, None,
    )  # fmt: skip
    assert sided(mean([1.0, math.nan]), 0) is None
    assert sided(mean([]), 0) is None
    assert sided(Interval(0.0, 0.0, 0.0, 3), 0) is None


@pytest.mark.parametrize(
    ("shown", "all_shown", "one_shown"),
    [
        ([True, True], True, True),
        ([True, None], None, True),
        ([True, None, False], False, True),
        ([None, False], False, None),
        ([False, False], False, False),
        ([None], None, None),
    ],
)
def test_what_is_shown_of_all_and_of_one(shown, all_shown, one_shown):
    assert every(shown) is all_shown
    assert some(shown) is one_shown
    assert opposite(all_shown) is (None if all_shown is None else not all_shown)


def test_pairs_are_of_one_seed():
    some_runs = [ending(seed, val_accuracy=0.5 + 0.1 * seed) for seed in range(4)]
    others = [ending(seed, val_accuracy=0.4 + 0.1 * seed) for seed in range(4)]
    difference = paired(some_runs, others, lambda trial: last(trial, "val_accuracy"))
    assert difference.value == pytest.approx(0.1)
    assert difference.high - difference.low < 1e-9
    with pytest.raises(ValueError, match="shorter"):
        paired(some_runs, others[1:], lambda trial: 0.0)


def test_words_for_numbers():
    assert percent(mean([0.5])) == "50.0%"
    assert listed(["a"]) == "a"
    assert listed(["a", "b"]) == "a and b"


def test_the_verdict_on_one_part():
    assert [settled(shown) for shown in (True, False, None)] == [HOLDS, FAILS, UNSETTLED]


@pytest.mark.parametrize(
    ("a", "b", "expected", "named"),
    [
        (True, True, HOLDS, ""),
        (False, False, FAILS, ""),
        (False, True, "holds only if of b", ""),
        (
            None,
            True,
            "holds only if of b, or more seeds show the rest",
            " Not settled by these seeds: a.",
        ),
        (None, False, UNSETTLED, " Not settled by these seeds: a."),
        (None, None, UNSETTLED, " Not settled by these seeds: a and b."),
    ],
)
def test_the_verdict_on_parts_names_those_that_are_shown(a, b, expected, named):
    parts = {"a": a, "b": b}
    assert verdict_of_parts(parts, "of", "and") == expected
    assert unsettled(parts) == named


def test_the_verdict_on_parts_under_circumstances():
    assert confined({"a": {"here": True, "there": True}, "b": {"here": True}}) == HOLDS
    assert confined({"a": {"here": False, "there": False}, "b": {"here": False}}) == FAILS
    assert confined({"a": {"here": False, "there": None}, "b": {"here": False}}) == UNSETTLED
    told = confined({"a": {"here": True, "there": None}, "b": {"here": True}, "c": {"here": None}})
    assert told == "holds only if it is confined to a here; b, or more seeds show the rest"
    told = confined({"a": {"here": True, "there": None}, "b": {"here": False}})
    assert told == "holds only if it is confined to a here"

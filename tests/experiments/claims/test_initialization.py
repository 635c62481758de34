"""Claims 11 to 13: made-up trials reach each verdict, and small trainings are judged."""

from functools import cache

import matplotlib.pyplot as plt
import numpy as np
import pytest
from helpers.made_up_trials import CLAIM, diverged, every, network, result, trial, undecided

from minnet.experiments.claims import ledger
from minnet.experiments.claims.verdicts import FAILS, HOLDS, UNDECIDED, only_if
from minnet.experiments.trial import train

ONLY_BEFORE, ONLY_AFTER = (
    only_if(f"the layers are observed {when}") for when in ("before training", "after training")
)


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def from_zero(zeros=1.0, likeness=0.0, others=0.5):
    """Trials of claim 11; others is the share of both in the networks for contrast."""

    def make(label, setup, jitter):
        if label == "zero, ReLU":
            return trial(setup, end=network([0.1] * 4, zeros), likeness=likeness)
        return trial(setup, end=network([0.1] * 4, others), likeness=others)

    return every(11, make)


@pytest.mark.parametrize(
    ("zeros", "likeness", "verdict"),
    [
        (1.0, 0.0, HOLDS),
        (1.0, 9e-5, HOLDS),  # rounding
        (1.0, 2e-4, only_if("the statement is restricted to all activations being 0")),
        (
            0.999,
            0.0,
            only_if("the statement is restricted to identical units"),
        ),  # one output suffices
        (0.999, 2e-4, FAILS),
    ],
)
def test_zero_weights_verdicts(zeros, likeness, verdict):
    assert CLAIM[11].judge(from_zero(zeros, likeness)).verdict == verdict


def test_sigmoid_and_constant_weights_are_reported_and_do_not_decide():
    finding = CLAIM[11].judge(from_zero(others=1.0))
    assert finding.verdict == HOLDS
    assert "zero, sigmoid, 100% and 0%" in finding.reason
    assert CLAIM[11].judge(from_zero(others=0.0)).verdict == HOLDS


def test_the_result_is_the_share_of_networks_with_identical_units():
    trials = from_zero()
    trials["zero, ReLU"][0] = diverged(trials["zero, ReLU"][0].setup)
    finding = CLAIM[11].judge(trials)
    assert result(finding).value == 0.9
    assert finding.numbers["share of trainings with all activations 0, zero, ReLU"].value == 0.9
    assert finding.verdict == HOLDS  # nine of ten: 0.60 to 0.98
    half = [diverged(run.setup) for run in trials["zero, ReLU"][:5]] + trials["zero, ReLU"][5:]
    assert CLAIM[11].judge(trials | {"zero, ReLU": half}).verdict == UNDECIDED


def with_sizes_of(before, after, middle=0.0, he=0.5):
    """Trials of claim 12 with these std by layer; He's are the same everywhere."""

    def make(label, setup, jitter):
        if label == "He":
            return trial(setup, network([he] * 4), network([he] * 4))
        stages = ([std * jitter for std in stds] for stds in (before, after))
        return trial(setup, *(network(stds, middle=middle) for stds in stages))

    return every(12, make)


NEAR_0, FAR = [0.05, 0.01, 1e-3, 1e-4], [0.05, 0.01, 0.2, 1e-4]


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        (NEAR_0, NEAR_0, HOLDS),
        (NEAR_0, FAR, ONLY_BEFORE),
        (FAR, NEAR_0, ONLY_AFTER),
        (FAR, FAR, FAILS),
    ],
)
def test_small_weights_hold_if_every_layer_is_near_0_before_and_after(before, after, verdict):
    finding = CLAIM[12].judge(with_sizes_of(before, after))
    assert finding.verdict == verdict
    assert result(finding).value == pytest.approx(1.045e-4)


def test_activations_that_are_equal_and_far_from_0_are_not_near_it():
    finding = CLAIM[12].judge(with_sizes_of(NEAR_0, NEAR_0, middle=0.3))
    assert finding.verdict == FAILS
    assert result(finding).value == pytest.approx(0.3, rel=1e-3)  # the RMS, not the std


def test_activations_as_small_as_hes_are_not_small():
    assert CLAIM[12].judge(with_sizes_of(NEAR_0, NEAR_0, he=0.001)).verdict == FAILS


def test_small_weights_are_undecided_where_seeds_differ():
    trials = with_sizes_of(FAR, FAR)
    for seed, run in enumerate(trials["random normal"]):
        run.start["hidden"][2]["std"] = 0.19 * (seed % 2)
    finding = CLAIM[12].judge(trials)
    assert finding.verdict == UNDECIDED
    assert undecided(finding) == ["before training"]


def test_small_weights_with_diverged_trainings_hold_only_before():
    trials = with_sizes_of(NEAR_0, NEAR_0)
    trials["random normal"] = [trial(run.setup, start=run.start) for run in trials["random normal"]]
    finding = CLAIM[12].judge(trials)
    assert finding.verdict == ONLY_BEFORE
    assert "after training" not in finding.reason


TAPER = {
    "random normal": (0.05, 1e-4), "Xavier": (0.2, 0.1), "He": (0.25, 0.24), "LeCun": (0.19, 0.06)
}  # fmt: skip


def with_sizes(narrow=TAPER, after=TAPER, wide=TAPER):
    def make(label, setup, jitter):
        rule = label.removesuffix(", widening")
        sizes = wide if label != rule else narrow
        grid = [np.geomspace(*of[rule], 4) * jitter for of in (sizes, after)]
        return trial(setup, *map(network, grid))

    return every(13, make)


def test_sizes_hold_if_all_three_parts_do_everywhere():
    finding = CLAIM[13].judge(with_sizes())
    assert finding.verdict == HOLDS
    assert result(finding).value == pytest.approx(0.96)


def test_sizes_are_conditional_on_parts_and_places():
    reversed_ = {**TAPER, "LeCun": (0.19, 0.14)}
    narrowing = "in a narrowing network"
    assert CLAIM[13].judge(with_sizes(wide=reversed_)).verdict == only_if(
        "the statement is restricted to Xavier above random normal; He as the most even; LeCun "
        f"below Xavier {narrowing} before training and {narrowing} after training"
    )
    uneven = {**TAPER, "He": (0.25, 0.05)}
    assert CLAIM[13].judge(with_sizes(after=uneven)).verdict == only_if(
        "the statement is restricted to Xavier above random normal; He as the most even "
        f"{narrowing} before training and in a widening network before training; LeCun below Xavier"
    )


def test_sizes_fail_if_no_part_holds_anywhere():
    against = {**TAPER, "random normal": (0.2, 0.15), "He": (0.25, 0.05), "LeCun": (0.19, 0.14)}
    assert CLAIM[13].judge(with_sizes(against, against, against)).verdict == FAILS


def test_a_difference_that_seeds_do_not_show_is_undecided():
    trials = with_sizes()
    for seed, run in enumerate(trials["LeCun"]):
        for row in run.start["hidden"]:
            row["std"] = 0.2 * (seed % 2) + 1e-3
    finding = CLAIM[13].judge(trials)
    assert "LeCun below Xavier in a narrowing network after" in finding.verdict.condition
    assert "LeCun below Xavier in a narrowing network before training" in undecided(finding)


def test_sizes_are_undecided_if_no_part_holds_and_one_is_undecided():
    against = {**TAPER, "random normal": (0.2, 0.15), "He": (0.25, 0.05), "LeCun": (0.19, 0.14)}
    trials = with_sizes(against, against, against)
    for seed, run in enumerate(trials["LeCun, widening"]):
        run.start["hidden"][-1]["std"] = 0.2 * (seed % 2)
    assert CLAIM[13].judge(trials).verdict == UNDECIDED


def test_theory_is_drawn_before_training_only_and_agrees_with_the_measurement():
    trials = {
        label: [
            train(setup.but(data="digits", rows=128, epochs=min(setup.epochs, 1), seed=seed))[0]
            for seed in (0, 1)
        ]
        for label, setup in CLAIM[12].setups.items()
    }
    before, after = CLAIM[12].draw(trials).axes
    lines = {
        (line.get_color(), line.get_linestyle()): line.get_ydata()
        for line in before.lines
        if len(line.get_ydata()) == 4
    }
    solid = [color for color, style in lines if style == "-"]
    assert len(solid) == 2
    for color in solid:
        np.testing.assert_allclose(lines[color, "-"], lines[color, "--"], rtol=0.35)
    assert all(line.get_linestyle() != "--" for line in after.lines if len(line.get_ydata()) == 4)


@cache
def trained(setup):
    return train(setup)[0]


def small(setup, seed):
    """A setup that trains in a fraction of a second and can still learn ten digits."""
    hidden = tuple(max(units // 16, 10) for units in setup.hidden)
    return setup.but(data="digits", rows=128, hidden=hidden, epochs=min(setup.epochs, 1), seed=seed)


@pytest.mark.parametrize("number", sorted(CLAIM))
def test_every_claim_is_judged_and_drawn_with_a_diverged_training(number):
    claim = CLAIM[number]
    trials = {
        label: [trained(small(setup, 0)), diverged(setup)] for label, setup in claim.setups.items()
    }
    for runs in trials.values():
        runs[1].setup = runs[0].setup.but(seed=1)
        runs[1].start = runs[0].start
    assert claim.judge(trials).verdict.name in ledger.NAMES
    claim.draw(trials)


@pytest.mark.parametrize("units", [96, 100])  # 100 units differ in the last bit by rounding
def test_units_from_zero_weights_stay_identical_and_with_relu_they_are_dead(units):
    def run(setup):
        return train(setup.but(data="digits", hidden=(units,) * 3))[0]

    runs = {label: [run(setup)] for label, setup in CLAIM[11].setups.items()}
    numbers = CLAIM[11].judge(runs).numbers
    assert all(
        numbers[f"share of trainings with identical units, {label}"].value == 1 for label in runs
    )
    assert numbers["share of trainings with all activations 0, zero, ReLU"].value == 1
    assert numbers["share of trainings with all activations 0, zero, sigmoid"].value == 0
    runs["zero, ReLU"] = [run(CLAIM[11].setups["zero, ReLU"].but(init="he_normal"))]
    assert result(CLAIM[11].judge(runs)).value == 0

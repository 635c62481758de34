"""Claims 16 to 18: made-up numbers reach each verdict."""

import math

import pytest
from helpers.made_up_trials import result, undecided

from minnet.experiments.claims import normalization
from minnet.experiments.claims.normalization import ALIKE, BATCHES, RATES, SCALES, Bound
from minnet.experiments.claims.verdicts import FAILS, HOLDS, UNDECIDED, only_if
from minnet.experiments.trial import Trial

CLAIMS = {claim.number: claim for claim in normalization.CLAIMS}
SEEDS = 4
BARE, NORMED = "without BatchNorm", "with BatchNorm"
EPOCHS = 20


def made(setup, seed, accuracy, *, seconds=1.0, loss=(0.1, 0.1), stopped=None):
    """A trial with this curve of test accuracies, and losses on training and test rows."""
    trial = Trial(setup.but(seed=seed), stopped=stopped)
    trial.curves["val_accuracy"] = [share + 1e-4 * seed for share in accuracy]
    trial.curves["seconds"] = [seconds * (1 + 0.01 * seed)] * len(accuracy)
    trial.curves["train_loss"] = [loss[0]] * len(accuracy)
    trial.curves["val_loss"] = [loss[1] + 1e-4 * seed] * len(accuracy)
    return trial


def rising(reached, top=0.98):
    """Accuracies that are at 97% after so many epochs, and then stay at top."""
    return [0.95] * (reached - 1) + [top] * (EPOCHS - reached + 1)


def pair(bare, normed, seconds=(1.0, 1.0)):
    return {
        label: [made(CLAIMS[16].setups[label], seed, curve, seconds=time) for seed in range(SEEDS)]
        for label, curve, time in zip((BARE, NORMED), (bare, normed), seconds, strict=True)
    }


@pytest.mark.parametrize(
    ("reached", "seconds", "expected"),
    [
        ((6, 2), (1.0, 1.5), HOLDS),
        ((3, 2), (1.0, 2.0), HOLDS),  # seconds do not decide
        ((2, 3), (2.0, 1.0), FAILS),
        ((2, 2), (1.5, 1.0), UNDECIDED),
    ],
)
def test_16_counts_epochs_and_reports_their_seconds(reached, seconds, expected):
    finding = CLAIMS[16].judge(pair(*map(rising, reached), seconds))
    assert finding.verdict == expected
    assert result(finding).value == reached[1] - reached[0]
    took = f"takes {seconds[0]:.3g} s without and {seconds[1]:.3g} s with BatchNorm"
    assert took in finding.reason


def test_16_times_an_epoch_by_the_least_median_of_all_trainings():
    trials = pair(rising(4), rising(2))
    for trial in trials[BARE][1:]:
        trial.curves["seconds"] = [50.0] * EPOCHS
    trials[BARE][0].curves["seconds"][0] = 1000.0
    finding = CLAIMS[16].judge(trials)
    assert (
        "takes 1 s without and 1 s with BatchNorm. This is the smallest of the trainings' medians"
        in finding.reason
    )


def test_16_is_undecided_if_some_seeds_are_faster_and_some_slower():
    trials = pair(rising(5), rising(4))
    trials[NORMED][0] = made(CLAIMS[16].setups[NORMED], 0, rising(8))
    assert CLAIMS[16].judge(trials).verdict == UNDECIDED


def test_16_reports_a_goal_that_is_never_reached_as_a_bound():
    trials = pair([0.9] * EPOCHS, rising(4))
    finding = CLAIMS[16].judge(trials)
    assert finding.verdict == HOLDS
    bound = finding.numbers[f"epochs to 97% test accuracy, {BARE}"]
    assert str(bound) == f"at least {EPOCHS + 1}"
    assert (bound.censored, math.isnan(bound.low)) == (SEEDS, True)
    assert str(result(finding)) == f"at most {4 - (EPOCHS + 1)}"
    assert not isinstance(finding.numbers[f"epochs to 97% test accuracy, {NORMED}"], Bound)
    assert f"need more than {EPOCHS} epochs: {SEEDS} of {SEEDS} {BARE}." in finding.reason
    (row, _) = (text.get_text() for text in CLAIMS[16].draw(trials).axes[1].get_yticklabels())
    assert f"need more than {EPOCHS}" in row.replace("\n", " ")


def test_16_counts_a_diverged_training_as_censored():
    trials = pair(rising(5), rising(5))
    setup = CLAIMS[16].setups[NORMED]
    trials[NORMED] = [made(setup, seed, [0.9] * 2, stopped="NaN") for seed in range(SEEDS)]
    finding = CLAIMS[16].judge(trials)
    assert finding.verdict == FAILS
    assert str(finding.numbers[f"epochs to 97% test accuracy, {NORMED}"]) == "at least 21"
    assert str(result(finding)) == f"at least {EPOCHS + 1 - 5}"
    CLAIMS[16].draw(trials).canvas.draw()


def test_16_measures_no_difference_if_both_networks_are_censored():
    finding = CLAIMS[16].judge(pair([0.9] * EPOCHS, [0.9] * EPOCHS))
    assert finding.verdict == UNDECIDED
    assert str(result(finding)) == "not measured"
    assert result(finding).censored == 2 * SEEDS


@pytest.mark.parametrize(
    ("bare", "normed", "expected"),
    [
        ([0.97, 0.97], [0.98, 0.98], HOLDS),
        ([0.98, 0.98], [0.97, 0.97], FAILS),
        ([0.98, 0.98], [0.98, 0.98], UNDECIDED),
        ([0.98, 0.97], [0.975, 0.975], only_if("accuracy is measured at the end")),
        ([0.97, 0.97], [0.98, 0.96], only_if("accuracy is measured in the best epoch")),
    ],
)
def test_17_measures_the_end_and_the_best_epoch(bare, normed, expected):
    finding = CLAIMS[17].judge(pair(bare, normed))
    assert finding.verdict == expected
    assert result(finding).value == pytest.approx(normed[-1] - bare[-1])


def test_17_needs_the_whole_interval():
    trials = pair([0.97] * 3, [0.98] * 3)
    trials[NORMED][0].curves["val_accuracy"] = [0.95] * 3
    finding = CLAIMS[17].judge(trials)
    assert finding.verdict == UNDECIDED
    assert undecided(finding) == ["at the end", "in the best epoch"]


def test_17_reports_how_much_accuracy_varies_within_a_training():
    finding = CLAIMS[17].judge(pair([0.97, 0.98] * 10, [0.98] * EPOCHS))
    jitter = finding.numbers[f"std over the last epochs, {BARE}"].value
    assert jitter == pytest.approx(0.0049, abs=1e-4)
    assert "0.49 points without and 0.00 with BatchNorm" in finding.reason


def settings(changes=(), gaps=(0.05, 0.1)):
    """Claim 18: all accuracies are .97, but for changes; test loss minus training loss is gaps."""
    changes, trials = dict(changes), {}
    for label, setup in CLAIMS[18].setups.items():
        loss = (0.1, 0.1 + gaps[label.endswith(NORMED)])
        curve = [changes.get(label, 0.97)]
        trials[label] = [made(setup, seed, curve, loss=loss) for seed in range(SEEDS)]
    for trial, jitter in zip(trials[f"batch size 2048, {NORMED}"], (2, -1, -2, 1), strict=True):
        trial.curves["val_accuracy"][0] += jitter * 1e-4
    return trials


HIGHER = {f"lr 0.1, {BARE}": 0.1}
STEADIER = {f"initial weights, times 10, {BARE}": 0.9}
MATTERS = {f"batch size 2048, {BARE}": 0.9}


@pytest.mark.parametrize(
    ("changes", "gaps", "expected"),
    [
        ({}, (0.05, 0.1), FAILS),
        (HIGHER | STEADIER | MATTERS, (0.1, 0.05), HOLDS),
        (HIGHER, (0.05, 0.1), only_if("the statement is restricted to a higher learning rate")),
        (
            STEADIER,
            (0.05, 0.1),
            only_if("the statement is restricted to sensitivity to the initial weights"),
        ),
        ({}, (0.1, 0.05), only_if("the statement is restricted to regularization")),
        (MATTERS, (0.05, 0.1), only_if("the statement is restricted to batch size")),
        ({}, (0.1, 0.1), UNDECIDED),
        (
            {f"batch size 32, {BARE}": 0.9, f"initial weights, times 0.1, {NORMED}": 0.9},
            (0.1, 0.05),
            only_if("the statement is restricted to regularization and batch size"),
        ),
    ],
)
def test_18_judges_each_part(changes, gaps, expected):
    finding = CLAIMS[18].judge(settings(changes, gaps))
    assert finding.verdict == expected
    assert undecided(finding) == ["regularization"] * (expected == UNDECIDED)


def test_18_counts_a_learning_rate_as_too_high_if_it_costs_two_points():
    changes = {f"lr 0.1, {NORMED}": 0.2, f"lr 0.03, {NORMED}": 0.96}
    changes |= {f"lr 0.1, {BARE}": 0.2, f"lr 0.03, {BARE}": 0.94}
    finding = CLAIMS[18].judge(settings(changes))
    assert finding.verdict == only_if("the statement is restricted to a higher learning rate")
    assert "0.01 without and 0.03 with BatchNorm" in finding.reason


def test_18_is_undecided_on_a_rate_that_only_some_seeds_allow():
    trials = settings(HIGHER)
    for trial in trials[f"lr 0.1, {BARE}"][1:]:
        trial.curves["val_accuracy"] = [0.97]
    finding = CLAIMS[18].judge(trials)
    assert finding.verdict == UNDECIDED
    assert undecided(finding) == ["a higher learning rate"]


def test_18_counts_seeds_so_that_one_collapsed_training_does_not_decide():
    trials = settings(STEADIER)
    trials[f"initial weights, times 10, {BARE}"][0].curves["val_accuracy"] = [0.1]
    finding = CLAIMS[18].judge(trials)
    assert finding.verdict == only_if(
        "the statement is restricted to sensitivity to the initial weights"
    )
    assert result(finding).value == 1
    assert "a median of 7.00 points without and 0.00 with BatchNorm" in finding.reason


def test_18_is_undecided_on_sensitivity_if_half_of_the_seeds_show_it():
    trials = settings(STEADIER)
    steady = trials[f"initial weights, times 1, {BARE}"]
    trials[f"initial weights, times 10, {BARE}"][2:] = steady[2:]
    finding = CLAIMS[18].judge(trials)
    assert finding.verdict == UNDECIDED
    assert undecided(finding) == ["sensitivity to the initial weights"]


# Intervals that contain 0 and end beyond ALIKE on both sides, on one, and on the other.
@pytest.mark.parametrize("apart", [(3, -3), (1.45, 0.15), (-1.45, -0.15)])
def test_18_refutes_an_effect_of_the_batch_size_only_if_the_difference_is_shown_to_be_small(apart):
    trials = settings()
    for trial, wide in zip(trials[f"batch size 2048, {BARE}"], apart * 2, strict=True):
        trial.curves["val_accuracy"][0] += wide * ALIKE
    finding = CLAIMS[18].judge(trials)
    assert finding.verdict == UNDECIDED
    assert undecided(finding) == ["batch size"]


def test_18_trains_equally_many_steps_at_all_batch_sizes_and_three_epochs_elsewhere():
    setups = CLAIMS[18].setups
    assert len(setups) == 2 * (len(RATES) + len(SCALES) + len(BATCHES) + 1)
    by_size = [setups[f"batch size {size}, {NORMED}"] for size in BATCHES]
    assert len({setup.epochs / setup.batch_size for setup in by_size}) == 1
    for label in (BARE, NORMED):
        assert setups[f"all epochs, {label}"] == CLAIMS[16].setups[label]
    epochs = {label: setup.epochs for label, setup in setups.items() if setup not in by_size}
    assert {epochs[label] for label in epochs if label.startswith(("lr", "initial"))} == {3}


@pytest.mark.parametrize("number", CLAIMS)
def test_a_claim_is_undecided_and_has_a_figure_if_all_trainings_diverged(number):
    claim = CLAIMS[number]
    trials = {
        label: [made(setup, seed, [], stopped="NaN") for seed in range(SEEDS)]
        for label, setup in claim.setups.items()
    }
    finding = claim.judge(trials)
    assert finding.verdict == UNDECIDED
    assert math.isfinite(result(finding).low) != (number == 16)
    claim.draw(trials).canvas.draw()

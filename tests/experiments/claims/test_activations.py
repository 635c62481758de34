"""The claims on activations and regularization: each rule reaches each verdict, on made-up trials.

Afterwards every claim is judged and drawn from small trainings.
"""

import matplotlib.pyplot as plt
import pytest

from minnet.experiments.claims import activations, regularization
from minnet.experiments.claims.activations import (
    ARTICLES,
    CLAIMS,
    ONLY_AFTER_RELU,
    ONLY_ENTRIES,
    ONLY_SOFTMAX,
    ONLY_SQUARED,
    ONLY_WITHOUT_RELU,
)
from minnet.experiments.claims.claim import FAILS, HOLDS
from minnet.experiments.claims.regularization import confined, dead_share, evenness
from minnet.experiments.trial import Trial, train

CLAIM = {claim.number: claim for claim in CLAIMS}
SOFTMAX, SQUARED, _ = activations.NETWORKS
SEEDS = 30


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def layers(**numbers):
    """Three layers of what is extracted: 0 in each number unless it is given, by layer."""
    names = ("kurtosis", "range", "zeros", "inactive", "tallest_bar_holds_0", "dead")
    return [{name: float(numbers.get(name, (0, 0, 0))[at]) for name in names} for at in range(3)]


def seen(label, right, article, seed=0):
    """A made-up trial of one of the networks on Iris."""
    setup = activations.NETWORKS[label].but(seed=seed)
    extracted = {"extractors": {"right": right, "article": article}}
    return Trial(setup, end={"hidden": [], "dense": []}, measures={"end": extracted})


def broken(label, seed=0):
    return Trial(activations.NETWORKS[label].but(seed=seed), measures={"start": {}}, stopped="NaN")


def all_seen(right, article):
    """Thirty trials a label; right and article are layers, or label -> layers."""
    of = [side if isinstance(side, dict) else {} for side in (right, article)]
    return {
        label: [
            seen(label, of[0].get(label, right), of[1].get(label, article), seed)
            for seed in range(SEEDS)
        ]
        for label in activations.NETWORKS
    }


FULL, EMPTY = layers(tallest_bar_holds_0=(1, 1, 1)), layers(tallest_bar_holds_0=(1, 0, 1))


@pytest.mark.parametrize(
    ("right", "article", "verdict"),
    [
        (FULL, FULL, HOLDS),
        (FULL, EMPTY, ONLY_AFTER_RELU),
        (EMPTY, FULL, ONLY_WITHOUT_RELU),
        (EMPTY, EMPTY, FAILS),
    ],
)
def test_0_is_most_frequent_where_the_tallest_bar_of_every_layer_holds_it(right, article, verdict):
    finding = CLAIM[1].judge(all_seen(right, article))
    assert finding.verdict == verdict
    assert finding.number.value == (right is FULL)


def test_0_is_not_most_frequent_if_one_network_of_three_has_it_otherwise():
    mixed = dict.fromkeys(activations.NETWORKS, FULL) | {SQUARED: EMPTY}
    assert CLAIM[1].judge(all_seen(mixed, EMPTY)).verdict == FAILS


@pytest.mark.parametrize(("number", "what"), [(2, "kurtosis"), (3, "range")])
def test_what_rises_holds_everywhere_or_with_the_loss_that_makes_it_rise(number, what):
    up, down = layers(**{what: (1, 5, 2)}), layers(**{what: (2, 5, 1)})
    squared = dict.fromkeys(activations.NETWORKS, up) | {SOFTMAX: down}
    softmax = dict.fromkeys(activations.NETWORKS, down) | {SOFTMAX: up}

    def verdict(right, article):
        return CLAIM[number].judge(all_seen(right, article)).verdict

    assert verdict(up, down) == HOLDS
    assert verdict(softmax, up) == ONLY_SOFTMAX
    assert verdict(squared, up) == ONLY_SQUARED
    assert verdict(down, up) == ONLY_WITHOUT_RELU
    assert verdict(down, softmax) == FAILS


def rising(label, up, down=0, stopped=0):
    """So many trials of a label whose kurtosis rises, falls, or that broke off."""
    kinds = [layers(kurtosis=(0, 0, 1))] * up + [layers(kurtosis=(1, 0, 0))] * down
    runs = [seen(label, kind, kind, seed) for seed, kind in enumerate(kinds)]
    return runs + [broken(label, up + down + seed) for seed in range(stopped)]


def test_a_majority_counts_once_its_whole_interval_is_one():
    def judge(up):
        return CLAIM[2].judge({label: rising(label, up, 30 - up) for label in activations.NETWORKS})

    assert judge(20).verdict == FAILS  # 0.67 (0.49 to 0.81)
    assert judge(21).verdict == HOLDS  # 0.70 (0.52 to 0.83)
    assert judge(20).number.value == pytest.approx(2 / 3)
    assert "67%" in judge(20).because


def test_a_training_that_broke_off_counts_against_a_rise():
    trials = {label: rising(label, 20, stopped=10) for label in activations.NETWORKS}
    finding = CLAIM[2].judge(trials)
    assert finding.verdict == FAILS
    assert finding.number.value == pytest.approx(2 / 3)
    assert finding.numbers[f"{ARTICLES}, layer 3, after the ReLU"].value == 1.0  # of those that end
    assert CLAIM[2].draw(trials).axes[0].lines[0].get_ydata().tolist() == [0, 0, 1]


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_nothing_holds_where_every_training_broke_off(number):
    trials = {label: [broken(label, seed) for seed in range(3)] for label in activations.NETWORKS}
    assert CLAIM[number].judge(trials).verdict == FAILS


@pytest.mark.parametrize(
    ("inactive", "dead", "verdict"),
    [
        ((0.9, 0.9, 0.9), (0.6, 0.6, 0.6), HOLDS),
        ((0.9, 0.9, 0.9), (0.6, 0.4, 0.6), ONLY_ENTRIES),
        ((0.9, 0.4, 0.9), (0.2, 0.2, 0.2), FAILS),
    ],
)
def test_most_neurons_are_inactive_by_units_or_by_entries_alone(inactive, dead, verdict):
    told = layers(inactive=inactive, dead=dead)
    finding = CLAIM[4].judge(all_seen(told, layers()))
    assert finding.verdict == verdict
    units = dead[0] * 64 + dead[1] * 32 + dead[2] * 16
    assert finding.number.value == pytest.approx(units / 112)


def outcome(label, dead, stds=(1.0, 1.0, 1.0), accuracy=0.9):
    """A made-up trial: dead of the 40 units after the first layer, and the std by layer."""
    rows = [
        {"units": units, "dead": d, "std": std}
        for units, d, std in zip((64, 32, 8), (0, dead, 0), stds, strict=True)
    ]
    trial = Trial(regularization.REMEDIES[label], end={"hidden": rows, "dense": []})
    trial.curves["val_accuracy"].append(accuracy)
    return trial


def compared(changes):
    """Ten trials a label: 10 and 11 dead of 40, std .5 at the end; changes is label -> both."""
    trials = {}
    for label in regularization.REMEDIES:
        dead, std = changes.get(label, (0, 0.0))
        trials[label] = [
            outcome(label, 10 + seed % 2 + dead, (1, 1, 0.5 + std)) for seed in range(10)
        ]
    return trials


REMEDIED = [label for label in regularization.REMEDIES if "none" not in label]


def test_remedies_hold_if_each_makes_one_thing_better_on_both_data_sets():
    fewer = CLAIM[19].judge(compared(dict.fromkeys(REMEDIED, (-2, 0.0))))
    assert fewer.verdict == HOLDS
    assert fewer.number.value == pytest.approx(-2 / 40)
    assert CLAIM[19].judge(compared(dict.fromkeys(REMEDIED, (0, 0.1)))).verdict == HOLDS


def test_remedies_fail_if_nothing_changes_or_all_gets_worse():
    assert CLAIM[19].judge(compared({})).verdict == FAILS
    assert CLAIM[19].judge(compared(dict.fromkeys(REMEDIED, (2, -0.1)))).verdict == FAILS


def test_a_remedy_that_makes_one_thing_better_and_the_other_worse_is_none():
    traded = {"Iris, L1": (-2, -0.1), "MNIST, L2": (-2, 0.0)}
    traded |= {"Iris, dropout": (0, 0.1), "MNIST, dropout": (0, 0.1)}
    verdict = CLAIM[19].judge(compared(traded)).verdict
    assert verdict == "holds only if it is confined to L2 on MNIST; dropout"


def test_a_training_that_broke_off_counts_as_dead_and_uneven():
    stopped = Trial(regularization.REMEDIES["MNIST, L1"], stopped="NaN")
    assert (dead_share(stopped), evenness(stopped)) == (1.0, 0.0)
    trials = compared(dict.fromkeys(REMEDIED, (-2, 0.0)))
    trials["MNIST, L1"] = [stopped] * 10
    finding = CLAIM[19].judge(trials)
    assert finding.verdict == "holds only if it is confined to L1 on Iris; L2; dropout"
    assert finding.numbers["dead units, MNIST, L1 less none"].value == pytest.approx(1 - 10.5 / 40)


def test_evenness_is_the_smaller_std_over_the_larger_whichever_comes_first():
    assert dead_share(outcome("Iris, L1", 10)) == 0.25
    assert evenness(outcome("Iris, L1", 0, (2.0, 9.0, 0.5))) == 0.25
    assert evenness(outcome("Iris, L1", 0, (0.5, 9.0, 2.0))) == 0.25
    assert evenness(outcome("Iris, L1", 0, (0.0, 0.0, 0.0))) == 0.0


def test_a_verdict_is_confined_to_what_holds():
    assert confined({"a": {"here": True}, "b": {"here": True, "there": True}}) == HOLDS
    assert confined({"a": {"here": False}, "b": {"here": False, "there": False}}) == FAILS
    told = confined({"a": {"here": True}, "b": {"here": True, "there": True, "else": False}})
    assert told == "holds only if it is confined to a; b here and there"


def test_the_claims_stand_with_thirty_seeds_and_the_articles_network_among_theirs():
    assert [claim.number for claim in CLAIMS] == [1, 2, 3, 4, 19]
    assert {claim.seeds for claim in CLAIMS} == {30}
    article = CLAIM[1].setups[ARTICLES]
    assert (article.data, article.loss, article.init) == ("iris_article", "squared_error", "torch")
    assert CLAIM[1].setups[SOFTMAX] == CLAIM[19].setups["Iris, none"]  # so it is trained once


@pytest.fixture(scope="module")
def trained():
    trials = {}

    def small(setup):
        if setup not in trials:
            trials[setup] = train(setup)[0]
        return trials[setup]

    return small


@pytest.mark.parametrize("number", sorted(CLAIM))
def test_every_claim_is_judged_and_drawn_from_trainings(number, trained):
    claim = CLAIM[number]
    changes = {"iris": {"epochs": 5}, "iris_article": {"epochs": 5}}
    digits = {"data": "digits", "epochs": 1, "rows": 128, "hidden": (32, 16, 8)}
    trials = {
        label: [trained(setup.but(seed=seed, **changes.get(setup.data, digits))) for seed in (0, 1)]
        for label, setup in claim.setups.items()
    }
    finding = claim.judge(trials)
    assert finding.verdict.startswith((HOLDS, FAILS))
    assert finding.number.n == 2
    assert 0 <= abs(finding.number.value) <= 1
    assert "nan" not in finding.because
    assert len(claim.draw(trials).axes) == 2


def test_the_articles_extractor_finds_no_zeros_where_the_relus_leave_many(trained):
    trials = {
        label: [trained(setup.but(epochs=5, seed=seed)) for seed in (0, 1)]
        for label, setup in CLAIM[1].setups.items()
    }
    numbers = CLAIM[1].judge(trials).numbers
    for layer in (1, 2, 3):
        zeros = f"exact zeros, {ARTICLES}, layer {layer}"
        assert numbers[f"{zeros}, with the article's extractor"].value == 0
        assert 0.2 < numbers[f"{zeros}, after the ReLU"].value < 0.8

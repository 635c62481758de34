"""Claims 1 to 4 and 19: made-up trials reach each verdict, and small trainings are judged."""

import matplotlib.pyplot as plt
import pytest
from helpers.made_up_trials import result, undecided

from minnet.experiments.claims import activations
from minnet.experiments.claims.activations import (
    CORRECTED,
    EXTRACTOR,
    RELUS,
    SOFTMAX,
    SQUARED,
    dead_share,
)
from minnet.experiments.claims.verdicts import FAILS, HOLDS, UNDECIDED, only_if
from minnet.experiments.readings import evenness
from minnet.experiments.trial import Trial, train

CLAIM = {claim.number: claim for claim in activations.CLAIMS}
SEEDS = 30
ONLY_AFTER_RELU, ONLY_WITH_EXTRACTOR = (
    only_if(f"the layers are observed {extractor}") for extractor in (RELUS, EXTRACTOR)
)
ONLY_SOFTMAX, ONLY_SQUARED = (only_if(f"the loss is {loss}") for loss in (SOFTMAX, SQUARED))
ONLY_WITHOUT_RELU = only_if("the ReLUs are left out, as in the article's code")
ONLY_ENTRIES = only_if("entries are counted instead of units")


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def layers(**numbers):
    """Three layers of an extractor's numbers, 0 unless given by layer."""
    names = ("kurtosis", "range", "zeros", "inactive", "tallest_bar_holds_0", "dead")
    return [{name: float(numbers.get(name, (0, 0, 0))[at]) for name in names} for at in range(3)]


def extracted(label, right, article, seed=0):
    """A made-up trial of one of the networks on Iris."""
    setup = activations.NETWORKS[label].but(seed=seed)
    measured = {"extractors": {"right": right, "article": article}}
    return Trial(setup, end={"hidden": [], "dense": []}, measures={"end": measured})


def diverged(label, seed=0):
    return Trial(activations.NETWORKS[label].but(seed=seed), measures={"start": {}}, stopped="NaN")


def all_extracted(right, article):
    """Thirty trials a label; right and article are layers, or label -> layers."""
    of = [side if isinstance(side, dict) else {} for side in (right, article)]
    return {
        label: [
            extracted(label, of[0].get(label, right), of[1].get(label, article), seed)
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
        (EMPTY, FULL, ONLY_WITH_EXTRACTOR),
        (EMPTY, EMPTY, FAILS),
    ],
)
def test_0_is_most_frequent_where_the_tallest_bar_of_every_layer_contains_it(
    right, article, verdict
):
    finding = CLAIM[1].judge(all_extracted(right, article))
    assert finding.verdict == verdict
    assert result(finding).value == (right is FULL)


def test_0_is_not_most_frequent_if_one_deciding_network_differs():
    mixed = dict.fromkeys(activations.NETWORKS, FULL) | {SQUARED: EMPTY}
    assert CLAIM[1].judge(all_extracted(mixed, EMPTY)).verdict == FAILS


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_the_corrected_network_is_reported_and_does_not_decide(number):
    most = {"inactive": (0.9,) * 3, "dead": (0.6,) * 3, "tallest_bar_holds_0": (1,) * 3}
    so = layers(kurtosis=(1, 2, 3), range=(1, 2, 3), **most)
    mixed = dict.fromkeys(activations.NETWORKS, so) | {CORRECTED: layers()}
    finding = CLAIM[number].judge(all_extracted(mixed, mixed))
    assert finding.verdict == HOLDS
    assert any(CORRECTED in key for key in finding.numbers)


@pytest.mark.parametrize(("number", "quantity"), [(2, "kurtosis"), (3, "range")])
def test_a_rise_holds_in_both_networks_or_only_with_one_loss(number, quantity):
    up, down = layers(**{quantity: (1, 5, 2)}), layers(**{quantity: (2, 5, 1)})
    squared = dict.fromkeys(activations.NETWORKS, up) | {SOFTMAX: down}
    softmax = dict.fromkeys(activations.NETWORKS, down) | {SOFTMAX: up}

    def verdict(right, article):
        return CLAIM[number].judge(all_extracted(right, article)).verdict

    assert verdict(up, down) == HOLDS
    assert verdict(softmax, up) == ONLY_SOFTMAX
    assert verdict(squared, up) == ONLY_SQUARED
    assert verdict(down, up) == ONLY_WITHOUT_RELU
    assert verdict(down, softmax) == FAILS


def rising(label, up, down=0, stopped=0):
    """Trials of a label whose kurtosis rises, falls, or that diverged."""
    kinds = [layers(kurtosis=(0, 0, 1))] * up + [layers(kurtosis=(1, 0, 0))] * down
    runs = [extracted(label, kind, kind, seed) for seed, kind in enumerate(kinds)]
    return runs + [diverged(label, up + down + seed) for seed in range(stopped)]


def test_a_share_decides_if_its_whole_interval_is_on_one_side_of_half():
    def judge(up):
        return CLAIM[2].judge({label: rising(label, up, 30 - up) for label in activations.NETWORKS})

    assert judge(21).verdict == HOLDS  # 0.70 (0.52 to 0.83)
    assert judge(20).verdict == UNDECIDED  # 0.67 (0.49 to 0.81)
    assert judge(10).verdict == UNDECIDED
    assert judge(9).verdict == FAILS
    assert result(judge(20)).value == pytest.approx(2 / 3)
    assert "67%" in judge(20).reason


def test_undecided_parts_are_named():
    trials = {label: rising(label, 21, 9) for label in activations.NETWORKS}
    trials[SQUARED] = rising(SQUARED, 15, 15)
    finding = CLAIM[2].judge(trials)
    assert finding.verdict == ONLY_SOFTMAX
    assert undecided(finding) == [SQUARED]
    assert not undecided(CLAIM[2].judge(trials | {SQUARED: trials[SOFTMAX]}))


def test_zeros_in_half_of_the_seeds_are_undecided():
    kinds = [FULL] * 15 + [EMPTY] * 15
    trials = {
        label: [extracted(label, kind, EMPTY, seed) for seed, kind in enumerate(kinds)]
        for label in activations.NETWORKS
    }
    assert CLAIM[1].judge(trials).verdict == UNDECIDED


def test_a_diverged_training_counts_against_a_rise():
    trials = {label: rising(label, 9, stopped=21) for label in activations.NETWORKS}
    finding = CLAIM[2].judge(trials)
    assert finding.verdict == FAILS
    assert result(finding).value == pytest.approx(0.3)
    assert (
        finding.numbers[f"excess kurtosis, {SQUARED}, {RELUS}, layer 3"].value == 1.0
    )  # without diverged
    assert CLAIM[2].draw(trials).axes[0].lines[0].get_ydata().tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("number", "verdict"), [(1, FAILS), (2, FAILS), (3, FAILS), (4, UNDECIDED)]
)
def test_nothing_holds_where_every_training_diverged(number, verdict):
    trials = {label: [diverged(label, seed) for seed in range(8)] for label in activations.NETWORKS}
    assert CLAIM[number].judge(trials).verdict == verdict


@pytest.mark.parametrize(
    ("inactive", "dead", "verdict"),
    [
        ((0.9, 0.9, 0.9), (0.6, 0.6, 0.6), HOLDS),
        ((0.9, 0.9, 0.9), (0.6, 0.4, 0.6), ONLY_ENTRIES),
        ((0.9, 0.4, 0.9), (0.2, 0.2, 0.2), FAILS),
    ],
)
def test_most_neurons_are_inactive_by_units_or_by_entries_alone(inactive, dead, verdict):
    shares = layers(inactive=inactive, dead=dead)
    finding = CLAIM[4].judge(all_extracted(shares, layers()))
    assert finding.verdict == verdict
    units = dead[0] * 64 + dead[1] * 32 + dead[2] * 16
    assert result(finding).value == pytest.approx(units / 112)


def test_the_interval_of_a_share_ends_at_0_and_1_and_that_of_another_number_does_not():
    names = ("zeros", "inactive", "dead", "kurtosis")

    def kinds_of(number):
        return [layers(**dict.fromkeys(names, (1 - odd, odd, 0))) for odd in number]

    kinds = kinds_of(
        [0.1] + [0.0] * (SEEDS - 1)
    )  # the mean is near 1 in layer 1, near 0 in layer 2
    trials = {
        label: [extracted(label, kind, kind, seed) for seed, kind in enumerate(kinds)]
        for label in activations.NETWORKS
    }
    for number, key in [
        (1, f"share of exact zeros, {SQUARED}, {RELUS}, layer {{}}"),
        (4, f"share of inactive entries, {SQUARED}, {RELUS}, layer {{}}"),
        (4, f"share of dead units, {SQUARED}, {RELUS}, layer {{}}"),
    ]:
        numbers = CLAIM[number].judge(trials).numbers
        near_1, near_0 = (numbers[key.format(layer)] for layer in (1, 2))
        assert (near_1.high, near_0.low) == (1, 0)
        assert near_1.low < 1 - 0.1 / SEEDS
    kurtosis = CLAIM[2].judge(trials).numbers
    assert kurtosis[f"excess kurtosis, {SQUARED}, {RELUS}, layer 1"].high > 1
    assert kurtosis[f"excess kurtosis, {SQUARED}, {RELUS}, layer 2"].low < 0


@pytest.mark.parametrize("varying", ["inactive", "dead"])
def test_most_neurons_are_undecided_where_a_share_differs_from_seed_to_seed(varying):
    def mixed(seed):
        shares = {"inactive": (0.9,) * 3, "dead": (0.2,) * 3}
        return layers(**shares | {varying: (0.4 + 0.2 * (seed % 2),) * 3})

    trials = {
        label: [extracted(label, mixed(seed), layers(), seed) for seed in range(SEEDS)]
        for label in activations.NETWORKS
    }
    assert CLAIM[4].judge(trials).verdict == UNDECIDED


def outcome(label, dead, stds=(1.0, 1.0, 1.0), accuracy=0.9):
    """A made-up trial: dead of the 40 units after the first layer, and the std by layer."""
    rows = [
        {"units": units, "dead": d, "std": std}
        for units, d, std in zip((64, 32, 8), (0, dead, 0), stds, strict=True)
    ]
    trial = Trial(activations.REGULARIZED[label], end={"hidden": rows, "dense": []})
    trial.curves["val_accuracy"].append(accuracy)
    return trial


def compared(changes):
    """Ten trials a label: 10 and 11 dead of 40, std .5 at the end; changes is label -> both."""
    trials = {}
    for label in activations.REGULARIZED:
        dead, std = changes.get(label, (0, 0.0))
        trials[label] = [
            outcome(label, 10 + seed % 2 + dead, (1, 1, 0.5 + std)) for seed in range(10)
        ]
    return trials


PENALIZED = [label for label in activations.REGULARIZED if "L" in label]
DROPPED = ["Iris, dropout", "MNIST, dropout"]
ALL_HELP = dict.fromkeys(PENALIZED, (-2, 0.0)) | dict.fromkeys(DROPPED, (0, 0.2))


def test_regularizers_hold_if_each_has_its_effect_on_both_data_sets():
    finding = CLAIM[19].judge(compared(ALL_HELP))
    assert finding.verdict == HOLDS
    assert result(finding).value == pytest.approx(-2 / 40)
    assert "L1 on MNIST, -5.00 points" in finding.reason


def test_the_effect_stated_for_another_regularizer_does_not_count():
    swapped = dict.fromkeys(PENALIZED, (0, 0.2)) | dict.fromkeys(DROPPED, (-2, 0.0))
    assert CLAIM[19].judge(compared(swapped)).verdict == FAILS


def test_regularizers_fail_if_too_little_changes_or_all_gets_worse():
    assert CLAIM[19].judge(compared({})).verdict == FAILS
    hardly = dict.fromkeys(PENALIZED, (-0.7, 0.0)) | dict.fromkeys(DROPPED, (0, 0.09))
    assert CLAIM[19].judge(compared(hardly)).verdict == FAILS
    worse = dict.fromkeys(PENALIZED, (2, 0.0)) | dict.fromkeys(DROPPED, (0, -0.1))
    assert CLAIM[19].judge(compared(worse)).verdict == FAILS


def test_regularizers_hold_only_where_they_help():
    some = {label: ALL_HELP[label] for label in ("MNIST, L2", *DROPPED)}
    verdict = CLAIM[19].judge(compared(some)).verdict
    assert verdict == only_if("the statement is restricted to L2 on MNIST; dropout")


def test_a_regularizer_that_helps_some_seeds_is_undecided():
    trials = compared({})
    trials["Iris, L1"] = [outcome("Iris, L1", 8 + 3 * (seed % 2)) for seed in range(10)]
    finding = CLAIM[19].judge(trials)
    assert finding.verdict == UNDECIDED
    assert undecided(finding) == ["L1 on Iris"]


def test_a_diverged_training_counts_as_dead_and_uneven():
    stopped = Trial(activations.REGULARIZED["MNIST, L1"], stopped="NaN")
    assert (dead_share(stopped), evenness(stopped)) == (1.0, 0.0)
    trials = compared(ALL_HELP)
    trials["MNIST, L1"] = [stopped] * 10
    finding = CLAIM[19].judge(trials)
    assert finding.verdict == only_if("the statement is restricted to L1 on Iris; L2; dropout")
    assert finding.numbers["share of dead units, MNIST, L1 minus none"].value == pytest.approx(
        1 - 10.5 / 40
    )


def test_the_rule_states_how_many_comparisons_chance_would_decide():
    assert "0.15 of the 6 parts would be shown by chance" in CLAIM[19].rule


def test_evenness_is_the_smaller_std_over_the_larger():
    assert dead_share(outcome("Iris, L1", 10)) == 0.25
    assert evenness(outcome("Iris, L1", 0, (2.0, 9.0, 0.5))) == 0.25
    assert evenness(outcome("Iris, L1", 0, (0.5, 9.0, 2.0))) == 0.25
    assert evenness(outcome("Iris, L1", 0, (0.0, 0.0, 0.0))) == 0.0


def test_the_claims_use_thirty_seeds_and_the_articles_network():
    assert list(CLAIM) == [1, 2, 3, 4, 19]
    assert {claim.seeds for claim in CLAIM.values()} == {30}
    article, softmax = (CLAIM[1].setups[label] for label in (SQUARED, SOFTMAX))
    assert (article.data, article.loss, article.init) == ("iris_article", "squared_error", "torch")
    assert softmax.but(loss="squared_error") == article  # so the loss alone decides between them
    assert CLAIM[1].setups[CORRECTED] == CLAIM[19].setups["Iris, none"]  # trained once


@pytest.fixture(scope="module")
def trained():
    trials = {}

    def small(setup):
        if setup not in trials:
            trials[setup] = train(setup)[0]
        return trials[setup]

    return small


def test_the_articles_extractor_finds_no_zeros_where_the_relus_leave_many(trained):
    trials = {
        label: [trained(setup.but(epochs=5, seed=seed)) for seed in (0, 1)]
        for label, setup in CLAIM[1].setups.items()
    }
    numbers = CLAIM[1].judge(trials).numbers
    for layer in (1, 2, 3):
        zeros = [
            numbers[f"share of exact zeros, {SQUARED}, {e}, layer {layer}"]
            for e in (RELUS, EXTRACTOR)
        ]
        assert zeros[1].value == 0
        assert 0.2 < zeros[0].value < 0.8

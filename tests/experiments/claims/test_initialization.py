"""The claims on initial weights: each rule reaches each verdict, on made-up trials.

Afterwards every claim is judged and drawn from small trainings.
"""

from functools import cache

import matplotlib.pyplot as plt
import numpy as np
import pytest

from minnet.experiments.claims.claim import FAILS, HOLDS
from minnet.experiments.claims.guideline import GUIDELINE, ONLY_WITH, ONLY_WITHOUT, std_kept
from minnet.experiments.claims.initialization import (
    CLAIMS,
    ONLY_AFTER,
    ONLY_BEFORE,
    ONLY_RELU,
    predicted,
)
from minnet.experiments.setup import Setup
from minnet.experiments.trial import Trial, train

CLAIM = {claim.number: claim for claim in CLAIMS}
SEEDS = 10


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def network(stds, zeros=0.5, dead=0):
    """What is told of a network with these std by layer, of 64 units each."""
    hidden = [{"units": 64, "dead": dead, "std": std, "zeros": zeros} for std in stds]
    dense = [{"fan_in": 64, "weight_rms": 0.1} for _ in range(len(hidden) + 1)]
    return {"hidden": hidden, "dense": dense}


def trial(setup, start=None, end=None, accuracy=0.5, rank=1):
    rows = [{"rank": rank}] * len(setup.hidden) + [{"rank": 10}]
    made = Trial(setup, start=start, end=end, measures={"end": {"weights": rows}})
    made.curves["val_accuracy"].append(accuracy)
    return made


def broken(setup):
    return Trial(setup, start=network([1.0] * len(setup.hidden)), stopped="NaN in dense1")


def every(number, make):
    """Ten trials for each label of a claim, of make(label, setup, jitter)."""
    return {
        label: [make(label, setup, 1 + 0.01 * seed) for seed in range(SEEDS)]
        for label, setup in CLAIM[number].setups.items()
    }


def from_zero(relu=1.0, sigmoid=0.0, rank=lambda label: 1):
    def make(label, setup, jitter):
        zeros = {"zero, ReLU": relu, "zero, sigmoid": sigmoid}.get(label, 0.0)
        return trial(setup, end=network([0.1] * 4, zeros), rank=rank(label))

    return every(11, make)


def test_zero_weights_verdicts():
    judge = CLAIM[11].judge
    assert judge(from_zero(sigmoid=1.0)).verdict == HOLDS
    assert judge(from_zero()).verdict == ONLY_RELU
    assert judge(from_zero(relu=0.999)).verdict == FAILS  # one output that is not 0 suffices
    assert judge(from_zero(rank=lambda label: 1 + ("sigmoid" in label))).verdict == FAILS
    # Weights that are constant and not 0 are for comparison.
    assert judge(from_zero(rank=lambda label: 1 + ("constant" in label))).verdict == ONLY_RELU


def test_zero_weights_number_is_the_share_of_networks_with_units_alike():
    trials = from_zero()
    trials["zero, ReLU"][0] = broken(trials["zero, ReLU"][0].setup)
    finding = CLAIM[11].judge(trials)
    assert finding.number.value == 0.9
    assert finding.numbers["all activations 0, zero, ReLU"].value == 0.9
    assert finding.verdict == ONLY_RELU  # nine of ten: 0.60 to 0.98


def with_stds(before, after):
    return every(
        12,
        lambda label, setup, jitter: trial(
            setup,
            start=network([0.5] * 4 if label == "He" else [std * jitter for std in before]),
            end=network([0.5] * 4 if label == "He" else [std * jitter for std in after]),
        ),
    )


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
    finding = CLAIM[12].judge(with_stds(before, after))
    assert finding.verdict == verdict
    assert finding.number.value == pytest.approx(1.045e-4)


def test_small_weights_that_broke_every_training_hold_only_before():
    trials = with_stds(NEAR_0, NEAR_0)
    trials["random normal"] = [trial(run.setup, start=run.start) for run in trials["random normal"]]
    finding = CLAIM[12].judge(trials)
    assert finding.verdict == ONLY_BEFORE
    assert "not to be had with random normal after training" in finding.because


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
    assert finding.number.value == pytest.approx(0.96)
    assert len(CLAIM[13].draw(with_sizes()).axes) == 3


def test_sizes_hold_only_where_they_do():
    reversed_ = {**TAPER, "LeCun": (0.19, 0.14)}
    narrowing = "in a narrowing network"
    assert CLAIM[13].judge(with_sizes(wide=reversed_)).verdict == (
        "holds only if it is confined to Xavier above random normal; He as the most even; LeCun "
        f"below Xavier {narrowing} before training and {narrowing} after training"
    )
    uneven = {**TAPER, "He": (0.25, 0.05)}
    assert CLAIM[13].judge(with_sizes(after=uneven)).verdict == (
        "holds only if it is confined to Xavier above random normal; He as the most even "
        f"{narrowing} before training and in a widening network before training; LeCun below Xavier"
    )


def test_sizes_fail_if_no_part_holds_anywhere():
    against = {**TAPER, "random normal": (0.2, 0.15), "He": (0.25, 0.05), "LeCun": (0.19, 0.14)}
    assert CLAIM[13].judge(with_sizes(against, against, against)).verdict == FAILS


def test_a_difference_within_the_seeds_is_none():
    trials = with_sizes()
    for seed, run in enumerate(trials["LeCun"]):
        for row in run.start["hidden"]:
            row["std"] = 0.2 * (seed % 2) + 1e-3
    assert "LeCun below Xavier in a narrowing network after" in CLAIM[13].judge(trials).verdict


def test_theory_multiplies_the_std_by_the_root_of_half_fan_in_var_w():
    told = network([1.0, 7.0, 7.0])
    np.testing.assert_allclose(predicted(told), [1.0, 0.32**0.5, 0.32])


@pytest.mark.parametrize("init", ["he_normal", "lecun_normal", "normal"])
def test_theory_meets_what_is_measured(init):
    setup = Setup(data="digits", hidden=(512,) * 4, init=init, epochs=0)
    start = train(setup)[0].start
    measured = [row["std"] for row in start["hidden"]]
    np.testing.assert_allclose(predicted(start), measured, rtol=0.25)


def with_zeros(shares):
    """Trials of claim 14 from label -> share of zeros."""
    return every(
        14, lambda label, setup, jitter: trial(setup, end=network([1.0], shares[label] * jitter))
    )


ZEROS = dict.fromkeys(CLAIM[14].setups, 0.5)
FEW_WITH, _, FEW_WITHOUT, _ = ZEROS


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({FEW_WITH: 0.7, FEW_WITHOUT: 0.9}, HOLDS),
        ({FEW_WITH: 0.7}, ONLY_WITH),
        ({FEW_WITHOUT: 0.9}, ONLY_WITHOUT),
        ({FEW_WITHOUT: 0.58, FEW_WITH: 0.58}, FAILS),  # too little to be seen
        ({FEW_WITHOUT: 0.1, FEW_WITH: 0.1}, FAILS),
    ],
)
def test_the_last_layer_verdicts(changes, verdict):
    finding = CLAIM[14].judge(with_zeros(ZEROS | changes))
    assert finding.verdict == verdict
    # 64 nodes less 256; the seeds' mean jitter is 1.045
    expected = (changes.get(FEW_WITHOUT, 0.5) - 0.5) * 1.045
    assert finding.number.value == pytest.approx(expected)


def test_the_missing_output_layer_is_told_apart_from_the_width():
    shares = {label: 0.9 if "no output" in label else 0.5 for label in ZEROS}
    finding = CLAIM[14].judge(with_zeros(shares))
    assert finding.verdict == FAILS
    for nodes in (64, 256):
        effect = finding.numbers[f"zeros, no output layer less logits, {nodes} nodes"]
        assert effect.value == pytest.approx(0.4 * 1.045)


def test_a_last_layer_that_broke_off_counts_as_all_zeros():
    trials = with_zeros(ZEROS)
    for label in (FEW_WITH, FEW_WITHOUT):
        trials[label] = [broken(run.setup) for run in trials[label]]
    finding = CLAIM[14].judge(trials)
    assert finding.verdict == HOLDS
    assert finding.numbers[f"dead units, {FEW_WITH}"].value == 1.0


def with_accuracy(ahead=()):
    """Trials of claim 15 in which all reach .5, but for what is recommended in those ahead."""
    better = {
        f"{advice.activation}, {rule}, {advice.depth} layers": gain
        for advice, gain in ahead
        for rule in advice.chosen
    }
    return every(
        15,
        lambda label, setup, jitter: trial(
            setup,
            start=network([1.0] * len(setup.hidden)),
            accuracy=0.5 * jitter + better.get(label, 0.0),
        ),
    )


BY_ACTIVATION = [advice for advice in GUIDELINE if advice.chosen != ("orthogonal",)]
IN_DEPTH = [advice for advice in GUIDELINE if advice.chosen == ("orthogonal",)]


def test_the_guideline_holds_if_what_it_recommends_is_ahead_everywhere():
    ahead = [(advice, 0.1) for advice in BY_ACTIVATION] + [(advice, 0.2) for advice in IN_DEPTH]
    finding = CLAIM[15].judge(with_accuracy(ahead))
    assert finding.verdict == HOLDS
    assert finding.number.value == pytest.approx(0.1)


def test_the_guideline_holds_only_for_the_parts_that_do():
    he = [(advice, 0.1) for advice in GUIDELINE if advice.part == "He with ReLU"]
    assert CLAIM[15].judge(with_accuracy(he)).verdict == (
        "holds only if it is confined to He with ReLU"
    )
    some = [*he[1:], (IN_DEPTH[1], 0.1)]
    assert CLAIM[15].judge(with_accuracy(some)).verdict == (
        "holds only if it is confined to He with ReLU in 10 layers and in 30 layers; orthogonal in "
        "30 layers with tanh"
    )


def test_the_guideline_fails_if_nothing_is_ahead_by_more_than_a_point():
    assert CLAIM[15].judge(with_accuracy()).verdict == FAILS
    hardly = [(advice, 0.009) for advice in BY_ACTIVATION]
    assert CLAIM[15].judge(with_accuracy(hardly)).verdict == FAILS


def test_xavier_and_lecun_must_both_be_ahead():
    trials = with_accuracy([(advice, 0.1) for advice in BY_ACTIVATION])
    for run in trials["tanh, LeCun, 3 layers"]:
        run.curves["val_accuracy"] = [0.1]
    verdict = CLAIM[15].judge(trials).verdict
    assert "Xavier and LeCun with tanh in 10 layers and in 30 layers" in verdict


def test_a_training_that_broke_off_counts_as_guessing():
    trials = with_accuracy()
    for rule in ("Xavier", "LeCun"):
        label = f"ReLU, {rule}, 10 layers"
        trials[label] = [broken(run.setup) for run in trials[label]]
    finding = CLAIM[15].judge(trials)
    assert finding.verdict == "holds only if it is confined to He with ReLU in 10 layers"
    assert finding.numbers["test accuracy, ReLU, Xavier, 10 layers"].value == pytest.approx(0.1)


def test_std_kept_is_the_last_layers_over_the_firsts_and_never_divides_by_0():
    setup = Setup(hidden=(8, 8, 8))
    assert std_kept(trial(setup, start=network([0.5, 9.0, 0.25]))) == 0.5
    assert std_kept(trial(setup, start=network([0.5, 0.0, 0.0]))) == pytest.approx(2e-38)
    assert std_kept(trial(setup, start=network([0.0, 0.0, 0.0]))) == 1.0


def test_the_claims_of_the_article_on_initial_weights_stand_in_order():
    assert [claim.number for claim in CLAIMS] == [11, 12, 13, 14, 15]
    assert {claim.article for claim in CLAIMS} == {"002"}
    assert {claim.seeds for claim in CLAIMS} == {10}
    # What several claims ask for is trained once.
    assert CLAIM[12].setups["He"] == CLAIM[13].setups["He"] == CLAIM[14].setups[FEW_WITH]
    assert len(set(CLAIM[15].setups.values())) == 3 * 4 * 3


@cache
def trained(setup):
    return train(setup)[0]


def small(setup, seed):
    """A setup for a fraction of a second, of a network that can still tell ten digits."""
    hidden = tuple(max(units // 16, 10) for units in setup.hidden)
    return setup.but(data="digits", rows=128, hidden=hidden, epochs=min(setup.epochs, 1), seed=seed)


@pytest.mark.parametrize("number", sorted(CLAIM))
def test_every_claim_is_judged_and_drawn_from_trainings(number):
    claim = CLAIM[number]
    trials = {
        label: [trained(small(setup, seed)) for seed in (0, 1)]
        for label, setup in claim.setups.items()
    }
    finding = claim.judge(trials)
    assert finding.verdict.startswith((HOLDS, FAILS))
    assert finding.number.n == 2
    assert "nan" not in finding.because
    panels = {11: 4, 12: 2, 13: 3, 14: 2, 15: 12}  # with a scale beside each table
    assert len(claim.draw(trials).axes) == panels[number]


@pytest.mark.parametrize("number", sorted(CLAIM))
def test_every_claim_is_judged_and_drawn_with_a_training_that_broke_off(number):
    claim = CLAIM[number]
    trials = {
        label: [trained(small(setup, 0)), broken(setup)] for label, setup in claim.setups.items()
    }
    for runs in trials.values():
        runs[1].setup = runs[0].setup.but(seed=1)
        runs[1].start = runs[0].start
    assert claim.judge(trials).verdict.startswith((HOLDS, FAILS))
    claim.draw(trials)


@pytest.mark.parametrize("units", [96, 100])  # of 100, rounding tells some apart in the last bit
def test_units_from_zero_weights_stay_alike_and_with_relu_they_are_dead(units):
    def run(setup):
        return train(setup.but(data="digits", hidden=(units,) * 3))[0]

    runs = {label: [run(setup)] for label, setup in CLAIM[11].setups.items()}
    numbers = CLAIM[11].judge(runs).numbers
    assert all(numbers[f"units alike, {label}"].value == 1 for label in runs)
    assert numbers["all activations 0, zero, ReLU"].value == 1
    assert numbers["all activations 0, zero, sigmoid"].value == 0
    runs["zero, ReLU"] = [run(CLAIM[11].setups["zero, ReLU"].but(init="he_normal"))]
    assert CLAIM[11].judge(runs).number.value == 0

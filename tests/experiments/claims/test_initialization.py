"""The claims on initial weights: each rule reaches each verdict, on made-up trials.

Afterwards every claim is judged and drawn from small trainings.
"""

from functools import cache

import matplotlib.pyplot as plt
import numpy as np
import pytest

from minnet.experiments.claims import guideline, initialization
from minnet.experiments.claims.claim import FAILS, HOLDS, UNSETTLED
from minnet.experiments.claims.guideline import GUIDELINE, NOT_TESTABLE, SHALLOW, std_kept
from minnet.experiments.claims.initialization import ONLY_AFTER, ONLY_BEFORE
from minnet.experiments.setup import Setup
from minnet.experiments.trial import Trial, train

CLAIM = {claim.number: claim for claim in initialization.CLAIMS + guideline.CLAIMS}
SEEDS = 10


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def network(stds, zeros=0.5, dead=0, middle=0.0):
    """What is told of a network with these std by layer, of 64 units each."""
    hidden = [
        {"units": 64, "dead": dead, "mean": middle, "std": std, "zeros": zeros} for std in stds
    ]
    return {"hidden": hidden, "dense": []}


def trial(setup, start=None, end=None, accuracy=0.5, likeness=0.0):
    told = {"likeness": [likeness] * len(setup.hidden) + [1.0]}
    made = Trial(setup, start=start, end=end, measures={"end": told})
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


def from_zero(zeros=1.0, likeness=0.0, others=0.5):
    """Trials of claim 11; others is what the networks for contrast are told to have of both."""

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
        (1.0, 2e-4, "holds only if it is confined to all activations being 0"),
        (0.999, 0.0, "holds only if it is confined to units staying alike"),  # one output suffices
        (0.999, 2e-4, FAILS),
    ],
)
def test_zero_weights_verdicts(zeros, likeness, verdict):
    assert CLAIM[11].judge(from_zero(zeros, likeness)).verdict == verdict


def test_sigmoid_and_constant_weights_are_told_and_decide_nothing():
    finding = CLAIM[11].judge(from_zero(others=1.0))
    assert finding.verdict == HOLDS
    assert "zero, sigmoid: all activations 0 in 100%" in finding.because
    assert CLAIM[11].judge(from_zero(others=0.0)).verdict == HOLDS


def test_zero_weights_number_is_the_share_of_networks_with_units_alike():
    trials = from_zero()
    trials["zero, ReLU"][0] = broken(trials["zero, ReLU"][0].setup)
    finding = CLAIM[11].judge(trials)
    assert finding.number.value == 0.9
    assert finding.numbers["all activations 0, zero, ReLU"].value == 0.9
    assert finding.verdict == HOLDS  # nine of ten: 0.60 to 0.98
    half = [broken(run.setup) for run in trials["zero, ReLU"][:5]] + trials["zero, ReLU"][5:]
    assert CLAIM[11].judge(trials | {"zero, ReLU": half}).verdict == UNSETTLED


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
    assert finding.number.value == pytest.approx(1.045e-4)


def test_activations_that_are_alike_and_far_from_0_are_not_near_it():
    finding = CLAIM[12].judge(with_sizes_of(NEAR_0, NEAR_0, middle=0.3))
    assert finding.verdict == FAILS
    assert finding.number.value == pytest.approx(0.3, rel=1e-3)  # the RMS, not the std


def test_activations_as_small_as_hes_are_not_small():
    assert CLAIM[12].judge(with_sizes_of(NEAR_0, NEAR_0, he=0.001)).verdict == FAILS


def test_small_weights_are_not_settled_where_seeds_differ():
    trials = with_sizes_of(FAR, FAR)
    for seed, run in enumerate(trials["random normal"]):
        run.start["hidden"][2]["std"] = 0.19 * (seed % 2)
    finding = CLAIM[12].judge(trials)
    assert finding.verdict == UNSETTLED
    assert finding.because.endswith("Not settled by these seeds: before training.")


def test_small_weights_that_broke_every_training_hold_only_before():
    trials = with_sizes_of(NEAR_0, NEAR_0)
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


def test_a_difference_within_the_seeds_is_not_settled():
    trials = with_sizes()
    for seed, run in enumerate(trials["LeCun"]):
        for row in run.start["hidden"]:
            row["std"] = 0.2 * (seed % 2) + 1e-3
    finding = CLAIM[13].judge(trials)
    assert "LeCun below Xavier in a narrowing network after" in finding.verdict
    assert "LeCun below Xavier in a narrowing network before" in finding.because


def test_sizes_are_not_settled_if_no_part_holds_and_one_is_open():
    against = {**TAPER, "random normal": (0.2, 0.15), "He": (0.25, 0.05), "LeCun": (0.19, 0.14)}
    trials = with_sizes(against, against, against)
    for seed, run in enumerate(trials["LeCun, widening"]):
        run.start["hidden"][-1]["std"] = 0.2 * (seed % 2)
    assert CLAIM[13].judge(trials).verdict == UNSETTLED


def test_theory_is_drawn_before_training_alone_and_meets_what_is_measured():
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


def with_zeros(shares):
    """Trials of claim 14 from label -> share of zeros."""
    return every(
        14, lambda label, setup, jitter: trial(setup, end=network([1.0], shares[label] * jitter))
    )


ZEROS = dict.fromkeys(CLAIM[14].setups, 0.5)
FEW_WITH, _, FEW_WITHOUT, _ = ZEROS
ONLY_WITH, ONLY_WITHOUT = (
    f"holds only if the last hidden layer has {text} after it"
    for text in ("an output layer", "nothing")
)


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


def test_a_last_layer_whose_zeros_differ_from_seed_to_seed_is_not_settled():
    trials = with_zeros(ZEROS)
    for seed, run in enumerate(trials[FEW_WITH]):
        run.end["hidden"][-1]["zeros"] = 0.5 + 0.3 * (seed % 2)
    finding = CLAIM[14].judge(trials)
    assert finding.verdict == UNSETTLED
    assert finding.because.endswith("Not settled by these seeds: an output layer after it.")


def test_the_missing_output_layer_is_told_apart_from_the_width():
    shares = {label: 0.9 if "nothing" in label else 0.5 for label in ZEROS}
    finding = CLAIM[14].judge(with_zeros(shares))
    assert finding.verdict == FAILS
    for nodes in (64, 256):
        effect = finding.numbers[f"zeros, without less with an output layer, {nodes} nodes"]
        assert effect.value == pytest.approx(0.4 * 1.045)
    assert "changes it by 41.80 points" in finding.because


def test_the_numbers_of_nodes_that_are_told_are_those_that_were_trained():
    trials = {
        label: [Trial(run.setup.but(hidden=(8, run.setup.hidden[-1] // 16)), end=run.end)]
        for label, runs in with_zeros(ZEROS).items()
        for run in runs[:1]
    }
    finding = CLAIM[14].judge(trials)
    assert "With 4 nodes in place of 16" in finding.because
    assert "zeros, 4 less 16 nodes, nothing after it" in finding.numbers
    assert "64" not in finding.because + finding.what


def test_a_last_layer_that_broke_off_counts_as_all_zeros():
    trials = with_zeros(ZEROS)
    for label in (FEW_WITH, FEW_WITHOUT):
        trials[label] = [broken(run.setup) for run in trials[label]]
    finding = CLAIM[14].judge(trials)
    assert finding.verdict == HOLDS
    assert finding.numbers["dead units, 64 nodes, nothing after it"].value == 1.0


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
    some = [he[-1], (IN_DEPTH[1], 0.1)]
    assert CLAIM[15].judge(with_accuracy(some)).verdict == (
        "holds only if it is confined to He with ReLU in 30 layers; orthogonal in 30 layers with "
        "tanh"
    )


def test_the_guideline_fails_if_nothing_is_ahead_by_more_than_a_point():
    assert CLAIM[15].judge(with_accuracy()).verdict == FAILS
    hardly = [(advice, 0.009) for advice in BY_ACTIVATION]
    assert CLAIM[15].judge(with_accuracy(hardly)).verdict == FAILS


def test_shallow_networks_are_told_and_have_no_part_in_the_verdict():
    deep = [(advice, 0.1) for advice in BY_ACTIVATION if advice.depth != SHALLOW]
    finding = CLAIM[15].judge(with_accuracy([*deep, *((advice, 0.2) for advice in IN_DEPTH)]))
    assert finding.verdict == HOLDS
    assert "He with ReLU in 3 layers 0.00 points" in finding.because
    shallow = [(advice, 0.1) for advice in BY_ACTIVATION if advice.depth == SHALLOW]
    assert CLAIM[15].judge(with_accuracy(shallow)).verdict == FAILS


def at_chance(trials, labels):
    for label in labels:
        for run in trials[label]:
            run.curves["val_accuracy"] = [0.11]


def test_what_learned_nothing_is_not_testable_and_counts_neither_way():
    ahead = [(advice, 0.1) for advice in BY_ACTIVATION] + [(advice, 0.2) for advice in IN_DEPTH]
    trials = with_accuracy(ahead)
    at_chance(trials, [f"sigmoid, {rule}, 30 layers" for rule in guideline.RULES])
    finding = CLAIM[15].judge(trials)
    assert finding.verdict == HOLDS
    assert (
        "Not testable with this budget: Xavier and LeCun with sigmoid in 30 layers and orthogonal "
        "in 30 layers with sigmoid."
    ) in finding.because
    at_chance(trials, trials)
    assert CLAIM[15].judge(trials).verdict == NOT_TESTABLE


def test_one_initializer_that_learned_makes_the_case_testable():
    trials = with_accuracy()
    at_chance(trials, [label for label in trials if label != "ReLU, He, 30 layers"])
    finding = CLAIM[15].judge(trials)
    assert finding.verdict == "holds only if it is confined to He with ReLU"
    assert "He with ReLU in 10 layers" in finding.because.partition("Not testable")[2]


def test_a_lead_that_differs_from_seed_to_seed_is_not_settled():
    trials = with_accuracy()
    for seed, run in enumerate(trials["ReLU, He, 10 layers"]):
        run.curves["val_accuracy"] = [0.4 + 0.2 * (seed % 2)]
    finding = CLAIM[15].judge(trials)
    assert finding.verdict == UNSETTLED
    assert finding.because.endswith("Not settled by these seeds: He with ReLU in 10 layers.")


def test_xavier_and_lecun_must_both_be_ahead():
    trials = with_accuracy([(advice, 0.1) for advice in BY_ACTIVATION])
    at_chance(trials, ["tanh, LeCun, 10 layers"])
    verdict = CLAIM[15].judge(trials).verdict
    assert "Xavier and LeCun with tanh in 30 layers" in verdict


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
    assert [claim.number for claim in initialization.CLAIMS] == [11, 12, 13]
    assert [claim.number for claim in guideline.CLAIMS] == [14, 15]
    assert {claim.article for claim in CLAIM.values()} == {"002"}
    assert {claim.seeds for claim in CLAIM.values()} == {10}
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

"""Claims 14 and 15: made-up trials reach each verdict."""

import pytest
from helpers.made_up_trials import CLAIM, diverged, every, network, result, trial, undecided

from minnet.experiments.claims import guideline, initialization
from minnet.experiments.claims.guideline import GUIDELINE, SHALLOW, WITH, WITHOUT
from minnet.experiments.claims.verdicts import FAILS, HOLDS, UNDECIDED, only_if
from minnet.experiments.trial import Trial

LEAD = "lead over the best rival in test accuracy"


def with_zeros(shares):
    """Trials of claim 14 from label -> share of zeros."""
    return every(
        14, lambda label, setup, jitter: trial(setup, end=network([1.0], shares[label] * jitter))
    )


ZEROS = dict.fromkeys(CLAIM[14].setups, 0.5)
FEW_WITH, MANY_WITH, FEW_WITHOUT, MANY_WITHOUT = ZEROS
ONLY_WITH, ONLY_WITHOUT = (only_if(f"the network is trained {text}") for text in (WITH, WITHOUT))


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({FEW_WITH: 0.7, FEW_WITHOUT: 0.9}, HOLDS),
        ({FEW_WITH: 0.7}, ONLY_WITH),
        ({FEW_WITHOUT: 0.9}, ONLY_WITHOUT),
        ({FEW_WITHOUT: 0.58, FEW_WITH: 0.58}, FAILS),  # too small a change
        ({FEW_WITHOUT: 0.1, FEW_WITH: 0.1}, FAILS),
    ],
)
def test_the_last_layer_verdicts(changes, verdict):
    finding = CLAIM[14].judge(with_zeros(ZEROS | changes))
    assert finding.verdict == verdict
    # 64 nodes less 256; the seeds' mean jitter is 1.045
    expected = (changes.get(FEW_WITHOUT, 0.5) - 0.5) * 1.045
    assert result(finding).value == pytest.approx(expected)


def test_a_last_layer_whose_zeros_differ_from_seed_to_seed_is_undecided():
    trials = with_zeros(ZEROS)
    for seed, run in enumerate(trials[FEW_WITH]):
        run.end["hidden"][-1]["zeros"] = 0.5 + 0.3 * (seed % 2)
    finding = CLAIM[14].judge(trials)
    assert finding.verdict == UNDECIDED
    assert undecided(finding) == [WITH]


def test_the_effect_of_the_missing_output_layer_is_separate_from_the_width():
    shares = {label: 0.9 if WITHOUT in label else 0.5 for label in ZEROS}
    finding = CLAIM[14].judge(with_zeros(shares))
    assert finding.verdict == FAILS
    for nodes in ("few nodes", "many nodes"):
        effect = finding.numbers[f"share of zeros, without minus with an output layer, {nodes}"]
        assert effect.value == pytest.approx(0.4 * 1.045)
    assert "that with one is 41.80 points" in finding.reason


def test_the_reported_numbers_of_nodes_are_those_that_were_trained():
    trials = {
        label: [Trial(run.setup.but(hidden=(8, run.setup.hidden[-1] // 16)), end=run.end)]
        for label, runs in with_zeros(ZEROS).items()
        for run in runs[:1]
    }
    finding = CLAIM[14].judge(trials)
    assert "with 4 nodes minus that with 16 nodes" in finding.reason
    assert "64" not in finding.reason + finding.result


@pytest.mark.parametrize(("few_with", "verdict"), [(0.6, HOLDS), (0.4, FAILS)])
def test_a_last_layer_that_is_all_zeros_with_many_nodes_does_not_count(few_with, verdict):
    zeros = ZEROS | {FEW_WITH: few_with, MANY_WITH: 0.4, FEW_WITHOUT: 0.915, MANY_WITHOUT: 0.91}
    finding = CLAIM[14].judge(with_zeros(zeros))
    assert finding.verdict == verdict
    assert finding.result == "share of zeros, few minus many nodes, with an output layer"
    assert "Without an output layer, 256 nodes are at 0 too." in finding.reason
    shares = [finding.numbers[f"share of zeros, {label}"] for label in ZEROS]
    assert all(0 <= share.low <= share.high <= 1 for share in shares)
    zeros |= {FEW_WITH: 0.915, MANY_WITH: 0.91}
    assert CLAIM[14].judge(with_zeros(zeros)).verdict == UNDECIDED


def test_orthogonal_weights_as_drawn_are_reported_and_do_not_decide():
    trials = with_accuracy()
    verdict = CLAIM[15].judge(trials).verdict
    for run in trials[guideline.AS_DRAWN]:
        run.curves["val_accuracy"] = [0.99]
    finding = CLAIM[15].judge(trials)
    assert finding.verdict == verdict
    assert "as drawn, not times √2, reach 99.0%" in finding.reason


def test_a_diverged_training_counts_as_all_zeros():
    trials = with_zeros(ZEROS)
    for label in (FEW_WITH, FEW_WITHOUT):
        trials[label] = [diverged(run.setup) for run in trials[label]]
    finding = CLAIM[14].judge(trials)
    assert finding.verdict == HOLDS
    assert finding.numbers["share of zeros, few nodes, without an output layer"].value == 1.0


def with_accuracy(ahead=()):
    """Trials of claim 15 in which all reach .5, but for what is recommended in those ahead."""
    better = {label: gain for advice, gain in ahead for label in advice.recommended}
    return every(
        15,
        lambda label, setup, jitter: trial(
            setup,
            start=network([1.0] * len(setup.hidden)),
            accuracy=0.5 * jitter + better.get(label, 0.0),
        ),
    )


BY_ACTIVATION = [advice for advice in GUIDELINE if "orthogonal" not in advice.part]
IN_DEPTH = [advice for advice in GUIDELINE if "orthogonal" in advice.part]


def test_the_guideline_holds_if_its_recommendations_lead_everywhere():
    ahead = [(advice, 0.1) for advice in BY_ACTIVATION] + [(advice, 0.2) for advice in IN_DEPTH]
    finding = CLAIM[15].judge(with_accuracy(ahead))
    assert finding.verdict == HOLDS
    assert result(finding).value == pytest.approx(0.1)


def test_the_guideline_holds_only_for_the_parts_that_do():
    he = [(advice, 0.1) for advice in GUIDELINE if advice.part == "He with ReLU"]
    assert CLAIM[15].judge(with_accuracy(he)).verdict == (
        only_if("the statement is restricted to He with ReLU")
    )
    some = [he[-1], (IN_DEPTH[1], 0.1)]
    assert CLAIM[15].judge(with_accuracy(some)).verdict == only_if(
        "the statement is restricted to He with ReLU in 30 layers; "
        "orthogonal in 30 layers with tanh"
    )


def test_the_guideline_fails_if_nothing_leads_by_more_than_a_point():
    assert CLAIM[15].judge(with_accuracy()).verdict == FAILS
    hardly = [(advice, 0.009) for advice in BY_ACTIVATION]
    assert CLAIM[15].judge(with_accuracy(hardly)).verdict == FAILS


def test_shallow_networks_are_reported_and_do_not_count():
    deep = [(advice, 0.1) for advice in BY_ACTIVATION if advice.case != SHALLOW]
    finding = CLAIM[15].judge(with_accuracy([*deep, *((advice, 0.2) for advice in IN_DEPTH)]))
    assert finding.verdict == HOLDS
    assert finding.numbers[f"{LEAD}, He with ReLU in 3 layers"].value == pytest.approx(0)
    shallow = [(advice, 0.1) for advice in BY_ACTIVATION if advice.case == SHALLOW]
    assert CLAIM[15].judge(with_accuracy(shallow)).verdict == FAILS


def at_chance(trials, labels):
    for label in labels:
        for run in trials[label]:
            run.curves["val_accuracy"] = [0.11]


def test_a_case_in_which_nothing_was_learned_is_not_testable():
    ahead = [(advice, 0.1) for advice in BY_ACTIVATION] + [(advice, 0.2) for advice in IN_DEPTH]
    trials = with_accuracy(ahead)
    at_chance(trials, [f"sigmoid, {rule}, 30 layers" for rule in guideline.RULES])
    finding = CLAIM[15].judge(trials)
    assert finding.verdict == HOLDS
    assert (
        "Not testable after so short a training: Xavier and LeCun with sigmoid in 30 layers and "
        "orthogonal in 30 layers with sigmoid."
    ) in finding.reason
    at_chance(trials, trials)
    assert CLAIM[15].judge(trials).verdict == UNDECIDED


def test_one_initializer_that_learned_makes_the_case_testable():
    trials = with_accuracy()
    at_chance(trials, [label for label in trials if label != "ReLU, He, 30 layers"])
    finding = CLAIM[15].judge(trials)
    assert finding.verdict == only_if("the statement is restricted to He with ReLU")
    assert "He with ReLU in 10 layers" in finding.reason.partition("Not testable")[2]


def test_a_lead_that_differs_from_seed_to_seed_is_undecided():
    trials = with_accuracy()
    for seed, run in enumerate(trials["ReLU, He, 10 layers"]):
        run.curves["val_accuracy"] = [0.4 + 0.2 * (seed % 2)]
    finding = CLAIM[15].judge(trials)
    assert finding.verdict == UNDECIDED
    assert undecided(finding) == ["He with ReLU in 10 layers"]


def test_xavier_and_lecun_must_both_lead():
    trials = with_accuracy([(advice, 0.1) for advice in BY_ACTIVATION])
    at_chance(trials, ["tanh, LeCun, 10 layers"])
    verdict = CLAIM[15].judge(trials).verdict
    assert "Xavier and LeCun with tanh in 30 layers" in verdict.condition


def test_a_diverged_training_counts_as_guessing():
    trials = with_accuracy()
    for rule in ("Xavier", "LeCun"):
        label = f"ReLU, {rule}, 10 layers"
        trials[label] = [diverged(run.setup) for run in trials[label]]
    finding = CLAIM[15].judge(trials)
    assert finding.verdict == only_if("the statement is restricted to He with ReLU in 10 layers")
    assert finding.numbers["test accuracy, ReLU, Xavier, 10 layers"].value == pytest.approx(0.1)


def test_the_claims_on_initial_weights_share_their_trainings():
    assert [claim.number for claim in initialization.CLAIMS] == [11, 12, 13]
    assert [claim.number for claim in guideline.CLAIMS] == [14, 15]
    assert {claim.article for claim in CLAIM.values()} == {"002"}
    assert {claim.seeds for claim in CLAIM.values()} == {10}
    # Each training that several claims need is done once.
    assert CLAIM[12].setups["He"] == CLAIM[13].setups["He"] == CLAIM[14].setups[FEW_WITH]
    assert len(set(CLAIM[15].setups.values())) == 3 * 4 * 3 + 1

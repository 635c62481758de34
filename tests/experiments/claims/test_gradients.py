"""Claims 5 to 10 and 20: each verdict is reached from numbers made up for it, and no others."""

import math

import pytest

from minnet.experiments.claims import gradients
from minnet.experiments.claims.claim import FAILS, HOLDS
from minnet.experiments.claims.gradients import LARGE, SCALES, SIGNS
from minnet.experiments.claims.verdicts import (
    above,
    below,
    last,
    listed,
    paired,
    percent,
    verdict_of_parts,
)
from minnet.experiments.intervals import mean
from minnet.experiments.trial import Trial, train
from minnet.experiments.vanishing import SICK

CLAIMS = {claim.number: claim for claim in gradients.CLAIMS}
SEEDS = 4
WIDTH, WEIGHT = 1000, 0.0182  # for which 1/4 √(n Var W) is .144
THEORY = 0.25 * math.sqrt(WIDTH) * WEIGHT


def network(first=1e-7, final=1e-2, *, saturated=0.0, factor=THEORY, ways=(1.0, 1.0)):
    """What is told of six layers whose gradients rise evenly from first to final."""
    steps = [(final / max(first, 1e-45)) ** (layer / 5) for layer in range(6)]
    return {
        "hidden": [{"saturated": saturated} for _ in range(5)],
        "dense": [
            {
                "fan_in": 2 * WIDTH,  # backward, a layer's outputs are summed over
                "fan_out": WIDTH,
                "weight_rms": WEIGHT,
                "weight_grad_rms": first * step if layer < 5 else final,
                "dy_rms": factor ** (5 - layer),
                "moved": ways[0] if layer < 5 else ways[1],
            }
            for layer, step in enumerate(steps)
        ],
    }


def made(setup, seed, start=None, end=None, stopped=None, **curves):
    """A trial with these curves, which end with the numbers given, a little apart by seed."""
    trial = Trial(setup.but(seed=seed), stopped=stopped, start=start or network())
    if stopped is None:
        trial.end = end or trial.start
        for name, number in curves.items():
            trial.curves[name] = [number, number * (1 + 0.001 * seed)]
    return trial


def runs(setup, **told):
    return [made(setup, seed, **told) for seed in range(SEEDS)]


def verdict(number, trials):
    return CLAIMS[number].judge(trials).verdict


def sigmoid(**told):
    return {"sigmoid": runs(SICK, **told)}


def test_5_holds_if_gradients_vanish_before_and_after():
    finding = CLAIMS[5].judge(sigmoid())
    assert finding.verdict == HOLDS
    assert finding.number.value == pytest.approx(1e5)
    assert finding.numbers["RMS of dW, layer 1, after training"].value == pytest.approx(1e-7)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (1e-7, 1e-4, "holds only if gradients are looked at before training"),
        (1e-4, 1e-7, "holds only if gradients are looked at after training"),
        (1e-4, 1e-4, FAILS),
    ],
)
def test_5_else_depends_on_when_they_vanish(start, end, expected):
    assert verdict(5, sigmoid(start=network(start), end=network(end))) == expected


def test_5_needs_the_whole_interval_above_a_thousand():
    ratios = (900.0, 1e4, 2e3, 900.0)  # their geometric mean is above 2000
    trials = [made(SICK, i, start=network(1e-2 / ratio)) for i, ratio in enumerate(ratios)]
    assert verdict(5, {"sigmoid": trials}) == FAILS


def test_5_counts_a_gradient_that_is_0_as_the_least_float32_has():
    finding = CLAIMS[5].judge(sigmoid(start=network(0.0)))
    assert finding.verdict == HOLDS
    least = finding.numbers["RMS of dW, layer 1, before training"].value
    assert least == pytest.approx(1e-38, rel=1e-6, abs=0)


def test_6_fails_if_nothing_is_saturated_and_attenuation_explains_the_factor():
    finding = CLAIMS[6].judge(sigmoid(start=network(factor=0.148)))
    assert finding.verdict == FAILS
    assert finding.number.value == pytest.approx(0.148)
    assert finding.numbers["factor a layer, theory"].value == pytest.approx(THEORY)
    assert "0.148" in finding.because
    assert "0.144" in finding.because


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (network(saturated=0.8, factor=0.02), network(saturated=0.8), HOLDS),
        (network(), network(saturated=0.8), HOLDS),
        (network(saturated=0.2), network(), "holds only if saturation is one cause among others"),
        (network(factor=0.05), network(), "holds only if saturation is one cause among others"),
    ],
)
def test_6_else_depends_on_how_much_is_saturated(start, end, expected):
    assert verdict(6, sigmoid(start=start, end=end)) == expected


def sweep(**small):
    """Claim 7's trials; large weights of the signs named give gradients of that size."""
    return {
        f"{sign}, {scale:g} times": runs(
            SICK, start=network(small.get(value, 1e-7) if scale in LARGE else 1e-7)
        )
        for sign, value in SIGNS.items()
        for scale in SCALES
    }


@pytest.mark.parametrize(
    ("small", "expected"),
    [
        ({}, FAILS),
        ({"both": 1e-6, "positive": 0.5e-7}, FAILS),
        ({"both": 1e-20, "negative": 1e-20}, HOLDS),
        ({"both": 1e-3, "positive": 0.0}, "holds only if the weights are all positive"),
        (
            {"positive": 1e-20, "negative": 0.0},
            "holds only if the weights are all positive or all negative",
        ),
        (
            {"both": 1e-20, "positive": 1e-20, "negative": 1e-20},
            "holds only if nothing is said of the sign: with any, gradients become small",
        ),
    ],
)
def test_7_depends_on_the_signs_with_which_large_weights_make_small_gradients(small, expected):
    assert verdict(7, sweep(**small)) == expected


def test_7_asks_all_large_weights():
    trials = sweep(both=1e-20, positive=1e-20)
    for sign in ("both signs", "all positive"):
        trials[f"{sign}, 100 times"] = runs(SICK, start=network(1e-7))
    assert verdict(7, trials) == FAILS


def test_7_compares_all_with_ordinary_weights_of_both_signs():
    trials = sweep()
    for scale in SCALES:  # with one sign the gradient is small at any scale
        trials[f"all negative, {scale:g} times"] = runs(SICK, start=network(1e-12))
    finding = CLAIMS[7].judge(trials)
    assert finding.verdict == "holds only if the weights are all negative"
    assert finding.numbers["gradient, all negative, 1 times"].value == pytest.approx(1e-5)


def pair(sick, healed):
    """Claims 8 and 9: trials that end at these (train_loss, val_loss, train_ and val_accuracy)."""
    names = ("train_loss", "val_loss", "train_accuracy", "val_accuracy")
    labels = CLAIMS[8].setups
    ends = (dict(zip(names, end, strict=True)) for end in (sick, healed))
    return {
        label: runs(setup, **end) for (label, setup), end in zip(labels.items(), ends, strict=True)
    }


HEALED = (0.2, 0.2, 0.95, 0.95)


@pytest.mark.parametrize(
    ("sick", "expected"),
    [
        ((2.3026, 2.3026, 0.11, 0.11), HOLDS),
        ((0.1, 0.1, 0.97, 0.97), FAILS),
        (
            (0.5, 0.5, 0.97, 0.97),
            "holds only if it is said of training loss, not of test accuracy",
        ),
        ((0.1, 0.3, 0.97, 0.9), "holds only if it is said of test accuracy, not of loss"),
    ],
)
def test_8_asks_loss_and_accuracy(sick, expected):
    assert verdict(8, pair(sick, HEALED)) == expected


@pytest.mark.parametrize(
    ("sick", "expected", "underfits"),
    [
        ((2.3, 2.3, 0.11, 0.112), FAILS, True),
        ((0.01, 0.3, 0.999, 0.9), HOLDS, False),
        ((0.5, 0.5, 0.85, 0.83), HOLDS, True),
    ],
)
def test_9_asks_whether_training_rows_are_learned_better_than_others(sick, expected, underfits):
    finding = CLAIMS[9].judge(pair(sick, HEALED))
    assert finding.verdict == expected
    assert finding.number.value == pytest.approx(sick[2] - sick[3], abs=1e-3)
    assert ("underfits" in finding.because) is underfits


def test_9_leaves_it_to_the_seed_if_the_interval_has_both():
    trials = pair((2.3, 2.3, 0.11, 0.11), HEALED)
    long = next(iter(trials.values()))
    long[0].curves["train_accuracy"] = [0.2]
    assert verdict(9, trials) == "holds only if the seed is an unlucky one"


def remedies(**healed):
    """Claim 10: remedies by name, which end at (last over first, accuracy); others are sick."""
    trials = {}
    for label, setup in CLAIMS[10].setups.items():
        ratio, accuracy = healed.get(label.replace(" ", "_"), (1e5, 0.11))
        trials[label] = runs(setup, start=network(1e-2 / ratio), val_accuracy=accuracy)
    return trials


GOOD = (10.0, 0.9)


@pytest.mark.parametrize(
    ("healed", "expected"),
    [
        ({"together": GOOD}, FAILS),
        (
            dict.fromkeys(("ReLU", "Swish", "skip_connections", "BatchNorm", "Xavier"), GOOD),
            HOLDS,
        ),
        ({"BatchNorm": GOOD}, "holds only if the remedy is BatchNorm"),
        (
            {"ReLU": GOOD, "skip_connections": GOOD, "BatchNorm": GOOD, "Xavier": (10.0, 0.3)},
            "holds only if the remedy is ReLU, skip connections or BatchNorm",
        ),
        ({"Swish": GOOD, "ReLU": (1e4, 0.9)}, "holds only if the remedy is Swish"),
        ({"Swish": GOOD, "none": (10.0, 0.95)}, FAILS),  # there was nothing to heal
    ],
)
def test_10_names_the_remedies_that_heal_alone(healed, expected):
    assert verdict(10, remedies(**healed)) == expected


def optimizers(
    *, exploded=True, clipped=0.85, adam=(1.0, 0.9), rmsprop=(1.0, 0.9), sgd=(1e-4, 0.11)
):
    """Claim 20: (how far the first layer moves over the last, accuracy) of each optimizer."""
    setups, broke = CLAIMS[20].setups, "step 3: NaN" if exploded else None
    trials = {
        "not clipped": runs(setups["not clipped"], stopped=broke, val_accuracy=0.9),
        "clipped to norm 1": runs(setups["clipped to norm 1"], val_accuracy=clipped),
    }
    for label, (way, accuracy) in {"SGD": sgd, "Adam": adam, "RMSProp": rmsprop}.items():
        end = network(ways=(way, 1.0))
        trials[label] = runs(setups[label], end=end, val_accuracy=accuracy)
    return trials


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({}, HOLDS),
        ({"clipped": 0.15}, "holds only if it is said of Adam and RMSProp"),
        ({"exploded": False}, "holds only if it is said of Adam and RMSProp"),
        ({"rmsprop": (1.0, 0.11)}, "holds only if it is said of clipping and Adam"),
        ({"adam": (2e-4, 0.9)}, "holds only if it is said of clipping and RMSProp"),
        ({"exploded": False, "adam": (1.0, 0.12), "rmsprop": (1e-4, 0.11)}, FAILS),
    ],
)
def test_20_names_what_does_it(told, expected):
    assert verdict(20, optimizers(**told)) == expected


def test_20_tells_how_many_broke_off_and_how_far_weights_moved():
    finding = CLAIMS[20].judge(optimizers())
    assert "4 of 4 trainings of the exploding network break off" in finding.because
    assert finding.numbers["test accuracy, not clipped"].value == pytest.approx(0.1)
    assert finding.numbers["that over SGD's, Adam"].value == pytest.approx(1e4)


def test_20_leaves_out_of_the_ways_who_broke_off():
    trials = optimizers()
    trials["Adam"][0] = made(CLAIMS[20].setups["Adam"], 0, stopped="NaN")
    numbers = CLAIMS[20].judge(trials).numbers
    assert numbers["that over SGD's, Adam"].n == SEEDS - 1
    assert numbers["test accuracy, Adam"].n == SEEDS


@pytest.mark.parametrize("number", CLAIMS)
def test_a_claim_has_a_verdict_and_a_picture_if_all_trainings_broke_off(number):
    claim = CLAIMS[number]
    trials = {label: runs(setup, stopped="NaN") for label, setup in claim.setups.items()}
    finding = claim.judge(trials)
    # The gradients that claims 5 and 6 ask for were there before training.
    expected = {5: "holds only if gradients are looked at before training"}.get(number, FAILS)
    assert finding.verdict == expected
    assert math.isfinite(finding.number.low)
    claim.draw(trials).canvas.draw()


@pytest.fixture(scope="module")
def trained():
    kept = {}

    def tiny(setup, seed):
        hidden = tuple(min(units, 16) for units in setup.hidden)
        changes = {"data": "digits", "rows": 400, "epochs": min(setup.epochs, 1), "seed": seed}
        setup = setup.but(hidden=hidden, **changes)
        if setup not in kept:
            kept[setup] = train(setup)[0]
        return kept[setup]

    return tiny


@pytest.mark.parametrize("number", CLAIMS)
def test_a_claim_judges_and_draws_what_was_really_trained(number, trained):
    claim = CLAIMS[number]
    trials = {
        label: [trained(setup, seed) for seed in range(2)] for label, setup in claim.setups.items()
    }
    finding = claim.judge(trials)
    assert finding.verdict in (HOLDS, FAILS) or finding.verdict.startswith("holds only if ")
    assert math.isfinite(finding.number.value)
    assert "nan" not in finding.because
    assert all(number.n == 2 for number in finding.numbers.values())
    figure = claim.draw(trials)
    figure.canvas.draw()
    assert all(ax.get_xlabel() for ax in figure.axes)


def test_the_sick_network_is_the_articles_in_all_claims():
    for number in (5, 6, 8, 9):
        assert SICK in CLAIMS[number].setups.values()
    assert CLAIMS[10].setups["none"] == SICK.but(epochs=1) == CLAIMS[20].setups["SGD"]


def test_what_broke_off_counts_as_a_guess():
    broken = made(SICK, 0, stopped="NaN")
    assert last(broken, "val_accuracy") == 0.1
    assert last(broken, "train_loss") == pytest.approx(math.log(10))
    assert last(made(SICK, 0, train_loss=float("inf")), "train_loss") == pytest.approx(math.log(10))
    assert last(made(SICK, 0, train_loss=0.5), "train_loss") == 0.5


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


def test_pairs_are_of_one_seed():
    some, others = runs(SICK, val_accuracy=0.5), runs(SICK, val_accuracy=0.4)
    difference = paired(some, others, lambda trial: last(trial, "val_accuracy"))
    assert difference.value == pytest.approx(0.1, abs=1e-3)
    assert difference.high - difference.low < 1e-3
    with pytest.raises(ValueError, match="shorter"):
        paired(some, others[1:], lambda trial: 0.0)


def test_words_for_numbers_and_parts():
    assert percent(mean([0.5])) == "50.0%"
    assert listed(["a"]) == "a"
    assert listed(["a", "b"]) == "a and b"
    assert verdict_of_parts([], ["a", "b"], "of", "and") == FAILS
    assert verdict_of_parts(["a", "b"], ["a", "b"], "of", "and") == HOLDS
    assert verdict_of_parts(["b"], ["a", "b"], "of", "and") == "holds only if of b"

"""Claims 5 to 10 and 20: made-up numbers reach each verdict."""

import math

import pytest
from helpers.made_up_trials import result, undecided

from minnet.experiments.claims import gradients, remedies
from minnet.experiments.claims.gradients import BASELINE, LARGE, SCALES, SIGNS
from minnet.experiments.claims.verdicts import FAILS, HOLDS, UNDECIDED, only_if
from minnet.experiments.trial import Trial

CLAIMS = {claim.number: claim for claim in gradients.CLAIMS + remedies.CLAIMS}
SEEDS = 4
WIDTH, WEIGHT = 1000, 0.0182  # for which 1/4 √(n Var W) is .144
THEORY = 0.25 * math.sqrt(WIDTH) * WEIGHT


def network(first=1e-7, final=1e-2, *, saturated=0.0, factor=THEORY, moved=(1.0, 1.0)):
    """The snapshot of six layers whose gradients rise evenly from first to final."""
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
                "moved": moved[0] if layer < 5 else moved[1],
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


def runs(setup, **numbers):
    return [made(setup, seed, **numbers) for seed in range(SEEDS)]


def verdict(number, trials):
    return CLAIMS[number].judge(trials).verdict


def sigmoid(**numbers):
    return {"sigmoid": runs(BASELINE, **numbers)}


def test_5_holds_if_gradients_vanish_before_and_after():
    finding = CLAIMS[5].judge(sigmoid())
    assert finding.verdict == HOLDS
    assert result(finding).value == pytest.approx(1e5)
    assert finding.numbers["RMS of dW, layer 1, after training"].value == pytest.approx(1e-7)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (1e-7, 1e-4, only_if("gradients are measured before training")),
        (1e-4, 1e-7, only_if("gradients are measured after training")),
        (1e-4, 1e-4, FAILS),
    ],
)
def test_5_is_conditional_on_when_they_vanish(start, end, expected):
    assert verdict(5, sigmoid(start=network(start), end=network(end))) == expected


def test_5_needs_the_whole_interval_above_a_thousand():
    ratios = (900.0, 1e4, 2e3, 900.0)  # their geometric mean is above 2000
    trials = [made(BASELINE, i, start=network(1e-2 / ratio)) for i, ratio in enumerate(ratios)]
    finding = CLAIMS[5].judge({"sigmoid": trials})
    assert finding.verdict == UNDECIDED
    assert undecided(finding) == ["before training", "after training"]


def test_5_counts_a_gradient_of_0_as_vanished():
    finding = CLAIMS[5].judge(sigmoid(start=network(0.0)))
    assert finding.verdict == HOLDS
    assert finding.numbers["RMS of dW, layer 1, before training"].high == 0
    assert result(finding).low == math.inf


def test_6_fails_if_nothing_is_saturated_and_attenuation_explains_the_factor():
    finding = CLAIMS[6].judge(sigmoid(start=network(factor=0.148)))
    assert finding.verdict == FAILS
    assert result(finding).value == pytest.approx(0.148)
    assert finding.numbers[
        "gradient of a layer over that of the next, theory"
    ].value == pytest.approx(THEORY)
    assert "0.148" in finding.reason
    assert "0.144" in finding.reason


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (network(saturated=0.8, factor=0.02), network(saturated=0.8), HOLDS),
        (network(), network(saturated=0.8), HOLDS),
        (network(saturated=0.2), network(), only_if("saturation is one cause among others")),
        (network(factor=0.05), network(), only_if("saturation is one cause among others")),
    ],
)
def test_6_depends_on_how_much_is_saturated(start, end, expected):
    assert verdict(6, sigmoid(start=start, end=end)) == expected


def test_6_is_undecided_if_seeds_differ_in_saturation():
    trials = [made(BASELINE, i, start=network(saturated=0.2 * i)) for i in range(SEEDS)]
    assert verdict(6, {"sigmoid": trials}) == UNDECIDED


def test_6_reports_that_the_article_also_names_the_product():
    assert "names the product of many small factors" in CLAIMS[6].judge(sigmoid()).reason


def sweep(**small):
    """Claim 7's trials; large weights of the signs named give gradients of that size."""
    return {
        f"{sign}, {scale:g} times": runs(
            BASELINE, start=network(small.get(value, 1e-7) if scale in LARGE else 1e-7)
        )
        for sign, value in SIGNS.items()
        for scale in SCALES
    }


ORDINARY, TOO_SMALL, TOO_LARGE = 1e-7, 1e-20, 1e-5


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        ({}, FAILS),
        ({"both": 0.5e-6, "positive": 0.5e-7}, FAILS),
        ({"both": TOO_LARGE, "negative": TOO_SMALL}, HOLDS),
        ({"both": TOO_LARGE, "positive": 0.0, "negative": 0.0}, HOLDS),
        (
            {"positive": TOO_SMALL},
            only_if("the statement is restricted to gradients that are too small"),
        ),
        (
            {"both": TOO_LARGE},
            only_if("the statement is restricted to gradients that are too large"),
        ),
    ],
)
def test_7_requires_one_sign_to_make_gradients_too_small_and_another_too_large(first, expected):
    assert verdict(7, sweep(**first)) == expected


@pytest.mark.parametrize("scale", LARGE)
def test_7_requires_both_at_each_large_scale(scale):
    trials = sweep(both=TOO_LARGE, positive=TOO_SMALL)
    trials[f"all positive, {scale:g} times"] = runs(BASELINE, start=network(ORDINARY))
    others = " and ".join(f"for weights {s:g} times as large" for s in LARGE if s != scale)
    assert verdict(7, trials) == only_if(
        f"the statement is restricted to gradients that are too small {others}; too large"
    )


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        ({}, UNDECIDED),
        (
            {"both": TOO_LARGE},
            only_if("the statement is restricted to gradients that are too large"),
        ),
    ],
)
def test_7_is_undecided_if_seeds_differ(first, expected):
    trials = sweep(**first)
    trials["all positive, 100 times"] = [
        made(BASELINE, seed, start=network(ORDINARY * 10.0**-seed)) for seed in range(SEEDS)
    ]
    finding = CLAIMS[7].judge(trials)
    assert finding.verdict == expected
    assert undecided(finding) == ["too small for weights 100 times as large"]


def test_7_reports_ratios_to_usual_weights_of_both_signs():
    trials = sweep(negative=1e-12)
    trials["all negative, 1 times"] = runs(BASELINE, start=network(1e-11))
    numbers = CLAIMS[7].judge(trials).numbers
    assert numbers[
        "first layer's gradient over that of the usual network, all negative, 10 times"
    ].value == pytest.approx(1e-5)
    assert numbers[
        "first layer's gradient over that of the usual network, all negative, 1 times"
    ].value == pytest.approx(1e-4)


def test_7_reports_0_as_0():
    finding = CLAIMS[7].judge(sweep(positive=0.0))
    assert (
        finding.numbers[
            "first layer's gradient over that of the usual network, all positive, 10 times"
        ].high
        == 0
    )
    assert "all positive, 0, 0, 0;" in finding.reason


def pair(baseline, remedied):
    """Claims 8 and 9: trials that end at these (train_loss, val_loss, train_ and val_accuracy)."""
    names = ("train_loss", "val_loss", "train_accuracy", "val_accuracy")
    labels = CLAIMS[8].setups
    ends = (dict(zip(names, end, strict=True)) for end in (baseline, remedied))
    return {
        label: runs(setup, **end) for (label, setup), end in zip(labels.items(), ends, strict=True)
    }


REMEDIED = (0.2, 0.2, 0.95, 0.95)


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ((2.3, 2.3), HOLDS),
        ((0.1, 0.1), FAILS),
        ((0.5, 0.1), only_if("the statement is restricted to training being slow")),
        ((0.1, 0.5), only_if("the statement is restricted to training being suboptimal")),
        ((0.1, 0.2), UNDECIDED),
    ],
)
def test_8_compares_the_loss_after_equally_many_epochs_and_after_all(losses, expected):
    trials = pair((2.3, 2.3, 0.11, 0.11), REMEDIED)
    for seed, trial in enumerate(trials["baseline"]):
        early, final = losses
        apart = 0.1 * (-1) ** seed if losses == (0.1, 0.2) else 0.0
        trial.curves["train_loss"] = [early, 1.0, final + apart]
    finding = CLAIMS[8].judge(trials)
    assert finding.verdict == expected
    assert finding.numbers[
        "training loss, baseline minus with remedies, after equally many epochs"
    ].value == pytest.approx(losses[0] - 0.2, abs=1e-3)
    assert undecided(finding) == ["training being suboptimal"] * (expected == UNDECIDED)


def test_8_reports_epochs_and_accuracies_of_both():
    reason = CLAIMS[8].judge(pair((2.3, 2.3, 0.11, 0.11), REMEDIED)).reason
    assert f"After {BASELINE.epochs} epochs" in reason
    assert "After 1 epoch the training loss of the baseline" in reason
    assert "11.0%" in reason
    assert "95.1%" in reason


@pytest.mark.parametrize(
    ("baseline", "expected", "underfits"),
    [
        ((2.3, 2.3, 0.11, 0.14), FAILS, True),
        ((0.01, 0.3, 0.999, 0.9), HOLDS, False),
        ((0.5, 0.5, 0.85, 0.83), HOLDS, True),
    ],
)
def test_9_compares_the_gaps_of_both_networks(baseline, expected, underfits):
    finding = CLAIMS[9].judge(pair(baseline, REMEDIED))
    assert finding.verdict == expected
    assert result(finding).value == pytest.approx(baseline[2] - baseline[3], abs=1e-3)
    assert ("underfits" in finding.reason) is underfits
    assert finding.numbers["gap in accuracy, with remedies"].value == 0


def test_9_fails_if_the_gap_with_remedies_is_wider_though_the_baseline_has_one():
    assert verdict(9, pair((0.5, 0.6, 0.9, 0.88), (0.1, 0.2, 0.99, 0.95))) == FAILS


def test_9_is_undecided_if_the_interval_contains_0():
    trials = pair((2.3, 2.3, 0.11, 0.11), REMEDIED)
    trials["baseline"][0].curves["train_accuracy"] = [0.2]
    assert verdict(9, trials) == UNDECIDED


def with_remedies(**remedies):
    """Claim 10: remedies by name with (last over first, accuracy); others are the baseline's."""
    trials = {}
    for label, setup in CLAIMS[10].setups.items():
        ratio, accuracy = remedies.get(label.replace(" ", "_"), (1e5, 0.11))
        trials[label] = runs(setup, start=network(1e-2 / ratio), val_accuracy=accuracy)
    return trials


GOOD = (10.0, 0.9)
SLOW = (10.0, 0.1)  # it reduces the ratio, and does not learn the better for it


@pytest.mark.parametrize(
    ("helpful", "expected"),
    [
        ({"together": GOOD}, FAILS),
        (
            dict.fromkeys(("ReLU", "Swish", "skip_connections", "BatchNorm", "Xavier"), SLOW),
            HOLDS,
        ),
        ({"BatchNorm": GOOD}, only_if("the statement is restricted to BatchNorm")),
        (
            {"ReLU": GOOD, "skip_connections": GOOD, "BatchNorm": GOOD, "Xavier": (2e4, 0.9)},
            only_if("the statement is restricted to ReLU, skip connections and BatchNorm"),
        ),
        ({"Swish": GOOD, "none": (10.0, 0.95)}, FAILS),  # there was nothing to reduce
    ],
)
def test_10_names_the_remedies_that_reduce_the_ratio_tenfold(helpful, expected):
    finding = CLAIMS[10].judge(with_remedies(**helpful))
    assert finding.verdict == expected
    ratio = helpful.get("ReLU", (1e5,))[0]
    due = helpful.get("none", (1e5,))[0] / ratio
    assert finding.numbers[f"reduction of the {gradients.RATIO}, ReLU"].value == pytest.approx(due)


def test_10_is_undecided_if_a_remedy_helps_some_seeds():
    trials = with_remedies()
    trials["Swish"][0] = made(CLAIMS[10].setups["Swish"], 0, start=network(1e-2 / 10))
    finding = CLAIMS[10].judge(trials)
    assert finding.verdict == UNDECIDED
    assert undecided(finding) == ["Swish"]


def optimizers(
    *, exploded=True, clipped=0.85, adam=(1.0, 0.9), rmsprop=(1.0, 0.9), sgd=(1e-4, 0.11)
):
    """Claim 20: (movement of the first layer over the last, accuracy) of each optimizer."""
    setups, stopped = CLAIMS[20].setups, "step 3: NaN" if exploded else None
    trials = {
        "not clipped": runs(setups["not clipped"], stopped=stopped, val_accuracy=0.9),
        "clipped to norm 1": runs(setups["clipped to norm 1"], val_accuracy=clipped),
    }
    for label, (movement, accuracy) in {"SGD": sgd, "Adam": adam, "RMSProp": rmsprop}.items():
        end = network(moved=(movement, 1.0))
        trials[label] = runs(setups[label], end=end, val_accuracy=accuracy)
    return trials


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, HOLDS),
        ({"clipped": 0.15}, only_if("the statement is restricted to Adam and RMSProp")),
        (
            {"exploded": False},
            only_if("the statement is restricted to Adam and RMSProp"),
        ),
        ({"rmsprop": (1.0, 0.11)}, HOLDS),  # the movement decides, not the accuracy
        ({"adam": (2e-4, 0.9)}, only_if("the statement is restricted to clipping and RMSProp")),
        ({"clipped": 0.15, "adam": (1e-4, 0.12), "rmsprop": (1e-4, 0.11)}, FAILS),
        ({"exploded": False, "adam": (1e-4, 0.12), "rmsprop": (1e-4, 0.11)}, UNDECIDED),
    ],
)
def test_20_names_the_parts_that_help(changes, expected):
    assert verdict(20, optimizers(**changes)) == expected


def test_20_reports_accuracies_and_how_far_weights_moved():
    finding = CLAIMS[20].judge(optimizers())
    assert "10.0% (10.0 to 10.0) without" in finding.reason
    assert finding.numbers["test accuracy, not clipped"].value == pytest.approx(0.1)
    assert finding.numbers["movement over that with SGD, Adam"].value == pytest.approx(1e4)


def test_20_leaves_diverged_trainings_out_of_the_movement():
    trials = optimizers()
    trials["Adam"][0] = made(CLAIMS[20].setups["Adam"], 0, stopped="NaN")
    numbers = CLAIMS[20].judge(trials).numbers
    assert numbers["movement over that with SGD, Adam"].n == SEEDS - 1
    assert numbers["test accuracy, Adam"].n == SEEDS


@pytest.mark.parametrize("number", CLAIMS)
def test_a_claim_has_a_verdict_and_a_figure_if_all_trainings_diverged(number):
    claim = CLAIMS[number]
    trials = {label: runs(setup, stopped="NaN") for label, setup in claim.setups.items()}
    finding = claim.judge(trials)
    # Claims 5 and 6 also use gradients before training.
    expected = {
        5: only_if("gradients are measured before training"),
        8: UNDECIDED,
        9: UNDECIDED,
        20: UNDECIDED,
    }
    assert finding.verdict == expected.get(number, FAILS)
    assert math.isfinite(result(finding).low)
    claim.draw(trials).canvas.draw()


def test_the_baseline_is_the_articles_network_in_all_claims():
    for number in (5, 6, 8, 9):
        assert BASELINE in CLAIMS[number].setups.values()
    assert CLAIMS[10].setups["none"] == BASELINE.but(epochs=1) == CLAIMS[20].setups["SGD"]

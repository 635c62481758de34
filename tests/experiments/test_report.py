"""Reports: tables in Markdown, with intervals and the number of diverged trainings."""

import json
import math

import numpy as np
import pytest

from minnet import Dense, ReLU, Sequential, capture
from minnet.experiments.report import (
    distribution_table,
    outcome_table,
    settings_table,
    table,
    versions,
    write_json,
)
from minnet.experiments.setup import Setup
from minnet.experiments.trial import CURVES, Trial, plain

SMALL = Setup(data="digits", hidden=(8,), rows=60)


def ended(setup, **last):
    """A trial with two epochs, whose curves end at these numbers, or at 0.5."""
    return Trial(setup, {name: [9.0, last.get(name, 0.5)] for name in CURVES})


def broken(setup):
    return Trial(setup, {name: [] for name in CURVES}, stopped="step 3 (epoch 1): inf")


def cells(text, row):
    return [cell.strip() for cell in text.splitlines()[row].strip("|").split("|")]


# Tables.


def test_a_table_is_aligned_markdown():
    text = table(["", "accuracy"], [["plain", "0.9"], ["with BatchNorm", "0.95 (0.9 to 1)"]])
    lines = text.splitlines()
    assert len({len(line) for line in lines}) == 1
    assert len({tuple(i for i, c in enumerate(line) if c == "|") for line in lines}) == 1
    assert cells(text, 2) == ["plain", "0.9"]
    assert set(lines[1]) == {"|", "-"}


def test_a_row_without_a_cell_is_an_error():
    with pytest.raises(ValueError, match="shorter"):
        table(["a", "b"], [["1"]])


def test_the_outcome_is_the_mean_of_the_last_numbers_with_an_interval_for_accuracies():
    runs = [ended(SMALL.but(seed=i), val_accuracy=a, seconds=2.0) for i, a in enumerate((0.8, 0.9))]
    text = outcome_table({"plain": runs, "one": runs[:1]})
    assert cells(text, 0) == [
        "", "training loss", "test loss", "training accuracy", "test accuracy", "seconds per epoch",
    ]  # fmt: skip
    half = 12.706204736 * math.sqrt(0.005) / math.sqrt(2)  # Student's t, 1 degree of freedom
    assert 0.85 + half > 1
    reported = f"0.85 ({0.85 - half:.4g} to 1)"  # no accuracy is above 1
    assert cells(text, 2) == ["plain", "0.5000", "0.5000", "0.5 (0.5 to 0.5)", reported, "5.5"]
    assert cells(text, 3) == ["one", "0.5000", "0.5000", "0.5", "0.8", "5.5"]  # median of 9 and 2


def test_the_outcome_excludes_and_counts_diverged_trainings():
    text = outcome_table({"wild": [ended(SMALL), broken(SMALL), broken(SMALL)]})
    assert cells(text, 2) == ["wild (2 of 3 diverged)", "0.5000", "0.5000", "0.5", "0.5", "4.75"]


def test_the_outcome_has_dashes_if_all_trainings_diverged():
    text = outcome_table({"wild": [broken(SMALL)]})
    assert cells(text, 2) == ["wild (1 of 1 diverged)", *"-----"]


def test_settings_that_differ_are_in_a_table_and_shared_ones_in_a_line():
    trials = {
        "plain": [ended(SMALL.but(seed=seed)) for seed in (2, 3)],
        "wide": [ended(SMALL.but(hidden=(16, 8), batchnorm=True, seed=seed)) for seed in (2, 3)],
    }
    text = settings_table(trials)
    shared = text.split("\n\n")[0]
    assert shared.startswith(
        "Seeds 2 to 3. Shared settings: data digits, rows up to 60, activation relu, "
    )
    assert "optimizer adam, lr 0.001, batch_size 128, epochs 1." in shared
    lines = text.split("\n\n")[1]
    assert cells(lines, 0) == ["", "hidden", "batchnorm"]
    assert cells(lines, 2) == ["plain", "8", "no"]
    assert cells(lines, 3) == ["wide", "16-8", "yes"]


def test_settings_of_one_network_and_one_seed_need_no_table():
    reported = settings_table({"plain": [ended(SMALL)]})
    assert reported.startswith(
        "Seed 0. Settings: hidden 8, data digits, rows up to 60, activation relu, "
    )
    assert "|" not in reported


def test_important_settings_are_reported_with_their_default():
    trials = {str(w): [ended(Setup(hidden=(w,), seed=s)) for s in (0, 1)] for w in (4, 5)}
    assert (
        "Seeds 0 to 1. Shared settings: data mnist, rows all, activation relu, "
        in settings_table(trials)
    )


# Distributions.


def test_the_distribution_table_has_the_statistics_of_each_layer():
    net = Sequential([Dense(2, 2, init="zeros"), ReLU()], rng=0)
    net["dense1"].weight.value = [[1.0, 0.0], [0.0, -1.0]]
    text = distribution_table(capture(net, [[1.0, 1.0], [3.0, 1.0]]))
    assert cells(text, 0) == [
        "layer", "mean", "std", "excess kurtosis", "minimum", "maximum", "zeros", "dead units",
    ]  # fmt: skip
    assert cells(text, 2)[0] == "dense1"
    y = np.array([1.0, 0, 3, 0])  # outputs of the ReLU
    kurtosis = ((y - 1) ** 4).mean() / y.var() ** 2 - 3
    numbers = [f"{number:.3f}" for number in (1, math.sqrt(1.5), kurtosis, 0, 3)]
    assert cells(text, 3) == ["relu1", *numbers, "50.0%", "1 of 2"]


# Numbers.


def test_json_has_null_for_non_finite_numbers(tmp_path):
    value = {"a": [1.0, math.nan, (math.inf, -math.inf)], "b": {"c": "nan", "d": None, "e": 2}}
    write_json(tmp_path / "value.json", value)
    kept = json.loads((tmp_path / "value.json").read_text(), parse_constant=pytest.fail)
    assert kept == {"a": [1.0, None, [None, None]], "b": {"c": "nan", "d": None, "e": 2}}
    assert plain(value) == kept


def test_versions_are_those_of_this_process():
    assert versions()["numpy"] == np.__version__
    assert all(isinstance(text, str) and text for text in versions().values())

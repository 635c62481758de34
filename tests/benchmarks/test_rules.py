"""Published rules report obvious faults, and are scored like the doctor."""

import contextlib
import functools
import re

import numpy as np
import pytest

import minnet
from benchmarks.doctor import overhead, report
from benchmarks.doctor.cases import Case
from benchmarks.doctor.deepchecker import gradient_error, is_normalized
from benchmarks.doctor.measuring import (
    METHODS,
    Cache,
    Record,
    append_line,
    diagnose,
    read_lines,
    repair,
)
from benchmarks.doctor.observing import Observer
from benchmarks.doctor.rules import RULES, oscillates, unchanged
from benchmarks.doctor.sagemaker import waited
from benchmarks.doctor.settings import Setting, build
from minnet.doctor import CAUSES

HEALTHY = Setting("digits", hidden=(32, 32), epochs=12, lr=0.1)
FAULTY = {
    "divergence": HEALTHY.but(lr=1e30, epochs=2),
    "zeros": HEALTHY.but(init="zeros", epochs=4),
    "dead": HEALTHY.but(bias=-30.0, epochs=4),
    "saturated": HEALTHY.but(activation="tanh", init_scale=5000.0, epochs=4),
    "low lr": HEALTHY.but(lr=1e-7, epochs=4),
    "frozen": HEALTHY.but(frozen=0, epochs=4),
    "sign": HEALTHY.but(own_layer="dense", own_fault="sign", epochs=4),
    "deep": HEALTHY.but(activation="sigmoid", hidden=(16,) * 7, init="glorot_uniform", epochs=6),
    "columns": HEALTHY.but(constant=(8, 30.0), epochs=4),
    "no head": HEALTHY.but(head=False, epochs=4),
    "penalty": HEALTHY.but(l2=1.0, epochs=4),
    "overfitting": HEALTHY.but(rows=60, epochs=60, batch=16),
}


@functools.cache
def observed(name):
    """Return the observer of a training on digits."""
    net, x, y, arguments = build(FAULTY.get(name, HEALTHY), 0)
    observer = Observer()
    with contextlib.suppress(FloatingPointError):
        minnet.fit(net, x, y, probes=[observer], **arguments)
    return observer


@functools.cache
def findings(tool, name):
    """Return the findings of a rule set."""
    with np.errstate(all="ignore"):
        return RULES[tool](observed(name))


def reports(tool, name):
    """Return rule -> cause of the findings of a rule set."""
    return {found.explanation: found.cause for found in findings(tool, name)}


@pytest.mark.parametrize(
    ("tool", "name", "rule", "cause"),
    [
        ("AutoTrainer", "divergence", "exploding gradient", "explosion"),
        ("AutoTrainer", "zeros", "dying ReLU", "dead_units"),
        ("AutoTrainer", "dead", "dying ReLU", "dead_units"),
        ("AutoTrainer", "low lr", "slow convergence", "lr_too_low"),
        ("AutoTrainer", "deep", "vanishing gradient", "attenuation"),
        ("SageMaker Debugger", "divergence", "ExplodingTensor", "explosion"),
        ("SageMaker Debugger", "zeros", "AllZero", "symmetry"),
        ("SageMaker Debugger", "dead", "DeadRelu", "dead_units"),
        ("SageMaker Debugger", "saturated", "SaturatedActivation", "saturation"),
        ("SageMaker Debugger", "frozen", "UnchangedTensor", "frozen_layer"),
        ("SageMaker Debugger", "overfitting", "Overfit", "overfitting"),
        ("SageMaker, tensors", "zeros", "VanishingGradient", "attenuation"),
        ("SageMaker, tensors", "zeros", "PoorWeightInitialization", "init_too_small"),
        ("DeepDiagnosis", "divergence", "Invalid Loss", "lr_too_high"),
        ("DeepDiagnosis", "zeros", "Numerical Error: weights", "init_too_small"),
        ("DeepDiagnosis", "dead", "Numerical Error", "dead_units"),
        ("DeepDiagnosis", "saturated", "Saturated Activation", "saturation"),
        ("DeepDiagnosis", "no head", "Out of Range", "output_loss_mismatch"),
        ("DeepDiagnosis", "frozen", "Unchanged Weights", "frozen_layer"),
        ("TheDeepChecker", "divergence", "fast updates", "lr_too_high"),
        ("TheDeepChecker", "zeros", "poor initial weights", "symmetry"),
        ("TheDeepChecker", "dead", "nonzero biases", "dead_units"),
        ("TheDeepChecker", "saturated", "saturated layer", "saturation"),
        ("TheDeepChecker", "low lr", "slow updates", "lr_too_low"),
        ("TheDeepChecker", "frozen", "untrained weights", "frozen_layer"),
        ("TheDeepChecker", "sign", "gradient", "wrong_gradient"),
        ("TheDeepChecker", "columns", "constant features", "constant_features"),
        ("TheDeepChecker", "no head", "invalid output", "no_output_layer"),
        ("TheDeepChecker", "penalty", "overwhelming penalty", "over_regularized"),
    ],
)
def test_a_published_rule_reports_an_obvious_fault(tool, name, rule, cause):
    assert reports(tool, name).get(rule) == cause


@pytest.mark.parametrize("tool", ["AutoTrainer", "SageMaker, tensors", "DeepDiagnosis"])
def test_rules_are_silent_on_a_healthy_training(tool):
    assert reports(tool, "healthy") == {}


def test_fixed_thresholds_raise_false_alarms_on_a_healthy_training():
    # The validation loss is more than 1.1 times the training loss at the end, and the inputs in
    # [0, 1] keep the activations below the published range of standard deviations.
    assert reports("SageMaker Debugger", "healthy") == {"Overfit": "overfitting"}
    assert reports("TheDeepChecker", "healthy") == {"unstable activations": "attenuation"}


@pytest.mark.parametrize("name", ["healthy", *FAULTY])
def test_findings_have_causes_layers_and_actions_of_the_doctor(name):
    case = Case("symmetry", "faulty", FAULTY.get(name, HEALTHY), HEALTHY)
    layers = {layer for layer, _ in observed(name).run.net.walk()} | {None}
    for tool in RULES:
        for found in findings(tool, name):
            assert found.cause in CAUSES
            assert found.layer in layers
            assert found.remedies
            assert all(repair(case, remedy) for remedy in found.remedies)


def test_the_observer_changes_nothing_and_looks_at_the_steps_of_the_doctor():
    net, x, y, arguments = build(HEALTHY, 0)
    doctor = minnet.Doctor()
    minnet.fit(net, x, y, probes=[doctor], **arguments)
    observer = observed("healthy")
    assert np.array_equal(net.theta, observer.run.net.theta)
    assert [look.step for look in observer.looks] == [step for step, _ in doctor._case.looks]
    assert observer.losses == doctor._case.losses


def test_an_update_is_the_change_of_a_weight_relative_to_its_size():
    first, second = observed("healthy").looks[:2]
    before, after = (look.net["dense2"].params["weight"].value for look in (first, second))
    ratio = np.abs(after - before).mean() / np.abs(before).mean()
    assert first.updates["dense2"] == pytest.approx(ratio)
    assert observed("frozen").looks[0].updates["dense1"] == 0


def test_the_gradient_check_accepts_right_layers_and_rejects_a_wrong_sign():
    right, wrong = observed("healthy"), observed("sign")
    assert gradient_error(right, right.looks[1], "dense2") < 1e-5
    assert gradient_error(wrong, wrong.looks[1], "owndense1") == pytest.approx(1.0)


def test_small_rules():
    assert oscillates([0.5, 0.6, 0.5, 0.6, 0.5])
    assert not oscillates([0.5, 0.51, 0.5, 0.51, 0.5])
    assert not oscillates([0.1, 0.2, 0.3, 0.4])
    assert unchanged([1.0, 2.0, 2.0, 2.0, 2.0, 2.0])
    assert not unchanged([2.0, 2.0, 2.0, 2.0])
    assert waited([1.0, 0.95, 0.8, 0.75], 0.1) == [0, 1, 0, 1]
    assert is_normalized(np.array([-1.0, 0.3, 1.0]))
    assert not is_normalized(np.array([0.0, 3.0]))


CASES = [
    Case("symmetry", "faulty", FAULTY["zeros"], HEALTHY.but(epochs=4), ("dense1",)),
    Case("", "healthy", HEALTHY.but(epochs=4)),
]


def test_a_diagnosis_by_a_rule_set_is_scored_like_that_of_the_doctor():
    cache = Cache()
    record = diagnose(CASES[0], 0, cache, "TheDeepChecker")
    assert record.causes[0] == "symmetry"
    assert record.right_layer
    assert record.remedies[0] == "set_init(he_normal)"
    assert report.is_repaired(record, 1)
    drawn = diagnose(CASES[0], 0, cache, "random remedy")
    assert (drawn.causes, len(drawn.remedies)) == ([], 1)


def test_records_are_kept_and_a_stopped_run_is_continued(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "cases", lambda each, seed: CASES)
    monkeypatch.setattr(report, "is_valid", lambda case, cache: True)
    monkeypatch.setattr(report, "METHODS", ("AutoTrainer", "random remedy"))
    first = report.measure(2, tmp_path)
    assert sorted((r.cause, r.method) for r in first) == [
        ("", "AutoTrainer"), ("symmetry", "AutoTrainer"), ("symmetry", "random remedy"),
    ]  # fmt: skip
    path = tmp_path / "doctor-records.jsonl"
    path.write_text(path.read_text()[:-20])  # as if the run had been stopped while writing
    calls = []
    monkeypatch.setattr(report, "diagnose", lambda *a: calls.append(a) or diagnose(*a))
    assert len(report.measure(2, tmp_path)) == 3
    assert len(calls) == 1
    assert len(read_lines(path)) == 3
    assert len(Cache(tmp_path / "doctor-points.jsonl").values) > 2


def test_json_lines_without_an_end_of_line_are_removed(tmp_path):
    path = tmp_path / "folder" / "lines.jsonl"
    assert read_lines(path) == []
    append_line(path, {"a": 1})
    with path.open("a") as file:
        file.write('{"b"')
    append_line(path, read_lines(path))
    assert read_lines(path) == [{"a": 1}, [{"a": 1}]]


def test_the_table_has_a_row_for_each_method_with_intervals():
    def record(method, cause, group, causes, **values):
        return Record(method, "key", cause, group, 0, True, 0.5, 0.2, 0.9, causes, **values)

    records = [
        record("minnet", "symmetry", "faulty", ["symmetry"], repairs=[0.9], right_layer=True),
        record("minnet", "", "healthy", []),
        record("AutoTrainer", "symmetry", "faulty", ["dead_units"], repairs=[0.3, 0.9]),
        record("AutoTrainer", "", "healthy", ["lr_too_low"]),
        record("random remedy", "symmetry", "faulty", [], repairs=[0.1]),
    ]
    lines = report.comparison(records).splitlines()
    rows = {line.split("  ")[0]: line for line in lines[1:]}
    assert list(rows) == list(METHODS)
    assert rows["minnet"].count("1/1 (.21 to 1.00)") == 6
    assert rows["minnet"].count("0/1 (.00 to .79)") == 1
    low, high, none = "0/1 (.00 to .79)", "1/1 (.21 to 1.00)", "none"
    expected = ["AutoTrainer", high, low, low, none, low, high, high, none]
    assert re.split(r" {2,}", rows["AutoTrainer"]) == expected
    assert rows["random remedy"].count("/1") == 1
    assert "1 faulty, 1 healthy" in report.parts(records)


def test_overheads_of_small_networks_are_a_table_with_medians(monkeypatch):
    monkeypatch.setattr(overhead, "USUAL", 40)
    text = overhead.overheads(1, quick=True)
    assert "median ratio" in text
    assert [line.split("  ")[0] for line in text.splitlines()[1:]] == [
        "digits", "digits, deep", "digits, sigmoid", "iris", "batchnorm",
    ]  # fmt: skip
    assert {"vanishing", "initializers", "batchnorm"} <= set(overhead.networks(False))

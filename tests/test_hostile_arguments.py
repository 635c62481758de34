"""Every public function, given a hostile argument, works or raises an error of minnet's own."""

import dataclasses
import itertools
import warnings

import numpy as np
import pytest
from helpers import hostile
from helpers.hostile_examples import EXPECTED
from helpers.hostile_targets import FIXED, public, targets

CALLS = 20_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    with hostile.surroundings(folder):
        yield folder


def test_everything_public_has_a_valid_example(folder):
    for name, target in targets().items():
        fixed = name.endswith(" =") and name.removesuffix(" =").rpartition(".")[2] in FIXED
        expected = EXPECTED.get(name, AttributeError if fixed else None)
        if expected is None:
            hostile.valid_call(target, folder)
        else:
            with pytest.raises(expected):
                hostile.valid_call(target, folder)


def test_the_whole_interface_is_covered():
    called = [name.removesuffix(" =") for name in targets()]
    missing = {
        name
        for name, _ in public()
        if not any(each == name or each.startswith(f"{name}.") for each in called)
    }
    assert missing == {
        "Layer", "Loss", "Optimizer",  # base classes without mathematics
        "recording.Statistics", "recording.Failure", "recording.LayerInfo", "Replay",  # results
        "checks.GradientError", "exercises.WrongAnswer",
        "exercises.catalog",  # without arguments
    } & missing  # fmt: skip


def test_a_public_function_without_an_example_is_an_error(monkeypatch):
    def unknown(strange):
        """A new function."""

    unknown.__module__ = "minnet.checks"
    monkeypatch.setattr("minnet.checks.unknown", unknown, raising=False)
    with pytest.raises(LookupError, match=r"checks\.unknown: expected an example .* 'strange'"):
        targets.__wrapped__()


def test_the_oracle_notices_each_kind_of_violation(folder, monkeypatch):
    def accepts(net, max_norm):
        return 1.0

    def raw(net, max_norm):
        return float(max_norm) + net.grad.sum() * 0 + np.ones(2)[5]

    def writes(net, max_norm):
        net.theta[0] += 1
        raise ValueError("clip_grad_norm: expected another max_norm")

    def warns(net, max_norm):
        warnings.warn("overflow encountered", RuntimeWarning, stacklevel=2)

    def not_finite(net, max_norm):
        return float("inf")

    expected = {
        accepts: "bad value accepted", raw: "raw message", writes: "changed by a refused call",
        warns: "foreign warning", not_finite: "result is not finite",
    }  # fmt: skip
    target = targets()["clip_grad_norm"]
    parameter = next(p for p in target.parameters if p.name == "max_norm")
    for function, kind in expected.items():
        replaced = dataclasses.replace(target, prepare=lambda world, f=function: f)
        values = hostile.pool(target, parameter, hostile.World(folder))
        found = [
            violation.kind
            for value in values
            for violation in hostile.attempt(replaced, parameter, value, folder)
        ]
        assert any(each.startswith(kind) for each in found), function.__name__


@pytest.mark.parametrize("seed", [0, 1])
def test_hostile_arguments_are_refused_or_work(folder, seed):
    cases = hostile.random_cases(CALLS // 2, seed, folder)
    violations = itertools.chain.from_iterable(hostile.run(case, folder) for case in cases)
    groups = {violation.group: violation.call for violation in violations}
    assert not groups, "\n".join(["", *groups.values()])

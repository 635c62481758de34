"""Faults by force, in short: kills, a full disk, a pipe and a damaged cache."""

import pytest

from benchmarks import faults

PARTS = faults.trials(quick=True)


@pytest.mark.parametrize("part", [part for part in PARTS if PARTS[part]])
def test_a_fault_by_force_loses_nothing(part):
    assert [problem for _, problem in faults.run(part, PARTS[part]) if problem] == []


def test_every_part_has_trials():
    full = faults.trials(quick=False)
    assert all(full.values())
    assert sum(map(len, full.values())) > 150


def test_a_problem_is_counted(monkeypatch, capsys):
    trials = {"disk": [("right", lambda folder: ""), ("wrong", lambda folder: "lost")]}
    monkeypatch.setattr(faults, "trials", lambda quick: trials)
    assert faults.main(["--only", "disk"]) == 1
    assert capsys.readouterr().out == "disk: wrong: lost\ndisk: 1 of 2\n"

"""Planted faults: every one has a place in the source, and the machine reports which are caught."""

import dataclasses

import pytest

from benchmarks import planted


def test_every_fault_has_one_place_and_existing_tests():
    assert planted.misplaced(planted.faults()) == []
    assert len(planted.faults()) >= 110


def test_a_fault_that_no_longer_fits_the_source_is_an_error(monkeypatch, capsys):
    gone = dataclasses.replace(planted.faults(["schedules"])[0], old="no such text")
    monkeypatch.setattr(planted, "faults", lambda only: [gone])
    assert planted.main(["--only", "schedules"]) == 2
    assert "expected once, found 0 times: 'no such text'" in capsys.readouterr().err


def test_a_fault_is_caught_and_a_harmless_change_survives(monkeypatch, capsys):
    fault = planted.faults(["schedules"])[0]
    fault = dataclasses.replace(fault, tests=("minnet/schedules.py",))
    harmless = dataclasses.replace(fault, old='"""Learning-rate', new='"""Learning rate')
    monkeypatch.setattr(planted, "faults", lambda only: [fault, harmless])
    assert planted.main(["--only", "schedules"]) == 1
    first, _, second, _, last = capsys.readouterr().out.splitlines()
    assert first.startswith("caught   schedules.py")
    assert second.startswith("SURVIVED schedules.py")
    assert last == "1 of 2 planted faults caught"


@pytest.mark.parametrize("name", ["kernels", "training", "serialization"])
def test_the_parts_can_be_chosen(name):
    assert {fault.part for fault in planted.faults([name])} == {name}

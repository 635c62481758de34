"""A candidate's process: what it answers, and how its end is told."""

import pytest

from benchmarks.measuring import Candidate, Plan, measure
from benchmarks.workers import Worker, WorkerError

PLAN = Plan(rounds=2, warm=0.0, seconds=0.0, least=3)
TASKS = """
import os, sys, time

def sleeps(seconds):
    return lambda: time.sleep(seconds)

def chatters():
    return lambda: (print("{}"), os.write(1, b"nonsense"), sys.stdout.flush())

def raises(at):
    calls = iter(range(100))
    def work():
        if next(calls) == at:
            raise ValueError("call refused\\nand more")
    return work

def dies():
    print("last words", file=sys.stderr, flush=True)
    os._exit(7)

def hangs():
    time.sleep(60)

class Told:
    facts = {"bytes": 12}
    def __call__(self):
        pass

class Long:
    facts = {"calls": []}
    def __call__(self):
        self.facts["calls"].append("all of it")
    def warm_up(self):
        self.facts["calls"].append("one step")
"""


@pytest.fixture
def task(tmp_path, monkeypatch):
    """Name a task in a module that the processes can import."""
    (tmp_path / "tasks_of_the_test.py").write_text(TASKS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def candidate(function, **arguments):
        return Candidate(function, f"tasks_of_the_test:{function}", arguments)

    return candidate


def trouble(candidate, **options):
    worker = Worker(candidate, **options)
    try:
        worker.ready()
        worker.turn(PLAN)
    except WorkerError as error:
        return str(error)
    finally:
        worker.close()
    return "none"


def test_a_turn_is_the_median_time_of_a_call(task):
    worker = Worker(task("sleeps", seconds=0.02))
    try:
        facts = worker.ready()
        assert facts["versions"]["numpy"]
        assert facts["threads"]
        assert 0.02 <= worker.turn(PLAN) < 2
        assert 0.02 <= worker.turn(PLAN) < 2
    finally:
        worker.close()
    assert worker._process.returncode == 0


def test_what_a_task_prints_is_not_taken_for_an_answer_and_its_facts_are_told(task):
    chatters, told = measure([task("chatters"), task("Told")], PLAN)
    assert len(chatters.seconds) == 2
    assert told.facts["bytes"] == 12


def test_what_has_a_way_to_warm_up_is_warmed_up_by_that_alone(task):
    worker = Worker(task("Long"))
    try:
        assert worker.ready()["calls"] == ["one step"]
    finally:
        worker.close()


def test_failures_of_every_kind_are_told(task):
    assert trouble(task("raises", at=0)) == "ValueError: call refused"
    assert trouble(task("raises", at=2)) == "ValueError: call refused"
    assert trouble(task("dies")) == "its process ended with exit code 7: last words"
    assert trouble(task("hangs"), patience=1.0) == "no answer in 1 s"
    assert trouble(task("nothing")).startswith("AttributeError")
    assert trouble(Candidate("gone", "no_such_module:task")).startswith("ModuleNotFoundError")


def test_one_that_fails_does_not_stop_the_others(task):
    good, bad = measure([task("sleeps", seconds=0.0), task("raises", at=4)], PLAN)
    assert len(good.seconds) == 2
    assert good.trouble == ""
    assert bad.trouble == "failed: ValueError: call refused"
    assert bad.seconds == []

"""Processes of candidates: answers and errors."""

import pytest

from benchmarks.candidates import Candidate, Plan
from benchmarks.measuring import measure
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

class WithFacts:
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
    """Return a function that makes a candidate of a task defined above."""
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


def test_output_of_a_task_is_not_used_as_an_answer_and_its_facts_are_stored(task):
    chatters, with_facts = measure([task("chatters"), task("WithFacts")], PLAN)
    assert len(chatters.seconds) == 2
    assert with_facts.facts["bytes"] == 12


def test_a_task_with_warm_up_is_warmed_up_by_it_alone(task):
    worker = Worker(task("Long"))
    try:
        assert worker.ready()["calls"] == ["one step"]
    finally:
        worker.close()


def test_every_kind_of_failure_is_reported(task):
    assert trouble(task("raises", at=0)) == "ValueError: call refused"
    assert trouble(task("raises", at=2)) == "ValueError: call refused"
    assert trouble(task("dies")) == "its process ended with exit code 7: last words"
    assert trouble(task("hangs"), patience=1.0) == "no answer in 1 s"
    assert trouble(task("nothing")).startswith("AttributeError")
    assert trouble(Candidate("gone", "no_such_module:task")).startswith("ModuleNotFoundError")


def test_a_candidate_that_fails_does_not_stop_the_others(task):
    good, bad = measure([task("sleeps", seconds=0.0), task("raises", at=4)], PLAN)
    assert len(good.seconds) == 2
    assert good.trouble == ""
    assert bad.trouble == "failed: ValueError: call refused"
    assert bad.seconds == []


def test_minnet_is_imported_from_the_tree_of_the_candidate(task, tmp_path):
    package = tmp_path / "tree" / "minnet"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("origin = 'the other tree'")
    (tmp_path / "imports_of_the_test.py").write_text(
        "import minnet\n\ndef run():\n    raise ValueError(minnet.origin)\n"
    )
    other = Candidate("other", "imports_of_the_test:run", tree=tmp_path / "tree")
    assert trouble(other) == "ValueError: the other tree"
    assert "no attribute 'origin'" in trouble(Candidate("this", "imports_of_the_test:run"))

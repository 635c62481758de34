"""Turns, ratios and spreads of candidates with given times."""

import pytest

from benchmarks import measuring
from benchmarks.candidates import Candidate, Plan
from benchmarks.measuring import Result, find, geometric_mean, measure, ratios, spread
from benchmarks.workers import WorkerError


class Scripted:
    """A candidate with given times; errors among them are raised."""

    def __init__(self, name, script, calls):
        self.name, self.script, self.calls = name, iter(script), calls

    def ready(self):
        self.calls.append(("ready", self.name))
        first = next(self.script)
        if isinstance(first, Exception):
            raise first
        return {"first": first}

    def turn(self, plan):
        self.calls.append(("turn", self.name))
        time = next(self.script)
        if isinstance(time, Exception):
            raise time
        return time

    def close(self):
        self.calls.append(("close", self.name))


def run(scripts, rounds):
    calls = []
    candidates = [Candidate(name, "nowhere:nothing") for name in scripts]
    results = measure(
        candidates, Plan(rounds=rounds), lambda c: Scripted(c.name, scripts[c.name], calls)
    )
    return {result.candidate.name: result for result in results}, calls


def test_candidates_take_turns_and_each_round_starts_with_another_one():
    _, calls = run({"a": [0, 1, 1, 1], "b": [0, 2, 2, 2], "c": [0, 3, 3, 3]}, rounds=3)
    assert [name for what, name in calls if what == "turn"] == list("abcbcacab")
    assert [name for what, name in calls[:3] if what == "ready"] == ["a", "b", "c"]
    assert sorted(name for what, name in calls[-3:] if what == "close") == ["a", "b", "c"]


def test_ratios_are_taken_round_by_round_not_between_medians():
    # The machine slows down threefold: the ratio of medians would be 1.0.
    results, _ = run({"a": [0, 1, 3, 3], "b": [0, 2, 2, 6]}, rounds=3)
    assert results["a"].seconds == [1, 3, 3]
    assert ratios(results["b"], results["a"]) == [2, 2 / 3, 2]
    assert spread(ratios(results["b"], results["a"])) == (2, 2 / 3, 2)
    assert ratios(results["a"], results["b"]) == [0.5, 1.5, 0.5]


def test_the_spread_consists_of_median_lowest_and_highest():
    assert spread([5.0, 1.0, 3.0, 11.0]) == (4.0, 1.0, 11.0)
    assert spread([]) is None


def test_the_geometric_mean_is_taken_over_the_contests_of_each_round():
    mean = geometric_mean([[1.0, 2.0, 8.0], [4.0, 8.0, 8.0]])
    assert mean == pytest.approx((4.0, 2.0, 8.0))


def test_facts_are_stored_and_find_returns_a_candidate_with_times():
    results, _ = run({"a": ["fact", 1], "b": [WorkerError("no"), 1]}, rounds=1)
    everyone = list(results.values())
    assert results["a"].facts == {"first": "fact"}
    assert find(everyone, "a") is results["a"]
    assert find(everyone, "b") is None
    assert find(everyone, "c") is None


@pytest.mark.parametrize("when", [0, 1, 2], ids=["at the start", "in a turn", "in a later turn"])
def test_a_candidate_that_fails_is_reported_and_does_not_stop_the_rest(when):
    script = [0, 1, 1, 1]
    script[when] = WorkerError("out of luck")
    results, calls = run({"good": [0, 5, 6, 7], "bad": script}, rounds=3)
    assert results["bad"].trouble == "failed: out of luck"
    assert results["bad"].seconds == []
    assert ratios(results["bad"], results["good"]) == []
    assert results["good"].seconds == [5, 6, 7]
    assert results["good"].trouble == ""
    assert calls.count(("turn", "bad")) == when
    assert ("close", "bad") in calls


def test_a_missing_library_is_reported_and_not_started(monkeypatch):
    monkeypatch.setattr(measuring, "find_spec", lambda name: None if name == "jax" else object())
    started = []

    def start(candidate):
        started.append(candidate.name)
        return Scripted(candidate.name, [0, 1.0], [])

    candidates = [
        Candidate("jax jit", "x:y", needs=["jax"]),
        Candidate("keras", "x:y", needs=["keras", "jax"]),
        Candidate("torch eager", "x:y", needs=["torch"]),
    ]
    results = measure(candidates, Plan(rounds=1), start)
    assert started == ["torch eager"]
    assert [r.trouble for r in results] == ["missing: jax not installed"] * 2 + [""]
    assert [r.seconds for r in results] == [[], [], [1.0]]


def test_only_the_requested_libraries_are_chosen():
    candidates = [
        Candidate("minnet", "x:y"),
        Candidate("minnet histograms, all", "x:y"),
        Candidate("keras", "x:y", needs=["keras", "jax"]),
    ]
    assert Plan().chosen(candidates) == candidates
    assert Plan(only=frozenset({"minnet"})).chosen(candidates) == candidates[:2]
    assert Plan(only=frozenset({"keras"})).chosen(candidates) == candidates[2:]
    assert Plan(only=frozenset({"jax"})).chosen(candidates) == []


def test_no_candidates_give_no_results():
    assert measure([], Plan(rounds=2)) == []
    assert ratios(Result(Candidate("a", "x:y"), [1.0]), Result(Candidate("b", "x:y"))) == []

"""The ledger: it has all twenty claims, and reports what was measured."""

import json
import math
from dataclasses import replace

import pytest
from helpers.made_up_trials import result

from minnet.__main__ import main
from minnet.experiments.claims import ledger
from minnet.experiments.claims.claim import Claim, Finding, rows
from minnet.experiments.claims.normalization import Bound
from minnet.experiments.intervals import mean
from minnet.experiments.readings import accuracy
from minnet.experiments.setup import IMAGES, Setup
from minnet.experiments.sweep import Store

TINY = Setup(data="digits", hidden=(8,), epochs=1)


def judged(trials):
    numbers = {label: mean(t.last("val_accuracy") for t in runs) for label, runs in trials.items()}
    parts = {"accuracy": True}
    return Finding("narrow", f"It is {numbers['narrow'].value:.3f}.", numbers, parts)


CLAIM = Claim(
    number=21, article="005", statement="Small networks learn.", measured="accuracy", rule="always",
    setups={"narrow": TINY, "wide": TINY.but(hidden=(16,))}, judge=judged,
    panels=[rows("After training", accuracy, "accuracy")], seeds=2,
)  # fmt: skip


def test_there_are_twenty_claims_with_enough_seeds():
    assert [claim.number for claim in ledger.CLAIMS] == list(range(1, 21))
    for claim in ledger.CLAIMS:
        only_iris = all(setup.data not in IMAGES for setup in claim.setups.values())
        assert claim.seeds >= (30 if only_iris else 10), claim.number
        assert claim.setups, claim.number
        assert claim.statement, claim.number
        assert claim.rule, claim.number


def test_every_claim_uses_all_rows_of_its_data():
    for claim in ledger.CLAIMS:
        for label, setup in claim.setups.items():
            assert setup.data in ("mnist", "iris", "iris_article"), (claim.number, label)
            assert setup.rows is None, (claim.number, label)


@pytest.mark.parametrize(
    ("article", "numbers", "chosen"),
    [
        (None, (), list(range(1, 21))),
        ("001", (), [5, 6, 7, 8, 9, 10]),
        ("004", (), [1, 2, 3, 4, 19, 20]),
        (None, (7, 3), [3, 7]),
        ("002", (12, 5), [12]),
    ],
)
def test_claims_are_chosen_by_article_and_number(article, numbers, chosen):
    assert [claim.number for claim in ledger.choose(article, numbers)] == chosen


def test_an_unknown_choice_is_an_error():
    with pytest.raises(ValueError, match=r"no claim has the number 21; there are 1 to 20"):
        ledger.choose(numbers=[21])
    with pytest.raises(
        ValueError, match=r"none of these .* article 003; its claims are 16, 17, 18"
    ):
        ledger.choose("003", [2])
    with pytest.raises(ValueError, match=r"no claims of an article '007'; there are 000, 001"):
        ledger.choose("007")


def test_an_entry_has_the_trials_of_its_seeds_and_the_finding(tmp_path):
    entry = ledger.judge(CLAIM, Store(tmp_path))
    assert entry.seeds == [0, 1]
    assert set(entry.trials) == {"narrow", "wide"}
    for label, runs in entry.trials.items():
        expected = [CLAIM.setups[label].but(seed=seed) for seed in (0, 1)]
        assert [trial.setup for trial in runs] == expected
    assert entry.finding == judged(entry.trials)


def test_the_number_of_seeds_can_be_given_and_is_three_in_a_quick_run(tmp_path):
    assert ledger.judge(CLAIM, Store(tmp_path), seeds=1).seeds == [0]
    assert ledger.judge(CLAIM, Store(tmp_path), quick=True).seeds == [0, 1, 2]


def test_a_quick_run_is_small():
    big = Setup(hidden=(1000, 64), epochs=10, batch_size=100)
    assert ledger.quickened(big) == big.but(data="digits", hidden=(100, 64), epochs=1)
    flowers = Setup(data="iris", hidden=(64,), epochs=500)
    assert ledger.quickened(flowers) == flowers.but(epochs=100)
    assert ledger.quickened(big.but(epochs=0)).epochs == 0


def test_the_ledger_reports_the_finding(tmp_path, monkeypatch):
    monkeypatch.setattr(ledger, "CLAIMS", (CLAIM,))
    monkeypatch.setenv("COLUMNS", "100")
    entry = ledger.judge(CLAIM, Store(tmp_path))
    number = result(entry.finding)
    assert "21. Small networks learn. (article 005)" in ledger.describe(entry)
    assert f"HOLDS. Narrow: {number}, 2 seeds." in ledger.describe(entry)

    written = ledger.write([entry], tmp_path, command="minnet claims")
    assert all(path.is_file() for path in written)
    kept = json.loads((tmp_path / "claims.json").read_text())
    assert kept["command"] == "minnet claims"
    (claim,) = kept["claims"]
    assert (claim["verdict"], claim["condition"]) == ("holds", "")
    assert claim["numbers"][claim["result"]] == {
        "value": number.value, "low": number.low, "high": number.high, "n": 2,
        "excluded": 0,
    }  # fmt: skip
    assert claim["seeds"] == [0, 1]
    assert Setup(**claim["setups"]["wide"]) == CLAIM.setups["wide"]
    assert set(claim["numbers"]) == {"narrow", "wide"}

    text = (tmp_path / "claims.md").read_text()
    assert f"| narrow | {number} |" in text
    assert text.count("\nSeeds 0 to 1. Shared settings: ") == 1
    assert "![claim 21](claim21.png)" in text
    assert {tmp_path / "claim21.png", tmp_path / "claim21.svg"} <= set(written)


def test_a_verdict_from_too_few_seeds_has_a_caveat(tmp_path):
    entry = ledger.judge(CLAIM, Store(tmp_path), seeds=1)
    caveat = "holds (from 1 seed; the claim requires 2)"
    assert ledger.verdicts([entry]).startswith(f"21. {caveat}\n")
    assert caveat in ledger.summary([entry])
    assert caveat.upper()[:5] in ledger.describe(entry)


def test_each_verdict_is_counted():
    outcomes = [(True, True), (True, False), (None, None), (None, False)]
    parts = [dict(zip("ab", pair, strict=True)) for pair in outcomes]
    entries = [ledger.Entry(CLAIM, {}, Finding("narrow", "", {}, of)) for of in parts]
    assert ledger.counts(entries) == (
        "Verdicts: 1 hold, 1 hold under a condition, 2 undecided, 0 fail."
    )


def test_a_condition_is_stated_in_the_section_and_not_in_the_summary(tmp_path):
    entry = ledger.judge(CLAIM, Store(tmp_path))
    parts = {"small": True, "large": False, "deep": None}
    finding = replace(entry.finding, parts=parts, condition="the network is {}")
    entry = replace(entry, finding=finding)
    assert entry.reason.endswith(" Undecided with these seeds: deep.")
    assert "| conditional |" in ledger.summary([entry])
    text = ledger.markdown([entry], {"command": "", "quick": False, "versions": {}})
    assert text.count("the network is small") == 1
    assert "**Holds only if the network is small.**" in text
    assert ledger.as_json([entry], {})["claims"][0]["condition"] == "the network is small"


def test_diverged_trainings_and_censored_means_are_reported(tmp_path):
    entry = ledger.judge(CLAIM, Store(tmp_path))
    entry.trials["wide"][1].stopped = "NaN in dense1"
    bound = Bound(21.0, math.nan, math.nan, 2, "at least", 2)
    entry = replace(entry, finding=replace(entry.finding, numbers={"narrow": bound}))
    assert entry.reason.endswith(" Diverged trainings: 1 of 2 (wide).")
    assert entry.result == "Narrow: at least 21, 2 seeds."
    made = {"command": "", "quick": False, "versions": {}}
    text = ledger.markdown([entry], made)
    assert "| narrow | at least 21 " in text
    unknown = replace(entry, finding=replace(entry.finding, numbers={"narrow": mean([])}))
    assert unknown.result == "Narrow: not measured, 2 seeds."
    numbers = ledger.as_json([entry], made)["claims"][0]["numbers"]
    assert (numbers["narrow"]["relation"], numbers["narrow"]["censored"]) == ("at least", 2)


def test_a_part_of_the_ledger_does_not_overwrite_the_whole(tmp_path, monkeypatch):
    others = tuple(replace(CLAIM, number=number) for number in (1, 2, 3))
    monkeypatch.setattr(ledger, "CLAIMS", others)
    (tmp_path / "claims.md").write_text("the whole")
    entries = [ledger.judge(claim, Store(tmp_path), seeds=1) for claim in others[1:]]
    written = ledger.write(entries, tmp_path, command="minnet claims --only 2 3")
    assert {"claims-2-3.md", "claims-2-3.json"} <= {path.name for path in written}
    assert (tmp_path / "claims.md").read_text() == "the whole"


def test_the_command_prints_each_claim_and_the_table(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(ledger, "CLAIMS", (replace(CLAIM, number=1), replace(CLAIM, number=2)))
    assert main(["claims", "--only", "2", "--seeds", "2", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert " 2. Small networks learn." in printed
    assert "\n 2. holds\nVerdicts: 1 hold, 0 hold under a condition" in printed
    assert " 1. " not in printed
    assert json.loads((tmp_path / "claims-2.json").read_text())["command"] == (
        "minnet claims --only 2 --seeds 2"
    )


def test_a_quick_run_states_that_its_verdicts_are_no_evidence(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(ledger, "CLAIMS", (replace(CLAIM, number=1),))
    assert main(["claims", "--quick", "--seeds", "1", "--out", str(tmp_path)]) == 0
    assert ledger.QUICK_NOTE in capsys.readouterr().out
    assert ledger.QUICK_NOTE in (tmp_path / "claims.md").read_text()


def test_claims_that_were_judged_are_written_when_the_next_one_fails(tmp_path, capsys, monkeypatch):
    def fail(trials):
        raise ValueError("no rule for this")

    failing = replace(CLAIM, number=2, judge=fail)
    monkeypatch.setattr(ledger, "CLAIMS", (replace(CLAIM, number=1), failing))
    assert main(["claims", "--seeds", "1", "--out", str(tmp_path)]) == 1
    printed = capsys.readouterr()
    assert "no rule for this" in printed.err
    assert " 1. holds" in printed.out
    assert (tmp_path / "claims-1.md").is_file()


def test_an_unknown_article_is_an_error_before_anything_is_made(tmp_path, capsys):
    assert main(["claims", "--article", "9", "--out", str(tmp_path / "new")]) == 1
    assert "no claims of an article '9'" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()

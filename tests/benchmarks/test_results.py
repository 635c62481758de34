"""The tables in README.md and RESULTS.md agree with the measured JSON."""

import json
import re
from pathlib import Path

import pytest

from benchmarks.measuring import Spread
from benchmarks.networks import NETWORKS
from benchmarks.step import FIRST
from benchmarks.tables import duration, times

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
MEASURED = {path.stem: json.loads(path.read_text("utf-8")) for path in RESULTS.glob("*.json")}


def figure(name: str) -> Spread:
    subject, _, label = name.partition(": ")
    return Spread(**MEASURED[subject]["figures"][label])


def rows(text: str, heading: str) -> list[list[str]]:
    """Return the cells of the table below this heading, without its first two lines."""
    part = text.partition(heading)[2].partition("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_subject_was_measured():
    assert set(MEASURED) >= {"step", "batchnorm", "recording", "startup", "scaling"}
    assert (RESULTS / "scaling.png").stat().st_size > 10_000
    for measured in MEASURED.values():
        assert not measured["plan"]["quick"]
        assert measured["plan"]["rounds"] >= 5
        for results in measured["contests"].values():
            assert [result["name"] for result in results if result["trouble"]] == []


def test_the_results_contain_no_paths():
    for path in RESULTS.rglob("*.json"):
        assert not re.search(r"[ '\"]/\w+/", path.read_text("utf-8")), path


def test_the_table_of_targets_agrees_with_the_measurements():
    text = (ROOT / "benchmarks" / "RESULTS.md").read_text("utf-8")
    table = rows(text, "## Targets")
    assert len(table) > 30
    for name, measured, target, reached in table:
        found = figure(name.strip("`"))
        expected = times(found)
        if "seconds" in name:
            expected = f"{found.median:.2f} s ({found.lowest:.2f} to {found.highest:.2f})"
        assert measured == expected, name
        sign, bound = re.fullmatch(r"([≤≥]) ([\d.]+)[xs]", target).groups()
        better = found.median <= float(bound) if sign == "≤" else found.median >= float(bound)
        assert reached == ("yes" if better else "no"), name


@pytest.mark.parametrize("name", NETWORKS)
def test_the_table_in_the_readme_agrees_with_the_measurements(name):
    table = {
        row[0].strip("`"): row[1:]
        for row in rows((ROOT / "README.md").read_text("utf-8"), "## Speed")
    }
    network = NETWORKS[name]
    sizes, step, best, eager, floor = table[name]
    assert sizes == str(network)
    results = MEASURED["step"]["contests"][name]
    assert step == duration(next(r["median"] for r in results if r["name"] == "minnet"))
    for cell, label in (
        (best, "best peer over minnet"),
        (eager, f"{FIRST} over minnet"),
        (floor, "minnet over the floor"),
    ):
        assert cell.split()[0] == f"{figure(f'step: {name}: {label}').median:.2f}x"
    peers = [r for r in results if r["library"] not in ("minnet", "floor")]
    assert min(peers, key=lambda r: r["median"])["name"] in best

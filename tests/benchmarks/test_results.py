"""The tables of speed in README.md and of aims in RESULTS.md tell what was measured."""

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
    subject, _, its = name.partition(": ")
    return Spread(**MEASURED[subject]["figures"][its])


def rows(text: str, heading: str) -> list[list[str]]:
    """Return the cells of the table below this heading, without its two first lines."""
    part = text.partition(heading)[2].partition("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_subject_was_measured():
    assert set(MEASURED) == {"step", "batchnorm", "recording", "startup", "scaling"}
    assert (RESULTS / "scaling.png").stat().st_size > 10_000
    for told in MEASURED.values():
        assert not told["plan"]["quick"]
        assert told["plan"]["rounds"] >= 5
        for results in told["contests"].values():
            assert [result["name"] for result in results if result["trouble"]] == []


def test_the_results_tell_no_paths():
    for path in RESULTS.rglob("*.json"):
        assert not re.search(r"[ '\"]/\w+/", path.read_text("utf-8")), path


def test_the_table_of_aims_tells_what_was_measured_and_whether_it_was_reached():
    text = (ROOT / "benchmarks" / "RESULTS.md").read_text("utf-8")
    table = rows(text, "## What was aimed at")
    assert len(table) > 30
    for name, measured, aim, reached in table:
        found = figure(name.strip("`"))
        told = times(found)
        if "seconds" in name:
            told = f"{found.median:.2f} s ({found.lowest:.2f} to {found.highest:.2f})"
        assert measured == told, name
        sign, bound = re.fullmatch(r"([≤≥]) ([\d.]+)[xs]", aim).groups()
        better = found.median <= float(bound) if sign == "≤" else found.median >= float(bound)
        assert reached == ("yes" if better else "no"), name


@pytest.mark.parametrize("name", NETWORKS)
def test_the_readme_tells_what_was_measured(name):
    table = {
        row[0].strip("`"): row[1:]
        for row in rows((ROOT / "README.md").read_text("utf-8"), "## Speed")
    }
    network = NETWORKS[name]
    sizes, step, best, eager, floor = table[name]
    assert sizes == str(network)
    results = MEASURED["step"]["contests"][name]
    assert step == duration(next(r["median"] for r in results if r["name"] == "minnet"))
    for cell, which in (
        (best, "best peer over minnet"),
        (eager, f"{FIRST} over minnet"),
        (floor, "minnet over the floor"),
    ):
        assert cell.split()[0] == f"{figure(f'step: {name}: {which}').median:.2f}x"
    peers = [r for r in results if r["library"] not in ("minnet", "floor")]
    assert min(peers, key=lambda r: r["median"])["name"] in best

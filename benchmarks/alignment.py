"""Benchmark of aligned allocation: a training step with aligned and with plain buffers."""

from __future__ import annotations

from dataclasses import asdict

from benchmarks.candidates import Candidate, Plan
from benchmarks.measuring import Report
from benchmarks.networks import networks
from benchmarks.tables import compare, contest

ALIGNED, PLAIN = "minnet", "minnet numpy.empty"


def contests(quick: bool) -> dict[str, list[Candidate]]:
    """Return the two candidates for each network."""
    return {
        name: [
            Candidate(ALIGNED, "benchmarks.peers.minnet:step", {"network": asdict(network)}),
            Candidate(PLAIN, "benchmarks.peers.minnet:plain_step", {"network": asdict(network)}),
        ]
        for name, network in networks(quick).items()
    }


def run(plan: Plan) -> Report:
    """Measure each network."""
    report = Report()
    for name, candidates in contests(plan.quick).items():
        results = report.measure(name, candidates, plan)
        report.text += f"{name}\n{contest(results, to=ALIGNED)}\n"
        compare(report, name, "numpy.empty over aligned", PLAIN, ALIGNED)
        report.text += "\n"
    return report

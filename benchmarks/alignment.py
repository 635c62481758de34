"""Effect of aligned allocation: a training step with minnet's buffers and with `numpy.empty`."""

from __future__ import annotations

from dataclasses import asdict

from benchmarks.candidates import Candidate, Plan
from benchmarks.measuring import find, measure, ratios, spread
from benchmarks.networks import networks
from benchmarks.reports import Report
from benchmarks.tables import contest, times

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
        results = report.contests[name] = measure(plan.chosen(candidates), plan)
        report.text += f"{name}\n{contest(results, to=ALIGNED)}\n"
        plain, aligned = find(results, PLAIN), find(results, ALIGNED)
        if plain and aligned:
            found = report.figures[f"{name}: numpy.empty over aligned"] = spread(
                ratios(plain, aligned)
            )
            report.text += f"numpy.empty over aligned: {times(found)}\n"
        report.text += "\n"
    return report

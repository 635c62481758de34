"""A training step of each of the articles' networks: minnet, its peers, and the floor.

The difference between minnet and the floor has three parts: its kernels, of them the optimizer's,
and Python.
"""

from __future__ import annotations

import math
from dataclasses import asdict

from benchmarks.candidates import Candidate, Plan
from benchmarks.measuring import Result, find, measure, ratios, spread
from benchmarks.networks import Network, networks
from benchmarks.reports import Report, geometric_mean
from benchmarks.tables import contest, times

FIRST = "torch eager"  # as in the articles, with the default optimizer


def contests(quick: bool) -> dict[str, list[Candidate]]:
    """Return the candidates for each network."""
    return {name: candidates(network) for name, network in networks(quick).items()}


def candidates(network: Network) -> list[Candidate]:
    """Return the candidates that train this network."""

    def candidate(
        name: str, peer: str, *needs: str, task: str = "step", **options: object
    ) -> Candidate:
        arguments = {"network": asdict(network), **options}
        return Candidate(name, f"benchmarks.peers.{peer}:{task}", arguments, needs)

    return [
        candidate("minnet", "minnet"),
        candidate("minnet calls alone", "minnet", task="calls_alone"),
        candidate("minnet optimizer alone", "minnet", task="optimizer_step"),
        candidate("floor", "floor"),
        candidate(FIRST, "torch", "torch"),
        candidate("torch eager, foreach", "torch", "torch", optimizer="foreach"),
        candidate("torch eager, fused", "torch", "torch", optimizer="fused"),
        candidate("torch compile, fused", "torch", "torch", optimizer="fused", compiled=True),
        candidate("jax jit", "jax", "jax"),
        candidate("keras", "keras", "keras"),
    ]


def run(plan: Plan) -> Report:
    """Measure each network, and report geometric means of what was measured for all networks."""
    report = Report()
    rows: dict[str, list[list[float]]] = {}
    described = networks(plan.quick)
    for name, entrants in contests(plan.quick).items():
        results = report.contests[name] = measure(plan.chosen(entrants), plan)
        report.text += f"{name}: {described[name]}\n{contest(results, to='minnet')}\n"
        mine, calls, floor, first = (
            find(results, who) for who in ("minnet", "minnet calls alone", "floor", FIRST)
        )
        best = fastest_peer(results)
        if best:
            report.text += f"best peer: {best.candidate.name}\n"
        for label, one, other in (
            ("minnet over the floor", mine, floor),
            ("minnet calls alone over the floor", calls, floor),
            (f"{FIRST} over minnet", first, mine),
            ("best peer over minnet", best, mine),
            ("best peer over the floor", best, floor),
        ):
            if one and other:
                rows.setdefault(label, []).append(ratios(one, other))
                found = report.figures[f"{name}: {label}"] = spread(rows[label][-1])
                report.text += f"{label}: {times(found)}\n"
        report.text += "\n"
    for label, each in rows.items():
        if len(each) == len(described):
            mean = report.figures[f"geometric mean, {label}"] = geometric_mean(each)
            report.text += f"geometric mean, {label}: {times(mean)}\n"
    return report


def fastest_peer(results: list[Result]) -> Result | None:
    """Return the peer with the lowest median time over all rounds."""
    peers = [r for r in results if r.seconds and r.candidate.library not in ("minnet", "floor")]

    def median(result: Result) -> float:
        found = spread(result.seconds)
        return found.median if found else math.inf

    return min(peers, key=median, default=None)

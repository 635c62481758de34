"""Benchmark of a training step of the articles' networks: minnet, its peers, and the floor.

The difference between minnet and the floor is the time of the kernels, including the optimizer's,
and of Python code. Two candidates measure these parts: the calls alone and the optimizer alone.
"""

from __future__ import annotations

import statistics
from dataclasses import asdict

from benchmarks.candidates import Candidate, Plan
from benchmarks.measuring import Report, Result, geometric_mean
from benchmarks.networks import Network, networks
from benchmarks.tables import compare, contest, times

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
        results = report.measure(name, entrants, plan)
        report.text += f"{name}: {described[name]}\n{contest(results, to='minnet')}\n"
        best = fastest_peer(results)
        report.text += f"best peer: {best}\n" if best else ""
        for label, one, other in (
            ("minnet over the floor", "minnet", "floor"),
            ("minnet calls alone over the floor", "minnet calls alone", "floor"),
            (f"{FIRST} over minnet", FIRST, "minnet"),
            ("best peer over minnet", best, "minnet"),
            ("best peer over the floor", best, "floor"),
        ):
            if values := compare(report, name, label, one, other):
                rows.setdefault(label, []).append(values)
        report.text += "\n"
    for label, each in rows.items():
        if len(each) == len(described):
            mean = report.figures[f"geometric mean, {label}"] = geometric_mean(each)
            report.text += f"geometric mean, {label}: {times(mean)}\n"
    return report


def fastest_peer(results: list[Result]) -> str:
    """Return the name of the peer with the lowest median time over all rounds, or ""."""
    peers = [r for r in results if r.seconds and r.candidate.library not in ("minnet", "floor")]
    return min((statistics.median(r.seconds), r.candidate.name) for r in peers)[1] if peers else ""

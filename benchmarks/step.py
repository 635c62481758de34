"""A training step of each of the articles' networks: minnet, its peers, and the floor.

What minnet adds to the floor is told in parts: its kernels, of them the optimizer's, and the rest,
which is Python.
"""

from __future__ import annotations

from dataclasses import asdict

from benchmarks.measuring import Candidate, Plan, Result, find, measure, ratios, spread
from benchmarks.networks import NETWORKS, SMALL, Network
from benchmarks.reports import Report, geometric_mean
from benchmarks.tables import contest, times

FIRST = "torch eager"  # as the articles write it, with the default optimizer


def candidates(network: Network) -> list[Candidate]:
    """Return all who train this network."""

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
    """Measure one network after another; geometric means are told where all networks have times."""
    report = Report({}, "")
    networks = SMALL if plan.quick else NETWORKS
    rows: dict[str, list[list[float]]] = {}
    for name, network in networks.items():
        results = report.contests[name] = measure(plan.chosen(candidates(network)), plan)
        report.text += f"{name}: {network}\n{contest(results, to='minnet')}\n"
        mine, calls, floor, first = (
            find(results, who) for who in ("minnet", "minnet calls alone", "floor", FIRST)
        )
        best = fastest_peer(results)
        if best:
            report.text += f"best peer: {best.candidate.name}\n"
        for what, one, other in (
            ("minnet over the floor", mine, floor),
            ("minnet calls alone over the floor", calls, floor),
            (f"{FIRST} over minnet", first, mine),
            ("best peer over minnet", best, mine),
            ("best peer over the floor", best, floor),
        ):
            if one and other:
                rows.setdefault(what, []).append(ratios(one, other))
                found = report.figures[f"{name}: {what}"] = spread(rows[what][-1])
                report.text += f"{what}: {times(found)}\n"
        report.text += "\n"
    for what, each in rows.items():
        if len(each) == len(networks):
            mean = report.figures[f"geometric mean, {what}"] = geometric_mean(each)
            report.text += f"geometric mean, {what}: {times(mean)}\n"
    return report


def fastest_peer(results: list[Result]) -> Result | None:
    """Return the peer with the lowest median time: one for all rounds, not the luckiest of each."""
    peers = [r for r in results if r.seconds and r.candidate.library not in ("minnet", "floor")]

    def median(result: Result) -> float:
        found = spread(result.seconds)
        return found.median if found else float("inf")

    return min(peers, key=median, default=None)

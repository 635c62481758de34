"""What it costs to look: a step that is recorded, over the bare step of the same library.

Every step is recorded, each value of each layer, except where a row says that rows are sampled, or
that steps are passed over to stay within a budget.
PyTorch is given hooks and `torch.histc`, which is what its users write.
"""

from __future__ import annotations

from dataclasses import asdict

from benchmarks.measuring import Candidate, Plan, find, measure, ratios, spread
from benchmarks.networks import NETWORKS, SMALL, Network
from benchmarks.reports import Report
from benchmarks.tables import contest

BUFFERS = ("y", "dy")
ALL = (*BUFFERS, "weight", "weight_grad", "update")
SAMPLED = 2048  # values of an array, in whole rows
BUDGET = 0.05  # of the time


def candidates(network: Network) -> list[Candidate]:
    """Return each library's bare step and the steps that are recorded."""
    described = asdict(network)

    def minnet(name: str, **options: object) -> Candidate:
        return Candidate(name, "benchmarks.peers.minnet:step", {"network": described, **options})

    def torch(name: str, **options: object) -> Candidate:
        arguments = {"network": described, "optimizer": "fused", **options}
        return Candidate(name, "benchmarks.peers.torch:step", arguments, ("torch",))

    return [
        minnet("minnet"),
        minnet("minnet histograms, y dy", probe="histograms", kinds=BUFFERS),
        minnet(
            f"minnet histograms, y dy, {SAMPLED} values",
            probe="histograms", kinds=BUFFERS, max_values=SAMPLED,
        ),
        minnet("minnet histograms, all", probe="histograms", kinds=ALL),
        minnet(
            f"minnet histograms, all, {SAMPLED} values",
            probe="histograms", kinds=ALL, max_values=SAMPLED,
        ),
        minnet(
            f"minnet histograms, all, budget {BUDGET:.0%}",
            probe="histograms", kinds=ALL, budget=BUDGET,
        ),
        minnet("minnet statistics, y dy", probe="statistics", kinds=BUFFERS),
        torch("torch eager, fused"),
        torch("torch hooks and histc, y dy", kinds=BUFFERS),
        torch("torch hooks and histc, all", kinds=ALL),
    ]  # fmt: skip


def run(plan: Plan) -> Report:
    """Measure one network after another."""
    report = Report({}, f"all: {', '.join(ALL)}\n")
    bare = {"minnet": "minnet", "torch": "torch eager, fused"}
    for name, network in (SMALL if plan.quick else NETWORKS).items():
        results = report.contests[name] = measure(plan.chosen(candidates(network)), plan)
        to = {r.candidate.name: bare[r.candidate.library] for r in results}
        report.text += f"\n{name}: {network}\n{contest(results, to=to)}\n"
        for result in results:
            its = result.candidate.name
            base = find(results, to[its])
            if base is not None and base is not result and result.seconds:
                report.figures[f"{name}: {its}"] = spread(ratios(result, base))
    return report

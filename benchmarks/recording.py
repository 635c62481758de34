"""What it costs to look: steps that are recorded, over the bare steps of the same library.

Every step is recorded, each value of each layer, except where a row says that rows are sampled, or
that steps are passed over to stay within a budget. "Counting alone" trains nothing: it is what the
kernel takes that counts, of as many arrays of the same sizes. A recording begins with the first of
the steps that are timed: then it costs most, because each step has a place of its own in it.
PyTorch is given hooks and `torch.histc`, which is what its users write.
"""

from __future__ import annotations

from dataclasses import asdict, replace

from benchmarks.measuring import Candidate, Plan, find, measure, ratios, spread
from benchmarks.networks import NETWORKS, SMALL, Network
from benchmarks.reports import Report
from benchmarks.tables import contest

BUFFERS = ("y", "dy")
ALL = (*BUFFERS, "weight", "weight_grad", "update")
SAMPLED = 1024  # values of an array, in whole rows
BUDGET = 0.05  # of the time
STEPS = {"iris": 1000, "vanishing": 100, "initializers": 1000, "batchnorm": 1000}
QUICK_STEPS = 20


def candidates(network: Network, number: int) -> list[Candidate]:
    """Return each library's bare steps, so many of them, and those that are recorded."""
    trained = {"network": asdict(network), "number": number}

    def minnet(name: str, **options: object) -> Candidate:
        return Candidate(name, "benchmarks.peers.minnet:steps", {**trained, **options})

    def torch(name: str, **options: object) -> Candidate:
        arguments = {**trained, "optimizer": "fused", **options}
        return Candidate(name, "benchmarks.peers.torch:steps", arguments, ("torch",))

    return [
        minnet("minnet"),
        minnet("minnet histograms, y dy", probe="histograms", kinds=BUFFERS),
        Candidate(
            "minnet counting alone, y dy",
            "benchmarks.peers.minnet:counting_alone",
            {**trained, "kinds": BUFFERS},
        ),
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
    once = replace(plan, warm=0.0, least=1)  # so many steps are a turn already
    for name, network in (SMALL if plan.quick else NETWORKS).items():
        number = QUICK_STEPS if plan.quick else STEPS[name]
        results = report.contests[name] = measure(once.chosen(candidates(network, number)), once)
        to = {r.candidate.name: bare[r.candidate.library] for r in results}
        report.text += f"\n{name}: {network}, {number} steps\n{contest(results, to=to)}\n"
        for result in results:
            its = result.candidate.name
            base = find(results, to[its])
            if base is not None and base is not result and result.seconds:
                report.figures[f"{name}: {its}"] = spread(ratios(result, base))
    return report

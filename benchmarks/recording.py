"""Benchmark of recording: recorded steps compared with bare steps of the same library.

Every value of each layer is recorded in every step, unless a candidate's name contains a number of
values (rows are sampled) or a budget (steps are skipped). "Replay" is the recording for a replay
page as in README: histograms and statistics, each with a budget of 2%. "Counting alone" calls
only the counting kernel, on as many arrays of the same sizes. Each timed call
starts a new recording. The first steps of a recording are the most expensive ones, because each of
them has a row of its own. PyTorch uses hooks and `torch.histc`, as its users do.
"""

from __future__ import annotations

from dataclasses import asdict, replace

from benchmarks.candidates import Candidate, Plan
from benchmarks.measuring import Report, find, ratios, spread
from benchmarks.networks import Network, networks
from benchmarks.tables import contest

BUFFERS = ("y", "dy")
ALL = (*BUFFERS, "weight", "weight_grad", "update")
SAMPLED = 1024  # values of an array, in whole rows
BUDGET = 0.05  # share of the time
REPLAY_BUDGET = 0.02  # of each of the two probes for a replay page
STEPS = {"iris": 1000, "vanishing": 100, "initializers": 1000, "batchnorm": 1000}
QUICK_STEPS = 20
BARE = {"minnet": "minnet", "torch": "torch eager, fused"}
TURN = {"warm": 0.0, "least": 1}  # one call consists of many steps


def contests(quick: bool) -> dict[str, list[Candidate]]:
    """Return the candidates for each network."""
    return {
        name: candidates(network, QUICK_STEPS if quick else STEPS[name])
        for name, network in networks(quick).items()
    }


def candidates(network: Network, number: int) -> list[Candidate]:
    """Return candidates that take ``number`` steps, bare and recorded."""
    arguments = {"network": asdict(network), "number": number}

    def minnet(name: str = "", *, task: str = "steps", **options: object) -> Candidate:
        name = f"minnet {name}".strip()
        return Candidate(name, f"benchmarks.peers.minnet:{task}", {**arguments, **options})

    def histograms(name: str, kinds: tuple[str, ...], **options: object) -> Candidate:
        return minnet(f"histograms, {name}", probe="histograms", kinds=kinds, **options)

    def torch(name: str, **options: object) -> Candidate:
        fused = {**arguments, "optimizer": "fused", **options}
        return Candidate(f"torch {name}", "benchmarks.peers.torch:steps", fused, ("torch",))

    return [
        minnet(),
        histograms("y dy", BUFFERS),
        minnet("counting alone, y dy", task="counting_alone", kinds=BUFFERS),
        histograms(f"y dy, {SAMPLED} values", BUFFERS, max_values=SAMPLED),
        histograms("all", ALL),
        histograms(f"all, {SAMPLED} values", ALL, max_values=SAMPLED),
        histograms(f"all, budget {BUDGET:.0%}", ALL, budget=BUDGET),
        minnet("statistics, y dy", probe="statistics", kinds=BUFFERS),
        minnet("replay", probe="replay", kinds=BUFFERS, budget=REPLAY_BUDGET),
        torch("eager, fused"),
        torch("hooks and histc, y dy", kinds=BUFFERS),
        torch("hooks and histc, all", kinds=ALL),
    ]


def run(plan: Plan) -> Report:
    """Measure each network."""
    plan = replace(plan, **TURN)
    report = Report(text=f"all: {', '.join(ALL)}\n")
    described = networks(plan.quick)
    for name, entrants in contests(plan.quick).items():
        number = entrants[0].arguments["number"]
        results = report.measure(name, entrants, plan)
        to = {r.candidate.name: BARE[r.candidate.library] for r in results}
        report.text += f"\n{name}: {described[name]}, {number} steps\n{contest(results, to=to)}\n"
        for result in results:
            label = result.candidate.name
            found = spread(ratios(result, find(results, to[label])))
            if found and label != to[label]:
                report.figures[f"{name}: {label}"] = found
    return report

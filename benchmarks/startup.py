"""Benchmark of the import, of the first training step, and of the whole Iris experiment.

Each call is a new process, timed from start to end. The table also contains the bare interpreter.
"""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

from benchmarks.candidates import Candidate, Plan
from benchmarks.measuring import Report, find, measure, ratios, spread
from benchmarks.tables import contest

BARE, NUMPY, MINE = "python alone", "numpy", "minnet"
CACHED, UNCACHED = "minnet (kernels cached)", "minnet (nothing cached)"
ARTICLE = "from benchmarks.programs import iris_torch; iris_torch.main()"
RUN, SCRIPT = "minnet run iris", "torch script of the article"
BOTH = "what both import"
IMPORTS = "import sklearn.datasets, sklearn.model_selection, matplotlib.figure"
BASES = {"import": BARE, "first step (iris)": CACHED, "iris, end to end": RUN}
TURN = {"warm": 0.0, "seconds": 0.0, "least": 1}  # one call and no warm-up


def contests(quick: bool = False) -> dict[str, list[Candidate]]:
    """Return the candidates of the three contests."""
    backend = ("jax",) if find_spec("jax") else ("torch",)
    return {
        "import": [
            _program(BARE, "pass"),
            _program(NUMPY, "import numpy"),
            _program(MINE, "import minnet"),
            _program("torch", "import torch", "torch"),
            _program("jax", "import jax", "jax"),
            _program("keras", "from benchmarks.peers import keras", "keras", *backend),
        ],
        "first step (iris)": [
            _program(CACHED, _first_step("minnet")),
            _program(UNCACHED, _first_step("minnet"), cache="none"),
            _program("torch eager", _first_step("torch"), "torch"),
            _program("jax jit", _first_step("jax"), "jax"),
            _program("keras", _first_step("keras"), "keras", *backend),
        ],
        "iris, end to end": [
            _program(RUN, "from minnet.__main__ import main; main(['run', 'iris'])"),
            _program(SCRIPT, ARTICLE, "torch", "sklearn", "matplotlib"),
            _program(BOTH, IMPORTS, "sklearn", "matplotlib"),
        ],
    }


def run(plan: Plan) -> Report:
    """Measure the three contests."""
    plan = replace(plan, **TURN)
    report = Report()
    for name, entrants in contests().items():
        base = BASES[name]
        results = report.contests[name] = measure(_chosen(plan, entrants), plan)
        report.text += f"{name}\n{contest(results, to=base)}\n\n"
        for result in results:
            if result.seconds:
                label = result.candidate.name
                report.figures[f"{name}: {label}, seconds"] = spread(result.seconds)
                found = spread(ratios(result, find(results, base)))
                if found and label != base:
                    report.figures[f"{name}: {label}, over {base}"] = found
    mine, numpy = (find(report.contests["import"], who) for who in (MINE, NUMPY))
    if mine and numpy:
        above = [a - b for a, b in zip(mine.seconds, numpy.seconds, strict=True)]
        report.figures["import: minnet above numpy, seconds"] = spread(above)
    return report


def _chosen(plan: Plan, candidates: list[Candidate]) -> list[Candidate]:
    """Return the selected candidates. Here the floor is the bare interpreter and NumPy."""
    floor = (BARE, NUMPY) if "floor" in plan.only else ()
    return [c for c in candidates if c in plan.chosen([c]) or c.name in floor]


def _program(name: str, code: str, *needs: str, cache: str = "kept") -> Candidate:
    task = "benchmarks.peers.programs:Program"
    return Candidate(name, task, {"code": code, "cache": cache}, needs)


def _first_step(peer: str) -> str:
    return (
        f"from benchmarks.networks import NETWORKS; from benchmarks.peers import {peer}; "
        f"{peer}.step(NETWORKS['iris'])()"
    )

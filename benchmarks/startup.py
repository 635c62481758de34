"""What a user waits for: importing, the first training step, and the whole Iris experiment.

Each call is a new process, timed from its start to its end; the bare interpreter's share is a row.
"""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

from benchmarks.measuring import Candidate, Plan, Result, find, measure, ratios, spread
from benchmarks.reports import Report
from benchmarks.tables import duration, table, times

BARE, NUMPY, MINE = "python alone", "numpy", "minnet"
CACHED, UNCACHED = "minnet (kernels cached)", "minnet (nothing cached)"
ARTICLE = "from benchmarks.programs import iris_torch; iris_torch.main()"
RUN, SCRIPT = "minnet run iris", "torch script of the article"
BOTH = "what both import"
IMPORTS = "import sklearn.datasets, sklearn.model_selection, matplotlib.figure"


def contests() -> dict[str, list[Candidate]]:
    """Return the three contests by name."""
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
    }  # fmt: skip


def run(plan: Plan) -> Report:
    """Measure the three contests, one call a turn: a process that starts can't be warmed up."""
    plan = replace(plan, warm=0.0, seconds=0.0, least=1)
    bases = {"import": BARE, "first step (iris)": CACHED, "iris, end to end": RUN}
    report = Report({}, "")
    for name, candidates in contests().items():
        results = report.contests[name] = measure(_chosen(plan, candidates), plan)
        base = find(results, bases[name])
        report.text += f"{name}\n{_table(results, base)}\n\n"
        for result in results:
            if result.seconds:
                its = f"{name}: {result.candidate.name}"
                report.figures[f"{its}, seconds"] = spread(result.seconds)
                if base is not None and base is not result:
                    report.figures[f"{its}, over {bases[name]}"] = spread(ratios(result, base))
    mine, numpy = (find(report.contests["import"], who) for who in (MINE, NUMPY))
    if mine and numpy:
        above = [a - b for a, b in zip(mine.seconds, numpy.seconds, strict=True)]
        report.figures["import: minnet above numpy, seconds"] = spread(above)
    return report


def _chosen(plan: Plan, candidates: list[Candidate]) -> list[Candidate]:
    """The bare interpreter and NumPy are the floor here."""
    return [
        c
        for c in candidates
        if c in plan.chosen([c]) or ("floor" in plan.only and c.name in (BARE, NUMPY))
    ]


def _table(results: list[Result], base: Result | None) -> str:
    rows = []
    for result in results:
        time, cells = spread(result.seconds), ["-", "", ""]
        if time:
            cells = [duration(time.median), f"{duration(time.lowest)} to {duration(time.highest)}"]
            same = base is None or base is result
            cells.append("" if same else times(spread(ratios(result, base))) if base else "")
        rows.append([result.candidate.name, *cells[:2], result.trouble or cells[2]])
    compared = f"times {base.candidate.name}" if base else ""
    return table(["", "median", "spread", compared], rows)


def _program(name: str, code: str, *needs: str, cache: str = "kept") -> Candidate:
    task = "benchmarks.peers.programs:Program"
    return Candidate(name, task, {"arguments": ["-c", code], "cache": cache}, needs)


def _first_step(peer: str) -> str:
    return (
        f"from benchmarks.networks import NETWORKS; from benchmarks.peers import {peer}; "
        f"{peer}.step(NETWORKS['iris'])()"
    )

"""Benchmark of `minnet.Doctor`: causes found, false alarms, repairs, and overhead.

Every configuration is trained with a seed under the doctor. Faulty ones count only if their healthy
twin is better by 3 points in the mean of three seeds, healthy ones only if neither a tenth nor ten
times their learning rate is better by 3 points. A third of the configurations is held out: the
rules of the doctor were tuned without them. Intervals are Wilson's, over configurations.
"""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

import minnet
from benchmarks.candidates import Candidate, Plan
from benchmarks.doctor.cases import Case, cases
from benchmarks.doctor.measuring import (
    HARM,
    Cache,
    Record,
    diagnose,
    harm,
    is_repaired,
    is_tuned,
    random_remedy,
    repair,
    wilson,
)
from benchmarks.measuring import Report
from benchmarks.tables import table

EACH, SAMPLE = 9, 80  # configurations drawn for each cause, and configurations by default


def contests(quick: bool) -> dict[str, list[Candidate]]:
    """Return nothing, because the doctor is not compared with other libraries."""
    return {}


def run(plan: Plan) -> Report:
    """Diagnose a sample of the configurations, and measure the overhead."""
    report = Report()
    records = measure(plan.sample or (3 if plan.quick else SAMPLE))
    for held_out in (False, True):
        chosen = [r for r in records if r.held_out is held_out]
        title = "held-out configurations" if held_out else "configurations used for tuning"
        report.text += f"{title}: {len(chosen)}\n\n{summary(chosen)}\n\n{by_cause(chosen)}\n\n"
    report.text += f"overhead of the doctor in fit\n{overheads(1 if plan.quick else 7)}\n"
    report.figures = {f"first, {r.key}": float(is_first(r)) for r in records if r.cause}
    return report


def measure(sample: int, cache: Cache | None = None, *, seed: int = 0) -> list[Record]:
    """Return the records of this many configurations, spread over causes and groups."""
    cache = cache or Cache(None)
    drawn = list(cases(max(EACH, sample // 20), seed))
    order = np.random.default_rng(seed).permutation(len(drawn))
    counts: Counter[tuple[str, str]] = Counter()
    records: list[Record] = []
    for index in sorted(order, key=lambda k: (k * 7919) % 997):
        case = drawn[index]
        kind = case.group, case.cause
        share = {"faulty": 1, "mild": 1, "healthy": 4, "hard": 6}[case.group]
        if len(records) == sample:
            break
        if counts[kind] >= share * max(sample // 40, 1) or not is_valid(case, cache):
            continue
        records.append(diagnose(case, counts[kind] % 3, cache))
        counts[kind] += 1
    return records


def is_valid(case: Case, cache: Cache) -> bool:
    """Return whether the label of a configuration is right."""
    return harm(case, cache) >= HARM if case.cause else is_tuned(case, cache)


def is_first(record: Record) -> bool:
    """Return whether the right cause is reported first."""
    return record.causes[:1] == [record.cause]


def share_of(values: Sequence[bool]) -> str:
    """Return a share with its interval."""
    low, high = wilson(sum(values), len(values))
    return f"{sum(values)}/{len(values)} ({low:.2f} to {high:.2f})" if values else "none"


def summary(records: Sequence[Record]) -> str:
    """Return a table of the shares in each group."""
    rows = []
    for group in ("faulty", "mild"):
        chosen = [r for r in records if r.group == group]
        layers = [bool(r.right_layer) for r in chosen if r.right_layer is not None]
        rows.append([
            group,
            share_of([r.cause in r.causes for r in chosen]),
            share_of([is_first(r) for r in chosen]),
            share_of(layers),
            share_of([is_repaired(r, 1) for r in chosen]),
            share_of([is_repaired(r, 3) for r in chosen]),
            share_of([r.random_repair for r in chosen]),
        ])  # fmt: skip
    for group in ("healthy", "hard"):
        chosen = [r for r in records if r.group == group]
        rows.append([f"{group}: alarms", share_of([bool(r.causes) for r in chosen]), *[""] * 5])
    ratio = [r.diagnosis_seconds / r.seconds for r in records]
    median = f"{statistics.median(ratio):.2f}" if ratio else "none"
    rows.append(["diagnosis / training time", median, *[""] * 5])
    return table(
        ["", "found", "found first", "right layer", "repaired by first remedy", "by three",
         "by a random remedy"], rows,
    )  # fmt: skip


def by_cause(records: Sequence[Record]) -> str:
    """Return a table of the shares of each cause."""
    rows = []
    for group, cause in sorted({(r.group, r.cause) for r in records if r.cause}):
        chosen = [r for r in records if (r.group, r.cause) == (group, cause)]
        rows.append([
            f"{cause}{', mild' if group == 'mild' else ''}",
            str(len(chosen)),
            str(sum(r.cause in r.causes for r in chosen)),
            str(sum(map(is_first, chosen))),
            str(sum(is_repaired(r, 1) for r in chosen)),
        ])  # fmt: skip
    return table(["cause", "trainings", "found", "found first", "repaired by first"], rows)


NETWORKS: dict[str, tuple[tuple[int, ...], type[minnet.Layer], bool, int]] = {
    "digits": ((64, 32, 32, 10), minnet.ReLU, False, 32),
    "initializers": ((784, 512, 256, 128, 64, 10), minnet.ReLU, False, 32),
    "batchnorm": ((784, 128, 64, 10), minnet.ReLU, True, 128),
}


def overheads(rounds: int) -> str:
    """Return the time of fit with the doctor over that without, in turns."""
    rows = []
    for name, (sizes, kind, normalized, batch) in NETWORKS.items():
        ratios = []
        for number in range(rounds):
            pair = [
                fit_time(sizes, kind, normalized, batch, probes)
                for probes in ([], [minnet.Doctor()])[:: 1 - 2 * (number % 2)]
            ][:: 1 - 2 * (number % 2)]
            ratios.append(pair[1] / pair[0])
        rows.append([name, f"{statistics.median(ratios):.3f}",
                     f"{min(ratios):.3f} to {max(ratios):.3f}"])  # fmt: skip
    return table(["network", "median ratio", "range"], rows)


def fit_time(
    sizes: tuple[int, ...], kind: type[minnet.Layer], normalized: bool, batch: int, probes: Any
) -> float:
    """Return the seconds of a training of 600 steps on random rows."""
    layers: list[minnet.Layer] = []
    for n, m in pairwise(sizes[:-1]):
        layers += [minnet.Dense(n, m), *[minnet.BatchNorm(m)] * normalized, kind()]
    net = minnet.Sequential([*layers, minnet.Dense(*sizes[-2:])], rng=0)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((20 * batch, sizes[0])).astype(np.float32)
    y = rng.integers(0, sizes[-1], len(x))
    began = time.perf_counter()
    minnet.fit(net, x, y, loss=minnet.SoftmaxCrossEntropy(), optimizer=minnet.SGD(net, lr=0.01),
               epochs=30, batch_size=batch, probes=probes, rng=0)  # fmt: skip
    return time.perf_counter() - began


__all__ = ["contests", "measure", "random_remedy", "repair", "run"]

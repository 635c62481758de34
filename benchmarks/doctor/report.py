"""Benchmark of `minnet.Doctor` and of published rules: causes found, false alarms, and repairs.

Every configuration is trained with a seed under the probe of each method. Faulty ones count only if
their healthy twin is better by 3 points in the mean of three seeds, healthy ones only if neither a
tenth nor ten times their learning rate nor early stopping is better by 3 points in the mean of two
seeds. A third of the configurations is held out: the rules of the doctor were tuned without them.
Intervals are Wilson's, over configurations.

With ``--out`` every record and every retraining is appended to a file of JSON lines in the folder.
The same command continues a run that was stopped. Remove the files after a change of the code.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks.candidates import Candidate, Plan
from benchmarks.doctor.cases import Case, cases
from benchmarks.doctor.measuring import (
    DOCTOR,
    HARM,
    METHODS,
    RANDOM,
    Cache,
    Record,
    append_line,
    diagnose,
    harm,
    is_repaired,
    is_tuned,
    read_lines,
    wilson,
)
from benchmarks.doctor.overhead import overheads
from benchmarks.measuring import Report
from benchmarks.tables import table

EACH, SAMPLE = 9, 80  # configurations drawn for each cause, and configurations by default


def contests(quick: bool) -> dict[str, list[Candidate]]:
    """Return nothing, because the doctor is not compared with other libraries."""
    return {}


def run(plan: Plan) -> Report:
    """Diagnose a sample of the configurations by all methods, and measure the overhead."""
    report = Report()
    records = measure(plan.sample or (3 if plan.quick else SAMPLE), plan.out)
    report.text += parts(records)
    mine = [r for r in records if r.method == DOCTOR]
    ratios = [r.diagnosis_seconds / r.seconds for r in mine] or [0.0]
    report.text += f"median of diagnosis time / training time: {statistics.median(ratios):.2f}\n\n"
    rounds = 1 if plan.quick else 5
    report.text += f"overhead of the doctor in fit\n{overheads(rounds, quick=plan.quick)}\n"
    report.figures = {f"first, {r.key}": float(is_first(r)) for r in mine if r.cause}
    return report


def parts(records: Sequence[Record]) -> str:
    """Return the tables of all configurations, and of the two parts; mild ones apart."""
    tuned = [r for r in records if not r.held_out]
    held_out = [r for r in records if r.held_out]
    text = ""
    for title, part in (("all", records), ("tuning", tuned), ("held-out", held_out)):
        mine = [r for r in part if r.method == DOCTOR]
        counts = sorted(Counter(r.group for r in mine).items())
        numbers = ", ".join(f"{number} {group}" for group, number in counts)
        text += f"{title} configurations: {numbers}\n{comparison(part)}\n\n"
        text += f"mild faults\n{comparison(part, 'mild')}\n\n"
        text += f"{DOCTOR}, by cause\n{by_cause(mine)}\n\n"
    return text


def measure(sample: int, out: Path | None = None, *, seed: int = 0) -> list[Record]:
    """Return the records of this many configurations by all methods; kept ones are reused."""
    cache = Cache(out and out / "doctor-points.jsonl")
    path = out and out / "doctor-records.jsonl"
    records = [Record(**line) for line in read_lines(path)] if path else []
    kept = {(r.key, r.seed, r.method): r for r in records}
    records = []
    for case, case_seed in chosen(sample, cache, seed):
        for method in METHODS:
            if method == RANDOM and not case.cause:
                continue
            record = kept.get((case.key, case_seed, method))
            if record is None:
                record = diagnose(case, case_seed, cache, method)
                if path:
                    append_line(path, asdict(record))
            records.append(record)
    return records


def chosen(sample: int, cache: Cache, seed: int) -> Iterator[tuple[Case, int]]:
    """Yield this many valid configurations with seeds, spread over causes and groups."""
    drawn = list(cases(max(EACH, sample // 20), seed))
    order = np.random.default_rng(seed).permutation(len(drawn))
    counts: Counter[tuple[str, str]] = Counter()
    for index in sorted(order, key=lambda k: (k * 7919) % 997):
        case = drawn[index]
        kind = case.group, case.cause
        share = {"faulty": 1, "mild": 1, "healthy": 4, "hard": 6}[case.group]
        if counts.total() == sample:
            return
        if counts[kind] < share * max(sample // 40, 1) and is_valid(case, cache):
            counts[kind] += 1
            yield case, (counts[kind] - 1) % 3


def is_valid(case: Case, cache: Cache) -> bool:
    """Return whether the label of a configuration is right."""
    return harm(case, cache) >= HARM if case.cause else is_tuned(case, cache)


def is_first(record: Record) -> bool:
    """Return whether the right cause is reported first."""
    return record.causes[:1] == [record.cause]


def share_of(values: Sequence[bool]) -> str:
    """Return a share with its interval.

    Examples
    --------
    >>> share_of([True, False, True, True])
    '3/4 (.30 to .95)'
    """
    low, high = wilson(sum(values), len(values))
    interval = f"({low:.2f} to {high:.2f})".replace("0.", ".")
    return f"{sum(values)}/{len(values)} {interval}" if values else "none"


def comparison(records: Sequence[Record], group: str = "faulty") -> str:
    """Return a table with a row for each method: shares of a group of faulty configurations.

    The table of the group "faulty" has the false alarms of healthy and hard ones, too. "any cause"
    is the share with a finding, whatever its cause, and "found" that with the right cause among the
    findings. The right layer is that of the first finding, for faults in certain layers.
    """
    rows, columns = [], ["method"]
    for method in METHODS:
        of_method = [r for r in records if r.method == method]
        faulty = [r for r in of_method if r.group == group]
        layers = [bool(r.right_layer) for r in faulty if r.right_layer is not None]
        shares: dict[str, list[bool]] = {
            "any cause": [bool(r.causes) for r in faulty],
            "found": [r.cause in r.causes for r in faulty],
            "found first": [is_first(r) for r in faulty],
            "right layer": layers,
            "repaired by first": [is_repaired(r, 1) for r in faulty],
            "by three": [is_repaired(r, 3) for r in faulty],
        }
        if group == "faulty":
            for other in ("healthy", "hard"):
                alarms = [bool(r.causes) for r in of_method if r.group == other]
                shares[f"alarms, {other}"] = alarms
        known = {"repaired by first"} if method == RANDOM else set(shares)
        rows.append([method, *(share_of(v) if k in known else "" for k, v in shares.items())])
        columns[1:] = shares
    return table(columns, rows)


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


__all__ = ["contests", "measure", "run"]

"""Run the labelled trainings, diagnose them by each method, apply the remedies, and count."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import minnet
from benchmarks.doctor.cases import Case
from benchmarks.doctor.observing import Observer
from benchmarks.doctor.rules import RULES
from benchmarks.doctor.settings import REGRESSION, Setting, build, points
from minnet.doctor import Diagnosis, Remedy

SEEDS = (0, 1, 2)
REPAIRS = 3  # remedies that are retrained
DOCTOR, RANDOM = "minnet", "random remedy"
METHODS = DOCTOR, *RULES, RANDOM
HARM = 0.03  # points by which the healthy twin must be better, in the mean over the seeds


@dataclass
class Record:
    """Result of one training, diagnosed by one method."""

    method: str
    key: str
    cause: str
    group: str
    seed: int
    held_out: bool
    harm: float
    points: float
    twin: float
    causes: list[str] = field(default_factory=list)
    layer: str | None = None
    right_layer: bool | None = None
    repairs: list[float] = field(default_factory=list)
    remedies: list[str] = field(default_factory=list)
    seconds: float = 0.0
    diagnosis_seconds: float = 0.0
    text: str = ""
    error: str = ""
    setting: str = ""


def trained(setting: Setting, seed: int, probes: Iterable[Any] = ()) -> tuple[float, float]:
    """Train and return the points on the validation rows and the seconds."""
    net, x, y, arguments = build(setting, seed)
    began = time.perf_counter()
    failed = False
    try:
        minnet.fit(net, x, y, probes=list(probes), **arguments)
    except FloatingPointError:
        failed = True
    took = time.perf_counter() - began
    if failed:
        return (-1.0 if setting.data in REGRESSION else 0.0), took
    return points(net, setting, seed), took


class Cache:
    """Points of trainings, kept in a file of JSON lines."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.values: dict[str, float] = dict(read_lines(path)) if path else {}

    def points(self, setting: Setting, seed: int) -> float:
        """Return the points of a training."""
        key = repr((setting, seed))
        if key not in self.values:
            self.values[key] = trained(setting, seed)[0]
            if self.path:
                append_line(self.path, [key, self.values[key]])
        return self.values[key]


def read_lines(path: Path) -> list[Any]:
    """Return the values in a file of JSON lines, and remove an incomplete last line from it."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    complete = text[: text.rfind("\n") + 1]
    if complete != text:
        path.write_text(complete, encoding="utf-8")
    return [json.loads(line) for line in complete.split("\n")[:-1]]


def append_line(path: Path, value: Any) -> None:
    """Append a value to a file of JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(value, ensure_ascii=False) + "\n")


def harm(case: Case, cache: Cache) -> float:
    """Return by how many points the healthy twin is better, in the mean over the seeds."""
    if case.twin is None:
        return 0.0
    differences = [cache.points(case.twin, s) - cache.points(case.setting, s) for s in SEEDS]
    return sum(differences) / len(differences)


def is_tuned(case: Case, cache: Cache) -> bool:
    """Return whether no other learning rate, nor early stopping, is better by 3 points."""
    s, seeds = case.setting, SEEDS[:2]
    mine = sum(cache.points(s, seed) for seed in seeds)
    others = [s.but(lr=s.lr * 0.1), s.but(lr=s.lr * 10), s.but(early_stop=True)]
    return all(
        sum(cache.points(o, seed) for seed in seeds) < mine + HARM * len(seeds) for o in others
    )


def repair(case: Case, remedy: Remedy) -> Setting:
    """Return the settings after a remedy; KeyError is raised for an unknown one."""
    s, value = case.setting, remedy.arguments.get("value")
    count, constant = s.constant
    losses = {"SoftmaxCrossEntropy": "", "SigmoidBinaryCrossEntropy": "bce", "MeanSquaredError": ""}
    initial = {"init_scale": 1.0, "bias": 0.0}
    scaled = {"standardize": True, "input_scale": 1.0, "input_offset": 0.0, "column_scales": 0.0}
    changes: dict[str, dict[str, Any]] = {
        "set_lr": {"lr": value},
        "set_init": {"init": value, **initial},
        "set_activation": {"activation": value, "init": "", "linear": (), **initial},
        "insert_activation": {"linear": (), "activation": value},
        "add_batchnorm": {"batchnorm": True, "batch": max(s.batch, 2)},
        "add_residual": {"residual": True},
        "clip_norm": {"clip": value},
        "scale_inputs": {**scaled, "constant": (count, 0.0 if count else constant)},
        "scale_targets": {"target_scale": 1.0, "target_offset": 0.0},
        "drop_constant_features": {"constant": (0, 0.0)},
        "set_loss": {"loss": losses.get(str(value), ""), "tail": "", "head": True},
        "add_output_layer": {"head": True, "tail": "", "loss": ""},
        "fix_backward": {"own_fault": ""},
        "unfreeze": {"frozen": -1},
        "set_regularization": {"l2": value, "decay": 0.0, "l1": 0.0},
        "set_dropout": {"dropout": value},
        "early_stopping": {"early_stop": True},
        "check_labels": {"noise": 0.0},
        "set_batch_size": {"batch": value},
    }
    return s.but(**changes[remedy.action])


def diagnose(case: Case, seed: int, cache: Cache, method: str = DOCTOR) -> Record:
    """Train under a method's probe, diagnose, and retrain with the first three remedies."""
    twin = cache.points(case.twin, seed) if case.twin else math.nan
    record = Record(
        method, case.key, case.cause, case.group, seed, case.held_out, harm(case, cache),
        cache.points(case.setting, seed), twin, setting=repr(case.setting),
    )  # fmt: skip
    remedies = [random_remedy(case, seed)]
    if method != RANDOM:
        diagnosis = diagnosis_by(method, case, seed, record)
        record.causes = [finding.cause for finding in diagnosis.findings]
        record.text = str(diagnosis)
        remedies = [remedy for finding in diagnosis.findings for remedy in finding.remedies]
        if diagnosis.findings:
            first = diagnosis.findings[0]
            record.layer = first.layer
        if case.layers:
            record.right_layer = record.layer in case.layers
    for remedy in remedies[: REPAIRS if case.cause else 0]:
        record.remedies.append(str(remedy))
        try:
            record.repairs.append(cache.points(repair(case, remedy), seed))
        except (ValueError, TypeError):
            record.repairs.append(-1.0)
    return record


def diagnosis_by(method: str, case: Case, seed: int, record: Record) -> Diagnosis:
    """Return a method's diagnosis, and enter its times, or the error, into the record."""
    net, x, y, arguments = build(case.setting, seed)
    probe = minnet.Doctor(arguments["validation_data"]) if method == DOCTOR else Observer()
    began = time.perf_counter()
    with contextlib.suppress(FloatingPointError):
        minnet.fit(net, x, y, probes=[probe], **arguments)
    record.seconds = time.perf_counter() - began
    began, diagnosis = time.perf_counter(), Diagnosis()
    try:
        if isinstance(probe, Observer):
            with np.errstate(all="ignore"):
                diagnosis = Diagnosis(RULES[method](probe))
        else:
            diagnosis = probe.diagnosis()
    except Exception as error:
        record.error = repr(error)
    record.diagnosis_seconds = time.perf_counter() - began
    return diagnosis


def wilson(successes: float, n: int) -> tuple[float, float]:
    """Return the 95% interval of a share."""
    if not n:
        return 0.0, 1.0
    p, z = successes / n, 1.96
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def tolerance(record: Record) -> float:
    """Return how far a repaired training may be behind the healthy twin."""
    return max(0.02, 0.15 * record.harm)


def is_repaired(record: Record, most: int) -> bool:
    """Return whether one of the first remedies makes the training as good as the healthy twin."""
    return any(points >= record.twin - tolerance(record) for points in record.repairs[:most])


ACTIONS: dict[str, tuple[Any, ...]] = {
    "set_lr": (1e-3, 1e-2, 1e-1), "set_init": ("he_normal", "glorot_normal"),
    "set_activation": ("relu", "tanh"), "add_batchnorm": (None,), "add_residual": (None,),
    "clip_norm": (1.0,), "scale_inputs": (None,), "scale_targets": (None,),
    "drop_constant_features": (None,), "set_loss": ("SoftmaxCrossEntropy",),
    "insert_activation": ("relu",), "fix_backward": (None,), "unfreeze": (None,),
    "set_regularization": (0.0, 1e-3, 1e-2), "set_dropout": (0.0, 0.5), "early_stopping": (None,),
    "check_labels": (None,), "set_batch_size": (32,), "add_output_layer": (None,),
}  # fmt: skip


def random_remedy(case: Case, seed: int) -> Remedy:
    """Return a random remedy, the same for the same case and seed."""
    rng = np.random.default_rng([int(case.key, 16), seed])
    action = sorted(ACTIONS)[rng.integers(len(ACTIONS))]
    value = ACTIONS[action][rng.integers(len(ACTIONS[action]))]
    return Remedy(action, {} if value is None else {"value": value})

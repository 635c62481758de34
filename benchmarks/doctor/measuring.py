"""Run the labelled trainings, diagnose them, apply the remedies, and count."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import minnet
from benchmarks.doctor.cases import Case
from benchmarks.doctor.settings import REGRESSION, Setting, build, points
from minnet.doctor import Remedy

SEEDS = (0, 1, 2)
REPAIRS = 3  # remedies that are retrained
HARM = 0.03  # points by which the healthy twin must be better, in the mean over the seeds


@dataclass
class Record:
    """Result of one diagnosed training."""

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
    random_repair: bool = False
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
    """Points of trainings, kept in a file."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.values: dict[str, float] = {}
        if path and path.exists():
            self.values = json.loads(path.read_text())

    def points(self, setting: Setting, seed: int) -> float:
        """Return the points of a training."""
        key = repr((setting, seed))
        if key not in self.values:
            self.values[key] = trained(setting, seed)[0]
        return self.values[key]

    def save(self) -> None:
        """Write the file."""
        if self.path:
            self.path.write_text(json.dumps(self.values))


def harm(case: Case, cache: Cache) -> float:
    """Return by how many points the healthy twin is better, in the mean over the seeds."""
    if case.twin is None:
        return 0.0
    differences = [cache.points(case.twin, s) - cache.points(case.setting, s) for s in SEEDS]
    return sum(differences) / len(differences)


def is_tuned(case: Case, cache: Cache) -> bool:
    """Return whether other learning rates or an early end are not better by 3 points."""
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


def diagnose(case: Case, seed: int, cache: Cache, *, repairs: bool = True) -> Record:
    """Train under the doctor, diagnose, and retrain with the first three remedies."""
    twin = cache.points(case.twin, seed) if case.twin else math.nan
    record = Record(
        case.key, case.cause, case.group, seed, case.held_out, harm(case, cache), 0.0, twin,
        setting=repr(case.setting),
    )  # fmt: skip
    net, x, y, arguments = build(case.setting, seed)
    doctor = minnet.Doctor(arguments["validation_data"])
    began = time.perf_counter()
    with contextlib.suppress(FloatingPointError):
        minnet.fit(net, x, y, probes=[doctor], **arguments)
    record.seconds = time.perf_counter() - began
    record.points = cache.points(case.setting, seed)
    began = time.perf_counter()
    try:
        diagnosis = doctor.diagnosis()
    except Exception as error:
        record.error = repr(error)
        return record
    record.diagnosis_seconds = time.perf_counter() - began
    record.causes = [finding.cause for finding in diagnosis.findings]
    record.text = str(diagnosis)
    if case.cause and repairs and REPAIRS > 1:
        with contextlib.suppress(ValueError, TypeError):
            control = cache.points(repair(case, random_remedy(case, seed)), seed)
            record.random_repair = control >= twin - tolerance(record)
    if diagnosis.findings:
        first = diagnosis.findings[0]
        record.layer = first.layer
        if case.layers and first.cause == case.cause:
            record.right_layer = first.layer in case.layers
        if repairs and case.cause:
            listed = [r for f in diagnosis.findings for r in f.remedies]
            for remedy in listed[:REPAIRS]:
                record.remedies.append(
                    f"{remedy.action}({', '.join(map(str, remedy.arguments.values()))})"
                )
                try:
                    record.repairs.append(cache.points(repair(case, remedy), seed))
                except (ValueError, TypeError):
                    record.repairs.append(-1.0)
    return record


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


def write(path: Path, records: list[Record]) -> None:
    """Write all records as JSON."""
    path.write_text(json.dumps([asdict(r) for r in records], indent=1, ensure_ascii=False))

"""Command line of the benchmarks."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import benchmarks
from benchmarks import (
    alignment,
    batchnorm,
    comparison,
    estimators,
    recording,
    scaling,
    startup,
    step,
    surroundings,
    tables,
)
from benchmarks.candidates import Plan
from benchmarks.doctor import report as doctor
from benchmarks.measuring import Report, write

SUBJECTS: dict[str, Any] = {
    "step": step,
    "batchnorm": batchnorm,
    "recording": recording,
    "startup": startup,
    "scaling": scaling,
    "alignment": alignment,
    "sklearn": estimators,
    "doctor": doctor,
}
# Commands with options of their own, which measure reliability.
TOOLS = ("fuzz", "planted", "faults", "bounds")
LIBRARIES = ("minnet", "floor", "torch", "jax", "keras", "sklearn")
PLAN, QUICK = Plan(), Plan(rounds=2, warm=0.0, seconds=0.02, least=2, quick=True, seeds=2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run benchmarks, print and write results. A missing or failing peer is not an error."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments and arguments[0] in TOOLS:
        return int(import_module(f"benchmarks.{arguments[0]}").main(arguments[1:]))
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    options = _options(arguments)
    plan = _plan(options)
    machine = surroundings.of_the_machine()
    print(tables.surroundings(machine), flush=True)
    try:
        for name in options.subjects or SUBJECTS:
            print(f"\n== {name}: {plan.rounds} rounds, in turn\n", flush=True)
            report = _measure(name, plan, options)
            print(report.text.rstrip(), tables.threads(report.contests), sep="\n\n", flush=True)
            if options.out:
                path = options.out / f"{name}{'-against' if options.against else ''}.json"
                write(path, report, plan, machine)
                print(f"written: {path}", flush=True)
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
    except (OSError, ValueError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    return 0


def _measure(name: str, plan: Plan, options: argparse.Namespace) -> Report:
    subject = SUBJECTS[name]
    if options.against:
        plan = replace(plan, **getattr(subject, "TURN", {}))
        return comparison.run(subject.contests(plan.quick), plan, options.against)
    report: Report = subject.run(plan)
    if name == "scaling" and options.out:
        report.text += f"picture: {scaling.save(report, options.out / 'scaling.png')}\n"
    return report


def _plan(options: argparse.Namespace) -> Plan:
    base = QUICK if options.quick else PLAN
    names = ("rounds", "seconds", "seeds", "sample", "out")
    chosen = {name: getattr(options, name) for name in names}
    given = {name: value for name, value in chosen.items() if value is not None}
    return replace(base, only=frozenset(options.only), **given)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=benchmarks.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "subjects", nargs="*", metavar="SUBJECT",
        help=f"{', '.join(SUBJECTS)}; all of them by default",
    )  # fmt: skip
    parser.add_argument("--rounds", type=int, help=f"turns of each candidate ({PLAN.rounds})")
    parser.add_argument("--seconds", type=float, help=f"length of a turn ({PLAN.seconds})")
    parser.add_argument("--seeds", type=int, help=f"trainings of each estimator ({PLAN.seeds})")
    parser.add_argument("--sample", type=int, help=f"diagnosed configurations ({doctor.SAMPLE})")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=LIBRARIES,
        default=(),
        metavar="LIBRARY",
        help=", ".join(LIBRARIES),
    )
    parser.add_argument(
        "--against", type=Path, metavar="PATH",
        help="compare with minnet of another source tree instead of other libraries",
    )  # fmt: skip
    parser.add_argument(
        "--out",
        type=Path,
        help="folder for the numbers as JSON, the picture, and the doctor's records",
    )
    parser.add_argument(
        "--quick", action="store_true", help="test that everything runs; times are meaningless"
    )
    options = parser.parse_args(arguments)
    if unknown := set(options.subjects) - set(SUBJECTS):
        parser.error(f"expected subjects of {', '.join(SUBJECTS)}, got {', '.join(unknown)}")
    if options.rounds is not None and options.rounds < 1:
        parser.error(f"--rounds: expected at least 1, got {options.rounds}")
    if options.seeds is not None and options.seeds < 2:
        parser.error(f"--seeds: expected at least 2, got {options.seeds}")
    if options.seconds is not None and not 0 <= options.seconds < float("inf"):
        parser.error(f"--seconds: expected a number of at least 0, got {options.seconds}")
    return options


if __name__ == "__main__":
    sys.exit(main())

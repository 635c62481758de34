"""Command line of the benchmarks."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import benchmarks
from benchmarks import (
    alignment,
    batchnorm,
    comparison,
    recording,
    scaling,
    startup,
    step,
    surroundings,
    tables,
)
from benchmarks.candidates import Plan
from benchmarks.reports import Report, write

SUBJECTS: dict[str, Any] = {
    "step": step,
    "batchnorm": batchnorm,
    "recording": recording,
    "startup": startup,
    "scaling": scaling,
    "alignment": alignment,
}
LIBRARIES = ("minnet", "floor", "torch", "jax", "keras")
PLAN, QUICK = Plan(), Plan(rounds=2, warm=0.0, seconds=0.02, least=2, quick=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and write. The exit code is 0 even if a peer is missing or fails."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    options = _parser().parse_args(arguments)
    plan = _plan(options)
    machine = surroundings.of_the_machine()
    print(tables.surroundings(machine), flush=True)
    try:
        for name in options.subjects or SUBJECTS:
            print(f"\n== {name}: {plan.rounds} rounds, in turn\n", flush=True)
            before = surroundings.gain_of_threads()
            report = _measure(name, plan, options)
            gains = before, surroundings.gain_of_threads()
            print(report.text.rstrip(), tables.threads(report.contests), sep="\n\n")
            print(tables.gains(*gains), flush=True)
            if options.out:
                path = options.out / f"{name}{'-against' if options.against else ''}.json"
                write(path, report, plan, {**machine, "gain of threads": gains})
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
    return replace(
        base,
        rounds=options.rounds or base.rounds,
        seconds=base.seconds if options.seconds is None else options.seconds,
        only=frozenset(options.only or ()),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=benchmarks.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "subjects", nargs="*", type=_subject, metavar="SUBJECT",
        help=f"{', '.join(SUBJECTS)}; all of them by default",
    )  # fmt: skip
    parser.add_argument("--rounds", type=_rounds, help=f"turns of each candidate ({PLAN.rounds})")
    parser.add_argument("--seconds", type=_seconds, help=f"length of a turn ({PLAN.seconds})")
    parser.add_argument(
        "--only", nargs="+", choices=LIBRARIES, metavar="LIBRARY", help=", ".join(LIBRARIES)
    )
    parser.add_argument(
        "--against", type=Path, metavar="PATH",
        help="compare with minnet of another source tree instead of other libraries",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, help="folder for the numbers as JSON, and the picture")
    parser.add_argument(
        "--quick", action="store_true", help="test that everything runs; times are meaningless"
    )
    return parser


def _subject(text: str) -> str:
    if text not in SUBJECTS:
        raise argparse.ArgumentTypeError(f"expected one of {', '.join(SUBJECTS)}, got {text!r}")
    return text


def _rounds(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number


def _seconds(text: str) -> float:
    if not 0 <= (number := float(text)) < float("inf"):
        raise argparse.ArgumentTypeError(f"must not be negative, got {number}")
    return number


if __name__ == "__main__":
    sys.exit(main())

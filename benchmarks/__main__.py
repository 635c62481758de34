"""The command: which subjects to measure, for how long, against whom, and where to write."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import benchmarks
from benchmarks import batchnorm, recording, scaling, startup, step, surroundings, tables
from benchmarks.measuring import Plan
from benchmarks.reports import Report, write

SUBJECTS: dict[str, Callable[[Plan], Report]] = {
    "step": step.run,
    "batchnorm": batchnorm.run,
    "recording": recording.run,
    "startup": startup.run,
    "scaling": scaling.run,
}
LIBRARIES = ("minnet", "floor", "torch", "jax", "keras")
PLAN, QUICK = Plan(), Plan(rounds=2, warm=0.0, seconds=0.02, least=2, quick=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and write; the exit code is 0 even where a peer is missing or fails."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    options = _parser().parse_args(arguments)
    plan = _plan(options)
    machine = surroundings.of_the_machine()
    print(tables.surroundings(machine), flush=True)
    try:
        for name in [options.subject] if options.subject else SUBJECTS:
            print(f"\n== {name}: {plan.rounds} rounds, in turn\n", flush=True)
            before = surroundings.gain_of_threads()
            report = _measure(name, plan, options.out)
            gains = before, surroundings.gain_of_threads()
            print(report.text.rstrip(), tables.threads(report.contests), sep="\n\n")
            print(tables.gains(*gains), flush=True)
            if options.out:
                path = options.out / f"{name}.json"
                write(path, report, plan, {**machine, "gain of threads": gains})
                print(f"written: {path}", flush=True)
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
    except OSError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    return 0


def _measure(name: str, plan: Plan, out: Path | None) -> Report:
    if name == "scaling" and out is not None:
        return scaling.run(plan, out / "scaling.png")
    return SUBJECTS[name](plan)


def _plan(options: argparse.Namespace) -> Plan:
    base = QUICK if options.quick else PLAN
    return Plan(
        rounds=options.rounds or base.rounds,
        warm=base.warm,
        seconds=base.seconds if options.seconds is None else options.seconds,
        least=base.least,
        only=frozenset(options.only or ()),
        quick=base.quick,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=benchmarks.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("subject", nargs="?", choices=SUBJECTS, help="all of them if not given")
    parser.add_argument("--rounds", type=_rounds, help=f"turns of each ({PLAN.rounds})")
    parser.add_argument("--seconds", type=_seconds, help=f"length of a turn ({PLAN.seconds})")
    parser.add_argument(
        "--only", nargs="+", choices=LIBRARIES, metavar="LIBRARY", help=", ".join(LIBRARIES)
    )
    parser.add_argument("--out", type=Path, help="folder for the numbers as JSON, and the picture")
    parser.add_argument(
        "--quick", action="store_true", help="see that everything runs; times mean nothing"
    )
    return parser


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

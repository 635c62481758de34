"""Call every public function with hostile arguments, and report broken promises.

``python -m benchmarks fuzz --calls N --seed S`` makes N random calls, ``--all`` each combination
once, ``--only NAME`` those of functions whose name contains NAME. Violations are grouped by
function, argument and kind; each group is printed with one call that shows it. ``tests/helpers``
holds the values, the functions and the rules.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the calls, print a line for each group of violations, and return 0 if there are none."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks fuzz", description=__doc__)
    parser.add_argument("--calls", type=int, default=20_000, help="number of calls (20000)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the calls (0)")
    parser.add_argument("--all", action="store_true", help="each value for each argument once")
    parser.add_argument("--only", default="", metavar="NAME", help="part of a function's name")
    options = parser.parse_args(arguments)
    sys.path.insert(0, str(ROOT / "tests"))
    from helpers import hostile

    output, began, calls = sys.stdout, time.monotonic(), 0
    groups: dict[tuple[str, str, str], list[str]] = {}
    with tempfile.TemporaryDirectory() as name, hostile.surroundings(Path(name)):
        folder = Path(name)
        cases = hostile.random_cases(options.calls, options.seed, folder, options.only)
        if options.all:
            cases = hostile.all_cases(folder, options.only)
        for calls, case in enumerate(cases, start=1):  # noqa: B007 - reported below
            for violation in hostile.run(case, folder):
                found = groups.setdefault(violation.group, [])
                if not found:
                    print(violation.call, file=output, flush=True)
                found.append(violation.call)
    seconds = time.monotonic() - began
    total = sum(map(len, itertools.chain(groups.values())))
    print(f"{calls:,} calls in {seconds:.0f} s: {total:,} violations of {len(groups)} kinds",
          file=output)  # fmt: skip
    return 1 if groups else 0


if __name__ == "__main__":
    sys.exit(main())

"""The command ``minnet``: runs an experiment of the articles, or fetches the data for one."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import minnet
from minnet.exercises import command as exercises
from minnet.experiments import command as experiments


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command with these arguments, those of the shell by default; return its exit code."""
    if hasattr(sys.stdout, "reconfigure"):  # a console that has no arrow shall not end a lecture
        sys.stdout.reconfigure(errors="backslashreplace")
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read our output, such as head, has enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (OSError, ValueError, FloatingPointError) as error:
        print(f"minnet: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="minnet", description=__doc__)
    parser.add_argument("--version", action="version", version=f"minnet {minnet.__version__}")
    commands = parser.add_subparsers(metavar="command", required=True)

    experiments.add_run(commands)
    experiments.add_claims(commands)

    data = commands.add_parser("data", help="fetch a data set and verify its files")
    data.add_argument("name", choices=("mnist", "fashion_mnist"))
    data.add_argument(
        "--home", type=Path, help="folder to put it in; the user's cache if not given"
    )
    data.set_defaults(run=_fetch)

    exercises.add_parser(commands.add_parser("exercises", help="the exercises that name mistakes"))
    return parser


def _fetch(options: argparse.Namespace) -> int:
    from minnet import datasets

    folder = datasets.fetch(options.name, options.home)
    print(f"{options.name}: all four files are in {folder}, verified")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Run experiments, measure claims, replay training runs, and write exercises and lectures."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence

import minnet
from minnet import interruptions, lectures
from minnet.exercises import command as exercises
from minnet.experiments import command as experiments
from minnet.files import as_path
from minnet.replay import command as replays


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command ``minnet`` with the given arguments or sys.argv; return the exit code."""
    if signal.getsignal(signal.SIGINT) is interruptions.end:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # imports are complete
    if hasattr(sys.stdout, "reconfigure"):  # some consoles cannot print an arrow
        sys.stdout.reconfigure(errors="backslashreplace")
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except KeyboardInterrupt as error:
        print(f"\n{error}" if error.args else "\nstopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of the output, such as head, has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ImportError, OSError, ValueError, FloatingPointError) as error:
        print(f"minnet: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="minnet", description=__doc__)
    parser.add_argument("--version", action="version", version=f"minnet {minnet.__version__}")
    commands = parser.add_subparsers(title="commands", required=True)
    experiments.add_run(commands)
    experiments.add_claims(commands)
    data = commands.add_parser(
        "data", help="fetch a data set and verify its files",
        description="Download MNIST or Fashion-MNIST, unless its files are there, and verify them.",
    )  # fmt: skip
    data.add_argument("name", choices=("mnist", "fashion_mnist"))
    data.add_argument("--home", type=as_path, help="folder of data sets (default: user's cache)")
    data.set_defaults(run=_fetch)
    replays.add_parser(commands)
    exercises.add_parser(commands.add_parser("exercises", help="write, check and grade exercises"))
    lectures.add_parser(commands)
    return parser


def _fetch(options: argparse.Namespace) -> int:
    folder = minnet.datasets.fetch(options.name, options.home)
    print(f"{options.name}: all four files are in {folder}, verified")
    return 0


if __name__ == "__main__":
    sys.exit(main())

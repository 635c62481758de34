"""The command ``minnet``: runs an experiment of the articles, or fetches the data for one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import minnet
from minnet.exercises import command as exercises


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
    except (OSError, ValueError, FloatingPointError) as error:
        print(f"minnet: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="minnet", description=__doc__)
    parser.add_argument("--version", action="version", version=f"minnet {minnet.__version__}")
    commands = parser.add_subparsers(metavar="command", required=True)

    run = commands.add_parser("run", help="run an experiment and draw its figures")
    experiments = run.add_subparsers(metavar="experiment", required=True)
    iris = experiments.add_parser(
        "iris",
        help="4-64-32-16-3 on Iris; histograms of its hidden layers",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    iris.add_argument("--out", type=Path, default=Path("runs/iris"), help="folder for the results")
    iris.add_argument("--seed", type=_whole(0), default=0, help="seed of the initial weights")
    iris.add_argument("--epochs", type=_whole(1), default=500, help="steps on all training rows")
    iris.add_argument(
        "--as-article",
        action="store_true",
        help="the article's own choices: linear output, squared error, scaler before the split",
    )
    iris.set_defaults(run=_run_iris)

    data = commands.add_parser("data", help="fetch a data set and verify its files")
    data.add_argument("name", choices=("mnist", "fashion_mnist"))
    data.add_argument(
        "--home", type=Path, help="folder to put it in; the user's cache if not given"
    )
    data.set_defaults(run=_fetch)

    exercises.add_parser(commands.add_parser("exercises", help="the exercises that name mistakes"))
    return parser


def _run_iris(options: argparse.Namespace) -> int:
    from minnet.experiments import iris

    options.out.mkdir(parents=True, exist_ok=True)  # refused now rather than after the training
    result = iris.run(
        epochs=options.epochs, seed=options.seed, as_article=options.as_article, verbose=1
    )
    paths = iris.write(result, options.out)
    print(iris.tell(result))
    print("\nwritten:", *paths, sep="\n  ")
    return 0


def _fetch(options: argparse.Namespace) -> int:
    from minnet import datasets

    folder = datasets.fetch(options.name, options.home)
    print(f"{options.name}: all four files are in {folder}, verified")
    return 0


def _whole(least: int) -> Callable[[str], int]:
    """Return a parser of whole numbers from least on, whose refusal says so."""

    def parse(text: str) -> int:
        number = int(text)
        if number < least:
            raise argparse.ArgumentTypeError(f"must be at least {least}, got {number}")
        return number

    parse.__name__ = "whole number"
    return parse


if __name__ == "__main__":
    sys.exit(main())

"""The commands ``minnet run`` and ``minnet claims``: their options, and what they print."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minnet.experiments.experiment import Experiment

# Told here, so that `minnet --help` need not import what trains and draws.
EXPERIMENTS = {
    "iris": "4-64-32-16-3 on Iris; histograms of its hidden layers",
    "vanishing": "784-1000x5-10 sigmoid on MNIST; its gradients, and what heals them",
    "initializers": "784-512-256-128-64-10 ReLU on MNIST; what each initializer makes of it",
    "batchnorm": "784-128-64-10 ReLU on MNIST with BatchNorm and without; learning curves",
    "exploding": "784-128x10-10 ReLU with first weights too large; clipping",
    "dead_units": "784-128x3-10 ReLU whose units die; what is said to help",
}


class _Defaults(argparse.ArgumentDefaultsHelpFormatter):
    """Tells the default of an option where it has one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default is None else super()._get_help_string(action)


WITHOUT_ARTICLE = ("exploding", "dead_units")  # the articles speak of them and have no code
NO_NETWORK = "with no network: --data digits, and claims --quick, need no download"


def add_run(commands: Any) -> None:
    """Add ``run``, with a command for each experiment."""
    run = commands.add_parser("run", help="run an experiment and draw its figures")
    experiments = run.add_subparsers(metavar="experiment", required=True)
    for name, told in EXPERIMENTS.items():
        parser = experiments.add_parser(name, help=told, formatter_class=_Defaults)
        parser.add_argument(
            "--out", type=Path,
            help=f"folder for the results (default: runs/{name}, and -quick and the like added)",
        )  # fmt: skip
        parser.add_argument("--seed", type=whole(0), default=0, help="the first seed")
        _add_seeds(parser, 1)
        parser.add_argument("--epochs", type=whole(1), help="of every network")
        parser.add_argument(
            "--quick", action="store_true", help="fewer rows and epochs: a classroom's minute"
        )
        if name not in WITHOUT_ARTICLE:
            parser.add_argument(
                "--as-article",
                action="store_true",
                help="the article's choices, faults included",
            )
        if name != "iris":
            parser.add_argument(
                "--data", choices=("mnist", "fashion_mnist", "digits"),
                help="digits come with scikit-learn, for a machine with no network",
            )  # fmt: skip
        parser.set_defaults(run=_run, experiment=name, data=None, as_article=False)


def add_claims(commands: Any) -> None:
    """Add ``claims``, which measures what the articles say."""
    parser = commands.add_parser(
        "claims",
        help="measure the claims of the articles and print the ledger",
        formatter_class=_Defaults,
    )
    parser.add_argument("--article", help="only those of this one: 000, 001, 002, 003 or 004")
    parser.add_argument(
        "--only", type=whole(1), nargs="+", default=[], metavar="N", help="only these numbers"
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="folder for the results (default: runs/claims[-quick])",
    )
    _add_seeds(parser, None)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="on small digits: to see how it works, not what is true",
    )
    parser.set_defaults(run=_claims)


def _add_seeds(parser: argparse.ArgumentParser, seeds: int | None) -> None:
    parser.add_argument(
        "--seeds",
        type=whole(1),
        default=seeds,
        help="how many seeds" + ("" if seeds else "; those of each claim if not given"),
    )
    parser.add_argument(
        "--jobs",
        type=jobs,
        help="trainings at a time (default: 2), -1 for as many as there are cores",
    )


def _run(options: argparse.Namespace) -> int:
    module = import_module(f"minnet.experiments.{options.experiment}")
    experiment: Experiment = module.EXPERIMENT
    marks = {"as-article": options.as_article, "quick": options.quick, options.data: options.data}
    name = "-".join([options.experiment, *(str(mark) for mark, given in marks.items() if given)])
    out: Path = options.out or Path("runs") / name
    setups = experiment.setups(
        as_article=options.as_article, quick=options.quick, data=options.data, epochs=options.epochs
    )
    _make(out)
    seeds = range(options.seed, options.seed + options.seeds)
    with _telling_what_helps(out):
        results = experiment.run(
            setups, out, seeds=seeds, jobs=_jobs(options), as_article=options.as_article,
            verbose=1,
        )  # fmt: skip
    print(experiment.tell(results))
    print("\nwritten:", *sorted(path for path in out.iterdir() if path.is_file()), sep="\n  ")
    return 0


def _claims(options: argparse.Namespace) -> int:
    from minnet.experiments.claims import ledger
    from minnet.experiments.sweep import Store

    chosen = ledger.choose(options.article, options.only)
    out: Path = options.out or Path("runs") / ("claims-quick" if options.quick else "claims")
    _make(out)
    entries: list[ledger.Entry] = []
    try:
        with _telling_what_helps(out):
            for claim in chosen:
                entries.append(
                    ledger.judge(
                        claim, Store(out / "trials"), seeds=options.seeds, jobs=_jobs(options),
                        quick=options.quick, verbose=1,
                    )
                )  # fmt: skip
                print(ledger.describe(entries[-1]), end="\n\n", flush=True)
    finally:  # also of a run that was stopped
        if entries:
            written = ledger.write(entries, out, command=_said(options), quick=options.quick)
            print(ledger.verdicts(entries))
            if options.quick:
                print(f"\n{ledger.QUICK_NOTE}")
            print("\nwritten:", *written, sep="\n  ")
    return 0


def _jobs(options: argparse.Namespace) -> int | None:
    """Return how many trainings go on at a time: two unless something else is asked for.

    Each process holds the data, and a laptop has no memory for many.
    """
    import joblib

    in_context = joblib.effective_n_jobs(None) > 1  # such as a cluster's
    return 2 if options.jobs is None and not in_context else options.jobs


def _make(out: Path) -> None:
    """Make the folder, and refuse one that cannot be written to now rather than after training."""
    if out.exists() and not out.is_dir():
        raise FileExistsError(f"{out} is a file; --out needs a folder")
    (out / "trials").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=out / "trials"), tempfile.TemporaryFile(dir=out):
        pass


def _said(options: argparse.Namespace) -> str:
    """Return the command that asks for the same ledger."""
    words = ["minnet", "claims"]
    words += ["--article", options.article] if options.article else []
    words += ["--only", *map(str, options.only)] if options.only else []
    words += ["--seeds", str(options.seeds)] if options.seeds else []
    words += ["--quick"] if options.quick else []
    return " ".join(words)


@contextmanager
def _telling_what_helps(out: Path) -> Iterator[None]:
    """Say what is kept of a run that is stopped; and, without a network, which data need none."""
    try:
        yield
    except KeyboardInterrupt:
        kept = len(list((out / "trials").glob("*.json")))
        print(
            f"\n{kept} training{' is' if kept == 1 else 's are'} kept in {out / 'trials'}; "
            "the same command goes on from there",
            file=sys.stderr,
        )
        raise
    except FileNotFoundError:
        print(NO_NETWORK, file=sys.stderr)
        raise


def jobs(text: str) -> int:
    """Return a number of trainings at a time, or refuse it."""
    number = int(text)
    if number < 1 and number != -1:
        raise argparse.ArgumentTypeError(
            f"must be at least 1, or -1 for as many as there are cores, got {number}"
        )
    return number


def whole(least: int) -> Callable[[str], int]:
    """Return a parser of whole numbers from least on, whose refusal says so."""

    def parse(text: str) -> int:
        number = int(text)
        if number < least:
            raise argparse.ArgumentTypeError(f"must be at least {least}, got {number}")
        return number

    parse.__name__ = "whole number"
    return parse

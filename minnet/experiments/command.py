"""The commands ``minnet run`` and ``minnet claims``."""

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

# Repeated here, so that `minnet --help` does not import the experiments.
EXPERIMENTS = {
    "iris": "4-64-32-16-3 on Iris: histograms of its hidden layers",
    "vanishing": "784-1000x5-10 sigmoid on MNIST: vanishing gradients, and remedies",
    "initializers": "784-512-256-128-64-10 ReLU on MNIST: effect of each initializer",
    "batchnorm": "784-128-64-10 ReLU on MNIST: with and without BatchNorm",
    "exploding": "784-128x10-10 ReLU on MNIST: exploding gradients, and clipping",
    "dead_units": "784-128x3-10 ReLU on MNIST: dead units, and remedies",
}
WITHOUT_ARTICLE = ("exploding", "dead_units")  # the articles have no code for these
NO_NETWORK = "no download is needed for: --data digits, and claims --quick"


def add_run(commands: Any) -> None:
    """Add ``run`` with a command for each experiment."""
    run = commands.add_parser("run", help="run an experiment and draw its figures")
    experiments = run.add_subparsers(metavar="experiment", required=True)
    for name, text in EXPERIMENTS.items():
        parser = experiments.add_parser(name, help=text)
        add = parser.add_argument
        add(
            "--out", type=Path,
            help=f"folder for the results (default: runs/{name}, with -quick etc. appended)",
        )  # fmt: skip
        add("--seed", type=whole(0), default=0, help="first seed (default: 0)")
        add("--seeds", type=whole(1), default=1, help="number of seeds (default: 1)")
        _add_jobs(parser)
        add("--epochs", type=whole(1), help="epochs of every network")
        add("--quick", action="store_true", help="fewer rows and epochs, about a minute")
        if name not in WITHOUT_ARTICLE:
            add(
                "--as-article", action="store_true",
                help="reproduce the article's settings, including its errors",
            )  # fmt: skip
        if name != "iris":
            add(
                "--data", choices=("mnist", "fashion_mnist", "digits"),
                help="data set; digits come with scikit-learn and need no download",
            )  # fmt: skip
        parser.set_defaults(run=_run, experiment=name, data=None, as_article=False)


def add_claims(commands: Any) -> None:
    """Add ``claims``, which measures the claims of the articles."""
    parser = commands.add_parser(
        "claims", help="measure the claims of the articles and print the ledger"
    )
    add = parser.add_argument
    add("--article", help="claims of this article only: 000, 001, 002, 003 or 004")
    add("--only", type=whole(1), nargs="+", default=[], metavar="N", help="these claims only")
    add("--out", type=Path, help="folder for the results (default: runs/claims[-quick])")
    add("--seeds", type=whole(1), help="number of seeds (default: that of each claim)")
    _add_jobs(parser)
    add("--quick", action="store_true", help="use the small digits; the verdicts do not count")
    parser.set_defaults(run=_claims)


def _add_jobs(parser: argparse.ArgumentParser) -> None:
    text = "trainings at a time (default: 2), -1 for the number of cores"
    parser.add_argument("--jobs", type=jobs, help=text)


def _run(options: argparse.Namespace) -> int:
    module = import_module(f"minnet.experiments.{options.experiment}")
    experiment: Experiment = module.EXPERIMENT
    marks = {"as-article": options.as_article, "quick": options.quick, options.data: options.data}
    name = "-".join([options.experiment, *(str(mark) for mark, given in marks.items() if given)])
    out: Path = options.out or Path("runs") / name
    setups = experiment.setups(
        as_article=options.as_article, quick=options.quick, data=options.data, epochs=options.epochs
    )
    _create(out)
    seeds = range(options.seed, options.seed + options.seeds)
    with _advice(out):
        results = experiment.run(
            setups, out, seeds=seeds, jobs=_jobs(options), as_article=options.as_article,
            verbose=1,
        )  # fmt: skip
    print(experiment.summarize(results))
    print("\nwritten:", *sorted(path for path in out.iterdir() if path.is_file()), sep="\n  ")
    return 0


def _claims(options: argparse.Namespace) -> int:
    from minnet.experiments.claims import ledger
    from minnet.experiments.sweep import Store

    chosen = ledger.choose(options.article, options.only)
    out: Path = options.out or Path("runs") / ("claims-quick" if options.quick else "claims")
    _create(out)
    entries: list[ledger.Entry] = []
    try:
        with _advice(out):
            for claim in chosen:
                entries.append(
                    ledger.judge(
                        claim, Store(out / "trials"), seeds=options.seeds, jobs=_jobs(options),
                        quick=options.quick, verbose=1,
                    )
                )  # fmt: skip
                print(ledger.describe(entries[-1]), end="\n\n", flush=True)
    finally:  # also if the run was stopped
        if entries:
            written = ledger.write(entries, out, command=_command(options), quick=options.quick)
            print(ledger.verdicts(entries))
            if options.quick:
                print(f"\n{ledger.QUICK_NOTE}")
            print("\nwritten:", *written, sep="\n  ")
    return 0


def _jobs(options: argparse.Namespace) -> int | None:
    """Return the number of trainings at a time: by default 2, or that of joblib's context.

    Each process holds the data, so a laptop has memory for few.
    """
    import joblib

    in_context = joblib.effective_n_jobs(None) > 1  # such as a cluster's
    return 2 if options.jobs is None and not in_context else options.jobs


def _create(out: Path) -> None:
    """Create the folder, and raise before training if it cannot be written to."""
    if out.exists() and not out.is_dir():
        raise FileExistsError(f"{out} is a file; --out needs a folder")
    (out / "trials").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=out / "trials"), tempfile.TemporaryFile(dir=out):
        pass


def _command(options: argparse.Namespace) -> str:
    """Return the command that gives the same ledger."""
    words = ["minnet", "claims"]
    words += ["--article", options.article] if options.article else []
    words += ["--only", *map(str, options.only)] if options.only else []
    words += ["--seeds", str(options.seeds)] if options.seeds else []
    words += ["--quick"] if options.quick else []
    return " ".join(words)


@contextmanager
def _advice(out: Path) -> Iterator[None]:
    """Report stored trainings if a run is stopped, and the offline options if data are missing."""
    try:
        yield
    except KeyboardInterrupt:
        stored = len(list((out / "trials").glob("*.json")))
        print(
            f"\n{stored} training{' is' if stored == 1 else 's are'} stored in {out / 'trials'}; "
            "the same command continues from there",
            file=sys.stderr,
        )
        raise
    except FileNotFoundError:
        print(NO_NETWORK, file=sys.stderr)
        raise


def jobs(text: str) -> int:
    """Return a number of trainings at a time, or raise."""
    number = int(text)
    if number < 1 and number != -1:
        raise argparse.ArgumentTypeError(
            f"must be at least 1, or -1 for the number of cores, got {number}"
        )
    return number


def whole(least: int) -> Callable[[str], int]:
    """Return a parser of whole numbers that are at least this."""

    def parse(text: str) -> int:
        number = int(text)
        if number < least:
            raise argparse.ArgumentTypeError(f"must be at least {least}, got {number}")
        return number

    parse.__name__ = "whole number"
    return parse

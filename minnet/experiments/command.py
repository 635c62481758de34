"""The commands ``minnet run`` and ``minnet claims``."""

import argparse
import hashlib
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minnet.files import as_path, open_file

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


def add_run(commands: Any) -> None:
    """Add ``run`` with a command for each experiment."""
    run = commands.add_parser("run", help="run an experiment and draw its figures")
    experiments = run.add_subparsers(metavar="experiment", required=True)
    for name, text in EXPERIMENTS.items():
        parser = experiments.add_parser(name, help=text)
        folder = f"runs/{name}, followed by other options, as in runs/{name}-quick-epochs3"
        add = _add_shared(parser, folder, "1", "shorter training, one to three minutes")
        add("--seed", type=whole(0), default=0, help="first seed (default: 0)")
        add("--epochs", type=whole(1), help="epochs of every network")
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
            add(
                "--csv",
                type=as_path,
                metavar="FILE",
                help="CSV file with a header row, instead of --data",
            )
            add("--target", metavar="COLUMN", help="column of the CSV file that holds the classes")
        parser.set_defaults(
            run=_run, experiment=name, data=None, as_article=False, csv=None, target=None
        )


def add_claims(commands: Any) -> None:
    """Add ``claims``, which measures the claims of the articles."""
    parser = commands.add_parser(
        "claims", help="measure the claims of the articles and print the ledger"
    )
    quick = "use the small digits; the verdicts do not count"
    add = _add_shared(parser, "runs/claims[-quick]", "that of each claim", quick)
    add("--article", help="number of an article, such as 002, see README: its claims only")
    add("--only", type=whole(1), nargs="+", default=[], metavar="N", help="these claims only")
    parser.set_defaults(run=_claims)


def _add_shared(
    parser: argparse.ArgumentParser, out: str, seeds: str, quick: str
) -> Callable[..., argparse.Action]:
    """Add the options of both commands; return the method that adds further ones."""
    parser.add_argument("--out", type=as_path, help=f"folder for the results (default: {out})")
    parser.add_argument("--seeds", type=whole(1), help=f"number of seeds (default: {seeds})")
    text = "trainings at a time (default: 2), -1 for the number of cores"
    parser.add_argument("--jobs", type=whole(1, or_all_cores=True), help=text)
    parser.add_argument("--quick", action="store_true", help=quick)
    return parser.add_argument


def _run(options: argparse.Namespace) -> int:
    module = import_module(f"minnet.experiments.{options.experiment}")
    experiment: Experiment = module.EXPERIMENT
    out: Path = options.out or Path("runs") / _folder(options)
    setups = experiment.setups(
        as_article=options.as_article, quick=options.quick, epochs=options.epochs,
        data="csv" if options.csv else options.data, table=_table(options),
    )  # fmt: skip
    with _results_in(out):
        results = experiment.run(
            setups, out, seeds=range(options.seed, options.seed + (options.seeds or 1)),
            jobs=_jobs(options), as_article=options.as_article, quick=options.quick,
            command=_command(options), verbose=1,
        )  # fmt: skip
    print(experiment.text(results))
    print("\nwritten:", *sorted(path for path in out.iterdir() if path.is_file()), sep="\n  ")
    return 0


def _table(options: argparse.Namespace) -> tuple[str, ...] | None:
    """Return path, target and checksum of the CSV file, so that a changed file is trained anew."""
    if options.csv is None and options.target is None:
        return None
    if not (options.csv and options.target):
        given, missing = ("--csv", "--target COLUMN") if options.csv else ("--target", "--csv FILE")
        raise ValueError(f"run: expected --csv and --target, got only {given}; add {missing}")
    if options.data or options.as_article:
        raise ValueError(
            "run: expected neither --data nor --as-article with --csv; remove them, because the "
            "table replaces the data of the experiment"
        )
    with open_file(options.csv, "run") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    return str(options.csv.absolute()), options.target, checksum


def _folder(options: argparse.Namespace) -> str:
    """Return the name of the folder of a run; other options have other names."""
    marks = [options.as_article and "as-article", options.quick and "quick", options.data]
    marks += [options.csv.stem, options.target] if options.csv and options.target else []
    for name, default in (("epochs", None), ("seed", 0), ("seeds", 1)):
        value = getattr(options, name)
        marks.append(f"{name}{value}" if value not in (None, default) else "")
    return "-".join([options.experiment, *(mark for mark in marks if mark)])


def _claims(options: argparse.Namespace) -> int:
    from minnet.experiments.claims import ledger
    from minnet.experiments.sweep import Store

    chosen = ledger.choose(options.article, options.only)
    out: Path = options.out or Path("runs") / ("claims-quick" if options.quick else "claims")
    store, quick = Store(out / "trials"), options.quick
    entries: list[ledger.Entry] = []
    try:
        with _results_in(out):
            for claim in chosen:
                entry = ledger.judge(
                    claim, store, seeds=options.seeds, jobs=_jobs(options), quick=quick, verbose=1
                )
                entries.append(entry)
                print(ledger.describe(entry), end="\n\n", flush=True)
    finally:  # also if the run was stopped
        if entries:
            written = ledger.write(entries, out, command=_command(options), quick=quick)
            print(ledger.verdicts(entries))
            if quick:
                print(f"\n{ledger.QUICK_NOTE}")
            print("\nwritten:", *written, sep="\n  ")
    return 0


def _jobs(options: argparse.Namespace) -> int | None:
    """Return the number of trainings at a time: by default 2, or that of joblib's context.

    Each process holds a copy of the data, so memory limits the number.
    """
    import joblib

    in_context = joblib.effective_n_jobs(None) > 1  # such as a cluster's
    return 2 if options.jobs is None and not in_context else options.jobs


def _command(options: argparse.Namespace) -> str:
    """Return the command that gives the same results."""
    words = ["minnet", *(("run", options.experiment) if "experiment" in options else ("claims",))]
    names = "article", "only", "csv", "target", "data", "as_article", "quick", "epochs"
    for name in (*names, "seed", "seeds"):
        if value := getattr(options, name, None):
            values = [] if value is True else value if isinstance(value, list) else [value]
            words += [f"--{name.replace('_', '-')}", *map(str, values)]
    return shlex.join(words)


@contextmanager
def _results_in(out: Path) -> Iterator[None]:
    """Create the folder; say how to continue a stopped run or avoid a download."""
    try:
        (out / "trials").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        text = f"cannot create the folder, {error.strerror}; choose another one with --out"
        raise OSError(error.errno, text, str(out)) from error
    try:
        yield
    except KeyboardInterrupt:
        stored = len(list((out / "trials").glob("*.json")))
        raise KeyboardInterrupt(
            f"stopped: {stored} training{' is' if stored == 1 else 's are'} stored in "
            f"{out / 'trials'}; the same command continues from there"
        ) from None
    except FileNotFoundError:
        print("no download is needed for: --data digits, and claims --quick", file=sys.stderr)
        raise


def whole(least: int, *, or_all_cores: bool = False) -> Callable[[str], int]:
    """Return a parser of whole numbers that are at least this, or -1 for all cores."""

    def parse(text: str) -> int:
        number = int(text)
        if number < least and not (or_all_cores and number == -1):
            cores = ", or -1 for the number of cores" if or_all_cores else ""
            raise argparse.ArgumentTypeError(f"expected at least {least}{cores}, got {number}")
        return number

    parse.__name__ = "whole number"
    return parse

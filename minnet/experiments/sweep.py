"""Sweeps over setups: each is trained once and stored as soon as it is done.

A sweep that was stopped, or is started again with more seeds, trains only what is missing. The
trainings run through joblib: in this process, in several processes or, with
``joblib.parallel_config("dask")``, on a cluster.
"""

import hashlib
import json
import os
import signal
import sys
import threading
import warnings
from collections.abc import Collection, Iterable
from contextlib import closing
from functools import partial
from pathlib import Path

import minnet
from minnet.experiments.setup import Setup
from minnet.experiments.trial import Record, Trial, plain, train
from minnet.files import read_bytes, write_text


class Store:
    """A folder with one file for each trial, and with the records of some trials."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def stem(self, setup: Setup) -> Path:
        """Return the path of this setup's files without their suffix.

        It contains a digest of the version of minnet and of all values of the setup. Files of
        another version are not used.
        """
        values, default = setup.as_dict(), Setup(hidden=()).as_dict()
        changes = {name: value for name, value in values.items() if value != default[name]}
        key = json.dumps([minnet.__version__, changes], sort_keys=True)
        digest = hashlib.sha256(key.encode()).hexdigest()[:16]
        return self.folder / f"{setup.data}-{setup.activation}-seed{setup.seed}-{digest}"

    def has(self, setup: Setup, record: bool = False) -> bool:
        """Return whether the trial of this setup is stored, and its record if requested.

        Files that cannot be read, such as truncated ones, count as missing.
        """
        try:
            trial = self.trial(setup)
            net = self.record(setup).net if record else None
        except (OSError, ValueError, LookupError, TypeError):
            return False
        complete = not record or (net is None) == (trial.stopped is not None)
        return trial.setup == setup and complete

    def trial(self, setup: Setup) -> Trial:
        """Return the trial of this setup."""
        return Trial.from_dict(json.loads(read_bytes(f"{self.stem(setup)}.json", "sweep")))

    def record(self, setup: Setup) -> Record:
        """Return the record of this setup."""
        return Record.load(setup, self.stem(setup))

    def keep(self, trial: Trial, record: Record | None) -> None:
        """Write a trial, after its record if there is one."""
        self.folder.mkdir(parents=True, exist_ok=True)
        stem = self.stem(trial.setup)
        if record is not None:
            record.save(stem)
        write_text(f"{stem}.json", json.dumps(plain(trial.as_dict()), indent=1) + "\n")


def sweep(
    setups: Iterable[Setup],
    store: Store,
    *,
    jobs: int | None = None,
    recorded: Collection[Setup] = (),
    verbose: int = 0,
) -> list[Trial]:
    """Train the setups that are not in the store; return the trials of all setups in order.

    Ctrl-C raises KeyboardInterrupt; finished trainings stay in the store.

    Parameters
    ----------
    setups : iterable of Setup
        Setups to train. Equal setups are trained once.
    store : Store
        Folder in which each trial is stored as soon as it is done.
    jobs : int, optional
        Number of trainings at a time, each in its own process; -1 for the number of cores. The
        default is that of joblib's context, or 1 without a context. A single training runs in this
        process.
    recorded : collection of Setup
        Setups whose `Record` is stored, too.
    verbose : {0, 1}
        1 shows a progress bar.
    """
    import joblib
    from tqdm import tqdm

    setups = list(setups)
    missing = [setup for setup in dict.fromkeys(setups) if not store.has(setup, setup in recorded)]
    for setup in {(setup.data, setup.scaling, setup.rows): setup for setup in missing}.values():
        setup.load()  # report missing data before training
    stored = len(set(setups)) - len(missing)
    if verbose and stored:
        print(f"{stored} trainings are stored already, {len(missing)} to go", file=sys.stderr)
    alone = joblib.effective_n_jobs(jobs) == 1 or len(missing) <= 1
    run = train if alone else partial(_train_apart, os.getpid())
    parallel = joblib.Parallel(1 if alone else jobs, batch_size=1, return_as="generator_unordered")
    tasks = (joblib.delayed(run)(setup, record=setup in recorded) for setup in missing)
    hidden = None if verbose and missing else True  # None: shown on a terminal only
    with warnings.catch_warnings(), closing(parallel(tasks)) as done:
        # joblib warns if its workers end before all tasks are done, as after Ctrl-C.
        warnings.filterwarnings("ignore", category=UserWarning, module="joblib")
        for trial, record in tqdm(done, total=len(missing), unit="training", disable=hidden):
            store.keep(trial, record)
    return [store.trial(setup) for setup in setups]


def _train_apart(caller: int, setup: Setup, *, record: bool) -> tuple[Trial, Record | None]:
    """Train in another process than the caller's, and ignore Ctrl-C there.

    A terminal sends Ctrl-C to every process. If a worker ended while it sent a result, the
    caller would wait for the rest. So workers ignore Ctrl-C, and the caller ends them.
    """
    if os.getpid() != caller and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return train(setup, record=record)

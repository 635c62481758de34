"""Many trainings: run once, kept one by one, and never run again.

Each trial is written into a folder as soon as it is done, under a name that its setup decides. So a
sweep that is stopped, or asked for more seeds, goes on with what is missing. The trainings
themselves are handed to joblib, which has them run here, by several processes, or, under
``joblib.parallel_config("dask")``, by a cluster.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import threading
import warnings
from collections.abc import Collection, Generator, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import minnet
from minnet.archives import replacing
from minnet.experiments.data import load
from minnet.experiments.report import plain
from minnet.experiments.setup import Setup
from minnet.experiments.trial import Record, Trial, train


class Store:
    """A folder of trials, each in a file of its own, and of a few also a record.

    Parameters
    ----------
    folder : path
        Made when the first trial is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def stem(self, setup: Setup) -> Path:
        """Return where files of this setup are, without their suffix."""
        said = json.dumps([minnet.__version__, setup.told()], sort_keys=True)
        digest = hashlib.sha256(said.encode()).hexdigest()[:16]
        return self.folder / f"{setup.data}-{setup.activation}-seed{setup.seed}-{digest}"

    def has(self, setup: Setup, record: bool = False) -> bool:
        """Tell whether the trial of this setup is there, and its record if that is asked for.

        What cannot be read as its trial, such as half a file, is as good as not there.
        """
        try:
            trial = self.trial(setup)
        except (FileNotFoundError, ValueError, LookupError, TypeError):
            return False
        if trial.setup != setup:
            return False
        if not record:
            return True
        try:
            return (self.record(setup).net is None) == (trial.stopped is not None)
        except (OSError, ValueError):
            return False

    def trial(self, setup: Setup) -> Trial:
        """Return the trial of this setup."""
        text = Path(f"{self.stem(setup)}.json").read_text(encoding="utf-8")
        return Trial.from_dict(json.loads(text))

    def record(self, setup: Setup) -> Record:
        """Return the record of this setup."""
        return Record.load(setup, self.stem(setup))

    def keep(self, trial: Trial, record: Record | None) -> None:
        """Write a trial, and its record before it if there is one."""
        self.folder.mkdir(parents=True, exist_ok=True)
        stem = self.stem(trial.setup)
        if record is not None:
            record.save(stem)
        with replacing(Path(f"{stem}.json")) as file:
            file.write((json.dumps(plain(trial.as_dict()), indent=1) + "\n").encode())


def sweep(
    setups: Iterable[Setup],
    store: Store,
    *,
    jobs: int | None = None,
    recorded: Collection[Setup] = (),
    verbose: int = 0,
) -> list[Trial]:
    """Train all setups that the store has not yet; return the trials of all, in their order.

    Parameters
    ----------
    setups : iterable of Setup
        Equal ones are trained once.
    store : Store
        Keeps each trial when it is done.
    jobs : int, optional
        How many trainings go on at a time, each in a process of its own; -1 for as many as there
        are cores. What joblib's context says unless given, which is 1 outside of one. A single
        training is done right here.
    recorded : collection of Setup
        Of which of them a `Record` is kept, too.
    verbose : {0, 1}
        1 shows a progress bar.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C; what was done by then is kept.
    """
    import joblib
    from tqdm import tqdm

    setups = list(setups)
    missing = [setup for setup in dict.fromkeys(setups) if not store.has(setup, setup in recorded)]
    for data in {(setup.data, setup.scaling, setup.rows): None for setup in missing}:
        load(*data)  # what is not there is told before anything is trained
    if verbose and len(missing) < len(set(setups)):
        there = len(set(setups)) - len(missing)
        print(f"{there} trainings are there already, {len(missing)} to go", file=sys.stderr)
    alone = joblib.effective_n_jobs(jobs) == 1 or len(missing) <= 1
    total = sum(_ticks(setup) for setup in missing)
    hidden = True if not (verbose and total) else None  # None shows it where there is a terminal
    with tqdm(total=total, unit="epoch", disable=hidden) as bar:
        run = partial(train, tick=bar.update) if alone else partial(_train_apart, os.getpid())
        parallel = joblib.Parallel(
            1 if alone else jobs, batch_size=1, return_as="generator_unordered"
        )
        tasks = (joblib.delayed(run)(setup, record=setup in recorded) for setup in missing)
        with _ending(parallel(tasks)) as done:
            for trial, record in done:
                store.keep(trial, record)
                ticked = len(trial.curves["loss"]) if alone else 0
                bar.update(_ticks(trial.setup) - ticked)
    return [store.trial(setup) for setup in setups]


def _ticks(setup: Setup) -> int:
    """Return how far a training moves the bar: by its epochs, or by one if it has none."""
    return max(setup.epochs, 1)


def _train_apart(caller: int, setup: Setup, *, record: bool) -> tuple[Trial, Record | None]:
    """Train in a process other than the caller's, to which Ctrl-C is left.

    A terminal sends it to every process. One that died of it while it handed over a result would
    leave the caller waiting for the other half; the caller ends it instead.
    """
    if os.getpid() != caller and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return train(setup, record=record)


@contextmanager
def _ending(results: Generator[Any]) -> Iterator[Iterator[Any]]:
    """End the processes that still train when we leave, and not when a traceback is let go of.

    joblib would warn of that, and also when it takes the data that a process keeps for a leak and
    begins another one: neither is of any matter here.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module="joblib")
        try:
            yield results
        finally:
            results.close()

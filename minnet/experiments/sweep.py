"""Many trainings: run once, kept one by one, and never run again.

Each trial is written into a folder as soon as it is done, under a name that its setup decides. So a
sweep that is stopped, or asked for more seeds, goes on with what is missing. The trainings
themselves are handed to joblib, which has them run here, by several processes, or, under
``joblib.parallel_config("dask")``, by a cluster.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable
from pathlib import Path

import minnet
from minnet.archives import replacing
from minnet.experiments.report import plain
from minnet.experiments.setup import Setup
from minnet.experiments.trial import Record, Trial, train

KEPT = (".histograms.npz", ".statistics.npz")  # of a record, besides a network that has ended


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
        said = json.dumps([minnet.__version__, setup.as_dict()], sort_keys=True)
        digest = hashlib.sha256(said.encode()).hexdigest()[:16]
        return self.folder / f"{setup.data}-{setup.activation}-seed{setup.seed}-{digest}"

    def has(self, setup: Setup, record: bool = False) -> bool:
        """Tell whether the trial of this setup is there, and its record if that is asked for."""
        stem = self.stem(setup)
        return all(Path(f"{stem}{end}").is_file() for end in (".json", *(KEPT if record else ())))

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
        are cores. What joblib's context says unless given, which is 1 outside of one.
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
    alone = joblib.effective_n_jobs(jobs) == 1
    with tqdm(total=sum(s.epochs for s in missing), unit="epoch", disable=not verbose) as bar:
        tick = bar.update if alone else None
        parallel = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")
        tasks = (joblib.delayed(train)(s, record=s in recorded, tick=tick) for s in missing)
        for trial, record in parallel(tasks):
            store.keep(trial, record)
            if not alone:
                bar.update(trial.setup.epochs)
    return [store.trial(setup) for setup in setups]

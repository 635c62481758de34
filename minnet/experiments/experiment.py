"""An experiment: networks trained over some seeds, with figures and a report.

An experiment consists of data: setups, figures, sentences. How experiments are run, stored,
resumed and written is the same for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minnet.experiments import report
from minnet.experiments.setup import Setup
from minnet.experiments.sweep import Store, sweep
from minnet.experiments.trial import Record, Trial


@dataclass(frozen=True)
class Results:
    """Results of an experiment: by label the trials of all seeds and the record of the first."""

    trials: Mapping[str, Sequence[Trial]]
    records: Mapping[str, Record]
    as_article: bool


@dataclass(frozen=True)
class Experiment:
    """One of the articles' experiments.

    Attributes
    ----------
    name : str
        Name of the command.
    summary : str
        One sentence on what is trained and what to notice.
    variants : dict of str to Setup
        Label -> setup with seed 0: the corrected experiment and its remedies.
    article : dict of str to Setup
        Label -> setup with the article's settings, including its errors; empty where no article
        has code.
    quick : dict
        Changes of every setup for a run of about a minute.
    draw : callable
        Results -> figures by name, each with its caption.
    summarize : callable
        Results -> Markdown text with numbers computed from the results.
    """

    name: str
    summary: str
    variants: Mapping[str, Setup]
    article: Mapping[str, Setup]
    quick: Mapping[str, Any]
    draw: Callable[[Results], report.Figures]
    summarize: Callable[[Results], str]

    def setups(
        self, *, as_article: bool = False, quick: bool = False, **changes: Any
    ) -> dict[str, Setup]:
        """Return label -> setup with the same changes in all of them; None leaves a value as it is.

        Raises
        ------
        ValueError
            If ``as_article`` is given and no article has code for the experiment.
        """
        chosen = self.article if as_article else self.variants
        if not chosen:
            raise ValueError(f"{self.name}: no article has code for it; leave out --as-article")
        given = {name: value for name, value in changes.items() if value is not None}
        every = {**(self.quick if quick else {}), **given}
        return {label: setup.but(**every) for label, setup in chosen.items()}

    def run(
        self,
        setups: Mapping[str, Setup],
        out: Path,
        *,
        seeds: Sequence[int] = (0,),
        jobs: int | None = None,
        as_article: bool = False,
        verbose: int = 0,
    ) -> Results:
        """Train what the folder out does not have, write everything there, and return the results.

        Parameters
        ----------
        setups : dict of str to Setup
            The result of `setups`.
        out : Path
            Folder for ``report.md``, ``metrics.json``, the figures as PNG and SVG, and the trials.
        seeds : sequence of int
            Seeds of each setup; trainings of the first one are recorded.
        jobs, verbose
            As in `sweep`.
        as_article : bool
            Whether the setups are the article's.
        """
        store = Store(out / "trials")
        first = {label: setup.but(seed=seeds[0]) for label, setup in setups.items()}
        every = [setup.but(seed=seed) for seed in seeds for setup in setups.values()]
        trials = sweep(every, store, jobs=jobs, recorded=list(first.values()), verbose=verbose)
        by_label = {label: trials[place :: len(setups)] for place, label in enumerate(setups)}
        records = {label: store.record(setup) for label, setup in first.items()}
        results = Results(by_label, records, as_article)
        report.write(
            out,
            title=f"{self.name}{' with the settings of the article' if as_article else ''}",
            summary=self.summary,
            text=self.summarize(results),
            figures=self.draw(results),
            trials=by_label,
        )
        return results

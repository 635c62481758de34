"""An experiment: networks that are trained over some seeds, pictures of them, and a short report.

What differs between experiments is data: which setups, which pictures, which sentences. How they
are run, kept, resumed and written down stands here, once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minnet.experiments import report
from minnet.experiments.setup import Setup
from minnet.experiments.sweep import Store, sweep
from minnet.experiments.trial import Record, Trial

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Results:
    """What came of an experiment: label -> trials by seed, and the record of the first seed."""

    trials: Mapping[str, Sequence[Trial]]
    records: Mapping[str, Record]
    as_article: bool


@dataclass(frozen=True)
class Experiment:
    """One of the articles' experiments.

    Attributes
    ----------
    name : str
        As the command has it.
    summary : str
        One sentence: what is trained, and what is to be seen.
    variants : dict of str to Setup
        Label -> what is trained, for seed 0: the mended experiment and its healed counterparts.
    article : dict of str to Setup
        The same as the article's code has it, faults included; empty where there is none.
    quick : dict
        What is changed in every setup for a classroom's minute.
    draw : callable
        Results -> figures by name.
    captions : dict of str to str
        Name of a figure -> what is to be seen in it.
    tell : callable
        Results -> what came out, in Markdown, every number taken from the results.
    """

    name: str
    summary: str
    variants: Mapping[str, Setup]
    article: Mapping[str, Setup]
    quick: Mapping[str, Any]
    draw: Callable[[Results], dict[str, Figure]]
    captions: Mapping[str, str]
    tell: Callable[[Results], str]

    def setups(
        self,
        *,
        as_article: bool = False,
        quick: bool = False,
        data: str | None = None,
        epochs: int | None = None,
    ) -> dict[str, Setup]:
        """Return label -> setup, with these changes made in all of them.

        Raises
        ------
        ValueError
            If no article has code for the experiment.
        """
        changes: dict[str, Any] = dict(self.quick) if quick else {}
        if data is not None:
            changes["data"] = data
        if epochs is not None:
            changes["epochs"] = epochs
        chosen = self.article if as_article else self.variants
        if not chosen:
            raise ValueError(f"{self.name}: no article has code for it; leave out --as-article")
        return {label: setup.but(**changes) for label, setup in chosen.items()}

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
        """Train what is missing in the folder out, write everything there, and return the results.

        Parameters
        ----------
        setups : dict of str to Setup
            Of `setups`.
        out : Path
            Gets ``report.md``, ``metrics.json``, the figures as PNG and SVG, and the trials.
        seeds : sequence of int
            Of each setup; the first one's trainings are recorded and drawn.
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
        text, figures = self.tell(results), self.draw(results)
        report.write(
            out,
            title=f"{self.name}{' as the article has it' if as_article else ''}",
            summary=self.summary,
            text=text,
            figures=figures,
            captions={name: self.captions[name] for name in figures},
            trials=by_label,
        )
        return results

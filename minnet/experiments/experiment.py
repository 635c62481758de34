"""Experiments: networks trained with several seeds, with figures and a report."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from minnet.experiments import replays, report
from minnet.experiments.diagnoses import diagnose, steps_of
from minnet.experiments.setup import Setup
from minnet.experiments.sweep import Store, sweep
from minnet.experiments.trial import Record, Trials
from minnet.files import write_text

QUICK_NOTE = (
    "Networks that learn slowly have not finished training; compare final accuracies in a run "
    "without `--quick`."
)


@dataclass(frozen=True)
class Results:
    """Results of an experiment: for each label, all trials and the record of the first seed."""

    trials: Trials
    records: Mapping[str, Record]
    as_article: bool = False
    quick: bool = False
    command: str = ""  # that computed the results


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """An experiment: networks that are trained, and figures and a report of them.

    Attributes
    ----------
    name, summary : str
        Name of the command, and a sentence on what is trained.
    variants : dict of str to Setup
        Label -> setup with seed 0: the corrected experiment and its remedies.
    quick : dict
        Changes of every setup for a run of one to three minutes.
    draw : callable
        Results -> figures by name, each with its caption, besides the learning curves.
    summarize : callable
        Results -> paragraphs with numbers computed from the results, besides the outcomes.
    article : dict of str to Setup
        Label -> setup with the article's settings, including its errors; empty if no article
        has code.
    omitted : collection of str
        Labels without learning curves.
    """

    name: str
    summary: str
    variants: Mapping[str, Setup]
    quick: Mapping[str, Any]
    draw: Callable[[Results], report.Figures]
    summarize: Callable[[Results], list[str]]
    article: Mapping[str, Setup] = field(default_factory=dict)
    omitted: Collection[str] = ()

    def setups(
        self, *, as_article: bool = False, quick: bool = False, **changes: Any
    ) -> dict[str, Setup]:
        """Return label -> setup with the same changes in all setups; None means no change."""
        given = {name: value for name, value in changes.items() if value is not None}
        every = {**(self.quick if quick else {}), **given}
        chosen = self.article if as_article else self.variants
        return {label: setup.but(**every) for label, setup in chosen.items()}

    def run(
        self,
        setups: Mapping[str, Setup],
        out: Path,
        *,
        seeds: Sequence[int] = (0,),
        jobs: int | None = None,
        as_article: bool = False,
        quick: bool = False,
        command: str = "",
        verbose: int = 0,
    ) -> Results:
        """Train the setups that the folder out does not contain, and write and return the results.

        Trainings with the first seed are recorded. ``command``, and ``quick`` for a run
        with the changes of `quick`, are stated in the report. ``jobs`` and ``verbose`` are passed
        to `sweep`.
        """
        store = Store(out / "trials")
        recorded = {label: setup.but(seed=seeds[0]) for label, setup in setups.items()}
        every = [setup.but(seed=seed) for seed in seeds for setup in setups.values()]
        trials = sweep(every, store, jobs=jobs, recorded=list(recorded.values()), verbose=verbose)
        by_label = {label: trials[first :: len(setups)] for first, label in enumerate(setups)}
        records = {label: store.record(setup) for label, setup in recorded.items()}
        results = Results(by_label, records, as_article, quick, command)
        self.write(results, out)
        return results

    def write(self, results: Results, out: Path) -> None:
        """Write ``report.md``, ``metrics.json``, ``replay.html``, and figures as PNG and SVG."""
        title = f"{self.name}{' with the settings of the article' if results.as_article else ''}"
        trials = {label: [run.as_dict() for run in runs] for label, runs in results.trials.items()}
        diagnoses = {label: diagnose(runs[0].setup) for label, runs in results.trials.items()}
        metrics = {
            "experiment": title, "command": results.command, "versions": report.versions(),
            "trials": trials, "diagnoses": {k: v.to_dict() for k, v in diagnoses.items()},
        }  # fmt: skip
        report.write_json(out / "metrics.json", metrics)
        settings = report.settings_table(results.trials)
        parts = [f"# {title}", self.summary, report.origin(results.command)]
        if results.quick:
            parts.append(f"This was a quick run ({report.listed(self.quick)}). {QUICK_NOTE}")
        parts += ["## Results", self.text(results)]
        counts = {steps_of(runs[0].setup) for runs in results.trials.values()}
        note = f"Causes of poor training in the first {max(counts)} steps with the first seed:"
        parts += ["## Diagnosis", note, report.diagnosis_list(diagnoses)]
        parts += ["## Settings", settings, "## Figures"]
        for name, (figure, caption) in self.figures(results).items():
            report.save(figure, out / name)
            parts.append(f"![{name.replace('_', ' ')}]({name}.png)\n\n*{caption}*")
        page = replays.replay_of(results.trials, results.records, diagnoses)
        page.save(out / "replay.html")
        parts.append(f"[Replay of the training: {page.title}](replay.html)")
        write_text(out / "report.md", "\n\n".join(parts) + "\n", "report")

    def text(self, results: Results) -> str:
        """Return the outcomes and the paragraphs of ``summarize`` as Markdown."""
        return "\n\n".join([report.outcome_table(results.trials), *self.summarize(results)])

    def figures(self, results: Results) -> report.Figures:
        """Return the figures of ``draw`` and the learning curves."""
        return self.draw(results) | report.learning_curves(results.trials, self.omitted)

"""The ledger: all claims with their measurements and verdicts, as text, JSON and figures.

A run processes one claim after another. It trains the setups that its folder does not contain yet,
and reports the verdict. Claims that need the same training share it.
"""

import math
import shutil
import textwrap
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from minnet.experiments import report
from minnet.experiments.claims import (
    activations,
    gradients,
    guideline,
    initialization,
    normalization,
    remedies,
)
from minnet.experiments.claims.claim import Claim, Finding
from minnet.experiments.claims.verdicts import counted
from minnet.experiments.intervals import Interval
from minnet.experiments.setup import IMAGES, Setup
from minnet.experiments.sweep import Store, sweep
from minnet.experiments.trial import Trials
from minnet.files import write_text

_MODULES = (activations, gradients, remedies, initialization, guideline, normalization)
CLAIMS: tuple[Claim, ...] = tuple(
    sorted((claim for module in _MODULES for claim in module.CLAIMS), key=lambda c: c.number)
)
QUICK_SEEDS = 3
NAMES = ("holds", "conditional", "undecided", "fails")
QUICK_NOTE = (
    "This was a quick run on small digits with few epochs and seeds. It shows how the ledger "
    "works; its verdicts are not evidence for or against the articles."
)
GENERAL_RULE = (
    "A rule has one or more parts. A part compares a number with a threshold: it is shown if the "
    "whole 95% interval over seeds lies on the stated side, refuted if it lies on the other side, "
    "and undecided otherwise. A claim holds if all parts are shown. If only some parts are shown, "
    "it is conditional on these. If no part is shown, it is undecided if at least one part is "
    "undecided, and fails if all parts are refuted. "
    "Differences and ratios are paired by seed. A diverged training counts as guessing, unless "
    "the rule states otherwise."
)


@dataclass(frozen=True)
class Entry:
    """A claim with its trials and the finding."""

    claim: Claim
    trials: Trials
    finding: Finding

    @property
    def seeds(self) -> list[int]:
        """Seeds of the trials."""
        return [trial.setup.seed for trial in next(iter(self.trials.values()))]

    @property
    def caveat(self) -> str:
        """Note on a verdict from fewer seeds than the claim requires, otherwise empty."""
        seeds, required = len(self.seeds), self.claim.seeds
        note = f" (from {counted(seeds, 'seed')}; the claim requires {required})"
        return note if seeds < required else ""

    @property
    def result(self) -> str:
        """Sentence with the most important number."""
        name = self.finding.result
        number = as_text(self.finding.numbers[name])
        return f"{name[0].upper()}{name[1:]}: {number}, {counted(len(self.seeds), 'seed')}."

    @property
    def reason(self) -> str:
        """The finding's reason, the undecided parts, and the number of diverged trainings."""
        undecided = [
            name if isinstance(name, str) else " ".join(name)
            for name, outcome in self.finding.parts.items()
            if outcome is None
        ]
        diverged = [
            f"{count} of {len(runs)} ({label})"
            for label, runs in self.trials.items()
            if (count := sum(run.stopped is not None for run in runs))
        ]
        return (
            self.finding.reason
            + (f" Undecided with these seeds: {'; '.join(undecided)}." if undecided else "")
            + (f" Diverged trainings: {', '.join(diverged)}." if diverged else "")
        )


def as_text(number: Interval) -> str:
    """Return a number with its interval as text."""
    return "not measured" if math.isnan(number.value) else str(number)


def choose(article: str | None = None, numbers: Collection[int] = ()) -> tuple[Claim, ...]:
    """Return the claims, optionally only those of an article or with these numbers.

    Raises
    ------
    ValueError
        If there is no such article or number.

    Examples
    --------
    >>> [claim.number for claim in choose("003")]
    [16, 17, 18]
    """
    if unknown := set(numbers) - {claim.number for claim in CLAIMS}:
        raise ValueError(f"no claim has the number {min(unknown)}; there are 1 to {len(CLAIMS)}")
    articles = sorted({name for claim in CLAIMS for name in claim.article.split("/")})
    if article is not None and article not in articles:
        raise ValueError(f"no claims of an article {article!r}; there are {', '.join(articles)}")
    of_article = [c for c in CLAIMS if article is None or article in c.article.split("/")]
    chosen = tuple(claim for claim in of_article if not numbers or claim.number in numbers)
    if not chosen:
        known = ", ".join(str(claim.number) for claim in of_article)
        raise ValueError(f"none of these claims is of article {article}; its claims are {known}")
    return chosen


def judge(
    claim: Claim,
    store: Store,
    *,
    seeds: int | None = None,
    jobs: int | None = None,
    quick: bool = False,
    verbose: int = 0,
) -> Entry:
    """Train the setups that the store does not contain, and apply the rule of the claim.

    ``seeds`` is the number of seeds, by default that of the claim. A ``quick`` run has 3, and
    trains on small digits, with at most 100 units a layer, for one epoch (100 on Iris). ``jobs``
    and ``verbose`` are those of `minnet.experiments.sweep.sweep`.
    """
    chosen = range(seeds or (QUICK_SEEDS if quick else claim.seeds))
    setups = {label: quickened(setup) if quick else setup for label, setup in claim.setups.items()}
    # The labels alternate, so that a slow phase of the machine affects all of them.
    ordered = [setup.but(seed=seed) for seed in chosen for setup in setups.values()]
    trained = sweep(ordered, store, jobs=jobs, verbose=verbose)
    trials = {label: trained[first :: len(setups)] for first, label in enumerate(setups)}
    return Entry(claim, trials, claim.judge(trials))


def quickened(setup: Setup) -> Setup:
    """Return the setup that a quick run trains."""
    if setup.data not in IMAGES:
        return setup.but(epochs=min(setup.epochs, 100))
    hidden = tuple(min(units, 100) for units in setup.hidden)
    return setup.but(data="digits", hidden=hidden, epochs=min(setup.epochs, 1))


def describe(entry: Entry) -> str:
    """Return the claim, the verdict, the result with its interval, and the reason as text."""
    title = f"{entry.claim.number:2}. {entry.claim.statement} (article {entry.claim.article})"
    verdict = f"{str(entry.finding.verdict).upper()}{entry.caveat}. {entry.result}"
    width = min(shutil.get_terminal_size().columns, 96)
    return "\n".join(
        textwrap.fill(text, width, initial_indent=indent, subsequent_indent="    ")
        for text, indent in ((title, ""), (verdict, "    "), (entry.reason, "    "))
    )


def verdicts(entries: Sequence[Entry]) -> str:
    """Return a line with the verdict on each claim, and the count of each verdict."""
    lines = [f"{e.claim.number:2}. {e.finding.verdict}{e.caveat}" for e in entries]
    return "\n".join([*lines, counts(entries)])


def counts(entries: Sequence[Entry]) -> str:
    """Return a sentence with the number of claims for each verdict."""
    found = Counter(entry.finding.verdict.name for entry in entries)
    holds, conditional, undecided, fails = (found[name] for name in NAMES)
    return (
        f"Verdicts: {holds} hold, {conditional} hold under a condition, {undecided} undecided, "
        f"{fails} fail."
    )


def write(entries: Sequence[Entry], out: Path, *, command: str, quick: bool = False) -> list[Path]:
    """Write ``claims.md``, ``claims.json`` and a figure for each claim; return the paths.

    If the entries are not all of the claims, the names of the files contain their numbers, so that
    a complete ledger is not overwritten. Both files contain the command that computed the ledger,
    and whether it was a quick run.
    """
    out.mkdir(parents=True, exist_ok=True)
    numbers = [str(entry.claim.number) for entry in entries] if len(entries) < len(CLAIMS) else []
    text, data = (out / f"{'-'.join(['claims', *numbers])}.{suffix}" for suffix in ("md", "json"))
    made = {"command": command, "quick": quick, "versions": report.versions()}
    report.write_json(data, as_json(entries, made))
    write_text(text, markdown(entries, made), "claims")
    figures = []
    for entry in entries:
        stem = out / f"claim{entry.claim.number:02}"
        figures += report.save(entry.claim.draw(entry.trials), stem, dpi=70)
    return [text, data, *figures]


def as_json(entries: Sequence[Entry], made: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ledger for JSON; ``made`` contains ``command``, ``quick`` and ``versions``."""
    claims = []
    for entry in entries:
        claim, finding = entry.claim, entry.finding
        texts = ("number", "article", "statement", "measured", "rule")
        claims.append({
            **{name: getattr(claim, name) for name in texts},
            "verdict": finding.verdict.name,
            "condition": finding.verdict.condition,
            "result": finding.result,
            "reason": entry.reason,
            "numbers": {name: asdict(number) for name, number in finding.numbers.items()},
            "seeds": entry.seeds,
            "setups": {label: runs[0].setup.as_dict() for label, runs in entry.trials.items()},
        })  # fmt: skip
    return {**made, "rule": GENERAL_RULE, "claims": claims}


def markdown(entries: Sequence[Entry], made: Mapping[str, Any]) -> str:
    """Return the ledger in Markdown: a summary table, and a section for each claim."""
    versions = ", ".join(f"{name} {version}" for name, version in made["versions"].items())
    parts = ["# The claims of the articles, measured", *([QUICK_NOTE] if made["quick"] else [])]
    parts += [f"Computed by `{made['command']}` with {versions}."]
    parts += [f"{counts(entries)} Each section states the condition.", summary(entries)]
    return "\n\n".join([*parts, GENERAL_RULE, *map(_section, entries)]) + "\n"


def summary(entries: Sequence[Entry]) -> str:
    """Return the verdicts as a table in Markdown."""
    rows = [
        [str(e.claim.number), e.claim.article, e.claim.statement,
         f"{e.finding.verdict.name}{e.caveat}", str(len(e.seeds))]
        for e in entries
    ]  # fmt: skip
    return report.table(["#", "article", "claim", "verdict", "seeds"], rows)


def _section(entry: Entry) -> str:
    claim, verdict = entry.claim, str(entry.finding.verdict)
    rows = [[name, as_text(number)] for name, number in entry.finding.numbers.items()]
    return "\n\n".join([
        f"## {claim.number}. {claim.statement}",
        f"Article {claim.article}. **{verdict[0].upper()}{verdict[1:]}{entry.caveat}.** "
        f"{entry.result} {entry.reason}",
        f"Measured: {claim.measured}",
        f"Rule: {claim.rule}",
        report.table(["", "over seeds (95% interval)"], rows),
        report.settings_table(entry.trials),
        f"![claim {claim.number}](claim{claim.number:02}.png)",
    ])  # fmt: skip

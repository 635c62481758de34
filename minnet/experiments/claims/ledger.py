"""The ledger: every claim with what was measured of it and the verdict, as text, JSON and pictures.

A run trains what its folder has not yet, claim by claim; each verdict is told as soon as it is
known. What was trained for one claim serves all that ask for the same training.
"""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from minnet.experiments import report
from minnet.experiments.claims import (
    activations,
    consequences,
    gradients,
    guideline,
    initialization,
    large_weights,
    normalization,
    regularization,
    remedies,
    robustness,
)
from minnet.experiments.claims.claim import Claim, Finding, Trials
from minnet.experiments.data import IMAGES
from minnet.experiments.intervals import Interval
from minnet.experiments.setup import Setup
from minnet.experiments.sweep import Store, sweep

_GATHERED = (
    *activations.CLAIMS, *regularization.CLAIMS, *initialization.CLAIMS, *guideline.CLAIMS,
    *gradients.CLAIMS, *large_weights.CLAIMS, *consequences.CLAIMS, *remedies.CLAIMS,
    *normalization.CLAIMS, *robustness.CLAIMS,
)  # fmt: skip
CLAIMS: tuple[Claim, ...] = tuple(sorted(_GATHERED, key=lambda claim: claim.number))
QUICK_SEEDS = 3
INDENT = "    "
QUICK_NOTE = (
    "This was a quick run, on small digits with few epochs and seeds: it shows how the ledger is "
    "made; its verdicts say nothing of the articles."
)


@dataclass(frozen=True)
class Entry:
    """A claim with its trials and what was found."""

    claim: Claim
    trials: Trials
    finding: Finding

    @property
    def seeds(self) -> list[int]:
        """The seeds of its trials."""
        return [trial.setup.seed for trial in next(iter(self.trials.values()))]

    @property
    def caveat(self) -> str:
        """What is said after the verdict of fewer seeds than the claim takes."""
        seeds, needed = len(self.seeds), self.claim.seeds
        said = f"{seeds} seeds" if seeds > 1 else "1 seed"
        return f" (by {said}; the claim takes {needed})" if seeds < needed else ""


def choose(article: str | None = None, numbers: Iterable[int] = ()) -> tuple[Claim, ...]:
    """Return the claims of an article, or with these numbers, or both; all by default.

    Raises
    ------
    ValueError
        If there is no such article or number.

    Examples
    --------
    >>> [claim.number for claim in choose("003")]
    [16, 17, 18]
    """
    wanted = set(numbers)
    strangers = wanted - {claim.number for claim in CLAIMS}
    if strangers:
        raise ValueError(f"no claim has the number {min(strangers)}; there are 1 to {len(CLAIMS)}")
    articles = sorted({name for claim in CLAIMS for name in claim.article.split("/")})
    if article is not None and article not in articles:
        raise ValueError(f"no claims of an article {article!r}; there are {', '.join(articles)}")
    of_article = [c for c in CLAIMS if article is None or article in c.article.split("/")]
    chosen = tuple(claim for claim in of_article if not wanted or claim.number in wanted)
    if not chosen:
        there = ", ".join(str(claim.number) for claim in of_article)
        raise ValueError(f"none of these claims is of article {article}; its claims are {there}")
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
    """Train what the claim needs and the store has not, and apply its rule.

    Parameters
    ----------
    claim : Claim
        Which one.
    store : Store
        Keeps the trials.
    seeds : int, optional
        How many; the claim's own number unless given, and 3 in a quick run.
    jobs, verbose
        As in `minnet.experiments.sweep.sweep`.
    quick : bool, default False
        Train on small digits, with at most 100 units a layer, for one epoch (100 on Iris).
    """
    chosen = range(seeds or (QUICK_SEEDS if quick else claim.seeds))
    setups = {label: quickened(setup) if quick else setup for label, setup in claim.setups.items()}
    # In turn, so that what slows the machine down for a while slows down all that is compared.
    every = [setup.but(seed=seed) for seed in chosen for setup in setups.values()]
    trained = sweep(every, store, jobs=jobs, verbose=verbose)
    trials = {label: trained[place :: len(setups)] for place, label in enumerate(setups)}
    return Entry(claim, trials, claim.judge(trials))


def quickened(setup: Setup) -> Setup:
    """Return the setup as a quick run trains it."""
    if setup.data not in IMAGES:
        return setup.but(epochs=min(setup.epochs, 100))
    hidden = tuple(min(units, 100) for units in setup.hidden)
    return setup.but(data="digits", hidden=hidden, epochs=min(setup.epochs, 1))


def tell(entry: Entry) -> str:
    """Return the claim, the verdict, the number with its interval, and why, as lines of text."""
    claim, finding = entry.claim, entry.finding
    lines = [
        f"{claim.number:2}. {claim.says} (article {claim.article})",
        f"{finding.verdict.upper()}{entry.caveat}. {finding.what}: {finding.number}, "
        f"{len(entry.seeds)} seeds.",
        finding.because,
    ]
    width = min(shutil.get_terminal_size().columns, 96)
    indents = ["", *[INDENT] * (len(lines) - 1)]
    return "\n".join(
        textwrap.fill(line, width, initial_indent=indent, subsequent_indent=INDENT)
        for line, indent in zip(lines, indents, strict=True)
    )


def verdicts(entries: Sequence[Entry]) -> str:
    """Return the number and the verdict of each claim, a line each."""
    return "\n".join(f"{e.claim.number:2}. {e.finding.verdict}{e.caveat}" for e in entries)


def summary(entries: Sequence[Entry]) -> str:
    """Return the ledger as a table in Markdown."""
    rows = [
        [
            str(entry.claim.number),
            entry.claim.article,
            entry.claim.says,
            entry.finding.verdict + entry.caveat,
            f"{entry.finding.what}: {_number(entry.finding.number)}",
            _between(entry.finding.number),
            str(len(entry.seeds)),
        ]
        for entry in entries
    ]
    header = ["#", "article", "claim", "verdict", "number", "95% interval", "seeds"]
    return report.table(header, rows)


def write(entries: Sequence[Entry], out: Path, *, command: str, quick: bool = False) -> list[Path]:
    """Write ``claims.md``, ``claims.json`` and a figure a claim into out; return the paths.

    Where they are not all of the claims, the numbers of those that there are stand in the names of
    the files, so that no whole ledger is lost.

    Parameters
    ----------
    entries : sequence of Entry
        What `judge` returned.
    out : Path
        Made if it is not there.
    command : str
        What the ledger was made by; it stands in both files.
    quick : bool
        Whether it was a quick run; both files say so.
    """
    out.mkdir(parents=True, exist_ok=True)
    numbers = [str(entry.claim.number) for entry in entries]
    name = "-".join(["claims", *(numbers if len(entries) < len(CLAIMS) else [])])
    written: dict[str, Any] = {
        "command": command,
        "quick": quick,
        "versions": report.versions(),
        "claims": [_as_dict(entry) for entry in entries],
    }
    report.write_json(out / f"{name}.json", written)
    parts = ["# The claims of the articles, measured"]
    if quick:
        parts.append(QUICK_NOTE)
    versions = ", ".join(f"{name} {version}" for name, version in report.versions().items())
    parts += [f"Made by `{command}` with {versions}.", summary(entries)]
    pictures = []
    for entry in entries:
        figure = f"claim{entry.claim.number:02}"
        pictures += report.save(entry.claim.draw(entry.trials), out / figure, dpi=70)
        parts += _section(entry, f"{figure}.png")
    (out / f"{name}.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return [out / f"{name}.md", out / f"{name}.json", *pictures]


def _section(entry: Entry, figure: str) -> list[str]:
    claim, finding = entry.claim, entry.finding
    verdict = finding.verdict[0].upper() + finding.verdict[1:] + entry.caveat
    numbers = [[name, _number(n), _between(n)] for name, n in finding.numbers.items()]
    return [
        f"## {claim.number}. {claim.says}",
        f"Article {claim.article}. **{verdict}.** {finding.because}",
        f"Measured: {claim.measured}",
        f"Rule: {claim.rule}",
        report.table(["", "over seeds", "95% interval"], numbers) if numbers else "",
        report.settings_table(entry.trials),
        f"![claim {claim.number}]({figure})",
    ]


def _as_dict(entry: Entry) -> dict[str, Any]:
    claim, finding = entry.claim, entry.finding
    return {
        "number": claim.number,
        "article": claim.article,
        "says": claim.says,
        "measured": claim.measured,
        "rule": claim.rule,
        "verdict": finding.verdict,
        "what": finding.what,
        "value": asdict(finding.number),
        "because": finding.because,
        "numbers": {name: asdict(number) for name, number in finding.numbers.items()},
        "seeds": entry.seeds,
        "setups": {label: runs[0].setup.as_dict() for label, runs in entry.trials.items()},
    }


def _number(number: Interval) -> str:
    return f"{number.value:.4g}"


def _between(number: Interval) -> str:
    return f"{number.low:.4g} to {number.high:.4g}" if number.n > 1 else "one seed"

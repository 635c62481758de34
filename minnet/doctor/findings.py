"""Results of a diagnosis: remedies, findings with their evidence, and the report."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

WIDTH = 96  # columns of the report


@dataclass
class Remedy:
    """A change of the training.

    Attributes
    ----------
    action, arguments : str, dict
        Name of the change, such as "set_lr", and its arguments, such as {"value": 0.01}.
    text : str
        The change in words, with the result of the trial if there was one.
    """

    action: str
    arguments: dict[str, Any] = field(default_factory=dict)
    text: str = ""

    def __str__(self) -> str:
        return f"{self.action}({', '.join(map(str, self.arguments.values()))})"


@dataclass
class Finding:
    """A cause of poor training.

    Attributes
    ----------
    cause, explanation : str
        One of the names in `minnet.doctor.CAUSES`, and the cause in plain English.
    layer : str or None
        Name of the layer concerned, such as "dense2"; None if the cause concerns no single layer.
    step : int
        Step, counted from 0, at which the symptom was measured first.
    confidence : float
        Number from 0 to 1 by which the findings are ordered; not a probability.
    evidence : dict of str to float
        The numbers that decided.
    remedies : list of Remedy
        Changes of the training, best first.
    """

    cause: str
    layer: str | None
    step: int
    confidence: float
    evidence: dict[str, float]
    explanation: str
    remedies: list[Remedy] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return title, explanation, evidence and remedies as paragraphs."""
        place = f" in {self.layer}" if self.layer else ""
        numbers = ", ".join(f"{name} {value:.3g}" for name, value in self.evidence.items())
        title = f"{self.cause}{place}, step {self.step}, confidence {self.confidence:.2f}"
        remedies = (f"- {remedy.text}" for remedy in self.remedies)
        return [title, self.explanation, f"Evidence: {numbers}.", *remedies]


@dataclass
class Diagnosis:
    """Findings of a training, most likely first; printed as a report.

    Attributes
    ----------
    findings : list of Finding
        Empty if no cause was found or too little was observed.
    checked : list of str
        What was examined, and the remedies that were tried.
    problem : str
        Why too little was observed, or "".
    """

    findings: list[Finding] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)
    problem: str = ""

    @property
    def healthy(self) -> bool:
        """Whether the training was examined and nothing was found."""
        return not self.findings and not self.problem

    @property
    def title(self) -> str:
        """The result in one line."""
        if self.problem:
            return f"Diagnosis: not enough observed: {self.problem}."
        if not self.findings:
            return "Diagnosis: healthy. No cause of poor training was found."
        return f"Diagnosis: {', '.join(finding.cause for finding in self.findings)}"

    def to_dict(self) -> dict[str, Any]:
        """Return the diagnosis as values that JSON can represent."""
        return {"healthy": self.healthy, **asdict(self)}

    def __str__(self) -> str:
        lines = [self.title]
        for number, finding in enumerate(self.findings, start=1):
            title, *texts = finding.lines()
            lines += ["", f"{number}. {title}", *_wrapped(texts, "   ")]
        if self.checked:
            lines += ["", "Checked:", *_wrapped(f"- {text}" for text in self.checked)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        found = [[html.escape(text) for text in finding.lines()] for finding in self.findings]
        items = "".join(
            f"<li><b>{title}</b><br>{'<br>'.join(texts)}</li>" for title, *texts in found
        )
        checked = "".join(f"<li>{html.escape(text)}</li>" for text in self.checked)
        page = f"<p><b>{html.escape(self.title)}</b></p><ol>{items}</ol>"
        return page + f"<details><summary>Checked</summary><ul>{checked}</ul></details>"


def _wrapped(texts: Iterable[str], indent: str = "") -> list[str]:
    lines = []
    for text in texts:
        hanging = indent + "  " * text.startswith("- ")
        lines += textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=hanging)
    return lines

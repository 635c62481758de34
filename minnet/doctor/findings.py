"""Results of a diagnosis: findings, each with its evidence and remedies, and the report."""

from __future__ import annotations

import html
import textwrap
from dataclasses import asdict, dataclass, field
from typing import Any

from minnet.doctor.remedies import Remedy

WIDTH = 96  # columns of the report


@dataclass
class Finding:
    """A cause of poor training.

    Attributes
    ----------
    cause : str
        One of the names in `minnet.doctor.CAUSES`.
    layer : str or None
        Name of the layer concerned, such as "dense2"; None if the cause concerns no single layer.
    step : int
        Step, counted from 0, at which the symptom was measured first.
    confidence : float
        Between 0 and 1.
    evidence : dict of str to float
        The numbers that decided.
    explanation : str
        The cause in plain English.
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

    @property
    def title(self) -> str:
        """Cause, layer, step and confidence in one line."""
        place = f" in {self.layer}" if self.layer else ""
        return f"{self.cause}{place}, step {self.step}, confidence {self.confidence:.2f}"

    @property
    def numbers(self) -> str:
        """The evidence in one line."""
        return ", ".join(f"{name} {value:.3g}" for name, value in self.evidence.items())


@dataclass
class Diagnosis:
    """Findings of a training, most likely first; printed as a report.

    Attributes
    ----------
    findings : list of Finding
        Empty if the training is healthy or too little was observed.
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
            lines += ["", f"{number}. {finding.title}", *_wrapped(finding.explanation, "   ")]
            lines += _wrapped(f"Evidence: {finding.numbers}.", "   ")
            for remedy in finding.remedies:
                lines += _wrapped(remedy.text, "   - ")
        if self.checked:
            lines += ["", "Checked:", *(line for text in self.checked for line in _wrapped(text))]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        found = "".join(
            f"<li><b>{html.escape(finding.title)}</b><br>{html.escape(finding.explanation)}<br>"
            f"<small>Evidence: {html.escape(finding.numbers)}.</small>"
            f"{_items(remedy.text for remedy in finding.remedies)}</li>"
            for finding in self.findings
        )
        checked = f"<details><summary>Checked</summary>{_items(self.checked)}</details>"
        title = f"<p><b>{html.escape(self.title)}</b></p>"
        return f"{title}<ol>{found}</ol>{checked if self.checked else ''}"


def _wrapped(text: str, indent: str = "- ") -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=" " * len(indent))


def _items(texts: Any) -> str:
    return f"<ul>{''.join(f'<li>{html.escape(text)}</li>' for text in texts)}</ul>"

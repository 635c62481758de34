"""Results of a diagnosis: findings, each with its evidence and remedies, and the report."""

from __future__ import annotations

import html
from dataclasses import asdict, dataclass, field
from typing import Any

from minnet.doctor.remedies import Remedy


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


@dataclass
class Diagnosis:
    """Findings of a training, most likely first; printed as a report.

    Attributes
    ----------
    findings : list of Finding
        Empty if the training is healthy or too little was observed.
    checked : list of str
        What was examined.
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

    def to_dict(self) -> dict[str, Any]:
        """Return the diagnosis as values that JSON can represent."""
        return {"healthy": self.healthy, **asdict(self)}

    def __str__(self) -> str:
        lines = [self._summary()]
        for number, finding in enumerate(self.findings, start=1):
            lines += ["", f"{number}. {_title(finding)}"]
            lines += [f"   {finding.explanation}"]
            lines += [f"   evidence: {_evidence(finding)}"]
            lines += [f"   remedy: {remedy.text}" for remedy in finding.remedies]
        if self.checked:
            lines += ["", f"Checked: {'; '.join(self.checked)}."]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        def row(finding: Finding) -> str:
            remedies = "".join(f"<li>{html.escape(r.text)}</li>" for r in finding.remedies)
            return (
                f"<li><b>{html.escape(_title(finding))}</b><br>"
                f"{html.escape(finding.explanation)}<br>"
                f"<small>{html.escape(_evidence(finding))}</small><ul>{remedies}</ul></li>"
            )

        rows = "".join(map(row, self.findings))
        checked = f"<p><small>Checked: {html.escape('; '.join(self.checked))}.</small></p>"
        return f"<p><b>{html.escape(self._summary())}</b></p><ol>{rows}</ol>{checked}"

    def _summary(self) -> str:
        if self.problem:
            return f"Diagnosis: not enough observed: {self.problem}."
        if not self.findings:
            return "Diagnosis: healthy. No cause of poor training was found."
        causes = ", ".join(finding.cause for finding in self.findings)
        return f"Diagnosis: {causes}"


def _title(finding: Finding) -> str:
    place = f" in {finding.layer}" if finding.layer else ""
    return f"{finding.cause}{place}, step {finding.step}, confidence {finding.confidence:.2f}"


def _evidence(finding: Finding) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in finding.evidence.items())

"""Automatic diagnosis of a training: causes, evidence, and remedies that have been tried.

`Doctor` observes a training as a probe of `minnet.fit`. `diagnose` trains a copy of a network.
"""

from minnet.doctor.diagnosis import CAUSES
from minnet.doctor.findings import Diagnosis, Finding, Remedy
from minnet.doctor.probe import Doctor, diagnose

__all__ = ["CAUSES", "Diagnosis", "Doctor", "Finding", "Remedy", "diagnose"]

"""Pytest hooks for a student's folder: one line per exercise, without a traceback.

The folder's ``conftest.py`` imports these hooks. They change the reports of the exercises' tests
only, and not of tests that a student adds.
"""

from collections.abc import Generator
from typing import Any

import pytest

from minnet.exercises.catalog import find, names
from minnet.exercises.diagnosis import WrongAnswer
from minnet.exercises.folder import remember
from minnet.exercises.observation import describe_error


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: Any, call: Any) -> Generator[None, Any, Any]:
    """Replace the traceback by the message."""
    report = yield
    name = item.name.removeprefix("test_")
    if call.when == "call" and name in names():
        exercise = find(name)
        error = call.excinfo.value if call.excinfo is not None else None
        wrong = error if isinstance(error, WrongAnswer) else None
        report.exercise = f"{exercise}: right"
        if error is not None:
            report.exercise = str(wrong or f"{exercise}: {describe_error(error)}")
            report.longrepr = report.exercise
        remember(item.path.parent, exercise, wrong)
    return report


def pytest_report_teststatus(report: Any) -> tuple[str, str, str] | None:
    """Print the message in place of a dot or an F."""
    if not hasattr(report, "exercise"):
        return None
    return report.outcome, f"{report.exercise}\n", report.exercise


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the number of right answers."""
    right, wrong = (
        sum(hasattr(report, "exercise") for report in terminalreporter.stats.get(outcome, []))
        for outcome in ("passed", "failed")
    )
    terminalreporter.write_line(f"{right} of {right + wrong} right")

"""What pytest prints in a student's folder: one line an exercise, and no traceback.

The folder's ``conftest.py`` imports these hooks. They touch the tests of exercises alone, and leave
those that a student adds as they are.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from minnet.exercises.catalog import find, names
from minnet.exercises.judging import WrongAnswer
from minnet.exercises.observing import told


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: Any, call: Any) -> Generator[None, Any, Any]:
    """Replace the traceback by the message."""
    report = yield
    name = item.name.removeprefix("test_")
    if call.when == "call" and name in names():
        exercise = find(name)
        report.told = f"{exercise}: right"
        if call.excinfo is not None:
            error = call.excinfo.value
            wrong = isinstance(error, WrongAnswer)
            report.told = str(error) if wrong else f"{exercise}: {told(error)}"
            report.longrepr = report.told
    return report


def pytest_report_teststatus(report: Any) -> tuple[str, str, str] | None:
    """Print the message where pytest would print a dot or an F."""
    if not hasattr(report, "told"):
        return None
    return report.outcome, f"{report.told}\n", report.told


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how far one has come."""
    right, wrong = (
        sum(hasattr(report, "told") for report in terminalreporter.stats.get(outcome, []))
        for outcome in ("passed", "failed")
    )
    terminalreporter.write_line(f"{right} of {right + wrong} right")

"""Tables with aligned columns, times in suitable units, and ratios with their spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.measuring import Report, Result, Spread, find, ratios, spread

BUSY = 0.5  # load average above which times are unreliable
UNITS = ((1e-3, "µs", 1e6), (1.0, "ms", 1e3), (float("inf"), "s", 1.0))


def duration(seconds: float) -> str:
    """Return a time as text with about three digits.

    Examples
    --------
    >>> duration(0.0000123), duration(0.0123), duration(1.5)
    ('12.3 µs', '12.3 ms', '1.50 s')
    """
    _, unit, factor = next(row for row in UNITS if seconds < row[0])
    value = seconds * factor
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:.{digits}f} {unit}"


def times(found: Spread | None) -> str:
    """Return a ratio with its spread as text.

    Examples
    --------
    >>> times(Spread(1.5, 1.25, 2.0))
    '1.50x (1.25 to 2.00)'
    """
    if found is None:
        return ""
    return f"{found.median:.2f}x ({found.lowest:.2f} to {found.highest:.2f})"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table as text. The first and last columns are left-aligned, others right-aligned.

    Examples
    --------
    >>> print(table(["what", "time", "note"], [["a", "12 µs", ""], ["longer", "1 µs", "so"]]))
    what     time  note
    a       12 µs
    longer   1 µs  so
    """
    last = len(header) - 1
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = []
    for line in (header, *rows):
        cells = [
            f"{cell:{'<' if i in (0, last) else '>'}{widths[i]}}" for i, cell in enumerate(line)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def contest(results: Sequence[Result], *, to: str | Mapping[str, str]) -> str:
    """Return a table of times and of ratios to the candidate ``to``, which may differ by row.

    A candidate without times has a row with the reason.
    """
    rows = []
    for result in results:
        name = result.candidate.name
        base = find(results, to if isinstance(to, str) else to[name])
        ratio = spread(ratios(result, base)) if base is not None and base is not result else None
        time = spread(result.seconds)
        compared = f"{times(ratio)} of {base.candidate.name}" if ratio and base else ""
        rows.append([name, duration(time.median) if time else "-", result.trouble or compared])
    return table(["", "median", "times"], rows)


def compare(report: Report, name: str, label: str, one: str, other: str) -> list[float]:
    """Add the ratio of two candidates of a contest to a report, if both have times.

    Return the ratio of each round.
    """
    results = report.contests[name]
    values = ratios(find(results, one), find(results, other))
    if values:
        found = report.figures[f"{name}: {label}"] = spread(values)
        report.text += f"{label}: {times(found)}\n"
    return values


def surroundings(machine: Mapping[str, Any]) -> str:
    """Return a description of the machine in a few lines."""
    installed = ", ".join(f"{name} {version}" for name, version in machine["installed"].items())
    environment = ", ".join(f"{k}={v}" for k, v in machine["environment"].items()) or "nothing set"
    load = "unknown" if machine["load"] is None else f"{machine['load']:.2f}"
    if machine["load"] is not None and machine["load"] > BUSY:
        load += "; other programs are running, so these times are unreliable"
    return (
        f"{machine['date']}  {machine['platform']}\n"
        f"{machine['processor']}, {machine['usable_cores']} of {machine['cores']} cores usable\n"
        f"python {machine['python']}, {installed}\n"
        f"environment: {environment}\nload before the start: {load}"
    )


def threads(contests: Mapping[str, Sequence[Result]]) -> str:
    """Return a line for each configuration of threads that candidates reported."""
    libraries: dict[str, list[str]] = {}
    for results in contests.values():
        for result in results:
            if pools := result.facts.get("threads"):
                settings = ", ".join(f"{k}: {v}" for k, v in pools.items())
                names = libraries.setdefault(settings, [])
                if result.candidate.library not in names:
                    names.append(result.candidate.library)
    return "\n".join(f"threads of {', '.join(names)}: {key}" for key, names in libraries.items())

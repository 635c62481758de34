"""Text: tables with aligned columns, times in the unit that fits, and ratios with their spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.measuring import Result, Spread, find, ratios, spread

BUSY = 0.5  # processes waiting for a core; threads that wait for each other suffer first
UNITS = ((1e-3, "µs", 1e6), (1.0, "ms", 1e3), (float("inf"), "s", 1.0))


def duration(seconds: float) -> str:
    """Return a time with three digits or so.

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
    """Return a ratio with its spread.

    Examples
    --------
    >>> times(Spread(1.5, 1.25, 2.0))
    '1.50x (1.25 to 2.00)'
    """
    if found is None:
        return ""
    return f"{found.median:.2f}x ({found.lowest:.2f} to {found.highest:.2f})"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return lines of text; the first column is set left, numbers right, the last one left.

    Examples
    --------
    >>> print(table(["what", "time", "note"], [["a", "12 µs", ""], ["longer", "1 µs", "so"]]))
    what     time  note
    a       12 µs
    longer   1 µs  so
    """
    last = len(header) - 1
    widths = [max(len(line[i]) for line in (header, *rows)) for i in range(len(header))]
    lines = []
    for line in (header, *rows):
        cells = [
            f"{cell:{'<' if i in (0, last) else '>'}{widths[i]}}" for i, cell in enumerate(line)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def contest(results: Sequence[Result], *, to: str | Mapping[str, str], verb: str = "times") -> str:
    """Return a table of the candidates' times, each compared with ``to``, or with its own ``to``.

    Who has no times is there all the same, with the reason.
    """
    rows = []
    for result in results:
        name = result.candidate.name
        base = find(results, to if isinstance(to, str) else to[name])
        ratio = spread(ratios(result, base)) if base is not None and base is not result else None
        time = spread(result.seconds)
        compared = f"{times(ratio)} of {base.candidate.name}" if ratio and base else ""
        rows.append([name, duration(time.median) if time else "-", result.trouble or compared])
    return table(["", "median", verb], rows)


def surroundings(machine: Mapping[str, Any]) -> str:
    """Return the machine in a few lines."""
    installed = ", ".join(f"{name} {version}" for name, version in machine["installed"].items())
    environment = ", ".join(f"{k}={v}" for k, v in machine["environment"].items()) or "nothing set"
    load = machine["load"]
    foreign = "OPENBLAS_CORETYPE" in machine["environment"]  # not what the processor would choose
    busy = load is not None and load > BUSY
    return "\n".join(
        [
            f"{machine['date']}  {machine['platform']}",
            f"{machine['processor']}, {machine['usable_cores']} of {machine['cores']} cores usable",
            f"python {machine['python']}, {installed}",
            f"environment: {environment}"
            + ("; OPENBLAS_CORETYPE may hold NumPy's products back" if foreign else ""),
            f"load before the start: {'unknown' if load is None else f'{load:.2f}'}"
            + (", so other programs are computing: these times mean little" if busy else ""),
        ]
    )


def gains(before: float, after: float) -> str:
    """Return how much the threads of BLAS gained, before a subject and after it.

    Examples
    --------
    >>> gains(1.79, 1.04)
    'all threads of BLAS over one, on a small product: 1.79x before, 1.04x after'
    """
    return (
        "all threads of BLAS over one, on a small product: "
        f"{before:.2f}x before, {after:.2f}x after"
    )


def threads(contests: Mapping[str, Sequence[Result]]) -> str:
    """Return a line for each way in which candidates said that their threads are set."""
    seen: dict[str, list[str]] = {}
    for results in contests.values():
        for result in results:
            if pools := result.facts.get("threads"):
                told = ", ".join(f"{k}: {v}" for k, v in pools.items())
                names = seen.setdefault(told, [])
                if result.candidate.library not in names:
                    names.append(result.candidate.library)
    return "\n".join(f"threads of {', '.join(names)}: {told}" for told, names in seen.items())

"""Points for folders of answers: every answer gets a row, whatever it does.

Graded in isolation (see `minnet.exercises.isolation`), no answer touches another one or the grader.
The check of imports is there to deter and not to secure: who wants to hide an import can.
"""

from __future__ import annotations

import ast
import csv
import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

import minnet
from minnet.exercises import files
from minnet.exercises.exercise import Case, Exercise
from minnet.exercises.folder import answer_path
from minnet.exercises.isolation import observe_apart
from minnet.exercises.judging import Verdict, WrongAnswer, assess
from minnet.exercises.observing import Fault, Observation, observe, told

BANNED = {"torch", "tensorflow", "jax", "keras", "minnet"}
ALLOWED = "minnet.exercises"  # a file may check itself


@dataclass(frozen=True)
class Row:
    """What one answer of one submission is worth.

    Attributes
    ----------
    submission, exercise : str
        Whose, and which, such as "e09 batchnorm_backward".
    score, max_score : float
        The share of checks passed; and 1.
    passed : bool
        Whether all is right.
    mistake : str or None
        The id of the mistake or fault.
    message : str
        What the student would read.
    printed : str
        The beginning of what the answer printed.
    seconds : float
        How long it took.
    """

    submission: str
    exercise: str
    score: float
    max_score: float
    passed: bool
    mistake: str | None
    message: str
    printed: str
    seconds: float


@dataclass(frozen=True)
class Grades:
    """All rows, and the seed that the inputs came from."""

    seed: int
    rows: list[Row]


def submissions(folders: Sequence[Path]) -> dict[str, Path]:
    """Return submissions by name: each folder with answers in it, else its subfolders.

    Where two folders have one name, the later one has those above it in front, as in "b-hw".

    Raises
    ------
    FileNotFoundError
        If a folder is not there, or holds neither answers nor folders.
    """
    found: dict[str, Path] = {}
    for folder in folders:
        inner = sorted(path for path in folder.iterdir() if path.is_dir())
        chosen = [folder] if any(folder.glob("e[0-9][0-9]_*.py")) or not inner else inner
        for path in chosen:
            parts = path.resolve().parts
            names = ("-".join(parts[-count:]) for count in range(1, len(parts) + 1))
            found[next(name for name in names if name not in found)] = path
    return found


def grade(
    submitted: dict[str, Path],
    exercises: Sequence[Exercise],
    *,
    isolated: bool = True,
    seed: int | None = None,
    timeout: float = 20.0,
) -> Grades:
    """Grade every exercise of every submission.

    Parameters
    ----------
    submitted : dict of str to Path
        Folders by name.
    exercises : sequence of Exercise
        What counts.
    isolated : bool, default True
        Whether each answer runs in a process of its own.
    seed : int, optional
        Of the inputs, the same for everyone; a fresh one if not given.
    timeout : float, default 20
        Seconds for one answer; isolated only.
    """
    seed = secrets.randbelow(2**32) if seed is None else seed
    rows = [
        _row(name, exercise, answer_path(exercise, folder), seed, timeout if isolated else None)
        for name, folder in submitted.items()
        for exercise in exercises
    ]
    return Grades(seed, rows)


def _row(name: str, exercise: Exercise, path: Path, seed: int, timeout: float | None) -> Row:
    started = time.perf_counter()
    case = exercise.inputs(np.random.default_rng([seed, exercise.number]))
    printed: list[str] = []

    def look(train: bool) -> Observation:
        refused = _refused(path)
        if refused is not None:
            return refused
        if timeout is None:
            return _observed_here(exercise, path, case, train)
        seen, text = observe_apart(exercise, path, case, train, timeout)
        printed.append(text)
        return seen

    try:
        verdict = assess(exercise, case, look)
    except Exception as error:  # an answer can have written results of its own, of any kind
        message = f"{exercise}: its results make no sense: {error}"
        verdict = Verdict(0, 1, WrongAnswer(message, "results"))
    return Row(
        submission=name,
        exercise=str(exercise),
        score=round(verdict.passed / verdict.checks, 4),
        max_score=1.0,
        passed=verdict.wrong is None,
        mistake=None if verdict.wrong is None else verdict.wrong.mistake,
        message=f"{exercise}: right" if verdict.wrong is None else str(verdict.wrong),
        printed=printed[0] if printed else "",
        seconds=round(time.perf_counter() - started, 2),
    )


def _refused(path: Path) -> Observation | None:
    """Return why an answer is not even looked at, if it is so."""
    if not path.exists():
        return Observation(fault=Fault("missing", f"there is no {path.name}."))
    banned = banned_imports(path)
    if banned:
        return Observation(fault=Fault("banned", f"it imports {', '.join(banned)}."))
    return None


def _observed_here(exercise: Exercise, path: Path, case: Case, train: bool) -> Observation:
    try:
        return observe(exercise, files.load_answer(exercise, path), case, train)
    except (Exception, SystemExit) as error:
        return Observation(fault=Fault("import", f"{told(error)}."))


def banned_imports(path: Path) -> list[str]:
    """Return which of the banned packages a file imports; none where it cannot be read."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return []  # importing it will tell
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return sorted({name.split(".")[0] for name in names - {ALLOWED}} & BANNED)


def table(grades: Grades) -> str:
    """Return the rows as text, a line each."""
    width = max(len(row.submission) for row in grades.rows)
    lines = [f"seed {grades.seed}"]
    for row in grades.rows:
        lines.append(f"{row.submission:{width}}  {row.score:4.0%}  {row.message}")
    return "\n".join(lines)


def write(grades: Grades, out: Path) -> list[Path]:
    """Write grades.json, grades.csv and a results.json for each submission, as Gradescope reads it.

    For one submission results.json stands in the folder itself, else in a subfolder of its name.
    """
    out.mkdir(parents=True, exist_ok=True)
    rows = [asdict(row) for row in grades.rows]
    paths = [out / "grades.json", out / "grades.csv"]
    _dump(paths[0], {"seed": grades.seed, "minnet": minnet.__version__, "rows": rows})
    with paths[1].open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    names = list(dict.fromkeys(row.submission for row in grades.rows))
    for name in names:
        folder = out if len(names) == 1 else out / name
        folder.mkdir(exist_ok=True)
        paths.append(folder / "results.json")
        own = [row for row in grades.rows if row.submission == name]
        _dump(paths[-1], gradescope(own, grades.seed))
    return paths


def gradescope(rows: Sequence[Row], seed: int) -> dict[str, object]:
    """Return the rows of one submission in the form of Gradescope's results.json."""
    return {
        "score": round(sum(row.score for row in rows), 4),
        "execution_time": round(sum(row.seconds for row in rows), 2),
        "extra_data": {"seed": seed, "minnet": minnet.__version__},
        "tests": [
            {
                "name": row.exercise,
                "score": row.score,
                "max_score": row.max_score,
                "status": "passed" if row.passed else "failed",
                "output": "\n\nprinted:\n".join(filter(None, (row.message, row.printed))),
            }
            for row in rows
        ],
    }


def _dump(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

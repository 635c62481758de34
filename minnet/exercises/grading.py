"""Grading of folders of answers, with one row for each answer.

Each answer runs in a separate process (see `minnet.exercises.isolation`), so that it affects
neither other answers nor the grader, even if it crashes.
"""

import csv
import io
import json
import secrets
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import joblib

import minnet
from minnet.exercises.exercise import Exercise
from minnet.exercises.files import answer_path, write_text
from minnet.exercises.isolation import TIMEOUT, Worker
from minnet.validation import count, positive


@dataclass(frozen=True)
class Row:
    """The grade of one answer of one submission.

    Attributes
    ----------
    submission, exercise : str
        Name of the submission, and of the exercise, such as "e09 batchnorm_backward".
    score, max_score : float
        The share of checks passed, and 1.
    passed : bool
        Whether all checks passed.
    mistake : str or None
        The id of the mistake or fault.
    message : str
        The message for the student.
    printed : str
        The beginning of the answer's output.
    seconds : float
        Duration of the grading, in seconds.
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
    """All rows, and the seed of the inputs."""

    seed: int
    rows: list[Row]


def submissions(folders: Sequence[Path]) -> dict[str, Path]:
    """Return submissions by name: each folder that holds answers, otherwise its subfolders.

    If two folders have the same name, that of the later one is prefixed by its parents, as in
    "b-hw".

    Raises
    ------
    FileNotFoundError
        If a folder does not exist.
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
    seed: int | None = None,
    timeout: float = TIMEOUT,
    jobs: int = 1,
) -> Grades:
    """Grade every exercise of every submission.

    Parameters
    ----------
    submitted : dict of str to Path
        Folders by name.
    exercises : sequence of Exercise
        The exercises to grade.
    seed : int, optional
        Seed of the inputs, the same for all submissions; random by default.
    timeout : float, default 30
        Seconds for reading, parsing and running one answer.
    jobs : int, default 1
        Number of answers that are graded at a time; -1 is one for each core.

    Raises
    ------
    ValueError
        If the timeout is not positive and finite, or if there cannot be that many jobs.
    """
    seed = secrets.randbelow(2**32) if seed is None else seed
    timeout = positive(timeout, "grade", "timeout")
    jobs = joblib.cpu_count() if jobs == -1 else count(jobs, "grade", "jobs")

    def row(answer: tuple[str, Exercise]) -> Row:
        name, exercise = answer
        return _row(name, exercise, answer_path(exercise, submitted[name]), seed, timeout)

    with ThreadPoolExecutor(jobs) as pool:
        answers = [(name, exercise) for name in submitted for exercise in exercises]
        return Grades(seed, list(pool.map(row, answers)))


def _row(name: str, exercise: Exercise, path: Path, seed: int, timeout: float) -> Row:
    started = time.perf_counter()
    with Worker(timeout, graded=True) as worker:
        wrong, printed = worker.check(exercise, path, [[seed, exercise.number]])
    return Row(
        submission=name,
        exercise=str(exercise),
        score=1.0 if wrong is None else round(wrong.score, 4),
        max_score=1.0,
        passed=wrong is None,
        mistake=None if wrong is None else wrong.mistake,
        message=f"{exercise}: right" if wrong is None else str(wrong),
        printed=printed,
        seconds=round(time.perf_counter() - started, 2),
    )


def table(grades: Grades) -> str:
    """Return the rows as text, one line each."""
    width = max(len(row.submission) for row in grades.rows)
    lines = [f"seed {grades.seed}"]
    for row in grades.rows:
        lines.append(f"{row.submission:{width}}  {row.score:4.0%}  {row.message}")
    return "\n".join(lines)


def write(grades: Grades, out: Path) -> list[Path]:
    """Write grades.json, grades.csv, and one results.json in Gradescope's format per submission.

    The results.json of a single submission is in the folder itself, otherwise each is in a
    subfolder named after the submission.
    """
    out.mkdir(parents=True, exist_ok=True)
    rows = [asdict(row) for row in grades.rows]
    paths = [out / "grades.json", out / "grades.csv"]
    _dump(paths[0], {"seed": grades.seed, "minnet": minnet.__version__, "rows": rows})
    table_text = io.StringIO(newline="")
    writer = csv.DictWriter(table_text, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    write_text(paths[1], table_text.getvalue())
    names = list(dict.fromkeys(row.submission for row in grades.rows))
    for name in names:
        folder = out if len(names) == 1 else out / name
        folder.mkdir(exist_ok=True)
        paths.append(folder / "results.json")
        own = [row for row in grades.rows if row.submission == name]
        _dump(paths[-1], gradescope(own, grades.seed))
    return paths


def gradescope(rows: Sequence[Row], seed: int) -> dict[str, object]:
    """Return the content of Gradescope's results.json for the rows of one submission."""
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
    write_text(path, json.dumps(content, indent=2) + "\n")

"""The command ``minnet exercises``: a student's way through them, and a lecturer's."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from minnet.exercises.exercise import Exercise

POLL_SECONDS = 0.3


def add_parser(parser: argparse.ArgumentParser) -> None:
    """Give the parser of ``minnet exercises`` its subcommands."""
    commands = parser.add_subparsers(metavar="what", required=True)

    def add(name: str, run: Callable[..., int], says: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=says, description=says)
        command.set_defaults(run=run)
        return command

    init = add("init", _init, "write the exercises and their tests into a folder")
    init.add_argument("folder", type=Path, metavar="DIR")
    for command in (
        add("list", _list, "what there is, and how far you are"),
        add("run", _run, "check all answers, or one"),
        add("watch", _watch, "check an answer whenever its file is saved"),
        add("hint", _hint, "a hint: to your very mistake where it is a known one"),
        add("reset", _reset, "begin an exercise anew; your file is kept under another name"),
    ):
        name = command.prog.split()[-1]
        if name in ("run", "hint", "reset"):
            command.add_argument("number", metavar="N", nargs="?" if name == "run" else None)
        if name == "hint":
            command.add_argument("level", type=int, choices=(1, 2, 3), nargs="?")
        command.add_argument(
            "--dir", type=Path, default=Path(), help="folder of your answers; this one if not given"
        )
    dev = add("dev-check", _dev_check, "for authors: is every exercise ready?")
    dev.add_argument("number", metavar="N", nargs="?", help="one exercise alone")
    dev.add_argument("--solutions", type=Path, help="folder of right and wrong answers to try")
    _add_grade(add("grade", _grade, "for lecturers: points for folders of answers"))


def _add_grade(grade: argparse.ArgumentParser) -> None:
    grade.add_argument(
        "folders", type=Path, nargs="+", metavar="DIR", help="a submission, or a folder of them"
    )
    grade.add_argument(
        "--isolated",
        action="store_true",
        default=True,
        help="each answer in a process of its own, compared out here; this is the default",
    )
    grade.add_argument(
        "--here", dest="isolated", action="store_false", help="all answers in this process"
    )
    grade.add_argument("--only", nargs="+", metavar="N", help="these exercises alone")
    grade.add_argument("--seed", type=int, help="of the inputs; a fresh one if not given")
    grade.add_argument("--timeout", type=float, default=20, help="seconds for a check (20)")
    grade.add_argument("--out", type=Path, default=Path("grades"), help="folder for the results")


def _init(options: argparse.Namespace) -> int:
    from minnet.exercises import folder
    from minnet.exercises.catalog import catalog

    written, kept = folder.init(options.folder)
    print(f"{options.folder}: {len(written)} files written, {len(kept)} kept as they were")
    print(f"Go there and begin with {catalog()[0].file}.py; `pytest` checks all answers,")
    print("`minnet exercises watch` checks each one as you save it.")
    print("Answers use NumPy and Python alone; other packages are refused when they are graded.")
    return 0


def _list(options: argparse.Namespace) -> int:
    from minnet.exercises.catalog import catalog
    from minnet.exercises.folder import answer_path, wrong_with

    states = []
    for exercise in catalog():
        state = "-"
        if answer_path(exercise, options.dir).exists():
            wrong = wrong_with(exercise, options.dir)
            state = "right" if wrong is None else "wrong"
            if wrong is not None and wrong.mistake == "not_implemented":
                state = "to do"
        states.append(state)
        print(f"{exercise.number:3}  {state:5}  {exercise.minutes:3} min  {exercise.title}")
    print(f"{states.count('right')} of {len(states)} right")
    return 0


def _run(options: argparse.Namespace) -> int:
    from minnet.exercises.catalog import find
    from minnet.exercises.folder import present

    here = present(options.dir)
    chosen = here if options.number is None else [find(options.number)]
    right = sum(_tell(exercise, options.dir) for exercise in chosen)
    if options.number is None:
        print(f"{right} of {len(chosen)} right")
    return int(right < len(chosen))


def _tell(exercise: Exercise, folder: Path) -> bool:
    """Print one line about the answer in the folder; return whether it is right."""
    from minnet.exercises.folder import wrong_with

    wrong = wrong_with(exercise, folder)
    trained = ", and a network trains with it" if exercise.train is not None else ""
    print(f"{exercise}: right{trained}" if wrong is None else wrong, flush=True)
    return wrong is None


def _watch(options: argparse.Namespace) -> int:
    from minnet.exercises.folder import answer_path, present

    here = present(options.dir)
    seen: dict[str, float] = {}
    right: set[str] = set()
    while True:
        for exercise in here:
            path = answer_path(exercise, options.dir)
            saved = path.stat().st_mtime if path.exists() else 0.0
            if seen.get(exercise.name) != saved:
                seen[exercise.name] = saved
                is_right = _tell(exercise, options.dir)
                (right.add if is_right else right.discard)(exercise.name)
                if len(seen) == len(here):
                    print(f"{len(right)} of {len(here)} right", flush=True)
        if len(right) == len(here):
            return 0
        time.sleep(POLL_SECONDS)


def _hint(options: argparse.Namespace) -> int:
    from minnet.exercises import files
    from minnet.exercises.catalog import find
    from minnet.exercises.folder import answer_path, wrong_with

    exercise = find(options.number)
    level = options.level
    if level is None and answer_path(exercise, options.dir).exists():
        wrong = wrong_with(exercise, options.dir)
        mistake = exercise.mistake(wrong.mistake) if wrong is not None else None
        if mistake is not None:
            print(f"{wrong}\n\n{mistake.hint}")
            print(f"\nMore about the exercise: minnet exercises hint {exercise.number} 1")
            return 0
    level = level or 1
    print(files.hints(exercise)[level - 1])
    if level < 3:
        print(f"\nMore: minnet exercises hint {exercise.number} {level + 1}")
    return 0


def _reset(options: argparse.Namespace) -> int:
    from minnet.exercises import folder
    from minnet.exercises.catalog import find

    exercise = find(options.number)
    backup = folder.reset(exercise, options.dir)
    kept = f"; what you wrote is kept in {backup}" if backup else ""
    print(f"{exercise}: {folder.answer_path(exercise, options.dir)} is the stub again{kept}")
    return 0


def _grade(options: argparse.Namespace) -> int:
    from minnet.exercises import grading
    from minnet.exercises.catalog import catalog, find

    exercises = catalog() if options.only is None else tuple(find(n) for n in options.only)
    grades = grading.grade(
        grading.submissions(options.folders),
        exercises,
        isolated=options.isolated,
        seed=options.seed,
        timeout=options.timeout,
    )
    print(grading.table(grades))
    print("written:", *grading.write(grades, options.out), sep="\n  ")
    return 0


def _dev_check(options: argparse.Namespace) -> int:
    from minnet.exercises import devcheck
    from minnet.exercises.catalog import catalog, find

    total = 0
    for exercise in catalog() if options.number is None else (find(options.number),):
        found = list(devcheck.complaints(exercise, options.solutions))
        for complaint in found:
            print(f"{exercise}: {complaint}", file=sys.stderr)
        total += len(found)
        distance, one, other = devcheck.closest(exercise)
        print(
            f"{exercise}: {len(exercise.mistakes)} known mistakes; the closest two, {one} and "
            f"{other}, are {distance:.1g} apart; {len(found) or 'no'} complaints"
        )
    return min(total, 1)

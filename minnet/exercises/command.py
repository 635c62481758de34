"""The command ``minnet exercises``, for students, lecturers and authors of exercises."""

import shlex
import sys
import textwrap
import time
from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from minnet.exercises import devcheck, files, folder, grading, right
from minnet.exercises.catalog import catalog, find
from minnet.exercises.diagnosis import WrongAnswer
from minnet.exercises.exercise import Exercise
from minnet.exercises.files import answer_path
from minnet.exercises.isolation import TIMEOUT, Worker
from minnet.files import as_path

POLL_SECONDS = 0.3

Run = Callable[[Namespace], int]


def add_parser(parser: ArgumentParser) -> None:
    """Add the subcommands to the parser of ``minnet exercises``."""
    commands = parser.add_subparsers(metavar="command", required=True)
    answers = ArgumentParser(add_help=False)
    answers.add_argument(
        "--dir", type=as_path, default=Path(), help="folder of your answers (default: this one)"
    )
    timed = ArgumentParser(add_help=False)
    timed.add_argument(
        "--timeout", type=float, default=TIMEOUT, metavar="SECONDS",
        help="seconds for reading and running one answer (default: %(default)g)",
    )  # fmt: skip

    def add(name: str, run: Run, text: str, *parents: ArgumentParser) -> ArgumentParser:
        command = commands.add_parser(name, help=text, description=text, parents=parents)
        command.set_defaults(run=run)
        return command

    init = add("init", _init, "write the exercises and their tests into a folder")
    init.add_argument("folder", type=as_path, metavar="DIR")
    add("list", _list, "list the exercises and your progress", answers, timed)
    run = add("run", _run, "check all answers, or one: run 1, run e01_dense.py", answers, timed)
    run.add_argument("number", metavar="N", nargs="?", help="number, name, or path of a file")
    add("watch", _watch, "check an answer whenever its file is saved", answers, timed)
    hint = add("hint", _hint, "print a hint, first for the mistake of your last check", answers)
    hint.add_argument("number", metavar="N")
    hint.add_argument("level", type=int, choices=(1, 2, 3), nargs="?")
    reset = add("reset", _reset, "restore the stub of an exercise; your file is renamed", answers)
    reset.add_argument("number", metavar="N")
    dev = add("dev-check", _dev_check, "for authors: check that exercises are complete")
    dev.add_argument("number", metavar="N", nargs="?", help="only this exercise")
    dev.add_argument("--solutions", type=as_path, help="folder of right and wrong answers to test")
    _add_grade(add("grade", _grade, "for lecturers: grade folders of answers", timed))


def _add_grade(grade: ArgumentParser) -> None:
    grade.add_argument(
        "folders", type=as_path, nargs="+", metavar="DIR", help="a submission, or a folder of them"
    )
    grade.add_argument("--isolated", action="store_true", help=SUPPRESS)  # now always so
    grade.add_argument("--only", nargs="+", metavar="N", help="only these exercises")
    grade.add_argument("--seed", type=int, help="seed of the inputs (default: random)")
    grade.add_argument(
        "--jobs", type=int, default=1, metavar="N",
        help="number of answers to grade at a time; -1: one for each core (default: 1)",
    )  # fmt: skip
    grade.add_argument("--out", type=as_path, default=Path("grades"), help="folder for the results")


def _init(options: Namespace) -> int:
    written, kept = folder.init(options.folder)
    print(f"{options.folder}: {len(written)} files written, {len(kept)} existing files kept")
    print(f"Go there and begin with {catalog()[0].file}.py; `pytest` checks all answers,")
    print("`minnet exercises watch` checks each one as you save it.")
    print("Answers use NumPy and Python alone; other packages are refused when they are graded.")
    return 0


def _list(options: Namespace) -> int:
    states = []
    with Worker(options.timeout) as worker:
        for exercise in catalog():
            state = "-"
            if answer_path(exercise, options.dir).exists():
                wrong, _ = _check(worker, exercise, options.dir)
                state = "right" if wrong is None else "wrong"
                if wrong is not None and wrong.mistake == "not_implemented":
                    state = "to do"
            states.append(state)
            print(f"{exercise.number:3}  {state:5}  {exercise.minutes:3} min  {exercise.title}")
    print(f"{states.count('right')} of {len(states)} right")
    return 0


def _run(options: Namespace) -> int:
    with Worker(options.timeout) as worker:
        if options.number is not None:
            return int(not _print_result(worker, *_located(options.number, options.dir)))
        present = folder.exercises_in(options.dir)
        number = sum(_print_result(worker, exercise, options.dir) for exercise in present)
    print(f"{number} of {len(present)} right")
    return int(number < len(present))


def _located(text: str, home: Path) -> tuple[Exercise, Path]:
    """Return the exercise with a number, name or file, and the folder of its answer."""
    path = as_path(text)
    if path.suffix != ".py":
        return find(text), home
    return find(path.stem), home / path.parent


def _check(worker: Worker, exercise: Exercise, home: Path) -> tuple[WrongAnswer | None, str]:
    """Check the answer in the folder with seed 0 and a random seed; keep its mistake."""
    if not answer_path(exercise, home).exists():
        folder.exercises_in(home)  # raises the advice if this is not the folder
        where = "" if home == Path() else f" --dir {shlex.quote(str(home))}"
        command = f"`minnet exercises reset {exercise.number}{where}` writes it"
        text = f"{exercise}: there is no {answer_path(exercise, home)}; {command}"
        return WrongAnswer(text, "missing"), ""
    random = int(np.random.default_rng().integers(1, 2**32))
    wrong, printed = worker.check(exercise, answer_path(exercise, home), [0, random])
    folder.remember(home, exercise, wrong)
    return wrong, printed


def _print_result(worker: Worker, exercise: Exercise, home: Path) -> bool:
    """Print a line about the answer, and what it printed; return whether it is right."""
    wrong, printed = _check(worker, exercise, home)
    print(right(exercise) if wrong is None else wrong)
    if printed:
        print(textwrap.indent(printed.rstrip("\n"), "    | "))
    sys.stdout.flush()
    return wrong is None


def _watch(options: Namespace) -> int:
    present = folder.exercises_in(options.dir)
    saved: dict[str, float] = {}
    is_right: dict[str, bool] = {}
    with Worker(options.timeout) as worker:
        while True:
            for exercise in present:
                path = answer_path(exercise, options.dir)
                modified = path.stat().st_mtime if path.exists() else 0.0
                if saved.get(exercise.name) != modified:
                    saved[exercise.name] = modified
                    is_right[exercise.name] = _print_result(worker, exercise, options.dir)
                    if len(saved) == len(present):
                        print(f"{sum(is_right.values())} of {len(present)} right", flush=True)
            if all(is_right.values()):
                return 0
            time.sleep(POLL_SECONDS)


def _hint(options: Namespace) -> int:
    exercise, home = _located(options.number, options.dir)
    mistake = folder.last_mistake(home, exercise) if options.level is None else None
    if mistake is not None:
        print(f"{mistake['message'].split(' Hint: ')[0]}\n\n{mistake['hint']}")
        print(f"\nMore about the exercise: minnet exercises hint {exercise.number} 1")
        return 0
    level = options.level or 1
    print(files.hints(exercise)[level - 1])
    if level < 3:
        print(f"\nMore: minnet exercises hint {exercise.number} {level + 1}")
    return 0


def _reset(options: Namespace) -> int:
    exercise, home = _located(options.number, options.dir)
    backup = folder.reset(exercise, home)
    kept = f"; your file is kept as {backup}" if backup else ""
    print(f"{exercise}: {answer_path(exercise, home)} is the stub again{kept}")
    return 0


def _grade(options: Namespace) -> int:
    grades = grading.grade(
        grading.submissions(options.folders),
        _chosen(options.only),
        seed=options.seed,
        timeout=options.timeout,
        jobs=options.jobs,
    )
    print(grading.table(grades))
    print("written:", *grading.write(grades, options.out), sep="\n  ")
    return 0


def _dev_check(options: Namespace) -> int:
    complete = True
    for exercise in _chosen(options.number and [options.number]):
        problems = list(devcheck.problems(exercise, options.solutions))
        for problem in problems:
            print(f"{exercise}: {problem}", file=sys.stderr)
        complete = complete and not problems
        print(f"{exercise}: {devcheck.summary(exercise)}; {len(problems) or 'no'} problems")
    return 0 if complete else 1


def _chosen(numbers: Sequence[str] | None) -> tuple[Exercise, ...]:
    """Return the exercises with these numbers, or all."""
    return catalog() if numbers is None else tuple(find(number) for number in numbers)

"""The command ``minnet exercises``, for students, lecturers and authors of exercises."""

import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from pathlib import Path

from minnet.exercises import devcheck, files, folder, grading
from minnet.exercises.catalog import catalog, find
from minnet.exercises.exercise import Exercise
from minnet.exercises.files import answer_path

POLL_SECONDS = 0.3

Run = Callable[[Namespace], int]


def add_parser(parser: ArgumentParser) -> None:
    """Add the subcommands to the parser of ``minnet exercises``."""
    commands = parser.add_subparsers(metavar="command", required=True)
    answers = ArgumentParser(add_help=False)
    answers.add_argument(
        "--dir", type=Path, default=Path(), help="folder of your answers (default: this one)"
    )

    def add(name: str, run: Run, text: str, *parents: ArgumentParser) -> ArgumentParser:
        command = commands.add_parser(name, help=text, description=text, parents=parents)
        command.set_defaults(run=run)
        return command

    init = add("init", _init, "write the exercises and their tests into a folder")
    init.add_argument("folder", type=Path, metavar="DIR")
    add("list", _list, "list the exercises and your progress", answers)
    run = add("run", _run, "check all answers, or one", answers)
    run.add_argument("number", metavar="N", nargs="?")
    add("watch", _watch, "check an answer whenever its file is saved", answers)
    hint = add("hint", _hint, "print a hint, for your own mistake if it is a known one", answers)
    hint.add_argument("number", metavar="N")
    hint.add_argument("level", type=int, choices=(1, 2, 3), nargs="?")
    reset = add("reset", _reset, "restore the stub of an exercise; your file is renamed", answers)
    reset.add_argument("number", metavar="N")
    dev = add("dev-check", _dev_check, "for authors: check that exercises are complete")
    dev.add_argument("number", metavar="N", nargs="?", help="only this exercise")
    dev.add_argument("--solutions", type=Path, help="folder of right and wrong answers to test")
    _add_grade(add("grade", _grade, "for lecturers: grade folders of answers"))


def _add_grade(grade: ArgumentParser) -> None:
    grade.add_argument(
        "folders", type=Path, nargs="+", metavar="DIR", help="a submission, or a folder of them"
    )
    grade.add_argument(
        "--isolated", action="store_true", default=True,
        help="run each answer in a separate process (default)",
    )  # fmt: skip
    grade.add_argument(
        "--here", dest="isolated", action="store_false", help="run all answers in this process"
    )
    grade.add_argument("--only", nargs="+", metavar="N", help="only these exercises")
    grade.add_argument("--seed", type=int, help="seed of the inputs (default: random)")
    grade.add_argument("--timeout", type=float, default=20, help="seconds per check (default: 20)")
    grade.add_argument("--out", type=Path, default=Path("grades"), help="folder for the results")


def _init(options: Namespace) -> int:
    written, kept = folder.init(options.folder)
    print(f"{options.folder}: {len(written)} files written, {len(kept)} existing files kept")
    print(f"Go there and begin with {catalog()[0].file}.py; `pytest` checks all answers,")
    print("`minnet exercises watch` checks each one as you save it.")
    print("Answers use NumPy and Python alone; other packages are refused when they are graded.")
    return 0


def _list(options: Namespace) -> int:
    states = []
    for exercise in catalog():
        state = "-"
        if answer_path(exercise, options.dir).exists():
            wrong = folder.check_file(exercise, options.dir)
            state = "right" if wrong is None else "wrong"
            if wrong is not None and wrong.mistake == "not_implemented":
                state = "to do"
        states.append(state)
        print(f"{exercise.number:3}  {state:5}  {exercise.minutes:3} min  {exercise.title}")
    print(f"{states.count('right')} of {len(states)} right")
    return 0


def _run(options: Namespace) -> int:
    present = folder.exercises_in(options.dir)
    chosen = present if options.number is None else [find(options.number)]
    right = sum(_print_result(exercise, options.dir) for exercise in chosen)
    if options.number is None:
        print(f"{right} of {len(chosen)} right")
    return int(right < len(chosen))


def _print_result(exercise: Exercise, home: Path) -> bool:
    """Print one line about the answer in the folder; return whether it is right."""
    wrong = folder.check_file(exercise, home)
    trained = ", and a network trains with it" if exercise.train is not None else ""
    print(f"{exercise}: right{trained}" if wrong is None else wrong, flush=True)
    return wrong is None


def _watch(options: Namespace) -> int:
    present = folder.exercises_in(options.dir)
    saved: dict[str, float] = {}
    right: dict[str, bool] = {}
    while True:
        for exercise in present:
            path = answer_path(exercise, options.dir)
            modified = path.stat().st_mtime if path.exists() else 0.0
            if saved.get(exercise.name) != modified:
                saved[exercise.name] = modified
                right[exercise.name] = _print_result(exercise, options.dir)
                if len(saved) == len(present):
                    print(f"{sum(right.values())} of {len(present)} right", flush=True)
        if all(right.values()):
            return 0
        time.sleep(POLL_SECONDS)


def _hint(options: Namespace) -> int:
    exercise, level = find(options.number), options.level
    if level is None and answer_path(exercise, options.dir).exists():
        wrong = folder.check_file(exercise, options.dir)
        if wrong is not None and wrong.hint is not None:
            print(f"{wrong}\n\n{wrong.hint}")
            print(f"\nMore about the exercise: minnet exercises hint {exercise.number} 1")
            return 0
    level = level or 1
    print(files.hints(exercise)[level - 1])
    if level < 3:
        print(f"\nMore: minnet exercises hint {exercise.number} {level + 1}")
    return 0


def _reset(options: Namespace) -> int:
    exercise = find(options.number)
    backup = folder.reset(exercise, options.dir)
    kept = f"; what you wrote is kept in {backup}" if backup else ""
    print(f"{exercise}: {answer_path(exercise, options.dir)} is the stub again{kept}")
    return 0


def _grade(options: Namespace) -> int:
    grades = grading.grade(
        grading.submissions(options.folders),
        _chosen(options.only),
        isolated=options.isolated,
        seed=options.seed,
        timeout=options.timeout,
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

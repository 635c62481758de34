"""The command ``minnet exercises``: init, run, watch, hint, reset, and tests in the folder."""

import errno
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minnet.__main__ import main
from minnet.exercises import catalog, command, files, find

SOLUTIONS = Path(__file__).parent / "solutions"
HINT = "Hint: minnet exercises hint"


def run(*arguments):
    return main(["exercises", *map(str, arguments)])


@pytest.fixture
def folder(tmp_path):
    run("init", tmp_path / "work")
    return tmp_path / "work"


def solve(folder, name, source=None):
    """Replace the stub by a right answer or the given source."""
    path = folder / f"{find(name).file}.py"
    if source is None:
        shutil.copy(SOLUTIONS / path.name, path)
    else:
        path.write_text(source, encoding="utf-8")


def pytest_in(folder, *arguments):
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pytest", *arguments],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_init_writes_a_stub_and_a_test_for_each_exercise(tmp_path, capsys):
    folder = tmp_path / "new" / "work"
    assert run("init", folder) == 0
    for exercise in catalog():
        assert (folder / f"{exercise.file}.py").read_text() == files.stub(exercise)
        assert f'check("{exercise.name}", ' in (folder / f"test_{exercise.file}.py").read_text()
    assert len(list(folder.iterdir())) == 2 * len(catalog()) + 2
    output = capsys.readouterr().out
    assert "begin with e01_dense.py" in output
    assert "Answers use NumPy and Python alone" in output


def test_init_leaves_no_empty_files_on_a_full_disk(tmp_path, monkeypatch, capsys):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert run("init", tmp_path / "work") == 1
    assert "No space left" in capsys.readouterr().err
    assert not list((tmp_path / "work").iterdir())


def test_init_keeps_existing_files(folder, capsys):
    solve(folder, "dense", "my work")
    (folder / "e03_softmax_cross_entropy.py").unlink()
    assert run("init", folder) == 0
    assert (folder / "e01_dense.py").read_text() == "my work"
    assert (folder / "e03_softmax_cross_entropy.py").exists()
    assert "1 files written, " in capsys.readouterr().out


def test_pytest_prints_one_line_per_exercise_in_a_short_time(folder):
    solve(folder, "activations", "def activation(kind, x, dy, slope):\n    return x @ dy, dy\n")
    solve(folder, "initializers", "def initialize(rule, shape rng):\n    pass\n")
    times = [os.times().children_user]
    subprocess.run([sys.executable, "-c", "import numpy, pytest"], check=True)
    times.append(os.times().children_user)
    lines = pytest_in(folder)
    times.append(os.times().children_user)
    imports, checks = np.diff(times)
    assert lines[0] == f"e01 dense: not implemented yet. {HINT} 1"
    assert lines[1].startswith(
        "e02 activations: it stops with ValueError in line 2, `return x @ dy, dy`: matmul"
    )
    assert lines[3] == "e04 initializers: SyntaxError in line 1: invalid syntax"
    assert f"0 of {len(catalog())} right" in lines
    assert len([line for line in lines if line]) == len(catalog()) + 2
    assert checks < 12 * imports  # 6 to 8 times; both are times of the processor


def test_pytest_passes_a_right_answer(folder):
    solve(folder, "dense")
    assert pytest_in(folder, "test_e01_dense.py")[0] == "e01 dense: right"


def test_a_full_traceback_shows_only_the_message(folder):
    lines = pytest_in(folder, "test_e01_dense.py", "--tb=long")
    assert lines.count(f"e01 dense: not implemented yet. {HINT} 1") == 2
    assert not any("check(" in line or "raise" in line for line in lines)


def test_tests_added_by_a_student_run_but_are_not_counted(folder):
    solve(folder, "dense")
    (folder / "test_mine.py").write_text("def test_mine():\n    assert True\n")
    lines = pytest_in(
        folder, "test_e01_dense.py", "test_e03_softmax_cross_entropy.py", "test_mine.py"
    )
    assert lines[0] == "e01 dense: right"
    assert "1 of 2 right" in lines
    assert "1 failed, 2 passed" in lines[-1]


def test_answers_may_import_files_of_their_folder_which_are_reloaded(folder, tmp_path, capsys):
    answer = "from helper import activation\n"
    solve(folder, "activations", answer)
    searched = sys.path[:]
    for text in ("first", "second one"):
        helper = f"def activation(kind, x, dy, slope):\n    raise ValueError({text!r})\n"
        (folder / "helper.py").write_text(helper)
        capsys.readouterr()
        assert run("run", 2, "--dir", folder) == 1
        assert f": {text}. Hint" in capsys.readouterr().out
    assert sys.path == searched
    assert "helper" not in sys.modules


def test_run_prints_each_result_and_the_number_right(folder, capsys):
    solve(folder, "dense")
    capsys.readouterr()
    assert run("run", "--dir", folder) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "e01 dense: right, and a network trains with it"
    assert lines[1] == f"e02 activations: not implemented yet. {HINT} 2"
    assert lines[-1] == f"1 of {len(catalog())} right"


@pytest.mark.parametrize(
    ("here", "argument"),
    [
        ("work", "1"),
        ("work", "dense"),
        ("work", "e01"),
        ("work", "e01_dense"),
        ("work", "e01_dense.py"),
        ("work", "./e01_dense.py"),
        (".", "work/e01_dense.py"),
        (".", "{absolute}"),
    ],
)
def test_run_accepts_a_number_a_name_or_a_file(here, argument, folder, capsys, monkeypatch):
    monkeypatch.chdir(folder.parent / here)
    capsys.readouterr()
    assert run("run", argument.format(absolute=folder / "e01_dense.py")) == 1
    assert capsys.readouterr().out == f"e01 dense: not implemented yet. {HINT} 1\n"


@pytest.mark.parametrize("arguments", [("run",), ("run", "e01_dense.py"), ("watch",), ("reset", 1)])
def test_in_the_parent_folder_the_advice_is_to_change_the_folder(
    arguments, folder, capsys, monkeypatch
):
    monkeypatch.chdir(folder.parent)
    before = sorted(folder.parent.iterdir())
    assert run(*arguments) == 1
    error = capsys.readouterr().err
    assert error.endswith("; go to their folder first: `cd work`\n")
    assert sorted(folder.parent.iterdir()) == before


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import os; os._exit(0)", "it ended the Python process with exit code 0"),
        ("while True: pass", "it did not end within 0.5 seconds; look for an endless loop"),
    ],
)
def test_run_reports_an_answer_that_does_not_return(source, message, folder, capsys):
    solve(folder, "dense", source)
    capsys.readouterr()
    seconds = 0.5 if "while" in source else 60
    assert run("run", 1, "--dir", folder, "--timeout", seconds) == 1
    assert capsys.readouterr().out == f"e01 dense: {message}. {HINT} 1\n"


@pytest.mark.parametrize("command", ["run", "watch", "list"])
@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf"])
def test_a_timeout_must_be_positive_and_finite(command, seconds, folder, capsys):
    assert run(command, "--dir", folder, f"--timeout={seconds}") == 1
    assert "expected timeout to be positive and finite, got" in capsys.readouterr().err


def test_an_answer_that_ends_the_process_does_not_affect_the_next(folder, capsys):
    solve(folder, "dense", "import os; os._exit(0)")
    solve(folder, "activations")
    capsys.readouterr()
    assert run("run", "--dir", folder) == 1
    assert "e02 activations: right" in capsys.readouterr().out.splitlines()[1]


def test_output_of_an_answer_is_folded(folder, capsys):
    solve(folder, "dense", "for i in range(129): print('line', i)\nclass Dense: pass\n")
    capsys.readouterr()
    assert run("run", 1, "--dir", folder) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("e01 dense: it stops with TypeError")
    assert lines[1:] == [*(f"    | line {i}" for i in range(8)), "    | ... 121 more lines"]


def test_list_shows_title_minutes_and_state(folder, capsys):
    solve(folder, "dense")
    solve(folder, 2, "activation = 3")
    capsys.readouterr()
    assert run("list", "--dir", folder) == 0
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r" +1 +right +20 min +The dense layer", lines[0])
    assert re.fullmatch(r" +2 +wrong +25 min +Activations and their slopes", lines[1])
    assert re.fullmatch(r" +3 +to do +30 min .*", lines[2])
    assert lines[-1] == f"1 of {len(catalog())} right"


@pytest.mark.parametrize("checked_by", ["run", "pytest"])
def test_hint_prints_the_hint_for_the_mistake_of_the_last_check(checked_by, folder, capsys):
    right = (SOLUTIONS / "e01_dense.py").read_text()
    solve(folder, "dense", right.replace("dy.sum(axis=0)", "dy.mean(axis=0)", 1))
    if checked_by == "run":
        assert run("run", 1, "--dir", folder) == 1
    else:
        pytest_in(folder, "test_e01_dense.py")
    capsys.readouterr()
    assert run("hint", 1, "--dir", folder) == 0
    kept = json.loads((folder / ".minnet-exercises.json").read_text())["e01 dense"]
    output = capsys.readouterr().out
    message, _, advice = kept["message"].partition(" Hint: ")
    assert output.startswith(f"{message}\n\n{kept['hint']}\n")
    assert advice
    assert output.count("minnet exercises hint") == 1
    assert "mean" in kept["message"]
    assert kept["mistake"]
    if checked_by == "run":
        solve(folder, "dense")
        assert run("run", 1, "--dir", folder) == 0
    else:
        assert run("reset", 1, "--dir", folder) == 0
    capsys.readouterr()
    assert run("hint", 1, "--dir", folder) == 0
    assert capsys.readouterr().out.startswith(files.hints(find(1))[0])


@pytest.mark.parametrize("content", ["", "[1]", '{"e03 softmax_cross_entropy": 3}', "\0"])
def test_a_damaged_file_of_mistakes_is_ignored(content, folder, capsys):
    (folder / ".minnet-exercises.json").write_text(content)
    capsys.readouterr()
    assert run("hint", 3, "--dir", folder) == 0
    assert capsys.readouterr().out.startswith(files.hints(find(3))[0])


def test_hint_has_three_levels_and_prints_the_first_for_a_stub(folder, capsys):
    capsys.readouterr()
    for arguments, level in ((("3",), 1), (("3", "1"), 1), (("3", "2"), 2), (("3", "3"), 3)):
        assert run("hint", *arguments, "--dir", folder) == 0
        output = capsys.readouterr().out
        assert output.startswith(files.hints(find(3))[level - 1])
        assert (f"minnet exercises hint 3 {level + 1}" in output) == (level < 3)


def test_reset_renames_the_existing_file(folder, capsys):
    for number in (1, 2):
        solve(folder, "dense", f"attempt {number}")
        assert run("reset", 1, "--dir", folder) == 0
        assert (folder / f"e01_dense.py.bak{number}").read_text() == f"attempt {number}"
        assert (folder / "e01_dense.py").read_text() == files.stub(find(1))
    assert "e01_dense.py.bak2" in capsys.readouterr().out


def test_a_missing_answer_is_reported_with_the_command_that_creates_it(folder, capsys):
    (folder / "e01_dense.py").unlink()
    assert run("run", 1, "--dir", folder) == 1
    output = capsys.readouterr().out
    assert "there is no" in output
    assert f"e01_dense.py; `minnet exercises reset 1 --dir {folder}` writes it" in output


def test_watch_checks_saved_files_until_all_are_right(folder, capsys, monkeypatch):
    for exercise in catalog()[1:]:
        (folder / f"{exercise.file}.py").unlink()
    saves = iter([None, "wrong", "right"])

    def save(seconds):
        kind = next(saves)
        if kind == "wrong":
            solve(folder, "dense", "Dense = 3")
        if kind == "right":
            solve(folder, "dense")

    monkeypatch.setattr(command.time, "sleep", save)
    capsys.readouterr()
    assert run("watch", "--dir", folder) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(".")[0] for line in lines] == [
        "e01 dense: not implemented yet",
        "0 of 1 right",
        "e01 dense: Dense is no function or class, but 3",
        "0 of 1 right",
        "e01 dense: right, and a network trains with it",
        "1 of 1 right",
    ]


@pytest.mark.parametrize("arguments", [("run",), ("watch",)])
def test_a_folder_without_exercises_is_reported(arguments, tmp_path, capsys):
    assert run(*arguments, "--dir", tmp_path) == 1
    assert f"; `minnet exercises init {tmp_path}` writes them" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [("run", "99"), ("hint", "x"), ("reset", "0")])
def test_an_unknown_exercise_is_reported(arguments, folder, capsys):
    assert run(*arguments, "--dir", folder) == 1
    assert "there is no exercise" in capsys.readouterr().err


def test_dev_check_accepts_a_complete_exercise(capsys):
    assert run("dev-check", 1, "--solutions", SOLUTIONS) == 0
    output = capsys.readouterr().out
    assert re.match(r"e01 dense: \d+ distinct mistakes, 6 of them in words of their", output)
    assert output.endswith("no problems\n")


def test_dev_check_reports_problems(capsys, monkeypatch):
    monkeypatch.setattr(files, "hints", lambda exercise: ["one"])
    assert run("dev-check", 1) == 1
    assert "there should be three hints" in capsys.readouterr().err

"""Grading: a row for every submission, timeouts, isolation, and the format of the files."""

import csv
import errno
import importlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from helpers.submissions import ENDLESS, FILE, STUDENT, SUBMISSIONS, WRONG

from minnet.__main__ import main
from minnet.exercises import diagnosis, files, find, grading, isolation, worker
from minnet.exercises.observation import Fault, Observation

SOLUTIONS = Path(__file__).parent / "solutions"
RESULTS = list(diagnosis.right_results(find(3), find(3).case(0)))
CREDIT = sum(name.startswith("dlogits") for name in RESULTS) / (len(RESULTS) + 2)


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """Grade all submissions once by the command; return the rows by name, and the folder."""
    root = tmp_path_factory.mktemp("course")
    (root / "endless" / "fifo").mkdir(parents=True)
    os.mkfifo(root / "endless" / "fifo" / FILE)
    rows = {}
    groups = (("handed_in", SUBMISSIONS, 120), ("endless", ENDLESS, 2))
    for group, submissions, timeout in groups:
        for name, (source, _, _) in submissions.items():
            path = root / group / name / FILE
            path.parent.mkdir(parents=True)
            if callable(source):
                source(path)
            elif source is not None:
                path.write_bytes(source if isinstance(source, bytes) else source.encode())
        out = root / f"out_{group}"
        options = ["--only", "3", "--timeout", str(timeout), "--jobs", "2", "--out", str(out)]
        assert main(["exercises", "grade", str(root / group), *options]) == 0
        grades = json.loads((out / "grades.json").read_text())
        rows |= {row["submission"]: row for row in grades["rows"]}
    assert (root / "handed_in" / "right" / FILE).read_text() == STUDENT
    return rows, root / "out_handed_in"


@pytest.mark.parametrize("name", SUBMISSIONS | ENDLESS)
def test_every_submission_gets_a_row(graded, name):
    row, (_, mistake, message) = graded[0][name], (SUBMISSIONS | ENDLESS)[name]
    assert row["mistake"] == mistake, row["message"]
    assert message in row["message"]
    assert row["passed"] == (mistake is None)
    assert (row["score"] == 1.0) == row["passed"]
    assert row["exercise"] == "e03 softmax_cross_entropy"
    assert len(row["message"]) < 3000
    assert name not in ENDLESS or 2 <= row["seconds"] < 10


def test_partial_credit_counts_the_checks_passed(graded):
    # the losses are wrong, the gradients right; contract and network count where all is right
    assert graded[0]["wrong"]["score"] == round(CREDIT, 4)
    assert graded[0]["missing"]["score"] == 0


def test_output_is_kept_and_folded(graded):
    printed = graded[0]["prints"]["printed"]
    assert printed.startswith("xxx")
    assert len(printed) < 1200
    assert printed.endswith("... 100001 more lines\n")
    assert graded[0]["endless_import"]["printed"].startswith("x\nx\n")


def test_results_json_has_the_form_that_gradescope_reads(graded):
    for name in SUBMISSIONS:
        results = json.loads((graded[1] / name / "results.json").read_text())
        assert set(results) == {"score", "execution_time", "extra_data", "tests"}
        assert results["score"] == sum(test["score"] for test in results["tests"])
        assert isinstance(results["extra_data"]["seed"], int)
        (test,) = results["tests"]
        assert test["max_score"] == 1.0
        assert test["status"] in ("passed", "failed")
        assert graded[0][name]["message"] in test["output"]


def test_grades_csv_has_a_line_for_each_row(graded):
    with (graded[1] / "grades.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["submission"] for row in rows] == sorted(SUBMISSIONS)
    assert {row["exercise"] for row in rows} == {"e03 softmax_cross_entropy"}


@pytest.fixture
def one(tmp_path):
    folder = tmp_path / "ada"
    folder.mkdir()
    shutil.copy(SOLUTIONS / "e04_initializers.py", folder)
    (folder / FILE).write_text(WRONG)
    return folder


def test_the_seed_is_random_recorded_and_repeatable(one):
    (one / "e01_dense.py").write_text(  # its message holds the values
        "class Dense:\n"
        "    def __init__(self, weight, bias): self.weight, self.bias = weight, bias\n"
        "    def forward(self, x): return x @ self.weight + x[:, :1] ** 3 / 7\n"
        "    def backward(self, dy): return dy\n"
    )
    exercises = (find(1),)
    submitted = grading.submissions([one])
    first, second = (grading.grade(submitted, exercises) for _ in range(2))
    assert first.seed != second.seed
    assert first.rows[0].message != second.rows[0].message
    again = grading.grade(submitted, exercises, seed=first.seed)
    assert again.seed == first.seed
    assert again.rows[0].message == first.rows[0].message


def test_results_json_of_a_single_submission_is_in_the_output_folder(one, tmp_path, capsys):
    out = tmp_path / "results"
    assert main(["exercises", "grade", str(one), "--only", "3", "1", "--out", str(out)]) == 0
    results = json.loads((out / "results.json").read_text())
    assert [test["name"] for test in results["tests"]] == ["e03 softmax_cross_entropy", "e01 dense"]
    output = capsys.readouterr().out
    assert f"ada  {CREDIT:4.0%}  e03 softmax_cross_entropy: loss is the sum over the rows" in output
    assert "there is no e01_dense.py" in output


def test_submissions_and_folders_of_submissions_can_be_mixed(one, tmp_path):
    for name in ("grace", "emmy"):
        (tmp_path / "more" / name).mkdir(parents=True)
    (tmp_path / "more" / "ada").mkdir()
    found = grading.submissions([one, tmp_path / "more"])
    assert list(found) == ["ada", "more-ada", "emmy", "grace"]


def test_submissions_with_equal_names_have_separate_results(tmp_path):
    folders = [tmp_path / name / "hw" for name in ("a", "b")]
    for folder, source in zip(folders, (STUDENT, "no = 'answer'\n"), strict=True):
        folder.mkdir(parents=True)
        (folder / FILE).write_text(source)
    submitted = grading.submissions(folders)
    assert submitted == {"hw": folders[0], "b-hw": folders[1]}
    grades = grading.grade(submitted, (find(3),), seed=0)
    grading.write(grades, tmp_path / "out")
    scores = [
        json.loads((tmp_path / "out" / name / "results.json").read_text())["score"]
        for name in submitted
    ]
    assert scores == [row.score for row in grades.rows]
    assert scores[1] < scores[0] == 1.0


@pytest.mark.parametrize(
    ("option", "value"),
    [("timeout", 0), ("timeout", -1), ("timeout", "nan"), ("timeout", "inf"), ("jobs", 0)],
)
def test_a_timeout_that_is_not_positive_and_jobs_below_1_are_rejected(option, value, one, capsys):
    assert main(["exercises", "grade", str(one), f"--{option}={value}"]) == 1
    error = capsys.readouterr().err
    assert f"grade: expected {option} to be " in error
    assert "got" in error


def test_child_processes_of_an_answer_are_killed(tmp_path):
    path = tmp_path / FILE
    path.write_text(  # multiprocessing starts a process without Python's own functions
        "import sys, multiprocessing.util as util\n"
        "code = [sys.executable.encode(), b'-c', b'import time; time.sleep(20)']\n"
        "print(util.spawnv_passfds(code[0], code, []))\n" + STUDENT
    )
    with isolation.Worker(60) as process:
        wrong, printed = process.check(find(3), path, [0])
    assert wrong is None
    pid = int(printed)
    deadline = time.monotonic() + 2
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_running(pid)


def test_installed_packages_in_the_folder_of_answers_are_not_answers():
    # a virtual environment is often created in the folder of the answers
    here, packages = Path(__file__).parent, Path(np.__file__).parents[1]
    with pytest.raises(PermissionError, match="must not start or end processes"):
        worker._refuse({f"{here}{os.sep}"}, "os.fork", ())
    worker._refuse({f"{packages}{os.sep}"}, "os.fork", ())
    sys.modules.pop("numpy.f2py.symbolic", None)
    with files.imports_from(packages, "answer"):
        importlib.import_module("numpy.f2py.symbolic")
    assert "numpy.f2py.symbolic" in sys.modules


def is_running(pid):
    """Return whether a process is running; a zombie is not."""
    done = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return bool(done.stdout.strip()) and not done.stdout.strip().startswith("Z")


def test_a_missing_folder_is_reported(tmp_path, capsys):
    assert main(["exercises", "grade", str(tmp_path / "none")]) == 1
    assert "none" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("source", "banned"),
    [
        ("import numpy as np", []),
        ("import torch", ["torch"]),
        ("import torch.nn as nn, jax", ["jax", "torch"]),
        ("def f():\n    from tensorflow import keras", ["tensorflow"]),
        ("from minnet import Dense", ["minnet"]),
        ("from minnet.exercises import check", []),
        ("import minnet.exercises", ["minnet"]),
        ("from minnet.exercises import find", ["minnet"]),
        ("from minnet.exercises import check, find", ["minnet"]),
        ("__import__('torch')", ["torch"]),
        ("import helper", ["jax"]),
        ("from helper import x", ["jax"]),
        ("from minnet.exercises.catalog import e01_dense", ["minnet"]),
        ("from . import minnet", []),
        ("import minnetwork", []),
        ("def f(:", []),
    ],
)
def test_banned_imports_are_found(source, banned, tmp_path):
    (tmp_path / "helper.py").write_text("import other_helper\n")
    (tmp_path / "other_helper.py").write_text("import helper, jax\n")
    assert files.banned_imports(source.encode(), tmp_path) == banned


def test_an_observation_is_restored_from_its_bytes():
    observation = Observation(
        {"y of a": np.eye(2)},
        Fault("error", "it stops."),
        again=lambda: {"y of a": np.zeros(2)},
        derivatives=lambda: {"dx": np.ones(3)},
    )
    restored = isolation.unpack(isolation.pack(observation))
    np.testing.assert_array_equal(restored.results["y of a"], np.eye(2))
    np.testing.assert_array_equal(restored.again()["y of a"], np.zeros(2))
    np.testing.assert_array_equal(restored.derivatives()["dx"], np.ones(3))
    assert restored.fault == Fault("error", "it stops.")
    assert restored.logits is None


def test_results_that_unpack_to_a_large_size_are_rejected(monkeypatch):
    data = isolation.pack(Observation({"y": np.zeros(1000)}))
    monkeypatch.setattr(isolation, "LARGEST", 1000)
    with pytest.raises(ValueError, match="too large"):
        isolation.unpack(data)


def test_files_are_written_as_a_whole_or_not_at_all(one, tmp_path, monkeypatch):
    (one / FILE).unlink()
    grades = grading.grade({"a": one}, (find(3),), seed=0)
    paths = grading.write(grades, tmp_path / "out")
    before = [path.read_bytes() for path in paths]

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        grading.write(grading.Grades(1, grades.rows), tmp_path / "out")
    assert [path.read_bytes() for path in paths] == before

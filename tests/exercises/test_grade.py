"""Grading: a row for every submission, timeouts, isolation, and the format of the files."""

import csv
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from minnet.__main__ import main
from minnet.exercises import find, grading, isolation
from minnet.exercises.diagnosis import right_results
from minnet.exercises.observation import Fault, Observation

SOLUTIONS = Path(__file__).parent / "solutions"
STUDENT = (
    "import numpy as np\n"
    "def softmax_cross_entropy(logits, labels):\n"
    "    s = logits - logits.max(axis=1, keepdims=True)\n"
    "    log_p = s - np.log(np.exp(s).sum(axis=1, keepdims=True))\n"
    "    rows = np.arange(len(labels))\n"
    "    d = np.exp(log_p)\n"
    "    d[rows, labels] -= 1\n"
    "    return -log_p[rows, labels].mean(), d / len(labels)\n"
)
ENDLESS = ("endless", "endless_import")
WRONG = STUDENT.replace(".mean()", ".sum()")
RESULTS = list(right_results(find(3), find(3).case(0)))
CREDIT = sum(name.startswith("dlogits") for name in RESULTS) / (len(RESULTS) + 2)
SUBMISSIONS = {
    "right": STUDENT,
    "wrong": WRONG,
    "endless": STUDENT.replace("    rows", "    while True: pass\n    rows"),
    "endless_import": STUDENT + "while True: print('x')\n",
    "no_import": "import nothing_of_that_name\n" + STUDENT,
    "no_answer": "def other(): pass\n",
    "equal_to_all": STUDENT
    + "class Any:\n    def __eq__(self, other): return True\n"
    + "def softmax_cross_entropy(logits, labels): return Any(), Any()\n",
    "patches_allclose": "import numpy\nnumpy.allclose = lambda *a, **k: True\n"
    + "numpy.testing.assert_allclose = lambda *a, **k: None\n" + WRONG,
    "exits": "import os\n" + STUDENT.replace("    rows", "    os._exit(0)\n    rows"),
    "exits_at_import": "import os\nos._exit(3)\n",
    "prints": "print('x' * 1_000_000)\n" + STUDENT,
    "forges": "import sys, os, numpy as np\nnp.savez(open(sys.argv[4], 'wb'), logits=np.ones(3))\n"
    + "os._exit(0)\n",
    "forges_pickle": "import sys, os, numpy as np\n"
    + "np.savez(open(sys.argv[4], 'wb'), loss=np.array([{}], object))\nos._exit(0)\n",
    "forges_noise": "import sys, os\nopen(sys.argv[4], 'wb').write(b'noise')\nos._exit(0)\n",
    "banned": "from torch.nn import functional\n" + STUDENT,
    "missing": None,
}  # fmt: skip
EXPECTED = {
    "right": None,
    "wrong": "loss_summed",
    "endless": "timeout",
    "endless_import": "timeout",
    "no_import": "import",
    "no_answer": "import",
    "equal_to_all": "no_array",
    "patches_allclose": "loss_summed",
    "exits": "exit",
    "exits_at_import": "exit",
    "prints": None,
    "forges": "no_result",
    "forges_pickle": "results",
    "forges_noise": "results",
    "banned": "banned",
    "missing": "missing",
}


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """Grade all submissions once by the command; return the rows by name, and the folder."""
    root = tmp_path_factory.mktemp("course")
    for name, source in SUBMISSIONS.items():
        folder = root / ("endless" if name in ENDLESS else "handed_in") / name
        folder.mkdir(parents=True)
        if source is not None:
            (folder / "e03_softmax_cross_entropy.py").write_text(source)
    rows = {}
    for out, folder, timeout in (("out", "handed_in", 60), ("out_endless", "endless", 2)):
        where = [str(root / folder), "--out", str(root / out)]
        options = ["--isolated", "--only", "3", "--timeout", str(timeout)]
        assert main(["exercises", "grade", *where, *options]) == 0
        grades = json.loads((root / out / "grades.json").read_text())
        rows |= {row["submission"]: row for row in grades["rows"]}
    return rows, root / "out"


@pytest.mark.parametrize("name", SUBMISSIONS)
def test_every_submission_gets_a_row(graded, name):
    row = graded[0][name]
    assert row["mistake"] == EXPECTED[name], row["message"]
    assert row["passed"] == (EXPECTED[name] is None)
    assert (row["score"] == 1.0) == row["passed"]
    assert row["exercise"] == "e03 softmax_cross_entropy"


def test_an_endless_loop_ends_after_the_timeout(graded):
    for name in ENDLESS:
        assert 2 <= graded[0][name]["seconds"] < 10
        assert "no end after 2 seconds" in graded[0][name]["message"]


def test_partial_credit_counts_the_checks_passed(graded):
    # the losses are wrong, the gradients right; contract and network count where all is right
    assert graded[0]["wrong"]["score"] == round(CREDIT, 4)
    assert graded[0]["missing"]["score"] == 0


def test_output_is_kept_and_cut(graded):
    printed = graded[0]["prints"]["printed"]
    assert printed.startswith("xxx")
    assert printed.endswith("... (cut)")
    assert len(printed) < 2100


def test_results_json_has_the_form_that_gradescope_reads(graded):
    for name in set(SUBMISSIONS) - set(ENDLESS):
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
    assert [row["submission"] for row in rows] == sorted(set(SUBMISSIONS) - set(ENDLESS))
    assert {row["exercise"] for row in rows} == {"e03 softmax_cross_entropy"}


@pytest.fixture
def one(tmp_path):
    folder = tmp_path / "ada"
    folder.mkdir()
    shutil.copy(SOLUTIONS / "e04_initializers.py", folder)
    (folder / "e03_softmax_cross_entropy.py").write_text(WRONG)
    return folder


def test_the_seed_is_random_recorded_and_repeatable(one):
    source = STUDENT.replace(".mean()", ".mean() + 0.1")  # its message holds the values
    (one / "e03_softmax_cross_entropy.py").write_text(source)
    exercises = (find(3),)
    submitted = grading.submissions([one])
    first, second = (grading.grade(submitted, exercises, isolated=False) for _ in range(2))
    assert first.seed != second.seed
    assert first.rows[0].message != second.rows[0].message
    again = grading.grade(submitted, exercises, isolated=False, seed=first.seed)
    assert again.seed == first.seed
    assert again.rows[0].message == first.rows[0].message


def test_grading_in_this_process_gives_the_same_rows(one):
    rows = [
        grading.grade(grading.submissions([one]), (find(3),), isolated=isolated, seed=5).rows[0]
        for isolated in (False, True)
    ]
    assert rows[0].message == rows[1].message
    assert rows[0].score == rows[1].score


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
    for folder, source in zip(folders, (STUDENT, WRONG), strict=True):
        folder.mkdir(parents=True)
        (folder / "e03_softmax_cross_entropy.py").write_text(source)
    submitted = grading.submissions(folders)
    assert submitted == {"hw": folders[0], "b-hw": folders[1]}
    grades = grading.grade(submitted, (find(3),), isolated=False, seed=0)
    grading.write(grades, tmp_path / "out")
    scores = [
        json.loads((tmp_path / "out" / name / "results.json").read_text())["score"]
        for name in submitted
    ]
    assert scores == [row.score for row in grades.rows]
    assert scores[1] < scores[0] == 1.0


def test_answers_are_isolated_by_default(one, tmp_path, monkeypatch):
    modes = []

    def grade(submitted, exercises, *, isolated, **options):
        modes.append(isolated)
        return actual(submitted, (), isolated=isolated, **options)

    actual = grading.grade
    monkeypatch.setattr(grading, "grade", grade)
    monkeypatch.setattr(grading, "table", lambda grades: "")
    monkeypatch.setattr(grading, "write", lambda grades, out: [])
    for options in ([], ["--isolated"], ["--here"]):
        assert main(["exercises", "grade", str(one), *options]) == 0
    assert modes == [True, True, False]


def test_child_processes_of_an_answer_are_killed(tmp_path):
    path = tmp_path / "e03_softmax_cross_entropy.py"
    path.write_text(
        "import subprocess, sys\n"
        + "child = [sys.executable, '-c', 'import time; time.sleep(20)']\n"
        + "print(subprocess.Popen(child, stdout=subprocess.DEVNULL).pid)\n" + STUDENT
    )  # fmt: skip
    observation, printed = isolation.observe_isolated(find(3), path, [0], False, 60)
    assert observation.fault is None
    pid = int(printed)
    deadline = time.monotonic() + 2
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_running(pid)


def is_running(pid):
    """Return whether a process is running; a zombie is not."""
    done = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return bool(done.stdout.strip()) and not done.stdout.strip().startswith("Z")


@pytest.mark.parametrize("isolated", [True, False])
def test_a_failed_import_is_reported_with_a_hint(isolated, tmp_path):
    (tmp_path / "e03_softmax_cross_entropy.py").write_text("import nothing_of_that_name\n")
    (row,) = grading.grade({"a": tmp_path}, (find(3),), isolated=isolated).rows
    assert "No module named 'nothing_of_that_name'. Hint: " in row.message


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
        ("import minnet.exercises, minnet.layers", ["minnet"]),
        ("from minnet.exercises.catalog import e01_dense", ["minnet"]),
        ("from . import minnet", []),
        ("import minnetwork", []),
        ("def f(:", []),
    ],
)
def test_banned_imports_are_found(source, banned, tmp_path):
    (tmp_path / "answer.py").write_text(source)
    assert grading.banned_imports(tmp_path / "answer.py") == banned


def test_an_observation_is_restored_from_its_file(tmp_path):
    observation = Observation(
        {"y of a": np.eye(2)}, Fault("error", "it stops."), lambda: {"dx": np.ones(3)}
    )
    isolation.write_observation(tmp_path / "observation.npz", observation)
    read = isolation.read_observation(tmp_path / "observation.npz")
    np.testing.assert_array_equal(read.results["y of a"], np.eye(2))
    np.testing.assert_array_equal(read.derivatives()["dx"], np.ones(3))
    assert read.fault == Fault("error", "it stops.")
    assert read.logits is None


def test_a_missing_output_of_the_network_is_reported(tmp_path):
    isolation.write_observation(tmp_path / "observation.npz", Observation({"y": np.zeros(3)}))
    assert isolation.read_outputs(tmp_path / "observation.npz", 0, train=False).fault is None
    assert isolation.read_outputs(tmp_path / "observation.npz", 0, train=True).fault.id == "results"


def test_only_the_beginning_of_the_output_is_kept():
    process = subprocess.Popen([sys.executable, "-c", "print('x' * 10**6)"], stdout=subprocess.PIPE)
    printed = isolation.OutputReader(process)
    assert process.wait(60) == 0
    assert printed.text().startswith("xxx")
    assert len(printed.kept) <= 4 * isolation.PRINTED


def test_results_that_unpack_to_a_large_size_are_rejected(tmp_path, monkeypatch):
    isolation.write_observation(tmp_path / "observation.npz", Observation({"y": np.zeros(1000)}))
    monkeypatch.setattr(isolation, "LARGEST", 1000)
    with pytest.raises(ValueError, match="too large"):
        isolation.read_observation(tmp_path / "observation.npz")

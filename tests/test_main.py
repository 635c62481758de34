"""The command: output, files, and errors."""

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import joblib
import pytest

import minnet
from minnet.__main__ import main
from minnet.experiments import command
from minnet.experiments import experiment as experiment_module
from minnet.experiments import sweep as sweep_module
from minnet.experiments.experiment import Experiment
from minnet.experiments.setup import Setup
from minnet.experiments.trial import Trial, train

TINY = Setup(data="iris", hidden=(8,), batch_size=40, epochs=3)


@pytest.fixture
def at_a_time(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The requested numbers of trainings at a time; here they run one by one and are counted."""
    requested = []

    def sweep(*arguments: Any, jobs: int | None, **options: Any) -> list[Trial]:
        requested.append(joblib.effective_n_jobs(jobs))
        return sweep_module.sweep(*arguments, jobs=1, **options)

    monkeypatch.setattr(experiment_module, "sweep", sweep)
    return requested


@pytest.fixture
def vanishing(monkeypatch, at_a_time):
    """Replace the experiment by a tiny one of two networks; return the trained setups."""
    trained = []

    def counted(setup, **options):
        trained.append(setup)
        return train(setup, **options)

    experiment = Experiment(
        name="vanishing",
        summary="Two tiny networks.",
        variants={"sigmoid": TINY.but(activation="sigmoid"), "ReLU": TINY},
        article={"sigmoid": TINY.but(activation="sigmoid", lr=0.1)},
        quick={"epochs": 1},
        draw=lambda _: {},
        summarize=lambda _: [],
    )
    monkeypatch.setattr(sweep_module, "train", counted)
    monkeypatch.setattr(
        command, "import_module", lambda name: SimpleNamespace(EXPERIMENT=experiment, name=name)
    )
    return trained


def run(out: Path, *arguments: str) -> int:
    return main(["run", "vanishing", "--out", str(out), *arguments])


def test_run_iris_prints_numbers_and_writes_figures(tmp_path, capsys):
    assert main(["run", "iris", "--epochs", "30", "--seed", "3", "--out", str(tmp_path)]) == 0
    reported = capsys.readouterr().out
    for word in ("loss", "accuracy", "kurtosis", "zeros", "dead", "relu3", "before training"):
        assert word in reported
    for name in ("histograms.png", "histograms.svg", "metrics.json", "report.md"):
        assert str(tmp_path / name) in reported
        assert (tmp_path / name).exists()
    (trial,) = json.loads((tmp_path / "metrics.json").read_text())["trials"]["iris"]
    assert (trial["setup"]["epochs"], trial["setup"]["seed"]) == (30, 3)
    assert len(trial["curves"]["val_accuracy"]) == 30


def test_run_iris_over_seeds_prints_an_interval(tmp_path, capsys):
    arguments = ["run", "iris", "--seeds", "2", "--quick", "--out", str(tmp_path)]
    assert main(arguments) == 0
    assert " to " in capsys.readouterr().out.splitlines()[2]
    trials = json.loads((tmp_path / "metrics.json").read_text())["trials"]["iris"]
    assert [trial["setup"]["seed"] for trial in trials] == [0, 1]
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert f"Computed by `minnet run iris --quick --seeds 2` on {date.today()} with " in text
    assert "This was a quick run (epochs 100)." in text


def test_run_iris_as_article(tmp_path, capsys):
    arguments = ["run", "iris", "--as-article", "--epochs", "2", "--out", str(tmp_path)]
    assert main(arguments) == 0
    assert "| iris |" in capsys.readouterr().out
    (trial,) = json.loads((tmp_path / "metrics.json").read_text())["trials"]["iris"]
    assert (trial["setup"]["data"], trial["setup"]["loss"]) == ("iris_article", "squared_error")


def test_options_reach_every_setup(vanishing, tmp_path, capsys):
    assert run(tmp_path, "--seed", "5", "--seeds", "2", "--epochs", "2", "--data", "digits") == 0
    expected = TINY.but(epochs=2, data="digits")
    assert vanishing == [
        expected.but(activation=activation, seed=seed)
        for seed in (5, 6)
        for activation in ("sigmoid", "relu")
    ]
    reported = capsys.readouterr().out
    assert "| sigmoid |" in reported
    assert str(tmp_path / "report.md") in reported


def test_without_options_the_variants_are_trained(vanishing, tmp_path):
    assert run(tmp_path) == 0
    assert vanishing == [TINY.but(activation="sigmoid"), TINY]


def test_quick_and_as_article_choose_the_setups(vanishing, tmp_path):
    assert run(tmp_path, "--quick", "--as-article") == 0
    assert vanishing == [TINY.but(activation="sigmoid", lr=0.1, epochs=1)]


def test_the_same_command_again_trains_nothing(vanishing, tmp_path, capsys):
    assert run(tmp_path) == 0
    reported = capsys.readouterr().out
    assert run(tmp_path) == 0
    assert len(vanishing) == 2
    assert capsys.readouterr().out == reported


def test_ctrl_c_reports_the_number_of_stored_trainings(vanishing, tmp_path, capsys, monkeypatch):
    def stopped(setup, **options):
        if setup.seed == 1:
            raise KeyboardInterrupt
        return train(setup, **options)

    monkeypatch.setattr(sweep_module, "train", stopped)
    assert run(tmp_path, "--seeds", "2") == 130
    reported = capsys.readouterr()
    assert (
        f"2 trainings are stored in {tmp_path / 'trials'}; the same command continues"
        in reported.err
    )
    assert not (tmp_path / "report.md").exists()


def test_python_dash_m_is_the_same_command():
    done = subprocess.run(
        [sys.executable, "-m", "minnet", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f"minnet {minnet.__version__}"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "required"),
        (["run"], "required"),
        (["run", "mnist"], "invalid choice"),
        (["run", "iris", "--epochs", "0"], "at least 1"),
        (["run", "iris", "--epochs", "many"], "invalid whole number"),
        (["run", "iris", "--seed", "-1"], "at least 0"),
        (["run", "iris", "--seeds", "0"], "--seeds: expected at least 1, got 0"),
        (
            ["run", "iris", "--jobs", "0"],
            "--jobs: expected at least 1, or -1 for the number of cores",
        ),
        (["run", "iris", "--jobs", "-2"], "or -1 for the number of cores, got -2"),
        (["run", "iris", "--jobs", "all"], "--jobs: invalid whole number value: 'all'"),
        (["run", "iris", "--data", "digits"], "unrecognized arguments"),
        (["run", "iris", "--csv", "iris.csv"], "unrecognized arguments"),
        (["run", "vanishing", "--data", "cifar"], "invalid choice"),
        (["data", "cifar"], "invalid choice"),
    ],
)
def test_a_wrong_call_is_an_error_with_the_reason(arguments, words, capsys):
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    assert words in capsys.readouterr().err


@pytest.fixture
def csv_file(tmp_path):
    """A table of two numbers, a text and a class."""
    pytest.importorskip("pandas")
    path = tmp_path / "table.csv"
    lines = [f"{i},{i % 7},{'uv'[i % 2]},{'abc'[i % 3]}" for i in range(60)]
    path.write_text("\n".join(["size,rest,side,kind", *lines]))
    return path


def test_an_experiment_runs_on_a_table_and_again_when_the_table_changes(
    vanishing, csv_file, tmp_path
):
    options = ("--csv", str(csv_file), "--target", "kind")
    assert run(tmp_path / "out", *options) == 0
    assert [(setup.data, setup.table[:2]) for setup in vanishing] == [
        ("csv", (str(csv_file), "kind"))
    ] * 2
    assert vanishing[0].build().theta.size == 4 * 8 + 8 + 8 * 3 + 3
    assert run(tmp_path / "out", *options) == 0
    assert len(vanishing) == 2
    csv_file.write_text(csv_file.read_text().replace("59,", "60,"))
    assert run(tmp_path / "out", *options) == 0
    assert len(vanishing) == 4


def test_a_run_on_a_table_has_a_folder_of_its_own(vanishing, csv_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["run", "vanishing", "--csv", "table.csv", "--target", "kind"]) == 0
    assert (tmp_path / "runs" / "vanishing-table-kind" / "report.md").is_file()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--csv", "table.csv"], "got only --csv; add --target COLUMN"),
        (["--target", "kind"], "got only --target; add --csv FILE"),
        (["--csv", "table.csv", "--target", "kind", "--data", "digits"], "neither --data nor"),
        (["--csv", "table.csv", "--target", "kind", "--as-article"], "nor --as-article"),
        (["--csv", "table.csv", "--target", "colour"], "unknown names ['colour']"),
        (["--csv", "none.csv", "--target", "kind"], "none.csv"),
    ],
)
def test_a_table_that_cannot_be_used_is_an_error_before_training(
    options, words, vanishing, csv_file, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert run(tmp_path / "out", *options) == 1
    reported = capsys.readouterr().err
    assert reported.startswith("minnet: ")
    assert words in reported
    assert vanishing == []


@pytest.mark.usefixtures("vanishing")
def test_two_trainings_run_at_a_time_unless_a_joblib_context_decides(
    at_a_time: list[int], tmp_path: Path
) -> None:
    assert run(tmp_path) == 0
    with joblib.parallel_config(n_jobs=3):
        assert run(tmp_path) == 0
    assert at_a_time == [2, 3]


@pytest.mark.usefixtures("vanishing")
def test_jobs_sets_the_number_of_trainings_at_a_time(
    at_a_time: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")  # joblib's cores
    for number in ("-1", "3"):
        assert run(tmp_path, "--jobs", number) == 0
    assert at_a_time == [1, 3]


def test_the_help_of_an_experiment_lists_the_options(capsys):
    with pytest.raises(SystemExit) as left:
        main(["run", "vanishing", "--help"])
    assert left.value.code == 0
    reported = capsys.readouterr().out
    for option in ("--out", "--seed", "--seeds", "--jobs", "--epochs", "--quick", "--as-article"):
        assert option in reported
    assert "digits come with scikit-learn" in reported
    assert "number of seeds (default: 1)" in reported
    assert "None" not in reported


@pytest.mark.parametrize("name", ["file", "file/runs"])
def test_a_folder_that_cannot_be_made_is_an_error_before_training(
    vanishing, tmp_path, capsys, name
):
    (tmp_path / "file").write_text("in the way")
    assert run(tmp_path / name) == 1
    reported = capsys.readouterr()
    assert "minnet: " in reported.err
    assert "cannot create the folder, Not a directory; choose another one with --out" in (
        reported.err
    )
    assert str(tmp_path / name) in reported.err
    assert "accuracy" not in reported.out
    assert vanishing == []


def test_each_combination_of_options_has_a_separate_folder(vanishing, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folders = {
        "vanishing": "--seeds 1 --seed 0",
        "vanishing-quick": "--quick",
        "vanishing-as-article-quick-digits": "--as-article --quick --data digits",
        "vanishing-epochs2": "--epochs 2",
        "vanishing-seed4-seeds2": "--seeds 2 --seed 4",
    }
    for options in folders.values():
        assert main(["run", "vanishing", *options.split()]) == 0
    assert {path.name for path in (tmp_path / "runs").iterdir()} == set(folders)


@pytest.mark.parametrize("name", ["exploding", "dead_units"])
def test_as_article_is_not_offered_where_no_article_has_code(name, capsys):
    with pytest.raises(SystemExit):
        main(["run", name, "--as-article"])
    assert "unrecognized arguments: --as-article" in capsys.readouterr().err


def test_damaged_data_are_reported(tmp_path, capsys):
    folder = tmp_path / "mnist"
    folder.mkdir()
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (folder / f"{name}-ubyte").write_bytes(b"no idx file")
    assert main(["data", "mnist", "--home", str(tmp_path)]) == 1
    assert "idx" in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a signal needs POSIX")
def test_ctrl_c_during_the_imports_of_the_command_is_one_line():
    # The module is replaced by one that sends Ctrl-C when it is imported.
    code = """
import importlib.abc, os, runpy, signal, sys
class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "minnet.checks":
            os.kill(os.getpid(), signal.SIGINT)
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Finder())
sys.argv[:] = ["-m", "--version"]
sys.orig_argv[:] = ["python", "-m", "minnet", "--version"]
runpy.run_module("minnet", run_name="__main__")
"""
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr.split()) == (130, ["stopped"])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a signal needs POSIX")
def test_ctrl_c_is_left_to_other_packages_that_import_minnet(tmp_path):
    package = tmp_path / "course"
    package.mkdir()
    (package / "__init__.py").write_text("import minnet\n")
    (package / "__main__.py").write_text(
        "import signal\n"
        "try:\n    signal.raise_signal(signal.SIGINT)\n"
        "except KeyboardInterrupt:\n    print('saved')\n"
    )
    command = [sys.executable, "-m", "course"]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (0, "saved\n")

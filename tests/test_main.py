"""The command: what it prints, what it writes, and how it refuses."""

import json
import subprocess
import sys

import pytest

import minnet
from minnet.__main__ import main
from minnet.experiments import iris


def test_run_iris_prints_numbers_and_writes_figures(tmp_path, capsys):
    assert main(["run", "iris", "--epochs", "30", "--seed", "3", "--out", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    for word in ("loss", "accuracy", "kurtosis", "zeros", "dead", "relu3", "before training"):
        assert word in told
    for name in ("histograms.png", "histograms.svg", "metrics.json"):
        assert str(tmp_path / name) in told
        assert (tmp_path / name).exists()
    settings = json.loads((tmp_path / "metrics.json").read_text())["settings"]
    assert (settings["epochs"], settings["seed"]) == (30, 3)


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
        (["data", "cifar"], "invalid choice"),
    ],
)
def test_a_wrong_call_is_told_what_is_wrong(arguments, words, capsys):
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    assert words in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_told_before_training(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(iris, "run", lambda **_: pytest.fail("it trained all the same"))
    (tmp_path / "file").write_text("in the way")
    assert main(["run", "iris", "--epochs", "1", "--out", str(tmp_path / "file")]) == 1
    told = capsys.readouterr()
    assert "minnet: " in told.err
    assert str(tmp_path / "file") in told.err
    assert "accuracy" not in told.out


def test_data_that_are_broken_are_told_in_one_line(tmp_path, capsys):
    folder = tmp_path / "mnist"
    folder.mkdir()
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (folder / f"{name}-ubyte").write_bytes(b"no idx file")
    assert main(["data", "mnist", "--home", str(tmp_path)]) == 1
    assert "idx" in capsys.readouterr().err

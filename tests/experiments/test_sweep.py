"""Sweeps: each training runs once, is stored when done, and is not repeated after Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from minnet.__main__ import main
from minnet.experiments import sweep as module
from minnet.experiments.setup import Setup
from minnet.experiments.sweep import Store, sweep
from minnet.experiments.trial import plain, train

SMALL = Setup(data="digits", rows=60, hidden=(8,), batch_size=20, epochs=1)
EXPLODING = SMALL.but(hidden=(8, 8), activation="leaky_relu", optimizer="sgd", lr=1e20)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "trials")


@pytest.fixture
def trained(monkeypatch):
    """The trained setups in their order."""
    calls = []

    def counted(setup, **options):
        calls.append(setup)
        return train(setup, **options)

    monkeypatch.setattr(module, "train", counted)
    return calls


def seeds(n, **changes):
    return [SMALL.but(seed=seed, **changes) for seed in range(n)]


def numbers(trials):
    reported = plain([trial.as_dict() for trial in trials])
    for trial in reported:
        trial["curves"].pop("seconds")
    return reported


# The store


def test_results_come_in_the_order_of_the_setups(store):
    setups = [SMALL.but(seed=seed, epochs=epochs) for seed in (2, 0, 1) for epochs in (2, 1)]
    assert [trial.setup for trial in sweep(setups, store)] == setups
    assert numbers(sweep(setups[::-1], store)) == numbers(sweep(setups, store))[::-1]


def test_the_store_returns_the_trained_numbers(store):
    (trial,) = sweep([SMALL], store)
    assert numbers([trial]) == numbers([train(SMALL)[0]])
    assert numbers([store.trial(SMALL)]) == numbers([trial])


def test_each_trial_is_stored_when_it_is_done(store, monkeypatch):
    found = []

    def counting(setup, **options):
        found.append(len(list(store.folder.glob("*.json"))))
        return train(setup, **options)

    monkeypatch.setattr(module, "train", counting)
    sweep(seeds(4), store)
    assert found == [0, 1, 2, 3]


def test_only_missing_setups_are_trained(store, trained):
    sweep(seeds(2), store)
    sweep(seeds(4), store)
    sweep(seeds(4), store)
    assert [setup.seed for setup in trained] == [0, 1, 2, 3]


def test_any_value_of_a_setup_makes_it_another_training(store, trained):
    others = [SMALL.but(lr=0.5), SMALL.but(hidden=(9,)), SMALL.but(measures=("likeness",))]
    sweep([SMALL, *others], store)
    assert trained == [SMALL, *others]
    assert len({store.stem(setup) for setup in trained}) == 4


def test_equal_setups_are_trained_once_and_returned_each_time(store, trained):
    trials = sweep([SMALL, SMALL.but(seed=1), SMALL, SMALL.but(lr=1e-3)], store)
    assert trained == [SMALL, SMALL.but(seed=1)]
    assert [trial.setup.seed for trial in trials] == [0, 1, 0, 0]


def test_equal_setups_with_ints_and_floats_are_trained_once(store, trained):
    sweep([SMALL.but(lr=1.0), SMALL.but(lr=1), SMALL.but(lr=np.float64(1))], store)
    assert len(trained) == 1


def test_a_diverged_training_is_stored_and_not_repeated(store, trained):
    for _ in range(2):
        (trial,) = sweep([EXPLODING], store, recorded=[EXPLODING])
        assert "layer" in trial.stopped
        assert trial.end is None
    assert trained == [EXPLODING]
    assert store.record(EXPLODING).net is None


def test_no_setups_give_no_trials(store):
    assert sweep([], store) == []
    assert not store.folder.exists()


# Damaged files


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: "\x00" * 100,
        lambda text: "{}",
        lambda text: "[1, 2]",
        lambda text: "null",
        lambda text: text.replace('"hidden"', '"hide"'),
        lambda text: text.replace('"digits"', '"cifar"'),
    ],
    ids=["half", "empty", "zeros", "no keys", "a list", "null", "another key", "other data"],
)
def test_a_damaged_file_is_trained_again(store, trained, damage):
    (before,) = sweep([SMALL], store)
    (path,) = store.folder.glob("*.json")
    path.write_text(damage(path.read_text()))
    (after,) = sweep([SMALL], store)
    assert trained == [SMALL, SMALL]
    assert numbers([after]) == numbers([before])
    json.loads(path.read_text())


def test_a_file_of_another_training_is_not_used(store, trained):
    sweep(seeds(2), store)
    other = store.stem(SMALL.but(seed=1)).with_name(store.stem(SMALL.but(seed=1)).name + ".json")
    store.stem(SMALL).with_name(store.stem(SMALL).name + ".json").write_text(other.read_text())
    (trial,) = sweep([SMALL], store)
    assert trial.setup == SMALL
    assert len(trained) == 3


# Records.


def test_requested_records_are_stored(store, trained):
    sweep(seeds(2), store, recorded=[SMALL])
    assert [store.has(setup, record=True) for setup in seeds(2)] == [True, False]
    net = store.record(SMALL).net
    np.testing.assert_array_equal(net.theta, train(SMALL, record=True)[1].net.theta)
    sweep(seeds(2), store, recorded=[SMALL])
    assert len(trained) == 2


def test_a_record_requested_later_is_made(store, trained):
    (before,) = sweep([SMALL], store)
    (after,) = sweep([SMALL], store, recorded=[SMALL])
    assert len(trained) == 2
    assert numbers([after]) == numbers([before])
    assert store.record(SMALL).net is not None


@pytest.mark.parametrize("end", ["net", "statistics"])
def test_a_record_that_misses_a_file_is_made_again(store, trained, end):
    sweep([SMALL], store, recorded=[SMALL])
    (path,) = store.folder.glob(f"*.{end}.npz")
    path.unlink()
    sweep([SMALL], store)
    assert len(trained) == 1, "no record was requested"
    sweep([SMALL], store, recorded=[SMALL])
    assert len(trained) == 2
    assert path.exists()


@pytest.mark.parametrize("end", ["net", "statistics"])
def test_a_damaged_record_is_made_again(store, trained, end):
    sweep([SMALL], store, recorded=[SMALL])
    (path,) = store.folder.glob(f"*.{end}.npz")
    path.write_bytes(path.read_bytes()[:100])
    sweep([SMALL], store, recorded=[SMALL])
    assert len(trained) == 2
    assert store.record(SMALL).net is not None


def test_missing_data_are_reported_before_training(store, trained, monkeypatch):
    def nowhere(setup):
        if setup.data == "mnist":
            raise FileNotFoundError("mnist is nowhere")

    monkeypatch.setattr(Setup, "load", nowhere)
    with pytest.raises(FileNotFoundError, match="mnist is nowhere"):
        sweep([SMALL, SMALL.but(data="mnist")], store)
    assert trained == []


def test_a_continued_run_reports_the_stored_trainings(store, capsys):
    sweep(seeds(2), store)
    assert capsys.readouterr().err == ""
    sweep(seeds(5), store, verbose=1)
    assert "2 trainings are stored already, 3 to go" in capsys.readouterr().err


# Several processes.


def test_two_processes_give_the_numbers_of_one(store, tmp_path):
    alone = sweep(seeds(3), Store(tmp_path / "alone"), jobs=1)
    together = sweep(seeds(3), store, jobs=2, recorded=[SMALL])
    assert numbers(together) == numbers(alone)
    np.testing.assert_array_equal(
        store.record(SMALL).net.theta, train(SMALL, record=True)[1].net.theta
    )


def test_an_error_in_a_training_is_raised_and_finished_trainings_are_kept(store, monkeypatch):
    def failing(setup, **options):
        if setup.seed == 2:
            raise OSError("no data")
        return train(setup, **options)

    monkeypatch.setattr(module, "train", failing)
    with pytest.raises(OSError, match="no data"):
        sweep(seeds(4), store)
    assert [store.has(setup) for setup in seeds(4)] == [True, True, False, False]


def test_ctrl_c_between_trainings_keeps_finished_ones(store, monkeypatch):
    def stopped(setup, **options):
        if setup.seed == 1:
            raise KeyboardInterrupt
        return train(setup, **options)

    monkeypatch.setattr(module, "train", stopped)
    with pytest.raises(KeyboardInterrupt):
        sweep(seeds(3), store)
    assert len(list(store.folder.iterdir())) == 1


def group_has_ended(group, patience=10.0):
    """Whether no process of this group is left but those that have ended."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        listed = subprocess.run(
            ["ps", "-A", "-o", "pgid=", "-o", "stat="], capture_output=True, text=True, check=True
        )
        rows = [line.split() for line in listed.stdout.splitlines()]
        if not any(int(pgid) == group and not stat.startswith("Z") for pgid, stat in rows):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends Ctrl-C in another way")
@pytest.mark.parametrize("jobs", [1, 2])
def test_after_ctrl_c_the_same_command_continues(jobs, tmp_path, capsys):
    arguments = ["run", "iris", "--epochs", "300", "--seeds", "6", "--jobs", str(jobs)]
    arguments += ["--out", str(tmp_path)]
    trials = tmp_path / "trials"
    with subprocess.Popen(
        [sys.executable, "-m", "minnet", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            while not list(trials.glob("*.json")):
                assert process.poll() is None, process.communicate()
                time.sleep(0.01)
            os.killpg(process.pid, signal.SIGINT)  # a terminal's Ctrl-C reaches workers as well
            _, reported = process.communicate(timeout=60)
        finally:
            process.kill()
    kept = {path: path.stat().st_mtime_ns for path in trials.glob("*.json")}
    assert process.returncode == 130, reported
    assert 1 <= len(kept) < 6
    stored = "1 training is" if len(kept) == 1 else f"{len(kept)} trainings are"
    assert f"{stored} stored in {trials}; the same command continues from there" in reported
    if jobs == 1:  # a process that is just starting may print a traceback
        assert "Traceback" not in reported
    assert "Warning" not in reported
    assert group_has_ended(process.pid)
    assert not list(trials.glob(".*"))
    assert not (tmp_path / "report.md").exists()

    assert main(arguments) == 0
    assert len(list(trials.glob("*.json"))) == 6
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert str(tmp_path / "report.md") in capsys.readouterr().out

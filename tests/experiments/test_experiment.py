"""Experiments: what is run, stored, drawn and written."""

import json

import matplotlib as mpl
import pytest

from minnet.experiments import sweep as sweep_module
from minnet.experiments.experiment import Experiment
from minnet.experiments.report import outcome_table
from minnet.experiments.setup import Setup
from minnet.experiments.trial import train

PLAIN = Setup(data="digits", rows=80, hidden=(8,), batch_size=20, epochs=2, lr=0.01)


def draw(results):
    from minnet import plot

    return {
        f"curves_of_{label}": (
            plot.learning_curves([trial.history() for trial in trials]),
            f"How {label} learned.",
        )
        for label, trials in results.trials.items()
    }


def summarize(results):
    return [f"The records are those of {', '.join(results.records)}.", "The end."]


TINY = Experiment(
    name="tiny",
    summary="Eight units on digits, with BatchNorm and without.",
    variants={"plain": PLAIN, "normed": PLAIN.but(batchnorm=True)},
    article={"plain": PLAIN.but(loss="squared_error")},
    quick={"epochs": 1, "rows": 40},
    draw=draw,
    summarize=summarize,
)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("experiment") / "new" / "folder"


@pytest.fixture(scope="module")
def results(out):
    return TINY.run(TINY.setups(), out, seeds=(3, 4, 5))


# Running


def test_setups_are_the_variants_or_the_articles():
    assert TINY.setups() == TINY.variants
    assert TINY.setups(as_article=True) == TINY.article


def test_changes_are_made_in_every_setup():
    quick = TINY.setups(quick=True, data="iris", epochs=7)
    for label, setup in TINY.variants.items():
        assert quick[label] == setup.but(rows=40, data="iris", epochs=7)
    assert TINY.setups(quick=True)["plain"].epochs == 1


def test_each_label_has_a_trial_of_each_seed_in_order(results):
    assert list(results.trials) == ["plain", "normed"]
    assert [len(runs) for runs in results.trials.values()] == [3, 3]
    for label, trials in results.trials.items():
        assert [trial.setup for trial in trials] == [
            TINY.variants[label].but(seed=seed) for seed in (3, 4, 5)
        ]


def test_records_are_those_of_the_first_seed(results, out):
    assert {label: record.setup for label, record in results.records.items()} == {
        label: setup.but(seed=3) for label, setup in TINY.variants.items()
    }
    assert len(list((out / "trials").glob("*.json"))) == 6
    assert len(list((out / "trials").glob("*.net.npz"))) == 2


# Files


def test_the_folder_has_report_metrics_and_figures(results, out):
    files = {path.name for path in out.iterdir()}
    drawn = [*(f"curves_of_{label}" for label in results.trials), "accuracy", "loss"]
    figures = {f"{name}.{end}" for name in drawn for end in ("png", "svg")}
    assert files == {"report.md", "metrics.json", "replay.html", "trials", *figures}
    for name in figures:
        start = (out / name).read_bytes()[:6]
        assert start in (b"\x89PNG\r\n", b"<?xml ")


def test_the_report_has_every_figure_and_the_summary(results, out):
    report = (out / "report.md").read_text(encoding="utf-8")
    assert report.startswith("# tiny\n\nEight units on digits, with BatchNorm and without.\n\n")
    assert f"{outcome_table(results.trials)}\n\n{summarize(results)[0]}\n\nThe end.\n" in report
    for label in results.trials:
        drawn = f"![curves of {label}](curves_of_{label}.png)\n\n*How {label} learned.*\n"
        assert drawn in report
    assert "\n\n## Settings\n\nSeeds 3 to 5. Shared settings: " in report


def test_metrics_are_json_with_versions_and_every_trial(results, out):
    metrics = json.loads((out / "metrics.json").read_text(), parse_constant=pytest.fail)
    assert metrics["experiment"] == "tiny"
    assert set(metrics["versions"]) == {"minnet", "python", "numpy", "numba", "machine"}
    for label, trials in results.trials.items():
        kept = metrics["trials"][label]
        assert [Setup(**one["setup"]) for one in kept] == [trial.setup for trial in trials]
        assert [one["curves"] for one in kept] == [trial.curves for trial in trials]


def test_running_again_trains_nothing_and_writes_the_same(results, out, monkeypatch):
    monkeypatch.setattr(sweep_module, "train", lambda *_, **__: pytest.fail("it trained again"))
    before = {path: path.read_bytes() for path in out.iterdir() if path.is_file()}
    again = TINY.run(TINY.setups(), out, seeds=(3, 4, 5))
    assert [path.name for path in before if path.read_bytes() != before[path]] == []
    assert TINY.text(again) == TINY.text(results)


def test_more_seeds_train_what_is_missing(results, out, monkeypatch):
    seeds = []

    def counted(setup, **options):
        seeds.append(setup.seed)
        return train(setup, **options)

    monkeypatch.setattr(sweep_module, "train", counted)
    results = TINY.run(TINY.setups(), out, seeds=(3, 4, 5, 6))
    assert [len(runs) for runs in results.trials.values()] == [4, 4]
    assert seeds == [6, 6]


def test_the_title_names_the_settings_of_the_article(tmp_path):
    setups = TINY.setups(as_article=True, quick=True)
    results = TINY.run(setups, tmp_path, as_article=True)
    assert results.as_article
    assert (
        (tmp_path / "report.md").read_text().startswith("# tiny with the settings of the article\n")
    )
    assert json.loads((tmp_path / "metrics.json").read_text())["experiment"].endswith(
        "of the article"
    )


def test_no_figure_stays_in_pyplot(results, out):
    assert mpl.get_backend().lower() == "agg"
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    TINY.run(TINY.setups(), out, seeds=(3, 4, 5))
    assert set(pyplot.get_fignums()) <= set(before)


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="file"):
        TINY.run({"plain": PLAIN.but(epochs=0)}, tmp_path / "file")

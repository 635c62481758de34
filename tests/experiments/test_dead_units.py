"""Dead units: they occur in ReLUs only, and report and figures have their counts."""

import re

import numpy as np
import pytest

from minnet.experiments import dead_units

SMALL = {"data": "digits", "epochs": 5}


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The experiment on the digits, two seeds, and the folder it was written into."""
    out = tmp_path_factory.mktemp("dead_units")
    setups = {label: setup.but(**SMALL) for label, setup in dead_units.VARIANTS.items()}
    return dead_units.EXPERIMENT.run(setups, out, seeds=(0, 1)), out


@pytest.fixture(scope="module")
def figures(ran):
    return {name: figure for name, (figure, _) in dead_units.EXPERIMENT.figures(ran[0]).items()}


def dead(trials, when="end"):
    """Mean over seeds of the dead units of each layer, counted here."""
    return np.mean([[row["dead"] for row in getattr(t, when)["hidden"]] for t in trials], axis=0)


def test_units_die_in_the_relu_network_but_not_in_a_leaky_one(ran):
    trials = ran[0].trials
    before, after = dead(trials["ReLU"], "start").sum(), dead(trials["ReLU"]).sum()
    assert after > 0.25 * 3 * 128
    assert after > 3 * before
    assert dead(trials["Leaky ReLU"]).sum() == 0
    assert dead(trials["smaller lr"]).sum() < after / 3


def test_each_variant_changes_one_thing():
    base = dead_units.VARIANTS["ReLU"].as_dict()
    changed = {
        label: {name for name, value in setup.as_dict().items() if value != base[name]}
        for label, setup in dead_units.VARIANTS.items()
    }
    assert changed == {
        "ReLU": set(), "Leaky ReLU": {"activation"}, "PReLU": {"activation"}, "L1": {"l1"},
        "L2": {"l2"}, "dropout": {"dropout"}, "smaller lr": {"lr"},
    }  # fmt: skip


def test_the_table_has_the_trials_counts_by_layer(ran):
    results, _ = ran
    lines = (
        dead_units.EXPERIMENT.text(results)
        .split("before training → after training:")[1]
        .splitlines()
    )
    for label, trials in results.trials.items():
        (line,) = (line for line in lines if line.startswith(f"| {label} "))
        reported = [
            [float(n) for n in re.findall(r"[\d.]+", cell)] for cell in line.split("|")[2:5]
        ]
        assert np.array(reported) == pytest.approx(
            np.array([dead(trials, "start"), dead(trials)]).T, rel=5e-3
        )


def test_the_table_has_the_share_of_all_hidden_units(ran):
    results, _ = ran
    text = dead_units.EXPERIMENT.text(results)
    lines = text[text.index("| layer 1, 128 units") :].splitlines()
    for label, trials in results.trials.items():
        (line,) = (line for line in lines if line.startswith(f"| {label} "))
        assert line.split("|")[-2].strip() == f"{100 * dead(trials).sum() / (3 * 128):.1f}%"


def test_dead_units_over_steps_have_the_count_at_the_end(ran, figures):
    results, _ = ran
    panels = [ax for ax in figures["dead_units"].axes if ax.get_title()]
    assert [ax.get_title() for ax in panels] == list(dead_units.VARIANTS)
    for ax, (label, record) in zip(panels, results.records.items(), strict=True):
        kind = label.replace(" ", "").lower() if label.endswith("ReLU") else "relu"
        counts = [record.statistics.dead_units(f"{kind}{k}").sum() for k in (1, 2, 3)]
        names = [text.get_text() for text in ax.get_yticklabels()]
        assert names == [f"{k}: {count} of 128" for k, count in enumerate(counts, 1)]
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("step", "layer: dead at the end")
        norm = ax.collections[0].norm
        assert (norm.vmin, norm.vmax) == (0, 1)


def test_dead_units_by_layer_are_the_means_over_the_seeds(ran, figures):
    (ax,) = figures["dead_by_layer"].axes
    assert ax.get_ylabel() == "share of units that are dead\nafter training"
    assert ax.get_ylim()[0] < 0 < 1 < ax.get_ylim()[1]
    drawn = {line.get_label(): line.get_ydata() for line in ax.lines}
    for label, trials in ran[0].trials.items():
        assert drawn[label] == pytest.approx(dead(trials) / 128)


def test_the_report_names_every_figure_and_each_is_there(ran):
    results, out = ran
    text = (out / "report.md").read_text()
    named = re.findall(r"!\[.*\]\((.+)\.png\)", text)
    assert set(named) == {"dead_units", "dead_by_layer", "accuracy", "loss"}
    for name in named:
        assert (out / f"{name}.png").stat().st_size > 5000
    assert dead_units.EXPERIMENT.text(results) in text


def test_a_diverged_training_has_no_dead_units_after_training(tmp_path):
    broken = dead_units.VARIANTS["ReLU"].but(
        data="digits", rows=300, epochs=2, optimizer="sgd", lr=1e12
    )
    stable = broken.but(optimizer="adam", lr=1e-3)
    results = dead_units.EXPERIMENT.run({"broken": broken, "stable": stable}, tmp_path)
    assert results.trials["broken"][0].stopped
    text = (tmp_path / "report.md").read_text()
    assert re.search(r"\| broken +\| \d+ → – +\| \d+ → – +\| \d+ → – +\| – +\|", text)
    assert (tmp_path / "dead_by_layer.png").is_file()

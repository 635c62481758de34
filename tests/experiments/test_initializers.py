"""Initializers: theory, the article's network, the report and the figures."""

import math

import numpy as np
import pytest

from minnet import initializers as rules
from minnet.experiments import initializers as experiment
from minnet.experiments.experiment import Results
from minnet.experiments.initializers import (
    ARTICLE,
    EXPERIMENT,
    LAYERS,
    VARIANTS,
    measured_rms,
    predicted_rms,
)
from minnet.experiments.readings import AFTER, BEFORE, by_layer
from minnet.experiments.setup import Setup, load
from minnet.experiments.sweep import Store
from minnet.experiments.trial import Trial, train

TINY = {"data": "digits", "rows": 200, "epochs": 2}
SEEDS = (0, 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("initializers")


def run(setups, out, as_article):
    setups = {label: setup.but(**TINY) for label, setup in setups.items()}
    return EXPERIMENT.run(setups, out, seeds=SEEDS, as_article=as_article)


@pytest.fixture(scope="module")
def trained(folder):
    return run(EXPERIMENT.variants, folder / "ours", as_article=False)


@pytest.fixture(scope="module")
def as_article(folder):
    return run(EXPERIMENT.article, folder / "article", as_article=True)


@pytest.fixture(scope="module")
def figures(trained):
    return figures_of(trained)


def figures_of(results):
    return {name: figure for name, (figure, _) in experiment.EXPERIMENT.figures(results).items()}


def start_of(setup):
    trial, _ = train(setup.but(epochs=0))
    return [measured_rms(row) for row in trial.start["hidden"]]


def rms(array):
    return float(np.sqrt(np.square(array, dtype=np.float64).mean()))


def row_of(text, heading, label):
    """Return the cells behind label in the first table after heading."""
    lines = text[text.index(heading) :].splitlines()
    line = next(line for line in lines if line.startswith(f"| {label} "))
    return [cell.strip() for cell in line.strip("|").split("|")[1:]]


@pytest.mark.parametrize("seed", [0, 1])
def test_he_keeps_the_rms_of_the_input_in_all_layers(seed):
    wide = Setup(data="digits", hidden=(1500, 1000, 1500), init="he_normal", seed=seed)
    x = load("digits").x_test
    assert predicted_rms(wide) == pytest.approx([rms(x)] * 3)
    assert start_of(wide) == pytest.approx([rms(x)] * 3, rel=0.1)


def test_xavier_keeps_the_share_given_by_both_widths():
    wide = Setup(data="digits", hidden=(1500, 500, 1500), init="glorot_normal")
    kept = [64 / (64 + 1500), 1500 / (1500 + 500), 500 / (500 + 1500)]
    expected = rms(load("digits").x_test) * np.sqrt(np.cumprod(kept))
    assert predicted_rms(wide) == pytest.approx(expected.tolist())
    assert start_of(wide) == pytest.approx(expected.tolist(), rel=0.1)


@pytest.mark.parametrize("init", ["normal", "lecun_normal", "orthogonal"])
def test_other_rules_match_the_prediction_on_wide_layers(init):
    wide = Setup(data="digits", hidden=(1500, 1000, 1500), init=init)
    assert start_of(wide) == pytest.approx(predicted_rms(wide), rel=0.1)


@pytest.mark.parametrize("init", [setup.init for setup in VARIANTS.values()])
@pytest.mark.parametrize("shape", [(300, 200), (200, 300)])
def test_the_variances_are_those_of_the_drawn_weights(init, shape):
    drawn = float(rules.get(init)(shape, rng=0).var())
    assert experiment.VARIANCES[init](*shape) == pytest.approx(drawn, rel=0.03)


def test_a_scale_of_the_weights_and_of_the_pixels_is_part_of_the_prediction():
    setup = Setup(data="digits", hidden=(512, 512), init="he_normal")
    scaled = setup.but(weight_scale=0.5, scaling="bytes")
    unit = predicted_rms(setup)
    assert predicted_rms(scaled) == pytest.approx([255 * unit[0] / 2, 255 * unit[1] / 4])


def test_weights_of_zero_make_a_dead_network_before_and_after_training(trained):
    record = trained.records["zero"]
    for captured in (record.before(), record.after()):
        assert all((captured[name]["y"] == 0).all() for name in LAYERS)
    for trial in trained.trials["zero"]:
        assert [row["dead"] for row in trial.end["hidden"]] == [512, 256, 128, 64]
    text = experiment.EXPERIMENT.text(trained)
    assert "at least 100% of the outputs of every hidden layer are exactly 0" in text


def test_the_networks_are_the_articles_with_ten_logits_after_them():
    net = VARIANTS["He"].but(data="digits").build()
    assert [net[f"dense{n}"].out_features for n in range(1, 6)] == [512, 256, 128, 64, 10]
    assert list(VARIANTS) == ["zero", "random normal", "Xavier", "He", "LeCun", "orthogonal"]


def test_as_article_the_labels_go_to_64_units_and_the_pixels_are_bytes(as_article):
    assert list(as_article.trials) == ["zero", "random normal", "Xavier", "He", "LeCun"]
    setup = ARTICLE["He"].but(**TINY)
    net, x = setup.build(), load("digits", "bytes").x_test
    assert x.max() == 255
    assert net.predict(x).shape == (len(x), 64)
    assert "dense5" not in as_article.records["He"].after()


def test_quick_changes_rows_and_epochs_alone():
    quick = EXPERIMENT.setups(quick=True)
    for label, setup in quick.items():
        assert setup.rows < 60_000
        assert setup.epochs < VARIANTS[label].epochs
        assert setup.but(rows=None, epochs=5) == VARIANTS[label]


def test_by_layer_gives_each_layers_number_of_each_seed(trained):
    table = {
        label: by_layer(runs, AFTER, "hidden", "std") for label, runs in trained.trials.items()
    }
    for label, trials in trained.trials.items():
        for layer in range(4):
            assert table[label][layer] == [trial.end["hidden"][layer]["std"] for trial in trials]


def test_the_tables_have_the_means_of_the_trials(trained):
    text = experiment.EXPERIMENT.text(trained)
    first, second = trained.trials["Xavier"]

    def average(when, layer, name):
        return sum(getattr(t, when)["hidden"][layer][name] for t in (first, second)) / 2

    reported = {
        "std": row_of(text, "Std, before", "Xavier"),
        "zeros": row_of(text, "Share of exact zeros", "Xavier"),
        "dead": row_of(text, "Dead units", "Xavier"),
    }
    for layer in range(4):
        std = [average(when, layer, "std") for when in ("start", "end")]
        zeros = [average(when, layer, "zeros") for when in ("start", "end")]
        dead = [average(when, layer, "dead") for when in ("start", "end")]
        assert reported["std"][layer] == f"{std[0]:.3g} → {std[1]:.3g}"
        assert reported["zeros"][layer] == f"{zeros[0]:.0%} → {zeros[1]:.0%}"
        assert reported["dead"][layer] == f"{dead[0]:.3g} → {dead[1]:.3g}"


def test_the_report_has_the_number_of_test_rows(trained):
    rows = len(load("digits").x_test)
    text = experiment.EXPERIMENT.text(trained)
    assert f"outputs of the hidden layers on {rows} test rows. RMS before training" in text


def test_the_std_in_the_table_is_that_of_the_captured_arrays(trained):
    alone = Results({k: v[:1] for k, v in trained.trials.items()}, trained.records, False)
    record = trained.records["He"]
    reported = row_of(experiment.EXPERIMENT.text(alone), "Std, before", "He")
    for name, cell in zip(LAYERS, reported, strict=True):
        before, after = (
            captured[name]["y"].astype(np.float64).std()
            for captured in (record.before(), record.after())
        )
        assert cell == f"{before:.3g} → {after:.3g}"


def test_the_rms_table_has_theory_in_parentheses(trained):
    measured = by_layer(trained.trials["LeCun"], BEFORE, "hidden", measured_rms)
    cells = row_of(experiment.EXPERIMENT.text(trained), "RMS before training", "LeCun")
    predicted = predicted_rms(trained.trials["LeCun"][0].setup)
    for cell, seeds, theory in zip(cells, measured, predicted, strict=True):
        assert cell == f"{sum(seeds) / 2:.3g} ({theory:.3g})"


def test_the_report_has_the_ratios_of_the_stds(trained):
    def std(label, layer):
        values = trained.trials[label]
        return sum(trial.start["hidden"][layer]["std"] for trial in values) / len(values)

    text = experiment.EXPERIMENT.text(trained)
    kept = {label: std(label, 3) / std(label, 0) for label in VARIANTS if label != "zero"}
    assert ", ".join(f"{label} {ratio:.2g}" for label, ratio in kept.items()) in text
    most_even = min(kept, key=lambda label: max(kept[label], 1 / kept[label]))
    assert f"The most even is {most_even}." in text
    for these, those in (("Xavier", "random normal"), ("LeCun", "Xavier")):
        ratios = [f"{std(these, layer) / std(those, layer):.3g}" for layer in range(4)]
        assert f"{', '.join(ratios)}" in text


def test_the_grid_of_activations_has_a_panel_for_each_initializer_and_layer(figures):
    for when in ("before", "after"):
        rows = []
        for part in (1, 2):
            axes = figures[f"activations_{when}_{part}"].axes
            assert sorted(ax.get_title(loc="left") for ax in axes) == sorted(LAYERS * 3)
            rows += [ax.get_ylabel() for ax in axes if ax.get_ylabel()]
        assert rows == [f"{label}\ndensity" for label in VARIANTS]


def test_rms_before_training_is_drawn_with_the_theory_dashed_in_the_same_colour(figures, trained):
    ax, after = figures["rms"].axes
    assert ax.get_yscale() == after.get_yscale() == "log"
    assert ax.get_ylabel() == "RMS of activations"
    setup = trained.trials["He"][0].setup
    (line,) = (line for line in ax.lines if line.get_label() == "He")
    seeds = by_layer(trained.trials["He"], BEFORE, "hidden", measured_rms)
    assert line.get_ydata() == pytest.approx([math.prod(values) ** 0.5 for values in seeds])
    theory = [
        dashed
        for dashed in ax.lines
        if dashed.get_linestyle() == "--" and dashed.get_color() == line.get_color()
    ]
    assert [dashed.get_ydata() == pytest.approx(predicted_rms(setup)) for dashed in theory] == [
        True
    ]


def test_learning_curves_leave_out_weights_of_zero_and_report_their_accuracy(trained):
    figure, caption = EXPERIMENT.figures(trained)["accuracy"]
    for line in figure.axes[0].lines:
        assert np.isnan(line.get_ydata()).all() == line.get_label().startswith("zero")
    level = np.mean([trial.last("val_accuracy") for trial in trained.trials["zero"]])
    assert f"the test accuracy is between {level:.3g} (zero) and " in caption
    assert caption.endswith("Without a curve: zero.")


def test_the_articles_axes_are_drawn_with_the_share_outside_them(as_article):
    figure = figures_of(as_article)["article_axes"]
    text = experiment.EXPERIMENT.text(as_article)
    assert [ax.get_title() for ax in figure.axes] == list(ARTICLE)
    for label, ax in zip(ARTICLE, figure.axes, strict=True):
        assert (ax.get_xlim(), ax.get_ylim()) == ((-1, 1), (0, 4))
        captured = as_article.records[label].after()
        cut = [f"{(captured[name]['y'] > 1).mean():.0%}" for name in LAYERS]
        zero = (captured["relu4"]["y"][:, :10] == 0).all(axis=0).sum()
        assert row_of(text, "The article's axis", label) == [*cut, f"{zero} of 10"]


def test_only_the_article_has_a_figure_on_its_axes(figures, trained):
    assert "article_axes" not in figures
    assert "The article's axis" not in experiment.EXPERIMENT.text(trained)


def test_a_diverged_training_is_counted_and_the_others_are_drawn(trained, tmp_path):
    setup = VARIANTS["LeCun"].but(**TINY, optimizer="sgd", lr=1e30)
    broken, record = train(setup, record=True)
    assert broken.stopped
    store = Store(tmp_path)
    store.keep(broken, record)
    trials = {label: list(values) for label, values in trained.trials.items()} | {
        "LeCun": [Trial.from_dict(broken.as_dict())] * 2
    }
    records = {**trained.records, "LeCun": store.record(setup)}
    results = Results(trials, records, as_article=False)
    assert "LeCun (2 of 2 diverged)" in experiment.EXPERIMENT.text(results)
    figures = figures_of(results)
    rows = [
        ax.get_ylabel()
        for name in ("activations_after_1", "activations_after_2")
        for ax in figures[name].axes
    ]
    assert [row for row in rows if row] == [
        f"{label}\ndensity" for label in VARIANTS if label != "LeCun"
    ]

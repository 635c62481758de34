"""BatchNorm: convergence, differences by seed, and learning curves."""

import numpy as np
import pytest

from minnet.experiments import batchnorm
from minnet.experiments.batchnorm import (
    ARTICLE,
    EXPERIMENT,
    VARIANTS,
    WITHOUT,
    before_activation,
    convergence_table,
    differences,
    epochs_to_target,
    first_epoch_table,
)
from minnet.experiments.experiment import Results
from minnet.experiments.setup import load
from minnet.experiments.trial import Trial, train

TINY = {"data": "digits", "rows": 600, "epochs": 3}
LABELS = ["without BatchNorm", "with BatchNorm"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("batchnorm")


def run(setups, out, seeds, as_article=False):
    setups = {label: setup.but(**TINY) for label, setup in setups.items()}
    return EXPERIMENT.run(setups, out, seeds=seeds, as_article=as_article)


@pytest.fixture(scope="module")
def trained(folder):
    return run(EXPERIMENT.variants, folder / "ours", seeds=(0, 1))


@pytest.fixture(scope="module")
def as_article(folder):
    return run(EXPERIMENT.article, folder / "article", seeds=(3,), as_article=True)


@pytest.fixture(scope="module")
def figures(trained):
    return {name: figure for name, (figure, _) in batchnorm.EXPERIMENT.figures(trained).items()}


def made_up(*accuracies):
    """Return trials, one a seed, with these test accuracies by epoch."""
    trials = [Trial(WITHOUT.but(seed=seed)) for seed in range(len(accuracies))]
    for trial, values in zip(trials, accuracies, strict=True):
        trial.curves["val_accuracy"] = values
        trial.curves["seconds"] = [2.0] * len(values)
    return trials


def cells(table, label):
    (line,) = (line for line in table.splitlines() if line.startswith(f"| {label} "))
    return [cell.strip() for cell in line.strip("|").split("|")[1:]]


def lines_of(figure):
    (ax,) = figure.axes
    return {line.get_label(): line.get_ydata().tolist() for line in ax.lines}


@pytest.mark.parametrize(
    ("accuracies", "epoch"),
    [
        ([0.98], 1),
        ([0.95, 0.96, 0.97, 0.96], 3),
        ([0.95, 0.971, 0.969, 0.98], 2),
        ([0.95, 0.9699], None),
        ([], None),
    ],
)
def test_epochs_to_97_percent_counts_from_1_to_the_first_that_reaches_it(accuracies, epoch):
    assert epochs_to_target(accuracies) == epoch


def test_convergence_has_the_mean_epoch_and_counts_the_seeds_below_the_target():
    trials = {
        "fast": made_up([0.96, 0.97, 0.98], [0.96, 0.98, 0.99]),
        "some": made_up([0.9, 0.97], [0.98, 0.96], [0.9, 0.95]),
        "slow": made_up([0.9, 0.91], [0.92, 0.9]),
        "once": made_up([0.9, 0.92, 0.971, 0.96]),
    }
    table = convergence_table(trials)
    assert cells(table, "fast")[0] == "2 (2 to 2)"
    assert cells(table, "some")[0] == "1.5 (-4.853 to 7.853); never in 1 of 3"
    assert cells(table, "slow")[0] == "never"
    assert cells(table, "once") == ["3", "0.971"]
    assert cells(table, "slow")[1].startswith("0.915 (")


def test_differences_are_taken_within_each_seed():
    trials = {
        LABELS[0]: made_up([0.90, 0.95], [0.97, 0.80]),
        LABELS[1]: made_up([0.99, 0.96], [0.83, 0.83]),
    }
    final, best = differences(trials)
    # 1 and 3 points at the end; 0.99 - 0.95 and 0.83 - 0.97 at best
    assert final.startswith(
        "Final test accuracy, with BatchNorm minus without BatchNorm: 2 (-10.71"
    )
    assert best.startswith("Best test accuracy, with BatchNorm minus without BatchNorm: -5 (")
    assert "2 pairs of seeds" in final


def test_one_seed_has_a_difference_but_no_interval():
    trials = {LABELS[0]: made_up([0.95]), LABELS[1]: made_up([0.96])}
    assert differences(trials)[0].endswith("BatchNorm: 1 points (one seed, no interval).")


def test_the_networks_differ_in_batchnorm_alone_and_the_article_has_a_bias_before_it():
    with_it, without = (VARIANTS[label].but(data="digits").build() for label in reversed(LABELS))
    names = ["dense1", "batchnorm1", "relu1", "dense2", "batchnorm2", "relu2", "dense3"]
    assert [name for name, _ in with_it.walk()] == names
    assert [name for name, _ in without.walk()] == [n for n in names if "norm" not in n]
    assert with_it["dense1"].bias is None
    article = ARTICLE["with BatchNorm"].but(data="digits").build()
    assert article["dense1"].bias is not None
    assert article["dense2"].bias is not None


def test_quick_trains_fewer_epochs_and_changes_nothing_else():
    for label, setup in EXPERIMENT.setups(quick=True).items():
        assert setup.epochs < VARIANTS[label].epochs
        assert setup.but(rows=None, epochs=20) == VARIANTS[label]


def test_the_curves_are_means_over_seeds_at_the_end_of_each_epoch(figures, trained):
    for metric in ("accuracy", "loss"):
        drawn = lines_of(figures[metric])
        assert len(drawn) == 4
        for label, trials in trained.trials.items():
            for name, curve in (("training", "train"), ("validation", "val")):
                values = [trial.curves[f"{curve}_{metric}"] for trial in trials]
                assert drawn[f"{label} {name}"] == pytest.approx(np.mean(values, axis=0).tolist())
        assert figures[metric].axes[0].get_ylabel() == metric
        assert len(figures[metric].axes[0].collections) == 4  # bands


def test_as_article_draws_the_running_accuracy_and_that_at_the_end_of_each_epoch(as_article):
    figures = {
        name: figure for name, (figure, _) in batchnorm.EXPERIMENT.figures(as_article).items()
    }
    running, own = (lines_of(figures[name]) for name in ("running_accuracy", "accuracy"))
    for label in LABELS:
        (trial,) = as_article.trials[label]
        assert running[f"{label} training"] == trial.curves["accuracy"]
        assert running[f"{label} validation"] == trial.curves["val_accuracy"]
        assert own[f"{label} training"] == trial.curves["train_accuracy"]
        assert running[f"{label} training"] != own[f"{label} training"]


def test_only_the_article_draws_the_running_accuracy(figures, trained):
    assert set(figures) == {"accuracy", "loss", "before_activation", "gradients"}
    assert "The article draws" not in batchnorm.EXPERIMENT.text(trained)


def test_before_activation_returns_the_outputs_of_dense_and_batchnorm(trained):
    outputs = before_activation(trained.records)
    assert list(outputs) == [
        "dense1, without BatchNorm",
        "dense1, with BatchNorm",
        "batchnorm1, with BatchNorm",
    ]
    net, x = trained.records["with BatchNorm"].net, load("digits").x_test
    dense = x @ net["dense1"].weight.value
    assert outputs["dense1, with BatchNorm"] == pytest.approx(dense, abs=1e-4)
    norm = net["batchnorm1"]
    scale = norm.gamma.value / np.sqrt(norm.running_var + norm.eps)
    expected = (dense - norm.running_mean) * scale + norm.beta.value
    assert outputs["batchnorm1, with BatchNorm"] == pytest.approx(expected, abs=1e-3)


def test_figures_of_the_first_seed_have_one_panel_for_each_array_or_network(figures):
    titles = [ax.get_title(loc="left") for ax in figures["before_activation"].axes]
    assert [title.split(",")[0] for title in titles] == ["dense1", "dense1", "batchnorm1"]
    left, right = figures["gradients"].axes
    assert [left.get_title(), right.get_title()] == LABELS
    assert left.get_ylim() == right.get_ylim()
    for ax in (left, right):
        assert [line.get_label() for line in ax.lines] == ["dense1", "dense2", "dense3"]


def test_the_report_has_the_numbers_of_the_trials(trained):
    text = batchnorm.EXPERIMENT.text(trained)
    finals = {
        label: [trial.curves["val_accuracy"][-1] for trial in trials]
        for label, trials in trained.trials.items()
    }
    points = 100 * np.subtract(finals["with BatchNorm"], finals["without BatchNorm"]).mean()
    assert f"Final test accuracy, with BatchNorm minus without BatchNorm: {points:.4g} (" in text
    for label, trials in trained.trials.items():
        best = np.mean([max(trial.curves["val_accuracy"]) for trial in trials])
        _, reported = cells(convergence_table(trained.trials), label)
        assert reported.startswith(f"{best:.4g} (")
        assert convergence_table(trained.trials) in text


def test_as_article_compares_the_running_accuracy_with_the_networks_own(as_article):
    table = first_epoch_table(as_article.trials)
    for label in LABELS:
        (trial,) = as_article.trials[label]
        curves = ("accuracy", "train_accuracy", "val_accuracy")
        assert cells(table, label) == [f"{trial.curves[name][0]:.4f}" for name in curves]
    assert table in batchnorm.EXPERIMENT.text(as_article)


def test_a_diverged_training_is_counted_and_the_other_is_drawn(trained):
    setup = WITHOUT.but(**TINY, optimizer="sgd", lr=1e30)
    broken, record = train(setup, record=True)
    assert broken.stopped
    label, other = LABELS
    results = Results(
        {label: [broken, broken], other: trained.trials[other]},
        {label: record, other: trained.records[other]},
        as_article=True,
    )
    assert "without BatchNorm (2 of 2 diverged)" in batchnorm.EXPERIMENT.text(results)
    figures = {name: figure for name, (figure, _) in batchnorm.EXPERIMENT.figures(results).items()}
    first, *others = lines_of(figures["accuracy"]).items()
    assert first[0].startswith(f"{label} (2 of 2 diverged)")
    assert np.isnan(first[1]).all()
    assert [name for name, _ in others] == [f"{other} training", f"{other} validation"]
    assert len(figures["before_activation"].axes) == 2

"""Vanishing gradients: against an independent computation; the report and the figures."""

import os
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from minnet.experiments import vanishing
from minnet.experiments.readings import attenuation, last_over_first
from minnet.experiments.trial import train

REAL_DATA = os.environ.get("MINNET_DATA")
needs_mnist = pytest.mark.skipif(
    not (REAL_DATA and Path(REAL_DATA, "mnist").is_dir()),
    reason="the real MNIST: needs MINNET_DATA with a folder mnist",
)
SMALL = {"data": "digits", "hidden": (40,) * 5, "rows": 500, "epochs": 2}
SIZES = (784, 1000, 1000, 1000, 1000, 1000, 10)


def by_hand(weights, biases, x, labels):
    """RMS of each layer's dW and dy in a sigmoid network with cross-entropy, all in float64."""
    inputs = [x]
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        inputs.append(1 / (1 + np.exp(-(inputs[-1] @ weight + bias))))
    logits = inputs[-1] @ weights[-1] + biases[-1]
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    dy = (p - np.eye(10)[labels]) / len(x)
    dw_rms, dy_rms = [], []
    for weight, y in zip(reversed(weights), reversed(inputs), strict=True):
        dw_rms.insert(0, np.sqrt(np.mean((y.T @ dy) ** 2)))
        dy_rms.insert(0, np.sqrt(np.mean(dy**2)))
        dy = (dy @ weight.T) * y * (1 - y)
    return np.array(dw_rms), np.array(dy_rms)


def first_batch():
    data = vanishing.BASELINE.load()
    return data.x[:100].astype(np.float64), data.labels[:100]


@pytest.fixture(scope="module")
def begun():
    """Label -> the trial of an untrained network, at full width on MNIST."""
    setups = vanishing.EXPERIMENT.setups(epochs=0)
    return {label: train(setup)[0] for label, setup in setups.items()}


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Small networks on the digits, two seeds, and the folder they were written into."""
    out = tmp_path_factory.mktemp("vanishing")
    setups = {label: setup.but(**SMALL) for label, setup in vanishing.VARIANTS.items()}
    return vanishing.EXPERIMENT.run(setups, out, seeds=(0, 1)), out


@pytest.fixture(scope="module")
def ran_as_article(tmp_path_factory):
    out = tmp_path_factory.mktemp("article")
    setups = {label: setup.but(**SMALL) for label, setup in vanishing.EXPERIMENT.article.items()}
    return vanishing.EXPERIMENT.run(setups, out, as_article=True), out


@pytest.fixture(scope="module")
def figures(ran):
    return {name: figure for name, (figure, _) in vanishing.EXPERIMENT.figures(ran[0]).items()}


def legend(figure):
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def rms_by_layer(trials, when):
    """Geometric means over seeds, computed here."""
    rms = [[row["weight_grad_rms"] for row in getattr(t, when)["dense"]] for t in trials]
    return np.exp(np.log(rms).mean(axis=0))


# --- measurements ---


@needs_mnist
def test_the_network_is_the_articles():
    setup = vanishing.EXPERIMENT.article["sigmoid"]
    net = setup.build()
    pairs = pairwise(SIZES)
    assert net.summary().total == sum(n * m + m for n, m in pairs)
    for layer in (net["dense1"], net["dense2"], net["dense6"]):
        limit = layer.in_features**-0.5
        assert np.abs(layer.weight.value).max() == pytest.approx(limit, rel=0.01)
        assert limit / 2 < np.abs(layer.bias.value).max() <= limit
    x, _ = first_batch()
    assert (x.min(), x.max()) == (-1, 1)
    assert (setup.optimizer, setup.lr, setup.momentum) == ("sgd", 0.01, 0.9)
    assert (setup.batch_size, setup.epochs, setup.loss) == (100, 10, "cross_entropy")


@needs_mnist
def test_gradients_before_training_match_an_independent_computation(begun):
    net = vanishing.BASELINE.build()
    layers = [net[f"dense{k}"] for k in range(1, 7)]
    weights = [layer.weight.value.astype(np.float64) for layer in layers]
    biases = [layer.bias.value.astype(np.float64) for layer in layers]
    dw, dy = by_hand(weights, biases, *first_batch())
    reported = begun["sigmoid"].start["dense"]
    assert [row["weight_grad_rms"] for row in reported] == pytest.approx(dw, rel=1e-3)
    assert [row["dy_rms"] for row in reported] == pytest.approx(dy, rel=1e-3)


@needs_mnist
def test_attenuation_of_random_weights_matches_theory():
    rng = np.random.default_rng(7)
    pairs = list(pairwise(SIZES))
    weights = [rng.uniform(-1, 1, pair) / np.sqrt(pair[0]) for pair in pairs]
    biases = [rng.uniform(-1, 1, m) / np.sqrt(n) for n, m in pairs]
    _, dy = by_hand(weights, biases, *first_batch())
    theory = 0.25 * np.sqrt(1000 * 1 / (3 * 1000))  # Var W of a uniform weight is 1/(3 fan_in)
    assert theory == pytest.approx(0.1443, abs=1e-4)
    assert (dy[:-2] / dy[1:-1]) == pytest.approx(np.full(4, theory), rel=0.1)


@needs_mnist
def test_measured_attenuation_is_within_a_tenth_of_theory(begun):
    factors = np.ravel(vanishing.measured([begun["sigmoid"]]))
    theory = attenuation(begun["sigmoid"].start, vanishing.SLOPE)
    assert theory[:4] == pytest.approx([0.1443] * 4, rel=0.01)
    assert theory[4] == pytest.approx(0.25 * np.sqrt(10 / 3000), rel=0.02)  # ten logits above
    assert factors[:4] == pytest.approx(theory[:4], rel=0.1)


@needs_mnist
def test_no_unit_is_saturated(begun):
    hidden = begun["sigmoid"].start["hidden"]
    assert [row["saturated"] for row in hidden] == [0] * 5
    assert [row["mean"] for row in hidden] == pytest.approx([0.5] * 5, abs=0.02)


@needs_mnist
@pytest.mark.parametrize("label", list(vanishing.VARIANTS)[1:])
def test_each_remedy_reduces_the_ratio_of_the_gradients_by_fifty(begun, label):
    baseline = last_over_first(begun["sigmoid"].start)
    remedy = last_over_first(begun[label].start)
    assert baseline > 1e4
    assert abs(np.log(remedy)) < abs(np.log(baseline / 50))


def test_remedies_change_only_the_network():
    assert len(vanishing.VARIANTS) == 7
    assert vanishing.VARIANTS["sigmoid"] == vanishing.BASELINE
    remedy = {"activation", "init", "batchnorm", "layernorm", "residual"}
    for setup in vanishing.VARIANTS.values():
        kept = {k: v for k, v in setup.as_dict().items() if k not in remedy}
        assert kept == {k: v for k, v in vanishing.BASELINE.as_dict().items() if k not in remedy}


# --- report ---


def test_the_table_has_the_trials_gradients_layer_by_layer(ran):
    results, _ = ran
    trials = results.trials["sigmoid"]
    before, after = (rms_by_layer(trials, when) for when in ("start", "end"))
    dy = [[row["dy_rms"] for row in trial.start["dense"]] for trial in trials]
    factors = np.exp(np.log(np.array(dy)[:, :-1] / np.array(dy)[:, 1:]).mean(axis=0))
    rows = re.findall(
        r"\| (dense\d) +\| (\S+) +\| (\S+) +\| (\S*)", vanishing.EXPERIMENT.text(results)
    )
    assert [row[0] for row in rows] == [f"dense{k}" for k in range(1, 7)]
    assert [float(row[1]) for row in rows] == pytest.approx(before, rel=0.01)
    assert [float(row[2]) for row in rows] == pytest.approx(after, rel=0.01)
    assert [float(row[3]) for row in rows[:-1]] == pytest.approx(factors, rel=1e-3)


def test_the_table_has_the_theory_for_this_width(ran):
    rows = re.findall(r"\| dense\d .*\| +(0\.\d+) *\|\n", vanishing.EXPERIMENT.text(ran[0]))
    expected = [0.25 * np.sqrt(1 / 3)] * 4 + [0.25 * np.sqrt(10 / (3 * 40))]
    assert [float(number) for number in rows] == pytest.approx(expected, rel=0.05)


def test_the_ratio_of_each_network_is_that_of_its_trials(ran):
    results, _ = ran
    lines = (
        vanishing.EXPERIMENT.text(results).split("over that of the first layer's:")[1].splitlines()
    )
    for label, trials in results.trials.items():
        (line,) = (line for line in lines if line.startswith(f"| {label} "))
        reported = [float(cell.split()[0]) for cell in line.split("|")[2:4]]
        layers = [rms_by_layer(trials, when) for when in ("start", "end")]
        assert reported == pytest.approx([rms[-1] / rms[0] for rms in layers], rel=1e-3)


def test_the_report_has_the_loss_of_equal_probabilities(ran):
    assert "The loss of 10 equal probabilities is ln 10 = 2.303." in vanishing.EXPERIMENT.text(
        ran[0]
    )


def test_the_report_names_every_figure_and_each_is_there(ran):
    results, out = ran
    text = (out / "report.md").read_text()
    named = re.findall(r"!\[.*\]\((.+)\.png\)", text)
    assert set(named) == {
        "gradient_lines", "gradient_densities", "by_layer", "gradient_maps", "accuracy", "loss",
        "update_ratio",
    }  # fmt: skip
    for name in named:
        assert (out / f"{name}.png").stat().st_size > 5000
        assert (out / f"{name}.svg").is_file()
    assert vanishing.EXPERIMENT.text(results) in text


# --- figures ---


def test_densities_have_a_curve_a_layer_on_a_log_axis(figures):
    figure = figures["gradient_densities"]
    assert figure.axes[0].get_xlabel() == "log₁₀ |gradient of weight|"
    assert legend(figure) == [f"dense{k}" for k in range(1, 7)]


def test_lines_have_theory_at_the_first_step_going_down_from_the_last_layer(ran, figures):
    (ax,) = figures["gradient_lines"].axes
    lines = [line for line in ax.lines if line.get_label().startswith("dense")]
    diamonds = [y for line in ax.lines if line.get_marker() == "D" for y in line.get_ydata()]
    assert ax.get_ylabel() == "log₁₀ RMS of gradient of weight"
    last = lines[-1].get_ydata()[0]
    assert diamonds[5] == pytest.approx(last)
    assert legend(figures["gradient_lines"])[-1] == "theory, first step"
    theory = attenuation(ran[0].trials["sigmoid"][0].start, 0.25)
    assert np.diff(diamonds[1:6]) == pytest.approx(-np.log10(theory[1:]))


def test_the_theory_of_the_first_layer_has_the_size_of_its_inputs(ran):
    trial = ran[0].trials["sigmoid"][0]
    theory = attenuation(trial.start, 0.25)
    x = trial.setup.load().x
    first, second = vanishing.predicted([trial], 1.0)[:2]
    assert first / second == pytest.approx(theory[0] * np.sqrt(np.mean(x**2)) / 0.5)


def test_gradients_by_layer_are_the_means_over_the_seeds(ran, figures):
    before, after = panels = figures["by_layer"].axes
    assert [ax.get_title() for ax in panels] == ["before training", "after training"]
    assert before.get_ylim() == after.get_ylim()
    labels = [[text.get_text() for text in ax.get_legend().get_texts()] for ax in panels]
    assert labels[0] == ["theory"]
    assert labels[1][:7] == list(vanishing.VARIANTS)
    for ax, when in zip(panels, ("start", "end"), strict=True):
        assert (ax.get_xlabel(), ax.get_yscale()) == ("layer", "log")
        assert ax.get_ylabel() == "RMS of gradient of weight"
        drawn = {line.get_label(): line.get_ydata() for line in ax.lines}
        for label, trials in ran[0].trials.items():
            assert drawn[label] == pytest.approx(rms_by_layer(trials, when))


def test_all_maps_share_the_scale(figures):
    panels = [ax for ax in figures["gradient_maps"].axes if ax.get_title()]
    assert [ax.get_title() for ax in panels] == list(vanishing.VARIANTS)
    assert len({(ax.collections[0].norm.vmin, ax.collections[0].norm.vmax) for ax in panels}) == 1
    for ax in panels:
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("step", "layer")
        assert [text.get_text() for text in ax.get_yticklabels()] == list("123456")


def test_every_variant_has_its_learning_curves(figures):
    for metric in ("accuracy", "loss"):
        assert figures[metric].axes[0].get_ylabel() == metric
        assert legend(figures[metric])[:7] == list(vanishing.VARIANTS)


# --- as the article has it ---


def test_the_articles_histogram_is_drawn_for_the_article_alone(ran_as_article, figures):
    results, out = ran_as_article
    assert "article_histogram" not in figures
    assert "(article_histogram.png)" in (out / "report.md").read_text()
    (ax,) = vanishing.EXPERIMENT.figures(results)["article_histogram"][0].axes
    assert ax.get_xlim() == (-1, 1)
    assert (ax.get_yscale(), ax.get_ylabel()) == ("log", "count")


def test_the_articles_histogram_pools_all_weights_and_biases(ran_as_article):
    results, _ = ran_as_article
    record = results.records["sigmoid"]
    counts, share = vanishing.pooled(record)
    assert counts.shape == (100,)
    assert counts.sum() == record.net.theta.size
    data = record.setup.load()
    record.net.backward(_slope(record, data))
    assert share == np.mean(np.abs(record.net.grad) < 0.02)
    text = vanishing.EXPERIMENT.text(results)
    assert f"the two bins at 0 hold {100 * share:.3f}% of all gradients" in text


def _slope(record, data):
    loss = record.setup.make_loss()
    loss.forward(record.net.forward(data.x[:100], training=True), data.labels[:100])
    return loss.backward()

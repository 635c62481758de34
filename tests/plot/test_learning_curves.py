"""Tests of learning curves."""

from types import SimpleNamespace

import numpy as np
import pytest
from helpers.charts import LABELS, RNG, X, history, legend
from scipy import stats

import minnet
from minnet import Dense, ReLU, Residual, Sequential, SoftmaxCrossEntropy, plot


@pytest.fixture(name="net")
def make_net():
    return Sequential([Dense(4, 16), ReLU(), Residual(Dense(16, 16), ReLU()), Dense(16, 3)], rng=0)


def test_training_is_dashed_and_validation_solid_over_whole_epochs():
    figure = plot.learning_curves(history(3, 2, 1, val=(4, 3, 2)))
    training, validation = figure.axes[0].lines
    assert (training.get_linestyle(), validation.get_linestyle()) == ("--", "-")
    assert training.get_xdata().tolist() == [1, 2, 3]
    assert training.get_ydata().tolist() == [3, 2, 1]
    assert validation.get_ydata().tolist() == [4, 3, 2]
    assert set(figure.axes[0].get_xticks()) <= {0, 1, 2, 3, 4}
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("epoch", "loss")
    assert legend(figure) == ["training", "validation"]


def test_runs_of_a_label_are_drawn_as_their_mean_with_its_95_percent_interval():
    losses = RNG.normal(size=(5, 4))
    figure = plot.learning_curves({"Adam": [history(*row) for row in losses], "SGD": history(1, 2)})
    mean, alone = figure.axes[0].lines
    np.testing.assert_allclose(mean.get_ydata(), losses.mean(axis=0))
    (band,) = figure.axes[0].collections
    edges = band.get_paths()[0].vertices
    for epoch, column in enumerate(losses.T, start=1):
        low, high = stats.ttest_1samp(column, 0).confidence_interval(0.95)
        heights = edges[edges[:, 0] == epoch, 1]
        assert (heights.min(), heights.max()) == (pytest.approx(low), pytest.approx(high))
    assert alone.get_ydata().tolist() == [1, 2]
    assert legend(figure) == ["Adam", "SGD", "training", "95% interval of\nthe mean, 5 runs"]


def test_a_single_epoch_has_a_marker():
    assert plot.learning_curves(history(1)).axes[0].lines[0].get_marker() == "o"


@pytest.mark.parametrize(
    ("histories", "metric", "message"),
    [
        (history(1), "accuracy", "with 'accuracy' or 'val_accuracy', got neither in the history"),
        ({"a": history(1)}, "f1", r"with 'f1' .*, got neither in 'a'"),
        ({"loss": [1.0, 2.0]}, "loss", "expected a History"),
        ([history(1), history(1, 2)], "loss", r"in each run of the history, got \[1, 2\]"),
        ({}, "loss", "at least one history"),
        ([], "loss", "with 'loss' or"),
    ],
)
def test_a_history_without_the_metric_raises(histories, metric, message):
    with pytest.raises(ValueError, match=message):
        plot.learning_curves(histories, metric=metric)


def test_the_history_of_fit_can_be_drawn(net):
    captured = minnet.fit(
        net, X, LABELS, loss=SoftmaxCrossEntropy(), optimizer=minnet.SGD(net), epochs=3,
        batch_size=10, validation_data=(X, LABELS), rng=0,
    )  # fmt: skip
    for metric in ("loss", "accuracy"):
        lines = plot.learning_curves(captured, metric=metric).axes[0].lines
        assert lines[0].get_ydata().tolist() == getattr(captured, metric)
        assert lines[1].get_ydata().tolist() == getattr(captured, f"val_{metric}")


@pytest.mark.parametrize("loss", [[1.7e308, -1.7e308], [1e308] * 3, [1.0, np.inf], [5e-324, 0.0]])
def test_extreme_losses_are_drawn(loss):
    run = SimpleNamespace(loss=loss)
    for runs in (run, [run, run], {"a": [run, SimpleNamespace(loss=loss[::-1])]}):
        figure = plot.learning_curves(runs)
        figure.draw_without_rendering()
        assert np.isfinite(figure.axes[0].get_ylim()).all()

"""The history of a training: metrics by epoch and by step, as lists and as tables."""

import copy
import pickle
import sys

import numpy as np
import pytest

from minnet import (
    SGD,
    Dense,
    History,
    Sequential,
    SoftmaxCrossEntropy,
    clip_grad_norm,
    datasets,
    fit,
    schedules,
)

(X, Y), TEST = datasets.iris()


def trained(epochs=3, net=None, optimizer=None, **options):
    net = net or Sequential([Dense(4, 3)], rng=0)
    options = {"validation_data": TEST, "batch_size": 50, "rng": 0} | options
    return fit(
        net, X, Y, loss=SoftmaxCrossEntropy(), optimizer=optimizer or SGD(net, lr=0.01),
        epochs=epochs, **options,
    )  # fmt: skip


def test_the_loss_and_the_learning_rate_of_every_step_are_recorded():
    schedule = schedules.cosine(0.1, steps=9)
    history = trained(schedule=schedule)
    assert list(history.step_lr) == [schedule(step) for step in range(9)]
    rows = np.array([50, 50, 20])
    means = np.array(history.step_loss).reshape(3, 3) @ rows / 120
    np.testing.assert_allclose(means, history.loss, rtol=1e-14)
    assert len(history.step_grad_norm) == 0


def test_the_gradient_norm_is_recorded_before_clipping_where_clip_norm_is_given():
    class Norm:
        def observe(self, step, net):
            self.norm = float(np.linalg.norm(net.grad))

    probe, net = Norm(), Sequential([Dense(4, 3)], rng=0)
    optimizer = SGD(net, lr=0.01)
    history = trained(1, net, optimizer)
    trained(1, net, optimizer, clip_norm=1e-3, probes=[probe])
    assert probe.norm == pytest.approx(1e-3, rel=1e-5)
    np.testing.assert_array_equal(np.isnan(history.step_grad_norm), [True] * 3 + [False] * 3)
    trained(1, net, optimizer, clip_norm=1e9, probes=[probe])
    assert history.step_grad_norm[-1] == pytest.approx(probe.norm, rel=1e-5)
    assert history.step_grad_norm[-1] == clip_grad_norm(net, 1e9) > 0.1
    trained(1, net, optimizer)
    np.testing.assert_array_equal(np.isnan(history.step_grad_norm[-6:]), [False] * 3 + [True] * 3)


def test_a_metric_that_some_epochs_lack_keeps_its_place():
    net = Sequential([Dense(4, 3)], rng=0)
    optimizer = SGD(net, lr=0.01)
    history = trained(2, net, optimizer, validation_data=None)
    assert history.val_loss == []
    trained(1, net, optimizer)
    trained(1, net, optimizer, validation_data=None)
    assert [np.isnan(v) for v in history.val_loss] == [True, True, False, True]
    assert len(history.loss) == len(history.val_accuracy) == len(history.lr) == 4


def test_to_frame_has_a_row_for_each_epoch_or_step():
    pandas = pytest.importorskip("pandas")
    history = trained()
    epochs, steps = history.to_frame(), history.to_frame("step")
    assert isinstance(epochs, pandas.DataFrame)
    assert list(epochs) == ["loss", "accuracy", "val_loss", "val_accuracy", "lr"]
    assert (epochs.index.name, epochs.index.tolist()) == ("epoch", [1, 2, 3])
    assert epochs["val_loss"].tolist() == history.val_loss
    assert list(steps) == ["loss", "lr"]
    assert (steps.index.name, steps.index.tolist()) == ("step", list(range(9)))
    assert steps["loss"].tolist() == list(history.step_loss)
    assert list(trained(clip_norm=1.0).to_frame("step")) == ["loss", "lr", "grad_norm"]
    assert History().to_frame().shape == History().to_frame("step").shape == (0, 0)
    steps.loc[0, "loss"] = 7.0
    assert history.step_loss[0] != 7.0


def test_to_frame_raises_for_other_rows_and_without_pandas(monkeypatch):
    with pytest.raises(
        ValueError, match="to_frame: expected by as one of epoch, step, got 'batch'"
    ):
        History().to_frame("batch")
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="expected pandas, which is not installed"):
        History().to_frame()


def test_repr_is_one_line_with_the_first_and_the_last_value_of_each_metric():
    history = History(loss=[2.0, 1.0, 0.25], accuracy=[0.5, 0.75, 1.0], steps=12)
    assert repr(history) == "History(3 epochs, 12 steps; loss 2 -> 0.25, accuracy 0.5 -> 1)"
    assert repr(History()) == "History(0 epochs, 0 steps; no metrics)"


@pytest.mark.parametrize(
    "twin", [copy.deepcopy, lambda history: pickle.loads(pickle.dumps(history))]
)
def test_a_copy_is_equal_and_independent(twin):
    history = trained()
    copied = twin(history)
    assert copied == history
    copied.append_step({"loss": 1.0, "lr": 0.1}, 10)
    assert copied != history


def test_a_long_run_keeps_few_bytes_for_each_step():
    history = History()
    for step in range(1000):
        history.append_step({"loss": 1.0, "lr": 0.1, "grad_norm": 1.0}, step + 1)
    size = sum(sys.getsizeof(getattr(history, f"step_{name}")) for name in ("loss", "lr"))
    assert size < 2 * 1000 * 10


def test_the_text_of_a_history_shows_first_and_last_measured_values():
    net = Sequential([Dense(4, 3)], rng=0)
    optimizer = SGD(net, lr=0.01)
    for data in (None, TEST, TEST, None):
        history = trained(1, net, optimizer, validation_data=data)
    first, last = history.val_loss[1:3]
    assert f"val_loss {first:.4g} -> {last:.4g}, val_accuracy" in repr(history)
    assert "nan" not in repr(history)

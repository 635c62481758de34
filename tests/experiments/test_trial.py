"""Trials: results match independent computations, and recording does not change them."""

import json
import re

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from minnet import CrossEntropy, SoftmaxCrossEntropy, capture, evaluate, fit
from minnet.experiments import trial as module
from minnet.experiments.measures import rms
from minnet.experiments.setup import Setup, load
from minnet.experiments.trial import CURVES, Record, Trial, plain, train

SMALL = Setup(
    data="digits", rows=90, hidden=(12, 10), activation="relu", lr=0.01, batch_size=20, epochs=3,
    measures=("likeness",),
)  # fmt: skip
EXPLODING = SMALL.but(activation="leaky_relu", optimizer="sgd", lr=1e20, measures=())
# All seeds begin with the same network, so that they differ in the order of the rows alone.
ORDERED = SMALL.but(hidden=(), init="zeros", measures=())


@pytest.fixture(scope="module")
def trained():
    return train(SMALL, record=True)


@pytest.fixture(scope="module")
def trial(trained):
    return trained[0]


@pytest.fixture(scope="module")
def record(trained):
    return trained[1]


def numbers(trial):
    """The results of a trial without its times, with None for NaN so that they compare equal."""
    reported = plain(trial.as_dict())
    seconds = reported["curves"].pop("seconds")
    assert all(second > 0 for second in seconds)
    return reported


# Reproducibility


def test_the_same_setup_gives_the_same_numbers(trial):
    assert numbers(train(SMALL)[0]) == numbers(trial)
    assert numbers(train(SMALL.but(seed=1))[0])["curves"] != numbers(trial)["curves"]


def test_the_order_of_the_rows_depends_on_the_seed() -> None:
    first, other = (train(ORDERED.but(seed=seed))[0].curves["loss"] for seed in (0, 1))
    assert first != pytest.approx(other)


def test_the_order_of_rows_is_independent_of_the_initial_weights() -> None:
    data, net = load("digits", rows=90), ORDERED.build()
    history = fit(
        net, data.x, data.labels, loss=SoftmaxCrossEntropy(), epochs=1, batch_size=20,
        optimizer=ORDERED.make_optimizer(net), rng=ORDERED.seed,
    )  # fmt: skip
    assert train(ORDERED)[0].curves["loss"][0] != pytest.approx(history.loss[0])


@pytest.mark.usefixtures("trial")  # the first training loads SciPy's BLAS, too
def test_a_training_uses_one_blas_thread_and_restores_the_others(monkeypatch) -> None:
    def threads() -> list[int]:
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    def counted(*args, **options):
        found.extend(threads())
        return fit(*args, **options)

    found: list[int] = []
    monkeypatch.setattr(module, "fit", counted)
    with threadpool_limits(2, user_api="blas"):
        given = threads()  # none of a BLAS that threadpoolctl does not know
        train(SMALL)
        assert threads() == given
    assert found == [1] * 3 * len(given)


@pytest.mark.parametrize(
    "changes", [{"dropout": 0.3}, {"batchnorm": True, "residual": True}, {"loss": "squared_error"}]
)
def test_recording_changes_no_bit(changes):
    setup = SMALL.but(**changes)
    alone, none = train(setup)
    recorded, record = train(setup, record=True)
    assert none is None
    assert numbers(alone) == numbers(recorded)
    again = train(setup, record=True)[1]
    np.testing.assert_array_equal(record.net.theta, again.net.theta)


def test_the_record_has_the_network_of_the_trial(trial, record):
    """Without a record, train() returns no network; its weights are compared by their RMS."""
    ends = [layer.weight.value for layer in record.net.layers[::2]]
    assert [row["weight_rms"] for row in train(SMALL)[0].end["dense"]] == [rms(w) for w in ends]
    assert [row["weight_rms"] for row in trial.end["dense"]] == [rms(w) for w in ends]


# Curves.


def test_curves_have_a_number_for_each_epoch(trial):
    assert set(trial.curves) == set(CURVES)
    assert {len(curve) for curve in trial.curves.values()} == {3}
    assert trial.last("loss") == trial.curves["loss"][-1] < trial.curves["loss"][0]


def test_losses_at_the_end_of_an_epoch_belong_to_the_network_at_that_time(trial, record):
    data, loss = load("digits", rows=90), SoftmaxCrossEntropy()
    for rows, x, labels in (
        ("train", data.x, data.labels),
        ("val", data.x_test, data.labels_test),
    ):
        measured = evaluate(record.net, x, labels, loss)
        assert trial.last(f"{rows}_loss") == pytest.approx(measured["loss"], rel=1e-6)
        assert trial.last(f"{rows}_accuracy") == measured["accuracy"]


def test_an_epoch_does_not_depend_on_later_ones(trial):
    shorter = train(SMALL.but(epochs=2))[0]
    for name in set(CURVES) - {"seconds"}:
        assert shorter.curves[name] == trial.curves[name][:2]


def test_squared_error_has_an_accuracy():
    setup = SMALL.but(loss="squared_error", batch_size=4, rows=40)
    trial, record = train(setup, record=True)
    data = load("digits", rows=40)
    output = record.net.predict(data.x_test).astype(np.float64)
    error = ((output - np.eye(10)[data.labels_test]) ** 2).mean()
    assert trial.last("val_loss") == pytest.approx(error, rel=1e-5)
    right = (output.argmax(axis=1) == data.labels_test).mean()
    assert trial.last("val_accuracy") == pytest.approx(right)
    assert trial.curves["accuracy"] == []


def test_a_first_batch_without_all_classes_has_targets_as_wide_as_the_output():
    assert load("digits", rows=40).labels[:2].max() < 9
    trial, _ = train(SMALL.but(loss="squared_error", batch_size=2, rows=40, epochs=0))
    assert trial.start["dense"][-1]["weight_grad_rms"] > 0


def test_history_has_the_attributes_of_learning_curves(trial):
    history = trial.history()
    assert history.loss == trial.curves["train_loss"]
    assert history.accuracy == trial.curves["train_accuracy"]
    assert history.val_loss == trial.curves["val_loss"]
    assert history.val_accuracy == trial.curves["val_accuracy"]


# The network before and after.


def test_hidden_statistics_match_numpy_on_the_captured_arrays(trial, record):
    for rows, captured in ((trial.start, record.before()), (trial.end, record.after())):
        assert [row["name"] for row in rows["hidden"]] == ["relu1", "relu2"]
        for row in rows["hidden"]:
            y = captured[row["name"]]["y"].astype(np.float64)
            assert y.shape == (360, row["units"])
            centred = y - y.mean()
            assert row["mean"] == pytest.approx(y.mean())
            assert row["std"] == pytest.approx(y.std())
            assert row["kurtosis"] == pytest.approx((centred**4).mean() / y.var() ** 2 - 3)
            assert (row["minimum"], row["maximum"]) == (y.min(), y.max())
            assert row["zeros"] == pytest.approx((y == 0).mean())
            assert row["dead"] == (y == y[0]).all(axis=0).sum()
            assert np.isnan(row["saturated"])


def test_dense_gradients_match_the_chain_rule_in_numpy(trial):
    """The gradients on the first batch, forward and backward by hand in float64."""
    net, data = SMALL.build(), load("digits", rows=90)
    weights = [layer.weight.value.astype(np.float64) for layer in net.layers[::2]]
    x, ys = data.x[:20].astype(np.float64), []
    for weight in weights[:-1]:
        ys.append(x)
        x = np.maximum(x @ weight, 0)  # biases begin at 0
    ys.append(x)
    logits = x @ weights[-1]
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    dy = (p - np.eye(10)[data.labels[:20]]) / 20
    for row, weight, y in zip(trial.start["dense"][::-1], weights[::-1], ys[::-1], strict=True):
        assert (row["fan_in"], row["fan_out"]) == weight.shape
        assert row["weight_rms"] == pytest.approx(np.sqrt((weight**2).mean()), rel=1e-6)
        assert row["dy_rms"] == pytest.approx(np.sqrt((dy**2).mean()), rel=1e-4)
        gradient = y.T @ dy
        assert row["weight_grad_rms"] == pytest.approx(np.sqrt((gradient**2).mean()), rel=1e-4)
        dy = (dy @ weight.T) * (y > 0)
    assert [row["name"] for row in trial.start["dense"]] == ["dense1", "dense2", "dense3"]


def test_moved_is_the_relative_change_of_a_weight(trial, record):
    assert all("moved" not in row for row in trial.start["dense"])
    first, last = SMALL.build(), record.net
    for row, before, after in zip(
        trial.end["dense"], first.layers[::2], last.layers[::2], strict=True
    ):
        w, v = before.weight.value.astype(np.float64), after.weight.value.astype(np.float64)
        assert row["moved"] == pytest.approx(np.linalg.norm(v - w) / np.linalg.norm(w), rel=1e-5)
        assert row["moved"] > 0.01


def test_moved_is_nan_for_initial_weights_of_zero():
    trial, _ = train(SMALL.but(init="zeros", epochs=1))
    assert all(np.isnan(row["moved"]) for row in trial.end["dense"])


@pytest.mark.parametrize(
    ("activation", "low", "high"), [("sigmoid", 0.03, 0.97), ("tanh", -0.94, 0.94)]
)
def test_saturated_is_the_share_of_entries_near_the_ends_of_the_activation(activation, low, high):
    setup = SMALL.but(activation=activation, weight_scale=8.0, epochs=0, measures=())
    trial, record = train(setup, record=True)
    for row in trial.start["hidden"]:
        y = record.before()[row["name"]]["y"]
        assert row["saturated"] == pytest.approx(((y < low) | (y > high)).mean())
        assert 0.05 < row["saturated"] < 0.95


def test_layers_inside_a_residual_block_are_measured():
    trial, _ = train(SMALL.but(hidden=(12, 12), residual=True, epochs=0))
    assert [row["name"] for row in trial.start["hidden"]] == ["relu1", "residual1.relu1"]
    names = [row["name"] for row in trial.start["dense"]]
    assert names == ["dense1", "residual1.dense1", "dense2"]


def test_measures_are_taken_at_the_start_and_at_the_end(trial):
    assert list(trial.measures) == ["start", "end"]
    assert len(trial.measures["end"]["likeness"]) == 3
    assert train(EXPLODING)[0].measures == {}


def test_with_no_epochs_the_end_is_the_start():
    trial, record = train(SMALL.but(epochs=0), record=True)
    assert all(curve == [] for curve in trial.curves.values())
    assert np.isnan(trial.last("val_loss"))
    assert [row.pop("moved") for row in trial.end["dense"]] == [0, 0, 0]
    assert plain(trial.end) == plain(trial.start)
    np.testing.assert_array_equal(record.net.theta, SMALL.build().theta)


# Probes.


def test_steps_are_numbered_across_epochs(record):
    """90 rows in batches of 20 are 5 steps an epoch; all 15 are recorded one by one."""
    each = [[step, step] for step in range(15)]
    assert record.statistics.steps("dense1", "weight_grad").tolist() == each


def test_the_probe_records_the_gradient_of_the_first_step():
    setup = SMALL.but(batch_size=90, epochs=1)
    trial, record = train(setup, record=True)
    _, captured = record.statistics.series("dense1", "weight_grad", "rms")
    assert captured == pytest.approx(trial.start["dense"][0]["weight_grad_rms"], rel=1e-3)


# What goes wrong.


def test_a_diverged_training_names_the_layer_and_has_no_end():
    trial, record = train(EXPLODING, record=True)
    assert re.search(r"step \d+ .*layer \d '\w+'", trial.stopped)
    assert trial.end is None
    assert trial.start["dense"][0]["weight_rms"] > 0
    assert record.net is None
    assert record.before()["leakyrelu1"]["y"].shape == (360, 12)
    with pytest.raises(ValueError, match="diverged and has no trained network"):
        record.after()


def test_an_overflow_before_the_first_step_is_reported():
    setup = SMALL.but(hidden=(8,) * 6, weight_scale=1e12)
    trial, record = train(setup, record=True)
    assert "layer" in trial.stopped
    assert trial.start is None
    assert trial.end is None
    assert all(curve == [] for curve in trial.curves.values())
    assert record.net is None
    assert numbers_of_json(trial) == trial


def test_epochs_before_the_explosion_are_kept():
    """The penalty multiplies each weight by 1 - 2 · 1 · 3 = -5 a step, five times an epoch."""
    trial, _ = train(SMALL.but(optimizer="sgd", lr=1.0, l2=3.0, epochs=40, measures=()))
    assert trial.stopped is not None
    assert 0 < len(trial.curves["loss"]) < 40
    lengths = {len(curve) for curve in trial.curves.values()}
    assert len(lengths) == 1


# Files.


def numbers_of_json(trial):
    return Trial.from_dict(json.loads(json.dumps(plain(trial.as_dict()))))


def test_a_trial_comes_back_from_json(trial):
    again = numbers_of_json(trial)
    assert again.setup == SMALL
    assert again.curves == trial.curves
    assert numbers(again) == numbers(trial)
    assert np.isnan(again.start["hidden"][0]["saturated"])
    assert again.stopped is None


def test_a_diverged_trial_is_restored_without_an_end():
    trial = train(EXPLODING)[0]
    again = numbers_of_json(trial)
    assert again.end is None
    assert again.stopped == trial.stopped


def test_a_record_comes_back_from_its_files(record, tmp_path):
    record.save(tmp_path / "kept")
    again = Record.load(SMALL, tmp_path / "kept")
    np.testing.assert_array_equal(again.net.theta, record.net.theta)
    for name, kinds in record.after().items():
        np.testing.assert_array_equal(again.after()[name]["y"], kinds["y"])
    rms = [each.statistics.series("relu1", "y", "rms")[1] for each in (again, record)]
    np.testing.assert_array_equal(*rms)


def test_the_record_of_a_diverged_training_is_loaded_without_a_network(tmp_path):
    train(EXPLODING, record=True)[1].save(tmp_path / "kept")
    assert Record.load(EXPLODING, tmp_path / "kept").net is None


def test_before_and_after_are_captures_of_the_first_and_the_last_network(record):
    data = load("digits", rows=90)
    for captured, net in ((record.before(), SMALL.build()), (record.after(), record.net)):
        expected = capture(net, data.x_test)
        for name, kinds in expected.items():
            np.testing.assert_array_equal(captured[name]["y"], kinds["y"])
    assert not np.allclose(record.before()["dense1"]["y"], record.after()["dense1"]["y"])


def test_the_reported_loss_matches_softmax_and_cross_entropy(trial, record):
    data = load("digits", rows=90)
    logits = record.net.predict(data.x_test).astype(np.float64)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = CrossEntropy().forward(p, data.labels_test)
    assert trial.last("val_loss") == pytest.approx(expected, rel=1e-5)

"""Training: one step, `fit`, validation before it, and errors and interruptions during it."""

import os
import signal
import threading
import time
import tracemalloc

import numpy as np
import pytest

import minnet
from minnet import (
    L2,
    SGD,
    Adam,
    BatchNorm,
    Dense,
    HistogramProbe,
    Loss,
    MeanSquaredError,
    ReLU,
    Sequential,
    Sigmoid,
    SigmoidBinaryCrossEntropy,
    Softmax,
    SoftmaxCrossEntropy,
    evaluate,
    fit,
    schedules,
    train_step,
)


def rows(n=60, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    return (rng.standard_normal((n, 4)) + 2.0 * y[:, None]).astype(np.float32), y


def network(seed=0, **options):
    return Sequential([Dense(4, 8), ReLU(), Dense(8, 3)], rng=seed, **options)


class Recorder:
    def __init__(self):
        self.steps, self.inputs, self.thetas = [], [], []

    def observe(self, step, net):
        self.steps.append(step)
        self.inputs.append(net.layers[0].x.copy())
        self.thetas.append(net.theta.copy())


def run(net, x, y, **options):
    options = {
        "loss": SoftmaxCrossEntropy(),
        "optimizer": Adam(net, lr=0.01),
        "epochs": 3,
        "batch_size": 16,
        "rng": 0,
    } | options
    return fit(net, x, y, **options)


def test_a_step_is_forward_loss_backward_and_the_optimizers_rule():
    x, y = rows(8)
    net, by_hand = network(), network()
    value = train_step(net, x, y, loss=SoftmaxCrossEntropy(), optimizer=SGD(net, lr=0.1))
    loss = SoftmaxCrossEntropy()
    expected = loss.forward(by_hand.forward(x, training=True), y)
    by_hand.backward(loss.backward())
    by_hand.theta -= np.float32(0.1) * by_hand.grad
    assert value == expected
    np.testing.assert_allclose(net.theta, by_hand.theta, rtol=1e-6)


def test_a_step_leaves_data_unchanged_and_calls_probes_before_the_update():
    x, y = rows(8)
    x_before, y_before = x.copy(), y.copy()
    net, recorder = network(), Recorder()
    theta = net.theta.copy()
    train_step(
        net, x, y, loss=SoftmaxCrossEntropy(), optimizer=Adam(net), probes=[recorder], step=7
    )
    np.testing.assert_array_equal(x, x_before)
    np.testing.assert_array_equal(y, y_before)
    assert recorder.steps == [7]
    np.testing.assert_array_equal(recorder.thetas[0], theta)
    assert not np.array_equal(net.theta, theta)


def test_the_regularizer_adds_to_the_gradient_not_to_the_loss_and_clipping_comes_after_it():
    x, y = rows(8)
    plain, penalised = network(), network()
    loss = SoftmaxCrossEntropy()
    value = train_step(plain, x, y, loss=loss, optimizer=SGD(plain, lr=0.0))
    with_penalty = train_step(
        penalised, x, y, loss=loss, optimizer=SGD(penalised, lr=0.0), regularizer=L2(0.1)
    )
    assert with_penalty == value
    weight = penalised["dense1"].weight
    np.testing.assert_allclose(
        weight.grad, plain["dense1"].weight.grad + 0.2 * weight.value, rtol=1e-5, atol=1e-7
    )
    train_step(
        penalised, x, y, loss=loss, optimizer=SGD(penalised, lr=0.0), regularizer=L2(0.1),
        clip_norm=1e-3,
    )  # fmt: skip
    assert np.linalg.norm(penalised.grad) == pytest.approx(1e-3, rel=1e-5)


def test_every_row_is_used_once_in_each_epoch_with_a_shorter_last_batch():
    x, y = rows(50)
    recorder = Recorder()
    history = run(network(), x, y, epochs=2, batch_size=16, probes=[recorder])
    assert [len(batch) for batch in recorder.inputs] == [16, 16, 16, 2] * 2
    assert recorder.steps == list(range(8)) == list(range(history.steps))
    for epoch in (recorder.inputs[:4], recorder.inputs[4:]):
        used = np.concatenate(epoch)
        np.testing.assert_array_equal(np.sort(used, axis=0), np.sort(x, axis=0))
        assert not np.array_equal(used, x)
    assert not np.array_equal(recorder.inputs[0], recorder.inputs[4])


def test_without_shuffling_rows_keep_their_order():
    x, y = rows(40)
    recorder = Recorder()
    run(network(), x, y, epochs=1, shuffle=False, probes=[recorder])
    np.testing.assert_array_equal(np.concatenate(recorder.inputs), x)


def test_one_seed_gives_bit_identical_weights_with_and_without_a_probe():
    x, y = rows()
    thetas = []
    for probes in ([], [Recorder()]):
        net = network(seed=3)
        run(net, x, y, rng=5, probes=probes)
        thetas.append(net.theta.copy())
    np.testing.assert_array_equal(*thetas)


def test_numpys_global_random_state_is_left_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    run(network(), *rows(), rng=None)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_training_lowers_the_loss_and_history_records_it():
    x, y = rows(90)
    net = network()
    history = run(net, x, y, epochs=60, validation_data=(x, y))
    assert len(history.loss) == len(history.val_accuracy) == 60
    assert history.loss[-1] < 0.3 * history.loss[0]
    assert history.val_accuracy[-1] > 0.9
    assert net.history is history
    assert "60 epochs" in repr(history)


def test_history_is_the_mean_over_rows_and_validation_equals_evaluate():
    x, y = rows(50)
    net = network()
    optimizer = SGD(net, lr=0.0)
    history = run(net, x, y, epochs=1, optimizer=optimizer, validation_data=(x[:20], y[:20]))
    everything = evaluate(net, x, y, SoftmaxCrossEntropy())
    assert history.loss[0] == pytest.approx(everything["loss"], rel=1e-6)
    assert history.accuracy[0] == pytest.approx(everything["accuracy"])
    part = evaluate(net, x[:20], y[:20], SoftmaxCrossEntropy())
    assert history.val_loss == [part["loss"]]
    assert history.val_accuracy == [part["accuracy"]]


def test_regression_has_no_accuracy():
    x, _ = rows()
    net = Sequential([Dense(4, 1)], rng=0)
    history = run(net, x, x[:, :1], loss=MeanSquaredError(), validation_data=(x, x[:, :1]))
    assert history.accuracy == history.val_accuracy == []
    assert len(history.val_loss) == 3


def test_a_schedule_sets_the_learning_rate_of_every_step():
    x, y = rows(40)
    net = network()
    optimizer = SGD(net, lr=9.0)
    history = run(
        net, x, y, optimizer=optimizer, batch_size=20, schedule=schedules.step(0.5, every=2)
    )
    assert history.lr == pytest.approx([0.5, 0.05, 0.005])


def test_evaluate_leaves_network_and_loss_alone():
    x, y = rows(40)
    net, loss = network(), SoftmaxCrossEntropy()
    train_step(net, x, y, loss=loss, optimizer=SGD(net, lr=0.0))
    loss.forward(net.y, y)
    kept = {name: layer.y.copy() for name, layer in net.walk()}, loss.dx.copy(), net.grad.copy()
    measured = evaluate(net, x[:7], y[:7], loss)
    assert measured["accuracy"] == (net.predict(x[:7]).argmax(axis=1) == y[:7]).mean()
    for name, layer in net.walk():
        np.testing.assert_array_equal(layer.y, kept[0][name])
    np.testing.assert_array_equal(loss.dx, kept[1])
    np.testing.assert_array_equal(loss.backward(), kept[1])
    np.testing.assert_array_equal(net.grad, kept[2])


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"x": np.zeros((60, 5))}, ValueError, r"Dense\(4->8\).*\(n, 4\).*\(60, 5\)"),
        (
            {"x": np.zeros((0, 4)), "y": np.zeros(0, int)},
            ValueError,
            r"fit: expected at least one row, got x of shape \(0, 4\)",
        ),
        (
            {"y": np.zeros(59, int)},
            ValueError,
            r"expected a target of 60 labels .*, got shape \(59,\)",
        ),
        ({"y": np.full(60, 3)}, ValueError, r"expected labels in 0\.\.2, got label 3 at row 0"),
        ({"y": np.full(60, -1)}, ValueError, r"expected labels in 0\.\.2, got label -1 at row 0"),
        ({"y": np.zeros(60)}, TypeError, "expected integer labels, got dtype float64"),
        ({"epochs": 0}, ValueError, "epochs.*at least 1"),
        ({"epochs": 2.5}, TypeError, "epochs.*whole number"),
        ({"batch_size": -3}, ValueError, "batch_size.*at least 1"),
        ({"clip_norm": 0.0}, ValueError, "clip_norm.*positive"),
        ({"validation_data": (np.zeros((2, 3)), [0, 1])}, ValueError, r"\(n, 4\)"),
        (
            {"validation_data": (np.zeros((2, 4)), [0])},
            ValueError,
            r"^validation y: SoftmaxCrossEntropy\(\): expected a target of 2 labels",
        ),
        (
            {"validation_data": (np.zeros((2, 4)), [0.0, 1.0])},
            TypeError,
            r"^validation y: SoftmaxCrossEntropy\(\): expected integer labels",
        ),
        (
            {"validation_data": (np.full((2, 4), np.nan), [0, 1])},
            FloatingPointError,
            "validation x: expected finite values, got nan at row 0, column 0",
        ),
        (
            {"x": np.full((60, 4), np.nan)},
            FloatingPointError,
            "the input x: expected finite values, got nan at row 0, column 0",
        ),
    ],
)
def test_bad_input_is_refused_before_anything_is_trained(change, error, words):
    x, y = rows()
    net, loss = network(), SoftmaxCrossEntropy()
    history = run(net, x, y, loss=loss)
    loss.forward(net.predict(x[:5]), y[:5])
    theta, target = net.theta.copy(), loss.target.copy()
    options = {"x": x, "y": y, "loss": loss} | change
    with pytest.raises(error, match=words):
        run(net, **options)
    np.testing.assert_array_equal(net.theta, theta)
    np.testing.assert_array_equal(loss.target, target)
    assert net.history is history
    assert len(history.loss) > 0
    assert loss.backward().shape == target.shape


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (
            {"loss": SoftmaxCrossEntropy},
            TypeError,
            r"fit: expected a Loss.*; create one: SoftmaxCrossEntropy\(\.\.\.\)",
        ),
        (
            {"optimizer": Adam},
            TypeError,
            r"fit: expected an? Optimizer.*; create one: Adam\(\.\.\.\)",
        ),
        (
            {"probes": HistogramProbe()},
            TypeError,
            r"fit: expected a list of probes such as \[HistogramProbe\(\)\], got",
        ),
        (
            {"probes": [HistogramProbe]},
            TypeError,
            r"fit: expected a list of probes such as \[HistogramProbe\(\)\], got",
        ),
        ({"regularizer": 0.01}, TypeError, r"expected a Regularizer such as L2"),
        (
            {"schedule": 0.01},
            TypeError,
            "fit: expected a schedule that maps step to lr, got 0.01; a constant lr",
        ),
        (
            {"validation_data": (np.zeros((0, 4)), np.zeros(0, int))},
            ValueError,
            r"fit: expected at least one row, got validation x of shape \(0, 4\)",
        ),
    ],
)
def test_a_setting_of_the_wrong_type_is_refused_with_the_repair(change, error, words):
    with pytest.raises(error, match=words):
        run(network(), *rows(), **change)


@pytest.mark.parametrize("last", [Softmax, Sigmoid])
def test_a_loss_from_logits_after_softmax_or_sigmoid_is_refused(last):
    net = Sequential([Dense(4, 3), last()], rng=0)
    with pytest.raises(ValueError, match=r"takes logits, but the network ends in layer 2.*twice"):
        run(net, *rows())


def test_all_rows_of_the_target_are_checked_before_training():
    x, _ = rows()
    net = Sequential([Dense(4, 1)], rng=0)
    theta = net.theta.copy()
    target = np.zeros((60, 1))
    for value, loss, error in (
        (2.0, SigmoidBinaryCrossEntropy(), ValueError),
        (np.nan, MeanSquaredError(), FloatingPointError),
    ):
        target[59] = value
        with pytest.raises(error, match="row 59"):
            run(net, x, target, loss=loss)
        with pytest.raises(error, match="row 59"):
            run(net, x, np.zeros((60, 1)), loss=loss, validation_data=(x, target))
    np.testing.assert_array_equal(net.theta, theta)


def test_a_users_loss_for_classes_has_an_accuracy():
    class Own(Loss):
        classifies = True

        def compute(self, output, target):
            p = np.exp(output - output.max(axis=1, keepdims=True))
            self.p = p / p.sum(axis=1, keepdims=True)
            return -(target * np.log(self.p)).sum() / len(output)

        def differentiate(self, output, target, dx):
            dx[...] = (self.p - target) / len(output)

    x, y = rows(90)
    first = run(network(), x, y, loss=Own(), validation_data=(x, y))
    second = run(network(), x, y, validation_data=(x, y))
    assert first.accuracy == second.accuracy
    assert first.val_accuracy == second.val_accuracy


def test_labels_are_checked_without_one_hot_rows_for_the_whole_data():
    n, classes = 20_000, 500
    x = np.zeros((n, 4), np.float32)
    y = np.arange(n) % classes
    net = Sequential([Dense(4, classes)], rng=0)
    options = {"epochs": 1, "batch_size": 10}
    run(net, x[:10], y[:10], **options)  # compile the kernels
    y[-1] = classes
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"expected labels in 0\.\.499, got label 500 at row"):
            run(net, x, y, **options)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 0.1 * n * classes * x.itemsize


@pytest.mark.parametrize("kind", ["read-only", "memory-mapped"])
def test_training_on_read_only_rows_does_not_copy_them(kind, tmp_path):
    n = 50_000
    y = np.arange(n) % 3
    x = np.random.default_rng(0).standard_normal((n, 100), dtype=np.float32)
    if kind == "read-only":
        x.flags.writeable = False
    else:
        np.save(tmp_path / "x.npy", x)
        x = np.load(tmp_path / "x.npy", mmap_mode="r")
    net = Sequential([Dense(100, 3)], rng=0)
    writable = np.zeros((20, 100), np.float32)
    run(net, writable, y[:20], epochs=1)  # compile the kernels
    before = x[:10].copy()
    tracemalloc.start()
    try:
        run(net, x, y, epochs=1, batch_size=1000, validation_data=(x[:1000], y[:1000]))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 0.25 * x.nbytes
    np.testing.assert_array_equal(x[:10], before)


# Weights of the rows, and the last batch.


@pytest.mark.parametrize("full", [False, True])
def test_integer_weights_equal_repeated_rows(full):
    """With batches of all rows, because the others would differ."""
    x, y = rows(30)
    counts = np.arange(30) % 3
    weighted, repeated = network(dtype=np.float64), network(dtype=np.float64)
    options = {"batch_size": 1000, "shuffle": False, "epochs": 5}
    if full:
        history = run(weighted, x, y, sample_weight=counts, **options)
    else:
        train = {"loss": SoftmaxCrossEntropy(), "optimizer": Adam(weighted, lr=0.01)}
        values = [train_step(weighted, x, y, sample_weight=counts, **train) for _ in range(5)]
    expected = run(repeated, np.repeat(x, counts, axis=0), np.repeat(y, counts), **options)
    np.testing.assert_allclose(weighted.theta, repeated.theta, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(history.loss if full else values, expected.loss, rtol=1e-10)


def test_the_weighted_loss_of_an_epoch_is_the_mean_over_its_rows_and_weights_follow_their_rows():
    x, y = rows(50)
    weights = np.random.default_rng(0).random(50)
    weights[:20] = 0
    loss, net = SoftmaxCrossEntropy(), network()
    options = {"optimizer": SGD(net, lr=0.0), "epochs": 1, "validation_data": (x, y)}
    history = run(net, x, y, sample_weight=weights, **options)
    assert history.loss[0] == pytest.approx(
        loss.forward(net.predict(x), y, sample_weight=weights), rel=1e-6
    )
    assert history.val_loss[0] == loss.forward(net.predict(x), y)
    assert history.accuracy == history.val_accuracy


def test_a_batch_whose_weights_are_all_0_gives_no_nan():
    x, y = rows(40)
    weights = np.r_[np.zeros(20), np.ones(20)]
    net = network()
    history = run(net, x, y, sample_weight=weights, batch_size=20, shuffle=False, epochs=1)
    assert history.step_loss[0] == 0
    assert history.loss[0] == history.step_loss[1] > 0


@pytest.mark.parametrize("class_weight", [{0: 2.0, 2: 0.5}, "balanced"])
def test_class_weights_are_weights_of_the_rows_by_label(class_weight):
    x, y = rows(60)
    y[:30] = 1
    factors = np.array([2.0, 1.0, 0.5])
    if class_weight == "balanced":
        factors = 60 / (3 * np.bincount(y))
    given = np.random.default_rng(0).random(60)
    nets = [network() for _ in range(3)]
    run(nets[0], x, y, class_weight=class_weight)
    run(nets[1], x, y, sample_weight=factors[y])
    np.testing.assert_array_equal(nets[0].theta, nets[1].theta)
    run(nets[2], x, y, class_weight=class_weight, sample_weight=given)
    run(twin := network(), x, y, sample_weight=given * factors[y])
    np.testing.assert_allclose(nets[2].theta, twin.theta, rtol=1e-5, atol=1e-6)
    assert not np.array_equal(nets[0].theta, nets[2].theta)


def test_class_weights_of_a_single_yes_or_no_output_belong_to_0_and_1():
    x, y = rows(60)
    target = (y[:, None] == 1).astype(float)
    nets = [Sequential([Dense(4, 1)], rng=0) for _ in range(3)]
    options = {"loss": SigmoidBinaryCrossEntropy()}
    run(nets[0], x, target, class_weight={0: 0.25}, **options)
    run(nets[1], x, target, sample_weight=np.where(target[:, 0] == 0, 0.25, 1.0), **options)
    run(nets[2], x, target, **options)
    np.testing.assert_array_equal(nets[0].theta, nets[1].theta)
    assert not np.array_equal(nets[0].theta, nets[2].theta)
    for soft, weight in ((0.8 * target, "balanced"), (0.1 + 0.8 * target, {0: 1.0, 1: 5.0})):
        with pytest.raises(ValueError, match="expected targets 0 or 1, got probabilities"):
            run(nets[0], x, soft, class_weight=weight, **options)
    with pytest.raises(ValueError, match=r"a loss with classes for class_w.*, got MeanSquared"):
        run(nets[0], x, target, loss=MeanSquaredError(), class_weight="balanced")


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"sample_weight": np.ones(59)}, ValueError, r"sample_weight of shape \(60,\).*\(59,\)"),
        (
            {"sample_weight": np.full(60, -1.0)},
            ValueError,
            "fit: .*not negative, got -1.0 at row 0",
        ),
        ({"sample_weight": np.full(60, np.nan)}, ValueError, "fit: expected finite weights"),
        (
            {"sample_weight": np.full(60, 1e308)},
            ValueError,
            r"the largest weight .* between 1e-38 and 1e38, got 1e\+308; scale the weights",
        ),
        (
            {"class_weight": {0: 1e300}, "sample_weight": np.full(60, 1e300)},
            ValueError,
            "1e38, got inf",
        ),
        ({"class_weight": {0: 1e-300, 1: 0, 2: 0}}, ValueError, "1e38, got 1e-300"),
        (
            {"sample_weight": np.zeros(60)},
            ValueError,
            r"1e38, got 0\.0; scale the .*, or omit them",
        ),
        ({"drop_last": "no"}, TypeError, "fit: expected drop_last as True or False, got 'no'"),
        ({"shuffle": None}, TypeError, "fit: expected shuffle as True or False, got None"),
        ({"sample_weight": ["a"] * 60}, TypeError, "fit: expected sample_weight as real numbers"),
        ({"class_weight": {0: -1.0}}, ValueError, "class_weight: .*not negative, got -1"),
        ({"class_weight": {7: 1.0}}, ValueError, r"a dict of labels in y to weights, got \{7: 1.0"),
        ({"class_weight": {0: "a"}}, ValueError, "expected class_weight as .* dict"),
        ({"class_weight": "even"}, ValueError, 'expected class_weight as "balanced" .*got .even'),
        ({"class_weight": [1.0, 2.0]}, ValueError, 'expected class_weight as "balanced" or .*dict'),
        (
            {"class_weight": "balanced", "y": np.eye(3)[rows()[1]]},
            ValueError,
            r"fit: class_weight: expected a label for each row, got a target of shape \(60, 3\)",
        ),
        (
            {"drop_last": True, "batch_size": 64},
            ValueError,
            "expected at least batch_size = 64 rows with drop_last=True, got 60; choose a smaller",
        ),
    ],
)
def test_weights_and_batches_that_do_not_fit_raise_before_training(change, error, words):
    x, y = rows()
    net = network()
    theta = net.theta.copy()
    with pytest.raises(error, match=words):
        run(net, **({"x": x, "y": y} | change))
    np.testing.assert_array_equal(net.theta, theta)
    assert net.history is None


def test_drop_last_leaves_out_a_shorter_last_batch():
    x, y = rows(50)
    recorder, net = Recorder(), network()
    history = run(
        net, x, y, epochs=2, drop_last=True, probes=[recorder], optimizer=SGD(net, lr=0.0)
    )
    assert [len(batch) for batch in recorder.inputs] == [16] * 6
    assert history.steps == 6
    used = recorder.inputs[:3]
    order = np.random.default_rng(0).permutation(50)[:48]
    np.testing.assert_array_equal(np.concatenate(used), x[order])
    measured = evaluate(net, x[order], y[order], SoftmaxCrossEntropy())
    assert history.loss[0] == pytest.approx(measured["loss"], rel=1e-6)
    assert history.accuracy[0] == measured["accuracy"]
    whole = run(network(), x[:48], y[:48], drop_last=True, rng=1)
    assert whole.loss == run(network(), x[:48], y[:48], rng=1).loss


def test_an_optimizer_of_another_network_is_refused():
    with pytest.raises(ValueError, match="another network"):
        run(network(), *rows(), optimizer=Adam(network()))


def test_a_batch_too_short_for_batch_statistics_is_refused_with_advice_that_works():
    net = Sequential([Dense(4, 8), BatchNorm(8), ReLU(), Dense(8, 3)], rng=0)
    with pytest.raises(ValueError, match=r"leaves a batch of 1.*'batchnorm1'.*another batch_size"):
        run(net, *rows(33), batch_size=16)
    run(net, *rows(34), batch_size=16)
    run(net, *rows(33), batch_size=16, drop_last=True)
    for drop_last in (False, True):
        with pytest.raises(ValueError, match=r"got 1; choose a larger batch_size$"):
            run(net, *rows(33), batch_size=1, drop_last=drop_last)
        for size in (1, 2):
            with pytest.raises(ValueError, match=r"got 1; pass more rows$"):
                run(net, *rows(1), batch_size=size, drop_last=drop_last)


def test_a_loss_that_stops_being_finite_names_step_and_layer_and_keeps_the_history():
    x, y = rows()
    net = network()
    with pytest.raises(FloatingPointError, match=r"step \d+ \(epoch \d\): layer \d 'dense\d'"):
        run(net, x, y, optimizer=SGD(net, lr=1e30), epochs=50)
    assert len(net.history.loss) == len(net.history.accuracy) < 50


def test_a_gradient_that_overflows_raises_and_changes_no_parameter():
    net = Sequential([Dense(4, 8), Dense(8, 3)], rng=0)
    net["dense1"].weight.value *= 1e-30
    net["dense2"].weight.value *= 1e30
    x = np.full((4, 4), 1e-3, np.float32)
    theta = net.theta.copy()
    with pytest.raises(FloatingPointError, match="gradient"):
        train_step(
            net, x, np.full((4, 3), 1e15), loss=MeanSquaredError(), optimizer=SGD(net, lr=0.1)
        )
    np.testing.assert_array_equal(net.theta, theta)


def test_a_loss_of_nan_for_finite_outputs_raises_and_changes_no_parameter():
    class Broken(SoftmaxCrossEntropy):
        def compute(self, output, target):
            return float("nan")

    x, y = rows(8)
    net = network()
    theta = net.theta.copy()
    with pytest.raises(
        FloatingPointError,
        match=r"Broken\(\): expected a finite loss, got nan for finite outputs; lower",
    ):
        train_step(net, x, y, loss=Broken(), optimizer=SGD(net, lr=0.1))
    np.testing.assert_array_equal(net.theta, theta)


def test_a_last_update_that_diverges_is_reported():
    net = Sequential([Dense(1, 1, bias=False)])
    net.theta = [3e38]  # output 3e18, gradient -.34; theta + 3e38 * .34 exceeds float32
    with pytest.raises(
        FloatingPointError, match=r"step 1 .*dense1\.weight holds infinity: an update diverged"
    ):
        run(
            net, [[1e-20]], [[2e19]], loss=MeanSquaredError(), optimizer=SGD(net, lr=3e38),
            epochs=1, batch_size=1,
        )  # fmt: skip


class Witness(Recorder):
    def begin(self, run):
        self.run, self.order = run, run.generator.bit_generator.state
        self.theta, self.error = run.net.theta.copy(), "not called"

    def end(self, run, error):
        assert run is self.run
        self.error = error


def test_a_probe_may_observe_the_beginning_and_the_end_of_a_training():
    net, witness, (x, y) = network(), Witness(), rows()
    theta = net.theta.copy()
    fit(net, x, y, loss=SoftmaxCrossEntropy(), optimizer=Adam(net), epochs=2, batch_size=20,
        probes=[witness, Recorder()], rng=7)  # fmt: skip
    run = witness.run
    assert run.net is net
    assert (run.epochs, run.batches.size, run.batches.per_epoch) == (2, 20, 3)
    assert np.array_equal(witness.theta, theta)
    assert witness.order == np.random.default_rng(7).bit_generator.state
    assert witness.steps == [*range(6)]
    assert witness.error is None


def test_the_end_of_a_training_that_diverges_is_observed_with_the_error():
    net, witness = network(), Witness()
    with pytest.raises(FloatingPointError) as raised:
        fit(net, *rows(), loss=SoftmaxCrossEntropy(), optimizer=SGD(net, lr=1e30), epochs=9,
            batch_size=20, probes=[witness])  # fmt: skip
    assert witness.error is raised.value.__cause__


class PressCtrlC:
    """Probe that sends SIGINT within a step and keeps the parameters of that moment."""

    def __init__(self, at, times=1):
        self.at, self.times = at, times

    def observe(self, step, net):
        if step == self.at:
            for _ in range(self.times):
                os.kill(os.getpid(), signal.SIGINT)
            self.theta = net.theta.copy()


def test_ctrl_c_ends_training_after_the_current_step():
    x, y = rows()
    net, handler = network(), signal.getsignal(signal.SIGINT)
    optimizer = Adam(net, lr=0.01)
    probe = PressCtrlC(at=9)
    with pytest.raises(KeyboardInterrupt):
        run(net, x, y, optimizer=optimizer, epochs=100, probes=[probe])
    assert net.history.steps == optimizer.steps == 10
    assert not np.array_equal(net.theta, probe.theta)
    assert len(net.history.loss) == len(net.history.accuracy) == 2
    assert signal.getsignal(signal.SIGINT) is handler
    same = network()
    run_to_there = run(same, x, y, epochs=2)
    np.testing.assert_array_equal(run_to_there.loss, net.history.loss)


def test_a_second_ctrl_c_within_a_step_takes_effect_at_once():
    x, y = rows()
    net = network()
    with pytest.raises(KeyboardInterrupt):
        run(net, x, y, epochs=100, probes=[PressCtrlC(at=5, times=2)])
    assert net.history.steps == 5


def test_ctrl_c_in_a_step_that_fails_raises_keyboard_interrupt_with_the_failure_as_context():
    class PressAndFail(PressCtrlC):
        def observe(self, step, net):
            super().observe(step, net)
            if step == self.at:
                raise FloatingPointError("the step failed")

    net, handler = network(), signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt) as caught:
        run(net, *rows(), epochs=100, probes=[PressAndFail(at=5)])
    assert isinstance(caught.value.__context__, FloatingPointError)
    assert "the step failed" in str(caught.value.__context__)
    assert net.history.steps == 5
    assert signal.getsignal(signal.SIGINT) is handler


def test_ctrl_c_takes_effect_within_half_a_second():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((4000, 784), dtype=np.float32), rng.integers(0, 10, 4000)
    net = Sequential([Dense(784, 500), ReLU(), Dense(500, 10)], rng=0)
    pressed = []

    def press():
        time.sleep(0.3)
        pressed.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run(net, x, y, epochs=10**6, batch_size=100, validation_data=(x, y))
    assert time.perf_counter() - pressed[0] < 0.5
    thread.join()


def test_training_works_in_a_thread_without_signals():
    x, y = rows()
    results = []
    thread = threading.Thread(target=lambda: results.append(run(network(), x, y)))
    thread.start()
    thread.join()
    assert results[0].loss == run(network(), x, y).loss


def test_running_out_of_memory_leaves_everything_consistent(monkeypatch):
    x, y = rows()
    net = network()
    optimizer = Adam(net)
    compute = net["dense2"].compute

    def failing(x, y, training):
        if training and optimizer.steps == 5:
            raise MemoryError
        compute(x, y, training)

    monkeypatch.setattr(net["dense2"], "compute", failing)
    with pytest.raises(MemoryError):
        run(net, x, y, optimizer=optimizer, epochs=10)
    monkeypatch.undo()
    assert optimizer.steps == net.history.steps == 5
    assert np.isfinite(net.theta).all()
    run(net, x, y, optimizer=optimizer, epochs=1)


def test_a_progress_bar_appears_only_with_verbose(capsys):
    run(network(), *rows())
    assert capsys.readouterr().err == ""
    run(network(), *rows(), verbose=1)
    printed = capsys.readouterr().err
    assert "12/12" in printed
    assert "loss=" in printed


def test_a_hundred_thousand_steps_grow_memory_by_less_than_five_megabytes():
    resource = pytest.importorskip("resource")  # not on Windows
    x, y = rows(8)
    net = Sequential([Dense(4, 4), ReLU(), Dense(4, 3)], rng=0)
    loss, optimizer = SoftmaxCrossEntropy(), Adam(net)

    def peak_in_kilobytes():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    for _ in range(100):
        train_step(net, x, y, loss=loss, optimizer=optimizer)
    before = peak_in_kilobytes()
    for _ in range(100_000):
        train_step(net, x, y, loss=loss, optimizer=optimizer)
    assert peak_in_kilobytes() - before < 5_000


def test_every_public_name_exists():
    for name in minnet.__all__:
        assert getattr(minnet, name) is not None

"""A recording describes the network and the run, so that a page can be drawn from its file."""

from types import SimpleNamespace

import numpy as np
import pytest

from minnet import (
    SGD,
    Dense,
    HistogramProbe,
    LeakyReLU,
    MeanSquaredError,
    PReLU,
    ReLU,
    Residual,
    Sequential,
    SoftmaxCrossEntropy,
    StatisticsProbe,
    fit,
)
from minnet.recording import EDGES, FINITE

X = np.random.default_rng(0).normal(size=(40, 4))
LABELS = np.arange(40) % 3
PROBES = [HistogramProbe, StatisticsProbe]


def network(dtype=np.float32):
    block = Residual(Dense(8, 8), LeakyReLU(0.2))
    return Sequential([Dense(4, 8), PReLU(), block, ReLU(), Dense(8, 3)], rng=0, dtype=dtype)


def run(net, probe, optimizer=None, **options):
    optimizer = optimizer or SGD(net, lr=0.1)
    fit(net, X, LABELS, loss=SoftmaxCrossEntropy(), optimizer=optimizer, batch_size=12,
        probes=[probe], rng=0, **options)  # fmt: skip
    return net.history


def reloaded(probe, tmp_path):
    probe.save(tmp_path / "run.npz")
    return type(probe).load(tmp_path / "run.npz")


@pytest.mark.parametrize("make", PROBES)
def test_layers_are_described_in_order(make, tmp_path):
    probe = make(["y"], layers=["relu1"])
    assert (probe.network, probe.rows) == ((), 0)
    run(network(), probe, epochs=1)
    expected = [
        ("dense1", "Dense", "", 4, 8, None),
        ("prelu1", "PReLU", "", 8, 8, 0.25),
        ("residual1", "Residual", "", 8, 8, None),
        ("residual1.dense1", "Dense", "residual1", 8, 8, None),
        ("residual1.leakyrelu1", "LeakyReLU", "residual1", 8, 8, 0.2),
        ("relu1", "ReLU", "", 8, 8, None),
        ("dense2", "Dense", "", 8, 3, None),
    ]
    for each in (probe, reloaded(probe, tmp_path)):
        assert [tuple(layer) for layer in each.network] == expected
        assert (each.rows, each.failure) == (12, None)


@pytest.mark.parametrize("make", PROBES)
def test_epochs_have_their_last_step(make, tmp_path):
    net, probe = network(), make(["y"], every=3)
    optimizer = SGD(net, lr=0.1)
    history = run(net, probe, optimizer, epochs=2, validation_data=(X, LABELS))
    again = reloaded(probe, tmp_path)
    for each in (probe, again):
        for name in ("loss", "accuracy", "val_loss", "val_accuracy", "lr"):
            steps, values = each.epochs(name)
            assert steps.tolist() == [3, 7]  # 40 rows are 4 batches
            np.testing.assert_array_equal(values, getattr(history, name))
    run(net, again, optimizer, epochs=1)
    assert again.epochs("loss")[0].tolist() == [3, 7, 11]
    assert again.epochs("val_loss")[0].tolist() == [3, 7]
    with pytest.raises(ValueError, match=r"epochs: expected one of loss, .*, got 'norm'"):
        again.epochs("norm")


def test_epochs_of_another_run_of_the_network_are_not_recorded():
    net, probe = network(), StatisticsProbe(["y"])
    run(net, HistogramProbe(["y"]), epochs=2)
    probe.observe(0, net)  # without fit
    assert probe.epochs("loss")[0].tolist() == []


@pytest.mark.parametrize(
    ("lr", "scale", "key"), [(1e306, 1.0, None), (0.1, 1e200, ("", "loss"))]
)  # fmt: skip
def test_a_failure_names_the_first_array_that_is_not_finite(lr, scale, key, tmp_path):
    layers = [Dense(4, 8), ReLU(), Dense(8, 1)]
    net, probe = Sequential(layers, rng=0, dtype=np.float64), HistogramProbe()
    optimizer = SGD(net, lr=lr)
    with pytest.raises(FloatingPointError) as caught:
        fit(net, X, scale * X[:, :1], loss=MeanSquaredError(), optimizer=optimizer, epochs=50,
            batch_size=40, probes=[probe], rng=0)  # fmt: skip
    probe.end(SimpleNamespace(net=net, optimizer=optimizer), caught.value)
    for each in (probe, reloaded(probe, tmp_path)):
        assert each.failure.step == optimizer.steps == each.observed
        if key is None:
            array = getattr(net[each.failure.layer], each.failure.kind)
            assert not np.isfinite(getattr(array, "value", array)).all()
        else:
            assert (each.failure.layer, each.failure.kind) == key


@pytest.mark.parametrize("array", ["weight", "y", "dx", "weight_grad"])
def test_the_failed_array_is_found_in_the_order_of_the_passes(array):
    net, probe = network(), StatisticsProbe(["y"])
    run(net, probe, epochs=1)
    inner = net["residual1.dense1"]
    if array == "weight":
        inner.weight.value[0, 0] = np.nan
    elif array == "weight_grad":
        inner.weight.grad[0, 0] = np.inf
    else:
        getattr(inner, array)[0, 0] = np.nan
    net["relu1"].y = np.full_like(net["relu1"].y, np.nan)  # after the inner layer
    if array in ("dx", "weight_grad"):
        net["relu1"].y = np.zeros_like(net["relu1"].y)
        net["dense1"].dx = np.full((1, 1), np.nan)
    probe.end(SimpleNamespace(net=net, optimizer=SGD(net)), FloatingPointError("text"))
    assert probe.failure[1:3] == ("residual1.dense1", array)
    probe.failure = None
    probe.end(SimpleNamespace(net=net, optimizer=SGD(net)), KeyboardInterrupt())
    probe.end(SimpleNamespace(net=net, optimizer=SGD(net)), None)
    assert probe.failure is None


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("slots", "span"), [(64, 1), (4, 4)])
def test_the_activity_of_a_unit_is_its_share_of_rows_above_zero(dtype, slots, span, tmp_path):
    net, rng = Sequential([Dense(4, 6), ReLU()], rng=0, dtype=dtype), np.random.default_rng(0)
    probe, active = HistogramProbe(["y"], units=True, slots=slots), []
    for step in range(12):
        net.forward(rng.normal(size=(10, 4)), training=True)
        probe.observe(step, net)
        active.append((net["relu1"].y > 0).mean(axis=0))
    expected = np.array(active).reshape(-1, span, 6).mean(axis=1)
    for each in (probe, reloaded(probe, tmp_path)):
        np.testing.assert_allclose(
            each.activity("relu1"), expected[: len(each.steps("relu1", "y"))]
        )
        assert len(each.activity("dense1")) == len(each.steps("dense1", "y")) == 12 // span


def test_activity_counts_the_rows_that_are_counted():
    net, probe = Sequential([ReLU()]), HistogramProbe(["y"], units=True, max_values=8)
    for step in range(3):  # rows step, step + 3, step + 6, ...
        net.forward(np.arange(12.0)[:, None] * np.ones(2) % 3, training=True)
        probe.observe(step, net)
    assert probe.activity("relu1").tolist() == [[0, 0], [1, 1], [1, 1]]


def test_activity_without_units_raises():
    probe = HistogramProbe(["y"])
    run(network(), probe, epochs=1)
    with pytest.raises(KeyError, match=r"HistogramProbe\(units=True\)"):
        probe.activity("relu1")
    with pytest.raises(TypeError, match="expected units as True or False, got 1"):
        HistogramProbe(units=1)


def test_shares_and_quantiles_are_those_of_each_slot():
    probe = HistogramProbe(["y", "dy"], slots=8)
    run(network(), probe, epochs=5)
    for layer in ("relu1", "dense2"):
        edges, shares = probe.shares(layer, "y")
        counts = probe.counts(layer, "y")
        assert np.isin(edges, EDGES).all()
        assert shares.shape == (len(counts), len(edges) - 1)
        np.testing.assert_allclose(shares.sum(axis=1) + probe.zeros(layer, "y"), 1)
        first = int(np.searchsorted(EDGES, edges[0]))
        kept = counts[:, FINITE][:, first : first + len(edges) - 1] / counts.sum(axis=1)[:, None]
        np.testing.assert_array_equal(shares[shares > 0], kept[shares > 0])
        q = [[0.1, 0.5], [0.9, 1.0]]
        by_slot = probe.quantiles(layer, "y", q)
        for slot, step in enumerate(probe.steps(layer, "y")[:, 0]):
            np.testing.assert_array_equal(by_slot[slot], probe.quantile(layer, "y", q, step=step))


def test_shares_of_zeros_alone_are_empty():
    net, probe = Sequential([ReLU()]), HistogramProbe(["y"])
    net.forward(np.zeros((3, 2)), training=True)
    probe.observe(0, net)
    edges, shares = probe.shares("relu1", "y")
    assert (edges.size, shares.shape) == (1, (1, 0))
    assert probe.zeros("relu1", "y") == 1


def test_tiny_and_huge_float64_values_are_not_zeros_and_infinities():
    net, probe = Sequential([ReLU()], dtype=np.float64), HistogramProbe(["y"])
    values = [0.0, -0.0, 1e-64, -1e-300, 5e-324, 1e-39, 1.0, 1e39, 1.7e308, -1e300, np.inf, np.nan]
    net.forward(np.ones((12, 1)), training=True)
    net["relu1"].y[:, 0] = values
    probe.observe(0, net)
    assert probe.zeros("relu1", "y") == 2 / 12
    assert probe.tiny("relu1", "y") == 4 / 12
    assert probe.infinities("relu1", "y") == (0, 1 / 12)
    assert probe.nans("relu1", "y") == 1 / 12


def test_a_probe_continues_with_a_network_of_another_dtype():
    first, second = network(np.float64), network(np.float32)
    for probe in (HistogramProbe(["y"], units=True), StatisticsProbe(["y"])):
        for step, net in enumerate((first, second, first)):
            net.forward(X[:8], training=True)
            probe.observe(step, net)
        assert len(probe.steps("relu1", "y")) == 3


@pytest.mark.parametrize("make", PROBES)
def test_numpy_numbers_are_valid_settings_of_a_file(make, tmp_path):
    size = {"slots": np.int32(4)} if make is HistogramProbe else {"points": np.uint8(4)}
    probe = make(np.array(["y"]), np.int64(2), layers=np.array(["relu1"]), budget=np.float32(0.5),
                 **size)  # fmt: skip
    run(network(), probe, epochs=1)
    assert repr(reloaded(probe, tmp_path)) == repr(probe)

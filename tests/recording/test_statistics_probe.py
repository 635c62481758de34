"""The numbers of a StatisticsProbe are those of `describe`; thinning loses no extreme."""

import sys
import warnings

import numpy as np
import pytest

from minnet import (
    SGD,
    Dense,
    ReLU,
    Sequential,
    Sigmoid,
    SoftmaxCrossEntropy,
    StatisticsProbe,
    Tanh,
    fit,
)
from minnet.recording import NAMES
from minnet.recording.statistics import describe

DTYPES = [np.float32, np.float64]


def network(layer=ReLU, dtype=np.float32):
    return Sequential([("only", layer()), ("weights", Dense(4, 4))], rng=0, dtype=dtype)


def recorded(*batches, dtype=np.float32, layer=ReLU, **options):
    net = network(layer, dtype)
    probe = StatisticsProbe(["y"], layers=["only"], **options)
    for step, values in enumerate(batches):
        net["only"].y = np.array(values, dtype)
        probe.observe(step, net)
    return probe


def number(probe, name):
    return probe.series("only", "y", name)[1].tolist()


def last(probe):
    """Return the numbers of the last step by name."""
    return {name: number(probe, name)[-1] for name in NAMES if name != "ratio"}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_moments_extremes_and_zeros_are_those_of_describe(offset, scale, dtype):
    rng = np.random.default_rng(0)
    values = ((rng.exponential(size=(300, 4)) + offset) * scale).astype(dtype)
    values[rng.random((300, 4)) < 0.4] = 0
    expected, row = describe(values), last(recorded(values, dtype=dtype))
    for name in ("mean", "std", "skewness", "kurtosis", "minimum", "maximum", "zeros"):
        assert row[name] == pytest.approx(getattr(expected, name), rel=1e-9), name
    wide = values.astype(np.float64) / scale
    assert row["rms"] == pytest.approx(np.sqrt((wide**2).mean()) * scale, rel=1e-9)
    assert row["nonfinite"] == 0


def test_a_constant_has_no_skewness_and_no_kurtosis():
    row = last(recorded(np.full((5, 4), -3.0)))
    found = [row[name] for name in ("mean", "std", "minimum", "maximum", "rms")]
    assert found == [-3, 0, -3, -3, 3]
    assert np.isnan([row["skewness"], row["kurtosis"]]).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_non_finite_values_are_counted_and_left_out(dtype):
    nan, inf = np.nan, np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        probe = recorded([[1, 2, nan, 0]], [[inf, -inf, 4, 4]], [[nan] * 4], dtype=dtype)
    assert number(probe, "nonfinite") == [1, 2, 4]
    np.testing.assert_array_equal(number(probe, "mean"), [1, 4, nan])
    np.testing.assert_array_equal(number(probe, "maximum"), [2, 4, nan])
    np.testing.assert_array_equal(number(probe, "rms"), [np.sqrt(5 / 3), 4, nan])
    assert number(probe, "zeros") == [0.25, 0, 0]


def test_the_largest_and_smallest_numbers_are_recorded():
    probe = recorded([[1.7e308, -1.7e308, 1.7e308, 1.7e308]], [[5e-324, 0, 0, 0]], dtype=np.float64)
    assert number(probe, "maximum") == [1.7e308, 5e-324]


@pytest.mark.parametrize(
    ("layer", "shares"),
    [
        (Sigmoid, [0.5, 0.25]), (Tanh, [0.25, 0.25]), (ReLU, [np.nan, np.nan]),
    ],
)  # fmt: skip
def test_the_saturated_share_is_that_of_values_outside_the_bounds(layer, shares):
    probe = recorded([[0.01, 0.04, 0.5, 0.98]], [[0.5, 0.2, 0.9, 0.99]], layer=layer)
    np.testing.assert_array_equal(number(probe, "saturated"), shares)


def test_a_unit_is_dead_when_it_did_not_change_over_the_window():
    batches = np.random.default_rng(0).normal(size=(8, 5, 4))
    batches[:, :, 0] = 0  # dead from the first step on
    batches[3:, :, 1] = 7  # from step 3 on
    batches[:, :, 2] = np.arange(8)[:, None]  # constant within each step only
    probe = recorded(*batches, window=3)
    assert number(probe, "dead") == [2, 1, 1, 1, 1, 2, 2, 2]
    assert probe.dead_units("only").tolist() == [True, True, False, False]
    assert recorded(*batches[:3], window=3).dead_units("only").tolist() == [True] + 3 * [False]


def test_the_window_and_the_dead_units_are_restored_from_a_file(tmp_path):
    probe = recorded(np.ones((3, 4)), [[1, 1, 1, 0]] * 3, window=2)
    probe.save(tmp_path / "run.npz")
    again = StatisticsProbe.load(tmp_path / "run.npz")
    assert (again.window, StatisticsProbe().window) == (2, 100)
    assert again.dead_units("only").tolist() == [True, True, True, False]


def test_the_first_step_needs_two_rows_to_find_dead_units():
    probe = recorded([[0, 1, 2, 3]], [[0, 1, 2, 4]])
    np.testing.assert_array_equal(number(probe, "dead"), [np.nan, 3])


@pytest.mark.parametrize("points", [8, 9, 13])
@pytest.mark.parametrize("steps", [8, 9, 31, 1000])
def test_thinning_keeps_steps_evenly_and_the_extremes_of_all(steps, points):
    rng = np.random.default_rng(0)
    batches = rng.normal(size=(steps, 2, 4)).astype(np.float32)
    batches[5, 0, 0], batches[6, 1, 1], batches[7, 0, 0] = 1e6, -1e6, np.nan
    probe = recorded(*batches, points=points)
    kept, mean = probe.series("only", "y", "mean")
    stride = kept[1] - kept[0]
    assert stride & (stride - 1) == 0
    np.testing.assert_array_equal(kept, np.arange(0, steps, stride))
    assert len(kept) <= points
    for index, step in enumerate(kept):
        covered = batches[step : step + stride]
        finite = covered[np.isfinite(covered)]
        own = batches[step][np.isfinite(batches[step])]
        assert mean[index] == pytest.approx(own.mean(dtype=np.float64), rel=1e-6)
        assert number(probe, "minimum")[index] == finite.min()
        assert number(probe, "maximum")[index] == finite.max()
        assert number(probe, "nonfinite")[index] == covered.size - finite.size


def test_thinning_keeps_the_largest_count_of_dead_units():
    batches = np.random.default_rng(0).normal(size=(9, 3, 4))
    batches[3] = 0
    assert number(recorded(*batches, window=1, points=2), "dead") == [4, 0]


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_ratio_is_the_updates_rms_over_that_of_the_weight_before_it(dtype):
    net, probe = network(dtype=dtype), StatisticsProbe(["weight", "update"])
    weight = net["weights"].weight
    expected = []
    for step in range(4):
        probe.observe(step, net)
        before = weight.value.astype(np.float64)
        weight.value *= 1.25
        expected.append(0.25 * np.sqrt((before**2).mean()))
    steps, rms = probe.series("weights", "update", "rms")
    assert steps.tolist() == [0, 1, 2]
    np.testing.assert_allclose(rms, expected[:3], rtol=1e-5)
    np.testing.assert_allclose(probe.series("weights", "update", "ratio")[1], 0.25, rtol=1e-5)
    weight.value = 0.0
    for step, value in ((5, 0.0), (6, 1.0), (7, 0.0)):
        probe.observe(step, net)
        weight.value = value
    np.testing.assert_array_equal(
        probe.series("weights", "update", "ratio")[1][-3:], [1, np.nan, np.inf]
    )


def test_an_unknown_number_raises():
    probe = recorded(np.ones((2, 4)))
    with pytest.raises(ValueError, match=r"series: expected one of mean, std, .*, got 'median'"):
        probe.series("only", "y", "median")
    with pytest.raises(ValueError, match="series: expected kind 'update' for 'ratio', got 'y'"):
        probe.series("only", "y", "ratio")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"points": 0}, "expected points to be at least 1, got 0"),
        ({"window": 0}, "expected window to be at least 1"),
        ({"window": 2**60}, "expected window to be at most"),
        ({"points": 2**21}, "expected points to be at most 1048576"),
    ],
)
def test_arguments_out_of_range_raise(arguments, message):
    with pytest.raises(ValueError, match=f"StatisticsProbe: {message}"):
        StatisticsProbe(**arguments)


def trained(probe, epochs=4, **options):
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(48, 4)), rng.integers(0, 3, 48)
    net = Sequential([Dense(4, 8), Sigmoid(), Dense(8, 3)], rng=0)
    optimizer = SGD(net, lr=0.1)
    fit(net, x, labels, loss=SoftmaxCrossEntropy(), optimizer=optimizer, epochs=epochs,
        batch_size=12, schedule=lambda step: 0.1 / (1 + step), probes=[probe], rng=0,
        **options)  # fmt: skip
    return net


class Metrics:
    """A probe that keeps the metrics and the gradient norm of every step."""

    def __init__(self):
        self.kept = []

    def observe(self, step, net):
        norm = np.linalg.norm(net.grad.astype(np.float64))
        self.kept.append({**net.metrics, "gradient_norm": norm})


@pytest.mark.parametrize("points", [4, 1024])
def test_the_run_has_loss_lr_accuracy_and_gradient_norm_at_the_kept_steps(points, tmp_path):
    probe, metrics = StatisticsProbe(points=points), Metrics()
    trained(probe)
    trained(metrics, clip_norm=0.05)
    clipped = StatisticsProbe(["weight_grad"])
    trained(clipped, clip_norm=0.05)
    reported = {"loss", "lr", "accuracy", "gradient_norm"}
    for name in reported & metrics.kept[0].keys():
        values = [step[name] for step in metrics.kept]
        np.testing.assert_allclose(clipped.run(name)[1], values, rtol=1e-6, err_msg=name)
    assert clipped.run("gradient_norm")[1].max() < 0.0501
    probe.save(tmp_path / "run.npz")
    again = StatisticsProbe.load(tmp_path / "run.npz")
    whole = StatisticsProbe()
    trained(whole)
    for name in reported:
        steps, values = probe.run(name)
        assert steps.tolist() == (list(range(16)) if points > 16 else [0, 4, 8, 12])
        np.testing.assert_array_equal(values, whole.run(name)[1][steps])
        np.testing.assert_array_equal(again.run(name)[1], values)
    with pytest.raises(ValueError, match=r"run: expected one of loss, lr, .*, got 'val_loss'"):
        probe.run("val_loss")


def test_numbers_of_the_run_that_are_not_reported_are_nan():
    net, probe = network(), StatisticsProbe(["y"])
    net.metrics = {"loss": 2.0}
    net["only"].y = np.ones((2, 4), np.float32)
    probe.observe(3, net)
    assert probe.run("loss")[0].tolist() == [3]
    assert probe.run("loss")[1].tolist() == [2.0]
    for name in ("lr", "accuracy", "gradient_norm"):
        assert np.isnan(probe.run(name)[1]).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_the_gradient_norm_does_not_overflow(scale, dtype):
    net, probe = network(dtype=dtype), StatisticsProbe(["weight_grad"])
    net.grad = np.full(net.grad.size, 3 * scale)
    probe.observe(0, net)
    np.testing.assert_allclose(probe.run("gradient_norm")[1], 3 * scale * np.sqrt(net.grad.size))
    net.grad[...] = np.inf
    probe.observe(1, net)
    assert probe.run("gradient_norm")[1][1] == np.inf


def test_a_network_without_parameters_is_recorded():
    net, probe = Sequential([ReLU()]), StatisticsProbe()
    net.forward(np.ones((2, 4)), training=True)
    probe.observe(0, net)
    assert probe.series("relu1", "y", "mean")[1] == 1
    assert probe.run("gradient_norm")[1].tolist() == [0]


def test_to_frame_has_a_row_for_each_layer_kind_and_step():
    pandas = pytest.importorskip("pandas")
    probe = StatisticsProbe(["y", "update"])
    trained(probe, epochs=1)
    frame = probe.to_frame()
    assert list(frame.columns) == ["layer", "kind", "step", *NAMES]
    for (layer, kind), rows in frame.groupby(["layer", "kind"]):
        steps, rms = probe.series(layer, kind, "rms")
        np.testing.assert_array_equal(rows["step"], steps)
        np.testing.assert_array_equal(rows["rms"], rms)
    assert {name for name, _ in frame.groupby("layer")} == set(probe.layers)
    assert isinstance(StatisticsProbe().to_frame(), pandas.DataFrame)


def test_to_frame_without_pandas_is_an_error_with_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        StatisticsProbe().to_frame()

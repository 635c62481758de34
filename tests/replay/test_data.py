"""The numbers in a page are those of the recording."""

import base64
import json
import re
import zlib

import numpy as np
import pytest

import minnet
from minnet.recording import EDGES, FINITE, ZERO
from minnet.replay.data import histogram_moments, merge, thin

TYPES = {"u1": np.uint8, "i4": np.int32, "f4": np.float32}
CASES = ("healthy", "vanishing", "dead", "zeros", "nan", "one layer", "one step", "long")


def unpack(replay):
    """Return what the page's script reads from the page."""
    parts = re.findall(r'<script id="(text|data)" type="[^"]*">(.*?)</script>', replay.html, re.S)
    text, data = dict(parts)["text"], dict(parts)["data"]
    block = zlib.decompress(base64.b64decode(data))
    arrays = [
        np.frombuffer(block, TYPES[code], size, offset)
        for code, offset, size in json.loads(text)["arrays"]
    ]

    def expand(part):
        return arrays[part["array"]] if "array" in part else part

    return json.loads(text, object_hook=expand)["value"]


def series_of(run, *names):
    layers = [layer["name"] for layer in run["layers"]]
    return [
        (series["name"], layers[series["layer"]], series)
        for series in run["series"]
        if series["name"] in names
    ]


@pytest.fixture(scope="module", params=CASES)
def case(request, page, recorded):
    (run,) = unpack(page(request.param))["runs"]
    return run, *recorded(request.param)


def test_every_histogram_is_that_of_the_recording(case):
    run, histograms, _, _ = case
    found = series_of(run, "y", "dy")
    expected = [(kind, layer) for kind in ("y", "dy") for layer in histograms.layers_of(kind)]
    assert [(kind, layer) for kind, layer, _ in found] == expected
    for kind, layer, series in found:
        counts = histograms.counts(layer, kind)
        total = counts.sum(axis=1, keepdims=True)
        shares = (counts / total)[:, FINITE]
        zeros = slice(ZERO.start - FINITE.start, ZERO.stop - FINITE.start)
        np.testing.assert_allclose(series["zeros"], shares[:, zeros].sum(axis=1), atol=1e-6)
        shares[:, zeros] = 0
        drawn = np.zeros_like(shares)
        heights = series["heights"].reshape(len(shares), -1) / 255
        drawn[:, series["bins"]] = series["largest"][:, None] * heights**2
        assert (np.abs(drawn - shares) <= 0.004 * shares.max(axis=1, keepdims=True)).all()
        np.testing.assert_array_equal(series["steps"], histograms.steps(layer, kind)[:, 0])
        np.testing.assert_array_equal(series["ends"], histograms.steps(layer, kind)[:, 1])
        broken = histograms.nans(layer, kind) + sum(histograms.infinities(layer, kind))
        np.testing.assert_allclose(series["nonfinite"], broken, atol=1e-6)
        ends = histograms.quantile(layer, kind, [0.01, 0.99])
        assert [series["low"], series["high"]] == ends.tolist()


def test_every_statistic_is_that_of_the_recording(case):
    run, _, statistics, _ = case
    names = {"rms": ("dy", "rms"), "std": ("y", "std"), "zeros": ("y", "zeros"),
             "ratio": ("update", "ratio"), "dead": ("y", "dead")}  # fmt: skip
    found = series_of(run, *names)
    expected = [(name, layer) for name in names for layer in statistics.layers_of(names[name][0])]
    assert [(name, layer) for name, layer, _ in found] == expected
    for name, layer, series in found:
        kind, statistic = names[name]
        steps, values = statistics.series(layer, kind, statistic)
        np.testing.assert_array_equal(series["steps"], steps)
        np.testing.assert_allclose(series["values"], values, rtol=1e-6)
        _, nonfinite = statistics.series(layer, kind, "nonfinite")
        np.testing.assert_array_equal(series["broken"], nonfinite > 0)


def test_activity_of_units_is_that_of_the_recording(case):
    run, histograms, _, _ = case
    layers = [layer["name"] for layer in run["layers"]]
    found = series_of(run, "units")
    assert {name for _, name, _ in found} == {name for name in layers if "dense" not in name}
    for _, layer, series in found:
        activity = histograms.activity(layer)
        shares = series["shares"].reshape(activity.shape) / series["levels"]
        assert ((shares == 0) == (activity == 0)).all()
        assert (shares - activity >= -1e-6).all()
        assert (shares - activity <= 1 / series["levels"]).all()
        np.testing.assert_array_equal(series["off"], (activity == 0).sum(axis=1))
        assert series["units"] == activity.shape[1]


def test_curves_are_those_of_the_history(case):
    run, _, statistics, history = case
    loss, kept = run["curves"]["loss"], np.array(history.step_loss)
    assert len(loss["steps"]) == min(len(kept), 1024) or len(kept) > 1024
    np.testing.assert_allclose(loss["values"], kept[loss["steps"]], rtol=1e-6)
    for end in (kept.min(), kept.max()):
        assert np.isclose(loss["values"], end).any()
    for name in ("val_loss", "val_accuracy"):
        curve = run["curves"][name]
        np.testing.assert_array_equal(curve["steps"] + 1, history.epoch_steps)
        np.testing.assert_allclose(curve["values"], getattr(history, name), rtol=1e-6)
    accuracy = statistics.run("accuracy")[1]
    assert np.isin(run["curves"]["accuracy"]["values"], accuracy.astype(np.float32)).all()


def test_no_series_is_longer_than_the_limits(case):
    run = case[0]
    for series in run["series"]:
        assert len(series["steps"]) <= (256 if "heights" in series or "off" in series else 1024)
    assert all(len(curve["steps"]) <= 1024 for curve in run["curves"].values())


def test_the_same_numbers_follow_from_a_file(recorded, tmp_path):
    histograms, statistics, _ = recorded("healthy")
    histograms.save(tmp_path / "h.npz")
    statistics.save(tmp_path / "s.npz")
    loaded = (
        minnet.HistogramProbe.load(tmp_path / "h.npz"),
        minnet.StatisticsProbe.load(tmp_path / "s.npz"),
    )
    assert (
        minnet.replay(*loaded, title="a").html
        == minnet.replay(histograms, statistics, title="a").html
    )


def test_without_statistics_the_numbers_follow_from_the_histograms(recorded):
    histograms, statistics, history = recorded("healthy")
    (run,) = unpack(minnet.replay(histograms, history=history))["runs"]
    assert {series["name"] for series in run["series"]} == {
        "y", "dy", "rms", "std", "zeros", "units"
    }  # fmt: skip
    for name, layer, series in series_of(run, "rms", "std", "zeros"):
        kind = "dy" if name == "rms" else "y"
        _, values = statistics.series(layer, kind, name)
        np.testing.assert_allclose(series["values"], values, rtol=0.13, atol=1e-6)


def test_merged_histograms_hold_the_counts_of_all_slots():
    counts = np.random.default_rng(0).integers(0, 9, (11, 5))
    steps = np.stack([np.arange(0, 22, 2), np.arange(1, 23, 2)], axis=1)
    merged, spans = merge(counts, steps, 4)
    assert len(merged) == 4
    np.testing.assert_array_equal(merged.sum(axis=0), counts.sum(axis=0))
    np.testing.assert_array_equal(merged[0], counts[:3].sum(axis=0))
    np.testing.assert_array_equal(spans, [[0, 5], [6, 11], [12, 17], [18, 21]])


def test_a_thinned_curve_keeps_ends_and_peaks_and_passes_over_nan():
    values = np.random.default_rng(0).normal(size=5000)
    values[[7, 3000]] = -50.0, 50.0
    values[4000:4100] = np.nan
    kept = thin(values, 1024)
    assert len(kept) <= 1024
    assert {0, 7, 3000, 4999} <= set(kept.tolist())
    assert (np.diff(kept) > 0).all()


def test_moments_of_histograms_are_within_a_percent_of_the_exact_ones():
    x = np.random.default_rng(0).normal(3, 1, 100_000).astype(np.float32)
    counts = np.zeros((1, 2048), int)
    counts[0, FINITE] = np.histogram(x, EDGES)[0]
    moments = histogram_moments(counts)
    assert moments["rms"] == pytest.approx(np.sqrt((x**2).mean()), rel=0.01)
    assert moments["std"] == pytest.approx(x.std(), rel=0.05)

"""Tests of gradient_flow, update_ratio and dead_units: the recorded values are drawn."""

import copy

import numpy as np
import pytest
from helpers.charts import LABELS, RNG, X, bar_label, meshes, observed, trained
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

import minnet
from minnet import Dense, HistogramProbe, ReLU, Sequential, StatisticsProbe, plot
from minnet.recording import capture


def test_rows_are_log10_of_the_rms_with_the_first_layer_on_top():
    probe = trained(StatisticsProbe(["weight_grad"], every=2))
    figure = plot.gradient_flow(probe)
    ax, rows = figure.axes[0], meshes(figure)
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["dense1", "dense2", "dense3"]
    everything = []
    for row, (name, (x, y, cells)) in enumerate(zip(names, rows, strict=True)):
        steps, rms = probe.series(name, "weight_grad", "rms")
        np.testing.assert_array_equal(x, [*steps, steps[-1] + 2])
        assert y.mean() == pytest.approx(row)
        np.testing.assert_allclose(cells.ravel(), np.log10(rms))
        everything += np.log10(rms).tolist()
    assert ax.get_ylim() == (2.5, -0.5)
    assert len({mesh.norm for mesh in ax.collections}) == 1
    assert ax.collections[0].get_clim() == pytest.approx((min(everything), max(everything)))
    assert bar_label(figure) == "log₁₀ RMS of gradient of weight"


def test_a_gradient_that_is_exactly_zero_is_white():
    probe = observed(StatisticsProbe(["weight"]), [3.0, 4.0], [0.0, 0.0], [0.3, 0.4])
    ((_, _, cells),) = meshes(plot.gradient_flow(probe, kind="weight"))
    assert cells.mask.tolist() == [[False, True, False]]
    np.testing.assert_allclose(cells.compressed(), np.log10([np.sqrt(12.5), np.sqrt(0.125)]))
    figure = plot.gradient_flow(probe, kind="weight")
    mesh = figure.axes[0].collections[0]
    mesh.update_scalarmappable()
    colors = mesh.get_facecolors()
    assert colors[1].tolist() == [1, 1, 1, 1]
    assert (colors[[0, 2], :3].min(axis=1) < 0.8).all()


def test_a_row_that_is_all_white_still_has_a_frame():
    figure = plot.gradient_flow(observed(StatisticsProbe(["weight"]), [0.0], [0.0]), kind="weight")
    ((x, y, cells),), (frame,) = meshes(figure), figure.axes[0].patches
    assert cells.mask.all()
    assert frame.get_bbox().extents == pytest.approx([x[0], y[0], x[-1], y[-1]])
    assert not frame.get_fill()
    assert max(frame.get_edgecolor()[:3]) < 0.8


def test_lines_are_log10_of_the_rms_coloured_by_depth():
    probe = trained(StatisticsProbe(["dy"]))
    figure = plot.gradient_flow(probe, kind="dy", layers=["relu1", "relu2"], lines=True)
    for line, name, color in zip(
        figure.axes[0].lines, ["relu1", "relu2"], plot.depth_colors(2), strict=True
    ):
        steps, rms = probe.series(name, "dy", "rms")
        np.testing.assert_array_equal(line.get_xdata(), steps)
        np.testing.assert_allclose(line.get_ydata(), np.log10(rms))
        assert (line.get_label(), line.get_color()) == (name, color)
    assert figure.axes[0].get_ylabel() == "log₁₀ RMS of gradient dy"


def test_a_long_line_is_drawn_as_medians_with_a_ribbon_from_10_to_90_percent():
    sizes = 10.0 ** RNG.normal(size=640)
    probe = observed(StatisticsProbe(["weight"]), *np.column_stack([sizes, sizes]))
    (ax, *_) = plot.gradient_flow(probe, kind="weight", lines=True).axes
    (line,), (ribbon,) = ax.lines, ax.collections
    groups = np.log10(sizes.astype(np.float32)).reshape(64, 10)
    np.testing.assert_allclose(line.get_ydata(), np.median(groups, axis=1), atol=1e-6)
    np.testing.assert_allclose(line.get_xdata(), np.arange(640).reshape(64, 10).mean(axis=1))
    assert isinstance(ribbon, PolyCollection)
    corners = ribbon.get_paths()[0].vertices
    for at, group in zip(line.get_xdata(), groups, strict=True):
        edge = corners[corners[:, 0] == at, 1]
        low, high = np.quantile(group, [0.1, 0.9])
        assert (edge.min(), edge.max()) == pytest.approx((low, high), abs=1e-6)


def test_the_legend_marks_a_layer_without_positive_values():
    probe = observed(StatisticsProbe(["weight"]), np.zeros(3), np.zeros(3))
    ax = plot.gradient_flow(probe, kind="weight", lines=True).axes[0]
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["dense1 (no value above 0)"]
    plot.gradient_flow(probe, kind="weight")._repr_png_()
    many = observed(StatisticsProbe(["weight"]), *np.zeros((200, 3)))
    plot.gradient_flow(many, kind="weight", lines=True)._repr_png_()


def test_a_single_step_has_a_marker():
    probe = observed(StatisticsProbe(["weight"]), [1.0, 2.0])
    assert plot.gradient_flow(probe, kind="weight", lines=True).axes[0].lines[0].get_marker() == "o"


def test_theory_is_a_diamond_at_the_first_step():
    probe = trained(StatisticsProbe(["weight_grad"]))
    theory = {"dense3": 0.01, "dense1": 0.1}
    ax = plot.gradient_flow(probe, lines=True, theory=theory).axes[0]
    points = {
        line.get_color(): line.get_xydata().tolist()
        for line in ax.lines
        if line.get_marker() == "D" and len(line.get_xdata())
    }
    first, _, third = plot.depth_colors(3)
    assert points == {first: [[0, -1]], third: [[0, -2]]}
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["dense1", "dense2", "dense3", "theory, first step"]


def test_limits_set_the_scale_of_map_and_lines():
    probe = trained(StatisticsProbe(["weight_grad"]))
    figure = plot.gradient_flow(probe, limits=(-7, -1))
    assert {mesh.get_clim() for mesh in figure.axes[0].collections} == {(-7, -1)}
    assert plot.gradient_flow(probe, limits=(-7, -1), lines=True).axes[0].get_ylim() == (-7, -1)


def test_row_names_are_thinned_where_there_is_no_room_and_every_row_is_drawn():
    probe = trained(StatisticsProbe(["weight_grad"]), [Dense(4, 4) for _ in range(40)])
    figure = Figure(figsize=(6, 3))
    plot.gradient_flow(probe, ax=figure.subplots())
    assert len(meshes(figure)) == 40
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert 5 < len(labels) < 20
    assert labels[0] == "dense1"
    own = plot.gradient_flow(probe).axes[0]
    assert len(own.get_yticklabels()) == 40


def test_update_ratio_is_log10_of_the_ratio_with_the_usual_band():
    probe = trained(StatisticsProbe(["update"]))
    figure = plot.update_ratio(probe, layers=["dense1", "dense3"])
    ax = figure.axes[0]
    for line, name in zip(ax.lines, ["dense1", "dense3"], strict=True):
        steps, ratio = probe.series(name, "update", "ratio")
        np.testing.assert_array_equal(line.get_xdata(), steps)
        np.testing.assert_allclose(line.get_ydata(), np.log10(ratio))
    (band,) = ax.patches
    assert band.get_y() == pytest.approx(-3.5)
    assert band.get_y() + band.get_height() == pytest.approx(-2.5)
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["usual ratio, 0.0003 to 0.003", "dense1", "dense3"]


def test_updates_of_zero_weights_leave_a_gap():
    probe = trained(StatisticsProbe(["update"]), [Dense(4, 3, init="zeros")])
    (line,) = plot.update_ratio(probe).axes[0].lines
    assert np.isnan(line.get_ydata()[0])
    assert np.isfinite(line.get_ydata()[1:]).all()


def test_rows_are_the_share_of_dead_units_on_a_scale_from_0_to_1():
    net = Sequential([Dense(4, 8), ReLU(), Dense(8, 3)], rng=0)
    probe = StatisticsProbe(["y"], window=2)
    for step in range(6):
        if step == 2:
            net["dense1"].params["bias"].value[:5] = -1e3
        net.forward(X, training=True)
        probe.observe(step, net)
    figure = plot.dead_units(probe, layers=["relu1", "dense2"])
    (x, _, relu), (_, _, dense) = meshes(figure)
    assert x.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert relu.filled(0).ravel().tolist() == [0, 0, 0, 5 / 8, 5 / 8, 5 / 8]
    assert relu.mask.ravel().tolist() == [True, True, True, False, False, False]
    assert dense.mask.all()
    assert {mesh.get_clim() for mesh in figure.axes[0].collections} == {(0, 1)}
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["relu1: 5 of 8", "dense2: 0 of 3"]
    expected = "share of units that are dead\n(unchanged for 2 observed steps)"
    assert bar_label(figure) == expected


@pytest.mark.parametrize(("run", "expected"), [(1, "1 observed step"), (5, "5 observed steps")])
def test_the_label_reports_the_steps_of_a_run_shorter_than_the_window(run, expected):
    net, probe = Sequential([Dense(4, 8), ReLU()], rng=0), StatisticsProbe(["y"], window=100)
    for step in range(run):
        net.forward(X, training=True)
        probe.observe(step, net)
    assert probe.observed == run
    assert (
        bar_label(plot.dead_units(probe))
        == f"share of units that are dead\n(unchanged for {expected})"
    )


def test_charts_are_drawn_on_given_axes():
    histograms, numbers = trained(HistogramProbe()), trained(StatisticsProbe())
    figure = Figure(layout="constrained")
    panels = figure.subplots(5)
    assert plot.heatmap(histograms, "relu1", ax=panels[0]) is figure
    assert plot.gradient_flow(numbers, ax=panels[1]) is figure
    assert plot.gradient_flow(numbers, lines=True, ax=panels[2]) is figure
    assert plot.update_ratio(numbers, ax=panels[3]) is figure
    assert plot.dead_units(numbers, ax=panels[4]) is figure
    assert [len(ax.collections) for ax in panels] == [1, 3, 0, 0, 5]
    assert [len(ax.lines) for ax in panels] == [0, 0, 3, 3, 0]
    with pytest.raises(TypeError, match="expected ax to be one Matplotlib Axes, got ndarray"):
        plot.heatmap(histograms, "relu1", ax=panels)


def test_drawing_leaves_the_recording_unchanged(tmp_path):
    histograms, numbers = trained(HistogramProbe()), trained(StatisticsProbe())
    for probe in (histograms, numbers):
        probe.save(tmp_path / f"{type(probe).__name__} before")
    plot.heatmap(histograms, "relu1")
    plot.gradient_flow(numbers)
    plot.gradient_flow(numbers, lines=True)
    plot.update_ratio(numbers)
    plot.dead_units(numbers)
    for probe in (histograms, numbers):
        probe.save(after := tmp_path / f"{type(probe).__name__} after")
        assert after.read_bytes() == (tmp_path / f"{type(probe).__name__} before").read_bytes()


def test_a_loaded_recording_gives_the_same_chart(tmp_path):
    probe = trained(StatisticsProbe())
    probe.save(tmp_path / "run.npz")
    for drawn, loaded in zip(
        meshes(plot.dead_units(probe)),
        meshes(plot.dead_units(StatisticsProbe.load(tmp_path / "run.npz"))),
        strict=True,
    ):
        np.testing.assert_array_equal(drawn[2].filled(-1), loaded[2].filled(-1))


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (plot.gradient_flow, "gradient_flow: expected a StatisticsProbe.* got HistogramProbe"),
        (plot.update_ratio, "update_ratio: expected a StatisticsProbe.* got HistogramProbe"),
        (plot.dead_units, "dead_units: expected a StatisticsProbe.* got HistogramProbe"),
    ],
)
def test_a_probe_of_another_class_raises(draw, message):
    with pytest.raises(TypeError, match=message):
        draw(HistogramProbe())
    with pytest.raises(
        TypeError, match=r"heatmap: expected a HistogramProbe.* got StatisticsProbe"
    ):
        plot.heatmap(StatisticsProbe(), "relu1")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"layers": ["relu1"]},
            r"expected layers with 'weight_grad' among dense1, .*, got 'relu1'",
        ),
        ({"layers": []}, r"among dense1, .*, got none"),
        ({"theory": {"dense1": 1.0}}, "give lines=True"),
        ({"theory": {"relu1": 1.0}, "lines": True}, r"theory among .*, got 'relu1'"),
        ({"theory": {"dense1": 0.0}, "lines": True}, "expected theory of 'dense1' to be positive"),
        ({"limits": (1, 1)}, r"expected limits to be low < high, got \(1, 1\)"),
    ],
)
def test_invalid_options_of_gradient_flow_raise(options, message):
    with pytest.raises(ValueError, match=message):
        plot.gradient_flow(trained(StatisticsProbe(), steps=4), **options)


def test_an_empty_recording_raises():
    with pytest.raises(ValueError, match="expected a recording of 'y', got one of nothing"):
        plot.dead_units(StatisticsProbe())


def test_the_first_step_of_a_recording_equals_a_capture():
    layers = [Dense(4, 16), ReLU(), Dense(16, 3)]
    captured = capture(
        Sequential(copy.deepcopy(layers), rng=0), X, LABELS, minnet.SoftmaxCrossEntropy()
    )
    net, probe = Sequential(layers, rng=0), StatisticsProbe(["weight_grad"])
    minnet.fit(
        net, X, LABELS, loss=minnet.SoftmaxCrossEntropy(), optimizer=minnet.SGD(net),
        epochs=1, batch_size=40, probes=[probe], rng=0,
    )  # fmt: skip
    rows = meshes(plot.gradient_flow(probe))
    for (_, _, cells), name in zip(rows, ["dense1", "dense2"], strict=True):
        rms = np.sqrt((captured[name]["weight_grad"].astype(np.float64) ** 2).mean())
        assert cells[0, 0] == pytest.approx(np.log10(rms), abs=1e-5)

"""What the pictures of recordings promise: the numbers that the probe holds, and nothing hidden."""

import copy

import numpy as np
import pytest
from matplotlib.collections import PolyCollection, QuadMesh
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch

import minnet
from minnet import Dense, HistogramProbe, ReLU, Sequential, StatisticsProbe, plot
from minnet.recording import capture

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 4)).astype(np.float32)
LABELS = np.arange(40) % 3


def watched(probe, *rows):
    """Let the probe see a weight that holds one row after the other; return it."""
    net = Sequential([Dense(1, len(rows[0]))], rng=0)
    for number, row in enumerate(rows):
        net["dense1"].params["weight"].value[...] = row
        probe.observe(number * probe.every, net)
    return probe


def trained(probe, layers=None, *, steps=20, **options):
    """Let the probe watch a network that trains for this many steps; return it."""
    net = Sequential(layers or [Dense(4, 16), ReLU(), Dense(16, 16), ReLU(), Dense(16, 3)], rng=0)
    minnet.fit(
        net, X, LABELS, loss=minnet.SoftmaxCrossEntropy(), optimizer=minnet.SGD(net, lr=0.1),
        epochs=steps // 4, batch_size=10, probes=[probe], rng=0, **options,
    )  # fmt: skip
    return probe


def meshes(figure):
    """Return (x edges, y edges, cells) of each map that was drawn."""
    found = []
    for mesh in figure.axes[0].collections:
        if isinstance(mesh, QuadMesh):
            corners = mesh.get_coordinates()
            found.append((corners[0, :, 0], corners[:, 0, 1], mesh.get_array()))
    return found


def decades(values, threshold):
    """Return how high values stand on the signed axis whose linear part has half a decade."""
    values = np.asarray(values)
    size = np.maximum(np.abs(values), threshold) / threshold
    linear = np.minimum(np.abs(values), threshold) / threshold * 0.5 / 0.9
    return np.sign(values) * (linear + np.log10(size))


def map_of(figure):
    """Return x edges, y edges, the cells, and how high each row of cells is on the axis."""
    ((x, y, cells),) = meshes(figure)
    axis = figure.axes[0].yaxis.get_transform()
    threshold = getattr(axis, "linthresh", None)
    return x, y, cells, np.diff(y if threshold is None else decades(y, threshold))


def texts(ax):
    return [text.get_text() for text in ax.texts]


def bar_label(figure):
    return figure.axes[1].get_ylabel()


# heatmap


def test_a_heatmaps_cells_are_shares_per_decade_of_the_values_themselves():
    rows = RNG.normal(size=(3, 2000)) * [[1.0], [1e-2], [1e-4]]
    rows[:, :500] = 0
    figure = plot.heatmap(watched(HistogramProbe(["weight"]), *rows), "dense1", kind="weight")
    x, y, cells, heights = map_of(figure)
    assert x.tolist() == [0, 1, 2, 3]
    assert figure.axes[0].get_yscale() == "symlog"
    for column, row in zip(cells.filled(0).T, rows.astype(np.float32), strict=True):
        counts, _ = np.histogram(row[row != 0], y)
        np.testing.assert_allclose(column * heights, counts / row.size, atol=1e-12)
        np.testing.assert_array_equal(column == 0, counts == 0)
    assert figure.axes[0].get_ylabel() == "weight of dense1"
    assert bar_label(figure) == "share of values per decade"


def test_zeros_are_a_strip_of_their_own_with_the_shares_that_the_probe_has():
    probe = trained(HistogramProbe(["y"]))
    figure = plot.heatmap(probe, "relu2")
    (strip,) = figure.axes[0].child_axes
    shares, edges, _ = next(p for p in strip.patches if isinstance(p, StepPatch)).get_data()
    np.testing.assert_array_equal(shares, probe.zeros("relu2", "y"))
    assert edges.tolist() == list(range(21))
    assert strip.get_ylim() == (0, 1)
    assert texts(strip) == [f"{100 * shares[-1]:.0f}% at the end"]
    _, _, cells, heights = map_of(figure)
    np.testing.assert_allclose(heights @ cells.filled(0) + shares, 1)


def test_without_zeros_there_is_no_strip():
    figure = plot.heatmap(trained(HistogramProbe(["y"])), "dense1")
    assert figure.axes[0].child_axes == []
    assert figure.axes[0].get_xlabel() == "step"


def test_every_slot_has_its_width_when_steps_are_skipped_and_slots_merged():
    probe = watched(HistogramProbe(["weight"], every=3, slots=4), *RNG.normal(size=(7, 50)))
    x, _, cells, heights = map_of(plot.heatmap(probe, "dense1", kind="weight"))
    assert x.tolist() == [0, 6, 12, 18, 21]
    np.testing.assert_allclose(heights @ cells.filled(0), 1)


def test_all_that_is_finite_is_on_the_axis_and_a_far_value_too():
    row = np.append(RNG.normal(size=999), -1e6)
    figure = plot.heatmap(watched(HistogramProbe(["weight"]), row), "dense1", kind="weight")
    _, y, cells, heights = map_of(figure)
    assert figure.axes[0].get_ylim() == (y[0], y[-1])
    assert y[0] <= -1e6
    assert heights @ cells.filled(0)[:, 0] == pytest.approx(1)


def test_the_axis_is_linear_up_to_the_power_of_ten_above_the_smallest_hundredth():
    row = 10.0 ** RNG.uniform(-5.5, 0, size=5000)
    figure = plot.heatmap(watched(HistogramProbe(["weight"]), row), "dense1", kind="weight")
    assert figure.axes[0].yaxis.get_transform().linthresh == pytest.approx(1e-5)
    _, y, _, _ = map_of(figure)
    assert (row < y[1]).mean() <= 0.01
    both = plot.heatmap(
        watched(HistogramProbe(["weight"]), row, row / 1000), "dense1", kind="weight"
    )
    assert both.axes[0].yaxis.get_transform().linthresh == pytest.approx(1e-8)
    labels = {label.get_text() for label in figure.axes[0].get_yticklabels()}
    assert labels == {"0", "10⁻⁵", "10⁻⁴", "10⁻³", "10⁻²", "10⁻¹", "10⁰"}


def test_values_within_a_decade_or_so_have_a_linear_axis():
    row = RNG.uniform(0.3, 0.8, size=500).astype(np.float32)
    figure = plot.heatmap(watched(HistogramProbe(["weight"]), row), "dense1", kind="weight")
    ax = figure.axes[0]
    assert ax.get_yscale() == "linear"
    assert ax.get_ylim() == (0, 0.875)
    assert bar_label(figure) == "density"
    _, y, cells, _ = map_of(figure)
    np.testing.assert_allclose(cells.filled(0)[:, 0], np.histogram(row, y, density=True)[0])


@pytest.mark.parametrize("value", [0.0, 0.3, -7.0, 1e-30, 1e-45, 3e38])
def test_a_constant_layer_can_be_drawn(value):
    probe = watched(HistogramProbe(["weight"]), np.full(9, value), np.full(9, value))
    figure = plot.heatmap(probe, "dense1", kind="weight")
    _, _, cells, heights = map_of(figure)
    zeros = probe.zeros("dense1", "weight")
    np.testing.assert_allclose(heights @ cells.filled(0) + zeros, 1)
    assert len(figure.axes[0].child_axes) == (abs(value) < 1e-38)
    figure._repr_png_()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_the_first_value_that_is_not_finite_is_marked(bad):
    good, sick = RNG.normal(size=(2, 10))
    sick[3] = bad
    for probe, draw in (
        (HistogramProbe(["weight"]), lambda p: plot.heatmap(p, "dense1", kind="weight")),
        (StatisticsProbe(["weight"]), lambda p: plot.gradient_flow(p, kind="weight")),
    ):
        ax = draw(watched(probe, good, good, sick, sick)).axes[0]
        assert texts(ax) == ["NaN or ±∞ from step 2"]
        assert list(ax.lines[0].get_xdata()) == [2, 2]
    ax = plot.gradient_flow(watched(StatisticsProbe(["weight"]), good), kind="weight").axes[0]
    assert (texts(ax), len(ax.lines)) == ([], 0)


# gradient_flow


def test_the_map_has_log10_of_each_layers_rms_the_first_on_top():
    probe = trained(StatisticsProbe(["weight_grad"], every=2))
    figure = plot.gradient_flow(probe)
    ax, rows = figure.axes[0], meshes(figure)
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["dense1", "dense2", "dense3"]
    everything = []
    for place, (name, (x, y, cells)) in enumerate(zip(names, rows, strict=True)):
        steps, rms = probe.series(name, "weight_grad", "rms")
        np.testing.assert_array_equal(x, [*steps, steps[-1] + 2])
        assert y.mean() == pytest.approx(place)
        np.testing.assert_allclose(cells.ravel(), np.log10(rms))
        everything += np.log10(rms).tolist()
    assert ax.get_ylim() == (2.5, -0.5)
    assert len({mesh.norm for mesh in ax.collections}) == 1
    assert ax.collections[0].get_clim() == pytest.approx((min(everything), max(everything)))
    assert bar_label(figure) == "log₁₀ RMS of gradient of weight"


def test_a_gradient_that_is_exactly_zero_is_white():
    probe = watched(StatisticsProbe(["weight"]), [3.0, 4.0], [0.0, 0.0], [0.3, 0.4])
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
    figure = plot.gradient_flow(watched(StatisticsProbe(["weight"]), [0.0], [0.0]), kind="weight")
    ((x, y, cells),), (frame,) = meshes(figure), figure.axes[0].patches
    assert cells.mask.all()
    assert frame.get_bbox().extents == pytest.approx([x[0], y[0], x[-1], y[-1]])
    assert not frame.get_fill()
    assert max(frame.get_edgecolor()[:3]) < 0.8


def test_lines_are_log10_of_each_layers_rms_coloured_by_depth():
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


def test_a_long_line_is_a_median_in_a_ribbon_from_a_tenth_to_nine_tenths():
    sizes = 10.0 ** RNG.normal(size=640)
    probe = watched(StatisticsProbe(["weight"]), *np.column_stack([sizes, sizes]))
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


def test_a_layer_without_any_gradient_says_so_in_the_legend():
    probe = watched(StatisticsProbe(["weight"]), np.zeros(3), np.zeros(3))
    ax = plot.gradient_flow(probe, kind="weight", lines=True).axes[0]
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["dense1 (no value above 0)"]
    plot.gradient_flow(probe, kind="weight")._repr_png_()
    many = watched(StatisticsProbe(["weight"]), *np.zeros((200, 3)))
    plot.gradient_flow(many, kind="weight", lines=True)._repr_png_()


def test_a_single_step_can_be_seen():
    probe = watched(StatisticsProbe(["weight"]), [1.0, 2.0])
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


def test_limits_make_two_runs_comparable():
    probe = trained(StatisticsProbe(["weight_grad"]))
    figure = plot.gradient_flow(probe, limits=(-7, -1))
    assert {mesh.get_clim() for mesh in figure.axes[0].collections} == {(-7, -1)}
    assert plot.gradient_flow(probe, limits=(-7, -1), lines=True).axes[0].get_ylim() == (-7, -1)


def test_where_rows_are_too_narrow_for_their_names_some_names_are_left_out_and_no_row_is():
    probe = trained(StatisticsProbe(["weight_grad"]), [Dense(4, 4) for _ in range(40)])
    figure = Figure(figsize=(6, 3))
    plot.gradient_flow(probe, ax=figure.subplots())
    assert len(meshes(figure)) == 40
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert 5 < len(labels) < 20
    assert labels[0] == "dense1"
    own = plot.gradient_flow(probe).axes[0]
    assert len(own.get_yticklabels()) == 40


# update_ratio


def test_update_ratio_is_log10_of_the_ratio_beside_the_healthy_band():
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
    assert labels == ["healthy, 0.0003 to 0.003", "dense1", "dense3"]
    (other,) = plot.update_ratio(probe, band=(1e-4, 1e-2)).axes[0].patches
    assert (other.get_y(), other.get_height()) == (pytest.approx(-4), pytest.approx(2))


def test_updates_of_weights_that_are_zero_are_left_out():
    probe = trained(StatisticsProbe(["update"]), [Dense(4, 3, init="zeros")])
    (line,) = plot.update_ratio(probe).axes[0].lines
    assert np.isnan(line.get_ydata()[0])
    assert np.isfinite(line.get_ydata()[1:]).all()


# dead_units


def test_dead_units_are_a_barcode_of_their_share_on_a_scale_from_none_to_all():
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
    told = "share of units that are dead\n(unchanged for 2 observed steps)"
    assert bar_label(figure) == told


@pytest.mark.parametrize(("run", "told"), [(1, "1 observed step"), (5, "5 observed steps")])
def test_a_run_shorter_than_the_window_tells_its_own_steps(run, told):
    net, probe = Sequential([Dense(4, 8), ReLU()], rng=0), StatisticsProbe(["y"], window=100)
    for step in range(run):
        net.forward(X, training=True)
        probe.observe(step, net)
    assert probe.observed == run
    assert (
        bar_label(plot.dead_units(probe)) == f"share of units that are dead\n(unchanged for {told})"
    )


# all of them


def test_axes_that_are_there_are_drawn_on():
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
    with pytest.raises(TypeError, match="ax must be one Matplotlib Axes, got ndarray"):
        plot.heatmap(histograms, "relu1", ax=panels)


def test_drawing_does_not_change_the_recording(tmp_path):
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


def test_a_recording_out_of_a_file_gives_the_same_picture(tmp_path):
    probe = trained(StatisticsProbe())
    probe.save(tmp_path / "run.npz")
    for mine, its in zip(
        meshes(plot.dead_units(probe)),
        meshes(plot.dead_units(StatisticsProbe.load(tmp_path / "run.npz"))),
        strict=True,
    ):
        np.testing.assert_array_equal(mine[2].filled(-1), its[2].filled(-1))


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (plot.gradient_flow, "gradient_flow: expected a StatisticsProbe.* got HistogramProbe"),
        (plot.update_ratio, "update_ratio: expected a StatisticsProbe.* got HistogramProbe"),
        (plot.dead_units, "dead_units: expected a StatisticsProbe.* got HistogramProbe"),
    ],
)
def test_a_probe_of_the_other_kind_is_refused(draw, message):
    with pytest.raises(TypeError, match=message):
        draw(HistogramProbe())
    with pytest.raises(
        TypeError, match=r"heatmap: expected a HistogramProbe.* got StatisticsProbe"
    ):
        plot.heatmap(StatisticsProbe(), "relu1")


@pytest.mark.parametrize(
    ("layer", "kind", "message"),
    [
        ("relu9", "y", r"no 'y' of layers \['relu9'\].* there are dense1, relu1"),
        ("relu1", "weight", r"no 'weight' of layers \['relu1'\].* there are dense1, dense2"),
        ("relu1", "dx", r"nothing.* of 'dx', only of y, .*, HistogramProbe\(\['dx'\]\)"),
    ],
)
def test_a_heatmap_of_what_was_not_recorded_is_refused(layer, kind, message):
    with pytest.raises(ValueError, match=message):
        plot.heatmap(trained(HistogramProbe(), steps=4), layer, kind=kind)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": ["relu1"]}, r"no 'weight_grad' of layers \['relu1'\]"),
        ({"layers": []}, r"of layers \[\] was recorded"),
        ({"theory": {"dense1": 1.0}}, "give lines=True"),
        ({"theory": {"relu1": 1.0}, "lines": True}, r"theory tells of \['relu1'\]"),
        ({"theory": {"dense1": 0.0}, "lines": True}, "theory of 'dense1' must be positive"),
        ({"limits": (1, 1)}, r"limits must be low < high, got \(1, 1\)"),
    ],
)
def test_a_gradient_flow_that_cannot_be_drawn_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        plot.gradient_flow(trained(StatisticsProbe(), steps=4), **options)


@pytest.mark.parametrize("band", [(0.1, 0.01), (0.0, 0.1), (0.1, np.inf), (np.nan, 1.0)])
def test_a_band_that_is_none_is_refused(band):
    with pytest.raises(ValueError, match="update_ratio: band must be 0 < low < high"):
        plot.update_ratio(trained(StatisticsProbe(), steps=8), band=band)


def test_an_empty_recording_is_refused():
    with pytest.raises(ValueError, match="nothing was recorded of 'y', only of nothing"):
        plot.dead_units(StatisticsProbe())


# theory in histograms


def test_histograms_show_a_predicted_std_around_the_mean_and_as_log10():
    values = RNG.normal(3, 2, size=400)
    ax = plot.histograms({"a": values, "b": values}, theory={"a": 0.5}).axes
    assert [line.get_xdata()[0] for line in ax[0].lines] == pytest.approx(
        [values.mean() - 0.5, values.mean() + 0.5]
    )
    assert "theory: std 0.5" in texts(ax[0])[0].replace("\n", " ")
    assert len(ax[1].lines) == 0
    assert "theory" not in texts(ax[1])[0]
    (line,) = plot.histograms({"a": values}, theory={"a": 0.01}, log=True).axes[0].lines
    assert line.get_xdata()[0] == pytest.approx(-2)
    with pytest.raises(ValueError, match=r"theory tells of \['c'\].* there are a"):
        plot.histograms({"a": values}, theory={"c": 1.0})


def test_the_first_steps_gradients_are_those_of_a_capture():
    layers = [Dense(4, 16), ReLU(), Dense(16, 3)]
    seen = capture(
        Sequential(copy.deepcopy(layers), rng=0), X, LABELS, minnet.SoftmaxCrossEntropy()
    )
    net, probe = Sequential(layers, rng=0), StatisticsProbe(["weight_grad"])
    minnet.fit(
        net, X, LABELS, loss=minnet.SoftmaxCrossEntropy(), optimizer=minnet.SGD(net),
        epochs=1, batch_size=40, probes=[probe], rng=0,
    )  # fmt: skip
    rows = meshes(plot.gradient_flow(probe))
    for (_, _, cells), name in zip(rows, ["dense1", "dense2"], strict=True):
        rms = np.sqrt((seen[name]["weight_grad"].astype(np.float64) ** 2).mean())
        assert cells[0, 0] == pytest.approx(np.log10(rms), abs=1e-5)

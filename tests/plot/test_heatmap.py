"""Tests of heatmaps: every cell is a recorded share."""

import numpy as np
import pytest
from helpers.charts import RNG, bar_label, meshes, observed, texts, trained
from matplotlib.patches import StepPatch

from minnet import HistogramProbe, StatisticsProbe, plot


def decades(values, threshold):
    """Return the heights of values on the signed axis, whose linear part has half a decade."""
    values = np.asarray(values)
    size = np.maximum(np.abs(values), threshold) / threshold
    linear = np.minimum(np.abs(values), threshold) / threshold * 0.5 / 0.9
    return np.sign(values) * (linear + np.log10(size))


def map_of(figure):
    """Return x edges, y edges, the cells, and the height of each row of cells on the axis."""
    ((x, y, cells),) = meshes(figure)
    axis = figure.axes[0].yaxis.get_transform()
    threshold = getattr(axis, "linthresh", None)
    return x, y, cells, np.diff(y if threshold is None else decades(y, threshold))


def test_cells_are_shares_of_the_values_per_decade():
    rows = RNG.normal(size=(3, 2000)) * [[1.0], [1e-2], [1e-4]]
    rows[:, :500] = 0
    figure = plot.heatmap(observed(HistogramProbe(["weight"]), *rows), "dense1", kind="weight")
    x, y, cells, heights = map_of(figure)
    assert x.tolist() == [0, 1, 2, 3]
    assert figure.axes[0].get_yscale() == "symlog"
    for column, row in zip(cells.filled(0).T, rows.astype(np.float32), strict=True):
        counts, _ = np.histogram(row[row != 0], y)
        np.testing.assert_allclose(column * heights, counts / row.size, atol=1e-12)
        np.testing.assert_array_equal(column == 0, counts == 0)
    assert figure.axes[0].get_ylabel() == "weight of dense1"
    assert bar_label(figure) == "share of values per decade"


def test_the_strip_below_the_map_shows_the_recorded_share_of_zeros():
    probe = trained(HistogramProbe(["y"]))
    figure = plot.heatmap(probe, "relu2")
    (strip,) = figure.axes[0].child_axes
    shares, edges, _ = next(p for p in strip.patches if isinstance(p, StepPatch)).get_data()
    np.testing.assert_array_equal(shares, probe.zeros("relu2", "y"))
    assert edges.tolist() == list(range(21))
    assert strip.get_ylim() == (0, 1)
    assert texts(strip) == f"{100 * shares[-1]:.0f}% at the end"
    _, _, cells, heights = map_of(figure)
    np.testing.assert_allclose(heights @ cells.filled(0) + shares, 1)


def test_without_zeros_there_is_no_strip():
    figure = plot.heatmap(trained(HistogramProbe(["y"])), "dense1")
    assert figure.axes[0].child_axes == []
    assert figure.axes[0].get_xlabel() == "step"


def test_columns_are_as_wide_as_their_slots():
    probe = observed(HistogramProbe(["weight"], every=3, slots=4), *RNG.normal(size=(7, 50)))
    x, _, cells, heights = map_of(plot.heatmap(probe, "dense1", kind="weight"))
    assert x.tolist() == [0, 6, 12, 18, 21]
    np.testing.assert_allclose(heights @ cells.filled(0), 1)


def test_the_axis_covers_all_finite_values():
    row = np.append(RNG.normal(size=999), -1e6)
    figure = plot.heatmap(observed(HistogramProbe(["weight"]), row), "dense1", kind="weight")
    _, y, cells, heights = map_of(figure)
    assert figure.axes[0].get_ylim() == (y[0], y[-1])
    assert y[0] <= -1e6
    assert heights @ cells.filled(0)[:, 0] == pytest.approx(1)


def test_the_axis_is_linear_up_to_the_power_of_ten_above_the_smallest_hundredth():
    row = 10.0 ** RNG.uniform(-5.5, 0, size=5000)
    figure = plot.heatmap(observed(HistogramProbe(["weight"]), row), "dense1", kind="weight")
    assert figure.axes[0].yaxis.get_transform().linthresh == pytest.approx(1e-5)
    _, y, _, _ = map_of(figure)
    assert (row < y[1]).mean() <= 0.01
    both = plot.heatmap(
        observed(HistogramProbe(["weight"]), row, row / 1000), "dense1", kind="weight"
    )
    assert both.axes[0].yaxis.get_transform().linthresh == pytest.approx(1e-8)
    labels = {label.get_text() for label in figure.axes[0].get_yticklabels()}
    assert labels == {"0", "10⁻⁵", "10⁻⁴", "10⁻³", "10⁻²", "10⁻¹", "10⁰"}


def test_the_axis_is_linear_for_values_within_about_a_decade():
    row = RNG.uniform(0.3, 0.8, size=500).astype(np.float32)
    figure = plot.heatmap(observed(HistogramProbe(["weight"]), row), "dense1", kind="weight")
    ax = figure.axes[0]
    assert ax.get_yscale() == "linear"
    assert ax.get_ylim() == (0, 0.875)
    assert bar_label(figure) == "density"
    _, y, cells, _ = map_of(figure)
    np.testing.assert_allclose(cells.filled(0)[:, 0], np.histogram(row, y, density=True)[0])


@pytest.mark.parametrize("value", [0.0, 0.3, -7.0, 1e-30, 1e-45, 3e38])
def test_a_constant_layer_can_be_drawn(value):
    probe = observed(HistogramProbe(["weight"]), np.full(9, value), np.full(9, value))
    figure = plot.heatmap(probe, "dense1", kind="weight")
    _, _, cells, heights = map_of(figure)
    zeros = probe.zeros("dense1", "weight")
    np.testing.assert_allclose(heights @ cells.filled(0) + zeros, 1)
    assert len(figure.axes[0].child_axes) == (abs(value) < 1e-38)
    figure._repr_png_()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_the_first_step_with_a_non_finite_value_is_marked(bad):
    good, nonfinite = RNG.normal(size=(2, 10))
    nonfinite[3] = bad
    for probe, draw in (
        (HistogramProbe(["weight"]), lambda p: plot.heatmap(p, "dense1", kind="weight")),
        (StatisticsProbe(["weight"]), lambda p: plot.gradient_flow(p, kind="weight")),
    ):
        ax = draw(observed(probe, good, good, nonfinite, nonfinite)).axes[0]
        assert texts(ax) == "NaN or ±∞ from step 2"
        assert list(ax.lines[0].get_xdata()) == [2, 2]
    ax = plot.gradient_flow(observed(StatisticsProbe(["weight"]), good), kind="weight").axes[0]
    assert (texts(ax), len(ax.lines)) == ("", 0)


@pytest.mark.parametrize(
    ("layer", "kind", "message"),
    [
        ("relu9", "y", r"layers with 'y' among dense1, relu1, .*, got 'relu9'"),
        ("relu1", "weight", r"with 'weight' among dense1, dense2, .*, got 'relu1'"),
        ("relu1", "dx", r"of 'dx', got one of y, .*, HistogramProbe\(\['dx'\]\)"),
    ],
)
def test_a_heatmap_of_an_unrecorded_layer_or_kind_raises(layer, kind, message):
    with pytest.raises(ValueError, match=message):
        plot.heatmap(trained(HistogramProbe(), steps=4), layer, kind=kind)

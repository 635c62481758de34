"""Tests of histograms, densities and cumulative shares: true heights and shared axes."""

import numpy as np
import pytest
from helpers.charts import LABELS, ODD, RNG, X, bars, history, legend, stems, texts, title
from matplotlib.figure import Figure
from scipy import stats

from minnet import Dense, ReLU, Residual, Sequential, Sigmoid, SoftmaxCrossEntropy, plot
from minnet.recording import capture


@pytest.fixture(name="net")
def make_net():
    return Sequential([Dense(4, 16), ReLU(), Residual(Dense(16, 16), ReLU()), Dense(16, 3)], rng=0)


def test_plots_leave_their_input_unchanged(net):
    captured = capture(net, X)
    arrays = {name: array.copy() for name, array in captured.kind("y").items()}
    for draw in (plot.histograms, plot.density, plot.cdf):
        draw(arrays)
        draw(captured)
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, captured[name]["y"])


@pytest.mark.parametrize("draw", [plot.density, plot.cdf])
def test_charts_are_drawn_on_given_axes(draw):
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert draw({"a": [1.0, 2.0]}, ax=right) is figure
    assert plot.learning_curves(history(2, 1), ax=left) is figure
    assert (len(left.lines), len(right.lines), len(figure.axes)) == (1, 1, 2)
    assert left.xaxis.label.get_fontsize() == 15
    with pytest.raises(TypeError, match="expected ax to be one Matplotlib Axes, got ndarray"):
        draw({"a": [1.0, 2.0]}, ax=np.array([left, right]))


@pytest.mark.parametrize("draw", [plot.histograms, plot.density, plot.cdf])
@pytest.mark.parametrize(
    ("data", "options", "error", "message"),
    [
        (X, {}, TypeError, "expected a Capture.* got ndarray"),
        ({}, {}, ValueError, "expected layers, got none"),
        ({"a": []}, {}, ValueError, "'a': expected at least one value"),
        ({"a": [np.nan, 1]}, {}, FloatingPointError, "'a': expected finite values, got 1 of 2"),
        ({"a": [1.0]}, {"layers": ["b"]}, ValueError, "expected layers among a, got 'b'"),
        ({"a": [1.0], "b": {"c": [1.0]}}, {}, TypeError, "expected an array for 'b', got a dict"),
    ],
)
def test_invalid_data_raise_an_error_that_names_the_entry(draw, data, options, error, message):
    with pytest.raises(error, match=message):
        draw(data, **options)


def test_error_for_a_capture_without_gradients_names_the_remedy(net):
    with pytest.raises(ValueError, match="for gradients, use capture"):
        plot.histograms(capture(net, X), kind="dy")


def test_each_layer_has_a_panel_and_all_share_the_x_axis(net):
    figure = plot.histograms(capture(net, X))
    names = [title(ax) for ax in figure.axes]
    assert names == [
        "dense1",
        "relu1",
        "residual1.dense1",
        "residual1.relu1",
        "residual1",
        "dense2",
    ]
    assert len({ax.get_xlim() for ax in figure.axes}) == 1
    assert len({tuple(bars(ax).edges) for ax in figure.axes}) == 1
    assert figure.get_supxlabel() == "activation y"
    assert figure.axes[0].get_ylabel() == "density"
    figure.axes[0].set_xlim(-9, 9)
    assert figure.axes[-1].get_xlim() == (-9, 9)


def test_bars_are_the_density_without_zeros_and_the_stem_is_the_share_of_zeros(net):
    captured = capture(net, X)
    figure = plot.histograms(captured, layers=["dense1", "relu1"], bins=20)
    for name, ax in zip(["dense1", "relu1"], figure.axes, strict=True):
        values = captured[name]["y"].ravel()
        heights, edges, _ = bars(ax)
        assert len(heights) == 20
        counts, _ = np.histogram(values[values != 0], edges)
        np.testing.assert_allclose(heights, counts / values.size / np.diff(edges))
    zeros = (captured["relu1"]["y"] == 0).mean()
    assert 0.2 < zeros < 0.8
    np.testing.assert_allclose(stems(figure.axes[1]), [[[0, 0], [0, zeros]]])
    assert f"{100 * zeros:.0f}% zeros" in texts(figure.axes[1])
    assert stems(figure.axes[0]) == []


def test_panels_report_mean_std_and_count():
    values = RNG.normal(2, 3, size=400)
    text = texts(plot.histograms({"a": values}).axes[0])
    assert f"mean {values.mean():.2g}, std {values.std():.2g}, n = 400" in text


def test_far_values_are_counted_and_do_not_widen_the_axis():
    (ax,) = plot.histograms({"a": np.append(RNG.uniform(-1, 1, 998), [1e6, -1e6])}).axes
    low, high = ax.get_xlim()
    assert -1.2 < low < -0.9
    assert 0.9 < high < 1.2
    assert "2 beyond the axis" in texts(ax)
    assert "beyond" not in texts(plot.histograms({"a": RNG.uniform(-1, 1, 998)}).axes[0])


def test_a_bar_that_would_flatten_the_others_is_cut_and_reported():
    values = np.append(np.full(9000, 0.999), RNG.uniform(0, 1, 1000))
    (ax,) = plot.histograms({"a": values}).axes
    heights = bars(ax).values
    assert ax.get_ylim()[1] < 10 * np.median(heights) < heights.max()
    assert f"▲ bars up to {heights.max():.2g}" in texts(ax)
    (smooth,) = plot.histograms({"a": RNG.exponential(size=5000)}).axes
    assert smooth.get_ylim()[1] >= bars(smooth).values.max()
    assert "▲" not in texts(smooth)


def test_labels_are_rows_with_a_common_y_axis_for_each_layer():
    before = {"a": RNG.normal(size=500), "b": RNG.normal(size=500)}
    after = {"a": RNG.normal(size=500) * 2, "b": np.zeros(500)}
    figure = plot.histograms({"before": before, "after": after})
    panels = {(title(ax), round(ax.get_position().y0, 2)): ax for ax in figure.axes}
    assert len(panels) == 4
    assert [ax.get_ylabel() for ax in figure.axes] == ["before\ndensity", "after\ndensity", "", ""]
    for name in "ab":
        assert len({ax.get_ylim() for key, ax in panels.items() if key[0] == name}) == 1
    assert len({ax.get_xlim() for ax in figure.axes}) == 1


def test_labels_must_hold_the_same_layers():
    with pytest.raises(ValueError, match=r"expected layers \['a'\] in 'after', .*, got \['b'\]"):
        plot.histograms({"before": {"a": [1.0]}, "after": {"b": [1.0]}})


def test_log_separates_vanishing_gradients_by_powers_of_ten():
    layers = [layer for _ in range(7) for layer in (Dense(30, 30), Sigmoid())]
    net = Sequential([*layers, Dense(30, 3)], rng=0)
    captured = capture(net, RNG.normal(size=(20, 30)), LABELS[:20], SoftmaxCrossEntropy())
    names = [f"dense{i}" for i in range(1, 9)]
    figure = plot.histograms(captured, kind="weight_grad", layers=names, log=True)
    middles = []
    for ax in figure.axes:
        heights, edges, _ = bars(ax)
        middles.append((heights * (edges[:-1] + edges[1:])).sum() / heights.sum() / 2)
    assert (np.diff(middles) > 0.3).all()
    assert figure.get_supxlabel() == "log₁₀ |gradient of weight|"
    zeros = plot.histograms({"a": [0.0, 0.0, 0.0, 1.0]}, log=True).axes[0]
    assert "75% zeros" in texts(zeros)
    assert stems(zeros) == []


def test_density_has_a_curve_for_each_layer_with_area_one_minus_zeros():
    relu = np.maximum(RNG.normal(size=4000), 0)
    figure = plot.density({"dense1": RNG.normal(size=4000), "relu1": relu})
    whole, half = figure.axes[0].lines
    assert np.trapezoid(*whole.get_data()[::-1]) == pytest.approx(1, abs=0.01)
    assert np.trapezoid(*half.get_data()[::-1]) == pytest.approx((relu > 0).mean(), abs=0.01)
    np.testing.assert_allclose(whole.get_ydata(), stats.norm.pdf(whole.get_xdata()), atol=0.05)
    assert legend(figure) == ["dense1", f"relu1 ({100 * (relu == 0).mean():.0f}% zeros)"]


def test_density_of_one_value_is_a_vertical_line_there():
    figure = plot.density({"a": np.full(9, 0.3), "b": np.zeros(9), "c": [0.0, 7.0]})
    assert [line.get_xdata() for line in figure.axes[0].lines] == [[0.3, 0.3], [0, 0], [7, 7]]
    assert legend(figure) == ["a (constant 0.3)", "b (100% zeros)", "c (50% zeros, constant 7)"]


def test_density_of_a_narrow_layer_does_not_hide_the_others():
    wide, narrow = RNG.normal(size=900), RNG.normal(size=900) * 1e-4
    figure = plot.density({"wide": wide, "narrow": narrow})
    assert figure.axes[0].get_ylim()[1] < 12 * figure.axes[0].lines[0].get_ydata().max()
    peak = figure.axes[0].lines[1].get_ydata().max()
    assert legend(figure) == ["wide", f"narrow (peak {peak:.2g})"]


def test_axes_are_labelled_with_the_quantity(net):
    captured = capture(net, X, LABELS, SoftmaxCrossEntropy())
    ax = plot.density(captured, layers=["relu1"]).axes[0]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("activation y of relu1", "density")
    ax = plot.cdf(captured, kind="dy", log=True).axes[0]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("log₁₀ |gradient dy|", "share of values ≤ x")
    assert plot.cdf(captured, kind="bias").axes[0].get_xlabel() == "bias"


def test_cdf_is_a_step_at_each_value_with_the_zeros_as_a_jump():
    (line,) = plot.cdf({"a": [0.0, 0.0, -1.0, 3.0]}).axes[0].lines
    assert line.get_drawstyle() == "steps-post"
    at, share = line.get_data()
    assert at[1:-1].tolist() == [-1, 0, 3]
    assert share.tolist() == [0, 0.25, 0.75, 1, 1]


@pytest.mark.parametrize("log", [False, True])
def test_every_cdf_rises_to_one_across_the_whole_axis(log):
    ax = plot.cdf(ODD, log=log).axes[0]
    assert len(ax.lines) == len(ODD)
    for line, values in zip(ax.lines, ODD.values(), strict=True):
        at, share = line.get_data()
        assert (np.diff(at) >= 0).all()
        assert (np.diff(share) >= 0).all()
        assert share[0] == pytest.approx((values == 0).mean() if log else 0)
        assert share[-1] == 1
        assert at[0] <= ax.get_xlim()[0] < ax.get_xlim()[1] <= at[-1]


EXTREME = {
    "subnormal": np.arange(1, 9) * 1e-310,
    "smallest": [5e-324, 1e-323, 0.0],
    "largest": [-1.7e308, 0.5, 1.7e308],
    "both ends": [1e-320, 1e308],
    "constant": [1.7e308] * 4,
    "distant": np.append(np.linspace(-1, 1, 50), 1e308),
    "small bulk": np.append(np.linspace(-1, 1, 50) * 1e-310, 1.0),
    "nearly constant": 1 + np.arange(50) * 2.3e-16,
    "one": [2.0],
}


@pytest.mark.parametrize("values", EXTREME.values(), ids=EXTREME)
@pytest.mark.parametrize("draw", [plot.histograms, plot.density, plot.cdf])
@pytest.mark.parametrize("log", [False, True])
def test_values_at_the_ends_of_float64_are_drawn(draw, values, log):
    for data in ({"a": values}, {"a": values, "b": np.linspace(-1, 2, 30)}):
        figure = draw(data, log=log)
        figure.set_layout_engine("none")  # the layout takes longer than the drawing
        figure.draw_without_rendering()
        assert np.isfinite(figure.axes[0].get_xlim()).all()


def test_the_axis_of_very_small_values_names_its_unit():
    ax = plot.cdf({"dense1": np.arange(1, 9) * 1e-310}).axes[0]
    assert ax.get_xlabel() == "value of dense1, in units of 10⁻³¹⁰"
    np.testing.assert_allclose(ax.lines[0].get_xdata()[1:-1], np.arange(1, 9), rtol=1e-9)
    ax = plot.histograms({"dense1": np.arange(1, 9) * 1e-310}).axes[0]
    heights, edges, _ = ax.patches[0].get_data()
    assert (heights * np.diff(edges)).sum() == pytest.approx(1)


def test_a_density_ignores_underflow():
    with np.errstate(all="raise"):
        plot.density({"a": np.append(np.linspace(1, 2, 30), 1e3)})

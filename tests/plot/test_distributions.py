"""What the pictures promise: true heights, shared axes, nothing left out in silence or global."""

import subprocess
import sys
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch
from matplotlib.text import Text
from scipy import stats

import minnet
from minnet import (
    Dense,
    HistogramProbe,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
    SoftmaxCrossEntropy,
    StatisticsProbe,
    plot,
)
from minnet.recording import capture

RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 4))
LABELS = np.arange(30) % 3
ODD = {
    "constant": np.full(40, 0.3),
    "zeros": np.zeros(40),
    "two values": np.array([1.0, 2.0]),
    "one value": np.array([5.0]),
    "cauchy": RNG.standard_cauchy(3000),
    "one far value": np.append(RNG.normal(size=200), 1e6),
    "relu": np.maximum(RNG.normal(size=500), 0),
    "residual1.residual2.batchnorm2_with_a_long_name": RNG.normal(size=500),
    "tiny": RNG.normal(size=500) * 1e-9,
    "integers": np.arange(20, dtype=np.uint8),
}


@pytest.fixture(name="net")
def make_net():
    return Sequential([Dense(4, 16), ReLU(), Residual(Dense(16, 16), ReLU()), Dense(16, 3)], rng=0)


def history(*losses, val=()):
    return SimpleNamespace(loss=list(losses), val_loss=list(val), accuracy=[], val_accuracy=[])


def recording(probe_class):
    """Return what such a probe sees of a deep network in 5 steps, NaN in the last gradients."""
    layers = [layer for _ in range(12) for layer in (Dense(4, 4), ReLU())]
    net, probe, loss = Sequential(layers, rng=0), probe_class(), SoftmaxCrossEntropy()
    optimizer = minnet.SGD(net)
    for step in range(5):
        loss.forward(net.forward(X, training=True), LABELS)
        net.backward(loss.backward())
        if step == 4:
            net["relu1"].dy[0] = np.nan
        probe.observe(step, net)
        optimizer.step()
    return probe


def bars(ax):
    (patch,) = (patch for patch in ax.patches if isinstance(patch, StepPatch))
    return patch.get_data()


def stems(ax):
    return [c.get_segments()[0] for c in ax.collections if isinstance(c, LineCollection)]


def title(ax):
    return ax.get_title(loc="left")


def texts(ax):
    return " ".join(text.get_text().replace("\n", " ") for text in ax.texts)


def legend(figure):
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def visible_texts(figure):
    """Return every text that is drawn: of Matplotlib's tick labels those within the axis."""
    found = [*figure.texts]
    insets = [inset for ax in figure.axes for inset in ax.child_axes]
    for ax in [*figure.axes, *insets]:
        found += [child for child in ax.get_children() if isinstance(child, Text)]
        found += [ax.xaxis.label, ax.yaxis.label]
        if ax.get_legend():
            found += ax.get_legend().get_texts()
        for axis in (ax.xaxis, ax.yaxis):
            low, high = axis.get_view_interval()
            found += [t.label1 for t in axis.get_major_ticks() if low <= t.get_loc() <= high]
            found.append(axis.get_offset_text())
    return [text for text in found if text.get_visible() and text.get_text()]


def misplaced(figure):
    """Draw, and return texts that leave the page and pairs that overlap."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    boxes = [(t.get_text(), t.get_window_extent(renderer)) for t in visible_texts(figure)]
    page = figure.bbox.padded(1)
    found = [
        text for text, box in boxes if not page.contains(*box.min) or not page.contains(*box.max)
    ]
    for number, (text, box) in enumerate(boxes):
        found += [(text, other) for other, its in boxes[number + 1 :] if box.overlaps(its)]
    return found


DRAW = {
    "histograms": lambda: plot.histograms(ODD),
    "histograms_log": lambda: plot.histograms(ODD, log=True),
    "histograms_before_after": lambda: plot.histograms({"before": ODD, "after": ODD}),
    "density": lambda: plot.density(ODD),
    "density_log": lambda: plot.density(ODD, log=True),
    "cdf": lambda: plot.cdf(ODD),
    "cdf_log": lambda: plot.cdf(ODD, log=True),
    "heatmap": lambda: plot.heatmap(recording(HistogramProbe), "relu1", kind="dy"),
    "gradient_flow": lambda: plot.gradient_flow(recording(StatisticsProbe), kind="dy"),
    "gradient_flow_lines": lambda: plot.gradient_flow(
        recording(StatisticsProbe), lines=True, theory={"dense1": 0.1}
    ),
    "update_ratio": lambda: plot.update_ratio(recording(StatisticsProbe)),
    "dead_units": lambda: plot.dead_units(recording(StatisticsProbe)),
    "learning_curves": lambda: plot.learning_curves(
        {"a": [history(3, 2, val=(4, 3)), history(2, 2, val=(3, 3))], "b": history(1, 1, 1)}
    ),
}
EVERY = pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)


# What all of them promise.


@EVERY
def test_a_notebook_shows_it_by_itself_with_no_setting_changed_and_no_figure_of_pyplot_open(draw):
    import matplotlib.pyplot as plt

    settings, numbers = dict(mpl.rcParams), plt.get_fignums()
    assert draw()._repr_png_().startswith(b"\x89PNG")
    assert dict(mpl.rcParams) == settings
    assert plt.get_fignums() == numbers


@EVERY
def test_the_users_settings_do_not_reach_the_picture(draw):
    with mpl.rc_context({"font.size": 4, "axes.labelsize": 4, "text.usetex": True}):
        figure = draw()
    assert {text.get_fontsize() for text in figure.findobj(Text)} <= {13, 15, 17}
    assert not any(text.get_usetex() for text in figure.findobj(Text) if text.get_text())


@EVERY
def test_letters_are_large_and_none_overlaps_another(draw):
    figure = draw()
    assert misplaced(figure) == []
    assert min(text.get_fontsize() for text in visible_texts(figure)) >= 13


@pytest.mark.parametrize(
    "name", ["density", "cdf", "learning_curves", "gradient_flow_lines", "update_ratio"]
)
def test_no_line_can_be_under_the_legend(name):
    figure = DRAW[name]()
    FigureCanvasAgg(figure).draw()
    (ax,) = figure.axes
    assert ax.get_legend().get_window_extent().x0 >= ax.bbox.x1


def test_importing_minnet_loads_no_matplotlib_and_plot_loads_no_pyplot():
    code = (
        "import sys, minnet; assert 'matplotlib' not in sys.modules; "
        "minnet.plot.cdf({'a': [1.0, 2.0]}); assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_plots_do_not_change_what_they_draw(net):
    seen = capture(net, X)
    arrays = {name: array.copy() for name, array in seen.kind("y").items()}
    for draw in (plot.histograms, plot.density, plot.cdf):
        draw(arrays)
        draw(seen)
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, seen[name]["y"])


@pytest.mark.parametrize("draw", [plot.density, plot.cdf])
def test_axes_that_are_there_are_drawn_on(draw):
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert draw({"a": [1.0, 2.0]}, ax=right) is figure
    assert plot.learning_curves(history(2, 1), ax=left) is figure
    assert (len(left.lines), len(right.lines), len(figure.axes)) == (1, 1, 2)
    assert left.xaxis.label.get_fontsize() == 15
    with pytest.raises(TypeError, match="ax must be one Matplotlib Axes, got ndarray"):
        draw({"a": [1.0, 2.0]}, ax=np.array([left, right]))


@pytest.mark.parametrize("draw", [plot.histograms, plot.density, plot.cdf])
@pytest.mark.parametrize(
    ("data", "options", "error", "message"),
    [
        (X, {}, TypeError, "expected a Capture.* got ndarray"),
        ({}, {}, ValueError, "there are none"),
        ({"a": []}, {}, ValueError, "'a': expected at least one value"),
        ({"a": [np.nan, 1]}, {}, FloatingPointError, "'a': 1 of 2 values are NaN"),
        ({"a": [1.0]}, {"layers": ["b"]}, ValueError, r"no layers \['b'\].* there are a"),
        ({"a": [1.0], "b": {"c": [1.0]}}, {}, TypeError, "'b' is a dict, expected an array"),
    ],
)
def test_what_cannot_be_drawn_is_refused_by_name(draw, data, options, error, message):
    with pytest.raises(error, match=message):
        draw(data, **options)


def test_a_capture_without_gradients_says_how_to_get_them(net):
    with pytest.raises(ValueError, match="capture with y and loss"):
        plot.histograms(capture(net, X), kind="dy")


@pytest.mark.parametrize("layers", [1, 2, 8, 30])
def test_colours_run_from_dark_to_light_and_stand_out_on_white(layers):
    rgb = np.array(plot.depth_colors(layers))[:, :3]
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(luminance) > 0).all()
    assert (1.05 / (luminance + 0.05)).min() >= 3


# histograms


def test_each_layer_has_its_panel_all_on_one_x_axis(net):
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


def test_bars_are_numpys_density_without_the_zeros_and_the_stem_is_their_share(net):
    seen = capture(net, X)
    figure = plot.histograms(seen, layers=["dense1", "relu1"], bins=20)
    for name, ax in zip(["dense1", "relu1"], figure.axes, strict=True):
        values = seen[name]["y"].ravel()
        heights, edges, _ = bars(ax)
        assert len(heights) == 20
        counts, _ = np.histogram(values[values != 0], edges)
        np.testing.assert_allclose(heights, counts / values.size / np.diff(edges))
    zeros = (seen["relu1"]["y"] == 0).mean()
    assert 0.2 < zeros < 0.8
    np.testing.assert_allclose(stems(figure.axes[1]), [[[0, 0], [0, zeros]]])
    assert f"{100 * zeros:.0f}% zeros" in texts(figure.axes[1])
    assert stems(figure.axes[0]) == []


def test_panels_tell_mean_std_and_count():
    values = RNG.normal(2, 3, size=400)
    text = texts(plot.histograms({"a": values}).axes[0])
    assert f"mean {values.mean():.2g}, std {values.std():.2g}, n = 400" in text


def test_one_far_value_is_told_and_does_not_squash_the_rest():
    (ax,) = plot.histograms({"a": np.append(RNG.uniform(-1, 1, 998), [1e6, -1e6])}).axes
    low, high = ax.get_xlim()
    assert -1.2 < low < -0.9
    assert 0.9 < high < 1.2
    assert "2 beyond the axis" in texts(ax)
    assert "beyond" not in texts(plot.histograms({"a": RNG.uniform(-1, 1, 998)}).axes[0])


def test_a_spike_is_cut_and_told_so_that_the_rest_can_be_seen():
    values = np.append(np.full(9000, 0.999), RNG.uniform(0, 1, 1000))
    (ax,) = plot.histograms({"a": values}).axes
    heights = bars(ax).values
    assert ax.get_ylim()[1] < 10 * np.median(heights) < heights.max()
    assert f"▲ bars up to {heights.max():.2g}" in texts(ax)
    (smooth,) = plot.histograms({"a": RNG.exponential(size=5000)}).axes
    assert smooth.get_ylim()[1] >= bars(smooth).values.max()
    assert "▲" not in texts(smooth)


def test_before_and_after_are_rows_with_a_shared_y_axis_for_each_layer():
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
    with pytest.raises(ValueError, match=r"'after' has layers \['b'\], the first has \['a'\]"):
        plot.histograms({"before": {"a": [1.0]}, "after": {"b": [1.0]}})


def test_vanishing_gradients_are_told_apart_in_powers_of_ten():
    layers = [layer for _ in range(7) for layer in (Dense(30, 30), Sigmoid())]
    net = Sequential([*layers, Dense(30, 3)], rng=0)
    seen = capture(net, RNG.normal(size=(20, 30)), LABELS[:20], SoftmaxCrossEntropy())
    names = [f"dense{i}" for i in range(1, 9)]
    figure = plot.histograms(seen, kind="weight_grad", layers=names, log=True)
    middles = []
    for ax in figure.axes:
        heights, edges, _ = bars(ax)
        middles.append((heights * (edges[:-1] + edges[1:])).sum() / heights.sum() / 2)
    assert (np.diff(middles) > 0.3).all()
    assert figure.get_supxlabel() == "log₁₀ |gradient of weight|"
    zeros = plot.histograms({"a": [0.0, 0.0, 0.0, 1.0]}, log=True).axes[0]
    assert "75% zeros" in texts(zeros)
    assert stems(zeros) == []


# density


def test_density_has_one_curve_a_layer_whose_area_is_the_rest_of_the_zeros():
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


def test_axes_are_labelled_with_what_they_are(net):
    seen = capture(net, X, LABELS, SoftmaxCrossEntropy())
    ax = plot.density(seen, layers=["relu1"]).axes[0]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("activation y of relu1", "density")
    ax = plot.cdf(seen, kind="dy", log=True).axes[0]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("log₁₀ |gradient dy|", "share of values ≤ x")
    assert plot.cdf(seen, kind="bias").axes[0].get_xlabel() == "bias"


# cdf


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


# learning_curves


def test_training_is_dashed_and_validation_solid_by_whole_epochs():
    figure = plot.learning_curves(history(3, 2, 1, val=(4, 3, 2)))
    training, validation = figure.axes[0].lines
    assert (training.get_linestyle(), validation.get_linestyle()) == ("--", "-")
    assert training.get_xdata().tolist() == [1, 2, 3]
    assert training.get_ydata().tolist() == [3, 2, 1]
    assert validation.get_ydata().tolist() == [4, 3, 2]
    assert set(figure.axes[0].get_xticks()) <= {0, 1, 2, 3, 4}
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("epoch", "loss")
    assert legend(figure) == ["training", "validation"]


def test_several_seeds_are_their_mean_in_its_95_percent_interval():
    losses = RNG.normal(size=(5, 4))
    figure = plot.learning_curves({"Adam": [history(*row) for row in losses], "SGD": history(1, 2)})
    mean, alone = figure.axes[0].lines
    np.testing.assert_allclose(mean.get_ydata(), losses.mean(axis=0))
    (band,) = figure.axes[0].collections
    edges = band.get_paths()[0].vertices
    for epoch, column in enumerate(losses.T, start=1):
        low, high = stats.ttest_1samp(column, 0).confidence_interval(0.95)
        heights = edges[edges[:, 0] == epoch, 1]
        assert (heights.min(), heights.max()) == (pytest.approx(low), pytest.approx(high))
    assert alone.get_ydata().tolist() == [1, 2]
    assert legend(figure) == ["Adam", "SGD", "training", "95% interval of\nthe mean, 5 runs"]


def test_a_single_epoch_can_be_seen():
    assert plot.learning_curves(history(1)).axes[0].lines[0].get_marker() == "o"


@pytest.mark.parametrize(
    ("histories", "metric", "message"),
    [
        (history(1), "accuracy", "the history has neither 'accuracy' nor 'val_accuracy'"),
        ({"a": history(1)}, "f1", "a has neither 'f1'"),
        ({"loss": [1.0, 2.0]}, "loss", "expected a History"),
        ([history(1), history(1, 2)], "loss", r"hold loss of \[1, 2\] epochs"),
        ({}, "loss", "at least one history"),
        ([], "loss", "neither 'loss'"),
    ],
)
def test_a_history_without_the_metric_is_refused(histories, metric, message):
    with pytest.raises(ValueError, match=message):
        plot.learning_curves(histories, metric=metric)


def test_it_draws_what_fit_returns(net):
    seen = minnet.fit(
        net, X, LABELS, loss=SoftmaxCrossEntropy(), optimizer=minnet.SGD(net), epochs=3,
        batch_size=10, validation_data=(X, LABELS), rng=0,
    )  # fmt: skip
    for metric in ("loss", "accuracy"):
        lines = plot.learning_curves(seen, metric=metric).axes[0].lines
        assert lines[0].get_ydata().tolist() == getattr(seen, metric)
        assert lines[1].get_ydata().tolist() == getattr(seen, f"val_{metric}")


def test_the_same_picture_gives_the_same_svg(tmp_path):
    for name in ("one.svg", "two.svg"):
        plot.histograms({"relu1": [0.0, 1.0, 2.0]}).savefig(tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()

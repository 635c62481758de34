"""Charts: means with their intervals, excluded seeds counted, readable text."""

from types import SimpleNamespace

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.text import Text
from scipy import stats

from minnet import plot
from minnet.experiments import charts, intervals

RNG = np.random.default_rng(0)
LABELS = (
    "without BatchNorm", "with BatchNorm", "ReLU + He", "sigmoid", "Swish", "skip connections",
    "Xavier", "all of them",
)  # fmt: skip


def spread(middle, seeds=10):
    return list(middle * np.exp(RNG.normal(scale=0.4, size=seeds)))


LAYERS = {
    label: [spread(10.0 ** ((layer - 6) * (8 - number) / 8)) for layer in range(1, 7)]
    for number, label in enumerate(LABELS)
}
LAYERS["zero"] = [[0.0] * 10] * 5 + [spread(0.01)]
LAYERS["sigmoid"] = [[np.nan, np.inf, *seeds[2:]] for seeds in LAYERS["sigmoid"]]
ROWS = {label: spread(10.0**-number) for number, label in enumerate(LABELS)} | {
    "dead": [0.0] * 10, "some diverged": [np.nan] * 3 + [1e-3] * 7, "one seed": [1e-5],
    "residual1.batchnorm2": [0.0, np.nan, 1e-4],
}  # fmt: skip
RATES = {
    label: {lr: spread(0.3 + abs(np.log10(lr) + 2)) for lr in (1e-4, 1e-3, 3e-3, 1e-2, 0.1, 1.0)}
    for label in LABELS
}
RATES["Swish"][1.0] = [np.nan] * 10


def beside():
    figure, panels = charts.side_by_side(["sigmoid", "ReLU", "ReLU + He", "all of them"])
    for panel in panels:
        charts.by_layer(
            {name: LAYERS[name] for name in LABELS[:3]}, ylabel="RMS", log=True, ax=panel
        )
    return figure


def curves(values, **options):
    return charts.by_layer(values, **{"ylabel": "RMS of the gradient"} | options)


def rates(values, **options):
    return charts.by_setting(values, **{"xlabel": "lr", "ylabel": "loss"} | options)


def rows(values, **options):
    return charts.by_label(values, **{"xlabel": "first layer / last layer"} | options)


DRAW = {
    "by_layer": lambda: curves(
        LAYERS, log=True, theory={"Xavier": [0.1] * 6, "½·√(n·Var W)": [1e-4] * 6}
    ),
    "by_setting": lambda: rates(RATES, log_y=True),
    "by_label": lambda: rows(ROWS, log=True, reference={"usual": 1, "theory": 1e-4}),
    "side_by_side": beside,
}
EVERY = pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)


def legend(ax):
    return [text.get_text().replace("\n", " ") for text in ax.get_legend().get_texts()]


def lines(ax):
    """Return the lines that have points."""
    return [line for line in ax.lines if len(line.get_xdata())]


def band(collection, x):
    """Return the lower and the upper end of a band at x."""
    corners = np.concatenate([path.vertices for path in collection.get_paths()])
    heights = corners[corners[:, 0] == x, 1]
    return heights.min(), heights.max()


def bands(ax):
    return [found for found in ax.collections if isinstance(found, PolyCollection)]


def visible_texts(figure):
    found = [*figure.texts]
    for ax in figure.axes:
        found += [child for child in ax.get_children() if isinstance(child, Text)]
        found += [ax.xaxis.label, ax.yaxis.label]
        found += ax.get_legend().get_texts() if ax.get_legend() else []
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
                inside = low <= tick.get_loc() <= high
                found += [label for label in (tick.label1, tick.label2) if inside]
    return [text for text in found if text.get_visible() and text.get_text()]


# All charts


@EVERY
def test_charts_change_no_settings_and_render_in_a_notebook(draw):
    settings = dict(mpl.rcParams)
    assert draw()._repr_png_().startswith(b"\x89PNG")
    assert dict(mpl.rcParams) == settings


@EVERY
def test_the_users_settings_do_not_change_a_chart(draw):
    with mpl.rc_context({"font.size": 4, "axes.labelsize": 4, "text.usetex": True}):
        figure = draw()
    assert {text.get_fontsize() for text in visible_texts(figure)} <= {13, 15, 17}
    assert not any(text.get_usetex() for text in visible_texts(figure))


@EVERY
def test_text_is_large_inside_the_figure_and_does_not_overlap(draw):
    figure = draw()
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    found = visible_texts(figure)
    assert min(text.get_fontsize() for text in found) >= 13
    page = figure.bbox.padded(1)
    boxes = [(text, text.get_window_extent(renderer)) for text in found]
    for number, (text, box) in enumerate(boxes):
        assert page.contains(*box.min), text
        assert page.contains(*box.max), text
        for other, second in boxes[number + 1 :]:
            # The boxes of slanted names overlap, their letters do not.
            if text.get_rotation() % 90 == 0 or other.get_rotation() % 90 == 0:
                assert not box.overlaps(second), (text, other)


@EVERY
def test_no_legend_covers_axes(draw):
    figure = draw()
    FigureCanvasAgg(figure).draw()
    legends = [ax.get_legend() for ax in figure.axes if ax.get_legend()]
    for box in (found.get_window_extent() for found in legends):
        assert not any(box.overlaps(ax.bbox) for ax in figure.axes)


@pytest.mark.parametrize(
    ("draw", "values"),
    [
        (curves, {"a": [[1.0, 2.0]]}),
        (rates, {"a": {1: [1.0]}}),
        (rows, {"a": [1.0]}),
    ],
)
def test_charts_draw_on_given_axes(draw, values):
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert draw(values, ax=right) is figure
    assert not left.has_data()
    assert right.has_data()
    assert right.xaxis.label.get_fontsize() == 15
    with pytest.raises(TypeError, match="expected ax to be one Matplotlib Axes, got ndarray"):
        draw(values, ax=np.array([left, right]))


def test_many_labels_have_different_colours_or_markers():
    many = {str(number): [[1.0], [2.0]] for number in range(20)}
    drawn = lines(curves(many).axes[0])
    assert len({line.get_color() for line in drawn[:8]}) == 8
    assert len({(line.get_color(), line.get_marker()) for line in drawn}) == 20


# by_layer and by_setting


@pytest.mark.parametrize("log", [False, True])
def test_each_layer_has_the_mean_and_interval_of_its_seeds(log):
    layers = [spread(1.0), spread(100.0), spread(5.0)]
    ax = curves({"a": layers}, log=log).axes[0]
    (line,), (area,) = lines(ax), bands(ax)
    average = intervals.geometric_mean if log else intervals.mean
    assert line.get_xdata().tolist() == [1, 2, 3]
    assert ax.get_yscale() == ("log" if log else "linear")
    for number, seeds in enumerate(layers, start=1):
        expected = average(seeds)
        assert line.get_ydata()[number - 1] == pytest.approx(expected.value)
        assert band(area, number) == (pytest.approx(expected.low), pytest.approx(expected.high))
    mean = "geometric mean" if log else "mean"
    assert legend(ax) == ["a", f"95% interval of the {mean}, 10 runs"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("layer", "RMS of the gradient")


def test_a_single_seed_has_no_band_and_a_single_layer_has_a_marker():
    ax = curves({"a": [[1.0], [2.0]], "b": [[3.0]]}).axes[0]
    assert all(np.isnan(line.get_ydata()).sum() == 0 for line in lines(ax))
    assert legend(ax) == ["a", "b"]
    assert lines(ax)[1].get_marker() != "None"
    drawn = [path for area in bands(ax) for path in area.get_paths()]
    assert not drawn


def test_theory_is_dashed_in_the_colour_of_its_label_or_in_black():
    ax = curves(
        {"a": [[1.0], [2.0]], "b": [[3.0], [4.0]]}, theory={"b": [5.0, 6.0], "limit": [7.0] * 3}
    ).axes[0]
    _, b, overlay, own = lines(ax)
    assert overlay.get_ydata().tolist() == [5, 6]
    assert overlay.get_linestyle() == "--"
    assert overlay.get_color() == b.get_color()
    assert own.get_xydata().tolist() == [[1, 7], [2, 7], [3, 7]]
    assert own.get_color() == "#222222"
    assert own.get_linestyle() not in {"-", "--"}
    assert legend(ax) == ["a", "b", "theory", "limit"]
    alone = curves({"a": [[1.0]]}, theory={"limit": [7.0]}).axes[0]
    assert lines(alone)[1].get_linestyle() == "--"
    assert legend(alone) == ["a", "limit"]


def test_non_finite_seeds_are_excluded_and_counted():
    broken = [[np.nan, np.inf, 1.0, 3.0], [np.nan, np.nan, 4.0, 6.0]]
    ax = curves({"a": broken, "b": [[1.0, 2.0], [np.nan, 2.0]]}).axes[0]
    assert lines(ax)[0].get_ydata().tolist() == [2, 5]
    assert band(bands(ax)[0], 1) == pytest.approx(
        stats.ttest_1samp([1.0, 3.0], 0).confidence_interval(0.95)
    )
    assert legend(ax)[:2] == [
        "a 2 of 4 excluded (not finite)", "b 1 of 2 excluded (not finite)",
    ]  # fmt: skip
    assert legend(ax)[-1] == "95% interval of the mean, 2 runs"


def test_zeros_on_a_log_axis_are_excluded_and_counted():
    layers = [[0.0, 0.0], [0.0, 0.0], [4.0, 9.0], [0.0, 5.0], [1.0, 1.0]]
    figure = curves({"zero": layers}, log=True)
    figure._repr_png_()
    (line,) = lines(figure.axes[0])
    np.testing.assert_allclose(line.get_ydata(), [np.nan, np.nan, 6, 5, 1])
    note = "zero 1–2 of 2 excluded (0 or not finite)"
    assert legend(figure.axes[0])[0] == note
    plain = curves({"zero": layers}).axes[0]
    assert lines(plain)[0].get_ydata().tolist() == [0, 0, 6.5, 2.5, 1]
    assert legend(plain)[0] == "zero"
    curves({"nothing": [[0.0, np.nan]]}, log=True)._repr_png_()


@pytest.mark.parametrize("value", [3.7e-9, 0.1, 1e12])
def test_values_that_differ_by_rounding_only_have_an_axis_around_them(value):
    for other in (value, np.nextafter(value, np.inf), value * (1 + 1e-9)):
        low, high = rows({"a": [value, other]}, log=True).axes[0].get_xlim()
        assert low < value / 2
        assert high > value * 1.1


def test_ticks_of_a_log_axis_show_their_values():
    ax = rows({"a": [2e-9, 3e-9, 4e-9, 5e-9] * 5}, log=True).axes[0]
    ax.figure.draw_without_rendering()
    shown = dict(
        zip(ax.get_xticks(), (tick.get_text() for tick in ax.get_xticklabels()), strict=True)
    )
    assert len(shown) > 2
    numbers = {value: float(text) for value, text in shown.items() if not text.startswith("10")}
    assert len(numbers) >= len(shown) - 1  # 10⁻⁸ or 10⁻⁹
    assert all(number == pytest.approx(value) for value, number in numbers.items())


def test_an_interval_beyond_the_range_of_floats_is_drawn():
    curves({"a": [[1e-30, 1e30], [1.0, 2.0]]}, log=True)._repr_png_()


@pytest.mark.parametrize(
    ("layers", "log", "message"),
    [
        ([[1.0], []], False, r"'a' at 2: expected .* got \[\]"),
        ([1.0, 2.0], False, r"'a' at 1: expected a list of numbers, one for each seed, got 1\.0"),
        ([[-1.0]], True, r"expected no negative numbers, got -1\.0"),
    ],
)
def test_by_layer_requires_a_list_over_seeds_in_each_layer(layers, log, message):
    with pytest.raises(ValueError, match=message):
        curves({"a": layers}, log=log)


def test_settings_are_drawn_in_ascending_order_with_ticks_at_the_settings():
    ax = rates({"SGD": {0.1: [1.0, 3.0], 0.001: [4.0, 4.0]}, "Adam": {0.01: [2.0]}}).axes[0]
    sgd, adam = lines(ax)
    assert sgd.get_xydata().tolist() == [[0.001, 4], [0.1, 2]]
    assert adam.get_xydata().tolist() == [[0.01, 2]]
    assert ax.get_xscale() == "log"
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0.001", "0.01", "0.1"]
    expected = intervals.mean([1.0, 3.0])
    assert band(bands(ax)[0], 0.1) == (pytest.approx(expected.low), pytest.approx(expected.high))
    crowded = {10.0**power: [1.0] for power in range(9)}
    ticks = rates({"a": crowded}).axes[0].get_xticks()
    assert ticks.tolist() == [1, 100, 10000, 1e6, 1e8]
    plain = rates({"a": {0: [1.0], 0.5: [2.0]}}, log_x=False).axes[0]
    assert plain.get_xscale() == "linear"
    assert lines(plain)[0].get_xdata().tolist() == [0, 0.5]


def test_settings_with_excluded_seeds_are_reported():
    lrs = {0.01: [1.0, 4.0], 0.1: [np.nan, 1.0], 1: [np.inf, np.nan]}
    ax = rates({"a": lrs}, log_y=True).axes[0]
    np.testing.assert_allclose(lines(ax)[0].get_ydata(), [2, 1, np.nan])
    assert ax.get_yscale() == "log"
    assert legend(ax)[0] == "a 1–2 of 2 excluded (0 or not finite)"


def test_by_setting_requires_a_list_over_seeds_at_each_setting():
    with pytest.raises(ValueError, match=r"'a' at 0\.1: expected a list of numbers"):
        rates({"a": {0.1: 1.0}})


# by_label


@pytest.mark.parametrize("log", [False, True])
def test_each_row_has_a_dot_for_each_seed_and_the_mean_with_its_interval(log):
    values = {"first": spread(3.0), "second": spread(50.0)}
    ax = rows(values, log=log).axes[0]
    average = intervals.geometric_mean if log else intervals.mean
    strokes = [c for c in ax.collections if isinstance(c, LineCollection)]
    for row, seeds in enumerate(values.values()):
        dots, mean = lines(ax)[2 * row : 2 * row + 2]
        expected = average(seeds)
        assert sorted(dots.get_xdata()) == sorted(seeds)
        assert (np.abs(dots.get_ydata() - row) < 0.3).all()
        assert (mean.get_xdata()[0], mean.get_ydata()[0]) == (pytest.approx(expected.value), row)
        (ends,) = strokes[row].get_segments()
        np.testing.assert_allclose(ends, [[expected.low, row], [expected.high, row]])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["first", "second"]
    assert ax.yaxis_inverted()
    mean = "geometric mean" if log else "mean"
    assert legend(ax) == ["one run", f"{mean}, 95% interval"]
    assert ax.get_xscale() == ("log" if log else "linear")


def test_references_are_dashed_vertical_lines_with_their_text():
    ax = rows({"a": [1.0, 2.0]}, reference={"usual": 1.5, "theory": 3}).axes[0]
    marks = lines(ax)[-2:]
    assert [line.get_xdata()[0] for line in marks] == [1.5, 3]
    assert {line.get_linestyle() for line in marks} == {"--"}
    assert marks[0].get_color() != marks[1].get_color()
    assert legend(ax)[-2:] == ["usual", "theory"]


def test_rows_report_excluded_seeds():
    values = {"whole": [1.0], "dead": [0.0, 0.0], "both": [0.0, np.nan, 4.0]}
    figure = rows(values, log=True)
    figure._repr_png_()
    notes = [text.get_text() for text in figure.axes[0].texts if text.get_text()]
    assert notes == ["2 of 2 excluded (0 or not finite)", "2 of 3 excluded (0 or not finite)"]
    plain = rows(values).axes[0]
    assert [text.get_text() for text in plain.texts if text.get_text()] == [
        "1 of 3 excluded (not finite)"
    ]
    assert lines(plain)[5].get_xdata()[0] == 2
    assert legend(rows({"a": [1.0]}).axes[0]) == ["one run", "mean"]


def test_by_label_requires_a_list_over_seeds():
    with pytest.raises(ValueError, match="'a': expected a list of numbers"):
        rows({"a": 1.0})


# side_by_side


@pytest.mark.parametrize(("count", "grid"), [(1, (1, 1)), (3, (1, 3)), (4, (2, 3)), (7, (3, 3))])
def test_panels_are_in_rows_of_at_most_three_with_their_titles(count, grid):
    titles = [f"panel {number}" for number in range(count)]
    _, panels = charts.side_by_side(titles)
    assert [ax.get_title() for ax in panels] == titles
    assert {ax.get_subplotspec().get_gridspec().get_geometry() for ax in panels} == {grid}
    assert [ax.get_subplotspec().num1 for ax in panels] == list(range(count))


def test_panels_share_their_y_axis_by_default():
    for share in (True, False):
        _, (left, right) = charts.side_by_side(["a", "b"], share_y=share)
        curves({"x": [[1.0], [2.0]]}, ax=left)
        curves({"x": [[1.0], [9.0]]}, ax=right)
        assert (left.get_ylim() == right.get_ylim()) is share
        assert left.get_ylabel() == right.get_ylabel() == "RMS of the gradient"
        assert left.yaxis.label.get_visible()
        assert right.yaxis.label.get_visible() is not share


def test_a_legend_that_panels_repeat_is_drawn_once():
    figure = beside()
    shown = [number for number, ax in enumerate(figure.axes) if ax.get_legend()]
    assert shown == [2]
    _, panels = charts.side_by_side(["a", "b"])
    for name, panel in zip("xy", panels, strict=True):
        curves({name: [[1.0]]}, ax=panel)
    assert [legend(panel) for panel in panels] == [["x"], ["y"]]


def test_an_entry_that_legends_have_in_common_is_drawn_once():
    _, panels = charts.side_by_side(["a", "b"])
    curves({"x": [[1.0, 2.0]], "y": [[2.0, 3.0]]}, log=True, ax=panels[0])
    curves({"x": [[1.0, 2.0]], "y": [[2.0, 3.0]]}, ax=panels[1])
    assert legend(panels[0]) == ["95% interval of the geometric mean, 2 runs"]
    assert legend(panels[1]) == ["x", "y", "95% interval of the mean, 2 runs"]
    _, panels = charts.side_by_side(["a", "b"])
    curves({"x": [[1.0]], "y": [[2.0]]}, ax=panels[0])
    curves({"y": [[2.0]], "x": [[1.0]]}, ax=panels[1])  # the same labels in other colours
    assert [legend(panel) for panel in panels] == [["x", "y"], ["y", "x"]]


def test_the_figure_grows_with_rows_and_columns():
    figure, panels = charts.side_by_side(["a", "b"])
    for panel in panels:
        rows({f"label {number}": [0.0, 1.0] for number in range(12)}, log=True, ax=panel)
    FigureCanvasAgg(figure).draw()
    assert panels[0].bbox.height / figure.dpi * 72 / 12 >= 2 * 13


def test_the_figure_grows_with_a_legend_that_reports_excluded_seeds():
    figure, panels = charts.side_by_side(["a", "b"])
    for panel in panels:
        curves({f"label {n}": [[0.0], [1.0]] for n in range(8)}, log=True, ax=panel)
    FigureCanvasAgg(figure).draw()  # a legend that is too tall is a warning, and so an error
    (shown,) = (ax.get_legend() for ax in panels if ax.get_legend())
    assert shown.get_window_extent().height < figure.bbox.height


def test_pyplot_manages_panels_side_by_side():
    figure, _ = charts.side_by_side(["a", "b"])
    assert plt.gcf() is figure
    plt.close(figure)


def test_plots_can_be_drawn_side_by_side():
    history = SimpleNamespace(loss=[2.0, 1.0], val_loss=[2.0, 1.5])
    figure, (left, right) = charts.side_by_side(["curves", "density"], share_y=False)
    assert plot.learning_curves(history, ax=left) is figure
    assert plot.density({"relu1": [0.0, 1.0, 2.0]}, ax=right) is figure
    assert (len(left.lines), len(right.lines)) == (2, 1)


# logarithmic axes


@pytest.mark.parametrize(
    ("middles", "written"),
    [
        ((1e-6, 1.0), ["10⁻⁶", "10⁻⁴", "0.01", "1"]),
        ((0.01, 10.0), ["0.01", "0.1", "1", "10"]),
        ((0.12, 0.9), ["0.2", "0.5"]),
        ((0.21, 0.27), ["0.22", "0.24", "0.26"]),
    ],
)
def test_a_log_axis_has_few_and_plain_numbers(middles, written):
    figure = curves({"a": [[middle] for middle in middles]}, log=True)
    FigureCanvasAgg(figure).draw()
    ax = figure.axes[0]
    low, high = ax.get_ylim()
    shown = [tick for tick in ax.yaxis.get_major_ticks() if low <= tick.get_loc() <= high]
    assert [tick.label1.get_text() for tick in shown] == written
    assert [tick.get_loc() for tick in shown] == sorted(tick.get_loc() for tick in shown)

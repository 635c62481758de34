"""Tests of the style of all charts: text, colours, titles, and the user's settings."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from helpers.charts import DRAW, contrasts, luminance, misplaced, visible_texts
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from minnet import plot

EVERY = pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)
ONE_AXES = {name: draw for name, draw in DRAW.items() if not name.startswith("histograms")}
EVERY_ON_AXES = pytest.mark.parametrize("draw", ONE_AXES.values(), ids=ONE_AXES)
STYLES = ("default", "grayscale", "ggplot", "Solarize_Light2", "seaborn-v0_8-darkgrid")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.mark.parametrize("name", ["histograms", "cdf"])
def test_a_notebook_shows_a_png(name):
    settings = dict(mpl.rcParams)
    assert DRAW[name]()._repr_png_().startswith(b"\x89PNG")
    assert dict(mpl.rcParams) == settings


@EVERY
def test_sizes_do_not_depend_on_the_users_settings(draw):
    with mpl.rc_context({"font.size": 4, "axes.labelsize": 4, "text.usetex": True}):
        figure = draw()
    assert {text.get_fontsize() for text in figure.findobj(Text)} <= {13, 15, 17}
    assert not any(text.get_usetex() for text in figure.findobj(Text) if text.get_text())


@EVERY
def test_text_is_large_and_does_not_overlap_and_no_setting_changes(draw):
    settings = dict(mpl.rcParams)
    figure = draw(title="A title of the chart")
    assert misplaced(figure) == []
    assert min(text.get_fontsize() for text in visible_texts(figure)) >= 13
    assert dict(mpl.rcParams) == settings


@pytest.mark.parametrize(
    "name", ["density", "cdf", "learning_curves", "gradient_flow_lines", "update_ratio"]
)
def test_legend_is_beside_the_axes(name):
    figure = DRAW[name]()
    FigureCanvasAgg(figure).draw()
    (ax,) = figure.axes
    assert ax.get_legend().get_window_extent().x0 >= ax.bbox.x1


@EVERY
def test_text_contrasts_with_the_background_of_a_new_figure(draw, tmp_path):
    with plt.style.context("dark_background"):
        figure = draw(title="title")
        assert min(contrasts(figure).values()) >= 7
        plt.savefig(tmp_path / "chart.png", dpi=30)
    np.testing.assert_array_equal(plt.imread(tmp_path / "chart.png")[-1, -1], [1, 1, 1, 1])


@EVERY_ON_AXES
def test_text_contrasts_with_the_background_of_given_axes(draw):
    with plt.style.context("dark_background"):
        figure, ax = plt.subplots(figsize=(12, 9), layout="constrained")
        draw(ax=ax, title="title")
        assert min(contrasts(figure).values()) >= 7


@pytest.mark.parametrize("style", STYLES)
def test_text_contrasts_with_the_background_under_other_styles(style):
    with plt.style.context(style):
        assert min(contrasts(plot.cdf({"a": [1.0, 2.0]}, title="title")).values()) >= 7
        figure, ax = plt.subplots()
        plot.cdf({"a": [1.0, 2.0]}, ax=ax, title="title")
        assert min(contrasts(figure).values()) >= 7


@pytest.mark.parametrize(("color", "dark"), [("none", False), ("#303030", True), ("0.9", False)])
def test_text_contrasts_with_the_background_of_a_subfigure(color, dark):
    figure = plt.figure(layout="constrained")
    (part,) = figure.subfigures(1, 1, squeeze=False).ravel()
    part.set_facecolor(color)
    plot.cdf({"a": [1.0, 2.0]}, ax=part.subplots())
    text = mpl.colors.to_rgb(part.axes[0].xaxis.label.get_color())
    assert (luminance(np.array(text)) > 0.5) == dark


@EVERY
def test_the_users_font_comes_first_and_the_fallback_last(draw):
    with mpl.rc_context({"font.family": "DejaVu Serif"}):
        figure = draw(title="title")
        figure.set_layout_engine("none")  # the places of texts do not matter
        figure.draw_without_rendering()
    families = {tuple(text.get_fontfamily()) for text in visible_texts(figure)}
    assert {family[0] for family in families} == {"DejaVu Serif"}
    assert {family[-1] for family in families} <= {"DejaVu Serif", "DejaVu Sans"}
    assert ("DejaVu Serif", "DejaVu Sans") in families


def test_the_users_choice_of_sans_serif_is_used():
    with mpl.rc_context({"font.sans-serif": ["DejaVu Sans Mono"]}):
        label = plot.cdf({"a": [1.0, 2.0]}).axes[0].xaxis.label
        assert mpl.font_manager.findfont(label.get_fontproperties()).endswith("SansMono.ttf")


@EVERY_ON_AXES
def test_title_and_figsize(draw):
    figure = draw(title="A title", figsize=(8, 7))
    assert figure.axes[0].get_title() == "A title"
    assert figure.get_size_inches().tolist() == [8, 7]
    own = plt.figure()
    assert draw(title="A title", ax=own.subplots()) is own
    assert own.axes[0].get_title() == "A title"
    with pytest.raises(ValueError, match=r"expected ax or figsize, got both; .*set_size_inches"):
        draw(ax=own.axes[0], figsize=(8, 7))


def test_title_and_figsize_of_histograms():
    figure = plot.histograms({"a": [1.0, 2.0], "b": [1.0]}, title="A title", figsize=(8, 7))
    assert figure.get_suptitle() == "A title"
    assert figure.get_size_inches().tolist() == [8, 7]
    for figsize in np.array([8, 7], np.uint8), [8.0, np.float16(7)]:
        assert plot.cdf({"a": [1.0]}, figsize=figsize).get_size_inches().tolist() == [8, 7]


@pytest.mark.parametrize("layers", [1, 2, 8, 30])
def test_depth_colors_get_lighter_and_contrast_with_white(layers):
    values = luminance(np.array(plot.depth_colors(layers))[:, :3])
    assert (np.diff(values) > 0).all()
    assert (1.05 / (values + 0.05)).min() >= 3


def test_equal_charts_give_equal_svg_files(tmp_path):
    for name in ("one.svg", "two.svg"):
        plot.histograms({"relu1": [0.0, 1.0, 2.0]}).savefig(tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()

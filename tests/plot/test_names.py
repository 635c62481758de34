"""Tests of layers with any name and of networks with hundreds of layers."""

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pytest
from helpers.charts import LABELS, RNG, X, history, legend, visible_texts
from matplotlib.backends.backend_agg import FigureCanvasAgg

import minnet
from minnet import (
    Dense,
    HistogramProbe,
    ReLU,
    Sequential,
    SoftmaxCrossEntropy,
    StatisticsProbe,
    plot,
)
from minnet.plot.style import spread, wrapped

NAMES = ["$x$", "_hidden", "100% {a}", "^{$", r"\alpha\n", "a\nb", "層", "long" * 60, "x" * 25]
MANY = 300


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def record(layers, steps=3):
    """Return the probes of a short training run of these layers, and its network."""
    net, probes = Sequential(layers, rng=0), [StatisticsProbe(), HistogramProbe(["y"])]
    minnet.fit(
        net, X, LABELS, loss=SoftmaxCrossEntropy(), optimizer=minnet.SGD(net, lr=0.01),
        epochs=1, batch_size=40 // steps, probes=probes, rng=0,
    )  # fmt: skip
    return *probes, net


@pytest.fixture(name="named", scope="module")
def make_named():
    return record([(name, Dense(4, 4)) for name in NAMES])


@pytest.fixture(name="many", scope="module")
def make_many():
    pairs = [layer for _ in range(MANY // 2) for layer in (Dense(4, 4, init="he_normal"), ReLU())]
    return record(pairs)


def drawn(figure):
    """Draw the figure, and return all its visible texts."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # no font with Chinese characters installed
        FigureCanvasAgg(figure).draw()
    found = visible_texts(figure)
    assert not any(text.get_parse_math() for text in found if "$" in text.get_text())
    return [text.get_text() for text in found]


def pixels(figure):
    return np.asarray(figure.get_size_inches()) * figure.dpi


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize(
    "draw",
    [
        lambda stats, hist, net, **o: plot.density(
            {name: RNG.normal(size=50) for name in NAMES}, **o
        ),
        lambda stats, hist, net, **o: plot.cdf(minnet.capture(net, X), **o),
        lambda stats, hist, net, **o: plot.gradient_flow(stats, lines=True, **o),
        lambda stats, hist, net, **o: plot.update_ratio(stats, **o),
        lambda stats, hist, net, **o: plot.learning_curves(
            {name: history(2, 1) for name in NAMES}, **o
        ),
    ],
    ids=["density", "cdf", "gradient_flow", "update_ratio", "learning_curves"],
)
def test_legends_have_an_entry_for_every_name(draw, given, named):
    options = {"ax": plt.subplots(figsize=(9, 14))[1]} if given else {}
    figure = draw(*named, **options)
    drawn(figure)
    entries = legend(figure)
    assert [name for name in NAMES if wrapped(name) not in entries] == []


@pytest.mark.parametrize("given", [False, True])
def test_rows_and_panels_are_labelled_with_every_name(named, given):
    stats, _, net = named
    for draw in (plot.gradient_flow, plot.dead_units):
        options = {"ax": plt.subplots(figsize=(9, 14))[1]} if given else {}
        found = " ".join(drawn(draw(stats, layers=NAMES, **options)))
        assert [name for name in NAMES if wrapped(name) not in found] == []
    found = drawn(plot.histograms(minnet.capture(net, X)))
    assert [name for name in NAMES if wrapped(name) not in found] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_single_layer_is_named_on_the_axis(named, name):
    _, hist, net = named
    found = " ".join(drawn(plot.heatmap(hist, name))).replace("\n", " ")
    assert wrapped(name, 30).replace("\n", " ") in found
    found = " ".join(drawn(plot.density(minnet.capture(net, X), layers=[name])))
    assert wrapped(name, 48) in found


def test_a_very_long_name_keeps_its_beginning_and_end():
    short = wrapped("first" + "x" * 500 + "last").replace("\n", "")
    assert len(short) == 72
    assert (short[:5], short[-4:], short.count("…")) == ("first", "last", 1)


@pytest.mark.parametrize("kind", ["map", "lines", "update_ratio", "dead_units", "cdf", "density"])
def test_hundreds_of_layers_are_drawn_in_a_figure_of_limited_size(many, kind):
    stats, _, net = many
    figure = {
        "map": lambda: plot.gradient_flow(stats, kind="dy"),
        "lines": lambda: plot.gradient_flow(stats, kind="dy", lines=True),
        "update_ratio": lambda: plot.update_ratio(stats),
        "dead_units": lambda: plot.dead_units(stats),
        "cdf": lambda: plot.cdf(minnet.capture(net, X)),
        "density": lambda: plot.density(minnet.capture(net, X)),
    }[kind]()
    ax = figure.axes[0]
    layers = MANY if kind != "update_ratio" else MANY // 2
    assert len(ax.lines) + len(ax.collections) >= layers
    drawn(figure)
    assert pixels(figure).max() <= 1600
    if ax.get_legend():
        note = ax.get_legend().get_title().get_text()
        shown, handles = len(legend(figure)), layers + (kind == "update_ratio")
        assert 20 < shown < 60
        assert note == f"{shown} of {handles} entries,\nall are drawn"


def test_a_legend_of_up_to_20_entries_is_complete():
    ax = plt.subplots(figsize=(4, 2))[1]
    figure = plot.cdf({f"layer{number}": [0.0, 1.0] for number in range(20)}, ax=ax)
    assert len(legend(figure)) == 20
    assert ax.get_legend().get_title().get_text() == ""


def test_histograms_of_hundreds_of_layers_are_evenly_spaced_ones_with_a_note(many):
    captured = minnet.capture(many[2], X)
    figure = plot.histograms(captured)
    assert len(figure.axes) == 60
    assert figure.axes[0].get_title(loc="left") == "dense1"
    assert figure.axes[-1].get_title(loc="left") == "relu150"
    assert "60 of 300 layers, evenly spaced; layers= chooses others" in figure.get_supxlabel()
    drawn(figure)
    assert pixels(figure).max() < 2**13
    two = plot.histograms({"before": captured, "after": captured})
    assert len(two.axes) == 60
    assert "30 of 300 layers" in two.get_supxlabel()


def test_a_choice_of_too_many_panels_raises(many):
    captured = minnet.capture(many[2], X)
    with pytest.raises(ValueError, match=r"at most 60 panels, got 61 layers x 1 labels; choose"):
        plot.histograms(captured, layers=list(captured)[:61])
    with pytest.raises(ValueError, match="at most 60 panels, got 1 layers x 61 labels"):
        plot.histograms({f"epoch {number}": {"a": [1.0]} for number in range(61)})


def test_spread_keeps_the_first_and_the_last():
    assert spread("abcdefghi", 3) == ["a", "e", "i"]
    assert spread("abc", 9) == ["a", "b", "c"]

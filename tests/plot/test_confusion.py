"""Tests of confusion matrices: every cell shows its count and its share of the true class."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from helpers.charts import meshes, misplaced
from matplotlib.colors import to_rgba
from sklearn.metrics import confusion_matrix

from minnet import plot

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def labels(classes, n=3000):
    true = RNG.integers(0, classes, n)
    return true, np.where(RNG.random(n) < 0.7, true, RNG.integers(0, classes, n))


def cells(figure):
    """Return (row, column) -> text."""
    found = {tuple(round(at) for at in text.get_position()[::-1]): text.get_text()
             for text in figure.axes[0].texts}  # fmt: skip
    return found


def ticks(figure):
    ax = figure.axes[0]
    return [[label.get_text() for label in axis.get_ticklabels()] for axis in (ax.yaxis, ax.xaxis)]


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_cells_show_the_counts_of_scikit_learn_and_the_shares_of_the_true_class(classes):
    true, predicted = labels(classes)
    kept = true.copy(), predicted.copy()
    figure = plot.confusion(true, predicted)
    counts = confusion_matrix(true, predicted)
    shares = counts / counts.sum(axis=1, keepdims=True)
    for place, text in cells(figure).items():
        count, share = text.split("\n")
        assert int(count) == counts[place]
        assert float(share.strip("<%")) == pytest.approx(100 * shares[place], abs=0.5001)
    assert len(cells(figure)) == classes**2
    ((x, y, colors),) = meshes(figure)
    assert x.tolist() == y.tolist() == [i - 0.5 for i in range(classes + 1)]
    np.testing.assert_allclose(colors, shares)
    ax = figure.axes[0]
    assert ax.get_ylim() == (classes - 0.5, -0.5)  # class 0 on top
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("true class", "predicted class")
    assert ticks(figure) == [[str(i) for i in range(classes)]] * 2
    assert misplaced(figure) == []
    np.testing.assert_array_equal((true, predicted), kept)


def test_classes_that_do_not_occur_are_drawn_if_they_have_names():
    figure = plot.confusion([0, 0, 2], [0, 2, 2], names=["a", "b", "c", "d"])
    assert ticks(figure) == [["a", "b", "c", "d"]] * 2
    full = {(0, 0): "1\n50%", (0, 2): "1\n50%", (2, 2): "1\n100%"}
    assert cells(figure) == dict.fromkeys(np.ndindex(4, 4), "0") | full
    ((_, _, colors),) = meshes(figure)
    assert colors.mask.sum() == 13  # white
    assert ticks(plot.confusion([0, 0, 2], [0, 2, 2])) == [["0", "2"]] * 2


def test_string_labels_are_in_order_or_in_the_order_of_names():
    true, predicted = ["dog", "cat", "dog"], ["dog", "dog", "dog"]
    assert ticks(plot.confusion(true, predicted)) == [["cat", "dog"]] * 2
    figure = plot.confusion(true, predicted, names=["dog", "cat"])
    assert ticks(figure) == [["dog", "cat"]] * 2
    assert cells(figure) == {(0, 0): "2\n100%", (0, 1): "0", (1, 0): "1\n100%", (1, 1): "0"}


@pytest.mark.parametrize("label", ["cat", 3, True])
def test_a_single_class_is_drawn(label):
    figure = plot.confusion([label] * 4, [label] * 4)
    assert ticks(figure) == [[str(label)]] * 2
    assert cells(figure) == {(0, 0): "4\n100%"}


def test_labels_of_many_classes_are_evenly_spaced():
    ax = plot.confusion(np.arange(100), np.arange(100)).axes[0]
    (step,) = set(np.diff(ax.get_yticks()))
    assert 1 < step < 10
    assert ax.get_xticks().tolist() == ax.get_yticks().tolist()


@pytest.mark.parametrize("names", ["ab", {0: "a", 1: "b"}])
def test_names_that_are_no_list_are_refused(names):
    with pytest.raises(TypeError, match=r"^confusion: expected names as a list, got"):
        plot.confusion([0, 1], [0, 1], names=names)


@pytest.mark.parametrize(
    ("figsize", "lines"), [((12, 9), 2), ((9, 7.5), 2), ((6, 4), 1), ((3, 2.5), 0)]
)
def test_numbers_are_written_where_they_fit(figsize, lines):
    figure = plot.confusion(*labels(10, 300), figsize=figsize)
    found = set(cells(figure).values())
    assert max((text.count("\n") + 1 for text in found), default=0) == lines
    if lines:
        assert misplaced(figure) == []


def test_a_new_figure_grows_with_the_classes_and_long_names_do_not_overlap():
    sizes = []
    for classes in (3, 12, 20):
        names = [f"class number {i}" for i in range(classes)]
        figure = plot.confusion(*labels(classes), names=names, title="title")
        sizes.append(figure.get_size_inches())
        assert misplaced(figure) == []
        assert len(cells(figure)) == classes**2
    assert (np.diff(sizes, axis=0) > 0).all()


@pytest.mark.parametrize(
    ("true", "predicted", "options", "message"),
    [
        ([0, 1], [0], {}, r"of the same shape \(n,\), got \(2,\) and \(1,\); outputs\.argmax"),
        ([0, 1], np.eye(2), {}, r"got \(2,\) and \(2, 2\); outputs\.argmax\(axis=1\)"),
        ([], [], {}, r"got \(0,\) and \(0,\)"),
        ([2**64 - 1], [1], {}, r"expected labels below 2\*\*63, got 18446744073709551615"),
        (
            [0, 3], [0, 1], {"names": ["a", "b"]},
            r"expected a name for each label, got none for \[3\]; there are 2 names, for \[0, 1\]",
        ),
        (["a", "b"], ["a", "b"], {"names": ["a", "b", "b"]}, "expected different names, got"),
        (["a", "x"], ["a", "b"], {"names": ["a", "b"]}, r"got none for \['x'\]; .* \['a', 'b'\]"),
    ],
)  # fmt: skip
def test_labels_that_do_not_fit_are_refused(true, predicted, options, message):
    with pytest.raises(ValueError, match=rf"^confusion: .*{message}"):
        plot.confusion(true, predicted, **options)


def test_numbers_have_a_high_contrast_with_their_cell():
    true = np.repeat(np.arange(20), 100)
    predicted = np.concatenate([np.where(np.arange(100) < 5 * k, k, 0) for k in range(20)])
    figure = plot.confusion(true, predicted, figsize=(20, 16))
    mesh = figure.axes[0].collections[0]
    colors = np.where(
        mesh.get_array().mask.reshape(-1, 1), 1.0, mesh.to_rgba(mesh.get_array()).reshape(-1, 4)
    )
    cells = dict(zip(np.ndindex(20, 20), colors, strict=True))
    for text in figure.axes[0].texts:
        column, row = map(round, text.get_position())
        pair = [luminance(cells[row, column]), luminance(to_rgba(text.get_color()))]
        assert (max(pair) + 0.05) / (min(pair) + 0.05) >= 4.5


def luminance(color):
    """Return the relative luminance of WCAG 2.2."""
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in color[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

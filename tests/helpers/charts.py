"""Networks, recordings and readers of figures for the tests of the charts."""

from functools import cache
from types import SimpleNamespace

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, QuadMesh
from matplotlib.colors import to_rgb
from matplotlib.patches import StepPatch
from matplotlib.text import Text

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

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 4)).astype(np.float32)
LABELS = np.arange(40) % 3
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


def history(*losses, val=()):
    return SimpleNamespace(loss=list(losses), val_loss=list(val), accuracy=[], val_accuracy=[])


def recording(probe_class):
    """Return a recording of a deep network in 5 steps, with NaN in the last gradients."""
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


@cache
def recorded(probe_class):
    """Return one recording for all charts, which only read it."""
    return recording(probe_class)


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
    """Return every text that is drawn, with the tick labels within the axes."""
    found = [*figure.texts]
    insets = [inset for ax in figure.axes for inset in ax.child_axes]
    for ax in [*figure.axes, *insets]:
        found += [child for child in ax.get_children() if isinstance(child, Text)]
        found += [ax.xaxis.label, ax.yaxis.label]
        if ax.get_legend():
            found += ax.get_legend().get_texts()
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            found += [t.label1 for t in axis.get_major_ticks() if low <= t.get_loc() <= high]
            found.append(axis.get_offset_text())
    return [text for text in found if text.get_visible() and text.get_text()]


def misplaced(figure):
    """Draw the figure; return the texts that leave the page and the pairs that overlap."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    boxes = [(t.get_text(), t.get_window_extent(renderer)) for t in visible_texts(figure)]
    page = figure.bbox.padded(1)
    found = [
        text for text, box in boxes if not page.contains(*box.min) or not page.contains(*box.max)
    ]
    for number, (text, box) in enumerate(boxes):
        found += [(text, other) for other, place in boxes[number + 1 :] if box.overlaps(place)]
    return found


def observed(probe, *rows):
    """Return the probe after it has observed a weight with one row of values a step."""
    net = Sequential([Dense(1, len(rows[0]))], rng=0)
    for number, row in enumerate(rows):
        net["dense1"].params["weight"].value[...] = row
        probe.observe(number * probe.every, net)
    return probe


def trained(probe, layers=None, *, steps=20, **options):
    """Return the probe after it has observed a training run of this many steps."""
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


def bar_label(figure):
    return figure.axes[1].get_ylabel()


def contrasts(figure):
    """Return text -> contrast (WCAG 2) of its colour with the pixels behind it."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    figure.set_layout_engine("none")  # the next drawing keeps these places
    found = [text for text in visible_texts(figure) if not text.get_path_effects()]
    boxes = [text.get_window_extent().get_points().astype(int) for text in found]
    for text in figure.findobj(Text):
        text.set_visible(False)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[::-1, :, :3] / 255
    ratios = {}
    for text, ((x0, y0), (x1, y1)) in zip(found, boxes, strict=True):
        behind = np.median(pixels[max(y0, 0) : y1, max(x0, 0) : x1], axis=(0, 1))
        dark, light = sorted(luminance(np.array([to_rgb(text.get_color()), behind])))
        ratios[text.get_text()] = (light + 0.05) / (dark + 0.05)
    return ratios


def luminance(rgb):
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


DRAW = {
    "histograms": lambda **o: plot.histograms(ODD, **o),
    "histograms_log": lambda **o: plot.histograms(ODD, log=True, **o),
    "histograms_before_after": lambda **o: plot.histograms({"before": ODD, "after": ODD}, **o),
    "density": lambda **o: plot.density(ODD, **o),
    "density_log": lambda **o: plot.density(ODD, log=True, **o),
    "cdf": lambda **o: plot.cdf(ODD, **o),
    "cdf_log": lambda **o: plot.cdf(ODD, log=True, **o),
    "confusion": lambda **o: plot.confusion(LABELS, np.roll(LABELS, 5) % (1 + LABELS), **o),
    "heatmap": lambda **o: plot.heatmap(recorded(HistogramProbe), "relu1", kind="dy", **o),
    "gradient_flow": lambda **o: plot.gradient_flow(recorded(StatisticsProbe), kind="dy", **o),
    "gradient_flow_lines": lambda **o: plot.gradient_flow(
        recorded(StatisticsProbe), lines=True, theory={"dense1": 0.1}, **o
    ),
    "update_ratio": lambda **o: plot.update_ratio(recorded(StatisticsProbe), **o),
    "dead_units": lambda **o: plot.dead_units(recorded(StatisticsProbe), **o),
    "learning_curves": lambda **o: plot.learning_curves(
        {"a": [history(3, 2, val=(4, 3)), history(2, 2, val=(3, 3))], "b": history(1, 1, 1)}, **o
    ),
}

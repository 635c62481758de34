"""`plot.animate` shows the recorded slots one after another on the same axes."""

import numpy as np
import pytest
from matplotlib.animation import PillowWriter
from PIL import Image

import minnet
from minnet import Dense, HistogramProbe, ReLU, Sequential


@pytest.fixture(scope="module")
def probe():
    net = Sequential([Dense(3, 40), ReLU(), Dense(40, 1)], rng=0)
    probe = HistogramProbe(["y"], slots=8)
    x = np.random.default_rng(0).normal(size=(64, 3))
    minnet.fit(net, x, x[:, :1], loss=minnet.MeanSquaredError(), optimizer=minnet.SGD(net, lr=0.1),
               epochs=3, batch_size=32, probes=[probe], rng=0)  # fmt: skip
    return probe


def test_a_saved_animation_has_a_frame_for_each_slot(probe, tmp_path):
    animation = minnet.plot.animate(probe, "relu1", seconds=3)
    animation.save(tmp_path / "relu1.gif", writer=PillowWriter(fps=2), dpi=30)
    with Image.open(tmp_path / "relu1.gif") as image:
        assert image.n_frames == len(probe.steps("relu1", "y")) == 6


def test_a_frame_shows_densities_zeros_and_step_of_its_slot(probe):
    animation = minnet.plot.animate(probe, "relu1", seconds=3)
    bars, stem, note = animation._func(4)
    values, edges = bars.get_data()[:2]
    share = (values * np.diff(edges)).sum()
    zeros = probe.zeros("relu1", "y")[4]
    assert share == pytest.approx(1 - zeros, abs=0.05)  # 1% of the run lies beyond the axis
    assert stem.get_ydata() == [0, zeros]
    assert note.get_text().startswith("step 4, ")
    animation._draw_was_started = True  # it is not shown


def test_seconds_and_layer_are_validated(probe):
    for seconds in (0, -1.0, float("nan"), 1e308, 10**400, "1", slice(None)):
        with pytest.raises((TypeError, ValueError), match="expected seconds to be"):
            minnet.plot.animate(probe, "relu1", seconds=seconds)
    with pytest.raises(ValueError, match="relu9"):
        minnet.plot.animate(probe, "relu9")


def test_seconds_may_be_a_small_numpy_integer(probe):
    for seconds in (6, np.uint8(6)):
        animation = minnet.plot.animate(probe, "relu1", seconds=seconds)
        assert animation.event_source.interval == pytest.approx(6000 / 6)
        animation._draw_was_started = True  # it is not shown

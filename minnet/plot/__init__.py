"""Charts of activations, gradients and parameters, and of recorded training runs.

The charts are readable from the last row of a lecture hall: they have large text, few ticks,
labelled axes, the same axes for panels that are compared, and colours that are distinct to
colour-blind readers and get lighter with depth. Exact zeros are drawn separately from a density,
and a note reports the number of values beyond an axis. A figure has dark text on a white background
under every Matplotlib style. Around axes that the user passes, the text contrasts with the
background of the figure.

Every function returns its figure; ``figure.savefig("name.png")`` saves it. If pyplot has been
imported, it manages the figure: ``plt.show()`` and ``plt.savefig("name.png")`` work too.
Matplotlib's settings are not changed. The user's fonts are used. Names are drawn literally, without
mathematical notation. A name in Chinese, Japanese or Korean needs a font that has the characters,
for instance ``matplotlib.rcParams["font.family"] = "Noto Sans CJK JP"``.

The functions share these parameters. Data or options that cannot be drawn raise TypeError or
ValueError; arrays that are not finite raise FloatingPointError.

kind : str
    Name of a buffer, parameter or gradient: "y", "dy", "weight", "weight_grad", ...
layers : sequence of str, optional
    Layers to draw, in that order; by default all that hold this kind.
ax : matplotlib.axes.Axes, optional
    Axes to draw on; by default those of a new figure.
title : str, optional
    Title of the axes, or of the figure if it has panels.
figsize : (float, float), optional
    Width and height of a new figure in inches; not together with ``ax``.

Examples
--------
>>> import numpy as np
>>> from minnet import Dense, MeanSquaredError, ReLU, SGD, Sequential, fit, plot
>>> from minnet import HistogramProbe, StatisticsProbe
>>> net, x = Sequential([Dense(3, 8), ReLU(), Dense(8, 1)], rng=0), np.eye(3)
>>> values, numbers = HistogramProbe(), StatisticsProbe()
>>> history = fit(net, x, x[:, :1], loss=MeanSquaredError(), optimizer=SGD(net, lr=0.1),
...               epochs=5, batch_size=3, probes=[values, numbers], rng=0)
>>> plot.heatmap(values, "relu1").axes[0].get_ylabel()
'activation y of relu1'
>>> figure = plot.gradient_flow(numbers, lines=True)
>>> [line.get_label() for line in figure.axes[0].lines]
['dense1', 'dense2']
"""

from minnet.plot.animation import animate
from minnet.plot.confusion import confusion
from minnet.plot.distributions import cdf, density, histograms
from minnet.plot.heatmap import heatmap
from minnet.plot.runs import dead_units, gradient_flow, learning_curves, update_ratio
from minnet.plot.style import depth_colors

__all__ = [
    "animate",
    "cdf",
    "confusion",
    "dead_units",
    "density",
    "depth_colors",
    "gradient_flow",
    "heatmap",
    "histograms",
    "learning_curves",
    "update_ratio",
]
